//! Length-delimited messages: a big-endian u32 and as many bytes of postcard. What comes in is bounded before it is buffered.

use bytes::{Buf, Bytes, BytesMut};
use lavina_gossip::frame::{FRAME_BYTES_MAX, Frame};
use quinn::{RecvStream, SendStream};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of the length in front of a message.
const PREFIX_BYTES: usize = 4;

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

/// A frame with its length in front, ready to be written.
pub(crate) fn encode_frame(frame: &Frame) -> Result<Bytes, WireError> {
    delimited(frame, FRAME_BYTES_MAX)
}

/// Takes the first whole frame out of `buffer`; `None` when more bytes are needed.
pub(crate) fn take_frame(buffer: &mut BytesMut) -> Result<Option<Frame>, WireError> {
    let Some(prefix) = buffer.first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*prefix)).map_err(|_| WireError::TooLong)?;
    if length > FRAME_BYTES_MAX {
        return Err(WireError::TooLong);
    }
    if buffer.len() < PREFIX_BYTES + length {
        buffer.reserve(PREFIX_BYTES + length - buffer.len());
        return Ok(None);
    }
    buffer.advance(PREFIX_BYTES);
    let body = buffer.split_to(length);
    postcard::from_bytes(&body).map(Some).map_err(|_| WireError::Undecodable)
}

fn delimited<T: Serialize>(message: &T, bytes_max: usize) -> Result<Bytes, WireError> {
    let bytes = postcard::to_extend(message, vec![0; PREFIX_BYTES]).map_err(|_| WireError::Undecodable)?;
    let mut bytes = bytes;
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame() -> Frame {
        Frame::Buckets(vec![(1, lavina_crdt::entry::Hash([2; 32])), (9, lavina_crdt::entry::Hash([3; 32]))])
    }

    #[test]
    fn a_frame_in_pieces_comes_out_once_whole() {
        let bytes = [encode_frame(&frame()).unwrap(), encode_frame(&Frame::Durable(Vec::new())).unwrap()].concat();
        let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
        for byte in bytes {
            buffer.extend_from_slice(&[byte]);
            while let Some(frame) = take_frame(&mut buffer).unwrap() {
                frames.push(frame);
            }
        }
        assert_eq!(frames, [frame(), Frame::Durable(Vec::new())]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes_come() {
        let mut buffer = BytesMut::from(&[0xff; 4][..]);
        assert_eq!(take_frame(&mut buffer), Err(WireError::TooLong));
        let huge = Frame::Membership(Bytes::from(vec![0; FRAME_BYTES_MAX]));
        assert_eq!(encode_frame(&huge), Err(WireError::TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_frames_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let mut buffer = BytesMut::from(bytes.as_slice());
            while let Ok(Some(_)) = take_frame(&mut buffer) {}
        }
    }
}
