//! What a client wants to be told of: its capabilities (XEP-0115), asked for by `disco#info` when its presence names others than before.

use super::Waiting;
use super::node;
use crate::command::Command;
use crate::xmpp::client::Client;
use crate::xmpp::element::Element;
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use crate::xmpp::pending::Awaited;
use std::collections::BTreeSet;

/// Most nodes that one client is told of.
const WANTED_MAX: usize = 64;

/// The capabilities that a presence names, `node#ver`.
pub(crate) fn named(presence: &Element) -> Option<String> {
    let caps = presence.get("c", ns::CAPS)?;
    Some(format!("{}#{}", caps.get_attr("node")?, caps.get_attr("ver")?))
}

/// The nodes that who has these features is to be told of.
pub(crate) fn wanted_of(query: &Element) -> BTreeSet<String> {
    let features = query.elements().filter(|feature| feature.is("feature", ns::DISCO_INFO));
    let wanted = features.filter_map(|feature| feature.get_attr("var")?.strip_suffix("+notify"));
    wanted.take(WANTED_MAX).map(str::to_owned).collect()
}

/// What the registers of their items begin with.
pub(crate) fn prefixes<'a>(nodes: impl Iterator<Item = &'a String>) -> Vec<String> {
    nodes.map(|node| format!("{}/", node::key(node))).collect()
}

/// Presence of the client to everybody: asks what its capabilities are when they are new.
pub(crate) fn on_capabilities(client: &mut Client, link: &mut Link, presence: &Element) {
    let Some(named) = named(presence) else { return };
    if client.caps.as_ref() == Some(&named) {
        return;
    }
    let id = link.token();
    let query = Element::new("query", ns::DISCO_INFO).attr("node", named.as_str());
    let iq = Element::new("iq", ns::CLIENT)
        .attr("from", client.bare.as_str())
        .attr("id", id.as_str())
        .attr("type", "get")
        .child(query);
    client.caps = Some(named);
    client.caps_asked = Some(id);
    link.reply(&iq);
}

/// A response of the client: whether it is its capabilities. The newest items of what it wants are asked for.
pub(crate) fn on_features(client: &mut Client, link: &mut Link, iq: &Element) -> bool {
    if client.caps_asked.is_none() || client.caps_asked.as_deref() != iq.get_attr("id") {
        return false;
    }
    client.caps_asked = None;
    let Some(query) = iq.get("query", ns::DISCO_INFO) else { return true };
    let wanted = wanted_of(query);
    let new = prefixes(wanted.difference(&client.wanted));
    client.wanted = wanted;
    if !new.is_empty() {
        link.ask(Command::Latest(new), Awaited::Pubsub(Waiting::Latest));
    }
    true
}
