//! A node becomes another version: the program is stopped, replaced, and started over what its disk holds.

use super::node::RESTART_US;
use crate::plan::{Release, release};
use crate::world::World;
use crate::world::queue::Pending;

impl World {
    /// Makes a node the next version, or the one before; not where that would not speak with another that runs.
    pub(super) fn change_release(&mut self, node: usize, upgrade: bool) {
        let releases: Vec<Release> = self.nodes.iter().map(|node| node.release).collect();
        let Ok(to) = release::changed(&releases, node, upgrade) else { return };
        self.crash(node);
        self.nodes[node].release = to;
        // What has never run yet starts when the plan says so.
        if self.nodes[node].start > 0 {
            self.queue.push(self.now_us + RESTART_US, Pending::Boot(node));
        }
    }
}
