//! L12, availability, in runs without faults: a line is shown everywhere within the links' delay, a commit and one relay. A relay that is left
//! out shows here although sync brings the line later.

use super::Rest;
use crate::world::World;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    world.late.clone()
}
