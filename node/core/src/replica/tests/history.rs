//! Pages.

use super::*;
use lavina_crdt::content::Principal;
use lavina_protocols::command::{Bound, Refusal};
use proptest::prelude::*;

/// Two nodes' talk, half of it durable.
fn talk(count: u64) -> (Peer, Vec<Message>) {
    let (mut alice, mut bob) = (Peer::new(1), Peer::new(2));
    let scope = direct("alice", "bob");
    for index in 0..count {
        let (peer, name) = if index % 3 == 0 { (&mut alice, "alice") } else { (&mut bob, "bob") };
        peer.say(at(index / 2), scope.clone(), name, &index.to_string());
        if index == count / 2 {
            let runs = bob.flush();
            alice.receive(at(index), 2, &runs);
            alice.flush();
        }
    }
    let runs = bob.flush();
    alice.receive(at(count), 2, &runs);
    let log = alice.log(&scope);
    assert_eq!(log.len() as u64, count);
    (alice, log)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pages_of_any_size_and_direction_make_the_same_sequence(count in 1..30u64, limit in 1..8usize, newest: bool) {
        let (mut peer, log) = talk(count);
        let scope = direct("alice", "bob");
        let mut read: Vec<Message> = Vec::new();
        loop {
            let edge = if newest { read.first() } else { read.last() };
            let edge = edge.map(|said| Bound::Id(said.key.msg_id()));
            let (after, before) = if newest { (None, edge) } else { (edge, None) };
            let query = Query { scopes: std::slice::from_ref(&scope), after, before, limit, newest, ..Query::default() };
            let page = peer.replicas.history(&query).unwrap();
            prop_assert!(page.messages.len() <= limit);
            if newest {
                read.splice(0..0, page.messages);
            } else {
                read.extend(page.messages);
            }
            if page.complete {
                break;
            }
        }
        prop_assert_eq!(read, log);
    }
}

#[test]
fn a_time_bounds_a_page_exclusively() {
    let (mut peer, log) = talk(12);
    let scope = direct("alice", "bob");
    let (from, to) = (START_MS + 1, START_MS + 4);
    let query = Query {
        scopes: std::slice::from_ref(&scope),
        after: Some(Bound::Time(from)),
        before: Some(Bound::Time(to)),
        limit: 100,
        ..Query::default()
    };
    let page = peer.replicas.history(&query).unwrap();
    let expected: Vec<Message> = log.into_iter().filter(|said| (from + 1..to).contains(&said.key.hlc.ms())).collect();
    assert!(!expected.is_empty());
    assert_eq!(page.messages, expected);
}

#[test]
fn messages_are_found_by_id_within_the_bounds() {
    let (mut peer, log) = talk(10);
    let scope = direct("alice", "bob");
    let ids: Vec<_> = [8, 1, 3].map(|index: usize| log[index].key.msg_id()).into();
    let mut query = Query { scopes: std::slice::from_ref(&scope), ids: &ids, limit: 10, ..Query::default() };
    assert_eq!(peer.replicas.history(&query).unwrap().messages, [log[1].clone(), log[3].clone(), log[8].clone()]);
    query.after = Some(Bound::Id(log[1].key.msg_id()));
    assert_eq!(peer.replicas.history(&query).unwrap().messages, [log[3].clone(), log[8].clone()]);
}

#[test]
fn a_bound_that_is_no_message_here_is_an_error() {
    let (mut peer, log) = talk(2);
    let other = direct("alice", "carol");
    let after = Some(Bound::Id(log[0].key.msg_id()));
    let query = Query { scopes: std::slice::from_ref(&other), after, limit: 1, ..Query::default() };
    assert_eq!(peer.replicas.history(&query), Err(Refusal::NoSuchMessage));
}

#[test]
fn all_conversations_of_an_account_read_as_one() {
    let mut peer = Peer::new(1);
    peer.say(at(1), direct("alice", "bob"), "alice", "to bob");
    peer.say(at(2), direct("alice", "carol"), "alice", "to carol");
    peer.say(at(3), direct("alice", "bob"), "alice", "to bob again");
    peer.say(at(4), direct("bob", "carol"), "carol", "not hers");
    peer.flush();
    let mut peer = peer.restart(at(5));
    let scopes: Vec<Scope> = peer.replicas.conversations(&account("alice")).cloned().collect();
    let query = Query { scopes: &scopes, limit: 2, newest: true, ..Query::default() };
    let page = peer.replicas.history(&query).unwrap();
    let texts: Vec<&str> = page.messages.iter().map(|said| said.content.text.as_str()).collect();
    assert_eq!((texts, page.complete), (vec!["to carol", "to bob again"], false));
    let reader = Principal::Account(account("alice"));
    let early = peer.replicas.targets(&reader, &scopes, START_MS..START_MS + 3, 10, true).unwrap();
    assert_eq!(early.len(), 1, "what has gone on later is not of that time");
    let targets = peer.replicas.targets(&reader, &scopes, START_MS..START_MS + 4, 10, true).unwrap();
    let targets: Vec<(Scope, u64)> = targets.into_iter().map(|(scope, key)| (scope, key.hlc.ms() - START_MS)).collect();
    assert_eq!(targets, [(direct("alice", "carol"), 2), (direct("alice", "bob"), 3)]);
}
