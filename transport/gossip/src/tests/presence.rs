//! Presence between nodes.

use super::net::{Net, id};
use crate::machine::Input;
use lavina_crdt::clock::Hlc;
use lavina_crdt::ids::SessionId;
use lavina_crdt::modes::UserModes;
use lavina_crdt::names::Nick;
use lavina_crdt::presence::{SessionRecord, Show};
use std::collections::BTreeMap;
use std::sync::Arc;

fn record(nick: &str) -> Arc<SessionRecord> {
    Arc::new(SessionRecord {
        account: None,
        nick: Nick::new(nick).unwrap(),
        nick_since: Hlc(1),
        user: nick.to_owned(),
        host: "host".to_owned(),
        realname: String::new(),
        resource: None,
        priority: 0,
        available: true,
        show: Show::Available,
        status: String::new(),
        payloads: Vec::new(),
        rooms: BTreeMap::new(),
        secure: true,
        modes: UserModes::default(),
        signed_on: Hlc(1),
    })
}

fn put(net: &mut Net, node: usize, number: u64, record: Option<Arc<SessionRecord>>) {
    let after = net.nodes[node].presence.versions().get(&id(node)).map_or(0, |(_, version)| *version);
    let generation = net.generation(node);
    net.nodes[node].presence.put(generation, SessionId { node: id(node), number }, record);
    let update = net.nodes[node].presence.since(id(node), after).unwrap();
    net.input(node, Input::Presence(update));
}

fn sessions(net: &Net, node: usize) -> Vec<u64> {
    net.nodes[node].presence.iter().map(|(session, _)| session.number).collect()
}

#[test]
fn a_new_session_is_seen_everywhere_at_once_and_a_late_node_learns_of_it() {
    let mut net = Net::new(&[0, 0, 1], 1);
    net.start();
    net.kill(2);
    net.run_ms(3_000);
    put(&mut net, 0, 1, Some(record("alice")));
    put(&mut net, 0, 2, Some(record("bob")));
    put(&mut net, 0, 1, None);
    net.run_ms(10);
    assert_eq!(sessions(&net, 1), [2]);
    net.restart(2);
    net.run_ms(8_000);
    assert_eq!(sessions(&net, 2), [2]);
}

#[test]
fn nodes_without_a_connection_learn_of_one_another_through_others() {
    let mut net = Net::new(&[0, 1, 2], 2);
    net.start();
    net.cut(0, 1);
    net.run_ms(5_000);
    put(&mut net, 0, 1, Some(record("alice")));
    net.run_ms(7_000);
    assert_eq!(sessions(&net, 1), [1]);
    put(&mut net, 0, 1, None);
    net.run_ms(7_000);
    assert!(sessions(&net, 1).is_empty());
}

#[test]
fn the_sessions_of_an_earlier_start_end_though_nobody_has_come_back() {
    let mut net = Net::new(&[0, 0, 1], 3);
    net.start();
    net.cut(0, 2);
    net.run_ms(3_000);
    put(&mut net, 0, 1, Some(record("alice")));
    net.run_ms(7_000);
    assert_eq!(sessions(&net, 2), [1]);
    net.kill(0);
    net.restart(0);
    net.run_ms(10_000);
    assert!(sessions(&net, 1).is_empty());
    assert!(sessions(&net, 2).is_empty());
}

#[test]
fn a_missed_update_is_asked_for() {
    let mut net = Net::new(&[0, 0], 4);
    net.start();
    net.run_ms(2_000);
    // The update to this one is never sent.
    let generation = net.generation(0);
    net.nodes[0].presence.put(generation, SessionId { node: id(0), number: 1 }, Some(record("alice")));
    put(&mut net, 0, 2, Some(record("bob")));
    net.run_ms(50);
    assert_eq!(sessions(&net, 1), [1, 2]);
}

#[test]
fn a_start_with_the_number_of_an_earlier_one_is_seen_and_ends_the_sessions_of_that_one() {
    for back in [0, 1] {
        let mut net = Net::new(&[0, 0, 1], 5);
        net.start();
        net.kill(0);
        net.restart(0);
        net.run_ms(3_000);
        for number in 1..=4 {
            put(&mut net, 0, number, Some(record("alice")));
        }
        net.run_ms(7_000);
        assert_eq!(sessions(&net, 2), [1, 2, 3, 4]);
        let generation = net.generation(0);
        net.kill(0);
        net.restart_as(0, generation - back);
        put(&mut net, 0, 5, Some(record("bob")));
        net.run_ms(10_000);
        assert_eq!(sessions(&net, 0), [5]);
        assert_eq!(sessions(&net, 1), [5], "{back} back");
        assert_eq!(sessions(&net, 2), [5], "{back} back");
    }
}
