//! One simulated node: the real core, the real protocol sessions, a model disk. What a real shell does with sockets, files and timers,
//! done with the event queue.

use lavina_core::node::{Input, Node, NodeConfig};
use lavina_core::store::memory::MemoryStore;
use lavina_core::store::{Batch, Commit, StoreError};
use lavina_crdt::clock::Now;
use lavina_protocols::render::Renders;
use lavina_protocols::session::{Session, SessionConfig};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One connection at a node.
#[derive(Debug)]
pub(crate) struct Link {
    /// The machine.
    pub(crate) session: Session,
    /// Which client.
    pub(crate) client: usize,
    /// When its timer is set for.
    pub(crate) timeout_us: Option<u64>,
    /// When the last bytes under way to the client arrive: later ones come after.
    pub(crate) arrives_us: u64,
    /// What waits for a client that does not read; `None`: it reads.
    pub(crate) unread: Option<Vec<bytes::Bytes>>,
}

/// The disk's side of a node.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// What waits, oldest first.
    pub(crate) waiting: Vec<Batch>,
    /// What is being committed.
    pub(crate) committing: Vec<Batch>,
    /// Takes no writes.
    pub(crate) full: bool,
    /// Milliseconds a commit takes on top of its usual time.
    pub(crate) slow_ms: u64,
    /// When it was last in trouble, microseconds.
    pub(crate) trouble_us: u64,
}

/// A node of the simulated mesh.
#[derive(Debug)]
pub(crate) struct SimNode {
    /// The machine; `None` while the node is down.
    pub(crate) core: Option<Node<MemoryStore>>,
    /// What survives a crash.
    pub(crate) store: MemoryStore,
    pub(crate) disk: Disk,
    pub(crate) config: NodeConfig,
    pub(crate) sessions: SessionConfigs,
    /// Connections by session number.
    pub(crate) links: BTreeMap<u64, Link>,
    pub(crate) renders: Renders,
    /// Counts starts.
    pub(crate) start: u64,
    /// When the core asked to be woken.
    pub(crate) timeout_us: u64,
    /// Added to the wall clock.
    pub(crate) clock_offset_ms: i64,
    /// Since when it gains, microseconds, and how many millionths.
    pub(crate) clock_drift: (u64, i64),
    /// When it last came up.
    pub(crate) up_since_us: u64,
}

/// The configuration all sessions of a node share.
pub(crate) type SessionConfigs = Arc<SessionConfig>;

/// Wall clock at the beginning of every run: an arbitrary day.
pub(crate) const EPOCH_MS: u64 = 1_800_000_000_000;

/// What a right wall clock shows.
pub(crate) const fn true_ms(now_us: u64) -> u64 {
    EPOCH_MS + now_us / 1000
}

impl SimNode {
    /// The time as this node sees it.
    pub(crate) fn now(&self, now_us: u64) -> Now {
        let wall_ms = true_ms(now_us).saturating_add_signed(self.offset_ms(now_us));
        Now { mono_us: now_us, wall_ms }
    }

    /// How far its wall clock is off.
    pub(crate) fn offset_ms(&self, now_us: u64) -> i64 {
        let (since_us, ppm) = self.clock_drift;
        let passed_ms = i64::try_from(now_us.saturating_sub(since_us) / 1000).unwrap_or(i64::MAX);
        self.clock_offset_ms.saturating_add(passed_ms.saturating_mul(ppm) / 1_000_000)
    }

    /// Starts the core over what the store holds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn boot(&mut self, now_us: u64, seed: u64) -> Result<(), StoreError> {
        self.start += 1;
        self.up_since_us = now_us;
        self.timeout_us = u64::MAX;
        let node = Node::open(self.config.clone(), self.store.clone(), self.now(now_us), seed)?;
        self.core = Some(node);
        Ok(())
    }

    /// Kills it: what was not committed is gone.
    pub(crate) fn kill(&mut self) {
        self.core = None;
        self.disk.waiting.clear();
        self.disk.committing.clear();
        self.links.clear();
    }

    /// Hands an input to the core, when it is up.
    pub(crate) fn input(&mut self, now_us: u64, input: Input) {
        let now = self.now(now_us);
        if let Some(core) = &mut self.core {
            core.handle(now, input);
        }
    }

    /// What the disk does with what it was committing: the answer for the core.
    pub(crate) fn finish_commit(&mut self) -> Option<Input> {
        let batches = std::mem::take(&mut self.disk.committing);
        let first = batches.first()?.id;
        let last = batches.last()?.id;
        if self.disk.full {
            self.disk.waiting.clear();
            return Some(Input::PersistFailed(first, StoreError::Full));
        }
        Some(match self.store.commit(&batches) {
            Ok(()) => Input::Persisted(last),
            Err(error) => Input::PersistFailed(first, error),
        })
    }
}
