//! What entries do, own and foreign alike, as local sessions see it.

use super::Node;
use crate::replica::{Effect, Message};
use crate::rosters;
use crate::said::said;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::ids::{OrderKey, SessionId};
use lavina_crdt::modes::UserMode;
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::names::{AccountName, NickKey, RoomName};
use lavina_crdt::room::{Act, Flag, Rank, RoomState};
use lavina_protocols::event::{Event, Occupant, Said};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long after the last late message of a room its catching-up counts as over, milliseconds: sync brings its batches closer together.
const CAUGHT_UP_MS: u64 = 500;

/// Rooms in which messages from behind a cut are coming in, and when that counts as over.
pub(super) type CatchUps = BTreeMap<RoomName, u64>;

impl<S: Store> Node<S> {
    /// Shows what entries did.
    pub(super) fn on_effects(&mut self, now: Now, effects: Vec<Effect>) {
        self.on_effects_of(now, effects, None);
    }

    /// Shows what entries did. Gives what was said in the entry `own`, which may have let others go that had waited.
    pub(super) fn on_effects_of(&mut self, now: Now, effects: Vec<Effect>, own: Option<OrderKey>) -> Option<Arc<Said>> {
        let mut own_said = None;
        // What a room takes with it to another name may come with the word of that, and is not told to those who come along.
        let mut moves = Vec::new();
        for effect in effects {
            match effect {
                Effect::Said(message, late) => {
                    let is_own = own == Some(message.key);
                    let said = self.on_said(now, message, late);
                    if is_own {
                        own_said = said;
                    }
                }
                Effect::RoomChanged { room, key, author, acts, old, new } => {
                    let closed = new.closed.clone().filter(|_| old.closed.is_none());
                    let is_new = old.former != new.former;
                    let moved = new.moved.clone().filter(|_| old.moved.is_none());
                    self.on_room_changed(room.clone(), key, author.clone(), acts, old, new);
                    if is_new {
                        self.on_former(now, &room);
                    }
                    match (moved, closed) {
                        (Some(to), closed) => {
                            let reason = closed.map(|closed| closed.reason).unwrap_or_default();
                            moves.push((room, to, author, reason));
                        }
                        (None, Some(closed)) => self.on_closed(now, &room, &author, &closed),
                        (None, None) => {}
                    }
                }
                Effect::Kicked { room, key, author, kick } => self.on_kicked(now, &room, &author, &kick, key),
                Effect::Account(account) => self.on_account(now, account),
                Effect::Register { account, key, at } => self.on_register(now, &account, &key, at),
                Effect::Barred(target) => self.on_barred(now, &target),
                Effect::Mesh => self.on_roster_changed(now),
                Effect::Quarantined(scope) => self.on_quarantined(now, scope),
            }
        }
        for (room, to, author, reason) in moves {
            self.on_moved(now, &room, &to, &author, &reason);
        }
        own_said
    }

    /// Something was said: shows it to those here that it is for.
    fn on_said(&mut self, now: Now, message: Message, late: bool) -> Option<Arc<Said>> {
        if late && mutant::is_planted(Mutant::LateNotShown) {
            return None;
        }
        let via = message.content.via_room.clone();
        let mut said = said(message, late, |who| self.nick_of(who, via.as_ref()))?;
        said.by_bot = self.is_bot(said.author.session);
        let said = Arc::new(said);
        if late && let lavina_protocols::event::Conversation::Room(room) = &said.conversation {
            let room = room.clone();
            self.begin_catch_up(now, room);
        }
        if said.redacted.is_none() {
            self.deliver_said(&said);
            self.say_got(now, &said);
        }
        Some(said)
    }

    /// Whether a session says of itself that it is a robot's.
    fn is_bot(&self, session: SessionId) -> bool {
        self.people.get(session).is_some_and(|record| record.modes.has(UserMode::Bot))
    }

    fn begin_catch_up(&mut self, now: Now, room: RoomName) {
        let to = self.people.local(&room).to_vec();
        if to.is_empty() {
            return;
        }
        if self.catch_ups.insert(room.clone(), now.deadline_ms(CAUGHT_UP_MS)).is_none() {
            self.sessions.deliver(to, Event::Caught { room, begin: true }, &mut self.out);
        }
    }

    /// Marks the end where no late message has come for a while.
    pub(super) fn end_catch_ups(&mut self, now: Now) {
        let over = |(room, at): (&RoomName, &u64)| (*at <= now.mono_us).then(|| room.clone());
        let over: Vec<RoomName> = self.catch_ups.iter().filter_map(over).collect();
        for room in over {
            self.catch_ups.remove(&room);
            let to = self.people.local(&room).to_vec();
            self.sessions.deliver(to, Event::Caught { room, begin: false }, &mut self.out);
        }
    }

    fn on_room_changed(
        &mut self,
        room: RoomName,
        key: OrderKey,
        by: Author,
        acts: Vec<Act>,
        old: Arc<RoomState>,
        new: Arc<RoomState>,
    ) {
        self.states.insert(room.clone(), Arc::clone(&new));
        if old == new {
            return;
        }
        let to = self.people.local(&room).to_vec();
        if to.is_empty() {
            return;
        }
        let ranks = self.rank_changes(&room, &old, &new);
        self.sessions.deliver(
            to,
            Event::RoomChanged { room, by, id: key.msg_id(), acts, old, new, ranks },
            &mut self.out,
        );
    }

    /// Occupants whose standing differs between two states.
    fn rank_changes(&self, room: &RoomName, old: &RoomState, new: &RoomState) -> Vec<Occupant> {
        let who: BTreeSet<&Principal> = old.ranks.keys().chain(new.ranks.keys()).collect();
        let mut nicks = BTreeSet::new();
        for who in who.into_iter().filter(|who| {
            // A founder is shown as one once the room is to stay.
            let is_shown_anew = old.has(Flag::Persistent) != new.has(Flag::Persistent);
            let differs = old.rank(who) != new.rank(who) || old.beneath(who) != new.beneath(who);
            differs || (is_shown_anew && new.rank(who) == Rank::Founder)
        }) {
            for session in self.people.directory().sessions_of_principal(who) {
                let place = self.people.get(session).and_then(|record| record.rooms.get(room));
                nicks.extend(place.map(|place| place.nick.key()));
            }
        }
        nicks.iter().filter_map(|nick: &NickKey| self.occupant_by_nick(room, new, nick)).collect()
    }

    /// An account came to be, or its name has another holder after a merge.
    fn on_account(&mut self, now: Now, account: AccountName) {
        self.lookalikes.add(account.clone());
        self.learn_certificates(&account);
        self.learn_devices(&account);
        self.show_always_on(now, &account);
        self.settle_sessions(now, &account);
    }

    fn on_register(&mut self, now: Now, account: &AccountName, key: &str, at: OrderKey) {
        if Self::is_about_always_on(key) {
            self.show_always_on(now, account);
        }
        if Self::is_certificates(key) {
            self.learn_certificates(account);
        }
        if Self::is_device(key) {
            self.learn_devices(account);
        }
        if let Some(contact) = rosters::contact(key) {
            self.on_contact_changed(account, &contact);
            self.on_contact_abroad_changed(account, &contact);
        } else {
            self.on_mark(account, key);
            self.on_note(account, key);
            self.on_block_register(account, key);
            self.on_shown(account, key, at);
            self.on_waiting(now, account, key);
        }
    }
}
