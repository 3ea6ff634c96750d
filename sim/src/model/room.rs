//! One room by brute force: every change is judged in the state that its causal past makes, every state is made anew from the first
//! change on, and every value is found by looking at all that was ever written to it.

use super::past::Past;
use super::rules;
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::entry::DocHead;
use lavina_crdt::room::{Act, Ban, Flag, Kick, Mask, Rank, RoomState, Told, Topic};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What can have one value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spot {
    Created,
    Rank(Principal),
    Ban(Mask),
    Exception(Mask),
    Invited(Mask),
    Flag(Flag),
    Key,
    Limit,
    Topic,
    Forward,
    Title,
    Description,
    Closed,
    Note(String),
    Mark(Principal, Rank),
    Moved,
    Former,
}

/// Where things stand, and what counts there.
#[derive(Clone, Debug)]
struct Verdict {
    state: RoomState,
    /// Changes that count, with the rank their authors had.
    counted: BTreeMap<usize, Rank>,
}

/// The model of one room.
#[derive(Debug)]
pub(crate) struct RoomModel {
    told: Vec<Told>,
    /// Causal past of each, without itself.
    pasts: Vec<Past>,
    /// Whether each was allowed where it was made.
    allowed: Vec<bool>,
    by_head: BTreeMap<DocHead, usize>,
    known: BTreeMap<Past, Verdict>,
}

fn spots(act: &Act, author: &Author) -> Vec<Spot> {
    match act {
        Act::Create => vec![
            Spot::Created,
            Spot::Rank(author.principal()),
            Spot::Flag(Flag::NoExternal),
            Spot::Flag(Flag::TopicLocked),
        ],
        Act::SetRank { who, .. } => vec![Spot::Rank(who.clone())],
        Act::SetBan { mask, .. } => vec![Spot::Ban(mask.clone())],
        Act::SetException { mask, .. } => vec![Spot::Exception(mask.clone())],
        Act::SetInviteException { mask, .. } => vec![Spot::Invited(mask.clone())],
        Act::SetFlag { flag, .. } => vec![Spot::Flag(*flag)],
        Act::SetKey(_) => vec![Spot::Key],
        Act::SetLimit(_) => vec![Spot::Limit],
        Act::SetTopic(_) => vec![Spot::Topic],
        Act::SetForward(_) => vec![Spot::Forward],
        Act::SetTitle(_) => vec![Spot::Title],
        Act::SetDescription(_) => vec![Spot::Description],
        Act::SetClosed(_) => vec![Spot::Closed],
        Act::SetMark { who, rank, .. } => vec![Spot::Mark(who.clone(), *rank)],
        Act::SetNote { key, .. } => vec![Spot::Note(key.clone())],
        Act::SetMoved(_) => vec![Spot::Moved],
        Act::SetFormer(_) => vec![Spot::Former],
    }
}

fn rank_in(act: &Act) -> Rank {
    if let Act::SetRank { rank, .. } = act { *rank } else { Rank::Founder }
}

const fn bans(act: &Act) -> bool {
    matches!(act, Act::SetBan { ban: Some(_), .. })
}

impl RoomModel {
    /// The model of a room in which this was told.
    pub(crate) fn new(mut told: Vec<Told>) -> Self {
        // A change is stamped later than all it rests on.
        told.sort_by_key(|told| told.at);
        let numbers: BTreeMap<_, usize> = told.iter().enumerate().map(|(number, told)| (told.at, number)).collect();
        let mut pasts: Vec<Past> = Vec::new();
        for one in &told {
            let mut past = Past::default();
            for number in one.after.iter().filter_map(|at| numbers.get(at)) {
                past.insert(*number);
                past.add_all(&pasts[*number]);
            }
            pasts.push(past);
        }
        let by_head = told.iter().enumerate().map(|(number, told)| (told.head, number)).collect();
        let mut model = Self { told, pasts, allowed: Vec::new(), by_head, known: BTreeMap::new() };
        for number in 0..model.told.len() {
            let state = model.verdict(&model.pasts[number].clone()).state;
            let Told { author, acts, .. } = &model.told[number];
            model.allowed.push(!acts.is_empty() && rules::may_all(&state, author, acts));
        }
        model
    }

    /// The state that everything told comes to.
    pub(crate) fn state(&mut self) -> RoomState {
        let all = self.all();
        self.verdict(&all).state
    }

    /// What was told, and whether it counts after all.
    pub(crate) fn judged(&mut self) -> Vec<(Told, bool)> {
        let all = self.all();
        let counted = self.verdict(&all).counted;
        let told = self.told.iter().cloned().enumerate();
        told.map(|(number, told)| (told, counted.contains_key(&number))).collect()
    }

    /// Whether `author` may speak where these are the heads: nobody may where it is not known what they are, as in a part of the mesh to which
    /// what was changed elsewhere has not come.
    pub(crate) fn may_speak(&mut self, heads: &[DocHead], author: &Author) -> bool {
        self.state_at(heads).is_some_and(|state| rules::may_speak(&state, author))
    }

    /// Whether `author` may kick where these are the heads.
    pub(crate) fn may_kick(&mut self, heads: &[DocHead], author: &Author, kick: &Kick) -> bool {
        self.state_at(heads).is_some_and(|state| rules::may_kick(&state, author, kick))
    }

    fn all(&self) -> Past {
        let mut all = Past::default();
        (0..self.told.len()).for_each(|number| all.insert(number));
        all
    }

    fn state_at(&mut self, heads: &[DocHead]) -> Option<RoomState> {
        let mut past = Past::default();
        for head in heads {
            let number = *self.by_head.get(head)?;
            past.insert(number);
            past.add_all(&self.pasts[number]);
        }
        Some(self.verdict(&past).state)
    }

    fn concurrent(&self, one: usize, other: usize) -> bool {
        one != other && !self.pasts[one].contains(other) && !self.pasts[other].contains(one)
    }

    /// Settles everything in a set that holds the past of all its members.
    fn verdict(&mut self, set: &Past) -> Verdict {
        if let Some(known) = self.known.get(set) {
            return known.clone();
        }
        let mut counted = BTreeMap::new();
        let creates = |number: &usize| self.told[*number].acts.contains(&Act::Create);
        let (creations, mut open): (Vec<usize>, Vec<usize>) =
            set.numbers().filter(|number| self.allowed[*number]).partition(creates);
        if let Some(first) = creations.first() {
            counted.insert(*first, Rank::Founder);
        }
        let ranks = [Rank::Founder, Rank::Admin, Rank::Operator, Rank::HalfOp, Rank::Voice, Rank::Member, Rank::None];
        for level in ranks {
            let mut later = Vec::new();
            for number in open {
                let author = self.told[number].author.principal();
                let rank = self.worth(&counted, &author, &self.pasts[number]);
                if rank < level {
                    later.push(number);
                } else if self.stands(&counted, number, rank) {
                    self.count(&mut counted, number, rank, set);
                }
            }
            open = later;
        }
        let verdict = Verdict { state: self.values(&counted, set), counted };
        self.known.insert(set.clone(), verdict.clone());
        verdict
    }

    /// Whether a change is allowed by what counts of its past, and nobody took its author's standing away at the same time.
    fn stands(&self, counted: &BTreeMap<usize, Rank>, number: usize, rank: Rank) -> bool {
        let Told { author, acts, .. } = &self.told[number];
        let before = self.values(counted, &self.pasts[number]);
        let least = if rules::is_level(&before) && rank == Rank::Founder { Rank::Operator } else { rank };
        let strips = |act: &Act| match act {
            Act::SetRank { who, rank: to } => *who == author.principal() && *to < least,
            Act::SetBan { mask, ban: Some(_) } => mask.matches(author),
            Act::Create
            | Act::SetBan { .. }
            | Act::SetException { .. }
            | Act::SetInviteException { .. }
            | Act::SetFlag { .. }
            | Act::SetKey(_)
            | Act::SetLimit(_)
            | Act::SetTopic(_)
            | Act::SetForward(_)
            | Act::SetTitle(_)
            | Act::SetDescription(_)
            | Act::SetNote { .. }
            | Act::SetMark { .. }
            | Act::SetMoved(_)
            | Act::SetFormer(_)
            | Act::SetClosed(_) => false,
        };
        let mut rivals = counted.iter().filter(|(by, by_rank)| **by_rank >= rank && self.concurrent(**by, number));
        rules::may_all(&before, author, acts) && !rivals.any(|(by, _)| self.told[*by].acts.iter().any(strips))
    }

    /// Lets a change count, unless the room would lose its last founder by it. One that is level has none to lose: there it is the last operator,
    /// who may leave it so but not without knowing.
    fn count(&self, counted: &mut BTreeMap<usize, Rank>, number: usize, rank: Rank, set: &Past) {
        let heads = |state: &RoomState| {
            let least = if rules::is_level(state) { Rank::Operator } else { Rank::Founder };
            let heads = state.ranks.iter().filter(|(_, rank)| **rank >= least).map(|(who, _)| who.clone());
            (least, heads.collect::<Vec<_>>())
        };
        let Told { author, acts, .. } = &self.told[number];
        let author = author.principal();
        let known = self.values(counted, &self.pasts[number]);
        let leaves = acts
            .iter()
            .any(|act| matches!(act, Act::SetRank { who, rank } if *who == author && *rank < Rank::Operator));
        let knowing = leaves && rules::is_level(&known) && heads(&known).1 == [author];
        let (least, before) = heads(&self.values(counted, set));
        let keeps = |act: &Act| {
            matches!(
                act,
                Act::SetFlag { flag: Flag::Persistent, on: true } | Act::SetFlag { flag: Flag::Level, on: false }
            )
        };
        let lowers = |act: &Act| matches!(act, Act::SetRank { who, rank } if *rank < least && before.contains(who));
        let risks = acts.iter().any(|act| keeps(act) || lowers(act));
        counted.insert(number, rank);
        if risks && !knowing && heads(&self.values(counted, set)).1.is_empty() {
            counted.remove(&number);
        }
    }

    /// What the standing of somebody is worth.
    fn worth(&self, counted: &BTreeMap<usize, Rank>, who: &Principal, set: &Past) -> Rank {
        let write = self.written(counted, &Spot::Rank(who.clone()), set);
        let rank = write.map_or(Rank::None, |(_, act)| rank_in(act));
        let is_on = |flag| {
            let write = self.written(counted, &Spot::Flag(flag), set);
            write.is_some_and(|(_, act)| matches!(act, Act::Create | Act::SetFlag { on: true, .. }))
        };
        let is_head = rank >= Rank::Operator && is_on(Flag::Level) && !is_on(Flag::Persistent);
        if is_head { Rank::Founder } else { rank }
    }

    /// The write whose value a spot has among those in a set that count.
    fn written(&self, counted: &BTreeMap<usize, Rank>, spot: &Spot, set: &Past) -> Option<(usize, &Act)> {
        let of = |number: usize| {
            let Told { author, acts, .. } = &self.told[number];
            acts.iter().rev().find(|act| spots(act, author).contains(spot)).map(|act| (number, act))
        };
        let writes: Vec<(usize, &Act)> =
            counted.keys().filter(|number| set.contains(**number)).filter_map(|number| of(*number)).collect();
        let before = |one: usize, other: usize| self.pasts[other].contains(one);
        let undone = |ban: usize| {
            let lifts = writes.iter().filter(|(_, act)| matches!(act, Act::SetBan { ban: None, .. }));
            lifts
                .map(|(lift, _)| *lift)
                .any(|lift| before(ban, lift) || (!before(lift, ban) && counted[&lift] > counted[&ban]))
        };
        let standing: Vec<(usize, &Act)> =
            writes.iter().filter(|(number, act)| bans(act) && !undone(*number)).copied().collect();
        let among = if standing.is_empty() { &writes } else { &standing };
        let last = among.iter().filter(|(one, _)| !among.iter().any(|(other, _)| before(*one, *other)));
        last.copied().max_by_key(|(number, act)| {
            let lower_first = matches!(spot, Spot::Rank(_)).then(|| Reverse(rank_in(act)));
            (counted[number], lower_first, self.told[*number].at)
        })
    }

    fn values(&self, counted: &BTreeMap<usize, Rank>, set: &Past) -> RoomState {
        let within = counted.keys().filter(|number| set.contains(**number));
        let mut all: Vec<Spot> = within
            .flat_map(|number| self.told[*number].acts.iter().flat_map(|act| spots(act, &self.told[*number].author)))
            .collect();
        all.sort();
        all.dedup();
        let mut state = RoomState::default();
        for spot in all {
            if let Some((number, act)) = self.written(counted, &spot, set) {
                self.put(&mut state, spot, number, act);
            }
        }
        state
    }

    fn put(&self, state: &mut RoomState, spot: Spot, number: usize, act: &Act) {
        let Told { author, at, .. } = &self.told[number];
        let listed = |reason: &str| Ban { reason: reason.to_owned(), by: author.nick.clone(), at: at.hlc };
        match (spot, act) {
            (Spot::Created, _) => state.created = Some(at.hlc),
            (Spot::Rank(who), act) if rank_in(act) > Rank::None => drop(state.ranks.insert(who, rank_in(act))),
            (Spot::Ban(mask), Act::SetBan { ban: Some(reason), .. }) => drop(state.bans.insert(mask, listed(reason))),
            (Spot::Exception(mask), Act::SetException { on: true, .. }) => {
                state.exceptions.insert(mask, listed(""));
            }
            (Spot::Invited(mask), Act::SetInviteException { on: true, .. }) => {
                state.invite_exceptions.insert(mask, listed(""));
            }
            (Spot::Flag(flag), Act::Create | Act::SetFlag { on: true, .. }) => drop(state.flags.insert(flag)),
            (Spot::Key, Act::SetKey(key)) => state.key.clone_from(key),
            (Spot::Limit, Act::SetLimit(limit)) => state.limit = *limit,
            (Spot::Topic, Act::SetTopic(text)) if !text.is_empty() => {
                state.topic = Some(Topic { text: text.clone(), by: author.nick.clone(), at: at.hlc });
            }
            (Spot::Forward, Act::SetForward(room)) => state.forward.clone_from(room),
            (Spot::Title, Act::SetTitle(title)) if !title.is_empty() => state.title = Some(title.clone()),
            (Spot::Description, Act::SetDescription(text)) if !text.is_empty() => {
                state.description = Some(text.clone())
            }
            (Spot::Note(key), Act::SetNote { value: Some(value), .. }) => drop(state.notes.insert(key, value.clone())),
            (Spot::Mark(who, rank), Act::SetMark { on: true, .. }) => {
                state.marks.entry(who).or_default().insert(rank);
            }
            (Spot::Moved, Act::SetMoved(room)) => state.moved.clone_from(room),
            (Spot::Former, Act::SetFormer(room)) => state.former = Some(room.clone()),
            (Spot::Closed, Act::SetClosed(closed)) => {
                state.closed.clone_from(closed);
                if closed.is_none() {
                    state.opened = at.hlc;
                }
            }
            _ => {}
        }
    }
}
