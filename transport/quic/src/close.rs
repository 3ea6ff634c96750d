//! Why a connection ends: the codes of QUIC's CONNECTION_CLOSE frame (RFC 9000 section 19.19) and their text.

use quinn::{ConnectionError, VarInt};

/// Longest reason shown from a peer, in characters: a line of a log.
const REASON_CHARS_MAX: usize = 200;

/// What a connection is closed with. Numbers are on the wire: they do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Nothing is said to who is not admitted.
    Silent = 0,
    /// No common version, or another mesh.
    Mismatch = 1,
    /// There is a connection between the two already.
    Duplicate = 2,
    /// The peer has made a newer connection.
    Replaced = 3,
    /// The peer does not read fast enough.
    Overload = 4,
    /// The peer sent what is not a frame, or broke the order of things.
    Malformed = 5,
    /// The operator or the machine above wants it closed.
    Hangup = 6,
    /// This node stops.
    Stopping = 7,
}

impl Code {
    pub(crate) fn var_int(self) -> VarInt {
        VarInt::from_u32(self as u32)
    }
}

/// Why a connection has ended, for people; never empty.
pub(crate) fn reason(error: &ConnectionError) -> String {
    let text = match error {
        ConnectionError::ApplicationClosed(close) if close.error_code == Code::Silent.var_int() => {
            "closed by the peer without an answer: this node is not admitted there".to_owned()
        }
        ConnectionError::ApplicationClosed(close) => String::from_utf8_lossy(&close.reason).into_owned(),
        ConnectionError::TimedOut => "silent for too long".to_owned(),
        ConnectionError::Reset => "the peer has lost the connection's state".to_owned(),
        ConnectionError::VersionMismatch
        | ConnectionError::TransportError(_)
        | ConnectionError::ConnectionClosed(_)
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => error.to_string(),
    };
    text.chars().filter(|letter| !letter.is_control()).take(REASON_CHARS_MAX).collect()
}
