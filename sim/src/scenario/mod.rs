//! Scenarios: runs as an operator writes them to test a topology before buying it. Regions with nodes, links between them, load, faults
//! with names and times, and bounds on what is measured. A scenario compiles to a [`Plan`], the exact form.
//!
//! Whatever cannot be is refused with line, column and what would be right.

mod cuts;
mod faults;
mod load;
mod mesh;
mod read;
#[cfg(test)]
mod tests;
mod units;

pub use read::TextError;

use crate::plan::{Class, Expect, Fault, Level, LinkPlan, NodePlan, Plan};
use load::Load;
use mesh::Mesh;
use read::{Problem, Table, Value};
use std::num::NonZeroUsize;

/// When the load begins: accounts are known everywhere by then, and everybody is in its rooms. Times of a scenario count from here.
const LOAD_FROM_MS: u64 = 10_000;
/// Bound of invariant L2 on links without delay.
const SETTLE_MS: u64 = 10_000;
/// Longest load: a simulated day, which a core takes minutes for.
const DURATION_MS_MAX: u64 = 86_400_000;

/// A scenario that has been read and found sound.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// The seed it names, 1 if none.
    pub seed: u64,
    level: Level,
    replicas: Option<NonZeroUsize>,
    nodes: Vec<NodePlan>,
    links: LinkPlan,
    load: Load,
    faults: Vec<Fault>,
    settle_ms: u64,
    expect: Expect,
}

const KEYS: &[&str] = &["name", "seed", "level", "replicas", "regions", "links", "load", "faults", "settle", "expect"];

impl Scenario {
    /// A scenario from TOML.
    ///
    /// ```
    /// let scenario = lavina_sim::Scenario::from_toml(r#"
    ///     [regions]
    ///     eu = { nodes = 2 }
    ///     us = { nodes = 1 }
    ///     [links]
    ///     between = [{ regions = ["eu", "us"], rtt = "80ms", loss = "0.5%" }]
    ///     [load]
    ///     clients = 4
    ///     duration = "10s"
    ///     [[faults]]
    ///     at = "2s"
    ///     cut = ["eu", "us"]
    ///     for = "5s"
    ///     [expect]
    ///     converge-within = "10s"
    ///     duplicates = 0
    /// "#).unwrap();
    /// let report = lavina_sim::run(&scenario.plan(None));
    /// assert!(report.violations.is_empty(), "{:?}", report.violations);
    /// ```
    ///
    /// # Errors
    /// [`TextError`] says where and what would be right.
    pub fn from_toml(text: &str) -> Result<Self, TextError> {
        let parsed = read::parse(text)?;
        Self::read(&parsed).map_err(|problem| problem.in_text(text))
    }

    fn read(parsed: &read::Parsed<'_>) -> Result<Self, Problem> {
        let table = Table::root(parsed);
        table.only(KEYS, "a scenario")?;
        let mesh = Mesh::read(&table)?;
        let load = Load::read(&table)?;
        let faults = faults::read(&table, &mesh, &load)?;
        let expect = expect(&table)?;
        let usual_ms = SETTLE_MS + 10 * mesh.slowest_rtt_us() / 1000;
        let settle_ms = table.get("settle").map_or(Ok(usual_ms), |value| Ok(read::time_us(value)? / 1000))?;
        let level = table.get("level").map_or(Ok(Level::L0), |value| {
            let levels = [("l0", Level::L0), ("l1", Level::L1), ("l2", Level::L2)];
            read::one_of(value, &levels)
        })?;
        Ok(Self {
            name: table.get("name").map_or(Ok("scenario"), read::text)?.to_owned(),
            seed: table.get("seed").map_or(Ok(1), read::count)?,
            level,
            replicas: table.get("replicas").map_or(Ok(None), replicas)?,
            nodes: mesh.nodes(),
            links: mesh.links(),
            load,
            faults,
            settle_ms: settle_ms.max(expect.converge_within_ms.unwrap_or(0)),
            expect,
        })
    }

    /// The plan of this scenario; `seed` instead of its own draws other times for the load.
    #[must_use]
    pub fn plan(&self, seed: Option<u64>) -> Plan {
        let seed = seed.unwrap_or(self.seed);
        let (rooms, clients) = self.load.people(seed, self.nodes.len());
        Plan {
            seed,
            level: self.level,
            class: Class::Safety,
            heal_at_ms: LOAD_FROM_MS + self.load.duration_ms,
            converge_within_ms: self.settle_ms,
            core: Vec::new(),
            replicas: self.replicas,
            room_idle_ms: None,
            nodes: self.nodes.clone(),
            links: self.links.clone(),
            rooms,
            clients,
            faults: self.faults.clone(),
            expect: self.expect.clone(),
        }
    }
}

/// How many home replicas a room has.
fn replicas(value: &Value<'_>) -> Result<Option<NonZeroUsize>, Problem> {
    if matches!(read::text(value), Ok("all")) {
        return Ok(None);
    }
    let count = read::count(value).ok().and_then(|count| NonZeroUsize::new(usize::try_from(count).ok()?));
    count.map(Some).ok_or_else(|| Problem::at(value, "a number from 1 on is expected, or \"all\""))
}

const EXPECT: &[&str] = &[
    "converge-within",
    "availability",
    "served",
    "duplicates",
    "lost",
    "order",
    "copies-per-region",
    "acknowledge-p99",
    "deliver-far-p99",
];

fn expect(root: &Table<'_>) -> Result<Expect, Problem> {
    let Some(table) = root.table("expect")? else { return Ok(Expect::default()) };
    table.only(EXPECT, "[expect]")?;
    let time = |key: &str| table.get(key).map(read::time_us).transpose();
    let count = |key: &str| table.get(key).map(read::count).transpose();
    let share = |key: &str| table.get(key).map(read::share_ppm).transpose();
    Ok(Expect {
        converge_within_ms: time("converge-within")?.map(|us| us / 1000),
        availability_ppm: share("availability")?,
        served_ppm: share("served")?,
        duplicates: count("duplicates")?,
        lost: count("lost")?,
        order: table.get("order").map(read::flag).transpose()?,
        copies_per_region_milli: table.get("copies-per-region").map(read::thousandths).transpose()?,
        acknowledge_p99_us: time("acknowledge-p99")?,
        deliver_far_p99_us: time("deliver-far-p99")?,
    })
}

/// A plan from TOML that is a plan or a scenario, told apart by what it holds. `seed`, when given, takes the place of its own.
///
/// # Errors
/// [`TextError`] says where and what would be right.
pub fn read_plan(text: &str, seed: Option<u64>) -> Result<Plan, TextError> {
    let parsed = read::parse(text)?;
    let root = Table::root(&parsed);
    if ["nodes", "heal_at_ms", "clients"].iter().any(|key| root.get(key).is_some()) {
        let mut plan = Plan::from_toml(text).map_err(|error| read::of_plan(text, &error))?;
        plan.seed = seed.unwrap_or(plan.seed);
        return Ok(plan);
    }
    Scenario::from_toml(text).map(|scenario| scenario.plan(seed))
}
