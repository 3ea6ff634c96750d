//! The roster (RFC 6121 section 2).

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::{At, Request};
use super::jid::{Address, Domains};
use super::link::Link;
use super::ns;
use super::pending::{Asked, Awaited};
use crate::command::{Command, Reply, RosterEdit, RosterItem, roster_version};

/// Longest name or group, in bytes: what is shown in a line.
const LABEL_BYTES_MAX: usize = 256;
/// Groups of one contact.
const GROUPS_MAX: usize = 16;

/// A roster get or set.
pub(crate) fn on_roster(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if request.at == At::Contact {
        // Section 2.3.3: nobody edits another's roster.
        return Err(StanzaError::FORBIDDEN);
    }
    if !request.set {
        client.interested = true;
        let known = request.payload.get_attr("ver").map(str::to_owned);
        link.ask(Command::RosterGet, Awaited::Roster(request.asked, known));
        return Ok(());
    }
    let mut items = request.payload.elements().filter(|item| item.is("item", ns::ROSTER));
    let (Some(item), None) = (items.next(), items.next()) else { return Err(StanzaError::BAD_REQUEST) };
    let jid = item.get_attr("jid").ok_or(StanzaError::BAD_REQUEST)?;
    let contact = match link.domains.parse(jid).map_err(|_| StanzaError::JID_MALFORMED)? {
        Address::Account(contact, _) if contact != client.account => contact,
        Address::Account(..) => return Err(StanzaError::NOT_ALLOWED),
        Address::Server | Address::Rooms | Address::Room(_) | Address::Occupant(..) | Address::Guest(_) => {
            return Err(StanzaError::NOT_ACCEPTABLE.text("only accounts can be contacts"));
        }
        Address::Foreign => return Err(StanzaError::REMOTE_SERVER_NOT_FOUND),
    };
    let edit = if item.get_attr("subscription") == Some("remove") { None } else { Some(edit_of(item)?) };
    link.ask(Command::RosterSet(contact, edit), Awaited::RosterSet(request.asked));
    Ok(())
}

fn edit_of(item: &Element) -> Result<RosterEdit, StanzaError> {
    let name = item.get_attr("name").unwrap_or_default().to_owned();
    let mut groups: Vec<String> =
        item.elements().filter(|group| group.is("group", ns::ROSTER)).map(Element::content).collect();
    // Section 2.3.3: an error for an empty group and for one named twice.
    if groups.iter().any(String::is_empty) {
        return Err(StanzaError::NOT_ACCEPTABLE);
    }
    groups.sort();
    if groups.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err(StanzaError::BAD_REQUEST) }?;
    let long = |text: &String| text.len() > LABEL_BYTES_MAX;
    if long(&name) || groups.iter().any(long) || groups.len() > GROUPS_MAX {
        return Err(StanzaError::NOT_ACCEPTABLE);
    }
    Ok(RosterEdit { name, groups })
}

/// The roster has come.
pub(crate) fn on_answer(link: &mut Link, asked: &Asked, known: Option<&str>, reply: Reply) {
    let Reply::Roster(items) = reply else { return };
    let version = roster_version(items.iter());
    if known == Some(version.as_str()) {
        // Section 2.6.3: nothing has changed.
        link.send(&asked.result(None));
        return;
    }
    let listed = items.iter().filter(|item| item.listed).map(|item| element_of(&link.domains, item));
    let query = Element::new("query", ns::ROSTER).attr("ver", version).children(listed);
    link.send(&asked.result(Some(query)));
}

/// A roster push (section 2.1.6).
pub(crate) fn push(client: &Client, link: &mut Link, item: &RosterItem, removed: bool, version: &str) {
    if !client.interested {
        return;
    }
    let element = if removed || !item.listed {
        let jid = link.domains.account(&item.contact);
        Element::new("item", ns::ROSTER).attr("jid", jid).attr("subscription", "remove")
    } else {
        element_of(&link.domains, item)
    };
    let id = link.token();
    let iq = Element::new("iq", ns::CLIENT)
        .attr("id", id)
        .attr("type", "set")
        .child(Element::new("query", ns::ROSTER).attr("ver", version).child(element));
    link.send(&iq);
}

fn element_of(domains: &Domains, item: &RosterItem) -> Element {
    let subscription = match (item.subscription.to, item.subscription.from) {
        (true, true) => "both",
        (true, false) => "to",
        (false, true) => "from",
        (false, false) => "none",
    };
    let element = Element::new("item", ns::ROSTER).attr("jid", domains.account(&item.contact));
    let element = if item.name.is_empty() { element } else { element.attr("name", item.name.as_str()) };
    let approved = item.subscription.approved.then_some("true");
    let asked = item.subscription.asked.then_some("subscribe");
    let groups = item.groups.iter().map(|group| Element::new("group", ns::ROSTER).text(group.as_str()));
    element
        .attr("subscription", subscription)
        .maybe_attr("approved", approved)
        .maybe_attr("ask", asked)
        .children(groups)
}
