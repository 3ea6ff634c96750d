//! Entries as they are written: near before far, each region entered once, to those that hold the scope.
//!
//! The origin sends one copy to each live holder of its own region and one, to be relayed, to one gateway in every other region that has holders. Who is
//! the gateway is a rendezvous hash of (scope, origin) over the region's live holders, so there is no election and load spreads. A gateway
//! relays because the frame says so, not because the entries are new to it: sync may have brought them first. Without a
//! durable acknowledgement in time the next in rank gets a copy, once each; what is in time is learnt from the gateway's own answers, and a gateway
//! that is heard of after it must have got the copy is waited for longer, since a busy disk is no reason for a second copy. What is still missing then is sync's to repair.

use crate::frame::{FRAME_BYTES_MAX, Frame};
use crate::gauges::Gauge;
use crate::holders::Holders;
use crate::inflight::{InFlight, run_bytes, run_end};
use crate::links::Links;
use crate::outbox::Outbox;
use crate::rendezvous;
use crate::tree::scope_hash;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::{Hash, Run};
use lavina_crdt::ids::{NodeId, Origin, Scope};
use lavina_crdt::mutant::{self, Mutant};
use std::collections::{BTreeMap, BTreeSet};

/// Most bytes of runs put into one push: large enough to be efficient, small enough that an urgent one behind it does not wait long.
const PUSH_BYTES_MAX: u64 = 256 * 1024;
/// Most copies to gateways waited for; the oldest is forgotten beyond it.
const OUTSTANDING_MAX: usize = 4_096;
/// Most bytes of them.
const OUTSTANDING_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// A gateway's slowest acknowledgement of late, times this, is waited for.
const PATIENCE_FACTOR: u64 = 3;
/// With each acknowledgement the slowest one before counts for one in so many less.
const SLOWEST_FADES: u64 = 64;
/// Longest wait for a gateway, learnt from it or because it is heard of: by then membership knows whether it is there.
const PATIENCE_MS_MAX: u64 = 3_000;
/// A timer that is later than this says that the node itself is behind with its work.
const BEHIND_MS: u64 = 50;
/// Most gateways of a region tried for a run: beyond it the region is as good as cut off.
const RANKS_MAX: usize = 4;

/// A copy a gateway has not acknowledged.
#[derive(Debug)]
struct Outstanding {
    run: Run,
    key: Hash,
    region: String,
    tried: Vec<NodeId>,
    sent_us: u64,
    due_us: u64,
}

impl Outstanding {
    fn pair(&self) -> Option<(NodeId, Hash, Origin)> {
        self.tried.last().map(|gateway| (*gateway, self.key, self.run.origin.origin()))
    }
}

/// Who can be sent what at the moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whom<'a> {
    pub(crate) links: &'a Links,
    pub(crate) holders: &'a Holders,
}

impl<'a> Whom<'a> {
    /// Live nodes of this region that hold a scope.
    fn near(self, scope: &Scope, key: Hash) -> impl Iterator<Item = NodeId> + use<'a, '_> {
        self.links.near_live().filter(move |peer| self.holders.keeps(*peer, scope, &key))
    }

    /// Live nodes of every other region that hold it, by region.
    fn far(self, scope: &Scope, key: Hash) -> BTreeMap<&'a str, Vec<NodeId>> {
        let mut regions = self.links.far_live();
        regions.values_mut().for_each(|nodes| nodes.retain(|peer| self.holders.keeps(*peer, scope, &key)));
        regions
    }
}

#[derive(Debug, Default)]
struct Parcel {
    runs: Vec<Run>,
    bytes: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Dissemination {
    patience_ms: u64,
    outstanding: BTreeMap<u64, Outstanding>,
    made: u64,
    bytes: u64,
    by_gateway: BTreeMap<(NodeId, Hash, Origin), BTreeSet<u64>>,
    due: BTreeSet<(u64, u64)>,
    /// How long each gateway's slowest acknowledgement of late took; forgotten with its connection.
    slowest_us: BTreeMap<NodeId, u64>,
    /// What goes out at the end of this input, by (peer, relay).
    parcels: BTreeMap<(NodeId, bool), Parcel>,
}

impl Dissemination {
    pub(crate) fn new(patience_ms: u64) -> Self {
        Self { patience_ms, ..Self::default() }
    }

    pub(crate) fn gauges(&self) -> [Gauge; 3] {
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        [
            Gauge::passing("copies at gateways", self.outstanding.len(), OUTSTANDING_MAX),
            Gauge::passing("bytes of copies at gateways", bytes(self.bytes), bytes(OUTSTANDING_BYTES_MAX)),
            Gauge::passing("parcels to flush", self.parcels.len(), 0),
        ]
    }

    /// Own entries have become durable.
    pub(crate) fn on_appended(&mut self, now: Now, run: Run, whom: Whom<'_>, flights: &mut InFlight, out: &mut Outbox) {
        let key = scope_hash(&run.scope);
        for peer in whom.near(&run.scope, key) {
            self.push(now, peer, false, key, &run, flights, out);
        }
        for (region, nodes) in whom.far(&run.scope, key) {
            let copy = Outstanding {
                run: run.clone(),
                key,
                region: region.to_owned(),
                tried: Vec::new(),
                sent_us: 0,
                due_us: 0,
            };
            self.send_to_gateway(now, copy, &nodes, whom.links, flights, out);
        }
    }

    /// Entries that were to be relayed are verified.
    pub(crate) fn on_verified(
        &mut self,
        now: Now,
        from: NodeId,
        run: &Run,
        whom: Whom<'_>,
        flights: &mut InFlight,
        out: &mut Outbox,
    ) {
        let key = scope_hash(&run.scope);
        let links = whom.links;
        let others = |peer: &NodeId| *peer != from && *peer != run.origin.node;
        if mutant::is_planted(Mutant::RelayFar) {
            for peer in links.connected().filter(others).filter(|peer| !links.is_near(*peer)) {
                self.push(now, peer, false, key, run, flights, out);
            }
        }
        for peer in whom.near(&run.scope, key).filter(others) {
            self.push(now, peer, false, key, run, flights, out);
        }
    }

    /// The next gateway in rank that has not been tried gets a copy; with none left, sync has to do.
    fn send_to_gateway(
        &mut self,
        now: Now,
        mut copy: Outstanding,
        nodes: &[NodeId],
        links: &Links,
        flights: &mut InFlight,
        out: &mut Outbox,
    ) {
        if copy.tried.len() >= RANKS_MAX {
            return;
        }
        let ranked = rendezvous::gateways(&copy.key, copy.run.origin.origin(), nodes);
        let Some(gateway) = ranked.iter().copied().find(|node| !copy.tried.contains(node)) else { return };
        if let Some(second) = ranked.get(1).filter(|node| **node != gateway && mutant::is_planted(Mutant::TwoGateways))
        {
            self.push(now, *second, true, copy.key, &copy.run, flights, out);
        }
        if !copy.tried.is_empty() {
            out.counters.gateway_retries += 1;
        }
        self.push(now, gateway, true, copy.key, &copy.run, flights, out);
        let round_trip_us = links.get(gateway).and_then(|link| link.round_trip_us).unwrap_or(0);
        let learnt_us = self.slowest_us.get(&gateway).map_or(0, |slowest| slowest.saturating_mul(PATIENCE_FACTOR));
        let wait_us = self
            .patience_ms
            .saturating_mul(1000)
            .max(round_trip_us.saturating_mul(2))
            .max(learnt_us.min(PATIENCE_MS_MAX * 1000));
        copy.tried.push(gateway);
        copy.sent_us = now.mono_us;
        copy.due_us = now.mono_us.saturating_add(wait_us);
        self.remember(copy, out);
    }

    fn remember(&mut self, copy: Outstanding, out: &mut Outbox) {
        self.made += 1;
        self.bytes = self.bytes.saturating_add(run_bytes(&copy.run));
        self.due.insert((copy.due_us, self.made));
        if let Some(pair) = copy.pair() {
            self.by_gateway.entry(pair).or_default().insert(self.made);
        }
        self.outstanding.insert(self.made, copy);
        while self.outstanding.len() > OUTSTANDING_MAX || self.bytes > OUTSTANDING_BYTES_MAX {
            let Some(oldest) = self.outstanding.first_key_value().map(|(id, _)| *id) else { break };
            self.take(oldest);
            out.overflow();
        }
    }

    fn take(&mut self, id: u64) -> Option<Outstanding> {
        let copy = self.outstanding.remove(&id)?;
        self.bytes = self.bytes.saturating_sub(run_bytes(&copy.run));
        self.due.remove(&(copy.due_us, id));
        if let Some(pair) = copy.pair()
            && let Some(ids) = self.by_gateway.get_mut(&pair)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_gateway.remove(&pair);
            }
        }
        Some(copy)
    }

    /// A peer says what is durable there.
    pub(crate) fn on_acknowledged(&mut self, now: Now, peer: NodeId, key: Hash, origin: Origin, next: u64) {
        let Some(ids) = self.by_gateway.get(&(peer, key, origin)) else { return };
        let done = |id: &&u64| self.outstanding.get(*id).is_none_or(|copy| run_end(&copy.run) <= next);
        let done: Vec<u64> = ids.iter().filter(done).copied().collect();
        for id in done {
            let Some(copy) = self.take(id) else { continue };
            let took_us = now.mono_us.saturating_sub(copy.sent_us);
            let slowest = self.slowest_us.entry(peer).or_default();
            // A slow answer counts for a while, and less with each one after it.
            *slowest = took_us.max(*slowest - *slowest / SLOWEST_FADES);
        }
    }

    /// A gateway is gone: what it has not acknowledged goes to the next in rank at once.
    pub(crate) fn on_gone(&mut self, now: Now, peer: NodeId, whom: Whom<'_>, flights: &mut InFlight, out: &mut Outbox) {
        self.slowest_us.remove(&peer);
        let first = (peer, Hash([0; 32]), Origin([0; 16]));
        let last = (peer, Hash([0xff; 32]), Origin([0xff; 16]));
        let ids: Vec<u64> = self.by_gateway.range(first..=last).flat_map(|(_, ids)| ids).copied().collect();
        self.retry(now, ids, whom, flights, out);
    }

    pub(crate) fn on_time(&mut self, now: Now, whom: Whom<'_>, flights: &mut InFlight, out: &mut Outbox) {
        let ids: Vec<u64> = self.due.range(..=(now.mono_us, u64::MAX)).map(|(_, id)| *id).collect();
        // Whoever comes to it this late has not read what came meanwhile either, acknowledgements among it.
        let is_behind = self.due.first().is_some_and(|(at, _)| now.mono_us.saturating_sub(*at) > BEHIND_MS * 1000);
        let waits = |id: &u64| self.may_wait(now, *id, whom.links, is_behind);
        let (alive, silent): (Vec<u64>, Vec<u64>) = ids.into_iter().partition(waits);
        for id in alive {
            if let Some(copy) = self.outstanding.get_mut(&id) {
                self.due.remove(&(copy.due_us, id));
                copy.due_us = now.deadline_ms(self.patience_ms);
                self.due.insert((copy.due_us, id));
            }
        }
        self.retry(now, silent, whom, flights, out);
    }

    /// Whether the gateway of a copy is waited for longer: this node is behind itself, or the gateway has the copy and works on it, as far as can be told:
    /// something came from it that it sent after the copy had come.
    fn may_wait(&self, now: Now, id: u64, links: &Links, is_behind: bool) -> bool {
        let Some(copy) = self.outstanding.get(&id) else { return false };
        let Some(link) = copy.tried.last().and_then(|gateway| links.get(*gateway)) else { return false };
        let there_and_back_us = link.round_trip_us.unwrap_or(0).max(1);
        let is_at_work = link.heard_us >= copy.sent_us.saturating_add(there_and_back_us);
        (is_behind || is_at_work) && now.mono_us < copy.sent_us.saturating_add(PATIENCE_MS_MAX * 1000)
    }

    fn retry(&mut self, now: Now, ids: Vec<u64>, whom: Whom<'_>, flights: &mut InFlight, out: &mut Outbox) {
        if ids.is_empty() {
            return;
        }
        let live = whom.links.far_live();
        for id in ids {
            let Some(copy) = self.take(id) else { continue };
            let mut nodes = live.get(copy.region.as_str()).cloned().unwrap_or_default();
            nodes.retain(|node| whom.holders.keeps(*node, &copy.run.scope, &copy.key));
            self.send_to_gateway(now, copy, &nodes, whom.links, flights, out);
        }
    }

    pub(crate) fn deadline_us(&self) -> Option<u64> {
        self.due.first().map(|(at, _)| *at)
    }

    #[expect(clippy::too_many_arguments, reason = "one run to one peer, with everything it is noted in")]
    fn push(
        &mut self,
        now: Now,
        peer: NodeId,
        relay: bool,
        key: Hash,
        run: &Run,
        flights: &mut InFlight,
        out: &mut Outbox,
    ) {
        let bytes = run_bytes(run);
        if !flights.has_room(peer) || bytes > u64::try_from(FRAME_BYTES_MAX).unwrap_or(u64::MAX) {
            out.counters.pushes_withheld += 1;
            return;
        }
        flights.sent(now.mono_us, peer, key, run, out);
        let entries = u64::try_from(run.entries.len()).unwrap_or(u64::MAX);
        if relay {
            out.counters.entries_pushed_far += entries;
        } else {
            out.counters.entries_pushed_near += entries;
        }
        let parcel = self.parcels.entry((peer, relay)).or_default();
        if parcel.bytes > 0 && parcel.bytes.saturating_add(bytes) > PUSH_BYTES_MAX {
            out.send(peer, Frame::Push { runs: std::mem::take(&mut parcel.runs), relay });
            parcel.bytes = 0;
        }
        parcel.bytes = parcel.bytes.saturating_add(bytes);
        parcel.runs.push(run.clone());
    }

    /// What a peer misses in the middle of a stream goes to it again, whatever is on its way.
    pub(crate) fn resend(
        &mut self,
        now: Now,
        peer: NodeId,
        relay: bool,
        run: &Run,
        flights: &mut InFlight,
        out: &mut Outbox,
    ) {
        let key = scope_hash(&run.scope);
        flights.lost(peer, key, run.origin.origin());
        self.push(now, peer, relay, key, run, flights, out);
    }

    /// Sends what was gathered during one input.
    pub(crate) fn flush(&mut self, out: &mut Outbox) {
        for ((peer, relay), parcel) in std::mem::take(&mut self.parcels) {
            out.send(peer, Frame::Push { runs: parcel.runs, relay });
        }
    }
}
