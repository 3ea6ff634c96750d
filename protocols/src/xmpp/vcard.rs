//! vcard-temp (XEP-0054): an account's own vCard is one of its registers; nobody else's is told.

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::{At, Request};
use super::link::Link;
use super::ns;
use super::pending::Awaited;
use super::private::{self, Waiting};
use crate::command::Command;

/// Where the account keeps it.
const REGISTER: &str = "private/vcard-temp";

/// Reads or writes a vCard.
pub(crate) fn on_vcard(_: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    match (request.at, request.set) {
        (At::Account, false) => {
            let empty = Element::new("vCard", ns::VCARD);
            let waiting = Waiting { asked: request.asked, wrapper: None, empty };
            link.ask(Command::RegisterGet(REGISTER.to_owned()), Awaited::Private(waiting));
            Ok(())
        }
        (At::Account, true) => {
            let value = private::value_of(&request.payload)?;
            link.ask(Command::RegisterSet(REGISTER.to_owned(), value), Awaited::Done(request.asked));
            Ok(())
        }
        (At::Contact | At::Server | At::Rooms | At::Room, false) => Err(StanzaError::ITEM_NOT_FOUND),
        (At::Contact | At::Server | At::Rooms | At::Room, true) => Err(StanzaError::FORBIDDEN),
    }
}
