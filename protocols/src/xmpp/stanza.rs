//! IQ routing (RFC 6120 section 10.3, RFC 6121 section 8.5): what is answered here goes through the table in [`super::iq`], what is for somebody
//! else is handed through.

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::{self, At, Request};
use super::jid::Address;
use super::link::Link;
use super::ns;
use super::pending::{Asked, Awaited, Pending};
use super::ping;
use super::push;
use crate::command::{Command, Target};
use bytes::Bytes;

impl Client {
    /// An IQ, whatever its type.
    pub(crate) fn on_iq(&mut self, link: &mut Link, asked: Asked, to: Option<Address>, iq: Element) {
        if iq.get_attr("id").is_none() {
            // RFC 6120 section 8.2.3.
            self.bounce(link, &iq, StanzaError::BAD_REQUEST);
            return;
        }
        match iq.get_attr("type") {
            Some("get" | "set") if iq.elements().count() == 1 => self.on_request(link, asked, to, iq),
            Some("result" | "error") if super::pubsub::on_features(self, link, &iq) => {}
            Some("result" | "error") => self.on_response(link, to, iq),
            Some(_) | None => self.bounce(link, &iq, StanzaError::BAD_REQUEST),
        }
    }

    fn on_request(&mut self, link: &mut Link, asked: Asked, to: Option<Address>, iq: Element) {
        let at = match &to {
            None => At::Account,
            Some(Address::Account(account, None)) if *account == self.account => At::Account,
            Some(Address::Account(account, resource)) if resource.is_some() || account.is_remote() => {
                let target = Target::Account(account.clone(), resource.clone());
                self.whisper(link, target, &iq, Awaited::Delivery(asked));
                return;
            }
            Some(Address::Account(..) | Address::Guest(_)) => At::Contact,
            Some(Address::Server) => At::Server,
            Some(Address::Rooms) => At::Rooms,
            Some(Address::Room(_)) => At::Room,
            Some(Address::Occupant(room, nick)) => {
                if ping::is_ping(&iq) && ping::is_self(self, room, nick) {
                    link.reply(&asked.result(None));
                } else if self.rooms.contains_key(room) {
                    let target = Target::Occupant(room.clone(), nick.clone());
                    self.whisper(link, target, &iq, Awaited::Delivery(asked));
                } else if iq.elements().any(|query| matches!(query.ns.as_str(), ns::DISCO_INFO | ns::DISCO_ITEMS)) {
                    // XEP-0045 section 6.6.
                    link.reply(&asked.error(StanzaError::BAD_REQUEST));
                } else {
                    // XEP-0410 section 3: this is how a client learns that it is out.
                    link.reply(&asked.error(StanzaError::NOT_OCCUPANT));
                }
                return;
            }
            Some(Address::Foreign) => return,
        };
        let set = iq.get_attr("type") == Some("set");
        let Some(payload) = iq.elements().next().cloned() else { return };
        let request = Request { asked: asked.clone(), at, set, to, payload };
        if let Err(error) = iq::run(self, link, request) {
            link.reply(&asked.error(error));
        }
    }

    /// An answer to somebody else's request.
    fn on_response(&mut self, link: &mut Link, to: Option<Address>, iq: Element) {
        match to {
            Some(Address::Account(account, resource)) if resource.is_some() || account.is_remote() => {
                self.whisper(link, Target::Account(account, resource), &iq, Pending::Nothing);
            }
            Some(Address::Occupant(room, nick)) => {
                self.whisper(link, Target::Occupant(room, nick), &iq, Pending::Nothing);
            }
            Some(Address::Account(account, None)) if self.account.is_remote() => {
                if let Some(command) = push::on_refused(&iq, &account) {
                    self.tell(link, command);
                }
            }
            Some(
                Address::Server
                | Address::Account(..)
                | Address::Rooms
                | Address::Room(_)
                | Address::Guest(_)
                | Address::Foreign,
            )
            | None => {}
        }
    }

    /// Hands a stanza through to somebody's client.
    pub(crate) fn whisper(&self, link: &mut Link, target: Target, stanza: &Element, pending: impl Into<Pending>) {
        let mut stanza = stanza.clone();
        stanza.remove_attr("from");
        debug_assert_eq!(stanza.ns, ns::CLIENT);
        link.ask(Command::Whisper(target, Bytes::from(stanza.to_standalone())), pending);
    }
}
