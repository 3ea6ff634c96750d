//! How fast an account may say things over several sessions.

use super::world::{Client, World, room};
use crate::paces::Pace;
use lavina_crdt::content::Content;
use lavina_protocols::command::{Command, Target};
use lavina_protocols::session::Flood;

fn world() -> World {
    let flood = Flood { burst: 4, per_second: 10 };
    let mut world = World::with(1, |limits| limits.pace = Pace { account: flood, address: Flood::NONE });
    world.register(0, "ann");
    world
}

fn say(world: &mut World, who: Client, text: &str) {
    world.tell(who, Command::Say(Target::Room(room("rust")), Content::text(text)));
}

fn counts(world: &mut World, who: Client) -> (usize, Vec<String>) {
    let words: Vec<String> = world.words(who).into_iter().filter(|word| word.contains(": ")).collect();
    (words.len(), words)
}

#[test]
fn several_sessions_of_an_account_share_its_pace_and_lose_nothing() {
    let mut world = world();
    let (desk, phone) = (world.member(0, "ann", "desk"), world.member(0, "ann", "phone"));
    let bob = world.guest(0, "bob");
    for client in [desk, phone, bob] {
        world.join(client, "rust").unwrap();
    }
    world.words(bob);
    for number in 0..5 {
        say(&mut world, desk, &format!("desk {number}"));
        say(&mut world, phone, &format!("phone {number}"));
    }
    assert_eq!(counts(&mut world, bob).0, 4);
    say(&mut world, bob, "others go on");
    assert!(world.words(bob).contains(&"said others go on".to_owned()));
    world.run_ms(101);
    assert_eq!(counts(&mut world, bob).0, 1);
    world.run_ms(500);
    let (count, words) = counts(&mut world, bob);
    assert_eq!(count, 5);
    assert_eq!(words.last().unwrap(), "ann: phone 4", "{words:?}");
}

#[test]
fn what_a_session_asks_after_something_that_waits_is_answered_after_it() {
    let mut world = world();
    let ann = world.member(0, "ann", "desk");
    world.join(ann, "rust").unwrap();
    world.words(ann);
    for number in 0..6 {
        say(&mut world, ann, &number.to_string());
    }
    world.tell(ann, Command::Sync);
    assert_eq!(world.words(ann), ["said 0", "said 1", "said 2", "said 3"]);
    world.run_ms(1_000);
    assert_eq!(world.words(ann), ["said 4", "said 5", "ok"]);
    say(&mut world, ann, "a");
    assert_eq!(world.words(ann), ["said a"]);
}

#[test]
fn who_ends_while_something_waits_is_gone_and_others_are_not_held_up() {
    let mut world = world();
    let (desk, phone) = (world.member(0, "ann", "desk"), world.member(0, "ann", "phone"));
    for client in [desk, phone] {
        world.join(client, "rust").unwrap();
    }
    (0..8).for_each(|number| say(&mut world, desk, &number.to_string()));
    world.tell(desk, Command::Quit("night".to_owned()));
    world.run_ms(1_000);
    world.words(phone);
    say(&mut world, phone, "x");
    assert_eq!(world.words(phone), ["said x"]);
}
