//! Nodes that are not honest any more.

use crate::adversary::Adversary;
use crate::plan::PeerFault;
use crate::world::World;

impl World {
    pub(super) fn on_peer_fault(&mut self, fault: &PeerFault) {
        let node = &mut self.nodes[fault.node()];
        let key = node.config.key.clone();
        node.adversary.get_or_insert_with(|| Box::new(Adversary::new(key))).learn(fault);
    }
}
