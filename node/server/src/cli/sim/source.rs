//! Where a plan comes from: a file that holds a scenario or a plan, or a seed with sizes.

use super::UNREADABLE;
use crate::cli::Out;
use clap::{Args, ValueEnum};
use lavina_sim::{Class, Level, Placing, Plan, Sizes, TextError, generate, read_plan};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

/// Shortest time with faults: some must fit in.
const STORM_MS_MIN: u64 = 2_000;

/// A scenario or plan in a file, or a seed.
#[derive(Args)]
pub(super) struct Source {
    /// A scenario or plan (TOML)
    file: Option<PathBuf>,
    /// The seed; with a file, in place of its own
    #[arg(long)]
    seed: Option<u64>,
    /// A planted bug, in the seed that is known to show it or in another
    #[cfg(feature = "mutants")]
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    mutant: Option<String>,
    #[command(flatten)]
    size: Size,
}

impl Source {
    /// The plan. A bug that is asked for is planted on this thread from here on.
    pub(super) fn plan(&self) -> Result<Plan, Unreadable> {
        #[cfg(feature = "mutants")]
        if let Some(name) = &self.mutant {
            return plant(name, self.seed);
        }
        match (&self.file, self.seed) {
            (Some(file), seed) => {
                let mut plan = read(file, seed)?;
                plan.level = self.size.level.map_or(plan.level, Into::into);
                Ok(plan)
            }
            (None, Some(seed)) => Ok(generate(seed, &self.size.sizes())),
            (None, None) => Err(Unreadable {
                file: None,
                place: None,
                what: "a scenario or plan, or --seed with a number, is needed".to_owned(),
            }),
        }
    }

    /// The command line of another command about the same plan.
    pub(super) fn again(&self, command: &str) -> String {
        let file = self.file.iter().map(|file| format!(" {}", file.display()));
        let seed = self.seed.iter().map(|seed| format!(" --seed {seed}"));
        let size = if self.file.is_some() { String::new() } else { self.size.words() };
        #[cfg(feature = "mutants")]
        let size = self.mutant.as_ref().map_or(size, |name| format!(" --mutant {name}"));
        format!("lavina sim {command}{}{}{size}", file.collect::<String>(), seed.collect::<String>())
    }
}

#[cfg(feature = "mutants")]
fn plant(name: &str, seed: Option<u64>) -> Result<Plan, Unreadable> {
    let row = lavina_sim::mutants::TABLE.iter().find(|row| row.name == name);
    let no = |what| Unreadable { file: None, place: None, what };
    let row = row.ok_or_else(|| no(format!("there is no planted bug {name}")))?;
    lavina_crdt::mutant::plant(Some(row.mutant));
    row.plan(seed.unwrap_or(row.seed)).map_err(|error| no(error.message))
}

/// How large generated plans are, and of which kind.
#[derive(Args, Clone)]
pub(super) struct Size {
    /// Number of nodes
    #[arg(long, default_value_t = Sizes::default().nodes)]
    nodes: usize,
    /// Number of clients
    #[arg(long, default_value_t = Sizes::default().clients)]
    clients: usize,
    /// Length of the time with faults, milliseconds
    #[arg(long, default_value_t = Sizes::default().storm_ms)]
    storm_ms: u64,
    /// How much of the world is real: messages (l0), the store on a faulty disk (l1), packets (l2)
    #[arg(long)]
    level: Option<LevelName>,
    /// Seed class; without it each seed draws its own
    #[arg(long)]
    class: Option<ClassName>,
    /// How many home replicas a room has, or `all` for every node; without it each seed draws its own
    #[arg(long)]
    replicas: Option<Replicas>,
}

impl Size {
    pub(super) fn sizes(&self) -> Sizes {
        let usual = Sizes::default();
        Sizes {
            nodes: self.nodes.max(1),
            clients: self.clients.max(usual.rooms),
            storm_ms: self.storm_ms.max(STORM_MS_MIN),
            level: self.level.map_or(usual.level, Into::into),
            class: self.class.map(Into::into),
            placing: self.replicas.map_or(usual.placing, |replicas| replicas.0),
            ..usual
        }
    }

    /// The options that give these sizes.
    pub(super) fn words(&self) -> String {
        let mut words = format!(" --nodes {} --clients {} --storm-ms {}", self.nodes, self.clients, self.storm_ms);
        if let Some(level) = self.level.and_then(|level| Some(level.to_possible_value()?.get_name().to_owned())) {
            words.push_str(&format!(" --level {level}"));
        }
        if let Some(class) = self.class.and_then(|class| Some(class.to_possible_value()?.get_name().to_owned())) {
            words.push_str(&format!(" --class {class}"));
        }
        match self.replicas {
            Some(Replicas(Placing::Homes(homes))) => words.push_str(&format!(" --replicas {homes}")),
            Some(Replicas(Placing::Everywhere)) => words.push_str(" --replicas all"),
            Some(Replicas(Placing::Drawn)) | None => {}
        }
        words
    }
}

/// On how many nodes rooms live, as it is written.
#[derive(Clone, Copy)]
struct Replicas(Placing);

impl FromStr for Replicas {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" {
            return Ok(Self(Placing::Everywhere));
        }
        text.parse().map(|homes| Self(Placing::Homes(homes))).map_err(|_| "a number from 1 on is expected, or \"all\"")
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum LevelName {
    L0,
    L1,
    L2,
}

impl From<LevelName> for Level {
    fn from(name: LevelName) -> Self {
        match name {
            LevelName::L0 => Self::L0,
            LevelName::L1 => Self::L1,
            LevelName::L2 => Self::L2,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum ClassName {
    Fair,
    Safety,
    Core,
    Byzantine,
    Upgrade,
}

impl From<ClassName> for Class {
    fn from(name: ClassName) -> Self {
        match name {
            ClassName::Fair => Self::Fair,
            ClassName::Safety => Self::Safety,
            ClassName::Core => Self::Core,
            ClassName::Byzantine => Self::Byzantine,
            ClassName::Upgrade => Self::Upgrade,
        }
    }
}

/// A plan from a file.
pub(super) fn read(file: &Path, seed: Option<u64>) -> Result<Plan, Unreadable> {
    let unreadable = |place, what| Unreadable { file: Some(file.to_owned()), place, what };
    let text = std::fs::read_to_string(file)
        .map_err(|error| unreadable(None, format!("this scenario or plan cannot be read: {error}")))?;
    read_plan(&text, seed).map_err(|TextError { line, column, message }| unreadable(Some((line, column)), message))
}

/// Why there is no plan.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) file: Option<PathBuf>,
    pub(super) place: Option<(usize, usize)>,
    pub(super) what: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some((line, column)) = self.place {
                write!(f, "{line}:{column}:")?;
            }
            write!(f, " ")?;
        }
        write!(f, "{}", self.what)
    }
}

impl Unreadable {
    /// Tells whoever asked; the exit code says that nothing was run.
    pub(super) fn tell(&self, out: Out) -> ExitCode {
        if out.json {
            let place = self.place.unzip();
            let value =
                serde_json::json!({ "error": self.what, "file": self.file, "line": place.0, "column": place.1 });
            println!("{value}");
        } else {
            eprintln!("lavina: {self}");
        }
        ExitCode::from(UNREADABLE)
    }
}
