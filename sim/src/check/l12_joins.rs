//! L12, availability: on a live node with a healthy disk who asks to enter a room, new or not, is in it, or refused for what the room
//! demands, within the time of a commit and 50 ms, whatever is cut. Where rooms are placed the room may have to be fetched before.

use super::Rest;
use crate::world::World;

/// The bound: 50 ms, two commits, and the client's own way there and back, microseconds.
const WITHIN_US: u64 = 60_000;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let within_us = WITHIN_US + world.fetch_us();
    let late = |join: &&crate::world::Join| join.done_us.unwrap_or(world.now_us) > join.at_us + within_us;
    let late = world.joins.iter().filter(late).filter(|join| {
        // Who lost the connection in time never had an answer to wait for.
        let client = &world.clients[join.client];
        join.done_us.is_some() || client.connection == join.connection
    });
    late.map(|join| {
        let took = join.done_us.map(|at_us| at_us - join.at_us);
        let nick = &world.clients[join.client].nick;
        format!("{nick} asked to enter {} at {} us and was answered after {took:?} us", join.room, join.at_us)
    })
    .collect()
}
