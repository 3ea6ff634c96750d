//! Length-delimited messages: a big-endian u32 and as many bytes of postcard. What comes in is bounded before it is buffered.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use lavina_gossip::frame::{self, FRAME_BYTES_MAX, Frame, FrameError};
use quinn::{RecvStream, SendStream};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of the length in front of a message.
const PREFIX_BYTES: usize = 4;
/// Below this, copying a frame next to its neighbours is cheaper than a chunk of its own.
const COPIED_BYTES_MAX: usize = 16 * 1024;

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

/// Encoded frames as they go on a stream, each behind its length: short ones together in one buffer, long ones as they are.
pub(crate) fn join_frames(frames: Vec<Bytes>) -> Vec<Bytes> {
    let short: usize = frames.iter().map(Bytes::len).filter(|length| *length < COPIED_BYTES_MAX).sum();
    let mut open = BytesMut::with_capacity(short + frames.len() * PREFIX_BYTES);
    let mut chunks = Vec::new();
    for frame in frames {
        // The codec makes none longer than a u32 can say.
        open.put_u32(u32::try_from(frame.len()).unwrap_or(u32::MAX));
        if frame.len() < COPIED_BYTES_MAX {
            open.put_slice(&frame);
        } else {
            chunks.push(open.split().freeze());
            chunks.push(frame);
        }
    }
    if !open.is_empty() {
        chunks.push(open.freeze());
    }
    chunks
}

/// What came as one message of a lane.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A frame.
    Frame(Frame),
    /// A frame of a kind that only a newer version knows: it is skipped, and the connection lives on.
    Unknown,
}

/// Takes the first whole frame out of `buffer`; `None` when more bytes are needed.
pub(crate) fn take_frame(buffer: &mut BytesMut) -> Result<Option<Taken>, WireError> {
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
    match frame::decode(&body) {
        Ok(frame) => Ok(Some(Taken::Frame(frame))),
        Err(FrameError::Unknown(_)) => Ok(Some(Taken::Unknown)),
        Err(FrameError::TooLong(_) | FrameError::Malformed | FrameError::Trailing(_)) => Err(WireError::Undecodable),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(bytes: usize) -> Frame {
        Frame::Membership(vec![5; bytes].into())
    }

    #[test]
    fn frames_in_pieces_come_out_once_whole() {
        let sent = [frame(0), frame(3), frame(COPIED_BYTES_MAX), frame(1), frame(2 * COPIED_BYTES_MAX)];
        let chunks = join_frames(sent.iter().map(|frame| frame::encode(frame).unwrap()).collect());
        assert_eq!(chunks.len(), 4);
        let (mut buffer, mut received) = (BytesMut::new(), Vec::new());
        for piece in chunks.concat().chunks(7) {
            buffer.extend_from_slice(piece);
            while let Some(frame) = take_frame(&mut buffer).unwrap() {
                received.push(frame);
            }
        }
        assert_eq!(received, sent.map(Taken::Frame));
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes_come() {
        let mut buffer = BytesMut::from(&[0xff; 4][..]);
        assert_eq!(take_frame(&mut buffer), Err(WireError::TooLong));
    }

    #[test]
    fn a_frame_of_a_newer_kind_is_skipped() {
        let newer = Bytes::from_static(&[0x7f, 1, 2, 3]);
        let mut buffer =
            BytesMut::from(join_frames(vec![newer, frame::encode(&frame(3)).unwrap()]).concat().as_slice());
        assert_eq!(take_frame(&mut buffer), Ok(Some(Taken::Unknown)));
        assert_eq!(take_frame(&mut buffer), Ok(Some(Taken::Frame(frame(3)))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_frames_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let mut buffer = BytesMut::from(bytes.as_slice());
            while let Ok(Some(_)) = take_frame(&mut buffer) {}
        }
    }
}
