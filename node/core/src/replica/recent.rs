//! Which conversations something was written in last: peers that lack much are sent these first.
//!
//! While a node runs, a scope that anything came of knows its newest stamp. For the others, after a start, a row says what it was of the newest few: it is
//! written along with entries now and then, so that neither a node at rest nor a start writes anything for it, and what it does not say yet only goes out
//! later. By stamps and not by what came last: a node that has caught up itself got the newest first.

use super::{Replicas, Scope};
use crate::store::{Store, StoreError};
use lavina_crdt::clock::{Hlc, Now};
use std::collections::{BTreeMap, BTreeSet};

/// The row.
const RECENT: &str = "recent";
/// How many conversations it names: more than anybody follows, and a few pages of the file.
const RECENT_MAX: usize = 256;
/// Least time between two writes of the row, milliseconds: next to nothing beside the entries that are written meanwhile.
const WRITE_MS: u64 = 10_000;

/// The newest conversations, each with the stamp of its newest entry.
#[derive(Debug, Default)]
pub(super) struct Recent {
    stamps: BTreeMap<Scope, Hlc>,
    order: BTreeSet<(Hlc, Scope)>,
    /// Whether the row says otherwise.
    is_changed: bool,
    /// When the row may be written again.
    due_us: u64,
}

impl Recent {
    /// The newest entry of a conversation bears this stamp.
    fn note(&mut self, scope: &Scope, newest: Hlc) {
        let before = self.stamps.get(scope).copied();
        if !matches!(scope, Scope::Room(_) | Scope::Direct(..)) || before.is_some_and(|before| before >= newest) {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, scope.clone()));
        }
        self.stamps.insert(scope.clone(), newest);
        self.order.insert((newest, scope.clone()));
        self.is_changed = true;
        if self.order.len() > RECENT_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.stamps.remove(&oldest);
        }
    }

    /// What the row is to say, when it is time to write it.
    fn row(&mut self, now: Now) -> Option<Vec<u8>> {
        if !self.is_changed || now.mono_us < self.due_us {
            return None;
        }
        (self.is_changed, self.due_us) = (false, now.deadline_ms(WRITE_MS));
        postcard::to_stdvec(&self.order.iter().rev().collect::<Vec<_>>()).ok()
    }
}

impl<S: Store> Replicas<S> {
    /// Learns from the row how new conversations are. One that says nothing that is understood counts as none.
    pub(super) fn load_recent(&mut self) -> Result<(), StoreError> {
        let Some(row) = self.store.meta(RECENT)? else { return Ok(()) };
        let newest: Vec<(Hlc, Scope)> = postcard::from_bytes(&row).unwrap_or_default();
        for (stamp, scope) in newest.into_iter().take(RECENT_MAX) {
            if let Some(replica) = self.scopes.get_mut(&scope) {
                replica.newest = stamp;
                self.recent.note(&scope, stamp);
            }
        }
        self.recent.is_changed = false;
        Ok(())
    }

    /// Takes note of what is written now; the row goes with it when it is time.
    pub(super) fn note_recent(&mut self, now: Now) {
        for scope in self.journal.open_scopes() {
            if let Some(replica) = self.scopes.get(scope) {
                self.recent.note(scope, replica.newest);
            }
        }
        if let Some(row) = self.recent.row(now) {
            self.journal.put_meta(RECENT.to_owned(), row);
        }
    }
}
