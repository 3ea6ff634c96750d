//! Contacts (RFC 6121): rosters, subscriptions and the presence that contacts see.

use super::commands::Asker;
use super::{Node, SessionNumber};
use crate::people::principal;
use crate::rosters::{self, CONTACTS_MAX};
use crate::store::Store;
use bytes::Bytes;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::ids::SessionId;
use lavina_crdt::looks;
use lavina_crdt::names::AccountName;
use lavina_crdt::presence::SessionRecord;
use lavina_protocols::command::{Refusal, Reply, RosterEdit, RosterItem, SubscriptionStep, roster_version};
use lavina_protocols::event::Event;
use std::collections::BTreeMap;
use std::sync::Arc;

impl<S: Store> Node<S> {
    /// Keeps the roster of an account that has an XMPP session here.
    pub(super) fn keep_roster(&mut self, account: &AccountName) {
        if self.rosters.get(account).is_none() {
            let stored = self.replicas.account(account);
            let items = stored.into_iter().flat_map(|stored| rosters::all(stored.registers())).collect();
            self.rosters.keep(account, items);
        }
    }

    /// Drops the roster of an account whose last XMPP session here has ended.
    pub(super) fn drop_unused_roster(&mut self, account: Option<&AccountName>) {
        let Some(account) = account else { return };
        let mut sessions = self.people.directory().sessions_of(account);
        let used = sessions.any(|session| {
            let with_resource = self.people.get(session).is_some_and(|record| record.resource.is_some());
            with_resource && self.sessions.number(session).is_some()
        });
        if !used {
            self.rosters.drop(account);
        }
    }

    pub(super) fn roster_get(&mut self, asker: &Asker) -> Result<Reply, Refusal> {
        let account = asker.record.account.clone().ok_or(Refusal::NeedsAccount)?;
        self.keep_roster(&account);
        if let Some(session) = self.sessions.get_mut(asker.number) {
            session.roster = true;
        }
        let items = self.rosters.get(&account).into_iter().flat_map(BTreeMap::values);
        Ok(Reply::Roster(items.filter(|item| item.listed).cloned().collect()))
    }

    pub(super) fn roster_set(
        &mut self,
        now: Now,
        asker: &Asker,
        contact: AccountName,
        edit: Option<RosterEdit>,
    ) -> Result<Reply, Refusal> {
        let account = asker.record.account.clone().ok_or(Refusal::NeedsAccount)?;
        let Some(edit) = edit else { return self.remove_contact(now, asker, &account, contact) };
        let mut item = self.roster_item(&account, &contact);
        if !item.listed {
            self.room_for_contact(&account)?;
        }
        (item.name, item.groups, item.listed) = (edit.name, edit.groups, true);
        self.put_owners(now, asker, &account, &item)?;
        Ok(Reply::Done)
    }

    /// RFC 6121 section 2.5.2: removing a contact ends the subscriptions both ways. On the other side it changes nothing else.
    fn remove_contact(
        &mut self,
        now: Now,
        asker: &Asker,
        account: &AccountName,
        contact: AccountName,
    ) -> Result<Reply, Refusal> {
        let mut own = self.roster_item(account, &contact);
        if !own.listed {
            return Err(Refusal::NoSuchAccount);
        }
        if contact.is_remote() {
            let ends = [SubscriptionStep::Unsubscribe, SubscriptionStep::Unsubscribed];
            for step in ends {
                self.step_abroad(now, asker, account, &contact, step, &Bytes::new())?;
            }
            self.put_blank(now, asker, account, contact)?;
            return Ok(Reply::Done);
        }
        let mut theirs = self.roster_item(&contact, account);
        let before = theirs.clone();
        for step in [SubscriptionStep::Unsubscribe, SubscriptionStep::Unsubscribed] {
            rosters::step(step, &Bytes::new(), &mut own, &mut theirs);
        }
        self.put_blank(now, asker, account, contact.clone())?;
        self.put_item(now, asker, &contact, &before, &theirs)?;
        Ok(Reply::Done)
    }

    /// The contact is in the roster no longer. Versions before are told in the register they know.
    fn put_blank(
        &mut self,
        now: Now,
        asker: &Asker,
        account: &AccountName,
        contact: AccountName,
    ) -> Result<(), Refusal> {
        let blank = rosters::blank(contact);
        self.put_owners(now, asker, account, &blank)?;
        self.put_ways(now, asker, account, &blank)
    }

    pub(super) fn subscription(
        &mut self,
        now: Now,
        asker: &Asker,
        contact: AccountName,
        step: SubscriptionStep,
        request: &Bytes,
    ) -> Result<Reply, Refusal> {
        let account = asker.record.account.clone().ok_or(Refusal::NeedsAccount)?;
        if contact.is_remote() {
            if step == SubscriptionStep::Subscribe && !self.roster_item(&account, &contact).listed {
                self.room_for_contact(&account)?;
            }
            self.step_abroad(now, asker, &account, &contact, step, request)?;
            return Ok(Reply::Done);
        }
        self.replicas.account(&contact).ok_or(Refusal::NoSuchAccount)?;
        if contact == account || self.blocks(&contact, &account) {
            return Ok(Reply::Done);
        }
        let (mut own, mut theirs) = (self.roster_item(&account, &contact), self.roster_item(&contact, &account));
        let (own_before, theirs_before) = (own.clone(), theirs.clone());
        rosters::step(step, request, &mut own, &mut theirs);
        if own.listed && !own_before.listed {
            self.room_for_contact(&account)?;
        }
        self.put_item(now, asker, &account, &own_before, &own)?;
        self.put_item(now, asker, &contact, &theirs_before, &theirs)?;
        Ok(Reply::Done)
    }

    fn room_for_contact(&self, account: &AccountName) -> Result<(), Refusal> {
        let contacts = self.rosters.get(account).map_or(0, BTreeMap::len);
        if contacts < CONTACTS_MAX { Ok(()) } else { Err(Refusal::TooMany("contacts")) }
    }

    pub(super) fn roster_item(&self, owner: &AccountName, contact: &AccountName) -> RosterItem {
        let kept = self.rosters.get(owner).and_then(|roster| roster.get(contact)).cloned();
        let stored = || rosters::read(self.replicas.account(owner)?.registers(), contact);
        kept.or_else(stored).unwrap_or_else(|| rosters::blank(contact.clone()))
    }

    /// Writes what of an item is another than before: what is the owner's only where the owner does it.
    pub(super) fn put_item(
        &mut self,
        now: Now,
        asker: &Asker,
        owner: &AccountName,
        before: &RosterItem,
        item: &RosterItem,
    ) -> Result<(), Refusal> {
        // First, as whose presence is seen is in the roster by that: the owner's clients are told once.
        if (item.subscription, &item.request) != (before.subscription, &before.request) {
            self.put_ways(now, asker, owner, item)?;
        }
        let by_owner = asker.record.account.as_ref() == Some(owner);
        if by_owner && rosters::encode_owners(item) != rosters::encode_owners(before) {
            self.put_owners(now, asker, owner, item)?;
        }
        Ok(())
    }

    fn put_owners(&mut self, now: Now, asker: &Asker, owner: &AccountName, item: &RosterItem) -> Result<(), Refusal> {
        let author: Author = self.author(asker.session, &asker.record, &asker.record.nick);
        let (key, value) = (rosters::owners_key(&item.contact), rosters::encode_owners(item));
        self.set_register(now, owner.clone(), author, key, value)
    }

    fn put_ways(&mut self, now: Now, asker: &Asker, owner: &AccountName, item: &RosterItem) -> Result<(), Refusal> {
        let author: Author = self.author(asker.session, &asker.record, &asker.record.nick);
        let (key, value) = (rosters::ways_key(&item.contact), rosters::encode_ways(item));
        self.set_register(now, owner.clone(), author, key, value)
    }

    /// A contact of an account has changed, by whoever: tells the account's sessions here what that means for them.
    pub(super) fn on_contact_changed(&mut self, owner: &AccountName, contact: &AccountName) {
        if self.rosters.get(owner).is_none() {
            return;
        }
        let account = self.replicas.account(owner);
        let item = account.and_then(|account| rosters::read(account.registers(), contact));
        let old = self.rosters.set(owner, contact, item.clone()).unwrap_or_else(|| rosters::blank(contact.clone()));
        let new = item.unwrap_or_else(|| rosters::blank(contact.clone()));
        let by_owner = self.acting_account().as_ref() == Some(owner);
        let mut steps = rosters::told(old.subscription, new.subscription);
        if by_owner {
            // The owner knows what it does itself, but not that the contact had agreed before it was asked (section 3.1.3).
            steps.retain(|step| *step == SubscriptionStep::Subscribed);
        }
        for step in steps {
            let to = self.xmpp_sessions(owner, false);
            let request = if step == SubscriptionStep::Subscribe { new.request.clone() } else { Bytes::new() };
            self.sessions.deliver(to, Event::Subscription(contact.clone(), step, request), &mut self.out);
        }
        self.push_item(owner, &old, &new);
        if old.subscription.to != new.subscription.to {
            self.show_contact_anew(owner, contact, new.subscription.to);
        }
    }

    /// Section 2.1.6: sessions that asked for the roster are told of its changes.
    fn push_item(&mut self, owner: &AccountName, old: &RosterItem, new: &RosterItem) {
        let shown = |item: &RosterItem| {
            let subscription = item.subscription;
            (
                item.listed,
                item.name.clone(),
                item.groups.clone(),
                subscription.to,
                subscription.from,
                subscription.asked,
                subscription.approved,
            )
        };
        if (!old.listed && !new.listed) || shown(old) == shown(new) {
            return;
        }
        let to = self.xmpp_sessions(owner, true);
        let roster = self.rosters.get(owner).into_iter().flat_map(BTreeMap::values);
        let version = roster_version(roster);
        let event = Event::RosterPush { item: new.clone(), removed: !new.listed, version };
        self.sessions.deliver(to, event, &mut self.out);
    }

    /// The account of the session whose command is at work.
    fn acting_account(&self) -> Option<AccountName> {
        let (number, _) = self.acting?;
        self.sessions.get(number)?.account.clone()
    }

    /// XMPP sessions of an account here: those that asked for the roster, or those that are available.
    pub(super) fn xmpp_sessions(&self, account: &AccountName, roster: bool) -> Vec<SessionNumber> {
        let sessions = self.people.directory().sessions_of(account);
        let wanted = |session: SessionId| {
            let number = self.sessions.number(session)?;
            let record = self.people.get(session)?;
            let asked = self.sessions.get(number)?.roster;
            let is_wanted = if roster { asked } else { record.available && record.resource.is_some() };
            is_wanted.then_some(number)
        };
        sessions.filter_map(wanted).collect()
    }

    /// A subscription began or ended: the contact's sessions appear to the account, or vanish.
    fn show_contact_anew(&mut self, owner: &AccountName, contact: &AccountName, available: bool) {
        let sessions: Vec<SessionId> = self.people.directory().sessions_of(contact).collect();
        let to = self.xmpp_sessions(owner, false);
        for session in sessions {
            let Some(person) = self.person(session).filter(|person| person.record.available) else { continue };
            self.sessions.deliver(to.clone(), Event::ContactPresence { person, available }, &mut self.out);
        }
    }

    /// A session has changed: contacts that may see it, and the account's other sessions, do (section 4.4.2). Those of other servers are told by its
    /// home, unless that cannot have.
    pub(super) fn show_to_contacts(
        &mut self,
        session: SessionId,
        old: Option<&Arc<SessionRecord>>,
        new: Option<&Arc<SessionRecord>>,
        untold: bool,
    ) {
        let was = old.filter(|record| record.available);
        let is = new.filter(|record| record.available);
        let (record, available) = match (was, is) {
            (None, None) => return,
            (Some(was), Some(is)) if looks_alike(was, is) => return,
            (_, Some(is)) => (is, true),
            (Some(was), None) => (new.unwrap_or(was), false),
        };
        let Principal::Account(account) = principal(session, record) else { return };
        if !available && self.goes_on(session, &account, record) {
            return;
        }
        let own = self.sessions.number(session);
        let mut to: Vec<SessionNumber> = self.xmpp_sessions(&account, false);
        to.retain(|number| Some(*number) != own);
        for watcher in self.rosters.watchers(&account).filter(|watcher| !self.is_between(&account, watcher)) {
            to.extend(self.xmpp_sessions(watcher, false));
        }
        let event = Event::ContactPresence { person: self.person_as(session, record), available };
        self.sessions.deliver(to, event, &mut self.out);
        if session.node == self.me() || (untold && self.speaks_for(session.node)) {
            self.show_abroad(session, record, available);
        }
    }

    /// Whether a session that ends has a successor under its resource, at whatever node: to contacts these are one.
    fn goes_on(&self, session: SessionId, account: &AccountName, record: &SessionRecord) -> bool {
        let mut others = self.people.directory().sessions_of(account).filter(|other| *other != session);
        record.resource.is_some()
            && others.any(|other| {
                self.people.get(other).is_some_and(|other| other.available && other.resource == record.resource)
            })
    }

    /// A session has become available: it is shown its contacts (section 4.2.2), the account's other sessions, and requests that wait
    /// for an answer (section 3.1.3).
    pub(super) fn show_contacts_to(&mut self, asker: &Asker) {
        let Some(account) = &asker.record.account else { return };
        let Some(roster) = self.rosters.get(account) else { return };
        let waiting = roster.values().filter(|item| item.subscription.asked_by);
        let waiting: Vec<(AccountName, Bytes)> =
            waiting.map(|item| (item.contact.clone(), item.request.clone())).collect();
        let seen = roster.values().filter(|item| item.subscription.to).map(|item| &item.contact);
        let seen = seen.filter(|contact| !self.is_between(account, contact));
        let directory = self.people.directory();
        let sessions = seen.chain([account]).flat_map(|contact| directory.sessions_of(contact));
        let others: Vec<SessionId> = sessions.filter(|session| *session != asker.session).collect();
        for session in others {
            let Some(person) = self.person(session).filter(|person| person.record.available) else { continue };
            let event = Event::ContactPresence { person, available: true };
            self.sessions.deliver(vec![asker.number], event, &mut self.out);
        }
        self.probe_abroad(asker, &account.clone());
        for (contact, request) in waiting {
            let event = Event::Subscription(contact, SubscriptionStep::Subscribe, request);
            self.sessions.deliver(vec![asker.number], event, &mut self.out);
        }
    }
}

/// Whether contacts see no difference.
fn looks_alike(was: &SessionRecord, is: &SessionRecord) -> bool {
    was.show == is.show
        && was.status == is.status
        && was.priority == is.priority
        && looks::everywhere(&was.payloads).eq(looks::everywhere(&is.payloads))
        && was.account == is.account
        && was.resource == is.resource
}
