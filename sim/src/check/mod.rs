//! What must hold: one file an invariant, by its id. Each looks at the world after it has come to rest and names what is wrong.

pub(crate) mod expect;
mod held;
mod judged;
mod l10_copies;
mod l11_bounded;
mod l12_availability;
mod l12_delivery;
mod l12_errors;
mod l12_joins;
mod l13_equivocation;
mod l14_privacy;
mod l15_clocks;
mod l16_replay;
mod l16_unknowns;
mod l17_liveness;
mod l1_convergence;
mod l2_bounded;
mod l2_occupants;
mod l3_durability;
mod l4_causes;
mod l4_order;
mod l5_exactly_once;
mod l6_one_history;
mod l7_no_resurrection;
mod l8_muted;
mod l8_roles;
mod l9_names;

use crate::client::Client;
use crate::world::World;
use lavina_crdt::clock::Hlc;
use lavina_crdt::names::RoomName;
use lavina_crdt::room::RoomState;
use lavina_protocols::event::Said;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Violation {
    /// Which: `L1` to `L18`.
    pub invariant: &'static str,
    /// What is wrong, in one sentence.
    pub what: String,
}

/// What the checkers share: read once.
#[derive(Debug)]
pub(crate) struct Rest {
    /// Names of the rooms.
    pub(crate) rooms: Vec<RoomName>,
    /// Per room and node, the history as one big page.
    pub(crate) histories: BTreeMap<(usize, usize), Vec<Arc<Said>>>,
    /// Per room, what the reference model says.
    pub(crate) judged: Vec<Option<judged::Judged>>,
    /// Rooms that their owners closed at some time: what was said and set before is nobody's any more.
    pub(crate) closed: BTreeSet<RoomName>,
}

/// Clients that were only ever connected to judged nodes.
fn judged_clients(world: &World) -> impl Iterator<Item = &Client> {
    world.clients.iter().enumerate().filter(|(index, _)| world.is_judged_client(*index)).map(|(_, client)| client)
}

/// Time in which all nodes hear of who has just come, microseconds.
const HEARD_OF_US: u64 = 1_000_000;

/// Whether a client came so lately that others may not have heard of it.
const fn came_lately(world: &World, client: &Client) -> bool {
    client.ready && client.ready_us + HEARD_OF_US > world.now_us
}

type Checker = (&'static str, fn(&mut World, &Rest) -> Vec<String>);

/// The table of checkers.
const CHECKERS: &[Checker] = &[
    ("L1", l1_convergence::check),
    ("L2", l2_bounded::check),
    ("L2", l2_occupants::check),
    ("L3", l3_durability::check),
    ("L4", l4_order::check),
    ("L4", l4_causes::check),
    ("L5", l5_exactly_once::check),
    ("L6", l6_one_history::check),
    ("L7", l7_no_resurrection::check),
    ("L8", l8_roles::check),
    ("L8", l8_muted::check),
    ("L9", l9_names::check),
    ("L10", l10_copies::check),
    ("L11", l11_bounded::check),
    ("L12", l12_availability::check),
    ("L12", l12_joins::check),
    ("L12", l12_delivery::check),
    ("L12", l12_errors::check),
    ("L13", l13_equivocation::check),
    ("L14", l14_privacy::check),
    ("L15", l15_clocks::check),
    ("L16", l16_replay::check),
    ("L16", l16_unknowns::check),
    ("L17", l17_liveness::check),
];

/// The invariants that have a checker; L18 is what two runs of one plan show.
pub(crate) fn invariants() -> BTreeSet<&'static str> {
    CHECKERS.iter().map(|(invariant, _)| *invariant).chain(["L18"]).collect()
}

/// Most violations of one invariant that are listed.
const LISTED_MAX: usize = 5;

/// Whether a room was closed at some time, as the model says or any node that is judged.
fn was_closed(world: &mut World, room: &RoomName, judged: Option<&judged::Judged>) -> bool {
    let is_so = |state: &RoomState| state.closed.is_some() || state.opened > Hlc::default();
    judged.is_some_and(|judged| is_so(&judged.state))
        || world.judged().into_iter().any(|node| world.room_state(node, room).is_some_and(|state| is_so(&state)))
}

/// Checks everything at the end of a run.
pub(crate) fn check(world: &mut World) -> Vec<Violation> {
    for node in world.judged() {
        world.probe_open(node);
    }
    let held: Vec<_> = world.judged().into_iter().map(|node| world.vectors(node)).collect();
    world.lost.settle(&held);
    let rooms: Vec<RoomName> = world.plan.rooms.iter().filter_map(|room| RoomName::new(&room.name).ok()).collect();
    let mut violations = Vec::new();
    let mut histories = BTreeMap::new();
    let judged = judged::judge(world, &rooms);
    for (index, room) in rooms.iter().enumerate() {
        for node in world.judged() {
            if world.room_state(node, room).is_none() {
                continue;
            }
            match world.history(node, room, 500, false) {
                Ok(history) => {
                    histories.insert((index, node), history);
                }
                Err(what) => violations.push(Violation { invariant: "L6", what }),
            }
        }
    }
    let closed = rooms.iter().zip(&judged).filter(|(room, judged)| was_closed(world, room, judged.as_ref()));
    let closed = closed.map(|(room, _)| room.clone()).collect();
    let rest = Rest { rooms, histories, judged, closed };
    for (invariant, checker) in CHECKERS {
        let found = checker(world, &rest).into_iter().take(LISTED_MAX);
        violations.extend(found.map(|what| Violation { invariant, what }));
    }
    violations
}
