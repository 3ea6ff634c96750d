//! Presence subscriptions (RFC 6121 section 3).

use super::client::Client;
use super::element::{Attr, Element, Node};
use super::error::StanzaError;
use super::jid::{Address, Domains};
use super::link::Link;
use super::pending::{Asked, Awaited};
use super::xml::parse_standalone;
use super::{invitation, ns, sid};
use crate::command::{Command, REQUEST_BYTES_MAX, SubscriptionStep};
use bytes::Bytes;
use lavina_crdt::names::AccountName;

/// The step a presence type is, if it is one.
pub(crate) fn step_of(kind: &str) -> Option<SubscriptionStep> {
    match kind {
        "subscribe" => Some(SubscriptionStep::Subscribe),
        "subscribed" => Some(SubscriptionStep::Subscribed),
        "unsubscribe" => Some(SubscriptionStep::Unsubscribe),
        "unsubscribed" => Some(SubscriptionStep::Unsubscribed),
        _ => None,
    }
}

pub(crate) const fn name_of(step: SubscriptionStep) -> &'static str {
    match step {
        SubscriptionStep::Subscribe => "subscribe",
        SubscriptionStep::Subscribed => "subscribed",
        SubscriptionStep::Unsubscribe => "unsubscribe",
        SubscriptionStep::Unsubscribed => "unsubscribed",
    }
}

/// A client's step towards a contact, who may have invited it.
pub(crate) fn on_step(
    client: &Client,
    link: &mut Link,
    asked: Asked,
    to: Option<Address>,
    step: SubscriptionStep,
    stanza: &Element,
) {
    let request = if step == SubscriptionStep::Subscribe { carried(&link.domains, stanza) } else { Bytes::new() };
    match (to, stanza.get("preauth", ns::PARS)) {
        (Some(Address::Account(contact, _)), Some(preauth))
            if step == SubscriptionStep::Subscribe && !contact.is_remote() && contact != client.account =>
        {
            invitation::on_subscribe(link, asked, contact, preauth, request);
        }
        (to, _) => take(client, link, asked, to, step, request),
    }
}

/// What a request carries beside what it is (section 3.1.3): what it holds, its id and its language. From where it would be too much it is left out.
fn carried(domains: &Domains, stanza: &Element) -> Bytes {
    let mut request = Element::new("presence", ns::CLIENT);
    request.attrs.extend(stanza.attrs.iter().filter(|attr| is_kept(attr)).cloned());
    let mut bytes = request.to_standalone().len() + "></presence>".len();
    let payloads = stanza.elements().filter(|child| !sid::is_forged_stamp(domains, child));
    let payloads = payloads.take_while(|child| {
        bytes += child.to_standalone().len();
        bytes <= REQUEST_BYTES_MAX
    });
    request.children.extend(payloads.cloned().map(Node::Element));
    let says_nothing = request.attrs.is_empty() && request.children.is_empty();
    let written = if says_nothing { String::new() } else { request.to_standalone() };
    if written.len() > REQUEST_BYTES_MAX { Bytes::new() } else { Bytes::from(written) }
}

/// Whether an attribute of the stanza is the sender's to say, and for the contact.
fn is_kept(attr: &Attr) -> bool {
    matches!((attr.ns.as_str(), attr.name.as_str()), ("", "id") | (ns::XML, "lang"))
}

/// The stanza by which a contact is told of a step, without addresses; what the request carries may come from any node.
pub(crate) fn stanza(domains: &Domains, step: SubscriptionStep, request: &Bytes) -> Element {
    let mut presence = Element::new("presence", ns::CLIENT).attr("type", name_of(step));
    let carried = std::str::from_utf8(request).ok().and_then(parse_standalone);
    if let Some(mut carried) = carried.filter(|carried| carried.is("presence", ns::CLIENT)) {
        carried.attrs.retain(is_kept);
        presence.attrs.append(&mut carried.attrs);
        carried.children.retain(|node| !matches!(node, Node::Element(child) if sid::is_forged_stamp(domains, child)));
        presence.children = carried.children;
    }
    presence
}

fn take(client: &Client, link: &mut Link, asked: Asked, to: Option<Address>, step: SubscriptionStep, request: Bytes) {
    match to {
        Some(Address::Account(contact, _)) if contact != client.account => {
            link.ask(Command::Subscription(contact, step, request), Awaited::Step(asked));
        }
        Some(
            Address::Account(..)
            | Address::Server
            | Address::Rooms
            | Address::Room(_)
            | Address::Occupant(..)
            | Address::Guest(_)
            | Address::Foreign,
        ) => link.reply(&asked.error(StanzaError::NOT_ALLOWED)),
        None => link.reply(&asked.error(StanzaError::BAD_REQUEST)),
    }
}

/// A contact's step towards the client's account, which it is for and not for one of its clients (RFC 6121 section 3.1.2).
pub(crate) fn on_event(
    client: &Client,
    link: &mut Link,
    contact: &AccountName,
    step: SubscriptionStep,
    request: &Bytes,
) {
    let presence = stanza(&link.domains, step, request)
        .attr("to", client.bare.as_str())
        .attr("from", link.domains.account(contact));
    link.send_unchanged(&presence);
}
