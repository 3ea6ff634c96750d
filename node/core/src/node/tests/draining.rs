//! A node that stops sends its clients to others, and one that is emptied says when nothing is here alone.

use super::world::{World, account, room};
use crate::node::AdminCommand;
use lavina_crdt::content::Content;
use lavina_protocols::command::{Command, Target};
use std::num::NonZeroUsize;

fn say(world: &mut World, index: usize, address: &str) {
    world.admin(index, AdminCommand::ClientsAt(Some(address.to_owned())));
}

#[test]
fn clients_of_a_node_that_stops_are_sent_to_those_in_reach_alike() {
    let mut world = World::new(4);
    say(&mut world, 1, "n1:5222");
    say(&mut world, 2, "n2:5222");
    say(&mut world, 3, "n3:5222");
    world.run_ms(1_000);
    world.cut(&[3]);
    world.run_ms(5_000);
    let clients = ["alice", "bob"].map(|name| world.guest(0, name));
    world.admin(0, AdminCommand::Drain);
    let mut told: Vec<String> = clients.into_iter().flat_map(|client| world.words(client)).collect();
    told.retain(|word| word.starts_with("closed"));
    told.sort();
    assert_eq!(told, ["closed Shutdown to n1:5222", "closed Shutdown to n2:5222"]);
}

#[test]
fn what_a_node_has_said_it_says_once_and_takes_back() {
    let mut world = World::new(2);
    say(&mut world, 1, "n1:5222");
    world.run_ms(1_000);
    let entries = world.status(0).entries;
    say(&mut world, 1, "n1:5222");
    world.run_ms(1_000);
    assert_eq!(world.status(0).entries, entries);
    world.admin(1, AdminCommand::ClientsAt(None));
    world.run_ms(1_000);
    let alice = world.guest(0, "alice");
    world.admin(0, AdminCommand::Drain);
    assert!(world.words(alice).iter().any(|word| word == "closed Shutdown"));
}

/// What a node has still to hand over.
fn left(world: &mut World, index: usize) -> usize {
    world.status(index).rooms_to_hand_over
}

#[test]
fn a_room_with_people_is_to_be_handed_over_too() {
    let mut world = World::with(6, |limits| limits.replicas = NonZeroUsize::new(2));
    let alice = world.guest(0, "alice");
    world.join(alice, "rust").unwrap();
    world.run_ms(5_000);
    world.cut(&[0]);
    world.set_draining(0, 0, true);
    world.run_ms(5_000);
    let others = left(&mut world, 0);
    world.say(alice, "rust", "only here");
    world.run_ms(5_000);
    assert_eq!(left(&mut world, 0), others, "the room was to be handed over already");
    world.heal();
    world.run_ms(20_000);
    assert_eq!((left(&mut world, 0), world.status(0).sessions), (0, 1));
    world.say(alice, "rust", "here and there");
    world.run_ms(3_000);
    assert_eq!(left(&mut world, 0), 0);
    let homes: Vec<usize> = (1..6).filter(|index| world.holders("rust")[*index]).collect();
    assert!(homes.len() == 2 && homes.iter().all(|home| world.held("rust")[*home] == world.held("rust")[0]));
    world.ask(alice, Command::Part { room: room("rust"), reason: String::new() }).unwrap();
    world.run_ms(5_000);
    assert_eq!(left(&mut world, 0), 0, "what is left of it is handed over too");
}

#[test]
fn in_a_small_mesh_all_others_are_to_have_what_a_node_has() {
    for replicas in [NonZeroUsize::new(3), None] {
        let mut world = World::with(3, |limits| limits.replicas = replicas);
        world.register(0, "alice");
        world.register(0, "bob");
        let alice = world.member(0, "alice", "home");
        world.run_ms(5_000);
        world.cut(&[2]);
        world.set_draining(0, 0, true);
        world.ask(alice, Command::Say(Target::Account(account("bob"), None), Content::text("hi"))).unwrap();
        world.run_ms(30_000);
        assert!(
            left(&mut world, 0) >= 2,
            "the conversation, and that the node is being emptied: {}",
            left(&mut world, 0)
        );
        world.heal();
        world.run_ms(20_000);
        assert_eq!(left(&mut world, 0), 0);
        assert!(world.converged() && world.status(0).draining && !world.status(1).draining);
    }
}

#[test]
fn a_node_that_is_alone_hands_nothing_over() {
    let mut world = World::new(1);
    world.set_draining(0, 0, true);
    world.run_ms(20_000);
    assert!(left(&mut world, 0) > 0);
    world.set_draining(0, 0, false);
    world.run_ms(1_000);
    assert_eq!(left(&mut world, 0), 0);
}
