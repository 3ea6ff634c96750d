//! Rights in rooms, as every node judges them.

use super::*;
use lavina_crdt::room::{Act, Flag, Kick, Mask, Rank};

pub(super) fn act(peer: &mut Peer, now: Now, name: &str, act: Act) -> Vec<Effect> {
    let author = author(peer.number, name);
    peer.replicas.append_acts(now, &room(), author, &[act]).unwrap().effects
}

fn ban(name: &str) -> Act {
    Act::SetBan { mask: Mask::Account(account(name)), ban: Some(String::new()) }
}

/// A room of alice (node 1) that bob (node 2) knows.
pub(super) fn founded() -> (Peer, Peer) {
    let (mut alice, mut bob) = (Peer::new(1), Peer::new(2));
    act(&mut alice, at(1), "alice", Act::Create);
    bob.receive(at(2), 1, &alice.flush());
    (alice, bob)
}

#[test]
fn a_change_says_what_was_asked_and_what_it_did() {
    let (mut alice, mut bob) = founded();
    let topic = Act::SetTopic("rust".to_owned());
    let own = act(&mut alice, at(3), "alice", topic.clone());
    let [Effect::RoomChanged { acts, old, new, .. }] = own.as_slice() else { panic!("{own:?}") };
    assert_eq!((acts, &old.topic), (&vec![topic], &None));
    assert_eq!(new.topic.as_ref().map(|topic| topic.text.as_str()), Some("rust"));
    assert_eq!(bob.receive(at(4), 1, &alice.flush()).effects, own);
    assert_eq!(alice.replicas.room(&room()), bob.replicas.room(&room()));
    assert_eq!(bob.replicas.room(&room()), Some(std::sync::Arc::clone(new)));
}

#[test]
fn a_room_that_nobody_created_has_no_state() {
    let mut peer = Peer::new(1);
    assert_eq!(peer.replicas.room(&room()), None);
    peer.say(at(1), room_scope(), "alice", "anybody here?");
    assert_eq!(peer.replicas.room(&room()), None);
}

#[test]
fn after_a_ban_its_target_is_heard_nowhere() {
    let (mut alice, mut bob) = founded();
    act(&mut alice, at(3), "alice", ban("bob"));
    bob.receive(at(4), 1, &alice.flush());
    assert_eq!(bob.say(at(5), room_scope(), "bob", "let me in").effects, []);
    assert_eq!(alice.receive(at(6), 2, &bob.flush()).effects, []);
    assert_eq!((alice.texts(&room_scope()), bob.texts(&room_scope())), (vec![], vec![]));
    assert_eq!(alice.replicas.counters().entries_denied, 1);
}

#[test]
fn what_was_said_before_the_ban_was_known_stays() {
    let (mut alice, mut bob) = founded();
    act(&mut alice, at(3), "alice", ban("bob"));
    bob.say(at(4), room_scope(), "bob", "meanwhile");
    let (theirs, ours) = (bob.flush(), alice.flush());
    assert_eq!(said(&alice.receive(at(5), 2, &theirs).effects), ["meanwhile"]);
    bob.receive(at(5), 1, &ours);
    assert_eq!(
        (alice.texts(&room_scope()), bob.texts(&room_scope())),
        (vec!["meanwhile".into()], vec!["meanwhile".into()])
    );
}

#[test]
fn a_message_without_the_changes_it_rests_on_is_shown_when_they_come() {
    let (mut alice, mut bob) = founded();
    act(&mut alice, at(3), "alice", Act::SetFlag { flag: Flag::Moderated, on: true });
    act(&mut alice, at(3), "alice", Act::SetRank { who: author(2, "bob").principal(), rank: Rank::Voice });
    let changes = alice.flush();
    bob.receive(at(4), 1, &changes);
    bob.say(at(5), room_scope(), "bob", "thanks");
    let thanks = bob.flush();
    let mut carol = Peer::new(3);
    assert_eq!(carol.receive(at(6), 2, &thanks).effects, []);
    // Even when it has waited long enough: nobody here can know whether bob may speak.
    assert_eq!(carol.replicas.timeout(at(6 + Limits::default().hold_ms_max)), []);
    assert_eq!(carol.texts(&room_scope()), [""; 0]);
    carol.flush();
    let mut carol = carol.restart(at(7));
    let runs = alice.missing_at(&carol);
    assert_eq!(said(&carol.receive(at(8), 1, &runs).effects), ["thanks"]);
    assert_eq!(carol.texts(&room_scope()), ["thanks"]);
}

#[test]
fn what_is_held_while_the_room_is_built_anew_is_shown_once() {
    let (mut alice, mut bob) = founded();
    act(&mut alice, at(3), "alice", Act::SetTopic("rust".to_owned()));
    bob.receive(at(4), 1, &alice.flush());
    bob.say(at(5), room_scope(), "bob", "fine");
    let mut carol = Peer::new(3);
    assert_eq!(carol.receive(at(6), 2, &bob.flush()).effects, []);
    carol.flush();
    build_anew(&mut carol);
    let runs = alice.missing_at(&carol);
    assert_eq!(said(&carol.receive(at(9), 1, &runs).effects), ["fine"]);
    assert_eq!(carol.texts(&room_scope()), ["fine"]);
}

#[test]
fn what_waits_for_its_past_waits_on_when_the_node_starts_again() {
    let (mut alice, mut bob) = founded();
    let mut carol = Peer::new(3);
    carol.receive(at(3), 1, &alice.missing_at(&carol));
    alice.say(at(4), room_scope(), "alice", "first");
    let first = alice.flush();
    bob.receive(at(5), 1, &first);
    bob.say(at(6), room_scope(), "bob", "second");
    assert_eq!(carol.receive(at(7), 2, &bob.flush()).effects, []);
    carol.flush();
    let mut carol = carol.restart(at(8));
    assert_eq!(said(&carol.receive(at(9), 1, &first).effects), ["first", "second"]);
    carol.flush();
    let mut carol = carol.restart(at(10));
    assert_eq!(carol.replicas.timeout(at(20_000)), [], "nothing waits any more");
    assert_eq!(carol.texts(&room_scope()), ["first", "second"]);
}

#[test]
fn what_its_author_saw_through_a_void_entry_is_shown_before_it() {
    let (mut alice, mut bob) = founded();
    let mut carol = Peer::new(3);
    carol.receive(at(3), 1, &alice.missing_at(&carol));
    alice.say(at(4), room_scope(), "alice", "first");
    let first = alice.flush();
    let say = |text| {
        let mut dave = Peer::new(4);
        dave.receive(at(4), 1, &alice.missing_at(&dave));
        dave.say(at(5), room_scope(), "dave", text);
        dave.flush()
    };
    bob.receive(at(5), 1, &first);
    bob.receive(at(6), 4, &say("one"));
    bob.say(at(7), room_scope(), "bob", "fine");
    let fine = bob.flush();
    bob.receive(at(8), 4, &say("another"));
    carol.receive(at(9), 2, &bob.flush());
    assert_eq!(said(&carol.receive(at(10), 2, &fine).effects), [""; 0], "bob had seen more than carol has");
    assert_eq!(said(&carol.receive(at(11), 1, &first).effects), ["first"]);
    assert_eq!(said(&carol.replicas.timeout(at(10 + Limits::default().hold_ms_max))), ["fine"]);
    // What bob says from now on names what he saw, and waits for nothing that does not come.
    bob.say(at(12), room_scope(), "bob", "more");
    assert_eq!(said(&carol.receive(at(13), 2, &bob.flush()).effects), ["more"]);
}

/// A topic by dave, who has only heard of what alice has: done twice, it is two contents under one number.
fn topic_by_dave(alice: &Peer, text: &str) -> Vec<Run> {
    let mut dave = Peer::new(4);
    dave.receive(at(4), 1, &alice.missing_at(&dave));
    act(&mut dave, at(5), "dave", Act::SetTopic(text.to_owned()));
    dave.flush()
}

#[test]
fn what_was_said_on_top_of_a_void_change_stands() {
    let (mut alice, mut bob) = founded();
    act(&mut alice, at(3), "alice", Act::SetRank { who: author(4, "dave").principal(), rank: Rank::Operator });
    let mut carol = Peer::new(3);
    bob.receive(at(4), 1, &alice.flush());
    carol.receive(at(4), 1, &alice.missing_at(&carol));
    bob.receive(at(6), 4, &topic_by_dave(&alice, "one"));
    carol.receive(at(6), 4, &topic_by_dave(&alice, "another"));
    assert_eq!(said(&bob.say(at(7), room_scope(), "bob", "fine").effects), ["fine"]);
    let words = bob.flush();
    assert_eq!(said(&carol.receive(at(8), 2, &words).effects), [""; 0], "it rests on what is not here");
    carol.flush();
    // Each learns of the other topic, and so that neither counts.
    assert_eq!(said(&bob.receive(at(9), 4, &topic_by_dave(&alice, "another")).effects), [""; 0], "it was shown");
    assert_eq!(said(&carol.receive(at(9), 4, &topic_by_dave(&alice, "one")).effects), ["fine"]);
    for peer in [&mut bob, &mut carol] {
        peer.flush();
        assert_eq!(peer.texts(&room_scope()), ["fine"]);
        assert!(peer.replicas.room(&room()).is_some_and(|state| state.topic.is_none()));
    }
}

#[test]
fn what_was_said_on_top_of_a_void_change_stands_against_a_ban_that_its_author_did_not_know() {
    let (mut alice, mut bob) = founded();
    act(&mut alice, at(3), "alice", Act::SetRank { who: author(4, "dave").principal(), rank: Rank::Operator });
    bob.receive(at(4), 1, &alice.flush());
    let another = topic_by_dave(&alice, "another");
    bob.say(at(5), room_scope(), "bob", "hello");
    bob.receive(at(6), 4, &topic_by_dave(&alice, "one"));
    act(&mut alice, at(6), "alice", ban("bob"));
    let banned = alice.flush();
    assert_eq!(said(&bob.say(at(7), room_scope(), "bob", "fine").effects), ["fine"]);
    alice.receive(at(8), 2, &bob.flush());
    bob.receive(at(8), 1, &banned);
    for peer in [&mut alice, &mut bob] {
        peer.receive(at(9), 4, &another);
        peer.flush();
    }
    let proofs = [alice.missing_at(&bob), bob.missing_at(&alice)];
    bob.receive(at(10), 1, &proofs[0]);
    alice.receive(at(10), 2, &proofs[1]);
    for peer in [&mut alice, &mut bob] {
        peer.flush();
        assert_eq!(peer.texts(&room_scope()), ["hello", "fine"]);
    }
}

#[test]
fn what_is_held_too_long_while_the_room_is_built_anew_is_told() {
    let (mut alice, mut bob) = founded();
    act(&mut alice, at(3), "alice", Act::SetRank { who: author(2, "bob").principal(), rank: Rank::Operator });
    let mut carol = Peer::new(3);
    bob.receive(at(3), 1, &alice.flush());
    carol.receive(at(3), 1, &alice.missing_at(&carol));
    alice.say(at(4), room_scope(), "alice", "a topic, please");
    bob.receive(at(5), 1, &alice.flush());
    act(&mut bob, at(6), "bob", Act::SetTopic("rust".to_owned()));
    assert_eq!(carol.receive(at(7), 2, &bob.flush()).effects, []);
    carol.flush();
    build_anew(&mut carol);
    let effects = carol.replicas.timeout(at(600_000));
    let [Effect::RoomChanged { new, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(new.topic.is_some());
    assert_eq!(carol.replicas.room(&room()).as_ref(), Some(new));
}

/// Somebody else says two things under one number, so that the room is read again.
fn build_anew(peer: &mut Peer) {
    for text in ["one", "another"] {
        let mut dave = Peer::new(4);
        dave.say(at(7), room_scope(), "dave", text);
        peer.receive(at(8), 4, &dave.flush());
        peer.flush();
    }
    assert_eq!(peer.replicas.counters().quarantines, 1);
}

#[test]
fn who_acted_on_what_became_void_acts_on() {
    let (mut alice, mut bob) = founded();
    act(&mut alice, at(3), "alice", Act::SetRank { who: author(4, "dave").principal(), rank: Rank::Operator });
    bob.receive(at(4), 1, &alice.flush());
    let (one, another) = (topic_by_dave(&alice, "one"), topic_by_dave(&alice, "another"));
    alice.receive(at(6), 4, &one);
    alice.flush();
    let on_void = act(&mut alice, at(7), "alice", Act::SetFlag { flag: Flag::Moderated, on: true });
    assert!(matches!(on_void.as_slice(), [Effect::RoomChanged { .. }]));
    bob.receive(at(8), 1, &alice.flush());
    for peer in [&mut alice, &mut bob] {
        peer.receive(at(9), 4, &another);
    }
    bob.receive(at(10), 1, &alice.flush());
    bob.flush();
    let banned = |peer: &Peer| peer.replicas.room(&room()).is_some_and(|state| state.bans.len() == 1);
    let effects = act(&mut alice, at(11), "alice", ban("eve"));
    assert!(matches!(effects.as_slice(), [Effect::RoomChanged { .. }]));
    assert_eq!(bob.receive(at(12), 1, &alice.flush()).effects, effects);
    bob.flush();
    assert!(banned(&alice) && banned(&bob));
    let (state, mut alice) = (alice.replicas.room(&room()), alice.restart(at(20)));
    assert_eq!((alice.replicas.room(&room()), bob.restart(at(20)).replicas.room(&room())), (state.clone(), state));
    assert!(matches!(act(&mut alice, at(21), "alice", ban("frank")).as_slice(), [Effect::RoomChanged { .. }]));
}

#[test]
fn after_a_restart_too_nobody_changes_a_room_for_a_session_of_another_node() {
    let (alice, mut bob) = founded();
    let mut mallory = Peer::new(3);
    mallory.receive(at(3), 1, &alice.missing_at(&mallory));
    let forged = author(1, "alice");
    let acts = [Act::SetTopic("mine".to_owned())];
    mallory.replicas.append_acts(at(4), &room(), forged, &acts).unwrap();
    bob.receive(at(5), 3, &mallory.flush());
    bob.flush();
    let state = bob.replicas.room(&room());
    assert!(state.as_ref().is_some_and(|state| state.topic.is_none()));
    assert_eq!(bob.restart(at(6)).replicas.room(&room()), state);
}

#[test]
fn a_kick_counts_only_from_somebody_with_the_right() {
    let (mut alice, mut bob) = founded();
    let kick = |peer: &mut Peer, by: &str, whom: &str| {
        let target = author(1, whom);
        let kick =
            Kick { nick: target.nick.key(), who: target.principal(), sessions: Vec::new(), reason: String::new() };
        peer.replicas.append(at(3), room_scope(), Some(author(peer.number, by)), Body::Kick(kick)).unwrap().effects
    };
    assert_eq!(kick(&mut bob, "bob", "alice"), []);
    let effects = kick(&mut alice, "alice", "bob");
    assert!(matches!(effects.as_slice(), [Effect::Kicked { .. }]));
    assert_eq!(alice.receive(at(4), 2, &bob.flush()).effects, []);
    assert_eq!(bob.receive(at(4), 1, &alice.flush()).effects, effects);
}

#[test]
fn a_room_is_the_same_after_a_restart_with_and_without_a_snapshot() {
    for changes in [3, 200] {
        let (mut alice, _) = founded();
        for number in 0..changes {
            act(&mut alice, at(3), "alice", Act::SetTopic(number.to_string()));
            alice.say(at(3), room_scope(), "alice", "x");
        }
        act(&mut alice, at(4), "alice", ban("bob"));
        alice.flush();
        let saved = alice.disk.meta(&format!("doc/{}", room())).unwrap();
        assert_eq!(saved.is_some(), changes == 200);
        let (state, log) = (alice.replicas.room(&room()), alice.log(&room_scope()));
        let mut alice = alice.restart(at(5));
        assert_eq!((alice.replicas.room(&room()), alice.log(&room_scope())), (state, log));
        // It goes on as if nothing had been.
        act(&mut alice, at(6), "alice", Act::SetTopic("after".to_owned()));
        let topic = alice.replicas.room(&room()).and_then(|state| state.topic.clone());
        assert_eq!(topic.map(|topic| topic.text), Some("after".to_owned()));
    }
}
