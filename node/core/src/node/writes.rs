//! Entries of this node on their way to the disk: barriers before who wrote them, refusals while the disk takes none.

use super::{Node, Output};
use crate::replica::Appended;
use crate::store::{BatchId, Store, StoreError};
use lavina_crdt::clock::Now;
use lavina_crdt::content::Author;
use lavina_crdt::entry::Body;
use lavina_crdt::ids::Scope;
use lavina_crdt::mutant::{self, Mutant};
use lavina_protocols::command::Refusal;

/// How long an answer waits for a full disk before it is a refusal, milliseconds. What was to be written stays in memory and is
/// written when there is room; only nobody waits for it any more.
const STORAGE_PATIENCE_MS: u64 = 5_000;

/// Where own entries stand.
#[derive(Debug, Default)]
pub(super) struct Writes {
    /// The newest batch with own entries.
    pub(super) newest: BatchId,
    /// All batches up to this one are durable.
    pub(super) persisted: BatchId,
    /// Why the disk takes nothing, when it does not.
    pub(super) failing: Option<StoreError>,
    /// When the answers that wait become refusals.
    give_up_at: Option<u64>,
}

impl Writes {
    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.give_up_at
    }
}

impl<S: Store> Node<S> {
    /// Appends an entry. The session at work waits for it from here on.
    pub(super) fn append(
        &mut self,
        now: Now,
        scope: Scope,
        author: Option<Author>,
        body: Body,
    ) -> Result<Appended, Refusal> {
        self.may_write()?;
        let appended = self.replicas.append(now, scope, author, body)?;
        self.on_appended(&appended);
        Ok(appended)
    }

    /// Whether the store takes writes.
    pub(super) fn may_write(&self) -> Result<(), Refusal> {
        if self.writes.failing.is_some() { Err(Refusal::Storage) } else { Ok(()) }
    }

    /// Puts the barrier for an entry before the session at work.
    pub(super) fn on_appended(&mut self, appended: &Appended) {
        self.writes.newest = self.writes.newest.max(appended.batch);
        if let Some((number, command)) = self.acting {
            self.sessions.barrier(number, appended.batch, command);
        }
    }

    pub(super) fn on_persisted(&mut self, now: Now, batch: BatchId) {
        self.writes.persisted = self.writes.persisted.max(batch);
        self.writes.failing = None;
        self.writes.give_up_at = None;
        if !(mutant::is_planted(Mutant::QuorumWait) && self.is_minority()) {
            self.sessions.persisted(batch, &mut self.out);
        }
        let persisted = self.replicas.persisted(batch);
        if !persisted.own.is_empty() {
            self.gossip(now, lavina_gossip::machine::Input::Appended(persisted.own));
        }
        if !persisted.vectors.is_empty() {
            self.gossip(now, lavina_gossip::machine::Input::Durable(persisted.vectors));
        }
        self.answer_admins();
    }

    pub(super) fn on_persist_failed(&mut self, now: Now, batch: BatchId, error: StoreError) {
        if mutant::is_planted(Mutant::FailedWriteTrusted) && matches!(error, StoreError::Failed(_)) {
            return self.on_persisted(now, batch);
        }
        self.count("persist_failed");
        self.replicas.persist_failed(now, batch, &error);
        match &error {
            StoreError::Full => {
                self.writes.give_up_at.get_or_insert(now.deadline_ms(STORAGE_PATIENCE_MS));
            }
            StoreError::Failed(_) | StoreError::Damaged(_) | StoreError::Newer { .. } => self.give_up_writes(),
        }
        self.writes.failing = Some(error);
    }

    pub(super) fn on_write_timeout(&mut self, now: Now) {
        if self.writes.give_up_at.is_some_and(|at| at <= now.mono_us) {
            self.writes.give_up_at = None;
            self.give_up_writes();
        }
    }

    /// Whether most nodes are out of reach.
    fn is_minority(&self) -> bool {
        let peers = self.gossip.peers();
        let in_reach = peers.iter().filter(|peer| peer.in_reach).count();
        2 * (in_reach + 1) <= peers.len() + 1
    }

    fn give_up_writes(&mut self) {
        self.sessions.fail(&mut self.out);
        for (_, id) in std::mem::take(&mut self.admins_waiting) {
            self.out.push_back(Output::AdminAnswer(id, Err(Refusal::Storage)));
        }
    }
}
