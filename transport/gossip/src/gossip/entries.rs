//! Entries on their way: those that come and go, what is said of how far they are durable, and what is asked for again.

use super::{Gossip, View};
use crate::arrivals::Closes;
use crate::disseminate::Whom;
use crate::frame::Frame;
use crate::inflight::run_end;
use crate::machine::{Output, Replica};
use crate::tree::scope_hash;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::{Hash, Run};
use lavina_crdt::ids::{NodeId, Origin, Scope};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::names::RoomName;
use lavina_crdt::version::VersionVector;

/// Marks in one [`Frame::Durable`]: far below the largest frame.
const MARKS_MAX: usize = 4_096;
/// Gaps answered in one frame, and the most bytes for each: what was lost on the way is little, the rest is for sync.
pub(super) const RESENDS_MAX: usize = 16;
const RESEND_BYTES_MAX: usize = 64 * 1024;

impl Gossip {
    /// A peer has later entries of these, but not those from here on: whatever was on its way is lost.
    pub(super) fn on_resend(&mut self, now: Now, from: NodeId, pairs: &[(Scope, Origin, u64)], replica: &dyn Replica) {
        let relay = !self.links.is_near(from);
        for (scope, origin, first) in pairs.iter().take(RESENDS_MAX) {
            let run = replica.run(scope, *origin, *first, RESEND_BYTES_MAX).filter(|run| run.first == *first);
            if let Some(run) = run {
                self.out.counters.entries_resent += u64::try_from(run.entries.len()).unwrap_or(u64::MAX);
                self.spread.resend(now, from, relay, &run, &mut self.flights, &mut self.out);
            }
        }
    }

    pub(super) fn on_runs(&mut self, now: Now, from: NodeId, mut runs: Vec<Run>, relay: bool, replica: &dyn Replica) {
        let sent = runs.len();
        runs.retain(|run| !run.entries.is_empty() && run_end(run) < u64::MAX);
        if runs.len() < sent {
            self.out.refuse();
        }
        let enters = !self.links.is_near(from);
        for run in &runs {
            if enters {
                self.out.counters.entries_entered += u64::try_from(run.entries.len()).unwrap_or(u64::MAX);
            }
            let (key, origin) = (scope_hash(&run.scope), run.origin.origin());
            let durable = replica.vector(&run.scope).next(origin);
            if run.first > durable && self.is_unplaced(now, run, replica) {
                self.out.counters.entries_unplaced += u64::try_from(run.entries.len()).unwrap_or(u64::MAX);
                continue;
            }
            let closes = self.closes(enters, run, &key, durable);
            if let Some(mark) = self.arrivals.on_run(now, from, key, run, durable, closes, &mut self.out) {
                self.marks.entry(from).or_default().push(mark);
            }
        }
        if !runs.is_empty() {
            self.out.push(Output::Received { from, runs, relay });
        }
    }

    /// What may bring what is missing before a run, if anything is.
    pub(super) fn closes(&self, enters: bool, run: &Run, key: &Hash, durable: u64) -> Closes {
        let is_newcomer = |room: &RoomName| self.again.iter().any(|(_, entered)| entered == room);
        if run.first > durable
            && let Scope::Room(room) = &run.scope
            && is_newcomer(room)
        {
            return Closes::Not;
        }
        let is_relayed = enters && self.links.near_live().any(|peer| self.holders.keeps(peer, &run.scope, key));
        if is_relayed { Closes::Relay } else { Closes::Near }
    }

    pub(super) fn on_marks(&mut self, now: Now, from: NodeId, marks: &[(Scope, Origin, u64)], replica: &dyn Replica) {
        let mut batch_done = false;
        for (scope, origin, next) in marks {
            let key = scope_hash(scope);
            self.flights.acknowledged(now.mono_us, from, key, *origin, *next);
            self.spread.on_acknowledged(now, from, key, *origin, *next);
            batch_done |= self.sync.catch_up.on_acknowledged(from, key, *origin, *next);
        }
        if batch_done {
            let view = View { now, links: &self.links, holders: &self.holders, replica };
            self.sync.catch_up.pump(&view, from, &self.sync.fresh, &mut self.flights, &mut self.out);
        }
    }

    pub(super) fn on_appended(&mut self, now: Now, runs: Vec<Run>) {
        for run in runs.into_iter().filter(|run| !run.entries.is_empty()) {
            let (key, origin) = (scope_hash(&run.scope), run.origin.origin());
            self.sync.fresh.note(now.mono_us, key, origin, run.first, &mut self.out);
            let whom = Whom { links: &self.links, holders: &self.holders };
            self.spread.on_appended(now, run, whom, &mut self.flights, &mut self.out);
        }
    }

    pub(super) fn on_verified(&mut self, now: Now, from: NodeId, runs: &[Run], relay: bool, replica: &dyn Replica) {
        let mut brings_new = false;
        for run in runs {
            let origin = run.origin.origin();
            if run_end(run) > replica.vector(&run.scope).next(origin) {
                self.sync.fresh.note(now.mono_us, scope_hash(&run.scope), origin, run.first, &mut self.out);
                brings_new = true;
            }
        }
        if !brings_new {
            self.sync.on_nothing_new(from);
        }
        if relay && !mutant::is_planted(Mutant::RelayNothing) {
            for run in runs {
                let whom = Whom { links: &self.links, holders: &self.holders };
                self.spread.on_verified(now, from, run, whom, &mut self.flights, &mut self.out);
            }
        }
        for run in runs {
            self.on_here(now, &run.scope, replica);
        }
    }

    pub(super) fn on_durable(&mut self, now: Now, vectors: &[(Scope, VersionVector)], replica: &dyn Replica) {
        for (scope, vector) in vectors {
            let key = scope_hash(scope);
            self.sync.on_durable(now, scope, key, vector, &self.holders);
            for (peer, mark) in self.arrivals.on_durable(now, key, vector) {
                self.marks.entry(peer).or_default().push(mark);
            }
            self.on_here(now, scope, replica);
        }
    }

    pub(super) fn flush_marks(&mut self) {
        for (peer, marks) in std::mem::take(&mut self.marks) {
            if self.links.is_connected(peer) {
                marks.chunks(MARKS_MAX).for_each(|part| self.out.send(peer, Frame::Durable(part.to_vec())));
            }
        }
    }
}
