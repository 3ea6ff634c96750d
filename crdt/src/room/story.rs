//! A room's changes as they stand in the causal graph, for whoever wants to judge them anew: the simulator's reference model reads these
//! and nothing else of the fold.

use super::{Act, RoomDoc};
use crate::content::Author;
use crate::entry::DocHead;
use crate::ids::OrderKey;
use std::sync::Arc;

/// One change as it was told, without a verdict.
#[derive(Clone, Debug)]
pub struct Told {
    /// Where it stands in the order of stamps.
    pub at: OrderKey,
    /// Its name among heads.
    pub head: DocHead,
    /// Who made it.
    pub author: Arc<Author>,
    /// What it does.
    pub acts: Vec<Act>,
    /// What it directly rests on.
    pub after: Vec<OrderKey>,
    /// Whether it counts at the current heads.
    pub counts: bool,
}

impl RoomDoc {
    /// All changes whose past is here, each after its past.
    #[must_use]
    pub fn story(&self) -> Vec<Told> {
        let told = self.graph.iter().map(|node| Told {
            at: node.at,
            head: node.hash,
            author: Arc::clone(&node.author),
            acts: node.acts.clone(),
            after: node.deps.iter().map(|dep| self.graph.node(*dep).at).collect(),
            counts: node.counts,
        });
        told.collect()
    }

    /// What the change of an entry does, where it counts at the current heads.
    #[must_use]
    pub fn acts_that_count(&self, at: OrderKey) -> &[Act] {
        let node = self.graph.of_order(at).filter(|node| node.counts);
        node.map_or(&[], |node| &node.acts)
    }

    /// Changes that are not in the document although everything that they rest on is.
    #[must_use]
    pub fn left_out(&self) -> Vec<OrderKey> {
        let has_past = self.aside.iter().filter(|(_, one)| self.graph.knows(&one.recipe.deps));
        has_past.map(|(at, _)| *at).collect()
    }
}
