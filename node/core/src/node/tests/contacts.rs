//! Contacts: subscriptions, rosters and presence between accounts, on one node and across nodes.

use super::world::{World, account};
use lavina_protocols::command::{Command, Reply, RosterEdit, SubscriptionStep};

fn step(contact: &str, step: SubscriptionStep) -> Command {
    Command::Subscription(account(contact), step)
}

#[test]
fn a_subscription_across_nodes_shows_presence_from_then_on() {
    let mut world = World::new(2);
    world.register(0, "juliet");
    world.register(0, "romeo");
    world.run_ms(300);
    let (juliet, romeo) = (world.member(0, "juliet", "balcony"), world.member(1, "romeo", "orchard"));
    world.run_ms(300);
    for client in [juliet, romeo] {
        world.ask(client, Command::RosterGet).unwrap();
        world.heard(client);
    }
    world.ask(juliet, step("romeo", SubscriptionStep::Subscribe)).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(juliet), ["roster romeo to=false from=false removed=false"]);
    assert_eq!(world.words(romeo), ["juliet Subscribe"]);
    world.ask(romeo, step("juliet", SubscriptionStep::Subscribed)).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(romeo), ["roster juliet to=false from=true removed=false"]);
    assert_eq!(
        world.words(juliet),
        ["romeo Subscribed", "roster romeo to=true from=false removed=false", "presence romeo true"]
    );
    world.tell(romeo, Command::Quit(String::new()));
    world.run_ms(300);
    assert_eq!(world.words(juliet), ["presence romeo false"]);
}

#[test]
fn a_request_waits_for_who_is_away() {
    let mut world = World::new(1);
    world.register(0, "juliet");
    world.register(0, "romeo");
    let juliet = world.member(0, "juliet", "balcony");
    world.ask(juliet, step("romeo", SubscriptionStep::Subscribe)).unwrap();
    let romeo = world.member(0, "romeo", "orchard");
    assert_eq!(world.words(romeo), ["juliet Subscribe"]);
}

#[test]
fn a_removed_contact_is_gone_on_both_sides() {
    let mut world = World::new(1);
    world.register(0, "juliet");
    world.register(0, "romeo");
    let (juliet, romeo) = (world.member(0, "juliet", "balcony"), world.member(0, "romeo", "orchard"));
    let edit = RosterEdit { name: "Romeo".to_owned(), groups: Vec::new() };
    world.ask(juliet, Command::RosterSet(account("romeo"), Some(edit))).unwrap();
    world.ask(juliet, step("romeo", SubscriptionStep::Subscribe)).unwrap();
    world.ask(romeo, step("juliet", SubscriptionStep::Subscribed)).unwrap();
    let Ok(Reply::Roster(items)) = world.ask(juliet, Command::RosterGet) else { panic!("no roster") };
    assert_eq!((items[0].name.as_str(), items[0].subscription.to), ("Romeo", true));
    world.heard(romeo);
    world.heard(juliet);
    world.ask(juliet, Command::RosterSet(account("romeo"), None)).unwrap();
    assert_eq!(world.words(romeo), ["juliet Unsubscribe"]);
    let heard = world.words(juliet);
    assert!(heard.contains(&"roster romeo to=false from=false removed=true".to_owned()), "{heard:?}");
    assert!(heard.contains(&"presence romeo false".to_owned()), "{heard:?}");
}

#[test]
fn private_storage_is_kept_per_account() {
    let mut world = World::new(2);
    world.register(0, "juliet");
    world.run_ms(300);
    let one = world.member(0, "juliet", "balcony");
    world.ask(one, Command::RegisterSet("notes".to_owned(), vec![1, 2])).unwrap();
    world.run_ms(300);
    let other = world.member(1, "juliet", "hall");
    assert!(
        matches!(world.ask(other, Command::RegisterGet("notes".to_owned())), Ok(Reply::Register(Some(value))) if value == [1, 2])
    );
}
