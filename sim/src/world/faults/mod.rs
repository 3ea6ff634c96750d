//! What breaks, and what that does at once: a file a family.

mod client;
mod clock;
mod disk;
mod net;
mod node;
mod peer;
mod release;
mod revoke;

use super::queue::Pending;
use super::{LOOK_US, World};
use crate::plan::FaultKind;
use lavina_core::node::Input;

impl World {
    pub(super) fn on_fault(&mut self, index: usize) {
        let kind = self.plan.faults[index].kind.clone();
        *self.happened.entry(kind.name()).or_default() += 1;
        self.book.on_fault(self.now_us, &kind);
        self.note("fault", index, || format!("{kind:?}"));
        match kind {
            FaultKind::Net(fault) => self.on_net_fault(fault),
            FaultKind::Disk(fault) => self.on_disk_fault(&fault),
            FaultKind::Node(fault) => self.on_node_fault(&fault),
            FaultKind::Clock(fault) => self.on_clock_fault(&fault),
            FaultKind::Client(fault) => self.on_client_fault(&fault),
            FaultKind::Peer(fault) => self.on_peer_fault(&fault),
        }
        self.check_gauges("after a fault");
    }

    /// Nothing under way at a node is expected in time from here on.
    pub(super) fn give_up_at(&mut self, node: usize) {
        let now_us = self.now_us;
        let clients = &self.clients;
        for join in self.joins.iter_mut().filter(|join| join.done_us.is_none() && clients[join.client].home == node) {
            join.done_us = Some(now_us);
        }
        for client in self.clients.iter_mut().filter(|client| client.home == node) {
            client.give_up(now_us);
        }
    }

    pub(super) fn on_heal(&mut self) {
        self.note("heal", 0, String::new);
        let healed = self.healed();
        self.net.paths.reset_among(&healed);
        self.hear_again();
        for index in healed {
            self.nodes[index].disk.set_full(false);
            self.nodes[index].disk.slow_ms = 0;
            self.resume(index);
            // Who runs it looks at its disk and starts it anew, whether the node has noticed by then or not.
            if self.nodes[index].disk.ailing {
                self.nodes[index].disk.mend();
                self.crash(index);
            }
            self.start(index);
        }
        self.admit_again();
        for adversary in self.nodes.iter_mut().filter_map(|node| node.adversary.as_mut()) {
            adversary.invent_no_more();
        }
        self.links_changed();
        self.queue.push(self.now_us + LOOK_US, Pending::Look);
    }

    pub(super) fn drop_connection(&mut self, one: usize, other: usize) {
        if self.net.disconnect(one, other) {
            self.book.on_connection(self.now_us, one, other, false);
            self.note("disconnected", one, || format!("and {other}"));
            let (one_id, other_id) = (self.id(one), self.id(other));
            self.input(one, Input::PeerDown(other_id));
            self.input(other, Input::PeerDown(one_id));
        }
    }
}
