//! What breaks, and what that does at once.

use super::World;
use super::net;
use super::node::Disk;
use super::queue::Pending;
use super::{CLIENT_DELAY_US, LOOK_US};
use crate::plan::FaultKind;
use lavina_core::node::Input;

impl World {
    pub(super) fn on_fault(&mut self, index: usize) {
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

    pub(super) fn give_up_at(&mut self, node: usize) {
        let now_us = self.now_us;
        for client in self.clients.iter_mut().filter(|client| client.plan.node == node) {
            client.give_up(now_us);
        }
    }

    pub(super) fn on_heal(&mut self) {
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

    pub(super) fn crash(&mut self, index: usize) {
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

    pub(super) fn links_changed(&mut self) {
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

    pub(super) fn on_idle_check(&mut self, one: usize, other: usize, epoch: u64, since_us: u64) {
        let same = self.net.conn(one, other).is_some_and(|conn| conn.epoch == epoch);
        let dead = [one, other]
            .iter()
            .any(|node| self.nodes[*node].core.is_none() || self.nodes[*node].up_since_us > since_us);
        if same && (dead || !self.net.passes_both(one, other)) {
            self.drop_connection(one, other);
        }
    }

    pub(super) fn drop_connection(&mut self, one: usize, other: usize) {
        if self.net.disconnect(one, other) {
            self.note("disconnected", one, || format!("and {other}"));
            let (one_id, other_id) = (self.id(one), self.id(other));
            self.input(one, Input::PeerDown(other_id));
            self.input(other, Input::PeerDown(one_id));
        }
    }
}
