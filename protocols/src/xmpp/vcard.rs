//! vcard-temp (XEP-0054): an account's vCard is one of its registers, shown to everybody; a room's is its picture ([`muc::avatar`]), and the
//! server has none.

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::{At, Request};
use super::jid::Address;
use super::link::Link;
use super::pending::{Asked, Awaited};
use super::xml::parse_standalone;
use super::{avatar, muc, private};
use crate::command::{Command, LookedAt, Refusal, Reply};
use lavina_crdt::names::AccountName;

/// Where the account keeps it.
const REGISTER: &str = "shown/vcard-temp";

/// What an answer is for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A vCard.
    Card(Asked, AccountName),
    /// The avatar that goes into it.
    Photo(Asked, AccountName, Option<Element>),
}

/// Reads or writes a vCard.
pub(crate) fn on_vcard(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if request.at == At::Room {
        return muc::avatar::on_vcard(link, request);
    }
    let account = match (request.at, request.to) {
        (At::Account, _) => client.account.clone(),
        (At::Contact, Some(Address::Account(account, _))) if !request.set => account,
        (At::Contact | At::Server | At::Rooms | At::Room, _) if request.set => return Err(StanzaError::FORBIDDEN),
        (At::Contact | At::Server | At::Rooms | At::Room, _) => return Err(StanzaError::ITEM_NOT_FOUND),
    };
    if request.set {
        let value = private::value_of(&request.payload)?;
        link.ask(Command::RegisterSet(REGISTER.to_owned(), value), Awaited::Done(request.asked));
        avatar::publish(client, link, &request.payload);
    } else {
        let waiting = Waiting::Card(request.asked, account.clone());
        link.ask_and_hold(Command::LookAt(account, REGISTER.to_owned()), Awaited::VCard(waiting));
    }
    Ok(())
}

/// The core's answer: no vCard is the same as nobody (section 3.3).
pub(crate) fn on_answer(client: &Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    let (Waiting::Card(asked, _) | Waiting::Photo(asked, ..)) = &waiting;
    let found = match answer {
        Ok(Reply::LookedAt(found)) => found.map(|found| *found).unwrap_or_default(),
        Ok(_) => LookedAt::default(),
        Err(refusal) => {
            let error = asked.error(refusal);
            link.send(&error);
            return;
        }
    };
    let (asked, card) = match waiting {
        Waiting::Card(asked, account) => {
            let card = found.registers.into_iter().filter_map(|register| String::from_utf8(register.value).ok());
            let card = card.filter_map(|text| parse_standalone(&text)).next();
            let waiting = Waiting::Photo(asked, account.clone(), card);
            return avatar::ask(link, account, Awaited::VCard(waiting));
        }
        Waiting::Photo(asked, account, card) => (asked, avatar::in_card(card, &found, account == client.account)),
    };
    let answer = match card {
        Some(card) => asked.result(Some(card)),
        None => asked.error(StanzaError::ITEM_NOT_FOUND),
    };
    link.send(&answer);
}
