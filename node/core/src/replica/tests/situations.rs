//! One situation each.

use super::*;
use crate::replica::Fault;
use lavina_crdt::account::{AccountCreate, Credentials, ScramCredentials};
use lavina_crdt::chain::{self, ChainError};
use lavina_crdt::entry::SealedEntry;
use lavina_crdt::mesh::MeshAct;
use lavina_crdt::register::RegisterSet;
use lavina_gossip::machine::Replica;

#[test]
fn what_is_appended_shows_at_once_and_leaves_only_when_durable() {
    let mut peer = Peer::new(1);
    let scope = direct("alice", "bob");
    let appended = peer.say(at(1), scope.clone(), "alice", "hi");
    assert_eq!(said(&appended.effects), ["hi"]);
    assert_eq!(peer.texts(&scope), ["hi"]);
    let origin = origin_key(1).origin();
    assert_eq!(peer.replicas.vector(&scope).next(origin), 0);
    let batch = peer.replicas.take_batch(at(1)).unwrap();
    assert_eq!((batch.id, batch.urgent), (appended.batch, true));
    // Written, but not yet reported: nobody may see it.
    peer.disk.commit(std::slice::from_ref(&batch)).unwrap();
    assert_eq!(peer.replicas.run(&scope, origin, 0, 1000), None);
    let persisted = peer.replicas.persisted(batch.id);
    assert_eq!(persisted.own.len(), 1);
    assert_eq!(persisted.vectors, [(scope.clone(), peer.replicas.vector(&scope))]);
    assert_eq!(peer.replicas.run(&scope, origin, 0, 1000), persisted.own.into_iter().next());
    assert_eq!(peer.texts(&scope), ["hi"]);
}

#[test]
fn a_batch_of_many_entries_is_signed_once() {
    let mut peer = Peer::new(1);
    for text in ["a", "b", "c"] {
        peer.say(at(1), direct("alice", "bob"), "alice", text);
    }
    let [run] = peer.flush().try_into().unwrap();
    let signed: Vec<bool> = run.entries.iter().map(|sealed: &SealedEntry| sealed.signature.is_some()).collect();
    assert_eq!(signed, [false, false, true]);
}

#[test]
fn a_run_that_came_before_shows_nothing_again() {
    let (mut alice, mut bob) = (Peer::new(1), Peer::new(2));
    alice.say(at(1), direct("alice", "bob"), "alice", "hi");
    let runs = alice.flush();
    assert_eq!(said(&bob.receive(at(2), 1, &runs).effects), ["hi"]);
    let again = bob.receive(at(3), 1, &runs);
    assert_eq!((again.effects.len(), again.verified.len()), (0, 1));
    bob.flush();
    let again = bob.receive(at(4), 1, &runs);
    assert_eq!((again.effects.len(), again.verified.len()), (0, 1));
}

#[test]
fn of_a_run_that_overlaps_only_the_new_part_is_taken() {
    let (mut alice, mut bob) = (Peer::new(1), Peer::new(2));
    let scope = direct("alice", "bob");
    alice.say(at(1), scope.clone(), "alice", "one");
    bob.receive(at(2), 1, &alice.flush());
    alice.say(at(3), scope.clone(), "alice", "two");
    alice.flush();
    let whole = alice.disk.run(&scope, origin_key(1).origin(), 0, 10_000).unwrap().unwrap();
    assert_eq!(whole.entries.len(), 2);
    assert_eq!(said(&bob.receive(at(4), 1, &[whole]).effects), ["two"]);
}

#[test]
fn a_gap_is_left_to_sync() {
    let (mut alice, mut bob) = (Peer::new(1), Peer::new(2));
    let scope = direct("alice", "bob");
    alice.say(at(1), scope.clone(), "alice", "one");
    alice.flush();
    alice.say(at(2), scope.clone(), "alice", "two");
    let second = alice.flush();
    let received = bob.receive(at(3), 1, &second);
    assert_eq!(received, Received::default());
    assert_eq!(bob.replicas.counters().runs_gap, 1);
    sync(at(4), &mut [alice, bob]);
}

#[test]
fn a_reply_waits_for_what_it_answers_and_comes_after_it() {
    let (mut alice, mut bob, mut carol) = (Peer::new(1), Peer::new(2), Peer::new(3));
    let scope = direct("alice", "bob");
    alice.say(at(1), scope.clone(), "alice", "question");
    let question = alice.flush();
    bob.receive(at(2), 1, &question);
    bob.say(at(3), scope.clone(), "bob", "answer");
    let answer = bob.flush();
    assert_eq!(carol.receive(at(4), 2, &answer).effects, []);
    // It is stored all the same, and known.
    carol.flush();
    assert_eq!(carol.replicas.vector(&scope).next(origin_key(2).origin()), 1);
    assert_eq!(said(&carol.receive(at(5), 1, &question).effects), ["question", "answer"]);
    assert_eq!(carol.replicas.next_timeout(), None);
}

#[test]
fn a_reply_whose_question_never_comes_is_shown_after_a_while() {
    let (mut alice, mut bob, mut carol) = (Peer::new(1), Peer::new(2), Peer::new(3));
    let scope = direct("alice", "bob");
    alice.say(at(1), scope.clone(), "alice", "question");
    bob.receive(at(2), 1, &alice.flush());
    bob.say(at(3), scope.clone(), "bob", "answer");
    bob.say(at(3), scope.clone(), "bob", "more");
    carol.receive(at(4), 2, &bob.flush());
    let hold_ms = Limits::default().hold_ms_max;
    assert_eq!(carol.replicas.next_timeout(), Some(at(4 + hold_ms).mono_us));
    assert_eq!(carol.replicas.timeout(at(3 + hold_ms)), []);
    assert_eq!(said(&carol.replicas.timeout(at(4 + hold_ms))), ["answer", "more"]);
    assert_eq!(carol.replicas.next_timeout(), None);
}

#[test]
fn what_others_did_not_wait_for_is_not_waited_for() {
    let (mut alice, mut bob, mut carol) = (Peer::new(1), Peer::new(2), Peer::new(3));
    let (scope, other) = (direct("alice", "bob"), direct("alice", "carol"));
    alice.say(at(1), scope.clone(), "alice", "question");
    alice.say(at(1), other.clone(), "alice", "hello");
    bob.receive(at(2), 1, &alice.flush());
    bob.say(at(3), scope.clone(), "bob", "answer");
    bob.say(at(3), scope.clone(), "bob", "more");
    carol.receive(at(4), 2, &bob.flush());
    let later = at(3 + Limits::default().hold_ms_max);
    assert_eq!(carol.replicas.wait_no_longer(later, &other), []);
    assert_eq!(carol.replicas.wait_no_longer(at(5), &scope), [], "the question may be on its way");
    assert_eq!(said(&carol.replicas.wait_no_longer(later, &scope)), ["answer", "more"]);
    assert_eq!((carol.replicas.next_timeout(), carol.texts(&scope).len()), (None, 2));
}

#[test]
fn what_was_said_long_ago_is_marked_late() {
    let (mut alice, mut bob) = (Peer::new(1), Peer::new(2));
    alice.say(at(1), direct("alice", "bob"), "alice", "old");
    let runs = alice.flush();
    let late = |effects: &[Effect]| matches!(effects, [Effect::Said(_, true)]);
    assert!(late(&bob.receive(at(5_002), 1, &runs).effects));
    assert!(!late(&Peer::new(3).receive(at(5_001), 1, &runs).effects));
}

#[test]
fn a_stamp_from_far_ahead_is_refused_and_moves_no_clock() {
    let (mut alice, mut bob) = (Peer::new(1), Peer::new(2));
    let ahead = Limits::default().drift_ms_max + 1;
    alice.say(at(ahead), direct("alice", "bob"), "alice", "from the future");
    let runs = alice.flush();
    assert_eq!(bob.receive(at(0), 1, &runs).effects, []);
    assert_eq!(bob.replicas.counters().runs_ahead, 1);
    assert_eq!(bob.replicas.stamp(at(1)).ms(), at(1).wall_ms);
    assert_eq!(said(&bob.receive(at(1), 1, &runs).effects), ["from the future"]);
}

#[test]
fn a_node_that_was_never_admitted_writes_nothing() {
    let (mut stranger, mut bob) = (Peer::new(7), Peer::new(2));
    stranger.say(at(1), direct("alice", "bob"), "alice", "spam");
    let runs = stranger.flush();
    assert_eq!(bob.receive(at(2), 1, &runs), Received::default());
    assert_eq!(bob.replicas.counters().runs_unadmitted, 1);
}

#[test]
fn nobody_speaks_for_a_session_of_another_node() {
    let (mut mallory, mut bob) = (Peer::new(3), Peer::new(2));
    let scope = direct("alice", "bob");
    let forged = author(1, "alice");
    let body = Body::Message(Content::text("forged"));
    assert_eq!(mallory.replicas.append(at(1), scope.clone(), Some(forged), body).unwrap().effects, []);
    assert_eq!(bob.receive(at(2), 3, &mallory.flush()).effects, []);
    assert_eq!(bob.texts(&scope), [""; 0]);
}

#[test]
fn nobody_speaks_in_the_conversation_of_two_others() {
    let (mut mallory, mut bob) = (Peer::new(3), Peer::new(2));
    let scope = direct("alice", "bob");
    mallory.say(at(1), scope.clone(), "mallory", "me too");
    assert_eq!(bob.receive(at(2), 3, &mallory.flush()).effects, []);
    assert_eq!(bob.texts(&scope), [""; 0]);
}

#[test]
fn two_contents_of_one_entry_are_proof_against_their_origin() {
    let scope = direct("alice", "bob");
    let (mut one, mut other, mut bob) = (Peer::new(1), Peer::new(1), Peer::new(2));
    one.say(at(1), scope.clone(), "alice", "to you");
    other.say(at(1), scope.clone(), "alice", "to them");
    bob.receive(at(2), 1, &one.flush());
    bob.flush();
    let received = bob.receive(at(3), 3, &other.flush());
    let [(who, Fault::Equivocation(proof))] = received.faults.as_slice() else { panic!("{:?}", received.faults) };
    assert!(*who == node_id(1) && proof.check());
    // From the fork on nothing of the origin counts, whichever branch was here first.
    assert_eq!(bob.texts(&scope), [""; 0]);
}

#[test]
fn a_fork_is_seen_however_long_its_branches_are() {
    let scope = direct("alice", "bob");
    for (ours, theirs) in [("short", "longer than that"), ("longer than that", "short")] {
        let (mut one, mut other, mut bob) = (Peer::new(1), Peer::new(1), Peer::new(2));
        for (peer, text) in [(&mut one, ours), (&mut other, theirs)] {
            peer.say(at(1), scope.clone(), "alice", "the same to all");
            peer.flush();
            peer.say(at(2), scope.clone(), "alice", text);
            peer.flush();
        }
        let from_start =
            |peer: &Peer| peer.replicas.shown(&scope, peer.replicas.origin(), 0).into_iter().collect::<Vec<_>>();
        bob.receive(at(3), 1, &from_start(&one));
        bob.flush();
        let received = bob.receive(at(4), 3, &from_start(&other));
        let [(who, Fault::Equivocation(_))] = received.faults.as_slice() else { panic!("{:?}", received.faults) };
        assert_eq!((*who, bob.texts(&scope).as_slice()), (node_id(1), &["the same to all".to_owned()][..]));
    }
}

#[test]
fn who_passes_on_a_fork_is_not_at_fault() {
    let scope = direct("alice", "bob");
    let (mut one, mut other, mut bob) = (Peer::new(1), Peer::new(1), Peer::new(2));
    one.say(at(1), scope.clone(), "alice", "to you");
    bob.receive(at(2), 1, &one.flush());
    other.say(at(1), scope.clone(), "alice", "to them");
    other.flush();
    other.say(at(2), scope.clone(), "alice", "and more");
    let received = bob.receive(at(3), 3, &other.flush());
    assert_eq!(received.faults, [(node_id(1), Fault::Chain(ChainError::Broken { seq: 1 }))]);
}

#[test]
fn who_passes_on_a_a_forged_run_is_at_fault() {
    let (mut alice, mut bob) = (Peer::new(1), Peer::new(2));
    alice.say(at(1), direct("alice", "bob"), "alice", "hi");
    let mut runs = alice.flush();
    runs[0].entries[0].signature =
        Some(chain::sign(&key(3), &runs[0].scope, origin_key(1), 0, chain::hash(&runs[0].entries[0])));
    let received = bob.receive(at(2), 3, &runs);
    assert_eq!(received.faults, [(node_id(3), Fault::Chain(ChainError::Unsigned { seq: 0 }))]);
    assert!(received.verified.is_empty());
}

fn credentials(mark: u8) -> Credentials {
    let scram = ScramCredentials {
        iterations: 4096,
        salt: vec![mark; 16],
        stored_key: vec![mark; 32],
        server_key: vec![mark; 32],
    };
    Credentials { sha1: scram.clone(), sha256: scram }
}

pub(super) fn register(peer: &mut Peer, now: Now, name: &str, mark: u8) {
    let create = Body::AccountCreate(AccountCreate { name: account(name), credentials: credentials(mark) });
    peer.replicas.append(now, Scope::Account(account(name)), None, create).unwrap();
}

fn set(peer: &mut Peer, now: Now, of: &str, by: &str, key: &str, value: &str) -> Vec<Effect> {
    let body = Body::Register(RegisterSet { key: key.to_owned(), value: value.as_bytes().to_vec(), of: None });
    let author = author(peer.number, by);
    peer.replicas.append(now, Scope::Account(account(of)), Some(author), body).unwrap().effects
}

#[test]
fn a_name_registered_on_both_sides_of_a_cut_is_the_earlier_ones() {
    let mut peers = [Peer::new(1), Peer::new(2)];
    register(&mut peers[0], at(2), "alice", 1);
    set(&mut peers[0], at(3), "alice", "alice", "profile/x", "late");
    register(&mut peers[1], at(1), "alice", 2);
    set(&mut peers[1], at(3), "alice", "alice", "profile/x", "early");
    for peer in &mut peers {
        peer.flush();
    }
    sync(at(10), &mut peers);
    for peer in &peers {
        let alice = peer.replicas.account(&account("alice")).unwrap();
        assert_eq!(alice.credentials(), credentials(2));
        assert_eq!(alice.registers().get("profile/x"), Some(&b"early"[..]));
        assert_eq!(peer.replicas.accounts().count(), 2);
    }
}

#[test]
fn an_account_that_lost_its_name_goes_on_under_another() {
    let mut peers = [Peer::new(1), Peer::new(2)];
    register(&mut peers[0], at(2), "alice", 1);
    set(&mut peers[0], at(3), "alice", "alice", "profile/x", "late");
    register(&mut peers[1], at(1), "alice", 2);
    for peer in &mut peers {
        peer.flush();
    }
    let lost = peers[0].replicas.account(&account("alice")).unwrap().created.dot();
    sync(at(10), &mut peers);
    let name = peers[0].replicas.account_name(&account("alice"), lost).unwrap();
    let effects = set(&mut peers[0], at(11), name.as_str(), name.as_str(), "profile/x", "mine");
    assert!(matches!(effects.as_slice(), [Effect::Register { account, .. }] if *account == name));
    peers[0].flush();
    sync(at(12), &mut peers);
    for peer in peers.map(|peer| peer.restart(at(13))) {
        let derived = peer.replicas.account(&name).unwrap();
        assert_eq!(derived.credentials(), credentials(1));
        assert_eq!(derived.registers().get("profile/x"), Some(&b"mine"[..]));
        assert_eq!(peer.replicas.account(&account("alice")).unwrap().registers().get("profile/x"), None);
    }
}

#[test]
fn a_register_is_its_accounts_own_but_a_contact_may_write_about_itself() {
    let mut peer = Peer::new(1);
    register(&mut peer, at(1), "alice", 1);
    assert_eq!(set(&mut peer, at(2), "alice", "alice", "profile/x", "mine").len(), 1);
    assert_eq!(set(&mut peer, at(3), "alice", "bob", "profile/x", "his"), []);
    assert_eq!(set(&mut peer, at(3), "alice", "bob", "roster/carol", "his"), []);
    assert_eq!(set(&mut peer, at(3), "alice", "bob", "roster/bob", "his").len(), 1);
    let alice = peer.replicas.account(&account("alice")).unwrap();
    assert_eq!(alice.registers().get("profile/x"), Some(&b"mine"[..]));
    assert_eq!(alice.registers().iter("roster/").collect::<Vec<_>>(), [("roster/bob", &b"his"[..])]);
}

#[test]
fn a_changed_password_counts_on_every_node_and_after_a_restart() {
    let mut peers = [Peer::new(1), Peer::new(2)];
    register(&mut peers[0], at(1), "alice", 1);
    let value = postcard::to_stdvec(&credentials(9)).unwrap();
    let body = Body::Register(RegisterSet { key: "credentials".to_owned(), value, of: None });
    peers[0].replicas.append(at(2), Scope::Account(account("alice")), Some(author(1, "alice")), body).unwrap();
    peers[0].flush();
    sync(at(3), &mut peers);
    for peer in peers.map(|peer| peer.restart(at(4))) {
        assert_eq!(peer.replicas.account(&account("alice")).unwrap().credentials(), credentials(9));
    }
}

#[test]
fn a_revoked_node_is_out_for_ever_and_what_it_wrote_stays() {
    let mut peers = [Peer::new(1), Peer::new(2), Peer::new(3)];
    let scope = direct("alice", "bob");
    peers[2].say(at(1), scope.clone(), "alice", "before");
    peers[2].flush();
    let revoke = MeshAct::Revoke { node: node_id(3), signature: Verdict::Revoke.sign(&root(), &[5; 16], node_id(3)) };
    let effects = peers[0].replicas.append(at(2), Scope::Mesh, None, Body::Mesh(revoke)).unwrap().effects;
    assert_eq!(effects, [Effect::Mesh]);
    let again = Body::Mesh(MeshAct::Admit(admission(3)));
    peers[0].replicas.append(at(3), Scope::Mesh, None, again).unwrap();
    peers[0].flush();
    sync(at(4), &mut peers);
    for mut peer in peers.map(|peer| peer.restart(at(5))) {
        assert_eq!(peer.replicas.mesh().admission(node_id(3)), None);
        assert_eq!(peer.replicas.mesh().admitted().count(), 3);
        assert_eq!(peer.texts(&scope), ["before"]);
    }
}

#[test]
fn a_node_has_the_last_word_on_where_it_stands() {
    let mut peers = [Peer::new(1), Peer::new(2)];
    let mut moved = admission(2);
    moved.place.region = "us".to_owned();
    let mut guess = admission(2);
    guess.place.region = "moon".to_owned();
    peers[1].replicas.append(at(1), Scope::Mesh, None, Body::Mesh(MeshAct::Admit(moved.clone()))).unwrap();
    peers[0].replicas.append(at(2), Scope::Mesh, None, Body::Mesh(MeshAct::Admit(guess))).unwrap();
    for peer in &mut peers {
        peer.flush();
    }
    sync(at(3), &mut peers);
    for peer in &peers {
        assert_eq!(peer.replicas.mesh().admission(node_id(2)), Some(&moved));
    }
}
