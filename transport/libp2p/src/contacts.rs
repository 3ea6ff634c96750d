//! Which nodes there are, which of them the data plane has, and when the next ones are looked for.

use lavina_crdt::ids::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Time before a node that is not connected is looked for: the data plane has tried by then.
const FIRST_WAIT: Duration = Duration::from_secs(3);
/// The longest time between two tries.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// What the shell says of the mesh; the latest word counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mesh {
    /// Who belongs to it.
    pub(crate) admitted: BTreeSet<NodeId>,
    /// Where nodes can be dialled, as far as their admissions say; it may be known before they belong to it.
    pub(crate) addresses: BTreeMap<NodeId, Vec<String>>,
    /// Who is connected to the data plane.
    pub(crate) linked: BTreeSet<NodeId>,
}

/// The other nodes.
#[derive(Debug, Default)]
pub(crate) struct Contacts(BTreeMap<NodeId, Contact>);

#[derive(Debug)]
struct Contact {
    linked: bool,
    tries: u32,
    due: Instant,
}

/// What is different.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Nodes that have come.
    pub(crate) added: Vec<NodeId>,
    /// Nodes that belong to the mesh no more.
    pub(crate) removed: Vec<NodeId>,
}

impl Contacts {
    /// Takes over what the shell says.
    pub(crate) fn set(&mut self, now: Instant, mesh: &Mesh) -> Difference {
        let mut difference = Difference::default();
        self.0.retain(|node, _| {
            let stays = mesh.admitted.contains(node);
            if !stays {
                difference.removed.push(*node);
            }
            stays
        });
        for node in &mesh.admitted {
            let contact = self.0.entry(*node).or_insert_with(|| {
                difference.added.push(*node);
                Contact { linked: false, tries: 0, due: now + FIRST_WAIT }
            });
            let linked = mesh.linked.contains(node);
            if contact.linked && !linked {
                (contact.tries, contact.due) = (0, now + FIRST_WAIT);
            }
            contact.linked = linked;
        }
        difference
    }

    /// Whether a node belongs to the mesh and the data plane does not have it.
    pub(crate) fn is_wanted(&self, node: NodeId) -> bool {
        self.0.get(&node).is_some_and(|contact| !contact.linked)
    }

    /// Whether a node belongs to the mesh.
    pub(crate) fn is_known(&self, node: NodeId) -> bool {
        self.0.contains_key(&node)
    }

    /// Nodes to look for now; each comes again after twice the time.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<NodeId> {
        let mut due = Vec::new();
        for (node, contact) in self.0.iter_mut().filter(|(_, contact)| !contact.linked && contact.due <= now) {
            let wait = FIRST_WAIT.saturating_mul(2u32.saturating_pow(contact.tries)).min(WAIT_MAX);
            (contact.tries, contact.due) = (contact.tries.saturating_add(1), now + wait);
            due.push(*node);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mesh(admitted: &[u8], linked: &[u8]) -> Mesh {
        Mesh {
            admitted: admitted.iter().map(|number| NodeId([*number; 32])).collect(),
            addresses: BTreeMap::new(),
            linked: linked.iter().map(|number| NodeId([*number; 32])).collect(),
        }
    }

    #[test]
    fn who_is_not_connected_is_looked_for_less_and_less_often() {
        let (mut contacts, start) = (Contacts::default(), Instant::now());
        let difference = contacts.set(start, &mesh(&[1, 2], &[1]));
        assert_eq!(difference.added, [NodeId([1; 32]), NodeId([2; 32])]);
        assert!(contacts.due(start).is_empty());
        let mut times = Vec::new();
        for second in 0..2_000 {
            if contacts.due(start + Duration::from_secs(second)) == [NodeId([2; 32])] {
                times.push(second);
            }
        }
        assert_eq!(times[..5], [3, 6, 12, 24, 48]);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 300), "{times:?}");
    }

    #[test]
    fn who_loses_its_connection_is_looked_for_anew_and_who_is_gone_is_not() {
        let (mut contacts, start) = (Contacts::default(), Instant::now());
        contacts.set(start, &mesh(&[1, 2], &[1, 2]));
        let later = start + Duration::from_secs(1_000);
        assert!(contacts.due(later).is_empty() && !contacts.is_wanted(NodeId([1; 32])));
        let difference = contacts.set(later, &mesh(&[1], &[]));
        assert_eq!(difference, Difference { added: Vec::new(), removed: vec![NodeId([2; 32])] });
        assert!(contacts.is_wanted(NodeId([1; 32])) && !contacts.is_wanted(NodeId([2; 32])));
        assert!(contacts.due(later).is_empty());
        assert_eq!(contacts.due(later + FIRST_WAIT), [NodeId([1; 32])]);
    }
}
