//! What is on the way to each peer: sent live or by sync, not yet acknowledged as durable there. Keeps sync from sending twice what is
//! about to arrive, and a slow peer from being sent more than it takes. Approximate on purpose: forgetting costs a duplicate, nothing else.

use crate::gauges::Gauge;
use crate::outbox::Outbox;
use lavina_crdt::entry::{Hash, Run};
use lavina_crdt::ids::{NodeId, Origin};
use lavina_crdt::mutant::{self, Mutant};
use std::collections::BTreeMap;

/// Most (scope, origin) pairs remembered for a peer: as many as get entries within a few round trips on a busy mesh.
const PAIRS_PER_PEER_MAX: usize = 16_384;
/// Longest that something counts as on its way: a commit at the other side and several long round trips.
const TRUST_MS: u64 = 5_000;
/// Most bytes on the way to one peer before live copies are left to sync: a second of a 64 Mbit/s link.
pub(crate) const BYTES_PER_PEER_MAX: u64 = 8 * 1024 * 1024;

#[derive(Clone, Copy, Debug)]
struct Sent {
    first: u64,
    next: u64,
    bytes: u64,
    /// Since when nothing of it has been acknowledged.
    since_us: u64,
}

#[derive(Debug, Default)]
struct Peer {
    pairs: BTreeMap<(Hash, Origin), Sent>,
    bytes: u64,
    entries: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    peers: BTreeMap<NodeId, Peer>,
}

impl InFlight {
    pub(crate) fn gauges(&self) -> [Gauge; 1] {
        let fullest = self.peers.values().map(|peer| peer.pairs.len()).max().unwrap_or(0);
        [Gauge::standing("pairs on the way to a peer", fullest, PAIRS_PER_PEER_MAX)]
    }

    pub(crate) fn sent(&mut self, now_us: u64, peer: NodeId, scope: Hash, run: &Run, out: &mut Outbox) {
        let origin = run.origin.origin();
        let next = run_end(run);
        let bytes = run_bytes(run);
        let peer = self.peers.entry(peer).or_default();
        if peer.pairs.len() >= PAIRS_PER_PEER_MAX && !peer.pairs.contains_key(&(scope, origin)) {
            if let Some((_, oldest)) = peer.pairs.pop_first() {
                peer.forget(oldest);
            }
            out.overflow();
        }
        let before = peer.pairs.remove(&(scope, origin));
        if let Some(before) = before {
            peer.forget(before);
        }
        let joined = match before {
            Some(before) if (before.first..=before.next).contains(&run.first) && !expired(before.since_us, now_us) => {
                Sent {
                    first: before.first,
                    next: before.next.max(next),
                    bytes: before.bytes.saturating_add(bytes),
                    since_us: before.since_us,
                }
            }
            Some(_) | None => Sent { first: run.first, next, bytes, since_us: now_us },
        };
        peer.bytes = peer.bytes.saturating_add(joined.bytes);
        peer.entries = peer.entries.saturating_add(joined.next.saturating_sub(joined.first));
        peer.pairs.insert((scope, origin), joined);
    }

    /// The peer says that it has everything below `next`.
    pub(crate) fn acknowledged(&mut self, now_us: u64, peer: NodeId, scope: Hash, origin: Origin, next: u64) {
        let Some(peer) = self.peers.get_mut(&peer) else { return };
        let Some(sent) = peer.pairs.get(&(scope, origin)).copied().filter(|sent| sent.first < next) else { return };
        peer.forget(sent);
        if next >= sent.next {
            peer.pairs.remove(&(scope, origin));
            return;
        }
        let left = sent.next.saturating_sub(next);
        let all = sent.next.saturating_sub(sent.first).max(1);
        let rest =
            Sent { first: next, bytes: sent.bytes.saturating_mul(left) / all, next: sent.next, since_us: now_us };
        peer.bytes = peer.bytes.saturating_add(rest.bytes);
        peer.entries = peer.entries.saturating_add(left);
        peer.pairs.insert((scope, origin), rest);
    }

    /// Whether an entry is on its way to the peer.
    pub(crate) fn carries(&self, now_us: u64, peer: NodeId, scope: Hash, origin: Origin, seq: u64) -> bool {
        let sent = self.peers.get(&peer).and_then(|peer| peer.pairs.get(&(scope, origin)));
        sent.is_some_and(|sent| (sent.first..sent.next).contains(&seq) && !expired(sent.since_us, now_us))
    }

    /// What was on its way of this pair did not arrive.
    pub(crate) fn lost(&mut self, peer: NodeId, scope: Hash, origin: Origin) {
        let Some(peer) = self.peers.get_mut(&peer) else { return };
        if let Some(sent) = peer.pairs.remove(&(scope, origin)) {
            peer.forget(sent);
        }
    }

    /// Whether the peer takes live copies: not when it is far behind with what it was sent.
    pub(crate) fn has_room(&self, peer: NodeId) -> bool {
        mutant::is_planted(Mutant::NoBound) || self.peers.get(&peer).is_none_or(|peer| peer.bytes < BYTES_PER_PEER_MAX)
    }

    pub(crate) fn entries(&self, peer: NodeId) -> u64 {
        self.peers.get(&peer).map_or(0, |peer| peer.entries)
    }

    /// The connection is gone, and with it what was on it.
    pub(crate) fn forget(&mut self, peer: NodeId) {
        self.peers.remove(&peer);
    }

    /// Drops what has been on its way for too long: it was lost, or refused.
    pub(crate) fn expire(&mut self, now_us: u64) {
        for peer in self.peers.values_mut() {
            let (mut bytes, mut entries) = (0u64, 0u64);
            peer.pairs.retain(|_, sent| {
                let keep = !expired(sent.since_us, now_us);
                if keep {
                    bytes = bytes.saturating_add(sent.bytes);
                    entries = entries.saturating_add(sent.next.saturating_sub(sent.first));
                }
                keep
            });
            (peer.bytes, peer.entries) = (bytes, entries);
        }
    }
}

impl Peer {
    fn forget(&mut self, sent: Sent) {
        self.bytes = self.bytes.saturating_sub(sent.bytes);
        self.entries = self.entries.saturating_sub(sent.next.saturating_sub(sent.first));
    }
}

const fn expired(at_us: u64, now_us: u64) -> bool {
    now_us.saturating_sub(at_us) > TRUST_MS * 1000
}

/// The seq after a run's last entry.
pub(crate) fn run_end(run: &Run) -> u64 {
    run.first.saturating_add(u64::try_from(run.entries.len()).unwrap_or(u64::MAX))
}

/// About the bytes of a run on the wire.
pub(crate) fn run_bytes(run: &Run) -> u64 {
    // Per entry a length and an optional signature; per run its scope, origin key and first seq.
    let entries = run.entries.iter().map(|entry| entry.bytes.len() + if entry.signature.is_some() { 70 } else { 6 });
    u64::try_from(entries.sum::<usize>().saturating_add(200)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::entry::SealedEntry;
    use lavina_crdt::ids::{OriginKey, Scope};

    fn run(first: u64, count: usize) -> Run {
        let origin = OriginKey { node: NodeId([9; 32]), epoch: 0 };
        let entry = SealedEntry { bytes: vec![0; 50].into(), signature: None };
        Run { scope: Scope::Mesh, origin, first, entries: vec![entry; count] }
    }

    #[test]
    fn what_is_on_its_way_is_skipped_until_it_is_acknowledged_or_too_old() {
        let (mut flights, mut out) = (InFlight::default(), Outbox::default());
        let (peer, scope, origin) = (NodeId([1; 32]), Hash([0; 32]), run(0, 1).origin.origin());
        flights.sent(0, peer, scope, &run(3, 2), &mut out);
        flights.sent(1, peer, scope, &run(5, 4), &mut out);
        assert_eq!(flights.entries(peer), 6);
        assert!(!flights.carries(2, peer, scope, origin, 2));
        assert!(flights.carries(2, peer, scope, origin, 3) && flights.carries(2, peer, scope, origin, 8));
        flights.acknowledged(2, peer, scope, origin, 5);
        assert_eq!(flights.entries(peer), 4);
        assert!(!flights.carries(2, peer, scope, origin, 4));
        assert!(!flights.carries(10_000_000, peer, scope, origin, 5));
        flights.acknowledged(3, peer, scope, origin, 9);
        assert_eq!(flights.entries(peer), 0);
        assert!(flights.has_room(peer));
    }

    #[test]
    fn what_is_sent_behind_it_does_not_keep_a_lost_entry_on_its_way() {
        let (mut flights, mut out) = (InFlight::default(), Outbox::default());
        let (peer, scope, origin) = (NodeId([1; 32]), Hash([0; 32]), run(0, 1).origin.origin());
        flights.sent(0, peer, scope, &run(0, 1), &mut out);
        flights.sent(TRUST_MS * 1000, peer, scope, &run(1, 1), &mut out);
        assert!(flights.carries(TRUST_MS * 1000, peer, scope, origin, 0));
        assert!(!flights.carries(TRUST_MS * 1000 + 1, peer, scope, origin, 0));
    }

    #[test]
    fn a_peer_that_acknowledges_nothing_gets_no_more_live_copies() {
        let (mut flights, mut out) = (InFlight::default(), Outbox::default());
        let peer = NodeId([1; 32]);
        let mut first = 0;
        while flights.has_room(peer) {
            flights.sent(0, peer, Hash([0; 32]), &run(first, 1000), &mut out);
            first += 1000;
            assert!(first < 1_000_000);
        }
        flights.expire(6_000_000);
        assert!(flights.has_room(peer));
    }
}
