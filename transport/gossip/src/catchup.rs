//! The sending half of sync: what each peer lacks, in bounded batches, a window of them on the way at a time.
//!
//! The mesh scope goes first, then accounts, then conversations, those first in which something was written last. A batch beyond the window is sent when the peer says that
//! one before it is durable: the peer's disk sets the pace, and neither a long way nor a slow commit leaves the link empty.

use crate::frame::Frame;
use crate::fresh::Fresh;
use crate::gauges::Gauge;
use crate::gossip::View;
use crate::inflight::{InFlight, run_bytes, run_end};
use crate::outbox::Outbox;
use crate::tree::scope_hash;
use crate::weave::{self, Reached, Weave};
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::{Hash, Run};
use lavina_crdt::ids::{NodeId, Origin, Scope};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::version::VersionVector;
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

/// Most bytes of entries in one batch: small enough that the first is checked and written while the next ones are on their way.
const DELTA_BYTES_MAX: usize = 256 * 1024;
/// Most batches on the way to a peer, 5 MiB: a third of a second of a 100 Mbit/s link, for its length and the peer's commits. Less than may be
/// on the way in all, so that live copies go on.
const WINDOW_BATCHES: usize = 20;
/// Most scopes remembered as lacking at one peer; the next comparison finds the others.
const WANTED_MAX: usize = 16_384;
/// Longest wait for the oldest batch on the way to become durable before more are sent all the same; at least four round trips are waited too.
const RESUME_MS: u64 = 5_000;

/// Order of sending: kind of scope, newest entry first, then by name.
type Rank = (u8, Reverse<Hlc>, Scope);

/// What a peer lacks of a scope.
#[derive(Debug)]
struct Wanted {
    theirs: VersionVector,
    /// How far it has been sent.
    reached: Reached,
    /// What is fresh too: it has asked, and dissemination does not bring it.
    whole: bool,
}

#[derive(Debug, Default)]
struct Outgoing {
    /// What is lacking, with the vector from which on.
    wanted: BTreeMap<Rank, Wanted>,
    /// What must become durable there, by batch, oldest first.
    awaited: VecDeque<BTreeMap<(Hash, Origin), u64>>,
    /// Until when the oldest of them is waited for, whatever else comes and goes: the peer may be unable to take it yet.
    resume_us: u64,
    /// Whether another one is the oldest since that was set.
    is_anew: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct CatchUp {
    peers: BTreeMap<NodeId, Outgoing>,
}

impl CatchUp {
    pub(crate) fn gauge(&self) -> Gauge {
        let fullest = self.peers.values().map(|outgoing| outgoing.wanted.len()).max().unwrap_or(0);
        Gauge::passing("scopes that a peer lacks something of", fullest, WANTED_MAX)
    }

    /// A peer lacks something of a scope, of which the newest entry here bears the stamp `newest`; `theirs` is what it has. `false` when there are too many such
    /// scopes already.
    pub(crate) fn want(&mut self, peer: NodeId, scope: &Scope, newest: Hlc, theirs: VersionVector) -> bool {
        self.want_as(peer, rank(scope, newest), Wanted { theirs, reached: Reached::new(), whole: false })
    }

    /// A peer asks for a scope that somebody there waits for, of which it has `theirs`: it goes first.
    pub(crate) fn want_at_once(&mut self, peer: NodeId, scope: &Scope, theirs: VersionVector) -> bool {
        self.want_as(
            peer,
            (0, Reverse(Hlc(u64::MAX)), scope.clone()),
            Wanted { theirs, reached: Reached::new(), whole: true },
        )
    }

    fn want_as(&mut self, peer: NodeId, rank: Rank, wanted: Wanted) -> bool {
        let outgoing = self.peers.entry(peer).or_default();
        if outgoing.wanted.len() >= WANTED_MAX {
            return false;
        }
        outgoing.wanted.insert(rank, wanted);
        true
    }

    /// Whether what a peer lacks of a scope waits to be sent or is on its way: what the peer says of it meanwhile is old.
    pub(crate) fn gives(&self, peer: NodeId, scope: &Scope, newest: Hlc, key: Hash) -> bool {
        let Some(outgoing) = self.peers.get(&peer) else { return false };
        let span = (key, Origin([0; 16]))..=(key, Origin([0xff; 16]));
        outgoing.wanted.contains_key(&rank(scope, newest))
            || outgoing.awaited.iter().any(|batch| batch.range(span.clone()).next().is_some())
    }

    /// Whether a batch is on its way to the peer.
    pub(crate) fn is_busy(&self, peer: NodeId) -> bool {
        self.peers.contains_key(&peer)
    }

    /// Sends the next batches, as many as the window has room for.
    pub(crate) fn pump(
        &mut self,
        view: &View<'_>,
        peer: NodeId,
        fresh: &Fresh,
        flights: &mut InFlight,
        out: &mut Outbox,
    ) {
        let Some(outgoing) = self.peers.get_mut(&peer) else { return };
        if view.now.mono_us >= outgoing.resume_us {
            outgoing.awaited.clear();
        }
        outgoing.is_anew |= outgoing.awaited.is_empty();
        while outgoing.awaited.len() < WINDOW_BATCHES {
            let runs = outgoing.next_batch(view, peer, fresh, flights, out);
            if runs.is_empty() {
                break;
            }
            let more = !outgoing.wanted.is_empty();
            out.send(peer, Frame::Delta { runs, more });
        }
        if outgoing.awaited.is_empty() {
            self.peers.remove(&peer);
            return;
        }
        if std::mem::take(&mut outgoing.is_anew) {
            let round_trip_us = view.links.get(peer).and_then(|link| link.round_trip_us).unwrap_or(0);
            outgoing.resume_us =
                view.now.deadline_ms(RESUME_MS).max(view.now.mono_us.saturating_add(round_trip_us.saturating_mul(4)));
        }
    }

    /// A peer says what is durable there; returns whether that ends a batch.
    pub(crate) fn on_acknowledged(&mut self, peer: NodeId, key: Hash, origin: Origin, next: u64) -> bool {
        let Some(outgoing) = self.peers.get_mut(&peer) else { return false };
        let before = outgoing.awaited.len();
        for batch in &mut outgoing.awaited {
            if batch.get(&(key, origin)).is_some_and(|awaited| *awaited <= next) {
                batch.remove(&(key, origin));
            }
        }
        outgoing.is_anew |= outgoing.awaited.front().is_some_and(BTreeMap::is_empty);
        outgoing.awaited.retain(|batch| !batch.is_empty());
        outgoing.awaited.len() < before
    }

    /// Peers from which nothing has come of what is on its way for too long.
    pub(crate) fn overdue(&self, now_us: u64) -> Vec<NodeId> {
        self.peers.iter().filter(|(_, outgoing)| outgoing.resume_us <= now_us).map(|(peer, _)| *peer).collect()
    }

    pub(crate) fn deadline_us(&self) -> Option<u64> {
        self.peers.values().map(|outgoing| outgoing.resume_us).min()
    }

    pub(crate) fn forget(&mut self, peer: NodeId) {
        self.peers.remove(&peer);
    }
}

fn rank(scope: &Scope, newest: Hlc) -> Rank {
    let kind = match scope {
        Scope::Mesh => 0,
        Scope::Account(_) => 1,
        Scope::Room(_) | Scope::Direct(..) => 2,
    };
    (kind, Reverse(newest), scope.clone())
}

impl Outgoing {
    fn next_batch(
        &mut self,
        view: &View<'_>,
        peer: NodeId,
        fresh: &Fresh,
        flights: &mut InFlight,
        out: &mut Outbox,
    ) -> Vec<Run> {
        let now_us = view.now.mono_us;
        let since_us = view.links.get(peer).and_then(|link| link.connected_at_us()).unwrap_or(0);
        let mut batch = Vec::new();
        let mut awaited = BTreeMap::new();
        let mut room = DELTA_BYTES_MAX;
        while let Some(mut wanted) = self.wanted.first_entry() {
            let scope = wanted.key().2.clone();
            let key = scope_hash(&scope);
            let ours = view.replica.vector(&scope);
            let Wanted { theirs, reached, whole } = wanted.get_mut();
            let lacking = ours.missing_in(theirs).filter_map(|(origin, first, end)| {
                let begins = fresh.begins(now_us, since_us, key, origin).filter(|_| !*whole);
                let end = begins.map_or(end, |begins| begins.min(end));
                // What comes before it is on its way, and would be missing at the other side if this overtook it.
                let is_on_its_way = flights.carries(now_us, peer, key, origin, first);
                (first < end && !is_on_its_way).then_some((origin, first, end))
            });
            let lacking: Vec<(Origin, u64, u64)> = lacking.collect();
            let mut weave = Weave::new(view.replica, &scope, &lacking, std::mem::take(reached));
            while room > 0
                && let Some(run) = weave.next(room)
            {
                flights.sent(now_us, peer, key, &run, out);
                out.counters.entries_synced += u64::try_from(run.entries.len()).unwrap_or(u64::MAX);
                room = room.saturating_sub(usize::try_from(run_bytes(&run)).unwrap_or(usize::MAX));
                let (origin, end) = (run.origin.origin(), run_end(&run));
                awaited.insert((key, origin), end);
                theirs.advance(origin, end);
                weave::put(&mut batch, run);
            }
            *reached = weave.into_reached();
            if room == 0 {
                // What is left of this scope goes on with the next batch.
                break;
            }
            wanted.remove();
        }
        if mutant::is_planted(Mutant::TruncatedDelta) {
            batch.pop();
        }
        if !batch.is_empty() {
            self.awaited.push_back(awaited);
        }
        batch
    }
}
