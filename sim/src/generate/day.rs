//! A plan like an ordinary day, to measure speed with: people in channels of usual sizes who say a line now and then for minutes, and
//! faults spread over that time. The generated seeds pack as much as they can into half a minute; this shows what a simulated second
//! costs when the load is what a mesh of that size has.

use crate::plan::{
    Action, Class, ClientPlan, ClockFault, DiskFault, Expect, Fault, FaultKind, Level, LinkPlan, NetFault, NodeFault,
    NodePlan, Plan, Release, RoomPlan, Speaks, Step,
};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

/// How large a day is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// Number of nodes.
    pub nodes: usize,
    /// Number of clients, one in three of them XMPP.
    pub clients: usize,
    /// How long they talk, milliseconds.
    pub talk_ms: u64,
    /// Number of faults, each with its end.
    pub faults: usize,
    /// Shortest and longest time between two lines of one person, milliseconds.
    pub pause_ms: RangeInclusive<u64>,
}

impl Day {
    /// A line of each person every four minutes: a lively community, in which most listen.
    pub const ORDINARY_MS: RangeInclusive<u64> = 120_000..=360_000;
    /// A line of each person every 25 seconds, as in a channel at its busiest, in all channels at once.
    pub const RUSH_MS: RangeInclusive<u64> = 10_000..=40_000;
}

/// When founders enter their rooms, then everybody.
const FOUND_AT_MS: u64 = 5_500;
/// When everybody has come and talk begins.
const TALK_FROM_MS: u64 = 30_000;
/// Sizes of rooms, again and again: one large, most small.
const ROOM_SIZES: &[usize] = &[60, 25, 12, 8, 5];
/// Seats in rooms for every ten clients.
const SEATS_PER_TEN: usize = 25;

/// Home replicas of a room, as nodes have them by default.
const HOMES: usize = 3;

/// The plan of a day.
#[must_use]
pub fn day(seed: u64, day: &Day) -> Plan {
    let mut rng = SmallRng::seed_from_u64(seed ^ 0x6461_7931);
    let heal_at_ms = TALK_FROM_MS + day.talk_ms;
    let rooms = rooms(&mut rng, day.clients);
    let clients = (0..day.clients).map(|index| client(&mut rng, index, day, heal_at_ms, &rooms)).collect();
    Plan {
        seed,
        level: Level::L0,
        class: Class::Safety,
        heal_at_ms,
        converge_within_ms: 10_000,
        core: Vec::new(),
        replicas: NonZeroUsize::new(HOMES),
        room_idle_ms: None,
        nodes: nodes(day.nodes),
        links: LinkPlan { near_us: 500, far_us: 40_000, jitter_percent: 10, loss_permille: 1, between: Vec::new() },
        rooms: (0..rooms.len()).map(|room| RoomPlan { name: format!("room{room}"), founder: Some(room) }).collect(),
        clients,
        faults: faults(&mut rng, day, heal_at_ms),
        expect: Expect::default(),
    }
}

fn nodes(count: usize) -> Vec<NodePlan> {
    let regions = 3.min(count);
    let node = |index: usize| {
        let region = ["eu", "us", "ap"][index % regions];
        NodePlan {
            name: format!("{region}-{index}"),
            region: region.to_owned(),
            zone: format!("{region}{}", index / regions),
            clock_offset_ms: 0,
            starts_at_ms: 0,
            release: Release::default(),
        }
    };
    (0..count).map(node).collect()
}

/// Who is in which room; room number n is founded by client n.
fn rooms(rng: &mut SmallRng, clients: usize) -> Vec<Vec<usize>> {
    let mut rooms: Vec<Vec<usize>> = Vec::new();
    let mut seats = clients * SEATS_PER_TEN / 10;
    for size in ROOM_SIZES.iter().cycle() {
        if seats == 0 || rooms.len() == clients {
            break;
        }
        let size = (*size).min(clients).min(seats);
        let founder = rooms.len();
        let mut inside: Vec<usize> = rand::seq::index::sample(rng, clients, size).into_vec();
        if !inside.contains(&founder) {
            inside[0] = founder;
        }
        rooms.push(inside);
        seats -= size;
    }
    rooms
}

fn client(rng: &mut SmallRng, index: usize, day: &Day, heal_at_ms: u64, rooms: &[Vec<usize>]) -> ClientPlan {
    let founder = index < rooms.len();
    let speaks = if index % 3 == 2 { Speaks::Xmpp } else { Speaks::Irc };
    let mut mine: Vec<usize> = (0..rooms.len()).filter(|room| rooms[*room].contains(&index)).collect();
    if mine.is_empty() {
        mine.push(0);
    }
    let mut script: Vec<Step> = Vec::new();
    let mut at_ms = TALK_FROM_MS + rng.random_range(0..*day.pause_ms.end());
    while at_ms < heal_at_ms {
        script.push(Step { at_ms, action: action(rng, day, &mine) });
        at_ms += rng.random_range(day.pause_ms.clone());
    }
    let connect_at_ms = if founder { FOUND_AT_MS } else { rng.random_range(FOUND_AT_MS + 2_000..TALK_FROM_MS - 4_000) };
    if founder {
        // Each founder is first in its own room: it enters the others when their founders are there.
        let others = mine.iter().copied().filter(|room| *room != index);
        let joins = others.map(|room| Step { at_ms: FOUND_AT_MS + 2_000, action: Action::Join(room) });
        script = joins.chain(script).collect();
        mine = vec![index];
    }
    let account = founder || index.is_multiple_of(2) || speaks == Speaks::Xmpp;
    ClientPlan {
        nick: format!("user{index}"),
        account,
        speaks,
        node: index % day.nodes,
        connect_at_ms,
        rooms: mine,
        script,
    }
}

/// Nearly always a line; now and then what else people do.
fn action(rng: &mut SmallRng, day: &Day, rooms: &[usize]) -> Action {
    let room = rooms.choose(rng).copied().unwrap_or(0);
    match rng.random_range(0..100) {
        0 => Action::Topic(room),
        1 => Action::Part(room),
        2 | 3 => Action::Join(room),
        4..8 => Action::Tell(rng.random_range(0..day.clients)),
        _ => Action::Say(room),
    }
}

/// Faults one after the other over the whole time, each kind in its turn; each lasts at most as long as the time until the next.
fn faults(rng: &mut SmallRng, day: &Day, heal_at_ms: u64) -> Vec<Fault> {
    let every_ms = day.talk_ms / (u64::try_from(day.faults).unwrap_or(u64::MAX) + 1);
    let mut faults = Vec::new();
    for (turn, number) in (0..day.faults).zip(1u64..) {
        let at_ms = TALK_FROM_MS + every_ms * number;
        let until_ms = (at_ms + every_ms.min(30_000)).min(heal_at_ms);
        let node = rng.random_range(0..day.nodes);
        let (comes, goes) = pair(rng, turn, node, day.nodes);
        faults.push(Fault { at_ms, kind: comes });
        faults.push(Fault { at_ms: until_ms, kind: goes });
    }
    faults.sort_by_key(|fault| fault.at_ms);
    faults
}

fn pair(rng: &mut SmallRng, turn: usize, node: usize, nodes: usize) -> (FaultKind, FaultKind) {
    match turn % 6 {
        0 => {
            let (one, other) = (0..nodes).partition(|_| rng.random_bool(0.5));
            (FaultKind::Net(NetFault::Partition(vec![one, other])), FaultKind::Net(NetFault::HealLinks))
        }
        1 => (FaultKind::Node(NodeFault::Crash(node)), FaultKind::Node(NodeFault::Restart(node))),
        2 => (FaultKind::Disk(DiskFault::Slow(node, 200)), FaultKind::Disk(DiskFault::Slow(node, 1))),
        3 => (FaultKind::Net(NetFault::Loss(50)), FaultKind::Net(NetFault::Loss(0))),
        4 => (FaultKind::Clock(ClockFault::Step(node, 3_000)), FaultKind::Clock(ClockFault::Step(node, -3_000))),
        _ => {
            let other = (node + 1) % nodes;
            (FaultKind::Net(NetFault::CutOneWay(node, other)), FaultKind::Net(NetFault::HealLinks))
        }
    }
}
