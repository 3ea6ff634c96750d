//! One room's document as this node has it: its state, the state at the causal past of any entry, and what waits to be judged.
//!
//! Loaded when the room is first touched: a snapshot and the changes since. The document heads at which each entry was written are kept as
//! rows of their own, so that an old message can be judged without reading what came before it.

use super::scope::ScopeReplica;
use crate::store::{Store, StoreError};
use lavina_crdt::chain;
use lavina_crdt::content::{Author, Content};
use lavina_crdt::entry::{Body, DocHead, Entry, SealedEntry};
use lavina_crdt::ids::{Dot, NodeId, OrderKey, Origin, Scope};
use lavina_crdt::names::RoomName;
use lavina_crdt::room::{Act, Applied, Kick, Right, RoomDoc, RoomState, Vocabulary};
use lavina_crdt::version::VersionVector;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// Changes after which the document is saved anew: few enough that loading stays in the milliseconds.
const SAVE_AFTER_CHANGES: u32 = 64;

/// Entries of any kind after which it is saved anew, because loading reads the entries since.
const SAVE_AFTER_ENTRIES: u32 = 4_096;

/// Most entries of a room that wait for the changes at which their rights are judged; above it the oldest are shown only by history.
const UNJUDGED_MAX: usize = 1_024;

/// Bytes of entries read at a time.
const READ_BYTES: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Room {
    doc: RoomDoc,
    /// For each origin, from which number on its entries were written at which heads.
    heads: BTreeMap<Origin, BTreeMap<u64, Vec<DocHead>>>,
    /// Applied entries that wait for the changes at which they are judged.
    unjudged: BTreeMap<OrderKey, Arc<Entry>>,
    changes: u32,
    entries: u32,
    /// The round in which it was asked for last.
    asked: u64,
    /// Whether some of the room's entries are void.
    is_cut: bool,
}

/// Whether an entry's author had the right at its causal past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    Denied,
    /// Some of the past is not here.
    Unknown,
}

impl Room {
    /// Reads a room from the store, without what comes after `cuts`: then all of it, since a snapshot may rest on void changes. `nodes` says
    /// whose the origins are: nobody speaks for another node's sessions.
    pub(super) fn load(
        name: &RoomName,
        replica: &ScopeReplica,
        store: &impl Store,
        cuts: Option<&BTreeMap<Origin, u64>>,
        nodes: &BTreeMap<Origin, NodeId>,
        vocabulary: Vocabulary,
    ) -> Result<Self, StoreError> {
        let saved = if cuts.is_some() { None } else { store.meta(&saved_key(name))? };
        let saved = saved.and_then(|bytes| postcard::from_bytes::<(VersionVector, Vec<u8>)>(&bytes).ok());
        let saved = saved.and_then(|(vector, bytes)| Some((vector, RoomDoc::load(&bytes, vocabulary)?)));
        let (vector, doc) =
            saved.unwrap_or_else(|| (VersionVector::default(), RoomDoc::with(name, vocabulary, cuts.is_some())));
        let (heads, unjudged, is_cut) = (load_heads(name, store)?, BTreeMap::new(), cuts.is_some());
        let mut room = Self { doc, heads, unjudged, changes: 0, entries: 0, asked: 0, is_cut };
        let scope = Scope::Room(name.clone());
        let mut tail = BTreeMap::new();
        for (origin, next) in replica.durable.iter() {
            read_tail(store, &scope, origin, vector.next(origin), next, &mut |entry, _| {
                tail.insert(entry.order_key(), Arc::new(entry));
            })?;
        }
        tail.extend(replica.pending.values().map(|entry| (entry.order_key(), Arc::clone(entry))));
        let is_void =
            |entry: &Entry| cuts.and_then(|cuts| cuts.get(&entry.origin)).is_some_and(|cut| *cut <= entry.seq);
        for entry in tail.values() {
            room.learn(name, entry);
        }
        // What had to be read again counts towards the next snapshot.
        room.entries = u32::try_from(tail.len()).unwrap_or(u32::MAX);
        // What is held, on the disk or on its way there, is applied when its causal past has come, and must not count twice.
        let is_held = |entry: &Entry| replica.log.is_held(entry.dot());
        let is_home = |entry: &Entry| {
            entry.author.as_ref().is_none_or(|author| nodes.get(&entry.origin) == Some(&author.session.node))
        };
        room.replay(tail.into_values().filter(|entry| !is_void(entry) && !is_held(entry) && is_home(entry)));
        Ok(room)
    }

    fn replay(&mut self, tail: impl Iterator<Item = Arc<Entry>>) {
        let mut others = Vec::new();
        for entry in tail {
            match (chain::body(&entry), &entry.author) {
                (Body::DocChange(change), Some(author)) => {
                    self.change(entry.order_key(), author, &change);
                }
                (Body::Message(_) | Body::Kick(_), Some(_)) => others.push(entry),
                _ => {}
            }
        }
        for entry in others {
            if self.state_of(entry.dot()).is_none() {
                self.wait(entry);
            }
        }
    }

    /// It is asked for in this round.
    pub(super) const fn asked_in(&mut self, round: u64) {
        self.asked = round;
    }

    /// Whether the store can give it back as it is, and nobody has asked for it since a round. One with void entries is not let go of: it has no
    /// snapshot.
    pub(super) fn is_idle_since(&self, round: u64) -> bool {
        self.asked < round && self.unjudged.is_empty() && !self.is_cut
    }

    /// The state as it is.
    pub(super) fn state(&self) -> Arc<RoomState> {
        self.doc.shared_state()
    }

    /// What the origin's next entry says of the document's heads.
    pub(super) fn heads_to_say(&self, origin: Origin, seq: u64) -> Option<Vec<DocHead>> {
        let heads = self.doc.heads();
        (self.heads_at(Dot { origin, seq }) != heads).then_some(heads)
    }

    /// Remembers the heads that an entry names; gives the row that keeps them.
    pub(super) fn learn(&mut self, name: &RoomName, entry: &Entry) -> Option<(String, Vec<u8>)> {
        let heads = entry.heads.as_ref()?;
        self.heads.entry(entry.origin).or_default().insert(entry.seq, heads.clone());
        let mut key = heads_prefix(name);
        for byte in entry.origin.0 {
            write!(key, "{byte:02x}").ok()?;
        }
        write!(key, "/{:016x}", entry.seq).ok()?;
        Some((key, postcard::to_stdvec(heads).ok()?))
    }

    /// The heads at which an entry was written.
    fn heads_at(&self, dot: Dot) -> &[DocHead] {
        let said = self.heads.get(&dot.origin).and_then(|said| said.range(..=dot.seq).next_back());
        said.map_or(&[], |(_, heads)| heads)
    }

    /// The state at an entry's causal past; `None` when some of it is not here.
    fn state_of(&mut self, at: Dot) -> Option<Arc<RoomState>> {
        let heads = self.heads_at(at).to_vec();
        self.doc.state_at(&heads)
    }

    /// The state at the part that counts of the past of an entry that rests on a void change: of the last heads of its origin of which some
    /// count.
    fn state_without_void(&mut self, dot: Dot) -> Option<Arc<RoomState>> {
        let said = self.heads.get(&dot.origin)?.range(..=dot.seq).rev();
        said.map(|(_, heads)| heads).find_map(|heads| self.doc.state_at_known(heads))
    }

    /// Whether the author had the right where the entry was written. What rests on a void change is judged by the part of its past that counts,
    /// or else by what was written before it, so that who equivocates takes nobody else's words away; when neither allows it, more may still
    /// come.
    pub(super) fn judge(&mut self, at: OrderKey, author: &Author, right: &Right<'_>) -> Verdict {
        match self.state_of(at.dot()).map(|state| state.allows(author, right)) {
            Some(Ok(())) => Verdict::Allowed,
            Some(Err(_)) => Verdict::Denied,
            None if self.is_cut && self.is_right_without_void(at, author, right) => Verdict::Allowed,
            None => Verdict::Unknown,
        }
    }

    fn is_right_without_void(&mut self, at: OrderKey, author: &Author, right: &Right<'_>) -> bool {
        let allows = |state: &RoomState| state.allows(author, right).is_ok();
        self.state_without_void(at.dot()).is_some_and(|state| allows(&state)) || allows(&self.doc.state_before(at))
    }

    /// What waits to be judged, when the room is about to be built anew.
    pub(super) fn into_unjudged(self) -> BTreeMap<OrderKey, Arc<Entry>> {
        self.unjudged
    }

    /// Waits for the same entries as the room before it was built anew: the others were judged, and shown.
    pub(super) fn wait_for(&mut self, unjudged: BTreeMap<OrderKey, Arc<Entry>>) {
        self.unjudged = unjudged;
    }

    pub(super) fn may_speak(&mut self, entry: &Entry, author: &Author, content: &Content) -> Verdict {
        // Whether the author was inside is known at its home node alone, which asked before it made the entry.
        self.judge(entry.order_key(), author, &Right::Speak { present: true, is_request: content.is_request() })
    }

    pub(super) fn may_kick(&mut self, entry: &Entry, author: &Author, kick: &Kick) -> Verdict {
        self.judge(entry.order_key(), author, &Right::Kick(kick))
    }

    pub(super) fn may_moderate(&mut self, at: OrderKey, author: &Author) -> Verdict {
        self.judge(at, author, &Right::Moderate)
    }

    /// What the change of an entry does, where it counts.
    pub(super) fn acts_that_count(&self, at: OrderKey) -> &[Act] {
        self.doc.acts_that_count(at)
    }

    /// The change for `acts` at the heads as they are.
    pub(super) fn mint(&self, at: OrderKey, acts: &[Act]) -> Vec<u8> {
        self.doc.mint(at, acts)
    }

    /// Takes a change in; the state before and after it, when it is in.
    pub(super) fn change(
        &mut self,
        at: OrderKey,
        author: &Author,
        change: &[u8],
    ) -> Option<(Arc<RoomState>, Arc<RoomState>)> {
        match self.doc.apply(at, author, change) {
            Applied::Changed(old, new) => {
                self.changes += 1;
                Some((old, new))
            }
            Applied::Pending | Applied::Known | Applied::Malformed => None,
        }
    }

    /// Keeps an entry until it can be judged.
    pub(super) fn wait(&mut self, entry: Arc<Entry>) {
        self.unjudged.insert(entry.order_key(), entry);
        if self.unjudged.len() > UNJUDGED_MAX {
            self.unjudged.pop_first();
        }
    }

    /// The waiting entries that can be judged, in order.
    pub(super) fn take_judgeable(&mut self) -> Vec<Arc<Entry>> {
        if self.unjudged.is_empty() {
            return Vec::new();
        }
        let (ready, waiting) = std::mem::take(&mut self.unjudged)
            .into_iter()
            .partition(|(_, entry)| self.is_cut || self.state_of(entry.dot()).is_some());
        self.unjudged = waiting;
        BTreeMap::into_values(ready).collect()
    }

    /// Counts an applied entry; gives the row of a snapshot when one is due. A room with void entries has none, it is read from all entries.
    pub(super) fn count(&mut self, name: &RoomName, applied: &VersionVector) -> Option<(String, Vec<u8>)> {
        if self.is_cut {
            return None;
        }
        self.entries = self.entries.saturating_add(1);
        if self.changes < SAVE_AFTER_CHANGES && self.entries < SAVE_AFTER_ENTRIES {
            return None;
        }
        (self.changes, self.entries) = (0, 0);
        Some((saved_key(name), postcard::to_stdvec(&(applied, self.doc.save())).ok()?))
    }
}

// No room name holds a slash, so the prefix of one is never that of another.
pub(super) fn saved_key(name: &RoomName) -> String {
    format!("doc/{name}")
}

pub(super) fn heads_prefix(name: &RoomName) -> String {
    format!("heads/{name}/")
}

/// Whether a row holds heads that an origin has said.
pub(super) fn is_heads_of(name: &RoomName, key: &str, origin: Origin) -> bool {
    let said = key.strip_prefix(&heads_prefix(name)).and_then(|rest| rest.split('/').next());
    said.and_then(|said| u128::from_str_radix(said, 16).ok()) == Some(u128::from_be_bytes(origin.0))
}

fn load_heads(
    name: &RoomName,
    store: &impl Store,
) -> Result<BTreeMap<Origin, BTreeMap<u64, Vec<DocHead>>>, StoreError> {
    let prefix = heads_prefix(name);
    let mut heads: BTreeMap<Origin, BTreeMap<u64, Vec<DocHead>>> = BTreeMap::new();
    for (key, value) in store.meta_prefix(&prefix)? {
        let read = parse_heads(key.strip_prefix(&prefix).unwrap_or_default(), &value);
        let (dot, said) = read.ok_or_else(|| StoreError::Damaged(format!("the row {key} cannot be read")))?;
        heads.entry(dot.origin).or_default().insert(dot.seq, said);
    }
    Ok(heads)
}

fn parse_heads(key: &str, value: &[u8]) -> Option<(Dot, Vec<DocHead>)> {
    let (origin, seq) = key.split_once('/')?;
    let origin = u128::from_str_radix(origin, 16).ok()?.to_be_bytes();
    let seq = u64::from_str_radix(seq, 16).ok()?;
    Some((Dot { origin: Origin(origin), seq }, postcard::from_bytes(value).ok()?))
}

/// Reads the durable entries of an origin from `first` up to `next`.
pub(super) fn read_tail(
    store: &impl Store,
    scope: &Scope,
    origin: Origin,
    first: u64,
    next: u64,
    visit: &mut dyn FnMut(Entry, &SealedEntry),
) -> Result<(), StoreError> {
    let mut first = first;
    while first < next {
        let Some(run) = store.run(scope, origin, first, READ_BYTES)? else {
            return Err(StoreError::Damaged(format!("entry {first} of {origin:?} in {scope:?} cannot be read")));
        };
        first += (run.entries.len() as u64).max(1);
        for sealed in &run.entries {
            let entry = chain::open(sealed)
                .ok_or_else(|| StoreError::Damaged(format!("an entry of {scope:?} does not decode")))?;
            visit(entry, sealed);
        }
    }
    Ok(())
}
