//! Every planted bug, what must catch it, and in which runs. A new bug is a row here and a variant in `crdt/src/mutant.rs`.

use crate::plan::{Class, Level};
use crate::{Report, Sizes, run_seed};
use lavina_crdt::mutant::Mutant;

/// One planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planted {
    /// Its name.
    pub name: &'static str,
    /// Which.
    pub mutant: Mutant,
    /// The invariants of which at least one must be broken by it.
    pub caught_by: &'static [&'static str],
    /// The level of the runs that must show it.
    pub level: Level,
    /// Their class; `None`: as each seed draws.
    pub class: Option<Class>,
    /// Within how many seeds, from 1 on.
    pub seeds_max: u64,
}

impl Planted {
    /// What is wrong, in a sentence.
    #[must_use]
    pub fn what(&self) -> &'static str {
        self.mutant.what().trim()
    }

    /// How large its runs are.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        Sizes { level: self.level, class: self.class, ..Sizes::default() }
    }

    /// Runs a seed in the way that must show it.
    #[must_use]
    pub fn run(&self, seed: u64) -> Report {
        run_seed(seed, &self.sizes(), self.caught_by.contains(&"L18"))
    }
}

const fn row(
    mutant: Mutant,
    name: &'static str,
    caught_by: &'static [&'static str],
    (level, class): (Level, Class),
    seeds_max: u64,
) -> Planted {
    Planted { name, mutant, caught_by, level, class: Some(class), seeds_max }
}

/// Runs without faults.
const FAIR: (Level, Class) = (Level::L0, Class::Fair);
/// Runs with faults of all kinds.
const SAFETY: (Level, Class) = (Level::L0, Class::Safety);
/// The same over the real store on a faulty disk.
const DISK: (Level, Class) = (Level::L1, Class::Safety);
/// Runs in which some nodes are not honest.
const BYZANTINE: (Level, Class) = (Level::L0, Class::Byzantine);
/// Runs with nodes of two versions.
const UPGRADE: (Level, Class) = (Level::L0, Class::Upgrade);

/// All planted bugs.
pub const TABLE: &[Planted] = &[
    row(Mutant::AckBeforeFsync, "ack-before-fsync", &["L3", "L5"], SAFETY, 20),
    row(Mutant::PushBeforeFsync, "push-before-fsync", &["L2", "L3", "L13"], SAFETY, 30),
    row(Mutant::FailedWriteTrusted, "failed-write-trusted", &["L2", "L3"], DISK, 30),
    row(Mutant::FullDiskForgets, "full-disk-forgets", &["L2", "L3", "L5", "L12"], SAFETY, 20),
    row(Mutant::NoFlush, "no-flush", &["L2", "L3"], DISK, 30),
    row(Mutant::NoDedup, "no-dedup", &["L5", "L16"], SAFETY, 20),
    row(Mutant::MaxSeen, "max-seen", &["L2", "L17"], SAFETY, 40),
    row(Mutant::TruncatedDelta, "truncated-delta", &["L2"], SAFETY, 20),
    row(Mutant::RelayFreshOnly, "relay-fresh-only", &["L2", "L10", "L17"], FAIR, 40),
    row(Mutant::RelayNothing, "relay-nothing", &["L2", "L10"], FAIR, 20),
    row(Mutant::TwoGateways, "two-gateways", &["L10"], FAIR, 20),
    row(Mutant::RelayFar, "relay-far", &["L10"], FAIR, 20),
    row(Mutant::NoSync, "no-sync", &["L2"], SAFETY, 20),
    row(Mutant::GapNotAsked, "gap-not-asked", &["L17"], SAFETY, 40),
    row(Mutant::BanLostInMerge, "ban-lost-in-merge", &["L7", "L8"], SAFETY, 20),
    row(Mutant::LiftBeatsBan, "lift-beats-ban", &["L7", "L8"], SAFETY, 60),
    row(Mutant::ForeignKickIgnored, "foreign-kick-ignored", &["L2", "L7", "L14"], SAFETY, 20),
    row(Mutant::DemotionIgnored, "demotion-ignored", &["L8"], SAFETY, 40),
    row(Mutant::BanIgnored, "ban-ignored", &["L7", "L8", "L14"], SAFETY, 40),
    row(Mutant::EveryCreationCounts, "every-creation-counts", &["L8"], SAFETY, 60),
    row(Mutant::JudgedOnArrival, "judged-on-arrival", &["L1", "L8"], SAFETY, 60),
    row(Mutant::NickByArrival, "nick-by-arrival", &["L9"], SAFETY, 20),
    row(Mutant::NickToOwn, "nick-to-own", &["L9"], SAFETY, 20),
    row(Mutant::NickKillsBoth, "nick-kills-both", &["L9"], SAFETY, 20),
    row(Mutant::PageSkips, "page-skips", &["L6"], SAFETY, 40),
    row(Mutant::PageOfOldest, "page-of-oldest", &["L6"], SAFETY, 10),
    row(Mutant::LateNotShown, "late-not-shown", &["L5"], SAFETY, 20),
    row(Mutant::NoCausalHold, "no-causal-hold", &["L4"], SAFETY, 60),
    row(Mutant::BurstReversed, "burst-reversed", &["L4"], SAFETY, 20),
    row(Mutant::StampsNotRaised, "stamps-not-raised", &["L4", "L7", "L8", "L15"], SAFETY, 40),
    row(Mutant::ClockDragged, "clock-dragged", &["L15"], SAFETY, 40),
    row(Mutant::ClockStepsBack, "clock-steps-back", &["L2", "L3", "L15"], SAFETY, 20),
    row(Mutant::NoBound, "no-bound", &["L11"], SAFETY, 40),
    row(Mutant::QuorumWait, "quorum-wait", &["L12"], SAFETY, 20),
    row(Mutant::JoinNeedsAll, "join-needs-all", &["L12"], SAFETY, 20),
    row(Mutant::EpochKept, "epoch-kept", &["L2", "L3", "L13"], SAFETY, 40),
    row(Mutant::EquivocationIgnored, "equivocation-ignored", &["L13"], BYZANTINE, 40),
    row(Mutant::SecretListed, "secret-listed", &["L14"], SAFETY, 40),
    row(Mutant::HistoryOpen, "history-open", &["L14"], SAFETY, 40),
    row(Mutant::SaidToAll, "said-to-all", &["L14"], SAFETY, 10),
    row(Mutant::UnknownDropped, "unknown-dropped", &["L16"], UPGRADE, 20),
    row(Mutant::UnknownRewritten, "unknown-rewritten", &["L16"], UPGRADE, 20),
    row(Mutant::UnknownFrameRefused, "unknown-frame-refused", &["L16"], UPGRADE, 20),
    row(Mutant::RegisterByArrival, "register-by-arrival", &["L1", "L16"], UPGRADE, 40),
    row(Mutant::PresenceGap, "presence-gap", &["L2", "L9"], SAFETY, 40),
    row(Mutant::SameIncarnation, "same-incarnation", &["L2", "L9"], SAFETY, 20),
    row(Mutant::ProcessCounter, "process-counter", &["L18"], FAIR, 5),
];
