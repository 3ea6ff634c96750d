//! What writes the [`Record`]: counts of copies always, everything else only when a record is wanted, so that sweeps stay fast.

use super::{
    ActRecord, Connection, Copy, Cut, Durable, EntryRecord, FaultMark, How, Lag, LineRecord, NodeLane, Record, Shown,
    Span,
};
use crate::plan::{FaultKind, Plan};
use lavina_core::store::Batch;
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::Run;
use lavina_crdt::ids::{OrderKey, Origin, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// Most items of any list of a record: more than any run that people look at.
const LISTED_MAX: usize = 200_000;

/// How long after an entry was written its copies count, microseconds.
const COUNTED_US: u64 = 10_000_000;

/// How often copies of one entry arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Per region: live from another region.
    pub(crate) far: Vec<u16>,
    /// Per region: live from within it.
    pub(crate) near: Vec<u16>,
    /// Per region: by sync from another region.
    pub(crate) synced: Vec<u16>,
    /// When it was written; `None` for what was met before that could be seen.
    pub(crate) appended_us: Option<u64>,
    /// Whether the mesh was whole then: nothing cut, everybody up and connected.
    pub(crate) calm: bool,
    /// Per region: from another region, live and by sync, before anything broke, when it was whole; between nodes that do not lie.
    pub(crate) whole: Vec<[u16; 2]>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Book {
    /// Region of each node, as a number.
    pub(crate) regions: Vec<usize>,
    /// Nodes of each region.
    pub(crate) members: Vec<usize>,
    /// Per scope and origin, by seq.
    pub(crate) tallies: BTreeMap<Scope, BTreeMap<Origin, Vec<Tally>>>,
    /// Bytes of entries that went live from region to region.
    pub(crate) far_bytes: u64,
    /// Region of the node that writes as each origin.
    homes: BTreeMap<Origin, usize>,
    /// Nodes that lie at some time: what they send and are sent is no measure of the others.
    liars: Vec<bool>,
    /// When the mesh was disturbed last, microseconds.
    disturbed_us: Option<u64>,
    /// When a connection was made or ended last, microseconds: nodes that have just met still tell one another what they missed.
    pub(crate) linked_us: u64,
    full: Option<Full>,
}

#[derive(Debug, Default)]
struct Full {
    record: Record,
    entries: BTreeMap<(Scope, Origin, u64), usize>,
    arrived: BTreeSet<(usize, usize)>,
    lines: BTreeMap<String, usize>,
    open: BTreeMap<(usize, usize), usize>,
    cut: BTreeMap<(usize, usize), usize>,
}

fn region_names(plan: &Plan) -> Vec<&str> {
    let names: BTreeSet<&str> = plan.nodes.iter().map(|node| node.region.as_str()).collect();
    names.into_iter().collect()
}

impl Book {
    /// An empty book; with `full` it keeps everything.
    pub(crate) fn new(plan: &Plan, full: bool) -> Self {
        let names = region_names(plan);
        let region = |name: &str| names.iter().position(|known| *known == name).unwrap_or(0);
        let regions: Vec<usize> = plan.nodes.iter().map(|node| region(&node.region)).collect();
        let members = (0..names.len()).map(|of| regions.iter().filter(|region| **region == of).count()).collect();
        let lane = |node: &crate::plan::NodePlan| NodeLane {
            name: node.name.clone(),
            region: node.region.clone(),
            zone: node.zone.clone(),
            ..NodeLane::default()
        };
        let record = Record { nodes: plan.nodes.iter().map(lane).collect(), ..Record::default() };
        let full = full.then(|| Full { record, ..Full::default() });
        Self {
            regions,
            members,
            tallies: BTreeMap::new(),
            far_bytes: 0,
            homes: BTreeMap::new(),
            liars: (0..plan.nodes.len()).map(|node| plan.lies(node)).collect(),
            disturbed_us: None,
            linked_us: 0,
            full,
        }
    }

    /// The record, when one was kept.
    pub(crate) fn into_record(self) -> Option<Record> {
        self.full.map(|full| full.record)
    }

    /// Whether everything is kept.
    pub(crate) const fn is_full(&self) -> bool {
        self.full.is_some()
    }

    /// The region in which an origin's entries are written.
    pub(crate) fn home(&self, origin: Origin) -> Option<usize> {
        self.homes.get(&origin).copied()
    }

    fn tally(&mut self, scope: &Scope, origin: Origin, seq: u64) -> Option<&mut Tally> {
        let count = self.members.len();
        if !self.tallies.contains_key(scope) {
            self.tallies.insert(scope.clone(), BTreeMap::new());
        }
        let tallies = self.tallies.get_mut(scope)?.entry(origin).or_default();
        let index = usize::try_from(seq).ok().filter(|index| *index < LISTED_MAX)?;
        if tallies.len() <= index {
            let none = Tally {
                far: vec![0; count],
                near: vec![0; count],
                synced: vec![0; count],
                appended_us: None,
                calm: false,
                whole: vec![[0; 2]; count],
            };
            tallies.resize(index + 1, none);
        }
        tallies.get_mut(index)
    }

    /// A node asks its disk to take a batch.
    pub(crate) fn on_persist(&mut self, now_us: u64, node: usize, own: Origin, batch: &Batch, calm: bool) {
        self.homes.insert(own, self.regions[node]);
        for run in batch.runs.iter().filter(|run| run.origin.origin() == own) {
            for seq in seqs(run) {
                let Some(tally) = self.tally(&run.scope, own, seq) else { continue };
                if tally.appended_us.is_none() {
                    tally.calm = calm;
                }
                let at_us = *tally.appended_us.get_or_insert(now_us);
                if let Some(full) = &mut self.full
                    && let Some(entry) = full.entry(run, seq, node)
                {
                    entry.appended_us = Some(at_us);
                }
            }
        }
    }

    /// A node's disk has taken batches. `writer` says whose an origin is.
    pub(crate) fn on_committed(&mut self, now_us: u64, node: usize, batches: &[Batch], writer: impl Fn(&Run) -> usize) {
        let Some(full) = &mut self.full else { return };
        for run in batches.iter().flat_map(|batch| &batch.runs) {
            for seq in seqs(run) {
                if let Some(entry) = full.entry(run, seq, writer(run)) {
                    entry.durable.push(Durable { node, at_us: now_us });
                }
            }
        }
    }

    /// Entries arrive at a node, live or by sync.
    pub(crate) fn on_runs(
        &mut self,
        now_us: u64,
        (from, to): (usize, usize),
        runs: &[Run],
        live: bool,
        writer: impl Fn(&Run) -> usize,
    ) {
        let (source, target) = (self.regions[from], self.regions[to]);
        let (lies, disturbed_us) = (self.liars[from] || self.liars[to], self.disturbed_us);
        for run in runs {
            let origin = run.origin.origin();
            if live && source != target {
                let bytes: usize = run.entries.iter().map(|entry| entry.bytes.len()).sum();
                self.far_bytes += bytes as u64;
            }
            let author = writer(run);
            let how = match live {
                true if author == from => How::Push,
                true => How::Relay,
                false => How::Delta,
            };
            for seq in seqs(run) {
                let Some(tally) = self.tally(&run.scope, origin, seq) else { continue };
                // A disk that was lost, or a part of the mesh that comes back, is filled anew: that is no copy of what is said.
                if tally.appended_us.is_some_and(|at_us| now_us > at_us + COUNTED_US) {
                    continue;
                }
                let is_whole = !lies && tally.appended_us.is_some_and(|at_us| disturbed_us < Some(at_us));
                if tally.calm && is_whole && source != target {
                    let copies = &mut tally.whole[target][usize::from(!live)];
                    *copies = copies.saturating_add(1);
                }
                let counts = match (live, source == target) {
                    (true, true) => &mut tally.near,
                    (true, false) => &mut tally.far,
                    (false, false) => &mut tally.synced,
                    (false, true) => continue,
                };
                counts[target] = counts[target].saturating_add(1);
            }
            if let Some(full) = &mut self.full {
                full.on_run(now_us, (from, to), run, how, author);
            }
        }
    }

    /// A node runs (`true`) or no longer does.
    pub(crate) fn on_up(&mut self, now_us: u64, node: usize, up: bool) {
        self.span(now_us, up, |record| &mut record.nodes[node].up);
    }

    /// A node is stopped (`true`) or goes on.
    pub(crate) fn on_pause(&mut self, now_us: u64, node: usize, paused: bool) {
        self.span(now_us, paused, |record| &mut record.nodes[node].paused);
    }

    fn span(&mut self, now_us: u64, begins: bool, list: impl FnOnce(&mut Record) -> &mut Vec<Span>) {
        let Some(full) = &mut self.full else { return };
        let list = list(&mut full.record);
        match list.last_mut().filter(|span| span.until_us.is_none()) {
            Some(last) if !begins => last.until_us = Some(now_us),
            None if begins => list.push(Span { from_us: now_us, until_us: None }),
            Some(_) | None => {}
        }
    }

    /// A connection is made (`true`) or ends.
    pub(crate) fn on_connection(&mut self, now_us: u64, one: usize, other: usize, made: bool) {
        self.linked_us = now_us;
        let Some(full) = &mut self.full else { return };
        let pair = (one.min(other), one.max(other));
        if let Some(index) = full.open.remove(&pair) {
            full.record.connections[index].span.until_us = Some(now_us);
        }
        if made && full.has_room(full.record.connections.len()) {
            full.open.insert(pair, full.record.connections.len());
            let span = Span { from_us: now_us, until_us: None };
            full.record.connections.push(Connection { one: pair.0, other: pair.1, span });
        }
    }

    /// Links have changed: `passes` says which directions let packets through.
    pub(crate) fn on_links(&mut self, now_us: u64, passes: impl Fn(usize, usize) -> bool) {
        let count = self.regions.len();
        let Some(full) = &mut self.full else { return };
        for (from, to) in (0..count).flat_map(|from| (0..count).map(move |to| (from, to))) {
            match (passes(from, to), full.cut.get(&(from, to)).copied()) {
                (true, Some(index)) => {
                    full.cut.remove(&(from, to));
                    full.record.cuts[index].span.until_us = Some(now_us);
                }
                (false, None) if full.has_room(full.record.cuts.len()) => {
                    full.cut.insert((from, to), full.record.cuts.len());
                    full.record.cuts.push(Cut { from, to, span: Span { from_us: now_us, until_us: None } });
                }
                (true, None) | (false, _) => {}
            }
        }
    }

    /// A fault comes. Those of clients leave the mesh as it is.
    pub(crate) fn on_fault(&mut self, now_us: u64, kind: &FaultKind) {
        if !matches!(kind, FaultKind::Client(_)) {
            self.disturbed_us = Some(now_us);
        }
        let Some(full) = &mut self.full else { return };
        let (name, what) = (kind.name().to_owned(), format!("{kind:?}"));
        full.record.faults.push(FaultMark { at_us: now_us, name, what, nodes: kind.nodes() });
    }

    /// A client says a line.
    pub(crate) fn on_said(&mut self, now_us: u64, client: usize, node: usize, text: &str, room: Option<&str>) {
        let Some(full) = &mut self.full else { return };
        if full.has_room(full.record.lines.len()) {
            full.lines.insert(text.to_owned(), full.record.lines.len());
            full.record.lines.push(LineRecord {
                client,
                node,
                text: text.to_owned(),
                room: room.map(str::to_owned),
                said_us: now_us,
                acked_us: None,
                id: None,
                shown: Vec::new(),
            });
        }
    }

    /// A client does something else.
    pub(crate) fn on_act(&mut self, act: impl FnOnce() -> ActRecord) {
        if let Some(full) = self.full.as_mut().filter(|full| full.has_room(full.record.acts.len())) {
            full.record.acts.push(act());
        }
    }

    /// A client is shown a line; its own is an acknowledgement.
    pub(crate) fn on_shown(&mut self, now_us: u64, client: usize, text: &str, id: &str) {
        let Some(full) = &mut self.full else { return };
        let Some(line) = full.lines.get(text).and_then(|index| full.record.lines.get_mut(*index)) else { return };
        if line.client == client && line.acked_us.is_none() {
            line.acked_us = Some(now_us);
            line.id = Some(id.to_owned());
        }
        line.shown.push(Shown { client, at_us: now_us });
    }

    /// How far nodes are behind.
    pub(crate) fn on_lag(&mut self, now_us: u64, behind: Vec<u64>) {
        let Some(full) = &mut self.full else { return };
        if full.has_room(full.record.lags.len()) {
            full.record.lags.push(Lag { at_us: now_us, behind });
        }
    }

    /// The run is over.
    pub(crate) fn close(&mut self, healed_us: u64, converged_us: Option<u64>, end_us: u64) {
        if let Some(full) = &mut self.full {
            let record = &mut full.record;
            (record.healed_us, record.converged_us, record.end_us) = (healed_us, converged_us, end_us);
            let lengths = [record.connections.len(), record.cuts.len(), record.lines.len(), record.lags.len()];
            record.truncated |= lengths.into_iter().any(|length| length >= LISTED_MAX);
        }
    }
}

impl Full {
    fn has_room(&self, len: usize) -> bool {
        len < LISTED_MAX
    }

    fn entry(&mut self, run: &Run, seq: u64, writer: usize) -> Option<&mut EntryRecord> {
        let origin = run.origin.origin();
        let key = (run.scope.clone(), origin, seq);
        if let Some(index) = self.entries.get(&key) {
            return self.record.entries.get_mut(*index);
        }
        if !self.has_room(self.record.entries.len()) {
            self.record.truncated = true;
            return None;
        }
        let sealed = usize::try_from(seq - run.first).ok().and_then(|index| run.entries.get(index))?;
        // (origin, seq, hlc) come first in an entry.
        let head = postcard::take_from_bytes::<(Origin, u64, Hlc)>(&sealed.bytes).ok();
        let id = head.map(|((_, _, hlc), _)| OrderKey { hlc, origin, seq }.msg_id().to_string()).unwrap_or_default();
        self.entries.insert(key, self.record.entries.len());
        self.record.entries.push(EntryRecord {
            id,
            scope: words(&run.scope),
            origin: writer,
            by: format!("{origin:?}"),
            seq,
            appended_us: None,
            durable: Vec::new(),
            copies: Vec::new(),
        });
        self.record.entries.last_mut()
    }

    fn on_run(&mut self, at_us: u64, (from, to): (usize, usize), run: &Run, how: How, writer: usize) {
        for seq in seqs(run) {
            if self.entry(run, seq, writer).is_none() {
                continue;
            }
            let Some(index) = self.entries.get(&(run.scope.clone(), run.origin.origin(), seq)).copied() else {
                continue;
            };
            let first = self.arrived.insert((index, to));
            if let Some(entry) = self.record.entries.get_mut(index) {
                entry.copies.push(Copy { from, to, at_us, how, first });
            }
        }
    }
}

fn seqs(run: &Run) -> std::ops::Range<u64> {
    run.first..run.first.saturating_add(run.entries.len() as u64)
}

fn words(scope: &Scope) -> String {
    match scope {
        Scope::Mesh => "mesh".to_owned(),
        Scope::Account(name) => format!("account {name}"),
        Scope::Room(name) => format!("room {name}"),
        Scope::Direct(one, other) => format!("direct {one:?} {other:?}"),
    }
}
