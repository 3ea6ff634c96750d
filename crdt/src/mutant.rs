//! Planted bugs, to prove that the simulator's alarm works. Without the feature `mutants` none of this is compiled in: [`is_planted`] is
//! then a constant `false`, and what hangs on it is gone from the binary.
//!
//! A site of a bug reads `if mutant::is_planted(Mutant::Name) { .. }` beside the right code. `lavina sim mutants` plants one after the
//! other and says which invariant caught it, and after how many seeds. The table that says what must catch each is `sim/src/mutants/table.rs`.

macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $variant:ident,)+) => {
        /// One planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Mutant {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// What is wrong, in a sentence.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+),)+
                }
            }
        }
    };
}

mutants! {
    /// Every write is acknowledged before it is durable.
    AckBeforeFsync,
    /// Own entries go to peers before they are durable.
    PushBeforeFsync,
    /// A write that failed counts as done.
    FailedWriteTrusted,
    /// What waited while the disk was full is forgotten.
    FullDiskForgets,
    /// Commits are not flushed.
    NoFlush,
    /// Entries that are known already have their effect again.
    NoDedup,
    /// What was seen beyond a gap is reported as had.
    MaxSeen,
    /// The last run of a sync batch is left out, and counts as sent.
    TruncatedDelta,
    /// Sync brings what is on its way too, and a gateway relays only what is new to it.
    RelayFreshOnly,
    /// A gateway relays nothing.
    RelayNothing,
    /// Each other region gets two copies.
    TwoGateways,
    /// Gateways relay to other regions as well.
    RelayFar,
    /// No comparison with a peer is ever started.
    NoSync,
    /// A gap is left to the slow timer.
    GapNotAsked,
    /// Bans set concurrently with something else are lost when that is merged.
    BanLostInMerge,
    /// A concurrent lift beats a ban.
    LiftBeatsBan,
    /// Kicks from other nodes are not carried out.
    ForeignKickIgnored,
    /// Who was demoted behind a cut goes on with full rights there.
    DemotionIgnored,
    /// Banned authors act as if they were not banned.
    BanIgnored,
    /// Every creation of a room counts, the later ones too.
    EveryCreationCounts,
    /// Acts are judged by the state on arrival, not by their causal past.
    JudgedOnArrival,
    /// Whoever was known here first keeps a nick.
    NickByArrival,
    /// The claim of an own session to a nick comes first.
    NickToOwn,
    /// Sessions whose nick another claims are ended.
    NickKillsBoth,
    /// Pages begin behind the millisecond of the message that they are to follow.
    PageSkips,
    /// The newest page is filled from its old end.
    PageOfOldest,
    /// What comes late is not shown.
    LateNotShown,
    /// Entries have their effect as they come, before what they answer.
    NoCausalHold,
    /// What came together is shown newest first.
    BurstReversed,
    /// Own stamps are not raised above those that were seen.
    StampsNotRaised,
    /// A stamp however far ahead is taken, and drags the clock.
    ClockDragged,
    /// The stamps of own entries follow a wall clock that steps back.
    ClockStepsBack,
    /// Queues of sessions, of what is on its way and of what is held have no bound, and what nobody waits for is kept.
    NoBound,
    /// Acknowledgements wait until most nodes are in reach.
    QuorumWait,
    /// Nobody comes into a room while some node is out of reach.
    JoinNeedsAll,
    /// A store that is older than what its node has sent keeps its epoch.
    EpochKept,
    /// Of two contents of one entry the one that came first stands, and nobody is told.
    EquivocationIgnored,
    /// Secret rooms are seen by everybody.
    SecretListed,
    /// History is open to who is no longer inside.
    HistoryOpen,
    /// Lines of a room go to every session of the node.
    SaidToAll,
    /// Entries of unknown kinds are not taken.
    UnknownDropped,
    /// Entries of unknown kinds are passed on without their body.
    UnknownRewritten,
    /// A frame of an unknown kind counts as a malformed one.
    UnknownFrameRefused,
    /// The value of a register that came last counts, replayed ones too.
    RegisterByArrival,
    /// Gaps in what a node says of its sessions are overlooked.
    PresenceGap,
    /// A restarted node says the same number of starts as before.
    SameIncarnation,
    /// What a process did before leaks into what it does.
    ProcessCounter,
}

#[cfg(feature = "mutants")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
    static COUNTER: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
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

/// What [`Mutant::ProcessCounter`] leaks: how often it was asked for on this thread, in whatever run; nothing while that is not planted.
#[must_use]
pub fn process_counter() -> u64 {
    #[cfg(feature = "mutants")]
    if is_planted(Mutant::ProcessCounter) {
        COUNTER.set(COUNTER.get() + 1);
        return COUNTER.get();
    }
    0
}
