//! Everything about entries and scopes: making them, taking them in, judging them, and reading them back.
//!
//! [`Replicas`] is this node's copy of all scopes over a [`Store`]. It knows nothing of sessions, protocols or peers. What an entry does is
//! told as an [`Effect`], once, when its causal past is here and its author had the right there; what is refused is counted.
//!
//! **Invariant:** whether an entry has an effect is a function of the entry and its causal past, never of when it came.
//!
//! **Invariant:** nothing leaves for a peer that is not durable here.

mod accounts;
mod append;
mod apply;
mod effect;
mod held;
mod history;
mod idle;
mod journal;
mod let_go;
mod mesh;
mod quarantine;
mod readings;
mod receive;
mod recent;
mod redactions;
mod room;
mod scope;

#[cfg(test)]
mod tests;

pub use effect::{Appended, Counters, Deed, Done, Effect, Fault, Message, Page, Persisted, Received};
pub use history::Query;
pub use quarantine::HeadRow;

use crate::node::{Limits, MeshIdentity};
use crate::store::{Batch, BatchId, Store, StoreError};
use accounts::Accounts;
use ed25519_dalek::SigningKey;
use journal::Journal;
use lavina_crdt::chain;
use lavina_crdt::clock::{Clock, Hlc, Now};
use lavina_crdt::content::Principal;
use lavina_crdt::entry::{Body, Entry, Hash, Run, SealedEntry};
use lavina_crdt::ids::{Dot, NodeId, Origin, OriginKey, Scope};
use lavina_crdt::mesh::{Admission, MeshState};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::names::{AccountName, RoomName};
use lavina_crdt::room::{RoomState, Vocabulary};
use lavina_crdt::seals::Seals;
use lavina_crdt::version::VersionVector;
use lavina_gossip::gauges::Gauge;
use room::Room;
use scope::ScopeReplica;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// This node's copy of all scopes. Drive it: [`Replicas::append`] for what happens here, [`Replicas::receive`] for what peers send; then hand
/// out every [`Replicas::take_batch`], and tell [`Replicas::persisted`] or [`Replicas::persist_failed`] what became of it. Call
/// [`Replicas::timeout`] when [`Replicas::next_timeout`] has come.
#[derive(Debug)]
pub struct Replicas<S> {
    store: S,
    origin_key: OriginKey,
    origin: Origin,
    incarnation: u64,
    hold_ms_max: u64,
    room_idle_ms: u64,
    vocabulary: Vocabulary,
    clock: Clock,
    /// The newest stamp made or taken; kept on disk, so that stamps grow whatever the wall clock does between two starts.
    newest: Hlc,
    newest_saved: Hlc,
    scopes: BTreeMap<Scope, ScopeReplica>,
    /// Whose key signs what an origin writes.
    nodes: BTreeMap<Origin, NodeId>,
    /// The direct conversations of each account.
    conversations: BTreeMap<AccountName, BTreeSet<Scope>>,
    mesh: MeshState,
    accounts: Accounts,
    rooms: BTreeMap<RoomName, Room>,
    /// Rooms of which what others wrote was let go.
    partial: BTreeSet<RoomName>,
    /// How far rooms were applied when they were let go.
    shown: BTreeMap<RoomName, VersionVector>,
    idle: idle::Rounds,
    /// States of rooms that were looked at and not loaded.
    glimpses: RefCell<BTreeMap<RoomName, Arc<RoomState>>>,
    readings: readings::Readings,
    recent: recent::Recent,
    redactions: redactions::Redactions,
    journal: Journal,
    seals: Seals,
    /// Why nothing is written under this origin any more, though others are still heard.
    outdated: Option<StoreError>,
    /// Until when held entries are held, in order; those applied since stay until they are the first.
    holds: VecDeque<(u64, Scope, Dot)>,
    /// Scopes of which a row says how far they are applied.
    holding: BTreeSet<Scope>,
    heads: quarantine::HeadNews,
    counters: Counters,
}

/// The row that holds how often this store was started.
const STARTS: &str = "starts";
/// The row that holds the newest stamp.
const CLOCK: &str = "clock";

impl<S: Store> Replicas<S> {
    /// The replicas that a store holds, for the node with this key. `bootstrap` are admissions known from elsewhere; they count as if they were
    /// entries.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(
        store: S,
        key: SigningKey,
        mesh: &MeshIdentity,
        bootstrap: &[Admission],
        limits: &Limits,
        seals: Seals,
        now: Now,
    ) -> Result<Self, StoreError> {
        let origin_key = store.origin();
        let newest = Hlc(number(&store, CLOCK)?);
        // A start that was not written down must not share its number with the next one: the wall clock keeps them apart.
        let incarnation = number(&store, STARTS)?.saturating_add(1).max(now.wall_ms);
        let incarnation = if mutant::is_planted(Mutant::SameIncarnation) { 1 } else { incarnation };
        let mut clock = Clock::new(limits.drift_ms_max);
        clock.resume(newest);
        let mut replicas = Self {
            origin_key,
            origin: origin_key.origin(),
            incarnation,
            hold_ms_max: limits.hold_ms_max,
            room_idle_ms: limits.room_idle_ms,
            vocabulary: Vocabulary::Full,
            clock,
            newest,
            newest_saved: newest,
            scopes: BTreeMap::new(),
            nodes: BTreeMap::from([(origin_key.origin(), origin_key.node)]),
            conversations: BTreeMap::new(),
            mesh: mesh::state(mesh, bootstrap),
            accounts: Accounts::default(),
            rooms: BTreeMap::new(),
            partial: BTreeSet::new(),
            shown: BTreeMap::new(),
            idle: idle::Rounds::default(),
            glimpses: RefCell::default(),
            readings: readings::Readings::default(),
            recent: recent::Recent::default(),
            redactions: redactions::Redactions::default(),
            journal: Journal::new(key, seals.clone(), origin_key),
            seals,
            outdated: None,
            holds: VecDeque::new(),
            holding: BTreeSet::new(),
            heads: quarantine::HeadNews::default(),
            counters: Counters::default(),
            store,
        };
        replicas.journal.put_meta(STARTS.to_owned(), incarnation.to_be_bytes().to_vec());
        replicas.load(now)?;
        Ok(replicas)
    }

    fn load(&mut self, now: Now) -> Result<(), StoreError> {
        for (scope, vector) in self.store.vectors()? {
            for (origin, _) in vector.iter() {
                if !self.nodes.contains_key(&origin)
                    && let Some(key) = self.store.origin_key(origin)?
                {
                    self.nodes.insert(origin, key.node);
                }
                self.heads.note(&scope, origin);
            }
            self.index(&scope);
            self.scopes.insert(scope, ScopeReplica::stored(vector));
        }
        self.load_recent()?;
        self.load_partial()?;
        self.load_mesh()?;
        self.hold_again(now)?;
        self.load_accounts()
    }

    /// The acts that are understood, where not all of them are. Rooms that were read before are read again.
    pub fn understand(&mut self, vocabulary: Vocabulary) {
        self.vocabulary = vocabulary;
        self.rooms.clear();
        self.glimpses.borrow_mut().clear();
    }

    /// The store it reads.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// This node.
    pub fn me(&self) -> NodeId {
        self.origin_key.node
    }

    /// What this store writes as.
    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    /// This start's number: greater than that of every start before.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The newest stamp made or taken; zero when there is none.
    pub fn newest(&self) -> Hlc {
        self.newest
    }

    /// A stamp for what is not an entry (presence, places), later than every stamp made or taken before.
    pub fn stamp(&mut self, now: Now) -> Hlc {
        self.newest = self.clock.tick(now.wall_ms);
        self.newest
    }

    /// Takes note of a foreign stamp that is not an entry's; `false` when it is too far ahead and must not count.
    pub fn observe(&mut self, now: Now, stamp: Hlc) -> bool {
        let near = self.clock.observe(stamp, now.wall_ms).is_ok();
        if near {
            self.newest = self.newest.max(stamp);
        }
        near
    }

    /// Small values whose keys begin so, as the disk has them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn rows(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.store.meta_prefix(prefix)
    }

    /// Puts a small value on the disk, together with the entries that are taken in now; an empty one removes it.
    pub(crate) fn keep_row(&mut self, key: String, value: Vec<u8>) {
        self.journal.put_meta(key, value);
    }

    /// Why own entries are refused at the moment.
    pub fn trouble(&self) -> Option<&StoreError> {
        self.journal.trouble().or(self.outdated.as_ref())
    }

    /// How much waits for the disk.
    pub fn gauge(&self) -> Gauge {
        self.journal.gauge()
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The next batch to be written; ask until `None` at the end of each input.
    pub fn take_batch(&mut self, now: Now) -> Option<Batch> {
        if self.journal.has_entries() {
            if self.newest > self.newest_saved {
                self.newest_saved = self.newest;
                self.journal.put_meta(CLOCK.to_owned(), self.newest.0.to_be_bytes().to_vec());
            }
            self.note_recent(now);
        }
        self.journal.take()
    }

    /// All batches up to this one are durable.
    pub fn persisted(&mut self, up_to: BatchId) -> Persisted {
        let mut persisted = Persisted::default();
        let mut changed = BTreeSet::new();
        for run in self.journal.persisted(up_to).into_iter().flat_map(|batch| batch.runs) {
            if let Some(replica) = self.scopes.get_mut(&run.scope) {
                replica.persisted(run.origin.origin(), run.first + run.entries.len() as u64);
            }
            self.heads.note(&run.scope, run.origin.origin());
            changed.insert(run.scope.clone());
            if run.origin == self.origin_key {
                persisted.own.push(run);
            }
        }
        persisted.vectors = changed.into_iter().map(|scope| (scope.clone(), self.durable(&scope))).collect();
        persisted
    }

    /// This batch and those after it were not written. From a full disk they are given out again after a while, and own entries are refused until then;
    /// after any other error nothing is written any more.
    pub fn persist_failed(&mut self, now: Now, batch: BatchId, error: &StoreError) {
        self.journal.failed(now, batch, error.clone());
    }

    /// When to call [`Replicas::timeout`], on the monotonic clock.
    pub fn next_timeout(&self) -> Option<u64> {
        let hold = self.holds.front().map(|(at, _, _)| *at);
        [hold, self.journal.next_timeout()].into_iter().flatten().min()
    }

    /// The mesh: who belongs to it and where everybody stands.
    pub fn mesh(&self) -> &MeshState {
        &self.mesh
    }

    /// A room's state; `None` when nobody has created it, or the store cannot be read.
    pub fn room(&self, name: &RoomName) -> Option<Arc<RoomState>> {
        let state = match self.rooms.get(name) {
            Some(room) => room.state(),
            None => self.glimpse(name)?,
        };
        state.created.is_some().then_some(state)
    }

    /// The state of a room that is not loaded.
    fn glimpse(&self, name: &RoomName) -> Option<Arc<RoomState>> {
        let replica = self.scopes.get(&Scope::Room(name.clone()))?;
        if let Some(state) = self.glimpses.borrow().get(name) {
            return Some(Arc::clone(state));
        }
        let cuts = self.mesh.cuts(&Scope::Room(name.clone()));
        let state = Room::load(name, replica, &self.store, cuts, &self.nodes, self.vocabulary).ok()?.state();
        self.glimpses.borrow_mut().insert(name.clone(), Arc::clone(&state));
        Some(state)
    }

    /// All rooms of which anything is known, in name order.
    pub fn rooms(&self) -> Vec<RoomName> {
        let rooms = self.scopes.keys().filter_map(|scope| match scope {
            Scope::Room(name) => Some(name.clone()),
            Scope::Mesh | Scope::Account(_) | Scope::Direct(..) => None,
        });
        rooms.collect()
    }

    /// The direct conversations of an account.
    pub fn conversations(&self, account: &AccountName) -> impl Iterator<Item = &Scope> + '_ {
        self.conversations.get(account).into_iter().flatten()
    }

    /// The durable vector of every scope, as far as it counts.
    pub fn vectors(&self) -> impl Iterator<Item = (&Scope, VersionVector)> + '_ {
        let counting = |(scope, replica): (&'_ Scope, &ScopeReplica)| self.counting(scope, &replica.durable);
        let vectors = self.scopes.iter().map(move |row| (row.0, counting(row)));
        vectors.filter(|(_, vector)| !vector.is_empty())
    }

    /// How many entries are durable here.
    pub fn entries(&self) -> u64 {
        self.vectors().fold(0, |sum, (_, vector)| sum.saturating_add(vector.total()))
    }

    /// One hash over all durable vectors: equal on two nodes that hold the same.
    pub fn digest(&self) -> Hash {
        let mut hasher = blake3::Hasher::new_derive_key("lavina 1 digest of all scopes");
        for (scope, vector) in self.vectors() {
            hasher.update(&vector.digest(scope).0);
        }
        Hash(*hasher.finalize().as_bytes())
    }

    fn durable(&self, scope: &Scope) -> VersionVector {
        self.scopes.get(scope).map(|replica| self.counting(scope, &replica.durable)).unwrap_or_default()
    }

    /// The replica of a scope with its tails read.
    fn scope_mut(&mut self, scope: &Scope) -> Result<&mut ScopeReplica, StoreError> {
        if !self.scopes.contains_key(scope) {
            self.index(scope);
        }
        let is_new = !self.scopes.contains_key(scope);
        let replica = self.scopes.entry(scope.clone()).or_default();
        if replica.load(scope, &self.store)? || is_new {
            for (origin, cut) in self.mesh.cuts(scope).into_iter().flatten() {
                replica.log.cut(*origin, *cut);
            }
        }
        Ok(replica)
    }

    fn room_mut(&mut self, name: &RoomName) -> Result<&mut Room, StoreError> {
        if !self.rooms.contains_key(name) {
            let scope = Scope::Room(name.clone());
            let replica = self.scopes.entry(scope).or_default();
            let cuts = self.mesh.cuts(&Scope::Room(name.clone()));
            let room = Room::load(name, replica, &self.store, cuts, &self.nodes, self.vocabulary)?;
            self.glimpses.borrow_mut().remove(name);
            self.rooms.insert(name.clone(), room);
        }
        let room = self.rooms.get_mut(name);
        let room = room.ok_or_else(|| StoreError::Damaged(format!("room {name} cannot be read")))?;
        room.asked_in(self.idle.current());
        Ok(room)
    }

    fn index(&mut self, scope: &Scope) {
        let Scope::Direct(one, other) = scope else { return };
        for principal in [one, other] {
            if let Principal::Account(account) = principal {
                self.conversations.entry(account.clone()).or_default().insert(scope.clone());
            }
        }
    }
}

/// Takes the body out of an entry of a kind that this version does not know.
fn rewrite_unknown(sealed: &mut SealedEntry) {
    let entry = chain::open(sealed).filter(|entry| matches!(chain::body(entry), Body::Unknown { .. }));
    if let Some(entry) = entry {
        sealed.bytes = chain::seal(&Entry { body: Vec::new(), ..entry }).0.bytes;
    }
}

fn number(store: &impl Store, key: &str) -> Result<u64, StoreError> {
    let Some(value) = store.meta(key)? else { return Ok(0) };
    let bytes = value.try_into().map_err(|_| StoreError::Damaged(format!("the value {key} cannot be read")))?;
    Ok(u64::from_be_bytes(bytes))
}

impl<S: Store> lavina_gossip::machine::Replica for Replicas<S> {
    fn vector(&self, scope: &Scope) -> VersionVector {
        self.durable(scope)
    }

    fn newest_in(&self, scope: &Scope) -> Hlc {
        self.scopes.get(scope).map(|replica| replica.newest).unwrap_or_default()
    }

    fn run(&self, scope: &Scope, origin: Origin, first: u64, bytes_max: usize) -> Option<Run> {
        let next = self.scopes.get(scope)?.durable.next(origin);
        // A disk that cannot be read gives nothing; the peer asks another.
        let mut run = self.store.run(scope, origin, first, bytes_max).ok().flatten()?;
        // What the store has written but not yet reported is not durable to anybody.
        let durable = usize::try_from(next.checked_sub(first)?).unwrap_or(usize::MAX);
        run.entries.truncate(durable);
        // Beyond a cut only as far as a signature over what comes before it.
        if let Some(cut) = self.mesh.cut(scope, origin) {
            let last = usize::try_from(cut.checked_sub(first)?.checked_sub(1)?).unwrap_or(usize::MAX);
            let signed = run.entries.iter().skip(last).position(|sealed| sealed.signature.is_some());
            run.entries.truncate(last.saturating_add(signed.map_or(0, |signed| signed + 1)));
        }
        let signed = run.entries.iter().rposition(|sealed| sealed.signature.is_some())?;
        run.entries.truncate(signed + 1);
        if mutant::is_planted(Mutant::UnknownRewritten) {
            run.entries.iter_mut().for_each(rewrite_unknown);
        }
        Some(run)
    }
}
