//! Which conversations are the newest, through restarts.

use super::{Peer, at, direct, node_id};
use crate::store::{Batch, BatchId, Commit, Store};
use lavina_crdt::clock::Hlc;
use lavina_crdt::ids::Scope;
use lavina_gossip::machine::Replica;

const NAMES: [&str; 4] = ["bob", "carol", "dave", "erin"];

fn with(name: &str) -> Scope {
    direct("alice", name)
}

/// As peers that lack all of these are sent them; those of which nothing is known, last.
fn newest_first(peer: &Peer) -> Vec<&'static str> {
    let mut known: Vec<(Hlc, &str)> = NAMES.map(|name| (peer.replicas.newest_in(&with(name)), name)).to_vec();
    known.retain(|(stamp, _)| *stamp > Hlc::default());
    known.sort_unstable();
    known.into_iter().rev().map(|(_, name)| name).collect()
}

fn say(peer: &mut Peer, ms: u64, name: &str) -> Batch {
    peer.say(at(ms), with(name), "alice", "hi");
    let batch = peer.replicas.take_batch(at(ms)).unwrap();
    peer.disk.commit(std::slice::from_ref(&batch)).unwrap();
    peer.replicas.persisted(batch.id);
    batch
}

#[test]
fn a_node_that_starts_knows_which_conversations_were_the_newest() {
    let mut peer = Peer::new(1);
    for (ms, name) in (1..).step_by(10_000).zip(["dave", "bob", "erin", "carol", "bob"]) {
        say(&mut peer, ms, name);
    }
    assert_eq!(newest_first(&peer), ["bob", "carol", "erin", "dave"]);
    let mut peer = peer.restart(at(60_000));
    assert_eq!(newest_first(&peer), ["bob", "carol", "erin", "dave"]);
    say(&mut peer, 60_001, "dave");
    let peer = peer.restart(at(60_002));
    assert_eq!(newest_first(&peer), ["dave", "bob", "carol", "erin"], "what was known before the start is not lost");
}

#[test]
fn who_caught_up_newest_first_goes_on_newest_first() {
    let (mut alice, mut bob) = (Peer::new(1), Peer::new(2));
    for (ms, name) in (1..).zip(NAMES) {
        say(&mut alice, ms, name);
    }
    for name in NAMES.into_iter().rev() {
        let origin = alice.replicas.origin();
        let run = alice.replicas.run(&with(name), origin, 0, 1_000).unwrap();
        bob.replicas.receive(at(10), node_id(1), vec![run]);
    }
    bob.flush();
    assert_eq!(newest_first(&bob), newest_first(&alice));
    assert_eq!(newest_first(&bob.restart(at(20))), newest_first(&alice));
}

#[test]
fn what_is_new_is_written_down_along_with_entries_and_seldom() {
    let mut peer = Peer::new(1);
    let first = peer.replicas.take_batch(at(0)).unwrap();
    assert!(!first.meta.contains_key("recent"), "nothing was written yet");
    assert!(say(&mut peer, 1, "bob").meta.contains_key("recent"));
    assert!(!say(&mut peer, 10_000, "carol").meta.contains_key("recent"));
    assert_eq!(peer.replicas.take_batch(at(20_000)), None, "it is worth no batch of its own");
    assert!(say(&mut peer, 20_001, "dave").meta.contains_key("recent"));
    let mut peer = peer.restart(at(30_000));
    let starts = peer.replicas.take_batch(at(30_000)).unwrap();
    assert!(!starts.meta.contains_key("recent"), "a start changes nothing of it");
}

#[test]
fn only_so_many_conversations_are_written_down() {
    let mut peer = Peer::new(1);
    let names: Vec<String> = (0..300).map(|number| format!("n{number}")).collect();
    names.iter().for_each(|name| drop(peer.say(at(1), with(name), "alice", "hi")));
    peer.flush();
    let row = peer.disk.meta("recent").unwrap().unwrap();
    assert!(row.len() < 16 * 1024, "{} bytes", row.len());
    let peer = peer.restart(at(2));
    let known = names.iter().map(|name| peer.replicas.newest_in(&with(name)) > Hlc::default());
    let known: Vec<bool> = known.collect();
    assert_eq!((known.iter().filter(|known| **known).count(), known[43], known[44]), (256, false, true));
}

#[test]
fn a_store_without_the_row_starts_and_one_that_says_nothing_understood_counts_as_none() {
    for row in [Vec::new(), vec![0xff; 40]] {
        let mut peer = Peer::new(1);
        say(&mut peer, 1, "bob");
        let spoilt = Batch { id: BatchId(9), meta: [("recent".to_owned(), row)].into(), ..Batch::default() };
        peer.disk.commit(&[spoilt]).unwrap();
        let mut peer = peer.restart(at(2));
        assert_eq!(newest_first(&peer), [""; 0]);
        say(&mut peer, 3, "carol");
        assert_eq!(newest_first(&peer.restart(at(4))), ["carol"]);
    }
}
