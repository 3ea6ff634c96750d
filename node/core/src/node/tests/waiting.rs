//! Messages that wait for somebody who takes them, and when accounts were last there.

use super::world::{Client, World, account};
use lavina_crdt::content::Content;
use lavina_crdt::ids::MsgId;
use lavina_protocols::account::{AccountCommand, AccountReply, LastActive};
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
    world.ask(romeo, Command::Subscription(account("juliet"), SubscriptionStep::Subscribe)).unwrap();
    world.run_ms(300);
    world.ask(juliet, Command::Subscription(account("romeo"), SubscriptionStep::Subscribed)).unwrap();
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
