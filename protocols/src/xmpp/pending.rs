//! What a command was asked for, kept until its answer comes.

use super::element::Element;
use super::error::StanzaError;
use super::ns;
use super::{archive, auth, bind, blocking, disco, muc, offline, private, pubsub, registration, sasl2, vcard};
use crate::command::Target;
use lavina_crdt::content::Content;
use lavina_crdt::names::RoomName;

/// Each variant says what becomes of the answer.
#[derive(Debug)]
pub(crate) enum Pending {
    /// Nobody waits for it.
    Nothing,
    /// See [`auth`].
    Login(auth::Waiting),
    /// See [`registration`].
    Registration(registration::Waiting),
    /// See [`bind`].
    Bind(bind::Waiting),
    /// See [`sasl2`].
    Inline(sasl2::Waiting),
    /// Something that a bound client asked.
    Client(Box<Awaited>),
}

/// What a bound client waits for; the files named hold it.
#[derive(Debug)]
pub(crate) enum Awaited {
    /// An IQ: an empty result, or the error.
    Done(Asked),
    /// An IQ: that result, or the error.
    Result(Asked, Element),
    /// A message or presence, or an IQ for somebody else: only a refusal is told.
    Delivery(Asked),
    /// A step of the subscription exchange: refusals are told, but not that there is nobody (RFC 6121 section 8.5.1).
    Step(Asked),
    /// A change of the roster.
    RosterSet(Asked),
    /// Something said: reflected in its room.
    Said(Asked),
    /// Presence to everybody: the client's own copy (RFC 6121 section 4.2.2).
    Presence(Element),
    /// A roster asked for, and the version that the client has of it.
    Roster(Asked, Option<String>),
    /// See [`muc`].
    Muc(muc::Waiting),
    /// See [`super::relation`].
    Moderated(Asked),
    /// See [`super::relation`]: what is said where there is nothing to retract.
    Retracted(Box<(Asked, Target, Content)>),
    /// A place that is given up.
    Part(RoomName),
    /// See [`disco`].
    Disco(disco::Waiting),
    /// See [`archive`].
    Archive(archive::Waiting),
    /// See [`super::push`].
    Push(super::push::Waiting),
    /// See [`super::bookmarks`].
    Bookmarks(super::bookmarks::Waiting),
    /// See [`private`].
    Private(private::Waiting),
    /// See [`blocking`].
    Blocking(blocking::Waiting),
    /// See [`vcard`].
    VCard(vcard::Waiting),
    /// See [`pubsub`].
    Pubsub(pubsub::Waiting),
    /// See [`super::avatar`].
    Avatar,
    /// See [`offline`].
    Offline(offline::Waiting),
    /// See [`offline::on_given`].
    Noted,
    /// See [`super::invitation`].
    Invitation(super::invitation::Waiting),
    /// See [`super::last_activity`].
    LastActivity(Asked),
}

impl From<Awaited> for Pending {
    fn from(awaited: Awaited) -> Self {
        Self::Client(Box::new(awaited))
    }
}

/// What is needed to answer a stanza.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    name: String,
    id: Option<String>,
    to: Option<String>,
}

impl Asked {
    /// From the stanza itself.
    pub(crate) fn of(stanza: &Element) -> Self {
        Self {
            name: stanza.name.clone(),
            id: stanza.get_attr("id").map(str::to_owned),
            to: stanza.get_attr("to").map(str::to_owned),
        }
    }

    /// The result of an IQ.
    pub(crate) fn result(&self, payload: Option<Element>) -> Element {
        self.answer("result").maybe_child(payload)
    }

    /// The error of any stanza.
    pub(crate) fn error(&self, error: impl Into<StanzaError>) -> Element {
        self.answer("error").child(error.into().to_element())
    }

    /// The error of any stanza, with an `<error/>` of its own.
    pub(crate) fn error_element(&self, error: Element) -> Element {
        self.answer("error").child(error)
    }

    fn answer(&self, kind: &str) -> Element {
        Element::new(&self.name, ns::CLIENT)
            .maybe_attr("from", self.to.as_deref())
            .maybe_attr("id", self.id.as_deref())
            .attr("type", kind)
    }
}
