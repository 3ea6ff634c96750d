//! Items: published, retracted, shown (XEP-0060 sections 6.5, 7.1 and 7.2).

use super::node::{self, Config, NAME_BYTES_MAX};
use super::{Task, Waiting};
use crate::command::{Command, LookedAt, RegisterView};
use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use crate::xmpp::pending::{Asked, Awaited, Pending};
use crate::xmpp::xml::parse_standalone;
use std::cmp::Reverse;

/// Largest item, bytes: an avatar fits.
const ITEM_BYTES_MAX: usize = 60 * 1024;

/// Which items a request asks for.
pub(super) fn wanted(items: &Element) -> Task {
    let named = items.elements().filter(|item| item.is("item", ns::PUBSUB));
    let ids = named.filter_map(|item| item.get_attr("id").map(str::to_owned)).collect();
    Task::Items(ids, items.get_attr("max_items").and_then(|max| max.parse().ok()))
}

/// The one item of a publication.
pub(super) fn publication(publish: &Element, options: Option<Config>) -> Result<Task, StanzaError> {
    let mut items = publish.elements().filter(|item| item.is("item", ns::PUBSUB));
    let (Some(item), None) = (items.next(), items.next()) else {
        return Err(super::error(StanzaError::BAD_REQUEST, "item-required"));
    };
    if item.elements().count() > 1 {
        return Err(super::error(StanzaError::BAD_REQUEST, "invalid-payload"));
    }
    if item.get_attr("id").is_some_and(|id| id.len() > NAME_BYTES_MAX) {
        return Err(StanzaError::NOT_ACCEPTABLE);
    }
    Ok(Task::Publish(Box::new(item.clone()), options))
}

/// Publishes; the node is made where there is none (XEP-0163 section 3).
pub(super) fn publish(
    link: &mut Link,
    asked: Asked,
    name: &str,
    item: Element,
    (config, options): (Option<Config>, Option<Config>),
    found: &LookedAt,
) -> Result<(), StanzaError> {
    let item = if item.get_attr("id").is_some() { item } else { item.attr("id", link.token()) };
    let id = item.get_attr("id").unwrap_or_default().to_owned();
    let config = match (config, options) {
        (Some(config), Some(wanted)) if !config.meets(&wanted) => {
            return Err(super::error(StanzaError::CONFLICT, "precondition-not-met"));
        }
        (Some(config), _) => config,
        (None, options) => {
            let config = options.unwrap_or_default();
            link.ask(Command::RegisterSet(node::key(name), node::encode(name, &config)), Pending::Nothing);
            config
        }
    };
    let value = item.to_standalone().into_bytes();
    if value.len() > ITEM_BYTES_MAX {
        return Err(super::error(StanzaError::NOT_ACCEPTABLE, "payload-too-big"));
    }
    let key = node::item_key(name, &config, &id);
    let mut kept: Vec<&RegisterView> = found.registers.iter().filter(|register| is_item(register)).collect();
    kept.retain(|register| register.key != key);
    kept.sort_by_key(|register| Reverse(register.at));
    for oldest in kept.iter().skip(config.max_items() - 1) {
        link.ask(Command::RegisterSet(oldest.key.clone(), Vec::new()), Pending::Nothing);
    }
    let published =
        Element::new("publish", ns::PUBSUB).attr("node", name).child(Element::new("item", ns::PUBSUB).attr("id", id));
    let waiting = Waiting::Written(asked, Some(Element::new("pubsub", ns::PUBSUB).child(published)));
    link.ask(Command::RegisterSet(key, value), Awaited::Pubsub(waiting));
    Ok(())
}

/// Publishes an item that nobody waits for, in a node of one item.
pub(super) fn put(link: &mut Link, name: &str, item: &Element, found: &LookedAt) {
    let config = node::config_in(found, name).unwrap_or_else(|| {
        let config = Config::default();
        link.ask(Command::RegisterSet(node::key(name), node::encode(name, &config)), Pending::Nothing);
        config
    });
    let value = item.to_standalone().into_bytes();
    if value.len() <= ITEM_BYTES_MAX {
        let key = node::item_key(name, &config, item.get_attr("id").unwrap_or_default());
        link.ask(Command::RegisterSet(key, value), Pending::Nothing);
    }
}

/// Retracts; the register says so, so that it can be told on every node of the mesh.
pub(super) fn retract(
    link: &mut Link,
    asked: Asked,
    name: &str,
    config: &Config,
    id: &str,
    notify: bool,
    found: &LookedAt,
) -> Result<(), StanzaError> {
    let key = node::item_key(name, config, id);
    let is_there = |register: &RegisterView| register.key == key && id_of(register).as_deref() == Some(id);
    if !found.registers.iter().any(is_there) {
        return Err(StanzaError::ITEM_NOT_FOUND);
    }
    let left = Element::new("retract", ns::PUBSUB).attr("id", id);
    let value = if notify { left.to_standalone().into_bytes() } else { Vec::new() };
    link.ask(Command::RegisterSet(key, value), Awaited::Pubsub(Waiting::Written(asked, None)));
    Ok(())
}

/// The item in a register; `None` for what is left of a retracted one.
pub(crate) fn item_of(register: &RegisterView) -> Option<Element> {
    let text = std::str::from_utf8(&register.value).ok()?;
    parse_standalone(text).filter(|item| item.is("item", ns::PUBSUB))
}

fn is_item(register: &RegisterView) -> bool {
    id_of(register).is_some()
}

fn id_of(register: &RegisterView) -> Option<String> {
    item_of(register)?.get_attr("id").map(str::to_owned)
}

/// Items, newest first.
pub(super) fn shown(found: &LookedAt, name: &str, ids: &[String], max: Option<usize>) -> Element {
    let mut items: Vec<(&RegisterView, Element)> =
        found.registers.iter().filter_map(|register| Some((register, item_of(register)?))).collect();
    items.sort_by_key(|(register, _)| Reverse(register.at));
    if !ids.is_empty() {
        items.retain(|(_, item)| item.get_attr("id").is_some_and(|id| ids.iter().any(|wanted| wanted == id)));
    }
    let items = items.into_iter().take(max.unwrap_or(usize::MAX)).map(|(_, item)| item);
    Element::new("items", ns::PUBSUB).attr("node", name).children(items)
}
