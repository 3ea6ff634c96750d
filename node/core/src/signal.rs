//! What nodes say to one another about one session, unstored and best effort.

use bytes::Bytes;
use lavina_crdt::content::Author;
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::{Nick, RoomName};
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
        postcard::from_bytes(bytes).ok()
    }
}
