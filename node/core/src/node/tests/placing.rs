//! Rooms that not every node holds, as sessions see them.

use super::world::{Client, World, account, nick, open, room};
use lavina_crdt::content::{Content, Principal};
use lavina_crdt::names::AccountName;
use lavina_crdt::room::{Act, Flag, Rank};
use lavina_protocols::abroad::{AbroadCommand, Remote};
use lavina_protocols::account::AccountCommand;
use lavina_protocols::command::{Command, Refusal, Reply, Target};
use std::num::NonZeroUsize;

fn world() -> World {
    World::with(6, |limits| limits.replicas = NonZeroUsize::new(2))
}

/// A node that is not to hold a room.
fn stranger(world: &World, name: &str) -> usize {
    world.holders(name).iter().position(|holds| !holds).unwrap()
}

/// Alice and what she has said in a room, at a node that is none of its homes; and another such node.
fn alice_in(world: &mut World, name: &str) -> (Client, usize) {
    let alice = world.guest(stranger(world, name), "alice");
    world.join(alice, name).unwrap();
    world.say(alice, name, "one");
    world.say(alice, name, "two");
    world.run_ms(5_000);
    (alice, stranger(world, name))
}

#[test]
fn a_room_is_where_its_homes_and_its_occupants_are() {
    let mut world = world();
    let (_, elsewhere) = alice_in(&mut world, "rust");
    let (held, holders) = (world.held("rust"), world.holders("rust"));
    assert_eq!(holders.iter().filter(|holds| **holds).count(), 3);
    assert!(held.iter().zip(&holders).all(|(held, holds)| (*held > 0) == *holds), "{held:?} {holders:?}");
    let bob = world.guest(elsewhere, "bob");
    let Ok(Reply::Joined(view, true)) = world.join(bob, "rust") else { panic!("bob is not inside") };
    assert!(!view.created && view.occupants.len() == 2);
    assert_eq!(world.history(bob, "rust"), ["alice one", "alice two"]);
    world.run_ms(5_000);
    assert_eq!(world.held("rust")[elsewhere], held.iter().copied().max().unwrap(), "nothing was made anew");
}

#[test]
fn what_is_said_reaches_occupants_wherever_they_are() {
    let mut world = world();
    let (alice, elsewhere) = alice_in(&mut world, "rust");
    let bob = world.guest(elsewhere, "bob");
    world.join(bob, "rust").unwrap();
    world.heard(alice);
    world.heard(bob);
    world.say(alice, "rust", "three");
    world.say(bob, "rust", "four");
    assert!(world.words(bob).contains(&"alice: three".to_owned()));
    assert!(world.words(alice).contains(&"bob: four".to_owned()));
}

#[test]
fn a_ban_and_a_key_hold_where_the_room_is_not() {
    let mut world = world();
    let (alice, elsewhere) = alice_in(&mut world, "rust");
    world.ask(alice, Command::Act(room("rust"), vec![Act::SetKey(Some("sesame".to_owned()))])).unwrap();
    let bob = world.guest(elsewhere, "bob");
    assert!(matches!(world.join(bob, "rust"), Err(Refusal::Denied(_))));
    let join = Command::Join { room: room("rust"), nick: None, key: Some("sesame".to_owned()) };
    world.ask(bob, join).unwrap();
}

#[test]
fn a_session_that_waits_for_a_room_is_answered_in_order_and_others_do_not_wait() {
    let mut world = world();
    let (_, elsewhere) = alice_in(&mut world, "rust");
    let (bob, carol) = (world.guest(elsewhere, "bob"), world.guest(elsewhere, "carol"));
    world.silence(&[elsewhere]);
    world.heard(bob);
    let join = world.tell(bob, Command::Join { room: room("rust"), nick: None, key: None });
    let say = world.tell(bob, Command::Say(Target::Room(room("rust")), Content::text("hello")));
    let sync = world.tell(bob, Command::Sync);
    assert!(world.words(bob).is_empty());
    assert!(matches!(world.ask(carol, Command::Sync), Ok(Reply::Done)));
    world.run_ms(3_000);
    assert!(matches!(world.take_answer(bob, join), Some(Ok(Reply::Joined(..)))));
    assert_eq!(world.words(bob), ["said hello", "ok"]);
    assert!(world.take_answer(bob, say).is_none() && world.take_answer(bob, sync).is_none());
}

#[test]
fn of_other_servers_only_who_asks_for_the_room_waits() {
    let mut world = world();
    let (_, elsewhere) = alice_in(&mut world, "rust");
    let gateway = world.connect(elsewhere);
    world.ask(gateway, Command::Abroad(AbroadCommand::Open)).unwrap();
    world.silence(&[elsewhere]);
    let asks = |local: &str, command: Command| {
        let account = AccountName::remote(Some(local), "far.example").unwrap();
        Command::Abroad(AbroadCommand::Ask(Remote { account, resource: None }, Box::new(command)))
    };
    let waits = world.tell(gateway, asks("juliet", Command::RoomInfo(room("rust"))));
    let behind = world.tell(gateway, asks("juliet", Command::Sync));
    assert!(matches!(world.ask(gateway, asks("romeo", Command::Sync)), Ok(Reply::Done)));
    assert!(world.take_answer(gateway, waits).is_none() && world.take_answer(gateway, behind).is_none());
    world.run_ms(3_000);
    assert!(matches!(world.take_answer(gateway, waits), Some(Ok(Reply::Room(_)))));
    assert!(matches!(world.take_answer(gateway, behind), Some(Ok(Reply::Done))));
}

#[test]
fn a_room_that_cannot_be_reached_opens_and_merges_later() {
    let mut world = world();
    let (alice, elsewhere) = alice_in(&mut world, "rust");
    world.cut(&[elsewhere]);
    let bob = world.guest(elsewhere, "bob");
    let Ok(Reply::Joined(view, _)) = world.join(bob, "rust") else { panic!("bob is not inside") };
    assert!(view.created);
    world.say(bob, "rust", "alone");
    world.heal();
    world.run_ms(10_000);
    assert_eq!(world.history(bob, "rust"), ["alice one", "alice two", "bob alone"]);
    assert_eq!(world.history(alice, "rust"), world.history(bob, "rust"));
    let founder = world.ask(bob, Command::Act(room("rust"), vec![Act::SetTopic("mine".to_owned())]));
    assert!(founder.is_err(), "who opened a room behind a cut has not taken it over");
}

#[test]
fn history_is_read_where_the_room_is_not() {
    let mut world = world();
    let (_, elsewhere) = alice_in(&mut world, "rust");
    let bob = world.guest(elsewhere, "bob");
    assert_eq!(world.history(bob, "rust"), ["alice one", "alice two"]);
}

#[test]
fn a_node_tells_nobody_of_rooms_that_it_knows_too_little_of() {
    let mut world = world();
    let (alice, elsewhere) = alice_in(&mut world, "rust");
    world.ask(alice, Command::Act(room("rust"), vec![Act::SetFlag { flag: Flag::Secret, on: true }])).unwrap();
    let bob = world.guest(elsewhere, "bob");
    let Ok(Reply::People(people)) = world.ask(bob, Command::FindNick(nick("alice"))) else { panic!("no people") };
    assert!(people[0].record.rooms.is_empty());
    assert!(matches!(world.ask(bob, Command::RoomInfo(room("rust"))), Ok(Reply::Room(None))));
}

#[test]
fn occupants_go_along_to_a_new_name_that_their_node_does_not_hold() {
    let mut world = world();
    let (alice, elsewhere) = alice_in(&mut world, "rust");
    let bob = world.guest(elsewhere, "bob");
    world.join(bob, "rust").unwrap();
    world.run_ms(1_000);
    let (to, reason, venue) = (room("iron"), String::new(), String::new());
    world.ask(alice, Command::RenameRoom { room: room("rust"), to, reason, venue }).unwrap();
    world.run_ms(5_000);
    assert!(world.words(bob).contains(&"alice renamed rust iron".to_owned()));
    world.say(bob, "iron", "here");
    let carol = world.guest((0..6).find(|node| ![alice.0, bob.0].contains(node)).unwrap(), "carol");
    world.join(carol, "iron").unwrap();
    assert_eq!(world.history(carol, "iron"), ["alice one", "alice two", "bob here"]);
}

#[test]
fn an_account_that_is_always_on_finds_its_rooms_at_any_node() {
    let mut world = world();
    world.register(0, "alice");
    let log_in = |world: &mut World, node: usize| {
        let client = world.connect(node);
        world.ask(client, Command::LogIn(account("alice"))).unwrap();
        client
    };
    let first = stranger(&world, "rust");
    let alice = log_in(&mut world, first);
    world.ask(alice, open("alice", None)).unwrap();
    world.ask(alice, Command::Account(AccountCommand::SetAlwaysOn(Some(true)))).unwrap();
    world.join(alice, "rust").unwrap();
    world.say(alice, "rust", "one");
    world.tell(alice, Command::Quit(String::new()));
    world.run_ms(5_000);
    let elsewhere = (0..6).find(|node| *node != alice.0 && !world.holders("rust")[*node]).unwrap();
    let again = log_in(&mut world, elsewhere);
    let Ok(Reply::Opened(opened)) = world.ask(again, open("alice", None)) else { panic!("alice is not there") };
    let view = &opened.resumed[0];
    assert_eq!(view.name, room("rust"));
    assert_eq!(view.state.rank(&Principal::Account(account("alice"))), Rank::Founder);
    assert_eq!(world.history(again, "rust"), ["alice one"]);
}

#[test]
fn a_node_that_is_emptied_hands_its_rooms_to_others_and_is_a_home_again_when_that_is_undone() {
    let mut world = world();
    let (alice, _) = alice_in(&mut world, "rust");
    let all = world.held("rust")[alice.0];
    let before = world.holders("rust");
    let home = (0..6).find(|node| before[*node] && *node != alice.0).unwrap();
    world.set_draining(alice.0, home, true);
    world.run_ms(2_000);
    let during = world.holders("rust");
    assert!(!during[home] && during.iter().filter(|holds| **holds).count() == 3, "{during:?}");
    world.run_ms(15_000);
    assert!((0..6).filter(|node| during[*node]).all(|node| world.held("rust")[node] == all), "its homes have it");
    assert_eq!((world.status(home).rooms_to_hand_over, world.status(home).rooms_thin), (0, 0));
    assert_eq!(world.held("rust")[home], all, "it is let go of later");
    world.set_draining(alice.0, home, false);
    world.run_ms(2_000);
    assert_eq!(world.holders("rust"), before);
}

#[test]
fn what_an_emptied_node_has_alone_is_still_to_be_handed_over() {
    let mut world = world();
    let (alice, _) = alice_in(&mut world, "rust");
    let before = world.holders("rust");
    let home = (0..6).find(|node| before[*node] && *node != alice.0).unwrap();
    world.cut(&[home]);
    world.set_draining(home, home, true);
    world.run_ms(15_000);
    assert_eq!(world.status(home).rooms_to_hand_over, 2, "the room, and that the node is being emptied");
    world.heal();
    world.run_ms(20_000);
    assert_eq!(world.status(home).rooms_to_hand_over, 0);
}

fn listed(world: &mut World, client: Client) -> Vec<(String, String, usize)> {
    let Ok(Reply::Rooms(rooms)) = world.ask(client, Command::ListRooms) else { panic!("no list") };
    rooms.into_iter().map(|room| (room.name.to_string(), room.topic, room.occupants)).collect()
}

#[test]
fn a_list_shows_rooms_that_are_not_here_and_none_that_are_secret() {
    let mut world = world();
    for (node, name) in [(0, "rust"), (1, "iron"), (2, "hidden"), (3, "empty")] {
        let client = world.guest(node, &format!("user{node}"));
        world.join(client, name).unwrap();
        world.ask(client, Command::Act(room(name), vec![Act::SetTopic(format!("on {name}"))])).unwrap();
        let acts = match name {
            "hidden" => vec![Act::SetFlag { flag: Flag::Secret, on: true }],
            "empty" => vec![Act::SetFlag { flag: Flag::Persistent, on: true }],
            _ => Vec::new(),
        };
        world.ask(client, Command::Act(room(name), acts)).unwrap();
        if name == "empty" {
            world.tell(client, Command::Part { room: room(name), reason: String::new() });
        }
    }
    world.run_ms(10_000);
    let row = |name: &str, occupants| (name.to_owned(), format!("on {name}"), occupants);
    for node in 0..6 {
        let client = world.guest(node, &format!("reader{node}"));
        assert_eq!(listed(&mut world, client), [row("empty", 0), row("iron", 1), row("rust", 1)], "node {node}");
    }
}

#[test]
fn a_list_waits_for_nobody_who_does_not_answer() {
    let mut world = world();
    let (_, elsewhere) = alice_in(&mut world, "rust");
    world.silence(&[elsewhere]);
    let bob = world.guest(elsewhere, "bob");
    let list = world.tell(bob, Command::ListRooms);
    assert!(world.take_answer(bob, list).is_none());
    world.run_ms(1_600);
    assert!(matches!(world.take_answer(bob, list), Some(Ok(Reply::Rooms(_)))));
}

/// As [`world`], with nodes that soon let go of what they are not to hold.
fn forgetful() -> World {
    World::with(6, |limits| (limits.replicas, limits.linger_ms) = (NonZeroUsize::new(2), 20_000))
}

/// Somebody leaves the room for longer than their node keeps it.
fn leave_for_long(world: &mut World, client: Client) {
    world.ask(client, Command::Part { room: room("rust"), reason: String::new() }).unwrap();
    world.run_ms(45_000);
}

#[test]
fn a_node_lets_go_of_a_room_that_nobody_there_wants_and_gets_it_back_whole() {
    let mut world = forgetful();
    let (alice, elsewhere) = alice_in(&mut world, "rust");
    let bob = world.guest(elsewhere, "bob");
    world.join(bob, "rust").unwrap();
    world.say(bob, "rust", "three");
    world.say(alice, "rust", "four");
    let all = world.held("rust")[elsewhere];
    world.ask(bob, Command::Part { room: room("rust"), reason: String::new() }).unwrap();
    world.run_ms(15_000);
    assert_eq!(world.held("rust")[elsewhere], all, "it is kept for a while");
    world.run_ms(30_000);
    assert_eq!(world.held("rust")[elsewhere], 1, "what was written here stays");
    world.restart(elsewhere);
    let bob = world.guest(elsewhere, "bob");
    world.join(bob, "rust").unwrap();
    assert_eq!(world.history(bob, "rust"), ["alice one", "alice two", "bob three", "alice four"]);
    world.say(bob, "rust", "five");
    assert_eq!(world.history(alice, "rust"), world.history(bob, "rust"));
    world.run_ms(10_000);
    let (held, holders) = (world.held("rust"), world.holders("rust"));
    assert!((0..6).filter(|node| holders[*node]).all(|node| held[node] == all + 1), "{held:?}");
}

#[test]
fn numbers_go_on_where_a_room_was_let_go_and_nobody_can_be_reached() {
    let mut world = forgetful();
    let (_, elsewhere) = alice_in(&mut world, "rust");
    let bob = world.guest(elsewhere, "bob");
    world.join(bob, "rust").unwrap();
    world.say(bob, "rust", "three");
    leave_for_long(&mut world, bob);
    assert_eq!(world.held("rust")[elsewhere], 1);
    world.cut(&[elsewhere]);
    world.join(bob, "rust").unwrap();
    world.say(bob, "rust", "alone");
    world.heal();
    world.run_ms(15_000);
    assert_eq!(world.history(bob, "rust"), ["alice one", "alice two", "bob three", "bob alone"]);
    let held = world.held("rust");
    assert!((0..6).filter(|node| world.holders("rust")[*node]).all(|node| held[node] == held[elsewhere]), "{held:?}");
}

/// What somebody has heard alice say since they were last asked.
fn lines(world: &mut World, client: Client) -> Vec<String> {
    world.words(client).into_iter().filter(|words| words.starts_with("alice:")).collect()
}

#[test]
fn what_comes_back_of_a_room_is_not_shown_again() {
    let mut world = forgetful();
    let (alice, elsewhere) = alice_in(&mut world, "rust");
    let bob = world.guest(elsewhere, "bob");
    world.join(bob, "rust").unwrap();
    world.say(alice, "rust", "three");
    assert_eq!(world.words(bob), ["alice: three"]);
    leave_for_long(&mut world, bob);
    assert_eq!(world.held("rust")[elsewhere], 0);
    world.cut(&[elsewhere]);
    world.say(alice, "rust", "four");
    world.join(bob, "rust").unwrap();
    world.heal();
    world.run_ms(15_000);
    assert_eq!(lines(&mut world, bob), ["alice: four"]);
    assert_eq!(world.history(bob, "rust"), ["alice one", "alice two", "alice three", "alice four"]);
}

#[test]
fn rights_that_were_let_go_hold_again() {
    let mut world = forgetful();
    let (alice, elsewhere) = alice_in(&mut world, "rust");
    let bob = world.guest(elsewhere, "bob");
    world.join(bob, "rust").unwrap();
    leave_for_long(&mut world, bob);
    assert_eq!(world.held("rust")[elsewhere], 0);
    world.ask(alice, Command::Act(room("rust"), vec![Act::SetKey(Some("sesame".to_owned()))])).unwrap();
    assert!(world.join(bob, "rust").is_err());
}
