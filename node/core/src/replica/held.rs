//! What waits for its causal past when a node ends still waits when it starts again.
//!
//! The store holds entries that are not applied yet beside those that are. While a scope has some, a row says how far the others go, written with every
//! batch that changes it; after a start the rest is held anew, for as long as a node holds. Else it would count as applied, and its past, which comes
//! later, would be shown after it.

use super::{Replicas, Scope, room};
use crate::store::{Store, StoreError};
use lavina_crdt::chain;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::{Entry, Hash};
use lavina_crdt::version::VersionVector;
use std::fmt::Write;

/// Before the scopes in hexadecimal.
const HELD: &str = "held/";

impl<S: Store> Replicas<S> {
    /// Writes down how far a scope is applied, while something of it is held; takes the row away when nothing is.
    pub(super) fn note_held(&mut self, scope: &Scope) {
        let Some(replica) = self.scopes.get(scope) else { return };
        let row = if replica.log.held() > 0 {
            self.holding.insert(scope.clone());
            postcard::to_stdvec(replica.log.vector()).unwrap_or_default()
        } else if self.holding.remove(scope) {
            Vec::new()
        } else {
            return;
        };
        if let Some(key) = key(scope) {
            self.journal.put_meta(key, row);
        }
    }

    /// Holds again what was held when the node ended.
    pub(super) fn hold_again(&mut self, now: Now) -> Result<(), StoreError> {
        for (key, row) in self.store.meta_prefix(HELD)? {
            let scope = key.strip_prefix(HELD).and_then(scope);
            let applied = postcard::from_bytes::<VersionVector>(&row).ok();
            if let (Some(scope), Some(applied)) = (scope, applied) {
                self.hold_scope_again(now, &scope, &applied)?;
            }
        }
        Ok(())
    }

    fn hold_scope_again(&mut self, now: Now, scope: &Scope, applied: &VersionVector) -> Result<(), StoreError> {
        self.holding.insert(scope.clone());
        let Some(replica) = self.scopes.get_mut(scope) else { return Ok(()) };
        if !replica.load_applied(scope, &self.store, applied)? {
            return Ok(());
        }
        for (origin, cut) in self.mesh.cuts(scope).into_iter().flatten() {
            replica.log.cut(*origin, *cut);
        }
        let mut waiting: Vec<(Entry, Hash)> = Vec::new();
        for (origin, next) in replica.durable.iter() {
            let first = replica.log.next_seq(origin);
            room::read_tail(&self.store, scope, origin, first, next, &mut |entry, sealed| {
                waiting.push((entry, chain::hash(sealed)));
            })?;
        }
        for (entry, hash) in waiting {
            let dot = entry.dot();
            if replica.log.hold(entry.clone(), hash) {
                self.holds.push_back((now.deadline_ms(self.hold_ms_max), scope.clone(), dot));
            } else {
                replica.log.note(&entry, hash);
            }
        }
        // What was applied since the row was written.
        while let Some((entry, hash)) = replica.log.release() {
            replica.log.note(&entry, hash);
        }
        self.note_held(scope);
        Ok(())
    }
}

fn key(scope: &Scope) -> Option<String> {
    let mut key = HELD.to_owned();
    for byte in postcard::to_stdvec(scope).ok()? {
        write!(key, "{byte:02x}").ok()?;
    }
    Some(key)
}

fn scope(hex: &str) -> Option<Scope> {
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    postcard::from_bytes(&bytes?).ok()
}
