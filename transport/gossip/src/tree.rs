//! The hash tree over all scopes: what two replicas compare to find where they differ, at a cost that grows with the difference.
//!
//! Three levels: a scope's digest is over its durable vector, a bucket's over the digests of its scopes in order, the root's over the
//! buckets. A scope's bucket is the first byte of its own hash. Hashes of ordered lists, not sums or XORs of digests: nobody who may
//! write entries can make two different buckets look alike. Bucket hashes are kept until a scope of theirs changes.

use lavina_crdt::derived::{Context, context};
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::Scope;
use lavina_crdt::version::VersionVector;
use std::collections::BTreeMap;

static SCOPE: Context = context("lavina 1 scope");
static SYNC_SCOPE: Context = context("lavina 1 sync scope");
static SYNC_BUCKET: Context = context("lavina 1 sync bucket");
static SYNC_ROOT: Context = context("lavina 1 sync root");

/// The hash of a scope's name: its key in every table of this crate, and by its first byte its bucket.
pub(crate) fn scope_hash(scope: &Scope) -> Hash {
    let mut hasher = SCOPE.hasher();
    match postcard::to_stdvec(scope) {
        Ok(bytes) => hasher.update(&bytes),
        Err(_) => &mut hasher,
    };
    Hash(*hasher.finalize().as_bytes())
}

pub(crate) const fn bucket_of(scope: &Hash) -> u8 {
    scope.0[0]
}

#[derive(Debug)]
struct Leaf {
    digest: Hash,
    scope: Scope,
    /// When it last changed, counted in changes of the tree.
    touched: u64,
}

#[derive(Debug, Default)]
struct Bucket {
    leaves: BTreeMap<Hash, Leaf>,
    hash: Option<Hash>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    buckets: BTreeMap<u8, Bucket>,
    /// The rooms among the scopes, by key, each with its digest.
    rooms: BTreeMap<Hash, Hash>,
    root: Option<Hash>,
    changes: u64,
}

impl Tree {
    /// The scope's durable vector is this from here on; whether it was another before.
    pub(crate) fn set(&mut self, scope: &Scope, key: Hash, vector: &VersionVector) -> bool {
        if vector.is_empty() {
            return false;
        }
        let digest = digest(&key, vector);
        let bucket = self.buckets.entry(bucket_of(&key)).or_default();
        let touched = self.changes + 1;
        match bucket.leaves.get_mut(&key) {
            Some(leaf) if leaf.digest == digest => return false,
            Some(leaf) => {
                leaf.digest = digest;
                leaf.touched = touched;
            }
            None => {
                bucket.leaves.insert(key, Leaf { digest, scope: scope.clone(), touched });
            }
        }
        if matches!(scope, Scope::Room(_)) {
            self.rooms.insert(key, digest);
        }
        self.changes = touched;
        bucket.hash = None;
        self.root = None;
        true
    }

    /// The scope does not belong to it any more.
    pub(crate) fn remove(&mut self, key: &Hash) {
        let Some(bucket) = self.buckets.get_mut(&bucket_of(key)) else { return };
        if bucket.leaves.remove(key).is_none() {
            return;
        }
        self.rooms.remove(key);
        bucket.hash = None;
        self.root = None;
        self.changes += 1;
        if bucket.leaves.is_empty() {
            self.buckets.remove(&bucket_of(key));
        }
    }

    /// Whether a scope is in it.
    pub(crate) fn has(&self, key: &Hash) -> bool {
        self.buckets.get(&bucket_of(key)).is_some_and(|bucket| bucket.leaves.contains_key(key))
    }

    /// Every scope with its digest.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = (Hash, &Scope, Hash)> + '_ {
        let leaves = self.buckets.values().flat_map(|bucket| &bucket.leaves);
        leaves.map(|(key, leaf)| (*key, &leaf.scope, leaf.digest))
    }

    pub(crate) fn root(&mut self) -> Hash {
        if let Some(root) = self.root {
            return root;
        }
        let root = root_hash(self.buckets.iter_mut().map(|(index, bucket)| (*index, bucket.hash())));
        self.root = Some(root);
        root
    }

    /// The digests of a bucket's scopes that are no rooms, in the order in which they are hashed.
    pub(crate) fn digests_beside_rooms(&self, bucket: u8) -> impl Iterator<Item = Hash> + '_ {
        let leaves = self.buckets.get(&bucket).into_iter().flat_map(|bucket| bucket.leaves.values());
        leaves.filter(|leaf| !matches!(leaf.scope, Scope::Room(_))).map(|leaf| leaf.digest)
    }

    /// The keys of all rooms.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = &Hash> + '_ {
        self.rooms.keys()
    }

    /// Every room of a bucket with its digest, in the order in which they are hashed.
    pub(crate) fn room_digests(&self, bucket: u8) -> impl Iterator<Item = (&Hash, Hash)> + '_ {
        let (mut first, mut last) = ([0; 32], [u8::MAX; 32]);
        (first[0], last[0]) = (bucket, bucket);
        self.rooms.range(Hash(first)..=Hash(last)).map(|(key, digest)| (key, *digest))
    }

    /// The hashes of all buckets that are not empty, in order.
    pub(crate) fn bucket_hashes(&mut self) -> Vec<(u8, Hash)> {
        self.buckets.iter_mut().map(|(index, bucket)| (*index, bucket.hash())).collect()
    }

    /// How often it has changed: a moment in its life.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// The scopes touched since a moment that are meant; `None` when they are more than `most`.
    pub(crate) fn touched_since(
        &self,
        moment: u64,
        most: usize,
        is_meant: impl Fn(&Scope, &Hash) -> bool,
    ) -> Option<Vec<(Hash, Scope)>> {
        let leaves = self.buckets.values().flat_map(|bucket| &bucket.leaves);
        let touched = leaves.filter(|(key, leaf)| leaf.touched > moment && is_meant(&leaf.scope, key));
        let touched = touched.take(most.saturating_add(1));
        let touched: Vec<_> = touched.map(|(key, leaf)| (*key, leaf.scope.clone())).collect();
        (touched.len() <= most).then_some(touched)
    }

    /// The scopes of a bucket.
    pub(crate) fn scopes(&self, bucket: u8) -> impl Iterator<Item = (Hash, &Scope)> + '_ {
        let leaves = self.buckets.get(&bucket).map(|bucket| &bucket.leaves);
        leaves.into_iter().flatten().map(|(key, leaf)| (*key, &leaf.scope))
    }
}

impl Bucket {
    fn hash(&mut self) -> Hash {
        let leaves = &self.leaves;
        *self.hash.get_or_insert_with(|| bucket_hash(leaves.values().map(|leaf| leaf.digest)).unwrap_or_default())
    }
}

/// The hash of a bucket in which are scopes with these digests, in the order of their keys; `None` where there are none.
pub(crate) fn bucket_hash(digests: impl Iterator<Item = Hash>) -> Option<Hash> {
    let mut digests = digests.peekable();
    digests.peek()?;
    let mut hasher = SYNC_BUCKET.hasher();
    digests.for_each(|digest| {
        hasher.update(&digest.0);
    });
    Some(Hash(*hasher.finalize().as_bytes()))
}

/// The hash over buckets that are not empty, in order.
pub(crate) fn root_hash(buckets: impl Iterator<Item = (u8, Hash)>) -> Hash {
    let mut hasher = SYNC_ROOT.hasher();
    for (index, hash) in buckets {
        hasher.update(&[index]);
        hasher.update(&hash.0);
    }
    Hash(*hasher.finalize().as_bytes())
}

fn digest(key: &Hash, vector: &VersionVector) -> Hash {
    let mut hasher = SYNC_SCOPE.hasher();
    hasher.update(&key.0);
    // An origin of which nothing is known may be listed with 0 or not at all.
    for (origin, next) in vector.iter().filter(|(_, next)| *next > 0) {
        hasher.update(&origin.0);
        hasher.update(&next.to_be_bytes());
    }
    Hash(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::ids::Origin;
    use lavina_crdt::names::RoomName;

    fn put(tree: &mut Tree, room: u32, next: u64) {
        let scope = Scope::Room(RoomName::new(&format!("room{room}")).unwrap());
        let mut vector = VersionVector::default();
        vector.advance(Origin([1; 16]), next);
        tree.set(&scope, scope_hash(&scope), &vector);
    }

    #[test]
    fn the_order_of_changes_leaves_no_trace() {
        let (mut a, mut b) = (Tree::default(), Tree::default());
        for room in 0..500 {
            put(&mut a, room, 3);
            put(&mut b, 499 - room, 1);
        }
        assert_ne!(a.root(), b.root());
        (0..500).for_each(|room| put(&mut b, room, 3));
        assert_eq!(a.root(), b.root());
        assert_eq!(a.bucket_hashes(), b.bucket_hashes());
    }

    #[test]
    fn what_is_removed_leaves_no_trace() {
        let (mut a, mut b) = (Tree::default(), Tree::default());
        (0..500).for_each(|room| put(&mut a, room, 3));
        (0..500).filter(|room| room % 3 > 0).for_each(|room| put(&mut b, room, 3));
        let scope = |room: u32| scope_hash(&Scope::Room(RoomName::new(&format!("room{room}")).unwrap()));
        (0..500).filter(|room| room % 3 == 0).for_each(|room| a.remove(&scope(room)));
        assert_eq!(a.root(), b.root());
        assert_eq!(a.bucket_hashes(), b.bucket_hashes());
        assert_eq!(a.leaves().count(), 333);
    }

    #[test]
    fn one_change_shows_in_one_bucket() {
        let mut tree = Tree::default();
        (0..2000).for_each(|room| put(&mut tree, room, 1));
        let before = tree.bucket_hashes();
        put(&mut tree, 77, 2);
        let after = tree.bucket_hashes();
        assert_eq!(before.iter().zip(&after).filter(|(a, b)| a != b).count(), 1);
    }
}
