//! What comparing costs.

use super::net::{Net, room};
use crate::frame::{Frame, encode};

fn sync_frames(net: &Net) -> Vec<&Frame> {
    let of_sync = |frame: &&Frame| match frame {
        Frame::Root { .. } | Frame::Buckets(_) | Frame::Vectors { .. } | Frame::Delta { .. } => true,
        Frame::Push { .. }
        | Frame::Durable(_)
        | Frame::PresenceHave(_)
        | Frame::Presence(_)
        | Frame::Signal { .. }
        | Frame::Membership(_)
        | Frame::Resend(_)
        | Frame::Placing(_)
        | Frame::AskRooms
        | Frame::Rooms { .. }
        | Frame::Clock(_)
        | Frame::Heads(_) => false,
        Frame::Changed { .. } | Frame::Ask { .. } | Frame::Holding(_) => true,
    };
    net.log.iter().map(|(_, _, _, frame)| frame).filter(of_sync).collect()
}

fn preloaded(scopes: usize) -> Net {
    let mut net = Net::new(&[0, 0], 1);
    for node in 0..2 {
        (0..scopes).for_each(|n| net.preload(node, 0, &room(n), 2));
    }
    net
}

#[test]
fn equal_replicas_exchange_only_their_root() {
    let mut net = preloaded(300);
    net.start();
    net.run_ms(20_000);
    let frames = sync_frames(&net);
    assert!(frames.len() >= 2);
    assert!(frames.iter().all(|frame| matches!(frame, Frame::Root { .. })));
}

#[test]
fn an_idle_mesh_says_next_to_nothing_and_looks_closely_when_something_ends() {
    let mut net = preloaded(300);
    net.start();
    net.run_ms(30_000);
    let (since_us, packets) = (net.now_us, net.packets);
    net.run_ms(120_000);
    let said = net.log.iter().filter(|(at, ..)| *at >= since_us).count();
    assert!(said <= 10, "{said} frames in two minutes");
    assert!(net.packets - packets <= 20, "{} packets in two minutes", net.packets - packets);
    net.kill(1);
    net.run_ms(15_000);
    assert_eq!(net.nodes[0].reach.get(&1), Some(&false));
}

#[test]
fn of_two_that_are_equal_one_says_so() {
    let mut net = preloaded(300);
    net.start();
    net.run_ms(20_000);
    let since_us = net.now_us;
    net.run_ms(120_000);
    let roots = net.log.iter().filter(|(at, .., frame)| *at >= since_us && matches!(frame, Frame::Root { .. }));
    let roots = roots.count();
    assert!((3..=4).contains(&roots), "{roots} in two minutes");
}

#[test]
fn one_differing_scope_among_many_costs_its_bucket() {
    let mut net = preloaded(5_000);
    net.preload(0, 0, &room(500), 3);
    net.start();
    net.run_ms(1_000);
    assert!(net.converged());
    let mut kinds = Vec::new();
    let mut bytes = 0;
    for frame in sync_frames(&net) {
        bytes += encode(frame).unwrap().len();
        kinds.push(match frame {
            Frame::Vectors { buckets, vectors, .. } => {
                assert_eq!(buckets.len(), 1);
                assert!(vectors.len() < 50);
                "vectors"
            }
            Frame::Delta { runs, more } => {
                assert_eq!((runs.len(), runs[0].first, runs[0].entries.len(), *more), (1, 2, 1, false));
                "delta"
            }
            Frame::Root { .. } => "root",
            Frame::Buckets(_) => "buckets",
            Frame::Push { .. }
            | Frame::Durable(_)
            | Frame::PresenceHave(_)
            | Frame::Presence(_)
            | Frame::Signal { .. }
            | Frame::Membership(_)
            | Frame::Resend(_)
            | Frame::Clock(_)
            | Frame::Heads(_) => "other",
            Frame::Changed { .. } => "changed",
            Frame::Placing(_) => "placing",
            Frame::Ask { .. } => "ask",
            Frame::Holding(_) => "holding",
            Frame::AskRooms => "ask rooms",
            Frame::Rooms { .. } => "rooms",
        });
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, ["buckets", "delta", "root", "vectors"]);
    assert!(bytes < 20_000, "{bytes}");
}

#[test]
fn a_busy_mesh_sends_next_to_nothing_twice() {
    let mut net = Net::new(&[0, 0, 1, 1], 3);
    net.start();
    net.run_ms(3_000);
    let since_us = net.now_us;
    for n in 0..1_000 {
        net.write(n % 4, &room(n % 10), 1);
        net.run_ms(10);
    }
    net.run_ms(3_000);
    assert!(net.converged());
    let copies: usize = (0..4).map(|node| net.copies_to(node, since_us)).sum();
    assert!(copies <= 3_030, "{copies} copies, 3000 needed");
}

#[test]
fn the_same_seed_gives_the_same_outputs() {
    let trace = |seed| {
        let mut net = Net::new(&[0, 0, 1, 1, 2], seed);
        net.loss = 10;
        net.start();
        for n in 0..40 {
            net.write(n % 5, &room(n % 3), 1);
            net.run_ms(100);
            match n {
                10 => net.cut(0, 2),
                15 => net.kill(4),
                20 => net.heal(),
                25 => net.restart(4),
                _ => {}
            }
        }
        net.run_ms(5_000);
        net.trace.finalize()
    };
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}
