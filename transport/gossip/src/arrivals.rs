//! What has come in and is not durable here yet: which peers wait for an acknowledgement of it, how far each origin has arrived, and
//! where something is missing in between.

use crate::gauges::Gauge;
use crate::inflight::run_end;
use crate::outbox::Outbox;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::{Hash, Run};
use lavina_crdt::ids::{NodeId, Origin, Scope};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::version::VersionVector;
use std::collections::BTreeMap;

/// Most (scope, origin) pairs for which acknowledgements to one peer are owed; more than it may have on the way.
const OWED_PER_PEER_MAX: usize = 16_384;
/// Most (scope, origin) pairs arrived and not durable.
const ARRIVED_MAX: usize = 65_536;
/// Most gaps watched; sync finds the others.
const GAPS_MAX: usize = 4_096;
/// How long a gap may close by itself: two ways through a region differ by less.
const GAP_WAIT_MS: u64 = 100;
/// The same for what comes from another region to one that has others in it: the first gateway's relay brings what is missing, unless it is dead, and to
/// ask sooner would bring all of it over the long way again.
const FAR_GAP_WAIT_MS: u64 = 1_000;
/// How often a gap's sender is asked before the gap is left to the slow timer.
const GAP_ASKS_MAX: u32 = 4;
/// Time after the first question for the second; each further one waits as much longer.
const GAP_ASK_AGAIN_MS: u64 = 750;
/// What has arrived and of which nothing becomes durable for this long was refused, or lies behind what was.
const ARRIVED_TRUST_MS: u64 = 5_000;

#[derive(Debug)]
struct Owed {
    scope: Scope,
    want: u64,
    told: u64,
    /// When the latest of it came.
    at_us: u64,
}

#[derive(Clone, Copy, Debug)]
struct Arrived {
    next: u64,
    durable: u64,
    /// Since when nothing more of it has become durable.
    since_us: u64,
}

/// By what an entry that is missing before others may come of itself, which says how long that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closes {
    /// By another way through the region.
    Near,
    /// By the relay of whoever else enters what comes from that far.
    Relay,
    /// By nothing: whoever sent the earlier ones did not know that this node wants them.
    Not,
}

impl Closes {
    const fn wait_ms(self) -> u64 {
        match self {
            Self::Near => GAP_WAIT_MS,
            Self::Relay => FAR_GAP_WAIT_MS,
            Self::Not => 0,
        }
    }
}

#[derive(Debug)]
struct Gap {
    scope: Scope,
    /// The first that arrived behind the gap.
    first: u64,
    /// End of what arrived behind the gap: nothing out of order is kept, so that is missing too once the gap is closed.
    until: u64,
    from: NodeId,
    asks: u32,
    due_us: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    owed: BTreeMap<NodeId, BTreeMap<(Hash, Origin), Owed>>,
    arrived: BTreeMap<(Hash, Origin), Arrived>,
    gaps: BTreeMap<(Hash, Origin), Gap>,
}

impl Arrivals {
    pub(crate) fn gauges(&self) -> [Gauge; 3] {
        let fullest = self.owed.values().map(BTreeMap::len).max().unwrap_or(0);
        [
            Gauge::passing("acknowledgements owed to a peer", fullest, OWED_PER_PEER_MAX),
            Gauge::passing("arrived and not durable", self.arrived.len(), ARRIVED_MAX),
            Gauge::passing("gaps", self.gaps.len(), GAPS_MAX),
        ]
    }

    /// A run came from `from`; `durable` is how far its origin is durable here, and `closes` says what may bring what is missing before it. Returns a mark when
    /// all of it is here already.
    #[expect(clippy::too_many_arguments, reason = "one run with everything it is held against")]
    pub(crate) fn on_run(
        &mut self,
        now: Now,
        from: NodeId,
        key: Hash,
        run: &Run,
        durable: u64,
        closes: Closes,
        out: &mut Outbox,
    ) -> Option<(Scope, Origin, u64)> {
        let (origin, end) = (run.origin.origin(), run_end(run));
        if end <= durable {
            return Some((run.scope.clone(), origin, durable));
        }
        let known = self.arrived(now.mono_us, key, origin).max(durable);
        if run.first > known && !mutant::is_planted(Mutant::MaxSeen) {
            self.note_gap(now, from, key, run, closes, out);
        } else if self.arrived.len() < ARRIVED_MAX || self.arrived.contains_key(&(key, origin)) {
            let fresh = Arrived { next: 0, durable, since_us: now.mono_us };
            let slot = self.arrived.entry((key, origin)).or_insert(fresh);
            if !is_trusted(slot.since_us, now.mono_us) {
                *slot = fresh;
            }
            slot.next = known.max(end);
            let next = slot.next;
            // What was to come before has come, and what came behind it then was not kept.
            if let Some(gap) = self.gaps.get_mut(&(key, origin)).filter(|gap| gap.first <= next && next < gap.until) {
                gap.due_us = gap.due_us.min(now.deadline_ms(GAP_WAIT_MS));
            }
        } else {
            out.overflow();
        }
        let owed = self.owed.entry(from).or_default();
        if owed.len() >= OWED_PER_PEER_MAX && !owed.contains_key(&(key, origin)) {
            owed.pop_first();
            out.overflow();
        }
        let fresh = || Owed { scope: run.scope.clone(), want: 0, told: durable, at_us: 0 };
        let slot = owed.entry((key, origin)).or_insert_with(fresh);
        (slot.want, slot.at_us) = (slot.want.max(end), now.mono_us);
        None
    }

    fn note_gap(&mut self, now: Now, from: NodeId, key: Hash, run: &Run, closes: Closes, out: &mut Outbox) {
        if self.gaps.len() >= GAPS_MAX {
            out.overflow();
            return;
        }
        let fresh = || Gap {
            scope: run.scope.clone(),
            first: run.first,
            until: 0,
            from,
            asks: 0,
            due_us: now.deadline_ms(closes.wait_ms()),
        };
        let gap = self.gaps.entry((key, run.origin.origin())).or_insert_with(fresh);
        gap.first = gap.first.min(run.first);
        gap.until = gap.until.max(run_end(run));
        gap.from = from;
    }

    /// A scope is durable this far: the marks to send, by peer.
    pub(crate) fn on_durable(
        &mut self,
        now: Now,
        key: Hash,
        vector: &VersionVector,
    ) -> Vec<(NodeId, (Scope, Origin, u64))> {
        let span = (key, Origin([0; 16]))..=(key, Origin([0xff; 16]));
        let mut marks = Vec::new();
        for (peer, owed) in &mut self.owed {
            let mut settled = Vec::new();
            for (pair, slot) in owed.range_mut(span.clone()) {
                let next = vector.next(pair.1);
                if next > slot.told {
                    slot.told = next;
                    marks.push((*peer, (slot.scope.clone(), pair.1, next)));
                }
                if next >= slot.want && !mutant::is_planted(Mutant::NoBound) {
                    settled.push(*pair);
                }
            }
            for pair in settled {
                owed.remove(&pair);
            }
        }
        let mut settled = Vec::new();
        for (pair, slot) in self.arrived.range_mut(span) {
            let durable = vector.next(pair.1);
            if durable >= slot.next {
                settled.push(*pair);
            } else if durable > slot.durable {
                (slot.durable, slot.since_us) = (durable, now.mono_us);
            }
        }
        for pair in settled {
            self.arrived.remove(&pair);
        }
        marks
    }

    /// What came of an origin is not its own. Whatever arrived after it says nothing of how far its own entries have come.
    pub(crate) fn refute(&mut self, key: Hash, origin: Origin) {
        self.arrived.remove(&(key, origin));
    }

    /// How far an origin's entries of a scope have arrived here without being durable; 0 when nothing is on its way to the disk.
    fn arrived(&self, now_us: u64, key: Hash, origin: Origin) -> u64 {
        match self.arrived.get(&(key, origin)) {
            Some(slot) if is_trusted(slot.since_us, now_us) => slot.next,
            Some(_) | None => 0,
        }
    }

    /// Adds to a durable vector what is on its way to the disk.
    pub(crate) fn add_to(&self, now_us: u64, key: Hash, vector: &mut VersionVector) {
        for ((_, origin), slot) in self.arrived.range((key, Origin([0; 16]))..=(key, Origin([0xff; 16]))) {
            if is_trusted(slot.since_us, now_us) {
                vector.advance(*origin, slot.next);
            }
        }
    }

    /// What to ask for again, by peer, because a gap has stayed open: from which seq on. `durable` says how far an origin is durable here.
    pub(crate) fn gaps_due(
        &mut self,
        now: Now,
        durable: impl Fn(&Scope, Origin) -> u64,
    ) -> BTreeMap<NodeId, Vec<(Scope, Origin, u64)>> {
        let mut asks: BTreeMap<NodeId, Vec<(Scope, Origin, u64)>> = BTreeMap::new();
        if mutant::is_planted(Mutant::GapNotAsked) {
            self.gaps.clear();
        }
        let arrived = &self.arrived;
        self.gaps.retain(|pair, gap| {
            if gap.due_us > now.mono_us {
                return true;
            }
            let known = arrived.get(pair).map_or(0, |slot| slot.next).max(durable(&gap.scope, pair.1));
            if known >= gap.until || gap.asks >= GAP_ASKS_MAX {
                return false;
            }
            gap.asks += 1;
            gap.due_us = now.deadline_ms(GAP_ASK_AGAIN_MS * u64::from(gap.asks));
            asks.entry(gap.from).or_default().push((gap.scope.clone(), pair.1, known));
            true
        });
        asks
    }

    pub(crate) fn deadline_us(&self) -> Option<u64> {
        self.gaps.values().map(|gap| gap.due_us).min()
    }

    /// The connection is gone: nobody waits for acknowledgements there.
    pub(crate) fn forget(&mut self, peer: NodeId) {
        self.owed.remove(&peer);
    }

    /// Drops what was refused. A peer does not wait for an acknowledgement longer than that either: by then it counts what it sent as lost.
    pub(crate) fn expire(&mut self, now_us: u64) {
        self.arrived.retain(|_, slot| is_trusted(slot.since_us, now_us));
        self.owed.retain(|_, owed| {
            owed.retain(|_, slot| is_trusted(slot.at_us, now_us) || mutant::is_planted(Mutant::NoBound));
            !owed.is_empty()
        });
    }
}

/// Whether what has arrived since then may still be on its way to the disk.
fn is_trusted(since_us: u64, now_us: u64) -> bool {
    now_us.saturating_sub(since_us) <= ARRIVED_TRUST_MS * 1000 || mutant::is_planted(Mutant::MaxSeen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::entry::SealedEntry;
    use lavina_crdt::ids::OriginKey;

    fn run(first: u64) -> Run {
        let origin = OriginKey { node: NodeId([9; 32]), epoch: 0 };
        let entry = SealedEntry { bytes: vec![0; 50].into(), signature: None };
        Run { scope: Scope::Mesh, origin, first, entries: vec![entry] }
    }

    #[test]
    fn what_overtook_an_entry_is_asked_for_when_that_has_come() {
        let (mut arrivals, mut out) = (Arrivals::default(), Outbox::default());
        let (key, peer, origin) = (Hash([1; 32]), NodeId([1; 32]), run(0).origin.origin());
        let at = |ms: u64| Now { mono_us: ms * 1000, wall_ms: ms };
        arrivals.on_run(at(0), peer, key, &run(1), 0, Closes::Near, &mut out);
        arrivals.on_run(at(1), peer, key, &run(0), 0, Closes::Near, &mut out);
        let asks = arrivals.gaps_due(at(GAP_WAIT_MS + 1), |_, _| 1);
        assert_eq!(asks.get(&peer), Some(&vec![(Scope::Mesh, origin, 1)]));
        assert!(arrivals.gaps_due(at(10_000), |_, _| 2).is_empty(), "it has come");
    }

    #[test]
    fn what_came_behind_a_gap_is_asked_for_once_the_gap_is_closed() {
        let (mut arrivals, mut out) = (Arrivals::default(), Outbox::default());
        let (key, peer, origin) = (Hash([1; 32]), NodeId([1; 32]), run(0).origin.origin());
        let at = |ms: u64| Now { mono_us: ms * 1000, wall_ms: ms };
        arrivals.on_run(at(0), peer, key, &run(1), 0, Closes::Relay, &mut out);
        assert!(arrivals.gaps_due(at(GAP_WAIT_MS), |_, _| 0).is_empty(), "a relay may bring what is missing");
        arrivals.on_run(at(50), NodeId([2; 32]), key, &run(0), 0, Closes::Near, &mut out);
        let asks = arrivals.gaps_due(at(50 + GAP_WAIT_MS), |_, _| 1);
        assert_eq!(asks.get(&peer), Some(&vec![(Scope::Mesh, origin, 1)]));
    }

    #[test]
    fn what_nobody_will_bring_is_asked_for_at_once() {
        let (mut arrivals, mut out) = (Arrivals::default(), Outbox::default());
        let (key, peer, origin) = (Hash([1; 32]), NodeId([1; 32]), run(0).origin.origin());
        let now = Now { mono_us: 1_000, wall_ms: 1 };
        arrivals.on_run(now, peer, key, &run(1), 0, Closes::Not, &mut out);
        assert_eq!(arrivals.gaps_due(now, |_, _| 0).get(&peer), Some(&vec![(Scope::Mesh, origin, 0)]));
    }

    #[test]
    fn what_a_peer_forged_hides_no_gap() {
        let (mut arrivals, mut out) = (Arrivals::default(), Outbox::default());
        let (key, peer, origin) = (Hash([1; 32]), NodeId([1; 32]), run(0).origin.origin());
        let at = |ms: u64| Now { mono_us: ms * 1000, wall_ms: ms };
        arrivals.on_run(at(0), NodeId([2; 32]), key, &run(0), 0, Closes::Near, &mut out);
        arrivals.refute(key, origin);
        arrivals.on_run(at(1), peer, key, &run(1), 0, Closes::Near, &mut out);
        let asks = arrivals.gaps_due(at(GAP_WAIT_MS + 1), |_, _| 0);
        assert_eq!(asks.get(&peer), Some(&vec![(Scope::Mesh, origin, 0)]));
        let mut vector = VersionVector::default();
        arrivals.add_to(at(1).mono_us, key, &mut vector);
        assert_eq!(vector.next(origin), 0);
    }

    #[test]
    fn what_comes_behind_does_not_renew_the_trust_in_what_was_refused() {
        let (mut arrivals, mut out) = (Arrivals::default(), Outbox::default());
        let (key, peer, origin) = (Hash([1; 32]), NodeId([1; 32]), run(0).origin.origin());
        let at = |ms: u64| Now { mono_us: ms * 1000, wall_ms: ms };
        arrivals.on_run(at(0), peer, key, &run(0), 0, Closes::Near, &mut out);
        arrivals.on_run(at(ARRIVED_TRUST_MS), peer, key, &run(1), 0, Closes::Near, &mut out);
        assert_eq!(arrivals.arrived(at(ARRIVED_TRUST_MS).mono_us, key, origin), 2, "the disk may be slow");
        assert_eq!(arrivals.arrived(at(ARRIVED_TRUST_MS + 1).mono_us, key, origin), 0);
        // What becomes durable does.
        arrivals.on_run(at(6_000), peer, key, &run(0), 0, Closes::Near, &mut out);
        arrivals.on_run(at(6_000), peer, key, &run(1), 0, Closes::Near, &mut out);
        let durable = VersionVector::from_iter([(origin, 1)]);
        arrivals.on_durable(at(8_000), key, &durable);
        assert_eq!(arrivals.arrived(at(8_000 + ARRIVED_TRUST_MS).mono_us, key, origin), 2);
    }

    #[test]
    fn what_was_refused_leaves_nothing_behind() {
        let (mut arrivals, mut out) = (Arrivals::default(), Outbox::default());
        let (key, peer) = (Hash([1; 32]), NodeId([1; 32]));
        let at = |ms: u64| Now { mono_us: ms * 1000, wall_ms: ms };
        let full = |arrivals: &Arrivals| arrivals.gauges().iter().filter(|gauge| gauge.now > 0).count();
        arrivals.on_run(at(0), peer, key, &run(0), 0, Closes::Near, &mut out);
        arrivals.expire(at(ARRIVED_TRUST_MS).mono_us);
        assert_eq!(full(&arrivals), 2, "the disk may still take it");
        arrivals.expire(at(ARRIVED_TRUST_MS + 1).mono_us);
        assert_eq!(full(&arrivals), 0);
    }
}
