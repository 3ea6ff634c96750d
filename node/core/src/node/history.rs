//! Pages of history, for who may read it: occupants, and everybody where the room is open.

use super::Node;
use super::commands::Asker;
use crate::people::principal;
use crate::replica::{Deed, Done, Message, Query};
use crate::said::said;
use crate::store::Store;
use lavina_crdt::clock::Hlc;
use lavina_crdt::content::Principal;
use lavina_crdt::ids::{OrderKey, Scope};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::names::RoomName;
use lavina_crdt::room::{Denied, Flag, Rank};
use lavina_protocols::command::{Bound, ConversationName, HistoryOf, HistoryQuery, Refusal, Reply, Target};
use lavina_protocols::event::{Conversation, Happened, Happening, HistoryPage, Said};
use std::ops::Range;
use std::sync::Arc;

impl<S: Store> Node<S> {
    pub(super) fn history(&mut self, asker: &Asker, query: &HistoryQuery) -> Result<Reply, Refusal> {
        let me = principal(asker.session, &asker.record);
        let scopes = match &query.of {
            HistoryOf::Room(room) => {
                self.may_read(asker, room)?;
                let rank = self.rank_of(room, &me);
                return self.read_since_opened(room, query, (&me, rank));
            }
            HistoryOf::With(target) => vec![self.conversation_with(asker, target)?],
            HistoryOf::Account => {
                let account = asker.record.account.clone().ok_or(Refusal::NeedsAccount)?;
                self.replicas.conversations(&account).cloned().collect()
            }
        };
        self.read_page(&scopes, query, Some((&me, Rank::None))).map(Reply::History)
    }

    /// A page of a room's history as it is stored, whoever may read it: for whoever watches a node, not for its clients.
    ///
    /// # Errors
    /// As a question for it: when a bound's message is not there, or the store cannot be read.
    pub fn look_at_history(&mut self, room: &RoomName, query: &HistoryQuery) -> Result<HistoryPage, Refusal> {
        self.read_page(&[Scope::Room(room.clone())], query, None)
    }

    fn read_page(
        &mut self,
        scopes: &[Scope],
        query: &HistoryQuery,
        reader: Option<(&Principal, Rank)>,
    ) -> Result<HistoryPage, Refusal> {
        let wanted = Query {
            scopes,
            after: query.after,
            before: query.before,
            ids: &query.ids,
            limit: query.limit.min(self.config.limits.history_page_max),
            newest: query.newest,
            texts: query.texts,
            deeds: query.events,
            reader,
        };
        let page = self.replicas.history(&wanted)?;
        let messages = page.messages.into_iter().filter_map(|message| self.said_before(message)).collect();
        let events = page.deeds.into_iter().map(|deed| Arc::new(happened(deed))).collect();
        Ok(HistoryPage { messages, events, complete: page.complete })
    }

    /// A page of what was said since the room was last opened anew: what was said before is not its occupants' to read.
    fn read_since_opened(
        &mut self,
        room: &RoomName,
        query: &HistoryQuery,
        reader: (&Principal, Rank),
    ) -> Result<Reply, Refusal> {
        let opened = self.load_room(room).opened;
        let is_later = |bound: &Bound| match bound {
            Bound::Id(id) => id.hlc() >= opened,
            Bound::Time(ms) => *ms >= opened.ms(),
        };
        let mut query = query.clone();
        if opened > Hlc(0) && !query.after.as_ref().is_some_and(is_later) {
            query.after = Some(Bound::Time(opened.ms()));
        }
        let scopes = self.history_of_room(room);
        let page = self.read_page(&scopes, &query, Some(reader))?;
        Ok(Reply::History(if scopes.len() > 1 { under_one_name(page, room) } else { page }))
    }

    pub(super) fn said_before(&self, message: Message) -> Option<Arc<Said>> {
        let via = message.content.via_room.clone();
        said(message, true, |who| self.nick_of(who, via.as_ref())).map(Arc::new)
    }

    /// Whether the asker may read a room's history: from inside; from outside when anybody could come in and see it.
    fn may_read(&mut self, asker: &Asker, room: &RoomName) -> Result<(), Refusal> {
        let state = self.load_room(room);
        if !state.is_open() {
            return Err(Refusal::Denied(Denied::NoRoom));
        }
        if asker.record.rooms.contains_key(room) || mutant::is_planted(Mutant::HistoryOpen) {
            return Ok(());
        }
        if state.has(Flag::Secret) {
            return Err(Refusal::Denied(Denied::NoRoom));
        }
        let author = self.author_in(asker, room);
        match state.admits(&author, None, 0, false) {
            Ok(()) | Err(Denied::Full) => Ok(()),
            Err(denied) => Err(Refusal::Denied(denied)),
        }
    }

    pub(super) fn conversation_with(&self, asker: &Asker, target: &Target) -> Result<Scope, Refusal> {
        let other = match target {
            Target::Nick(nick) => self.whose_nick(nick).ok_or(Refusal::NoSuchNick)?,
            Target::Account(account, _) => Principal::Account(account.clone()),
            Target::Occupant(room, nick) => self.whose_place(room, nick).ok_or(Refusal::NoSuchOccupant)?,
            Target::Room(_) => return Err(Refusal::NoSuchNick),
        };
        Ok(Scope::direct(principal(asker.session, &asker.record), other))
    }

    pub(super) fn history_targets(
        &mut self,
        asker: &Asker,
        times: Range<u64>,
        limit: usize,
        newest: bool,
    ) -> Result<Reply, Refusal> {
        let me = principal(asker.session, &asker.record);
        let rooms = asker.record.rooms.keys().cloned().map(Scope::Room);
        let account = asker.record.account.as_ref();
        let direct = account.into_iter().flat_map(|account| self.replicas.conversations(account)).cloned();
        let scopes: Vec<Scope> = rooms.chain(direct).collect();
        let limit = limit.min(self.config.limits.history_page_max);
        let targets = self.replicas.targets(&me, &scopes, times, limit, newest)?;
        let named = |(scope, key): (Scope, OrderKey)| Some((conversation_name(scope, &me)?, key.hlc.ms()));
        Ok(Reply::Targets(targets.into_iter().filter_map(named).collect()))
    }
}

/// What was said under the names a room had before, as said in it.
fn under_one_name(page: HistoryPage, room: &RoomName) -> HistoryPage {
    let messages = page.messages.into_iter().map(|said| match &said.conversation {
        Conversation::Room(name) if name != room => {
            Arc::new(Said { conversation: Conversation::Room(room.clone()), ..Said::clone(&said) })
        }
        Conversation::Room(_) | Conversation::Direct { .. } => said,
    });
    let events = page.events.into_iter();
    let events = events.map(|done| Arc::new(Happened { room: room.clone(), ..Happened::clone(&done) }));
    HistoryPage { messages: messages.collect(), events: events.collect(), complete: page.complete }
}

/// What was done as clients are shown it.
fn happened(deed: Deed) -> Happened {
    let what = match deed.what {
        Done::Acts(acts) => Happening::Acts(acts),
        Done::Kicked(kick) => Happening::Kicked { nick: kick.nick.as_str().to_owned(), reason: kick.reason },
    };
    Happened { id: deed.key.msg_id(), room: deed.room, author: deed.author, what }
}

/// A conversation in a list; guests' conversations have no name that would last.
fn conversation_name(scope: Scope, me: &Principal) -> Option<ConversationName> {
    match scope {
        Scope::Room(room) => Some(ConversationName::Room(room)),
        Scope::Direct(one, other) => match if one == *me { other } else { one } {
            Principal::Account(account) => Some(ConversationName::Account(account)),
            Principal::Guest(_) => None,
        },
        Scope::Mesh | Scope::Account(_) => None,
    }
}
