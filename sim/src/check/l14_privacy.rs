//! L14, privacy: nobody is shown a line of a room that it is not in.

use super::Rest;
use crate::world::World;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for client in world.counted().into_iter().map(|client| &world.clients[client]) {
        for seen in client.seen.iter().filter(|seen| !seen.inside) {
            let room = seen.room.as_deref().unwrap_or_default();
            wrong.push(format!("{} was shown {} of {room} without being there", client.nick, seen.text));
        }
    }
    wrong
}
