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
