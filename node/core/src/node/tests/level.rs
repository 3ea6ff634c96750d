//! Rooms that are nobody's in particular: who has a standing there, how it goes, and who gets it next.

use super::world::{World, account, nick, open, room};
use lavina_crdt::content::Principal;
use lavina_crdt::room::{Act, Flag, Rank, RoomState};
use lavina_protocols::command::{Command, Reply};
use std::sync::Arc;

fn state(world: &mut World, client: (usize, u64)) -> Arc<RoomState> {
    match world.ask(client, Command::RoomInfo(room("rust"))) {
        Ok(Reply::Room(Some(view))) => Arc::clone(&view.state),
        answer => panic!("{answer:?}"),
    }
}

fn give(world: &mut World, by: (usize, u64), to: (usize, u64), rank: Rank) {
    let Ok(Reply::Room(Some(view))) = world.ask(to, Command::RoomInfo(room("rust"))) else { panic!("not there") };
    let own = view.own_nick.clone().unwrap();
    let occupant = view.occupants.iter().find(|occupant| occupant.nick == own).unwrap();
    let who = occupant.people[0].principal();
    world.ask(by, Command::Act(room("rust"), vec![Act::SetRank { who, rank }])).unwrap();
    world.run_ms(1_000);
}

fn heads(world: &mut World, client: (usize, u64)) -> usize {
    state(world, client).ranks.values().filter(|rank| **rank >= Rank::Operator).count()
}

#[test]
fn an_operator_removes_who_made_the_room_and_the_last_one_may_step_down() {
    let mut world = World::new(2);
    let (ann, bob) = (world.guest(0, "ann"), world.guest(1, "bob"));
    world.join(ann, "rust").unwrap();
    world.run_ms(1_000);
    world.join(bob, "rust").unwrap();
    world.run_ms(1_000);
    give(&mut world, ann, bob, Rank::Operator);
    world.ask(bob, Command::Kick { room: room("rust"), nick: nick("ann"), reason: String::new() }).unwrap();
    world.run_ms(1_000);
    assert_eq!(heads(&mut world, bob), 1, "a standing goes with the place");
    give(&mut world, bob, bob, Rank::None);
    assert_eq!(heads(&mut world, bob), 0);
    world.join(ann, "rust").unwrap();
    assert_eq!(heads(&mut world, bob), 0, "somebody is inside");
}

#[test]
fn who_comes_when_everybody_has_left_begins_anew() {
    let mut world = World::new(2);
    let (ann, bob) = (world.guest(0, "ann"), world.guest(1, "bob"));
    world.join(ann, "rust").unwrap();
    world.say(ann, "rust", "hello");
    world.ask(ann, Command::Act(room("rust"), vec![Act::SetFlag { flag: Flag::Moderated, on: true }])).unwrap();
    world.tell(ann, Command::Quit(String::new()));
    world.run_ms(1_000);
    let Ok(Reply::Joined(view, _)) = world.join(bob, "rust") else { panic!("not in") };
    assert_eq!(view.occupants[0].rank, Rank::Founder);
    assert!(!view.state.has(Flag::Moderated));
    assert_eq!(world.history(bob, "rust"), ["ann hello"], "all could read it");
    world.ask(bob, Command::Act(room("rust"), vec![Act::SetKey(Some("k".to_owned()))])).unwrap();
    world.say(bob, "rust", "secret");
    world.tell(bob, Command::Quit(String::new()));
    world.run_ms(1_000);
    let cat = world.guest(0, "cat");
    world.join(cat, "rust").unwrap();
    assert!(world.history(cat, "rust").is_empty(), "not all could");
}

#[test]
fn nobody_takes_a_room_over_from_behind_a_cut_or_after_a_crash() {
    let mut world = World::new(2);
    let (ann, bob) = (world.guest(0, "ann"), world.guest(1, "bob"));
    world.join(ann, "rust").unwrap();
    world.run_ms(1_000);
    world.cut(&[1]);
    world.run_ms(15 * 60_000);
    world.join(bob, "rust").unwrap();
    world.heal();
    world.run_ms(15_000);
    let state = state(&mut world, bob);
    assert_eq!(state.ranks.len(), 1);
    assert!(state.ranks.keys().all(|who| matches!(who, Principal::Guest(session) if session.node == world.node(0))));
    world.ask(bob, Command::Part { room: room("rust"), reason: String::new() }).unwrap();
    world.restart(0);
    world.run_ms(5_000);
    let cat = world.guest(0, "cat");
    let Ok(Reply::Joined(view, _)) = world.join(cat, "rust") else { panic!("not in") };
    assert_eq!(view.occupants[0].rank, Rank::Founder, "whose home is back knows that ann is gone");
}

#[test]
fn who_keeps_a_room_is_its_only_founder_and_stays_it() {
    let mut world = World::new(1);
    world.register(0, "bob");
    let ann = world.guest(0, "ann");
    world.join(ann, "rust").unwrap();
    let bob = world.connect(0);
    world.ask(bob, Command::LogIn(account("bob"))).unwrap();
    world.ask(bob, open("bob", None)).unwrap();
    world.join(bob, "rust").unwrap();
    give(&mut world, ann, bob, Rank::Operator);
    world.ask(bob, Command::Act(room("rust"), vec![Act::SetFlag { flag: Flag::Persistent, on: true }])).unwrap();
    let kept = state(&mut world, ann);
    assert_eq!(kept.rank(&Principal::Account(account("bob"))), Rank::Founder);
    assert_eq!(kept.ranks.values().filter(|rank| **rank == Rank::Operator).count(), 1);
    world.tell(bob, Command::Quit(String::new()));
    assert_eq!(state(&mut world, ann).rank(&Principal::Account(account("bob"))), Rank::Founder);
}

#[test]
fn who_logs_in_takes_the_standing_along() {
    let mut world = World::new(1);
    world.register(0, "ann");
    let guest = world.guest(0, "anna");
    world.join(guest, "rust").unwrap();
    world.ask(guest, Command::LogIn(account("ann"))).unwrap();
    let state = state(&mut world, guest);
    assert_eq!(state.ranks.iter().collect::<Vec<_>>(), [(&Principal::Account(account("ann")), &Rank::Founder)]);
}
