//! Looks at the nodes while the run goes on: gaps that stay open between nodes that are connected (invariant L17), tables over their caps
//! (invariant L11), and how far each node is behind.

use super::World;
use super::holding::{Holding, Unlike, is_alike};
use super::queue::Pending;
use lavina_core::node::Limits;
use lavina_core::store::Store;
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
pub(super) type Lack = (Scope, Origin, u64);

/// What sampling has found out.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// What each node had when it was last looked at.
    held: Vec<Holding>,
    /// Scopes of which not all nodes have the same: only there can one lack what another has.
    unlike: BTreeSet<Scope>,
    /// Those of them of which all that are to hold them have the same, as long as these are the nodes that are compared and what each is to hold.
    agreed: BTreeSet<Scope>,
    compared: BTreeMap<usize, (u64, u64)>,
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
        let mut held = std::mem::take(&mut self.watch.held);
        held.resize_with(self.nodes.len(), Holding::default);
        for (node, held) in self.nodes.iter().zip(&mut held) {
            let changed = match &node.core {
                Some(core) => held.look(node.start, core),
                None => held.look_anew(node.store.vectors().unwrap_or_default()),
            };
            self.watch.agreed.retain(|scope| !changed.contains(scope));
            self.watch.unlike.extend(changed);
        }
        self.watch.unlike.retain(|scope| !is_alike(&held, scope));
        self.follow_gaps(&held);
        if self.book.is_full() {
            let behind = (0..held.len()).map(|node| behind(&held, node)).collect();
            self.book.on_lag(self.now_us, behind);
        }
        self.watch.held = held;
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

    fn follow_gaps(&mut self, held: &[Holding]) {
        let mut open = BTreeMap::new();
        let up: BTreeSet<usize> = (0..held.len()).filter(|node| self.is_healthy(*node)).collect();
        let late: BTreeSet<usize> = up.iter().copied().filter(|node| self.is_late(*node)).collect();
        let moment = |node: &usize| {
            let core = self.nodes[*node].core.as_ref();
            (*node, (self.nodes[*node].start, core.map_or(0, lavina_core::node::Node::holding_changes)))
        };
        let compared: BTreeMap<usize, (u64, u64)> = up.iter().map(moment).collect();
        if self.watch.compared != compared {
            self.watch.compared = compared;
            self.watch.agreed.clear();
        }
        let unsure: BTreeSet<Scope> = self.watch.unlike.difference(&self.watch.agreed).cloned().collect();
        let unlike = Unlike::among(held, &unsure, &up, |node, scope| self.holds(node, scope));
        let parted: BTreeSet<&Scope> = unlike.scopes().collect();
        self.watch.agreed.extend(unsure.iter().filter(|scope| !parted.contains(scope)).cloned());
        let is_looked_at = !parted.is_empty() && self.net.paths.is_calm(self.now_us);
        let connections = if is_looked_at { self.connections() } else { Vec::new() };
        for (one, other, epoch) in connections {
            if !self.net.paths.passes_both(one, other) {
                continue;
            }
            for (has, lacks) in [(one, other), (other, one)] {
                if !up.contains(&has) || !up.contains(&lacks) {
                    continue;
                }
                // Who cannot know the time yet refuses what seems to be from the future; L15 says when it must know.
                if late.contains(&lacks) {
                    continue;
                }
                // A node that is not known to belong to the mesh, or not any more, is listened to once others have said so.
                let knows = |core: &lavina_core::node::Node<_>| core.knows(self.id(has));
                if !self.nodes[lacks].core.as_ref().is_some_and(knows) {
                    continue;
                }
                // Who lies may keep what it has to itself, and be given nothing for what it says it has.
                if self.plan.lies(has) || self.plan.lies(lacks) {
                    continue;
                }
                for lack in unlike.lacking(has, lacks).take(GAPS_MAX) {
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

/// How many entries are on some node's disk and not on this one's.
fn behind(held: &[Holding], node: usize) -> u64 {
    let mut all: BTreeMap<&Scope, VersionVector> = BTreeMap::new();
    for (scope, vector) in held.iter().flat_map(Holding::iter) {
        all.entry(scope).or_default().merge(vector);
    }
    let own: BTreeMap<&Scope, &VersionVector> = held[node].iter().collect();
    let lacks = |(scope, vector): (&&Scope, &VersionVector)| {
        let own = own.get(*scope).map(|own| (*own).clone()).unwrap_or_default();
        vector.missing_in(&own).map(|(_, first, end)| end - first).sum::<u64>()
    };
    all.iter().map(lacks).sum()
}
