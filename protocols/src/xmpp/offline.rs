//! Messages for who was not there (XEP-0160): they are in the history, and a client that becomes available is given them once, unless it asks the
//! archive itself (XEP-0313 section 7.3, XEP-0386 section 4).

use super::client::Client;
use super::delay::delay;
use super::element::Element;
use super::link::Link;
use super::pending::Awaited;
use super::{message, ns};
use crate::account::{AccountCommand, AccountReply};
use crate::command::{Bound, Command, HistoryOf, HistoryQuery, Refusal, Reply};
use lavina_crdt::content::MessageKind;
use lavina_crdt::ids::MsgId;

/// Messages asked for at once.
const PAGE_LEN: usize = 100;
/// Messages given to one client; what is older is in the archive.
const MESSAGES_MAX: usize = 1_000;

/// What an answer is for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// Where the messages begin.
    First,
    /// So many messages have been given, and these follow.
    Page(usize),
}

/// The client has become available: from here on it is given what comes, so now what came before.
pub(crate) fn ask(client: &mut Client, link: &mut Link) {
    if client.takes_messages() && !std::mem::replace(&mut client.asked_offline, true) {
        link.ask_and_hold(Command::Account(AccountCommand::TakeWaiting), Awaited::Offline(Waiting::First));
    }
}

/// The core's answer.
pub(crate) fn on_answer(client: &Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    match (waiting, answer) {
        (Waiting::First, Ok(Reply::Account(AccountReply::Waiting(Some(first))))) if !client.knows_archive => {
            // Bounds are exclusive, and of two messages of a millisecond neither is to be missed.
            page(link, Bound::Time(first.hlc().ms().saturating_sub(1)), 0);
        }
        (Waiting::Page(given), Ok(Reply::History(history))) => {
            for said in &history.messages {
                let is_kept = matches!(said.content.kind, MessageKind::Message | MessageKind::Letter);
                if is_kept && said.redacted.is_none() && message::is_to(client, said) {
                    let stamp = delay(&link.domains.server, said.id.hlc().ms());
                    let message = message::render(&link.domains, said, &client.bare).child(stamp);
                    link.send_unchanged(&message);
                }
            }
            let given = given + history.messages.len();
            if let Some(last) = history.messages.last().filter(|_| !history.complete && given < MESSAGES_MAX) {
                page(link, Bound::Id(last.id), given);
            }
        }
        (Waiting::First | Waiting::Page(_), _) => {}
    }
}

fn page(link: &mut Link, after: Bound, given: usize) {
    let query = HistoryQuery {
        of: HistoryOf::Account,
        after: Some(after),
        before: None,
        ids: Vec::new(),
        limit: PAGE_LEN,
        newest: false,
        texts: true,
        events: false,
    };
    link.ask_and_hold(Command::History(query), Awaited::Offline(Waiting::Page(given)));
}

/// The session ends, and its client never said that it has got these stanzas: the first of the account's own messages among them waits, and so
/// do all that follow.
pub(crate) fn give_back(client: &Client, link: &mut Link, unread: &[Element]) {
    let first = unread.iter().filter(|stanza| stanza.name == "message").find_map(|stanza| id_of(client, stanza));
    if let Some(first) = first {
        client.tell(link, Command::Account(AccountCommand::WaitsFrom(first)));
    }
}

fn id_of(client: &Client, stanza: &Element) -> Option<MsgId> {
    let stamps = stanza.elements().filter(|child| child.is("stanza-id", ns::SID));
    let own = stamps.filter(|stamp| stamp.get_attr("by") == Some(client.bare.as_str()));
    own.filter_map(|stamp| stamp.get_attr("id")?.parse().ok()).next()
}
