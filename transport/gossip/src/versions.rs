//! Which versions of frames a node speaks, and what two nodes speak with one another. Whoever connects nodes asks both and connects those that have
//! one in common.
//!
//! A version speaks the one before it too, so that a mesh goes to the next one node at a time; two that lie further apart have none in common.

use crate::frame::PROTOCOL_VERSION;
use serde::{Deserialize, Serialize};

/// The versions that a node speaks, from the oldest to the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The oldest.
    pub oldest: u16,
    /// The newest.
    pub newest: u16,
}

impl Versions {
    /// What this build speaks.
    pub const SPOKEN: Self = Self { oldest: PROTOCOL_VERSION - 1, newest: PROTOCOL_VERSION };

    /// These, without those that are newer; `None` where this one is not among them.
    #[must_use]
    pub const fn up_to(self, newest: u16) -> Option<Self> {
        if newest < self.oldest || newest > self.newest {
            return None;
        }
        Some(Self { newest, ..self })
    }

    /// The newest version that both speak.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u16> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest && newest >= other.oldest).then_some(newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_have_a_version_in_common_and_others_none() {
        let of = |oldest, newest| Versions { oldest, newest };
        assert_eq!(of(1, 2).common(of(2, 3)), Some(2));
        assert_eq!(of(2, 3).common(of(1, 2)), Some(2));
        assert_eq!(of(1, 3).common(of(1, 2)), Some(2));
        assert_eq!(of(1, 1).common(of(2, 3)), None);
        assert_eq!(Versions::SPOKEN.common(Versions::SPOKEN), Some(PROTOCOL_VERSION));
    }

    #[test]
    fn who_is_held_to_the_version_before_speaks_that_with_its_like_and_with_all_others() {
        let held = Versions::SPOKEN.up_to(PROTOCOL_VERSION - 1).unwrap();
        assert_eq!(held.common(held), Some(PROTOCOL_VERSION - 1));
        assert_eq!(held.common(Versions::SPOKEN), Some(PROTOCOL_VERSION - 1));
        assert_eq!(Versions::SPOKEN.up_to(PROTOCOL_VERSION), Some(Versions::SPOKEN));
        for other in [0, PROTOCOL_VERSION + 1] {
            assert_eq!(Versions::SPOKEN.up_to(other), None);
        }
    }
}
