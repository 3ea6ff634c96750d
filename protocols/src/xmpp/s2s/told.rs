//! What people of other servers are told by the core, as stanzas.

use super::super::element::{Element, Node};
use super::super::jid::Domains;
use super::super::xml::parse_standalone;
use super::super::{message, muc, ns, presence, push, subscription};
use crate::abroad::{Remote, Told};

/// The stanza, with both addresses; `None` for what cannot be said.
pub(super) fn render(domains: &Domains, to: &Remote, told: &Told) -> Option<Element> {
    let mut stanza = match told {
        Told::Said(said) => {
            let mut stanza = message::render(domains, said, &domains.server);
            // Ids of archives are told to those whose archive it is (XEP-0359 section 4).
            let is_id = |node: &Node| matches!(node, Node::Element(child) if child.is("stanza-id", ns::SID));
            stanza.children.retain(|node| !is_id(node));
            stanza
        }
        Told::Whisper { from, stanza } => {
            let mut stanza = std::str::from_utf8(stanza).ok().and_then(parse_standalone)?;
            stanza.set_attr("from", domains.person(from));
            stanza
        }
        Told::Subscription(account, step, request) => {
            subscription::stanza(domains, *step, request).attr("from", domains.account(account))
        }
        Told::Presence { person, available } => presence::of_person(domains, person, *available),
        Told::Probe(by) => Element::new("presence", ns::CLIENT).attr("from", domains.person(by)).attr("type", "probe"),
        Told::Wake { account, key, wake } => push::notification(domains, account, key, wake),
        // Which of their clients are told, and of what, is known where they are remembered.
        Told::Shown { .. } | Told::Sees(_) | Told::ShowsElsewhere { .. } | Told::HasBeenTold(_) => return None,
        Told::Invited { room, by, reason } => muc::invite::invitation(domains, room, by, reason),
    };
    stanza.set_attr("to", address(domains, to));
    Some(stanza)
}

/// As it is written.
pub(super) fn address(domains: &Domains, remote: &Remote) -> String {
    match &remote.resource {
        Some(resource) => domains.full(&remote.account, resource),
        None => domains.account(&remote.account),
    }
}
