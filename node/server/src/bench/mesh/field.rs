//! The nodes that are measured: in this process, with real stores in a folder that goes away with them and emulated ways between them.

use crate::config::Listen;
use crate::local::{self, LocalNode, Plan};
use anyhow::{Context, Result, bail};
use lavina_core::node::Status;
use lavina_crdt::mesh::Place;
use lavina_protocols::session::Flood;
use lavina_quic::Kinds;
use lavina_quic::wan::Traffic;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Longest wait for nodes to find one another, or to hold the same.
const WAIT: Duration = Duration::from_secs(120);
/// Between two looks at a node.
const LOOK_PERIOD: Duration = Duration::from_millis(2);
/// For how long equal nodes must have stayed equal and quiet before something is measured.
const QUIET: Duration = Duration::from_secs(3);

/// The nodes.
pub(super) struct Field {
    nodes: Vec<LocalNode>,
    runtime: Runtime,
    directory: PathBuf,
}

impl Drop for Field {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(running) = node.running.take() {
                self.runtime.block_on(running.kill());
            }
        }
        // What is left of a measurement harms nobody.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A number of those that a node tells of itself.
pub(super) fn counter(status: &Status, name: &str) -> Result<u64> {
    let found = status.counters.iter().find(|(counter, _)| *counter == name);
    Ok(found.with_context(|| format!("a node does not count {name}"))?.1)
}

impl Field {
    /// Starts `nodes` nodes in each of `regions` regions, `one_way` apart, and waits until they are connected.
    pub(super) fn start(regions: usize, nodes: usize, one_way: Duration) -> Result<Self> {
        Self::placed(regions, nodes, one_way, None)
    }

    /// The same with rooms that live on so many nodes.
    pub(super) fn placed(
        regions: usize,
        nodes: usize,
        one_way: Duration,
        replicas: Option<NonZeroUsize>,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let directory = std::env::temp_dir().join(format!("lavina-bench-{:016x}", crate::identity::random_u64()));
        let mut plans = Vec::new();
        for region in 0..regions {
            for node in 0..nodes {
                plans.push(Plan {
                    name: format!("r{region}-{node}"),
                    place: Place { region: format!("r{region}"), zone: format!("z{node}") },
                    listen: Listen { irc: vec![local::free_port(0)?.into()], ..Listen::default() },
                    flood: Flood::NONE,
                });
            }
        }
        let nodes = local::found("Bench", plans, &directory)?;
        let mut field = Self { nodes, runtime, directory };
        for (from, to) in field.pairs() {
            if field.node(from)?.region != field.node(to)?.region {
                field.node(from)?.wan.set_delay(field.node(to)?.mesh, one_way);
            }
        }
        field.nodes.iter_mut().for_each(|node| node.config.replicas = replicas);
        field.nodes.iter_mut().try_for_each(LocalNode::start)?;
        field.wait_until_equal()?;
        Ok(field)
    }

    fn node(&self, index: usize) -> Result<&LocalNode> {
        self.nodes.get(index).context("there is no such node")
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let all = 0..self.nodes.len();
        all.clone().flat_map(|from| all.clone().filter(move |to| *to != from).map(move |to| (from, to))).collect()
    }

    /// Where a node takes IRC clients.
    pub(super) fn irc(&self, index: usize) -> Result<SocketAddr> {
        self.node(index)?.irc().context("the node takes no IRC clients")
    }

    /// The folder of a node.
    pub(super) fn folder(&self, index: usize) -> Result<PathBuf> {
        Ok(self.node(index)?.config.data.clone())
    }

    /// What a node says of itself.
    pub(super) fn status(&self, index: usize) -> Result<Status> {
        self.runtime.block_on(self.node(index)?.status()).context("a node does not run")
    }

    /// What all nodes say of themselves.
    pub(super) fn statuses(&self) -> Result<Vec<Status>> {
        (0..self.len()).map(|index| self.status(index)).collect()
    }

    /// What a node has sent so far, by kind.
    pub(super) fn sent(&self, index: usize) -> Result<Kinds> {
        let running = self.node(index)?.running.as_ref().context("a node does not run")?;
        Ok(running.passed().sent)
    }

    /// The sum of a counter over all nodes.
    pub(super) fn sum(&self, name: &str) -> Result<u64> {
        self.statuses()?.iter().map(|status| counter(status, name)).sum()
    }

    /// Limits what passes between all nodes of different regions, bytes a second; for the time from now on.
    pub(super) fn set_rate(&self, bytes_per_second: Option<u64>) -> Result<()> {
        for (from, to) in self.pairs() {
            self.node(from)?.wan.set_rate(self.node(to)?.mesh, bytes_per_second);
        }
        Ok(())
    }

    /// Cuts all ways, or opens them.
    pub(super) fn set_cut(&self, cut: bool) -> Result<()> {
        for (from, to) in self.pairs() {
            let (wan, to) = (&self.node(from)?.wan, self.node(to)?.mesh);
            if cut { wan.cut(to) } else { wan.heal(to) }
        }
        Ok(())
    }

    /// What has left one node for another since it was last asked.
    pub(super) fn take_traffic(&self, from: usize, to: usize) -> Result<Traffic> {
        Ok(self.node(from)?.wan.take_traffic(self.node(to)?.mesh))
    }

    /// What has left all nodes since it was last asked.
    pub(super) fn take_all_traffic(&self) -> Result<Traffic> {
        let mut all = Traffic::default();
        for (from, to) in self.pairs() {
            let traffic = self.take_traffic(from, to)?;
            all.bytes += traffic.bytes;
            all.packets += traffic.packets;
            all.lost += traffic.lost;
        }
        Ok(all)
    }

    /// Waits until something is so, and says how long it took.
    pub(super) fn wait_until(&self, what: &str, mut so: impl FnMut(&Self) -> Result<bool>) -> Result<Duration> {
        let started = Instant::now();
        while !so(self)? {
            if started.elapsed() > WAIT {
                bail!("waited {} s in vain until {what}", WAIT.as_secs());
            }
            std::thread::sleep(LOOK_PERIOD);
        }
        Ok(started.elapsed())
    }

    /// Whether a node is connected to all others.
    pub(super) fn is_connected(&self, index: usize) -> Result<bool> {
        let others = self.len() - 1;
        Ok(self.status(index)?.peers.iter().filter(|(_, peer)| peer.connected).count() == others)
    }

    /// Waits until all nodes are connected, hold the same and go on doing so.
    pub(super) fn wait_until_equal(&self) -> Result<()> {
        let mut since = Instant::now();
        let mut before = Vec::new();
        self.wait_until("all nodes are equal", |field| {
            let statuses = field.statuses()?;
            let others = field.len() - 1;
            let whole = |status: &Status| {
                status.peers.iter().filter(|(_, peer)| peer.connected && peer.in_reach).count() == others
            };
            let digests: Vec<String> = statuses.iter().map(|status| status.digest.clone()).collect();
            let equal = statuses.iter().all(whole) && digests.iter().all(|digest| digests.first() == Some(digest));
            if !equal || digests != before {
                since = Instant::now();
                before = digests;
            }
            std::thread::sleep(QUIET / 20);
            Ok(since.elapsed() >= QUIET)
        })?;
        Ok(())
    }

    /// Ends a node gently.
    pub(super) fn stop(&mut self, index: usize) -> Result<()> {
        let node = self.nodes.get_mut(index).context("there is no such node")?;
        if let Some(running) = node.running.take() {
            self.runtime.block_on(running.stop());
        }
        Ok(())
    }
}
