//! What goes out first to a peer that lacks much.

use super::net::{Net, room};
use crate::frame::Frame;
use lavina_crdt::clock::Hlc;
use lavina_crdt::ids::{Origin, Scope};
use lavina_crdt::segment;

const ROOMS: usize = 20;

/// The newest first.
fn by_age() -> Vec<Scope> {
    (0..ROOMS).map(|n| room((n * 7) % ROOMS)).collect()
}

fn preload(net: &mut Net, node: usize) {
    for (age, scope) in by_age().iter().enumerate() {
        let newest = 1_000_000 - u64::try_from(age).unwrap() * 1_000;
        net.preload_at(node, 0, scope, (newest - 500..newest).map(Hlc::from_ms));
    }
}

/// The scopes that came to a node by sync, in order.
fn came_to(net: &Net, node: usize) -> Vec<Scope> {
    let mut came: Vec<Scope> = Vec::new();
    for (_, _, to, frame) in &net.log {
        if let Frame::Delta { runs, .. } = frame
            && *to == node
        {
            came.extend(runs.iter().map(|run| run.scope.clone()));
        }
    }
    came.dedup();
    came
}

#[test]
fn a_node_that_was_just_started_gives_the_newest_conversations_first() {
    let mut net = Net::new(&[0, 0], 1);
    preload(&mut net, 0);
    net.start();
    net.run_ms(5_000);
    assert!(net.converged());
    assert_eq!(came_to(&net, 1), by_age());
}

#[test]
fn who_caught_up_newest_first_goes_on_newest_first() {
    let mut net = Net::new(&[0, 0, 0], 2);
    preload(&mut net, 0);
    net.kill(2);
    net.start();
    net.run_ms(5_000);
    net.kill(0);
    net.restart(2);
    net.run_ms(10_000);
    assert_eq!(net.nodes[2].durable, net.nodes[1].durable);
    assert_eq!(came_to(&net, 2), by_age());
}

/// Entries of a room that came to a node by sync, in order: by which origin and of when.
fn entries_to(net: &Net, node: usize, scope: &Scope) -> Vec<(Origin, Hlc)> {
    let mut came = Vec::new();
    for (_, _, to, frame) in &net.log {
        if let Frame::Delta { runs, .. } = frame
            && *to == node
        {
            for run in runs.iter().filter(|run| run.scope == *scope) {
                came.extend(run.entries.iter().map(|entry| (run.origin.origin(), segment::stamp(entry).unwrap())));
            }
        }
    }
    came
}

/// How much older an entry is than one that came before it, at most.
fn disorder_ms(came: &[(Origin, Hlc)]) -> u64 {
    let mut newest = 0;
    let late = came.iter().map(|(_, stamp)| {
        newest = newest.max(stamp.ms());
        newest - stamp.ms()
    });
    late.max().unwrap()
}

#[test]
fn a_conversation_of_several_origins_comes_as_it_went() {
    let mut net = Net::new(&[0, 0], 3);
    // Both speak by turns, and a third one some time later; one entry each ten milliseconds.
    let turns = |from: u64| (from..from + 6_000).step_by(2).map(|turn| Hlc::from_ms(turn * 10));
    for (origin, from) in [(0, 0), (5, 1), (6, 4_000)] {
        net.preload_at(0, origin, &room(1), turns(from));
    }
    net.start();
    net.run_ms(5_000);
    assert!(net.converged());
    let came = entries_to(&net, 1, &room(1));
    assert_eq!(came.len(), 9_000);
    assert!(disorder_ms(&came) < 10_000, "{} of 100,000 ms", disorder_ms(&came));
}

#[test]
fn little_of_several_origins_comes_in_one_run_each() {
    let mut net = Net::new(&[0, 0], 4);
    for (origin, from) in [(0, 300), (5, 100), (6, 200)] {
        net.preload_at(0, origin, &room(1), (from..from + 50).map(Hlc::from_ms));
    }
    net.start();
    net.run_ms(5_000);
    let came = entries_to(&net, 1, &room(1));
    assert!(came.is_sorted_by_key(|(_, stamp)| *stamp), "the oldest first");
    let deltas = net.log.iter().filter(|(.., frame)| matches!(frame, Frame::Delta { .. }));
    let runs: Vec<usize> =
        deltas.map(|(.., frame)| if let Frame::Delta { runs, .. } = frame { runs.len() } else { 0 }).collect();
    assert_eq!(runs, [3]);
}

#[test]
fn who_is_alone_in_a_room_fills_batches_with_one_run() {
    let mut net = Net::new(&[0, 0], 5);
    net.preload_at(0, 0, &room(1), (0..9_000).map(Hlc::from_ms));
    net.start();
    net.run_ms(5_000);
    assert!(net.converged());
    let deltas =
        net.log.iter().filter_map(|(.., frame)| if let Frame::Delta { runs, .. } = frame { Some(runs) } else { None });
    assert!(deltas.clone().count() > 2 && deltas.clone().all(|runs| runs.len() == 1));
}
