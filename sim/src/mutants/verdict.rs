//! What the hunts for all bugs come to, and how each is told.

use super::{Hunted, TABLE};
use crate::check::invariants;
use std::collections::BTreeSet;

/// What hunts came to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    /// How many bugs were hunted.
    pub bugs: usize,
    /// Those that were not caught.
    pub missed: Vec<&'static str>,
    /// Invariants that no bug broke in a seed that is clean of it without the bug; empty unless the whole table was hunted.
    pub silent: BTreeSet<&'static str>,
}

impl Verdict {
    /// Of some hunts, or of all.
    #[must_use]
    pub fn of(hunts: &[Hunted]) -> Self {
        let missed = hunts.iter().filter(|hunted| hunted.caught.is_none()).map(|hunted| hunted.name).collect();
        let mut silent = if hunts.len() == TABLE.len() { invariants() } else { BTreeSet::new() };
        for caught in hunts.iter().filter_map(|hunted| hunted.caught.as_ref()) {
            silent.retain(|invariant| !caught.alarms.contains(invariant));
        }
        Self { bugs: hunts.len(), missed, silent }
    }

    /// Whether every bug was caught and every alarm rang.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.bugs > 0 && self.missed.is_empty() && self.silent.is_empty()
    }

    /// In a line.
    #[must_use]
    pub fn text(&self) -> String {
        let list = |names: Vec<&str>| names.join(", ");
        let mut text = format!("{} of {} planted bugs caught", self.bugs - self.missed.len(), self.bugs);
        if !self.missed.is_empty() {
            text.push_str(&format!("; not caught: {}", list(self.missed.clone())));
        }
        if !self.silent.is_empty() {
            text.push_str(&format!("; broken by none: {}", list(self.silent.iter().copied().collect())));
        }
        text
    }
}

impl Hunted {
    /// In a line.
    #[must_use]
    pub fn text(&self) -> String {
        let seeds = |count: u64| format!("{count} {}", if count == 1 { "seed" } else { "seeds" });
        let list = |invariants: &BTreeSet<&str>| invariants.iter().copied().collect::<Vec<_>>().join(" ");
        match &self.caught {
            Some(caught) => format!(
                "{:<22} {:<4} after {:<9} seed {:<4} rang {}",
                self.name,
                caught.invariant,
                seeds(caught.seeds_needed) + ",",
                caught.seed,
                list(&caught.alarms)
            ),
            None => format!(
                "{:<22} NOT CAUGHT in {}: should break {}, broke {}{}",
                self.name,
                seeds(self.seeds),
                self.caught_by.join(" or "),
                if self.broken.is_empty() { "nothing".to_owned() } else { list(&self.broken) },
                if self.unclean.is_empty() {
                    String::new()
                } else {
                    format!(", the same without it in {:?}", self.unclean)
                }
            ),
        }
    }
}
