//! Bytes to lines, with bounded memory. Knows where lines end and how long they may be, nothing of what is in them.

use super::message::{CLIENT_TAG_BYTES_MAX, LINE_BYTES_MAX};
use bytes::{Buf, Bytes, BytesMut};

/// What the buffer has next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A whole line, without its end.
    Line(Bytes),
    /// A line over the limit; it is gone.
    TooLong,
}

/// Input not handled yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    searched: usize,
    /// The rest of a line that was too long is dropped as it comes.
    discarding: bool,
    /// Whether lines may begin with tags.
    tags: bool,
}

impl Lines {
    /// Takes bytes in.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.shed();
    }

    /// From here on lines may begin with tags (IRCv3 `message-tags`): before that a client gets only small buffers.
    pub(super) fn allow_tags(&mut self) {
        self.tags = true;
    }

    /// Whether nothing is waiting.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// What the next line begins with, its end not among it, when there is a whole one.
    pub(super) fn peek(&mut self) -> Option<&[u8]> {
        let end = self.end()?;
        self.buffer.get(..end)
    }

    /// The next line, when there is a whole one.
    pub(super) fn take(&mut self) -> Option<Next> {
        let end = self.end()?;
        let mut line = self.buffer.split_to(end).freeze();
        self.buffer.advance(1);
        self.searched = 0;
        if self.buffer.is_empty() {
            // An idle connection keeps no buffer.
            self.buffer = BytesMut::new();
        }
        let too_long = std::mem::take(&mut self.discarding) || !self.fits(&line);
        self.shed();
        if too_long {
            return Some(Next::TooLong);
        }
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        Some(Next::Line(line))
    }

    fn end(&mut self) -> Option<usize> {
        let fresh = self.buffer.get(self.searched..).unwrap_or_default();
        let found = fresh.iter().position(|byte| *byte == b'\n').map(|index| self.searched + index);
        self.searched = found.unwrap_or(self.buffer.len());
        found
    }

    /// Whether a line, without its LF, keeps both limits.
    fn fits(&self, line: &[u8]) -> bool {
        let tags = if self.tags && line.first() == Some(&b'@') {
            line.iter().position(|byte| *byte == b' ').map_or(line.len(), |space| space + 1)
        } else {
            0
        };
        tags <= CLIENT_TAG_BYTES_MAX && line.len() - tags < LINE_BYTES_MAX
    }

    /// Drops what has come of a line that is too long already. Only where it is the next one: whether a later line may have tags depends on
    /// lines before it.
    fn shed(&mut self) {
        let limit = if self.tags { CLIENT_TAG_BYTES_MAX + LINE_BYTES_MAX } else { LINE_BYTES_MAX };
        if self.end().is_none() && (self.discarding || self.buffer.len() > limit) {
            self.discarding = true;
            self.buffer.clear();
            self.searched = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(lines: &mut Lines) -> Vec<Next> {
        std::iter::from_fn(|| lines.take()).collect()
    }

    fn line(text: &str) -> Next {
        Next::Line(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn lines_end_with_lf_with_or_without_cr() {
        let mut lines = Lines::default();
        lines.push(b"NICK a\r\nUSER\n\r\n\nrest");
        assert_eq!(all(&mut lines), [line("NICK a"), line("USER"), line(""), line("")]);
        lines.push(b"\r\n");
        assert_eq!(all(&mut lines), [line("rest")]);
        assert!(lines.is_empty());
    }

    #[test]
    fn a_line_of_512_bytes_fits_and_one_more_does_not() {
        let mut lines = Lines::default();
        lines.push(
            &[b"x".repeat(510), b"\r\n".to_vec(), b"x".repeat(511), b"\r\n".to_vec(), b"ok\r\n".to_vec()].concat(),
        );
        assert_eq!(all(&mut lines), [line(&"x".repeat(510)), Next::TooLong, line("ok")]);
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut lines = Lines::default();
        for _ in 0..1000 {
            lines.push(&[b'x'; 1000]);
            assert!(lines.buffer.len() <= LINE_BYTES_MAX);
        }
        lines.push(b"\nok\n");
        assert_eq!(all(&mut lines), [Next::TooLong, line("ok")]);
    }

    #[test]
    fn tags_have_a_limit_of_their_own_once_they_are_allowed() {
        let mut lines = Lines::default();
        let tagged = format!("@{} PING", "t".repeat(4094));
        lines.push(format!("{tagged}\n").as_bytes());
        assert_eq!(all(&mut lines), [Next::TooLong]);
        lines.allow_tags();
        lines.push(format!("{tagged}\n@t{tagged}\n").as_bytes());
        assert_eq!(all(&mut lines), [line(&tagged), Next::TooLong]);
    }

    proptest! {
        #[test]
        fn chunking_changes_nothing(
            pieces in prop::collection::vec(("[ab@ ]{0,6}", 0..700usize), 0..6),
            cuts in prop::collection::vec(1..300usize, 1..20),
            tags in any::<bool>(),
        ) {
            let text: String = pieces.iter().map(|(text, pad)| format!("{text}{}\n", "x".repeat(*pad))).collect();
            let mut whole = Lines { tags, ..Lines::default() };
            whole.push(text.as_bytes());
            let expected = all(&mut whole);
            let mut chunked = Lines { tags, ..Lines::default() };
            let mut seen = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                chunked.push(now);
                seen.extend(all(&mut chunked));
                rest = later;
            }
            prop_assert_eq!(seen, expected);
        }
    }
}
