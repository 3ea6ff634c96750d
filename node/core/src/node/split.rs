//! A cut as clients see it: nobody is disconnected, each affected room gets one notice, and comings and goings come in one batch.

use super::presence::{Together, Why};
use super::{Node, SessionNumber};
use crate::splits::News;
use crate::store::Store;
use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::ids::NodeId;
use lavina_crdt::names::{NickKey, RoomName};
use lavina_crdt::room::{Flag, Rank};
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
        self.tell_rooms_behind(lost, |room, nodes, occupants| Event::Unreachable { room, nodes, occupants, since });
    }

    fn tell_reachable(&mut self, back: &[NodeId]) {
        self.tell_rooms_behind(back, |room, nodes, occupants| Event::Reachable { room, nodes, occupants });
    }

    /// Tells each room who of it is behind these nodes; those without a voice in an auditorium only whom they see there.
    fn tell_rooms_behind(&mut self, nodes: &[NodeId], make: impl Fn(RoomName, Vec<Arc<str>>, Vec<Occupant>) -> Event) {
        let names = self.node_names(nodes);
        for (room, nicks) in self.rooms_behind(nodes) {
            let (state, occupants) = (self.room_state(&room), self.behind(&room, &nicks));
            let (mut all, mut some) = (self.people.local(&room).to_vec(), Vec::new());
            if state.has(Flag::Auditorium) {
                (all, some) = all.into_iter().partition(|number| self.has_voice(&state, self.sessions.id(*number)));
            }
            let seen: Vec<Occupant> = occupants.iter().filter(|who| who.rank >= Rank::Voice).cloned().collect();
            self.sessions.deliver(all, make(room.clone(), names.clone(), occupants), &mut self.out);
            if !seen.is_empty() {
                self.sessions.deliver(some, make(room, names.clone(), seen), &mut self.out);
            }
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
        self.tell_together(*first);
    }

    /// Tells of those of a node who have gone and come together.
    pub(super) fn tell_together(&mut self, node: NodeId) {
        let Together { gone, back } = std::mem::take(&mut self.together);
        let nodes = (self.node_name(self.me()), self.node_name(node));
        let to = self.in_any_of(gone.iter().flat_map(|(_, places)| places).map(|(room, _)| room));
        self.sessions.deliver(to, Event::netsplit(nodes.clone(), gone), &mut self.out);
        let to = self.in_any_of(back.iter().map(|(room, _)| room));
        self.sessions.deliver(to, Event::netjoin(nodes, back), &mut self.out);
    }

    fn in_any_of<'a>(&self, rooms: impl Iterator<Item = &'a RoomName>) -> Vec<SessionNumber> {
        let rooms: BTreeSet<&RoomName> = rooms.collect();
        self.in_any_but(rooms.into_iter(), None, None)
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
