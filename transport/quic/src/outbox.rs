//! What waits to be written to one peer: a queue a lane, bounded by bytes, filled without waiting.

use bytes::Bytes;
use lavina_gossip::frame::Lane;
use lavina_gossip::plane::BATCH_FRAMES_MAX;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// A frame did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

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
    frames: VecDeque<Bytes>,
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

    /// Adds an encoded frame.
    pub(crate) fn push(&self, lane: Lane, frame: Bytes) -> Result<(), Full> {
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
    pub(crate) async fn take(&self, lane: Lane) -> Vec<Bytes> {
        let queue = self.queue(lane);
        loop {
            {
                let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let count = waiting.frames.len().min(BATCH_FRAMES_MAX);
                if count > 0 {
                    let batch: Vec<Bytes> = waiting.frames.drain(..count).collect();
                    waiting.bytes -= batch.iter().map(Bytes::len).sum::<usize>();
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

    #[tokio::test]
    async fn a_full_lane_drops_the_newest_and_leaves_the_others_alone() {
        let outbox = Outbox::default();
        let frame = Bytes::from(vec![0; Lane::Bulk.waiting_bytes_max() / 2]);
        assert_eq!(outbox.push(Lane::Bulk, frame.clone()), Ok(()));
        assert_eq!(outbox.push(Lane::Bulk, frame.clone()), Ok(()));
        assert_eq!(outbox.push(Lane::Bulk, Bytes::from_static(b"x")), Err(Full));
        assert_eq!(outbox.push(Lane::Control, Bytes::from_static(b"y")), Ok(()));
        assert_eq!(outbox.take(Lane::Control).await, ["y"]);
        assert_eq!(outbox.take(Lane::Bulk).await.len(), 2);
        assert_eq!(outbox.push(Lane::Bulk, frame), Ok(()));
    }
}
