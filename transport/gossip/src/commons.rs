//! The hash trees over what this node and each of its peers both hold, while rooms are placed: of scopes that all hold there is one, and each peer
//! has one of the rooms in common. A bucket's hash is over those of both.
//!
//! All of them are parts of the [tree](crate::tree) over what is here, of which they keep hashes alone: a mesh has many peers, and most of what changes
//! is asked for by few of them before it changes again.

use crate::holders::Holders;
use crate::tree::{Tree, bucket_hash, bucket_of, root_hash};
use lavina_crdt::derived::{Context, context};
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::{NodeId, Scope};
use std::collections::{BTreeMap, BTreeSet};

static COMMON_ROOT: Context = context("lavina 1 sync common root");
static COMMON_BUCKET: Context = context("lavina 1 sync common bucket");

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Commons {
    everywhere: Part,
    rooms: BTreeMap<NodeId, Part>,
}

/// The hashes over some of the scopes of a tree.
#[derive(Debug)]
struct Part {
    buckets: BTreeMap<u8, Hash>,
    /// A bit for each bucket that has changed since its hash was taken.
    stale: [u64; 4],
    root: Option<Hash>,
    changes: u64,
}

impl Default for Part {
    /// One of which nothing is known yet.
    fn default() -> Self {
        Self { buckets: BTreeMap::new(), stale: [u64::MAX; 4], root: None, changes: 0 }
    }
}

impl Part {
    fn touch(&mut self, key: &Hash) {
        let bucket = usize::from(bucket_of(key));
        if let Some(word) = self.stale.get_mut(bucket / 64) {
            *word |= 1 << (bucket % 64);
        }
        self.root = None;
        self.changes += 1;
    }

    /// Takes the hashes of buckets that have changed anew; `digests` are those of a bucket's scopes.
    fn refresh<D: Iterator<Item = Hash>>(&mut self, digests: impl Fn(u8) -> D) {
        for (number, word) in (0u8..).zip(&mut self.stale) {
            while *word != 0 {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                let bucket = number * 64 + u8::try_from(bit).unwrap_or(0);
                match bucket_hash(digests(bucket)) {
                    Some(hash) => self.buckets.insert(bucket, hash),
                    None => self.buckets.remove(&bucket),
                };
            }
        }
    }

    fn root(&mut self) -> Hash {
        let buckets = &self.buckets;
        *self.root.get_or_insert_with(|| root_hash(buckets.iter().map(|(index, hash)| (*index, *hash))))
    }
}

impl Commons {
    /// Who is to hold what is another thing than before.
    pub(crate) fn rebuild(&mut self, holders: &Holders) {
        *self = Self::default();
        if holders.is_on() {
            self.rooms = holders.placing().map(|peer| (peer, Part::default())).collect();
        }
    }

    /// A peer places rooms too, as became known.
    pub(crate) fn add_peer(&mut self, peer: NodeId) {
        self.rooms.insert(peer, Part::default());
    }

    pub(crate) fn remove_peer(&mut self, peer: NodeId) {
        self.rooms.remove(&peer);
    }

    /// There is more or less of a scope here than before.
    pub(crate) fn on_change(&mut self, scope: &Scope, key: &Hash, holders: &Holders) {
        if !holders.is_on() {
            return;
        }
        if !is_room(scope) {
            self.everywhere.touch(key);
        } else if holders.keeps_here(scope, key) {
            self.touch_at_holders(key, holders);
        }
    }

    fn touch_at_holders(&mut self, key: &Hash, holders: &Holders) {
        for peer in holders.placed(key).nodes() {
            if let Some(part) = self.rooms.get_mut(&peer) {
                part.touch(key);
            }
        }
    }

    /// A node is to hold a room from here on, or no longer.
    pub(crate) fn on_interest(&mut self, node: NodeId, scope: &Scope, key: &Hash, holders: &Holders) {
        if node == holders.me() {
            self.touch_at_holders(key, holders);
        } else if let Some(part) = self.rooms.get_mut(&node)
            && holders.keeps_here(scope, key)
        {
            part.touch(key);
        }
    }

    fn refresh(&mut self, peer: NodeId, all: &Tree, holders: &Holders) -> (&mut Part, &mut Part) {
        self.everywhere.refresh(|bucket| all.digests_beside_rooms(bucket));
        let rooms = self.rooms.entry(peer).or_default();
        let is_common = |key: &Hash| {
            let placed = holders.placed(key);
            placed.has(holders.me()) && placed.has(peer)
        };
        rooms.refresh(|bucket| all.room_digests(bucket).filter(|(key, _)| is_common(key)).map(|(_, digest)| digest));
        (&mut self.everywhere, rooms)
    }

    /// The hash over what is held in common with a peer.
    pub(crate) fn root(&mut self, peer: NodeId, all: &Tree, holders: &Holders) -> Hash {
        let (everywhere, rooms) = self.refresh(peer, all, holders);
        let mut hasher = COMMON_ROOT.hasher();
        hasher.update(&everywhere.root().0);
        hasher.update(&rooms.root().0);
        Hash(*hasher.finalize().as_bytes())
    }

    /// How often the rooms in common with a peer have changed: a moment in their life.
    pub(crate) fn room_changes(&self, peer: NodeId) -> u64 {
        self.rooms.get(&peer).map_or(0, |part| part.changes)
    }

    /// The hashes of all buckets that are not empty, in order.
    pub(crate) fn bucket_hashes(&mut self, peer: NodeId, all: &Tree, holders: &Holders) -> Vec<(u8, Hash)> {
        let (everywhere, rooms) = self.refresh(peer, all, holders);
        let buckets: BTreeSet<u8> = everywhere.buckets.keys().chain(rooms.buckets.keys()).copied().collect();
        let hash = |bucket: u8| {
            let mut hasher = COMMON_BUCKET.hasher();
            for part in [&everywhere.buckets, &rooms.buckets] {
                hasher.update(&part.get(&bucket).copied().unwrap_or_default().0);
            }
            Hash(*hasher.finalize().as_bytes())
        };
        buckets.into_iter().map(|bucket| (bucket, hash(bucket))).collect()
    }
}

const fn is_room(scope: &Scope) -> bool {
    matches!(scope, Scope::Room(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::holders;
    use crate::links::Links;
    use crate::machine::Peer;
    use lavina_crdt::clock::Now;
    use lavina_crdt::ids::Origin;
    use lavina_crdt::mesh::Place;
    use lavina_crdt::names::{AccountName, RoomName};
    use lavina_crdt::version::VersionVector;
    use proptest::prelude::*;
    use std::num::NonZeroUsize;

    const NODES: u8 = 6;
    const NOW: Now = Now { mono_us: 1, wall_ms: 1 };

    fn node(number: u8) -> NodeId {
        NodeId([number; 32])
    }

    fn name(number: u8) -> RoomName {
        RoomName::new(&format!("room{number}")).unwrap()
    }

    /// Node 0 among others, all of which place rooms at two of them.
    fn placed() -> Holders {
        let place = || Place { region: "eu".to_owned(), zone: "a".to_owned() };
        let peer = |number| Peer {
            node: node(number),
            place: place(),
            addresses: vec!["host:1".to_owned()],
            is_draining: false,
        };
        let mut links = Links::new(node(0), place());
        links.set_roster(NOW, (0..NODES).map(peer).collect());
        let mut holders = Holders::new(node(0), NonZeroUsize::new(2));
        holders.look(NOW, &links);
        (1..NODES).for_each(|number| assert!(holders.set_placing(node(number), true)));
        holders
    }

    proptest! {
        /// Whenever somebody asks, the hashes are those of what is in common then.
        #[test]
        fn what_is_kept_of_hashes_is_what_they_are(deeds in prop::collection::vec((0..5u8, 0..40u8, 0..NODES, 0..4u64), 1..80)) {
            let (mut holders, mut tree, mut commons) = (placed(), Tree::default(), Commons::default());
            commons.rebuild(&holders);
            for (deed, number, other, next) in deeds {
                let (mut scope, key) = holders::room(&name(number));
                let mut key = key;
                if deed == 1 {
                    scope = Scope::Account(AccountName::new(&format!("user{number}")).unwrap());
                    key = crate::tree::scope_hash(&scope);
                }
                match deed {
                    0 | 1 => {
                        let vector = VersionVector::from_iter([(Origin([other; 16]), next)]);
                        if vector.is_empty() {
                            tree.remove(&key);
                            commons.on_change(&scope, &key, &holders);
                        } else if tree.set(&scope, key, &vector) {
                            commons.on_change(&scope, &key, &holders);
                        }
                    }
                    2 | 3 => {
                        holders.set_interested(node(other), key, deed == 2);
                        commons.on_interest(node(other), &scope, &key, &holders);
                    }
                    _ => {
                        let peer = node(other.max(1));
                        let mut anew = Commons::default();
                        anew.rebuild(&holders);
                        prop_assert_eq!(commons.root(peer, &tree, &holders), anew.root(peer, &tree, &holders));
                        prop_assert_eq!(commons.bucket_hashes(peer, &tree, &holders), anew.bucket_hashes(peer, &tree, &holders));
                    }
                }
            }
        }
    }

    #[test]
    fn only_what_is_in_common_with_a_peer_counts_as_a_change_there() {
        let (holders, mut tree, mut commons) = (placed(), Tree::default(), Commons::default());
        commons.rebuild(&holders);
        for number in 0..40 {
            let (scope, key) = holders::room(&name(number));
            let before: Vec<u64> = (1..NODES).map(|peer| commons.room_changes(node(peer))).collect();
            assert!(tree.set(&scope, key, &VersionVector::from_iter([(Origin([1; 16]), 1)])));
            commons.on_change(&scope, &key, &holders);
            for (peer, before) in (1..NODES).zip(before) {
                let is_common = [node(0), node(peer)].iter().all(|holder| holders.is_placed(*holder, &scope, &key));
                assert_eq!(
                    commons.room_changes(node(peer)) - before,
                    u64::from(is_common),
                    "room {number} at node {peer}"
                );
            }
        }
    }
}
