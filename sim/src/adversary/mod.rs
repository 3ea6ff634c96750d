//! What a node does that is not honest: the real core inside, a shell that lies to peers. A file a trick.
//!
//! It signs with its own admitted key and with no other, and never lies to its own core: what it says is what others have to bear.

mod equivocate;
mod forge;
mod poison;

use crate::plan::PeerFault;
use crate::world::disk::SimStore;
use ed25519_dalek::SigningKey;
use equivocate::Branches;
use lavina_crdt::entry::Run;
use lavina_crdt::version::VersionVector;
use lavina_gossip::frame::Frame;
use std::collections::{BTreeSet, VecDeque};

/// How many frames are kept to be sent again.
const OLD_FRAMES: usize = 32;

/// A lying shell. Hand it every frame on its way to a peer; it gives what is sent instead.
#[derive(Debug)]
pub(crate) struct Adversary {
    key: SigningKey,
    tricks: BTreeSet<&'static str>,
    branches: Branches,
    old: VecDeque<Frame>,
    sent: u64,
}

impl Adversary {
    pub(crate) fn new(key: SigningKey) -> Self {
        Self { key, tricks: BTreeSet::new(), branches: Branches::default(), old: VecDeque::new(), sent: 0 }
    }

    /// From here on it does this too.
    pub(crate) fn learn(&mut self, fault: &PeerFault) {
        self.tricks.insert(fault.name());
    }

    /// Traffic stops: from here on it makes up no entries that honest nodes have to spread. It goes on lying about those there are.
    pub(crate) fn invent_no_more(&mut self) {
        self.tricks.remove(PeerFault::Poison(0).name());
    }

    fn does(&self, trick: &PeerFault) -> bool {
        self.tricks.contains(trick.name())
    }

    /// Whether old frames go along with whatever it sends.
    pub(crate) fn replays(&self) -> bool {
        self.does(&PeerFault::Replay(0))
    }

    /// What is sent to a peer in place of a frame.
    pub(crate) fn twist(&mut self, to: usize, frame: Frame, store: &SimStore) -> Vec<Frame> {
        self.sent += 1;
        let mut frames = vec![match frame {
            Frame::Push { runs, relay } => Frame::Push { runs: self.runs(to, runs, store), relay },
            Frame::Delta { runs, more } => Frame::Delta { runs: self.runs(to, runs, store), more },
            Frame::Durable(mut marks) if self.does(&PeerFault::FakeVectors(0)) => {
                // Claims what it does not have.
                marks.iter_mut().for_each(|(_, _, next)| *next = next.saturating_add(1_000));
                Frame::Durable(marks)
            }
            Frame::Vectors { buckets, mut vectors, answer } if self.does(&PeerFault::FakeVectors(0)) => {
                // Claims to have nothing.
                vectors.clear();
                Frame::Vectors { buckets, vectors, answer }
            }
            Frame::Changed { mut vectors, answer } if self.does(&PeerFault::FakeVectors(0)) => {
                vectors.iter_mut().for_each(|(_, vector)| *vector = VersionVector::default());
                Frame::Changed { vectors, answer }
            }
            Frame::Holding(mut rows) if self.does(&PeerFault::FakeVectors(0)) => {
                // Claims what it does not have, of whoever wrote there.
                for (_, vector) in &mut rows {
                    let claimed: Vec<_> = vector.iter().map(|(origin, next)| (origin, next + 1_000)).collect();
                    claimed.into_iter().for_each(|(origin, next)| vector.advance(origin, next));
                }
                Frame::Holding(rows)
            }
            other @ (Frame::Durable(_)
            | Frame::Root { .. }
            | Frame::Buckets(_)
            | Frame::Vectors { .. }
            | Frame::PresenceHave(_)
            | Frame::Presence(_)
            | Frame::Signal { .. }
            | Frame::Membership(_)
            | Frame::Resend(_)
            | Frame::Clock(_)
            | Frame::Heads(_)
            | Frame::Changed { .. }
            | Frame::Placing(_)
            | Frame::Ask { .. }
            | Frame::Holding(_)
            | Frame::AskRooms
            | Frame::Rooms { .. }) => other,
        }];
        if self.replays() {
            self.old.push_back(frames[0].clone());
            if self.old.len() > OLD_FRAMES {
                frames.extend(self.old.pop_front());
            }
        }
        frames
    }

    fn runs(&mut self, to: usize, runs: Vec<Run>, store: &SimStore) -> Vec<Run> {
        let withholds = self.does(&PeerFault::Withhold(0));
        let mut twisted = Vec::new();
        for run in runs {
            // Of others it passes on nothing, of its own every second one.
            let own = run.origin.node.0 == self.key.verifying_key().to_bytes();
            if withholds && (!own || self.sent.is_multiple_of(2)) {
                continue;
            }
            if self.does(&PeerFault::Forge(0)) {
                twisted.extend(forge::forged(&run, &self.key, own));
            }
            if own && self.does(&PeerFault::Poison(0)) {
                twisted.extend(poison::poisoned(&run, &self.key));
            }
            if own && to % 2 == 1 && self.does(&PeerFault::Equivocate(0)) {
                twisted.extend(self.branches.other(&run, &self.key, store));
                continue;
            }
            twisted.push(run);
        }
        twisted
    }
}
