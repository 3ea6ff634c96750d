//! Sessions come, log in, become visible, change and end.

use super::commands::Asker;
use super::invitations::own_author;
use super::presence::Why;
use super::{Node, SessionMeta, SessionNumber};
use crate::farewells;
use crate::lookalikes::is_reserved;
use crate::signal::Signal;
use crate::store::Store;
use lavina_crdt::account::{AccountCreate, Credentials};
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::entry::Body;
use lavina_crdt::ids::Scope;
use lavina_crdt::invitation::InvitationId;
use lavina_crdt::modes::UserModes;
use lavina_crdt::names::{AccountName, Nick};
use lavina_crdt::notes;
use lavina_crdt::presence::{SessionRecord, Show};
use lavina_crdt::register::RegisterSet;
use lavina_crdt::room::Denied;
use lavina_protocols::command::{Open, Opened, PresenceChange, Refusal, Reply};
use lavina_protocols::event::{CloseReason, Event};
use lavina_protocols::push;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Longest key of a register that a client names, bytes.
const REGISTER_KEY_BYTES_MAX: usize = 256;
/// Largest register that a client sets, bytes: an avatar fits.
const REGISTER_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of what a client says of itself in presence: every node keeps it for every session. Entity capabilities and an avatar hash
/// take some hundred.
const RECORD_BYTES_MAX: usize = 8 * 1024;
/// Before the keys of registers that clients name, so that they never reach the node's own.
pub(super) const CLIENT_REGISTERS: &str = "client/";
/// The register of an account's password verifiers.
const CREDENTIALS: &str = "credentials";

impl<S: Store> Node<S> {
    pub(super) fn on_session_opened(&mut self, now: Now, number: SessionNumber, meta: SessionMeta) {
        self.sessions.insert(number, meta);
        self.let_in(now, number);
    }

    /// A session goes on from where its client is now: that is not where it may be kept out.
    pub(super) fn on_session_moved(&mut self, now: Now, number: SessionNumber, address: Option<IpAddr>) {
        self.sessions.relocate(number, address);
        let id = self.sessions.id(number);
        let record = self.people.get(id).cloned();
        if let Some(words) = self.barred(now, number, record.as_deref()) {
            self.count("sessions_barred");
            self.disconnect_with(now, number, CloseReason::Barred, &words);
        }
    }

    fn let_in(&mut self, now: Now, number: SessionNumber) {
        if self.draining {
            self.sessions.disconnect(number, CloseReason::Shutdown, "", &mut self.out);
        } else if self.sessions.of_same_address(number) > self.config.limits.sessions_per_address_max {
            self.count("sessions_over_address_limit");
            self.sessions.disconnect(
                number,
                CloseReason::Barred,
                "Too many connections from your address",
                &mut self.out,
            );
        } else if let Some(words) = self.barred(now, number, None) {
            self.count("sessions_barred");
            self.sessions.disconnect(number, CloseReason::Barred, &words, &mut self.out);
        }
    }

    /// The session is gone, by its own will or not.
    pub(super) fn end_session(&mut self, now: Now, number: SessionNumber, reason: &str) {
        let session = self.sessions.id(number);
        self.gateway.take_if(|gateway| *gateway == number);
        let Some(ended) = self.sessions.remove(number) else { return };
        self.held.forget(number);
        self.watches.end(number);
        if ended.open {
            let why = Why { actor: Some(number), reason: farewells::reason(reason), ..Why::default() };
            self.say_farewell(now, session, None, &why.reason);
            self.put_own(now, session, None, &why);
        }
        self.drop_unused_roster(ended.account.as_ref());
    }

    /// The node ends a session.
    pub(super) fn disconnect(&mut self, now: Now, number: SessionNumber, reason: CloseReason) {
        self.disconnect_with(now, number, reason, "");
    }

    /// The node ends a session, with words of somebody.
    pub(super) fn disconnect_with(&mut self, now: Now, number: SessionNumber, reason: CloseReason, said: &str) {
        self.gateway.take_if(|gateway| *gateway == number);
        let session = self.sessions.id(number);
        let Some(ending) = self.sessions.get(number) else { return };
        let (open, account) = (ending.open, ending.account.clone());
        self.sessions.disconnect(number, reason, said, &mut self.out);
        self.held.forget(number);
        if open {
            let shown = match reason {
                CloseReason::Barred => farewells::reason(&format!("Banned: {said}")),
                _ if said.is_empty() => words(reason).to_owned(),
                CloseReason::Replaced | CloseReason::Shutdown | CloseReason::SlowReader | CloseReason::Removed => {
                    farewells::reason(said)
                }
            };
            let why = Why { reason: shown, ..Why::default() };
            self.say_farewell(now, session, None, &why.reason);
            self.put_own(now, session, None, &why);
        }
        self.drop_unused_roster(account.as_ref());
    }

    pub(super) fn credentials(&self, account: &AccountName) -> Option<Credentials> {
        self.replicas.account(account).map(|account| account.credentials())
    }

    pub(super) fn log_in(&mut self, now: Now, number: SessionNumber, account: AccountName) -> Result<Reply, Refusal> {
        // For somebody of another server the gateway vouches, which is of this node.
        let known = self.replicas.account(&account).map(|account| account.created);
        let registration = match known {
            None if account.is_remote() && self.gateway.is_some() => None,
            known => Some(known.ok_or(Refusal::NoSuchAccount)?),
        };
        let session = self.sessions.get_mut(number).ok_or(Refusal::NotOpen)?;
        session.account = Some(account.clone());
        session.registration = registration;
        if session.open {
            let id = self.sessions.id(number);
            let why = Why { actor: Some(number), ..Why::default() };
            let shared = self.share_standings(now, id, &account);
            self.change_own(now, id, &why, |record| record.account = Some(account));
            self.leave_standings(now, shared);
            if let Some(words) = self.barred(now, number, None) {
                self.disconnect_with(now, number, CloseReason::Barred, &words);
            }
        }
        Ok(Reply::Done)
    }

    pub(super) fn register_account(
        &mut self,
        now: Now,
        number: SessionNumber,
        account: AccountName,
        credentials: Credentials,
        invitation: Option<InvitationId>,
    ) -> Result<Reply, Refusal> {
        if self.is_taken(&account) || self.is_nick_of_another(number, &account) {
            return Err(Refusal::AccountExists);
        }
        self.may_register(now, &account, invitation)?;
        let create = AccountCreate { name: account.clone(), credentials };
        let appended = self.append(now, Scope::Account(account.clone()), None, Body::AccountCreate(create))?;
        self.on_effects(now, appended.effects);
        if let Some(id) = invitation {
            self.on_invited(now, number, id, account)?;
        }
        Ok(Reply::Done)
    }

    /// Whether nobody can register a name: there is an account that is called so or looks so, or none may be.
    pub(super) fn is_taken(&self, account: &AccountName) -> bool {
        account.is_remote()
            || is_reserved(account.as_str())
            || self.replicas.account(account).is_some()
            || self.lookalikes.like(account.as_str()).next().is_some()
    }

    /// Whether somebody else goes by the name at present: who is known by it is not to lose it to who registers it first.
    fn is_nick_of_another(&self, number: SessionNumber, account: &AccountName) -> bool {
        let holder = self.people.directory().holder(&account.nick_key());
        holder.is_some_and(|holder| holder != self.sessions.id(number))
    }

    pub(super) fn set_credentials(
        &mut self,
        now: Now,
        number: SessionNumber,
        credentials: Credentials,
    ) -> Result<Reply, Refusal> {
        let (account, author) = self.logged_in(number)?;
        let value = postcard::to_stdvec(&credentials).map_err(|_| Refusal::Storage)?;
        self.set_register(now, account, author, CREDENTIALS.to_owned(), value)?;
        Ok(Reply::Done)
    }

    pub(super) fn register_get(&self, number: SessionNumber, key: &str) -> Result<Reply, Refusal> {
        let (account, _) = self.logged_in(number)?;
        Ok(Reply::Register(self.register(&account, &format!("{CLIENT_REGISTERS}{key}"))))
    }

    pub(super) fn register_set(
        &mut self,
        now: Now,
        number: SessionNumber,
        key: String,
        value: Vec<u8>,
    ) -> Result<Reply, Refusal> {
        let (account, author) = self.logged_in(number)?;
        if key.len() > REGISTER_KEY_BYTES_MAX || value.len() > REGISTER_BYTES_MAX {
            return Err(Refusal::TooMany("bytes"));
        }
        if key.starts_with(push::PREFIX) && !value.is_empty() {
            self.may_add_device(number, &key)?;
        }
        self.set_register(now, account, author, format!("{CLIENT_REGISTERS}{key}"), value)?;
        Ok(Reply::Done)
    }

    /// Sets a register of an account's scope.
    pub(super) fn set_register(
        &mut self,
        now: Now,
        account: AccountName,
        author: Author,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), Refusal> {
        let body = Body::Register(RegisterSet { of: None, key, value });
        let appended = self.append(now, Scope::Account(account), Some(author), body)?;
        self.on_effects(now, appended.effects);
        Ok(())
    }

    /// The value of an account's register.
    pub(super) fn register(&self, account: &AccountName, key: &str) -> Option<Vec<u8>> {
        self.replicas.account(account)?.registers().get(key).map(<[u8]>::to_vec)
    }

    /// The account of a session, visible or not, and the session as an author.
    pub(super) fn logged_in(&self, number: SessionNumber) -> Result<(AccountName, Author), Refusal> {
        let id = self.sessions.id(number);
        let session = self.sessions.get(number).ok_or(Refusal::NotOpen)?;
        let account = session.account.clone().ok_or(Refusal::NeedsAccount)?;
        if let Some(record) = self.people.get(id) {
            return Ok((account, self.author(id, record, &record.nick)));
        }
        let author = own_author(id, &account, &session.meta.host).ok_or(Refusal::NotOpen)?;
        Ok((account, author))
    }

    /// An account's name has another holder than before: sessions here that logged in as who has lost it go on under the name that the lost
    /// registration goes by from here on.
    pub(super) fn settle_sessions(&mut self, now: Now, account: &AccountName) {
        let holder = self.replicas.account(account).map(|account| account.created);
        let lost = |number: &SessionNumber| {
            let session = self.sessions.get(*number);
            session.is_some_and(|session| session.account.as_ref() == Some(account) && session.registration != holder)
        };
        let losers: Vec<SessionNumber> = self.sessions.numbers().filter(lost).collect();
        for number in losers {
            self.count("accounts_lost");
            self.rename_account(now, number, account);
        }
    }

    fn rename_account(&mut self, now: Now, number: SessionNumber, account: &AccountName) {
        let Some(session) = self.sessions.get_mut(number) else { return };
        let registration = session.registration;
        let name = registration.and_then(|made| self.replicas.account_name(account, made.dot()));
        session.account = name.clone();
        if name.is_none() {
            session.registration = None;
        }
        let words = match &name {
            Some(name) => {
                format!("The account {account} was registered earlier on another node: yours is called {name}.")
            }
            None => format!("The account {account} was registered earlier on another node: you are logged out of it."),
        };
        let id = self.sessions.id(number);
        self.change_own(now, id, &Why { forced: true, ..Why::default() }, |record| record.account = name);
        self.sessions.deliver(vec![number], Event::Notice(words), &mut self.out);
    }

    /// At the start: the names that are taken.
    pub(super) fn learn_accounts(&mut self, now: Now) {
        let names: Vec<AccountName> = self.replicas.accounts().map(|(name, _)| name).collect();
        for name in names {
            self.learn_certificates(&name);
            self.learn_devices(&name);
            self.show_always_on(now, &name);
            self.lookalikes.add(name);
        }
    }

    pub(super) fn open_session(&mut self, now: Now, number: SessionNumber, open: Open) -> Result<Reply, Refusal> {
        let id = self.sessions.id(number);
        let session = self.sessions.get(number).ok_or(Refusal::NotOpen)?;
        if session.open {
            return Err(Refusal::AlreadyPresent);
        }
        let account = session.account.clone();
        let who = account.clone().map_or(Principal::Guest(id), Principal::Account);
        let (host, secure) = (session.meta.host.clone(), session.meta.secure);
        let kept = account.as_ref().filter(|_| open.resource.is_none());
        let shared = kept.and_then(|account| self.places_of_companions(account, &open.nick));
        let kept = kept.and_then(|account| self.always_on_places(account));
        let is_always_on = kept.is_some();
        let begun = kept.or(shared);
        let is_begun = begun.is_some();
        let (nick, rooms) = begun.unwrap_or_else(|| (open.nick.clone(), BTreeMap::new()));
        self.may_claim(&nick, &who)?;
        let signed_on = self.replicas.stamp(now);
        let record = SessionRecord {
            account: account.clone(),
            nick: nick.clone(),
            nick_since: signed_on,
            user: open.user,
            host,
            realname: open.realname,
            resource: open.resource,
            priority: 0,
            available: open.available,
            show: Show::default(),
            status: String::new(),
            payloads: Vec::new(),
            rooms,
            secure,
            modes: UserModes::default(),
            signed_on,
        };
        check(&record)?;
        if let Some(words) = self.barred(now, number, Some(&record)) {
            self.count("sessions_barred");
            return Err(Refusal::Barred(words));
        }
        if let Some(account) = &account
            && self.people.directory().sessions_of(account).count() >= self.config.limits.sessions_per_account_max
        {
            self.count("sessions_over_account_limit");
            return Err(Refusal::Barred("Too many sessions of your account".to_owned()));
        }
        if let (Some(account), Some(resource)) = (&account, &record.resource) {
            self.replace_resource(now, account, resource);
            self.keep_roster(account);
        }
        if let Some(session) = self.sessions.get_mut(number) {
            session.open = true;
        }
        self.put_own(now, id, Some(record), &Why { actor: Some(number), ..Why::default() });
        let resumed = if is_begun { self.resumed(id) } else { Vec::new() };
        let is_person = self.people.get(id).filter(|record| record.resource.is_none() && record.available).is_some();
        let fresh = account.as_ref().filter(|_| is_person && !is_always_on);
        let is_always_on = is_always_on || fresh.is_some_and(|account| self.always_on_as_usual(now, number, account));
        // It may go by the account's name from here on.
        let nick = self.people.get(id).map_or(nick, |record| record.nick.clone());
        Ok(Reply::Opened(Opened { session: id, nick, account, is_always_on, resumed }))
    }

    /// RFC 6120 section 7.7.2.2: the session that has the resource ends, wherever it is.
    fn replace_resource(&mut self, now: Now, account: &AccountName, resource: &str) {
        let has_it = |record: &Arc<SessionRecord>| record.resource.as_deref() == Some(resource);
        let same: Vec<_> = self
            .people
            .directory()
            .sessions_of(account)
            .filter(|id| self.people.get(*id).is_some_and(has_it))
            .collect();
        for session in same {
            match self.sessions.number(session) {
                Some(number) => self.disconnect(now, number, CloseReason::Replaced),
                None => self.signal(now, session, &Signal::Replaced),
            }
        }
    }

    pub(super) fn claim_nick(&mut self, now: Now, asker: &Asker, nick: &Nick) -> Result<Reply, Refusal> {
        if asker.record.nick == *nick {
            return Ok(Reply::Done);
        }
        self.may_rename(asker)?;
        let who = crate::people::principal(asker.session, &asker.record);
        self.may_claim(nick, &who)?;
        let renamed = SessionRecord { nick: nick.clone(), ..SessionRecord::clone(&asker.record) };
        if let Some(words) = self.barred(now, asker.number, Some(&renamed)) {
            return Err(Refusal::Barred(words));
        }
        self.rename_person(now, asker, nick);
        Ok(Reply::Done)
    }

    pub(super) fn set_presence(&mut self, now: Now, asker: &Asker, change: PresenceChange) -> Result<Reply, Refusal> {
        let why = Why { actor: Some(asker.number), ..Why::default() };
        let comes = change.available == Some(true) && !asker.record.available;
        let mut record = SessionRecord::clone(&asker.record);
        record.available = change.available.unwrap_or(record.available);
        record.show = change.show.unwrap_or(record.show);
        record.priority = change.priority.unwrap_or(record.priority);
        record.status = change.status.unwrap_or(record.status);
        if let Some(payloads) = change.payloads {
            record.payloads = notes::with_notes(&payloads, &notes::of_payloads(&record.payloads));
        }
        check(&record)?;
        self.put_own(now, asker.session, Some(record), &why);
        if comes {
            self.show_contacts_to(asker);
        }
        Ok(Reply::Done)
    }

    pub(super) fn set_realname(&mut self, now: Now, asker: &Asker, realname: String) -> Result<Reply, Refusal> {
        let why = Why { actor: Some(asker.number), ..Why::default() };
        let record = SessionRecord { realname, ..SessionRecord::clone(&asker.record) };
        check(&record)?;
        self.put_own(now, asker.session, Some(record), &why);
        Ok(Reply::Done)
    }

    /// Where clients go when this node stops: to nodes of its region that have said where they are reached, or else to those of others.
    fn successors(&self) -> Vec<String> {
        let mut there: Vec<(bool, String)> = Vec::new();
        for peer in self.gossip.peers().into_iter().filter(|peer| peer.in_reach && peer.connected) {
            let address = self.replicas.mesh().clients_at(peer.node);
            there.extend(address.map(|address| (peer.place.region == self.config.place.region, address.to_owned())));
        }
        let is_any_near = there.iter().any(|(is_near, _)| *is_near);
        there.into_iter().filter(|(is_near, _)| *is_near == is_any_near).map(|(_, address)| address).collect()
    }

    /// Ends all sessions.
    pub(super) fn drain(&mut self, now: Now) {
        self.draining = true;
        self.sessions.go_on_at(self.successors());
        let mut all: Vec<SessionNumber> = self.sessions.numbers().collect();
        // The gateway last: it tells people of other servers who is gone.
        all.sort_by_key(|number| self.gateway == Some(*number));
        for number in all {
            self.disconnect(now, number, CloseReason::Shutdown);
        }
    }
}

/// Whether a record can be shown by all nodes, and is small enough to be sent to all of them.
pub(super) fn check(record: &SessionRecord) -> Result<(), Refusal> {
    let texts =
        [&record.user, &record.realname, &record.status].into_iter().chain(&record.resource).chain(&record.payloads);
    let bytes: usize = texts.map(String::len).sum();
    if record.is_sound() && bytes <= RECORD_BYTES_MAX { Ok(()) } else { Err(Refusal::Denied(Denied::Malformed)) }
}

/// What others are shown as the reason.
fn words(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Replaced => "Replaced by a new connection",
        CloseReason::Shutdown => "Server shutting down",
        CloseReason::SlowReader => "Reads too slowly",
        CloseReason::Removed => "Removed by an operator",
        CloseReason::Barred => "Banned",
    }
}
