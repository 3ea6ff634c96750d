//! The replica of one scope as a value: what is known, what the next local entry refers to, what waits for its causal past.
//!
//! Holds no message bodies but those of waiting entries: the rest is in the store. Drive it: verify a run, then [`ScopeLog::note`]
//! each entry that [`ScopeLog::is_ready`] says has its past here, and [`ScopeLog::hold`] each other one; after a note,
//! [`ScopeLog::release`] gives the held entries whose time has come, one at a time.

use crate::clock::Hlc;
use crate::entry::{DocHead, Entry, Hash};
use crate::ids::{Dot, Origin};
use crate::mutant::{self, Mutant};
use crate::version::VersionVector;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Most entries of a scope that wait for their causal past. What is over it is dropped and comes again by sync.
pub const HELD_MAX: usize = 4096;

/// An origin's newest entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    hash: Hash,
    hlc: Hlc,
    doc_heads: Vec<DocHead>,
}

/// See the module's head.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeLog {
    vector: VersionVector,
    heads: BTreeMap<Origin, Head>,
    /// Newest entry of each origin that no known entry refers to.
    frontier: BTreeMap<Origin, u64>,
    #[serde(skip)]
    held: BTreeMap<Dot, (Entry, Hash)>,
    /// From which number on an origin's entries are void: none of ours names them.
    #[serde(skip)]
    cuts: BTreeMap<Origin, u64>,
}

impl ScopeLog {
    /// A scope of which nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known.
    #[must_use]
    pub const fn vector(&self) -> &VersionVector {
        &self.vector
    }

    /// The number of the origin's next entry.
    #[must_use]
    pub fn next_seq(&self, origin: Origin) -> u64 {
        self.vector.next(origin)
    }

    /// Hash of the origin's newest entry; zero when it has none.
    #[must_use]
    pub fn prev(&self, origin: Origin) -> Hash {
        self.heads.get(&origin).map(|head| head.hash).unwrap_or_default()
    }

    /// Stamp of the origin's newest entry; zero when it has none.
    #[must_use]
    pub fn newest(&self, origin: Origin) -> Hlc {
        self.heads.get(&origin).map(|head| head.hlc).unwrap_or_default()
    }

    /// What the origin's next entry names in [`Entry::after`]: the frontier without its own chain.
    #[must_use]
    pub fn frontier(&self, origin: Origin) -> Vec<Dot> {
        let others = self.frontier.iter().filter(|(other, _)| **other != origin);
        others.map(|(origin, seq)| Dot { origin: *origin, seq: *seq }).collect()
    }

    /// The document heads that the origin's next entry says nothing of when they are these.
    #[must_use]
    pub fn doc_heads(&self, origin: Origin) -> &[DocHead] {
        self.heads.get(&origin).map_or(&[], |head| &head.doc_heads)
    }

    /// What the origin's next entry says in [`Entry::heads`] when the document stands at `now`.
    #[must_use]
    pub fn heads_to_say(&self, origin: Origin, now: &[DocHead]) -> Option<Vec<DocHead>> {
        (self.doc_heads(origin) != now).then(|| now.to_vec())
    }

    /// The document heads at which an entry's rights are judged: its own, or those its origin said last before it. Ask before noting it.
    #[must_use]
    pub fn heads_of<'a>(&'a self, entry: &'a Entry) -> &'a [DocHead] {
        entry.heads.as_deref().unwrap_or_else(|| self.doc_heads(entry.origin))
    }

    /// Whether the entry is its origin's next, and everything that it says it comes after is here.
    #[must_use]
    pub fn is_ready(&self, entry: &Entry) -> bool {
        entry.seq == self.next_seq(entry.origin) && self.causal_ready(entry)
    }

    /// Whether what the entry refers to ([`Entry::after`], [`Entry::link`]) is here. A void one never comes, but it may stand for what its author had
    /// seen through it, of which nothing else tells: that has as long to come as anything.
    #[must_use]
    pub fn causal_ready(&self, entry: &Entry) -> bool {
        mutant::is_planted(Mutant::NoCausalHold)
            || entry.after.iter().chain(&entry.link).all(|dot| self.vector.contains(*dot))
    }

    /// From `cut` on the origin's entries are void: what is written here no longer refers to them, but to all that they may have stood for.
    pub fn cut(&mut self, origin: Origin, cut: u64) {
        self.cuts.insert(origin, cut);
        let counting = self.vector.below(&self.cuts);
        self.frontier = counting.iter().filter_map(|(origin, next)| Some((origin, next.checked_sub(1)?))).collect();
    }

    /// Whether an entry is void.
    #[must_use]
    pub fn is_void(&self, dot: Dot) -> bool {
        self.cuts.get(&dot.origin).is_some_and(|cut| *cut <= dot.seq)
    }

    /// Takes an entry into account, from here on or from the store at start-up. Returns whether it was its origin's next; nothing changes
    /// when it was not.
    pub fn note(&mut self, entry: &Entry, hash: Hash) -> bool {
        let origin = entry.origin;
        if entry.seq != self.next_seq(origin) {
            return false;
        }
        self.vector.advance(origin, entry.seq.saturating_add(1));
        let doc_heads = self.heads_of(entry).to_vec();
        self.heads.insert(origin, Head { hash, hlc: entry.hlc, doc_heads });
        if self.is_void(entry.dot()) {
            return true;
        }
        for dot in entry.after.iter().chain(&entry.link) {
            if self.frontier.get(&dot.origin).is_some_and(|seq| *seq <= dot.seq) {
                self.frontier.remove(&dot.origin);
            }
        }
        self.frontier.insert(origin, entry.seq);
        true
    }

    /// Takes up an origin's log where the store has it: everything below `next` counts as noted, its newest entry (`hash`, `hlc`) as
    /// referred to by nobody. The next local entry may then name more than its frontier, which is harmless.
    pub fn resume(&mut self, origin: Origin, next: u64, hash: Hash, hlc: Hlc) {
        let Some(newest) = next.checked_sub(1) else { return };
        self.vector.advance(origin, next);
        self.heads.insert(origin, Head { hash, hlc, doc_heads: Vec::new() });
        self.frontier.insert(origin, newest);
    }

    /// The origin's first held entry, removed from the held ones whether its past is here or not; note it.
    pub fn force(&mut self, origin: Origin) -> Option<(Entry, Hash)> {
        let dot = *self.held.range(Dot { origin, seq: 0 }..).next()?.0;
        if dot.origin == origin { self.held.remove(&dot) } else { None }
    }

    /// Keeps an entry until its past is here. Returns whether it is kept: not when it is known, held already, or too many are.
    pub fn hold(&mut self, entry: Entry, hash: Hash) -> bool {
        let dot = entry.dot();
        if self.vector.contains(dot)
            || self.held.contains_key(&dot)
            || (self.held.len() >= HELD_MAX && !mutant::is_planted(Mutant::NoBound))
        {
            return false;
        }
        self.held.insert(dot, (entry, hash));
        true
    }

    /// Whether the entry waits here.
    #[must_use]
    pub fn is_held(&self, dot: Dot) -> bool {
        self.held.contains_key(&dot)
    }

    /// The stamp of an entry that waits here.
    #[must_use]
    pub fn held_since(&self, dot: Dot) -> Option<Hlc> {
        self.held.get(&dot).map(|(entry, _)| entry.hlc)
    }

    /// How many entries wait.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// A held entry whose past is here, removed from the held ones; note it, then ask again until `None`. Looks at one entry of each origin, however
    /// many are held.
    pub fn release(&mut self) -> Option<(Entry, Hash)> {
        let mut from = Bound::Unbounded;
        while let Some((first, _)) = self.held.range((from, Bound::Unbounded)).next() {
            let first = *first;
            let next = Dot { origin: first.origin, seq: self.next_seq(first.origin) };
            if first < next {
                // It was noted by another way.
                self.held.remove(&first);
                continue;
            }
            if first == next && self.held.get(&next).is_some_and(|(entry, _)| self.causal_ready(entry)) {
                return self.held.remove(&next);
            }
            from = Bound::Excluded(Dot { origin: first.origin, seq: u64::MAX });
        }
        None
    }

    /// The hash that the entry after `seq` of the origin must name, when it is known here without the store: of the newest noted entry, or of
    /// a held one. Verify a run that begins there with it.
    #[must_use]
    pub fn hash_of(&self, dot: Dot) -> Option<Hash> {
        match self.held.get(&dot) {
            Some((_, hash)) => Some(*hash),
            None if self.next_seq(dot.origin) == dot.seq.saturating_add(1) => Some(self.prev(dot.origin)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::seal;
    use crate::content::Content;
    use crate::entry::Body;
    use crate::testing::{entry, origin_key};
    use proptest::prelude::*;

    fn made(number: u8, seq: u64, after: &[(u8, u64)]) -> Entry {
        let after = after.iter().map(|(number, seq)| Dot { origin: origin_key(*number).origin(), seq: *seq }).collect();
        let body = Body::Message(Content::text("x"));
        Entry { after, ..entry(number, seq, 100 + seq, Hash::default(), &body) }
    }

    fn dot(number: u8, seq: u64) -> Dot {
        Dot { origin: origin_key(number).origin(), seq }
    }

    #[test]
    fn the_frontier_is_what_nobody_refers_to() {
        let mut log = ScopeLog::new();
        for entry in [made(1, 0, &[]), made(1, 1, &[]), made(2, 0, &[(1, 0)])] {
            assert!(log.note(&entry, seal(&entry).1));
        }
        assert_eq!(log.frontier(origin_key(2).origin()), [dot(1, 1)]);
        let next = made(2, 1, &[(1, 1)]);
        log.note(&next, seal(&next).1);
        assert!(log.frontier(origin_key(2).origin()).is_empty());
        assert_eq!(log.frontier(origin_key(3).origin()), [dot(2, 1)]);
        assert_eq!(log.prev(origin_key(2).origin()), seal(&next).1);
    }

    #[test]
    fn an_entry_waits_for_what_it_comes_after() {
        let mut log = ScopeLog::new();
        let reply = made(2, 0, &[(1, 0)]);
        assert!(!log.is_ready(&reply));
        assert!(log.hold(reply.clone(), seal(&reply).1));
        assert!(!log.hold(reply.clone(), seal(&reply).1));
        assert_eq!(log.release(), None);
        assert_eq!(log.hash_of(dot(2, 0)), Some(seal(&reply).1));
        let first = made(1, 0, &[]);
        log.note(&first, seal(&first).1);
        assert_eq!(log.release().map(|(entry, _)| entry), Some(reply));
        assert_eq!(log.held(), 0);
    }

    #[test]
    fn what_is_void_is_referred_to_no_more_and_what_it_stood_for_is() {
        let mut log = ScopeLog::new();
        let liar = origin_key(2).origin();
        for entry in [made(1, 0, &[]), made(2, 0, &[]), made(2, 1, &[(1, 0)])] {
            assert!(log.note(&entry, seal(&entry).1));
        }
        assert_eq!(log.frontier(origin_key(3).origin()), [dot(2, 1)]);
        log.cut(liar, 1);
        assert_eq!(sorted(log.frontier(origin_key(3).origin())), sorted(vec![dot(1, 0), dot(2, 0)]));
        // Nor is it when it comes of what was held.
        let held = made(2, 2, &[(1, 0)]);
        log.note(&held, seal(&held).1);
        assert_eq!(sorted(log.frontier(origin_key(3).origin())), sorted(vec![dot(1, 0), dot(2, 0)]));
    }

    #[test]
    fn what_comes_after_a_void_entry_waits_for_what_that_may_stand_for() {
        let mut log = ScopeLog::new();
        log.cut(origin_key(2).origin(), 0);
        assert!(!log.is_ready(&made(3, 0, &[(2, 0)])));
    }

    fn sorted(mut dots: Vec<Dot>) -> Vec<Dot> {
        dots.sort_unstable();
        dots
    }

    #[test]
    fn document_heads_are_said_only_when_they_change() {
        let mut log = ScopeLog::new();
        let origin = origin_key(1).origin();
        let first = Entry { heads: log.heads_to_say(origin, &[[7; 32]]), ..made(1, 0, &[]) };
        assert_eq!(log.heads_of(&first), [[7; 32]]);
        log.note(&first, seal(&first).1);
        let second = Entry { heads: log.heads_to_say(origin, &[[7; 32]]), ..made(1, 1, &[]) };
        assert_eq!(second.heads, None);
        assert_eq!(log.heads_of(&second), [[7; 32]]);
        assert_eq!(log.heads_to_say(origin, &[[8; 32]]), Some(vec![[8; 32]]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_order_of_arrival_ends_the_same(order in Just((0usize..12).collect::<Vec<_>>()).prop_shuffle()) {
            // Three origins in turn, each entry after the one before it.
            let all: Vec<Entry> = (0u8..12).map(|index| {
                let before = index.checked_sub(1).map(|before| (before % 3 + 1, u64::from(before / 3)));
                made(index % 3 + 1, u64::from(index / 3), before.as_slice())
            }).collect();
            let mut in_order = ScopeLog::new();
            for entry in &all {
                prop_assert!(in_order.is_ready(entry));
                in_order.note(entry, seal(entry).1);
            }
            let mut shuffled = ScopeLog::new();
            for index in order {
                let entry = all[index].clone();
                let hash = seal(&entry).1;
                shuffled.hold(entry, hash);
                while let Some((entry, hash)) = shuffled.release() {
                    prop_assert!(shuffled.note(&entry, hash));
                }
            }
            prop_assert_eq!(shuffled, in_order);
        }
    }
}
