//! One simulated node: the real core, the real protocol sessions, a disk. What a real shell does with sockets, files and timers,
//! done with the event queue.

use super::disk::{Disk, SimStore};
use super::pause::Backlog;
use crate::plan::Release;
use crate::wire::Station;
use lavina_core::node::{Input, Node, NodeConfig};
use lavina_core::store::{Commit, Recovered, StoreError};
use lavina_crdt::clock::Now;
use lavina_protocols::render::Renders;
use lavina_protocols::session::{Session, SessionConfig};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
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

/// A node of the simulated mesh.
#[derive(Debug)]
pub(crate) struct SimNode {
    /// The machine; `None` while the node is down.
    pub(crate) core: Option<Node<SimStore>>,
    /// What the core reads and its writer writes.
    pub(crate) store: SimStore,
    pub(crate) disk: Disk,
    pub(crate) config: NodeConfig,
    pub(crate) sessions: SessionConfigs,
    /// Connections by session number.
    pub(crate) links: BTreeMap<u64, Link>,
    pub(crate) renders: Renders,
    /// Connections whose session was handed something since it was last asked for outputs.
    pub(crate) dirty: Vec<u64>,
    /// Counts starts.
    pub(crate) start: u64,
    /// When the core asked to be woken.
    pub(crate) timeout_us: u64,
    /// Added to the wall clock.
    pub(crate) clock_offset_ms: i64,
    /// Since when it gains, microseconds, and how many millionths.
    pub(crate) clock_drift: (u64, i64),
    /// The lying shell, once it is not honest.
    pub(crate) adversary: Option<Box<crate::adversary::Adversary>>,
    /// When it last came up.
    pub(crate) up_since_us: u64,
    /// Its data plane at level L2, while it is up.
    pub(crate) station: Option<Station>,
    /// When that asked to be woken.
    pub(crate) station_us: Option<u64>,
    /// Whether what it has is being carried out.
    pub(crate) serving: bool,
    /// How often its address has changed.
    pub(crate) moves: u16,
    /// Since when it stands still, microseconds.
    pub(crate) paused_us: Option<u64>,
    /// When it last went on after standing still.
    pub(crate) resumed_us: u64,
    /// What has come for it since then.
    pub(crate) backlog: Backlog,
    /// Thrown out of the mesh and not back yet.
    pub(crate) revoked: bool,
    /// To be emptied, as its operators have it.
    pub(crate) draining: bool,
    /// Which version of the node it runs.
    pub(crate) release: Release,
    /// How many home replicas a room has, where the version knows of that.
    pub(crate) replicas: Option<NonZeroUsize>,
}

/// The configuration all sessions of a node share.
pub(crate) type SessionConfigs = Arc<SessionConfig>;

/// Wall clock at the beginning of every run: an arbitrary day.
const EPOCH_MS: u64 = 1_800_000_000_000;

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
    /// Starts the core over what the disk holds; a damaged store is set aside, as every shell does.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn boot(&mut self, now_us: u64, seed: u64) -> Result<Option<StoreError>, StoreError> {
        self.start += 1;
        self.up_since_us = now_us;
        self.timeout_us = u64::MAX;
        self.config.limits.replicas = self.replicas.filter(|_| self.release.places_rooms());
        let (now, config) = (self.now(now_us), &self.config);
        let Recovered { opened: (store, mut node), damage } =
            self.disk.open(seed, |store| Ok((store.clone(), Node::open(config.clone(), store, now, seed)?)))?;
        node.understand(self.release.vocabulary());
        self.store = store;
        self.core = Some(node);
        Ok(damage)
    }

    /// Kills it: what was not committed is gone.
    pub(crate) fn kill(&mut self) {
        // First of all, so that nothing is written by what ends here.
        self.disk.kill();
        self.core = None;
        self.store = SimStore::Closed(self.disk.node());
        self.station = None;
        self.station_us = None;
        self.links.clear();
        self.dirty.clear();
        self.paused_us = None;
        self.backlog = Backlog::default();
    }

    /// A connection, to hand its session something: whoever does that gets it from here, so that its outputs are asked for.
    pub(crate) fn touch(&mut self, number: u64) -> Option<&mut Link> {
        let link = self.links.get_mut(&number)?;
        self.dirty.push(number);
        Some(link)
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
        let done = if self.disk.refuses() { Err(StoreError::Full) } else { self.store.commit(&batches) };
        Some(match done {
            Ok(()) => {
                self.disk.holds(&batches);
                Input::Persisted(last)
            }
            Err(error) => {
                self.disk.waiting.clear();
                Input::PersistFailed(first, error)
            }
        })
    }
}
