//! Something said, as lines: live, echoed or from history. Line breaks become several lines, `/me ` a CTCP ACTION, and what does not fit into a
//! line goes on in the next.

use super::Caps;
use super::message::{Line, floor_boundary};
use super::relation;
use crate::event::Said;
use lavina_crdt::content::{Author, Content, MessageKind};
use lavina_crdt::names::{AccountName, RoomName};
use lavina_crdt::relation::Relation;

/// Bytes of text in a line at the very least, however long names are.
const TEXT_BYTES_MIN: usize = 64;

/// How a line is to look: what of a session's surroundings its rendering depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look<'a> {
    /// The capabilities that matter.
    pub(super) caps: Caps,
    /// The node's name.
    pub(super) node: &'a str,
    /// The time of what has none of its own.
    pub(super) wall_ms: u64,
}

impl Look<'_> {
    /// The stamps every line by or about a person has, as negotiated.
    pub(super) fn stamp(&self, line: Line, at_ms: u64, account: Option<&AccountName>) -> Line {
        let line = if self.caps.has(Caps::SERVER_TIME) { line.tag("time", &super::time::format(at_ms)) } else { line };
        match account {
            Some(account) if self.caps.has(Caps::ACCOUNT_TAG) => line.tag("account", account.as_str()),
            Some(_) | None => line,
        }
    }
}

/// A room's name as IRC writes it.
pub(super) fn channel_name(room: &RoomName) -> String {
    format!("#{room}")
}

/// A room as the target of something said there.
pub(super) fn room_target(room: &RoomName, content: &Content) -> String {
    format!("{}#{room}", super::names::prefix(content.least))
}

/// `nick!user@host` of an author.
pub(super) fn author_source(author: &Author) -> String {
    format!("{}!{}@{}", author.nick, author.user, author.host)
}

/// The lines of something said towards `target`; none for what a client of these capabilities cannot be shown.
pub(super) fn lines(look: &Look<'_>, said: &Said, target: &str, batch: Option<&str>) -> Vec<Line> {
    if said.redacted.is_some() {
        return Vec::new();
    }
    if said.content.redaction().is_some() {
        let line = relation::redact_line(look, said, target);
        return line.into_iter().map(|line| plainly(look, said, line, batch)).collect();
    }
    let source = author_source(&said.author);
    let tags = relation::tags_for(&said.content);
    let command = match said.content.kind {
        MessageKind::Message | MessageKind::Letter => "PRIVMSG",
        MessageKind::Notice => "NOTICE",
        MessageKind::Signal => {
            let shown = tags.iter().filter(|_| look.caps.has(Caps::MESSAGE_TAGS));
            let line = |tags| tagged(look, said, Line::new(&source, "TAGMSG", &[target]), batch, Some(tags));
            return shown.map(|tags| line(tags.as_slice())).collect();
        }
    };
    let bare = Line::with_text(&source, command, &[target], "").len();
    let room = (super::message::LINE_BYTES_MAX - 2).saturating_sub(bare).max(TEXT_BYTES_MIN);
    let tags = tags.first().map_or(&[] as &[_], Vec::as_slice);
    let text = match said.content.relation.as_deref() {
        Some(Relation::Edit(_)) => format!("{} (edited)", said.content.text),
        Some(Relation::Reply(_) | Relation::React(_) | Relation::Redact(_)) | None => said.content.text.clone(),
    };
    let pieces = pieces(&text, &said.content.joints, room);
    let shown = pieces.iter().filter(|piece| !piece.text.is_empty());
    if pieces.len() > 1 && look.caps.has(Caps::MULTILINE.with(Caps::BATCH)) {
        return as_batch(look, said, target, batch, command, tags, &pieces);
    }
    shown
        .enumerate()
        // One id names one message: the first line has it, and the tags that go with it.
        .map(|(index, piece)| {
            let line = Line::with_text(&source, command, &[target], &piece.text);
            tagged(look, said, line, batch, (index == 0).then_some(tags))
        })
        .collect()
}

/// A message of several lines for a client that puts them together again (IRCv3 `draft/multiline`).
fn as_batch(
    look: &Look<'_>,
    said: &Said,
    target: &str,
    batch: Option<&str>,
    command: &str,
    tags: &[(String, String)],
    pieces: &[Piece],
) -> Vec<Line> {
    let (source, name) = (author_source(&said.author), format!("m{}", said.id));
    let begin = Line::new(&source, "BATCH", &[&format!("+{name}"), "draft/multiline", target]);
    let mut lines = vec![tagged(look, said, begin, batch, Some(tags))];
    lines.extend(pieces.iter().map(|piece| {
        let line = Line::with_text(&source, command, &[target], &piece.text).tag("batch", &name);
        if piece.goes_on { line.tag("draft/multiline-concat", "") } else { line }
    }));
    lines.push(Line::new(look.node, "BATCH", &[&format!("-{name}")]));
    lines
}

fn plainly(look: &Look<'_>, said: &Said, line: Line, batch: Option<&str>) -> Line {
    let line = batch.into_iter().fold(line, |line, batch| line.tag("batch", batch));
    let line = look.stamp(line, said.id.hlc().ms(), said.author.account.as_ref());
    // IRCv3 `bot-mode`: a tag without a value.
    if said.by_bot && look.caps.has(Caps::MESSAGE_TAGS) { line.tag("bot", "") } else { line }
}

/// The line with its stamps; the first line of a message has the id and the tags too.
fn tagged(look: &Look<'_>, said: &Said, line: Line, batch: Option<&str>, tags: Option<&[(String, String)]>) -> Line {
    let line = plainly(look, said, line, batch);
    let Some(tags) = tags.filter(|_| look.caps.has(Caps::MESSAGE_TAGS)) else { return line };
    let line = line.tag("msgid", &said.id.to_string());
    tags.iter().fold(line, |line, (key, value)| line.tag(key, value))
}

/// The text of one line.
#[derive(Debug, PartialEq, Eq)]
struct Piece {
    text: String,
    /// Whether it goes on with the line before it.
    goes_on: bool,
}

/// Text as the texts of lines, each of at most `room` bytes, cut at the joints too.
fn pieces(text: &str, joints: &[u32], room: usize) -> Vec<Piece> {
    if text.starts_with('\u{1}') {
        return vec![Piece { text: text.replace('\n', " "), goes_on: false }];
    }
    let mut pieces = Vec::new();
    let mut begin = 0;
    for (index, line) in text.split('\n').enumerate() {
        let words = line.trim_end_matches('\r');
        let action = (index == 0).then(|| words.strip_prefix("/me ")).flatten();
        let room = if action.is_some() { room.saturating_sub("\u{1}ACTION \u{1}".len()) } else { room };
        let mut rest = action.unwrap_or(words);
        let mut at = begin + words.len() - rest.len();
        let mut goes_on = false;
        loop {
            let joint = joints.iter().filter_map(|joint| usize::try_from(*joint).ok()?.checked_sub(at));
            let joint = joint.filter(|joint| *joint > 0 && *joint < rest.len() && rest.is_char_boundary(*joint)).min();
            let cut = floor_boundary(rest, room).max(first_char(rest)).min(joint.unwrap_or(rest.len()));
            let (piece, later) = rest.split_at(cut);
            let text = if action.is_some() { format!("\u{1}ACTION {piece}\u{1}") } else { piece.to_owned() };
            pieces.push(Piece { text, goes_on });
            if later.is_empty() {
                break;
            }
            (rest, at, goes_on) = (later, at + cut, true);
        }
        begin += line.len() + 1;
    }
    pieces
}

fn first_char(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn line_breaks_and_actions_become_lines() {
        let texts = |text: &str, joints: &[u32], room| -> Vec<String> {
            pieces(text, joints, room)
                .into_iter()
                .map(|piece| format!("{}{}", if piece.goes_on { "+" } else { "" }, piece.text))
                .collect()
        };
        assert_eq!(texts("one\n\ntwo\r\nthree", &[], 100), ["one", "", "two", "three"]);
        assert_eq!(texts("/me waves\nand goes", &[], 100), ["\u{1}ACTION waves\u{1}", "and goes"]);
        assert_eq!(texts("", &[], 100), [""]);
        assert_eq!(texts("\u{1}VERSION\u{1}", &[], 3), ["\u{1}VERSION\u{1}"]);
        assert_eq!(texts("a\nhow is everyone?", &[9, 99], 100), ["a", "how is ", "+everyone?"]);
        assert_eq!(texts("abcd", &[], 3), ["abc", "+d"]);
    }

    proptest! {
        #[test]
        fn nothing_of_a_long_text_is_lost_and_no_piece_is_too_long(text in "[a-zäß€🐙]{0,200}", room in 16..80usize) {
            let pieces: Vec<String> = pieces(&text, &[3, 7], room).into_iter().map(|piece| piece.text).collect();
            prop_assert_eq!(pieces.concat(), text);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= room));
        }
    }
}
