//! Presence subscriptions (RFC 6121 section 3).

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::jid::Address;
use super::link::Link;
use super::pending::{Asked, Awaited};
use super::{invitation, ns};
use crate::command::{Command, SubscriptionStep};
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
    preauth: Option<&Element>,
) {
    match (to, preauth) {
        (Some(Address::Account(contact, _)), Some(preauth))
            if step == SubscriptionStep::Subscribe && !contact.is_remote() && contact != client.account =>
        {
            invitation::on_subscribe(link, asked, contact, preauth);
        }
        (to, _) => take(client, link, asked, to, step),
    }
}

fn take(client: &Client, link: &mut Link, asked: Asked, to: Option<Address>, step: SubscriptionStep) {
    match to {
        Some(Address::Account(contact, _)) if contact != client.account => {
            link.ask(Command::Subscription(contact, step), Awaited::Step(asked));
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
pub(crate) fn on_event(client: &Client, link: &mut Link, contact: &AccountName, step: SubscriptionStep) {
    let presence = Element::new("presence", ns::CLIENT)
        .attr("to", client.bare.as_str())
        .attr("from", link.domains.account(contact))
        .attr("type", name_of(step));
    link.send_unchanged(&presence);
}
