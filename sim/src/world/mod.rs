//! The simulated world: virtual clock, network, disks and clients around real cores. One event after the other.
//!
//! **Invariant:** everything that happens is a function of the plan; nothing here asks a clock, iterates a hash map or draws from any
//! generator but the world's own.

mod net;
mod node;
mod probe;
mod queue;

use crate::client::{Client, DOMAIN, ROOMS, Sent};
use crate::plan::{Action, FaultKind, Plan, Speaks};
use crate::trace::Trace;
use bytes::Bytes;
use lavina_core::node::{AdminCommand, Input, Limits, MeshIdentity, NodeConfig, Output};
use lavina_core::store::memory::MemoryStore;
use lavina_crdt::ids::{NodeId, OriginKey};
use lavina_crdt::mesh::{Admission, Place, sign_admission};
use lavina_crdt::names::AccountName;
use lavina_protocols::command::{Refusal, Reply};
use lavina_protocols::session::{self, Connection, Flood, Session, SessionConfig};
use net::Net;
use node::{Disk, Link, SimNode};
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
/// How often the mesh is looked at after healing, microseconds.
const LOOK_US: u64 = 250_000;

/// The whole simulated mesh.
#[derive(Debug)]
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) now_us: u64,
    pub(crate) nodes: Vec<SimNode>,
    pub(crate) clients: Vec<Client>,
    pub(crate) trace: Trace,
    /// How often each kind of fault and action has happened.
    pub(crate) happened: BTreeMap<&'static str, u64>,
    /// When all nodes held the same for the first time after healing, microseconds.
    pub(crate) converged_us: Option<u64>,
    net: Net,
    queue: Queue,
    rng: SmallRng,
    by_id: BTreeMap<NodeId, usize>,
    next_connection: u64,
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
    pub fn new(plan: &Plan) -> Self {
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
                signature: sign_admission(&root, &mesh.id, node_id(key)),
            })
            .collect();
        let nodes = keys
            .into_iter()
            .zip(&bootstrap)
            .zip(&plan.nodes)
            .map(|((key, admission), node)| {
                sim_node(key, admission, &bootstrap, &mesh, node.clock_offset_ms, rng.random())
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
            queue: Queue::default(),
            rng,
            by_id,
            next_connection: 1,
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
        // Accounts exist before anybody logs in; the first node registers them, the mesh carries them everywhere.
        let credentials = crate::account::credentials();
        for index in 0..self.clients.len() {
            if self.clients[index].plan.account || self.clients[index].plan.speaks == Speaks::Xmpp {
                if let Ok(name) = AccountName::new(&self.clients[index].plan.nick) {
                    self.nodes[0].input(0, Input::Admin(0, AdminCommand::AccountAdd(name, credentials.clone())));
                }
            }
        }
        self.pump(0);
    }

    /// Runs to the end: until every node holds the same after healing, or the time for that is over.
    pub fn run(&mut self) {
        let end_us = (self.plan.heal_at_ms + self.plan.converge_within_ms) * 1000;
        while let Some((at_us, event)) = self.queue.pop() {
            if at_us > end_us {
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

    // Faults.

    fn on_fault(&mut self, index: usize) {
        let kind = self.plan.faults[index].kind.clone();
        *self.happened.entry(kind.name()).or_default() += 1;
        self.note("fault", index, || format!("{kind:?}"));
        match kind {
            FaultKind::Partition(groups) => {
                self.net.partition(&groups);
                self.links_changed();
            }
            FaultKind::CutOneWay(from, to) => {
                self.net.cut_one_way(from, to);
                self.links_changed();
            }
            FaultKind::HealLinks => {
                self.net.heal();
                self.links_changed();
            }
            FaultKind::Crash(node) => self.crash(node),
            FaultKind::Restart(node) => {
                if self.nodes[node].core.is_none() {
                    self.boot(node);
                }
            }
            FaultKind::DiskFull(node) => self.disk_trouble(node, |disk| disk.full = true),
            FaultKind::DiskFreed(node) => self.disk_trouble(node, |disk| disk.full = false),
            FaultKind::DiskSlow(node, ms) => self.disk_trouble(node, |disk| disk.slow_ms = ms),
            FaultKind::Loss(permille) => self.net.set_loss(permille),
            FaultKind::Slow(factor) => self.net.set_slow(factor),
        }
    }

    fn disk_trouble(&mut self, node: usize, change: impl FnOnce(&mut Disk)) {
        self.nodes[node].disk.trouble_us = self.now_us;
        change(&mut self.nodes[node].disk);
        self.give_up_at(node);
    }

    fn give_up_at(&mut self, node: usize) {
        let now_us = self.now_us;
        for client in self.clients.iter_mut().filter(|client| client.plan.node == node) {
            client.give_up(now_us);
        }
    }

    fn on_heal(&mut self) {
        self.note("heal", 0, String::new);
        self.net.reset();
        for index in 0..self.nodes.len() {
            self.nodes[index].disk.full = false;
            self.nodes[index].disk.slow_ms = 0;
            if self.nodes[index].core.is_none() {
                self.boot(index);
            }
        }
        self.links_changed();
        self.queue.push(self.now_us + LOOK_US, Pending::Look);
    }

    fn crash(&mut self, index: usize) {
        if self.nodes[index].core.is_none() {
            return;
        }
        let links: Vec<(usize, u64)> =
            self.nodes[index].links.iter().map(|(number, link)| (link.client, *number)).collect();
        self.nodes[index].kill();
        for (client, number) in links {
            self.queue.push(self.now_us + CLIENT_DELAY_US, Pending::Hangup(client, number));
        }
        // Nobody tells the peers: they notice by silence.
        for (one, other, epoch) in self.net.connections() {
            if one == index || other == index {
                self.queue.push(self.now_us + net::IDLE_US, Pending::IdleCheck(one, other, epoch, self.now_us));
            }
        }
    }

    fn links_changed(&mut self) {
        for (from, to, frames) in self.net.release() {
            for frame in frames {
                self.frame_arrives(from, to, frame);
            }
        }
        for (one, other, epoch) in self.net.connections() {
            if !self.net.passes_both(one, other) {
                self.queue.push(self.now_us + net::IDLE_US, Pending::IdleCheck(one, other, epoch, self.now_us));
            }
        }
    }

    fn on_idle_check(&mut self, one: usize, other: usize, epoch: u64, since_us: u64) {
        let same = self.net.conn(one, other).is_some_and(|conn| conn.epoch == epoch);
        let dead = [one, other]
            .iter()
            .any(|node| self.nodes[*node].core.is_none() || self.nodes[*node].up_since_us > since_us);
        if same && (dead || !self.net.passes_both(one, other)) {
            self.drop_connection(one, other);
        }
    }

    fn drop_connection(&mut self, one: usize, other: usize) {
        if self.net.disconnect(one, other) {
            self.note("disconnected", one, || format!("and {other}"));
            let (one_id, other_id) = (self.id(one), self.id(other));
            self.input(one, Input::PeerDown(other_id));
            self.input(other, Input::PeerDown(one_id));
        }
    }

    // Between nodes.

    fn on_dialled(&mut self, from: usize, to: usize) {
        let up = self.nodes[from].core.is_some() && self.nodes[to].core.is_some();
        if !up || !self.net.passes_both(from, to) {
            return;
        }
        // A connection that stands since before one end's start is known at the other end only.
        let made_us = self.net.conn(from, to).map(|conn| conn.made_us);
        if made_us.is_some_and(|made_us| [from, to].iter().any(|node| self.nodes[*node].up_since_us > made_us)) {
            self.drop_connection(from, to);
        }
        if let Some(epoch) = self.net.connect(self.now_us, from, to) {
            self.note("connected", from, || format!("to {to} as {epoch}"));
            let (from_id, to_id) = (self.id(from), self.id(to));
            self.input(from, Input::PeerUp(to_id));
            self.input(to, Input::PeerUp(from_id));
        }
    }

    fn frame_arrives(&mut self, from: usize, to: usize, frame: lavina_gossip::frame::Frame) {
        let bytes = postcard::to_stdvec(&frame).unwrap_or_default();
        self.trace.note(self.now_us, &bytes, || format!("frame {to}: from {from}, {}", frame_words(&frame)));
        let peer = self.id(from);
        self.input(to, Input::Frame(peer, frame));
    }

    // Timers and disks.

    fn on_node_timeout(&mut self, node: usize, start: u64, at_us: u64) {
        if self.nodes[node].start == start && self.nodes[node].timeout_us == at_us {
            self.nodes[node].timeout_us = u64::MAX;
            self.input(node, Input::Timeout);
        }
    }

    fn on_session_timeout(&mut self, node: usize, number: u64) {
        let now = self.nodes[node].now(self.now_us);
        if let Some(link) = self.nodes[node].links.get_mut(&number) {
            if link.timeout_us.is_some_and(|at_us| at_us <= now.mono_us) {
                link.timeout_us = None;
                link.session.handle_timeout(now);
            }
        }
        self.pump(node);
    }

    fn on_commit_due(&mut self, node: usize, start: u64) {
        let current = self.nodes[node].start == start;
        let disk = &mut self.nodes[node].disk;
        if !current || !disk.committing.is_empty() || disk.waiting.is_empty() {
            return;
        }
        disk.committing = std::mem::take(&mut disk.waiting);
        let took_us = COMMIT_US + self.rng.random_range(0..COMMIT_US) + disk.slow_ms * 1000;
        self.queue.push(self.now_us + took_us, Pending::Committed(node, start));
    }

    fn on_committed(&mut self, node: usize, start: u64) {
        if self.nodes[node].start != start {
            return;
        }
        if let Some(answer) = self.nodes[node].finish_commit() {
            self.note("disk", node, || format!("{answer:?}"));
            self.input(node, answer);
        }
        self.queue.push(self.now_us, Pending::CommitDue(node, start));
    }

    // Clients.

    fn on_connect(&mut self, client: usize) {
        if self.clients[client].connection != 0 {
            return;
        }
        let node = self.clients[client].plan.node;
        if self.nodes[node].core.is_none() {
            self.queue.push(self.now_us + RECONNECT_US, Pending::Connect(client));
            return;
        }
        let number = self.next_connection;
        self.next_connection += 1;
        let now = self.nodes[node].now(self.now_us);
        let connection =
            Connection { host: format!("host{client}.cloak"), tls: None, starttls: false, seed: self.rng.random() };
        let config = Arc::clone(&self.nodes[node].sessions);
        let session = match self.clients[client].plan.speaks {
            Speaks::Irc => Session::irc(now, config, connection),
            Speaks::Xmpp => Session::xmpp(now, config, connection),
        };
        let link = Link { session, client, timeout_us: None, arrives_us: 0 };
        self.nodes[node].links.insert(number, link);
        self.note("connect", client, || format!("to node {node} as {number}"));
        let meta = lavina_core::node::SessionMeta { host: format!("host{client}.cloak"), secure: false };
        self.input(node, Input::SessionOpened(number, meta));
        let first = self.clients[client].connect(number);
        self.send_to_node(client, first.into_bytes());
    }

    /// Sends bytes to the client's node in chunks of any size.
    fn send_to_node(&mut self, client: usize, bytes: Vec<u8>) {
        let number = self.clients[client].connection;
        let mut bytes = Bytes::from(bytes);
        let at_us = self.now_us + CLIENT_DELAY_US;
        while !bytes.is_empty() {
            let chunk = if self.rng.random_bool(0.8) { bytes.len() } else { self.rng.random_range(1..=bytes.len()) };
            self.queue.push(at_us, Pending::ToNode(client, number, bytes.split_to(chunk)));
        }
    }

    fn on_bytes_to_node(&mut self, client: usize, number: u64, bytes: &[u8]) {
        let node = self.clients[client].plan.node;
        let now = self.nodes[node].now(self.now_us);
        self.trace
            .note(self.now_us, bytes, || format!("client {client}: > {}", String::from_utf8_lossy(bytes).trim_end()));
        if let Some(link) = self.nodes[node].links.get_mut(&number) {
            link.session.handle_bytes(now, bytes);
            self.pump(node);
        }
    }

    fn on_bytes_to_client(&mut self, client: usize, number: u64, bytes: &[u8]) {
        if self.clients[client].connection != number {
            return;
        }
        self.trace
            .note(self.now_us, bytes, || format!("client {client}: < {}", String::from_utf8_lossy(bytes).trim_end()));
        let reply = self.clients[client].receive(self.now_us, bytes, &self.plan);
        if !reply.is_empty() {
            self.send_to_node(client, reply.into_bytes());
        }
    }

    fn on_hangup(&mut self, client: usize, number: u64) {
        if self.clients[client].connection != number {
            return;
        }
        let node = self.clients[client].plan.node;
        let node_lives = self.nodes[node].core.is_some() && self.nodes[node].up_since_us + RECONNECT_US < self.now_us;
        if node_lives {
            self.clients[client].thrown_out.push(number);
        }
        self.note("hangup", client, || number.to_string());
        self.clients[client].disconnected(self.now_us);
        self.queue.push(self.now_us + RECONNECT_US, Pending::Connect(client));
    }

    fn on_step(&mut self, client: usize, step: usize) {
        if !self.clients[client].ready {
            return;
        }
        let action = self.clients[client].plan.script[step].action.clone();
        *self.happened.entry(action.name()).or_default() += 1;
        let (room, other) = action.indices();
        let room_name = room.map(|room| self.plan.rooms[room].name.clone()).unwrap_or_default();
        let other_nick = other.map(|other| match action {
            Action::Tell(_) => self.clients[other].plan.nick.clone(),
            _ => self.clients[other].nick.clone(),
        });
        let other_nick = other_nick.unwrap_or_default();
        let text = self.clients[client].fresh_text(client);
        let bytes = match &action {
            Action::Say(_) | Action::Tell(_) => self.say(client, &action, room, &room_name, &other_nick, text),
            Action::Ban(_) | Action::Unban(_) => self.clients[client].wire.act(&action, &room_name, "", "odd"),
            Action::BanForGood(_) => {
                let client = &mut self.clients[client];
                let bytes = client.wire.act(&action, &room_name, "", &text);
                let wire_mask = client.wire.mask(&text);
                client.bans_asked.insert((room_name, wire_mask), (room.unwrap_or(0), text));
                bytes
            }
            Action::Topic(_)
            | Action::Op(..)
            | Action::Deop(..)
            | Action::Kick(..)
            | Action::Part(_)
            | Action::Join(_)
            | Action::Nick(_) => self.clients[client].wire.act(&action, &room_name, &other_nick, &text),
        };
        self.send_to_node(client, bytes.into_bytes());
    }

    fn say(
        &mut self,
        client: usize,
        action: &Action,
        room: Option<usize>,
        room_name: &str,
        other: &str,
        text: String,
    ) -> String {
        let node = &self.nodes[self.clients[client].plan.node];
        let healthy = !node.disk.full && node.disk.slow_ms <= 1 && node.core.is_some();
        let inside = self.clients[client].inside.contains_key(room_name);
        let sent = Sent {
            room,
            at_us: self.now_us,
            connection: self.clients[client].connection,
            acked: None,
            expected: healthy && inside && room.is_some(),
            given_up_us: None,
        };
        let client = &mut self.clients[client];
        let bytes = client.wire.act(action, room_name, other, &text);
        client.sent.insert(text, sent);
        bytes
    }

    // The shell around a core: carries outputs out until nothing more comes.

    fn pump(&mut self, index: usize) {
        loop {
            let moved = self.pump_core(index) | self.pump_sessions(index);
            if !moved {
                break;
            }
        }
    }

    fn pump_core(&mut self, index: usize) -> bool {
        let mut moved = false;
        while let Some(output) = self.nodes[index].core.as_mut().and_then(lavina_core::node::Node::poll_output) {
            moved = true;
            self.on_output(index, output);
        }
        moved
    }

    fn on_output(&mut self, index: usize, output: Output) {
        let now = self.nodes[index].now(self.now_us);
        match output {
            Output::Deliver(numbers, event) => {
                let node = &mut self.nodes[index];
                for number in numbers {
                    if let Some(link) = node.links.get_mut(&number) {
                        link.session.handle_event(now, &event, &mut node.renders);
                    }
                }
            }
            Output::Answer(number, id, answer) => {
                if number == probe::PROBE {
                    self.probe_answer = Some(answer);
                } else if let Some(link) = self.nodes[index].links.get_mut(&number) {
                    link.session.handle_answer(now, id, answer);
                }
            }
            Output::Disconnect(number, _) => self.close(index, number),
            Output::Persist(batch) => self.on_persist(index, batch),
            Output::Send(peer, _, frame) => {
                let to = self.by_id[&peer];
                if let Some((at_us, epoch)) = self.net.schedule(self.now_us, index, to, &mut self.rng) {
                    self.queue.push(at_us, Pending::Frame(index, to, epoch, Box::new(frame)));
                }
            }
            Output::Datagram(peer, bytes) => {
                let to = self.by_id[&peer];
                if self.net.conn(index, to).is_some() && !self.net.loses(&mut self.rng) {
                    let at_us = self.now_us + self.net.delay_us(index, to, &mut self.rng);
                    self.queue.push(at_us, Pending::Datagram(index, to, bytes));
                }
            }
            Output::Dial(peer, _) => {
                let to = self.by_id[&peer];
                let at_us = self.now_us + 2 * self.net.delay_us(index, to, &mut self.rng);
                self.queue.push(at_us, Pending::Dialled(index, to));
            }
            Output::Timeout(at_us) => {
                let at_us = at_us.max(self.now_us + 1);
                if self.nodes[index].timeout_us != at_us {
                    self.nodes[index].timeout_us = at_us;
                    self.queue.push(at_us, Pending::NodeTimeout(index, self.nodes[index].start, at_us));
                }
            }
            Output::Hangup(peer, reason) => {
                self.note("core hangs up", index, || reason);
                let to = self.by_id[&peer];
                self.drop_connection(index, to);
            }
            Output::Admitted(_) | Output::AdminAnswer(..) => {}
        }
    }

    fn on_persist(&mut self, index: usize, batch: lavina_core::store::Batch) {
        let urgent = batch.urgent;
        let node = &mut self.nodes[index];
        node.disk.waiting.push(batch);
        let at_us = self.now_us + if urgent { 0 } else { COALESCE_US };
        self.queue.push(at_us, Pending::CommitDue(index, node.start));
    }

    fn pump_sessions(&mut self, index: usize) -> bool {
        let mut moved = false;
        let numbers: Vec<u64> = self.nodes[index].links.keys().copied().collect();
        for number in numbers {
            while let Some(output) =
                self.nodes[index].links.get_mut(&number).and_then(|link| link.session.poll_output())
            {
                moved = true;
                self.on_session_output(index, number, output);
            }
            self.arm_session(index, number);
        }
        moved
    }

    fn on_session_output(&mut self, index: usize, number: u64, output: session::Output) {
        match output {
            session::Output::Command(id, command) => {
                let now_us = self.now_us;
                self.nodes[index].input(now_us, Input::Command(number, id, command));
                self.pump_core(index);
            }
            session::Output::Send(bytes) => {
                let at_us = self.now_us + CLIENT_DELAY_US;
                if let Some(link) = self.nodes[index].links.get_mut(&number) {
                    link.arrives_us = at_us;
                    self.queue.push(at_us, Pending::ToClient(link.client, number, bytes));
                }
            }
            session::Output::StartTls => {}
            session::Output::Close => self.close(index, number),
        }
    }

    fn close(&mut self, index: usize, number: u64) {
        if let Some(link) = self.nodes[index].links.remove(&number) {
            let at_us = self.now_us.max(link.arrives_us) + CLIENT_DELAY_US;
            self.queue.push(at_us, Pending::Hangup(link.client, number));
            let now_us = self.now_us;
            self.nodes[index].input(now_us, Input::SessionClosed(number, "Connection closed".to_owned()));
        }
    }

    fn arm_session(&mut self, index: usize, number: u64) {
        if let Some(link) = self.nodes[index].links.get_mut(&number) {
            let next = link.session.next_timeout();
            if next != link.timeout_us {
                link.timeout_us = next;
                if let Some(at_us) = next {
                    self.queue.push(at_us.max(self.now_us + 1), Pending::SessionTimeout(index, number));
                }
            }
        }
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

fn sim_node(
    key: ed25519_dalek::SigningKey,
    admission: &Admission,
    bootstrap: &[Admission],
    mesh: &MeshIdentity,
    clock_offset_ms: i64,
    epoch: u64,
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
        flood: Flood::NONE,
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
        up_since_us: 0,
    }
}

fn frame_words(frame: &lavina_gossip::frame::Frame) -> String {
    let mut words = format!("{frame:?}");
    if let Some((end, _)) = words.char_indices().nth(120) {
        words.truncate(end);
    }
    words
}
