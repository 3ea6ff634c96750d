//! Faults of wall clocks.

use crate::plan::ClockFault;
use crate::world::World;

impl World {
    pub(super) fn on_clock_fault(&mut self, fault: &ClockFault) {
        match *fault {
            ClockFault::Step(node, ms) => {
                self.look_at_clocks();
                let offset_ms = &mut self.nodes[node].clock_offset_ms;
                *offset_ms = offset_ms.saturating_add(ms);
            }
        }
    }
}
