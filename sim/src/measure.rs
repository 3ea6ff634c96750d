//! What a run is measured by: how long things took, what crossed between regions, what was lost. `compare` puts two runs side by side, and
//! [`Expect`](crate::Expect) bounds them.

use crate::client::line_of;
use crate::plan::Action;
use crate::world::World;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An answer in time: as invariant L12 has it, 50 ms, a commit and the client's own way, microseconds.
const IN_TIME_US: u64 = 60_000;

/// Measures of one run. Shares are per million, times in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measures {
    /// How long after healing all nodes were equal, milliseconds; `None` when they were not in time.
    pub converged_ms: Option<u64>,
    /// Lines that the scripts wanted to say.
    pub wanted: u64,
    /// Lines that were said: the client was connected.
    pub said: u64,
    /// Lines that were acknowledged.
    pub acknowledged: u64,
    /// Of the lines said in a room of a live node with a healthy disk, the share that was acknowledged in time.
    pub availability_ppm: u64,
    /// Of the lines wanted, the share that was acknowledged at all.
    pub served_ppm: u64,
    /// From saying to acknowledgement.
    pub acknowledge: Latency,
    /// From saying to being shown to a client of the same region.
    pub deliver_near: Latency,
    /// From saying to being shown to a client of another region.
    pub deliver_far: Latency,
    /// Entries that were written.
    pub entries: u64,
    /// Copies of entries that crossed from one region into another.
    pub wan_copies: u64,
    /// Of those, the ones that sync brought.
    pub wan_synced: u64,
    /// Copies per entry and remote region, in thousandths.
    pub copies_per_region_milli: u64,
    /// Bytes of entries that crossed live.
    pub wan_bytes: u64,
    /// Of those, bytes per entry.
    pub wan_bytes_per_entry: u64,
    /// Acknowledged lines that some client, in the room all the time, was never shown.
    pub lost: u64,
    /// Lines shown twice on one connection.
    pub duplicates: u64,
    /// Lines shown before an earlier one of the same sender.
    pub disordered: u64,
}

/// How long something took, over all its occurrences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// How often it occurred.
    pub count: u64,
    /// Half took at most this long.
    pub p50_us: u64,
    /// 99 of 100 took at most this long.
    pub p99_us: u64,
}

impl Latency {
    fn of(mut times_us: Vec<u64>) -> Self {
        times_us.sort_unstable();
        let at = |percent: usize| times_us.get((times_us.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Self { count: times_us.len() as u64, p50_us: at(50).unwrap_or(0), p99_us: at(99).unwrap_or(0) }
    }
}

fn ppm(part: u64, whole: u64) -> u64 {
    part.saturating_mul(1_000_000).checked_div(whole).unwrap_or(1_000_000)
}

/// Measures a world after its run.
pub(crate) fn measure(world: &World) -> Measures {
    let heal_us = world.plan.heal_at_ms * 1000;
    let mut measures = Measures {
        converged_ms: world.converged_us.map(|at_us| at_us.saturating_sub(heal_us) / 1000),
        ..Measures::default()
    };
    lines(world, &mut measures);
    deliveries(world, &mut measures);
    copies(world, &mut measures);
    measures
}

fn lines(world: &World, measures: &mut Measures) {
    let says = |action: &Action| matches!(action, Action::Say(_) | Action::Tell(_));
    let wanted = world.plan.clients.iter().flat_map(|client| &client.script).filter(|step| says(&step.action)).count();
    let sent: Vec<_> = world.clients.iter().flat_map(|client| client.sent.values()).collect();
    let took: Vec<u64> =
        sent.iter().filter_map(|sent| Some(sent.acked.as_ref()?.1.saturating_sub(sent.at_us))).collect();
    // What was given up before it was late says nothing: the client left, or its node broke.
    let judged = sent
        .iter()
        .filter(|sent| sent.expected)
        .filter(|sent| sent.acked.is_some() || sent.given_up_us.is_none_or(|at_us| at_us > sent.at_us + IN_TIME_US));
    let in_time = |acked: &Option<(String, u64)>, said_us: u64| {
        acked.as_ref().is_some_and(|(_, at_us)| at_us.saturating_sub(said_us) <= IN_TIME_US)
    };
    let (mut good, mut all) = (0, 0);
    for sent in judged {
        all += 1;
        good += u64::from(
            in_time(&sent.acked, sent.at_us) || sent.given_up_us.is_some_and(|at_us| at_us <= sent.at_us + IN_TIME_US),
        );
    }
    measures.wanted = wanted as u64;
    measures.said = sent.len() as u64;
    measures.acknowledged = took.len() as u64;
    measures.availability_ppm = ppm(good, all);
    measures.served_ppm = ppm(measures.acknowledged, measures.wanted);
    measures.acknowledge = Latency::of(took);
}

fn deliveries(world: &World, measures: &mut Measures) {
    let region = |client: usize| world.plan.nodes.get(world.clients[client].node).map(|node| node.region.as_str());
    let mut by_line = BTreeMap::new();
    for sender in &world.clients {
        by_line.extend(sender.sent.iter().filter_map(|(text, sent)| Some((line_of(text)?, sent))));
    }
    let (mut near, mut far) = (Vec::new(), Vec::new());
    for (index, client) in world.clients.iter().enumerate() {
        let mut ids: Vec<(u64, &str)> = client.seen.iter().map(|seen| (seen.connection, seen.id.as_str())).collect();
        ids.sort();
        measures.duplicates += ids.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
        let mut latest: BTreeMap<(u64, Option<&str>, usize, u64), u64> = BTreeMap::new();
        let mut shown = Vec::new();
        for seen in &client.seen {
            let Some(line) = line_of(&seen.text) else { continue };
            let Some(sent) = by_line.get(&line) else { continue };
            shown.push(line);
            let (sender, number) = line;
            let place = (seen.connection, seen.room.as_deref(), sender, sent.connection);
            let before = latest.insert(place, number);
            measures.disordered += u64::from(before.is_some_and(|before| before > number));
            if sender != index {
                let times = if region(sender) == region(index) { &mut near } else { &mut far };
                times.push(seen.at_us.saturating_sub(sent.at_us));
            }
        }
        shown.sort_unstable();
        let inside: Vec<Option<u64>> =
            world.plan.rooms.iter().map(|room| client.inside.get(&room.name).copied()).collect();
        let missed = by_line.iter().filter(|(line, sent)| {
            let since_us = sent.room.and_then(|room| *inside.get(room)?);
            sent.acked.is_some()
                && since_us.is_some_and(|since_us| since_us < sent.at_us)
                && shown.binary_search(line).is_err()
        });
        measures.lost += missed.count() as u64;
    }
    measures.deliver_near = Latency::of(near);
    measures.deliver_far = Latency::of(far);
}

/// Copies between regions of what was written since the clients came, so that the accounts made at the beginning do not count.
fn copies(world: &World, measures: &mut Measures) {
    let tallies = world.book.tallies.values().flat_map(BTreeMap::values).flatten();
    for tally in tallies.filter(|tally| tally.appended_us.is_some_and(|at_us| at_us > 0)) {
        let sum = |counts: &[u16]| counts.iter().map(|count| u64::from(*count)).sum::<u64>();
        measures.entries += 1;
        measures.wan_copies += sum(&tally.far) + sum(&tally.synced);
        measures.wan_synced += sum(&tally.synced);
    }
    let remote = world.book.members.len().saturating_sub(1) as u64;
    measures.wan_bytes = world.book.far_bytes;
    measures.copies_per_region_milli =
        (measures.wan_copies * 1_000).checked_div(measures.entries * remote).unwrap_or(0);
    measures.wan_bytes_per_entry = measures.wan_bytes.checked_div(measures.entries).unwrap_or(0);
}
