//! A run as one page: lanes of nodes over time, what was cut and down, every message and the way each copy took. It needs nothing but
//! itself: style, script and data are in it.
//!
//! Made from the [`Record`] alone, so what is shown is what happened. The page is bounded: of long runs, what an alarm is about is kept first.

mod involved;
mod words;

use crate::plan::Plan;
use crate::record::{ActRecord, EntryRecord, How, LineRecord, Record, Span};
use crate::run::Report;
use involved::Involved;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const FRAME: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Most moments (copies, commits, showings) on a page: keeps it below three megabytes.
const MOMENTS_MAX: usize = 90_000;

/// The page of a run, as [`run_recorded`](crate::run_recorded) gives it. `repeat` is the command that repeats the run.
///
/// ```
/// use lavina_sim::{Sizes, generate, page, run_recorded};
/// let plan = generate(1, &Sizes { nodes: 3, clients: 4, rooms: 1, storm_ms: 4_000, ..Sizes::default() });
/// let (report, record) = run_recorded(&plan);
/// let html = page(&plan, &report, &record, "lavina sim run --seed 1");
/// assert!(html.starts_with("<!doctype html>") && html.len() < 3_000_000);
/// ```
#[must_use]
pub fn page(plan: &Plan, report: &Report, record: &Record, repeat: &str) -> String {
    let data = data(plan, report, record, repeat).to_string();
    // Within a script element only these could end it or open a comment.
    let data = data.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    FRAME.replacen("/*STYLE*/", STYLE, 1).replacen("/*DATA*/", &data, 1).replacen("/*SCRIPT*/", SCRIPT, 1)
}

fn data(plan: &Plan, report: &Report, record: &Record, repeat: &str) -> Value {
    let involved = Involved::of(plan, &report.violations, record);
    let (entries, left_out) = chosen(record, &involved);
    let places: BTreeMap<&str, usize> =
        entries.iter().enumerate().map(|(place, index)| (record.entries[*index].id.as_str(), place)).collect();
    let on_page: BTreeMap<usize, usize> = entries.iter().enumerate().map(|(place, index)| (*index, place)).collect();
    let lines: Vec<Value> = record.lines.iter().map(|line| line_value(line, &places)).collect();
    let node = |node: &crate::record::NodeLane| {
        json!({ "name": node.name, "region": node.region, "zone": node.zone,
            "up": spans(&node.up), "paused": spans(&node.paused) })
    };
    let cuts: Vec<Value> =
        record.cuts.iter().map(|cut| json!([cut.from, cut.to, cut.span.from_us, cut.span.until_us])).collect();
    let faults: Vec<Value> = record
        .faults
        .iter()
        .map(|fault| json!({ "at": fault.at_us, "name": fault.name, "what": fault.what, "nodes": fault.nodes }))
        .collect();
    let clients: Vec<Value> = plan.clients.iter().map(|client| json!([client.nick, client.speaks])).collect();
    json!({
        "seed": plan.seed, "level": plan.level, "class": plan.class, "repeat": repeat, "hash": report.hash,
        "end": record.end_us, "healed": record.healed_us, "converged": record.converged_us,
        "nodes": record.nodes.iter().map(node).collect::<Vec<_>>(),
        "cuts": cuts, "faults": faults, "clients": clients, "lines": lines,
        "acts": record.acts.iter().map(act_value).collect::<Vec<_>>(),
        "entries": entries.iter().map(|index| entry_value(&record.entries[*index])).collect::<Vec<_>>(),
        "leftOut": left_out, "truncated": record.truncated,
        "violations": report.violations.iter().zip(&involved.by_violation).map(|(violation, involved)| json!({
            "id": violation.invariant, "plain": words::plain(violation.invariant), "what": violation.what,
            "lines": involved.lines, "nodes": involved.nodes, "acts": involved.acts, "at": involved.at_us,
            "entries": involved.entries.iter().filter_map(|index| on_page.get(index)).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "measures": report.measures, "events": report.last_events, "acknowledged": report.acknowledged,
    })
}

fn spans(spans: &[Span]) -> Value {
    spans.iter().map(|span| json!([span.from_us, span.until_us])).collect()
}

fn line_value(line: &LineRecord, places: &BTreeMap<&str, usize>) -> Value {
    let entry = line.id.as_deref().and_then(|id| places.get(id));
    let shown: Vec<_> = line.shown.iter().map(|shown| json!([shown.client, shown.at_us])).collect();
    json!({ "c": line.client, "n": line.node, "t": line.text, "r": line.room, "s": line.said_us, "a": line.acked_us,
        "id": line.id, "e": entry, "shown": shown })
}

fn act_value(act: &ActRecord) -> Value {
    json!({ "c": act.client, "n": act.node, "at": act.at_us, "what": act.what() })
}

fn entry_value(entry: &EntryRecord) -> Value {
    let how = |how: How| match how {
        How::Push => 0,
        How::Relay => 1,
        How::Delta => 2,
    };
    let durable: Vec<Value> = entry.durable.iter().map(|durable| json!([durable.node, durable.at_us])).collect();
    // A copy of what is there already changes nothing and hides what does.
    let copies = entry.copies.iter().filter(|copy| copy.first);
    let copies: Vec<Value> = copies.map(|copy| json!([copy.from, copy.to, copy.at_us, how(copy.how)])).collect();
    json!({ "id": entry.id, "sc": entry.scope, "o": entry.origin, "q": entry.seq, "at": entry.appended_us, "d": durable, "c": copies })
}

/// The entries that the page has room for, in their order: those that an alarm is about first, then what is in rooms and between people.
fn chosen(record: &Record, involved: &Involved) -> (Vec<usize>, usize) {
    let spoken: BTreeSet<&str> = record.lines.iter().filter_map(|line| line.id.as_deref()).collect();
    let rank = |index: usize, entry: &EntryRecord| match entry.scope.split(' ').next() {
        _ if involved.ids.contains(&entry.id) || involved.entries.contains(&index) => 0,
        _ if spoken.contains(entry.id.as_str()) => 1,
        Some("room" | "direct") => 2,
        Some(_) | None => 3,
    };
    let mut order: Vec<(u8, usize)> =
        record.entries.iter().enumerate().map(|(index, entry)| (rank(index, entry), index)).collect();
    order.sort_unstable();
    let mut left: usize = MOMENTS_MAX.saturating_sub(record.lines.iter().map(|line| line.shown.len() / 2).sum());
    let mut kept: Vec<usize> = Vec::new();
    for (_, index) in &order {
        let entry = &record.entries[*index];
        let moments = entry.durable.len() + entry.copies.len() + 2;
        let Some(rest) = left.checked_sub(moments) else { break };
        left = rest;
        kept.push(*index);
    }
    kept.sort_unstable();
    let left_out = order.len() - kept.len();
    (kept, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Violation;
    use crate::{Sizes, generate, run_recorded};

    #[test]
    fn a_default_seed_makes_a_page_of_bounded_size_that_needs_nothing_else() {
        let plan = generate(4, &Sizes::default());
        let (mut report, record) = run_recorded(&plan);
        let line = record.lines.iter().position(|line| line.id.is_some()).unwrap();
        let what = format!("{} was acknowledged and is not on node 1 </script>", record.lines[line].text);
        report.violations.push(Violation { invariant: "L3", what });
        let html = page(&plan, &report, &record, "lavina sim run --seed 4");
        assert!(html.len() < 3_000_000, "{}", html.len());
        for outside in ["src=", "href=", "url(h", "url(/", "@import", "fetch("] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert_eq!(html.matches("</script>").count(), 2);
        let value = data(&plan, &report, &record, "");
        let last = value["violations"].as_array().unwrap().last().unwrap();
        assert_eq!(last["lines"], json!([line]));
        assert_eq!(last["nodes"], json!([1]));
    }

    #[test]
    fn an_alarm_points_at_the_act_the_entry_and_the_time_that_its_words_name() {
        let plan = generate(4, &Sizes::default());
        let (mut report, record) = run_recorded(&plan);
        let act = record.acts.iter().position(|act| !act.text.is_empty()).unwrap();
        let entry = record.entries.iter().position(|entry| entry.scope == "room room0").unwrap();
        let (by, seq) = (&record.entries[entry].by, record.entries[entry].seq);
        let text = &record.acts[act].text;
        let what = format!("Dot {{ origin: {by}, seq: {seq} }} of room0 and the ban on {text}, until 12500 ms");
        report.violations.push(Violation { invariant: "L7", what });
        let value = data(&plan, &report, &record, "");
        let last = value["violations"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["acts"], &last["at"]), (&json!([act]), &json!([12_500_000])));
        assert_eq!(last["entries"].as_array().unwrap().len(), 1);
    }
}
