//! What a session says of itself, or has been given, that others see: the modes of a person.

use serde::{Deserialize, Serialize};

/// One mode (modern.ircdocs.horse, "User Modes").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserMode {
    /// A program, not a person: IRC +B.
    Bot,
    /// Found by a mask only by who shares a room: IRC +i.
    Invisible,
    /// An operator of the mesh: IRC +o. Given by the session's home node only.
    Operator,
    /// Takes direct messages from accounts only: IRC +R.
    RegisteredOnly,
    /// Wants the words of operators to all: IRC +w.
    Wallops,
}

impl UserMode {
    const fn bit(self) -> u16 {
        match self {
            Self::Bot => 1,
            Self::Invisible => 1 << 1,
            Self::Operator => 1 << 2,
            Self::RegisteredOnly => 1 << 3,
            Self::Wallops => 1 << 4,
        }
    }
}

/// The modes that are on. Bits that this version does not know are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UserModes(u16);

impl UserModes {
    /// Whether a mode is on.
    #[must_use]
    pub const fn has(self, mode: UserMode) -> bool {
        self.0 & mode.bit() != 0
    }

    /// With a mode on or off.
    #[must_use]
    pub const fn set(self, mode: UserMode, on: bool) -> Self {
        if on { Self(self.0 | mode.bit()) } else { Self(self.0 & !mode.bit()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_is_its_own() {
        let all = [UserMode::Bot, UserMode::Invisible, UserMode::Operator, UserMode::RegisteredOnly, UserMode::Wallops];
        for mode in all {
            let one = UserModes::default().set(mode, true);
            assert_eq!(all.iter().filter(|other| one.has(**other)).count(), 1);
            assert_eq!(one.set(mode, false), UserModes::default());
        }
    }
}
