//! Faults of disks.

use crate::plan::DiskFault;
use crate::world::World;
use crate::world::disk::{Disk, WRITES_MAX};
use rand::Rng;

impl World {
    pub(super) fn on_disk_fault(&mut self, fault: &DiskFault) {
        let seed: u64 = self.rng.random();
        match *fault {
            DiskFault::Full(node) => self.disk_trouble(node, |disk| disk.set_full(true)),
            DiskFault::Freed(node) => self.disk_trouble(node, |disk| disk.set_full(false)),
            DiskFault::Slow(node, ms) => self.disk_trouble(node, |disk| disk.slow_ms = ms),
            DiskFault::ReadError(node) => self.disk_trouble(node, Disk::fail_reads),
            DiskFault::SyncError(node) => self.disk_trouble(node, |disk| disk.fail_sync(seed)),
            DiskFault::BitRot(node, bits) => self.disk_trouble(node, |disk| disk.rot(seed, bits)),
            DiskFault::Truncate(node, part) => self.disk_trouble(node, |disk| disk.truncate(part)),
            DiskFault::Mended(node) => self.mend(node),
            DiskFault::Loss(node) => self.replace_disk(node, |disk| disk.lose(seed)),
            DiskFault::Backup(node) => self.nodes[node].disk.back_up(),
            DiskFault::OldBackup(node) => self.replace_disk(node, |disk| disk.restore(seed)),
            DiskFault::PowerLoss(node) => self.lose_power(node, seed),
        }
    }

    fn disk_trouble(&mut self, node: usize, change: impl FnOnce(&mut Disk)) {
        self.nodes[node].disk.trouble_us = self.now_us;
        change(&mut self.nodes[node].disk);
        self.give_up_at(node);
    }

    /// The disk works again, and the node is started anew: it trusts nothing that it had from a disk that failed.
    fn mend(&mut self, node: usize) {
        if self.nodes[node].disk.ailing {
            self.nodes[node].disk.mend();
            self.restart(node);
        }
    }

    /// The node is killed, another disk takes the place of its own; it starts when it is started.
    fn replace_disk(&mut self, node: usize, change: impl FnOnce(&mut Disk)) {
        self.crash(node);
        let disk = &mut self.nodes[node].disk;
        change(disk);
        disk.mend();
    }

    fn lose_power(&mut self, node: usize, seed: u64) {
        if self.nodes[node].core.is_some() {
            let writes = self.rng.random_range(0..WRITES_MAX);
            let node = &mut self.nodes[node];
            node.disk.lose_power(&node.store, writes, seed);
        }
        self.crash(node);
    }

    /// The node is killed and started again; one that was revoked stays down until it joins anew.
    pub(in crate::world) fn restart(&mut self, node: usize) {
        self.crash(node);
        self.nodes[node].disk.trouble_us = self.now_us;
        self.start(node);
    }
}
