//! Rooms that are closed and opened anew, and rooms that are not given free yet (XEP-0045 sections 10.9 and 10.1).
//!
//! Closing takes everything from the room but its name: who comes next finds nothing of what was. Each node ends the places of its own sessions.

use super::Node;
use super::presence::Why;
use super::rooms::ACTS_MAX;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::RoomName;
use lavina_crdt::room::{Act, Closed, Flag, Rank, RoomState, Vocabulary};

/// What takes a room's settings, lists and standings away, but for the standing of who closes it and for what rooms of that kind are.
pub(super) fn cleared(state: &RoomState, by: &Principal) -> Vec<Act> {
    let ranks = state.ranks.keys().filter(|who| *who != by);
    let mut acts: Vec<Act> = ranks.map(|who| Act::SetRank { who: who.clone(), rank: Rank::None }).collect();
    acts.extend(state.marks.keys().flat_map(|who| unmarked(state, who)));
    acts.extend(state.bans.keys().map(|mask| Act::SetBan { mask: mask.clone(), ban: None }));
    acts.extend(state.exceptions.keys().map(|mask| Act::SetException { mask: mask.clone(), on: false }));
    acts.extend(state.invite_exceptions.keys().map(|mask| Act::SetInviteException { mask: mask.clone(), on: false }));
    let is_new = |flag: &Flag| Act::FLAGS_OF_A_NEW_ROOM.contains(flag) || *flag == Flag::Level;
    acts.extend(state.flags.iter().filter(|flag| !is_new(flag)).map(|flag| Act::SetFlag { flag: *flag, on: false }));
    let missing = Act::FLAGS_OF_A_NEW_ROOM.into_iter().filter(|flag| !state.has(*flag));
    acts.extend(missing.map(|flag| Act::SetFlag { flag, on: true }));
    acts.extend(state.key.is_some().then_some(Act::SetKey(None)));
    acts.extend(state.limit.is_some().then_some(Act::SetLimit(None)));
    acts.extend(state.topic.is_some().then(|| Act::SetTopic(String::new())));
    acts.extend(state.forward.is_some().then_some(Act::SetForward(None)));
    acts.extend(state.title.is_some().then(|| Act::SetTitle(String::new())));
    acts.extend(state.description.is_some().then(|| Act::SetDescription(String::new())));
    acts.extend(state.notes.keys().map(|key| Act::SetNote { key: key.clone(), value: None }));
    acts
}

/// What takes the marks of somebody away.
pub(super) fn unmarked(state: &RoomState, who: &Principal) -> Vec<Act> {
    let marks = state.marks.get(who).into_iter().flatten();
    marks.map(|rank| Act::SetMark { who: who.clone(), rank: *rank, on: false }).collect()
}

/// Acts in their order as changes, for the same reason as with [`changes`].
pub(super) fn changes_in_order(acts: &[Act]) -> impl Iterator<Item = &[Act]> {
    acts.chunk_by(|one, next| Vocabulary::Earlier.has(one) == Vocabulary::Earlier.has(next))
}

/// These acts as changes. A version that does not understand one act of a change takes none of it, so what earlier versions do not understand goes
/// apart from what they do.
pub(super) fn changes(acts: Vec<Act>) -> Vec<Vec<Act>> {
    let (old, new): (Vec<Act>, Vec<Act>) = acts.into_iter().partition(|act| Vocabulary::Earlier.has(act));
    old.chunks(ACTS_MAX).chain(new.chunks(ACTS_MAX)).map(<[Act]>::to_vec).collect()
}

/// What makes `who` the founder of a room that was closed or left, and takes all that was; it opens with [`Act::SetClosed`].
pub(super) fn anew(state: &RoomState, who: &Principal) -> Vec<Act> {
    let mut acts = vec![Act::SetRank { who: who.clone(), rank: Rank::Founder }];
    acts.extend(cleared(state, who));
    acts.extend(state.moved.is_some().then_some(Act::SetMoved(None)));
    acts
}

impl<S: Store> Node<S> {
    /// Whether a room is being set up by a founder who is inside, and the asker is not one.
    pub(super) fn is_locked_to(&self, room: &RoomName, state: &RoomState, who: &Principal) -> bool {
        let founders = || state.ranks.iter().filter(|(_, rank)| **rank == Rank::Founder).map(|(who, _)| who);
        let is_inside = |who: &Principal| {
            let sessions = self.people.directory().sessions_of_principal(who);
            sessions.iter().any(|id| self.people.get(*id).is_some_and(|record| record.rooms.contains_key(room)))
        };
        state.has(Flag::Locked) && state.rank(who) < Rank::Founder && founders().any(is_inside)
    }

    /// A room was closed: own sessions are out, and accounts that are always on.
    pub(super) fn on_closed(&mut self, now: Now, room: &RoomName, by: &Author, closed: &Closed) {
        let sessions: Vec<SessionId> = self.people.local(room).iter().map(|number| self.sessions.id(*number)).collect();
        for session in sessions {
            let why = Why { reason: closed.reason.clone(), kick: Some((by.clone(), false, None)), ..Why::default() };
            self.change_own(now, session, &why, |record| {
                record.rooms.remove(room);
            });
        }
        let is_inside = |id: &SessionId| self.people.get(*id).is_some_and(|record| record.rooms.contains_key(room));
        let always_there: Vec<SessionId> = self.always_on.keys().copied().filter(is_inside).collect();
        for session in always_there {
            let record = self.told(session);
            self.show(now, session, record, &Why { reason: closed.reason.clone(), ..Why::default() });
        }
    }
}
