//! L12, availability: on a live node with a healthy disk a line is acknowledged within the time of a commit and 50 ms, whatever is cut.

use super::Rest;
use crate::world::World;

/// The bound: 50 ms, a commit, and the client's own way there and back, microseconds.
const WITHIN_US: u64 = 60_000;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    for client in world.counted().into_iter().map(|client| &world.clients[client]) {
        for (text, sent) in client.sent.iter().filter(|(_, sent)| sent.expected) {
            // What is said behind an entrance waits for it.
            let until_us = sent.at_us + WITHIN_US + world.fetch_us();
            let in_time = match (&sent.acked, sent.given_up_us) {
                (Some((_, at_us)), given_up_us) => {
                    *at_us <= until_us || given_up_us.is_some_and(|at_us| at_us <= until_us)
                }
                (None, Some(at_us)) => at_us <= until_us,
                (None, None) => until_us > world.now_us,
            };
            if !in_time {
                let took = sent.acked.as_ref().map(|(_, at_us)| at_us - sent.at_us);
                wrong.push(format!(
                    "{} said {text} at {} us and was answered after {took:?} us",
                    client.nick, sent.at_us
                ));
            }
        }
    }
    wrong
}
