//! Which acts a version of the node understands.
//!
//! A change with an act that is not understood keeps its place in the document, and so in everybody's heads, and has no effect until a version
//! that understands it reads it. What understands less than this build stands for an older one, in meshes of two versions.

use super::{Act, Flag};

/// The acts that are understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vocabulary {
    /// All that this build has.
    #[default]
    Full,
    /// All but titles, forwards, auditoriums, notes, marks and moves, which give nobody a right and take none.
    Earlier,
}

impl Vocabulary {
    /// Whether an act is among them.
    #[must_use]
    pub const fn has(self, act: &Act) -> bool {
        match self {
            Self::Full => true,
            Self::Earlier => !matches!(
                act,
                Act::SetTitle(_)
                    | Act::SetForward(_)
                    | Act::SetFlag { flag: Flag::Auditorium, .. }
                    | Act::SetNote { .. }
                    | Act::SetMark { .. }
                    | Act::SetMoved(_)
                    | Act::SetFormer(_)
            ),
        }
    }
}
