//! The causal graph of a room's changes: who comes after whom, answered from vector clocks.
//!
//! Stamps extend causality here: a change that is not stamped later than what it depends on is refused. So the order of stamps is a
//! linear extension of the graph, and a fold in that order sees causes before effects.

use super::change::{Place, Recipe};
use super::{Act, Vocabulary};
use crate::content::Author;
use crate::entry::DocHead;
use crate::ids::{Dot, OrderKey, Origin};
use crate::version::VersionVector;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A change's place in [`Graph`]; only made by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Index(usize);

/// One change other than the genesis, which is before all and says nothing.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) hash: DocHead,
    pub(super) at: OrderKey,
    pub(super) author: Arc<Author>,
    /// Its number among its origin's changes of this document, from 0.
    pub(super) number: u64,
    /// What it directly depends on; empty when that is the genesis alone.
    pub(super) deps: Vec<Index>,
    /// Its causal past and itself, counted in changes.
    pub(super) past: VersionVector,
    /// What it does; empty when this version does not understand it.
    pub(super) acts: Vec<Act>,
    /// Number of its first operation, and of the one after its last.
    ops: (u64, u64),
    /// Whether its author had the right in the state at its causal past. Never changes.
    pub(super) is_authorised: bool,
    /// Whether it is valid in the state at the current heads.
    pub(super) counts: bool,
}

impl Node {
    /// Its name among the changes, for clocks.
    pub(super) const fn dot(&self) -> Dot {
        Dot { origin: self.at.origin, seq: self.number }
    }
}

/// What a recipe becomes when it is put at the end of its causal past.
pub(super) struct Fitted {
    deps: Vec<Index>,
    past: VersionVector,
    pub(super) place: Place,
}

/// Of things that changes did, the last of each origin in a causal past: the others are before it.
pub(super) fn last_of_each<T: Copy>(done: &BTreeMap<Dot, T>, past: &VersionVector) -> Vec<T> {
    let last = |(origin, next)| done.range(Dot { origin, seq: 0 }..Dot { origin, seq: next }).next_back();
    past.iter().filter_map(last).map(|(_, thing)| *thing).collect()
}

/// All changes known whose past is known.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    vocabulary: Vocabulary,
    genesis: DocHead,
    nodes: Vec<Node>,
    by_hash: BTreeMap<DocHead, Index>,
    by_dot: BTreeMap<Dot, Index>,
    by_order: BTreeMap<OrderKey, Index>,
    /// Each origin's changes in order of their stamps.
    by_origin: BTreeMap<Origin, Vec<Index>>,
    /// Which changes put which key, with the number of the operation.
    puts: BTreeMap<String, BTreeMap<Dot, (Index, u64)>>,
    heads: BTreeSet<Index>,
}

impl Graph {
    pub(super) const fn new(genesis: DocHead, vocabulary: Vocabulary) -> Self {
        Self {
            vocabulary,
            genesis,
            nodes: Vec::new(),
            by_hash: BTreeMap::new(),
            by_dot: BTreeMap::new(),
            by_order: BTreeMap::new(),
            by_origin: BTreeMap::new(),
            puts: BTreeMap::new(),
            heads: BTreeSet::new(),
        }
    }

    pub(super) const fn vocabulary(&self) -> Vocabulary {
        self.vocabulary
    }

    pub(super) fn node(&self, index: Index) -> &Node {
        &self.nodes[index.0]
    }

    pub(super) fn set_counts(&mut self, index: Index, counts: bool) {
        self.nodes[index.0].counts = counts;
    }

    /// All changes, each after its past.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Node> + '_ {
        self.nodes.iter()
    }

    /// The change that an entry brought.
    pub(super) fn of_entry(&self, dot: Dot) -> Option<&Node> {
        self.by_dot.get(&dot).map(|index| self.node(*index))
    }

    /// The change with this place in the order of stamps.
    pub(super) fn of_order(&self, at: OrderKey) -> Option<&Node> {
        self.by_order.get(&at).map(|index| self.node(*index))
    }

    /// The current heads as changes; none when there is only the genesis.
    pub(super) fn heads(&self) -> Vec<Index> {
        self.heads.iter().copied().collect()
    }

    /// The current heads, sorted.
    pub(super) fn head_hashes(&self) -> Vec<DocHead> {
        let mut hashes: Vec<DocHead> = self.heads.iter().map(|head| self.node(*head).hash).collect();
        hashes.sort_unstable();
        if hashes.is_empty() { vec![self.genesis] } else { hashes }
    }

    /// Of the changes stamped before `key` those that no other of them comes after, sorted: their pasts are all of these changes, since the
    /// order of stamps extends causality.
    pub(super) fn tips_before(&self, key: OrderKey) -> Vec<Index> {
        let mut covered = VersionVector::default();
        let mut tips = Vec::new();
        for index in self.by_order.range(..key).rev().map(|(_, index)| *index) {
            let node = self.node(index);
            if !covered.contains(node.dot()) {
                covered.merge(&node.past);
                tips.push(index);
            }
        }
        tips.sort_unstable();
        tips
    }

    /// Whether all are known.
    pub(super) fn knows(&self, hashes: &[DocHead]) -> bool {
        hashes.iter().all(|hash| *hash == self.genesis || self.by_hash.contains_key(hash))
    }

    /// The changes with these hashes that no other of them comes after, in index order; `None` when one is not known.
    pub(super) fn tips(&self, hashes: &[DocHead]) -> Option<Vec<Index>> {
        let mut known = BTreeSet::new();
        for hash in hashes.iter().filter(|hash| **hash != self.genesis) {
            known.insert(*self.by_hash.get(hash)?);
        }
        let is_tip = |index: &Index| known.iter().all(|other| other == index || !self.is_before(*index, *other));
        Some(known.iter().copied().filter(is_tip).collect())
    }

    /// Whether `a` is in the causal past of `b`.
    pub(super) fn is_before(&self, a: Index, b: Index) -> bool {
        a != b && self.node(b).past.contains(self.node(a).dot())
    }

    /// The union of the pasts of some changes.
    pub(super) fn past_of(&self, heads: &[Index]) -> VersionVector {
        let mut past = VersionVector::default();
        for head in heads {
            past.merge(&self.node(*head).past);
        }
        past
    }

    /// Changes in `past`, latest stamp first.
    pub(super) fn latest_first<'a>(&'a self, past: &'a VersionVector) -> impl Iterator<Item = Index> + 'a {
        self.by_order.values().rev().copied().filter(|index| past.contains(self.node(*index).dot()))
    }

    /// The last change in the past of `heads` that is comparable with every change in it, and the changes after it, earliest first. Nothing
    /// after it can touch what was settled up to it.
    pub(super) fn since_last_cut(&self, heads: &[Index]) -> (Option<Index>, Vec<Index>) {
        let past = self.past_of(heads);
        let mut left = past.total();
        let mut after: Vec<Index> = Vec::new();
        // What all the changes met so far have in their past.
        let mut common: Option<VersionVector> = None;
        for index in self.latest_first(&past) {
            let node = self.node(index);
            let has_all_before = node.past.total() == left;
            let is_before_all_after = common.as_ref().is_none_or(|common| common.contains(node.dot()));
            if has_all_before && is_before_all_after {
                after.reverse();
                return (Some(index), after);
            }
            common = Some(common.map_or_else(|| node.past.clone(), |common| common.meet(&node.past)));
            after.push(index);
            left = left.saturating_sub(1);
        }
        after.reverse();
        (None, after)
    }

    /// Where a recipe stands; `None` when its past is not here or it breaks a rule that holds for every change: its dependencies are none
    /// of each other's past, its stamp is later than theirs, and its origin's previous change is in its past.
    pub(super) fn fit(&self, at: OrderKey, recipe: &Recipe) -> Option<Fitted> {
        let deps = self.tips(&recipe.deps)?;
        let with_genesis = usize::from(deps.is_empty());
        if deps.len() + with_genesis != recipe.deps.len() || deps.iter().any(|dep| self.node(*dep).at.hlc >= at.hlc) {
            return None;
        }
        let mut past = self.past_of(&deps);
        let number = u64::try_from(self.own_before(at)).ok()?;
        if past.next(at.origin) != number {
            return None;
        }
        // The genesis has operation 1.
        let start_op = deps.iter().map(|dep| self.node(*dep).ops.1).max().unwrap_or(2);
        let superseded = recipe.puts.iter().map(|put| self.superseded(&put.key, &past)).collect();
        past.advance(at.origin, number.checked_add(1)?);
        Some(Fitted { deps, past, place: Place { seq: number + 1, start_op, superseded } })
    }

    /// How many changes of the origin are stamped before this.
    fn own_before(&self, at: OrderKey) -> usize {
        let own = self.by_origin.get(&at.origin);
        own.map_or(0, |own| own.partition_point(|index| self.node(*index).at < at))
    }

    /// Whether the origin has changes here that are stamped after this.
    pub(super) fn has_later(&self, at: OrderKey) -> bool {
        self.by_origin.get(&at.origin).is_some_and(|own| own.len() > self.own_before(at))
    }

    /// The operations that show for a key at a causal past.
    fn superseded(&self, key: &str, past: &VersionVector) -> Vec<(u64, Origin)> {
        let last: Vec<(Index, u64)> = self.puts.get(key).map(|puts| last_of_each(puts, past)).unwrap_or_default();
        let is_shown = |index: Index| !last.iter().any(|(later, _)| self.is_before(index, *later));
        let shown = last.iter().filter(|(index, _)| is_shown(*index));
        shown.map(|(index, op)| (*op, self.node(*index).at.origin)).collect()
    }

    /// Adds the change.
    pub(super) fn add(
        &mut self,
        at: OrderKey,
        author: Arc<Author>,
        recipe: &Recipe,
        hash: DocHead,
        fitted: Fitted,
    ) -> Index {
        let index = Index(self.nodes.len());
        let is_understood = |acts: &Vec<Act>| acts.iter().all(|act| self.vocabulary.has(act));
        let acts = recipe.acts().filter(is_understood).unwrap_or_default();
        let Fitted { deps, past, place } = fitted;
        let mut op = place.start_op;
        for put in &recipe.puts {
            let dot = Dot { origin: at.origin, seq: place.seq - 1 };
            self.puts.entry(put.key.clone()).or_default().insert(dot, (index, op));
            op += 1;
        }
        for dep in &deps {
            self.heads.remove(dep);
        }
        self.heads.insert(index);
        self.by_hash.insert(hash, index);
        self.by_dot.insert(at.dot(), index);
        self.by_order.insert(at, index);
        self.by_origin.entry(at.origin).or_default().push(index);
        self.nodes.push(Node {
            hash,
            at,
            author,
            number: place.seq - 1,
            deps,
            past,
            acts,
            ops: (place.start_op, op),
            is_authorised: false,
            counts: false,
        });
        index
    }

    pub(super) fn authorise(&mut self, index: Index) {
        self.nodes[index.0].is_authorised = true;
    }
}
