//! How one message relates to an earlier one of the same conversation: reply, reaction, correction, redaction; and signs of writing.
//!
//! A message that came with a protocol's own markup keeps it untouched ([`crate::content::Content::tags`], [`crate::content::Content::payloads`]);
//! the relation is what clients of the other protocols are told.

use crate::content::Author;
use crate::ids::MsgId;
use serde::{Deserialize, Serialize};

/// Most reactions of one person to one message.
pub const REACTIONS_MAX: usize = 32;
/// Longest reaction, bytes: an emoji with all its joiners and modifiers, or a word.
pub const REACTION_BYTES_MAX: usize = 128;
/// Longest reason of a redaction, bytes.
pub const REASON_BYTES_MAX: usize = 400;

/// What a message is to an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Relation {
    /// It answers that one.
    Reply(MsgId),
    /// It changes its author's reactions to that one.
    React(Reaction),
    /// It corrects that one, which has the same author: the text stands for the earlier text. Of several corrections the newest counts.
    Edit(MsgId),
    /// It takes that one back. Once redacted stays redacted, whatever order entries come in.
    Redact(Redact),
}

/// Somebody's reactions to a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reaction {
    /// To which.
    pub to: MsgId,
    /// All that the author had given, as far as the author's node knew.
    pub before: Vec<String>,
    /// All that the author gives now.
    pub now: Vec<String>,
}

impl Reaction {
    /// What is new.
    pub fn added(&self) -> impl Iterator<Item = &str> {
        self.now.iter().filter(|one| !self.before.contains(one)).map(String::as_str)
    }

    /// What was taken back.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        self.before.iter().filter(|one| !self.now.contains(one)).map(String::as_str)
    }
}

/// A redaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Redact {
    /// Of which message.
    pub of: MsgId,
    /// Why; may be empty.
    pub reason: String,
    /// Whether its author does so by a moderator's right. Otherwise it counts only where its author is the message's.
    pub moderated: bool,
}

/// What is left of a redacted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    /// By whom.
    pub by: Author,
    /// By which entry, and so when.
    pub id: MsgId,
    /// Why; may be empty.
    pub reason: String,
    /// Whether by a moderator's right.
    pub moderated: bool,
}

/// A sign of writing, never stored (IRCv3 `typing`, XEP-0085).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Typing {
    /// Somebody writes.
    Active,
    /// Somebody has stopped with the text begun.
    Paused,
    /// Somebody has given the text up.
    Done,
}

impl Relation {
    /// The earlier message.
    #[must_use]
    pub const fn of(&self) -> MsgId {
        match self {
            Self::Reply(of) | Self::Edit(of) => *of,
            Self::React(reaction) => reaction.to,
            Self::Redact(redact) => redact.of,
        }
    }

    /// Whether it keeps to the bounds and every protocol can say it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let line = |text: &str, bytes_max: usize| text.len() <= bytes_max && !text.contains(['\0', '\r', '\n']);
        let few = |reactions: &[String]| {
            reactions.len() <= REACTIONS_MAX
                && reactions.iter().all(|one| !one.is_empty() && line(one, REACTION_BYTES_MAX))
        };
        match self {
            Self::Reply(_) | Self::Edit(_) => true,
            Self::React(reaction) => few(&reaction.before) && few(&reaction.now),
            Self::Redact(redact) => line(&redact.reason, REASON_BYTES_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reactions_tell_what_is_new_and_what_is_gone() {
        let all = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let reaction = Reaction { to: MsgId([0; 20]), before: all(&["a", "b"]), now: all(&["b", "c"]) };
        assert_eq!(reaction.added().collect::<Vec<_>>(), ["c"]);
        assert_eq!(reaction.removed().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn what_would_break_a_line_or_a_bound_is_not_sound() {
        let of = MsgId([0; 20]);
        let redact = |reason: &str| Relation::Redact(Redact { of, reason: reason.to_owned(), moderated: false });
        assert!(redact("spam").is_sound());
        assert!(!redact("a\nb").is_sound() && !redact(&"x".repeat(REASON_BYTES_MAX + 1)).is_sound());
        let react = |now: Vec<String>| Relation::React(Reaction { to: of, before: Vec::new(), now });
        assert!(react(vec!["\u{1f44d}".to_owned()]).is_sound());
        assert!(!react(vec![String::new()]).is_sound() && !react(vec!["x".to_owned(); REACTIONS_MAX + 1]).is_sound());
    }
}
