//! Faults of whole nodes.

use crate::plan::NodeFault;
use crate::world::queue::Pending;
use crate::world::{CLIENT_DELAY_US, World, net};

impl World {
    pub(super) fn on_node_fault(&mut self, fault: &NodeFault) {
        match *fault {
            NodeFault::Crash(node) => self.crash(node),
            NodeFault::Restart(node) => {
                if self.nodes[node].core.is_none() {
                    self.boot(node);
                }
            }
        }
    }

    pub(in crate::world) fn crash(&mut self, index: usize) {
        if self.nodes[index].core.is_none() {
            return;
        }
        let links: Vec<(usize, u64)> =
            self.nodes[index].links.iter().map(|(number, link)| (link.client, *number)).collect();
        self.book.on_up(self.now_us, index, false);
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
}
