//! Notifications (XEP-0163 section 4.3, XEP-0060 sections 7.1.2 and 7.2.2).

use super::items::item_of;
use super::node;
use crate::command::{Refusal, RegisterView, Reply};
use crate::xmpp::client::Client;
use crate::xmpp::element::Element;
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use crate::xmpp::xml::parse_standalone;
use lavina_crdt::names::AccountName;

/// A register of an account that the client sees has changed.
pub(crate) fn on_shown(
    client: &Client,
    link: &mut Link,
    account: &AccountName,
    register: &RegisterView,
    parent: Option<&[u8]>,
) {
    let Some((name, config)) = parent.and_then(node::decode) else { return };
    if !client.wanted.contains(&name) || (*account != client.account && !config.is_for_contacts()) {
        return;
    }
    let told = item_of(register).map(|item| in_event(&item)).or_else(|| {
        let left = std::str::from_utf8(&register.value).ok().and_then(parse_standalone)?;
        let id = left.get_attr("id").filter(|_| left.is("retract", ns::PUBSUB))?;
        Some(Element::new("retract", ns::PUBSUB_EVENT).attr("id", id))
    });
    if let Some(told) = told {
        tell(link, account, &name, told);
    }
}

/// The newest items of what the client has begun to want.
pub(crate) fn on_latest(client: &Client, link: &mut Link, answer: Result<Reply, Refusal>) {
    let Ok(Reply::Latest(latest)) = answer else { return };
    for (account, register, parent) in latest {
        let sends = parent.as_deref().and_then(node::decode).is_some_and(|(_, config)| config.sends_last());
        if sends && item_of(&register).is_some() {
            on_shown(client, link, &account, &register, parent.as_deref());
        }
    }
}

fn in_event(item: &Element) -> Element {
    Element::new("item", ns::PUBSUB_EVENT).maybe_attr("id", item.get_attr("id")).children(item.elements().cloned())
}

fn tell(link: &mut Link, account: &AccountName, node: &str, told: Element) {
    let items = Element::new("items", ns::PUBSUB_EVENT).attr("node", node).child(told);
    let message = Element::new("message", ns::CLIENT)
        .attr("from", link.domains.account(account))
        .attr("type", "headline")
        .child(Element::new("event", ns::PUBSUB_EVENT).child(items));
    link.send(&message);
}
