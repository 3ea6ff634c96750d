//! Message archives of accounts and rooms (XEP-0313). The id in an archive is the message's public id, its stanza id (XEP-0359).

mod prefs;

use super::client::Client;
use super::data;
use super::delay;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::jid::Address;
use super::link::Link;
use super::paging::{self, Page};
use super::pending::{Asked, Awaited};
use super::{datetime, message, muc, ns};
use crate::command::{Bound, Command, HistoryOf, HistoryQuery, Refusal, Reply, Target};
use crate::event::{HistoryPage, Said};
use lavina_crdt::ids::MsgId;
use lavina_crdt::names::RoomName;
pub(crate) use prefs::History;
use prefs::Prefs;
use std::collections::BTreeSet;

/// Messages on a page where the client does not say how many.
const PAGE_DEFAULT: usize = 50;
/// Most messages on a page.
const PAGE_MAX: usize = 100;
/// Ids in one query.
const IDS_MAX: usize = 100;

/// What an answer is for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// What of the account's archive is to be shown in the page asked for next.
    Preferences,
    /// A page, and what was asked for to get it.
    Page(Asked, Shape, Box<HistoryQuery>),
    /// Who is in the roster, which decides what of a page is shown.
    Contacts(Asked, Shape, Box<(HistoryQuery, HistoryPage)>),
    /// What is wanted of the archive, to be shown.
    ShowPrefs(Asked),
    /// The same, to be changed.
    ChangePrefs(Asked, Box<Prefs>),
    /// The oldest message of an archive; its newest is asked for next.
    Oldest(Asked, Option<RoomName>),
    /// The newest message; the oldest as it is to be shown.
    Newest(Asked, Option<Element>),
}

/// How a page is shown.
#[derive(Debug)]
pub(crate) struct Shape {
    room: Option<RoomName>,
    query_id: Option<String>,
    flip: bool,
}

/// `<query/>`: the form, or a page.
pub(crate) fn on_query(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if !request.set {
        link.reply(&request.asked.result(Some(Element::new("query", ns::MAM).child(form()))));
        return Ok(());
    }
    let room = room_of(&request)?;
    // Section 7.3: who asks before it becomes available is not given the same again.
    client.knows_archive |= room.is_none() && !client.available;
    let page = Page::of(&request.payload);
    let shape = Shape {
        room: room.clone(),
        query_id: request.payload.get_attr("queryid").map(str::to_owned),
        flip: request.payload.get("flip-page", ns::MAM).is_some(),
    };
    let mut query = HistoryQuery {
        of: room.map_or(HistoryOf::Account, HistoryOf::Room),
        after: None,
        before: None,
        ids: Vec::new(),
        limit: page.max.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX),
        newest: page.before.is_some(),
        texts: false,
        events: false,
    };
    if let Some((_, form)) = data::answer(&request.payload) {
        for (var, values) in data::fields(form) {
            filter(link, &mut query, var, &values)?;
        }
    }
    if let Some(after) = &page.after {
        narrow_after(&mut query, Bound::Id(id_of(after)?));
    }
    if let Some(before) = page.before.as_ref().filter(|before| !before.is_empty()) {
        narrow_before(&mut query, Bound::Id(id_of(before)?));
    }
    if query.limit == 0 {
        // XEP-0059 section 2.6: a client that only counts; counting would mean reading everything.
        link.reply(&request.asked.result(Some(fin(false, None, None))));
        return Ok(());
    }
    if shape.room.is_none() {
        link.ask(Command::RegisterGet(prefs::REGISTER.to_owned()), Awaited::Archive(Waiting::Preferences));
    }
    let waiting = Waiting::Page(request.asked, shape, Box::new(query.clone()));
    link.ask(Command::History(query), Awaited::Archive(waiting));
    Ok(())
}

/// One field of the form (section 4.1).
fn filter(link: &Link, query: &mut HistoryQuery, var: &str, values: &[String]) -> Result<(), StanzaError> {
    let value = values.first().map(String::as_str).unwrap_or_default();
    let time = || datetime::parse(value).ok_or(StanzaError::BAD_REQUEST);
    match var {
        // Bounds of a query are exclusive, those of the form are not.
        "start" => match time()? {
            0 => {}
            start => narrow_after(query, Bound::Time(start - 1)),
        },
        "end" => narrow_before(query, Bound::Time(time()?.saturating_add(1))),
        "after-id" => narrow_after(query, Bound::Id(id_of(value)?)),
        "before-id" => narrow_before(query, Bound::Id(id_of(value)?)),
        "ids" => {
            if values.len() > IDS_MAX {
                return Err(StanzaError::POLICY_VIOLATION.text("too many ids"));
            }
            query.ids = values.iter().map(|id| id_of(id)).collect::<Result<_, _>>()?;
            query.limit = query.limit.max(query.ids.len());
        }
        "with" if query.of == HistoryOf::Account => query.of = HistoryOf::With(correspondent(link, value)?),
        _ => return Err(StanzaError::FEATURE_NOT_IMPLEMENTED),
    }
    Ok(())
}

fn correspondent(link: &Link, jid: &str) -> Result<Target, StanzaError> {
    match link.domains.parse(jid).map_err(|_| StanzaError::JID_MALFORMED)? {
        Address::Account(account, _) => Ok(Target::Account(account, None)),
        Address::Guest(nick) => Ok(Target::Nick(nick)),
        Address::Occupant(room, nick) => Ok(Target::Occupant(room, nick)),
        Address::Server | Address::Rooms | Address::Room(_) | Address::Foreign => Err(StanzaError::ITEM_NOT_FOUND),
    }
}

fn narrow_after(query: &mut HistoryQuery, bound: Bound) {
    query.after = Some(match query.after {
        Some(known) if position(known) > position(bound) => known,
        Some(_) | None => bound,
    });
}

fn narrow_before(query: &mut HistoryQuery, bound: Bound) {
    query.before = Some(match query.before {
        Some(known) if position(known) < position(bound) => known,
        Some(_) | None => bound,
    });
}

/// Where a bound lies: messages of a millisecond come after the millisecond's beginning.
fn position(bound: Bound) -> (u64, Option<MsgId>) {
    match bound {
        Bound::Time(ms) => (ms, None),
        Bound::Id(id) => (id.hlc().ms(), Some(id)),
    }
}

fn id_of(text: &str) -> Result<MsgId, StanzaError> {
    text.trim().parse().map_err(|_| StanzaError::ITEM_NOT_FOUND)
}

fn room_of(request: &Request) -> Result<Option<RoomName>, StanzaError> {
    match &request.to {
        None | Some(Address::Account(_, None)) => Ok(None),
        Some(Address::Room(room)) => Ok(Some(room.clone())),
        Some(
            Address::Server
            | Address::Account(_, Some(_))
            | Address::Rooms
            | Address::Occupant(..)
            | Address::Guest(_)
            | Address::Foreign,
        ) => Err(StanzaError::SERVICE_UNAVAILABLE),
    }
}

fn form() -> Element {
    let field = |var: &str, kind: &str| Element::new("field", ns::DATA).attr("type", kind).attr("var", var);
    let open = Element::new("validate", "http://jabber.org/protocol/xdata-validate")
        .attr("datatype", "xs:string")
        .child(Element::new("open", "http://jabber.org/protocol/xdata-validate"));
    data::form("form", ns::MAM)
        .child(field("with", "jid-single"))
        .child(field("start", "text-single"))
        .child(field("end", "text-single"))
        .child(field("before-id", "text-single"))
        .child(field("after-id", "text-single"))
        .child(field("ids", "list-multi").child(open))
}

/// `<metadata/>`: the first and last message (section 5).
pub(crate) fn on_metadata(_: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let room = room_of(&request)?;
    let waiting = Waiting::Oldest(request.asked, room.clone());
    link.ask_and_hold(Command::History(edge(room, false)), Awaited::Archive(waiting));
    Ok(())
}

/// The oldest or the newest message of an archive.
pub(crate) fn edge(room: Option<RoomName>, newest: bool) -> HistoryQuery {
    let of = room.map_or(HistoryOf::Account, HistoryOf::Room);
    HistoryQuery { of, after: None, before: None, ids: Vec::new(), limit: 1, newest, texts: false, events: false }
}

/// `<prefs/>` (XEP-0441).
pub(crate) fn on_prefs(_: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let waiting = if request.set {
        // From the next millisecond on, so that what has been said is as it was wanted.
        let prefs = Prefs::wanted(&link.domains, &request.payload, link.now.wall_ms + 1)?;
        Waiting::ChangePrefs(request.asked, Box::new(prefs))
    } else {
        Waiting::ShowPrefs(request.asked)
    };
    link.ask_and_hold(Command::RegisterGet(prefs::REGISTER.to_owned()), Awaited::Archive(waiting));
    Ok(())
}

/// The core's answer.
pub(crate) fn on_answer(client: &mut Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    match waiting {
        Waiting::Preferences => {
            client.archive_prefs = registered(answer).unwrap_or_default();
        }
        Waiting::ShowPrefs(asked) => match registered(answer) {
            Ok(history) => link.send(&asked.result(Some(history.newest().to_element()))),
            Err(refusal) => link.send(&asked.error(refusal)),
        },
        Waiting::ChangePrefs(asked, prefs) => match registered(answer) {
            Ok(history) => {
                let set = Command::RegisterSet(prefs::REGISTER.to_owned(), history.with(&prefs));
                link.ask(set, Awaited::Result(asked, prefs.to_element()));
            }
            Err(refusal) => link.send(&asked.error(refusal)),
        },
        Waiting::Page(asked, shape, query) => match messages(answer) {
            Ok(page) if shape.room.is_none() && client.archive_prefs.asks_roster() => {
                let waiting = Waiting::Contacts(asked, shape, Box::new((*query, page)));
                link.ask(Command::RosterGet, Awaited::Archive(waiting));
            }
            Ok(page) => on_page(client, link, asked, shape, *query, page, &BTreeSet::new()),
            Err(refusal) => link.send(&asked.error(refusal)),
        },
        Waiting::Contacts(asked, shape, found) => match answer {
            Ok(Reply::Roster(items)) => {
                let (query, page) = *found;
                let contacts = items.iter().map(|item| link.domains.account(&item.contact)).collect();
                on_page(client, link, asked, shape, query, page, &contacts);
            }
            answer => link.send(&asked.error(answer.err().map_or(StanzaError::ITEM_NOT_FOUND, StanzaError::from))),
        },
        Waiting::Oldest(asked, room) => match messages(answer) {
            Ok(page) => {
                let start = page.messages.first().map(|said| edge_of("start", said));
                let waiting = Waiting::Newest(asked, start);
                link.ask_and_hold(Command::History(edge(room, true)), Awaited::Archive(waiting));
            }
            Err(refusal) => link.send(&asked.error(refusal)),
        },
        Waiting::Newest(asked, start) => match messages(answer) {
            Ok(page) => {
                let end = page.messages.last().map(|said| edge_of("end", said));
                let metadata = Element::new("metadata", ns::MAM).maybe_child(start).maybe_child(end);
                link.send(&asked.result(Some(metadata)));
            }
            Err(refusal) => link.send(&asked.error(refusal)),
        },
    }
}

fn registered(answer: Result<Reply, Refusal>) -> Result<History, Refusal> {
    match answer {
        Ok(Reply::Register(value)) => Ok(History::read(value.as_deref())),
        Ok(_) => Ok(History::default()),
        Err(refusal) => Err(refusal),
    }
}

fn messages(answer: Result<Reply, Refusal>) -> Result<HistoryPage, Refusal> {
    match answer {
        Ok(Reply::History(page)) => Ok(page),
        Ok(_) => Ok(HistoryPage::default()),
        Err(refusal) => Err(refusal),
    }
}

/// A page has come. Of one with nothing that is to be shown the next one is asked for: an empty page would be the end.
fn on_page(
    client: &Client,
    link: &mut Link,
    asked: Asked,
    shape: Shape,
    mut query: HistoryQuery,
    mut page: HistoryPage,
    contacts: &BTreeSet<String>,
) {
    if !query.ids.iter().all(|id| page.messages.iter().any(|said| said.id == *id)) {
        // XEP-0313 section 4.1.4.
        link.send(&asked.error(StanzaError::ITEM_NOT_FOUND));
        return;
    }
    let edge = if query.newest { page.messages.first() } else { page.messages.last() }.map(|said| said.id);
    if shape.room.is_none() {
        page.messages.retain(|said| is_archived(client, link, said, contacts));
    }
    match edge {
        Some(edge) if page.messages.is_empty() && !page.complete => {
            let bound = Some(Bound::Id(edge));
            if query.newest {
                query.before = bound
            } else {
                query.after = bound
            }
            let waiting = Waiting::Page(asked, shape, Box::new(query.clone()));
            link.ask(Command::History(query), Awaited::Archive(waiting));
        }
        _ => show(client, link, &asked, &shape, &page),
    }
}

/// Whether a message of the account is shown in its archive.
fn is_archived(client: &Client, link: &Link, said: &Said, contacts: &BTreeSet<String>) -> bool {
    let (from, to) = message::correspondents(&link.domains, said);
    let is_own = from.split('/').next() == Some(client.bare.as_str());
    let other = if is_own { to } else { from };
    client.archive_prefs.keeps(&other, said.id.hlc().ms(), contacts)
}

/// Such a message in `<metadata/>`.
pub(crate) fn edge_of(name: &str, said: &Said) -> Element {
    let stamp = datetime::format(said.id.hlc().ms());
    Element::new(name, ns::MAM).attr("id", said.id.to_string()).attr("timestamp", stamp)
}

fn show(client: &Client, link: &mut Link, asked: &Asked, shape: &Shape, page: &HistoryPage) {
    let results = page.messages.iter().map(|said| result(client, link, shape, said));
    let mut results: Vec<Element> = results.collect();
    if shape.flip {
        results.reverse();
    }
    for result in results {
        link.send(&result);
    }
    let id = |said: Option<&std::sync::Arc<Said>>| said.map(|said| said.id.to_string());
    let fin = fin(page.complete, id(page.messages.first()), id(page.messages.last()));
    link.send(&asked.result(Some(fin)));
}

fn result(client: &Client, link: &Link, shape: &Shape, said: &Said) -> Element {
    let (archive, message) = match &shape.room {
        Some(room) => (link.domains.room(room), muc::message::render(&link.domains, room, said, false)),
        None => (client.bare.clone(), message::render(&link.domains, said, &client.bare)),
    };
    let result = Element::new("result", ns::MAM)
        .maybe_attr("queryid", shape.query_id.as_deref())
        .attr("id", said.id.to_string())
        .child(delay::forwarded(Some(said.id.hlc().ms()), message));
    Element::new("message", ns::CLIENT).attr("from", archive).child(result)
}

fn fin(complete: bool, first: Option<String>, last: Option<String>) -> Element {
    let complete = complete.then_some("true");
    Element::new("fin", ns::MAM).maybe_attr("complete", complete).child(paging::set(first, last, None))
}
