//! Entering a room, and changing the nick in it (XEP-0045 sections 7.2 and 7.6).

use super::{Held, Joining, Place, Waiting as MucWaiting, hats, look, message, occupant};
use crate::command::{Bound, Command, HistoryOf, HistoryQuery, Refusal, Reply};
use crate::event::{Event, RoomView, Said};
use crate::render::Renders;
use crate::xmpp::client::Client;
use crate::xmpp::datetime;
use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::link::Link;
use crate::xmpp::pending::{Asked, Awaited, Pending};
use crate::xmpp::{ns, sid};
use lavina_crdt::ids::MsgId;
use lavina_crdt::names::{Nick, RoomName};
use lavina_crdt::room::{Act, Flag};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Messages shown to a client that does not say how many it wants.
const HISTORY_DEFAULT: usize = 20;
/// Most messages shown at entry; more is what the archive is for.
const HISTORY_MAX: usize = 100;
/// Events kept while the history is being read. Reading takes one answer of the store, so this is only reached in a flood; the history
/// is then left out and the room goes live.
const HELD_MAX: usize = 1024;

/// A join that the core is asked for.
#[derive(Debug)]
pub(crate) struct Waiting {
    asked: Asked,
    room: RoomName,
    nick: Nick,
    /// Whether the client has asked for this nick, not for one that could be none.
    exact: bool,
    history: bool,
}

/// The history asked for with it.
#[derive(Debug)]
pub(crate) struct History {
    room: RoomName,
    chars_max: Option<usize>,
}

/// Presence to a nick in a room.
pub(crate) fn on_presence(
    client: &mut Client,
    link: &mut Link,
    asked: Asked,
    room: RoomName,
    nick: Nick,
    stanza: &Element,
) {
    let muc = stanza.get("x", ns::MUC);
    match (client.rooms.get(&room), muc) {
        (Some(place), _) if place.nick != nick => {
            let waiting = MucWaiting::Nick(asked, room.clone(), nick.clone());
            link.ask_and_hold(Command::SetRoomNick { room, nick }, Awaited::Muc(waiting));
        }
        // The client gets its own copy (section 7.7).
        (Some(place), None) => {
            let presence = own_copy(client, link, &room, place, stanza);
            link.reply(&presence);
            look::show(client, link, &room, stanza);
        }
        (_, Some(muc)) => {
            look::show_at_join(client, link, &room, stanza);
            join(link, asked, room, (nick, is_exact(stanza)), muc);
        }
        // XEP-0045 section 7.2.1: who does not say that it speaks MUC does not come in by an update of its presence.
        (None, None) => link.reply(&asked.error(StanzaError::NOT_OCCUPANT)),
    }
}

/// Whether the client's wish is a nick as it stands (see [`Nick::nearest`]).
fn is_exact(stanza: &Element) -> bool {
    let wish = stanza.get_attr("to").and_then(|to| to.split_once('/')).map(|(_, nick)| nick);
    wish.is_none_or(|wish| Nick::new(wish).is_ok())
}

fn own_copy(client: &Client, link: &Link, room: &RoomName, place: &Place, stanza: &Element) -> Element {
    let (affiliation, role) = (occupant::affiliation(place.rank), occupant::role(place.rank, place.moderated));
    let item = occupant::item(&link.domains, None, affiliation, role).attr("jid", client.full.as_str());
    let told =
        stanza.elements().filter(|child| !matches!(child.ns.as_str(), ns::MUC_USER | ns::OCCUPANT_ID | ns::HATS));
    Element::new("presence", ns::CLIENT)
        .attr("from", link.domains.occupant(room, &place.nick))
        .maybe_attr("id", stanza.get_attr("id"))
        .children(told.cloned())
        .child(sid::occupant_id(room, &client.principal()))
        .maybe_child(hats::of(place.rank))
        .child(occupant::user(item, &[110]))
}

/// The client has another nick. Where others saw it change, an event has told so; where the old nick stays (another session of the person has
/// it), the room is shown anew.
pub(super) fn on_nick(
    client: &mut Client,
    link: &mut Link,
    (asked, room, nick): (Asked, RoomName, Nick),
    answer: Result<Reply, Refusal>,
) {
    if let Err(refusal) = answer {
        link.send(&asked.error(refusal));
        return;
    }
    let Some(place) = client.rooms.get_mut(&room) else { return };
    if place.nick == nick || place.joining.is_some() {
        return;
    }
    let item = occupant::item(&link.domains, None, occupant::affiliation(place.rank), "none");
    let item = item.attr("nick", nick.as_str());
    let gone = occupant::gone(&link.domains, &room, &place.nick, None, item, &[110, 303]);
    link.send(&gone);
    place.nick = nick;
    link.ask(Command::RoomInfo(room.clone()), Awaited::Muc(MucWaiting::Anew(room)));
}

/// The room as it is, after a change of nick.
pub(super) fn on_anew(client: &mut Client, link: &mut Link, room: &RoomName, answer: Result<Reply, Refusal>) {
    if let (Some(place), Ok(Reply::Room(Some(view)))) = (client.rooms.get_mut(room), answer) {
        *place = Place { joining: None, ..enter(link, &view, place.nick.clone(), true) };
    }
}

fn join(link: &mut Link, asked: Asked, room: RoomName, (nick, exact): (Nick, bool), muc: &Element) {
    let wanted = Wanted::of(muc, link.now.wall_ms);
    let history = wanted.limit > 0;
    let key = muc.child_text("password");
    let command = Command::Join { room: room.clone(), nick: Some(nick.clone()), key };
    let waiting = Waiting { asked, room: room.clone(), nick, exact, history };
    // What comes next may be for somebody in the room (RFC 6120 section 10.1: stanzas are handled in order).
    link.ask_and_hold(command, Awaited::Muc(MucWaiting::Join(waiting)));
    if history {
        let query = HistoryQuery {
            of: HistoryOf::Room(room.clone()),
            after: wanted.since_ms.map(|since| Bound::Time(since.saturating_sub(1))),
            before: None,
            ids: Vec::new(),
            limit: wanted.limit,
            newest: true,
            texts: false,
            events: false,
        };
        let waiting = History { room, chars_max: wanted.chars_max };
        link.ask(Command::History(query), Awaited::Muc(MucWaiting::History(waiting)));
    }
}

/// Which history a client wants (section 7.2.13).
struct Wanted {
    limit: usize,
    since_ms: Option<u64>,
    chars_max: Option<usize>,
}

impl Wanted {
    fn of(muc: &Element, now_ms: u64) -> Self {
        let Some(history) = muc.get("history", ns::MUC) else {
            return Self { limit: HISTORY_DEFAULT, since_ms: None, chars_max: None };
        };
        let number = |name: &str| history.get_attr(name).and_then(|text| text.trim().parse::<usize>().ok());
        let seconds = history.get_attr("seconds").and_then(|text| text.trim().parse::<u64>().ok());
        let ago_ms = seconds.map(|seconds| now_ms.saturating_sub(seconds.saturating_mul(1000)));
        let since_ms = history.get_attr("since").and_then(datetime::parse);
        let chars_max = number("maxchars");
        let limit = number("maxstanzas").unwrap_or(HISTORY_DEFAULT).min(HISTORY_MAX);
        Self {
            limit: if chars_max == Some(0) || seconds == Some(0) { 0 } else { limit },
            since_ms: ago_ms.max(since_ms),
            chars_max,
        }
    }
}

/// The client is in, or is not.
pub(super) fn on_joined(client: &mut Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    match answer {
        Ok(Reply::Joined(view, _)) => {
            if view.created {
                // Section 10.1.1: nobody else comes in until the owner has taken or configured it.
                let lock = vec![Act::SetFlag { flag: Flag::Locked, on: true }];
                link.ask(Command::Act(waiting.room.clone(), lock), Pending::Nothing);
            }
            let place = enter(link, &view, waiting.nick, waiting.exact);
            client.rooms.insert(waiting.room.clone(), place);
            if !waiting.history {
                finish(client, link, &waiting.room, &[]);
            }
        }
        Ok(_) => {}
        Err(refusal) => {
            // Section 7.2: errors of a join say that they are about MUC.
            let mut error = waiting.asked.error(refusal);
            error.children.insert(0, crate::xmpp::element::Node::Element(Element::new("x", ns::MUC)));
            link.send(&error);
        }
    }
}

/// Shows the presences of all occupants, the client's own last.
fn enter(link: &mut Link, view: &RoomView, asked_nick: Nick, exact: bool) -> Place {
    let room = &view.name;
    let nick = view.own_nick.clone().unwrap_or_else(|| asked_nick.clone());
    let is_own = |candidate: &Nick| candidate.key() == nick.key();
    let own = view.occupants.iter().find(|occupant| is_own(&occupant.nick));
    let place = Place {
        nick: nick.clone(),
        rank: own.map(|own| own.rank).unwrap_or_default(),
        moderated: view.state.has(Flag::Moderated),
        anonymous: view.state.has(Flag::Anonymous),
        titled: view.state.topic.is_some(),
        joining: Some(Joining { topic: view.state.topic.clone(), held: Vec::new() }),
    };
    for other in view.occupants.iter().filter(|occupant| !is_own(&occupant.nick)) {
        let presence = occupant::available(&link.domains, room, other, place.sight(), &[]);
        link.send(&presence);
    }
    let mut codes = vec![110];
    if !place.anonymous {
        codes.insert(0, 100);
    }
    if view.created {
        codes.push(201);
    }
    if nick != asked_nick || !exact {
        // Section 7.2.3: the service gives another nick than was asked for.
        codes.push(210);
    }
    if let Some(own) = own {
        let presence = occupant::available(&link.domains, room, own, place.sight().own(), &codes);
        link.send(&presence);
    }
    place
}

/// The history has come.
pub(super) fn on_history(client: &mut Client, link: &mut Link, waiting: &History, answer: Result<Reply, Refusal>) {
    let page = match answer {
        Ok(Reply::History(page)) => page.messages,
        Ok(_) | Err(_) => Vec::new(),
    };
    finish(client, link, &waiting.room, cut(&page, waiting.chars_max));
}

/// The newest messages that together have at most so many characters of text.
fn cut(messages: &[Arc<Said>], chars_max: Option<usize>) -> &[Arc<Said>] {
    let Some(max) = chars_max else { return messages };
    let mut chars = 0;
    let fits = |said: &&Arc<Said>| {
        chars += said.content.text.chars().count();
        chars <= max
    };
    let keep = messages.iter().rev().take_while(fits).count();
    messages.get(messages.len() - keep..).unwrap_or_default()
}

/// History, subject, and what has happened since the join.
fn finish(client: &mut Client, link: &mut Link, room: &RoomName, history: &[Arc<Said>]) {
    let Some(place) = client.rooms.get_mut(room) else { return };
    let Some(joining) = place.joining.take() else { return };
    for said in history {
        let message = message::render(&link.domains, room, said, true);
        link.send(&message);
    }
    let subject = message::subject(&link.domains, room, joining.topic.as_ref(), true);
    link.send(&subject);
    let shown: BTreeSet<MsgId> = history.iter().map(|said| said.id).collect();
    for held in joining.held {
        match held {
            Held::Said(said) if !shown.contains(&said.id) => message::on_own(client, link, room, &said),
            Held::Said(_) => {}
            Held::Event(event) => {
                let known = matches!(event.as_ref(), Event::Said(said) if shown.contains(&said.id));
                if !known {
                    client.on_room_event(link, room, &event, 0, &mut Renders::default());
                }
            }
        }
    }
}

/// Keeps something for after the history; `false` when the room is live.
pub(super) fn hold(client: &mut Client, link: &mut Link, room: &RoomName, held: impl FnOnce() -> Held) -> bool {
    let Some(joining) = client.rooms.get_mut(room).and_then(|place| place.joining.as_mut()) else { return false };
    if joining.held.len() < HELD_MAX {
        joining.held.push(held());
        return true;
    }
    finish(client, link, room, &[]);
    false
}
