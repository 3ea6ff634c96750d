//! What a client is spared while nobody looks at it (client state indication, XEP-0352): who comes and goes, signs of writing, what contacts
//! publish. It waits until somebody looks or until a message comes, which then finds everything before it said; of what is overtaken by
//! news only the news is kept.
//!
//! **Invariant:** what waits keeps its order, and nothing waits without bound.

use super::unacked::Sent;
use crate::event::{Conversation, Event, Leave};
use lavina_crdt::ids::SessionId;
use lavina_crdt::looks;
use lavina_crdt::names::{AccountName, Nick, RoomName};
use std::collections::VecDeque;
use std::sync::Arc;

/// Stanzas that wait at most; then all of them go out.
const LEN_MAX: usize = 512;

/// What an event is about: later news of the same overtakes it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Topic {
    /// A contact's presence.
    Contact(SessionId),
    /// Somebody in rooms.
    Person(SessionId),
    /// The same, not in all of them alike.
    Look,
    /// A nick's place in a room.
    Place(RoomName, Nick),
    /// Somebody writes.
    Writing(SessionId, Conversation),
    /// Something that an account shows.
    Shown(AccountName, String),
    /// Who was or is behind a cut.
    Cut,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    on: bool,
    /// What the event that is being shown is about.
    topic: Option<Topic>,
    held: VecDeque<(Topic, Sent)>,
}

impl Quiet {
    /// Whether everything goes out at once.
    pub(crate) const fn is_off(&self) -> bool {
        !self.on
    }

    /// Nobody looks.
    pub(crate) fn begin(&mut self) {
        self.on = true;
    }

    /// Somebody looks: gives what has waited.
    pub(crate) fn end(&mut self) -> Vec<Sent> {
        self.on = false;
        self.take()
    }

    /// The stanzas that follow are an event's, until [`Quiet::told`].
    pub(crate) fn tell(&mut self, event: &Arc<Event>) {
        if self.on {
            self.topic = topic(event);
            // Each of the two sides of a cut has to be shown, and what was said of some rooms is no news of the others.
            if let Some(topic) = self.topic.as_ref().filter(|topic| !matches!(topic, Topic::Cut | Topic::Look)) {
                self.held.retain(|(other, _)| other != topic);
            }
        }
    }

    /// The event has been shown.
    pub(crate) fn told(&mut self) {
        self.topic = None;
    }

    /// Takes a stanza; gives those that are to go out now.
    pub(crate) fn pass(&mut self, stanza: Sent) -> Vec<Sent> {
        match &self.topic {
            Some(topic) => {
                self.held.push_back((topic.clone(), stanza));
                if self.held.len() > LEN_MAX { self.take() } else { Vec::new() }
            }
            None if stanza.is_message() => {
                let mut all = self.take();
                all.push(stanza);
                all
            }
            None => vec![stanza],
        }
    }

    fn take(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.held).into_iter().map(|(_, stanza)| stanza).collect()
    }
}

/// `None`: it cannot wait.
fn topic(event: &Event) -> Option<Topic> {
    match event {
        Event::ContactPresence { person, .. } => Some(Topic::Contact(person.session)),
        Event::PersonChanged { old, person, .. } if looks::differ(&old.payloads, &person.record.payloads) => {
            Some(Topic::Look)
        }
        Event::PersonChanged { person, .. } | Event::Quit { person, .. } => Some(Topic::Person(person.session)),
        Event::Joined { room, occupant } | Event::Left { room, occupant, how: Leave::Part(_), own: false } => {
            Some(Topic::Place(room.clone(), occupant.nick.clone()))
        }
        Event::Said(said) if said.content.is_passing() => {
            Some(Topic::Writing(said.author.session, said.conversation.clone()))
        }
        Event::Shown { account, register, .. } => Some(Topic::Shown(account.clone(), register.key.clone())),
        Event::Netsplit { .. } | Event::Netjoin { .. } => Some(Topic::Cut),
        Event::Said(_)
        | Event::Left { .. }
        | Event::Entered(_)
        | Event::NickChanged { .. }
        | Event::RoomChanged { .. }
        | Event::Invited { .. }
        | Event::Knocked { .. }
        | Event::WatchedChanged { .. }
        | Event::Noted { .. }
        | Event::Renamed { .. }
        | Event::Unreachable { .. }
        | Event::Reachable { .. }
        | Event::Caught { .. }
        | Event::Watched { .. }
        | Event::Marked { .. }
        | Event::RosterPush { .. }
        | Event::Subscription(..)
        | Event::Blocked { .. }
        | Event::Abroad(..)
        | Event::Ended(_)
        | Event::Forwarded(_)
        | Event::Whisper { .. }
        | Event::Closed { .. }
        | Event::Abandoned { .. }
        | Event::Waiting(_)
        | Event::Wallops { .. }
        | Event::Notice(_) => None,
    }
}
