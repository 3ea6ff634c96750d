//! Answers behind writes: what waits for the disk, and what becomes of it when the disk takes nothing.

use super::world::{World, room};
use crate::store::StoreError;
use lavina_crdt::content::Content;
use lavina_protocols::command::{Command, Target};

fn say(text: &str) -> Command {
    Command::Say(Target::Room(room("rust")), Content::text(text))
}

#[test]
fn what_comes_later_waits_behind_a_message_that_is_not_durable() {
    let mut world = World::new(1);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(0, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.heard(alice);
    world.hold_disk(0, true);
    world.tell(alice, say("one"));
    world.tell(alice, Command::Sync);
    world.tell(bob, say("two"));
    world.tell(alice, say("three"));
    assert!(world.words(alice).is_empty());
    assert_eq!(world.words(bob), ["alice: one"], "the author of an unwritten message waits for it");
    world.hold_disk(0, false);
    assert_eq!(world.words(alice), ["said one", "ok", "bob: two", "said three"]);
    assert_eq!(world.words(bob), ["said two", "alice: three"]);
}

#[test]
fn a_full_disk_refuses_with_a_word_and_recovers() {
    let mut world = World::new(1);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(0, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.heard(alice);
    world.fill_disk(0, Some(StoreError::Full));
    world.tell(alice, say("one"));
    world.run_ms(6_000);
    let storage = "refused: the server cannot store anything at the moment";
    assert_eq!(world.words(alice), [storage]);
    world.tell(alice, say("two"));
    assert_eq!(world.words(alice), [storage]);
    world.tell(bob, Command::Sync);
    assert!(world.words(bob).contains(&"ok".to_owned()));
    assert!(world.status(0).store_error.is_some());
    world.fill_disk(0, None);
    world.run_ms(3_000);
    world.say(alice, "rust", "three");
    assert!(world.status(0).store_error.is_none());
    assert_eq!(world.history(bob, "rust"), ["alice one", "alice three"]);
}

#[test]
fn who_waits_too_long_in_a_busy_room_is_told_to_come_back() {
    let mut world = World::new(1);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(0, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.heard(alice);
    world.hold_disk(0, true);
    world.tell(alice, say("one"));
    for _ in 0..crate::gate::HELD_MAX + 1 {
        world.tell(alice, Command::Sync);
    }
    assert_eq!(world.words(alice), ["closed SlowReader", "disconnected SlowReader"]);
}
