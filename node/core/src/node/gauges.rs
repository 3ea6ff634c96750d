//! How full the node's bounded tables are, those of gossip among them.

use super::Node;
use crate::store::Store;
use lavina_gossip::gauges::Gauge;

impl<S: Store> Node<S> {
    /// All bounded tables of the node: cheap enough to be asked for after every input.
    #[must_use]
    pub fn gauges(&self) -> Vec<Gauge> {
        let mut gauges = self.gossip.gauges();
        gauges.push(self.sessions.gauge());
        gauges.push(self.invites.gauge());
        gauges.push(self.farewells.gauge());
        gauges.push(self.gone.gauge());
        gauges.push(self.knocks.gauge());
        gauges.push(self.underway.gauge());
        gauges.push(self.replicas.gauge());
        gauges
    }
}
