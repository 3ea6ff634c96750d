//! Rooms that leave memory and come back.

use super::rooms::{act, founded};
use super::*;
use lavina_crdt::room::{Act, Flag, Rank};

/// So long after the start, in rounds of the default length.
fn rounds(count: u64) -> Now {
    at(count * (Limits::default().room_idle_ms + 1))
}

fn pass_two_rounds(peer: &mut Peer, from: u64) {
    for round in from..from + 3 {
        assert_eq!(peer.replicas.timeout(rounds(round)), []);
    }
}

#[test]
fn a_room_that_nobody_asks_for_leaves_memory_and_comes_back_as_it_was() {
    let (mut alice, mut bob) = founded();
    act(&mut alice, at(3), "alice", Act::SetFlag { flag: Flag::Moderated, on: true });
    act(&mut alice, at(3), "alice", Act::SetRank { who: author(2, "bob").principal(), rank: Rank::Voice });
    bob.receive(at(4), 1, &alice.flush());
    bob.flush();
    bob.say(at(5), room_scope(), "bob", "before");
    alice.receive(at(6), 2, &bob.flush());
    alice.flush();
    let before = alice.replicas.room(&room()).unwrap();
    assert_eq!(alice.replicas.rooms_loaded(), 1);
    pass_two_rounds(&mut alice, 1);
    assert_eq!(alice.replicas.rooms_loaded(), 0);
    assert_eq!(alice.replicas.room(&room()), Some(before));
    assert_eq!(alice.replicas.rooms_loaded(), 0, "to look is not to load");
    // What comes is judged as where it never left, here by a standing that was given before.
    bob.say(at(7), room_scope(), "bob", "after");
    assert_eq!(said(&alice.receive(rounds(5), 2, &bob.flush()).effects), ["after"]);
    alice.flush();
    act(&mut alice, rounds(6), "alice", Act::SetTopic("again".to_owned()));
    bob.receive(rounds(6), 1, &alice.flush());
    bob.flush();
    assert_eq!(alice.texts(&room_scope()), ["before", "after"]);
    assert_eq!(alice.replicas.room(&room()), bob.replicas.room(&room()));
    assert_eq!(alice.replicas.digest(), bob.replicas.digest());
}

#[test]
fn a_room_that_is_asked_for_or_waits_for_something_stays() {
    let (mut alice, mut bob) = founded();
    bob.flush();
    act(&mut alice, at(3), "alice", Act::SetTopic("rust".to_owned()));
    pass_two_rounds(&mut alice, 1);
    assert_eq!(alice.replicas.rooms_loaded(), 1, "it is not durable");
    bob.receive(rounds(4), 1, &alice.flush());
    bob.flush();
    bob.say(rounds(4), room_scope(), "bob", "fine");
    // Carol has heard what bob says, and not what it rests on.
    let mut carol = Peer::new(3);
    assert_eq!(carol.receive(rounds(4), 2, &bob.flush()).effects, []);
    carol.flush();
    for round in 5..9 {
        let _ = carol.replicas.timeout(rounds(round));
    }
    assert_eq!(carol.replicas.rooms_loaded(), 1);
    let runs = alice.missing_at(&carol);
    assert_eq!(said(&carol.receive(rounds(9), 1, &runs).effects), ["fine"]);
    carol.flush();
    for round in 10..14 {
        assert_eq!(carol.texts(&room_scope()), ["fine"]);
        let _ = carol.replicas.timeout(rounds(round));
        assert_eq!(carol.replicas.rooms_loaded(), 1, "it is read in every round");
    }
}
