//! People of other servers: what they ask through the gateway's session, and what they are told through it.
//!
//! Each node tells them what its own sessions do, through its own gateway, so that nothing is told twice. What they ask may come in at any node.
//! Of a contact between an account and one of them this mesh has one side only, the account's register; the other is read off it ([`mirrored`]).

use super::commands::Asker;
use super::{Node, SessionNumber};
use crate::rosters;
use crate::said::nick_of_remote;
use crate::signal::Signal;
use crate::store::Store;
use bytes::Bytes;
use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::content::{AUTHOR_PART_BYTES_MAX, Principal};
use lavina_crdt::ids::{NodeId, Scope, SessionId};
use lavina_crdt::modes::UserModes;
use lavina_crdt::names::{AccountName, Nick};
use lavina_crdt::presence::{SessionRecord, Show};
use lavina_protocols::abroad::{AbroadCommand, Remote, Showing, Told};
use lavina_protocols::command::{
    Command, CommandId, Refusal, RegisterView, Reply, RosterItem, Subscription, SubscriptionStep,
};
use lavina_protocols::event::{Conversation, Event, Person, Said};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many nodes speak for one that cannot.
const SPEAKERS: usize = 3;

impl<S: Store> Node<S> {
    pub(super) fn abroad_command(
        &mut self,
        now: Now,
        number: SessionNumber,
        command: AbroadCommand,
    ) -> Result<Reply, Refusal> {
        if let AbroadCommand::Open = command {
            self.gateway = Some(number);
            return Ok(Reply::Done);
        }
        if self.gateway != Some(number) {
            return Err(Refusal::NotOpen);
        }
        match command {
            AbroadCommand::Open => Ok(Reply::Done),
            AbroadCommand::Ask(remote, command) => self.ask_from_abroad(now, number, &remote, *command),
            AbroadCommand::Forward(remote, stanza) => self.forward(now, &remote, stanza),
            AbroadCommand::Probe(remote, account) => self.on_probe(&remote, &account),
            AbroadCommand::Latest(remote, account, prefixes) => self.latest_for(&remote, &account, &prefixes),
            AbroadCommand::Shows(Remote { account, resource }, Showing { to, caps, at_ms }) => {
                let node = self.me();
                self.signal_gateways(now, &Signal::Shows { node, account, resource, to, caps, at_ms });
                Ok(Reply::Done)
            }
            AbroadCommand::HasTold(Remote { account, resource }, of) => {
                self.signal_gateways(now, &Signal::HasTold { account, resource, of });
                Ok(Reply::Done)
            }
        }
    }

    /// Tells the gateways of all nodes in reach something.
    fn signal_gateways(&mut self, now: Now, signal: &Signal) {
        let peers = self.gossip.peers();
        for node in peers.into_iter().filter(|peer| peer.in_reach).map(|peer| peer.node) {
            self.signal(now, SessionId { node, number: 0 }, signal);
        }
    }

    /// The gateway of another node knows something of a client at another server.
    pub(super) fn on_client_abroad(&mut self, account: &AccountName, resource: Option<&String>, told: Told) {
        if self.gateway.is_some() {
            self.let_know(Remote { account: account.clone(), resource: resource.cloned() }, told);
        }
    }

    fn ask_from_abroad(
        &mut self,
        now: Now,
        number: SessionNumber,
        remote: &Remote,
        command: Command,
    ) -> Result<Reply, Refusal> {
        let asker = self.asker_abroad(number, remote).ok_or(Refusal::NotOpen)?;
        if let Command::LookAt(account, prefix) = &command {
            return self.look_at_as(&remote.account, account, prefix);
        }
        if let Command::Subscription(account, step, request) = command {
            return self.step_from_abroad(now, &asker, &remote.account, &account, step, &request);
        }
        self.carry_out_as(now, number, Ok(asker), command)
    }

    /// Somebody of another server who asks through the gateway.
    fn asker_abroad(&self, number: SessionNumber, remote: &Remote) -> Option<Asker> {
        let session = self.sessions.id(number);
        let record = Arc::new(record_of(remote)?);
        Some(Asker { number, session, record, is_abroad: true })
    }

    /// Somebody of another server as others see them.
    pub(super) fn person_abroad(&self, remote: &Remote) -> Option<Person> {
        let session = SessionId { node: self.me(), number: 0 };
        record_of(remote).map(|record| self.person_as(session, &Arc::new(record)))
    }

    /// Who asks, as others see them.
    pub(super) fn person_of(&self, asker: &Asker) -> Person {
        self.person_as(asker.session, &asker.record)
    }

    /// Tells somebody of another server something.
    pub(super) fn tell_abroad(&mut self, to: Remote, told: Told) -> Result<Reply, Refusal> {
        let gateway = self.gateway.ok_or(Refusal::NoSuchAccount)?;
        self.sessions.deliver(vec![gateway], Event::Abroad(to, told), &mut self.out);
        Ok(Reply::Done)
    }

    /// The same where nobody waits for an answer.
    fn let_know(&mut self, to: Remote, told: Told) {
        if self.tell_abroad(to, told).is_err() {
            self.count("not_told_abroad");
        }
    }

    /// Something was said: where a session of this node says it to somebody of another server, it goes there once it is durable.
    pub(super) fn say_abroad(&mut self, said: &Arc<Said>) {
        let Conversation::Direct { to: to @ Principal::Account(account), .. } = &said.conversation else { return };
        let is_ours = self.sessions.number(said.author.session).is_some();
        let Some(gateway) = self.gateway.filter(|_| account.is_remote() && is_ours && !said.late) else { return };
        if self.writes.newest > self.writes.persisted {
            self.sessions.barrier(gateway, self.writes.newest, CommandId::default());
        }
        let receivers = match &said.content.via_room {
            None => vec![Remote { account: account.clone(), resource: said.content.to_resource.clone() }],
            Some(room) => {
                let sessions = self.people.directory().sessions_of_principal(to).into_iter();
                let records = sessions.filter_map(|session| self.people.get(session));
                let inside = records.filter(|record| record.rooms.contains_key(room));
                inside.map(|record| Remote { account: account.clone(), resource: record.resource.clone() }).collect()
            }
        };
        for to in receivers {
            self.let_know(to, Told::Said(Arc::clone(said)));
        }
    }

    /// Who of those of other servers with whom somebody has a conversation goes by a nick that nobody here has: clients that know no addresses
    /// answer to the nick.
    pub(super) fn correspondent_abroad(&self, asker: &Asker, nick: &Nick) -> Option<Principal> {
        let account = asker.record.account.as_ref().filter(|_| self.gateway.is_some())?;
        let me = Principal::Account(account.clone());
        let mut others = self.replicas.conversations(account).filter_map(|scope| match scope {
            Scope::Direct(one, other) if *one == me => Some(other),
            Scope::Direct(one, _) => Some(one),
            Scope::Mesh | Scope::Account(_) | Scope::Room(_) => None,
        });
        let goes_by_it = |who: &&Principal| match who {
            Principal::Account(name) => name.is_remote() && nick_of_remote(name).is_some_and(|n| n.key() == nick.key()),
            Principal::Guest(_) => false,
        };
        others.find(goes_by_it).cloned()
    }

    /// A stanza of somebody who has a session at another node.
    fn forward(&mut self, now: Now, remote: &Remote, stanza: Bytes) -> Result<Reply, Refusal> {
        let is_theirs = |session: &SessionId| {
            let is_in_reach = session.node != self.me() && self.splits.since(session.node).is_none();
            is_in_reach && self.people.get(*session).is_some_and(|record| record.resource == remote.resource)
        };
        let there = self.people.directory().sessions_of(&remote.account).find(is_theirs);
        self.signal(now, there.ok_or(Refusal::NoSuchNick)?, &Signal::Forwarded(stanza));
        Ok(Reply::Done)
    }

    /// A contact of an account has changed: one of another server may see its presence from here on.
    pub(super) fn on_contact_abroad_changed(&mut self, account: &AccountName, contact: &AccountName) {
        if self.gateway.is_some() && contact.is_remote() && self.roster_item(account, contact).subscription.from {
            self.let_know(Remote { account: contact.clone(), resource: None }, Told::Sees(account.clone()));
        }
    }

    /// An account has set a register that others may look at: tells those of other servers who see its presence.
    pub(super) fn show_register_abroad(
        &mut self,
        account: &AccountName,
        register: &RegisterView,
        parent: Option<&Vec<u8>>,
    ) {
        if self.gateway.is_none() {
            return;
        }
        for to in self.contacts_abroad(account, |subscription| subscription.from) {
            let (account, register, parent) = (account.clone(), register.clone(), parent.cloned());
            self.let_know(to, Told::Shown { account, register, parent });
        }
    }

    /// Somebody of another server wants to know how reachable an account is (RFC 6121 section 4.3.2).
    fn on_probe(&mut self, remote: &Remote, account: &AccountName) -> Result<Reply, Refusal> {
        if self.replicas.account(account).is_none() || self.blocks(account, &remote.account) {
            return Ok(Reply::Done);
        }
        if !self.roster_item(account, &remote.account).subscription.from {
            return self.tell_abroad(
                Remote { resource: None, ..remote.clone() },
                Told::Subscription(account.clone(), SubscriptionStep::Unsubscribed, Bytes::new()),
            );
        }
        self.show_all_abroad(account, remote, true);
        Ok(Reply::Done)
    }

    /// Shows somebody of another server all of an account's sessions, as they are or as gone.
    fn show_all_abroad(&mut self, account: &AccountName, to: &Remote, available: bool) {
        let sessions: Vec<SessionId> = self.people.directory().sessions_of(account).collect();
        for session in sessions {
            let Some(person) = self.person(session).filter(|person| person.record.available) else { continue };
            self.let_know(to.clone(), Told::Presence { person, available });
        }
    }

    /// An own session came, changed or went: shows it to those of other servers who may see it.
    pub(super) fn show_abroad(&mut self, session: SessionId, record: &Arc<SessionRecord>, available: bool) {
        let Some(account) = record.account.as_ref().filter(|_| self.gateway.is_some()) else { return };
        for to in self.contacts_abroad(account, |subscription| subscription.from) {
            let person = self.person_as(session, record);
            self.let_know(to, Told::Presence { person, available });
        }
    }

    /// Whether this node tells people of other servers what a node that is or was out of reach cannot: the first few in reach do, as it is not known
    /// which of them have links, and that somebody is gone may be said twice.
    pub(super) fn speaks_for(&self, node: NodeId) -> bool {
        let me = self.me();
        let in_reach = self.gossip.peers().into_iter().filter(|peer| peer.in_reach && peer.node != node);
        in_reach.filter(|peer| peer.node < me).count() < SPEAKERS
    }

    /// A session has ended: the gateway knows who elsewhere has seen it.
    pub(super) fn tell_end_abroad(&mut self, session: SessionId, record: &Arc<SessionRecord>) {
        let is_ours = session.node == self.me() && record.resource.is_some();
        let Some(gateway) = self.gateway.filter(|_| is_ours) else { return };
        let person = self.person_as(session, record);
        self.sessions.deliver(vec![gateway], Event::Ended(person), &mut self.out);
    }

    /// A session has become available: asks after its contacts at other servers (section 4.3.1).
    pub(super) fn probe_abroad(&mut self, asker: &Asker, account: &AccountName) {
        if self.gateway.is_none() {
            return;
        }
        for to in self.contacts_abroad(account, |subscription| subscription.to) {
            let by = self.person_of(asker);
            self.let_know(to, Told::Probe(by));
        }
    }

    /// An account's contacts at other servers whose subscription is so, and that it does not block.
    fn contacts_abroad(&self, account: &AccountName, is_so: fn(&Subscription) -> bool) -> Vec<Remote> {
        let is_meant = |item: &RosterItem| item.contact.is_remote() && is_so(&item.subscription);
        let found: Vec<AccountName> = match self.rosters.get(account) {
            Some(roster) => roster.values().filter(|item| is_meant(item)).map(|item| item.contact.clone()).collect(),
            None => {
                let stored = self.replicas.account(account);
                let items = stored.into_iter().flat_map(|stored| rosters::all(stored.registers()));
                items.filter(|item| is_meant(item)).map(|item| item.contact).collect()
            }
        };
        let open = found.into_iter().filter(|contact| !self.blocks(account, contact));
        open.map(|account| Remote { account, resource: None }).collect()
    }

    /// An account takes a step towards somebody of another server.
    pub(super) fn step_abroad(
        &mut self,
        now: Now,
        asker: &Asker,
        account: &AccountName,
        contact: &AccountName,
        step: SubscriptionStep,
        request: &Bytes,
    ) -> Result<(), Refusal> {
        self.gateway.ok_or(Refusal::NoSuchAccount)?;
        let before = self.roster_item(account, contact);
        let (mut own, mut theirs) = (before.clone(), mirrored(account, &before));
        rosters::step(step, request, &mut own, &mut theirs);
        self.put_item(now, asker, account, &before, &own)?;
        let to = Remote { account: contact.clone(), resource: None };
        let (was, is) = (before.subscription, own.subscription);
        // Section 3: what changes nothing here may still change something there, but for what only answers a request.
        let is_due = match step {
            SubscriptionStep::Subscribe | SubscriptionStep::Unsubscribe => true,
            SubscriptionStep::Subscribed => is.from,
            SubscriptionStep::Unsubscribed => was.from || was.asked_by,
        };
        if is_due {
            self.let_know(to.clone(), Told::Subscription(account.clone(), step, request.clone()));
        }
        if was.from != is.from {
            self.show_all_abroad(account, &to, is.from);
        }
        Ok(())
    }

    /// Somebody of another server takes a step towards an account.
    fn step_from_abroad(
        &mut self,
        now: Now,
        asker: &Asker,
        contact: &AccountName,
        account: &AccountName,
        step: SubscriptionStep,
        request: &Bytes,
    ) -> Result<Reply, Refusal> {
        self.replicas.account(account).ok_or(Refusal::NoSuchAccount)?;
        if self.blocks(account, contact) {
            return Ok(Reply::Done);
        }
        let before = self.roster_item(account, contact);
        let (mut own, mut theirs) = (before.clone(), mirrored(account, &before));
        rosters::step(step, request, &mut theirs, &mut own);
        let to = Remote { account: contact.clone(), resource: None };
        let granted = before.subscription.from || before.subscription.approved;
        if step == SubscriptionStep::Subscribe && granted {
            // Section 3.1.3: the account has said so before.
            let granted = Told::Subscription(account.clone(), SubscriptionStep::Subscribed, Bytes::new());
            self.let_know(to.clone(), granted);
        }
        if own != before {
            if before == rosters::blank(contact.clone()) {
                self.room_for_requests(account)?;
            }
            self.put_item(now, asker, account, &before, &own)?;
        }
        if before.subscription.from != own.subscription.from {
            self.show_all_abroad(account, &to, own.subscription.from);
        }
        Ok(Reply::Done)
    }

    /// Whether strangers may still ask an account for its presence.
    pub(super) fn room_for_requests(&self, account: &AccountName) -> Result<(), Refusal> {
        let kept = self.rosters.get(account).map(BTreeMap::len);
        let stored = || {
            let stored = self.replicas.account(account);
            stored.into_iter().flat_map(|stored| rosters::all(stored.registers())).count()
        };
        if kept.unwrap_or_else(stored) < rosters::CONTACTS_MAX { Ok(()) } else { Err(Refusal::TooMany("contacts")) }
    }
}

/// The contact's item of the account, as far as the account's item of it tells.
fn mirrored(account: &AccountName, item: &RosterItem) -> RosterItem {
    let Subscription { to, from, asked, asked_by, .. } = item.subscription;
    let subscription = Subscription { to: from, from: to, asked: asked_by, asked_by: asked, ..Subscription::default() };
    RosterItem { subscription, listed: true, ..rosters::blank(account.clone()) }
}

/// Somebody of another server as a session would be shown.
fn record_of(remote: &Remote) -> Option<SessionRecord> {
    let mut user = if remote.account.local().is_empty() { "server" } else { remote.account.local() }.to_owned();
    while user.len() > AUTHOR_PART_BYTES_MAX {
        user.pop();
    }
    Some(SessionRecord {
        account: Some(remote.account.clone()),
        nick: nick_of_remote(&remote.account)?,
        nick_since: Hlc::default(),
        user,
        host: remote.account.domain()?.to_owned(),
        realname: remote.account.to_string(),
        resource: remote.resource.clone(),
        priority: 0,
        available: true,
        show: Show::default(),
        status: String::new(),
        payloads: Vec::new(),
        rooms: BTreeMap::new(),
        secure: true,
        modes: UserModes::default(),
        signed_on: Hlc::default(),
    })
}
