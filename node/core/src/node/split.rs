//! A cut as clients see it: nobody is disconnected, each affected room gets one notice, and comings and goings come in one batch.

use super::Node;
use super::presence::{Together, Why};
use crate::splits::News;
use crate::store::Store;
use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::ids::NodeId;
use lavina_crdt::names::{NickKey, RoomName};
use lavina_protocols::event::{Event, Occupant};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl<S: Store> Node<S> {
    /// Membership holds a node to be in reach, or not.
    pub(super) fn on_reach(&mut self, now: Now, node: NodeId, in_reach: bool) {
        if in_reach {
            self.splits.regain(now, node);
        } else {
            self.splits.lose(now, node, self.config.limits.unreachable_grace_ms);
            self.note_lost(now, node);
        }
    }

    pub(super) fn on_split_timeout(&mut self, now: Now) {
        let News { lost, back, gone } = self.splits.news(now);
        self.tell_unreachable(&lost);
        self.tell_reachable(&back);
        self.tell_netsplit(now, &gone);
    }

    fn tell_unreachable(&mut self, lost: &[NodeId]) {
        let since = lost.iter().filter_map(|node| self.splits.since(*node)).min().unwrap_or(Hlc(0));
        for (room, nicks) in self.rooms_behind(lost) {
            let (to, nodes, occupants) =
                (self.people.local(&room).to_vec(), self.node_names(lost), self.behind(&room, &nicks));
            self.sessions.deliver(to, Event::Unreachable { room, nodes, occupants, since }, &mut self.out);
        }
    }

    fn tell_reachable(&mut self, back: &[NodeId]) {
        for (room, nicks) in self.rooms_behind(back) {
            let (to, nodes, occupants) =
                (self.people.local(&room).to_vec(), self.node_names(back), self.behind(&room, &nicks));
            self.sessions.deliver(to, Event::Reachable { room, nodes, occupants }, &mut self.out);
        }
    }

    fn tell_netsplit(&mut self, now: Now, nodes: &[NodeId]) {
        let Some(first) = nodes.first() else { return };
        let why = Why { together: true, untold: true, ..Why::default() };
        for node in nodes {
            let changes = self.presence.drop_node(*node);
            self.note_interest(now, &changes);
            for change in changes {
                self.show(now, change.session, change.new, &why);
            }
        }
        let Together { gone, .. } = std::mem::take(&mut self.together);
        let rooms: BTreeSet<&RoomName> = gone.iter().flat_map(|(_, places)| places).map(|(room, _)| room).collect();
        let to = self.in_any_but(rooms.into_iter(), None, None);
        let nodes = (self.node_name(self.me()), self.node_name(*first));
        self.sessions.deliver(to, Event::Netsplit { nodes, gone }, &mut self.out);
    }

    /// The people of a node that was gone are back.
    pub(super) fn tell_netjoin(&mut self, node: NodeId) {
        let Together { back, .. } = std::mem::take(&mut self.together);
        let rooms: BTreeSet<&RoomName> = back.iter().map(|(room, _)| room).collect();
        let to = self.in_any_but(rooms.into_iter(), None, None);
        let nodes = (self.node_name(self.me()), self.node_name(node));
        self.sessions.deliver(to, Event::Netjoin { nodes, back }, &mut self.out);
    }

    /// Rooms with sessions here, and the nicks in them that have sessions behind these nodes only.
    fn rooms_behind(&self, nodes: &[NodeId]) -> BTreeMap<RoomName, BTreeSet<NickKey>> {
        let mut rooms: BTreeMap<RoomName, BTreeSet<NickKey>> = BTreeMap::new();
        for (_, record) in nodes.iter().flat_map(|node| self.people.of_node(*node)) {
            for (room, place) in &record.rooms {
                let nick = place.nick.key();
                let only_there = self.people.place(room, &nick).all(|session| nodes.contains(&session.node));
                if only_there && !self.people.local(room).is_empty() {
                    rooms.entry(room.clone()).or_default().insert(nick);
                }
            }
        }
        rooms
    }

    fn behind(&self, room: &RoomName, nicks: &BTreeSet<NickKey>) -> Vec<Occupant> {
        let state = self.room_state(room);
        nicks.iter().filter_map(|nick| self.occupant_by_nick(room, &state, nick)).collect()
    }

    fn node_names(&self, nodes: &[NodeId]) -> Vec<Arc<str>> {
        nodes.iter().map(|node| self.node_name(*node)).collect()
    }
}
