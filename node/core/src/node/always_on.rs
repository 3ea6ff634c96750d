//! Accounts that stay in their rooms with no session anywhere.
//!
//! Two kinds of registers of the account's scope say so, so that every node knows it and none is needed for it: `always-on`, how the account is
//! shown, and `place/ROOM`, one for each place, so that places taken on both sides of a cut merge. From these each node makes the same session, which has no home:
//! it shares the account's nick with whatever sessions there are, and takes nothing.
//!
//! A session of such an account begins in its rooms, goes by the account's name, and takes and gives up places for all of them.

use super::commands::Asker;
use super::presence::Why;
use super::{Node, SessionNumber};
use crate::said::nick_when_away;
use crate::store::Store;
use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::ids::{NodeId, SessionId};
use lavina_crdt::modes::UserModes;
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::presence::{Place, SessionRecord, Show};
use lavina_protocols::command::Refusal;
use lavina_protocols::event::RoomView;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The register of how the account is shown; not set for an account that is not always on.
const ALWAYS_ON: &str = "always-on";
/// What the owner has chosen: on or off; not set for what is usual on the mesh.
const CHOICE: &str = "always-on-choice";
/// Before the names of rooms.
const PLACES: &str = "place/";
/// Before the names of devices: until when each has seen what was said, milliseconds since the Unix epoch.
const SEEN: &str = "seen/";
/// Longest name of a device, bytes.
const DEVICE_BYTES_MAX: usize = 32;

const ON: &[u8] = b"on";
const OFF: &[u8] = b"off";

/// How an account is shown while it has no session.
#[derive(Serialize, Deserialize)]
struct Shown {
    user: String,
    host: String,
    realname: String,
    modes: UserModes,
    since: Hlc,
}

/// The session that stands for an account: the same on every node, of no node, and after all real ones in id order.
fn stand_in(account: &AccountName) -> SessionId {
    let mut node = blake3::derive_key("lavina 1 always-on session", account.as_str().as_bytes());
    if let Some(first) = node.first_chunk_mut::<4>() {
        *first = [0xff; 4];
    }
    SessionId { node: NodeId(node), number: 0 }
}

impl<S: Store> Node<S> {
    /// Whether an account is always on.
    pub(super) fn is_always_on(&self, account: &AccountName) -> bool {
        self.replicas.account(account).is_some_and(|account| account.registers().get(ALWAYS_ON).is_some())
    }

    fn always_on_record(&self, account: &AccountName) -> Option<Arc<SessionRecord>> {
        let view = self.replicas.account(account)?;
        let shown: Shown = postcard::from_bytes(view.registers().get(ALWAYS_ON)?).ok()?;
        let nick = nick_when_away(&Principal::Account(account.clone()))?;
        let places = view.registers().iter(PLACES).filter_map(|(key, value)| {
            let room = RoomName::new(key.strip_prefix(PLACES)?).ok()?;
            let since: Hlc = postcard::from_bytes(value).ok()?;
            Some((room, Place { nick: nick.clone(), since }))
        });
        let record = SessionRecord {
            account: Some(account.clone()),
            nick: nick.clone(),
            nick_since: shown.since,
            user: shown.user,
            host: shown.host,
            realname: shown.realname,
            resource: None,
            priority: -1,
            available: false,
            show: Show::Away,
            status: "Not connected".to_owned(),
            payloads: Vec::new(),
            rooms: places.take(self.config.limits.rooms_per_session_max).collect(),
            secure: true,
            modes: shown.modes,
            signed_on: shown.since,
        };
        record.is_sound().then(|| Arc::new(record))
    }

    /// What is said of a session: by its home, or by its account's registers.
    pub(super) fn told(&self, session: SessionId) -> Option<Arc<SessionRecord>> {
        let told = self.presence.get(session).cloned();
        told.or_else(|| self.always_on.get(&session).and_then(|account| self.always_on_record(account)))
    }

    /// An account's registers may say something else than before of where it always is.
    pub(super) fn show_always_on(&mut self, now: Now, account: &AccountName) {
        let session = stand_in(account);
        let record = self.always_on_record(account);
        if record.is_none() && self.always_on.remove(&session).is_none() {
            return;
        }
        if record.is_some() {
            self.always_on.insert(session, account.clone());
        }
        let old = self.people.get(session).cloned();
        self.show(now, session, record, &Why::default());
        if let Some(new) = self.people.get(session).cloned() {
            let is_new = |room: &RoomName| old.as_ref().is_none_or(|old| !old.rooms.contains_key(room));
            let places =
                new.rooms.iter().filter(|(room, _)| is_new(room)).map(|(room, place)| (room.clone(), place.since));
            let places: Vec<(RoomName, Hlc)> = places.collect();
            let by = self.author(session, &new, &new.nick);
            self.lead_companions(now, &by, &places);
        }
    }

    /// Whether a register says where an account always is.
    pub(super) fn is_about_always_on(key: &str) -> bool {
        key == ALWAYS_ON || key.starts_with(PLACES)
    }

    /// What an account's owner has chosen.
    pub(super) fn always_on_choice(&self, account: &AccountName) -> Option<bool> {
        self.register(account, CHOICE).map(|value| value == ON)
    }

    /// The owner of the asker's account chooses.
    pub(super) fn choose_always_on(
        &mut self,
        now: Now,
        number: SessionNumber,
        choice: Option<bool>,
    ) -> Result<(), Refusal> {
        let (account, author) = self.logged_in(number)?;
        let value = choice.map(|on| if on { ON } else { OFF }).unwrap_or_default();
        self.set_register(now, account.clone(), author, CHOICE.to_owned(), value.to_vec())?;
        let on = choice.unwrap_or(self.config.limits.always_on);
        if on == self.is_always_on(&account) { Ok(()) } else { self.set_always_on(now, number, on) }
    }

    /// A session of an account has become visible: it is always on from now on, where that is usual and its owner has not chosen otherwise.
    pub(super) fn always_on_as_usual(&mut self, now: Now, number: SessionNumber, account: &AccountName) -> bool {
        let is_usual = self.config.limits.always_on && self.always_on_choice(account).is_none();
        is_usual && !self.is_always_on(account) && self.set_always_on(now, number, true).is_ok()
    }

    /// Switches it for the asker's account.
    fn set_always_on(&mut self, now: Now, number: SessionNumber, on: bool) -> Result<(), Refusal> {
        let (account, author) = self.logged_in(number)?;
        let asker = self.asker(number)?;
        if !on {
            return self.set_register(now, account, author, ALWAYS_ON.to_owned(), Vec::new());
        }
        let nick = nick_when_away(&Principal::Account(account.clone())).ok_or(Refusal::NickInUse)?;
        if asker.record.nick.key() != nick.key() {
            // One nick for all its sessions: the account's own.
            self.rename(now, asker.session, &nick);
        }
        let record = &asker.record;
        let shown = Shown {
            user: record.user.clone(),
            host: record.host.clone(),
            realname: record.realname.clone(),
            modes: record.modes,
            since: record.signed_on,
        };
        let value = postcard::to_stdvec(&shown).map_err(|_| Refusal::Storage)?;
        let stale: Vec<String> = self.place_keys(&account);
        for key in stale {
            self.set_register(now, account.clone(), author.clone(), key, Vec::new())?;
        }
        for (room, place) in &record.rooms {
            self.keep_place(now, &account, author.clone(), room, Some(place.since))?;
        }
        self.set_register(now, account, author, ALWAYS_ON.to_owned(), value)
    }

    fn place_keys(&self, account: &AccountName) -> Vec<String> {
        let view = self.replicas.account(account);
        view.map(|view| view.registers().iter(PLACES).map(|(key, _)| key.to_owned()).collect()).unwrap_or_default()
    }

    pub(super) fn keep_place(
        &mut self,
        now: Now,
        account: &AccountName,
        author: Author,
        room: &RoomName,
        since: Option<Hlc>,
    ) -> Result<(), Refusal> {
        let value = since.and_then(|since| postcard::to_stdvec(&since).ok()).unwrap_or_default();
        self.set_register(now, account.clone(), author, format!("{PLACES}{room}"), value)
    }

    /// The nick and the places that a new session of an account begins with, when it is always on.
    pub(super) fn always_on_places(&self, account: &AccountName) -> Option<(Nick, BTreeMap<RoomName, Place>)> {
        let record = self.always_on_record(account)?;
        // As it is shown: without the places that kicks have ended.
        let rooms = self.people.get(stand_in(account)).map(|record| record.rooms.clone()).unwrap_or_default();
        Some((record.nick.clone(), rooms))
    }

    /// The rooms that a session has begun in.
    pub(super) fn resumed(&self, session: SessionId) -> Vec<Arc<RoomView>> {
        let Some(record) = self.people.get(session) else { return Vec::new() };
        record.rooms.keys().map(|room| self.room_view(room, session, false)).collect()
    }

    /// An account that is always on has one nick.
    pub(super) fn may_rename(&self, asker: &Asker) -> Result<(), Refusal> {
        let account = asker.record.account.as_ref();
        let is_bound = account.is_some_and(|account| self.is_always_on(account)) && asker.record.resource.is_none();
        if is_bound { Err(Refusal::NickInUse) } else { Ok(()) }
    }

    /// Until when a device of the account has seen what was said.
    pub(super) fn seen(&self, number: SessionNumber, device: &str) -> Result<Option<u64>, Refusal> {
        let (account, _) = self.logged_in(number)?;
        let value = self.register(&account, &format!("{SEEN}{device}"));
        Ok(value.and_then(|value| postcard::from_bytes(&value).ok()))
    }

    pub(super) fn set_seen(
        &mut self,
        now: Now,
        number: SessionNumber,
        device: &str,
        at_ms: u64,
    ) -> Result<(), Refusal> {
        let (account, author) = self.logged_in(number)?;
        if device.len() > DEVICE_BYTES_MAX {
            return Err(Refusal::TooMany("bytes"));
        }
        let value = postcard::to_stdvec(&at_ms).map_err(|_| Refusal::Storage)?;
        self.set_register(now, account, author, format!("{SEEN}{device}"), value)
    }
}
