//! What clients at other servers want to be told of what accounts here publish (XEP-0163 section 4.3): the capabilities that their presence names, asked
//! for when these are new. Who may be told what is the core's matter; this is who wants it.
//!
//! Kept by the node whose link the presence came in by last, and lost with it: the next presence brings it back. When their server goes on by a link of
//! another node, that node says so, and the one before forgets them, so that nothing is told twice.

use super::super::element::Element;
use super::super::jid::Address;
use super::super::{ns, pubsub};
use super::{Hub, Waiting, told};
use crate::abroad::{AbroadCommand, Remote, Showing};
use crate::command::{Refusal, RegisterView, Reply};
use lavina_crdt::names::AccountName;
use std::collections::{BTreeMap, BTreeSet};

/// Most clients that are remembered: as many as people may be at a time.
const CLIENTS_MAX: usize = 20_000;
/// Most accounts that one client has shown itself to.
const ACCOUNTS_MAX: usize = 1_000;

#[derive(Debug, Default)]
struct Known {
    /// `node#ver`.
    caps: String,
    /// The id of the question what they are, while it has no answer.
    asked: Option<String>,
    /// Nodes that it is to be told of.
    wanted: BTreeSet<String>,
    /// Whom it has shown itself to.
    accounts: BTreeMap<AccountName, Shown>,
}

/// That a client has shown itself to an account.
#[derive(Clone, Copy, Debug)]
struct Shown {
    at_ms: u64,
    /// Whether it has been told what the account publishes.
    told: bool,
}

/// By client.
#[derive(Debug, Default)]
pub(super) struct Interest(BTreeMap<Remote, Known>);

impl Interest {
    fn forget(&mut self, client: &Remote, account: &AccountName) {
        let Some(known) = self.0.get_mut(client) else { return };
        known.accounts.remove(account);
        if known.accounts.is_empty() {
            self.0.remove(client);
        }
    }
}

impl Hub {
    /// A client there shows itself to an account, or is gone.
    pub(super) fn note_interest(&mut self, remote: &Remote, to: &str, presence: &Element) {
        let Ok(Address::Account(account, _)) = self.domains.parse(to) else { return };
        if remote.resource.is_none() || account.is_remote() {
            return;
        }
        match presence.get_attr("type") {
            None => {}
            Some("unavailable" | "error") => {
                self.interest.forget(remote, &account);
                return;
            }
            Some(_) => return,
        }
        let Some(named) = pubsub::named(presence) else { return };
        if self.interest.0.len() >= CLIENTS_MAX && !self.interest.0.contains_key(remote) {
            return;
        }
        let known = self.interest.0.entry(remote.clone()).or_default();
        let is_new = known.accounts.len() < ACCOUNTS_MAX && !known.accounts.contains_key(&account);
        let at_ms = self.now.wall_ms;
        if is_new {
            known.accounts.insert(account.clone(), Shown { at_ms, told: false });
        }
        if known.caps != named {
            // What it wants now may be more than it has been told.
            known.accounts.values_mut().for_each(|shown| shown.told = false);
            self.next_command += 1;
            let id = format!("caps-{}", self.next_command);
            (known.caps, known.asked) = (named.clone(), Some(id.clone()));
            let query = Element::new("query", ns::DISCO_INFO).attr("node", named);
            let iq = Element::new("iq", ns::CLIENT).attr("from", self.domains.account(&account)).attr("id", id);
            self.send(iq.attr("to", told::address(&self.domains, remote)).attr("type", "get").child(query));
        } else if is_new && known.asked.is_none() {
            known.accounts.insert(account.clone(), Shown { at_ms, told: true });
            let wanted = known.wanted.clone();
            self.ask_latest(remote, account.clone(), &wanted);
        }
        if is_new {
            let caps = self.interest.0.get(remote).map(|known| known.caps.clone()).unwrap_or_default();
            self.ask(AbroadCommand::Shows(remote.clone(), Showing { to: account, caps, at_ms }), Waiting::Nobody);
        }
    }

    /// A client there shows itself to an account by a link of another node.
    pub(super) fn on_shows_elsewhere(&mut self, remote: &Remote, showing: &Showing, wins: bool) {
        let Some(known) = self.interest.0.get(remote) else { return };
        let Some(shown) = known.accounts.get(&showing.to) else { return };
        if shown.at_ms > showing.at_ms || (shown.at_ms == showing.at_ms && !wins) {
            return;
        }
        let has_told = shown.told && known.caps == showing.caps;
        self.interest.forget(remote, &showing.to);
        if has_told {
            self.ask(AbroadCommand::HasTold(remote.clone(), showing.to.clone()), Waiting::Nobody);
        }
    }

    /// Another node has told a client there what an account publishes.
    pub(super) fn on_has_been_told(&mut self, remote: &Remote, account: &AccountName) {
        let known = self.interest.0.get_mut(remote);
        if let Some(shown) = known.and_then(|known| known.accounts.get_mut(account)) {
            shown.told = true;
        }
    }

    /// Whether a stanza is the answer to what capabilities a client has; the newest items of what it wants are asked for.
    pub(super) fn takes_capabilities(&mut self, remote: &Remote, stanza: &Element) -> bool {
        let is_answer = stanza.name == "iq" && matches!(stanza.get_attr("type"), Some("result" | "error"));
        let Some(known) = self.interest.0.get_mut(remote).filter(|_| is_answer) else { return false };
        if known.asked.is_none() || known.asked.as_deref() != stanza.get_attr("id") {
            return false;
        }
        known.asked = None;
        known.wanted = stanza.get("query", ns::DISCO_INFO).map(pubsub::wanted_of).unwrap_or_default();
        let wanted = known.wanted.clone();
        let untold = known.accounts.iter_mut().filter_map(|(account, shown)| {
            let was_told = std::mem::replace(&mut shown.told, true);
            (!was_told).then(|| account.clone())
        });
        let accounts: Vec<AccountName> = untold.collect();
        for account in accounts {
            self.ask_latest(remote, account, &wanted);
        }
        true
    }

    fn ask_latest(&mut self, remote: &Remote, account: AccountName, wanted: &BTreeSet<String>) {
        if !wanted.is_empty() {
            let latest = AbroadCommand::Latest(remote.clone(), account, pubsub::prefixes(wanted.iter()));
            self.ask(latest, Waiting::Latest(remote.clone()));
        }
    }

    /// Somebody there sees an account's presence from here on: their clients that have shown themselves before are told what there is.
    pub(super) fn on_seen(&mut self, to: &Remote, account: &AccountName) {
        for client in self.clients_of(to, account) {
            let wanted = self.interest.0.get(&client).map(|known| known.wanted.clone()).unwrap_or_default();
            self.ask_latest(&client, account.clone(), &wanted);
        }
    }

    /// The clients of somebody there that have shown themselves to an account.
    fn clients_of(&self, to: &Remote, account: &AccountName) -> Vec<Remote> {
        let first = Remote { account: to.account.clone(), resource: None };
        let theirs = self.interest.0.range(first..).take_while(|(remote, _)| remote.account == to.account);
        theirs.filter(|(_, known)| known.accounts.contains_key(account)).map(|(remote, _)| remote.clone()).collect()
    }

    pub(super) fn on_latest(&mut self, remote: &Remote, answer: Result<Reply, Refusal>) {
        let Ok(Reply::Latest(latest)) = answer else { return };
        for (account, register, parent) in latest {
            self.push_item(remote, &account, &register, parent.as_deref(), true);
        }
    }

    /// An account has published something that somebody may be told of: tells their clients that want it.
    pub(super) fn push_items(
        &mut self,
        to: &Remote,
        account: &AccountName,
        register: &RegisterView,
        parent: Option<&[u8]>,
    ) {
        for client in self.clients_of(to, account) {
            self.push_item(&client, account, register, parent, false);
        }
    }

    fn push_item(
        &mut self,
        client: &Remote,
        account: &AccountName,
        register: &RegisterView,
        parent: Option<&[u8]>,
        is_last: bool,
    ) {
        let Some(news) = pubsub::news(&self.domains, account, register, parent) else { return };
        let is_wanted = self.interest.0.get(client).is_some_and(|known| known.wanted.contains(&news.node));
        if is_wanted && news.is_for_contacts && (!is_last || news.is_sent_to_who_comes) {
            self.send(news.message.attr("to", told::address(&self.domains, client)));
        }
    }
}
