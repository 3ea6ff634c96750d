//! Restarts, full disks, failing disks.

use super::*;
use crate::store::{RENEW_EPOCH, StoreError};
use lavina_protocols::command::Refusal;

fn try_say(peer: &mut Peer, now: Now, text: &str) -> Result<Appended, Refusal> {
    let body = Body::Message(Content::text(text));
    peer.replicas.append(now, direct("alice", "bob"), Some(author(1, "alice")), body)
}

#[test]
fn a_restarted_node_goes_on_where_its_disk_ends() {
    let scope = direct("alice", "bob");
    let mut peer = Peer::new(1);
    let first = peer.say(at(5), scope.clone(), "alice", "durable").key;
    peer.flush();
    peer.say(at(6), scope.clone(), "alice", "lost");
    // The wall clock steps back an hour meanwhile.
    let back = Now { mono_us: 7_000, wall_ms: START_MS - 3_600_000 };
    let incarnation = peer.replicas.incarnation();
    let mut peer = peer.restart(back);
    assert!(peer.replicas.incarnation() > incarnation);
    assert_eq!(peer.texts(&scope), ["durable"]);
    let second = peer.say(back, scope.clone(), "alice", "again").key;
    assert_eq!(second.seq, first.seq + 1);
    assert!(second.hlc > first.hlc);
    let mut other = Peer::new(2);
    peer.flush();
    let runs = peer.missing_at(&other);
    assert_eq!(said(&other.receive(at(8), 1, &runs).effects), ["durable", "again"]);
}

#[test]
fn from_a_full_disk_batches_come_again_in_order_and_appends_are_refused() {
    let mut peer = Peer::new(1);
    while peer.replicas.take_batch(at(1)).is_some() {}
    try_say(&mut peer, at(1), "one").unwrap();
    let one = peer.replicas.take_batch(at(1)).unwrap();
    try_say(&mut peer, at(1), "two").unwrap();
    let two = peer.replicas.take_batch(at(1)).unwrap();
    peer.replicas.persist_failed(at(2), one.id, &StoreError::Full);
    assert_eq!(try_say(&mut peer, at(2), "three"), Err(Refusal::Storage));
    assert_eq!(peer.replicas.take_batch(at(1)), None);
    let retry = peer.replicas.next_timeout().unwrap();
    let later = Now { mono_us: retry, wall_ms: START_MS + 2_000 };
    assert_eq!(peer.replicas.timeout(later), []);
    assert_eq!(peer.replicas.take_batch(at(1)), Some(one.clone()));
    assert_eq!(peer.replicas.take_batch(at(1)), Some(two.clone()));
    peer.disk.commit(&[one, two.clone()]).unwrap();
    assert_eq!(peer.replicas.persisted(two.id).own.len(), 2);
    try_say(&mut peer, later, "three").unwrap();
    peer.flush();
    assert_eq!(peer.texts(&direct("alice", "bob")), ["one", "two", "three"]);
}

#[test]
fn while_the_disk_is_full_peers_are_still_heard() {
    let (mut alice, mut bob) = (Peer::new(1), Peer::new(2));
    try_say(&mut alice, at(1), "hi").unwrap();
    let batch = bob.replicas.take_batch(at(1)).unwrap();
    bob.replicas.persist_failed(at(1), batch.id, &StoreError::Full);
    assert_eq!(said(&bob.receive(at(2), 1, &alice.flush()).effects), ["hi"]);
    assert_eq!(bob.texts(&direct("alice", "bob")), ["hi"]);
}

#[test]
fn after_a_failed_disk_nothing_is_written_any_more() {
    let mut peer = Peer::new(1);
    let batch = peer.replicas.take_batch(at(1)).unwrap();
    peer.replicas.persist_failed(at(1), batch.id, &StoreError::Failed("input/output error".to_owned()));
    assert_eq!(try_say(&mut peer, at(2), "hi"), Err(Refusal::Storage));
    assert_eq!(peer.replicas.next_timeout(), None);
    assert_eq!(peer.replicas.take_batch(at(1)), None);
}

#[test]
fn nobody_else_can_make_a_node_think_that_its_disk_is_old() {
    let (mut alice, mut mallory) = (Peer::new(1), Peer::new(3));
    mallory.say(at(1), direct("alice", "bob"), "mallory", "hi");
    let mut runs = mallory.flush();
    runs[0].origin = origin_key(1);
    assert_eq!(alice.receive(at(2), 3, &runs).faults.len(), 1);
    try_say(&mut alice, at(3), "hi").unwrap();
}

#[test]
fn an_older_copy_of_a_disk_writes_nothing_more_and_takes_a_new_epoch() {
    let scope = direct("alice", "bob");
    let (mut alice, mut bob) = (Peer::new(1), Peer::new(2));
    alice.say(at(1), scope.clone(), "alice", "one");
    alice.flush();
    let backup = alice.disk.fork(origin_key(1));
    alice.say(at(2), scope.clone(), "alice", "two");
    alice.flush();
    let runs = alice.missing_at(&bob);
    bob.receive(at(3), 1, &runs);
    bob.flush();

    let mut alice = Peer::open(1, backup, at(4));
    let runs = bob.missing_at(&alice);
    assert_eq!(alice.receive(at(5), 2, &runs), Received::default());
    assert_eq!(try_say(&mut alice, at(6), "again"), Err(Refusal::Storage));
    alice.flush();
    assert!(alice.disk.meta(RENEW_EPOCH).unwrap().is_some());

    let renewed = alice.disk.fork(OriginKey { epoch: 2, ..origin_key(1) });
    let mut alice = Peer::open(1, renewed, at(7));
    alice.receive(at(8), 2, &runs);
    alice.say(at(9), scope.clone(), "alice", "three");
    assert_eq!(alice.texts(&scope), ["one", "two", "three"]);
}
