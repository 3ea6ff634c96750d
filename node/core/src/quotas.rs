//! How much a peer may say to this node, and ask of it, before it is cut off: frames of any kind, and questions, whose answers cost more than they do.
//!
//! What honest nodes say stays far below. A peer that is cut off is not forgiven by coming back: what it may say grows again with time only.

use lavina_crdt::clock::Now;
use lavina_crdt::ids::NodeId;
use lavina_gossip::frame::Frame;
use std::collections::BTreeMap;

/// Frames a second in the long run: a busy mesh sends a node some hundred.
const FRAMES: Rate = Rate { per_second: 4_000, most: 40_000 };
/// Questions a second in the long run: a comparison takes a handful every few seconds; a stream with many gaps asks for each once.
const QUESTIONS: Rate = Rate { per_second: 100, most: 1_000 };

/// So many a second, and so many at once after a pause.
#[derive(Clone, Copy, Debug)]
struct Rate {
    per_second: u64,
    most: u64,
}

/// What is left of a rate, in millionths, and when it was so.
#[derive(Clone, Copy, Debug)]
struct Left {
    millionths: u64,
    at_us: u64,
}

impl Left {
    const fn full(rate: Rate, now: Now) -> Self {
        Self { millionths: rate.most * 1_000_000, at_us: now.mono_us }
    }

    fn spend(&mut self, rate: Rate, now: Now) -> bool {
        let grown = now.mono_us.saturating_sub(self.at_us).saturating_mul(rate.per_second);
        self.millionths = self.millionths.saturating_add(grown).min(rate.most * 1_000_000);
        self.at_us = now.mono_us;
        let Some(left) = self.millionths.checked_sub(1_000_000) else { return false };
        self.millionths = left;
        true
    }
}

#[derive(Debug)]
struct Peer {
    frames: Left,
    questions: Left,
}

/// See the module. A row for each peer that ever said something and belongs to the mesh.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    peers: BTreeMap<NodeId, Peer>,
}

impl Quotas {
    /// Counts a frame; why the peer is to be cut off, when it says too much.
    pub(crate) fn spend(&mut self, now: Now, peer: NodeId, frame: &Frame) -> Result<(), &'static str> {
        let full = || Peer { frames: Left::full(FRAMES, now), questions: Left::full(QUESTIONS, now) };
        let left = self.peers.entry(peer).or_insert_with(full);
        if !left.frames.spend(FRAMES, now) {
            return Err("it sends too many frames");
        }
        if is_question(frame) && !left.questions.spend(QUESTIONS, now) {
            return Err("it asks too often");
        }
        Ok(())
    }

    /// Only these belong to the mesh.
    pub(crate) fn retain(&mut self, belongs: impl Fn(NodeId) -> bool) {
        self.peers.retain(|peer, _| belongs(*peer));
    }
}

/// Whether a frame asks for more than it brings.
const fn is_question(frame: &Frame) -> bool {
    match frame {
        Frame::Root { .. }
        | Frame::Buckets(_)
        | Frame::Vectors { .. }
        | Frame::PresenceHave(_)
        | Frame::Resend(_)
        | Frame::Heads(_)
        | Frame::Changed { .. }
        | Frame::AskRooms => true,
        Frame::Push { .. }
        | Frame::Durable(_)
        | Frame::Delta { .. }
        | Frame::Presence(_)
        | Frame::Signal { .. }
        | Frame::Membership(_)
        | Frame::Clock(_)
        | Frame::Placing(_)
        // Somebody waits for the answer, and what it brings is paced by the asker's disk.
        | Frame::Ask { .. }
        | Frame::Holding(_)
        | Frame::Rooms { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_without_end_is_cut_off_until_time_has_passed_and_others_are_not() {
        let (mut quotas, peer, other) = (Quotas::default(), NodeId([1; 32]), NodeId([2; 32]));
        let at = |ms: u64| Now { mono_us: ms * 1000, wall_ms: ms };
        let question = Frame::Resend(Vec::new());
        let asked = (0..2_000).take_while(|_| quotas.spend(at(0), peer, &question).is_ok()).count();
        assert_eq!(asked, 1_000);
        assert!(quotas.spend(at(0), peer, &Frame::Clock(1)).is_ok() && quotas.spend(at(0), other, &question).is_ok());
        assert!(quotas.spend(at(9), peer, &question).is_err());
        assert!(quotas.spend(at(20), peer, &question).is_ok());
        let sent = (0..50_000).take_while(|_| quotas.spend(at(20), peer, &Frame::Clock(1)).is_ok()).count();
        assert!((38_000..=40_000).contains(&sent), "{sent}");
    }
}
