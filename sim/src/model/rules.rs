//! Who may do what in a room, written anew from the tables of modern.ircdocs.horse and XEP-0045: the model's own opinion.

use lavina_crdt::content::{Author, Principal};
use lavina_crdt::room::{Act, Flag, Kick, Rank, RoomState};

/// Whether `author` may do all of `acts`, one after the other, where things stand as in `state`.
pub(super) fn may_all(state: &RoomState, author: &Author, acts: &[Act]) -> bool {
    // What an act of a change does counts for the acts after it, as far as standing and flags go.
    let was_level = is_level(state);
    let mut state = state.clone();
    let mut lowered = false;
    for act in acts {
        if !may(&state, lowered, author, act) {
            return false;
        }
        match act {
            Act::Create => {
                state.created = state.created.or(Some(lavina_crdt::clock::Hlc(0)));
                state.ranks.insert(author.principal(), Rank::Founder);
                state.flags.extend([Flag::NoExternal, Flag::TopicLocked]);
            }
            Act::SetRank { who, rank } => {
                lowered |= *rank < Rank::Founder;
                state.ranks.insert(who.clone(), *rank);
            }
            Act::SetFlag { flag, on: true } => drop(state.flags.insert(*flag)),
            Act::SetFlag { flag, on: false } => drop(state.flags.remove(flag)),
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
            Act::SetClosed(closed) => state.closed.clone_from(closed),
        }
    }
    !was_level || is_level(&state) || state.ranks.values().any(|rank| *rank == Rank::Founder)
}

/// Whether a room is an IRC channel that nobody has registered: there, operators are all there is.
pub(super) fn is_level(state: &RoomState) -> bool {
    state.flags.contains(&Flag::Level) && !state.flags.contains(&Flag::Persistent)
}

/// What a standing is worth.
pub(super) fn worth(state: &RoomState, who: &Principal) -> Rank {
    let rank = state.rank(who);
    if is_level(state) && rank >= Rank::Operator { Rank::Founder } else { rank }
}

fn may(state: &RoomState, lowered: bool, author: &Author, act: &Act) -> bool {
    let own = worth(state, &author.principal());
    if !act.is_sound() {
        return false;
    }
    match act {
        Act::Create => state.created.is_none(),
        _ if state.created.is_none() => false,
        Act::SetRank { who, rank } => may_rank(state, lowered, &author.principal(), who, *rank),
        Act::SetMark { who, on: false, .. } if *who == author.principal() => true,
        Act::SetMark { rank: Rank::Voice, .. } => own >= Rank::HalfOp,
        Act::SetMark { rank, .. } => own >= Rank::Operator && own >= *rank,
        Act::SetTopic(_) if own >= Rank::HalfOp => true,
        Act::SetTopic(_) => !state.flags.contains(&Flag::TopicLocked) && !is_banned(state, author),
        Act::SetClosed(_) | Act::SetMoved(_) | Act::SetFlag { flag: Flag::Level, .. } => own == Rank::Founder,
        Act::SetTitle(_)
        | Act::SetForward(_)
        | Act::SetDescription(_)
        | Act::SetNote { .. }
        | Act::SetFormer(_)
        | Act::SetFlag { flag: Flag::Persistent | Flag::Locked | Flag::Anonymous, .. } => own >= Rank::Operator,
        Act::SetFlag { .. }
        | Act::SetKey(_)
        | Act::SetLimit(_)
        | Act::SetBan { .. }
        | Act::SetException { .. }
        | Act::SetInviteException { .. } => own >= Rank::HalfOp,
    }
}

fn may_rank(state: &RoomState, lowered: bool, author: &Principal, who: &Principal, to: Rank) -> bool {
    let (own, theirs) = (worth(state, author), worth(state, who));
    if author == who {
        let nobodys = is_level(state) && !state.ranks.values().any(|rank| *rank >= Rank::Operator);
        if (state.closed.is_some() || nobodys) && to == Rank::Founder {
            return true;
        }
        let other_founder = state.ranks.iter().any(|(other, rank)| other != who && *rank == Rank::Founder);
        let abandons = own == Rank::Founder && to < Rank::Founder && (lowered || !other_founder);
        return to <= own && (is_level(state) || !abandons);
    }
    match own {
        Rank::Founder => true,
        Rank::Admin => to <= Rank::Admin && (theirs < Rank::Admin || to >= theirs),
        Rank::Operator => to <= Rank::Operator && (theirs <= Rank::Operator || to >= theirs),
        Rank::HalfOp => match theirs {
            Rank::None | Rank::Member => to == Rank::Voice,
            Rank::Voice => to < Rank::Voice,
            Rank::HalfOp | Rank::Operator | Rank::Admin | Rank::Founder => false,
        },
        Rank::None | Rank::Member | Rank::Voice => false,
    }
}

/// Whether `author` may speak from inside.
pub(super) fn may_speak(state: &RoomState, author: &Author) -> bool {
    let own = state.rank(&author.principal());
    let guests_listen = state.flags.contains(&Flag::RegisteredSpeak) && author.account.is_none();
    let muted = state.bans.keys().any(|mask| mask.mutes(author))
        && !state.exceptions.keys().any(|mask| mask.mutes(author) || mask.matches(author));
    let voiceless = own < Rank::Voice && (state.flags.contains(&Flag::Moderated) || guests_listen || muted);
    state.created.is_some() && (own >= Rank::HalfOp || !(voiceless || is_banned(state, author)))
}

/// Whether `author` may remove somebody.
pub(super) fn may_kick(state: &RoomState, author: &Author, kick: &Kick) -> bool {
    let (own, theirs) = (worth(state, &author.principal()), worth(state, &kick.who));
    let over = match own {
        Rank::Founder => true,
        Rank::Operator => theirs <= Rank::Operator,
        Rank::None | Rank::Member | Rank::Voice | Rank::HalfOp | Rank::Admin => theirs < own,
    };
    state.created.is_some() && kick.is_sound() && own >= Rank::HalfOp && (over || kick.who == author.principal())
}

/// Whether a ban means `author` and no exception does.
pub(super) fn is_banned(state: &RoomState, author: &Author) -> bool {
    state.bans.keys().any(|mask| mask.matches(author)) && !state.exceptions.keys().any(|mask| mask.matches(author))
}
