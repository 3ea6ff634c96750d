//! Which version of the node runs: the one that this build is, the one before it, or the one after it. What they differ in is real where the node
//! meets it: acts that are not understood, kinds of entries, registers and frames that are not known, versions of frames that are not spoken.

use super::{FaultKind, NodeFault, Plan};
use lavina_crdt::room::Vocabulary;
use lavina_gossip::frame::PROTOCOL_VERSION;
use lavina_gossip::versions::Versions;
use serde::{Deserialize, Serialize};

/// A version of the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Release {
    /// The one before: it understands no titles of rooms.
    Previous,
    /// What this build is.
    #[default]
    Current,
    /// The one after: it writes entries, registers and frames that no other knows.
    Next,
}

impl Release {
    /// The one after it.
    #[must_use]
    pub const fn newer(self) -> Option<Self> {
        match self {
            Self::Previous => Some(Self::Current),
            Self::Current => Some(Self::Next),
            Self::Next => None,
        }
    }

    /// The one before it.
    #[must_use]
    pub const fn older(self) -> Option<Self> {
        match self {
            Self::Previous => None,
            Self::Current => Some(Self::Previous),
            Self::Next => Some(Self::Current),
        }
    }

    pub(super) const fn is_current(&self) -> bool {
        matches!(self, Self::Current)
    }

    /// Whether it knows that rooms may live on some nodes only.
    pub(crate) const fn places_rooms(self) -> bool {
        !matches!(self, Self::Previous)
    }

    /// Its number, from 0.
    pub(crate) const fn number(self) -> u16 {
        self as u16
    }

    /// What it speaks: its own version of frames and the one before.
    pub(crate) const fn versions(self) -> Versions {
        let newest = PROTOCOL_VERSION + self.number();
        Versions { oldest: newest.saturating_sub(1), newest }
    }

    /// Whether two nodes that run them have a version of frames in common.
    pub(crate) fn speaks_with(self, other: Self) -> bool {
        self.versions().common(other.versions()).is_some()
    }

    /// The acts upon rooms that it understands.
    pub(crate) const fn vocabulary(self) -> Vocabulary {
        match self {
            Self::Previous => Vocabulary::Earlier,
            Self::Current | Self::Next => Vocabulary::Full,
        }
    }
}

/// What a node runs after an upgrade, or a rollback, in a mesh that runs `releases`.
///
/// # Errors
/// Why it stays at what it runs.
pub(crate) fn changed(releases: &[Release], node: usize, upgrade: bool) -> Result<Release, &'static str> {
    let release = releases.get(node).copied().unwrap_or_default();
    let to = if upgrade { release.newer() } else { release.older() };
    let to = to.ok_or("there is no such version of the node")?;
    let others = releases.iter().enumerate().filter(|(other, _)| *other != node);
    let is_spoken_to = others.map(|(_, other)| *other).all(|other| other.speaks_with(to));
    is_spoken_to.then_some(to).ok_or("that version would not speak with every other node's")
}

/// Which faults change what a node runs, by their number, in order of time, and what it then runs.
pub(super) fn changes(plan: &Plan) -> Vec<(usize, Result<Release, &'static str>)> {
    let mut faults: Vec<usize> = (0..plan.faults.len()).collect();
    faults.sort_by_key(|index| plan.faults[*index].at_ms);
    let mut releases: Vec<Release> = plan.nodes.iter().map(|node| node.release).collect();
    let mut changes = Vec::new();
    for index in faults {
        let fault = &plan.faults[index].kind;
        let FaultKind::Node(NodeFault::Upgrade(node) | NodeFault::Rollback(node)) = *fault else { continue };
        let upgrade = matches!(fault, FaultKind::Node(NodeFault::Upgrade(_)));
        let change = changed(&releases, node, upgrade);
        if let (Ok(to), Some(release)) = (change, releases.get_mut(node)) {
            *release = to;
        }
        changes.push((index, change));
    }
    changes
}

/// The oldest version that runs in a plan at some time.
pub(crate) fn oldest(plan: &Plan) -> Release {
    let first = plan.nodes.iter().map(|node| node.release);
    let later = changes(plan).into_iter().filter_map(|(_, change)| change.ok());
    first.chain(later).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_speak_with_one_another_and_others_do_not() {
        assert!(Release::Previous.speaks_with(Release::Current) && Release::Next.speaks_with(Release::Current));
        assert!(Release::Next.speaks_with(Release::Next) && !Release::Previous.speaks_with(Release::Next));
    }
}
