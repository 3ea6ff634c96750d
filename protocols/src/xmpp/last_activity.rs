//! Last activity (XEP-0012): how long the server is up, and how long a contact is away. What a client's own idle time is, it is asked itself.

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::{At, Request};
use super::jid::Address;
use super::link::Link;
use super::ns;
use super::pending::{Asked, Awaited};
use crate::account::{AccountCommand, AccountReply, LastActive};
use crate::command::{Command, Refusal, Reply};

/// `<query/>`.
pub(crate) fn on_query(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if request.set {
        return Err(StanzaError::BAD_REQUEST);
    }
    let account = match (request.at, request.to) {
        (At::Contact, Some(Address::Account(account, _))) => account,
        (At::Account, _) => client.account.clone(),
        (At::Contact, _) => return Err(StanzaError::SERVICE_UNAVAILABLE),
        (At::Server | At::Rooms | At::Room, _) => {
            let up_ms = link.now.wall_ms.saturating_sub(link.config.started_ms);
            link.reply(&request.asked.result(Some(query(up_ms, ""))));
            return Ok(());
        }
    };
    link.ask(Command::Account(AccountCommand::LastActive(account)), Awaited::LastActivity(request.asked));
    Ok(())
}

/// The core's answer.
pub(crate) fn on_answer(link: &mut Link, asked: &Asked, answer: Result<Reply, Refusal>) {
    let query = match answer {
        Ok(Reply::Account(AccountReply::LastActive(Some(LastActive::There)))) => query(0, ""),
        Ok(Reply::Account(AccountReply::LastActive(Some(LastActive::Gone { at_ms, words })))) => {
            query(link.now.wall_ms.saturating_sub(at_ms), &words)
        }
        Ok(_) => return link.send(&asked.error(StanzaError::SERVICE_UNAVAILABLE)),
        Err(refusal) => return link.send(&asked.error(refusal)),
    };
    link.send(&asked.result(Some(query)));
}

fn query(ms: u64, words: &str) -> Element {
    Element::new("query", ns::LAST).attr("seconds", (ms / 1000).to_string()).text(words)
}
