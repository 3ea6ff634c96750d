//! Stanzas that a client has been sent and has not acknowledged (XEP-0198 section 4), so that they can be sent again over another connection.
//!
//! **Invariant:** bytes that many clients share are kept as they are shared: a queue costs its stanzas' handles, not copies.

use super::delay::delay;
use super::element::Element;
use bytes::Bytes;
use std::collections::VecDeque;

/// Stanzas kept for one client: a join to a room of thousands, answered by no acknowledgement yet.
const LEN_MAX: usize = 8_192;
/// And their bytes.
const BYTES_MAX: usize = 2 * 1024 * 1024;
/// A message that is sent again so much later says when it was sent first (XEP-0203).
const LATE_MS: u64 = 5_000;

/// One stanza as it is written: what is the client's own, and what may be shared with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The stanza's beginning, up to and with `to`; empty where the rest is all of it.
    pub(crate) head: Bytes,
    /// The rest.
    pub(crate) tail: Bytes,
}

impl Sent {
    /// A stanza in one piece.
    pub(crate) fn whole(stanza: impl Into<Bytes>) -> Self {
        Self { head: Bytes::new(), tail: stanza.into() }
    }

    fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Whether it is a message.
    pub(crate) fn is_message(&self) -> bool {
        let begin: &[u8] = if self.head.is_empty() { &self.tail } else { &self.head };
        begin.starts_with(b"<message")
    }

    /// Whether the client is to say soon that it has it: what people wait for, not who comes and goes.
    pub(crate) fn is_pressing(&self) -> bool {
        let begin: &[u8] = if self.head.is_empty() { &self.tail } else { &self.head };
        !begin.starts_with(b"<presence")
    }

    /// The same with the time it was sent at first, where it is a message that says no time itself.
    fn delayed(&self, from: &str, at_ms: u64) -> Self {
        const CLOSE: &str = "</message>";
        let body = std::str::from_utf8(&self.tail).ok().and_then(|tail| tail.strip_suffix(CLOSE));
        match body {
            Some(body) if self.is_message() && !body.contains(super::ns::DELAY) => {
                let stamp = delay(from, at_ms).to_standalone();
                Self { head: self.head.clone(), tail: Bytes::from(format!("{body}{stamp}{CLOSE}")) }
            }
            Some(_) | None => self.clone(),
        }
    }
}

/// The client says that it has got more than it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooHigh {
    /// What it says.
    pub(crate) handled: u32,
    /// What it was sent.
    pub(crate) sent: u32,
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Unacked {
    /// With the wall-clock time at which each was sent first.
    queue: VecDeque<(Sent, u64)>,
    bytes: usize,
    /// How many stanzas the client has been sent, modulo 2^32.
    sent: u32,
    /// How many of them it has acknowledged.
    acked: u32,
    /// Whether stanzas are kept, so that the stream can be resumed.
    keeps: bool,
    /// An acknowledgement has been asked for and has not come.
    pub(crate) asked: bool,
}

impl Unacked {
    /// An empty one; with `keeps` off it only counts.
    pub(crate) const fn new(keeps: bool) -> Self {
        Self { queue: VecDeque::new(), bytes: 0, sent: 0, acked: 0, keeps, asked: false }
    }

    /// Whether what was sent can be sent again.
    pub(crate) const fn keeps(&self) -> bool {
        self.keeps
    }

    /// How many stanzas are not acknowledged.
    pub(crate) const fn waiting(&self) -> u32 {
        self.sent.wrapping_sub(self.acked)
    }

    /// Whether one of those that wait is more than presence.
    pub(crate) fn is_pressing(&self) -> bool {
        self.queue.iter().any(|(sent, _)| sent.is_pressing())
    }

    /// A stanza goes out. `false` when from now on nothing can be kept any more, since it is too much.
    pub(crate) fn push(&mut self, stanza: &Sent, now_ms: u64) -> bool {
        self.sent = self.sent.wrapping_add(1);
        if !self.keeps {
            return true;
        }
        self.bytes += stanza.len();
        self.queue.push_back((stanza.clone(), now_ms));
        if self.queue.len() <= LEN_MAX && self.bytes <= BYTES_MAX {
            return true;
        }
        self.keeps = false;
        self.queue = VecDeque::new();
        self.bytes = 0;
        false
    }

    /// The client has handled so many stanzas.
    pub(crate) fn acknowledge(&mut self, handled: u32) -> Result<(), TooHigh> {
        let fresh = handled.wrapping_sub(self.acked);
        if fresh > self.waiting() {
            return Err(TooHigh { handled, sent: self.sent });
        }
        self.acked = handled;
        for _ in 0..fresh {
            let Some((stanza, _)) = self.queue.pop_front() else { break };
            self.bytes -= stanza.len();
        }
        if self.queue.is_empty() {
            self.queue.shrink_to_fit();
        }
        Ok(())
    }

    /// What is to be sent again, oldest first.
    pub(crate) fn again(&self, from: &str, now_ms: u64) -> Vec<Sent> {
        let late = |at_ms: u64| now_ms.saturating_sub(at_ms) >= LATE_MS;
        self.queue
            .iter()
            .map(|(sent, at_ms)| if late(*at_ms) { sent.delayed(from, *at_ms) } else { sent.clone() })
            .collect()
    }

    /// Stanzas that the client never acknowledged, read anew.
    pub(crate) fn unread(&self) -> impl Iterator<Item = Element> {
        self.queue.iter().filter_map(|(sent, _)| {
            let text = [&sent.head[..], &sent.tail[..]].concat();
            super::xml::parse_stanza(std::str::from_utf8(&text).ok()?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(text: &str) -> Sent {
        Sent::whole(text.to_owned())
    }

    #[test]
    fn what_is_acknowledged_goes_and_the_rest_is_sent_again() {
        let mut unacked = Unacked::new(true);
        for text in ["<iq/>", "<message>1</message>", "<presence/>"] {
            assert!(unacked.push(&stanza(text), 1_000));
        }
        unacked.acknowledge(1).unwrap();
        assert_eq!(unacked.again("a", 2_000), [stanza("<message>1</message>"), stanza("<presence/>")]);
        let late = unacked.again("a", 1_000 + LATE_MS);
        let first = std::str::from_utf8(&late[0].tail).unwrap();
        assert_eq!(
            first,
            "<message>1<delay xmlns='urn:xmpp:delay' from='a' stamp='1970-01-01T00:00:01.000Z'/></message>"
        );
        assert_eq!(unacked.acknowledge(4), Err(TooHigh { handled: 4, sent: 3 }));
        assert_eq!(unacked.acknowledge(0), Err(TooHigh { handled: 0, sent: 3 }), "going back is no better");
        unacked.acknowledge(3).unwrap();
        assert_eq!((unacked.waiting(), unacked.again("a", 0).len()), (0, 0));
    }

    #[test]
    fn counters_go_round() {
        let mut unacked = Unacked::new(true);
        (unacked.sent, unacked.acked) = (u32::MAX, u32::MAX);
        assert!(unacked.push(&stanza("<iq/>"), 0));
        unacked.acknowledge(0).unwrap();
        assert_eq!(unacked.waiting(), 0);
    }

    #[test]
    fn too_much_ends_the_keeping() {
        let mut unacked = Unacked::new(true);
        let big = stanza(&"x".repeat(BYTES_MAX / 2));
        assert!(unacked.push(&big, 0) && unacked.push(&big, 0));
        assert!(!unacked.push(&stanza("<iq/>"), 0));
        assert!(!unacked.keeps() && unacked.push(&big, 0), "told once");
        assert_eq!(unacked.waiting(), 4);
    }
}
