//! Blocking (XEP-0191), with reports of abuse (XEP-0377), which are taken as the reason of a block.

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::jid::Address;
use super::link::Link;
use super::ns;
use super::pending::{Asked, Awaited};
use crate::command::{Command, Refusal, Reply};
use lavina_crdt::names::AccountName;

/// Addresses in one request.
const ITEMS_MAX: usize = 64;

/// What an answer is for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The list.
    List(Asked),
    /// The list, all of which is to be unblocked.
    All(Asked),
}

/// A request about the list.
pub(crate) fn on_request(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    match (request.payload.name.as_str(), request.set) {
        ("blocklist", false) => {
            client.blocklist = true;
            link.ask(Command::Blocked, Awaited::Blocking(Waiting::List(request.asked)));
        }
        ("block", true) => {
            let whom = items(link, &request.payload)?;
            if whom.is_empty() {
                return Err(StanzaError::BAD_REQUEST);
            }
            link.ask(Command::Block(whom, true), Awaited::Done(request.asked));
        }
        ("unblock", true) => {
            let whom = items(link, &request.payload)?;
            if whom.is_empty() {
                // Section 3.4: everybody.
                link.ask_and_hold(Command::Blocked, Awaited::Blocking(Waiting::All(request.asked)));
            } else {
                link.ask(Command::Block(whom, false), Awaited::Done(request.asked));
            }
        }
        _ => return Err(StanzaError::BAD_REQUEST),
    }
    Ok(())
}

fn items(link: &Link, payload: &Element) -> Result<Vec<AccountName>, StanzaError> {
    let items: Vec<&Element> = payload.elements().filter(|item| item.is("item", ns::BLOCKING)).collect();
    if items.len() > ITEMS_MAX {
        return Err(StanzaError::POLICY_VIOLATION.text("too many at once"));
    }
    let account = |item: &Element| {
        let jid = item.get_attr("jid").ok_or(StanzaError::BAD_REQUEST)?;
        match link.domains.parse(jid).map_err(|_| StanzaError::JID_MALFORMED)? {
            Address::Account(account, None) => Ok(account),
            Address::Account(_, Some(_))
            | Address::Server
            | Address::Rooms
            | Address::Room(_)
            | Address::Occupant(..)
            | Address::Guest(_)
            | Address::Foreign => Err(StanzaError::NOT_ACCEPTABLE.text("only accounts can be blocked")),
        }
    };
    items.into_iter().map(account).collect()
}

/// The core's answer.
pub(crate) fn on_answer(link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    let (Waiting::List(asked) | Waiting::All(asked)) = &waiting;
    let accounts = match answer {
        Ok(Reply::Accounts(accounts)) => accounts,
        Ok(_) => Vec::new(),
        Err(refusal) => {
            let error = asked.error(refusal);
            link.send(&error);
            return;
        }
    };
    match waiting {
        Waiting::List(asked) => {
            let items = accounts.iter().map(|account| item(link, account));
            let list = Element::new("blocklist", ns::BLOCKING).children(items);
            link.send(&asked.result(Some(list)));
        }
        Waiting::All(asked) => link.ask(Command::Block(accounts, false), Awaited::Done(asked)),
    }
}

/// The list has changed (section 3.3): clients that asked for it are told.
pub(crate) fn push(client: &Client, link: &mut Link, account: &AccountName, on: bool) {
    if !client.blocklist {
        return;
    }
    let change = Element::new(if on { "block" } else { "unblock" }, ns::BLOCKING).child(item(link, account));
    let id = link.token();
    link.send(&Element::new("iq", ns::CLIENT).attr("id", id).attr("type", "set").child(change));
}

fn item(link: &Link, account: &AccountName) -> Element {
    Element::new("item", ns::BLOCKING).attr("jid", link.domains.account(account))
}
