//! What goes out first after a restart.

use super::world::{World, room};
use lavina_crdt::ids::Scope;

const ROOMS: [&str; 6] = ["rust", "art", "music", "food", "chess", "tea"];

#[test]
fn a_node_that_was_restarted_gives_the_newest_conversations_first() {
    let mut world = World::new(2);
    let alice = world.guest(0, "alice");
    ROOMS.iter().for_each(|name| drop(world.join(alice, name).unwrap()));
    world.run_ms(5_000);
    world.cut(&[1]);
    for name in ROOMS {
        world.run_ms(10_000);
        world.say(alice, name, "hello");
    }
    world.restart(0);
    world.synced.clear();
    world.heal();
    world.run_ms(10_000);
    assert!(world.converged());
    let rooms = world.synced.iter().filter(|(to, scope)| *to == 1 && matches!(scope, Scope::Room(_)));
    let newest_first: Vec<Scope> = ROOMS.iter().rev().map(|name| Scope::Room(room(name))).collect();
    assert!(rooms.map(|(_, scope)| scope).eq(&newest_first), "{:?}", world.synced);
}

#[test]
fn a_long_conversation_that_was_missed_is_heard_as_it_went() {
    let mut world = World::new(3);
    let [alice, bob, carol] = ["alice", "bob", "carol"]
        .into_iter()
        .zip(0..)
        .map(|(name, node)| {
            let client = world.guest(node, name);
            world.join(client, "rust").unwrap();
            world.run_ms(200);
            client
        })
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    world.cut(&[2]);
    world.heard(carol);
    let said: Vec<String> = (0..8_400)
        .map(|number| {
            let (client, name) = if number % 2 == 0 { (alice, "alice") } else { (bob, "bob") };
            world.say(client, "rust", &number.to_string());
            format!("{name}: {number}")
        })
        .collect();
    world.heard(alice);
    world.heard(bob);
    world.heal();
    world.run_ms(10_000);
    let heard: Vec<String> = world.words(carol).into_iter().filter(|word| word.contains(": ")).collect();
    assert_eq!(heard.len(), said.len());
    assert!(heard == said);
}
