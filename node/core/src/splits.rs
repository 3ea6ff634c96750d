//! Which nodes are out of reach, and what local sessions are to be told of it when.
//!
//! A node lost is told of after a short gathering time, so that a cut that takes many nodes is one notice. After the grace time its
//! people are gone; when it returns before, they are back; when it returns after, they come in as one. Knows no room and no person.

use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::ids::NodeId;
use std::collections::BTreeMap;

/// How long news of nodes is gathered before it is told, milliseconds: membership learns of the nodes behind one cut one after another.
const GATHER_MS: u64 = 500;
/// Nodes whose grace time ends within this time of one another go as one, milliseconds.
const GRACE_GATHER_MS: u64 = 3_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Lost, told to nobody.
    Lost,
    /// Lost, and told.
    Told,
    /// In reach again, which is yet to be told.
    Back,
    /// Its people are gone.
    Gone,
}

#[derive(Clone, Copy, Debug)]
struct Split {
    since: Hlc,
    gone_at: u64,
    stage: Stage,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Splits {
    nodes: BTreeMap<NodeId, Split>,
    tell_at: Option<u64>,
}

/// What is to be told at a time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// Out of reach.
    pub(crate) lost: Vec<NodeId>,
    /// In reach again in time.
    pub(crate) back: Vec<NodeId>,
    /// Gone.
    pub(crate) gone: Vec<NodeId>,
}

impl Splits {
    /// A node is out of reach.
    pub(crate) fn lose(&mut self, now: Now, node: NodeId, grace_ms: u64) {
        let fresh = Split { since: Hlc::from_ms(now.wall_ms), gone_at: now.deadline_ms(grace_ms), stage: Stage::Lost };
        let split = self.nodes.entry(node).or_insert(fresh);
        match split.stage {
            Stage::Back => *split = Split { stage: Stage::Told, ..fresh },
            Stage::Lost => self.gather(now),
            Stage::Told | Stage::Gone => {}
        }
    }

    /// A node is in reach.
    pub(crate) fn regain(&mut self, now: Now, node: NodeId) {
        let Some(split) = self.nodes.get_mut(&node) else { return };
        match split.stage {
            Stage::Lost => {
                self.nodes.remove(&node);
            }
            Stage::Told => {
                split.stage = Stage::Back;
                self.gather(now);
            }
            Stage::Back | Stage::Gone => {}
        }
    }

    /// Presence of a node has come: whether its people were gone and return with this.
    pub(crate) fn returns(&mut self, node: NodeId) -> bool {
        let gone = self.nodes.get(&node).is_some_and(|split| split.stage == Stage::Gone);
        if gone {
            self.nodes.remove(&node);
        }
        gone
    }

    /// Since when a node is out of reach, where it is.
    pub(crate) fn since(&self, node: NodeId) -> Option<Hlc> {
        let split = self.nodes.get(&node)?;
        (split.stage != Stage::Back).then_some(split.since)
    }

    /// When to ask for [`Splits::news`] again.
    pub(crate) fn next_timeout(&self) -> Option<u64> {
        let waits = |split: &&Split| matches!(split.stage, Stage::Lost | Stage::Told);
        let gone_at = self.nodes.values().filter(waits).map(|split| split.gone_at).min();
        self.tell_at.into_iter().chain(gone_at).min()
    }

    /// What is to be told now.
    pub(crate) fn news(&mut self, now: Now) -> News {
        let mut news = News::default();
        if self.tell_at.is_some_and(|at| at <= now.mono_us) {
            self.tell_at = None;
            for (node, split) in &mut self.nodes {
                match split.stage {
                    Stage::Lost => {
                        split.stage = Stage::Told;
                        news.lost.push(*node);
                    }
                    Stage::Back => news.back.push(*node),
                    Stage::Told | Stage::Gone => {}
                }
            }
            self.nodes.retain(|_, split| split.stage != Stage::Back);
        }
        let waits = |split: &Split| matches!(split.stage, Stage::Lost | Stage::Told);
        if self.nodes.values().any(|split| waits(split) && split.gone_at <= now.mono_us) {
            let until = now.deadline_ms(GRACE_GATHER_MS);
            for (node, split) in &mut self.nodes {
                if waits(split) && split.gone_at <= until {
                    split.stage = Stage::Gone;
                    news.gone.push(*node);
                }
            }
        }
        news
    }

    fn gather(&mut self, now: Now) {
        self.tell_at.get_or_insert(now.deadline_ms(GATHER_MS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId([1; 32]);
    const B: NodeId = NodeId([2; 32]);

    fn at(ms: u64) -> Now {
        Now { mono_us: ms * 1000, wall_ms: 1_000_000 + ms }
    }

    #[test]
    fn nodes_behind_one_cut_are_one_notice() {
        let mut splits = Splits::default();
        splits.lose(at(0), A, 60_000);
        splits.lose(at(400), B, 60_000);
        assert_eq!(splits.next_timeout(), Some(500_000));
        assert_eq!(splits.news(at(500)), News { lost: vec![A, B], ..News::default() });
        assert_eq!(splits.since(A), Some(Hlc::from_ms(1_000_000)));
        assert_eq!(splits.news(at(60_000)), News { gone: vec![A, B], ..News::default() });
        assert_eq!(splits.next_timeout(), None);
        assert!(splits.returns(A));
        assert!(!splits.returns(A));
    }

    #[test]
    fn a_short_loss_is_told_to_nobody() {
        let mut splits = Splits::default();
        splits.lose(at(0), A, 60_000);
        splits.regain(at(100), A);
        assert_eq!(splits.news(at(500)), News::default());
        assert_eq!(splits.since(A), None);
    }

    #[test]
    fn a_node_that_returns_in_time_is_back() {
        let mut splits = Splits::default();
        splits.lose(at(0), A, 60_000);
        splits.news(at(500));
        splits.regain(at(1_000), A);
        assert_eq!(splits.since(A), None);
        assert_eq!(splits.news(at(1_500)), News { back: vec![A], ..News::default() });
        assert_eq!(splits.news(at(60_000)), News::default());
    }
}
