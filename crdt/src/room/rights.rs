//! Who may do what: the rules of IRC channel modes (modern.ircdocs.horse) and of XEP-0045 sections 5, 9 and 10, which agree once
//! affiliations and prefixes are one [`Rank`].
//!
//! In a level room ([`Flag::Level`]) an operator's standing is as good as a founder's, as RFC 2811 section 2.4.1 knows it. What keeps such a room gives it a founder.
//!
//! The rules ask a [`View`], so that the same text judges a whole [`RoomState`] and a causal past inside the fold.

use super::{Act, Denied, Flag, Kick, Rank, Right, RoomState};
use crate::content::{Author, Principal};
use crate::mutant::{self, Mutant};
use std::collections::BTreeMap;

/// What the rules need to know of a state.
pub(super) trait View {
    /// Whether the room was created.
    fn is_created(&self) -> bool;
    /// Whether it was closed, so that whoever comes opens it anew.
    fn is_closed(&self) -> bool;
    /// Somebody's standing.
    fn rank(&self, who: &Principal) -> Rank;
    /// Whether a flag is on.
    fn has(&self, flag: Flag) -> bool;
    /// Whether a ban means the author and no exception does.
    fn is_banned(&self, author: &Author) -> bool;
    /// Whether somebody else is founder.
    fn has_founder_besides(&self, who: &Principal) -> bool;
    /// Everybody with at least that rank.
    fn holders(&self, least: Rank) -> Vec<Principal>;

    /// Whether from operators up all are equals.
    fn is_level(&self) -> bool {
        self.has(Flag::Level) && !self.has(Flag::Persistent)
    }

    /// What somebody's rank is worth.
    fn standing(&self, who: &Principal) -> Rank {
        match self.rank(who) {
            rank if rank >= Rank::Operator && self.is_level() => Rank::Founder,
            rank => rank,
        }
    }

    /// Whether it is level and nobody has an operator's standing.
    fn is_headless(&self) -> bool {
        self.is_level() && self.holders(Rank::Operator).is_empty()
    }
}

impl View for RoomState {
    fn is_created(&self) -> bool {
        self.created.is_some()
    }

    fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    fn rank(&self, who: &Principal) -> Rank {
        Self::rank(self, who)
    }

    fn has(&self, flag: Flag) -> bool {
        Self::has(self, flag)
    }

    fn is_banned(&self, author: &Author) -> bool {
        !mutant::is_planted(Mutant::BanIgnored)
            && self.bans.keys().any(|mask| mask.matches(author))
            && !self.exceptions.keys().any(|mask| mask.matches(author))
    }

    fn has_founder_besides(&self, who: &Principal) -> bool {
        self.ranks.iter().any(|(other, rank)| *rank == Rank::Founder && other != who)
    }

    fn holders(&self, least: Rank) -> Vec<Principal> {
        self.ranks.iter().filter(|(_, rank)| **rank >= least).map(|(who, _)| who.clone()).collect()
    }
}

/// A view with the effects of the earlier acts of one change on top.
struct Overlay<'a> {
    under: &'a dyn View,
    is_created: bool,
    closed: Option<bool>,
    ranks: BTreeMap<Principal, Rank>,
    flags: BTreeMap<Flag, bool>,
}

impl Overlay<'_> {
    fn note(&mut self, author: &Author, act: &Act) {
        match act {
            Act::Create => {
                self.is_created = true;
                self.ranks.insert(author.principal(), Rank::Founder);
                self.flags.extend(Act::FLAGS_OF_A_NEW_ROOM.map(|flag| (flag, true)));
            }
            Act::SetRank { who, rank } => {
                self.ranks.insert(who.clone(), *rank);
            }
            Act::SetFlag { flag, on } => {
                self.flags.insert(*flag, *on);
            }
            Act::SetBan { .. }
            | Act::SetException { .. }
            | Act::SetInviteException { .. }
            | Act::SetKey(_)
            | Act::SetLimit(_)
            | Act::SetTopic(_)
            | Act::SetForward(_)
            | Act::SetTitle(_)
            | Act::SetDescription(_)
            | Act::SetNote { .. }
            | Act::SetMark { .. }
            | Act::SetMoved(_)
            | Act::SetFormer(_) => {}
            Act::SetClosed(closed) => self.closed = Some(closed.is_some()),
        }
    }
}

impl View for Overlay<'_> {
    fn is_created(&self) -> bool {
        self.is_created || self.under.is_created()
    }

    fn is_closed(&self) -> bool {
        self.closed.unwrap_or_else(|| self.under.is_closed())
    }

    fn rank(&self, who: &Principal) -> Rank {
        self.ranks.get(who).copied().unwrap_or_else(|| self.under.rank(who))
    }

    fn has(&self, flag: Flag) -> bool {
        self.flags.get(&flag).copied().unwrap_or_else(|| self.under.has(flag))
    }

    fn is_banned(&self, author: &Author) -> bool {
        self.under.is_banned(author)
    }

    fn has_founder_besides(&self, who: &Principal) -> bool {
        // A founder made earlier in the same change is not relied on: whoever wants to hand a room over does it in two steps.
        let lowered = self.ranks.values().any(|rank| *rank < Rank::Founder);
        !lowered && self.under.has_founder_besides(who)
    }

    fn holders(&self, least: Rank) -> Vec<Principal> {
        let mut all = self.under.holders(least);
        all.retain(|who| !self.ranks.contains_key(who));
        all.extend(self.ranks.iter().filter(|(_, rank)| **rank >= least).map(|(who, _)| who.clone()));
        all
    }
}

/// Whether `author` may perform all of `acts`, one after the other.
pub(super) fn judge(view: &dyn View, author: &Author, acts: &[Act]) -> Result<(), Denied> {
    let mut overlay =
        Overlay { under: view, is_created: false, closed: None, ranks: BTreeMap::new(), flags: BTreeMap::new() };
    for act in acts {
        may(&overlay, author, act)?;
        overlay.note(author, act);
    }
    // Who keeps a room that was nobody's makes somebody its founder by the same change.
    let is_kept = view.is_level() && !overlay.is_level();
    if is_kept && overlay.holders(Rank::Founder).is_empty() { Err(Denied::LastFounder) } else { Ok(()) }
}

fn may(view: &dyn View, author: &Author, act: &Act) -> Result<(), Denied> {
    let needs = |least: Rank| if view.standing(&author.principal()) >= least { Ok(()) } else { Err(Denied::Rank) };
    match act {
        _ if !act.is_sound() => Err(Denied::Malformed),
        Act::Create if view.is_created() => Err(Denied::Rank),
        Act::Create => Ok(()),
        _ if !view.is_created() => Err(Denied::NoRoom),
        Act::SetRank { who, rank } => may_set_rank(view, &author.principal(), who, *rank),
        Act::SetMark { who, on: false, .. } if *who == author.principal() => Ok(()),
        Act::SetMark { rank: Rank::Voice, .. } => needs(Rank::HalfOp),
        Act::SetMark { rank, .. } => needs((*rank).max(Rank::Operator)),
        Act::SetTopic(_) if view.has(Flag::TopicLocked) => needs(Rank::HalfOp),
        Act::SetTopic(_) => needs(Rank::HalfOp).or_else(|_| not_banned(view, author)),
        Act::SetClosed(_) | Act::SetMoved(_) | Act::SetFlag { flag: Flag::Level, .. } => needs(Rank::Founder),
        Act::SetFlag { flag: Flag::Persistent | Flag::Locked | Flag::Anonymous, .. }
        | Act::SetTitle(_)
        | Act::SetForward(_)
        | Act::SetNote { .. }
        | Act::SetFormer(_)
        | Act::SetDescription(_) => needs(Rank::Operator),
        Act::SetFlag { .. }
        | Act::SetKey(_)
        | Act::SetLimit(_)
        | Act::SetBan { .. }
        | Act::SetException { .. }
        | Act::SetInviteException { .. } => needs(Rank::HalfOp),
    }
}

fn may_set_rank(view: &dyn View, author: &Principal, who: &Principal, rank: Rank) -> Result<(), Denied> {
    let mine = view.standing(author);
    let allowed = |is: bool| if is { Ok(()) } else { Err(Denied::Rank) };
    if author == who {
        if rank == Rank::Founder && (view.is_closed() || view.is_headless()) {
            return Ok(());
        }
        // XEP-0045 section 10.4: the last owner cannot step down.
        let may_abandon = view.is_level() || view.has_founder_besides(who);
        if mine == Rank::Founder && rank < Rank::Founder && !may_abandon {
            return Err(Denied::LastFounder);
        }
        return allowed(rank <= mine);
    }
    if mine == Rank::Founder {
        return Ok(());
    }
    let theirs = view.standing(who);
    if mine == Rank::HalfOp {
        let gives = rank == Rank::Voice && theirs <= Rank::Member;
        let takes = rank <= Rank::Member && theirs == Rank::Voice;
        return allowed(gives || takes);
    }
    let is_peer = mine == Rank::Operator && theirs == Rank::Operator;
    let may_take = rank >= theirs || mine > theirs || is_peer;
    allowed(mine >= Rank::Operator && rank <= mine && may_take)
}

fn may_kick(view: &dyn View, author: &Principal, kick: &Kick) -> Result<(), Denied> {
    let mine = view.standing(author);
    let theirs = view.standing(&kick.who);
    let is_peer = mine == Rank::Operator && theirs == Rank::Operator;
    let is_above = mine > theirs || mine == Rank::Founder || is_peer || *author == kick.who;
    if mine >= Rank::HalfOp && is_above { Ok(()) } else { Err(Denied::Rank) }
}

fn not_banned(view: &dyn View, author: &Author) -> Result<(), Denied> {
    if view.is_banned(author) { Err(Denied::Banned) } else { Ok(()) }
}

fn may_speak(state: &RoomState, author: &Author, present: bool, is_request: bool) -> Result<(), Denied> {
    let rank = state.rank(&author.principal());
    if !present && state.has(Flag::NoExternal) {
        return Err(Denied::NotPresent);
    }
    if is_request && state.has(Flag::NoRequests) {
        return Err(Denied::NoRequests);
    }
    if rank >= Rank::HalfOp {
        return Ok(());
    }
    not_banned(state, author)?;
    if rank < Rank::Voice && state.is_muted(author) {
        return Err(Denied::Banned);
    }
    if state.has(Flag::RegisteredSpeak) && rank < Rank::Voice && author.account.is_none() {
        return Err(Denied::NeedsAccount);
    }
    if state.has(Flag::Moderated) && rank < Rank::Voice {
        return Err(Denied::Moderated);
    }
    Ok(())
}

impl RoomState {
    /// Whether a mute means the author, and no exception does, neither from mutes nor from bans.
    fn is_muted(&self, author: &Author) -> bool {
        self.bans.keys().any(|mask| mask.mutes(author))
            && !self.exceptions.keys().any(|mask| mask.mutes(author) || mask.matches(author))
    }

    /// Whether `author` may do what is asked, in this state.
    ///
    /// # Errors
    /// [`Denied`] says why not.
    pub fn allows(&self, author: &Author, right: &Right<'_>) -> Result<(), Denied> {
        match right {
            Right::Act(act) => judge(self, author, std::slice::from_ref(*act)),
            _ if !self.is_open() => Err(Denied::NoRoom),
            Right::Speak { present, is_request } => may_speak(self, author, *present, *is_request),
            Right::Kick(kick) if !kick.is_sound() => Err(Denied::Malformed),
            Right::Kick(kick) => may_kick(self, &author.principal(), kick),
            Right::Invite if self.has(Flag::InviteOnly) && self.rank(&author.principal()) < Rank::HalfOp => {
                Err(Denied::Rank)
            }
            Right::Invite => not_banned(self, author),
            Right::Moderate if self.rank(&author.principal()) < Rank::HalfOp => Err(Denied::Rank),
            Right::Moderate => Ok(()),
        }
    }

    /// Whether `author` may perform all of `acts` as one change, each judged after the ones before it.
    ///
    /// # Errors
    /// [`Denied`] says why not, for the first act that is not allowed.
    pub fn allows_all(&self, author: &Author, acts: &[Act]) -> Result<(), Denied> {
        judge(self, author, acts)
    }

    /// Whether `author` may come in, with `key`, when `occupants` are inside already; `invited` when somebody with the right invited
    /// this person. Operators and above always may, as they could change what keeps them out.
    ///
    /// # Errors
    /// [`Denied`] says why not.
    pub fn admits(&self, author: &Author, key: Option<&str>, occupants: usize, invited: bool) -> Result<(), Denied> {
        let rank = self.rank(&author.principal());
        if !View::is_created(self) || rank >= Rank::Operator {
            return Ok(());
        }
        not_banned(self, author)?;
        let is_expected =
            invited || rank >= Rank::Member || self.invite_exceptions.keys().any(|mask| mask.matches(author));
        if self.has(Flag::InviteOnly) && !is_expected {
            return Err(Denied::InviteOnly);
        }
        if self.has(Flag::RegisteredOnly) && author.account.is_none() {
            return Err(Denied::NeedsAccount);
        }
        if self.key.is_some() && self.key.as_deref() != key {
            return Err(Denied::BadKey);
        }
        let is_full = self.limit.is_some_and(|limit| usize::try_from(limit).is_ok_and(|limit| occupants >= limit));
        if is_full { Err(Denied::Full) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Ban, Mask};
    use super::*;
    use crate::clock::Hlc;
    use crate::names::Nick;
    use crate::testing::author;

    fn room(ranks: &[(&str, Rank)]) -> RoomState {
        let ranks = ranks.iter().map(|(nick, rank)| (author(1, nick).principal(), *rank)).collect();
        let flags = Act::FLAGS_OF_A_NEW_ROOM.into_iter().collect();
        RoomState { created: Some(Hlc(1)), ranks, flags, ..RoomState::default() }
    }

    fn give(who: &str, rank: Rank) -> Act {
        Act::SetRank { who: author(1, who).principal(), rank }
    }

    fn ban() -> Ban {
        Ban { reason: String::new(), by: Nick::new("op").unwrap(), at: Hlc(1) }
    }

    const CAST: [(&str, Rank); 7] = [
        ("founder", Rank::Founder),
        ("admin", Rank::Admin),
        ("op", Rank::Operator),
        ("op2", Rank::Operator),
        ("half", Rank::HalfOp),
        ("voice", Rank::Voice),
        ("member", Rank::Member),
    ];

    #[test]
    fn ranks_are_given_and_taken_from_above() {
        let room = room(&CAST);
        let may = |by: &str, who, rank| room.allows(&author(1, by), &Right::Act(&give(who, rank)));
        for (by, who, rank) in [
            ("founder", "admin", Rank::None),
            ("founder", "guest", Rank::Founder),
            ("admin", "op", Rank::None),
            ("admin", "guest", Rank::Admin),
            ("op", "op2", Rank::None),
            ("op", "guest", Rank::Operator),
            ("op", "half", Rank::Voice),
            ("half", "guest", Rank::Voice),
            ("half", "voice", Rank::None),
            ("op", "op", Rank::None),
            ("voice", "voice", Rank::None),
        ] {
            assert_eq!(may(by, who, rank), Ok(()), "{by} {who} {rank:?}");
        }
        for (by, who, rank) in [
            ("admin", "founder", Rank::None),
            ("op", "admin", Rank::Operator),
            ("op", "guest", Rank::Admin),
            ("half", "guest", Rank::HalfOp),
            ("half", "op", Rank::Voice),
            ("voice", "guest", Rank::Voice),
            ("op", "op", Rank::Admin),
            ("guest", "guest", Rank::Operator),
        ] {
            assert_eq!(may(by, who, rank), Err(Denied::Rank), "{by} {who} {rank:?}");
        }
        assert_eq!(may("founder", "founder", Rank::Admin), Err(Denied::LastFounder));
    }

    #[test]
    fn the_topic_is_locked_by_default_and_free_to_the_unbanned_without_the_lock() {
        let mut room = room(&CAST);
        let topic = Act::SetTopic("hi".to_owned());
        assert_eq!(room.allows(&author(1, "voice"), &Right::Act(&topic)), Err(Denied::Rank));
        assert_eq!(room.allows(&author(1, "half"), &Right::Act(&topic)), Ok(()));
        room.flags.remove(&Flag::TopicLocked);
        assert_eq!(room.allows(&author(1, "guest"), &Right::Act(&topic)), Ok(()));
        room.bans.insert(Mask::parse("guest").unwrap(), ban());
        assert_eq!(room.allows(&author(1, "guest"), &Right::Act(&topic)), Err(Denied::Banned));
    }

    #[test]
    fn a_banned_or_voiceless_person_does_not_speak() {
        let mut room = room(&CAST);
        let speak = Right::Speak { present: true, is_request: false };
        assert_eq!(
            room.allows(&author(1, "guest"), &Right::Speak { present: false, is_request: false }),
            Err(Denied::NotPresent)
        );
        room.flags.insert(Flag::Moderated);
        assert_eq!(room.allows(&author(1, "guest"), &speak), Err(Denied::Moderated));
        assert_eq!(room.allows(&author(1, "voice"), &speak), Ok(()));
        room.bans.insert(Mask::parse("*!*@*.example").unwrap(), ban());
        assert_eq!(room.allows(&author(1, "voice"), &speak), Err(Denied::Banned));
        assert_eq!(room.allows(&author(1, "half"), &speak), Ok(()));
        room.exceptions.insert(Mask::parse("$a:voice").unwrap(), ban());
        assert_eq!(room.allows(&author(1, "voice"), &speak), Ok(()));
    }

    #[test]
    fn doors_open_to_those_they_are_meant_for() {
        let mut room = room(&CAST);
        let guest = author(1, "guest");
        assert_eq!(room.admits(&guest, None, 9, false), Ok(()));
        room.flags.insert(Flag::InviteOnly);
        assert_eq!(room.admits(&guest, None, 9, false), Err(Denied::InviteOnly));
        assert_eq!(room.admits(&guest, None, 9, true), Ok(()));
        assert_eq!(room.admits(&author(1, "member"), None, 9, false), Ok(()));
        room.invite_exceptions.insert(Mask::parse("guest").unwrap(), ban());
        assert_eq!(room.admits(&guest, None, 9, false), Ok(()));
        room.key = Some("secret".to_owned());
        assert_eq!(room.admits(&guest, Some("wrong"), 9, false), Err(Denied::BadKey));
        room.limit = Some(9);
        assert_eq!(room.admits(&guest, Some("secret"), 9, false), Err(Denied::Full));
        room.bans.insert(Mask::parse("guest").unwrap(), ban());
        assert_eq!(room.admits(&guest, Some("secret"), 8, true), Err(Denied::Banned));
        assert_eq!(room.admits(&author(1, "op"), None, 9, false), Ok(()));
        let anonymous = Author { account: None, ..author(1, "anon") };
        room.flags = [Flag::RegisteredOnly].into_iter().collect();
        assert_eq!(room.admits(&anonymous, Some("secret"), 8, false), Err(Denied::NeedsAccount));
    }

    #[test]
    fn kicks_go_downwards() {
        let room = room(&CAST);
        let kick = |by: &str, who: &str| {
            let who = author(1, who);
            let kick =
                Kick { nick: who.nick.key(), who: who.principal(), sessions: vec![who.session], reason: String::new() };
            room.allows(&author(1, by), &Right::Kick(&kick))
        };
        assert_eq!(kick("op", "op2"), Ok(()));
        assert_eq!(kick("half", "voice"), Ok(()));
        assert_eq!(kick("half", "op"), Err(Denied::Rank));
        assert_eq!(kick("voice", "guest"), Err(Denied::Rank));
        assert_eq!(kick("admin", "founder"), Err(Denied::Rank));
    }

    #[test]
    fn acts_of_one_change_are_judged_one_after_the_other() {
        let nothing = RoomState::default();
        let alice = author(1, "alice");
        let topic = Act::SetTopic("hi".to_owned());
        assert_eq!(nothing.allows_all(&alice, &[Act::Create, topic.clone()]), Ok(()));
        assert_eq!(nothing.allows_all(&alice, &[topic.clone(), Act::Create]), Err(Denied::NoRoom));
        let unsayable = Act::SetTopic("x".repeat(crate::room::TOPIC_BYTES_MAX + 1));
        assert_eq!(nothing.allows_all(&alice, &[Act::Create, unsayable]), Err(Denied::Malformed));
        let room = room(&CAST);
        assert_eq!(room.allows_all(&author(1, "op"), &[give("op", Rank::None), topic]), Err(Denied::Rank));
        assert_eq!(room.allows(&alice, &Right::Act(&Act::Create)), Err(Denied::Rank));
    }

    #[test]
    fn a_mute_takes_the_voice_and_not_the_place() {
        let mut room = room(&[("founder", Rank::Founder), ("voice", Rank::Voice)]);
        let (guest, member) = (author(1, "guest"), author(2, "voice"));
        let speak = Right::Speak { present: true, is_request: false };
        room.bans.insert(Mask::parse("$m:*!*@*.example").unwrap(), ban());
        assert_eq!(room.allows(&guest, &speak), Err(Denied::Banned));
        assert_eq!(room.admits(&guest, None, 0, false), Ok(()));
        assert_eq!(room.allows(&member, &speak), Ok(()), "a voice is above a mute");
        room.exceptions.insert(Mask::parse("$m:guest").unwrap(), ban());
        assert_eq!(room.allows(&guest, &speak), Ok(()));
    }

    #[test]
    fn requests_and_guests_can_be_kept_from_speaking() {
        let mut room = room(&[("founder", Rank::Founder), ("voice", Rank::Voice)]);
        let guest = Author { account: None, ..author(1, "guest") };
        let request = Right::Speak { present: true, is_request: true };
        let speak = Right::Speak { present: true, is_request: false };
        assert_eq!(room.allows(&guest, &request), Ok(()));
        room.flags.insert(Flag::NoRequests);
        assert_eq!(room.allows(&guest, &request), Err(Denied::NoRequests));
        assert_eq!(room.allows(&author(1, "founder"), &request), Err(Denied::NoRequests));
        assert_eq!(room.allows(&guest, &speak), Ok(()));
        room.flags.insert(Flag::RegisteredSpeak);
        assert_eq!(room.allows(&guest, &speak), Err(Denied::NeedsAccount));
        assert_eq!(room.allows(&author(1, "somebody"), &speak), Ok(()));
        room.bans.insert(Mask::Guests, ban());
        assert_eq!(room.admits(&guest, None, 0, false), Err(Denied::Banned));
    }
}
