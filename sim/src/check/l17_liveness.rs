//! L17, sync liveness: no gap between two connected nodes stays open for more than two sync rounds while bytes flow and disks take writes.

use super::Rest;
use crate::world::World;

/// Two rounds of the slow timer, and as long again as a sample may be late at either end, microseconds.
const WITHIN_US: u64 = 2 * 3_000_000 + 2 * 1_500_000;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    world.watch.longest.iter().filter(|(open_us, _)| *open_us > WITHIN_US).map(|(_, what)| what.clone()).collect()
}
