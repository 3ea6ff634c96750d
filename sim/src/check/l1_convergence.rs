//! L1, strong convergence: nodes that hold a scope and have the same entries of it, and the same understanding of them, have the same state of it, byte for byte.

use super::Rest;
use crate::world::World;
use lavina_crdt::ids::Scope;

pub(super) fn check(world: &mut World, rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for (index, room) in rest.rooms.iter().enumerate() {
        let scope = Scope::Room(room.clone());
        let mut states = Vec::new();
        // What a version does not understand it cannot show; invariant L16 says what that may be.
        let understood = |world: &World, node: usize| world.nodes[node].release.vocabulary();
        for node in world.judged_holders(&scope) {
            let vector = world.vector(node, &scope);
            let state = world.room_state(node, room).and_then(|state| postcard::to_stdvec(&*state).ok());
            let history: Option<Vec<_>> =
                rest.histories.get(&(index, node)).map(|history| history.iter().map(|said| said.id).collect());
            states.push((node, (vector, understood(world, node)), state, history));
        }
        let Some(((one, first_vector, first_state, first_history), others)) = states.split_first() else { continue };
        for (node, vector, state, history) in others {
            if vector != first_vector {
                continue;
            }
            if state != first_state {
                wrong.push(format!("nodes {one} and {node} have the same entries of {room} and different states"));
            }
            if history != first_history {
                wrong.push(format!("nodes {one} and {node} have the same entries of {room} and different histories"));
            }
        }
    }
    wrong
}
