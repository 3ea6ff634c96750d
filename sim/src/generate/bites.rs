//! Bans, kicks and demotions that hit somebody: in every cut those who rule a room act against people who go on there, speak, leave and come
//! back, on the other side too.

use crate::plan::{Action, ClientPlan, Fault, FaultKind, NetFault, RoomPlan, Step};
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::{IndexedRandom, IteratorRandom};

/// How long after the cut people are acted against, milliseconds; they go on after it.
const STRIKE_MS: u64 = 800;
/// People struck in a room, in one cut.
const STRUCK: usize = 2;

/// Adds steps to the scripts.
pub(super) fn add(rng: &mut SmallRng, rooms: &[RoomPlan], clients: &mut [ClientPlan], faults: &[Fault]) {
    for fault in faults {
        let FaultKind::Net(NetFault::Partition(groups)) = &fault.kind else { continue };
        for (room, plan) in rooms.iter().enumerate() {
            let Some(founder) = plan.founder else { continue };
            let side = |node: usize| groups.iter().position(|group| group.contains(&node));
            let inside = (0..clients.len()).filter(|index| *index != founder && clients[*index].rooms.contains(&room));
            let far = inside.clone().filter(|index| side(clients[*index].node) != side(clients[founder].node));
            let struck = far.choose_multiple(rng, STRUCK);
            let near = inside.clone().choose(rng);
            for whom in struck.into_iter().chain(near) {
                strike(rng, fault.at_ms, room, founder, whom, clients);
            }
        }
    }
    for client in clients {
        client.script.sort_by_key(|step| step.at_ms);
    }
}

fn strike(rng: &mut SmallRng, cut_ms: u64, room: usize, founder: usize, whom: usize, clients: &mut [ClientPlan]) {
    let at_ms = cut_ms + rng.random_range(1..STRIKE_MS);
    let deed = |name: &str| Action::Deed(name.to_owned(), room, whom);
    let blow = match rng.random_range(0..6) {
        0 => deed("ban-account"),
        1 | 2 => deed("ban-nick"),
        3 => Action::Kick(room, whom),
        _ => Action::Deop(room, whom),
    };
    clients[founder].script.push(Step { at_ms, action: blow });
    let after = [
        Action::Say(room),
        Action::Topic(room),
        Action::Ban(room),
        Action::BanForGood(room),
        Action::Part(room),
        Action::Join(room),
        Action::Say(room),
        Action::Reply(room),
    ];
    let mut at_ms = at_ms + 50;
    for action in after {
        at_ms += rng.random_range(50..500);
        let skip = matches!(action, Action::Part(_) | Action::Join(_)) && [0, 1].choose(rng) == Some(&0);
        if !skip {
            clients[whom].script.push(Step { at_ms, action });
        }
    }
}
