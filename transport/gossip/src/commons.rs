//! The hash trees over what this node and each of its peers both hold, while rooms are placed: of scopes that all hold there is one, and each peer
//! has one of the rooms in common. A bucket's hash is over those of both.

use crate::holders::Holders;
use crate::tree::Tree;
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::{NodeId, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Commons {
    everywhere: Tree,
    rooms: BTreeMap<NodeId, Tree>,
}

impl Commons {
    /// Builds all of it anew from everything that is here.
    pub(crate) fn rebuild(&mut self, all: &Tree, holders: &Holders) {
        *self = Self::default();
        if holders.is_on() {
            self.rooms = holders.placing().map(|peer| (peer, Tree::default())).collect();
            all.leaves().for_each(|(key, scope, digest)| self.put(scope, key, digest, holders));
        }
    }

    /// A peer places rooms too, as became known.
    pub(crate) fn add_peer(&mut self, peer: NodeId, all: &Tree, holders: &Holders) {
        let is_common = |(key, scope, _): &(Hash, &Scope, Hash)| {
            is_room(scope) && holders.keeps_here(scope, key) && holders.keeps(peer, scope, key)
        };
        let mut tree = Tree::default();
        if holders.is_on() {
            all.leaves().filter(is_common).for_each(|(key, scope, digest)| tree.put(scope, key, digest));
        }
        self.rooms.insert(peer, tree);
    }

    pub(crate) fn remove_peer(&mut self, peer: NodeId) {
        self.rooms.remove(&peer);
    }

    /// A scope is known to be so from here on, or other nodes are to hold it.
    pub(crate) fn put(&mut self, scope: &Scope, key: Hash, digest: Hash, holders: &Holders) {
        if !holders.is_on() {
            return;
        }
        if !is_room(scope) {
            self.everywhere.put(scope, key, digest);
            return;
        }
        let is_kept_here = holders.keeps_here(scope, &key);
        for (peer, tree) in &mut self.rooms {
            if is_kept_here && holders.keeps(*peer, scope, &key) {
                tree.put(scope, key, digest);
            } else {
                tree.remove(&key);
            }
        }
    }

    /// Nothing of a scope is here any more.
    pub(crate) fn remove(&mut self, scope: &Scope, key: &Hash) {
        if is_room(scope) {
            self.rooms.values_mut().for_each(|tree| tree.remove(key));
        } else {
            self.everywhere.remove(key);
        }
    }

    /// The hash over what is held in common with a peer.
    pub(crate) fn root(&mut self, peer: NodeId) -> Hash {
        let mut hasher = blake3::Hasher::new_derive_key("lavina 1 sync common root");
        hasher.update(&self.everywhere.root().0);
        hasher.update(&self.rooms_root(peer).0);
        Hash(*hasher.finalize().as_bytes())
    }

    /// The hash over the rooms in common with a peer.
    pub(crate) fn rooms_root(&mut self, peer: NodeId) -> Hash {
        self.rooms.entry(peer).or_default().root()
    }

    /// The hashes of all buckets that are not empty, in order.
    pub(crate) fn bucket_hashes(&mut self, peer: NodeId) -> Vec<(u8, Hash)> {
        let everywhere: BTreeMap<u8, Hash> = self.everywhere.bucket_hashes().into_iter().collect();
        let rooms: BTreeMap<u8, Hash> = self.rooms.entry(peer).or_default().bucket_hashes().into_iter().collect();
        let buckets: BTreeSet<u8> = everywhere.keys().chain(rooms.keys()).copied().collect();
        let hash = |bucket: u8| {
            let mut hasher = blake3::Hasher::new_derive_key("lavina 1 sync common bucket");
            for part in [&everywhere, &rooms] {
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
