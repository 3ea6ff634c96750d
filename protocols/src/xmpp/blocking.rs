//! Blocking (XEP-0191), with reports of abuse (XEP-0377) to the operators of the mesh.

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::jid::Address;
use super::link::Link;
use super::ns;
use super::pending::{Asked, Awaited, Pending};
use crate::command::{Command, Refusal, Reply};
use crate::operator::OperatorCommand;
use lavina_crdt::names::AccountName;

/// Addresses in one request.
const ITEMS_MAX: usize = 64;
/// Messages that are named in one report: they fit a line.
const REPORTED_MAX: usize = 4;
/// The register of addresses at other servers, one a line.
const ELSEWHERE: &str = "blocked-elsewhere";
/// Most of these.
const ELSEWHERE_MAX: usize = 256;

/// What an answer is for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The accounts in the list.
    List(Asked),
    /// What else is in it.
    Rest(Asked, Vec<AccountName>),
    /// The list, all of which is to be unblocked.
    All(Asked),
    /// The addresses elsewhere, which change with the accounts.
    Change(Asked, Items, bool),
}

/// Addresses of a request.
#[derive(Debug, Default)]
pub(crate) struct Items {
    accounts: Vec<AccountName>,
    elsewhere: Vec<String>,
}

/// A request about the list.
pub(crate) fn on_request(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    match (request.payload.name.as_str(), request.set) {
        ("blocklist", false) => {
            client.blocklist = true;
            link.ask_and_hold(Command::Blocked, Awaited::Blocking(Waiting::List(request.asked)));
        }
        (name @ ("block" | "unblock"), true) => {
            let on = name == "block";
            let whom = items(link, &request.payload)?;
            let reports = if on { reports(&request.payload)? } else { Vec::new() };
            for report in reports {
                link.ask(Command::Operator(report), Pending::Nothing);
            }
            match (whom.accounts.is_empty(), whom.elsewhere.is_empty()) {
                (true, true) if on => return Err(StanzaError::BAD_REQUEST),
                // Section 3.4: everybody.
                (true, true) => link.ask_and_hold(Command::Blocked, Awaited::Blocking(Waiting::All(request.asked))),
                (false, true) => link.ask(Command::Block(whom.accounts, on), Awaited::Done(request.asked)),
                (_, false) => {
                    let waiting = Waiting::Change(request.asked, whom, on);
                    link.ask_and_hold(Command::RegisterGet(ELSEWHERE.to_owned()), Awaited::Blocking(waiting));
                }
            }
        }
        _ => return Err(StanzaError::BAD_REQUEST),
    }
    Ok(())
}

fn items(link: &Link, payload: &Element) -> Result<Items, StanzaError> {
    let items: Vec<&Element> = payload.elements().filter(|item| item.is("item", ns::BLOCKING)).collect();
    if items.len() > ITEMS_MAX {
        return Err(StanzaError::POLICY_VIOLATION.text("too many at once"));
    }
    let mut whom = Items::default();
    for item in items {
        let jid = item.get_attr("jid").ok_or(StanzaError::BAD_REQUEST)?;
        match link.domains.parse(jid).map_err(|_| StanzaError::JID_MALFORMED)? {
            Address::Account(account, None) => whom.accounts.push(account),
            Address::Foreign => whom.elsewhere.push(jid.to_owned()),
            Address::Account(_, Some(_))
            | Address::Server
            | Address::Rooms
            | Address::Room(_)
            | Address::Occupant(..)
            | Address::Guest(_) => return Err(StanzaError::NOT_ACCEPTABLE.text("only accounts can be blocked")),
        }
    }
    Ok(whom)
}

/// What is reported of those who are to be blocked (XEP-0377 section 3).
fn reports(payload: &Element) -> Result<Vec<OperatorCommand>, StanzaError> {
    let mut reports = Vec::new();
    for item in payload.elements() {
        let (Some(report), Some(jid)) = (item.get("report", ns::REPORTING), item.get_attr("jid")) else { continue };
        let reason = report.get_attr("reason").ok_or(StanzaError::BAD_REQUEST)?;
        let mut about = reason.rsplit(':').next().unwrap_or(reason).to_owned();
        if let Some(text) = report.child_text("text").filter(|text| !text.trim().is_empty()) {
            about = format!("{about}, {}", text.trim());
        }
        let ids = report.elements().filter(|id| id.is("stanza-id", ns::SID)).filter_map(|id| id.get_attr("id"));
        let ids: Vec<&str> = ids.take(REPORTED_MAX).collect();
        if !ids.is_empty() {
            about = format!("{about} (messages {})", ids.join(" "));
        }
        reports.push(OperatorCommand::Report { whom: jid.to_owned(), about });
    }
    Ok(reports)
}

/// The core's answer.
pub(crate) fn on_answer(client: &Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    let (Waiting::List(asked) | Waiting::Rest(asked, _) | Waiting::All(asked) | Waiting::Change(asked, ..)) = &waiting;
    let (accounts, elsewhere) = match answer {
        Ok(Reply::Accounts(accounts)) => (accounts, Vec::new()),
        Ok(Reply::Register(value)) => (Vec::new(), lines(value)),
        Ok(_) => Default::default(),
        Err(refusal) => {
            let error = asked.error(refusal);
            link.send(&error);
            return;
        }
    };
    match waiting {
        Waiting::List(asked) => {
            let waiting = Waiting::Rest(asked, accounts);
            link.ask_and_hold(Command::RegisterGet(ELSEWHERE.to_owned()), Awaited::Blocking(waiting));
        }
        Waiting::Rest(asked, accounts) => {
            let items =
                accounts.iter().map(|account| item(link, account)).chain(elsewhere.iter().map(|jid| item_of(jid)));
            let list = Element::new("blocklist", ns::BLOCKING).children(items);
            link.send(&asked.result(Some(list)));
        }
        Waiting::All(asked) => {
            link.ask(Command::RegisterSet(ELSEWHERE.to_owned(), Vec::new()), Pending::Nothing);
            link.ask(Command::Block(accounts, false), Awaited::Done(asked));
        }
        Waiting::Change(asked, whom, on) => change(client, link, asked, whom, on, elsewhere),
    }
}

fn change(client: &Client, link: &mut Link, asked: Asked, whom: Items, on: bool, mut elsewhere: Vec<String>) {
    elsewhere.retain(|jid| !whom.elsewhere.contains(jid));
    if on {
        elsewhere.extend(whom.elsewhere.iter().cloned());
    }
    if elsewhere.len() > ELSEWHERE_MAX {
        link.send(&asked.error(StanzaError::RESOURCE_CONSTRAINT.text("too many blocked addresses")));
        return;
    }
    let set = Command::RegisterSet(ELSEWHERE.to_owned(), elsewhere.join("\n").into_bytes());
    if whom.accounts.is_empty() {
        link.ask(set, Awaited::Done(asked));
    } else {
        link.ask(set, Pending::Nothing);
        link.ask(Command::Block(whom.accounts, on), Awaited::Done(asked));
    }
    for jid in &whom.elsewhere {
        tell(client, link, item_of(jid), on);
    }
}

fn lines(value: Option<Vec<u8>>) -> Vec<String> {
    let text = value.and_then(|value| String::from_utf8(value).ok()).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The list has changed (section 3.3): clients that asked for it are told.
pub(crate) fn push(client: &Client, link: &mut Link, account: &AccountName, on: bool) {
    let item = item(link, account);
    tell(client, link, item, on);
}

fn tell(client: &Client, link: &mut Link, item: Element, on: bool) {
    if !client.blocklist {
        return;
    }
    let change = Element::new(if on { "block" } else { "unblock" }, ns::BLOCKING).child(item);
    let id = link.token();
    link.send(&Element::new("iq", ns::CLIENT).attr("id", id).attr("type", "set").child(change));
}

fn item(link: &Link, account: &AccountName) -> Element {
    item_of(&link.domains.account(account))
}

fn item_of(jid: &str) -> Element {
    Element::new("item", ns::BLOCKING).attr("jid", jid)
}
