//! One scope as this node has it: what is known, what of it is durable, and what is applied.
//!
//! Known is what is stored or on its way to the disk; an entry may be known and yet wait for its causal past before it is applied.

use super::effect::Message;
use crate::store::{Store, StoreError};
use lavina_crdt::chain;
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::{Body, Entry, Hash};
use lavina_crdt::ids::{Dot, OrderKey, Origin, Scope};
use lavina_crdt::log::ScopeLog;
use lavina_crdt::names::AccountName;
use lavina_crdt::version::VersionVector;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most accounts of a scope whose last entry is remembered for [`Entry::link`]: more than speak in a room within any time that matters for
/// the order of one sender's messages.
const SPEAKERS_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct ScopeReplica {
    pub(super) known: VersionVector,
    pub(super) durable: VersionVector,
    /// Each origin's newest known entry.
    tails: BTreeMap<Origin, Tail>,
    /// The greatest stamp of a known entry, as far as anything was read or came since the start, or was written down before it.
    pub(super) newest: Hlc,
    /// What is applied, and what waits.
    pub(super) log: ScopeLog,
    /// Known entries that are not durable.
    pub(super) pending: BTreeMap<OrderKey, Arc<Entry>>,
    speakers: BTreeMap<AccountName, Dot>,
    loaded: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    pub(super) hash: Hash,
    pub(super) hlc: Hlc,
}

impl ScopeReplica {
    /// A scope of which the store holds `vector`.
    pub(super) fn stored(vector: VersionVector) -> Self {
        Self { known: vector.clone(), durable: vector, ..Self::default() }
    }

    /// Reads the newest entry of each origin, once. What is stored counts as applied. Whether it was this time.
    pub(super) fn load(&mut self, scope: &Scope, store: &impl Store) -> Result<bool, StoreError> {
        let applied = self.durable.clone();
        self.load_applied(scope, store, &applied)
    }

    /// The same where only so much of what is stored was applied.
    pub(super) fn load_applied(
        &mut self,
        scope: &Scope,
        store: &impl Store,
        applied: &VersionVector,
    ) -> Result<bool, StoreError> {
        if self.loaded {
            return Ok(false);
        }
        for (origin, next) in self.durable.iter() {
            let Some(newest) = newest_below(scope, store, origin, next)? else { continue };
            self.tails.insert(origin, newest);
            self.newest = self.newest.max(newest.hlc);
            let applied = applied.next(origin).min(next);
            let tail = if applied == next { Some(newest) } else { newest_below(scope, store, origin, applied)? };
            if let Some(tail) = tail {
                self.log.resume(origin, applied, tail.hash, tail.hlc);
            }
        }
        self.loaded = true;
        Ok(true)
    }

    /// The newest known entry of an origin; zeros when there is none.
    pub(super) fn tail(&self, origin: Origin) -> Tail {
        self.tails.get(&origin).copied().unwrap_or_default()
    }

    /// The hash of entry `seq` of an origin, when it is the newest known one and at hand.
    pub(super) fn hash_at(&self, origin: Origin, seq: u64) -> Option<Hash> {
        let is_newest = seq.checked_add(1) == Some(self.known.next(origin));
        self.tails.get(&origin).filter(|_| is_newest).map(|tail| tail.hash)
    }

    /// Counts an entry as known.
    pub(super) fn learn(&mut self, entry: &Arc<Entry>, hash: Hash) {
        self.known.advance(entry.origin, entry.seq.saturating_add(1));
        self.tails.insert(entry.origin, Tail { hash, hlc: entry.hlc });
        self.newest = self.newest.max(entry.hlc);
        self.pending.insert(entry.order_key(), Arc::clone(entry));
    }

    /// Counts everything of `origin` below `next` as durable.
    pub(super) fn persisted(&mut self, origin: Origin, next: u64) {
        self.durable.advance(origin, next);
        let durable = &self.durable;
        self.pending.retain(|key, _| !durable.contains(key.dot()));
    }

    /// The previous entry of the same account, when another origin wrote it.
    pub(super) fn link(&self, account: Option<&AccountName>, origin: Origin) -> Option<Dot> {
        self.speakers.get(account?).copied().filter(|dot| dot.origin != origin && !self.log.is_void(*dot))
    }

    /// Remembers who wrote an entry that was applied.
    pub(super) fn spoke(&mut self, entry: &Entry) {
        let Some(account) = entry.author.as_ref().and_then(|author| author.account.as_ref()) else { return };
        if let Some(dot) = self.speakers.get_mut(account) {
            *dot = entry.dot();
            return;
        }
        if self.speakers.len() >= SPEAKERS_MAX {
            self.speakers.clear();
        }
        self.speakers.insert(account.clone(), entry.dot());
    }
}

/// The newest stored entry of an origin below a number; `None` when there can be none.
fn newest_below(scope: &Scope, store: &impl Store, origin: Origin, next: u64) -> Result<Option<Tail>, StoreError> {
    let Some(newest) = next.checked_sub(1) else { return Ok(None) };
    let run = store.run(scope, origin, newest, 0)?;
    let sealed = run.as_ref().and_then(|run| run.entries.first());
    match (sealed, sealed.and_then(chain::open)) {
        (Some(sealed), Some(entry)) => Ok(Some(Tail { hash: chain::hash(sealed), hlc: entry.hlc })),
        _ => Err(StoreError::Damaged(format!("entry {newest} of {origin:?} in {scope:?} cannot be read"))),
    }
}

/// The message that an entry holds, if it holds one.
pub(super) fn message(scope: &Scope, entry: &Entry) -> Option<Message> {
    let Body::Message(content) = chain::body(entry) else { return None };
    Some(Message::new(scope.clone(), entry.order_key(), entry.author.clone()?, content))
}
