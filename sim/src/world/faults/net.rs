//! Faults of links.

use crate::plan::NetFault;
use crate::world::World;
use crate::world::net;
use crate::world::queue::Pending;

impl World {
    pub(super) fn on_net_fault(&mut self, fault: NetFault) {
        match fault {
            NetFault::Partition(groups) => self.net.partition(&groups),
            NetFault::CutOneWay(from, to) => self.net.cut_one_way(from, to),
            NetFault::HealLinks => self.net.heal(),
            NetFault::Loss(permille) => self.net.set_loss(permille),
            NetFault::Slow(factor) => self.net.set_slow(factor),
        }
        self.links_changed();
    }

    pub(in crate::world) fn links_changed(&mut self) {
        self.book.on_links(self.now_us, |from, to| self.net.passes(from, to));
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

    pub(in crate::world) fn on_idle_check(&mut self, one: usize, other: usize, epoch: u64, since_us: u64) {
        let same = self.net.conn(one, other).is_some_and(|conn| conn.epoch == epoch);
        let dead = [one, other].iter().map(|node| &self.nodes[*node]).any(|node| {
            let still = node.paused_us.is_some_and(|paused_us| paused_us <= since_us);
            node.core.is_none() || node.up_since_us > since_us || still
        });
        if same && (dead || !self.net.passes_both(one, other)) {
            self.drop_connection(one, other);
        }
    }
}
