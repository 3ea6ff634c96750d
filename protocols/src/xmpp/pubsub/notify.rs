//! Notifications (XEP-0163 section 4.3, XEP-0060 sections 7.1.2 and 7.2.2).

use super::items::item_of;
use super::node;
use crate::command::{Refusal, RegisterView, Reply};
use crate::xmpp::client::Client;
use crate::xmpp::element::Element;
use crate::xmpp::jid::Domains;
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use crate::xmpp::xml::parse_standalone;
use lavina_crdt::names::AccountName;

/// What an account has published or taken back, as it is told.
#[derive(Debug)]
pub(crate) struct News {
    /// In which node.
    pub(crate) node: String,
    /// The message, without whom it is to.
    pub(crate) message: Element,
    /// Whether everybody who sees the account's presence is told.
    pub(crate) is_for_contacts: bool,
    /// Whether who comes later is told too.
    pub(crate) is_sent_to_who_comes: bool,
}

/// What the value of a register says, below that of its node.
pub(crate) fn news(
    domains: &Domains,
    account: &AccountName,
    register: &RegisterView,
    parent: Option<&[u8]>,
) -> Option<News> {
    let (node, config) = parent.and_then(node::decode)?;
    let item = item_of(register);
    let is_item = item.is_some();
    let told = item.map(|item| in_event(&item)).or_else(|| {
        let left = std::str::from_utf8(&register.value).ok().and_then(parse_standalone)?;
        let id = left.get_attr("id").filter(|_| left.is("retract", ns::PUBSUB))?;
        Some(Element::new("retract", ns::PUBSUB_EVENT).attr("id", id))
    })?;
    let items = Element::new("items", ns::PUBSUB_EVENT).attr("node", node.as_str()).child(told);
    let message = Element::new("message", ns::CLIENT)
        .attr("from", domains.account(account))
        .attr("type", "headline")
        .child(Element::new("event", ns::PUBSUB_EVENT).child(items));
    let is_sent_to_who_comes = is_item && config.sends_last();
    Some(News { node, message, is_for_contacts: config.is_for_contacts(), is_sent_to_who_comes })
}

/// A register of an account that the client sees has changed.
pub(crate) fn on_shown(
    client: &Client,
    link: &mut Link,
    account: &AccountName,
    register: &RegisterView,
    parent: Option<&[u8]>,
) {
    if let Some(news) = wanted(client, link, account, register, parent) {
        link.send(&news.message);
    }
}

fn wanted(
    client: &Client,
    link: &Link,
    account: &AccountName,
    register: &RegisterView,
    parent: Option<&[u8]>,
) -> Option<News> {
    let (node, _) = parent.and_then(node::decode)?;
    if !client.wanted.contains(&node) {
        return None;
    }
    let news = news(&link.domains, account, register, parent)?;
    let is_told = *account == client.account || news.is_for_contacts;
    is_told.then_some(news)
}

/// The newest items of what the client has begun to want.
pub(crate) fn on_latest(client: &Client, link: &mut Link, answer: Result<Reply, Refusal>) {
    let Ok(Reply::Latest(latest)) = answer else { return };
    for (account, register, parent) in latest {
        let news = wanted(client, link, &account, &register, parent.as_deref());
        if let Some(news) = news.filter(|news| news.is_sent_to_who_comes) {
            link.send(&news.message);
        }
    }
}

fn in_event(item: &Element) -> Element {
    Element::new("item", ns::PUBSUB_EVENT).maybe_attr("id", item.get_attr("id")).children(item.elements().cloned())
}
