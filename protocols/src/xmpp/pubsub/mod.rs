//! Personal eventing (XEP-0163): what an account publishes about itself, with as much of publish-subscribe (XEP-0060) as its clients need.
//!
//! A node and each of its items is a register of the account that others may look at, so it is the same on every node of the mesh and merges
//! item by item. Subscriptions are implicit: who sees the account's presence and says `+notify` in its capabilities is told.
//!
//! | register | holds |
//! |---|---|
//! | `shown/pep/NODE` | the node's name and configuration, see [`node`] |
//! | `shown/pep/NODE/ITEM` | an item, or what is left of a retracted one |
//!
//! NODE and ITEM are hashes: names are of any length. A node of one item has it in one register, whatever its id.

mod caps;
mod items;
mod node;
mod notify;
mod owner;

pub(super) use caps::{named, on_capabilities, on_features, prefixes, wanted_of};
pub(super) use items::item_of;
pub(super) use notify::{news, on_latest, on_shown};

use super::bookmarks;
use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::{At, Request};
use super::jid::Address;
use super::link::Link;
use super::ns;
use super::pending::{Asked, Awaited, Pending};
use crate::command::{Command, LookedAt, Refusal, Reply};
use lavina_crdt::names::AccountName;
use node::Config;

/// What an answer is for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Something of one node: the node and what is to be done with it.
    Node(Asked, AccountName, String, Task),
    /// The nodes of an account, for `disco#items`.
    Nodes(Asked, AccountName),
    /// Writes that the last one of answers with this payload.
    Written(Asked, Option<Element>),
    /// The newest items of the nodes that the client wants to be told of.
    Latest,
    /// A node of the client's own account, for an item that the server publishes in its name.
    Put(String, Box<Element>),
}

/// What is to be done with a node.
#[derive(Debug)]
pub(crate) enum Task {
    /// Show items: those named, or the newest so many.
    Items(Vec<String>, Option<usize>),
    /// Publish an item, with the options that the node is to have.
    Publish(Box<Element>, Option<Config>),
    /// Retract the item, and tell of it.
    Retract(String, bool),
    /// Make the node.
    Create(Config),
    /// Show the configuration.
    ShowConfig,
    /// Change the configuration.
    Configure(Config),
    /// Remove the node with all items.
    Delete,
    /// Remove all items.
    Purge,
}

/// A request in the namespace of publish-subscribe.
pub(crate) fn on_request(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let account = account_of(client, &request);
    let own = account == client.account;
    let find = |name: &str| request.payload.get(name, &request.payload.ns);
    let (node, task) = if request.payload.ns == ns::PUBSUB_OWNER {
        if !own {
            return Err(StanzaError::FORBIDDEN);
        }
        owner::task_of(&request)?
    } else if let (Some(items), false) = (find("items"), request.set) {
        (node::name_of(items)?, items::wanted(items))
    } else if let (Some(publish), true) = (find("publish"), request.set) {
        let options = find("publish-options").map(node::options_of).transpose()?;
        (node::name_of(publish)?, items::publication(publish, options)?)
    } else if let (Some(retract), true) = (find("retract"), request.set) {
        let id = retract.get("item", ns::PUBSUB).and_then(|item| item.get_attr("id"));
        let id = id.ok_or_else(|| error(StanzaError::BAD_REQUEST, "item-required"))?.to_owned();
        let notify = matches!(retract.get_attr("notify"), Some("1" | "true"));
        (node::name_of(retract)?, Task::Retract(id, notify))
    } else if let (Some(create), true) = (find("create"), request.set) {
        let config = find("configure").map(node::options_of).transpose()?.unwrap_or_default();
        // XEP-0163 section 4: a node has the name of what it is about, so none is made up.
        (node::name_of(create)?, Task::Create(config))
    } else {
        return Err(StanzaError::FEATURE_NOT_IMPLEMENTED);
    };
    if !own && !matches!(task, Task::Items(..)) {
        return Err(StanzaError::FORBIDDEN);
    }
    let prefix = node::key(&node);
    let waiting = Waiting::Node(request.asked, account.clone(), node, task);
    link.ask_and_hold(Command::LookAt(account, prefix), Awaited::Pubsub(waiting));
    Ok(())
}

/// `disco#items` of an account: its nodes.
pub(super) fn list_nodes(client: &Client, link: &mut Link, request: Request) {
    let account = account_of(client, &request);
    let waiting = Waiting::Nodes(request.asked, account.clone());
    link.ask(Command::LookAt(account, node::ROOT.to_owned()), Awaited::Pubsub(waiting));
}

fn account_of(client: &Client, request: &Request) -> AccountName {
    match (&request.to, request.at) {
        (Some(Address::Account(account, _)), At::Contact) => account.clone(),
        _ => client.account.clone(),
    }
}

/// The core's answer.
pub(super) fn on_answer(client: &mut Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    match waiting {
        Waiting::Node(asked, account, name, task) => {
            let own = account == client.account;
            let found = match looked_at(answer) {
                Ok(found) => found,
                Err(error) => return link.send(&asked.error(error)),
            };
            let uses = matches!(task, Task::Items(..) | Task::Publish(..) | Task::Retract(..));
            if own && uses && name == bookmarks::NODE && !has(&found, &name) {
                return bookmarks::convert(link, asked, task);
            }
            if let Err(error) = carry_out(link, asked.clone(), own, &name, task, found) {
                link.send(&asked.error(error));
            }
        }
        Waiting::Nodes(asked, account) => {
            // XEP-0030 section 8: who may not see the account learns no more than that of one that does not exist.
            let found = looked_at(answer).unwrap_or_default();
            let own = account == client.account;
            let jid = link.domains.account(&account);
            let nodes = node::all(&found).filter(|(_, config)| config.may_read(own, &found));
            let items = nodes
                .map(|(name, _)| Element::new("item", ns::DISCO_ITEMS).attr("jid", jid.as_str()).attr("node", name));
            let query = Element::new("query", ns::DISCO_ITEMS).children(items);
            link.send(&asked.result(Some(query)));
        }
        Waiting::Written(asked, payload) => match answer {
            Ok(_) => link.send(&asked.result(payload)),
            Err(refusal) => link.send(&asked.error(refusal)),
        },
        Waiting::Latest => on_latest(client, link, answer),
        Waiting::Put(name, item) => {
            if let Ok(found) = looked_at(answer) {
                items::put(link, &name, &item, &found);
            }
        }
    }
}

/// Publishes an item in the client's name; the node stays as it is configured.
pub(super) fn put(client: &Client, link: &mut Link, name: &str, item: Element) {
    let waiting = Waiting::Put(name.to_owned(), Box::new(item));
    // What is written next must not come before it.
    link.ask_and_hold(Command::LookAt(client.account.clone(), node::key(name)), Awaited::Pubsub(waiting));
}

/// Asks for a node of the client's own once more, and does this with it.
pub(super) fn look_again(client: &Client, link: &mut Link, asked: Asked, name: &str, task: Task) {
    let waiting = Waiting::Node(asked, client.account.clone(), name.to_owned(), task);
    link.ask_and_hold(Command::LookAt(client.account.clone(), node::key(name)), Awaited::Pubsub(waiting));
}

/// Does this with a node of the client's own that is not there.
pub(super) fn carry_out_anew(link: &mut Link, asked: Asked, name: &str, task: Task) {
    if let Err(error) = carry_out(link, asked.clone(), true, name, task, LookedAt::default()) {
        link.send(&asked.error(error));
    }
}

/// Whether a node is among what was found.
pub(super) fn has(found: &LookedAt, name: &str) -> bool {
    node::config_in(found, name).is_some()
}

/// The items among what was found of one node, with their ids.
pub(super) fn items(found: &LookedAt) -> impl Iterator<Item = (String, Element)> + '_ {
    found.registers.iter().filter_map(|register| {
        let item = item_of(register)?;
        Some((item.get_attr("id")?.to_owned(), item))
    })
}

/// Makes a node with these options.
pub(super) fn make(link: &mut Link, name: &str, options: &[(&str, &str)]) {
    let config = Config::of(options);
    link.ask(Command::RegisterSet(node::key(name), node::encode(name, &config)), Pending::Nothing);
}

/// Sets an item of a node; one that was not found is of many items.
pub(super) fn put_into(link: &mut Link, name: &str, found: &LookedAt, id: &str, payload: Element) {
    let item = Element::new("item", ns::PUBSUB).attr("id", id).child(payload);
    set_item(link, name, found, id, &item);
}

/// Retracts an item of it.
pub(super) fn take_out_of(link: &mut Link, name: &str, found: &LookedAt, id: &str) {
    set_item(link, name, found, id, &Element::new("retract", ns::PUBSUB).attr("id", id));
}

fn set_item(link: &mut Link, name: &str, found: &LookedAt, id: &str, value: &Element) {
    let config = node::config_in(found, name).unwrap_or_else(|| Config::of(&[("pubsub#max_items", "max")]));
    let key = node::item_key(name, &config, id);
    link.ask(Command::RegisterSet(key, value.to_standalone().into_bytes()), Pending::Nothing);
}

/// The register of a node, and what begins those of its items.
pub(super) fn key(name: &str) -> String {
    node::key(name)
}

/// The newest item of a node among what was found, where the asker may read it.
pub(super) fn newest(found: &LookedAt, name: &str, own: bool) -> Option<Element> {
    node::config_in(found, name).filter(|config| config.may_read(own, found))?;
    items::shown(found, name, &[], Some(1)).elements().next().cloned()
}

/// Whether a register's parent is the node of that name.
pub(super) fn is_of(name: &str, parent: Option<&[u8]>) -> bool {
    parent.and_then(node::decode).is_some_and(|(known, _)| known == name)
}

fn looked_at(answer: Result<Reply, Refusal>) -> Result<LookedAt, StanzaError> {
    match answer {
        Ok(Reply::LookedAt(Some(found))) => Ok(*found),
        Ok(_) => Err(StanzaError::SERVICE_UNAVAILABLE),
        Err(refusal) => Err(refusal.into()),
    }
}

fn carry_out(
    link: &mut Link,
    asked: Asked,
    own: bool,
    name: &str,
    task: Task,
    found: LookedAt,
) -> Result<(), StanzaError> {
    let config = node::config_in(&found, name);
    let there = || config.clone().ok_or(StanzaError::ITEM_NOT_FOUND);
    match task {
        Task::Items(ids, max) => {
            let config = there()?;
            if !config.may_read(own, &found) {
                return Err(config.refusal());
            }
            let shown = items::shown(&found, name, &ids, max);
            link.send(&asked.result(Some(Element::new("pubsub", ns::PUBSUB).child(shown))));
        }
        Task::Publish(item, options) => items::publish(link, asked, name, *item, (config, options), &found)?,
        Task::Retract(id, notify) => items::retract(link, asked, name, &there()?, &id, notify, &found)?,
        Task::Create(_) if config.is_some() => return Err(StanzaError::CONFLICT),
        Task::Create(config) => {
            let created = Element::new("create", ns::PUBSUB).attr("node", name);
            node::write(link, name, &config, asked, Some(Element::new("pubsub", ns::PUBSUB).child(created)))?;
        }
        Task::ShowConfig => {
            let configure = Element::new("configure", ns::PUBSUB_OWNER).attr("node", name).child(there()?.form("form"));
            link.send(&asked.result(Some(Element::new("pubsub", ns::PUBSUB_OWNER).child(configure))));
        }
        Task::Configure(wanted) => {
            let config = there()?.changed(wanted);
            node::write(link, name, &config, asked, None)?;
        }
        Task::Delete | Task::Purge => {
            there()?;
            owner::clear(link, asked, name, &found, matches!(task, Task::Delete));
        }
    }
    Ok(())
}

/// An error with the condition that XEP-0060 adds.
fn error(error: StanzaError, condition: &'static str) -> StanzaError {
    error.with_condition(condition, ns::PUBSUB_ERRORS)
}
