//! Asking to be let into a room: told to those inside who may let people in, on all nodes.

use super::commands::Asker;
use super::{Node, SessionNumber};
use crate::farewells;
use crate::people::principal;
use crate::signal::Signal;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::Author;
use lavina_crdt::names::RoomName;
use lavina_crdt::room::{Denied, Flag, Rank};
use lavina_protocols::command::{Refusal, Reply};
use lavina_protocols::event::Event;

impl<S: Store> Node<S> {
    pub(super) fn knock(&mut self, now: Now, asker: &Asker, room: &RoomName, text: String) -> Result<Reply, Refusal> {
        let state = self.load_room(room);
        if asker.record.rooms.contains_key(room) {
            return Err(Refusal::AlreadyPresent);
        }
        let who = principal(asker.session, &asker.record);
        if !state.is_open() || state.has(Flag::Secret) || self.is_locked_to(room, &state, &who) {
            return Err(Refusal::Denied(Denied::NoRoom));
        }
        let by = self.author_in(asker, room);
        match state.admits(&by, None, self.people.occupants_len(room), self.invites.has(room, &who)) {
            Ok(()) => return Err(Refusal::NeedsNoInvitation),
            Err(Denied::Banned) => return Err(Refusal::Denied(Denied::Banned)),
            Err(_) => {}
        }
        if !self.knocks.may(room, &who, now.mono_us) {
            return Err(Refusal::TooMany("knocks"));
        }
        let text = farewells::reason(&text);
        let signal = Signal::Knocked { room: room.clone(), by: by.clone(), text: text.clone() };
        for to in self.one_session_of_each_other_node() {
            self.signal(now, to, &signal);
        }
        self.tell_knock(room, by, text);
        Ok(Reply::Done)
    }

    /// A session of another node asks.
    pub(super) fn on_knocked(&mut self, room: &RoomName, by: &Author, text: &str) {
        if self.people.principal(by.session) == Some(by.principal()) {
            self.tell_knock(room, by.clone(), text.to_owned());
        } else {
            self.count("signals_without_right");
        }
    }

    fn tell_knock(&mut self, room: &RoomName, by: Author, text: String) {
        let state = self.load_room(room);
        let may_invite = |number: &SessionNumber| {
            let who = self.people.principal(self.sessions.id(*number));
            who.is_some_and(|who| state.rank(&who) >= Rank::HalfOp)
        };
        let to: Vec<SessionNumber> = self.people.local(room).iter().copied().filter(may_invite).collect();
        self.sessions.deliver(to, Event::Knocked { room: room.clone(), by, text }, &mut self.out);
    }
}
