//! Every planted bug, what must catch it, and in which runs. A new bug is a row here and a variant in `crdt/src/mutant.rs`.

use crate::plan::{Class, Level, Plan};
use crate::run::run_twice;
use crate::{Placing, Report, Sizes, TextError, generate, read_plan, run};
use lavina_crdt::mutant::Mutant;
use std::ops::RangeInclusive;

/// One planted bug.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// Its name.
    pub name: &'static str,
    /// Which.
    pub mutant: Mutant,
    /// The invariants of which at least one must be broken by it.
    pub caught_by: &'static [&'static str],
    /// The runs that must show it.
    pub runs: Runs,
    /// A seed that is known to show it.
    pub seed: u64,
}

/// Runs that must show a bug.
#[derive(Clone, Copy, Debug)]
pub enum Runs {
    /// Those that seeds draw at a level, in a class.
    Drawn(Level, Class),
    /// Those of a plan or scenario (TOML), with the seed in place of its own.
    Of(&'static str),
}

/// Within how many seeds a bug must be caught, from its known one on: what is changed elsewhere sends seeds another way.
const SEEDS_MAX: u64 = 300;

impl Planted {
    /// What is wrong, in a sentence.
    #[must_use]
    pub fn what(&self) -> &'static str {
        self.mutant.what().trim()
    }

    /// The seeds to hunt it in.
    #[must_use]
    pub fn seeds(&self) -> RangeInclusive<u64> {
        self.seed..=self.seed + SEEDS_MAX - 1
    }

    /// The plan of a seed, as it must show the bug.
    ///
    /// # Errors
    /// When the row's text is neither plan nor scenario.
    pub fn plan(&self, seed: u64) -> Result<Plan, TextError> {
        match self.runs {
            Runs::Drawn(level, class) => {
                // Where every node holds every room more of them can tell that something is wrong.
                let placing = Placing::Everywhere;
                Ok(generate(seed, &Sizes { level, class: Some(class), placing, ..Sizes::default() }))
            }
            Runs::Of(text) => read_plan(text, Some(seed)),
        }
    }

    /// Runs a plan; where two runs of one must be told apart, twice.
    #[must_use]
    pub fn run(&self, plan: &Plan) -> Report {
        if self.caught_by.contains(&"L18") { run_twice(plan) } else { run(plan) }
    }
}

const fn row(
    mutant: Mutant,
    name: &'static str,
    caught_by: &'static [&'static str],
    (level, class): (Level, Class),
    seed: u64,
) -> Planted {
    Planted { name, mutant, caught_by, runs: Runs::Drawn(level, class), seed }
}

const fn staged(mutant: Mutant, name: &'static str, caught_by: &'static [&'static str], text: &'static str) -> Planted {
    Planted { name, mutant, caught_by, runs: Runs::Of(text), seed: 1 }
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
    row(Mutant::AckBeforeFsync, "ack-before-fsync", &["L3", "L5"], SAFETY, 1),
    row(Mutant::PushBeforeFsync, "push-before-fsync", &["L2", "L3", "L13"], SAFETY, 1),
    row(Mutant::FailedWriteTrusted, "failed-write-trusted", &["L2", "L3"], DISK, 6),
    row(Mutant::FullDiskForgets, "full-disk-forgets", &["L2", "L3", "L5", "L12"], SAFETY, 83),
    row(Mutant::NoFlush, "no-flush", &["L2", "L3"], DISK, 18),
    row(Mutant::NoDedup, "no-dedup", &["L5", "L16"], SAFETY, 2),
    row(Mutant::MaxSeen, "max-seen", &["L2", "L17"], SAFETY, 3),
    row(Mutant::TruncatedDelta, "truncated-delta", &["L2"], SAFETY, 2),
    row(Mutant::RelayFreshOnly, "relay-fresh-only", &["L10", "L12"], FAIR, 8),
    row(Mutant::RelayNothing, "relay-nothing", &["L2", "L10"], FAIR, 2),
    row(Mutant::TwoGateways, "two-gateways", &["L10"], FAIR, 2),
    row(Mutant::RelayFar, "relay-far", &["L10"], FAIR, 3),
    row(Mutant::NoSync, "no-sync", &["L2"], SAFETY, 1),
    staged(Mutant::GapNotAsked, "gap-not-asked", &["expect"], include_str!("plans/gaps.toml")),
    row(Mutant::BanLostInMerge, "ban-lost-in-merge", &["L7", "L8"], SAFETY, 7),
    staged(Mutant::LiftBeatsBan, "lift-beats-ban", &["L7", "L8"], include_str!("plans/lift-and-ban.toml")),
    row(Mutant::ForeignKickIgnored, "foreign-kick-ignored", &["L2", "L7", "L14"], SAFETY, 3),
    row(Mutant::DemotionIgnored, "demotion-ignored", &["L8"], SAFETY, 8),
    row(Mutant::BanIgnored, "ban-ignored", &["L7", "L8", "L14"], SAFETY, 5),
    row(Mutant::EveryCreationCounts, "every-creation-counts", &["L8"], SAFETY, 4),
    row(Mutant::JudgedOnArrival, "judged-on-arrival", &["L1", "L8"], SAFETY, 4),
    row(Mutant::NickByArrival, "nick-by-arrival", &["L9"], SAFETY, 4),
    row(Mutant::NickToOwn, "nick-to-own", &["L9"], SAFETY, 4),
    row(Mutant::NickKillsBoth, "nick-kills-both", &["L9"], SAFETY, 4),
    row(Mutant::PageSkips, "page-skips", &["L6"], SAFETY, 1),
    row(Mutant::PageOfOldest, "page-of-oldest", &["L6"], SAFETY, 1),
    row(Mutant::LateNotShown, "late-not-shown", &["L5"], SAFETY, 4),
    row(Mutant::NoCausalHold, "no-causal-hold", &["L4"], SAFETY, 5),
    row(Mutant::BurstReversed, "burst-reversed", &["L4"], SAFETY, 4),
    row(Mutant::StampsNotRaised, "stamps-not-raised", &["L4", "L7", "L8", "L15"], SAFETY, 1),
    row(Mutant::ClockDragged, "clock-dragged", &["L15"], BYZANTINE, 2),
    row(Mutant::ClockStepsBack, "clock-steps-back", &["L2", "L3", "L15"], SAFETY, 4),
    row(Mutant::NoBound, "no-bound", &["L11"], SAFETY, 1),
    row(Mutant::QuorumWait, "quorum-wait", &["L12"], SAFETY, 4),
    row(Mutant::JoinNeedsAll, "join-needs-all", &["L12"], SAFETY, 1),
    staged(Mutant::EpochKept, "epoch-kept", &["L2", "L3", "L13"], include_str!("plans/old-backup-behind-a-cut.toml")),
    row(Mutant::EquivocationIgnored, "equivocation-ignored", &["L13"], BYZANTINE, 2),
    row(Mutant::SecretListed, "secret-listed", &["L14"], SAFETY, 3),
    row(Mutant::HistoryOpen, "history-open", &["L14"], SAFETY, 3),
    row(Mutant::SaidToAll, "said-to-all", &["L14"], SAFETY, 1),
    row(Mutant::UnknownDropped, "unknown-dropped", &["L16"], UPGRADE, 1),
    row(Mutant::UnknownRewritten, "unknown-rewritten", &["L16"], UPGRADE, 1),
    row(Mutant::UnknownFrameRefused, "unknown-frame-refused", &["L16"], UPGRADE, 1),
    row(Mutant::RegisterByArrival, "register-by-arrival", &["L1", "L16"], UPGRADE, 26),
    row(Mutant::PresenceGap, "presence-gap", &["L2", "L9"], SAFETY, 25),
    row(Mutant::SameIncarnation, "same-incarnation", &["L2", "L9"], SAFETY, 54),
    row(Mutant::ProcessCounter, "process-counter", &["L18"], FAIR, 1),
];
