//! Rooms that are here although this node is not to hold them: those it wrote in or looked at, and those it was a home of. Their homes are asked what they
//! have and given what they lack, until each says that it has all; so nothing that was written here is lost with this node. Once nobody here has wanted such a room
//! for a while, and all its homes have said so again, it is spare.
//!
//! While this node is being emptied that is done with everything that is here, whether people here are in it or all nodes are to hold it: once nothing is left to
//! be handed over, as many others have all of it as there are to be, or all others where these are fewer.

use crate::gossip::View;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::{NodeId, Scope};
use lavina_crdt::version::VersionVector;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// How often homes are asked.
const PERIOD_MS: u64 = 5_000;
/// The same while this node is being emptied: somebody waits for the end of it.
const LEAVING_PERIOD_MS: u64 = 250;
/// Most rooms asked about in one round: their vectors fit a frame.
const PER_ROUND_MAX: usize = 512;
/// Most of them that are asked about once more only, so that others need not wait for these.
const AGAIN_PER_ROUND_MAX: usize = 256;

/// What all homes together have said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not all of them that they have all of it.
    Open,
    /// All have.
    Settled,
    /// All have, and are asked once more before it is let go.
    Again,
}

#[derive(Debug)]
struct Surplus {
    scope: Scope,
    /// When this node was last to hold it, or something of it came.
    since_us: u64,
    /// Who is known to have all of it, as it is here.
    confirmed: BTreeSet<NodeId>,
    state: State,
    /// Whether this node is to hold it all the same, for as long as it is there.
    stays: bool,
}

/// What the word of a home comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// Others have not said it yet.
    Not,
    /// All homes have all of the room.
    HandedOver,
    /// They do, and it stays here for as long as this node does.
    Kept,
    /// They do, and nobody here has wanted it for a while.
    Spare,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Handover {
    linger_ms: u64,
    /// Whether this node is being emptied.
    is_leaving: bool,
    surplus: BTreeMap<Hash, Surplus>,
    last: Option<Hash>,
    due_us: Option<u64>,
}

impl Handover {
    pub(crate) const fn new(linger_ms: u64) -> Self {
        Self { linger_ms, is_leaving: false, surplus: BTreeMap::new(), last: None, due_us: None }
    }

    /// Builds all of it anew, each with whether it [stays](Handover::put); what was surplus before has been so for as long.
    pub(crate) fn rebuild(&mut self, now: Now, is_leaving: bool, surplus: impl Iterator<Item = (Hash, Scope, bool)>) {
        if is_leaving != self.is_leaving {
            (self.is_leaving, self.due_us) = (is_leaving, None);
        }
        let before = std::mem::take(&mut self.surplus);
        for (key, scope, stays) in surplus {
            self.put(now, &scope, key, stays);
            if let (Some(known), Some(row)) = (before.get(&key), self.surplus.get_mut(&key)) {
                row.since_us = known.since_us;
            }
        }
    }

    /// A room is here that this node is not to hold, or there is more of it than before. What `stays` it is to hold, until it has been emptied.
    pub(crate) fn put(&mut self, now: Now, scope: &Scope, key: Hash, stays: bool) {
        let (since_us, confirmed) = (now.mono_us, BTreeSet::new());
        self.surplus.insert(key, Surplus { scope: scope.clone(), since_us, confirmed, state: State::Open, stays });
        let due_us = now.deadline_ms(self.period_ms());
        self.due_us = Some(self.due_us.map_or(due_us, |before| before.min(due_us)));
    }

    /// The same where there is no more of it than before.
    pub(crate) fn keep(&mut self, now: Now, scope: &Scope, key: Hash, stays: bool) {
        if self.surplus.get(&key).is_none_or(|surplus| surplus.stays != stays) {
            self.put(now, scope, key, stays);
        }
    }

    const fn period_ms(&self) -> u64 {
        if self.is_leaving { LEAVING_PERIOD_MS } else { PERIOD_MS }
    }

    /// This node is to hold the room, or has nothing of it any more.
    pub(crate) fn remove(&mut self, key: &Hash) {
        self.surplus.remove(key);
    }

    /// Whom to ask about which rooms. What was settled is asked about once more when nobody has wanted it for a while: its homes may be others.
    pub(crate) fn on_time(&mut self, view: &View<'_>) -> BTreeMap<NodeId, Vec<Scope>> {
        let mut asks: BTreeMap<NodeId, Vec<Scope>> = BTreeMap::new();
        if self.due_us.is_none_or(|at| at > view.now.mono_us) {
            return asks;
        }
        let after = self.last.take().map_or(Bound::Unbounded, Bound::Excluded);
        let (mut count, mut again) = (0, 0);
        for (key, surplus) in self.surplus.range_mut((after, Bound::Unbounded)) {
            if count == PER_ROUND_MAX {
                break;
            }
            if surplus.state == State::Settled {
                if surplus.stays || !has_lingered(surplus.since_us, self.linger_ms, view.now) {
                    continue;
                }
                surplus.state = State::Again;
                surplus.confirmed.clear();
            }
            if surplus.state == State::Again {
                if again == AGAIN_PER_ROUND_MAX {
                    continue;
                }
                again += 1;
            }
            count += 1;
            self.last = (count == PER_ROUND_MAX).then_some(*key);
            let homes = view.holders.other_homes(key);
            let missing = homes.iter().filter(|home| !surplus.confirmed.contains(home));
            for home in missing.filter(|home| view.links.is_live(**home)) {
                asks.entry(*home).or_default().push(surplus.scope.clone());
            }
        }
        let is_at_rest = asks.is_empty() && after == Bound::Unbounded;
        let period_ms = if is_at_rest { PERIOD_MS } else { self.period_ms() };
        self.due_us = (!self.surplus.is_empty()).then(|| view.now.deadline_ms(period_ms));
        asks
    }

    /// A home has all of a room that is here; `homes` are all of them but this node.
    pub(crate) fn on_confirmed(&mut self, now: Now, home: NodeId, key: Hash, homes: &[NodeId]) -> Settled {
        let Some(surplus) = self.surplus.get_mut(&key).filter(|surplus| surplus.state != State::Settled) else {
            return Settled::Not;
        };
        surplus.confirmed.insert(home);
        if homes.is_empty() || !homes.iter().all(|home| surplus.confirmed.contains(home)) {
            return Settled::Not;
        }
        if surplus.stays {
            surplus.state = State::Settled;
            return Settled::Kept;
        }
        if has_lingered(surplus.since_us, self.linger_ms, now) {
            self.surplus.remove(&key);
            return Settled::Spare;
        }
        surplus.state = State::Settled;
        Settled::HandedOver
    }

    /// A home has not all of a room that is here.
    pub(crate) fn on_lacking(&mut self, key: &Hash) {
        if let Some(surplus) = self.surplus.get_mut(key) {
            surplus.state = State::Open;
        }
    }

    /// Of how many rooms not all homes have said yet that they have all of it.
    pub(crate) fn unsettled(&self) -> usize {
        self.surplus.values().filter(|surplus| surplus.state == State::Open).count()
    }

    /// Whether a room is to be handed over.
    pub(crate) fn concerns(&self, key: &Hash) -> bool {
        self.surplus.contains_key(key)
    }

    pub(crate) const fn deadline_us(&self) -> Option<u64> {
        self.due_us
    }
}

const fn has_lingered(since_us: u64, linger_ms: u64, now: Now) -> bool {
    now.mono_us.saturating_sub(since_us) >= linger_ms.saturating_mul(1000)
}

/// Vectors for a question to which no entries are wanted.
pub(crate) fn unsent(scopes: Vec<Scope>) -> Vec<(Scope, VersionVector)> {
    scopes.into_iter().map(|scope| (scope, VersionVector::default())).collect()
}
