//! Messages that wait for somebody who takes them, and when accounts were last there.

use super::world::{Client, World, account, nick, open};
use crate::node::Input;
use bytes::Bytes;
use lavina_crdt::content::Content;
use lavina_crdt::ids::MsgId;
use lavina_protocols::account::{AccountCommand, AccountReply, LastActive, Left};
use lavina_protocols::command::{Command, PresenceChange, Refusal, Reply, SubscriptionStep, Target};

fn say(world: &mut World, from: Client, to: &str, text: &str) -> MsgId {
    let said = world.ask(from, Command::Say(Target::Account(account(to), None), Content::text(text)));
    let Ok(Reply::Said(said)) = said else { panic!("{said:?}") };
    said.id
}

fn take(world: &mut World, client: Client) -> Option<MsgId> {
    let taken = world.ask(client, Command::Account(AccountCommand::TakeWaiting));
    let Ok(Reply::Account(AccountReply::Waiting(first))) = taken else { panic!("{taken:?}") };
    first
}

fn priority(world: &mut World, client: Client, priority: i8) {
    let change = PresenceChange { priority: Some(priority), ..PresenceChange::default() };
    world.ask(client, Command::SetPresence(change)).unwrap();
}

fn two_accounts(nodes: u8) -> World {
    let mut world = World::new(nodes);
    for name in ["juliet", "romeo"] {
        world.register(0, name);
    }
    world.run_ms(300);
    world
}

#[test]
fn what_is_said_to_who_is_away_waits_for_them_once_on_whatever_node() {
    let mut world = two_accounts(3);
    let romeo = world.member(0, "romeo", "orchard");
    let first = say(&mut world, romeo, "juliet", "one");
    say(&mut world, romeo, "juliet", "two");
    world.run_ms(300);
    let juliet = world.member(2, "juliet", "balcony");
    assert_eq!(take(&mut world, juliet), Some(first));
    assert_eq!(take(&mut world, juliet), None);
    world.run_ms(300);
    say(&mut world, romeo, "juliet", "three");
    world.run_ms(300);
    let other = world.member(1, "juliet", "hall");
    assert_eq!(take(&mut world, other), None, "she was there for the third");
}

#[test]
fn what_is_said_to_a_client_that_takes_nothing_of_others_does_not_wait() {
    let mut world = two_accounts(2);
    let (romeo, juliet) = (world.member(0, "romeo", "orchard"), world.member(1, "juliet", "balcony"));
    priority(&mut world, juliet, -1);
    world.run_ms(300);
    world.words(juliet);
    let to = Target::Account(account("juliet"), Some("balcony".to_owned()));
    world.ask(romeo, Command::Say(to, Content::text("to the balcony"))).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(juliet), ["romeo: to the balcony"]);
    let hall = world.member(0, "juliet", "hall");
    assert_eq!(take(&mut world, hall), None);
}

#[test]
fn who_takes_no_messages_is_not_there_for_them() {
    let mut world = two_accounts(2);
    let (romeo, juliet) = (world.member(0, "romeo", "orchard"), world.member(1, "juliet", "balcony"));
    priority(&mut world, juliet, -1);
    world.run_ms(300);
    let first = say(&mut world, romeo, "juliet", "one");
    world.run_ms(300);
    assert_eq!(take(&mut world, juliet), Some(first));
}

#[test]
fn both_sides_of_a_cut_say_where_their_messages_begin() {
    let mut world = two_accounts(2);
    world.register(0, "nurse");
    world.run_ms(300);
    let (romeo, nurse) = (world.member(0, "romeo", "orchard"), world.member(1, "nurse", "house"));
    world.run_ms(300);
    world.cut(&[1]);
    let first = say(&mut world, romeo, "juliet", "one");
    world.run_ms(1_000);
    say(&mut world, nurse, "juliet", "two");
    world.heal();
    world.run_ms(20_000);
    let juliet = world.member(1, "juliet", "balcony");
    assert_eq!(take(&mut world, juliet), Some(first));
    world.run_ms(300);
    let hall = world.member(0, "juliet", "hall");
    assert_eq!(take(&mut world, hall), None);
}

#[test]
fn who_was_there_behind_a_cut_is_not_told_again() {
    let mut world = two_accounts(2);
    let romeo = world.member(0, "romeo", "orchard");
    world.run_ms(300);
    world.cut(&[1]);
    let juliet = world.member(1, "juliet", "balcony");
    say(&mut world, romeo, "juliet", "one");
    world.heal();
    world.run_ms(20_000);
    assert!(world.words(juliet).contains(&"romeo: one".to_owned()));
    let hall = world.member(0, "juliet", "hall");
    assert_eq!(take(&mut world, hall), None);
}

#[test]
fn who_comes_behind_a_cut_is_not_told_either_of_what_was_said_long_ago() {
    let mut world = two_accounts(2);
    let romeo = world.member(0, "romeo", "orchard");
    world.run_ms(300);
    world.cut(&[1]);
    say(&mut world, romeo, "juliet", "one");
    world.run_ms(1_000);
    let juliet = world.member(1, "juliet", "balcony");
    world.run_ms(60_000);
    world.heal();
    world.run_ms(20_000);
    let words = world.words(juliet);
    assert_eq!(words.iter().filter(|word| word.contains("one")).count(), 1);
    assert!(!words.iter().any(|word| word.contains("waiting")), "{words:?}");
    let hall = world.member(0, "juliet", "hall");
    assert_eq!(take(&mut world, hall), None);
}

#[test]
fn what_a_session_never_said_it_had_waits_unless_another_one_is_there() {
    let mut world = two_accounts(1);
    let (romeo, juliet) = (world.member(0, "romeo", "orchard"), world.member(0, "juliet", "balcony"));
    let first = say(&mut world, romeo, "juliet", "one");
    let waits = Command::Account(AccountCommand::WaitsFrom(first));
    let hall = world.member(0, "juliet", "hall");
    world.ask(juliet, waits.clone()).unwrap();
    assert_eq!(take(&mut world, hall), None, "the hall has it");
    world.tell(hall, Command::Quit(String::new()));
    world.ask(juliet, waits).unwrap();
    world.tell(juliet, Command::Quit(String::new()));
    let hall = world.member(0, "juliet", "hall");
    assert_eq!(take(&mut world, hall), Some(first));
}

#[test]
fn who_sees_presence_may_ask_when_somebody_was_last_there() {
    let mut world = two_accounts(2);
    let (romeo, juliet) = (world.member(0, "romeo", "orchard"), world.member(1, "juliet", "balcony"));
    let ask = Command::Account(AccountCommand::LastActive(account("juliet")));
    world.run_ms(300);
    assert!(matches!(world.ask(romeo, ask.clone()), Err(Refusal::Denied(_))));
    world.ask(romeo, Command::Subscription(account("juliet"), SubscriptionStep::Subscribe, Bytes::new())).unwrap();
    world.run_ms(300);
    world.ask(juliet, Command::Subscription(account("romeo"), SubscriptionStep::Subscribed, Bytes::new())).unwrap();
    world.run_ms(300);
    let answer = world.ask(romeo, ask.clone());
    assert!(matches!(answer, Ok(Reply::Account(AccountReply::LastActive(Some(LastActive::There))))), "{answer:?}");
    world.tell(juliet, Command::Quit(String::new()));
    world.run_ms(300);
    let before = world.now.wall_ms;
    world.run_ms(5_000);
    let answer = world.ask(romeo, ask);
    let Ok(Reply::Account(AccountReply::LastActive(Some(LastActive::Gone { at_ms, .. })))) = answer else {
        panic!("{answer:?}")
    };
    assert!(at_ms <= before && before - at_ms < 1_000);
}

#[test]
fn what_a_session_never_got_is_given_to_the_one_that_came_after_it() {
    let mut world = two_accounts(2);
    let (romeo, juliet) = (world.member(0, "romeo", "orchard"), world.member(0, "juliet", "balcony"));
    let first = say(&mut world, romeo, "juliet", "one");
    let near = world.member(0, "juliet", "hall");
    let waits = Command::Account(AccountCommand::WaitsFrom(first));
    world.words(near);
    world.ask(juliet, waits.clone()).unwrap();
    assert_eq!(world.words(near), [format!("waiting {first}")]);
    world.tell(near, Command::Quit(String::new()));
    let far = world.member(1, "juliet", "garden");
    world.run_ms(300);
    world.words(far);
    world.ask(juliet, waits).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(far), [format!("waiting {first}")]);
    let hall = world.member(0, "juliet", "hall");
    assert_eq!(take(&mut world, hall), None, "it is given once");
}

#[test]
fn what_a_session_has_got_after_all_waits_no_more() {
    let mut world = two_accounts(1);
    let (romeo, juliet) = (world.member(0, "romeo", "orchard"), world.member(0, "juliet", "balcony"));
    let only = |id| Command::Account(AccountCommand::WaitsOnlyFrom(id));
    let said = ["one", "two"].map(|text| say(&mut world, romeo, "juliet", text));
    world.ask(juliet, Command::Account(AccountCommand::WaitsFrom(said[0]))).unwrap();
    world.ask(juliet, only(Some(said[1]))).unwrap();
    let hall = world.member(0, "juliet", "hall");
    assert_eq!(take(&mut world, hall), Some(said[1]));
    world.ask(juliet, only(Some(said[0]))).unwrap();
    assert_eq!(take(&mut world, hall), None, "what has been given does not wait again");
}

#[test]
fn who_is_behind_a_cut_takes_nothing_as_the_node_may_be_gone() {
    let mut world = two_accounts(3);
    let (romeo, juliet) = (world.member(0, "romeo", "orchard"), world.member(1, "juliet", "balcony"));
    world.run_ms(300);
    world.cut(&[1]);
    world.run_ms(20_000);
    let first = say(&mut world, romeo, "juliet", "one");
    world.run_ms(300);
    let hall = world.member(2, "juliet", "hall");
    assert_eq!(take(&mut world, hall), Some(first));
    world.heal();
    world.run_ms(20_000);
    let said = world.words(juliet).iter().filter(|word| word.contains("one")).count();
    assert_eq!(said, 1, "who was there all the time has it from the history");
}

/// Romeo on the first of three nodes, Juliet on the second, which is out of reach from here on while nobody knows.
fn before_anybody_knows() -> (World, Client, Client) {
    let mut world = two_accounts(3);
    let (romeo, juliet) = (world.member(0, "romeo", "orchard"), world.member(1, "juliet", "balcony"));
    world.run_ms(300);
    say(&mut world, romeo, "juliet", "before");
    world.run_ms(300);
    assert!(world.words(juliet).contains(&"romeo: before".to_owned()));
    world.silence(&[1]);
    (world, romeo, juliet)
}

#[test]
fn what_is_said_before_anybody_knows_that_a_node_is_lost_waits_and_what_its_client_has_got_does_not() {
    let (mut world, romeo, juliet) = before_anybody_knows();
    let first = say(&mut world, romeo, "juliet", "one");
    say(&mut world, romeo, "juliet", "two");
    world.run_ms(20_000);
    let hall = world.member(2, "juliet", "hall");
    assert_eq!(take(&mut world, hall), Some(first));
    world.heal();
    world.run_ms(20_000);
    let said = world.words(juliet).iter().filter(|word| word.contains("one")).count();
    assert_eq!(said, 1, "who was there all the time has it from the history");
}

#[test]
fn who_comes_to_another_node_before_that_is_known_is_told_what_was_said_before() {
    for index in [0, 2] {
        let (mut world, romeo, _) = before_anybody_knows();
        let first = say(&mut world, romeo, "juliet", "one");
        say(&mut world, romeo, "juliet", "two");
        world.run_ms(1_000);
        let hall = world.member(index, "juliet", "hall");
        assert_eq!(take(&mut world, hall), None);
        world.run_ms(20_000);
        let waiting: Vec<String> = world.words(hall).into_iter().filter(|word| word.contains("waiting")).collect();
        assert_eq!(waiting, [format!("waiting {first}")]);
        let garden = world.member(2, "juliet", "garden");
        assert_eq!(take(&mut world, garden), None, "it is given once");
    }
}

#[test]
fn what_is_said_while_a_node_starts_anew_is_given_to_who_comes_to_it() {
    let (mut world, romeo, _) = before_anybody_knows();
    let first = say(&mut world, romeo, "juliet", "one");
    world.restart(1);
    world.heal();
    world.run_ms(5_000);
    let juliet = world.member(1, "juliet", "balcony");
    assert_eq!(take(&mut world, juliet), Some(first));
}

#[test]
fn what_another_client_in_reach_is_given_does_not_wait() {
    let (mut world, romeo, _) = before_anybody_knows();
    world.heal();
    let garden = world.member(2, "juliet", "garden");
    world.run_ms(300);
    world.silence(&[1]);
    say(&mut world, romeo, "juliet", "one");
    world.run_ms(20_000);
    assert!(world.words(garden).contains(&"romeo: one".to_owned()));
    let hall = world.member(2, "juliet", "hall");
    assert_eq!(take(&mut world, hall), None);
}

#[test]
fn a_client_that_starts_over_at_another_node_ends_its_session_and_says_nothing_twice() {
    let mut world = two_accounts(2);
    let (romeo, juliet) = (world.member(0, "romeo", "orchard"), world.member(0, "juliet", "balcony"));
    world.join(romeo, "verona").unwrap();
    world.join(juliet, "verona").unwrap();
    world.run_ms(300);
    let content = Content { client_id: "id-1".to_owned(), ..Content::text("one") };
    let in_room = Command::Say(Target::Room(super::world::room("verona")), content.clone());
    let to_romeo = Command::Say(Target::Account(account("romeo"), None), content);
    let id_of = |answer| match answer {
        Ok(Reply::Said(said)) => std::sync::Arc::unwrap_or_clone(said).id,
        answer => panic!("{answer:?}"),
    };
    let first = [in_room.clone(), to_romeo.clone()].map(|command| id_of(world.ask(juliet, command)));
    world.run_ms(300);
    let session = lavina_crdt::ids::SessionId { node: world.node(0), number: 0 };
    let sessions = world.ask(juliet, Command::Account(AccountCommand::Sessions));
    let Ok(Reply::Account(AccountReply::Sessions(sessions))) = sessions else { panic!("{sessions:?}") };
    let session = sessions.first().map_or(session, |person| person.session);
    let client = world.member(1, "juliet", "garden");
    world.words(juliet);
    let left = Left { session, key: "secret".to_owned(), got: 7 };
    world.ask(client, Command::Account(AccountCommand::StartOver(Some(left)))).unwrap();
    world.join(client, "verona").unwrap();
    world.run_ms(300);
    assert!(world.words(juliet).contains(&"abandoned secret 7".to_owned()));
    world.words(romeo);
    let again = [in_room.clone(), to_romeo].map(|command| id_of(world.ask(client, command)));
    assert_eq!(first, again);
    world.run_ms(300);
    assert!(!world.words(romeo).iter().any(|word| word.contains("one")), "nobody hears it twice");
    world.run_ms(120_000);
    assert_ne!(id_of(world.ask(client, in_room)), first[0], "later it is a message like any other");
}

#[test]
fn devices_are_told_once_of_what_is_for_their_owner_by_the_home_of_who_says_it() {
    let mut world = World::new(2);
    world.register(0, "alice");
    world.run_ms(1_000);
    let alice = world.connect(0);
    world.ask(alice, Command::LogIn(account("alice"))).unwrap();
    world.ask(alice, open("alice", None)).unwrap();
    let register = |number: usize| Command::RegisterSet(format!("push/{number}"), vec![7]);
    for number in 0..8 {
        world.ask(alice, register(number)).unwrap();
    }
    assert_eq!(world.ask(alice, register(8)).unwrap_err(), Refusal::TooMany("devices"));
    for number in 1..8 {
        world.ask(alice, Command::RegisterSet(format!("push/{number}"), Vec::new())).unwrap();
    }
    world.join(alice, "rust").unwrap();
    let bob = world.guest(1, "bob");
    world.run_ms(1_000);
    world.join(bob, "rust").unwrap();
    world.run_ms(1_000);
    world.say(bob, "rust", "who is there?");
    world.say(bob, "rust", "Alice: are you?");
    world.ask(bob, Command::Say(Target::Nick(nick("alice")), Content::text("psst"))).unwrap();
    world.say(alice, "rust", "alice is me");
    world.run_ms(1_000);
    let told: Vec<String> = std::mem::take(&mut world.pushed).into_iter().map(|(_, text)| text).collect();
    assert_eq!(told, ["Alice: are you?", "psst"]);

    world.input(1, Input::DeviceGone(account("alice"), "client/push/0".to_owned()));
    world.input(1, Input::DeviceGone(account("alice"), "credentials".to_owned()));
    world.run_ms(1_000);
    world.ask(bob, Command::Say(Target::Nick(nick("alice")), Content::text("gone?"))).unwrap();
    assert!(world.pushed.is_empty());
    world.ask(alice, register(1)).unwrap();
    world.run_ms(1_000);
    world.restart(1);
    world.run_ms(5_000);
    let carol = world.guest(1, "carol");
    world.ask(carol, Command::Say(Target::Nick(nick("alice")), Content::text("again"))).unwrap();
    assert_eq!(world.pushed.len(), 1, "known after a restart");
}
