//! Push notifications (XEP-0357): a client is woken by the service that it names, when something is said to its account while it is not there, its
//! connection is gone, or nobody looks at it. What the service is told is that there is a message, not whose and not which.
//!
//! A service is at another server, or a component.

use super::client::Client;
use super::data;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::jid::{Address, Domains};
use super::link::Link;
use super::ns;
use super::pending::{Asked, Awaited, Pending};
use super::xml::parse_standalone;
use crate::account::AccountCommand;
use crate::command::{Command, Refusal, RegisterView, Reply};
use crate::wake::{REGISTERS, WAKES_MAX, Wake};
use lavina_crdt::names::AccountName;

/// Longest name of a node at a service, in bytes.
const NODE_BYTES_MAX: usize = 1023;
/// Longest form of options.
const OPTIONS_BYTES_MAX: usize = 4096;
/// Before the id of what a service is told.
const ID: &str = "push/";

/// What the registers that there are are needed for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// One more, or one of them anew.
    Enable(Asked, Box<Wake>),
    /// All of a service are to go, or the one of a node.
    Disable(Asked, AccountName, Option<String>),
}

/// `<enable/>` (section 5) and `<disable/>` (section 6).
pub(crate) fn on_switch(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if !request.set {
        return Err(StanzaError::BAD_REQUEST);
    }
    let jid = request.payload.get_attr("jid").ok_or(StanzaError::BAD_REQUEST)?;
    let (service, part) = match link.domains.parse(jid).map_err(|_| StanzaError::JID_MALFORMED)? {
        Address::Account(service, part) if service.is_remote() => (service, part),
        Address::Foreign => return Err(StanzaError::REMOTE_SERVER_NOT_FOUND),
        Address::Account(..)
        | Address::Server
        | Address::Rooms
        | Address::Room(_)
        | Address::Occupant(..)
        | Address::Guest(_) => return Err(StanzaError::NOT_ACCEPTABLE.text("that is no push service")),
    };
    let node = request.payload.get_attr("node").map(str::to_owned);
    if node.as_ref().is_some_and(|node| node.len() > NODE_BYTES_MAX) {
        return Err(StanzaError::NOT_ACCEPTABLE);
    }
    let waiting = if request.payload.name == "disable" {
        Waiting::Disable(request.asked, service, node)
    } else {
        let options = request.payload.get("x", ns::DATA).map(Element::to_standalone);
        if options.as_ref().is_some_and(|options| options.len() > OPTIONS_BYTES_MAX) {
            return Err(StanzaError::POLICY_VIOLATION.text("the options are too long"));
        }
        let (resource, node) = (client.resource.clone(), node.unwrap_or_default());
        Waiting::Enable(request.asked, Box::new(Wake { resource, service, part, node, options }))
    };
    let look = Command::LookAt(client.account.clone(), REGISTERS.to_owned());
    link.ask_and_hold(look, Awaited::Push(waiting));
    Ok(())
}

/// The core's answer.
pub(crate) fn on_answer(client: &mut Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    let (Waiting::Enable(asked, _) | Waiting::Disable(asked, ..)) = &waiting;
    let known = match answer {
        Ok(Reply::LookedAt(Some(found))) => wakes(found.registers),
        Ok(_) => Vec::new(),
        Err(refusal) => {
            let error = asked.error(refusal);
            return link.send(&error);
        }
    };
    match waiting {
        Waiting::Enable(asked, wake) => {
            let is_same = |known: &Wake| known.service == wake.service && known.node == wake.node;
            if !known.iter().any(|(_, known)| is_same(known)) && known.len() >= WAKES_MAX {
                return link.send(&asked.error(StanzaError::RESOURCE_CONSTRAINT.text("too many push services")));
            }
            client.wakes = true;
            link.ask(Command::RegisterSet(key(&wake.service, &wake.node), wake.encode()), Awaited::Done(asked));
        }
        Waiting::Disable(asked, service, node) => {
            let is_meant = |wake: &Wake| wake.service == service && node.as_ref().is_none_or(|node| *node == wake.node);
            for (key, wake) in known.iter().filter(|(_, wake)| is_meant(wake)) {
                client.wakes &= wake.resource != client.resource;
                link.ask(Command::RegisterSet(key.clone(), Vec::new()), Pending::Nothing);
            }
            link.ask(Command::Sync, Awaited::Done(asked));
        }
    }
}

fn wakes(registers: Vec<RegisterView>) -> Vec<(String, Wake)> {
    registers.into_iter().filter_map(|register| Some((register.key, Wake::decode(&register.value)?))).collect()
}

fn key(service: &AccountName, node: &str) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("lavina 1 push service of an account");
    hasher.update(service.as_str().as_bytes()).update(b"\0").update(node.as_bytes());
    format!("{REGISTERS}{}", hasher.finalize().to_hex().get(..24).unwrap_or_default())
}

/// Something was said that the client is to see, and it does not look: it is woken. For what is said in rooms that is done once until it looks again.
pub(crate) fn wake(client: &mut Client, link: &mut Link, in_room: bool) {
    let looks = !link.is_detached() && link.quiet.is_off();
    if looks {
        client.woken = false;
    } else if client.wakes && !(in_room && client.woken) {
        client.woken = true;
        client.tell(link, Command::Account(AccountCommand::Wake));
    }
}

/// What a service is told (section 7).
pub(crate) fn notification(domains: &Domains, account: &AccountName, key: &str, wake: &Wake) -> Element {
    let count = data::field("message-count", "text-single", "", "1");
    let summary = data::form("submit", "urn:xmpp:push:summary").child(count);
    let item = Element::new("item", ns::PUBSUB).child(Element::new("notification", ns::PUSH).child(summary));
    let publish = Element::new("publish", ns::PUBSUB).attr("node", wake.node.as_str()).child(item);
    let options = wake.options.as_deref().and_then(parse_standalone);
    let options = options.map(|form| Element::new("publish-options", ns::PUBSUB).child(form));
    let pubsub = Element::new("pubsub", ns::PUBSUB).child(publish).maybe_child(options);
    Element::new("iq", ns::CLIENT)
        .attr("from", domains.account(account))
        .attr("type", "set")
        .attr("id", format!("{ID}{key}"))
        .child(pubsub)
}

/// An answer of a service: one that does not take notifications gets no more (section 7.1). `None` for any other answer.
pub(crate) fn on_refused(iq: &Element, account: &AccountName) -> Option<Command> {
    let key = iq.get_attr("id")?.strip_prefix(ID)?;
    let recoverable = iq.get("error", ns::CLIENT).and_then(|error| error.get_attr("type")) == Some("wait");
    (iq.get_attr("type") == Some("error") && !recoverable).then(|| Command::Unwakeable(account.clone(), key.to_owned()))
}
