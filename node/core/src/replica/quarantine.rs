//! What an equivocation costs its origin (invariant L13): from the fork on its entries of the scope are void, on every node at the same place,
//! whichever branch came first.
//!
//! The proof is an act of the mesh scope, written by whoever finds it. What is stored of either branch stays on the disk, because a
//! signature beyond the fork may be the only one over what comes before it; but it is not counted as known, not applied and not shown. What refers to
//! it waits for it as for anything that does not come, since its author may have seen through it what is still to come here. Rooms and accounts that had taken it in are built anew without it. What an honest node wrote in the
//! meantime on top of a void change of a room changes nothing either, everywhere alike: a part of its past counts nowhere. Its later
//! changes count. What it said there stands, judged by the part of its past that counts, or by what had been written before.

use super::effect::Received;
use super::room::Room;
use super::{Effect, Replicas, Scope};
use crate::store::Store;
use lavina_crdt::chain;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::{Body, Entry, Hash, Run};
use lavina_crdt::equivocation::Equivocation;
use lavina_crdt::ids::{Dot, Origin};
use lavina_crdt::mesh::MeshAct;
use lavina_crdt::names::RoomName;
use lavina_crdt::version::VersionVector;
use std::collections::{BTreeMap, BTreeSet};

/// How many entries before a difference the peer is shown, so that it finds the fork: more than anybody writes between two comparisons.
const BEFORE: u64 = 64;
/// Most bytes of entries shown at once.
const SHOWN_BYTES_MAX: usize = 256 * 1024;
/// Most heads told and compared at once.
const HEADS_MAX: usize = 1_024;
/// Most differences answered at once: an honest peer has few.
const DIFFERENCES_MAX: usize = 16;

/// One row of what nodes tell of their newest entries.
pub type HeadRow = (Scope, Origin, u64, Hash);

/// Which heads have changed, so that every peer is told once of each.
#[derive(Debug, Default)]
pub(super) struct HeadNews {
    version: u64,
    changed: BTreeMap<u64, (Scope, Origin)>,
    of: BTreeMap<(Scope, Origin), u64>,
}

impl HeadNews {
    pub(super) fn note(&mut self, scope: &Scope, origin: Origin) {
        self.version += 1;
        if let Some(before) = self.of.insert((scope.clone(), origin), self.version) {
            self.changed.remove(&before);
        }
        self.changed.insert(self.version, (scope.clone(), origin));
    }
}

impl<S: Store> Replicas<S> {
    /// Whether an entry counts nowhere.
    pub(super) fn is_void(&self, scope: &Scope, dot: Dot) -> bool {
        self.mesh.cut(scope, dot.origin).is_some_and(|cut| cut <= dot.seq)
    }

    /// Whether an entry of a room counts nowhere.
    pub(crate) fn is_void_in_room(&self, room: &RoomName, dot: Dot) -> bool {
        self.is_void(&Scope::Room(room.clone()), dot)
    }

    /// What of a vector counts.
    pub(super) fn counting(&self, scope: &Scope, vector: &VersionVector) -> VersionVector {
        self.mesh.cuts(scope).map_or_else(|| vector.clone(), |cuts| vector.below(cuts))
    }

    /// Tells the whole mesh of a proof, unless it knows as much.
    pub(super) fn accuse(&mut self, now: Now, proof: Equivocation, received: &mut Received) {
        let known = self.mesh.cut(&proof.scope, proof.origin.origin());
        if proof.fork().is_none_or(|fork| known.is_some_and(|cut| cut <= fork)) || !proof.check() {
            return;
        }
        let act = Body::Mesh(MeshAct::Quarantine(Box::new(proof)));
        // While nothing can be written it is found again later: the peer shows its entries at every comparison.
        if let Ok(appended) = self.append(now, Scope::Mesh, None, act) {
            received.effects.extend(appended.effects);
        }
    }

    /// An origin is void from an earlier entry on than before.
    pub(super) fn on_cut(&mut self, now: Now, scope: &Scope, origin: Origin, effects: &mut Vec<Effect>) {
        self.counters.quarantines += 1;
        self.readings.forget(scope);
        self.heads.note(scope, origin);
        if let (Some(cut), Some(replica)) = (self.mesh.cut(scope, origin), self.scopes.get_mut(scope)) {
            replica.log.cut(origin, cut);
        }
        effects.push(Effect::Quarantined(scope.clone()));
        match scope {
            Scope::Room(name) => self.rebuild_room(now, name, effects),
            Scope::Account(home) => self.rebuild_account(home, effects),
            Scope::Mesh | Scope::Direct(..) => {}
        }
    }

    /// Reads the room again, what is not durable yet from the pending entries, and judges anew what waited. What cannot be read now is read
    /// when it is next asked for.
    fn rebuild_room(&mut self, now: Now, name: &RoomName, effects: &mut Vec<Effect>) {
        self.glimpses.borrow_mut().remove(name);
        let Some(mut unjudged) = self.rooms.remove(name).map(Room::into_unjudged) else { return };
        unjudged.retain(|_, entry| !self.is_void(&Scope::Room(name.clone()), entry.dot()));
        let Ok(room) = self.room_mut(name) else { return };
        room.wait_for(unjudged);
        for waited in room.take_judgeable() {
            self.judge(now, name, &waited, effects);
        }
    }

    fn rebuild_account(&mut self, home: &lavina_crdt::names::AccountName, effects: &mut Vec<Effect>) {
        let scope = Scope::Account(home.clone());
        let mut entries: Vec<Entry> = Vec::new();
        for (origin, next) in self.durable(&scope).iter() {
            // What cannot be read now is read at the next start.
            let _ = super::room::read_tail(&self.store, &scope, origin, 0, next, &mut |entry, _| entries.push(entry));
        }
        if let Some(replica) = self.scopes.get(&scope) {
            entries.extend(
                replica
                    .pending
                    .values()
                    .filter(|entry| !replica.log.is_held(entry.dot()))
                    .map(|entry| (**entry).clone()),
            );
        }
        self.accounts.forget(home);
        entries.retain(|entry| !self.is_void(&scope, entry.dot()));
        for entry in entries {
            self.apply_account(home, &entry, &mut Vec::new());
        }
        effects.push(Effect::Account(home.clone()));
    }

    /// Scopes of which something has become durable or void since a version of this start, and the version now.
    pub fn changed_since(&self, version: u64) -> (u64, BTreeSet<Scope>) {
        let changed = self.heads.changed.range(version.saturating_add(1)..).map(|(_, (scope, _))| scope.clone());
        (self.heads.version, changed.collect())
    }

    /// Heads that changed since the version that a peer was told last, and what it is told then.
    pub fn heads_since(&self, told: u64) -> (u64, Vec<HeadRow>) {
        let mut rows = Vec::new();
        let mut version = told;
        for (changed, (scope, origin)) in self.heads.changed.range(told + 1..).take(HEADS_MAX) {
            version = *changed;
            let Some(replica) = self.scopes.get(scope) else { continue };
            let Some(newest) = replica.durable.next(*origin).checked_sub(1) else { continue };
            if self.is_void(scope, Dot { origin: *origin, seq: newest }) {
                continue;
            }
            let hash = replica.hash_at(*origin, newest);
            if let Some(hash) = hash.or_else(|| self.store.head(scope, *origin).ok().flatten()) {
                rows.push((scope.clone(), *origin, newest, hash));
            }
        }
        (version, rows)
    }

    /// Where a peer's heads are not what is here: own entries that it is to see.
    pub fn differences(&self, rows: &[HeadRow]) -> Vec<(Scope, Origin, u64)> {
        let mut differ = Vec::new();
        for (scope, origin, seq, hash) in rows.iter().take(HEADS_MAX) {
            let dot = Dot { origin: *origin, seq: *seq };
            let replica = self.scopes.get(scope).filter(|replica| replica.durable.contains(dot));
            let Some(replica) = replica.filter(|_| differ.len() < DIFFERENCES_MAX) else { continue };
            if self.is_void(scope, dot) {
                continue;
            }
            let stored = || {
                let run = self.store.run(scope, *origin, *seq, 0).ok().flatten()?;
                run.entries.first().map(chain::hash)
            };
            let here = replica.hash_at(*origin, *seq).or_else(stored);
            if here.is_some_and(|here| here != *hash) {
                differ.push((scope.clone(), *origin, seq.saturating_sub(BEFORE)));
            }
        }
        differ
    }

    /// Own entries of an origin from `first` on, as they are shown to a peer that has others.
    pub fn shown(&self, scope: &Scope, origin: Origin, first: u64) -> Option<Run> {
        self.store.run(scope, origin, first, SHOWN_BYTES_MAX).ok().flatten()
    }

    /// The peer is to see what is here from before `first` on: the fork lies there.
    pub(super) fn look_before(run: &Run, received: &mut Received) {
        received.differ.push((run.scope.clone(), run.origin.origin(), run.first.saturating_sub(BEFORE)));
    }
}
