//! Fences: what a node that is thrown out had written when it was, scope by scope. Behind its fence nothing of it counts, whoever brings it and
//! whatever its stamp says, so that a stolen key writes no history.
//!
//! A fence is signed by the mesh root key, as revocations are. It may be long, so it comes in parts, each an entry of its own; what a part names is fenced
//! at once, what no part names is fenced when all are there.

use crate::entry::{Hash, Signature};
use crate::ids::{NodeId, Origin, OriginKey, Scope};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most rows of a part: an entry of some tens of kilobytes.
pub const ROWS_MAX: usize = 512;
/// Most parts of a fence: some two million scopes in which one node has written.
pub const PARTS_MAX: u32 = 4_096;

/// How far an origin's entries of a scope count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceRow {
    /// Where.
    pub scope: Scope,
    /// Which of the node's origins: its epoch.
    pub epoch: u64,
    /// From this number on nothing counts; above 0.
    pub next: u64,
    /// Hash of the entry before that: no other branch counts.
    pub head: Hash,
}

/// A part of the fence of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// Whose.
    pub node: NodeId,
    /// Which part, from 0.
    pub part: u32,
    /// How many there are.
    pub parts: u32,
    /// What of the node counts.
    pub rows: Vec<FenceRow>,
    /// By the mesh root key, over all of that and the mesh's id.
    pub signature: Signature,
}

impl Fence {
    /// The signed parts of a node's fence.
    #[must_use]
    pub fn parts(root: &SigningKey, mesh: &[u8; 16], node: NodeId, rows: &[FenceRow]) -> Vec<Self> {
        let none: &[FenceRow] = &[];
        let pieces: Vec<&[FenceRow]> = if rows.is_empty() { vec![none] } else { rows.chunks(ROWS_MAX).collect() };
        let parts = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        let part = |(part, rows): (u32, &[FenceRow])| {
            let rows = rows.to_vec();
            let signature = Signature(root.sign(&signed_bytes(mesh, node, part, parts, &rows)).to_bytes());
            Self { node, part, parts, rows, signature }
        };
        (0..parts).zip(pieces).map(part).collect()
    }

    /// Whether the root key signed it, and it is within bounds.
    #[must_use]
    pub fn is_valid(&self, root: NodeId, mesh: &[u8; 16]) -> bool {
        let is_bounded = self.rows.len() <= ROWS_MAX && self.part < self.parts && self.parts <= PARTS_MAX;
        let is_sound = self.rows.iter().all(|row| row.next > 0 && row.scope != Scope::Mesh);
        is_bounded
            && is_sound
            && VerifyingKey::from_bytes(&root.0).is_ok_and(|key| {
                let signature = ed25519_dalek::Signature::from_bytes(&self.signature.0);
                let bytes = signed_bytes(mesh, self.node, self.part, self.parts, &self.rows);
                key.verify_strict(&bytes, &signature).is_ok()
            })
    }
}

fn signed_bytes(mesh: &[u8; 16], node: NodeId, part: u32, parts: u32, rows: &[FenceRow]) -> Vec<u8> {
    // Plain data always encodes.
    postcard::to_stdvec(&("lavina 1 fence", mesh, node, part, parts, rows)).unwrap_or_default()
}

/// All fences of a mesh, as a function of the set of their parts. Where two fences of a node differ, the nearer counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fences(BTreeMap<NodeId, OfNode>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct OfNode {
    rows: BTreeMap<Scope, BTreeMap<Origin, (u64, Hash)>>,
    /// Parts that have come, by the number of parts that their fence has.
    come: BTreeMap<u32, BTreeSet<u32>>,
}

/// What a fence says of an origin in a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fenced {
    /// Its entries below this number count, and the last of them has this hash.
    Below(u64, Hash),
    /// None of its entries counts.
    Whole,
}

impl Fences {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Takes a valid part in. Whether it says anything new.
    pub(crate) fn add(&mut self, fence: &Fence) -> bool {
        let of_node = self.0.entry(fence.node).or_default();
        if !of_node.come.entry(fence.parts).or_default().insert(fence.part) {
            return false;
        }
        for row in &fence.rows {
            let origin = OriginKey { node: fence.node, epoch: row.epoch }.origin();
            let held = of_node.rows.entry(row.scope.clone()).or_default().entry(origin).or_insert((row.next, row.head));
            if row.next < held.0 {
                *held = (row.next, row.head);
            }
        }
        true
    }

    /// Whether all parts of a fence of the node are there.
    fn is_whole(&self, node: NodeId) -> bool {
        let of_node = self.0.get(&node);
        of_node.is_some_and(|of_node| of_node.come.iter().any(|(parts, come)| come.len() as u64 == u64::from(*parts)))
    }

    /// What the fence of a node says of one of its origins; `None` where it has none, or may have one that has not come yet. The mesh scope has
    /// none: acts there are trusted by themselves.
    pub(crate) fn of(&self, node: NodeId, scope: &Scope, origin: Origin) -> Option<Fenced> {
        let of_node = self.0.get(&node).filter(|_| *scope != Scope::Mesh)?;
        match of_node.rows.get(scope).and_then(|origins| origins.get(&origin)) {
            Some((next, head)) => Some(Fenced::Below(*next, *head)),
            None => self.is_whole(node).then_some(Fenced::Whole),
        }
    }

    /// The nodes that have one.
    pub(crate) fn has(&self, node: NodeId) -> bool {
        self.0.contains_key(&node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::RoomName;
    use crate::testing::{node, signing_key};
    use proptest::prelude::*;

    const MESH: [u8; 16] = [7; 16];

    fn room(number: usize) -> Scope {
        Scope::Room(RoomName::new(&format!("room{number}")).unwrap())
    }

    fn rows(count: usize) -> Vec<FenceRow> {
        (0..count).map(|n| FenceRow { scope: room(n), epoch: 0, next: n as u64 + 1, head: Hash([9; 32]) }).collect()
    }

    fn origin() -> Origin {
        OriginKey { node: node(1), epoch: 0 }.origin()
    }

    #[test]
    fn what_is_named_is_fenced_at_once_and_the_rest_when_all_parts_are_there() {
        let parts = Fence::parts(&signing_key(99), &MESH, node(1), &rows(ROWS_MAX + 1));
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|part| part.is_valid(node(99), &MESH)));
        let mut fences = Fences::new();
        assert!(fences.add(&parts[1]) && !fences.add(&parts[1]));
        assert_eq!(fences.of(node(1), &room(3), origin()), None);
        assert!(fences.add(&parts[0]));
        assert_eq!(fences.of(node(1), &room(3), origin()), Some(Fenced::Below(4, Hash([9; 32]))));
        assert_eq!(fences.of(node(1), &room(9_999), origin()), Some(Fenced::Whole));
        let other_epoch = OriginKey { node: node(1), epoch: 5 }.origin();
        assert_eq!(fences.of(node(1), &room(3), other_epoch), Some(Fenced::Whole));
        assert_eq!(fences.of(node(2), &room(3), origin()), None);
        assert_eq!(fences.of(node(1), &Scope::Mesh, origin()), None);
    }

    #[test]
    fn a_node_that_wrote_nothing_is_fenced_everywhere() {
        let parts = Fence::parts(&signing_key(99), &MESH, node(1), &[]);
        let mut fences = Fences::new();
        assert!(parts.len() == 1 && fences.add(&parts[0]));
        assert_eq!(fences.of(node(1), &room(0), origin()), Some(Fenced::Whole));
    }

    #[test]
    fn only_the_root_key_fences_and_a_signature_holds_for_its_part_only() {
        let [part] = &Fence::parts(&signing_key(99), &MESH, node(1), &rows(2))[..] else { unreachable!() };
        let other = |change: fn(&mut Fence)| {
            let mut other = part.clone();
            change(&mut other);
            other.is_valid(node(99), &MESH)
        };
        assert!(other(|_| {}));
        assert!(!other(|fence| fence.rows[0].next = 3));
        assert!(!other(|fence| fence.node = node(2)));
        assert!(!other(|fence| fence.parts = 2));
        assert!(!part.is_valid(node(1), &MESH) && !part.is_valid(node(99), &[8; 16]));
        let nothing = FenceRow { scope: room(0), epoch: 0, next: 0, head: Hash::default() };
        assert!(!Fence::parts(&signing_key(99), &MESH, node(1), &[nothing])[0].is_valid(node(99), &MESH));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_order_of_parts_ends_alike(order in Just((0usize..5).collect::<Vec<_>>()).prop_shuffle()) {
            let mut parts = Fence::parts(&signing_key(99), &MESH, node(1), &rows(2 * ROWS_MAX + 1));
            parts.extend(Fence::parts(&signing_key(99), &MESH, node(1), &rows(ROWS_MAX + 1)[1..]));
            parts.extend(Fence::parts(&signing_key(99), &MESH, node(2), &[]));
            let (mut one, mut other) = (Fences::new(), Fences::new());
            for index in 0..5 {
                one.add(&parts[index]);
                other.add(&parts[order[index]]);
            }
            prop_assert_eq!(one, other);
        }
    }
}
