//! Rooms that are kept for nobody any more: the registration of a channel, or the persistence of a room, ends when for as long as the configuration
//! says nothing was said or changed in it, and nobody is inside when somebody comes.
//!
//! Who comes finds out: their node closes the room in the name of its founder, as that one could, and they begin it anew. So what has ended, and when, is
//! an entry like any other that all nodes judge alike, and no node's clock or configuration decides for another. While any node is out of reach nothing
//! ends, since people may be inside there.

use super::{Node, closing};
use crate::replica::Query;
use crate::said::nick_when_away;
use crate::store::Store;
use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::ids::{Scope, SessionId};
use lavina_crdt::names::RoomName;
use lavina_crdt::room::{Act, Closed, Flag, Rank, RoomState};
use lavina_protocols::command::{Bound, Refusal};

/// Why such a room was closed.
const REASON: &str = "It was not used for a long time";

impl<S: Store> Node<S> {
    /// Closes a room that somebody comes to, where it is kept for nobody any more.
    pub(super) fn close_lapsed(&mut self, now: Now, room: &RoomName) -> Result<(), Refusal> {
        let state = self.load_room(room);
        let Some(founder) = self.lapsed_since(now, room, &state)? else { return Ok(()) };
        self.count("rooms_lapsed");
        for acts in closing::changes(closing::cleared(&state, &founder.principal())) {
            self.append_acts(now, room, founder.clone(), &acts)?;
        }
        let closed = Closed { reason: REASON.to_owned(), ..Closed::default() };
        self.append_acts(now, room, founder, &[Act::SetClosed(Some(closed))])
    }

    /// In whose name a room is closed that is kept for nobody any more; `None` for any other.
    fn lapsed_since(&mut self, now: Now, room: &RoomName, state: &RoomState) -> Result<Option<Author>, Refusal> {
        let is_kept = state.is_open() && state.has(Flag::Persistent);
        let Some(after_ms) = self.config.limits.room_lapse_ms.filter(|_| is_kept) else { return Ok(None) };
        let oldest_ms = now.wall_ms.saturating_sub(after_ms);
        let is_new = state.created.unwrap_or_default().max(state.opened) > Hlc::from_ms(oldest_ms);
        let is_whole = self.gossip.peers().iter().all(|peer| peer.in_reach);
        if is_new || !is_whole || self.people.occupants(room).is_some() {
            return Ok(None);
        }
        let scopes = [Scope::Room(room.clone())];
        let since = Some(Bound::Time(oldest_ms));
        let newest = Query { scopes: &scopes, after: since, limit: 1, newest: true, deeds: true, ..Query::default() };
        let used = self.replicas.history(&newest)?;
        if !used.messages.is_empty() || !used.deeds.is_empty() {
            return Ok(None);
        }
        Ok(state.ranks.iter().find(|(_, rank)| **rank == Rank::Founder).and_then(|(who, _)| self.absent_author(who)))
    }

    /// Somebody who has no session as an author.
    fn absent_author(&self, who: &Principal) -> Option<Author> {
        let nick = nick_when_away(who)?;
        let (session, account) = match who {
            Principal::Account(account) => (SessionId { node: self.me(), number: 0 }, Some(account.clone())),
            Principal::Guest(session) => (*session, None),
        };
        Some(Author { session, account, nick, user: "services".to_owned(), host: self.config.name.clone() })
    }
}
