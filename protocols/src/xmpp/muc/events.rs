//! What happens in a room, as its occupants see it (XEP-0045 sections 7.2 to 9). What is equal for all is rendered once (see [`crate::render`]).

use super::{Held, Sight, admin, config, join, leave, look, message, occupant};
use crate::event::{Event, Leave, Occupant, Person};
use crate::render::{RenderClass, Renders};
use crate::xmpp::client::Client;
use crate::xmpp::element::Element;
use crate::xmpp::jid::Domains;
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use bytes::Bytes;
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::room::{Closed, Flag, Rank, RoomState};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Sets this protocol's ways of rendering apart from those of IRC, which has the highest bit.
const CLASS: u64 = 1 << 62;

/// One event in one room on its way to one client.
struct Showing<'a> {
    link: &'a mut Link,
    renders: &'a mut Renders,
    event: &'a Arc<Event>,
    room: &'a RoomName,
    /// Which of the event's rooms this is.
    index: u32,
    /// How many stanzas of this room have been rendered.
    stanzas: u32,
    sight: Sight,
}

impl Showing<'_> {
    /// A stanza that everybody in the room gets alike.
    fn share(&mut self, name: &str, make: impl FnOnce(&Domains) -> Element) {
        let class = self.class();
        let domains = &self.link.domains;
        let tail = self.renders.get_or_render(self.event, class, || Bytes::from(make(domains).to_stanza_tail()));
        self.link.send_tail(name, tail);
    }

    /// Many stanzas at once; they have no `to`, which a client reads as its own address (RFC 6120 section 8.1.1.1).
    fn share_all(&mut self, make: impl FnOnce(&Domains) -> Vec<Element>) {
        let class = self.class();
        let domains = &self.link.domains;
        let bytes = self.renders.get_or_render(self.event, class, || {
            Bytes::from(make(domains).iter().map(Element::to_stanza).collect::<String>())
        });
        self.link.send_presences(&bytes);
    }

    fn class(&mut self) -> RenderClass {
        self.stanzas += 1;
        let place = u64::from(self.index) << 16 | u64::from(self.stanzas & 0x3fff) << 2;
        RenderClass(CLASS | place | u64::from(self.sight.real) << 1 | u64::from(self.sight.moderated))
    }

    fn arrived(&mut self, who: &Occupant) {
        let (room, sight) = (self.room, self.sight);
        self.share("presence", |domains| occupant::available(domains, room, who, sight, &[]));
    }

    fn departed(&mut self, nick: &Nick, person: &Person, rank: Rank, status: &str) {
        let (room, sight) = (self.room, self.sight);
        self.share("presence", |domains| departure(domains, room, nick, person, (rank, sight), status));
    }
}

impl Client {
    /// An event in a room; nothing happens where the client is not in it. `index` tells the rooms of one event apart.
    pub(crate) fn on_room_event(
        &mut self,
        link: &mut Link,
        room: &RoomName,
        event: &Arc<Event>,
        index: u32,
        renders: &mut Renders,
    ) {
        if join::hold(self, link, room, || Held::Event(Arc::clone(event))) {
            return;
        }
        let Some(place) = self.rooms.get(room) else { return };
        let sight = place.sight();
        let own = place.nick.key();
        let mut showing = Showing { link, renders, event, room, index, stanzas: 0, sight };
        match event.as_ref() {
            Event::Said(said) => {
                showing.share("message", |domains| message::render(domains, room, said, said.late));
            }
            Event::Joined { occupant, .. } if occupant.nick.key() != own => showing.arrived(occupant),
            Event::Left { occupant, how, own, .. } => self.on_left(showing, occupant, how, *own),
            Event::Quit { person, places, reason } => {
                for (_, nick) in places.iter().filter(|(at, _)| at == room) {
                    showing.departed(nick, person, Rank::None, reason);
                }
            }
            Event::NickChanged { person, old, new, rooms, .. } => {
                let rank = rooms.iter().find(|(at, _)| at == room).map(|(_, rank)| *rank).unwrap_or_default();
                self.on_nick_changed(showing, person, old, new, rank);
            }
            Event::PersonChanged { old, person, rooms } => {
                if look::is_of_other_rooms(old, &person.record, room) {
                    return;
                }
                for (_, nick, rank) in rooms.iter().filter(|(at, ..)| at == room) {
                    on_person_changed(&mut showing, person, nick, *rank, nick.key() == own);
                }
            }
            Event::RoomChanged { by, old, new, ranks, .. } => self.on_room_changed(showing, by, (old, new), ranks),
            Event::Unreachable { nodes, occupants, .. } => {
                on_reach_changed(&mut showing, &format!("Out of reach: {}.", nodes.join(", ")), occupants);
            }
            Event::Reachable { nodes, occupants, .. } => {
                on_reach_changed(&mut showing, &format!("In reach again: {}.", nodes.join(", ")), occupants);
            }
            Event::Netsplit { gone, .. } => showing.share_all(|domains| {
                let places = gone.iter().flat_map(|(person, places)| places.iter().map(move |place| (person, place)));
                let here = places.filter(|(_, (at, _))| at == room);
                here.map(|(person, (_, nick))| departure(domains, room, nick, person, (Rank::None, sight), "netsplit"))
                    .collect()
            }),
            Event::Netjoin { back, .. } => showing.share_all(|domains| {
                let here = back.iter().filter(|(at, _)| at == room);
                here.map(|(_, who)| occupant::available(domains, room, who, sight, &[])).collect()
            }),
            Event::Joined { .. }
            | Event::Invited { .. }
            | Event::Knocked { .. }
            | Event::WatchedChanged { .. }
            | Event::Noted { .. }
            | Event::Renamed { .. }
            | Event::Caught { .. }
            | Event::RosterPush { .. }
            | Event::Shown { .. }
            | Event::Blocked { .. }
            | Event::Subscription(..)
            | Event::ContactPresence { .. }
            | Event::Abroad(..)
            | Event::Ended(_)
            | Event::Forwarded(_)
            | Event::Whisper { .. }
            | Event::Closed { .. }
            | Event::Abandoned { .. }
            | Event::Waiting(_)
            | Event::Wallops { .. }
            | Event::Watched { .. }
            | Event::Marked { .. }
            | Event::Entered(_)
            | Event::Notice(_) => {}
        }
    }

    fn on_left(&mut self, mut showing: Showing<'_>, who: &Occupant, how: &Leave, own: bool) {
        let (room, sight) = (showing.room, showing.sight);
        if !own {
            showing.share("presence", |domains| left(domains, room, who, how, sight, &[]));
            return;
        }
        if let Leave::Part(reason) = how {
            leave::on_left(self, showing.link, room, reason);
        } else if self.rooms.remove(room).is_some() {
            let presence = left(&showing.link.domains, room, who, how, sight.own(), &[110]);
            showing.link.send(&presence);
        }
    }

    /// Section 7.6: the old nick goes with status 303 and the new one comes.
    fn on_nick_changed(&mut self, mut showing: Showing<'_>, person: &Person, old: &Nick, new: &Nick, rank: Rank) {
        let (room, sight) = (showing.room, showing.sight);
        let Some(place) = self.rooms.get_mut(room) else { return };
        let mine = person.session == self.session;
        let sight = if mine { sight.own() } else { sight };
        let renamed = |domains: &Domains, codes: &[u16]| {
            let role = occupant::role(rank, sight.moderated);
            let item = occupant::item(domains, sight.of(person), occupant::affiliation(rank), role);
            let item = item.attr("nick", new.as_str());
            occupant::gone(domains, room, old, Some(person), item, codes)
        };
        let present =
            |domains: &Domains, codes: &[u16]| occupant::present(domains, room, new, person, (rank, sight), codes);
        if mine {
            place.nick = new.clone();
            let forced: &[u16] = if is_forced(showing.event) { &[110, 210] } else { &[110] };
            let before = renamed(&showing.link.domains, &[110, 303]);
            showing.link.send(&before);
            let after = present(&showing.link.domains, forced);
            showing.link.send(&after);
        } else {
            showing.share("presence", |domains| renamed(domains, &[303]));
            showing.share("presence", |domains| present(domains, &[]));
        }
    }

    fn on_room_changed(
        &mut self,
        mut showing: Showing<'_>,
        by: &Author,
        (old, new): (&RoomState, &RoomState),
        ranks: &[Occupant],
    ) {
        let room = showing.room;
        if let (None, Some(closed)) = (&old.closed, &new.closed) {
            self.on_closed(&mut showing, closed);
            return;
        }
        let Some(place) = self.rooms.get_mut(room) else { return };
        let (was_moderated, own_before) = (place.moderated, place.rank);
        let was_anonymous = place.anonymous;
        place.moderated = new.has(Flag::Moderated);
        place.anonymous = new.has(Flag::Anonymous);
        place.titled = new.topic.is_some();
        let own = place.nick.key();
        // What somebody has beneath their standing is not shown here.
        let is_other =
            |who: &&Occupant| who.people.first().is_none_or(|person| old.rank(&person.principal()) != who.rank);
        let ranks: Vec<&Occupant> = ranks.iter().filter(is_other).collect();
        if let Some(occupant) = ranks.iter().find(|occupant| occupant.nick.key() == own) {
            place.rank = occupant.rank;
        }
        showing.sight = place.sight();
        let (sight, moderated, rank) = (place.sight(), place.moderated, place.rank);
        for who in &ranks {
            if who.nick.key() == own {
                // Others are shown a stanza of theirs here, which counts.
                showing.class();
                let presence = occupant::available(&showing.link.domains, room, who, sight.own(), &[110]);
                showing.link.send(&presence);
            } else {
                showing.arrived(who);
            }
        }
        let told = ranks.iter().any(|who| who.nick.key() == own);
        if !told && occupant::role(own_before, was_moderated) != occupant::role(rank, moderated) {
            // Others see new roles as people speak or join; the client itself must know whether it may speak.
            self.show_own_role(&mut showing, rank);
        }
        if sight.real {
            let inside: BTreeSet<Principal> =
                ranks.iter().flat_map(|who| &who.people).map(crate::event::Person::principal).collect();
            for (account, affiliation) in affiliated_anew(old, new, &inside) {
                showing.share("message", |domains| {
                    let item = Element::new("item", ns::MUC_USER).attr("affiliation", affiliation);
                    let item = item.attr("jid", domains.account(account));
                    let message = Element::new("message", ns::CLIENT).attr("from", domains.room(room));
                    message.child(occupant::user(item, &[]))
                });
            }
        }
        if old.topic != new.topic {
            showing.share("message", |domains| {
                let subject = message::subject(domains, room, new.topic.as_ref(), false);
                subject.attr("from", domains.occupant(room, &by.nick))
            });
        }
        if settings(old) != settings(new) {
            let mut codes = vec!["104"];
            if was_anonymous != new.has(Flag::Anonymous) {
                codes.push(if was_anonymous { "172" } else { "173" });
            }
            showing.share("message", |domains| {
                // Section 10.2.1.
                let codes = codes.into_iter().map(|code| Element::new("status", ns::MUC_USER).attr("code", code));
                notice(domains, room).child(Element::new("x", ns::MUC_USER).children(codes))
            });
        }
    }

    /// Section 10.9: the room is no more, so nobody is told of its occupants.
    fn on_closed(&mut self, showing: &mut Showing<'_>, closed: &Closed) {
        let Some(place) = self.rooms.remove(showing.room) else { return };
        let item = occupant::item(&showing.link.domains, None, "none", "none");
        let venue = (!closed.venue.is_empty()).then_some(closed.venue.as_str());
        let destroy = Element::new("destroy", ns::MUC_USER).maybe_attr("jid", venue);
        let destroy =
            if closed.reason.is_empty() { destroy } else { destroy.text_child("reason", closed.reason.as_str()) };
        let password = closed.password.as_str();
        let destroy = if password.is_empty() { destroy } else { destroy.text_child("password", password) };
        let user = occupant::user(item, &[110]).child(destroy);
        let presence = Element::new("presence", ns::CLIENT)
            .attr("from", showing.link.domains.occupant(showing.room, &place.nick))
            .attr("type", "unavailable")
            .child(user);
        showing.link.send(&presence);
    }

    fn show_own_role(&self, showing: &mut Showing<'_>, rank: Rank) {
        let Some(place) = self.rooms.get(showing.room) else { return };
        let affiliation = occupant::affiliation(rank);
        let item = occupant::item(&showing.link.domains, None, affiliation, occupant::role(rank, place.moderated));
        let item = item.attr("jid", self.full.as_str());
        let presence = Element::new("presence", ns::CLIENT)
            .attr("from", showing.link.domains.occupant(showing.room, &place.nick))
            .child(occupant::user(item, &[110]));
        showing.link.send(&presence);
    }
}

fn is_forced(event: &Event) -> bool {
    matches!(event, Event::NickChanged { forced: true, .. })
}

fn on_person_changed(showing: &mut Showing<'_>, person: &Person, nick: &Nick, rank: Rank, own: bool) {
    let (room, sight) = (showing.room, showing.sight);
    if own {
        let presence = occupant::present(&showing.link.domains, room, nick, person, (rank, sight.own()), &[110]);
        showing.link.send(&presence);
    } else {
        showing.share("presence", |domains| occupant::present(domains, room, nick, person, (rank, sight), &[]));
    }
}

/// A cut or its end: one line for the room, and how its occupants are.
fn on_reach_changed(showing: &mut Showing<'_>, text: &str, occupants: &[Occupant]) {
    let (room, sight) = (showing.room, showing.sight);
    showing.share("message", |domains| notice(domains, room).text_child("body", text));
    showing
        .share_all(|domains| occupants.iter().map(|who| occupant::available(domains, room, who, sight, &[])).collect());
}

/// A message of the room itself.
fn notice(domains: &Domains, room: &RoomName) -> Element {
    Element::new("message", ns::CLIENT).attr("from", domains.room(room)).attr("type", "groupchat")
}

fn departure(
    domains: &Domains,
    room: &RoomName,
    nick: &Nick,
    person: &Person,
    (rank, sight): (Rank, Sight),
    status: &str,
) -> Element {
    let item = occupant::item(domains, sight.of(person), occupant::affiliation(rank), "none");
    let presence = occupant::gone(domains, room, nick, Some(person), item, &[]);
    if status.is_empty() { presence } else { presence.text_child("status", status) }
}

/// Accounts that are not inside and whose affiliation is another one (sections 9.3, 9.4, 10.3 to 10.7). Who is banned is inside or nobody's matter.
fn affiliated_anew<'a>(
    old: &'a RoomState,
    new: &'a RoomState,
    inside: &BTreeSet<Principal>,
) -> Vec<(&'a AccountName, &'static str)> {
    let affiliation = |state: &RoomState, who: &Principal| occupant::affiliation(state.rank(who));
    let all: BTreeSet<&Principal> = old.ranks.keys().chain(new.ranks.keys()).collect();
    let absent = all.into_iter().filter(|who| !inside.contains(who) && affiliation(old, who) != affiliation(new, who));
    let account = |who: &'a Principal| match who {
        Principal::Account(account) => Some((account, affiliation(new, who))),
        Principal::Guest(_) => None,
    };
    absent.filter_map(account).collect()
}

/// What a room tells its occupants as 104 when it changes (section 10.2.1).
fn settings(state: &RoomState) -> impl PartialEq + use<> {
    let mut flags = state.flags.clone();
    flags.remove(&Flag::Locked);
    let avatar = state.notes.get(super::avatar::NOTE).cloned();
    (flags, state.key.clone(), state.limit, state.title.clone(), state.description.clone(), avatar)
}

/// Sections 7.14, 8.2, 9.1, 9.4 and 10.2.
fn left(domains: &Domains, room: &RoomName, who: &Occupant, how: &Leave, sight: Sight, codes: &[u16]) -> Element {
    let person = occupant::face(who);
    let shown = person.filter(|_| sight.real);
    let (item, status, code) = match how {
        Leave::Part(reason) => {
            let item = occupant::item(domains, shown, occupant::affiliation(who.rank), "none");
            (item, reason.as_str(), None)
        }
        Leave::Kick { by, reason, banned, .. } => {
            let affiliation = if *banned { "outcast" } else { occupant::affiliation(who.rank) };
            let actor = Element::new("actor", ns::MUC_USER).attr("nick", by.nick.as_str());
            let item = occupant::item(domains, shown, affiliation, "none").child(actor);
            let item = if reason.is_empty() { item } else { item.text_child("reason", reason.as_str()) };
            let code = match reason.as_str() {
                _ if *banned => 301,
                config::MEMBERS_ONLY => 322,
                admin::NO_MEMBER => 321,
                _ => 307,
            };
            (item, "", Some(code))
        }
    };
    let codes: Vec<u16> = codes.iter().copied().chain(code).collect();
    let presence = occupant::gone(domains, room, &who.nick, person, item, &codes);
    if status.is_empty() { presence } else { presence.text_child("status", status) }
}
