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
pub(crate) mod cloak;
pub(crate) mod clock;
mod core;
pub(crate) mod discovery;
mod disk;
pub(crate) mod inbox;
pub(crate) mod limits;
pub(crate) mod listen;
pub(crate) mod mesh;
pub(crate) mod metrics;
mod push;
mod reload;
mod roster;
mod sockets;
mod start;
mod threads;
mod tokens;
mod writer;

pub(crate) use disk::open_store;

use crate::config::Config;
use crate::identity::Identity;
use crate::worker::Order;
use anyhow::Result;
use inbox::{Inbound, Inbox};
use lavina_core::node::{AdminCommand, AdminReply, Status};
use lavina_protocols::command::Refusal;
use lavina_protocols::session::Flood;
use lavina_quic::wan::Wan;
use lavina_quic::{Counters, Endpoint};
use std::sync::{Arc, Weak};
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
    endpoint: Weak<Endpoint>,
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
        start::start(setup)
    }

    /// Asks how the node is; `None` when the core is gone.
    pub(crate) async fn status(&self) -> Option<Status> {
        match ask(&self.inbox, AdminCommand::Status).await? {
            Ok(AdminReply::Status(status)) => Some(*status),
            Ok(AdminReply::Done | AdminReply::FenceRows(_) | AdminReply::Invitations(_)) | Err(_) => None,
        }
    }

    /// What the data plane has counted; nothing once it has ended.
    pub(crate) fn passed(&self) -> Counters {
        self.endpoint.upgrade().map(|endpoint| endpoint.counters()).unwrap_or_default()
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
        let Self { inbox, workers, writer, stop, mut threads, endpoint: _ } = self;
        drop(workers);
        let _ = stop.send(how);
        threads.join("worker");
        threads.join("links");
        inbox.stop();
        threads.join("core");
        writer.stop(how == Stop::AtOnce);
        threads.join("writer");
        threads.join_all();
    }
}
