//! Faults of wall clocks.

use super::{Draw, Kind};
use crate::plan::{ClockFault, Fault, FaultKind};
use rand::Rng;
use rand::rngs::SmallRng;

pub(super) const KINDS: &[Kind] = &[step];

/// A jump that stays within what peers take (`Limits::drift_ms_max`), there and back.
fn step(rng: &mut SmallRng, draw: &Draw<'_>) -> Vec<Fault> {
    let node = draw.node(rng);
    let ms = rng.random_range(-10_000..10_000);
    draw.between(FaultKind::Clock(ClockFault::Step(node, ms)), FaultKind::Clock(ClockFault::Step(node, -ms)))
}
