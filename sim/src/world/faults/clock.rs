//! Faults of wall clocks.

use crate::plan::ClockFault;
use crate::world::World;

impl World {
    pub(super) fn on_clock_fault(&mut self, fault: &ClockFault) {
        match *fault {
            ClockFault::Step(node, ms) => {
                let offset_ms = &mut self.nodes[node].clock_offset_ms;
                *offset_ms = offset_ms.saturating_add(ms);
            }
            ClockFault::Drift(node, ppm) => {
                let now_us = self.now_us;
                let node = &mut self.nodes[node];
                node.clock_offset_ms = node.offset_ms(now_us);
                node.clock_drift = (now_us, ppm);
            }
        }
    }
}
