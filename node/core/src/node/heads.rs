//! Telling peers which entries are the newest of their origins here: two branches of equal length have equal vectors, and would never be compared.
//!
//! Each tells the next ones in the circle of those who hold the same, so that what an entry costs does not grow with the square of the mesh. Of the scopes that all
//! hold that is the circle of all nodes; each room has a circle of its own where rooms are placed. Who has been told something is not told it again, and after a lost
//! connection only what may have been lost with it.

use super::{Node, Output};
use crate::replica::HeadRow;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::ids::{NodeId, Scope};
use lavina_gossip::frame::Frame;
use std::collections::BTreeMap;

/// How many of its next ones in a circle each tells its heads.
const RING: usize = 4;
/// Every how manieth time another one of the circle of all is told them too.
const TURN_EVERY: u64 = 16;
/// A connection that goes on for longer than this after something was said on it has brought that: it would have been given up else.
const DELIVERED_MS: u64 = 15_000;

/// How far a peer was told heads.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    /// The version told last.
    told: u64,
    /// The version that has arrived.
    arrived: u64,
    /// When it was told last, microseconds.
    at_us: u64,
}

impl Told {
    /// What was told a while ago has arrived.
    fn settle(&mut self, now: Now) {
        if now.mono_us.saturating_sub(self.at_us) > DELIVERED_MS * 1000 {
            self.arrived = self.told;
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct HeadsTold {
    /// How far each peer was told of what all hold; where rooms are not placed, that is everything.
    common: BTreeMap<NodeId, Told>,
    /// How far each was told of the rooms that it holds.
    rooms: BTreeMap<NodeId, Told>,
    /// How often heads were told, and the peer that was told them in turn last.
    turn: (u64, Option<NodeId>),
}

impl HeadsTold {
    /// What was told on a connection that is gone may be lost with it.
    pub(super) fn on_down(&mut self, now: Now, peer: NodeId) {
        for told in [&mut self.common, &mut self.rooms].into_iter().filter_map(|tolds| tolds.get_mut(&peer)) {
            told.settle(now);
            told.told = told.arrived;
        }
    }

    /// Forgets who does not belong to the mesh any more.
    pub(super) fn retain(&mut self, belongs: impl Fn(NodeId) -> bool) {
        self.common.retain(|peer, _| belongs(*peer));
        self.rooms.retain(|peer, _| belongs(*peer));
    }
}

/// Those of the peers, given in order, that come after a node in their circle, nearest first.
fn after(peers: &[NodeId], node: NodeId) -> impl Iterator<Item = NodeId> + use<'_> {
    let (before, after) = peers.split_at(peers.partition_point(|peer| *peer <= node));
    after.iter().chain(before).copied()
}

/// Who of the connected peers, given in order, is told now of what all hold: the next ones in the circle, so that two branches meet wherever they are; and now
/// and then another one in turn, since where not all are connected the circle may fall apart.
fn ring_of_all(me: NodeId, peers: &[NodeId], turn: &mut (u64, Option<NodeId>)) -> Vec<NodeId> {
    let (round, last) = *turn;
    let mut to: Vec<NodeId> = after(peers, me).take(RING).collect();
    let is_turn = round % TURN_EVERY == 0;
    let next = after(peers, last.unwrap_or(me)).find(|peer| is_turn && !to.contains(peer));
    to.extend(next);
    *turn = (round + 1, next.or(last));
    to
}

/// What has changed since each version that some peer was told last: most were told at the same time.
#[derive(Debug, Default)]
struct News(BTreeMap<u64, (u64, Vec<HeadRow>)>);

impl News {
    /// What a peer that was told so far has not been told, of which the caller tells it what concerns it.
    fn since(&mut self, now: Now, told: &mut Told, heads: impl FnOnce(u64) -> (u64, Vec<HeadRow>)) -> &[HeadRow] {
        let (version, rows) = self.0.entry(told.told).or_insert_with_key(|version| heads(*version));
        if *version > told.told {
            told.settle(now);
            (told.told, told.at_us) = (*version, now.mono_us);
        }
        rows
    }
}

impl<S: Store> Node<S> {
    /// Tells some of the connected peers, given in order, which heads have changed since they were told last.
    pub(super) fn tell_heads(&mut self, now: Now, peers: &[NodeId]) {
        let (me, is_placed) = (self.me(), self.gossip.is_placed());
        let mut news = News::default();
        let is_room = |row: &HeadRow| matches!(row.0, Scope::Room(_));
        for peer in ring_of_all(me, peers, &mut self.heads.turn) {
            let told = self.heads.common.entry(peer).or_default();
            let rows = news.since(now, told, |version| self.replicas.heads_since(version)).iter();
            let rows = rows.filter(|row| !is_placed || !is_room(row)).cloned().collect();
            self.send_heads(peer, rows);
        }
        let mut rings: BTreeMap<Scope, Vec<NodeId>> = BTreeMap::new();
        let mut ring_of = |row: &HeadRow| {
            let kept_by = |room: &Scope| {
                after(peers, me).filter(|holder| self.gossip.is_kept_by(*holder, room)).take(RING).collect()
            };
            rings.entry(row.0.clone()).or_insert_with_key(kept_by).clone()
        };
        // What concerns whom, by the version that was told last.
        let mut concerns: BTreeMap<u64, BTreeMap<NodeId, Vec<HeadRow>>> = BTreeMap::new();
        let mut tell = Vec::new();
        for peer in peers.iter().copied().filter(|_| is_placed) {
            let told = self.heads.rooms.entry(peer).or_default();
            let version = told.told;
            let rows = news.since(now, told, |version| self.replicas.heads_since(version));
            let concerned = concerns.entry(version).or_insert_with(|| {
                let mut concerned: BTreeMap<NodeId, Vec<HeadRow>> = BTreeMap::new();
                for row in rows.iter().filter(|row| is_room(row)) {
                    ring_of(row).into_iter().for_each(|holder| concerned.entry(holder).or_default().push(row.clone()));
                }
                concerned
            });
            tell.extend(concerned.remove(&peer).map(|rows| (peer, rows)));
        }
        tell.into_iter().for_each(|(peer, rows)| self.send_heads(peer, rows));
    }

    fn send_heads(&mut self, to: NodeId, rows: Vec<HeadRow>) {
        if !rows.is_empty() {
            let frame = Frame::Heads(rows);
            self.out.push_back(Output::Send(to, frame.lane(), frame));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn heads_go_round_the_circle_and_in_time_to_everybody() {
        for count in [2u8, 5, 6, 30] {
            let all: Vec<NodeId> = (0..count).map(|number| NodeId([number; 32])).collect();
            for me in &all {
                let peers: Vec<NodeId> = all.iter().copied().filter(|peer| peer != me).collect();
                let (mut turn, mut told) = ((0, None), BTreeSet::new());
                for round in 0..u64::from(count) * TURN_EVERY {
                    let to = ring_of_all(*me, &peers, &mut turn);
                    let others = to.len() - RING.min(peers.len());
                    assert!(others <= usize::from(round % TURN_EVERY == 0) && !to.contains(me));
                    let next = peers.iter().find(|peer| *peer > me).unwrap_or(&peers[0]);
                    assert!(to.contains(next));
                    told.extend(to);
                }
                assert_eq!(told, peers.into_iter().collect());
            }
        }
    }
}
