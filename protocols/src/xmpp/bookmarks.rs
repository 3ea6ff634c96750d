//! Bookmarks, the same for every client (XEP-0402 section 5): the list that older ones keep in private storage (XEP-0048 in XEP-0049) is made from the
//! items of the node that newer ones publish to, and a list that is stored changes these items.
//!
//! What of a list is no room (`<url/>`) stays in private storage, and a list from before there was a node becomes the node's items when somebody first
//! asks for them or publishes one.

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::link::Link;
use super::ns;
use super::pending::{Asked, Awaited, Pending};
use super::private;
use super::pubsub::{self, Task};
use super::xml::parse_standalone;
use crate::command::{Command, LookedAt, Refusal, Reply};

/// The node.
pub(crate) const NODE: &str = "urn:xmpp:bookmarks:1";
/// XEP-0048.
const STORAGE: &str = "storage:bookmarks";
/// Rooms in a list: as many as the node has items.
const ROOMS_MAX: usize = 500;
/// The register of the list.
const REGISTER: &str = "private/storage storage:bookmarks";

/// What an answer is for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The list in private storage, to be shown.
    List(Asked),
    /// The items; the list goes with them.
    Items(Asked, Option<Element>),
    /// The items, which are to be those of this list.
    Store(Asked, Box<Element>),
    /// The list, which is to become items before something is done with the node.
    Convert(Asked, Task),
}

/// Whether an element of private storage is the list.
pub(crate) fn is_list(element: &Element) -> bool {
    element.is("storage", STORAGE)
}

/// Shows the list.
pub(crate) fn read(link: &mut Link, asked: Asked) {
    link.ask_and_hold(Command::RegisterGet(REGISTER.to_owned()), Awaited::Bookmarks(Waiting::List(asked)));
}

/// Stores a list.
pub(crate) fn write(client: &Client, link: &mut Link, asked: Asked, list: &Element) -> Result<(), StanzaError> {
    let value = private::value_of(list)?;
    if rooms(list).count() > ROOMS_MAX {
        return Err(StanzaError::POLICY_VIOLATION.text("too many bookmarks"));
    }
    link.ask(Command::RegisterSet(REGISTER.to_owned(), value), Pending::Nothing);
    look(client, link, Waiting::Store(asked, Box::new(list.clone())));
    Ok(())
}

/// There is no node yet: what a list in private storage holds becomes its items first.
pub(crate) fn convert(link: &mut Link, asked: Asked, task: Task) {
    let waiting = Awaited::Bookmarks(Waiting::Convert(asked, task));
    link.ask_and_hold(Command::RegisterGet(REGISTER.to_owned()), waiting);
}

fn look(client: &Client, link: &mut Link, waiting: Waiting) {
    link.ask_and_hold(Command::LookAt(client.account.clone(), pubsub::key(NODE)), Awaited::Bookmarks(waiting));
}

/// The core's answer.
pub(crate) fn on_answer(client: &mut Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    match (waiting, answer) {
        (
            Waiting::List(asked) | Waiting::Items(asked, _) | Waiting::Store(asked, _) | Waiting::Convert(asked, _),
            Err(refusal),
        ) => link.send(&asked.error(refusal)),
        (Waiting::List(asked), Ok(reply)) => look(client, link, Waiting::Items(asked, list_in(reply))),
        (Waiting::Items(asked, list), Ok(reply)) => {
            let shown = shown(list, &found_in(reply));
            link.send(&asked.result(Some(Element::new("query", ns::PRIVATE).child(shown))));
        }
        (Waiting::Store(asked, list), Ok(reply)) => {
            store(link, &list, &found_in(reply));
            link.ask(Command::Sync, Awaited::Done(asked));
        }
        (Waiting::Convert(asked, task), Ok(reply)) => {
            match list_in(reply).filter(|list| rooms(list).next().is_some()) {
                Some(list) => {
                    store(link, &list, &LookedAt::default());
                    pubsub::look_again(client, link, asked, NODE, task);
                }
                None => pubsub::carry_out_anew(link, asked, NODE, task),
            }
        }
    }
}

fn list_in(reply: Reply) -> Option<Element> {
    let Reply::Register(Some(value)) = reply else { return None };
    parse_standalone(std::str::from_utf8(&value).ok()?).filter(is_list)
}

fn found_in(reply: Reply) -> LookedAt {
    let Reply::LookedAt(Some(found)) = reply else { return LookedAt::default() };
    *found
}

/// The rooms of a list, with their addresses.
fn rooms(list: &Element) -> impl Iterator<Item = (&str, &Element)> {
    let rooms = list.elements().filter(|room| room.is("conference", STORAGE));
    rooms.filter_map(|room| Some((room.get_attr("jid").filter(|jid| !jid.is_empty())?, room)))
}

/// The list as an older client is to see it.
fn shown(list: Option<Element>, found: &LookedAt) -> Element {
    if !pubsub::has(found, NODE) {
        return list.unwrap_or_else(|| Element::new("storage", STORAGE));
    }
    let others: Vec<Element> =
        list.iter().flat_map(Element::elements).filter(|child| !child.is("conference", STORAGE)).cloned().collect();
    let rooms = pubsub::items(found).filter_map(|(id, item)| {
        let room = item.get("conference", NODE)?;
        Some(said_as(room, STORAGE).attr("jid", id))
    });
    Element::new("storage", STORAGE).children(rooms).children(others)
}

/// Makes the items those of a list; what has not changed is left alone.
fn store(link: &mut Link, list: &Element, found: &LookedAt) {
    if !pubsub::has(found, NODE) {
        pubsub::make(link, NODE, &[("pubsub#access_model", "whitelist"), ("pubsub#max_items", "max")]);
    }
    let known: Vec<(String, Element)> = pubsub::items(found).collect();
    for (jid, room) in rooms(list) {
        let before = known.iter().find(|(id, _)| id == jid).and_then(|(_, item)| item.get("conference", NODE));
        if before.is_some_and(|before| same(before, room)) {
            continue;
        }
        // Older clients know nothing of what newer ones add (section 3, `<extensions/>`).
        let extensions = before.and_then(|before| before.get("extensions", NODE)).cloned();
        let conference = said_as(room, NODE).maybe_child(extensions);
        pubsub::put_into(link, NODE, found, jid, conference);
    }
    for (id, _) in known.iter().filter(|(id, _)| !rooms(list).any(|(jid, _)| jid == id)) {
        pubsub::take_out_of(link, NODE, found, id);
    }
}

/// A room's bookmark in the other's words.
fn said_as(room: &Element, ns: &str) -> Element {
    let words = ["nick", "password"].into_iter().filter_map(|name| {
        let text = room.child_text(name).filter(|text| !text.is_empty())?;
        Some(Element::new(name, ns).text(text))
    });
    Element::new("conference", ns)
        .maybe_attr("name", room.get_attr("name"))
        .attr("autojoin", if is_joined(room) { "true" } else { "false" })
        .children(words)
}

fn is_joined(room: &Element) -> bool {
    matches!(room.get_attr("autojoin"), Some("true" | "1"))
}

fn same(one: &Element, other: &Element) -> bool {
    let of = |room: &Element| {
        let words = ["nick", "password"].map(|name| room.child_text(name).unwrap_or_default());
        (room.get_attr("name").unwrap_or_default().to_owned(), is_joined(room), words)
    };
    of(one) == of(other)
}
