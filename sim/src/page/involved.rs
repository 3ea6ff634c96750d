//! What each alarm is about: the lines, acts, entries, nodes and times that its words name. The words are the checkers' own, which name nodes
//! by number, entries by id or by origin and number, and times in micro- or milliseconds.

use crate::check::Violation;
use crate::plan::Plan;
use crate::record::{ActRecord, EntryRecord, LineRecord, Micros, Record};
use std::collections::BTreeSet;

/// What all alarms are about.
pub(super) struct Involved {
    pub(super) by_violation: Vec<About>,
    /// Ids of the entries of lines that are named.
    pub(super) ids: BTreeSet<String>,
    /// Indices of entries that are named.
    pub(super) entries: BTreeSet<usize>,
}

/// What one alarm is about, by index.
#[derive(Default)]
pub(super) struct About {
    pub(super) lines: Vec<usize>,
    pub(super) acts: Vec<usize>,
    pub(super) entries: Vec<usize>,
    pub(super) nodes: Vec<usize>,
    pub(super) at_us: Vec<Micros>,
}

impl Involved {
    pub(super) fn of(plan: &Plan, violations: &[Violation], record: &Record) -> Self {
        let by_violation: Vec<About> = violations.iter().map(|violation| about(plan, violation, record)).collect();
        let lines = by_violation.iter().flat_map(|about| &about.lines);
        let ids = lines.filter_map(|line| record.lines[*line].id.clone()).collect();
        let entries = by_violation.iter().flat_map(|about| about.entries.iter().copied()).collect();
        Self { by_violation, ids, entries }
    }
}

fn about(plan: &Plan, violation: &Violation, record: &Record) -> About {
    let words: Vec<&str> = violation.what.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let named: BTreeSet<&str> = words.iter().copied().collect();
    let is_line = |line: &LineRecord| {
        named.contains(line.text.as_str()) || line.id.as_deref().is_some_and(|id| named.contains(id))
    };
    let rooms: BTreeSet<&str> =
        plan.rooms.iter().map(|room| room.name.as_str()).filter(|room| named.contains(room)).collect();
    let is_act = |act: &ActRecord| {
        let whom = act.whom.as_deref().is_some_and(|whom| named.contains(whom));
        let by = plan.clients.get(act.client).is_some_and(|client| named.contains(client.nick.as_str()));
        let in_room = act.room.as_deref().is_some_and(|room| rooms.contains(room));
        named.contains(act.text.as_str()) || (in_room && (whom || by && act.whom.is_none()))
    };
    let of_origin = |entry: &EntryRecord| {
        let mut pairs = words.windows(3);
        let in_room = rooms.is_empty() || entry.scope.strip_prefix("room ").is_some_and(|room| rooms.contains(room));
        // `Dot { origin: o.., seq: 3 }` and `entry 3 of o..`.
        in_room
            && pairs.any(|three| match three {
                [origin, "seq", seq] => *origin == entry.by && seq.parse() == Ok(entry.seq),
                [seq, "of", origin] => *origin == entry.by && seq.parse() == Ok(entry.seq),
                _ => false,
            })
    };
    let is_entry = |entry: &EntryRecord| named.contains(entry.id.as_str()) || of_origin(entry);
    let numbered = words.windows(2).filter(|pair| matches!(pair[0], "node" | "nodes" | "and"));
    let mut nodes: BTreeSet<usize> = numbered.filter_map(|pair| pair[1].parse().ok()).collect();
    nodes.extend((0..plan.nodes.len()).filter(|node| named.contains(plan.nodes[*node].name.as_str())));
    nodes.retain(|node| *node < plan.nodes.len());
    About {
        lines: places(&record.lines, is_line),
        acts: places(&record.acts, is_act),
        entries: places(&record.entries, is_entry),
        nodes: nodes.into_iter().collect(),
        at_us: words.windows(3).filter_map(time).collect(),
    }
}

fn places<T>(list: &[T], is_named: impl Fn(&T) -> bool) -> Vec<usize> {
    list.iter().enumerate().filter(|(_, one)| is_named(one)).map(|(index, _)| index).collect()
}

/// `at 7000 us`, `until 7 ms`.
fn time(three: &[&str]) -> Option<Micros> {
    match three {
        ["at" | "until", number, "us"] => number.parse().ok(),
        ["at" | "until", number, "ms"] => number.parse::<Micros>().ok().map(|ms| ms * 1000),
        _ => None,
    }
}
