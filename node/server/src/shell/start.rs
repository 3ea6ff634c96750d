//! Starts a node: from its files to its threads.

use super::clock::Clock;
use super::core::CoreThread;
use super::discovery::Finder;
use super::inbox::{Inbound, Inbox};
use super::listen::Door;
use super::mesh::{Mesh, Outlet, Reception};
use super::metrics::Metrics;
use super::push::{self, Pusher, Vapid};
use super::sockets::{open_endpoint, open_sockets, serve_front};
use super::threads::Threads;
use super::writer::WriteQueue;
use super::{Running, Setup, Stop, disk, limits, reload, writer};
use crate::admin::{Admin, Parts};
use crate::config::Config;
use crate::federation::{self, Call, Lists};
use crate::identity::{DataDir, Identity, id_of};
use crate::ticket::Book;
use crate::worker::{ORDERS_MAX, Order, Resumptions, TlsCell, Worker, number};
use anyhow::{Context, Result};
use lavina_core::node::{AdminCommand, Limits, Node, NodeConfig, SessionNumber};
use lavina_core::paces::Pace;
use lavina_core::store::redb::RedbStore;
use lavina_crdt::mesh::{Admission, Verdict};
use lavina_crdt::seals::Seals;
use lavina_protocols::session::Flood;
use lavina_protocols::xmpp::s2s::Federation;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};

/// A day.
const DAY_MS: u64 = 86_400_000;

/// What all parts share.
struct Base {
    config: Config,
    identity: Identity,
    data: DataDir,
    clock: Clock,
    inbox: Arc<Inbox>,
    metrics: Arc<Metrics>,
    /// Whether clients are held to a pace.
    is_paced: bool,
}

/// Starts a node.
pub(super) fn start(setup: Setup) -> Result<Running> {
    let base = Base {
        data: DataDir::new(&setup.config.data),
        config: setup.config,
        identity: setup.identity,
        clock: Clock::start(),
        inbox: Arc::default(),
        metrics: Arc::default(),
        is_paced: setup.flood != Flood::NONE,
    };
    let (calls, called) = federation::calls();
    let calls = base.config.listen.is_abroad().then_some(calls);
    let mut sockets = open_sockets(&base.config, &base.identity, &base.data, (base.clock, setup.flood), calls)?;
    let mesh_runtime = runtime()?;
    let (endpoint, events) = {
        let _inside = mesh_runtime.enter();
        open_endpoint(&base.config, &base.identity, setup.wan)?
    };
    let finder = {
        let _inside = mesh_runtime.enter();
        Finder::start(&base.config, &base.identity, &endpoint)?
    };
    let endpoint = Arc::new(endpoint);
    let first_start = !base.data.store().exists();
    let (store, node) = disk::open(&base.data, &base.node_config(), base.clock)?;
    let reception = Arc::new(base.reception(&store)?);
    let (stop, stopped) = watch::channel(Stop::No);

    let mut threads = Threads::default();
    let workers = start_workers(&base, &mut threads, setup.workers)?;
    let door = base.door(&workers);
    let (lists, lists_changed) = watch::channel(Lists::of(&base.config.servers));
    let workers = match sockets.take_links() {
        Some(links) => start_links(&base, &mut threads, workers, links, (called, lists_changed))?,
        None => workers,
    };
    let (outlet, orders) = Outlet::new();
    let (reload, wishes) = mpsc::channel(reload::WISHES_MAX);
    let push = start_push(&base, &mut threads, stopped.clone())?;
    let writer = start_core(&base, &mut threads, (store, node), &workers, (outlet, reload, push))?;
    announce(&base, &reception, first_start)?;
    let (answer, _unheard) = oneshot::channel();
    base.inbox.push(Inbound::Admin(AdminCommand::ClientsAt(base.config.xmpp_advertise.clone()), answer));
    let mesh = Mesh {
        endpoint: Arc::clone(&endpoint),
        inbox: Arc::clone(&base.inbox),
        metrics: Arc::clone(&base.metrics),
        reception: Arc::clone(&reception),
        finder,
    };
    let mesh_stopped = stopped.clone();
    threads.spawn("mesh", move || mesh_runtime.block_on(mesh.run(events, orders, mesh_stopped)))?;

    let watched = Arc::downgrade(&endpoint);
    let parts = Parts { inbox: Arc::clone(&base.inbox), endpoint, reception, metrics: Arc::clone(&base.metrics) };
    let admin = Admin::new(&base.config, &base.identity, &base.data, parts)?;
    let reloader = reload::Reloader {
        config: base.config.clone(),
        data: base.data.clone(),
        tls: sockets.tls(),
        inbox: Arc::clone(&base.inbox),
        lists,
        wishes,
    };
    let front_runtime = runtime()?;
    threads.spawn("front", move || front_runtime.block_on(serve_front(sockets, door, admin, reloader, stopped)))?;
    Ok(Running { inbox: base.inbox, workers, writer, stop, threads, endpoint: watched })
}

impl Base {
    fn reception(&self, store: &RedbStore) -> Result<Reception> {
        Ok(Reception {
            book: Book::load(&self.data)?,
            root: self.identity.root.clone(),
            mesh: self.identity.mesh.clone(),
            domain: self.config.domain.clone(),
            network: self.config.network.clone(),
            registration: self.config.registration,
            bootstrap: self.identity.admissions.clone(),
            store: store.clone(),
            inbox: Arc::clone(&self.inbox),
        })
    }

    fn door(&self, workers: &[mpsc::Sender<Order>]) -> Door {
        Door {
            workers: workers.to_vec(),
            turn: Arc::default(),
            addresses: limits::Addresses::new(self.config.connections_per_address),
            proxies: self.config.proxy_from.clone(),
            relays: self.config.relays(),
            metrics: Arc::clone(&self.metrics),
        }
    }

    fn node_config(&self) -> NodeConfig {
        NodeConfig {
            key: self.identity.key.clone(),
            name: self.config.name.clone(),
            place: self.config.place.clone(),
            addresses: self.config.advertise.clone(),
            mesh: self.identity.mesh.clone(),
            bootstrap: self.identity.admissions.clone(),
            operators: self.config.operators.clone(),
            limits: Limits {
                always_on: self.config.always_on,
                invitations: self.config.invitations,
                replicas: self.config.replicas,
                room_lapse_ms: self.config.room_days.map(|days| u64::from(days.get()) * DAY_MS),
                pace: if self.is_paced { Pace::DEFAULT } else { Pace::NONE },
                ..Limits::default()
            },
            seals: Seals::default(),
        }
    }
}

fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot make a runtime")
}

/// Starts who sends push messages, where they are to be sent.
fn start_push(
    base: &Base,
    threads: &mut Threads,
    stopped: watch::Receiver<Stop>,
) -> Result<Option<mpsc::Sender<push::Order>>> {
    if !base.config.web_push {
        return Ok(None);
    }
    let vapid = Vapid::new(&base.identity.mesh.id)?;
    let (inbox, metrics) = (Arc::clone(&base.inbox), Arc::clone(&base.metrics));
    let pusher = Pusher::new(vapid, &base.config.domain, base.config.host_name(), inbox, metrics)?;
    let ((sender, orders), runtime) = (mpsc::channel(push::QUEUE_MAX), runtime()?);
    threads.spawn("push", move || runtime.block_on(pusher.run(orders, stopped)))?;
    Ok(Some(sender))
}

/// Starts the core and its writer.
fn start_core(
    base: &Base,
    threads: &mut Threads,
    (store, node): (RedbStore, Node<RedbStore>),
    workers: &[mpsc::Sender<Order>],
    (peers, reload, push): (Outlet, mpsc::Sender<SessionNumber>, Option<mpsc::Sender<push::Order>>),
) -> Result<Arc<WriteQueue>> {
    let queue = Arc::new(WriteQueue::default());
    let core = CoreThread {
        node,
        clock: base.clock,
        inbox: Arc::clone(&base.inbox),
        writer: Arc::clone(&queue),
        workers: workers.to_vec(),
        peers,
        reload,
        push,
        metrics: Arc::clone(&base.metrics),
    };
    threads.spawn("core", move || core.run())?;
    let (writer, inbox, metrics) = (Arc::clone(&queue), Arc::clone(&base.inbox), Arc::clone(&base.metrics));
    let data = base.data.clone();
    threads.spawn_fallible("writer", move || {
        let well = writer::run(&writer, &store, &inbox, &metrics);
        if !well {
            disk::doubt(&data);
        }
        well
    })?;
    Ok(queue)
}

fn start_workers(base: &Base, threads: &mut Threads, count: Option<usize>) -> Result<Vec<mpsc::Sender<Order>>> {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let count = count.unwrap_or_else(cores).clamp(1, number::WORKERS_MAX - 1);
    let (workers, orders): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::channel(ORDERS_MAX)).unzip();
    let resumptions = Arc::<Resumptions>::default();
    for (index, orders) in orders.into_iter().enumerate() {
        let worker = Worker {
            index,
            clock: base.clock,
            inbox: Arc::clone(&base.inbox),
            metrics: Arc::clone(&base.metrics),
            resumptions: Arc::clone(&resumptions),
            peers: workers.iter().map(mpsc::Sender::downgrade).collect(),
        };
        threads.spawn("worker", move || {
            if let Err(error) = worker.run(orders) {
                tracing::error!(%error, "a worker cannot run");
            }
        })?;
    }
    Ok(workers)
}

/// Starts what serves other servers and components, as one more worker to the core.
fn start_links(
    base: &Base,
    threads: &mut Threads,
    mut workers: Vec<mpsc::Sender<Order>>,
    (federation, tls): (Federation, Arc<TlsCell>),
    (calls, lists): (mpsc::Receiver<Call>, watch::Receiver<Lists>),
) -> Result<Vec<mpsc::Sender<Order>>> {
    let (worker, orders) = mpsc::channel(ORDERS_MAX);
    let thread = federation::Thread {
        index: workers.len(),
        clock: base.clock,
        inbox: Arc::clone(&base.inbox),
        metrics: Arc::clone(&base.metrics),
        federation,
        lists,
        servers: base.config.servers.clone(),
        certificate: base.config.certificate.clone().unwrap_or_else(|| base.data.certificate()),
        tls,
    };
    threads.spawn_fallible("links", move || {
        let ended = thread.run(orders, calls);
        if let Err(error) = &ended {
            tracing::error!("links to other servers: {error:#}");
        }
        ended.is_ok()
    })?;
    workers.push(worker);
    Ok(workers)
}

/// Tells the mesh where this node is, when it is new or has moved.
fn announce(base: &Base, reception: &Reception, first_start: bool) -> Result<()> {
    let Base { config, identity, inbox, .. } = base;
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
