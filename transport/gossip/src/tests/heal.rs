//! Cuts, deaths and what comes after.

use super::net::{Net, id, room};
use crate::frame::{Frame, encode};
use crate::machine::Input;
use lavina_crdt::ids::Scope;

fn cut_between(net: &mut Net, left: &[usize], right: &[usize]) {
    for a in left {
        right.iter().for_each(|b| net.cut(*a, *b));
    }
}

#[test]
fn both_sides_of_a_cut_are_equal_soon_after_it_heals() {
    let mut net = Net::new(&[0, 1, 2], 1);
    net.start();
    net.run_ms(3_000);
    cut_between(&mut net, &[0, 1], &[2]);
    for n in 0..300 {
        net.write(n % 3, &room(n % 11), 1);
        net.run_ms(20);
    }
    net.run_ms(10_000);
    assert_eq!(net.nodes[0].reach.get(&2), Some(&false));
    assert_eq!(net.nodes[2].reach.get(&0), Some(&false));
    assert_eq!(net.nodes[0].reach.get(&1), Some(&true));
    net.heal();
    net.run_ms(10_000);
    assert!(net.converged());
    assert_eq!(net.nodes[0].durable.entries(), 300);
    for node in 0..3 {
        assert!(net.nodes[node].reach.values().all(|up| *up), "node {node}");
    }
}

#[test]
fn what_was_missed_enters_a_region_about_once() {
    let mut net = Net::new(&[0, 0, 0, 1, 1, 1], 2);
    net.start();
    net.run_ms(3_000);
    cut_between(&mut net, &[0, 1, 2], &[3, 4, 5]);
    net.run_ms(2_000);
    for n in 0..400 {
        net.write(n % 6, &room(n % 50), 1);
        net.run_ms(5);
    }
    net.run_ms(2_000);
    net.heal();
    let since_us = net.now_us;
    net.run_ms(12_000);
    assert!(net.converged());
    for region in 0..2 {
        let copies = net.copies_into(region, since_us);
        assert!((196..=240).contains(&copies), "{copies} copies for about 200 entries");
    }
}

#[test]
fn a_region_that_comes_back_to_two_others_is_told_about_once() {
    let mut net = Net::new(&[0, 0, 1, 1, 2, 2], 9);
    net.start();
    net.run_ms(3_000);
    cut_between(&mut net, &[0, 1], &[2, 3, 4, 5]);
    net.run_ms(2_000);
    for n in 0..300 {
        net.write(n % 6, &room(n % 50), 1);
        net.run_ms(5);
    }
    net.run_ms(2_000);
    net.heal();
    let since_us = net.now_us;
    net.run_ms(12_000);
    assert!(net.converged());
    let copies = net.copies_into(0, since_us);
    assert!((196..=240).contains(&copies), "{copies} copies for about 200 entries");
}

#[test]
fn a_node_that_comes_back_learns_from_its_own_region() {
    let mut net = Net::new(&[0, 0, 1, 1], 10);
    net.start();
    net.run_ms(3_000);
    cut_between(&mut net, &[0], &[1, 2, 3]);
    net.run_ms(2_000);
    for n in 0..200 {
        net.write(n % 4, &room(n % 50), 1);
        net.run_ms(5);
    }
    net.run_ms(2_000);
    net.heal();
    let since_us = net.now_us;
    net.run_ms(12_000);
    assert!(net.converged());
    assert!(net.copies_into(0, since_us) <= 10, "{}", net.copies_into(0, since_us));
    assert!(net.copies_into(1, since_us) <= 60, "{}", net.copies_into(1, since_us));
}

#[test]
fn a_restarted_node_catches_up_and_is_in_reach_again() {
    let mut net = Net::new(&[0, 0, 1], 3);
    net.start();
    net.run_ms(3_000);
    net.write(1, &room(1), 10);
    net.run_ms(500);
    net.kill(1);
    net.run_ms(15_000);
    assert_eq!(net.nodes[0].reach.get(&1), Some(&false));
    net.write(0, &room(1), 10);
    net.write(2, &room(2), 10);
    net.restart(1);
    net.run_ms(8_000);
    assert!(net.converged());
    assert_eq!(net.nodes[1].durable.entries(), 30);
    assert_eq!(net.nodes[0].reach.get(&1), Some(&true));
    assert_eq!(net.nodes[1].reach.get(&0), Some(&true));
}

#[test]
fn a_link_between_two_is_cut_and_all_stay_in_reach_and_whole() {
    let mut net = Net::new(&[0, 1, 2, 3], 4);
    net.start();
    net.run_ms(3_000);
    net.cut(0, 1);
    net.run_ms(5_000);
    for n in 0..50 {
        net.write(n % 4, &room(n % 5), 1);
        net.run_ms(50);
    }
    net.run_ms(20_000);
    assert!(net.converged());
    for node in 0..4 {
        assert!(net.nodes[node].reach.values().all(|up| *up), "node {node}: {:?}", net.nodes[node].reach);
    }
}

#[test]
fn a_gap_in_a_stream_is_asked_for_at_once() {
    let mut net = Net::new(&[0, 0], 5);
    net.start();
    net.run_ms(10_000);
    net.write(0, &room(1), 1);
    net.run_ms(100);
    net.loss = 100;
    net.write(0, &room(1), 1);
    net.loss = 0;
    net.write(0, &room(1), 1);
    net.run_ms(150);
    assert!(net.converged());
}

#[test]
fn the_little_that_was_missed_is_asked_for_at_once() {
    let mut net = Net::new(&[0, 1], 5);
    (0..500).for_each(|n| (0..2).for_each(|node| net.preload(node, 0, &room(n), 2)));
    net.start();
    net.run_ms(25_000);
    net.cut(0, 1);
    net.run_ms(10_000);
    net.write(0, &room(1), 10);
    net.write(1, &room(2), 5);
    net.write(0, &room(2), 5);
    net.run_ms(1_000);
    net.heal();
    let since_us = net.now_us;
    net.run_ms(7_000);
    assert!(net.converged());
    let said = net.log.iter().filter(|(at, ..)| *at >= since_us).map(|(.., frame)| frame);
    let asked = said.clone().filter(|frame| matches!(frame, Frame::Buckets(_) | Frame::Vectors { .. })).count();
    let changed = said.filter(|frame| matches!(frame, Frame::Changed { .. }));
    let told: usize = changed.map(|frame| encode(frame).unwrap().len()).sum();
    assert_eq!(asked, 0, "nobody has asked the tree");
    assert!((1..1_000).contains(&told), "{told} bytes");
    assert_eq!(net.copies_into(0, since_us) + net.copies_into(1, since_us), 20);
}

#[test]
fn a_cold_node_gets_a_large_history_in_paced_batches() {
    let mut net = Net::new(&[0, 1], 6);
    for n in 0..200 {
        net.preload(0, 0, &room(n), 300);
    }
    net.preload(0, 0, &Scope::Mesh, 5);
    net.start();
    net.run_ms(10_000);
    assert!(net.converged());
    let deltas: Vec<_> =
        net.log.iter().filter(|(.., frame)| matches!(frame, crate::frame::Frame::Delta { .. })).collect();
    assert!(deltas.len() > 4);
    let crate::frame::Frame::Delta { runs, more } = &deltas[0].3 else { unreachable!() };
    assert!(*more);
    assert_eq!(runs[0].scope, Scope::Mesh);
    assert_eq!(net.copies_to(1, 0), 60_005);
}

#[test]
fn a_node_off_the_roster_is_forgotten() {
    let mut net = Net::new(&[0, 0], 7);
    net.start();
    net.run_ms(3_000);
    assert_eq!(net.nodes[0].reach.get(&1), Some(&true));
    net.input(0, Input::Roster(Vec::new()));
    assert_eq!(net.nodes[0].reach.get(&1), Some(&false));
    assert!(net.nodes[0].gossip.peers().is_empty());
    let before = net.nodes[0].gossip.counters().frames_refused;
    net.input(0, Input::Frame(id(1), crate::frame::Frame::Durable(Vec::new())));
    assert_eq!(net.nodes[0].gossip.counters().frames_refused, before + 1);
}

#[test]
fn what_a_peer_cannot_take_yet_keeps_nothing_else_from_it_however_much_it_asks_for() {
    let mut net = Net::new(&[0, 0], 5);
    net.preload(0, 7, &room(0), 3);
    net.nodes[1].unknown = Some(id(7));
    net.start();
    let asks = |net: &mut Net, count: usize| {
        for n in 0..count {
            net.run_ms(1_000);
            net.input(
                0,
                Input::Frame(id(1), Frame::Ask { vectors: vec![(room(1 + n), Default::default())], send: true }),
            );
        }
    };
    asks(&mut net, 4);
    net.nodes[1].unknown = None;
    asks(&mut net, 8);
    assert!(net.converged());
}
