//! What nodes say to one another about one session, unstored and best effort.

use crate::farewells::REASON_BYTES_MAX;
use bytes::Bytes;
use lavina_crdt::clock::Hlc;
use lavina_crdt::content::{Author, Content};
use lavina_crdt::ids::{MsgId, NodeId, OrderKey, Scope, SessionId};
use lavina_crdt::names::{AccountName, Nick, RoomName};
use serde::{Deserialize, Serialize};

/// Largest signal, bytes: a stanza of the largest size an XMPP client may send, less what is around it.
pub(crate) const SIGNAL_BYTES_MAX: usize = 64 * 1024;

/// One signal to the home node of a session. New variants go at the end; a variant is never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Signal {
    /// A stanza handed through.
    Whisper {
        /// From which session.
        from: SessionId,
        /// Through which room and from which nick there.
        via: Option<(RoomName, Nick)>,
        /// As its sender wrote it.
        stanza: Bytes,
    },
    /// The session is invited to a room.
    Invited {
        /// Where to.
        room: RoomName,
        /// By whom.
        by: Author,
        /// Why.
        reason: String,
    },
    /// Another session of its account has taken the session's resource.
    Replaced,
    /// For the whole node, whichever session it is addressed to: somebody is about to leave.
    Farewell {
        /// Who.
        session: SessionId,
        /// Which room; `None`: the mesh.
        room: Option<RoomName>,
        /// With which words.
        words: String,
    },
    /// The session is to end.
    Killed {
        /// The operator.
        by: Author,
        /// What others are told.
        words: String,
    },
    /// For the whole node, whichever session it is addressed to: an operator speaks to all who want to hear.
    Wallops {
        /// The operator.
        by: Author,
        /// What.
        text: String,
    },
    /// Another session of the session's person took a place or gave one up.
    Placed {
        /// Which session.
        by: Author,
        /// Where.
        room: RoomName,
        /// Since when; `None`: given up.
        since: Option<Hlc>,
    },
    /// The owner of the session's account ends it.
    Ended {
        /// From where.
        by: Author,
    },
    /// Something is said that is kept nowhere. In a room it is for the whole node, whichever session it is addressed to.
    Passing {
        /// Where.
        scope: Scope,
        /// When, and the id.
        key: OrderKey,
        /// By whom.
        author: Box<Author>,
        /// What.
        content: Box<Content>,
    },
    /// For the whole node, whichever session it is addressed to: somebody asks to be let into a room.
    Knocked {
        /// Which room.
        room: RoomName,
        /// Who.
        by: Author,
        /// With which words.
        text: String,
    },
    /// The client goes on in another session of the account.
    Abandoned {
        /// In which.
        by: Author,
        /// What only the client knows of the session.
        key: String,
        /// How many stanzas it has got there.
        got: u32,
    },
    /// A stanza of somebody of another server who has no session.
    FromAbroad {
        /// Who.
        account: AccountName,
        /// From which of their clients.
        resource: Option<String>,
        /// As its sender wrote it.
        stanza: Bytes,
    },
    /// The session is of somebody of another server, which has said this at another node.
    Forwarded(Bytes),
    /// For the whole node, whichever session it is addressed to: somebody reports abuse to operators.
    Reported {
        /// Who.
        by: Author,
        /// Whose, and what.
        words: String,
    },
    /// Another session of the session's person goes by another nick.
    Renamed {
        /// Which session, under the old one.
        by: Author,
        /// The new one.
        nick: Nick,
    },
    /// For the whole node, whichever session it is addressed to: a client of another server shows itself to an account by a link of the sender's.
    Shows {
        /// Which node says so.
        node: NodeId,
        /// Whose client.
        account: AccountName,
        /// Which of theirs.
        resource: Option<String>,
        /// To which account.
        to: AccountName,
        /// With which capabilities.
        caps: String,
        /// Since when, milliseconds since the Unix epoch.
        at_ms: u64,
    },
    /// For the whole node in the same way: the sender has told that client what an account publishes.
    HasTold {
        /// Whose client.
        account: AccountName,
        /// Which of theirs.
        resource: Option<String>,
        /// What is published by whom.
        of: AccountName,
    },
    /// For the whole node, whichever session it is addressed to: a client has a direct message that was said there.
    Got(MsgId),
}

impl Signal {
    /// The bytes on the wire; `None` when they are too many.
    pub(crate) fn encode(&self) -> Option<Bytes> {
        let bytes = postcard::to_stdvec(self).ok()?;
        (bytes.len() <= SIGNAL_BYTES_MAX).then(|| bytes.into())
    }

    /// A signal from a peer's bytes; `None` when they are none that this version knows.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > SIGNAL_BYTES_MAX {
            return None;
        }
        postcard::from_bytes(bytes).ok().filter(Self::is_sound)
    }

    /// Whether what a peer says can be shown in a line.
    fn is_sound(&self) -> bool {
        let line = |text: &str| !text.contains(['\0', '\r', '\n']);
        match self {
            Self::Whisper { .. } | Self::Replaced | Self::Forwarded(_) | Self::Got(_) => true,
            Self::FromAbroad { account, resource, .. }
            | Self::Shows { account, resource, .. }
            | Self::HasTold { account, resource, .. } => account.is_remote() && resource.as_deref().is_none_or(line),
            Self::Ended { by } | Self::Placed { by, .. } | Self::Abandoned { by, .. } | Self::Renamed { by, .. } => {
                by.is_sound()
            }
            Self::Invited { by, reason, .. } => by.is_sound() && line(reason),
            Self::Knocked { by, text, .. } => by.is_sound() && text.len() <= REASON_BYTES_MAX && line(text),
            Self::Wallops { by, text: words } | Self::Killed { by, words } | Self::Reported { by, words } => {
                by.is_sound() && line(words)
            }
            Self::Passing { author, content, .. } => author.is_sound() && content.is_sound() && content.is_passing(),
            Self::Farewell { words, .. } => words.len() <= REASON_BYTES_MAX && line(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_would_break_a_line_is_none() {
        let session = SessionId { node: NodeId([1; 32]), number: 1 };
        let farewell = |words: &str| Signal::Farewell { session, room: None, words: words.to_owned() };
        let travelled = |signal: &Signal| Signal::decode(&signal.encode().unwrap());
        assert_eq!(travelled(&farewell("bye")), Some(farewell("bye")));
        assert_eq!(travelled(&farewell("bye\r\nQUIT")), None);
        assert_eq!(Signal::decode(&[9, 9, 9]), None);
        let long = Signal::Whisper { from: session, via: None, stanza: vec![b'x'; SIGNAL_BYTES_MAX + 1].into() };
        assert_eq!(long.encode(), None);
    }
}
