//! The simulated world: virtual clock, network, disks and clients around real cores. One event after the other.
//!
//! **Invariant:** everything that happens is a function of the plan; nothing here asks a clock, iterates a hash map or draws from any
//! generator but the world's own.

mod clients;
mod deeds;
mod faults;
mod mesh;
mod net;
pub(crate) mod node;
mod probe;
mod queue;
mod shell;

use crate::client::{Client, DOMAIN, ROOMS};
use crate::plan::{ClientFault, FaultKind, Plan};
use crate::record::Book;
use crate::trace::Trace;
use lavina_core::node::{AdminCommand, Input, Limits, MeshIdentity, NodeConfig};
use lavina_core::store::memory::MemoryStore;
use lavina_crdt::ids::{NodeId, OriginKey};
use lavina_crdt::mesh::{Admission, Place, Verdict};
use lavina_protocols::command::{Refusal, Reply};
use lavina_protocols::session::{Flood, SessionConfig};
use net::Net;
pub(crate) use node::EPOCH_MS;
use node::{Disk, SimNode};
use queue::{Pending, Queue};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
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
/// How often the mesh is looked at after healing, microseconds.
const LOOK_US: u64 = 250_000;

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
    /// What checkers count and showers draw.
    pub(crate) book: Book,
    net: Net,
    queue: Queue,
    rng: SmallRng,
    by_id: BTreeMap<NodeId, usize>,
    next_connection: u64,
    /// The furthest that any wall clock has been, milliseconds.
    wall_ms_max: u64,
    /// The latest answer to the probe.
    probe_answer: Option<Result<Reply, Refusal>>,
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
        let flood = if floods(plan) { Flood::DEFAULT } else { Flood::NONE };
        let nodes = keys
            .into_iter()
            .zip(&bootstrap)
            .zip(&plan.nodes)
            .map(|((key, admission), node)| {
                sim_node(key, admission, &bootstrap, &mesh, node.clock_offset_ms, rng.random(), flood)
            })
            .collect();
        let by_id = bootstrap.iter().enumerate().map(|(index, admission)| (admission.node, index)).collect();
        let regions = plan.nodes.iter().map(|node| node.region.clone()).collect();
        let mut world = Self {
            net: Net::new(plan.links.clone(), regions),
            clients: plan.clients.iter().map(Client::new).collect(),
            plan: plan.clone(),
            now_us: 0,
            nodes,
            trace: Trace::default(),
            happened: BTreeMap::new(),
            converged_us: None,
            book: Book::new(plan, recorded),
            queue: Queue::default(),
            rng,
            by_id,
            next_connection: 1,
            wall_ms_max: 0,
            probe_answer: None,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for index in 0..self.nodes.len() {
            self.boot(index);
        }
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

    /// Runs to the end: until every node holds the same after healing, or the time for that is over.
    pub(crate) fn run(&mut self) {
        let end_us = (self.plan.heal_at_ms + self.plan.converge_within_ms) * 1000;
        self.run_until(end_us);
        self.catch_up();
        // Limited clients may ask for ten pages in a second.
        let within_us = if floods(&self.plan) { 12 * CATCH_UP_US } else { CATCH_UP_US };
        self.run_until(end_us + within_us);
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

    fn boot(&mut self, index: usize) {
        let seed = self.rng.random();
        let now_us = self.now_us;
        let opened = self.nodes[index].boot(now_us, seed);
        self.book.on_up(now_us, index, true);
        self.note("boot", index, || format!("{opened:?}"));
        self.pump(index);
    }

    fn note(&mut self, what: &'static str, index: usize, words: impl FnOnce() -> String) {
        let words = words();
        self.trace.note(self.now_us, words.as_bytes(), || format!("{what} {index}: {words}"));
    }

    fn on_event(&mut self, event: Pending) {
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
            Pending::Committed(node, start) => self.on_committed(node, start),
            Pending::Dialled(from, to) => self.on_dialled(from, to),
            Pending::Frame(from, to, epoch, frame) => {
                for frame in self.net.arrive(from, to, epoch, *frame) {
                    self.frame_arrives(from, to, frame);
                }
            }
            Pending::Datagram(from, to, bytes) => {
                if self.net.passes(from, to) {
                    self.note("datagram", to, || format!("from {from}, {} bytes", bytes.len()));
                    let peer = self.id(from);
                    self.input(to, Input::Datagram(peer, bytes));
                }
            }
            Pending::IdleCheck(one, other, epoch, since_us) => self.on_idle_check(one, other, epoch, since_us),
            Pending::Look => self.on_look(),
        }
    }

    fn id(&self, index: usize) -> NodeId {
        node_id(&self.nodes[index].config.key)
    }

    fn input(&mut self, index: usize, input: Input) {
        let now_us = self.now_us;
        self.nodes[index].input(now_us, input);
        self.pump(index);
    }

    fn on_look(&mut self) {
        if self.converged_us.is_none() {
            if self.all_equal() {
                self.converged_us = Some(self.now_us);
            }
            self.queue.push(self.now_us + LOOK_US, Pending::Look);
        }
    }
}

/// Whether clients send floods in a run, and nodes limit them.
fn floods(plan: &Plan) -> bool {
    plan.faults.iter().any(|fault| matches!(fault.kind, FaultKind::Client(ClientFault::Flood(..))))
}

fn sim_node(
    key: ed25519_dalek::SigningKey,
    admission: &Admission,
    bootstrap: &[Admission],
    mesh: &MeshIdentity,
    clock_offset_ms: i64,
    epoch: u64,
    flood: Flood,
) -> SimNode {
    let sessions = SessionConfig {
        domain: DOMAIN.to_owned(),
        rooms_domain: ROOMS.to_owned(),
        node_name: format!("{}.{DOMAIN}", admission.name),
        network: "Sim".to_owned(),
        motd: Vec::new(),
        registration: false,
        plain_without_tls: true,
        started_ms: 0,
        salt_secret: [7; 32],
        flood,
    };
    SimNode {
        core: None,
        store: MemoryStore::new(OriginKey { node: admission.node, epoch }),
        disk: Disk::default(),
        config: NodeConfig {
            key,
            name: admission.name.clone(),
            place: admission.place.clone(),
            addresses: admission.addresses.clone(),
            mesh: mesh.clone(),
            bootstrap: bootstrap.to_vec(),
            limits: Limits::default(),
        },
        sessions: Arc::new(sessions),
        links: BTreeMap::new(),
        renders: lavina_protocols::render::Renders::default(),
        start: 0,
        timeout_us: u64::MAX,
        clock_offset_ms,
        clock_drift: (0, 0),
        up_since_us: 0,
    }
}
