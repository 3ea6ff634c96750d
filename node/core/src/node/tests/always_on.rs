//! Accounts that are always on: in their rooms with no session anywhere, on every node alike.

use super::world::{World, account, nick, open, room};
use crate::store::StoreError;
use lavina_crdt::content::Content;
use lavina_crdt::names::Nick;
use lavina_protocols::account::{AccountCommand, AccountReply};
use lavina_protocols::command::{Command, Opened, Refusal, Reply, Target};

/// An IRC session of an account under a nick of its choice.
fn session(world: &mut World, node: usize, name: &str, shown: &str) -> ((usize, u64), Opened) {
    let client = world.connect(node);
    world.ask(client, Command::LogIn(account(name))).unwrap();
    match world.ask(client, open(shown, None)) {
        Ok(Reply::Opened(opened)) => (client, opened),
        answer => panic!("{answer:?}"),
    }
}

fn switch(world: &mut World, client: (usize, u64), on: bool) {
    world.ask(client, Command::Account(AccountCommand::SetAlwaysOn(Some(on)))).unwrap();
    world.run_ms(1_000);
}

/// Who is in `rust`, as a node keeps it.
fn inside(world: &mut World, client: (usize, u64)) -> Vec<Nick> {
    match world.ask(client, Command::RoomInfo(room("rust"))) {
        Ok(Reply::Room(Some(view))) => view.occupants.iter().map(|occupant| occupant.nick.clone()).collect(),
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn a_place_outlives_the_session_and_its_node() {
    let mut world = World::new(3);
    world.register(0, "alice");
    let (phone, _) = session(&mut world, 0, "alice", "alice");
    let bob = world.guest(1, "bob");
    world.join(phone, "rust").unwrap();
    world.run_ms(1_000);
    world.join(bob, "rust").unwrap();
    world.run_ms(1_000);
    switch(&mut world, phone, true);
    world.words(bob);
    world.tell(phone, Command::Quit("night".to_owned()));
    world.run_ms(1_000);
    world.cut(&[0]);
    world.run_ms(90_000);
    let heard = world.words(bob);
    assert!(!heard.iter().any(|word| word.contains("alice")), "nobody has left: {heard:?}");
    assert_eq!(inside(&mut world, bob), [nick("alice"), nick("bob")]);
    let (_, opened) = session(&mut world, 2, "alice", "alice_");
    assert!(opened.is_always_on);
    assert_eq!(opened.nick, nick("alice"), "one nick for all sessions");
    let rooms: Vec<_> = opened.resumed.iter().map(|view| view.name.clone()).collect();
    assert_eq!(rooms, [room("rust")]);
    world.run_ms(1_000);
    assert!(world.words(bob).iter().all(|word| !word.contains("alice")), "nor come");
    world.heal();
    world.run_ms(15_000);
    assert!(world.converged());
}

#[test]
fn a_place_outlives_a_restart_of_every_node() {
    let mut world = World::new(2);
    world.register(0, "alice");
    let (phone, _) = session(&mut world, 0, "alice", "alice");
    world.join(phone, "rust").unwrap();
    switch(&mut world, phone, true);
    for node in 0..2 {
        world.restart(node);
    }
    world.run_ms(5_000);
    let bob = world.guest(1, "bob");
    assert_eq!(inside(&mut world, bob), [nick("alice")]);
}

#[test]
fn a_session_is_where_its_account_is_once_its_node_knows() {
    let mut world = World::new(2);
    world.register(0, "alice");
    world.run_ms(1_000);
    world.cut(&[0]);
    let (phone, _) = session(&mut world, 0, "alice", "alice");
    world.join(phone, "rust").unwrap();
    switch(&mut world, phone, true);
    world.tell(phone, Command::Quit(String::new()));
    world.run_ms(1_000);
    let (desk, opened) = session(&mut world, 1, "alice", "alice");
    assert!(!opened.is_always_on);
    world.heal();
    world.run_ms(15_000);
    assert!(world.words(desk).contains(&"entered rust".to_owned()));
    let part = Command::Part { room: room("rust"), reason: String::new() };
    world.ask(desk, part).unwrap();
    world.run_ms(1_000);
    assert_eq!(inside(&mut world, desk), []);
}

#[test]
fn who_cannot_be_forgotten_on_a_full_disk_stays_inside() {
    let mut world = World::new(1);
    world.register(0, "alice");
    let (phone, _) = session(&mut world, 0, "alice", "alice");
    let bob = world.guest(0, "bob");
    world.join(phone, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    switch(&mut world, phone, true);
    world.fill_disk(0, Some(StoreError::Full));
    world.tell(bob, Command::Say(Target::Room(room("rust")), Content::text("does this fit?")));
    world.run_ms(6_000);
    let part = Command::Part { room: room("rust"), reason: String::new() };
    assert_eq!(world.ask(phone, part.clone()).unwrap_err(), Refusal::Storage);
    assert_eq!(inside(&mut world, bob), [nick("alice"), nick("bob")]);
    world.fill_disk(0, None);
    world.run_ms(3_000);
    world.ask(phone, part).unwrap();
    world.tell(phone, Command::Quit(String::new()));
    world.run_ms(1_000);
    assert_eq!(inside(&mut world, bob), [nick("bob")]);
}

#[test]
fn sessions_of_the_account_share_their_places() {
    let mut world = World::new(2);
    world.register(0, "alice");
    let (phone, _) = session(&mut world, 0, "alice", "alice");
    switch(&mut world, phone, true);
    let (desk, _) = session(&mut world, 1, "alice", "alice");
    world.join(phone, "rust").unwrap();
    world.run_ms(1_000);
    assert!(world.words(desk).contains(&"entered rust".to_owned()));
    assert_eq!(world.ask(desk, Command::ClaimNick(nick("other"))).unwrap_err(), Refusal::NickInUse);
    let part = Command::Part { room: room("rust"), reason: String::new() };
    world.ask(desk, part).unwrap();
    world.run_ms(1_000);
    assert!(world.words(phone).iter().any(|word| word.starts_with("alice left rust")));
    let bob = world.guest(0, "bob");
    assert!(
        matches!(world.ask(bob, Command::RoomInfo(room("rust"))), Ok(Reply::Room(Some(view))) if view.occupants.is_empty())
    );
}

#[test]
fn places_taken_on_both_sides_of_a_cut_merge_and_a_kick_ends_one_for_good() {
    let mut world = World::new(3);
    world.register(0, "alice");
    world.register(0, "carol");
    world.run_ms(2_000);
    let (phone, _) = session(&mut world, 0, "alice", "alice");
    let carol = world.member(1, "carol", "desk");
    world.join(carol, "rust").unwrap();
    world.run_ms(1_000);
    switch(&mut world, phone, true);
    let (desk, _) = session(&mut world, 2, "alice", "alice");
    world.run_ms(1_000);
    world.cut(&[2]);
    world.run_ms(5_000);
    world.join(phone, "rust").unwrap();
    world.join(desk, "go").unwrap();
    world.run_ms(1_000);
    world.heal();
    world.run_ms(15_000);
    for client in [phone, desk] {
        world.tell(client, Command::Quit(String::new()));
    }
    world.run_ms(1_000);
    let (again, opened) = session(&mut world, 1, "alice", "alice");
    let rooms: Vec<_> = opened.resumed.iter().map(|view| view.name.clone()).collect();
    assert_eq!(rooms, [room("go"), room("rust")]);
    world.tell(again, Command::Quit(String::new()));
    world.run_ms(1_000);
    world.ask(carol, Command::Kick { room: room("rust"), nick: nick("alice"), reason: "go".to_owned() }).unwrap();
    world.run_ms(1_000);
    world.restart(0);
    world.run_ms(5_000);
    let bob = world.guest(0, "bob");
    assert_eq!(inside(&mut world, bob), [nick("carol")]);
    let (_, opened) = session(&mut world, 0, "alice", "alice");
    assert_eq!(opened.resumed.len(), 1);
}

#[test]
fn a_device_is_told_from_another_on_every_node() {
    let mut world = World::new(2);
    world.register(0, "alice");
    let (phone, _) = session(&mut world, 0, "alice", "alice");
    let seen = |device: &str| Command::Account(AccountCommand::Seen(device.to_owned()));
    world.ask(phone, Command::Account(AccountCommand::SetSeen("phone".to_owned(), 77))).unwrap();
    world.run_ms(1_000);
    let (desk, _) = session(&mut world, 1, "alice", "alice");
    for (device, at) in [("phone", Some(77)), ("desk", None)] {
        assert!(matches!(world.ask(desk, seen(device)), Ok(Reply::Account(AccountReply::Seen(found))) if found == at));
    }
}

#[test]
fn who_switches_it_off_leaves_with_the_last_session() {
    let mut world = World::new(2);
    world.register(0, "alice");
    let (phone, _) = session(&mut world, 0, "alice", "alice");
    world.join(phone, "rust").unwrap();
    switch(&mut world, phone, true);
    switch(&mut world, phone, false);
    let bob = world.guest(1, "bob");
    world.join(bob, "rust").unwrap();
    world.words(bob);
    world.tell(phone, Command::Quit("night".to_owned()));
    world.run_ms(1_000);
    assert_eq!(world.words(bob), ["alice quit night", "alice changed rust (1)"], "with her standing");
}

#[test]
fn where_it_is_usual_an_account_is_always_on_until_its_owner_chooses_otherwise() {
    let mut world = World::with(1, |limits| limits.always_on = true);
    world.register(0, "alice");
    let alice = world.connect(0);
    world.ask(alice, Command::LogIn(account("alice"))).unwrap();
    let Ok(Reply::Opened(opened)) = world.ask(alice, open("ally", None)) else { panic!("not opened") };
    assert!(opened.is_always_on);
    assert_eq!(opened.nick.as_str(), "alice");
    let info = |world: &mut World| match world.ask(alice, Command::Account(AccountCommand::Info(account("alice")))) {
        Ok(Reply::Account(AccountReply::Info(Some(info)))) => (info.is_always_on, info.always_on_choice),
        other => panic!("{other:?}"),
    };
    assert_eq!(info(&mut world), (true, None));
    world.ask(alice, Command::Account(AccountCommand::SetAlwaysOn(Some(false)))).unwrap();
    assert_eq!(info(&mut world), (false, Some(false)));
    world.ask(alice, Command::Account(AccountCommand::SetAlwaysOn(None))).unwrap();
    assert_eq!(info(&mut world), (true, None));
}

#[test]
fn a_second_session_under_the_nick_is_the_same_person_on_any_node() {
    let mut world = World::new(3);
    world.register(0, "alice");
    world.run_ms(1_000);
    let bob = world.guest(2, "bob");
    let (phone, opened) = session(&mut world, 0, "alice", "alice");
    assert!(opened.resumed.is_empty());
    world.join(phone, "rust").unwrap();
    world.run_ms(1_000);
    world.join(bob, "rust").unwrap();
    world.run_ms(1_000);
    world.words(bob);
    let (desk, opened) = session(&mut world, 1, "alice", "Alice");
    assert!(!opened.is_always_on);
    let rooms: Vec<_> = opened.resumed.iter().map(|view| view.name.clone()).collect();
    assert_eq!((rooms, opened.nick), (vec![room("rust")], nick("alice")));
    world.run_ms(1_000);
    assert!(world.words(bob).is_empty(), "nobody has come");
    world.join(desk, "go").unwrap();
    world.run_ms(1_000);
    assert!(world.words(phone).contains(&"entered go".to_owned()));
    world.say(phone, "rust", "from the phone");
    world.run_ms(1_000);
    assert!(world.words(desk).contains(&"alice: from the phone".to_owned()));
    world.tell(phone, Command::Quit("battery".to_owned()));
    world.run_ms(1_000);
    assert_eq!(world.words(bob), ["alice: from the phone"], "nobody has gone");
    assert_eq!(inside(&mut world, bob), [nick("alice"), nick("bob")]);
    world.tell(desk, Command::Quit("night".to_owned()));
    world.run_ms(1_000);
    assert!(world.words(bob).contains(&"alice quit night".to_owned()));
}

#[test]
fn who_leaves_or_is_renamed_does_so_with_all_sessions() {
    let mut world = World::new(2);
    world.register(0, "alice");
    world.run_ms(1_000);
    let (phone, _) = session(&mut world, 0, "alice", "alice");
    let (desk, _) = session(&mut world, 1, "alice", "alice");
    let (other, opened) = session(&mut world, 1, "alice", "alice2");
    assert!(opened.resumed.is_empty(), "another nick is another person");
    world.run_ms(1_000);
    world.join(phone, "rust").unwrap();
    world.run_ms(1_000);
    world.ask(phone, Command::ClaimNick(nick("ally"))).unwrap();
    world.run_ms(1_000);
    assert_eq!(inside(&mut world, other), [nick("ally")]);
    assert!(world.words(desk).contains(&"alice is ally".to_owned()));
    world.ask(desk, Command::Part { room: room("rust"), reason: String::new() }).unwrap();
    world.run_ms(1_000);
    assert!(world.words(phone).iter().any(|word| word.starts_with("ally left rust")));
}

#[test]
fn what_a_session_entered_behind_a_cut_the_others_are_in_when_it_is_healed() {
    let mut world = World::new(2);
    world.register(0, "alice");
    world.run_ms(1_000);
    let (phone, _) = session(&mut world, 0, "alice", "alice");
    let (desk, _) = session(&mut world, 1, "alice", "alice");
    world.run_ms(1_000);
    world.cut(&[1]);
    world.run_ms(15 * 60_000);
    world.join(desk, "go").unwrap();
    world.heal();
    world.run_ms(15_000);
    assert!(world.words(phone).contains(&"entered go".to_owned()));
}
