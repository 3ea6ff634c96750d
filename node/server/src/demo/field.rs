//! The nodes and the ways between them.

use super::news::{AccountListing, LinkView};
use super::node;
use crate::demo::speaker::Speaker;
use crate::identity::random;
use crate::local::{self, LocalNode};
use anyhow::{Context, Result, bail};
use lavina_core::node::{AdminCommand, Status};
use lavina_crdt::names::AccountName;
use lavina_protocols::sasl::derive_credentials;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The regions and how long a packet takes between them, one way, milliseconds: about Frankfurt, Virginia, Singapore.
const WAYS: [(&str, &str, u64); 3] = [("eu", "us", 40), ("us", "ap", 70), ("eu", "ap", 110)];
/// One node each.
const REGIONS: [&str; 3] = ["eu", "us", "ap"];
/// Accounts for trying.
const ACCOUNTS: [&str; 2] = ["alice", "bob"];
/// Letters of made passwords: none that look like others.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The way between two regions.
struct Way {
    ends: (&'static str, &'static str),
    usual: Duration,
    delay: Duration,
    cut: bool,
}

/// Everything.
pub(super) struct Field {
    /// The nodes, one a region.
    pub(super) nodes: Vec<LocalNode>,
    ways: Vec<Way>,
    speakers: BTreeMap<String, Speaker>,
    directory: PathBuf,
}

impl Drop for Field {
    fn drop(&mut self) {
        // What is left of a demo harms nobody.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Field {
    /// Makes a mesh of three nodes that do not run yet.
    pub(super) fn new() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("lavina-demo-{:016x}", crate::identity::random_u64()));
        let plans = (0..).zip(REGIONS).map(|(step, region)| node::plan(step, region)).collect::<Result<_>>()?;
        let nodes = local::found("Demo", plans, &directory)?;
        let ways = WAYS.map(|(a, b, ms)| {
            let usual = Duration::from_millis(ms);
            Way { ends: (a, b), usual, delay: usual, cut: false }
        });
        let field = Self { nodes, ways: ways.into(), speakers: BTreeMap::new(), directory };
        field.set_ways();
        Ok(field)
    }

    /// Starts all nodes.
    pub(super) fn start_all(&mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(LocalNode::start)
    }

    /// Makes the emulated ways what they are to be.
    fn set_ways(&self) {
        for way in &self.ways {
            for (from, to) in [(way.ends.0, way.ends.1), (way.ends.1, way.ends.0)] {
                for source in self.nodes.iter().filter(|node| node.region == from) {
                    for target in self.nodes.iter().filter(|node| node.region == to) {
                        source.wan.set_delay(target.mesh, way.delay);
                        if way.cut { source.wan.cut(target.mesh) } else { source.wan.heal(target.mesh) }
                    }
                }
            }
        }
    }

    fn region<'a>(&self, name: &'a str) -> Result<&'a str> {
        if REGIONS.contains(&name) {
            Ok(name)
        } else {
            bail!("there is no region {name}; there are {}", REGIONS.join(", "))
        }
    }

    fn node(&mut self, name: &str) -> Result<&mut LocalNode> {
        let names: Vec<String> = self.nodes.iter().map(|node| node.name.clone()).collect();
        let found = self.nodes.iter_mut().find(|node| node.name == name);
        found.with_context(|| format!("there is no node {name}; there are {}", names.join(", ")))
    }

    /// Cuts the way between two regions, or all ways from one.
    pub(super) fn cut(&mut self, regions: &[String]) -> Result<()> {
        for region in regions {
            self.region(region)?;
        }
        let within = |end: &str| regions.iter().any(|region| region == end);
        for way in &mut self.ways {
            let ends = usize::from(within(way.ends.0)) + usize::from(within(way.ends.1));
            way.cut |= ends == regions.len();
        }
        self.set_ways();
        Ok(())
    }

    /// Opens all ways.
    pub(super) fn heal(&mut self) {
        for way in &mut self.ways {
            way.cut = false;
            way.delay = way.usual;
        }
        self.set_ways();
    }

    /// Makes a way longer.
    pub(super) fn lag(&mut self, from: &str, to: &str, delay: Duration) -> Result<()> {
        let (from, to) = (self.region(from)?, self.region(to)?);
        let way = self.ways.iter_mut().find(|way| way.ends == (from, to) || way.ends == (to, from));
        way.context("name two different regions")?.delay = delay;
        self.set_ways();
        Ok(())
    }

    /// Ends a node where it stands.
    pub(super) async fn kill(&mut self, name: &str) -> Result<()> {
        self.speakers.remove(name);
        let running = self.node(name)?.running.take();
        running.with_context(|| format!("{name} does not run"))?.kill().await;
        Ok(())
    }

    /// Starts a node again.
    pub(super) fn start(&mut self, name: &str) -> Result<()> {
        let node = self.node(name)?;
        if node.running.is_some() {
            bail!("{name} runs already");
        }
        node.start()
    }

    /// Says something in the lobby through a node.
    pub(super) async fn say(&mut self, name: &str, text: &str) -> Result<()> {
        let node = self.node(name)?;
        if node.running.is_none() {
            bail!("{name} does not run");
        }
        let address = node.irc().context("the node takes no IRC clients")?;
        let nick = format!("demo-{}", node.region);
        if !self.speakers.get(name).is_some_and(Speaker::is_open) {
            self.speakers.insert(name.to_owned(), Speaker::connect(address, &nick).await?);
        }
        match self.speakers.get_mut(name) {
            Some(speaker) => speaker.say(text).await,
            None => Ok(()),
        }
    }

    /// Whether something keeps nodes apart.
    pub(super) fn is_disturbed(&self) -> bool {
        self.ways.iter().any(|way| way.cut) || self.nodes.iter().any(|node| node.running.is_none())
    }

    /// The ways as they are.
    pub(super) fn links(&self) -> Vec<LinkView> {
        let links = self.ways.iter().map(|way| LinkView {
            between: (way.ends.0.to_owned(), way.ends.1.to_owned()),
            one_way_ms: crate::shell::clock::micros(way.delay) / 1000,
            cut: way.cut,
        });
        links.collect()
    }

    /// What each node says of itself.
    pub(super) async fn statuses(&self) -> BTreeMap<String, Option<Status>> {
        let mut statuses = BTreeMap::new();
        for node in &self.nodes {
            statuses.insert(node.name.clone(), node.status().await);
        }
        statuses
    }

    /// Waits until all nodes are connected and hold the same.
    pub(super) async fn wait_until_whole(&self, wait: Duration) -> Result<()> {
        let until = Instant::now() + wait;
        loop {
            let statuses = self.statuses().await;
            let others = self.nodes.len() - 1;
            let connected = statuses.values().flatten().all(|status| {
                status.peers.iter().filter(|(_, peer)| peer.connected && peer.in_reach).count() == others
            });
            let digests: BTreeSet<&str> = statuses.values().flatten().map(|status| status.digest.as_str()).collect();
            if connected && digests.len() == 1 {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("the nodes do not find one another");
            }
            tokio::time::sleep(super::WATCH_PERIOD).await;
        }
    }

    /// Registers the accounts for trying.
    pub(super) async fn make_accounts(&self) -> Result<Vec<AccountListing>> {
        let node = self.nodes.first().and_then(|node| node.running.as_ref()).context("the first node does not run")?;
        let mut accounts = Vec::new();
        for name in ACCOUNTS {
            let password: String = random::<8>()
                .iter()
                .filter_map(|byte| LETTERS.get(usize::from(byte & 31)))
                .map(|byte| char::from(*byte))
                .collect();
            let command = AdminCommand::AccountAdd(AccountName::new(name)?, derive_credentials(&password, random())?);
            node.ask(command).await.context("the first node has ended")??;
            accounts.push(AccountListing { name: name.to_owned(), password });
        }
        Ok(accounts)
    }

    /// Ends all nodes.
    pub(super) async fn stop(mut self) {
        for node in &mut self.nodes {
            if let Some(running) = node.running.take() {
                running.stop().await;
            }
        }
    }
}
