//! Service discovery (XEP-0030): the features are the rows of the table in [`super::iq`], and what has no row.

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::{self, At, Request};
use super::jid::Address;
use super::link::Link;
use super::paging::{self, Page};
use super::pending::{Asked, Awaited};
use super::{caps, data, invitation, muc, ns, pubsub, upload};
use crate::command::{Command, Refusal, Reply, RoomSummary};
use crate::session::{ContactKind, SessionConfig};

/// Rooms on one page of a list.
const ROOMS_PAGE_MAX: usize = 200;

/// What an account can do, beside answering requests: the parts of XEP-0060 among them (section 10, "Feature Summary").
const ACCOUNT_FEATURES: [&str; 21] = [
    "urn:xmpp:bookmarks:1#compat",
    "urn:xmpp:pep-vcard-conversion:0",
    ns::MAM_EXTENDED,
    ns::SID,
    ns::RETRACT,
    ns::TOMBSTONE,
    "http://jabber.org/protocol/pubsub#access-open",
    "http://jabber.org/protocol/pubsub#access-presence",
    "http://jabber.org/protocol/pubsub#access-roster",
    "http://jabber.org/protocol/pubsub#access-whitelist",
    "http://jabber.org/protocol/pubsub#auto-create",
    "http://jabber.org/protocol/pubsub#config-node",
    "http://jabber.org/protocol/pubsub#config-node-max",
    "http://jabber.org/protocol/pubsub#create-nodes",
    "http://jabber.org/protocol/pubsub#delete-nodes",
    "http://jabber.org/protocol/pubsub#filtered-notifications",
    "http://jabber.org/protocol/pubsub#multi-items",
    "http://jabber.org/protocol/pubsub#persistent-items",
    "http://jabber.org/protocol/pubsub#publish",
    "http://jabber.org/protocol/pubsub#publish-options",
    "http://jabber.org/protocol/pubsub#retrieve-items",
];

/// That an account publishes (XEP-0163 section 6.1).
fn pep() -> Element {
    Element::new("identity", ns::DISCO_INFO).attr("category", "pubsub").attr("type", "pep")
}

/// What an answer is for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// `disco#info` of a room.
    Info(Asked),
    /// `disco#info` of an account that is not the client's own.
    Account(Asked, Option<String>),
    /// `disco#items` of a room.
    Items(Asked),
    /// `disco#items` of the MUC service.
    Rooms(Asked, Page),
}

/// `disco#info`.
pub(crate) fn on_info(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if let (At::Contact, false, Some(Address::Account(account, _))) = (request.at, request.set, &request.to) {
        let node = request.payload.get_attr("node").map(str::to_owned);
        let waiting = Waiting::Account(request.asked, node);
        link.ask(Command::LookAt(account.clone(), String::new()), Awaited::Disco(waiting));
        return Ok(());
    }
    if request.at == At::Server && !request.set && invitation::info(link, &request) {
        return Ok(());
    }
    if request.at == At::Server && !request.set {
        let info = server(&link.config);
        let node = request.payload.get_attr("node").filter(|node| !node.is_empty());
        if node.is_some_and(|node| !caps::names(node, &info)) {
            return Err(StanzaError::ITEM_NOT_FOUND);
        }
        let mut info = info;
        if let Some(node) = node {
            info.set_attr("node", node);
        }
        link.reply(&request.asked.result(Some(info)));
        return Ok(());
    }
    if request.at == At::Room && !request.set && request.payload.get_attr("node") == Some(muc::registration::NODE) {
        link.reply(&request.asked.result(Some(muc::registration::info(client)?)));
        return Ok(());
    }
    check(&request)?;
    let (category, kind, name) = match (request.at, request.to) {
        (At::Account | At::Contact | At::Server, _) => ("account", "registered", None),
        (At::Rooms, _) => ("conference", "text", Some("Rooms")),
        (At::Room, Some(Address::Room(room))) => {
            link.ask(Command::RoomInfo(room), Awaited::Disco(Waiting::Info(request.asked)));
            return Ok(());
        }
        (At::Room, _) => return Err(StanzaError::ITEM_NOT_FOUND),
    };
    let more: &[&str] = match request.at {
        At::Account => &ACCOUNT_FEATURES,
        At::Rooms => &[ns::MUC, ns::OCCUPANT_ID, ns::RSM],
        At::Contact | At::Server | At::Room => &[],
    };
    let features = iq::features(request.at).into_iter().chain(more.iter().copied());
    // Push services are at other servers, or components.
    let abroad = link.domains.abroad;
    let features = features.filter(|feature| *feature != ns::PUSH || abroad);
    let query = info(category, kind, name, features).maybe_child((request.at == At::Account).then(pep));
    link.reply(&request.asked.result(Some(query)));
    Ok(())
}

/// What the server is and can do.
pub(crate) fn server(config: &SessionConfig) -> Element {
    let upload = upload::disco_form(config);
    let features = iq::features(At::Server).into_iter().chain(["msgoffline", ns::CAPS, ns::CAPS2, ns::REPORTING]);
    let features = features.filter(|feature| *feature != ns::UPLOAD || upload.is_some());
    let features = features.filter(|feature| *feature != ns::EXTERNAL_SERVICES || !config.services.is_empty());
    // XEP-0363 section 3: the server takes the files itself.
    let store = || Element::new("identity", ns::DISCO_INFO).attr("category", "store").attr("type", "file");
    let store = upload.is_some().then(store);
    let info = info("server", "im", Some(config.network.as_str()), features);
    info.maybe_child(store).maybe_child(contacts(config)).maybe_child(upload)
}

/// Where those who run the server are reached (XEP-0157).
fn contacts(config: &SessionConfig) -> Option<Element> {
    let var = |kind: ContactKind| match kind {
        ContactKind::Abuse => "abuse-addresses",
        ContactKind::Admin => "admin-addresses",
        ContactKind::Feedback => "feedback-addresses",
        ContactKind::Sales => "sales-addresses",
        ContactKind::Security => "security-addresses",
        ContactKind::Status => "status-addresses",
        ContactKind::Support => "support-addresses",
    };
    let field = |(kind, addresses): &(ContactKind, Vec<String>)| {
        let values = addresses.iter().map(|address| Element::new("value", ns::DATA).text(address.as_str()));
        Element::new("field", ns::DATA).attr("var", var(*kind)).attr("type", "list-multi").children(values)
    };
    let form = || data::form("result", ns::SERVER_INFO).children(config.contacts.iter().map(field));
    (!config.contacts.is_empty()).then(form)
}

/// `disco#items`.
pub(crate) fn on_items(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if matches!(request.at, At::Account | At::Contact) && !request.set && request.payload.get_attr("node").is_none() {
        pubsub::list_nodes(client, link, request);
        return Ok(());
    }
    if request.at == At::Server && !request.set && request.payload.get_attr("node") == Some(ns::COMMANDS) {
        invitation::list(link, request.asked);
        return Ok(());
    }
    if request.at != At::Contact {
        check(&request)?;
    }
    let query = Element::new("query", ns::DISCO_ITEMS);
    match (request.at, request.to) {
        (At::Server, _) => {
            let rooms = Element::new("item", ns::DISCO_ITEMS).attr("jid", link.domains.rooms.as_str());
            link.reply(&request.asked.result(Some(query.child(rooms.attr("name", "Rooms")))));
        }
        (At::Rooms, _) => {
            let page = Page::of(&request.payload);
            link.ask(Command::ListRooms, Awaited::Disco(Waiting::Rooms(request.asked, page)));
        }
        (At::Room, Some(Address::Room(room))) => {
            link.ask(Command::RoomInfo(room), Awaited::Disco(Waiting::Items(request.asked)));
        }
        (At::Account | At::Contact | At::Room, _) => link.reply(&request.asked.result(Some(query))),
    }
    Ok(())
}

/// What answers a request for the items of an account that nobody has (section 8): nothing is there, as with all that are not shown.
pub(crate) fn items_of_nobody(iq: &Element) -> Option<Element> {
    let is_of_account = iq.get_attr("to").is_some_and(|to| !to.contains('/'));
    let is_asked = iq.is("iq", ns::CLIENT) && iq.get_attr("type") == Some("get") && is_of_account;
    iq.get("query", ns::DISCO_ITEMS).filter(|_| is_asked).map(|_| Element::new("query", ns::DISCO_ITEMS))
}

/// Only a `get`, and no node but the root.
fn check(request: &Request) -> Result<(), StanzaError> {
    if request.set {
        return Err(StanzaError::BAD_REQUEST);
    }
    match request.payload.get_attr("node") {
        None | Some("") => Ok(()),
        Some(_) => Err(StanzaError::ITEM_NOT_FOUND),
    }
}

fn info<'a>(category: &str, kind: &str, name: Option<&str>, features: impl Iterator<Item = &'a str>) -> Element {
    let identity =
        Element::new("identity", ns::DISCO_INFO).attr("category", category).attr("type", kind).maybe_attr("name", name);
    let features = features.map(|feature| Element::new("feature", ns::DISCO_INFO).attr("var", feature));
    Element::new("query", ns::DISCO_INFO).child(identity).children(features)
}

/// The core's answer.
pub(crate) fn on_answer(_: &Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    let (asked, payload) = match (waiting, answer) {
        (Waiting::Info(asked), Ok(Reply::Room(Some(view)))) => {
            let features = iq::features(At::Room).into_iter().chain(muc::disco::features(&view.state));
            let info = info("conference", "text", Some(muc::disco::title(&view)), features);
            (asked, info.child(muc::disco::form(&view)))
        }
        (Waiting::Account(asked, node), Ok(Reply::LookedAt(Some(found)))) if found.sees => {
            if node.is_some() {
                link.send(&asked.error(StanzaError::ITEM_NOT_FOUND));
                return;
            }
            let info = info("account", "registered", None, iq::features(At::Contact).into_iter());
            (asked, info.child(pep()))
        }
        // Section 8: nobody learns whether there is such an account.
        (Waiting::Account(asked, _), _) => {
            link.send(&asked.error(StanzaError::SERVICE_UNAVAILABLE));
            return;
        }
        (Waiting::Items(asked), Ok(Reply::Room(Some(view)))) => {
            let items = muc::disco::items(&link.domains, &view);
            (asked, Element::new("query", ns::DISCO_ITEMS).children(items))
        }
        (Waiting::Rooms(asked, page), Ok(Reply::Rooms(rooms))) => (asked, list(link, rooms, &page)),
        (Waiting::Info(asked) | Waiting::Items(asked) | Waiting::Rooms(asked, _), answer) => {
            let error = answer.err().map_or(StanzaError::ITEM_NOT_FOUND, StanzaError::from);
            link.send(&asked.error(error));
            return;
        }
    };
    link.send(&asked.result(Some(payload)));
}

fn list(link: &Link, mut rooms: Vec<RoomSummary>, page: &Page) -> Element {
    rooms.sort_by(|a, b| a.name.cmp(&b.name));
    let shown = paging::slice(&rooms, page, ROOMS_PAGE_MAX, |room| room.name.as_str());
    let items = shown.iter().map(|room| {
        let title = if room.title.is_empty() { room.name.as_str() } else { room.title.as_str() };
        let name = format!("{title} ({})", room.occupants);
        Element::new("item", ns::DISCO_ITEMS).attr("jid", link.domains.room(&room.name)).attr("name", name)
    });
    let query = Element::new("query", ns::DISCO_ITEMS).children(items);
    let name = |room: Option<&RoomSummary>| room.map(|room| room.name.to_string());
    let paged = shown.len() < rooms.len() || *page != Page::default();
    query.maybe_child(paged.then(|| paging::set(name(shown.first()), name(shown.last()), Some(rooms.len()))))
}
