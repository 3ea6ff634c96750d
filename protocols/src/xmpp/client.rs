//! A client with a bound resource: what it has asked to be told, and its places in rooms.

use super::element::Element;
use super::error::{StanzaError, StreamError};
use super::jid::{Address, Domains, Nothing};
use super::link::Link;
use super::muc::Place;
use super::pending::{Asked, Awaited, Pending};
use super::{archive, message, muc, ns, offline, presence, roster};
use crate::command::{Command, Refusal, Reply};
use lavina_crdt::content::Principal;
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::{AccountName, RoomName};
use std::collections::{BTreeMap, BTreeSet};

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) account: AccountName,
    pub(crate) resource: String,
    /// The core's id of it.
    pub(crate) session: SessionId,
    /// `account@DOMAIN`.
    pub(crate) bare: String,
    /// `account@DOMAIN/resource`.
    pub(crate) full: String,
    /// Initial presence has been sent.
    pub(crate) available: bool,
    /// Never below 0 when messages to the bare JID are wanted.
    pub(crate) priority: i8,
    /// Copies of the account's other conversations are wanted (XEP-0280).
    pub(crate) carbons: bool,
    /// The roster has been asked for: roster pushes are wanted.
    pub(crate) interested: bool,
    /// The list of who is blocked has been asked for: its changes are wanted.
    pub(crate) blocklist: bool,
    /// Resources of the account's other sessions that are available.
    pub(crate) siblings: BTreeSet<String>,
    /// Who was sent directed presence (RFC 6121 section 4.6): accounts, or one resource of them.
    pub(crate) directed: BTreeSet<(AccountName, Option<String>)>,
    /// The capabilities that its presence named last (XEP-0115), `node#ver`.
    pub(crate) caps: Option<String>,
    /// The id of the request for them, while it is not answered.
    pub(crate) caps_asked: Option<String>,
    /// The PEP nodes that it wants to be told of.
    pub(crate) wanted: BTreeSet<String>,
    /// It has been told where its archive ends (XEP-0386), and asks for what it missed by itself.
    pub(crate) knows_archive: bool,
    /// The id of the account's picture (XEP-0084), once it has been asked for.
    pub(crate) photo: Option<String>,
    /// It has been asked for.
    pub(crate) asked_avatar: bool,
    /// What the client said last of how reachable it is.
    pub(crate) presence: Option<Element>,
    /// It wants to be woken when nobody looks at it.
    pub(crate) wakes: bool,
    /// It has been, and nobody has looked since.
    pub(crate) woken: bool,
    /// What of the account's archive is shown.
    pub(crate) archive_prefs: archive::History,
    /// It has been given what came while nobody was there.
    pub(crate) asked_offline: bool,
    /// The core knows of messages that the client has not said it has got.
    pub(crate) noted: bool,
    /// It is being told of one.
    pub(crate) noting: bool,
    /// The newest messages that it was given as its account's own.
    pub(crate) given: offline::Given,
    /// How it shows itself in rooms where that is not as everywhere, as written in presence.
    pub(crate) looks: BTreeMap<RoomName, String>,
    /// Rooms the client is in.
    pub(crate) rooms: BTreeMap<RoomName, Place>,
}

impl Client {
    pub(crate) fn new(domains: &Domains, account: AccountName, resource: String, session: SessionId) -> Self {
        Self {
            bare: domains.account(&account),
            full: domains.full(&account, &resource),
            account,
            resource,
            session,
            available: false,
            priority: 0,
            carbons: false,
            interested: false,
            blocklist: false,
            siblings: BTreeSet::new(),
            directed: BTreeSet::new(),
            caps: None,
            caps_asked: None,
            wanted: BTreeSet::new(),
            knows_archive: false,
            photo: None,
            asked_avatar: false,
            presence: None,
            wakes: false,
            woken: false,
            archive_prefs: archive::History::default(),
            asked_offline: false,
            noted: false,
            noting: false,
            given: offline::Given::default(),
            looks: BTreeMap::new(),
            rooms: BTreeMap::new(),
        }
    }

    /// Whose rights the client acts with.
    pub(crate) fn principal(&self) -> Principal {
        Principal::Account(self.account.clone())
    }

    /// Whether messages to the bare JID are for this client too (RFC 6121 section 8.5.2).
    pub(crate) fn takes_messages(&self) -> bool {
        self.available && self.priority >= 0
    }

    /// A child of the stream.
    pub(crate) fn on_element(&mut self, link: &mut Link, element: Element) -> Result<(), StreamError> {
        match element.ns.as_str() {
            ns::CLIENT => {
                self.check_from(&link.domains, &element)?;
                self.on_stanza(link, element)?;
                link.mark_handled();
                Ok(())
            }
            ns::SM => super::stream_management::on_element(self, link, &element),
            ns::CSI => on_state(link, &element),
            _ => Err(StreamError::new("unsupported-stanza-type")),
        }
    }

    /// **Invariant:** nobody speaks as somebody else (RFC 6120 section 8.1.2.1).
    fn check_from(&self, domains: &Domains, stanza: &Element) -> Result<(), StreamError> {
        match stanza.get_attr("from") {
            None => Ok(()),
            Some(from) if from == self.full => Ok(()),
            Some(from) => match domains.canonical(from) {
                Ok(from) if from == self.bare || from == self.full => Ok(()),
                Ok(_) | Err(_) => Err(StreamError::new("invalid-from")),
            },
        }
    }

    fn on_stanza(&mut self, link: &mut Link, stanza: Element) -> Result<(), StreamError> {
        let asked = Asked::of(&stanza);
        let to = match stanza.get_attr("to").map(|to| link.domains.parse(to)) {
            None => None,
            Some(Ok(to)) => Some(to),
            Some(Err(nothing)) => {
                self.on_stanza_to_nothing(link, &stanza, nothing);
                return Ok(());
            }
        };
        if to == Some(Address::Foreign) {
            // There is no server-to-server link.
            self.bounce(link, &stanza, StanzaError::REMOTE_SERVER_NOT_FOUND);
            return Ok(());
        }
        match stanza.name.as_str() {
            "iq" => self.on_iq(link, asked, to, stanza),
            "message" => self.on_message(link, asked, to, &stanza),
            "presence" => self.on_presence(link, asked, to, &stanza),
            _ => return Err(StreamError::new("unsupported-stanza-type")),
        }
        Ok(())
    }

    /// A stanza to what is not there and cannot be.
    fn on_stanza_to_nothing(&self, link: &mut Link, stanza: &Element, nothing: Nothing) {
        let error = match (nothing, stanza.name.as_str()) {
            (Nothing::Malformed, _) => StanzaError::JID_MALFORMED,
            // RFC 6121 section 8.5.1.
            (Nothing::Account, "presence") => return,
            (Nothing::Account, _) => match super::disco::items_of_nobody(stanza) {
                Some(query) => return link.reply(&Asked::of(stanza).result(Some(query))),
                None => StanzaError::SERVICE_UNAVAILABLE,
            },
            // Who wants to enter such a room would make it.
            (Nothing::Room, "presence") if stanza.get_attr("type").is_some() => return,
            (Nothing::Room, "presence") => StanzaError::NOT_ACCEPTABLE.text("no room can have such a name here"),
            (Nothing::Room, _) => StanzaError::ITEM_NOT_FOUND,
        };
        self.bounce(link, stanza, error);
    }

    /// Answers with an error, unless the stanza is an answer itself (RFC 6120 section 8.3.1).
    pub(crate) fn bounce(&self, link: &mut Link, stanza: &Element, error: StanzaError) {
        let kind = stanza.get_attr("type");
        let is_answer = kind == Some("error") || (stanza.name == "iq" && kind == Some("result"));
        if !is_answer {
            link.reply(&Asked::of(stanza).error(error));
        }
    }

    /// The core's answer to something a bound client asked.
    pub(crate) fn on_answer(&mut self, link: &mut Link, awaited: Awaited, answer: Result<Reply, Refusal>) {
        match (awaited, answer) {
            (Awaited::Done(asked), Ok(_)) => link.send(&asked.result(None)),
            (Awaited::Result(asked, payload), Ok(_)) => link.send(&asked.result(Some(payload))),
            (
                Awaited::Done(asked) | Awaited::Result(asked, _) | Awaited::Delivery(asked) | Awaited::Roster(asked, _),
                Err(refusal),
            ) => {
                link.send(&asked.error(refusal));
            }
            (Awaited::Step(_), Ok(_) | Err(Refusal::NoSuchAccount)) => {}
            (Awaited::RosterSet(asked), Ok(_)) => link.send(&asked.result(None)),
            // RFC 6121 section 2.5.3.
            (Awaited::RosterSet(asked), Err(Refusal::NoSuchAccount)) => {
                link.send(&asked.error(StanzaError::ITEM_NOT_FOUND));
            }
            (Awaited::Step(asked) | Awaited::RosterSet(asked), Err(refusal)) => link.send(&asked.error(refusal)),
            (Awaited::Said(asked), answer) => message::on_said(self, link, &asked, answer),
            (Awaited::Roster(asked, known), Ok(reply)) => roster::on_answer(link, &asked, known.as_deref(), reply),
            (Awaited::Muc(waiting), answer) => self.on_muc_answer(link, waiting, answer),
            (Awaited::Part(room), _) => muc::leave::on_left(self, link, &room, ""),
            (Awaited::Disco(waiting), answer) => super::disco::on_answer(self, link, waiting, answer),
            (Awaited::Archive(waiting), answer) => archive::on_answer(self, link, waiting, answer),
            (Awaited::Blocking(waiting), answer) => super::blocking::on_answer(self, link, waiting, answer),
            (Awaited::VCard(waiting), answer) => super::vcard::on_answer(self, link, waiting, answer),
            (Awaited::Pubsub(waiting), answer) => super::pubsub::on_answer(self, link, waiting, answer),
            (Awaited::Retracted(retracted), answer) => super::relation::on_retracted(self, link, *retracted, answer),
            (Awaited::Moderated(asked), answer) => super::relation::on_moderated(self, link, &asked, answer),
            (Awaited::Avatar, answer) => super::avatar::on_answer(self, link, answer),
            (Awaited::Offline(waiting), answer) => offline::on_answer(self, link, waiting, answer),
            (Awaited::Noted, _) => self.noting = false,
            (Awaited::LastActivity(asked), answer) => super::last_activity::on_answer(link, &asked, answer),
            (Awaited::Push(waiting), answer) => super::push::on_answer(self, link, waiting, answer),
            (Awaited::Bookmarks(waiting), answer) => super::bookmarks::on_answer(self, link, waiting, answer),
            (Awaited::Private(waiting), answer) => super::private::on_answer(link, waiting, answer),
            (Awaited::Invitation(waiting), answer) => super::invitation::on_answer(link, waiting, answer),
            (Awaited::Presence(presence), Ok(_)) => link.send(&presence),
            (Awaited::Presence(_), Err(_)) | (Awaited::Delivery(_), Ok(_)) => {}
        }
    }

    /// Tells the core something that nobody waits for.
    pub(crate) fn tell(&self, link: &mut Link, command: Command) {
        link.ask(command, Pending::Nothing);
    }

    fn on_presence(&mut self, link: &mut Link, asked: Asked, to: Option<Address>, stanza: &Element) {
        presence::on_presence(self, link, asked, to, stanza);
    }

    fn on_message(&mut self, link: &mut Link, asked: Asked, to: Option<Address>, stanza: &Element) {
        message::on_message(self, link, asked, to, stanza);
    }
}

/// Whether somebody looks at the client (XEP-0352 section 4).
fn on_state(link: &mut Link, element: &Element) -> Result<(), StreamError> {
    match element.name.as_str() {
        "active" => link.wake(),
        "inactive" => link.quiet.begin(),
        _ => return Err(StreamError::new("unsupported-stanza-type")),
    }
    Ok(())
}
