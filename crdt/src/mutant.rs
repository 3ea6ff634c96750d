//! Planted bugs, to prove that the simulator's alarm works. Without the feature `mutants` none of this is compiled in: [`is_planted`] is
//! then a constant `false`, and what hangs on it is gone from the binary.
//!
//! A site of a bug reads `if mutant::is_planted(Mutant::Name) { .. }` beside the right code. `lavina sim mutants` plants one after the
//! other and says which invariant caught it, and after how many seeds.

/// One planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// Every write is acknowledged before it is durable.
    AckBeforeFsync,
}

#[cfg(feature = "mutants")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug for everything that runs on this thread from here on, or takes it out again.
#[cfg(feature = "mutants")]
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.set(mutant);
}

/// Whether this bug is planted.
#[cfg(feature = "mutants")]
#[must_use]
pub fn is_planted(mutant: Mutant) -> bool {
    PLANTED.get() == Some(mutant)
}

/// Whether this bug is planted.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
#[must_use]
pub const fn is_planted(_: Mutant) -> bool {
    false
}
