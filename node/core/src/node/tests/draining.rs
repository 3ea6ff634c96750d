//! A node that stops sends its clients to others.

use super::world::World;
use crate::node::AdminCommand;

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
