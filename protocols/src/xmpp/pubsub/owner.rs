//! What a node's owner does with it (XEP-0060 section 8).

use super::{Task, Waiting, node};
use crate::command::{Command, LookedAt};
use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::iq::Request;
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use crate::xmpp::pending::{Asked, Awaited, Pending};

/// The node and task of a request.
pub(super) fn task_of(request: &Request) -> Result<(String, Task), StanzaError> {
    let find = |name: &str| request.payload.get(name, ns::PUBSUB_OWNER);
    if let Some(configure) = find("configure") {
        let task = if request.set { Task::Configure(node::options_of(configure)?) } else { Task::ShowConfig };
        return Ok((node::name_of(configure)?, task));
    }
    match (find("delete"), find("purge"), request.set) {
        (Some(delete), _, true) => Ok((node::name_of(delete)?, Task::Delete)),
        (None, Some(purge), true) => Ok((node::name_of(purge)?, Task::Purge)),
        _ => Err(StanzaError::FEATURE_NOT_IMPLEMENTED),
    }
}

/// Removes all items, and with `whole` the node as well.
pub(super) fn clear(link: &mut Link, asked: Asked, name: &str, found: &LookedAt, whole: bool) {
    let node = node::key(name);
    for register in found.registers.iter().filter(|register| register.key != node) {
        link.ask(Command::RegisterSet(register.key.clone(), Vec::new()), Pending::Nothing);
    }
    let last = if whole { Command::RegisterSet(node, Vec::new()) } else { Command::Sync };
    link.ask(last, Awaited::Pubsub(Waiting::Written(asked, None::<Element>)));
}
