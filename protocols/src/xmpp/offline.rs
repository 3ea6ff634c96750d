//! Messages for who was not there (XEP-0160): they are in the history, and a client that becomes available is given them once, unless it asks the
//! archive itself (XEP-0313 section 7.3, XEP-0386 section 4).

use super::client::Client;
use super::delay::delay;
use super::element::Element;
use super::link::Link;
use super::pending::Awaited;
use super::{message, ns, push};
use crate::account::{AccountCommand, AccountReply};
use crate::command::{Bound, Command, HistoryOf, HistoryQuery, Refusal, Reply};
use crate::event::Said;
use lavina_crdt::content::MessageKind;
use lavina_crdt::ids::MsgId;
use std::collections::VecDeque;

/// Messages asked for at once.
const PAGE_LEN: usize = 100;
/// Messages given to one client; what is older is in the archive.
const MESSAGES_MAX: usize = 1_000;

/// Messages that are remembered as given: more than what is under way to a client at a time.
const GIVEN_MAX: usize = 128;

/// The newest messages that a client was given, so that none is given twice.
#[derive(Debug, Default)]
pub(crate) struct Given(VecDeque<MsgId>);

impl Given {
    /// `false`: it was given before.
    fn add(&mut self, id: MsgId) -> bool {
        if self.0.contains(&id) {
            return false;
        }
        if self.0.len() == GIVEN_MAX {
            self.0.pop_front();
        }
        self.0.push_back(id);
        true
    }
}

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

/// Something was said before the client came, and reached nobody.
pub(crate) fn on_waiting(client: &Client, link: &mut Link, first: MsgId) {
    if !client.knows_archive {
        page(link, begin(first), 0);
    }
}

/// The bound behind which a message and all later ones are. Bounds are exclusive, and of two messages of a millisecond neither is to be missed.
fn begin(first: MsgId) -> Bound {
    Bound::Time(first.hlc().ms().saturating_sub(1))
}

/// The core's answer.
pub(crate) fn on_answer(client: &mut Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    match (waiting, answer) {
        (Waiting::First, Ok(Reply::Account(AccountReply::Waiting(Some(first))))) if !client.knows_archive => {
            page(link, begin(first), 0);
        }
        (Waiting::Page(given), Ok(Reply::History(history))) => {
            for said in &history.messages {
                if is_kept(said) && said.redacted.is_none() && message::is_to(client, said) && client.given.add(said.id)
                {
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

/// Whether a message waits where nobody is there.
fn is_kept(said: &Said) -> bool {
    matches!(said.content.kind, MessageKind::Message | MessageKind::Letter)
}

/// The client is given one of its account's own messages. While its connection is gone nobody knows whether it ever comes to have it.
pub(crate) fn on_given(client: &mut Client, link: &mut Link, said: &Said) {
    if !is_kept(said) || said.content.via_room.is_some() {
        return;
    }
    client.given.add(said.id);
    push::wake(client, link, false);
    // One at a time: what it is noted from on covers all that follow.
    if link.is_detached() && !std::mem::replace(&mut client.noting, true) {
        client.noted = true;
        link.ask(Command::Account(AccountCommand::WaitsFrom(said.id)), Awaited::Noted);
    }
}

/// Tells the core from which message on the client has not said that it has got its account's own.
pub(crate) fn note(client: &mut Client, link: &mut Link) {
    let unread = link.unread();
    let first = unread.iter().filter(|stanza| stanza.name == "message").find_map(|stanza| id_of(client, stanza));
    let command = match (client.noted, first) {
        (false, None) => return,
        (false, Some(first)) => AccountCommand::WaitsFrom(first),
        (true, first) => AccountCommand::WaitsOnlyFrom(first),
    };
    client.noted = first.is_some();
    client.tell(link, Command::Account(command));
}

fn id_of(client: &Client, stanza: &Element) -> Option<MsgId> {
    let stamps = stanza.elements().filter(|child| child.is("stanza-id", ns::SID));
    let own = stamps.filter(|stamp| stamp.get_attr("by") == Some(client.bare.as_str()));
    own.filter_map(|stamp| stamp.get_attr("id")?.parse().ok()).next()
}
