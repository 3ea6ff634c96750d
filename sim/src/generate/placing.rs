//! On how many nodes the rooms of a run live. What a seed draws of it leaves everything else that the seed draws as it is, so that a run can be looked at both ways.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::num::NonZeroUsize;

/// Share of the seeds with rooms that not all nodes hold.
const PLACED_SHARE: f64 = 0.4;
/// Share of these with fewer homes than is usual.
const FEW_SHARE: f64 = 0.3;
/// How many homes are usual.
const USUAL: usize = 3;
/// How many are few.
const FEW: usize = 2;

/// On how many nodes rooms live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placing {
    /// Each seed draws it.
    #[default]
    Drawn,
    /// On all.
    Everywhere,
    /// On so many home nodes, and where their occupants are.
    Homes(NonZeroUsize),
}

impl Placing {
    /// How many homes a room has in the run of a seed; `None`: every node holds every room.
    pub(super) fn homes(self, seed: u64) -> Option<NonZeroUsize> {
        match self {
            Self::Everywhere => None,
            Self::Homes(homes) => Some(homes),
            Self::Drawn => {
                let mut rng = SmallRng::seed_from_u64(seed ^ 0x686f_6d65);
                let is_placed = rng.random_bool(PLACED_SHARE);
                let homes = if rng.random_bool(FEW_SHARE) { FEW } else { USUAL };
                NonZeroUsize::new(homes).filter(|_| is_placed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Placing, Plan, Sizes, generate};
    use std::num::NonZeroUsize;

    #[test]
    fn seeds_draw_where_rooms_live_and_nothing_else_depends_on_it() {
        let plan = |seed, placing| generate(seed, &Sizes { placing, ..Sizes::default() });
        let mut drawn = [0; 4];
        for seed in 0..200 {
            let all = plan(seed, Placing::Everywhere);
            let own = plan(seed, Placing::Drawn);
            drawn[own.replicas.map_or(0, NonZeroUsize::get)] += 1;
            // Nodes are emptied only where that means something.
            let is_emptied = own.faults.iter().any(|fault| fault.kind.name() == "drain");
            let faults = if is_emptied { all.faults.clone() } else { own.faults.clone() };
            assert_eq!(Plan { replicas: None, faults, ..own }, all);
        }
        assert!(drawn[0] > 90 && drawn[2] > 5 && drawn[3] > 30, "{drawn:?}");
    }
}
