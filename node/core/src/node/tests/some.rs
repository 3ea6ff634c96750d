//! What is said to those of a standing only: heard and read by nobody else, on any node.

use super::world::{Client, World, room};
use lavina_crdt::content::Content;
use lavina_crdt::room::{Act, Rank};
use lavina_protocols::command::{Command, Reply, Target};

fn say_to(world: &mut World, client: Client, least: Rank, text: &str) {
    let content = Content { least, ..Content::text(text) };
    world.ask(client, Command::Say(Target::Room(room("rust")), content)).unwrap();
}

#[test]
fn only_who_has_the_standing_hears_and_reads_it() {
    let mut world = World::new(2);
    let (alice, bob, carol) = (world.guest(0, "alice"), world.guest(1, "bob"), world.guest(1, "carol"));
    for client in [alice, bob, carol] {
        world.join(client, "rust").unwrap();
        world.run_ms(1_000);
    }
    let Ok(Reply::People(people)) = world.ask(alice, Command::FindNick(super::world::nick("bob"))) else { panic!() };
    let who = people[0].principal();
    world.ask(alice, Command::Act(room("rust"), vec![Act::SetRank { who, rank: Rank::Operator }])).unwrap();
    world.run_ms(1_000);
    for client in [alice, bob, carol] {
        world.words(client);
    }
    say_to(&mut world, alice, Rank::Operator, "psst");
    say_to(&mut world, carol, Rank::Operator, "help");
    world.run_ms(1_000);
    assert_eq!(world.words(bob), ["alice: psst", "carol: help"]);
    assert_eq!(world.words(alice), ["carol: help"]);
    assert!(world.words(carol).is_empty());
    assert_eq!(world.history(bob, "rust"), ["alice psst", "carol help"]);
    assert_eq!(world.history(carol, "rust"), ["carol help"], "one's own words, and nobody else's");
}
