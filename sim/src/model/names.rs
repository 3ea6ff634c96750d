//! Who keeps a nick that several took behind a cut: the account of that name, else who took it first (invariant L9).
//!
//! What the model knows of a claim is when the client saw it taken, and what clocks may have stamped on it: never less than its home's wall
//! clock, never more than the furthest clock of the mesh. So it is sure of an order only where those do not overlap.

/// A nick that a client asked for and was given, and has not given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// What.
    pub(crate) nick: String,
    /// On which connection.
    pub(crate) connection: u64,
    /// The least that its stamp can say, milliseconds.
    pub(crate) from_ms: u64,
    /// The most.
    pub(crate) until_ms: u64,
    /// Whether the client is logged in to the account of that name.
    pub(crate) owner: bool,
}

impl Claim {
    /// Whether this claim comes before the other for sure.
    pub(crate) fn beats(&self, other: &Self) -> bool {
        match (self.owner, other.owner) {
            (true, false) => true,
            (false, true) => false,
            (true, true) | (false, false) => self.until_ms < other.from_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_come_first_then_who_was_surely_earlier() {
        let claim = |from_ms, until_ms, owner| Claim { nick: "x".to_owned(), connection: 1, from_ms, until_ms, owner };
        assert!(claim(1, 2, false).beats(&claim(3, 4, false)));
        assert!(!claim(1, 3, false).beats(&claim(3, 4, false)));
        assert!(claim(8, 9, true).beats(&claim(1, 2, false)));
        assert!(!claim(1, 2, false).beats(&claim(8, 9, true)));
    }
}
