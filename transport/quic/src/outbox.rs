//! What waits to be written to one peer: a queue a lane, bounded by bytes, filled without waiting.

use bytes::Bytes;
use lavina_gossip::frame::{self, Frame, FrameError, Lane};
use lavina_gossip::packed;
use lavina_gossip::plane::BATCH_FRAMES_MAX;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// A frame did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// A frame that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    /// As it goes on the stream.
    Encoded(Bytes),
    /// To be packed when it is its turn; about so many bytes until then.
    Packable(Frame, usize),
}

impl Queued {
    /// A frame for a peer with which this version of frames is spoken.
    pub(crate) fn new(frame: &Frame, version: u16) -> Result<Self, FrameError> {
        match packed::packable(frame).filter(|_| version >= packed::SINCE) {
            Some(bytes) => Ok(Self::Packable(frame.clone(), bytes)),
            None => frame::encode(frame).map(Self::Encoded),
        }
    }

    /// Its length on the stream, where it is known.
    pub(crate) const fn encoded_len(&self) -> Option<usize> {
        match self {
            Self::Encoded(bytes) => Some(bytes.len()),
            Self::Packable(..) => None,
        }
    }

    const fn len(&self) -> usize {
        match self {
            Self::Encoded(bytes) => bytes.len(),
            Self::Packable(_, bytes) => *bytes,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    control: Queue,
    live: Queue,
    bulk: Queue,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Queued>,
    bytes: usize,
}

impl Outbox {
    const fn queue(&self, lane: Lane) -> &Queue {
        match lane {
            Lane::Control => &self.control,
            Lane::Live => &self.live,
            Lane::Bulk => &self.bulk,
        }
    }

    /// Adds a frame.
    pub(crate) fn push(&self, lane: Lane, frame: Queued) -> Result<(), Full> {
        let queue = self.queue(lane);
        {
            let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.bytes + frame.len() > lane.waiting_bytes_max() {
                return Err(Full);
            }
            waiting.bytes += frame.len();
            waiting.frames.push_back(frame);
        }
        queue.filled.notify_one();
        Ok(())
    }

    /// The next frames of a lane, at least one. One task may wait a lane.
    pub(crate) async fn take(&self, lane: Lane) -> Vec<Queued> {
        let queue = self.queue(lane);
        loop {
            {
                let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let count = waiting.frames.len().min(BATCH_FRAMES_MAX);
                if count > 0 {
                    let batch: Vec<Queued> = waiting.frames.drain(..count).collect();
                    waiting.bytes -= batch.iter().map(Queued::len).sum::<usize>();
                    return batch;
                }
            }
            queue.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::entry::{Run, SealedEntry};
    use lavina_crdt::ids::{NodeId, OriginKey, Scope};

    #[test]
    fn entries_are_packed_only_for_a_peer_that_can_open_them() {
        let entry = SealedEntry { bytes: vec![7; 9_000].into(), signature: None };
        let origin = OriginKey { node: NodeId([1; 32]), epoch: 0 };
        let runs = vec![Run { scope: Scope::Mesh, origin, first: 0, entries: vec![entry] }];
        let delta = Frame::Delta { runs, more: false };
        assert_eq!(Queued::new(&delta, packed::SINCE), Ok(Queued::Packable(delta.clone(), 9_000)));
        let plain = frame::encode(&delta).map(Queued::Encoded);
        assert_eq!(Queued::new(&delta, packed::SINCE - 1), plain);
    }

    #[tokio::test]
    async fn a_full_lane_drops_the_newest_and_leaves_the_others_alone() {
        let outbox = Outbox::default();
        let frame = Queued::Encoded(Bytes::from(vec![0; Lane::Bulk.waiting_bytes_max() / 2]));
        let short = |text: &'static str| Queued::Encoded(Bytes::from_static(text.as_bytes()));
        assert_eq!(outbox.push(Lane::Bulk, frame.clone()), Ok(()));
        assert_eq!(outbox.push(Lane::Bulk, frame.clone()), Ok(()));
        assert_eq!(outbox.push(Lane::Bulk, short("x")), Err(Full));
        assert_eq!(outbox.push(Lane::Control, short("y")), Ok(()));
        assert_eq!(outbox.take(Lane::Control).await, [short("y")]);
        assert_eq!(outbox.take(Lane::Bulk).await.len(), 2);
        assert_eq!(outbox.push(Lane::Bulk, frame), Ok(()));
    }
}
