//! L12, availability, in runs without faults: a line is shown everywhere within the links' delay, a commit and one relay. Only this sees a
//! relay that is left out when sync, or a second copy, comes to the rescue later.

use super::Rest;
use crate::world::World;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    world.late.clone()
}
