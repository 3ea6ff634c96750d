//! Faults of disks.

use crate::plan::DiskFault;
use crate::world::World;
use crate::world::node::Disk;

impl World {
    pub(super) fn on_disk_fault(&mut self, fault: &DiskFault) {
        match *fault {
            DiskFault::Full(node) => self.disk_trouble(node, |disk| disk.full = true),
            DiskFault::Freed(node) => self.disk_trouble(node, |disk| disk.full = false),
            DiskFault::Slow(node, ms) => self.disk_trouble(node, |disk| disk.slow_ms = ms),
        }
    }

    fn disk_trouble(&mut self, node: usize, change: impl FnOnce(&mut Disk)) {
        self.nodes[node].disk.trouble_us = self.now_us;
        change(&mut self.nodes[node].disk);
        self.give_up_at(node);
    }
}
