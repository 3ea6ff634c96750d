//! The simulated world: virtual clock, network, disks and clients around real cores. One event after the other.
//!
//! **Invariant:** everything that happens is a function of the plan; nothing here asks a clock, iterates a hash map or draws from any
//! generator but the world's own.

mod clients;
mod deeds;
pub(crate) mod disk;
mod faults;
mod holding;
mod judged;
mod mesh;
mod net;
pub(crate) mod news;
pub(crate) mod node;
mod paths;
mod pause;
mod placing;
mod probe;
mod queue;
mod sample;
mod shell;

use crate::client::{Client, DOMAIN, ROOMS};
use crate::model::NamesModel;
use crate::plan::{ClientFault, FaultKind, Level, Plan, Release};
use crate::record::Book;
use crate::trace::Trace;
use crate::wire::{Base, Station};
use disk::{Disk, Losses, SimStore};
use lavina_core::node::{AdminCommand, Input, Limits, MeshIdentity, NodeConfig};
use lavina_core::paces::Pace;
use lavina_core::store::Store;
use lavina_crdt::ids::{NodeId, Scope};
use lavina_crdt::mesh::{Admission, Place, Verdict};
use lavina_crdt::seals::Seals;
use lavina_crdt::version::VersionVector;
use lavina_protocols::command::{Refusal, Reply};
use lavina_protocols::session::{Flood, SessionConfig};
use net::Net;
use node::SimNode;
use queue::{Pending, Queue};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// One-way delay between a client and its node, microseconds.
const CLIENT_DELAY_US: u64 = 300;
/// How long a client waits before it connects again, microseconds.
const RECONNECT_US: u64 = 1_000_000;
/// Least time of a commit (fsync), microseconds.
const COMMIT_US: u64 = 300;
/// How long foreign entries wait for company before a commit, microseconds.
const COALESCE_US: u64 = 50_000;
/// How long after a disk's trouble an answer in time is not expected: the node tries a full disk again now and then, microseconds.
const DISK_RECOVERY_US: u64 = 1_500_000;
/// How long clients have in the end to read everything, microseconds.
const CATCH_UP_US: u64 = 1_000_000;
/// How long what somebody begins with coming in goes on, microseconds: rooms are asked for once more after a second, and the answer is on its way for a while.
const COMES_IN_US: u64 = 2_000_000;
/// How long it takes until a node with a damaged store is started again, microseconds.
const REBOOT_US: u64 = 500_000;
/// How often the mesh is looked at after healing, microseconds.
const LOOK_US: u64 = 250_000;

/// How many verified entries the nodes remember together: longer than cuts last, so that nearly each is verified once and not once a node.
const SEALS_MAX: usize = 16_384;

/// The whole simulated mesh.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) now_us: u64,
    pub(crate) nodes: Vec<SimNode>,
    pub(crate) clients: Vec<Client>,
    pub(crate) trace: Trace,
    /// How often each kind of fault and action has happened.
    pub(crate) happened: BTreeMap<&'static str, u64>,
    /// When all nodes held the same for the first time after healing, microseconds.
    pub(crate) converged_us: Option<u64>,
    /// What each node had when clients began to read everything.
    pub(crate) had: Vec<BTreeMap<Scope, VersionVector>>,
    /// When a node that lies last sent what others may have to refuse, microseconds.
    pub(crate) lied_us: Option<u64>,
    /// When a client last came in, microseconds.
    came_us: u64,
    /// What checkers count and showers draw.
    pub(crate) book: Book,
    /// What nodes say of nicks, and who lost one without cause.
    pub(crate) names: NamesModel,
    /// What went with destroyed disks.
    pub(crate) lost: Losses,
    /// Stores that were given up although nothing had been done to their disks.
    pub(crate) given_up: Vec<String>,
    net: Net,
    /// Where time begins for QUIC.
    base: Base,
    queue: Queue,
    rng: SmallRng,
    pub(crate) by_id: BTreeMap<NodeId, usize>,
    next_connection: u64,
    /// The nodes each client was ever connected to.
    pub(crate) homes: Vec<BTreeSet<usize>>,
    /// Rooms that clients asked to enter, and when they did.
    pub(crate) joins: Vec<Join>,
    /// For each client, which of them were not done when it was last looked at.
    joins_open: Vec<Vec<usize>>,
    /// Refusals each client had met when it was last looked at.
    refusals: Vec<u64>,
    /// What sampling has found out.
    pub(crate) watch: sample::Watch,
    /// Lines that reached somebody later than links and disks explain; only looked for without faults.
    pub(crate) late: Vec<String>,
    /// What newer versions of the node have written.
    pub(crate) news: news::News,
    /// The latest answer to the probe.
    probe_answer: Option<Result<Reply, Refusal>>,
}

/// A client asked to enter a room.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    /// Who.
    pub(crate) client: usize,
    /// Which room, by name.
    pub(crate) room: String,
    /// When, microseconds.
    pub(crate) at_us: u64,
    /// On which of its connections.
    pub(crate) connection: u64,
    /// When it was inside, or was refused, or what stood in the way had come.
    pub(crate) done_us: Option<u64>,
}

fn signing_key(seed: u64, index: usize) -> ed25519_dalek::SigningKey {
    let mut hasher = blake3::Hasher::new_derive_key("lavina simulator key");
    hasher.update(&seed.to_le_bytes());
    hasher.update(&index.to_le_bytes());
    ed25519_dalek::SigningKey::from_bytes(hasher.finalize().as_bytes())
}

fn node_id(key: &ed25519_dalek::SigningKey) -> NodeId {
    NodeId(key.verifying_key().to_bytes())
}

impl World {
    /// A world at its beginning.
    #[must_use]
    pub(crate) fn new(plan: &Plan, recorded: bool) -> Self {
        Self::made(plan, recorded, Trace::default())
    }

    /// The same, with the trace that takes note of its events.
    #[must_use]
    pub(crate) fn traced(plan: &Plan, trace: Trace) -> Self {
        Self::made(plan, false, trace)
    }

    fn made(plan: &Plan, recorded: bool, trace: Trace) -> Self {
        let mut rng = SmallRng::seed_from_u64(plan.seed);
        let root = signing_key(plan.seed, usize::MAX);
        let mesh = MeshIdentity { id: [7; 16], root: node_id(&root) };
        let keys: Vec<_> = (0..plan.nodes.len()).map(|index| signing_key(plan.seed, index)).collect();
        let bootstrap: Vec<Admission> = plan
            .nodes
            .iter()
            .zip(&keys)
            .map(|(node, key)| Admission {
                node: node_id(key),
                name: node.name.clone(),
                place: Place { region: node.region.clone(), zone: node.zone.clone() },
                addresses: vec![format!("{}:7667", node.name)],
                signature: Verdict::Admit.sign(&root, &mesh.id, node_id(key)),
            })
            .collect();
        let seals = Seals::remembering(SEALS_MAX);
        let flood = if floods(plan) { Flood::DEFAULT } else { Flood::NONE };
        let nodes = keys
            .into_iter()
            .zip(&bootstrap)
            .zip(&plan.nodes)
            .map(|((key, admission), node)| {
                let (epoch, seals, release) = (rng.random(), seals.clone(), node.release);
                let outfit = Outfit {
                    level: plan.level,
                    epoch,
                    seals,
                    flood,
                    release,
                    replicas: plan.replicas,
                    room_idle_ms: plan.room_idle_ms,
                };
                sim_node(key, admission, &bootstrap, &mesh, node.clock_offset_ms, outfit)
            })
            .collect();
        let by_id = bootstrap.iter().enumerate().map(|(index, admission)| (admission.node, index)).collect();
        let mut world = Self {
            net: Net::new(paths::Paths::new(&plan.links, &plan.nodes)),
            clients: plan.clients.iter().map(Client::new).collect(),
            plan: plan.clone(),
            now_us: 0,
            nodes,
            trace,
            happened: BTreeMap::new(),
            converged_us: None,
            had: Vec::new(),
            lied_us: None,
            came_us: 0,
            names: NamesModel::default(),
            base: Base::new(),
            book: Book::new(plan, recorded),
            lost: Losses::default(),
            given_up: Vec::new(),
            queue: Queue::default(),
            rng,
            by_id,
            next_connection: 1,
            homes: vec![BTreeSet::new(); plan.clients.len()],
            joins: Vec::new(),
            joins_open: vec![Vec::new(); plan.clients.len()],
            refusals: vec![0; plan.clients.len()],
            watch: sample::Watch::default(),
            late: Vec::new(),
            news: news::News::default(),
            probe_answer: None,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for index in 0..self.nodes.len() {
            match self.plan.nodes[index].starts_at_ms {
                0 => self.boot(index),
                at_ms => self.queue.push(at_ms * 1000, Pending::Boot(index)),
            }
        }
        self.queue.push(sample::PERIOD_US, Pending::Sample);
        self.count_shapes();
        for (index, fault) in self.plan.faults.iter().enumerate() {
            self.queue.push(fault.at_ms * 1000, Pending::Fault(index));
        }
        for (index, client) in self.plan.clients.iter().enumerate() {
            self.queue.push(client.connect_at_ms * 1000, Pending::Connect(index));
            for (step, at) in client.script.iter().enumerate() {
                self.queue.push(at.at_ms * 1000, Pending::Step(index, step));
            }
        }
        self.queue.push(self.plan.heal_at_ms * 1000, Pending::Heal);
        // Accounts exist before anybody logs in; the node whose clock is best registers them, since nobody is heard yet that knows
        // better, and the mesh carries them everywhere.
        let registrar =
            (0..self.nodes.len()).find(|node| self.nodes[*node].clock_offset_ms.abs() < 60_000).unwrap_or(0);
        let credentials = crate::account::credentials();
        for index in 0..self.clients.len() {
            if let Some(name) = self.clients[index].account() {
                self.nodes[registrar].input(0, Input::Admin(0, AdminCommand::AccountAdd(name, credentials.clone())));
            }
        }
        self.pump(registrar);
    }

    /// Counts what the plan is like, beside what it does.
    fn count_shapes(&mut self) {
        let late = self.plan.nodes.iter().filter(|node| node.starts_at_ms > 0).count();
        let on = |node: usize| self.plan.clients.iter().filter(|client| client.node == node).count();
        let hot = (0..self.nodes.len()).filter(|node| 3 * on(*node) > 2 * self.clients.len()).count();
        for (what, count) in [("late-start", late), ("hot-node", hot)] {
            if count > 0 {
                *self.happened.entry(what).or_default() += 1;
            }
        }
    }

    /// Runs to the end: until every node holds the same after healing, or the time for that is over.
    pub(crate) fn run(&mut self) {
        let end_us = (self.plan.heal_at_ms + self.plan.converge_within_ms) * 1000;
        self.run_until(end_us);
        self.catch_up();
        // Limited clients may ask for ten pages in a second.
        // A node that lies about a room is found out by waiting for it.
        let within_us = if floods(&self.plan) || self.is_placed() { 12 * CATCH_UP_US } else { CATCH_UP_US };
        self.run_until(end_us + within_us);
        // Somebody may have come in just before, and what they began goes on.
        for _ in 0..self.clients.len() {
            if self.came_us + COMES_IN_US > self.now_us {
                self.run_until(self.came_us + COMES_IN_US);
            }
        }
    }

    fn run_until(&mut self, end_us: u64) {
        while let Some((at_us, event)) = self.queue.pop() {
            if at_us > end_us {
                self.queue.push(at_us, event);
                break;
            }
            self.now_us = at_us;
            self.on_event(event);
        }
        self.now_us = end_us;
    }

    /// Starts a node, unless it runs.
    fn start(&mut self, index: usize) {
        if self.nodes[index].core.is_none() && !self.nodes[index].revoked {
            self.boot(index);
        }
    }

    fn boot(&mut self, index: usize) {
        let first = self.nodes[index].start == 0;
        let seed = self.rng.random();
        let now_us = self.now_us;
        let opened = self.nodes[index].boot(now_us, seed);
        if self.plan.level == Level::L2 {
            // Boot numbers are never 0.
            self.nodes[index].station = Some(Station::new(self.id(index), seed | 1, self.base));
        }
        self.book.on_up(now_us, index, true);
        self.note("boot", index, || format!("{opened:?}"));
        if first {
            // As a real node does: it writes down where it stands, so that the mesh remembers it.
            let own = self.id(index);
            let admission = self.nodes[index].config.bootstrap.iter().find(|admission| admission.node == own).cloned();
            if let Some(admission) = admission {
                self.nodes[index].input(now_us, Input::Admin(0, AdminCommand::Admit(admission)));
            }
        }
        self.begin_news(index);
        if let Ok(damage) = opened {
            self.take_stock(index, damage.map(|damage| damage.to_string()));
        }
        self.pump(index);
    }

    /// Compares what a disk holds at a start with what it held: what is gone with a disk to which something was done, and is with nobody else who
    /// is honest, is lost; and to a part that stays cut off, what is with nobody else there.
    fn take_stock(&mut self, index: usize, damage: Option<String>) {
        let after = self.nodes[index].store.vectors().unwrap_or_default();
        let disk = &mut self.nodes[index].disk;
        let before = std::mem::replace(&mut disk.held, after.clone());
        let harmed = std::mem::take(&mut disk.harmed);
        if let Some(damage) = damage {
            *self.happened.entry("store-set-aside").or_default() += 1;
            if !harmed {
                self.given_up.push(format!("node {index} gave its store up, to whose disk nothing was done: {damage}"));
            }
        }
        if harmed {
            // What a node that lies has beside this one, it need not give to anybody.
            let honest = |other: usize| other != index && !self.plan.lies(other);
            let others = self.nodes.iter().enumerate().filter(|(other, _)| honest(*other));
            let known = self.lost.entries();
            self.lost.note(&before, &after, others.map(|(_, node)| &node.disk.held));
            let healed = self.healed();
            if healed.len() < self.nodes.len() && healed.contains(&index) {
                let inside = healed.iter().filter(|other| honest(**other)).map(|other| &self.nodes[*other].disk.held);
                self.lost.note_inside(&before, &after, inside);
            }
            *self.happened.entry("entries-lost").or_default() += self.lost.entries() - known;
        }
    }

    fn note(&mut self, what: &'static str, index: usize, words: impl FnOnce() -> String) {
        let words = words();
        self.trace.note(self.now_us, what, index, words.as_bytes(), || format!("{what} {index}: {words}"));
    }

    fn on_event(&mut self, event: Pending) {
        let Some(event) = self.unless_paused(event) else { return };
        match event {
            Pending::Fault(index) => self.on_fault(index),
            Pending::Heal => self.on_heal(),
            Pending::Connect(client) => self.on_connect(client),
            Pending::Step(client, step) => self.on_step(client, step),
            Pending::ToNode(client, number, bytes) => self.on_bytes_to_node(client, number, &bytes),
            Pending::ToClient(client, number, bytes) => self.on_bytes_to_client(client, number, &bytes),
            Pending::Hangup(client, number) => self.on_hangup(client, number),
            Pending::NodeTimeout(node, start, at_us) => self.on_node_timeout(node, start, at_us),
            Pending::SessionTimeout(node, number) => self.on_session_timeout(node, number),
            Pending::CommitDue(node, start) => self.on_commit_due(node, start),
            Pending::Reboot(node, start) => self.on_reboot(node, start),
            Pending::Committed(node, start) => self.on_committed(node, start),
            Pending::Dialled(from, to) => self.on_dialled(from, to),
            Pending::Frame(from, to, epoch, frame) => {
                for frame in self.net.arrive(from, to, epoch, *frame) {
                    self.frame_arrives(from, to, frame);
                }
            }
            Pending::Datagram(from, to, bytes) => {
                if self.net.paths.passes(from, to) {
                    self.datagram_arrives(from, to, bytes);
                }
            }
            Pending::RoundTrip(one, other, epoch) => self.on_round_trip(one, other, epoch),
            Pending::Packet(from, source, packet) => self.on_packet(from, source, &packet),
            Pending::StationTime(node, start, at_us) => self.on_station_time(node, start, at_us),
            Pending::IdleCheck(one, other, epoch, since_us) => self.on_idle_check(one, other, epoch, since_us),
            Pending::Look => self.on_look(),
            Pending::Boot(node) => self.start(node),
            Pending::Kill(node) => self.crash(node),
            Pending::Resume(node, since_us) => self.on_resume(node, since_us),
            Pending::Again(fault) => self.on_node_fault(&fault),
            Pending::Late(node, start, input) => {
                if self.nodes[node].start == start {
                    self.input(node, *input);
                }
            }
            Pending::Sample => self.on_sample(),
            Pending::News(node, start) => self.on_news(node, start),
            Pending::FrameAgain(from, to, epoch, frame) => self.on_frame_again(from, to, epoch, *frame),
            Pending::Bytes(from, to, epoch, bytes) => self.on_bytes(from, to, epoch, &bytes),
        }
    }

    fn id(&self, index: usize) -> NodeId {
        node_id(&self.nodes[index].config.key)
    }

    fn input(&mut self, index: usize, input: Input) {
        if self.nodes[index].paused_us.is_some() {
            let start = self.nodes[index].start;
            self.nodes[index].backlog.push(Pending::Late(index, start, Box::new(input)));
            return;
        }
        let now_us = self.now_us;
        self.nodes[index].input(now_us, input);
        self.pump(index);
    }

    fn on_look(&mut self) {
        self.check_gauges("after healing");
        if self.converged_us.is_none() {
            if self.all_equal() {
                self.converged_us = Some(self.now_us);
            }
            self.queue.push(self.now_us + LOOK_US, Pending::Look);
        }
    }
}

/// How long a node keeps a room that it is not to hold: short, so that it happens in a run.
const LINGER_MS: u64 = 3_000;

/// Whether clients send floods in a run, and nodes limit them.
fn floods(plan: &Plan) -> bool {
    plan.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Client(ClientFault::Flood(..))))
}

/// What a simulated node is given beside its place in the mesh.
struct Outfit {
    level: Level,
    epoch: u64,
    seals: Seals,
    flood: Flood,
    release: Release,
    replicas: Option<NonZeroUsize>,
    room_idle_ms: Option<u64>,
}

fn sim_node(
    key: ed25519_dalek::SigningKey,
    admission: &Admission,
    bootstrap: &[Admission],
    mesh: &MeshIdentity,
    clock_offset_ms: i64,
    outfit: Outfit,
) -> SimNode {
    let sessions = SessionConfig {
        rooms_domain: ROOMS.to_owned(),
        node_name: format!("{}.{DOMAIN}", admission.name),
        network: "Sim".to_owned(),
        plain_without_tls: true,
        salt_secret: [7; 32],
        flood: outfit.flood,
        ..SessionConfig::new(DOMAIN)
    };
    let pace = if outfit.flood == Flood::NONE { Pace::NONE } else { Pace::DEFAULT };
    let room_idle_ms = outfit.room_idle_ms.unwrap_or(Limits::default().room_idle_ms);
    SimNode {
        core: None,
        store: SimStore::Closed(admission.node),
        disk: Disk::new(outfit.level, admission.node, outfit.epoch),
        config: NodeConfig {
            key,
            name: admission.name.clone(),
            place: admission.place.clone(),
            addresses: admission.addresses.clone(),
            mesh: mesh.clone(),
            bootstrap: bootstrap.to_vec(),
            operators: Vec::new(),
            limits: Limits { linger_ms: LINGER_MS, room_idle_ms, pace, ..Limits::default() },
            seals: outfit.seals,
        },
        sessions: Arc::new(sessions),
        links: BTreeMap::new(),
        renders: lavina_protocols::render::Renders::default(),
        dirty: Vec::new(),
        start: 0,
        timeout_us: u64::MAX,
        clock_offset_ms,
        clock_drift: (0, 0),
        adversary: None,
        up_since_us: 0,
        station: None,
        station_us: None,
        serving: false,
        moves: 0,
        paused_us: None,
        resumed_us: 0,
        backlog: pause::Backlog::default(),
        revoked: false,
        draining: false,
        release: outfit.release,
        replicas: outfit.replicas,
    }
}
