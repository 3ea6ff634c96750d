//! Taking foreign entries in: known already, verified, near in time, from a node of the mesh, and only then stored and applied.

use super::effect::{Fault, Received};
use super::scope::Tail;
use super::{Replicas, Scope};
use crate::store::{RENEW_EPOCH, Store, StoreError};
use lavina_crdt::chain::{self, ChainError};
use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::entry::{Body, Entry, Hash, Run, SealedEntry};
use lavina_crdt::equivocation::Equivocation;
use lavina_crdt::fence::Fenced;
use lavina_crdt::ids::{Dot, NodeId};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::seals::Seals;
use std::sync::Arc;

/// What becomes of a run.
enum Outcome {
    /// It verifies; the part of it that is new here is taken in.
    Taken,
    /// It says what is known, or cannot be taken at the moment.
    Known,
    Refused,
    Fault(NodeId, Fault),
}

impl<S: Store> Replicas<S> {
    /// Takes in what a peer sent.
    pub fn receive(&mut self, now: Now, from: NodeId, runs: Vec<Run>) -> Received {
        let mut received = Received::default();
        for run in runs {
            match self.receive_run(now, from, &run, &mut received) {
                Ok(Outcome::Known) if mutant::is_planted(Mutant::RelayFreshOnly) => {}
                Ok(Outcome::Taken | Outcome::Known) => received.verified.push(run),
                Ok(Outcome::Refused) => {}
                Ok(Outcome::Fault(who, fault)) => {
                    self.counters.runs_faulty += 1;
                    received.faults.push((who, fault));
                    received.refuted.push((run.scope.clone(), run.origin.origin()));
                }
                // What the store cannot say now it may say later: sync brings the run again.
                Err(_) => self.counters.runs_unstored += 1,
            }
        }
        received
    }

    fn receive_run(
        &mut self,
        now: Now,
        from: NodeId,
        run: &Run,
        received: &mut Received,
    ) -> Result<Outcome, StoreError> {
        // Acts of the mesh scope are signed by the root key themselves: who passes the first ones to a new node need not be known to it yet.
        if run.scope != Scope::Mesh && !self.was_admitted(run.origin.node) {
            self.counters.runs_unadmitted += 1;
            return Ok(Outcome::Refused);
        }
        let origin = run.origin.origin();
        let is_void = self.mesh.cut(&run.scope, origin).is_some_and(|cut| cut <= run.first);
        if is_void || self.is_fenced(run) {
            self.counters.runs_void += 1;
            return Ok(Outcome::Refused);
        }
        let replica = self.scope_mut(&run.scope)?;
        let (next, tail) = (replica.known.next(origin), replica.tail(origin));
        let renews = !mutant::is_planted(Mutant::EpochKept);
        if renews
            && origin == self.origin
            && run.first.saturating_add(run.entries.len() as u64) > next
            && is_of_origin(run)
        {
            self.on_outdated();
            return Ok(Outcome::Refused);
        }
        if run.first > next {
            self.counters.runs_gap += 1;
            return Ok(Outcome::Refused);
        }
        let known = usize::try_from(next - run.first).unwrap_or(usize::MAX).min(run.entries.len());
        if let Some(fault) = self.contradiction(now, from, run, known, received)? {
            return Ok(fault);
        }
        if known == run.entries.len() {
            self.counters.runs_known += 1;
            if mutant::is_planted(Mutant::NoDedup) {
                for entry in run.entries.iter().filter_map(chain::open) {
                    self.apply(now, &run.scope, &Arc::new(entry), &mut received.effects);
                }
            }
            return Ok(if known == 0 { Outcome::Refused } else { Outcome::Known });
        }
        let new = Run { first: next, entries: run.entries.get(known..).unwrap_or_default().to_vec(), ..run.clone() };
        let entries = match verify(&new, tail, &self.seals) {
            Ok(entries) => entries,
            Err(error) => {
                // Signed, and yet not after what is here: the fork lies before it, and who sent it can find it.
                if is_of_origin(&new) && new.first > 0 {
                    Self::look_before(&new, received);
                }
                return Ok(Outcome::Fault(if is_of_origin(&new) { run.origin.node } else { from }, error.into()));
            }
        };
        self.take_run(now, new, entries, received)
    }

    fn take_run(
        &mut self,
        now: Now,
        run: Run,
        entries: Vec<(Arc<Entry>, Hash)>,
        received: &mut Received,
    ) -> Result<Outcome, StoreError> {
        let newest = entries.last().map(|(entry, _)| entry.hlc).unwrap_or_default();
        if !self.observe(now, newest) {
            self.counters.runs_ahead += 1;
            return Ok(Outcome::Refused);
        }
        if mutant::is_planted(Mutant::UnknownDropped) && entries.iter().any(|(entry, _)| is_unknown(entry)) {
            return Ok(Outcome::Refused);
        }
        if !self.journal.has_room() {
            self.counters.runs_unstored += 1;
            return Ok(Outcome::Refused);
        }
        if let Scope::Room(name) = &run.scope {
            self.room_mut(name)?;
        }
        self.nodes.insert(run.origin.origin(), run.origin.node);
        if let Some(Fenced::Below(next, _)) = self.mesh.fenced(run.origin.node, &run.scope, run.origin.origin()) {
            self.mesh.cut_at_fence(&run.scope, run.origin.origin(), next);
        }
        self.counters.entries_received += entries.len() as u64;
        self.counters.entry_bytes_received += run.entries.iter().map(|sealed| sealed.len() as u64).sum::<u64>();
        let scope = run.scope.clone();
        self.journal.put_foreign(run);
        for (entry, hash) in entries {
            self.take_in(now, &scope, entry, hash, &mut received.effects)?;
        }
        Ok(Outcome::Taken)
    }

    /// A peer has entries of this node that are not here: this store is an older copy of itself, or its disk lost what it had confirmed. To go on
    /// would write other contents under the same numbers; at the next start the store takes another epoch, and these entries come by sync.
    fn on_outdated(&mut self) {
        if self.outdated.is_none() {
            self.outdated =
                Some(StoreError::Damaged("it is older than what this node has sent: restart the node".to_owned()));
            self.journal.put_meta(RENEW_EPOCH.to_owned(), vec![1]);
        }
        self.counters.runs_faulty += 1;
    }

    /// What is wrong when the first `known` entries of a run are not those that are here.
    fn contradiction(
        &mut self,
        now: Now,
        from: NodeId,
        run: &Run,
        known: usize,
        received: &mut Received,
    ) -> Result<Option<Outcome>, StoreError> {
        let (Some(last), Some(known)) = (run.entries.get(known.wrapping_sub(1)), run.entries.get(..known)) else {
            return Ok(None);
        };
        let seq = run.first + (known.len() as u64) - 1;
        let Some(here) = self.known_entry(run, seq)? else { return Ok(None) };
        // The chain makes all before an equal entry equal too.
        if here.bytes == last.bytes || mutant::is_planted(Mutant::EquivocationIgnored) {
            return Ok(None);
        }
        let Some(ours) = self.known_run(run, seq)? else { return Ok(Some(Outcome::Refused)) };
        let fault = match Equivocation::between(&ours, run) {
            // It was proven before, or is now; without the fork the search for it goes on.
            Some(proof)
                if proof
                    .fork()
                    .is_some_and(|fork| self.is_void(&run.scope, Dot { origin: run.origin.origin(), seq: fork })) =>
            {
                Outcome::Known
            }
            Some(proof) if proof.fork().is_some() => {
                self.accuse(now, proof.clone(), received);
                Outcome::Fault(run.origin.node, Fault::Equivocation(Box::new(proof)))
            }
            Some(_) => {
                Self::look_before(run, received);
                Outcome::Refused
            }
            // Not signed by the origin: who sent it made it up.
            None => Outcome::Fault(from, ChainError::Broken { seq }.into()),
        };
        Ok(Some(fault))
    }

    /// An entry that is known here: from the store, or on its way there.
    fn known_entry(&self, run: &Run, seq: u64) -> Result<Option<SealedEntry>, StoreError> {
        let origin = run.origin.origin();
        if let Some(sealed) = self.journal.find(&run.scope, origin, seq) {
            return Ok(Some(sealed.clone()));
        }
        let stored = self.store.run(&run.scope, origin, seq, 0)?;
        Ok(stored.and_then(|run| run.entries.into_iter().next()))
    }

    /// What is stored of the part that a run covers, at least up to an entry: what is here may be longer than what the peer has.
    fn known_run(&self, run: &Run, to: u64) -> Result<Option<Run>, StoreError> {
        let bytes = run.entries.iter().map(|sealed| sealed.bytes.len()).sum();
        let read = |first, bytes| self.store.run(&run.scope, run.origin.origin(), first, bytes);
        let Some(mut ours) = read(run.first, bytes)? else { return Ok(None) };
        loop {
            let end = ours.first + ours.entries.len() as u64;
            match if end <= to { read(end, 0)? } else { None } {
                Some(more) if !more.entries.is_empty() => ours.entries.extend(more.entries),
                Some(_) | None => return Ok(Some(ours)),
            }
        }
    }
}

/// Whether a run is its origin's, though it need not continue what is here.
fn is_of_origin(run: &Run) -> bool {
    let claimed = run.entries.first().and_then(chain::open).map(|entry| entry.prev);
    claimed.is_some_and(|prev| chain::verify(run, prev).is_ok())
}

/// Whether an entry is of a kind that this version does not know.
fn is_unknown(entry: &Entry) -> bool {
    matches!(chain::body(entry), Body::Unknown { .. })
}

/// Verifies a run that continues what is here, also that its stamps go on growing.
fn verify(run: &Run, tail: Tail, seals: &Seals) -> Result<Vec<(Arc<Entry>, Hash)>, ChainError> {
    let entries = chain::verify_with(run, tail.hash, seals)?;
    match entries.first() {
        Some((first, _)) if first.hlc > tail.hlc || tail.hlc == Hlc::default() => Ok(entries),
        Some(_) | None => Err(ChainError::Broken { seq: run.first }),
    }
}
