//! Presence: one way from a changed record to what local sessions see, for own and foreign sessions alike, and own changes to peers.

use super::{Node, SessionNumber};
use crate::people::{Diff, RoomDiff, principal};
use crate::store::{BatchId, Store};
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::ids::{MsgId, SessionId};
use lavina_crdt::names::{Nick, RoomName};
use lavina_crdt::presence::{PresenceUpdate, SessionRecord};
use lavina_crdt::room::{Flag, Rank, RoomState};
use lavina_gossip::machine;
use lavina_protocols::command::Gone;
use lavina_protocols::event::{CloseReason, Event, Leave, Occupant, Person};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Longest that own presence waits behind own entries that are not durable yet, milliseconds. Under steady load some entry always is.
const BEHIND_ENTRIES_MS_MAX: u64 = 200;

/// Why a record changes: what the event cannot read off the records.
#[derive(Debug, Default)]
pub(super) struct Why {
    /// The session that asked for it; its answer tells it.
    pub(super) actor: Option<SessionNumber>,
    /// The words of a leave.
    pub(super) reason: String,
    /// The kick that ends a place: by whom, whether for a ban, and its entry's id.
    pub(super) kick: Option<(Author, bool, Option<MsgId>)>,
    /// Whether the mesh renames, not the owner.
    pub(super) forced: bool,
    /// Comings and goings are told together by the caller.
    pub(super) together: bool,
    /// The caller tells it all, so nobody is told of single places.
    pub(super) quiet: bool,
    /// The session's home cannot have told people of other servers: it went down, was out of reach or is back.
    pub(super) untold: bool,
}

/// Most comings or goings of one update that are told one by one: so many that nobody follows them are told as one, which no client is cut off for that
/// reads it slowly.
const TOLD_ONE_BY_ONE_MAX: usize = 256;

/// Own changes on their way to peers.
#[derive(Debug, Default)]
pub(super) struct Sending {
    sent: u64,
    behind: BatchId,
    at_the_latest: Option<u64>,
}

impl Sending {
    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.at_the_latest
    }
}

/// A session's nick in a room changed.
#[derive(Debug)]
struct Rename {
    room: RoomName,
    from: Nick,
    to: Nick,
    /// Whether no session has the old nick there.
    old_ended: bool,
    /// Whether no other session has the new one there.
    new_fresh: bool,
}

/// Comings and goings that are told together.
#[derive(Debug, Default)]
pub(super) struct Together {
    pub(super) gone: Vec<(Person, Vec<(RoomName, Nick)>)>,
    pub(super) back: Vec<(RoomName, Occupant)>,
}

impl<S: Store> Node<S> {
    /// Changes the record of an own session.
    pub(super) fn change_own(
        &mut self,
        now: Now,
        session: SessionId,
        why: &Why,
        change: impl FnOnce(&mut SessionRecord),
    ) {
        let Some(record) = self.people.get(session) else { return };
        let mut record = SessionRecord::clone(record);
        change(&mut record);
        self.put_own(now, session, Some(record), why);
    }

    /// Sets or ends the record of an own session.
    pub(super) fn put_own(&mut self, now: Now, session: SessionId, record: Option<SessionRecord>, why: &Why) {
        let mut record = record.map(Arc::new);
        if let Some(record) = &mut record {
            self.settle_claims(now, session, record);
        }
        let change = self.presence.put(self.incarnation, session, record.clone());
        self.note_interest(now, &[change]);
        self.sending.behind = self.writes.newest;
        self.sending.at_the_latest.get_or_insert(now.deadline_ms(BEHIND_ENTRIES_MS_MAX));
        self.show_settled(now, session, record, why);
    }

    /// Gives own changes to gossip at once: what follows rests on them.
    pub(super) fn send_presence_now(&mut self, now: Now) {
        if let Some(latest) = &mut self.sending.at_the_latest {
            *latest = now.mono_us;
        }
        self.send_presence(now);
    }

    /// Gives own changes to gossip, when the entries appended before them are durable.
    pub(super) fn send_presence(&mut self, now: Now) {
        let Some(latest) = self.sending.at_the_latest else { return };
        if self.sending.behind > self.writes.persisted && now.mono_us < latest {
            return;
        }
        self.sending.at_the_latest = None;
        if let Some(update) = self.presence.since(self.me(), self.sending.sent) {
            self.sending.sent = update.version;
            self.gossip(now, machine::Input::Presence(update));
        }
    }

    /// Says all own presence again, as another incarnation. It is not written down: what the next start takes too low is found out again.
    pub(super) fn say_presence_anew(&mut self, now: Now, incarnation: u64) {
        self.incarnation = incarnation;
        let own = self.presence.of_node(self.me()).map(|(session, record)| (session, Arc::clone(record)));
        for (session, record) in own.collect::<Vec<_>>() {
            self.presence.put(incarnation, session, Some(record));
        }
        self.sending.sent = 0;
        self.sending.at_the_latest.get_or_insert(now.deadline_ms(BEHIND_ENTRIES_MS_MAX));
    }

    /// Takes in what a node says of its sessions.
    pub(super) fn on_presence(&mut self, now: Now, update: &PresenceUpdate) {
        if update.node == self.me() {
            return;
        }
        // A gap is not an error: gossip asks for the rest.
        let before = self.presence.version_of(update.node);
        let Ok(changes) = self.presence.merge(update) else { return };
        self.note_interest(now, &changes);
        let is_back = self.splits.returns(update.node);
        // A node that has started anew knows nothing of those it had before.
        let is_anew = before.is_some_and(|(incarnation, _)| incarnation < update.incarnation);
        let ended = changes.iter().filter(|change| change.new.is_none()).count();
        let come_together = is_back || changes.len() - ended > TOLD_ONE_BY_ONE_MAX;
        // Otherwise who left may have left a nick to somebody of whom this update tells too.
        let go_together = is_anew && ended > TOLD_ONE_BY_ONE_MAX;
        for change in changes {
            let has_ended = change.new.is_none();
            let together = if has_ended { go_together } else { come_together };
            let untold = is_back || (is_anew && has_ended);
            let why = Why { together, untold, ..Why::default() };
            self.observe_stamps(now, change.new.as_deref());
            self.show(now, change.session, change.new, &why);
        }
        if is_anew {
            self.note_lost(now, update.node);
        }
        self.tell_together(update.node);
        if is_back {
            self.meet_companions(now, update.node);
        }
    }

    /// Own stamps are to come after those of foreign presence, like after those of entries: who answers a join comes later.
    fn observe_stamps(&mut self, now: Now, record: Option<&SessionRecord>) {
        let Some(record) = record else { return };
        let places = record.rooms.values().map(|place| place.since);
        let newest = places.chain([record.nick_since, record.signed_on]).max().unwrap_or_default();
        if !self.replicas.observe(now, newest) {
            self.count("presence_ahead");
        }
    }

    /// Shows what a session's home says of it, less what does not hold: places that kicks have ended, nicks that others have.
    pub(super) fn show(&mut self, now: Now, session: SessionId, mut new: Option<Arc<SessionRecord>>, why: &Why) {
        if let Some(record) = &mut new {
            self.kicks.mask(session, record);
            self.follow_moves(session, record);
            self.settle_claims(now, session, record);
        }
        self.show_settled(now, session, new, why);
    }

    /// Puts a record in place of the one before and tells local sessions what that changes for them.
    pub(super) fn show_settled(&mut self, now: Now, session: SessionId, new: Option<Arc<SessionRecord>>, why: &Why) {
        for room in new.iter().flat_map(|record| record.rooms.keys()) {
            self.load_room(room);
        }
        let Diff { old, rooms: diffs, nicks } = self.people.set(session, new.clone());
        let left: Vec<RoomName> =
            diffs.iter().filter(|diff| diff.new.is_none()).map(|diff| diff.room.clone()).collect();
        match (&old, &new) {
            (None, Some(new)) => {
                self.on_came(session, new, diffs, why);
                self.end_replaced(now, session, new);
            }
            (Some(old), None) => self.on_gone(session, old, diffs, why),
            (Some(old), Some(new)) if old != new => {
                self.on_changed(session, old, new, diffs, why);
                self.on_guest_notes(session, old, new);
            }
            (Some(_) | None, Some(_) | None) => {}
        }
        if old.is_none() {
            self.most.0 = self.most.0.max(self.people.len());
            self.most.1 = self.most.1.max(self.people.own_len());
        }
        self.remember_gone(now, session, old.as_ref());
        self.show_to_contacts(session, old.as_ref(), new.as_ref(), why.untold);
        if let (Some(old), None) = (&old, &new) {
            self.tell_end_abroad(session, old);
        }
        self.note_gone(now, old.as_ref(), new.as_ref());
        self.tell_watchers(&nicks);
        self.unmask_nicks(now, &nicks);
        if let Some(old) = old.filter(|_| !left.is_empty()) {
            self.give_up_standings(now, session, &old, &left);
        }
    }

    /// A session of another node has the resource of one here that is older, and neither node knew of the other (RFC 6120 section 7.7.2.2).
    fn end_replaced(&mut self, now: Now, session: SessionId, new: &Arc<SessionRecord>) {
        let (Some(account), Some(resource)) = (&new.account, &new.resource) else { return };
        if session.node == self.me() || account.is_remote() {
            return;
        }
        let is_older = |own: &SessionId| {
            self.people.get(*own).is_some_and(|record| {
                record.resource.as_ref() == Some(resource) && (record.signed_on, *own) < (new.signed_on, session)
            })
        };
        let all = self.people.directory().sessions_of(account);
        let older: Vec<SessionNumber> = all.filter(is_older).filter_map(|own| self.sessions.number(own)).collect();
        for number in older {
            self.count("resources_replaced");
            self.disconnect(now, number, CloseReason::Replaced);
        }
    }

    /// Keeps who went by a nick that is nobody's any more. Where somebody is or was is not for everybody to know, so it is not kept.
    fn remember_gone(&mut self, now: Now, session: SessionId, old: Option<&Arc<SessionRecord>>) {
        let Some(old) = old.filter(|old| self.people.directory().holder(&old.nick.key()).is_none()) else { return };
        let record = SessionRecord { rooms: BTreeMap::new(), payloads: Vec::new(), ..SessionRecord::clone(old) };
        self.gone.add(Gone { record: Arc::new(record), node: self.node_name(session.node), at_ms: now.wall_ms });
    }

    fn on_came(&mut self, session: SessionId, new: &Arc<SessionRecord>, diffs: Vec<RoomDiff>, why: &Why) {
        for diff in diffs {
            if let (true, Some(nick)) = (diff.new_fresh, diff.new) {
                self.on_joined(session, new, diff.room, nick, why);
            }
        }
    }

    fn on_joined(&mut self, session: SessionId, record: &Arc<SessionRecord>, room: RoomName, nick: Nick, why: &Why) {
        if why.quiet {
            return;
        }
        let occupant = self.lone_occupant(session, record, &room, nick);
        if why.together && !self.is_hidden(&room, &principal(session, record)) {
            self.together.back.push((room, occupant));
            return;
        }
        let to = self.in_room_but(&room, session, &principal(session, record));
        self.sessions.deliver(to, Event::Joined { room, occupant }, &mut self.out);
    }

    fn on_gone(&mut self, session: SessionId, old: &Arc<SessionRecord>, diffs: Vec<RoomDiff>, why: &Why) {
        let places: Vec<(RoomName, Nick)> =
            diffs.into_iter().filter(|diff| diff.old_ended).filter_map(|diff| Some((diff.room, diff.old?))).collect();
        let person = self.person_as(session, old);
        let reason = self.words(session, None, why);
        let who = principal(session, old);
        if why.together && !places.iter().any(|(room, _)| self.is_hidden(room, &who)) {
            self.together.gone.push((person, places));
            return;
        }
        let to = self.in_any_but(places.iter().map(|(room, _)| room), None, Some(&who));
        self.sessions.deliver(to, Event::Quit { person, places, reason }, &mut self.out);
    }

    fn on_changed(
        &mut self,
        session: SessionId,
        old: &Arc<SessionRecord>,
        new: &Arc<SessionRecord>,
        diffs: Vec<RoomDiff>,
        why: &Why,
    ) {
        let mut renames = Vec::new();
        for diff in diffs {
            let RoomDiff { room, old: from, new: to, old_ended, new_fresh } = diff;
            let whole = old_ended && new_fresh;
            if let (Some(from), Some(to)) = (&from, &to) {
                renames.push(Rename { room: room.clone(), from: from.clone(), to: to.clone(), old_ended, new_fresh });
                if whole {
                    continue;
                }
            }
            if let Some(nick) = from {
                self.on_left(session, old, room.clone(), nick, old_ended, to.is_none(), why);
            }
            if let (true, Some(nick)) = (new_fresh, to) {
                self.on_joined(session, new, room, nick, why);
            }
        }
        self.on_renamed(session, old, new, &renames, why);
        if !same_person(old, new) {
            self.on_person_changed(session, old, new, why);
        }
    }

    /// A place ended: `last` when it was the nick's last in the room, `out` when the session is not in the room under another nick.
    #[expect(clippy::too_many_arguments, reason = "one place as its parts; a struct would be made for this call alone")]
    fn on_left(
        &mut self,
        session: SessionId,
        old: &Arc<SessionRecord>,
        room: RoomName,
        nick: Nick,
        last: bool,
        out: bool,
        why: &Why,
    ) {
        if why.quiet {
            return;
        }
        let occupant = self.lone_occupant(session, old, &room, nick);
        let how = match &why.kick {
            Some((by, banned, id)) => {
                Leave::Kick { by: by.clone(), reason: why.reason.clone(), banned: *banned, id: *id }
            }
            None => Leave::Part(self.words(session, Some(&room), why)),
        };
        let own = self.sessions.number(session).filter(|number| out && why.actor != Some(*number));
        if let Some(number) = own {
            let event = Event::Left { room: room.clone(), occupant: occupant.clone(), how: how.clone(), own: true };
            self.sessions.deliver(vec![number], event, &mut self.out);
        }
        if last {
            let to = self.in_room_but(&room, session, &principal(session, old));
            self.sessions.deliver(to, Event::Left { room, occupant, how, own: false }, &mut self.out);
        }
    }

    /// A session goes by another nick. Others see that as a rename where the nick went with it; the session itself sees it everywhere.
    fn on_renamed(
        &mut self,
        session: SessionId,
        old: &Arc<SessionRecord>,
        new: &Arc<SessionRecord>,
        renames: &[Rename],
        why: &Why,
    ) {
        let own = self.sessions.number(session);
        let who = principal(session, new);
        let whole = |rename: &&Rename| rename.old_ended && rename.new_fresh;
        if let Some(own) = own {
            self.part_from_sharers(session, own, renames);
        }
        let everywhere = |rename: &&Rename| old.nick != new.nick && rename.from == old.nick && rename.to == new.nick;
        for rename in renames.iter().filter(|rename| !everywhere(rename)) {
            let mut receivers = if whole(&rename) { self.in_room_but(&rename.room, session, &who) } else { Vec::new() };
            receivers.extend(own);
            let names = (&rename.from, &rename.to);
            self.tell_nick(session, new, names, std::slice::from_ref(&rename), receivers, why);
        }
        if old.nick != new.nick {
            let (names, renames) = ((&old.nick, &new.nick), renames.iter().filter(everywhere));
            let all: Vec<&Rename> = renames.collect();
            let seen: Vec<&Rename> = all.iter().copied().filter(whole).collect();
            let others = self.in_any_but(seen.iter().map(|rename| &rename.room), own, Some(&who));
            if all.len() == seen.len() {
                let receivers = others.into_iter().chain(own).collect();
                self.tell_nick(session, new, names, &all, receivers, why);
            } else {
                self.tell_nick(session, new, names, &seen, others, why);
                self.tell_nick(session, new, names, &all, own.into_iter().collect(), why);
            }
        }
        if let Some(own) = own {
            self.meet_sharers(session, own, renames);
        }
    }

    fn tell_nick(
        &mut self,
        session: SessionId,
        record: &Arc<SessionRecord>,
        (old, new): (&Nick, &Nick),
        renames: &[&Rename],
        receivers: Vec<SessionNumber>,
        why: &Why,
    ) {
        let who = principal(session, record);
        let rooms = renames.iter().map(|rename| (rename.room.clone(), self.rank_of(&rename.room, &who))).collect();
        let person = self.person_as(session, record);
        let event = Event::NickChanged { person, old: old.clone(), new: new.clone(), rooms, forced: why.forced };
        self.sessions.deliver(receivers, event, &mut self.out);
    }

    /// A session takes a nick that other sessions of its account have in a room: to it, they leave before it becomes one of them.
    fn part_from_sharers(&mut self, session: SessionId, own: SessionNumber, renames: &[Rename]) {
        for Rename { room, to, .. } in renames.iter().filter(|rename| !rename.new_fresh) {
            let Some(occupant) = self.sharers(session, room, to) else { continue };
            let how = Leave::Part(String::new());
            let event = Event::Left { room: room.clone(), occupant, how, own: false };
            self.sessions.deliver(vec![own], event, &mut self.out);
        }
    }

    /// A session leaves a nick to other sessions of its account in a room: to it, they come in.
    fn meet_sharers(&mut self, session: SessionId, own: SessionNumber, renames: &[Rename]) {
        for Rename { room, from, .. } in renames.iter().filter(|rename| !rename.old_ended) {
            let Some(occupant) = self.sharers(session, room, from) else { continue };
            self.sessions.deliver(vec![own], Event::Joined { room: room.clone(), occupant }, &mut self.out);
        }
    }

    /// Who beside a session has a nick in a room.
    fn sharers(&self, session: SessionId, room: &RoomName, nick: &Nick) -> Option<Occupant> {
        let state = self.room_state(room);
        let mut occupant = self.occupant_by_nick(room, &state, &nick.key())?;
        occupant.people.retain(|person| person.session != session);
        (!occupant.people.is_empty()).then_some(occupant)
    }

    fn on_person_changed(&mut self, session: SessionId, old: &Arc<SessionRecord>, new: &Arc<SessionRecord>, why: &Why) {
        let who = principal(session, new);
        let to = self.in_any_but(new.rooms.keys(), why.actor, Some(&who));
        let watchers =
            self.watches.of(&new.nick.key()).filter(|number| !to.contains(number) && why.actor != Some(*number));
        let watchers: Vec<SessionNumber> = watchers.collect();
        if !watchers.is_empty() {
            let event = Event::WatchedChanged { old: Arc::clone(old), person: self.person_as(session, new) };
            self.sessions.deliver(watchers, event, &mut self.out);
        }
        if to.is_empty() {
            return;
        }
        let rooms: Vec<(RoomName, Nick, Rank)> = new
            .rooms
            .iter()
            .map(|(room, place)| (room.clone(), place.nick.clone(), self.rank_of(room, &who)))
            .collect();
        let event = Event::PersonChanged { old: Arc::clone(old), person: self.person_as(session, new), rooms };
        self.sessions.deliver(to, event, &mut self.out);
    }

    /// The words of a leave: known here, or said by its home node.
    fn words(&mut self, session: SessionId, room: Option<&RoomName>, why: &Why) -> String {
        if session.node == self.me() { why.reason.clone() } else { self.farewells.take(session, room) }
    }

    /// Local sessions in a room that may see `who` there, without one.
    pub(super) fn in_room_but(&self, room: &RoomName, but: SessionId, who: &Principal) -> Vec<SessionNumber> {
        let but = self.sessions.number(but);
        self.audience(room, Some(who)).filter(|number| Some(*number) != but).collect()
    }

    /// Local sessions in any of the rooms that may see `who` there (`None`: everybody does), each once, without one.
    pub(super) fn in_any_but<'a>(
        &self,
        rooms: impl Iterator<Item = &'a RoomName>,
        but: Option<SessionNumber>,
        who: Option<&Principal>,
    ) -> Vec<SessionNumber> {
        let mut all = BTreeSet::new();
        for room in rooms {
            all.extend(self.audience(room, who));
        }
        if let Some(but) = but {
            all.remove(&but);
        }
        all.into_iter().collect()
    }

    /// Local sessions in a room that may see `who` there.
    fn audience(&self, room: &RoomName, who: Option<&Principal>) -> impl Iterator<Item = SessionNumber> + '_ {
        let state = self.states.get(room).filter(|_| who.is_some_and(|who| self.is_hidden(room, who)));
        let local = self.people.local(room).iter().copied();
        local.filter(move |number| state.is_none_or(|state| self.has_voice(state, self.sessions.id(*number))))
    }

    /// Whether only those with a voice see somebody in a room: it is an auditorium, and who it is has none.
    pub(super) fn is_hidden(&self, room: &RoomName, who: &Principal) -> bool {
        self.states.get(room).is_some_and(|state| state.has(Flag::Auditorium) && state.rank(who) < Rank::Voice)
    }

    /// Whether a session sees everybody in an auditorium.
    pub(super) fn has_voice(&self, state: &RoomState, session: SessionId) -> bool {
        self.people.principal(session).is_some_and(|who| state.rank(&who) >= Rank::Voice)
    }
}

/// Whether nothing but nick and places differs.
fn same_person(old: &SessionRecord, new: &SessionRecord) -> bool {
    let is_alike = |of: fn(&SessionRecord) -> &String| of(old) == of(new);
    let shape = |record: &SessionRecord| (record.show, record.available, record.priority);
    shape(old) == shape(new)
        && old.account == new.account
        && is_alike(|record| &record.status)
        && is_alike(|record| &record.realname)
        && is_alike(|record| &record.user)
        && is_alike(|record| &record.host)
        && old.payloads == new.payloads
}
