//! Invitations and whispers: from session to session, through the home node of the receiver.

use super::Node;
use super::commands::Asker;
use crate::people::principal;
use crate::signal::Signal;
use crate::store::Store;
use bytes::Bytes;
use lavina_crdt::clock::Now;
use lavina_crdt::content::Principal;
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::room::{Denied, Rank, Right};
use lavina_gossip::machine;
use lavina_protocols::abroad::{Remote, Showing, Told};
use lavina_protocols::command::{Refusal, Reply, Target};
use lavina_protocols::event::{CloseReason, Event};

impl<S: Store> Node<S> {
    /// Gives a signal to a session, wherever it is.
    pub(super) fn signal(&mut self, now: Now, to: SessionId, signal: &Signal) {
        if to.node == self.me() {
            self.on_signal(now, to, signal);
        } else if let Some(bytes) = signal.encode() {
            self.gossip(now, machine::Input::Signal(to, bytes));
        } else {
            self.count("signals_too_large");
        }
    }

    /// A signal for an own session.
    pub(super) fn on_signal(&mut self, now: Now, to: SessionId, signal: &Signal) {
        if let Signal::Farewell { session, room, words } = signal {
            if session.node != self.me() {
                self.farewells.add(*session, room.clone(), words.clone());
            }
            return;
        }
        if let Signal::Wallops { by, text } = signal {
            self.on_wallops(by, text);
            return;
        }
        if let Signal::Reported { by, words } = signal {
            self.on_reported(by, words);
            return;
        }
        if let Signal::Shows { node, account, resource, to, caps, at_ms } = signal {
            let showing = Showing { to: to.clone(), caps: caps.clone(), at_ms: *at_ms };
            let told = Told::ShowsElsewhere { showing, wins: *node > self.me() };
            self.on_client_abroad(account, resource.as_ref(), told);
            return;
        }
        if let Signal::HasTold { account, resource, of } = signal {
            self.on_client_abroad(account, resource.as_ref(), Told::HasBeenTold(of.clone()));
            return;
        }
        if let Signal::Got(id) = signal {
            self.underway.got(*id);
            return;
        }
        if let Signal::Knocked { room, by, text } = signal {
            self.on_knocked(room, by, text);
            return;
        }
        if let Signal::Passing { scope, key, author, content } = signal
            && to.node == self.me()
        {
            self.on_passing(scope, *key, author, content);
            return;
        }
        let Some(number) = self.sessions.number(to) else { return };
        let Some(record) = self.people.get(to) else { return };
        match signal {
            Signal::Whisper { from, via, stanza } => {
                let Some(from) = self.person(*from) else { return };
                let event = Event::Whisper { from, via: via.clone(), stanza: stanza.clone() };
                self.sessions.deliver(vec![number], event, &mut self.out);
            }
            Signal::FromAbroad { account, resource, stanza } => {
                let remote = Remote { account: account.clone(), resource: resource.clone() };
                let Some(from) = self.person_abroad(&remote) else { return };
                let event = Event::Whisper { from, via: None, stanza: stanza.clone() };
                self.sessions.deliver(vec![number], event, &mut self.out);
            }
            Signal::Forwarded(stanza) => {
                if record.account.as_ref().is_some_and(AccountName::is_remote) {
                    self.sessions.deliver(vec![number], Event::Forwarded(stanza.clone()), &mut self.out);
                }
            }
            Signal::Invited { room, by, reason } => {
                let strong = self.room_state(room).rank(&by.principal()) >= Rank::HalfOp;
                self.invites.add(room.clone(), principal(to, record), strong);
                let nick = record.nick.clone();
                let event = Event::Invited { room: room.clone(), by: by.clone(), nick, reason: reason.clone() };
                self.sessions.deliver(vec![number], event, &mut self.out);
            }
            Signal::Replaced => self.disconnect(now, number, CloseReason::Replaced),
            Signal::Placed { by, room, since } => self.on_placed(now, number, by, room, *since),
            Signal::Renamed { by, nick } => self.on_person_renamed(now, number, by, nick),
            Signal::Ended { by } => self.on_ended(now, number, by),
            Signal::Abandoned { by, key, got } => self.on_abandoned(number, by, key, *got),
            Signal::Killed { by, words } => self.on_killed(now, number, by, words),
            Signal::Farewell { .. }
            | Signal::Shows { .. }
            | Signal::HasTold { .. }
            | Signal::Got(_)
            | Signal::Wallops { .. }
            | Signal::Passing { .. }
            | Signal::Reported { .. }
            | Signal::Knocked { .. } => {}
        }
    }

    /// Tells other nodes, ahead of presence, the words with which an own session leaves.
    pub(super) fn say_farewell(&mut self, now: Now, session: SessionId, room: Option<RoomName>, words: &str) {
        if words.is_empty() {
            return;
        }
        let signal = Signal::Farewell { session, room, words: words.to_owned() };
        for to in self.one_session_of_each_other_node() {
            self.signal(now, to, &signal);
        }
    }

    pub(super) fn on_signal_bytes(&mut self, now: Now, to: SessionId, bytes: &[u8]) {
        match Signal::decode(bytes) {
            Some(signal) => self.on_signal(now, to, &signal),
            None => self.count("signals_malformed"),
        }
    }

    pub(super) fn whisper(
        &mut self,
        now: Now,
        asker: &Asker,
        target: &Target,
        stanza: Bytes,
    ) -> Result<Reply, Refusal> {
        if let (Target::Account(account, _), Some(own)) = (target, &asker.record.account) {
            self.may_reach(&Principal::Account(own.clone()), &Principal::Account(account.clone()))?;
        }
        if let Target::Account(account, resource) = target
            && account.is_remote()
        {
            let to = Remote { account: account.clone(), resource: resource.clone() };
            let from = self.person_of(asker);
            return self.tell_abroad(to, Told::Whisper { from, stanza });
        }
        if let Target::Account(account, None) = target {
            return self.whisper_to_all(now, asker, account, &stanza);
        }
        let (to, via) = self.whispered_to(asker, target)?;
        self.signal(now, to, &whispered(asker, via, stanza));
        Ok(Reply::Done)
    }

    /// To an account: all of its sessions that are available (RFC 6121 section 8.5.2.1.2).
    fn whisper_to_all(
        &mut self,
        now: Now,
        asker: &Asker,
        account: &AccountName,
        stanza: &Bytes,
    ) -> Result<Reply, Refusal> {
        let is_there = |session: &SessionId| self.people.get(*session).is_some_and(|record| record.available);
        let sessions = self.people.directory().sessions_of(account);
        let to: Vec<SessionId> = sessions.filter(|session| is_there(session) && self.takes_stanzas(*session)).collect();
        if to.is_empty() {
            return Err(Refusal::NoSuchNick);
        }
        for session in to {
            self.signal(now, session, &whispered(asker, None, stanza.clone()));
        }
        Ok(Reply::Done)
    }

    /// The one session a whisper is for, and the room and nick it is seen to come from. Only sessions with a resource take stanzas: who
    /// has none of these is refused, so that the asker need not wait for an answer that nobody gives.
    fn whispered_to(&self, asker: &Asker, target: &Target) -> Result<(SessionId, Option<(RoomName, Nick)>), Refusal> {
        match target {
            Target::Occupant(room, nick) => {
                let place = asker.record.rooms.get(room).ok_or(Refusal::Denied(Denied::NotPresent))?;
                let mut occupant = self.people.place(room, &nick.key()).peekable();
                occupant.peek().ok_or(Refusal::NoSuchOccupant)?;
                let to = occupant.find(|session| self.takes_stanzas(*session)).ok_or(Refusal::NoSuchNick)?;
                Ok((to, Some((room.clone(), place.nick.clone()))))
            }
            Target::Account(account, resource) => {
                let sessions = self.people.directory().sessions_of(account);
                let record = |session: &SessionId| self.people.get(*session);
                let wanted = |session: &SessionId| {
                    record(session).is_some_and(|record| record.resource.is_some() && record.resource == *resource)
                };
                // One that its client has left behind at a node out of reach is there until that is known to be gone.
                let best = sessions.filter(wanted).max_by_key(|session| {
                    let is_in_reach = self.splits.since(session.node).is_none();
                    (is_in_reach, record(session).map(|record| record.signed_on))
                });
                Ok((best.ok_or(Refusal::NoSuchNick)?, None))
            }
            Target::Nick(nick) => {
                let holder = self.people.directory().holder(&nick.key());
                Ok((holder.filter(|session| self.takes_stanzas(*session)).ok_or(Refusal::NoSuchNick)?, None))
            }
            Target::Room(_) => Err(Refusal::NoSuchNick),
        }
    }

    fn takes_stanzas(&self, session: SessionId) -> bool {
        self.people.get(session).is_some_and(|record| record.resource.is_some())
    }

    pub(super) fn invite(
        &mut self,
        now: Now,
        asker: &Asker,
        room: RoomName,
        whom: Target,
        reason: String,
    ) -> Result<Reply, Refusal> {
        let state = self.load_room(&room);
        if !state.is_open() {
            return Err(Refusal::Denied(Denied::NoRoom));
        }
        if !asker.record.rooms.contains_key(&room) {
            return Err(Refusal::Denied(Denied::NotPresent));
        }
        let by = self.author_in(asker, &room);
        state.allows(&by, &Right::Invite).map_err(Refusal::Denied)?;
        let who = match &whom {
            Target::Nick(nick) => self.people.directory().owner(&nick.key()).ok_or(Refusal::NoSuchNick)?,
            Target::Account(account, _) => Principal::Account(account.clone()),
            Target::Occupant(..) | Target::Room(_) => return Err(Refusal::NoSuchNick),
        };
        let sessions: Vec<SessionId> = self.people.directory().sessions_of_principal(&who);
        let inside =
            |session: &SessionId| self.people.get(*session).is_some_and(|record| record.rooms.contains_key(&room));
        if sessions.iter().any(inside) {
            return Err(Refusal::AlreadyPresent);
        }
        if let Principal::Account(account) = &who
            && account.is_remote()
        {
            let strong = state.rank(&by.principal()) >= Rank::HalfOp;
            self.invites.add(room.clone(), who.clone(), strong);
            let to = Remote { account: account.clone(), resource: None };
            return self.tell_abroad(to, Told::Invited { room, by, reason });
        }
        if sessions.is_empty() {
            return Err(Refusal::NoSuchNick);
        }
        for session in sessions {
            self.signal(now, session, &Signal::Invited { room: room.clone(), by: by.clone(), reason: reason.clone() });
        }
        Ok(Reply::Done)
    }
}

/// A stanza on its way: by the session that it is from, where there is one.
fn whispered(asker: &Asker, via: Option<(RoomName, Nick)>, stanza: Bytes) -> Signal {
    match &asker.record.account {
        Some(account) if asker.is_abroad => {
            Signal::FromAbroad { account: account.clone(), resource: asker.record.resource.clone(), stanza }
        }
        Some(_) | None => Signal::Whisper { from: asker.session, via, stanza },
    }
}
