//! Presence outside rooms (RFC 6121 section 4), and where a client's presence stanzas go.

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::jid::{Address, Domains, resource_of};
use super::link::Link;
use super::ns;
use super::pending::{Asked, Awaited, Pending};
use super::xml::parse_standalone;
use super::{avatar, muc, offline, pubsub, subscription};
use crate::command::{Command, PresenceChange, Target};
use crate::event::Person;
use lavina_crdt::looks;
use lavina_crdt::names::AccountName;
use lavina_crdt::presence::{SessionRecord, Show};

/// Payloads of one presence kept for others: capabilities, avatar hashes and the like take some hundred bytes. Everybody who sees the
/// presence gets them, so what is beyond is left out.
pub(crate) const PAYLOADS_BYTES_MAX: usize = 4096;
/// Most addresses of directed presence that are remembered.
const DIRECTED_MAX: usize = 256;
/// Longest status text, in bytes.
const STATUS_BYTES_MAX: usize = 1024;

/// A presence stanza of the client.
pub(crate) fn on_presence(client: &mut Client, link: &mut Link, asked: Asked, to: Option<Address>, stanza: &Element) {
    let kind = stanza.get_attr("type");
    if let Some(step) = kind.and_then(subscription::step_of) {
        subscription::on_step(client, link, asked, to, step, stanza);
        return;
    }
    match (kind, to) {
        (None | Some("unavailable"), None) => broadcast(client, link, kind.is_none(), stanza),
        (None, Some(Address::Occupant(room, nick))) => muc::join::on_presence(client, link, asked, room, nick, stanza),
        (Some("unavailable"), Some(Address::Occupant(room, _) | Address::Room(room))) => {
            muc::leave::on_unavailable(client, link, room, stanza);
        }
        (Some("probe"), Some(Address::Room(room))) => muc::probe::on_probe(client, link, asked, room, None),
        (Some("probe"), Some(Address::Occupant(room, nick))) => {
            muc::probe::on_probe(client, link, asked, room, Some(nick));
        }
        (None, Some(Address::Room(_))) => {
            // XEP-0045 section 7.2.1: a nick is needed.
            link.reply(&asked.error(StanzaError::JID_MALFORMED));
        }
        (None | Some("unavailable"), Some(Address::Account(account, resource))) => {
            remember(client, &account, resource.as_deref(), kind.is_none());
            client.whisper(link, Target::Account(account, resource), stanza, Pending::Nothing);
        }
        (Some("error"), Some(Address::Room(room) | Address::Occupant(room, _))) => {
            muc::leave::on_error(client, link, room, stanza);
        }
        // Rooms of other servers refuse entrance so.
        (Some("error"), Some(Address::Account(account, resource @ Some(_)))) if client.account.is_remote() => {
            client.whisper(link, Target::Account(account, resource), stanza, Pending::Nothing);
        }
        (None | Some("unavailable"), Some(Address::Server | Address::Rooms | Address::Guest(_) | Address::Foreign))
        | (Some("probe" | "error"), _) => {}
        (Some(_), _) => link.reply(&asked.error(StanzaError::BAD_REQUEST)),
    }
}

/// Section 4.6.3: who was sent directed presence is told when the client goes. Of too many the first are forgotten.
fn remember(client: &mut Client, account: &AccountName, resource: Option<&str>, available: bool) {
    let whom = (account.clone(), resource.map(str::to_owned));
    client.directed.remove(&whom);
    if available && *account != client.account {
        client.directed.insert(whom);
        if client.directed.len() > DIRECTED_MAX {
            client.directed.pop_first();
        }
    }
}

/// Tells those who were sent directed presence that the client is not available any more.
pub(crate) fn take_back(client: &mut Client, link: &mut Link, stanza: &Element) {
    for (account, resource) in std::mem::take(&mut client.directed) {
        let mut stanza = stanza.clone();
        let to = link.domains.account(&account);
        stanza.set_attr("to", resource.as_ref().map_or_else(|| to.clone(), |resource| format!("{to}/{resource}")));
        client.whisper(link, Target::Account(account, resource), &stanza, Pending::Nothing);
    }
}

/// Presence to everybody who may see it.
fn broadcast(client: &mut Client, link: &mut Link, available: bool, stanza: &Element) {
    let shown = if available { avatar::in_presence(client, stanza.clone()) } else { stanza.clone() };
    let change = change_of(&shown, available);
    client.available = available;
    client.priority = change.priority.unwrap_or(0);
    client.presence = available.then(|| stanza.clone());
    // It is for all rooms too; what was said in one of them before is over.
    client.looks.clear();
    let mut copy = shown;
    copy.set_attr("from", client.full.as_str());
    link.ask(Command::SetPresence(change), Awaited::Presence(copy));
    avatar::on_available(client, link);
    offline::ask(client, link);
    pubsub::on_capabilities(client, link, stanza);
    if !available {
        take_back(client, link, stanza);
        // Section 4.5.2: those who got directed presence are told too, so the client is in no room any more.
        let status = stanza.child_text("status").unwrap_or_default();
        for room in client.rooms.keys().cloned().collect::<Vec<_>>() {
            link.ask_and_hold(Command::Part { room: room.clone(), reason: status.clone() }, Awaited::Part(room));
        }
    }
}

/// Says once more how reachable the client is: what the server adds to it has changed.
pub(crate) fn say_again(client: &Client, link: &mut Link) {
    if let Some(stanza) = &client.presence {
        let mut change = change_of(&avatar::in_presence(client, stanza.clone()), true);
        change.payloads = Some(muc::look::payloads(client));
        client.tell(link, Command::SetPresence(change));
    }
}

pub(crate) fn change_of(stanza: &Element, available: bool) -> PresenceChange {
    let mut status = stanza.child_text("status").unwrap_or_default();
    let end = status.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= STATUS_BYTES_MAX).last();
    status.truncate(end.unwrap_or(0));
    PresenceChange {
        available: Some(available),
        show: Some(show_of(stanza.child_text("show").as_deref())),
        status: Some(status),
        priority: Some(stanza.child_text("priority").and_then(|text| text.trim().parse().ok()).unwrap_or(0)),
        payloads: Some(payloads_of(stanza)),
    }
}

/// Whether it is for rooms alone to say, or for the server.
pub(crate) fn is_of_rooms(child: &Element) -> bool {
    matches!(child.ns.as_str(), ns::MUC | ns::MUC_USER | ns::OCCUPANT_ID | ns::HATS | ns::DELAY)
}

/// Everything but what RFC 6121 defines and what belongs to rooms.
pub(crate) fn payloads_of(stanza: &Element) -> Vec<String> {
    let mut bytes = 0;
    let known = |child: &Element| child.ns == ns::CLIENT || is_of_rooms(child);
    let payloads = stanza.elements().filter(|child| !known(child)).map(Element::to_standalone);
    payloads
        .take_while(|payload| {
            bytes += payload.len();
            bytes <= PAYLOADS_BYTES_MAX
        })
        .collect()
}

fn show_of(text: Option<&str>) -> Show {
    match text.map(str::trim) {
        Some("chat") => Show::Chatty,
        Some("away") => Show::Away,
        Some("xa") => Show::ExtendedAway,
        Some("dnd") => Show::DoNotDisturb,
        Some(_) | None => Show::Available,
    }
}

/// A presence stanza that says how reachable a session is; without `from`.
pub(crate) fn of_record(record: &SessionRecord) -> Element {
    let show = match record.show {
        Show::Available => None,
        Show::Chatty => Some("chat"),
        Show::Away => Some("away"),
        Show::ExtendedAway => Some("xa"),
        Show::DoNotDisturb => Some("dnd"),
    };
    let mut presence = Element::new("presence", ns::CLIENT);
    if let Some(show) = show {
        presence = presence.text_child("show", show);
    }
    if !record.status.is_empty() {
        presence = presence.text_child("status", record.status.as_str());
    }
    presence.children(looks::everywhere(&record.payloads).filter_map(|payload| parse_standalone(payload)))
}

/// A contact, or another session of the account, came, changed or went.
pub(crate) fn on_contact(client: &mut Client, link: &mut Link, person: &Person, available: bool) {
    if person.record.account.as_ref() == Some(&client.account) {
        let resource = resource_of(person);
        if available {
            client.siblings.insert(resource);
        } else {
            client.siblings.remove(&resource);
        }
    }
    if !client.available {
        return;
    }
    // It was for the account, and `to` says so (RFC 6121 section 8.5.2.1).
    let presence = of_person(&link.domains, person, available).attr("to", client.bare.as_str());
    link.send_unchanged(&presence);
}

/// Somebody's presence outside rooms.
pub(crate) fn of_person(domains: &Domains, person: &Person, available: bool) -> Element {
    let from = domains.person(person);
    if available {
        let presence = of_record(&person.record).attr("from", from);
        return match person.record.priority {
            0 => presence,
            priority => presence.text_child("priority", priority.to_string()),
        };
    }
    let presence = Element::new("presence", ns::CLIENT).attr("from", from).attr("type", "unavailable");
    match person.record.status.as_str() {
        "" => presence,
        status => presence.text_child("status", status),
    }
}
