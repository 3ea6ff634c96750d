//! vcard-temp (XEP-0054): an account's vCard is one of its registers, shown to everybody; rooms and the server have none.

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::{At, Request};
use super::jid::Address;
use super::link::Link;
use super::pending::{Asked, Awaited};
use super::private;
use super::xml::parse_standalone;
use crate::command::{Command, Refusal, Reply};

/// Where the account keeps it.
const REGISTER: &str = "shown/vcard-temp";

/// A vCard that is asked for.
#[derive(Debug)]
pub(crate) struct Waiting(Asked);

/// Reads or writes a vCard.
pub(crate) fn on_vcard(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let account = match (request.at, request.to) {
        (At::Account, _) => client.account.clone(),
        (At::Contact, Some(Address::Account(account, _))) if !request.set => account,
        (At::Contact | At::Server | At::Rooms | At::Room, _) if request.set => return Err(StanzaError::FORBIDDEN),
        (At::Contact | At::Server | At::Rooms | At::Room, _) => return Err(StanzaError::ITEM_NOT_FOUND),
    };
    if request.set {
        let value = private::value_of(&request.payload)?;
        link.ask(Command::RegisterSet(REGISTER.to_owned(), value), Awaited::Done(request.asked));
    } else {
        let waiting = Waiting(request.asked);
        link.ask(Command::LookAt(account, REGISTER.to_owned()), Awaited::VCard(waiting));
    }
    Ok(())
}

/// The core's answer: no vCard is the same as nobody (section 3.3).
pub(crate) fn on_answer(link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    let Waiting(asked) = waiting;
    let found = match answer {
        Ok(Reply::LookedAt(found)) => found,
        Ok(_) => None,
        Err(refusal) => {
            link.send(&asked.error(refusal));
            return;
        }
    };
    let registers = found.into_iter().flat_map(|found| found.registers);
    let card = registers.filter_map(|register| String::from_utf8(register.value).ok());
    let card: Option<Element> = card.filter_map(|text| parse_standalone(&text)).next();
    let answer = match card {
        Some(card) => asked.result(Some(card)),
        None => asked.error(StanzaError::ITEM_NOT_FOUND),
    };
    link.send(&answer);
}
