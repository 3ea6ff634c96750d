//! Faults of whole nodes.

use crate::plan::NodeFault;
use crate::world::queue::Pending;
use crate::world::{CLIENT_DELAY_US, World, net};
use lavina_core::store::Store;
use lavina_crdt::ids::{NodeId, Scope};
use lavina_crdt::names::RoomName;
use lavina_gossip::rendezvous;
use rand::Rng;

/// Time between a kill and the start after it, microseconds.
pub(super) const RESTART_US: u64 = 500_000;
/// Longest life of a node in a crash loop, microseconds.
const LIFE_US: u64 = 400_000;
/// How long a gateway that died is down, microseconds.
const GATEWAY_DOWN_US: u64 = 3_000_000;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

impl World {
    pub(in crate::world) fn on_node_fault(&mut self, fault: &NodeFault) {
        match *fault {
            NodeFault::Crash(node) => self.crash(node),
            NodeFault::Restart(node) => self.start(node),
            NodeFault::CrashLoop(node, times) => self.crash_loop(node, times),
            NodeFault::KillInStart(node, us) => self.kill_in_start(node, us),
            NodeFault::Pause(node, ms) => self.pause(node, ms),
            NodeFault::GatewayDies(node) => {
                if let Some(gateway) = self.gateway_of(node) {
                    self.crash(gateway);
                    self.queue.push(self.now_us + GATEWAY_DOWN_US, Pending::Boot(gateway));
                }
            }
            NodeFault::GatewayIsolated(node) => {
                if let Some(gateway) = self.gateway_of(node) {
                    self.net.paths.isolate(gateway);
                    self.links_changed();
                }
            }
            NodeFault::Revoke(node, by) => self.revoke(node, by),
            NodeFault::Rejoin(node, by) => self.rejoin(node, by),
            NodeFault::Drain(node, by) => self.set_draining(node, by, true),
            NodeFault::Undrain(node, by) => self.set_draining(node, by, false),
            NodeFault::Away(node, days) => {
                self.crash(node);
                let ms = i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(DAY_MS);
                for node in &mut self.nodes {
                    node.clock_offset_ms = node.clock_offset_ms.saturating_add(ms);
                }
            }
            NodeFault::AllDown => (0..self.nodes.len()).for_each(|node| self.crash(node)),
            NodeFault::ForgetBootstrap(node) => self.forget_bootstrap(node),
            NodeFault::Upgrade(node) => self.change_release(node, true),
            NodeFault::Rollback(node) => self.change_release(node, false),
        }
    }

    pub(in crate::world) fn crash(&mut self, index: usize) {
        if self.nodes[index].core.is_none() {
            return;
        }
        let links: Vec<(usize, u64)> =
            self.nodes[index].links.iter().map(|(number, link)| (link.client, *number)).collect();
        self.book.on_up(self.now_us, index, false);
        self.book.on_pause(self.now_us, index, false);
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

    fn crash_loop(&mut self, node: usize, times: u64) {
        self.crash(node);
        let mut at_us = self.now_us;
        for _ in 0..times {
            at_us += RESTART_US;
            self.queue.push(at_us, Pending::Boot(node));
            at_us += self.rng.random_range(0..LIFE_US);
            self.queue.push(at_us, Pending::Kill(node));
        }
        self.queue.push(at_us + RESTART_US, Pending::Boot(node));
    }

    fn kill_in_start(&mut self, node: usize, us: u64) {
        self.crash(node);
        let start_us = self.now_us + RESTART_US;
        self.queue.push(start_us, Pending::Boot(node));
        self.queue.push(start_us + us, Pending::Kill(node));
        self.queue.push(start_us + us + RESTART_US, Pending::Boot(node));
    }

    /// The gateway of another region for what a node writes in the busiest room.
    fn gateway_of(&self, node: usize) -> Option<usize> {
        let count = |room: &usize| self.plan.clients.iter().filter(|client| client.rooms.contains(room)).count();
        let busiest = (0..self.plan.rooms.len()).max_by_key(count)?;
        let scope = Scope::Room(RoomName::new(&self.plan.rooms[busiest].name).ok()?);
        let own = &self.plan.nodes[node].region;
        let region = self.plan.nodes.iter().map(|node| &node.region).find(|region| *region != own)?;
        let live = |index: &usize| {
            let reached = self.are_connected(node, *index);
            self.plan.nodes[*index].region == *region && self.nodes[*index].core.is_some() && reached
        };
        let candidates: Vec<NodeId> = (0..self.nodes.len()).filter(live).map(|index| self.id(index)).collect();
        let origin = self.nodes[node].store.origin().origin();
        rendezvous::gateway(&scope, origin, &candidates).and_then(|gateway| self.by_id.get(&gateway).copied())
    }

    /// Starts a node with no list of nodes but what its disk remembers; with the list when the disk does not remember all.
    fn forget_bootstrap(&mut self, node: usize) {
        self.crash(node);
        let remembered = self.vectors(node).get(&Scope::Mesh).map_or(0, |vector| vector.iter().count());
        let started = self.nodes.iter().filter(|node| node.start > 0).count();
        if remembered >= started {
            self.nodes[node].config.bootstrap.clear();
        }
        self.queue.push(self.now_us + RESTART_US, Pending::Boot(node));
    }
}
