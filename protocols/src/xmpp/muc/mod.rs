//! Rooms (XEP-0045): what a client's place in a room is, and the parts of the protocol.
//!
//! | rank | affiliation | role |
//! |---|---|---|
//! | founder | owner | moderator |
//! | admin | admin | moderator |
//! | operator, half-op | member | moderator |
//! | voice | member | participant |
//! | member | member | participant, visitor in a moderated room |
//! | none | none | participant, visitor in a moderated room |
//!
//! Rooms show everybody's real JID (status 100), semi-anonymous ones to moderators only. A nick that several sessions of one account share is one occupant, with one presence.

pub(super) mod admin;
pub(super) mod avatar;
pub(super) mod config;
pub(super) mod disco;
mod events;
mod hats;
pub(super) mod invite;
pub(super) mod join;
pub(super) mod leave;
pub(super) mod look;
pub(super) mod message;
mod occupant;
pub(super) mod probe;
pub(super) mod registration;
pub(super) mod voice;

use super::client::Client;
use super::link::Link;
use super::pending::Asked;
use crate::command::{Refusal, Reply};
use crate::event::{Event, Person, Said};
use lavina_crdt::names::{Nick, RoomName};
use lavina_crdt::room::{Rank, Topic};
use std::sync::Arc;

/// A client's place in a room.
#[derive(Debug)]
pub(crate) struct Place {
    /// The nick in this room.
    pub(crate) nick: Nick,
    /// The standing.
    pub(crate) rank: Rank,
    /// Whether the room is moderated: decides the roles shown.
    pub(crate) moderated: bool,
    /// Whether real addresses are for moderators only.
    pub(crate) anonymous: bool,
    /// Whether the room has a subject.
    titled: bool,
    /// While the history has not come: what is to be shown after it.
    joining: Option<Joining>,
}

/// A join that has not been shown to its end. XEP-0045 section 7.1: presences, own presence, history, subject, live messages, in this order.
#[derive(Debug)]
struct Joining {
    topic: Option<Topic>,
    held: Vec<Held>,
}

/// Something that waits for the history before it.
#[derive(Debug)]
enum Held {
    /// An event in the room.
    Event(Arc<Event>),
    /// The client's own message.
    Said(Arc<Said>),
}

/// What an answer is for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A join.
    Join(join::Waiting),
    /// The history that belongs to a join.
    History(join::History),
    /// The room as it is, for a request about affiliations and roles.
    Admin(admin::Waiting),
    /// The room as it is, for its configuration.
    Config(config::Waiting),
    /// See [`avatar`].
    Avatar(avatar::Waiting),
    /// The room as it is, for a request for voice.
    Voice(voice::Waiting),
    /// The room as it is, for a presence probe.
    Probe(probe::Waiting),
    /// Another nick in a room.
    Nick(Asked, RoomName, Nick),
    /// The room as it is, to be shown anew.
    Anew(RoomName),
    /// The subject is taken away from a room that has none, which is no change.
    Untitled(Asked, RoomName),
    /// Commands that follow from a request; the last one answers it.
    Last(Asked),
}

impl Place {
    /// What the client is to see of the room's occupants.
    fn sight(&self) -> Sight {
        let is_moderator = occupant::role(self.rank, self.moderated) == "moderator";
        Sight { moderated: self.moderated, real: !self.anonymous || is_moderator }
    }
}

/// What one occupant sees of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sight {
    /// Whether the room is moderated.
    moderated: bool,
    /// Whether real addresses are shown.
    real: bool,
}

impl Sight {
    /// Somebody, where it is to be seen who that is.
    fn of(self, person: &Person) -> Option<&Person> {
        self.real.then_some(person)
    }

    /// The same for one's own place.
    const fn own(self) -> Self {
        Self { real: true, ..self }
    }
}

impl Client {
    /// The core's answer.
    pub(crate) fn on_muc_answer(&mut self, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
        match waiting {
            Waiting::Join(waiting) => join::on_joined(self, link, waiting, answer),
            Waiting::History(waiting) => join::on_history(self, link, &waiting, answer),
            Waiting::Admin(waiting) => admin::on_room(self, link, waiting, answer),
            Waiting::Config(waiting) => config::on_room(self, link, waiting, answer),
            Waiting::Avatar(waiting) => avatar::on_answer(self, link, waiting, answer),
            Waiting::Voice(waiting) => voice::on_room(self, link, waiting, answer),
            Waiting::Nick(asked, room, nick) => join::on_nick(self, link, (asked, room, nick), answer),
            Waiting::Anew(room) => join::on_anew(self, link, &room, answer),
            Waiting::Probe(waiting) => probe::on_answer(self, link, waiting, answer),
            Waiting::Untitled(asked, room) => message::on_untitled(self, link, &asked, &room, answer),
            Waiting::Last(asked) => match answer {
                Ok(_) => link.send(&asked.result(None)),
                Err(refusal) => link.send(&asked.error(refusal)),
            },
        }
    }
}
