//! One running node: the core's thread, the writer's, the workers', the data plane's and the one that listens.
//!
//! ```text
//!   clients <-> workers <-> core <-> mesh (QUIC) <-> peers
//!                            |
//!                         writer -> store
//! ```
//!
//! **Invariant:** the core may wait for a worker, the writer or the mesh; none of them ever waits for the core.

mod certificate;
mod cloak;
pub(crate) mod clock;
mod core;
pub(crate) mod inbox;
pub(crate) mod limits;
mod listen;
pub(crate) mod mesh;
pub(crate) mod metrics;
mod roster;
mod threads;
mod writer;

use self::core::CoreThread;
use crate::admin::{Admin, Parts};
use crate::config::Config;
use crate::identity::{DataDir, Identity, id_of, random_u64};
use crate::ticket::Book;
use crate::worker::{Listener, ORDERS_MAX, Order, Protocol, Worker, number};
use anyhow::{Context, Result};
use clock::Clock;
use inbox::{Inbound, Inbox};
use lavina_core::node::{AdminCommand, AdminReply, Limits, Node, NodeConfig, Status};
use lavina_core::store::redb::RedbStore;
use lavina_crdt::mesh::{Admission, Verdict};
use lavina_protocols::command::Refusal;
use lavina_protocols::session::{Flood, SessionConfig};
use lavina_quic::wan::Wan;
use lavina_quic::{BindError, Endpoint, EndpointConfig};
use listen::Door;
use mesh::{Mesh, Outlet, Reception};
use metrics::Metrics;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::Duration;
use threads::Threads;
use tokio::sync::{mpsc, oneshot, watch};
use writer::WriteQueue;

/// Longest that stopping waits for the core to end its sessions.
const DRAIN_WAIT: Duration = Duration::from_secs(5);

/// What a node is started from.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Its configuration.
    pub(crate) config: Config,
    /// Who it is.
    pub(crate) identity: Identity,
    /// Emulated delays and cuts.
    pub(crate) wan: Option<Wan>,
    /// How fast one client may ask.
    pub(crate) flood: Flood,
    /// Threads for clients; as many as the machine has cores when `None`.
    pub(crate) workers: Option<usize>,
}

/// A node that runs.
pub(crate) struct Running {
    inbox: Arc<Inbox>,
    workers: Vec<mpsc::Sender<Order>>,
    writer: Arc<WriteQueue>,
    stop: watch::Sender<Stop>,
    threads: Threads,
}

/// How the node is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Not at all.
    No,
    /// With a word to everybody.
    Gently,
    /// Where it stands.
    AtOnce,
}

/// Sockets that clients and operators come to.
struct Sockets {
    clients: Vec<(TcpListener, Arc<Listener>)>,
    admin: Option<TcpListener>,
}

/// Asks the core.
pub(crate) async fn ask(inbox: &Inbox, command: AdminCommand) -> Option<Result<AdminReply, Refusal>> {
    let (answer, answered) = oneshot::channel();
    inbox.push(Inbound::Admin(command, answer));
    answered.await.ok()
}

impl Running {
    /// Starts a node.
    ///
    /// # Errors
    /// When an address cannot be had, or a file is missing or damaged.
    pub(crate) fn start(setup: Setup) -> Result<Self> {
        let Setup { config, identity, wan, flood, workers: worker_count } = setup;
        let data = DataDir::new(&config.data);
        let (clock, metrics, inbox) = (Clock::start(), Arc::new(Metrics::default()), Arc::new(Inbox::default()));
        let sockets = open_sockets(&config, &identity, &data, flood)?;
        let mesh_runtime = runtime()?;
        let (endpoint, events) = {
            let _inside = mesh_runtime.enter();
            open_endpoint(&config, &identity, wan)?
        };
        let endpoint = Arc::new(endpoint);
        let first_start = !data.store().exists();
        let store = open_store(&data, &identity)?;
        let node = Node::open(node_config(&config, &identity), store.clone(), clock.now(), random_u64())
            .with_context(|| format!("cannot start from {}", data.store().display()))?;

        let mut threads = Threads::default();
        let writer = Arc::new(WriteQueue::default());
        let (outlet, orders) = Outlet::new();
        let (stop, stopped) = watch::channel(Stop::No);
        let workers = start_workers(&mut threads, worker_count, clock, &inbox, &metrics)?;
        let core = CoreThread {
            node,
            clock,
            inbox: Arc::clone(&inbox),
            writer: Arc::clone(&writer),
            workers: workers.clone(),
            peers: outlet,
            metrics: Arc::clone(&metrics),
        };
        threads.spawn("core", move || core.run())?;
        {
            let (writer, store, inbox, metrics) =
                (Arc::clone(&writer), store.clone(), Arc::clone(&inbox), Arc::clone(&metrics));
            threads.spawn("writer", move || writer::run(&writer, &store, &inbox, &metrics))?;
        }
        let reception = Arc::new(Reception {
            book: Book::load(&data)?,
            root: identity.root.clone(),
            mesh: identity.mesh.clone(),
            domain: config.domain.clone(),
            network: config.network.clone(),
            registration: config.registration,
            bootstrap: identity.admissions.clone(),
            store,
            inbox: Arc::clone(&inbox),
        });
        announce(&config, &identity, &inbox, &reception, first_start)?;
        let mesh = Mesh {
            endpoint: Arc::clone(&endpoint),
            inbox: Arc::clone(&inbox),
            metrics: Arc::clone(&metrics),
            reception: Arc::clone(&reception),
        };
        let mesh_stopped = stopped.clone();
        threads.spawn("mesh", move || mesh_runtime.block_on(mesh.run(events, orders, mesh_stopped)))?;

        let door = Door {
            workers: workers.clone(),
            turn: Arc::default(),
            addresses: limits::Addresses::default(),
            cloak: cloak::Cloak::new(&identity.mesh.id),
            metrics: Arc::clone(&metrics),
        };
        let parts = Parts { inbox: Arc::clone(&inbox), endpoint, reception, metrics };
        let admin = Admin::new(&config, &identity, &data, parts)?;
        let front_runtime = runtime()?;
        threads.spawn("front", move || front_runtime.block_on(serve_front(sockets, door, admin, stopped)))?;
        Ok(Self { inbox, workers, writer, stop, threads })
    }

    /// Asks how the node is; `None` when the core is gone.
    pub(crate) async fn status(&self) -> Option<Status> {
        match ask(&self.inbox, AdminCommand::Status).await? {
            Ok(AdminReply::Status(status)) => Some(*status),
            Ok(AdminReply::Done) | Err(_) => None,
        }
    }

    /// Asks the core for something else.
    pub(crate) async fn ask(&self, command: AdminCommand) -> Option<Result<AdminReply, Refusal>> {
        ask(&self.inbox, command).await
    }

    /// Waits until a thread dies of a fault of its own, and says which.
    pub(crate) async fn died(&mut self) -> &'static str {
        self.threads.died().await
    }

    /// Ends all sessions with a word, writes what is to be written, closes all connections and ends.
    pub(crate) async fn stop(self) {
        let drained = tokio::time::timeout(DRAIN_WAIT, ask(&self.inbox, AdminCommand::Drain)).await;
        if drained.is_err() {
            tracing::warn!("the core takes too long to end its sessions");
        }
        for worker in &self.workers {
            let _ = worker.send(Order::Stop).await;
        }
        self.end(Stop::Gently);
    }

    /// Ends as if the power had failed: nothing is said, nothing more is written.
    pub(crate) async fn kill(self) {
        self.writer.stop(true);
        for worker in &self.workers {
            let _ = worker.send(Order::Kill).await;
        }
        self.end(Stop::AtOnce);
    }

    fn end(self, how: Stop) {
        let Self { inbox, workers, writer, stop, mut threads } = self;
        drop(workers);
        let _ = stop.send(how);
        threads.join("worker");
        inbox.stop();
        threads.join("core");
        writer.stop(how == Stop::AtOnce);
        threads.join("writer");
        threads.join_all();
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot make a runtime")
}

fn open_sockets(config: &Config, identity: &Identity, data: &DataDir, flood: Flood) -> Result<Sockets> {
    let (certificate, key) = config.certificate.clone().unwrap_or_else(|| data.certificate());
    let listen = &config.listen;
    let wanted = [
        ("irc", listen.irc, Protocol::Irc, false),
        ("irc-tls", listen.irc_tls, Protocol::Irc, true),
        ("xmpp", listen.xmpp, Protocol::Xmpp, false),
        ("xmpp-tls", listen.xmpp_tls, Protocol::Xmpp, true),
    ];
    let mut clients = Vec::new();
    for (name, address, protocol, direct_tls) in wanted {
        let Some(address) = address else { continue };
        let alpn = match protocol {
            Protocol::Irc => "irc",
            Protocol::Xmpp => "xmpp-client",
        };
        let tls = certificate::settings(&certificate, &key, alpn)?;
        let session = Arc::new(session_config(config, identity, address, flood));
        clients.push((listen::bind(name, address)?, Arc::new(Listener { protocol, direct_tls, tls, session })));
    }
    let admin = listen.admin.map(|address| listen::bind("admin", address)).transpose()?;
    Ok(Sockets { clients, admin })
}

fn session_config(config: &Config, identity: &Identity, listener: SocketAddr, flood: Flood) -> SessionConfig {
    SessionConfig {
        rooms_domain: config.rooms_domain(),
        node_name: config.host_name(),
        network: config.network.clone(),
        registration: config.registration,
        // Nobody else reads along on the loopback interface.
        plain_without_tls: listener.ip().is_loopback(),
        started_ms: clock::wall_ms(),
        salt_secret: blake3::derive_key("lavina 1 salt of unknown accounts", &identity.mesh.id),
        flood,
        ..SessionConfig::new(&config.domain)
    }
}

fn open_endpoint(
    config: &Config,
    identity: &Identity,
    wan: Option<Wan>,
) -> Result<(Endpoint, mpsc::Receiver<lavina_quic::Event>)> {
    // Without the key `mesh` a node still dials out.
    let listen = config.listen.mesh.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
    let endpoint = EndpointConfig {
        name: config.name.clone(),
        wan,
        ..EndpointConfig::new(identity.key.clone(), listen, identity.mesh.id, random_u64())
    };
    Endpoint::bind(endpoint).map_err(|error| match error {
        BindError::Socket(address, error) => anyhow::anyhow!("{}", listen::explain_bind("mesh", address, &error)),
        BindError::Tls(error) => error.into(),
    })
}

fn open_store(data: &DataDir, identity: &Identity) -> Result<RedbStore> {
    let path = data.store();
    let opener = {
        let path = path.clone();
        move || -> std::io::Result<Box<dyn redb::StorageBackend>> {
            let mut options = std::fs::OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            let backend = redb::backends::FileBackend::new(file).map_err(std::io::Error::other)?;
            Ok(Box::new(backend))
        }
    };
    RedbStore::open(Box::new(opener), id_of(&identity.key), random_u64())
        .with_context(|| format!("cannot open the store {} (is another node running on it?)", path.display()))
}

fn node_config(config: &Config, identity: &Identity) -> NodeConfig {
    NodeConfig {
        key: identity.key.clone(),
        name: config.name.clone(),
        place: config.place.clone(),
        addresses: config.advertise.clone(),
        mesh: identity.mesh.clone(),
        bootstrap: identity.admissions.clone(),
        limits: Limits::default(),
    }
}

fn start_workers(
    threads: &mut Threads,
    count: Option<usize>,
    clock: Clock,
    inbox: &Arc<Inbox>,
    metrics: &Arc<Metrics>,
) -> Result<Vec<mpsc::Sender<Order>>> {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let count = count.unwrap_or_else(cores).clamp(1, number::WORKERS_MAX);
    let mut workers = Vec::with_capacity(count);
    for index in 0..count {
        let (sender, orders) = mpsc::channel(ORDERS_MAX);
        let worker = Worker { index, clock, inbox: Arc::clone(inbox), metrics: Arc::clone(metrics) };
        threads.spawn("worker", move || {
            if let Err(error) = worker.run(orders) {
                tracing::error!(%error, "a worker cannot run");
            }
        })?;
        workers.push(sender);
    }
    Ok(workers)
}

/// Tells the mesh where this node is, when it is new or has moved.
fn announce(
    config: &Config,
    identity: &Identity,
    inbox: &Inbox,
    reception: &Reception,
    first_start: bool,
) -> Result<()> {
    let me = id_of(&identity.key);
    let known = reception.roster()?.admission(me).cloned();
    let signature = match (&known, &identity.root) {
        (Some(known), _) => known.signature,
        (None, Some(root)) => Verdict::Admit.sign(root, &identity.mesh.id, me),
        // Its admission has not come yet: whoever let it in spreads it.
        (None, None) => return Ok(()),
    };
    let admission = Admission {
        node: me,
        name: config.name.clone(),
        place: config.place.clone(),
        addresses: config.advertise.clone(),
        signature,
    };
    let founder = first_start && identity.root.is_some();
    if founder || known.as_ref() != Some(&admission) {
        let (answer, _unheard) = oneshot::channel();
        inbox.push(Inbound::Admin(AdminCommand::Admit(admission), answer));
    }
    Ok(())
}

/// Accepts clients and operators until told to stop.
async fn serve_front(sockets: Sockets, door: Door, admin: Admin, mut stopped: watch::Receiver<Stop>) {
    let mut tasks = tokio::task::JoinSet::new();
    for (socket, listener) in sockets.clients {
        tasks.spawn(door.clone().accept(socket, listener));
    }
    if let Some(socket) = sockets.admin {
        tasks.spawn(admin.serve(socket));
    }
    // The senders to the workers are to be gone when the tasks are.
    drop(door);
    loop {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop != Stop::No) => return,
            Some(ended) = tasks.join_next() => {
                if let Ok(Err(error)) = ended {
                    tracing::error!(%error, "a listener has ended");
                }
            }
        }
    }
}
