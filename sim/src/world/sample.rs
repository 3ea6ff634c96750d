//! Looks at the nodes while the run goes on: gaps that stay open between nodes that are connected (invariant L17), tables over their caps
//! (invariant L11), and how far each node is behind.

use super::World;
use super::queue::Pending;
use lavina_core::node::Limits;
use lavina_crdt::ids::{Origin, Scope};
use lavina_crdt::version::VersionVector;
use std::collections::{BTreeMap, BTreeSet};

/// How often: half a sync period.
pub(super) const PERIOD_US: u64 = 1_500_000;
/// Gaps of one pair of nodes that are followed; more at once are followed as some of them are.
const GAPS_MAX: usize = 64;

/// (node that has it, node that lacks it, connection).
type Pair = (usize, usize, u64);
/// What a node lacks: from which number of an origin's entries on.
type Lack = (Scope, Origin, u64);

/// What sampling has found out.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Since when each gap is open, microseconds.
    open: BTreeMap<(Pair, Lack), u64>,
    /// The gap that was open for longest: how long, and which.
    pub(crate) longest: Option<(u64, String)>,
    /// Tables found over their cap.
    pub(crate) over: BTreeSet<String>,
}

impl World {
    pub(super) fn on_sample(&mut self) {
        self.queue.push(self.now_us + PERIOD_US, Pending::Sample);
        self.check_gauges("under way");
        let vectors: Vec<BTreeMap<Scope, VersionVector>> =
            (0..self.nodes.len()).map(|node| self.vectors(node)).collect();
        self.follow_gaps(&vectors);
        if self.book.is_full() {
            let behind = (0..vectors.len()).map(|node| behind(&vectors, node)).collect();
            self.book.on_lag(self.now_us, behind);
        }
    }

    /// Notes every table of every node that is over its cap.
    pub(super) fn check_gauges(&mut self, when: &str) {
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(core) = &node.core else { continue };
            for gauge in core.gauges().into_iter().filter(|gauge| gauge.now > gauge.cap) {
                let (name, now, cap) = (gauge.name, gauge.now, gauge.cap);
                self.watch.over.insert(format!("node {index} {when} had {now} {name}, and the cap is {cap}"));
            }
        }
    }

    /// Whether a node takes the time to be so early that it may refuse what is written now.
    fn is_late(&self, node: usize) -> bool {
        let mut walls: Vec<u64> = self.nodes.iter().map(|node| node.now(self.now_us).wall_ms).collect();
        walls.sort_unstable();
        let usual_ms = walls[walls.len() / 2];
        let node = &self.nodes[node];
        let taken_ms = node.core.as_ref().map(|core| core.time(node.now(self.now_us)).wall_ms);
        taken_ms.is_some_and(|taken_ms| taken_ms + Limits::default().drift_ms_max / 2 < usual_ms)
    }

    fn follow_gaps(&mut self, vectors: &[BTreeMap<Scope, VersionVector>]) {
        let mut open = BTreeMap::new();
        for (one, other, epoch) in self.connections() {
            if !self.net.paths.passes_both(one, other) || !self.net.paths.is_calm(self.now_us) {
                continue;
            }
            for (has, lacks) in [(one, other), (other, one)] {
                if !self.is_healthy(has) || !self.is_healthy(lacks) {
                    continue;
                }
                // Who cannot know the time yet refuses what seems to be from the future; L15 says when it must know.
                if self.is_late(lacks) {
                    continue;
                }
                // Who lies may keep what it has to itself, and be given nothing for what it says it has.
                if self.plan.lies(has) || self.plan.lies(lacks) {
                    continue;
                }
                for lack in lacking(&vectors[has], &vectors[lacks]).take(GAPS_MAX) {
                    let key = ((has, lacks, epoch), lack);
                    let since_us = self.watch.open.get(&key).copied().unwrap_or(self.now_us);
                    open.insert(key, since_us);
                }
            }
        }
        for (((has, lacks, _), (scope, origin, seq)), since_us) in &open {
            let age_us = self.now_us - since_us;
            if self.watch.longest.as_ref().is_none_or(|(longest_us, _)| age_us > *longest_us) {
                let what = format!(
                    "node {lacks} lacked entry {seq} of {origin:?} in {scope:?} for {} ms until {} ms, connected to node {has}, which has it",
                    age_us / 1000,
                    self.now_us / 1000
                );
                self.watch.longest = Some((age_us, what));
            }
        }
        self.watch.open = open;
    }
}

/// What one node lacks of what another has.
fn lacking<'a>(
    has: &'a BTreeMap<Scope, VersionVector>,
    lacks: &'a BTreeMap<Scope, VersionVector>,
) -> impl Iterator<Item = Lack> + 'a {
    has.iter().flat_map(move |(scope, vector)| {
        let theirs = lacks.get(scope).cloned().unwrap_or_default();
        let missing: Vec<Lack> =
            vector.missing_in(&theirs).map(|(origin, first, _)| (scope.clone(), origin, first)).collect();
        missing
    })
}

/// How many entries are on some node's disk and not on this one's.
fn behind(vectors: &[BTreeMap<Scope, VersionVector>], node: usize) -> u64 {
    let mut all: BTreeMap<&Scope, VersionVector> = BTreeMap::new();
    for (scope, vector) in vectors.iter().flatten() {
        let joined = all.entry(scope).or_default();
        vector.iter().for_each(|(origin, next)| joined.advance(origin, next));
    }
    let lacks = |(scope, vector): (&&Scope, &VersionVector)| {
        let own = vectors[node].get(*scope).cloned().unwrap_or_default();
        vector.missing_in(&own).map(|(_, first, end)| end - first).sum::<u64>()
    };
    all.iter().map(lacks).sum()
}
