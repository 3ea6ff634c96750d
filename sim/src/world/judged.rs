//! Whom checkers look at: the part of the mesh that was healed, and the clients that were never anywhere else; and what may be expected of
//! a node at a moment.

use super::{CLIENT_DELAY_US, COMMIT_US, DISK_RECOVERY_US, Join, World};
use crate::plan::Class;

/// How long after it went on a node that had stood still may be busy with what had come, microseconds.
const RESUMED_US: u64 = 1_000_000;
/// How long a node must be up for the mesh to have found together, microseconds.
const SETTLED_US: u64 = 5_000_000;
/// What a line may take beyond the links and the disks: rounds of the event loop, microseconds.
const SLACK_US: u64 = 5_000;

impl World {
    /// The nodes that are healed when the faults end.
    pub(crate) fn healed(&self) -> Vec<usize> {
        if self.plan.class == Class::Core && !self.plan.core.is_empty() {
            self.plan.core.clone()
        } else {
            (0..self.nodes.len()).collect()
        }
    }

    /// The nodes that must hold what the invariants say: healed, in the mesh, and honest.
    pub(crate) fn judged(&self) -> Vec<usize> {
        self.healed().into_iter().filter(|node| !self.nodes[*node].revoked && !self.plan.lies(*node)).collect()
    }

    /// Whether a client was only ever connected to judged nodes, so that what it was promised is theirs to keep.
    pub(crate) fn is_judged_client(&self, client: usize) -> bool {
        let judged = self.judged();
        self.homes[client].iter().chain([&self.clients[client].node]).all(|home| judged.contains(home))
    }

    /// The clients to which something is promised at any time: those that were never at a node that lies.
    pub(crate) fn counted(&self) -> Vec<usize> {
        let homes = |client: usize| self.homes[client].iter().chain([&self.clients[client].node]);
        (0..self.clients.len()).filter(|client| !homes(*client).any(|home| self.plan.lies(*home))).collect()
    }

    /// Whether a node runs and its disk takes writes, and did so for a while; not at a first start that has not heard the time yet.
    pub(crate) fn is_healthy(&self, node: usize) -> bool {
        let node = &self.nodes[node];
        if !node.core.as_ref().is_some_and(lavina_core::node::Node::is_serving) {
            return false;
        }
        let calm = node.disk.trouble_us == 0 || self.now_us > node.disk.trouble_us + DISK_RECOVERY_US;
        let awake = node.paused_us.is_none() && (node.resumed_us == 0 || self.now_us > node.resumed_us + RESUMED_US);
        calm && awake && !node.disk.full && !node.disk.ailing && node.disk.slow_ms <= 1
    }

    /// Whether nothing is broken at the moment: all nodes are honest, healthy, up and connected for a while, over calm links on which nothing is late
    /// that was lost before. Where links always lose much it never is: what is lost makes a gateway's answer late, and nobody promises one copy then.
    pub(super) fn is_whole(&self) -> bool {
        let count = self.nodes.len();
        let settled = |node: usize| {
            self.nodes[node].adversary.is_none()
                && self.is_healthy(node)
                && self.nodes[node].up_since_us + SETTLED_US < self.now_us
        };
        let connected = |one: usize| {
            let linked = |other: usize| self.are_connected(one, other) && self.net.paths.passes_both(one, other);
            (one + 1..count).all(linked)
        };
        let calm = || self.net.paths.is_calm(self.now_us) && !self.net.paths.are_lossy();
        self.book.linked_us + SETTLED_US < self.now_us
            && calm()
            && (0..count).all(|node| settled(node) && connected(node))
            && !self.net.is_stalled(self.now_us)
    }

    /// A client asks to enter a room; an answer in time is expected when its node is healthy and no flood of its own is before it.
    pub(super) fn ask_to_join(&mut self, client: usize, room: &str) {
        let asks = &self.clients[client];
        if self.is_healthy(asks.home) && !asks.flooded && !asks.inside.contains_key(room) {
            let (at_us, connection) = (self.now_us, asks.connection);
            self.joins_open[client].push(self.joins.len());
            self.joins.push(Join { client, room: room.to_owned(), at_us, connection, done_us: None });
        }
    }

    /// A client has heard something: perhaps that it is inside, or that it may not be.
    pub(super) fn look_at_joins(&mut self, client: usize) {
        let heard = &self.clients[client];
        let met = |what: &str| heard.met.get(what).copied().unwrap_or(0);
        // That a node cannot serve says nothing of whether the client may enter.
        let refused = met("refused") - met("unserved");
        let is_new = refused > self.refusals[client];
        self.refusals[client] = refused;
        self.joins_open[client].retain(|join| {
            let join = &mut self.joins[*join];
            let over = join.connection != heard.connection;
            let is_done = over || is_new || heard.inside.contains_key(&join.room);
            if is_done {
                // Who left while the room was being fetched had no answer to wait for.
                let left = over && self.plan.replicas.is_some();
                join.done_us.get_or_insert(if left { join.at_us } else { self.now_us });
            }
            !is_done
        });
    }

    /// In a run without faults: who was there sees a line within what links and disks take.
    pub(super) fn look_at_delays(&mut self, client: usize, before: usize) {
        if self.plan.class != Class::Fair {
            return;
        }
        for seen in &self.clients[client].seen[before..] {
            let sender = seen.text.strip_prefix('c').and_then(|rest| rest.split('-').next()?.parse::<usize>().ok());
            let Some(sender) = sender.filter(|sender| *sender < self.clients.len()) else { continue };
            let Some(sent) = self.clients[sender].sent.get(&seen.text) else { continue };
            let there = match &seen.room {
                Some(room) => self.clients[client].inside.get(room).copied(),
                None => self.clients[client].ready.then_some(self.clients[client].ready_us),
            };
            // Where rooms are placed a line goes to whoever is known to be there.
            let known_us = SLACK_US + self.known_us();
            if there.is_none_or(|since_us| since_us + known_us > sent.at_us) {
                continue;
            }
            let took_us = self.now_us - sent.at_us;
            let (from, to) = (self.clients[sender].home, self.clients[client].home);
            let bound_us = self.delivery_us(from, to);
            if took_us > bound_us {
                self.late.push(format!(
                    "{} at node {to} was shown {} from node {from} after {took_us} us, and links and disks take {bound_us} us",
                    self.clients[client].nick, seen.text
                ));
            }
        }
    }

    /// How long a line takes at most from a client of one node to a client of another: to the node and into its disk behind another commit, over
    /// the link to the region and within it, and out behind what the receiver itself waits for.
    fn delivery_us(&self, from: usize, to: usize) -> u64 {
        let links = &self.plan.links;
        let jitter = |us: u64| us + us * links.jitter_percent / 100;
        let same_region = self.plan.nodes[from].region == self.plan.nodes[to].region;
        let way_us = match (from == to, same_region) {
            (true, _) => 0,
            (false, true) => jitter(links.near_us),
            (false, false) => jitter(links.far_us) + jitter(links.near_us),
        };
        // What is said behind a question for a room waits for it.
        2 * CLIENT_DELAY_US + 8 * COMMIT_US + way_us + SLACK_US + self.fetch_us()
    }
}
