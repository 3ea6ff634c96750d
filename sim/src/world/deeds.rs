//! Clients do what the table of deeds says, and read everything in the end.

use super::World;
use crate::client::deeds::{self, Owed};
use crate::client::{Debt, ToRead};
use crate::plan::Speaks;
use std::collections::BTreeSet;

/// How many rooms that are none of its own a client looks into in the end.
const STRANGE_ROOMS_MAX: usize = 4;

impl World {
    /// Does a row of the table, when the client's protocol has it.
    pub(super) fn do_deed(&mut self, client: usize, name: &str, room: usize, other: usize) {
        let Some(deed) = deeds::by_name(name) else { return };
        let irc = self.clients[client].plan.speaks == Speaks::Irc;
        let Some(template) = deed.template(irc) else { return };
        let text = self.clients[client].fresh_text(client);
        let (room_index, room) = (room, self.plan.rooms[room].name.clone());
        let (other_nick, account) = (self.clients[other].nick.clone(), self.clients[other].plan.nick.clone());
        let doer = &mut self.clients[client];
        let id = doer.last_seen(&room).map(|seen| seen.id.clone());
        if template.contains("{id}") && id.is_none() {
            return;
        }
        let (me, n) = (doer.nick.clone(), doer.wire.fresh_id());
        let id = id.unwrap_or_default();
        let values = [
            ("{room}", room.as_str()),
            ("{other}", &other_nick),
            ("{account}", &account),
            ("{me}", &me),
            ("{text}", &text),
            ("{id}", &id),
            ("{n}", &n),
        ];
        let bytes = deeds::fill(&template, &values);
        let connection = doer.connection;
        match deed.owed {
            Owed::Anything => {}
            Owed::Error => doer.debts.push(Debt { deed: deed.name, connection, paid: false }),
            Owed::End => {
                doer.left.insert(connection);
                doer.debts.push(Debt { deed: deed.name, connection, paid: false });
            }
        }
        *self.happened.entry(deed.name).or_default() += 1;
        self.note_act(client, deed.name, Some(room_index), &other_nick, "");
        self.send_to_node(client, bytes.into_bytes());
    }

    /// The rooms that a client looks into: all, when it reads them whole; else its own ones, and of the others a few in turn, as somebody does who
    /// is curious. So everybody tries what it may not read, and a mesh of a hundred rooms is not read a thousand times.
    fn rooms_to_read(&self, client: usize, whole: bool) -> Vec<ToRead> {
        let own = self.clients[client].plan.own_rooms();
        let all = 0..self.plan.rooms.len();
        let strange = all.clone().cycle().skip(client).take(all.len()).filter(|room| !own.contains(room));
        let tried: BTreeSet<usize> = strange.take(STRANGE_ROOMS_MAX).collect();
        let chosen = all.filter(|room| whole || own.contains(room) || tried.contains(room));
        chosen.map(|room| ToRead { room: self.plan.rooms[room].name.clone(), whole }).collect()
    }

    /// Everybody reads and looks around, half of them from the newest end; all there is, when nobody does yet at that node with that protocol.
    /// What the nodes have by then must be read.
    pub(super) fn catch_up(&mut self) {
        self.had = (0..self.nodes.len()).map(|node| self.vectors(node)).collect();
        let mut readers = BTreeSet::new();
        for client in (0..self.clients.len()).filter(|client| self.clients[*client].ready).collect::<Vec<_>>() {
            let (newest, irc) = (client % 2 == 1, self.clients[client].plan.speaks == Speaks::Irc);
            let home = self.clients[client].home;
            let whole = self.is_judged_client(client) && readers.insert((home, irc, newest));
            let rooms = self.rooms_to_read(client, whole);
            let bytes = self.clients[client].catch_up(&self.plan, rooms, newest);
            self.send_to_node(client, bytes.into_bytes());
        }
    }
}
