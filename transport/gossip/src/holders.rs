//! Who is to hold which scopes: all hold the mesh, accounts and direct conversations, and a room is held by its [homes](crate::placement) and where
//! its occupants are.
//!
//! Every node works this out for itself, from the roster and from presence, which all have. Whoever does not say on its connection that it places
//! rooms (a version that knows nothing of it, or a node told to hold all) is taken to hold everything. A node that is out of reach for long is no home
//! until it comes back, so that others take over what it held.
//!
//! **Invariant:** nothing here decides what is taken in or kept; a node that holds more than it is to loses nothing.

use crate::links::Links;
use crate::placement::{self, Candidate};
use crate::tree::scope_hash;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::{NodeId, Scope};
use lavina_crdt::names::RoomName;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// How long a node is out of reach before others take over its rooms: longer than a restart, an upgrade or a cut that somebody is mending.
const LOST_MS: u64 = 10 * 60_000;
/// Most rooms whose homes are remembered; beyond it they are worked out anew.
const HOMES_MAX: usize = 65_536;

/// See the module.
#[derive(Debug)]
pub(crate) struct Holders {
    me: NodeId,
    /// How many homes a room has; `None`: everybody holds everything.
    replicas: Option<NonZeroUsize>,
    candidates: Vec<Candidate>,
    /// Whether this node is being emptied.
    is_leaving: bool,
    /// When each node was last in reach.
    seen_us: BTreeMap<NodeId, u64>,
    /// The connected peers that place rooms too.
    placing: BTreeSet<NodeId>,
    /// The nodes with occupants, by room.
    interested: BTreeMap<Hash, BTreeSet<NodeId>>,
    homes: RefCell<BTreeMap<Hash, Arc<[NodeId]>>>,
    /// How often it has changed what this node is to hold.
    changes: u64,
}

impl Holders {
    pub(crate) const fn new(me: NodeId, replicas: Option<NonZeroUsize>) -> Self {
        Self {
            me,
            replicas,
            candidates: Vec::new(),
            is_leaving: false,
            seen_us: BTreeMap::new(),
            placing: BTreeSet::new(),
            interested: BTreeMap::new(),
            homes: RefCell::new(BTreeMap::new()),
            changes: 0,
        }
    }

    /// How many homes a room is to have, where that is said at all.
    pub(crate) const fn replicas(&self) -> Option<NonZeroUsize> {
        self.replicas
    }

    /// Whether there is a choice: in a mesh no larger than the number of replicas all hold everything.
    pub(crate) fn is_on(&self) -> bool {
        self.replicas.is_some_and(|replicas| self.candidates.len() > replicas.get())
    }

    /// Looks who counts; whether that has changed.
    pub(crate) fn look(&mut self, now: Now, links: &Links) -> bool {
        let mut candidates = vec![links.candidate()];
        for (node, link) in links.iter() {
            let seen_us = self.seen_us.entry(node).or_insert(now.mono_us);
            if link.connected() || link.in_reach() {
                *seen_us = now.mono_us;
            }
            if now.mono_us.saturating_sub(*seen_us) < LOST_MS * 1000 {
                candidates.push(link.candidate(node));
            }
        }
        candidates.sort_by_key(|candidate| candidate.node);
        self.seen_us.retain(|node, _| links.is_admitted(*node));
        let is_new = candidates != self.candidates;
        if is_new {
            self.is_leaving = links.candidate().is_draining;
            self.candidates = candidates;
            self.homes.borrow_mut().clear();
            self.changes += 1;
        }
        is_new
    }

    /// A connected peer says whether it places rooms; whether that is news.
    pub(crate) fn set_placing(&mut self, peer: NodeId, places: bool) -> bool {
        if places { self.placing.insert(peer) } else { self.placing.remove(&peer) }
    }

    /// The connected peers that place rooms.
    pub(crate) fn placing(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.placing.iter().copied()
    }

    /// Whether this node and the peer both hold only what they are to.
    pub(crate) fn is_placing(&self, peer: NodeId) -> bool {
        self.is_on() && self.placing.contains(&peer)
    }

    /// A node has occupants in a room from here on, or none any more.
    pub(crate) fn set_interested(&mut self, node: NodeId, room: Hash, is_interested: bool) {
        self.changes += u64::from(node == self.me);
        if is_interested {
            self.interested.entry(room).or_default().insert(node);
        } else if let Some(nodes) = self.interested.get_mut(&room) {
            nodes.remove(&node);
            if nodes.is_empty() {
                self.interested.remove(&room);
            }
        }
    }

    /// Whether a node is taken to hold a scope, given with its hash.
    pub(crate) fn keeps(&self, node: NodeId, scope: &Scope, key: &Hash) -> bool {
        (node != self.me && !self.placing.contains(&node)) || self.is_placed(node, scope, key)
    }

    /// Whether a scope is placed at a node.
    pub(crate) fn is_placed(&self, node: NodeId, scope: &Scope, key: &Hash) -> bool {
        if !matches!(scope, Scope::Room(_)) || !self.is_on() {
            return true;
        }
        self.placed(key).has(node)
    }

    /// Where a room is placed, by the hash of its scope, to ask for many nodes.
    pub(crate) fn placed(&self, key: &Hash) -> Placed<'_> {
        Placed { interested: self.interested.get(key), homes: self.homes(key) }
    }

    pub(crate) const fn me(&self) -> NodeId {
        self.me
    }

    /// Whether this node is to hold a scope.
    pub(crate) fn keeps_here(&self, scope: &Scope, key: &Hash) -> bool {
        self.keeps(self.me, scope, key)
    }

    /// How often it has changed what this node is to hold: a moment in its life.
    pub(crate) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether this node is being emptied.
    pub(crate) const fn is_leaving(&self) -> bool {
        self.is_leaving
    }

    /// The homes of a room but this node, by the hash of its scope; of other scopes those that keep them where this node is being emptied.
    pub(crate) fn other_homes(&self, key: &Hash) -> Vec<NodeId> {
        self.homes(key).iter().copied().filter(|home| *home != self.me).collect()
    }

    /// The homes of a room, by the hash of its scope.
    pub(crate) fn homes(&self, key: &Hash) -> Arc<[NodeId]> {
        let mut cache = self.homes.borrow_mut();
        if let Some(homes) = cache.get(key) {
            return Arc::clone(homes);
        }
        if cache.len() >= HOMES_MAX {
            cache.clear();
        }
        let replicas = self.replicas.map_or(usize::MAX, NonZeroUsize::get);
        let homes: Arc<[NodeId]> = placement::homes(key, &self.candidates, replicas).into();
        cache.insert(*key, Arc::clone(&homes));
        homes
    }
}

/// The nodes at which a room is placed.
#[derive(Debug)]
pub(crate) struct Placed<'a> {
    interested: Option<&'a BTreeSet<NodeId>>,
    homes: Arc<[NodeId]>,
}

impl Placed<'_> {
    pub(crate) fn has(&self, node: NodeId) -> bool {
        self.homes.contains(&node) || self.interested.is_some_and(|nodes| nodes.contains(&node))
    }

    /// All of them, each once.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        let others = self.interested.into_iter().flatten().filter(|node| !self.homes.contains(node));
        self.homes.iter().chain(others).copied()
    }
}

/// The scope of a room, and its hash.
pub(crate) fn room(name: &RoomName) -> (Scope, Hash) {
    let scope = Scope::Room(name.clone());
    let key = scope_hash(&scope);
    (scope, key)
}
