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

    /// Takes the hashes of buckets that have changed anew.
    fn refresh(&mut self, all: &Tree, is_in: impl Fn(&Scope, &Hash) -> bool) {
        for (number, word) in (0u8..).zip(&mut self.stale) {
            while *word != 0 {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                let bucket = number * 64 + u8::try_from(bit).unwrap_or(0);
                match bucket_hash(all.digests(bucket).filter(|(key, scope, _)| is_in(scope, key)).map(|leaf| leaf.2)) {
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
            let placed = holders.placed(key);
            self.rooms.iter_mut().filter(|(peer, _)| placed.has(**peer)).for_each(|(_, part)| part.touch(key));
        }
    }

    /// A node is to hold a room from here on, or no longer.
    pub(crate) fn on_interest(&mut self, node: NodeId, scope: &Scope, key: &Hash, holders: &Holders) {
        if node == holders.me() {
            let placed = holders.placed(key);
            self.rooms.iter_mut().filter(|(peer, _)| placed.has(**peer)).for_each(|(_, part)| part.touch(key));
        } else if let Some(part) = self.rooms.get_mut(&node)
            && holders.keeps_here(scope, key)
        {
            part.touch(key);
        }
    }

    fn refresh(&mut self, peer: NodeId, all: &Tree, holders: &Holders) -> (&mut Part, &mut Part) {
        self.everywhere.refresh(all, |scope, _| !is_room(scope));
        let rooms = self.rooms.entry(peer).or_default();
        let is_common = |scope: &Scope, key: &Hash| {
            is_room(scope) && holders.keeps(peer, scope, key) && holders.keeps_here(scope, key)
        };
        rooms.refresh(all, is_common);
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
