//! The messages of handshakes, length-delimited as frames are: a big-endian u32 and as many bytes of postcard. What comes in is bounded
//! before it is buffered.

use bytes::Bytes;
use lavina_gossip::framing::PREFIX_BYTES;
use quinn::{RecvStream, SendStream};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The bytes were not what they ought to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// Longer than allowed.
    #[error("a message is longer than allowed")]
    TooLong,
    /// Not decodable.
    #[error("a message cannot be decoded")]
    Undecodable,
    /// The stream ended early.
    #[error("the connection ended within a message")]
    Ended,
}

fn delimited<T: Serialize>(message: &T, bytes_max: usize) -> Result<Bytes, WireError> {
    let mut bytes = postcard::to_extend(message, vec![0; PREFIX_BYTES]).map_err(|_| WireError::Undecodable)?;
    let length = bytes.len() - PREFIX_BYTES;
    if length > bytes_max {
        return Err(WireError::TooLong);
    }
    let prefix = u32::try_from(length).map_err(|_| WireError::TooLong)?.to_be_bytes();
    if let Some(place) = bytes.first_chunk_mut::<PREFIX_BYTES>() {
        *place = prefix;
    }
    Ok(Bytes::from(bytes))
}

/// Writes one message of a handshake.
pub(crate) async fn write<T: Serialize>(send: &mut SendStream, message: &T, bytes_max: usize) -> Result<(), WireError> {
    let bytes = delimited(message, bytes_max)?;
    send.write_chunk(bytes).await.map_err(|_| WireError::Ended)
}

/// Reads one message of a handshake. Bytes after the known fields are a newer version's and are left alone.
pub(crate) async fn read<T: DeserializeOwned>(recv: &mut RecvStream, bytes_max: usize) -> Result<T, WireError> {
    let mut prefix = [0; PREFIX_BYTES];
    recv.read_exact(&mut prefix).await.map_err(|_| WireError::Ended)?;
    let length = usize::try_from(u32::from_be_bytes(prefix)).map_err(|_| WireError::TooLong)?;
    if length > bytes_max {
        return Err(WireError::TooLong);
    }
    let mut body = vec![0; length];
    recv.read_exact(&mut body).await.map_err(|_| WireError::Ended)?;
    postcard::take_from_bytes(&body).map(|(message, _newer)| message).map_err(|_| WireError::Undecodable)
}
