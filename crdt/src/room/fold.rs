//! The fold: which of some concurrent changes count, and what state they make.
//!
//! Changes are settled from the most senior authors down, and among authors of one rank in the order of stamps. One counts when its
//! author had the right at its causal past, still has it in the part of that past that counts, and no concurrent change that counts, by
//! somebody of at least the same rank, took the author's standing away. Of two who demote each other the earlier stamp wins. A change that
//! would leave the room without a founder does not count. Of concurrent creations the earliest counts; what rests on another does not.
//!
//! While a room is level, operators count as founders in all of this, and a change by which the last of them that its author knew of steps down does count.
//!
//! A change that all others have seen or were seen by is a cut: what comes after it is settled over the state at it, which is the same on every node, since
//! where the cuts are follows from the changes alone. As long as standings are given from above it is the same as settling all at once. Where somebody
//! is raised from below (a room becomes level, a closed or headless one is taken over), a cut makes the raised one's rank count in full against whoever is concurrent
//! after it; without one it counts as late as the change that gave it.
//!
//! Then each register has the value of the last change that counts; of several concurrent ones that of the most senior author, the lower
//! of two ranks, and the latest stamp. A ban stands until somebody who has seen it lifts it, or somebody more senior who has not.

use super::graph::{Graph, Index, Node, last_of_each};
use super::register::{self, Register, is_ban, rank_given};
use super::rights::{View, judge};
use super::{Act, Flag, Rank, RoomState};
use crate::content::{Author, Principal};
use crate::ids::Dot;
use crate::mutant::{self, Mutant};
use crate::version::VersionVector;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

const RANKS_FROM_ABOVE: [Rank; 7] =
    [Rank::Founder, Rank::Admin, Rank::Operator, Rank::HalfOp, Rank::Voice, Rank::Member, Rank::None];

#[derive(Clone, Copy)]
struct Write<'a> {
    index: Index,
    act: &'a Act,
}

/// Folds changes over the state that everything before them makes.
pub(super) struct Fold<'a> {
    graph: &'a Graph,
    base: &'a RoomState,
    /// Changes that count, with their authors' ranks at their causal pasts.
    valid: BTreeMap<Index, Rank>,
    /// What they write.
    writes: BTreeMap<Register, BTreeMap<Dot, Write<'a>>>,
    /// Authors of what is to be settled, and the bans among the writes that mean them.
    bans: BTreeMap<&'a Author, Vec<Index>>,
    /// Everything there is to settle, and all before it.
    whole: VersionVector,
}

impl<'a> Fold<'a> {
    /// Settles `changes`, which are all that come after the change whose state is `base`, earliest stamp first.
    pub(super) fn new(graph: &'a Graph, base: &'a RoomState, changes: &[Index]) -> Self {
        let mut open: Vec<Index> = changes.iter().copied().filter(|index| graph.node(*index).is_authorised).collect();
        let bans = open.iter().map(|index| (&*graph.node(*index).author, Vec::new())).collect();
        let whole = graph.past_of(changes);
        let mut fold = Self { graph, base, valid: BTreeMap::new(), writes: BTreeMap::new(), bans, whole };
        fold.settle_creation(&mut open);
        for level in RANKS_FROM_ABOVE {
            open.retain(|index| !fold.settle(*index, level));
        }
        fold
    }

    /// Whether a change counts.
    pub(super) fn counts(&self, index: Index) -> bool {
        self.valid.contains_key(&index)
    }

    /// The state that the changes that count make.
    pub(super) fn state(&self) -> RoomState {
        let mut state = self.base.clone();
        for register in self.writes.keys() {
            if register.banned().is_some() && mutant::is_planted(Mutant::BanLostInMerge) {
                continue;
            }
            if let Some(write) = self.winner(register, None) {
                let node = self.graph.node(write.index);
                state.write(register, write.act, &node.author, node.at);
            }
        }
        state
    }

    fn settle_creation(&mut self, open: &mut Vec<Index>) {
        let is_creation = |index: &Index| self.graph.node(*index).acts.contains(&Act::Create);
        let first = open.iter().copied().find(is_creation);
        if mutant::is_planted(Mutant::EveryCreationCounts) {
            open.iter().copied().filter(is_creation).for_each(|index| self.accept(index, Rank::Founder));
        }
        open.retain(|index| !is_creation(index));
        if let Some(first) = first
            && self.base.created.is_none()
        {
            self.accept(first, Rank::Founder);
        }
    }

    /// Settles a change if its author's rank is at least `level`; says whether it did.
    fn settle(&mut self, index: Index, level: Rank) -> bool {
        let node = self.graph.node(index);
        let view = PastView { fold: self, past: &node.past };
        let rank = view.standing(&node.author.principal());
        if rank < level {
            return false;
        }
        if judge(&view, &node.author, &node.acts).is_ok() && !self.is_revoked(index, rank) {
            let is_known = abandons(&view, node);
            let could_end = self.demotes_founder(node) || keeps(node);
            self.accept(index, rank);
            if could_end && !is_known && !self.has_founder() {
                self.retract(index);
            }
        }
        true
    }

    fn accept(&mut self, index: Index, rank: Rank) {
        let node = self.graph.node(index);
        self.valid.insert(index, rank);
        for act in &node.acts {
            for register in register::written(act, &node.author) {
                if let (Some(mask), true) = (register.banned(), is_ban(act)) {
                    let meant = self.bans.iter_mut().filter(|(author, _)| mask.matches(author));
                    meant.for_each(|(_, bans)| bans.push(index));
                }
                self.writes.entry(register).or_default().insert(node.dot(), Write { index, act });
            }
        }
    }

    fn retract(&mut self, index: Index) {
        let node = self.graph.node(index);
        self.valid.remove(&index);
        for register in node.acts.iter().flat_map(|act| register::written(act, &node.author)) {
            if let Some(writes) = self.writes.get_mut(&register) {
                writes.remove(&node.dot());
            }
        }
    }

    /// Whether a concurrent change that counts took the standing of a change's author away.
    fn is_revoked(&self, index: Index, rank: Rank) -> bool {
        if mutant::is_planted(Mutant::DemotionIgnored) {
            return false;
        }
        let node = self.graph.node(index);
        let ranks = self.writes.get(&Register::Rank(node.author.principal()));
        let view = PastView { fold: self, past: &node.past };
        let least = if rank == Rank::Founder && view.is_level() { Rank::Operator } else { rank };
        let demotions = ranks.into_iter().flat_map(BTreeMap::values).filter(|write| rank_given(write.act) < least);
        let bans = self.bans.get(&*node.author).into_iter().flatten().copied();
        demotions.map(|write| write.index).chain(bans).any(|by| {
            let is_concurrent = by != index && !self.graph.is_before(by, index) && !self.graph.is_before(index, by);
            is_concurrent && self.valid.get(&by).is_some_and(|by| *by >= rank)
        })
    }

    /// From which rank on somebody is as good as a founder.
    fn head(&self) -> Rank {
        let has = |flag| {
            let given = self.winner(&Register::Flag(flag), None).map(|write| register::flag_given(write.act));
            given.unwrap_or_else(|| self.base.has(flag))
        };
        if has(Flag::Level) && !has(Flag::Persistent) { Rank::Operator } else { Rank::Founder }
    }

    fn demotes_founder(&self, node: &Node) -> bool {
        let head = self.head();
        node.acts
            .iter()
            .any(|act| matches!(act, Act::SetRank { who, rank } if *rank < head && self.rank(who, None) >= head))
    }

    fn has_founder(&self) -> bool {
        let head = self.head();
        let settled = self.base.ranks.iter().filter(|(_, rank)| **rank >= head).map(|(who, _)| who);
        settled.chain(self.writes.keys().filter_map(Register::ranked)).any(|who| self.rank(who, None) >= head)
    }

    fn rank(&self, who: &Principal, past: Option<&VersionVector>) -> Rank {
        match self.winner(&Register::Rank(who.clone()), past) {
            Some(write) => rank_given(write.act),
            None => self.base.rank(who),
        }
    }

    /// The write whose value a register has, of all or of those in a causal past; `None` when the base's value stands.
    fn winner(&self, register: &Register, past: Option<&VersionVector>) -> Option<Write<'a>> {
        let writes = self.writes.get(register)?;
        let past = past.unwrap_or(&self.whole);
        let standing = register.banned().and_then(|_| self.standing_bans(writes, past));
        let candidates = standing.unwrap_or_else(|| last_of_each(writes, past));
        let is_last =
            |write: &Write<'a>| !candidates.iter().any(|other| self.graph.is_before(write.index, other.index));
        let precedence = |write: &Write<'a>| {
            let lower_first = register.ranked().map(|_| Reverse(rank_given(write.act)));
            (self.valid.get(&write.index).copied(), lower_first, self.graph.node(write.index).at)
        };
        candidates.iter().copied().filter(is_last).max_by_key(precedence)
    }

    /// Bans in a causal past that nobody in it has lifted; `None` when there is none.
    fn standing_bans(&self, writes: &BTreeMap<Dot, Write<'a>>, past: &VersionVector) -> Option<Vec<Write<'a>>> {
        let seen = writes.iter().filter(|(dot, _)| past.contains(**dot)).map(|(_, write)| *write);
        let (bans, lifts): (Vec<Write<'a>>, Vec<Write<'a>>) = seen.partition(|write| is_ban(write.act));
        let stands = |ban: &Write<'a>| !lifts.iter().any(|lift| self.is_lifted_by(*ban, *lift));
        let standing: Vec<Write<'a>> = bans.into_iter().filter(stands).collect();
        (!standing.is_empty()).then_some(standing)
    }

    /// A ban is lifted by who has seen it, and by a more senior author who has not.
    fn is_lifted_by(&self, ban: Write<'a>, lift: Write<'a>) -> bool {
        let outranks =
            || mutant::is_planted(Mutant::LiftBeatsBan) || self.valid.get(&lift.index) > self.valid.get(&ban.index);
        self.graph.is_before(ban.index, lift.index) || (!self.graph.is_before(lift.index, ban.index) && outranks())
    }
}

/// Whether a change may end that a room is level.
fn keeps(node: &Node) -> bool {
    node.acts.iter().any(|act| {
        matches!(act, Act::SetFlag { flag: Flag::Persistent, on: true } | Act::SetFlag { flag: Flag::Level, on: false })
    })
}

/// Whether a level room has no operator after a change as far as its author knew, who was the last.
fn abandons(view: &PastView<'_, '_>, node: &Node) -> bool {
    let author = node.author.principal();
    let steps_down = |act: &Act| matches!(act, Act::SetRank { who, rank } if *who == author && *rank < Rank::Operator);
    node.acts.iter().any(steps_down) && view.is_level() && view.holders(Rank::Operator) == [author]
}

/// The state that the changes which count make in the causal past of one change.
struct PastView<'f, 'a> {
    fold: &'f Fold<'a>,
    /// Holds the change itself as well, which has written nothing yet.
    past: &'f VersionVector,
}

impl PastView<'_, '_> {
    fn winner(&self, register: &Register) -> Option<&Act> {
        self.fold.winner(register, Some(self.past)).map(|write| write.act)
    }

    fn is_listed(&self, register: &Register, settled: bool) -> bool {
        self.winner(register)
            .map_or(settled, |act| matches!(act, Act::SetBan { ban: Some(_), .. } | Act::SetException { on: true, .. }))
    }
}

impl View for PastView<'_, '_> {
    fn is_created(&self) -> bool {
        self.fold.base.created.is_some() || self.winner(&Register::Created).is_some()
    }

    fn is_closed(&self) -> bool {
        let settled = self.fold.base.closed.is_some();
        self.winner(&Register::Closed).map_or(settled, |act| matches!(act, Act::SetClosed(Some(_))))
    }

    fn rank(&self, who: &Principal) -> Rank {
        self.fold.rank(who, Some(self.past))
    }

    fn has(&self, flag: Flag) -> bool {
        self.winner(&Register::Flag(flag)).map_or_else(|| self.fold.base.has(flag), register::flag_given)
    }

    fn is_banned(&self, author: &Author) -> bool {
        let base = self.fold.base;
        let mut bans = base.bans.keys().chain(self.fold.writes.keys().filter_map(Register::banned));
        let is_banned = bans.any(|mask| {
            mask.matches(author) && self.is_listed(&Register::Ban(mask.clone()), base.bans.contains_key(mask))
        });
        let exceptions = self.fold.writes.keys().filter_map(Register::excepted);
        let is_excepted = || {
            base.exceptions.keys().chain(exceptions).any(|mask| {
                let settled = base.exceptions.contains_key(mask);
                mask.matches(author) && self.is_listed(&Register::Exception(mask.clone()), settled)
            })
        };
        is_banned && !is_excepted() && !mutant::is_planted(Mutant::BanIgnored)
    }

    fn has_founder_besides(&self, who: &Principal) -> bool {
        let settled = self.fold.base.ranks.keys();
        settled
            .chain(self.fold.writes.keys().filter_map(Register::ranked))
            .any(|other| other != who && self.rank(other) == Rank::Founder)
    }

    fn holders(&self, least: Rank) -> Vec<Principal> {
        let settled = self.fold.base.ranks.keys();
        let written = self.fold.writes.keys().filter_map(Register::ranked);
        let all: BTreeSet<&Principal> = settled.chain(written).filter(|who| self.rank(who) >= least).collect();
        all.into_iter().cloned().collect()
    }
}
