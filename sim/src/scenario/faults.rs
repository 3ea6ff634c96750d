//! Faults as people write them: a table from words to kinds. A new kind is a row.

use super::cuts::{self, Cut};
use super::load::Load;
use super::mesh::Mesh;
use super::read::{self, Problem, Table, Value};
use super::{LOAD_FROM_MS, read::some};
use crate::plan::{ClientFault, ClockFault, DiskFault, Fault, FaultKind, NetFault, NodeFault};

/// What a word of the table makes.
enum Breaks {
    /// Ways that carry nothing: (from, to).
    Ways(Vec<(usize, usize)>),
    /// What comes and what ends it, when it ends.
    Kinds(Vec<FaultKind>, Vec<FaultKind>),
}

/// What the words of a fault are read with.
struct Said<'a> {
    value: &'a Value<'a>,
    table: &'a Table<'a>,
    mesh: &'a Mesh,
    load: &'a Load,
}

type Build = fn(&Said<'_>) -> Result<Breaks, Problem>;

/// Word, how it is written, what it needs besides, and what it makes.
const WORDS: &[(&str, &str, Build)] = &[
    ("cut", "cut = [\"eu\", \"us\"]", cut),
    ("isolate", "isolate = \"eu-1\"", isolate),
    ("one-way", "one-way = [\"eu-1\", \"us-1\"]", one_way),
    ("loss", "loss = \"5%\"", loss),
    ("slow-links", "slow-links = 5", slow_links),
    ("crash", "crash = \"eu-1\"", crash),
    ("upgrade", "upgrade = \"eu-1\"", upgrade),
    ("drain", "drain = \"eu-1\"", drain),
    ("disk-full", "disk-full = \"eu-1\"", disk_full),
    ("disk-slow", "disk-slow = \"eu-1\", by = \"200ms\"", disk_slow),
    ("clock-ahead", "clock-ahead = \"eu-1\", by = \"2h\"", clock_ahead),
    ("clock-behind", "clock-behind = \"eu-1\", by = \"2h\"", clock_behind),
    ("move", "move = \"user1\", to = \"us-1\"", move_client),
];

pub(super) fn read(root: &Table<'_>, mesh: &Mesh, load: &Load) -> Result<Vec<Fault>, Problem> {
    let Some(value) = root.get("faults") else { return Ok(Vec::new()) };
    let (mut faults, mut held) = (Vec::new(), Vec::new());
    for value in read::list(value, "[[faults]] with at = \"10s\" and what breaks")? {
        one(value, mesh, load, &mut faults, &mut held)?;
    }
    faults.extend(cuts::faults(&held));
    faults.sort_by_key(|fault| fault.at_ms);
    Ok(faults)
}

/// Whether a node that is to become the next version is that at some of the time already.
fn is_upgraded(faults: &[Fault], node: usize, at_ms: u64, until_ms: u64) -> bool {
    let times = |kind: NodeFault| {
        let kind = FaultKind::Node(kind);
        faults.iter().filter(move |fault| fault.kind == kind).map(|fault| fault.at_ms)
    };
    times(NodeFault::Upgrade(node)).any(|from_ms| {
        let ends_ms = times(NodeFault::Rollback(node)).filter(|end_ms| *end_ms > from_ms).min().unwrap_or(u64::MAX);
        from_ms < until_ms && at_ms < ends_ms
    })
}

fn one(
    value: &Value<'_>,
    mesh: &Mesh,
    load: &Load,
    faults: &mut Vec<Fault>,
    held: &mut Vec<Cut>,
) -> Result<(), Problem> {
    let table = Table::of(value, "[[faults]]")?;
    let words: Vec<&str> = WORDS.iter().map(|(word, ..)| *word).collect();
    table.only(&[&["at", "for", "by", "to"], &words[..]].concat(), "a fault")?;
    let at_ms = time(&table, "at", load)?
        .ok_or_else(|| table.problem("`at` is missing: when it happens, such as at = \"10s\""))?;
    let until_ms = match time(&table, "for", load)? {
        Some(for_ms) if at_ms + for_ms > load.duration_ms => {
            let message = format!("it would last beyond the load, which ends after {} s", load.duration_ms / 1000);
            return Err(Problem::at(table.must("for", "")?, message));
        }
        until => until.map_or(LOAD_FROM_MS + load.duration_ms, |for_ms| LOAD_FROM_MS + at_ms + for_ms),
    };
    let at_ms = LOAD_FROM_MS + at_ms;
    let mut said = WORDS.iter().filter_map(|(word, like, build)| Some((table.get(word)?, word, like, build)));
    let Some((what, _, _, build)) = said.next() else {
        return Err(table.problem(format!("nothing breaks here: one of {} is expected", words.join(", "))));
    };
    if let Some((value, word, ..)) = said.next() {
        return Err(Problem::at(
            value,
            format!("`{word}` is a second thing that breaks: give it a [[faults]] of its own"),
        ));
    }
    match build(&Said { value: what, table: &table, mesh, load })? {
        Breaks::Ways(ways) => held.push(Cut { at_ms, until_ms, ways }),
        Breaks::Kinds(comes, goes) => {
            for kind in &comes {
                if let FaultKind::Node(NodeFault::Upgrade(node)) = kind
                    && is_upgraded(faults, *node, at_ms, until_ms)
                {
                    let name = mesh.nodes().swap_remove(*node).name;
                    let message =
                        format!("{name} is the next version then already: end its other upgrade with `for` before");
                    return Err(Problem::at(what, message));
                }
            }
            faults.extend(comes.into_iter().map(|kind| Fault { at_ms, kind }));
            // What lasts to the end is healed with everything else.
            if until_ms < LOAD_FROM_MS + load.duration_ms {
                faults.extend(goes.into_iter().map(|kind| Fault { at_ms: until_ms, kind }));
            }
        }
    }
    Ok(())
}

fn time(table: &Table<'_>, key: &str, load: &Load) -> Result<Option<u64>, Problem> {
    let Some(value) = table.get(key) else { return Ok(None) };
    let ms = read::time_us(value)? / 1000;
    if key == "at" && ms >= load.duration_ms {
        let message = format!("nothing breaks after the load, which ends after {} s", load.duration_ms / 1000);
        return Err(Problem::at(value, message));
    }
    Ok(Some(ms))
}

fn cut(said: &Said<'_>) -> Result<Breaks, Problem> {
    let like = "sides of a cut, like [\"eu\", \"us\"] or [[\"eu\"], [\"us\", \"ap\"]]";
    let sides = read::list(said.value, like)?;
    if sides.len() < 2 {
        return Err(Problem::at(said.value, format!("a cut has at least two sides: {like}")));
    }
    let sides: Vec<Vec<usize>> = sides.into_iter().map(|side| said.mesh.group(side)).collect::<Result<_, _>>()?;
    let mut ways = Vec::new();
    for (index, side) in sides.iter().enumerate() {
        for other in sides.iter().enumerate().filter(|(other, _)| *other != index).flat_map(|(_, other)| other) {
            if side.contains(other) {
                return Err(Problem::at(said.value, "a node is on both sides of this cut"));
            }
            ways.extend(side.iter().map(|node| (*node, *other)));
        }
    }
    Ok(Breaks::Ways(ways))
}

fn isolate(said: &Said<'_>) -> Result<Breaks, Problem> {
    let alone = said.mesh.group(said.value)?;
    let others: Vec<usize> = (0..said.mesh.nodes().len()).filter(|node| !alone.contains(node)).collect();
    if others.is_empty() {
        return Err(Problem::at(said.value, "these are all the nodes: there is nobody to be isolated from"));
    }
    let both = |node: usize| others.iter().flat_map(move |other| [(node, *other), (*other, node)]);
    Ok(Breaks::Ways(alone.iter().flat_map(|node| both(*node)).collect()))
}

fn one_way(said: &Said<'_>) -> Result<Breaks, Problem> {
    let [from, to] = read::list(said.value, "[\"eu-1\", \"us-1\"]: the first no longer reaches the second")?[..] else {
        return Err(Problem::at(said.value, "a one-way cut has two ends: [\"eu-1\", \"us-1\"]"));
    };
    let (from, to) = (said.mesh.group(from)?, said.mesh.group(to)?);
    let ways = from.iter().flat_map(|from| to.iter().map(|to| (*from, *to))).filter(|(from, to)| from != to);
    Ok(Breaks::Ways(ways.collect()))
}

fn loss(said: &Said<'_>) -> Result<Breaks, Problem> {
    let permille = read::share_ppm(said.value)?.div_ceil(1_000);
    let net = |permille| vec![FaultKind::Net(NetFault::Loss(permille))];
    Ok(Breaks::Kinds(net(permille), net(0)))
}

fn slow_links(said: &Said<'_>) -> Result<Breaks, Problem> {
    let factor = some(said.value, 1_000, "times slower")? as u64;
    let net = |factor| vec![FaultKind::Net(NetFault::Slow(factor))];
    Ok(Breaks::Kinds(net(factor), net(1)))
}

/// The same at each node that is named.
fn each(
    said: &Said<'_>,
    comes: impl Fn(usize) -> FaultKind,
    goes: impl Fn(usize) -> FaultKind,
) -> Result<Breaks, Problem> {
    let nodes = said.mesh.group(said.value)?;
    Ok(Breaks::Kinds(nodes.iter().map(|node| comes(*node)).collect(), nodes.iter().map(|node| goes(*node)).collect()))
}

fn crash(said: &Said<'_>) -> Result<Breaks, Problem> {
    each(said, |node| FaultKind::Node(NodeFault::Crash(node)), |node| FaultKind::Node(NodeFault::Restart(node)))
}

/// It becomes the next version, and what it was when the time of the fault is over.
fn upgrade(said: &Said<'_>) -> Result<Breaks, Problem> {
    each(said, |node| FaultKind::Node(NodeFault::Upgrade(node)), |node| FaultKind::Node(NodeFault::Rollback(node)))
}

/// It is emptied by its own operator, and is a home again when the time of the fault is over.
fn drain(said: &Said<'_>) -> Result<Breaks, Problem> {
    let by_itself = |fault: fn(usize, usize) -> NodeFault| move |node| FaultKind::Node(fault(node, node));
    each(said, by_itself(NodeFault::Drain), by_itself(NodeFault::Undrain))
}

fn disk_full(said: &Said<'_>) -> Result<Breaks, Problem> {
    each(said, |node| FaultKind::Disk(DiskFault::Full(node)), |node| FaultKind::Disk(DiskFault::Freed(node)))
}

fn by_ms(said: &Said<'_>) -> Result<u64, Problem> {
    Ok(read::time_us(said.table.must("by", "how much, such as by = \"200ms\"")?)? / 1000)
}

fn disk_slow(said: &Said<'_>) -> Result<Breaks, Problem> {
    let ms = by_ms(said)?;
    let slow = |ms| move |node| FaultKind::Disk(DiskFault::Slow(node, ms));
    each(said, slow(ms), slow(1))
}

fn clock(said: &Said<'_>, sign: i64) -> Result<Breaks, Problem> {
    let ms = i64::try_from(by_ms(said)?).unwrap_or(i64::MAX) * sign;
    let step = |ms| move |node| FaultKind::Clock(ClockFault::Step(node, ms));
    each(said, step(ms), step(-ms))
}

fn clock_ahead(said: &Said<'_>) -> Result<Breaks, Problem> {
    clock(said, 1)
}

fn clock_behind(said: &Said<'_>) -> Result<Breaks, Problem> {
    clock(said, -1)
}

fn move_client(said: &Said<'_>) -> Result<Breaks, Problem> {
    let name = read::text(said.value)?;
    let Some(client) = (0..said.load.clients).find(|client| Load::nick(*client) == name) else {
        let last = Load::nick(said.load.clients - 1);
        return Err(Problem::at(said.value, format!("there is no client `{name}`: they are user1 to {last}")));
    };
    let to = said.table.must("to", "where it goes, such as to = \"us-1\"")?;
    let node = said.mesh.named(to)?[0];
    let home = client % said.mesh.nodes().len();
    let go = |node| vec![FaultKind::Client(ClientFault::Move(client, node))];
    // Without an end it stays where it went.
    Ok(Breaks::Kinds(go(node), if said.table.get("for").is_some() { go(home) } else { Vec::new() }))
}

#[cfg(test)]
pub(super) fn examples() -> Vec<&'static str> {
    WORDS.iter().map(|(_, like, _)| *like).collect()
}
