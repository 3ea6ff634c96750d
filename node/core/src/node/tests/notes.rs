//! What people and rooms have noted about them, on every node.

use super::world::{Client, World, nick, open, room};
use lavina_crdt::notes::{NOTES_MAX, Notes};
use lavina_crdt::room::{Act, Denied};
use lavina_protocols::command::{Command, Refusal, Reply};

fn note(key: &str, value: &str) -> Command {
    Command::SetNote(key.to_owned(), (!value.is_empty()).then(|| value.to_owned()))
}

fn notes_of(world: &mut World, client: Client, name: &str) -> Notes {
    match world.ask(client, Command::FindNick(nick(name))) {
        Ok(Reply::People(people)) => people[0].notes.as_ref().map(|notes| Notes::clone(notes)).unwrap_or_default(),
        other => panic!("{other:?}"),
    }
}

fn notes(pairs: &[(&str, &str)]) -> Notes {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn what_a_guest_notes_is_seen_and_told_on_other_nodes() {
    let mut world = World::new(2);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(1, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.run_ms(1_000);
    world.words(bob);
    world.ask(alice, note("url", "http://a")).unwrap();
    world.run_ms(1_000);
    assert_eq!(notes_of(&mut world, bob, "alice"), notes(&[("url", "http://a")]));
    assert!(world.words(bob).contains(&"alice notes url: Some(\"http://a\")".to_owned()));
    world.ask(alice, note("url", "")).unwrap();
    world.run_ms(1_000);
    assert_eq!(notes_of(&mut world, bob, "alice"), Notes::new());
    assert!(world.words(bob).contains(&"alice notes url: None".to_owned()));
    assert!(world.words(alice).iter().all(|word| !word.contains("notes")), "who did it is not told");
}

#[test]
fn what_an_account_notes_stays_and_is_told_once() {
    let mut world = World::new(2);
    world.register(0, "alice");
    world.run_ms(1_000);
    let bob = world.guest(1, "bob");
    let alice = world.connect(0);
    world.ask(alice, Command::LogIn(super::world::account("alice"))).unwrap();
    world.ask(alice, open("alice", None)).unwrap();
    let other = world.connect(1);
    world.ask(other, Command::LogIn(super::world::account("alice"))).unwrap();
    world.ask(other, open("alice", None)).unwrap();
    for client in [alice, other, bob] {
        world.join(client, "rust").unwrap();
    }
    world.run_ms(1_000);
    world.words(bob);
    world.words(other);
    world.ask(alice, note("url", "http://a")).unwrap();
    world.run_ms(1_000);
    let told = |words: Vec<String>| words.iter().filter(|word| word.starts_with("alice notes")).count();
    assert_eq!((told(world.words(bob)), told(world.words(other)), told(world.words(alice))), (1, 1, 0));
    for client in [alice, other] {
        world.tell(client, Command::Quit(String::new()));
    }
    world.run_ms(1_000);
    let again = world.connect(1);
    world.ask(again, Command::LogIn(super::world::account("alice"))).unwrap();
    world.ask(again, open("alice", None)).unwrap();
    assert_eq!(notes_of(&mut world, bob, "alice"), notes(&[("url", "http://a")]));
}

#[test]
fn a_room_is_noted_about_by_its_operators() {
    let mut world = World::new(2);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(1, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.run_ms(1_000);
    let act =
        |key: &str| Command::Act(room("rust"), vec![Act::SetNote { key: key.to_owned(), value: Some("v".to_owned()) }]);
    assert_eq!(world.ask(bob, act("url")).unwrap_err(), Refusal::Denied(Denied::Rank));
    world.ask(alice, act("url")).unwrap();
    world.run_ms(1_000);
    let Ok(Reply::Room(Some(view))) = world.ask(bob, Command::RoomInfo(room("rust"))) else { panic!("no room") };
    assert_eq!(view.state.notes, notes(&[("url", "v")]));
    for number in 1..NOTES_MAX {
        world.ask(alice, act(&format!("k{number}"))).unwrap();
    }
    assert_eq!(world.ask(alice, act("more")).unwrap_err(), Refusal::TooMany("notes"));
    world.ask(alice, act("url")).unwrap();
}

#[test]
fn notes_have_their_bounds() {
    let mut world = World::new(1);
    let alice = world.guest(0, "alice");
    assert_eq!(world.ask(alice, note("Url", "x")).unwrap_err(), Refusal::Denied(Denied::Malformed));
    for number in 0..NOTES_MAX {
        world.ask(alice, note(&format!("k{number}"), "x")).unwrap();
    }
    assert_eq!(world.ask(alice, note("more", "x")).unwrap_err(), Refusal::TooMany("notes"));
    world.ask(alice, note("k0", "y")).unwrap();
}
