//! L12, availability in the small: whoever sends what no server should take is told so by an error of its protocol, or loses its own
//! connection; silence would leave its client waiting.

use super::{Rest, judged_clients};
use crate::world::World;

pub(super) fn check(world: &mut World, _rest: &Rest) -> Vec<String> {
    let mut wrong = Vec::new();
    // A node that stays broken owes no answer.
    for client in judged_clients(world).filter(|client| client.ready) {
        for debt in client.debts.iter().filter(|debt| !debt.paid && debt.connection == client.connection) {
            wrong.push(format!("{} did {} and was never told that it is wrong", client.nick, debt.deed));
        }
    }
    wrong
}
