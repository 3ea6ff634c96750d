//! Registrations that end because nobody uses what was registered.

use super::world::{Client, World, room};
use lavina_crdt::room::{Act, Flag, Rank};
use lavina_protocols::command::{Command, Reply};

const MINUTE_MS: u64 = 60_000;

fn world() -> (World, Client) {
    let mut world = World::with(2, |limits| limits.room_lapse_ms = Some(10 * MINUTE_MS));
    world.register(0, "ann");
    world.run_ms(300);
    let ann = world.member(0, "ann", "desk");
    world.join(ann, "rust").unwrap();
    world.ask(ann, Command::Act(room("rust"), vec![Act::SetFlag { flag: Flag::Persistent, on: true }])).unwrap();
    world.say(ann, "rust", "a secret");
    (world, ann)
}

fn leave(world: &mut World, who: Client) {
    world.ask(who, Command::Part { room: room("rust"), reason: String::new() }).unwrap();
}

/// Whether who comes to the room by that node is its founder, on every node.
fn is_taken_over(world: &mut World, index: usize, name: &str) -> bool {
    let comer = world.guest(index, name);
    let Ok(Reply::Joined(view, _)) = world.join(comer, "rust") else { panic!("not joined") };
    world.run_ms(1_000);
    let history = world.history(comer, "rust").len();
    let own = |occupant: &&lavina_protocols::event::Occupant| occupant.nick.as_str() == name;
    let rank = view.occupants.iter().find(own).unwrap().rank;
    assert_eq!((view.created, history == 0), (rank == Rank::Founder, rank == Rank::Founder));
    let witness = world.guest(1 - index, &format!("{name}s-friend"));
    let Ok(Reply::Joined(view, _)) = world.join(witness, "rust") else { panic!("not joined") };
    assert_eq!(view.occupants.iter().find(own).unwrap().rank, rank, "on the other node");
    leave(world, witness);
    leave(world, comer);
    rank == Rank::Founder
}

#[test]
fn a_room_that_nobody_used_for_its_time_is_for_whoever_comes_next() {
    let (mut world, ann) = world();
    leave(&mut world, ann);
    world.run_ms(9 * MINUTE_MS);
    assert!(!is_taken_over(&mut world, 1, "bob"));
    world.run_ms(2 * MINUTE_MS);
    assert!(is_taken_over(&mut world, 1, "eve"));
}

#[test]
fn a_room_in_which_somebody_is_or_something_was_said_is_kept() {
    let (mut world, ann) = world();
    world.run_ms(11 * MINUTE_MS);
    assert!(!is_taken_over(&mut world, 1, "bob"), "she is inside");
    world.say(ann, "rust", "still here");
    leave(&mut world, ann);
    world.run_ms(9 * MINUTE_MS);
    assert!(!is_taken_over(&mut world, 0, "eve"));
}

#[test]
fn nothing_ends_while_a_node_is_out_of_reach_and_nothing_where_no_time_is_set() {
    let (mut world, ann) = world();
    leave(&mut world, ann);
    world.cut(&[0]);
    world.run_ms(11 * MINUTE_MS);
    let bob = world.guest(1, "bob");
    let Ok(Reply::Joined(view, _)) = world.join(bob, "rust") else { panic!("not joined") };
    assert!(!view.created);
    let mut world = World::new(1);
    let ann = world.guest(0, "ann");
    world.join(ann, "rust").unwrap();
    world.ask(ann, Command::Act(room("rust"), vec![Act::SetFlag { flag: Flag::Persistent, on: true }])).unwrap();
    leave(&mut world, ann);
    world.run_ms(30 * MINUTE_MS);
    let bob = world.guest(0, "bob");
    let Ok(Reply::Joined(view, _)) = world.join(bob, "rust") else { panic!("not joined") };
    assert!(!view.created);
}
