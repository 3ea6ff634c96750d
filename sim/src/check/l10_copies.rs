//! L10, WAN economy: without faults every entry enters each remote region exactly once, live, and reaches the other members of a region in one
//! copy each; with faults what is written while the mesh is whole enters a region 1.2 times on average at most.
//!
//! Where rooms are placed an entry enters the regions that hold its room, and what is fetched by who comes into one is not counted. Who has just come into a room may lack what
//! was said before all knew of it, and takes nothing that comes after that: there the average counts in runs without faults too.

use super::Rest;
use crate::plan::Class;
use crate::record::Tally;
use crate::world::World;

/// From when on all nodes of a run without faults are connected, microseconds.
const CONNECTED_US: u64 = 5_000_000;
/// Copies of an entry into a region on average, at most, in tenths.
const AVERAGE_TENTHS: u64 = 12;
/// Fewer entries than this into other regions say nothing about an average.
const ENTRIES_MIN: u64 = 50;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    if world.plan.class == Class::Fair && !world.is_placed() { fair(world) } else { average(world) }
}

/// Entries with what was counted of them, in words and by the region they come from.
fn entries(world: &World) -> impl Iterator<Item = (String, usize, &Tally)> {
    world.book.tallies.iter().flat_map(|(scope, origins)| origins.iter().map(move |origin| (scope, origin))).flat_map(
        move |(scope, (origin, tallies))| {
            let region = world.book.home(*origin);
            tallies.iter().enumerate().filter_map(move |(seq, tally)| {
                Some((format!("entry {seq} of {origin:?} in {scope:?}"), region?, tally))
            })
        },
    )
}

fn fair(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut near, mut near_most) = (0, 0);
    for (name, home, tally) in entries(world) {
        if tally.appended_us.is_none_or(|at_us| at_us < CONNECTED_US) {
            continue;
        }
        for (region, members) in world.book.members.iter().enumerate() {
            near += u64::from(tally.near[region]);
            near_most += *members as u64 - 1;
            let (live, synced) = (tally.far[region], tally.synced[region]);
            if region != home && (live, synced) != (1, 0) {
                wrong.push(format!("{name} entered region {region} {live} times live and {synced} times by sync"));
            }
        }
    }
    if near * 10 > near_most * 11 {
        wrong.push(format!("{near} copies were sent within regions, and {near_most} are enough"));
    }
    wrong
}

fn average(world: &World) -> Vec<String> {
    let (mut live, mut synced, mut due) = (0, 0, 0);
    for (_, home, tally) in entries(world).filter(|(_, _, tally)| tally.calm) {
        for (_, copies) in tally.whole.iter().enumerate().filter(|(region, _)| *region != home) {
            let fetched = if world.is_placed() { copies[1] } else { 0 };
            live += u64::from(copies[0]);
            synced += u64::from(copies[1] - fetched);
            due += u64::from([copies[0], copies[1] - fetched] != [0, 0]);
        }
    }
    if due >= ENTRIES_MIN && (live + synced) * 10 > due * AVERAGE_TENTHS {
        return vec![format!(
            "{live} live copies and {synced} by sync entered other regions while the mesh was whole, of {due} entries"
        )];
    }
    Vec::new()
}
