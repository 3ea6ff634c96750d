//! Faults of links.

use crate::plan::NetFault;
use crate::world::World;
use crate::world::net;
use crate::world::queue::Pending;

impl World {
    pub(super) fn on_net_fault(&mut self, fault: NetFault) {
        let paths = &mut self.net.paths;
        match fault {
            NetFault::Partition(groups) => paths.partition(&groups),
            NetFault::PartitionToo(groups) => paths.partition_too(&groups),
            NetFault::CutOneWay(from, to) => paths.cut_one_way(from, to),
            NetFault::CutLink(one, other) => {
                paths.cut_one_way(one, other);
                paths.cut_one_way(other, one);
            }
            NetFault::HealLink(one, other) => paths.heal_link(one, other),
            NetFault::HealLinks => paths.heal(),
            NetFault::Loss(permille) => paths.set_loss(permille),
            NetFault::Bursts(gap, length) => paths.set_bursts(gap, length),
            NetFault::Duplicate(permille) => paths.set_duplicates(permille),
            NetFault::Reorder(permille) => paths.set_reorder(permille),
            NetFault::Slow(factor) => paths.set_slow(factor),
            NetFault::Rate(one, other, kbps) => paths.set_rate(one, other, kbps),
            NetFault::Clog(one, other, ms) => paths.clog(one, other, self.now_us + ms * 1000),
            NetFault::Mtu(one, other, bytes) => paths.set_mtu(one, other, bytes),
            NetFault::Rebind(node) => self.nodes[node].moves = self.nodes[node].moves.wrapping_add(1),
        }
        self.links_changed();
    }

    pub(in crate::world) fn links_changed(&mut self) {
        self.book.on_links(self.now_us, |from, to| self.net.paths.passes(from, to));
        for (from, to, frames) in self.net.release() {
            for frame in frames {
                self.frame_arrives(from, to, frame);
            }
        }
        for (one, other, epoch) in self.net.connections() {
            if !self.net.paths.passes_both(one, other) {
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
        if same && (dead || !self.net.paths.passes_both(one, other)) {
            self.drop_connection(one, other);
        }
    }
}
