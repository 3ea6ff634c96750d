//! Entries as they are written.

use super::net::{Net, id, room};
use crate::frame::Frame;
use crate::machine::Input;
use bytes::Bytes;
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::SessionId;

const THREE_BY_THREE: &[usize] = &[0, 0, 0, 1, 1, 1, 2, 2, 2];

fn mesh(regions: &[usize], seed: u64) -> Net {
    let mut net = Net::new(regions, seed);
    net.start();
    net.run_ms(4_000);
    net
}

#[test]
fn every_entry_enters_each_remote_region_exactly_once() {
    let mut net = mesh(THREE_BY_THREE, 1);
    let since_us = net.now_us;
    for n in 0..60 {
        net.write(n % 9, &room(n % 7), 1 + n % 3);
        net.run_ms(37);
    }
    net.run_ms(10_000);
    assert!(net.converged());
    let written = net.nodes[0].durable.entries();
    assert_eq!(written, 120);
    for region in 0..3 {
        let own: usize = (0..60).filter(|n| net.region(n % 9) == region).map(|n| 1 + n % 3).sum();
        assert_eq!(net.copies_into(region, since_us), written - own, "region {region}");
    }
    for node in 0..9 {
        let own: usize = (0..60).filter(|n| n % 9 == node).map(|n| 1 + n % 3).sum();
        assert_eq!(net.copies_to(node, since_us), written - own, "node {node}");
        assert!(net.nodes[node].gossip.peers().iter().all(|peer| peer.unacknowledged == 0));
    }
    let retries: u64 = net.nodes.iter().map(|node| node.gossip.counters().gateway_retries).sum();
    assert_eq!(retries, 0);
}

#[test]
fn everybody_has_an_entry_after_one_far_and_one_near_hop() {
    let mut net = mesh(THREE_BY_THREE, 2);
    net.write(4, &room(1), 1);
    net.run_ms(40 + 1 + 21);
    assert!(net.converged());
}

#[test]
fn a_dead_gateway_is_replaced_and_nothing_is_lost() {
    let mut net = mesh(&[0, 1, 1, 1], 3);
    net.write(0, &room(1), 1);
    net.run_ms(1_000);
    let gateway = |net: &Net| {
        let relayed = |(_, from, _, frame): &&(u64, usize, usize, Frame)| {
            *from == 0 && matches!(frame, Frame::Push { relay: true, .. })
        };
        net.log.iter().rev().find(relayed).unwrap().2
    };
    let first = gateway(&net);
    net.kill(first);
    let since_us = net.now_us;
    net.write(0, &room(1), 1);
    net.run_ms(400);
    let second = gateway(&net);
    assert_ne!(first, second);
    assert!(net.converged(), "the living have it well before the dead one is noticed");
    assert_eq!(net.copies_into(1, since_us), 2, "one copy for each gateway");
    assert_eq!(net.nodes[0].gossip.counters().gateway_retries, 1);
    net.restart(first);
    net.run_ms(5_000);
    assert!(net.converged());
}

#[test]
fn a_gateway_relays_what_it_had_already() {
    let mut net = mesh(&[0, 1, 1], 4);
    net.write(0, &room(1), 1);
    net.run_ms(200);
    let (_, _, to, push) =
        net.log.iter().find(|(.., frame)| matches!(frame, Frame::Push { relay: true, .. })).unwrap().clone();
    let before = net.log.len();
    net.input(to, Input::Frame(id(0), push));
    let relayed = net.log[before..]
        .iter()
        .any(|(_, from, _, frame)| *from == to && matches!(frame, Frame::Push { relay: false, .. }));
    let acknowledged = net.log[before..]
        .iter()
        .any(|(_, from, to_, frame)| *from == to && *to_ == 0 && matches!(frame, Frame::Durable(_)));
    assert!(relayed && acknowledged);
}

#[test]
fn runs_of_one_input_travel_in_one_frame() {
    let mut net = mesh(&[0, 0], 5);
    let before = net.log.len();
    let runs: Vec<_> = (0..20)
        .map(|n| {
            net.preload(0, 0, &room(n), 1);
            crate::machine::Replica::run(&net.nodes[0].durable, &room(n), origin(), 0, 1000).unwrap()
        })
        .collect();
    net.input(0, Input::Appended(runs));
    assert_eq!(net.log.len() - before, 1);
}

fn origin() -> lavina_crdt::ids::Origin {
    lavina_crdt::ids::OriginKey { node: id(0), epoch: 0 }.origin()
}

#[test]
fn a_signal_finds_its_node_over_one_hop() {
    let mut net = mesh(&[0, 0, 1], 6);
    let session = SessionId { node: id(2), number: 7 };
    net.input(0, Input::Signal(session, Bytes::from_static(b"direct")));
    net.run_ms(100);
    net.cut(0, 2);
    net.run_ms(2_000);
    assert!(!net.connected(0, 2));
    net.input(0, Input::Signal(session, Bytes::from_static(b"around")));
    net.run_ms(100);
    let texts: Vec<&[u8]> = net.nodes[2].signals.iter().map(|(_, bytes)| bytes.as_ref()).collect();
    assert_eq!(texts, [b"direct", b"around"]);
    net.cut(1, 2);
    net.run_ms(2_000);
    net.input(0, Input::Signal(session, Bytes::from_static(b"nowhere")));
    net.run_ms(100);
    assert_eq!(net.nodes[2].signals.len(), 2);
    assert_eq!(net.nodes[1].gossip.counters().signals_dropped, 1);
}

#[test]
fn frames_of_strangers_are_refused_and_counted() {
    let mut net = mesh(&[0, 0], 7);
    let before = net.log.len();
    net.input(0, Input::Frame(id(9), Frame::Root { entries: Hash([1; 32]), presence: Hash([2; 32]) }));
    net.input(0, Input::Datagram(id(9), Bytes::from_static(b"?")));
    net.input(0, Input::Datagram(id(1), Bytes::from_static(b"not a packet")));
    assert_eq!(net.log.len(), before);
    assert_eq!(net.nodes[0].gossip.counters().frames_refused, 3);
}

#[test]
fn a_peer_that_never_acknowledges_is_left_to_sync() {
    let mut net = mesh(&[0, 0], 8);
    net.loss = 100;
    for _ in 0..25 {
        net.write(0, &room(1), 4_000);
    }
    let counters = net.nodes[0].gossip.counters();
    assert!(counters.pushes_withheld > 0, "{counters:?}");
    net.loss = 0;
    net.run_ms(30_000);
    assert!(net.converged());
}

#[test]
fn copies_waited_for_are_bounded_and_their_loss_is_counted() {
    let mut net = mesh(&[0, 1], 9);
    net.loss = 100;
    for _ in 0..4_200 {
        net.write(0, &room(1), 1);
    }
    assert_eq!(net.nodes[0].gossip.counters().tables_overflowed, 4_200 - 4_096);
    net.loss = 0;
    net.run_ms(15_000);
    assert!(net.converged());
}
