//! The driver: nodes with replicas in memory, links with delays, cuts that kill connections, and a log of every frame sent.

use crate::frame::{Frame, decode, encode};
use crate::machine::{Gossip, GossipConfig, Input, Output, Peer, Replica};
use bytes::Bytes;
use lavina_crdt::chain;
use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::entry::{Entry, Hash, Run, SealedEntry};
use lavina_crdt::ids::{NodeId, Origin, OriginKey, Scope, SessionId};
use lavina_crdt::mesh::Place;
use lavina_crdt::names::RoomName;
use lavina_crdt::presence::PresenceMap;
use lavina_crdt::segment;
use lavina_crdt::version::VersionVector;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

const NEAR_US: u64 = 1_000;
const FAR_US: u64 = 40_000;
const COMMIT_US: u64 = 20_000;
/// How long rooms stay where they are not to be.
pub(super) const LINGER_MS: u64 = 30_000;
/// Time after which a connection over a cut link is known to be dead.
const IDLE_US: u64 = 1_000_000;

pub(super) fn name(n: usize) -> RoomName {
    RoomName::new(&format!("room{n}")).unwrap()
}

pub(super) fn room(n: usize) -> Scope {
    Scope::Room(name(n))
}

/// A run with an entry for each stamp.
fn written(origin: OriginKey, scope: &Scope, first: u64, stamps: impl Iterator<Item = Hlc>) -> Run {
    let entry = |(hlc, seq): (Hlc, u64)| {
        let (prev, after, link, author, heads) = (Hash::default(), Vec::new(), None, None, None);
        let body = vec![b'x'; 20];
        chain::seal(&Entry { origin: origin.origin(), seq, hlc, prev, after, link, author, heads, kind: 999, body }).0
    };
    Run { scope: scope.clone(), origin, first, entries: stamps.zip(first..).map(entry).collect() }
}

/// Runs in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Memory {
    logs: BTreeMap<Scope, BTreeMap<Origin, (OriginKey, Vec<SealedEntry>)>>,
}

impl Memory {
    /// Takes what continues the log; returns whether anything was new.
    fn append(&mut self, run: &Run) -> bool {
        let before =
            self.logs.get(&run.scope).and_then(|logs| logs.get(&run.origin.origin())).map_or(0, |log| log.1.len());
        let Some(skip) = u64::try_from(before).unwrap().checked_sub(run.first) else { return false };
        let new: Vec<SealedEntry> = run.entries.iter().skip(usize::try_from(skip).unwrap()).cloned().collect();
        if new.is_empty() {
            return false;
        }
        let logs = self.logs.entry(run.scope.clone()).or_default();
        logs.entry(run.origin.origin()).or_insert_with(|| (run.origin, Vec::new())).1.extend(new);
        true
    }

    pub(super) fn scopes(&self) -> BTreeSet<Scope> {
        self.logs.keys().cloned().collect()
    }

    pub(super) fn entries(&self) -> usize {
        self.logs.values().flat_map(BTreeMap::values).map(|log| log.1.len()).sum()
    }
}

impl Replica for Memory {
    fn vector(&self, scope: &Scope) -> VersionVector {
        let mut vector = VersionVector::default();
        for (origin, log) in self.logs.get(scope).into_iter().flatten() {
            vector.advance(*origin, u64::try_from(log.1.len()).unwrap());
        }
        vector
    }

    fn newest_in(&self, scope: &Scope) -> Hlc {
        let logs = self.logs.get(scope).into_iter().flatten();
        logs.filter_map(|(_, (_, log))| segment::stamp(log.last()?)).max().unwrap_or_default()
    }

    fn run(&self, scope: &Scope, origin: Origin, first: u64, bytes_max: usize) -> Option<Run> {
        let (key, log) = self.logs.get(scope)?.get(&origin)?;
        let mut room = bytes_max;
        let mut entries = Vec::new();
        for entry in log.iter().skip(usize::try_from(first).unwrap_or(usize::MAX)) {
            if room < entry.bytes.len() && !entries.is_empty() {
                break;
            }
            room = room.saturating_sub(entry.bytes.len());
            entries.push(entry.clone());
        }
        (!entries.is_empty()).then(|| Run { scope: scope.clone(), origin: *key, first, entries })
    }
}

#[derive(Debug)]
pub(super) struct TestNode {
    pub(super) gossip: Gossip,
    pub(super) durable: Memory,
    arrived: Memory,
    dirty: BTreeSet<Scope>,
    pub(super) presence: PresenceMap,
    pub(super) reach: BTreeMap<usize, bool>,
    pub(super) signals: Vec<(SessionId, Bytes)>,
    pub(super) fetched: Vec<(RoomName, bool)>,
    pub(super) spare: Vec<RoomName>,
    /// Whose entries it cannot take yet: a node that it does not know to belong to the mesh.
    pub(super) unknown: Option<NodeId>,
    timeout_us: Option<u64>,
    generation: u64,
    alive: bool,
}

#[derive(Clone, Debug)]
enum Event {
    Frame { from: usize, to: usize, connection: u64, frame: Frame },
    Datagram { from: usize, to: usize, connection: u64, bytes: Bytes },
    Connect(usize, usize),
    Dead(usize, usize, u64),
    Commit(usize),
}

/// The mesh under test.
#[derive(Debug)]
pub(super) struct Net {
    pub(super) nodes: Vec<TestNode>,
    regions: Vec<usize>,
    /// How many homes a room has, by node.
    replicas: Vec<Option<NonZeroUsize>>,
    /// Nodes that are being emptied.
    draining: BTreeSet<usize>,
    /// Nodes with occupants, as all are told at once.
    interest: BTreeSet<(usize, RoomName)>,
    pub(super) now_us: u64,
    queue: BTreeMap<(u64, u64), Event>,
    made: u64,
    connections: BTreeMap<(usize, usize), u64>,
    blocked: BTreeSet<(usize, usize)>,
    /// Every frame sent over a connection: (when, from, to, frame).
    pub(super) log: Vec<(u64, usize, usize, Frame)>,
    /// Datagrams sent.
    pub(super) packets: usize,
    pub(super) trace: blake3::Hasher,
    seed: u64,
    /// Percentage of pushes and marks that vanish though the connection lives; no transport of ours does that, overflowing queues do.
    pub(super) loss: u32,
    rng: Xoshiro256PlusPlus,
}

pub(super) fn id(node: usize) -> NodeId {
    NodeId([u8::try_from(node).unwrap() + 1; 32])
}

fn index(node: NodeId) -> usize {
    usize::from(node.0[0]) - 1
}

const fn pair(a: usize, b: usize) -> (usize, usize) {
    if a < b { (a, b) } else { (b, a) }
}

impl Net {
    /// A mesh with one node for each number, which is its region; everybody knows everybody's address.
    pub(super) fn new(regions: &[usize], seed: u64) -> Self {
        Self::placed(regions, seed, &vec![0; regions.len()])
    }

    /// The same with so many homes for each room, as each node is told; with 0 it holds everything.
    pub(super) fn placed(regions: &[usize], seed: u64, replicas: &[usize]) -> Self {
        let mut net = Self {
            nodes: Vec::new(),
            regions: regions.to_vec(),
            replicas: replicas.iter().map(|replicas| NonZeroUsize::new(*replicas)).collect(),
            draining: BTreeSet::new(),
            interest: BTreeSet::new(),
            now_us: 1_000_000,
            queue: BTreeMap::new(),
            made: 0,
            connections: BTreeMap::new(),
            blocked: BTreeSet::new(),
            log: Vec::new(),
            packets: 0,
            trace: blake3::Hasher::new(),
            seed,
            loss: 0,
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
        };
        net.nodes = (0..regions.len()).map(|node| net.fresh(node, 1, Memory::default())).collect();
        net
    }

    /// Gives every node the roster, whereupon they dial.
    pub(super) fn start(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.boot(node));
    }

    fn place(&self, node: usize) -> Place {
        Place { region: format!("region{}", self.regions[node]), zone: "a".to_owned() }
    }

    fn fresh(&self, node: usize, generation: u64, durable: Memory) -> TestNode {
        let config = GossipConfig {
            me: id(node),
            place: self.place(node),
            generation,
            sync_period_ms: 3_000,
            probe_period_ms: 1_000,
            gateway_patience_ms: 150,
            replicas: self.replicas[node],
            linger_ms: LINGER_MS,
        };
        TestNode {
            gossip: Gossip::new(config, self.seed ^ u64::try_from(node).unwrap() << 32 ^ generation),
            arrived: durable.clone(),
            durable,
            dirty: BTreeSet::new(),
            presence: PresenceMap::new(),
            reach: BTreeMap::new(),
            signals: Vec::new(),
            fetched: Vec::new(),
            spare: Vec::new(),
            unknown: None,
            timeout_us: None,
            generation,
            alive: true,
        }
    }

    fn boot(&mut self, node: usize) {
        let durable = &self.nodes[node].durable;
        let vectors = durable.scopes().into_iter().map(|scope| (scope.clone(), durable.vector(&scope))).collect();
        self.input(node, Input::Durable(vectors));
        self.input(node, Input::Roster(self.roster()));
        let interest = self.interest.iter().map(|(node, room)| (id(*node), room.clone(), true)).collect();
        self.input(node, Input::Interest(interest));
    }

    fn roster(&self) -> Vec<Peer> {
        let peer = |node| Peer {
            node: id(node),
            place: self.place(node),
            addresses: vec![format!("host{node}:1")],
            is_draining: self.draining.contains(&node),
        };
        (0..self.nodes.len()).map(peer).collect()
    }

    /// A node is emptied from here on.
    pub(super) fn drain(&mut self, node: usize) {
        self.draining.insert(node);
        (0..self.nodes.len()).for_each(|told| self.input(told, Input::Roster(self.roster())));
    }

    /// A node has occupants in a room from here on, or none any more.
    pub(super) fn set_occupied(&mut self, node: usize, room: RoomName, is_occupied: bool) {
        if is_occupied {
            self.interest.insert((node, room.clone()));
        } else {
            self.interest.remove(&(node, room.clone()));
        }
        for told in (0..self.nodes.len()).filter(|told| self.nodes[*told].alive).collect::<Vec<_>>() {
            self.input(told, Input::Interest(vec![(id(node), room.clone(), is_occupied)]));
        }
    }

    /// A node lets go of what others wrote in a room.
    pub(super) fn let_go(&mut self, node: usize, n: usize) {
        let own = OriginKey { node: id(node), epoch: 0 }.origin();
        let it = &mut self.nodes[node];
        for memory in [&mut it.durable, &mut it.arrived] {
            memory.logs.entry(room(n)).or_default().retain(|origin, _| *origin == own);
        }
        let vector = it.durable.vector(&room(n));
        self.input(node, Input::Partial(vec![name(n)]));
        self.input(node, Input::Durable(vec![(room(n), vector)]));
    }

    /// The nodes that are to hold a scope, as one of them has it.
    pub(super) fn holders(&self, as_of: usize, scope: &Scope) -> BTreeSet<usize> {
        (0..self.nodes.len()).filter(|node| self.nodes[as_of].gossip.is_holder(id(*node), scope)).collect()
    }

    fn now(&self) -> Now {
        Now { mono_us: self.now_us, wall_ms: self.now_us / 1000 }
    }

    fn schedule(&mut self, after_us: u64, event: Event) {
        self.made += 1;
        self.queue.insert((self.now_us + after_us, self.made), event);
    }

    fn delay_us(&self, a: usize, b: usize) -> u64 {
        if self.regions[a] == self.regions[b] { NEAR_US } else { FAR_US }
    }

    pub(super) fn input(&mut self, node: usize, input: Input) {
        let now = self.now();
        let it = &mut self.nodes[node];
        it.gossip.handle(now, input, &it.durable, &it.presence);
        while let Some(output) = self.nodes[node].gossip.poll_output() {
            self.trace.update(format!("{} {node} {output:?}", self.now_us).as_bytes());
            self.output(node, output);
        }
    }

    fn output(&mut self, node: usize, output: Output) {
        match output {
            Output::Send(to, lane, frame) => {
                assert_eq!(lane, frame.lane());
                let to = index(to);
                let frame = decode(&encode(&frame).unwrap()).unwrap();
                if let Some(connection) = self.connections.get(&pair(node, to)).copied() {
                    self.log.push((self.now_us, node, to, frame.clone()));
                    let lossy = matches!(frame, Frame::Push { .. } | Frame::Durable(_));
                    if !(lossy && self.rng.random_range(0..100) < self.loss) {
                        self.schedule(self.delay_us(node, to), Event::Frame { from: node, to, connection, frame });
                    }
                }
            }
            Output::Datagram(to, bytes) => {
                self.packets += 1;
                let to = index(to);
                if let Some(connection) = self.connections.get(&pair(node, to)).copied()
                    && self.rng.random_range(0..100) >= self.loss
                {
                    self.schedule(self.delay_us(node, to), Event::Datagram { from: node, to, connection, bytes });
                }
            }
            Output::Dial(to, addresses) => {
                assert_eq!(addresses, vec![format!("host{}:1", index(to))]);
                self.schedule(2 * self.delay_us(node, index(to)), Event::Connect(node, index(to)));
            }
            Output::Received { from, runs, relay } => {
                self.nodes[node].take(&runs);
                self.schedule(COMMIT_US, Event::Commit(node));
                self.input(node, Input::Verified { from, runs, refuted: Vec::new(), relay });
            }
            Output::Presence(update) => {
                let _ = self.nodes[node].presence.merge(&update);
            }
            Output::Incarnation(incarnation) => {
                let own = &mut self.nodes[node];
                own.generation = incarnation;
                let records: Vec<_> = own.presence.of_node(id(node)).map(|(of, record)| (of, record.clone())).collect();
                for (session, record) in records {
                    own.presence.put(incarnation, session, Some(record));
                }
                if let Some(update) = own.presence.since(id(node), 0) {
                    self.input(node, Input::Presence(update));
                }
            }
            Output::Signal(to, bytes) => self.nodes[node].signals.push((to, bytes)),
            Output::Reach(of, up) => {
                self.nodes[node].reach.insert(index(of), up);
            }
            Output::Thin(_) => {}
            Output::Spare(room) => self.nodes[node].spare.push(room),
            Output::Fetched(room, complete) => self.nodes[node].fetched.push((room, complete)),
            Output::Timeout(at_us) => self.nodes[node].timeout_us = Some(at_us),
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Frame { from, to, connection, frame } => {
                if self.carries(from, to, connection) {
                    self.input(to, Input::Frame(id(from), frame));
                }
            }
            Event::Datagram { from, to, connection, bytes } => {
                if self.carries(from, to, connection) {
                    self.input(to, Input::Datagram(id(from), bytes));
                }
            }
            Event::Connect(a, b) => {
                let free = !self.blocked.contains(&pair(a, b)) && !self.connections.contains_key(&pair(a, b));
                if free && self.nodes[a].alive && self.nodes[b].alive {
                    self.made += 1;
                    self.connections.insert(pair(a, b), self.made);
                    let round_trip_us = 2 * self.delay_us(a, b);
                    for (node, peer) in [(a, b), (b, a)] {
                        self.input(node, Input::PeerUp(id(peer)));
                        self.input(node, Input::RoundTrip(id(peer), round_trip_us));
                    }
                }
            }
            Event::Dead(a, b, connection) => {
                if self.connections.get(&pair(a, b)) == Some(&connection) {
                    self.connections.remove(&pair(a, b));
                    for (node, peer) in [(a, b), (b, a)] {
                        if self.nodes[node].alive {
                            self.input(node, Input::PeerDown(id(peer)));
                        }
                    }
                }
            }
            Event::Commit(node) => {
                let it = &mut self.nodes[node];
                let dirty = std::mem::take(&mut it.dirty);
                if it.alive && !dirty.is_empty() {
                    for scope in &dirty {
                        it.durable.logs.insert(scope.clone(), it.arrived.logs[scope].clone());
                    }
                    let vectors = dirty.into_iter().map(|scope| (scope.clone(), it.durable.vector(&scope))).collect();
                    self.input(node, Input::Durable(vectors));
                }
            }
        }
    }

    fn carries(&self, from: usize, to: usize, connection: u64) -> bool {
        let same = self.connections.get(&pair(from, to)) == Some(&connection);
        same && !self.blocked.contains(&pair(from, to)) && self.nodes[to].alive
    }

    /// Lets `ms` milliseconds pass.
    pub(super) fn run_ms(&mut self, ms: u64) {
        let end_us = self.now_us + ms * 1000;
        loop {
            let event_us = self.queue.first_key_value().map(|((at, _), _)| *at);
            let timers = self.nodes.iter().enumerate().filter(|(_, node)| node.alive);
            let timer = timers.filter_map(|(index, node)| node.timeout_us.map(|at| (at, index))).min();
            let next_us = event_us.unwrap_or(u64::MAX).min(timer.map_or(u64::MAX, |(at, _)| at));
            if next_us > end_us {
                break;
            }
            self.now_us = self.now_us.max(next_us);
            match timer {
                Some((at, node)) if at < event_us.unwrap_or(u64::MAX) => {
                    self.nodes[node].timeout_us = None;
                    self.input(node, Input::Timeout);
                }
                Some(_) | None => {
                    if let Some((_, event)) = self.queue.pop_first() {
                        self.event(event);
                    }
                }
            }
        }
        self.now_us = end_us;
    }

    /// A node writes `count` entries into a room in one commit.
    pub(super) fn write(&mut self, node: usize, scope: &Scope, count: usize) {
        let origin = OriginKey { node: id(node), epoch: 0 };
        let first = self.nodes[node].durable.vector(scope).next(origin.origin());
        let stamp = |n: usize| Hlc(Hlc::from_ms(self.now_us / 1000).0 + u64::try_from(n).unwrap());
        let run = written(origin, scope, first, (0..count).map(stamp));
        let it = &mut self.nodes[node];
        it.durable.append(&run);
        it.arrived.append(&run);
        let vector = it.durable.vector(scope);
        self.input(node, Input::Appended(vec![run]));
        self.input(node, Input::Durable(vec![(scope.clone(), vector)]));
    }

    /// Puts entries into a replica before the mesh starts.
    pub(super) fn preload(&mut self, node: usize, origin: usize, scope: &Scope, count: usize) {
        self.preload_at(node, origin, scope, (0..u64::try_from(count).unwrap()).map(Hlc::from_ms));
    }

    /// The same with a stamp for each.
    pub(super) fn preload_at(&mut self, node: usize, origin: usize, scope: &Scope, stamps: impl Iterator<Item = Hlc>) {
        let run = written(OriginKey { node: id(origin), epoch: 0 }, scope, 0, stamps);
        self.nodes[node].durable.append(&run);
        self.nodes[node].arrived.append(&run);
    }

    pub(super) fn cut(&mut self, a: usize, b: usize) {
        self.blocked.insert(pair(a, b));
        if let Some(connection) = self.connections.get(&pair(a, b)).copied() {
            self.schedule(IDLE_US, Event::Dead(a, b, connection));
        }
    }

    pub(super) fn heal(&mut self) {
        // Links that were cut for less than the idle time lost frames all the same: their connections die too.
        for (a, b) in std::mem::take(&mut self.blocked) {
            if let Some(connection) = self.connections.get(&(a, b)).copied() {
                self.event(Event::Dead(a, b, connection));
            }
        }
    }

    /// The process dies with whatever was not durable.
    pub(super) fn kill(&mut self, node: usize) {
        self.nodes[node].alive = false;
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if let Some(connection) = self.connections.get(&pair(node, other)).copied() {
                self.schedule(IDLE_US, Event::Dead(node, other, connection));
            }
        }
    }

    pub(super) fn restart(&mut self, node: usize) {
        self.restart_as(node, self.nodes[node].generation + 1);
    }

    pub(super) fn restart_as(&mut self, node: usize, generation: u64) {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if let Some(connection) = self.connections.get(&pair(node, other)).copied() {
                self.event(Event::Dead(node, other, connection));
            }
        }
        let durable = self.nodes[node].durable.clone();
        self.nodes[node] = self.fresh(node, generation, durable);
        self.boot(node);
    }

    pub(super) fn generation(&self, node: usize) -> u64 {
        self.nodes[node].generation
    }

    pub(super) fn region(&self, node: usize) -> usize {
        self.regions[node]
    }

    pub(super) fn connected(&self, a: usize, b: usize) -> bool {
        self.connections.contains_key(&pair(a, b))
    }

    /// All replicas of living nodes hold the same.
    pub(super) fn converged(&self) -> bool {
        let mut alive = self.nodes.iter().filter(|node| node.alive);
        let Some(first) = alive.next() else { return true };
        alive.all(|node| node.durable == first.durable)
    }

    /// Entries sent from region to region since `since_us`, by live pushes and by sync together.
    pub(super) fn copies_into(&self, region: usize, since_us: u64) -> usize {
        let far = |(at, from, to, _): &&(u64, usize, usize, Frame)| {
            *at >= since_us && self.regions[*to] == region && self.regions[*from] != region
        };
        self.log.iter().filter(far).map(|(_, _, _, frame)| entries_in(frame)).sum()
    }

    /// Entries sent to a node since `since_us`.
    pub(super) fn copies_to(&self, node: usize, since_us: u64) -> usize {
        let to = self.log.iter().filter(|(at, _, to, _)| *at >= since_us && *to == node);
        to.map(|(_, _, _, frame)| entries_in(frame)).sum()
    }
}

fn entries_in(frame: &Frame) -> usize {
    match frame {
        Frame::Push { runs, .. } | Frame::Delta { runs, .. } => runs.iter().map(|run| run.entries.len()).sum(),
        Frame::Durable(_)
        | Frame::Root { .. }
        | Frame::Buckets(_)
        | Frame::Vectors { .. }
        | Frame::PresenceHave(_)
        | Frame::Presence(_)
        | Frame::Signal { .. }
        | Frame::Membership(_)
        | Frame::Resend(_)
        | Frame::Clock(_)
        | Frame::Heads(_)
        | Frame::Changed { .. }
        | Frame::Placing(_)
        | Frame::Ask { .. }
        | Frame::Holding(_)
        | Frame::AskRooms
        | Frame::Rooms { .. } => 0,
    }
}

impl TestNode {
    /// Entries that continue what is here; others are dropped, as a core without room to hold them would.
    fn take(&mut self, runs: &[Run]) {
        for run in runs {
            if Some(run.origin.node) != self.unknown && self.arrived.append(run) {
                self.dirty.insert(run.scope.clone());
            }
        }
    }
}
