//! Messages, to rooms and to people.

use super::commands::Asker;
use super::names::account_of;
use super::{Node, SessionNumber};
use crate::people::principal;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, Content, MessageKind, Principal};
use lavina_crdt::entry::Body;
use lavina_crdt::ids::Scope;
use lavina_crdt::modes::UserMode;
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::room::{Denied, Rank, Right};
use lavina_protocols::command::{Refusal, Reply, Target};
use lavina_protocols::event::{Conversation, Event, Said};
use std::sync::Arc;

/// Most bytes of a message's text, tags and payloads: with what an entry holds beside them they stay below the longest entry.
const CONTENT_BYTES_MAX: usize = 72 * 1024;

impl<S: Store> Node<S> {
    pub(super) fn say(&mut self, now: Now, asker: &Asker, target: Target, content: Content) -> Result<Reply, Refusal> {
        let content = Content { relation: None, ..content };
        self.say_related(now, asker, target, content)
    }

    /// The same for what is about an earlier message; the relation is checked.
    pub(super) fn say_related(
        &mut self,
        now: Now,
        asker: &Asker,
        target: Target,
        content: Content,
    ) -> Result<Reply, Refusal> {
        if !content.is_sound() || bytes_of(&content) > CONTENT_BYTES_MAX {
            return Err(Refusal::Denied(Denied::Malformed));
        }
        match target {
            Target::Room(room) => self.say_in(now, asker, room, content),
            Target::Nick(nick) => {
                let known = self.whose_nick(&nick).or_else(|| self.correspondent_abroad(asker, &nick));
                let to = known.ok_or(Refusal::NoSuchNick)?;
                self.takes_from(asker, &to)?;
                self.say_to(now, asker, to, content)
            }
            Target::Account(account, resource) => {
                if account.is_remote() {
                    self.gateway.ok_or(Refusal::NoSuchAccount)?;
                    let content = Content { to_resource: resource, ..content };
                    return self.say_to(now, asker, Principal::Account(account), content);
                }
                self.replicas.account(&account).ok_or(Refusal::NoSuchAccount)?;
                // RFC 6121 section 8.5.3.2.1: only what belongs to a conversation is for whoever is there instead.
                let is_for_one = matches!(content.kind, MessageKind::Letter | MessageKind::Notice);
                if is_for_one && resource.as_deref().is_some_and(|resource| !self.has_resource(&account, resource)) {
                    return Err(Refusal::NoSuchNick);
                }
                let content = Content { to_resource: resource, ..content };
                self.say_to(now, asker, Principal::Account(account), content)
            }
            Target::Occupant(room, nick) => self.say_through(now, asker, room, &nick, content),
        }
    }

    /// Whether somebody takes direct messages of the asker: whose sessions all want accounts only takes none of a guest.
    fn takes_from(&self, asker: &Asker, to: &Principal) -> Result<(), Refusal> {
        let sessions = self.people.directory().sessions_of_principal(to);
        let mut records = sessions.iter().filter_map(|session| self.people.get(*session)).peekable();
        let is_guest = asker.record.account.is_none() && principal(asker.session, &asker.record) != *to;
        let shut = records.peek().is_some() && records.all(|record| record.modes.has(UserMode::RegisteredOnly));
        if is_guest && shut { Err(Refusal::WantsAccount) } else { Ok(()) }
    }

    fn has_resource(&self, account: &AccountName, resource: &str) -> bool {
        let mut sessions = self.people.directory().sessions_of(account);
        sessions.any(|id| self.people.get(id).is_some_and(|record| record.resource.as_deref() == Some(resource)))
    }

    fn say_in(&mut self, now: Now, asker: &Asker, room: RoomName, content: Content) -> Result<Reply, Refusal> {
        let state = self.load_room(&room);
        if !state.is_open() {
            return Err(Refusal::Denied(Denied::NoRoom));
        }
        let present = asker.record.rooms.contains_key(&room);
        let author = self.author_in(asker, &room);
        match content.redaction() {
            Some(_) if !present => return Err(Refusal::Denied(Denied::NotPresent)),
            Some(redact) if redact.moderated => state.allows(&author, &Right::Moderate).map_err(Refusal::Denied)?,
            // Who may not speak any more may still take back what was said.
            Some(_) => {}
            None => {
                let speak = Right::Speak { present, is_request: content.is_request() };
                state.allows(&author, &speak).map_err(Refusal::Denied)?;
            }
        }
        let content = Content { to_resource: None, from_resource: None, via_room: None, ..content };
        let scope = Scope::Room(room);
        if let Some(said) = self.said_already(now, asker, &scope, &content)? {
            return Ok(Reply::Said(said));
        }
        self.append_said(now, scope, author, content)
    }

    fn say_through(
        &mut self,
        now: Now,
        asker: &Asker,
        room: RoomName,
        nick: &Nick,
        content: Content,
    ) -> Result<Reply, Refusal> {
        if !asker.record.rooms.contains_key(&room) {
            return Err(Refusal::Denied(Denied::NotPresent));
        }
        let to = self.whose_place(&room, nick).ok_or(Refusal::NoSuchOccupant)?;
        self.say_to(now, asker, to, Content { via_room: Some(room), ..content })
    }

    fn say_to(&mut self, now: Now, asker: &Asker, to: Principal, content: Content) -> Result<Reply, Refusal> {
        let author = match &content.via_room {
            Some(room) => self.author_in(asker, room),
            None => self.author(asker.session, &asker.record, &asker.record.nick),
        };
        self.may_reach(&author.principal(), &to)?;
        let content = Content { from_resource: asker.record.resource.clone(), least: Rank::None, ..content };
        let scope = Scope::direct(principal(asker.session, &asker.record), to);
        if let Some(said) = self.said_already(now, asker, &scope, &content)? {
            return Ok(Reply::Said(said));
        }
        let reply = self.append_said(now, scope, author, content)?;
        if let Reply::Said(said) = &reply
            && self.note_waiting(now, said).is_err()
        {
            // It is said and in the history; only nobody will be told of it.
            self.count("waiting_not_noted");
        }
        if let Reply::Said(said) = &reply {
            self.wake_absent(said);
        }
        Ok(reply)
    }

    fn append_said(&mut self, now: Now, scope: Scope, author: Author, content: Content) -> Result<Reply, Refusal> {
        if content.is_passing() {
            return self.say_in_passing(now, scope, author, content);
        }
        let appended = self.append(now, scope, Some(author), Body::Message(content))?;
        let said = self.on_effects_of(now, appended.effects, Some(appended.key));
        if let Some(said) = &said {
            self.tell_devices(said);
        }
        said.map(Reply::Said).ok_or(Refusal::Denied(Denied::Rank))
    }

    /// Shows something said to the local sessions it is for, without the one that said it.
    pub(super) fn deliver_said(&mut self, said: &Arc<Said>) {
        self.people.note_spoke(said.author.session, said.id.hlc());
        let speaker = self.sessions.number(said.author.session);
        let to: Vec<_> = match &said.conversation {
            Conversation::Room(_) if mutant::is_planted(Mutant::SaidToAll) => {
                self.sessions.numbers().filter(|number| Some(*number) != speaker).collect()
            }
            Conversation::Room(room) => {
                let state = self.room_state(room);
                let (by, least) = (said.author.principal(), said.content.least);
                let sees = |number: &SessionNumber| {
                    let who = || self.people.principal(self.sessions.id(*number));
                    least == Rank::None || who().is_some_and(|who| who == by || state.rank(&who) >= least)
                };
                let others = self.people.local(room).iter().copied().filter(|number| Some(*number) != speaker);
                others.filter(sees).collect()
            }
            Conversation::Direct { from, to, .. } => {
                // All of the receiver's, whichever resource it is for: each knows whether it shows it or a copy (XEP-0280).
                let mut sessions = self.people.directory().sessions_of_principal(to);
                if from != to {
                    sessions.extend(self.people.directory().sessions_of_principal(from));
                }
                let local = sessions.into_iter().filter_map(|session| self.sessions.number(session));
                local.filter(|number| Some(*number) != speaker).collect()
            }
        };
        self.sessions.deliver(to, Event::Said(Arc::clone(said)), &mut self.out);
        self.say_abroad(said);
    }

    /// Who goes by a nick: its holder, else the account of that name.
    pub(super) fn whose_nick(&self, nick: &Nick) -> Option<Principal> {
        self.people.directory().owner(&nick.key()).or_else(|| {
            let account = account_of(nick)?;
            self.replicas.account(&account).map(|_| Principal::Account(account))
        })
    }

    /// Who goes by a nick in a room.
    pub(super) fn whose_place(&self, room: &RoomName, nick: &Nick) -> Option<Principal> {
        self.people.principal(self.people.place(room, &nick.key()).next()?)
    }

    /// The nick by which somebody is known: in the room given, else outside; an account that is away goes by its name.
    pub(super) fn nick_of(&self, who: &Principal, room: Option<&RoomName>) -> Option<Nick> {
        let records = || {
            self.people
                .directory()
                .sessions_of_principal(who)
                .into_iter()
                .filter_map(|session| self.people.get(session))
        };
        let in_room = room.and_then(|room| records().find_map(|record| record.rooms.get(room)));
        if let Some(place) = in_room {
            return Some(place.nick.clone());
        }
        if let Some(record) = records().next() {
            return Some(record.nick.clone());
        }
        crate::said::nick_when_away(who)
    }
}

fn bytes_of(content: &Content) -> usize {
    let tags = content.tags.iter().map(|(name, value)| name.len() + value.len());
    let payloads = content.payloads.iter().map(String::len);
    content.text.len() + content.client_id.len() + tags.sum::<usize>() + payloads.sum::<usize>()
}
