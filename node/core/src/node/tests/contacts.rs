//! Contacts: subscriptions, rosters and presence between accounts, on one node and across nodes.

use super::world::{Client, World, account};
use bytes::Bytes;
use lavina_crdt::content::Content;
use lavina_crdt::looks;
use lavina_crdt::names::RoomName;
use lavina_protocols::command::{
    Command, PresenceChange, Refusal, Reply, RosterEdit, RosterItem, SubscriptionStep, Target,
};

fn step(contact: &str, step: SubscriptionStep) -> Command {
    Command::Subscription(account(contact), step, Bytes::new())
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
fn what_a_request_carries_comes_with_it_at_every_log_in_on_whatever_node() {
    let mut world = World::new(2);
    world.register(0, "juliet");
    world.register(0, "romeo");
    world.run_ms(300);
    let (juliet, here) = (world.member(0, "juliet", "balcony"), world.member(1, "romeo", "orchard"));
    let ask = |said: &'static str| {
        Command::Subscription(account("romeo"), SubscriptionStep::Subscribe, Bytes::from_static(said.as_bytes()))
    };
    world.ask(juliet, ask("it is Juliet")).unwrap();
    world.ask(juliet, ask("it is Juliet again")).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(here), ["juliet Subscribe it is Juliet"]);
    let there = world.member(0, "romeo", "street");
    assert!(world.words(there).contains(&"juliet Subscribe it is Juliet".to_owned()));
    world.ask(there, step("juliet", SubscriptionStep::Subscribed)).unwrap();
    let later = world.member(0, "romeo", "hall");
    assert!(!world.words(later).iter().any(|word| word.contains("Subscribe")));
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

fn roster(world: &mut World, client: Client) -> Vec<String> {
    let Ok(Reply::Roster(items)) = world.ask(client, Command::RosterGet) else { panic!("no roster") };
    let ways = |item: &RosterItem| (item.subscription.to, item.subscription.from);
    items.iter().map(|item| format!("{} {} {:?}", item.contact, item.name, ways(item))).collect()
}

fn call(world: &mut World, client: Client, contact: &str, name: &str) {
    let edit = RosterEdit { name: name.to_owned(), groups: vec!["Verona".to_owned()] };
    world.ask(client, Command::RosterSet(account(contact), Some(edit))).unwrap();
}

fn remove(world: &mut World, client: Client, contact: &str) {
    world.ask(client, Command::RosterSet(account(contact), None)).unwrap();
}

/// Juliet and Romeo on two nodes, who see one another's presence.
fn friends() -> (World, Client, Client) {
    let mut world = World::new(2);
    world.register(0, "juliet");
    world.register(0, "romeo");
    world.run_ms(300);
    let (juliet, romeo) = (world.member(0, "juliet", "balcony"), world.member(1, "romeo", "orchard"));
    call(&mut world, juliet, "romeo", "Romeo");
    call(&mut world, romeo, "juliet", "Juliet");
    for (one, contact, other, name) in [(juliet, "romeo", romeo, "juliet"), (romeo, "juliet", juliet, "romeo")] {
        world.ask(one, step(contact, SubscriptionStep::Subscribe)).unwrap();
        world.run_ms(300);
        world.ask(other, step(name, SubscriptionStep::Subscribed)).unwrap();
        world.run_ms(300);
    }
    assert_eq!(roster(&mut world, juliet), ["romeo Romeo (true, true)"]);
    assert_eq!(roster(&mut world, romeo), ["juliet Juliet (true, true)"]);
    world.words(juliet);
    world.words(romeo);
    (world, juliet, romeo)
}

#[test]
fn who_remove_each_other_at_the_same_time_have_each_other_no_more() {
    for juliet_first in [true, false] {
        let (mut world, juliet, romeo) = friends();
        world.cut(&[1]);
        let mut removals = [(juliet, "romeo"), (romeo, "juliet")];
        if !juliet_first {
            removals.reverse();
        }
        for (client, contact) in removals {
            world.run_ms(1_000);
            remove(&mut world, client, contact);
        }
        world.heal();
        world.run_ms(20_000);
        for (client, index, name) in [(juliet, 1, "juliet"), (romeo, 0, "romeo")] {
            let pushes: Vec<String> = world.words(client).into_iter().filter(|word| word.contains("roster")).collect();
            assert_eq!(pushes.len(), 1, "{pushes:?}");
            assert!(pushes[0].contains("to=false from=false removed=true"), "{pushes:?}");
            assert!(roster(&mut world, client).is_empty());
            let elsewhere = world.member(index, name, "elsewhere");
            assert!(roster(&mut world, elsewhere).is_empty());
        }
    }
}

#[test]
fn what_the_owner_calls_a_contact_and_that_it_is_gone_over_there_are_both_kept() {
    for rename_first in [true, false] {
        let (mut world, juliet, romeo) = friends();
        world.cut(&[1]);
        for renames in [rename_first, !rename_first] {
            world.run_ms(1_000);
            match renames {
                true => call(&mut world, romeo, "juliet", "My love"),
                false => remove(&mut world, juliet, "romeo"),
            }
        }
        world.heal();
        world.run_ms(20_000);
        assert!(roster(&mut world, juliet).is_empty());
        assert_eq!(roster(&mut world, romeo), ["juliet My love (false, false)"]);
        let elsewhere = world.member(0, "romeo", "elsewhere");
        assert_eq!(roster(&mut world, elsewhere), ["juliet My love (false, false)"]);
    }
}

#[test]
fn who_is_taken_into_the_roster_while_they_ask_still_asks() {
    for asks_first in [true, false] {
        let mut world = World::new(2);
        world.register(0, "juliet");
        world.register(0, "romeo");
        world.run_ms(300);
        let (juliet, romeo) = (world.member(0, "juliet", "balcony"), world.member(1, "romeo", "orchard"));
        world.run_ms(300);
        world.cut(&[1]);
        for asks in [asks_first, !asks_first] {
            world.run_ms(1_000);
            match asks {
                true => drop(world.ask(juliet, step("romeo", SubscriptionStep::Subscribe)).unwrap()),
                false => call(&mut world, romeo, "juliet", "Juliet"),
            }
        }
        world.heal();
        world.run_ms(20_000);
        assert!(world.words(romeo).contains(&"juliet Subscribe".to_owned()));
        assert_eq!(roster(&mut world, romeo), ["juliet Juliet (false, false)"]);
    }
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

#[test]
fn what_an_account_shows_is_told_to_who_sees_its_presence_on_every_node() {
    let mut world = World::new(2);
    for name in ["juliet", "romeo", "tybalt"] {
        world.register(0, name);
    }
    world.run_ms(300);
    let juliet = world.member(0, "juliet", "balcony");
    let (romeo, tybalt) = (world.member(1, "romeo", "orchard"), world.member(1, "tybalt", "street"));
    world.ask(romeo, step("juliet", SubscriptionStep::Subscribe)).unwrap();
    world.run_ms(300);
    world.ask(juliet, step("romeo", SubscriptionStep::Subscribed)).unwrap();
    world.run_ms(300);
    world.heard(romeo);
    world.ask(juliet, Command::RegisterSet("shown/pep/x".to_owned(), b"x".to_vec())).unwrap();
    world.ask(juliet, Command::RegisterSet("private/x".to_owned(), b"x".to_vec())).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(romeo), ["juliet shows shown/pep/x"]);
    assert!(world.words(tybalt).is_empty());
    for (who, sees) in [(romeo, true), (tybalt, false)] {
        let look = |prefix: &str| Command::LookAt(account("juliet"), prefix.to_owned());
        let Ok(Reply::LookedAt(Some(found))) = world.ask(who, look("shown/pep/")) else { panic!("not found") };
        assert_eq!((found.sees, found.registers.len()), (sees, 1));
        let Ok(Reply::LookedAt(Some(found))) = world.ask(who, look("")) else { panic!("not found") };
        assert!(found.registers.is_empty());
    }
    let latest = Command::Latest(vec!["shown/pep/".to_owned()]);
    let Ok(Reply::Latest(latest)) = world.ask(romeo, latest) else { panic!("not told") };
    assert_eq!(latest.len(), 1);
}

#[test]
fn who_is_blocked_reaches_nobody_and_sees_them_go_whatever_node_they_are_on() {
    let mut world = World::new(2);
    for name in ["juliet", "romeo"] {
        world.register(0, name);
    }
    world.run_ms(300);
    let (juliet, romeo) = (world.member(0, "juliet", "balcony"), world.member(1, "romeo", "orchard"));
    world.ask(romeo, step("juliet", SubscriptionStep::Subscribe)).unwrap();
    world.run_ms(300);
    world.ask(juliet, step("romeo", SubscriptionStep::Subscribed)).unwrap();
    world.run_ms(300);
    world.heard(romeo);
    world.heard(juliet);
    let say = |to: &str| Command::Say(Target::Account(account(to), None), Content::text("hello"));
    let block = |on| Command::Block(vec![account("romeo")], on);
    world.ask(juliet, block(true)).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(romeo), ["presence juliet false"]);
    assert_eq!(world.ask(romeo, say("juliet")).unwrap_err(), Refusal::NoSuchNick);
    assert_eq!(world.ask(juliet, say("romeo")).unwrap_err(), Refusal::Blocked);
    let Ok(Reply::Accounts(blocked)) = world.ask(juliet, Command::Blocked) else { panic!("no list") };
    assert_eq!(blocked, [account("romeo")]);
    assert_eq!(world.words(juliet), ["romeo blocked=true"]);
    world.ask(juliet, block(false)).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(romeo), ["presence juliet true"]);
    world.ask(romeo, say("juliet")).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(juliet), ["romeo blocked=false", "romeo: hello"]);
}

#[test]
fn who_is_approved_ahead_is_not_asked_on_whatever_node() {
    let mut world = World::new(2);
    for name in ["juliet", "romeo"] {
        world.register(0, name);
    }
    world.run_ms(300);
    let (juliet, romeo) = (world.member(0, "juliet", "balcony"), world.member(1, "romeo", "orchard"));
    world.ask(juliet, Command::RosterGet).unwrap();
    world.run_ms(300);
    world.words(juliet);
    world.ask(juliet, step("romeo", SubscriptionStep::Subscribed)).unwrap();
    assert_eq!(world.words(juliet), ["roster romeo to=false from=false removed=false"]);
    world.run_ms(300);
    world.words(romeo);
    world.ask(romeo, step("juliet", SubscriptionStep::Subscribe)).unwrap();
    world.run_ms(300);
    let words = world.words(romeo);
    assert_eq!(words, ["juliet Subscribed", "presence juliet true"]);
    assert_eq!(world.words(juliet), ["roster romeo to=false from=true removed=false"]);
}

#[test]
fn how_somebody_looks_in_a_room_is_no_news_to_contacts() {
    let mut world = World::new(2);
    for name in ["juliet", "romeo", "nurse"] {
        world.register(0, name);
    }
    world.run_ms(300);
    let (juliet, romeo) = (world.member(0, "juliet", "balcony"), world.member(1, "romeo", "orchard"));
    world.ask(romeo, step("juliet", SubscriptionStep::Subscribe)).unwrap();
    world.run_ms(300);
    world.ask(juliet, step("romeo", SubscriptionStep::Subscribed)).unwrap();
    let nurse = world.member(1, "nurse", "hall");
    let garden = RoomName::new("garden").unwrap();
    for client in [juliet, nurse] {
        world.ask(client, Command::Join { room: garden.clone(), nick: None, key: None }).unwrap();
        world.run_ms(300);
    }
    world.words(nurse);
    world.words(romeo);
    let payloads = Some(vec![looks::payload(&garden, "<presence xmlns='jabber:client'/>")]);
    world.ask(juliet, Command::SetPresence(PresenceChange { payloads, ..PresenceChange::default() })).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(nurse), ["juliet is Available"]);
    assert!(world.words(romeo).is_empty());
}
