//! Open findings: seeds that are known to break an invariant and are not mended yet. They stay visible in every sweep, and whatever else breaks
//! still fails it.

use lavina_sim::{Level, Report};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// By level and seed, the invariants that may break.
#[derive(Debug, Default)]
pub(super) struct Open(BTreeMap<(Level, u64), BTreeSet<String>>);

impl Open {
    /// Reads lines of level, seed and invariants; empty ones and those that begin with `#` are passed over.
    ///
    /// # Errors
    /// What is wrong, with file and line.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut open = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let row = row(line).ok_or_else(|| {
                format!("{}:{number}: {line:?} is not level, seed and invariants, such as \"l0 7 L17\"", path.display())
            })?;
            open.0.entry(row.0).or_default().extend(row.1);
        }
        Ok(open)
    }

    /// Whether a run broke something, and nothing but what is known of its seed.
    pub(super) fn explains(&self, level: Level, report: &Report) -> bool {
        let known = self.0.get(&(level, report.seed));
        !report.violations.is_empty()
            && known.is_some_and(|known| report.violations.iter().all(|broken| known.contains(broken.invariant)))
    }
}

fn row(line: &str) -> Option<((Level, u64), Vec<String>)> {
    let mut words = line.split_whitespace();
    let level = match words.next()? {
        "l0" => Level::L0,
        "l1" => Level::L1,
        "l2" => Level::L2,
        _ => return None,
    };
    let seed = words.next()?.parse().ok()?;
    let invariants: Vec<String> = words.map(str::to_owned).collect();
    (!invariants.is_empty()).then_some(((level, seed), invariants))
}
