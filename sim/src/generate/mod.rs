//! From a seed to a plan.
//!
//! Swarm testing (Groce et al., 2012): each seed first draws which kinds of faults exist at all in its run, then a schedule of
//! those, so that some runs are all partitions, some all crashes, some quiet.

mod bites;
mod clash;
mod core;
mod crowd;
mod day;
mod deeds;
mod draining;
mod faults;
mod placing;
mod shape;
mod upgrade;

pub use day::{Day, day};
pub use placing::Placing;

use crate::plan::{
    Action, Class, ClientPlan, Expect, Level, LinkPlan, NodePlan, Plan, Release, RoomPlan, Speaks, Step,
};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// How large generated runs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Number of nodes.
    pub nodes: usize,
    /// Number of clients, at least as many as rooms.
    pub clients: usize,
    /// Number of rooms.
    pub rooms: usize,
    /// Most faults.
    pub faults_max: usize,
    /// Actions of a client, on average.
    pub steps: usize,
    /// Length of the time with faults, milliseconds.
    pub storm_ms: u64,
    /// How much of the world is real.
    pub level: Level,
    /// The class of all runs; `None`: each seed draws its own, 20 % fair, 50 % safety, 15 % core, 10 % byzantine, 5 % upgrade.
    pub class: Option<Class>,
    /// On how many nodes rooms live.
    pub placing: Placing,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            nodes: 5,
            clients: 12,
            rooms: 3,
            faults_max: 10,
            steps: 14,
            storm_ms: 25_000,
            level: Level::L0,
            class: None,
            placing: Placing::default(),
        }
    }
}

/// Rooms leave memory after far less time than in a server, so that every run sees many of them come back.
const ROOM_IDLE_MS: u64 = 8_000;
/// When founders enter their rooms: accounts are known everywhere by then, even over slow links.
const FOUND_AT_MS: u64 = 5_500;
/// When the other clients begin to connect.
const CONNECT_FROM_MS: u64 = 7_000;
/// When the faults begin.
const STORM_FROM_MS: u64 = 10_000;
/// Bound of invariant L2: three sync periods or 10 s, and the time of a start.
const CONVERGE_WITHIN_MS: u64 = 10_000;

/// The plan of a seed.
#[must_use]
pub fn generate(seed: u64, sizes: &Sizes) -> Plan {
    let mut rng = SmallRng::seed_from_u64(seed ^ 0x6c61_7669_6e61);
    let mut nodes = nodes(&mut rng, sizes);
    let heal_at_ms = STORM_FROM_MS + sizes.storm_ms;
    let mut rooms: Vec<RoomPlan> =
        (0..sizes.rooms).map(|room| RoomPlan { name: format!("room{room}"), founder: Some(room) }).collect();
    let mut clients: Vec<ClientPlan> =
        (0..sizes.clients).map(|index| client(&mut rng, index, sizes, heal_at_ms)).collect();
    let class = sizes.class.unwrap_or_else(|| class(&mut rng));
    let mut faults = faults::draw(&mut rng, class, sizes, heal_at_ms);
    let core = match class {
        Class::Core => core::draw(&mut rng, sizes, &nodes, heal_at_ms, &mut faults),
        Class::Fair | Class::Safety | Class::Byzantine | Class::Upgrade => Vec::new(),
    };
    if class != Class::Fair {
        shape::late_node(&mut rng, &mut nodes, &clients, sizes.rooms, heal_at_ms);
    }
    shape::hot_node(&mut rng, sizes.nodes, &mut clients, sizes.rooms, heal_at_ms);
    shape::rooms_in_cuts(&mut rng, sizes.nodes, &mut rooms, &mut clients, &faults);
    clash::add(&mut rng, &rooms, &mut clients, &faults);
    bites::add(&mut rng, &rooms, &mut clients, &faults);
    crowd::add(&mut rng, &mut clients, &faults, heal_at_ms);
    deeds::add(&mut rng, &rooms, &mut clients, heal_at_ms);
    for client in &mut clients {
        client.script.retain(|step| step.at_ms < heal_at_ms);
    }
    let links = LinkPlan {
        near_us: rng.random_range(200..2_000),
        far_us: rng.random_range(10_000..120_000),
        jitter_percent: rng.random_range(0..40),
        loss_permille: if class != Class::Fair && rng.random_bool(0.3) { rng.random_range(1..100) } else { 0 },
        between: Vec::new(),
    };
    if class == Class::Safety {
        faults::clock::years(&mut rng, &mut nodes, &mut faults, heal_at_ms);
        faults::clock::keep_most_right(&mut nodes, &mut faults);
        draining::add(seed, sizes, &nodes, &mut faults, heal_at_ms);
    }
    if class == Class::Upgrade {
        upgrade::roll(&mut rng, &mut nodes, &mut clients, &mut faults, heal_at_ms);
    }
    if class == Class::Byzantine {
        faults::peer::one_liar(&mut rng, nodes.len(), &mut faults, heal_at_ms);
    }
    let (level, converge_within_ms) = (sizes.level, CONVERGE_WITHIN_MS);
    Plan {
        seed,
        level,
        class,
        heal_at_ms,
        converge_within_ms,
        core,
        replicas: sizes.placing.homes(seed),
        room_idle_ms: Some(ROOM_IDLE_MS),
        nodes,
        links,
        rooms,
        clients,
        faults,
        expect: Expect::default(),
    }
}

/// Shares of the classes among seeds, percent.
const SHARES: &[(Class, u32)] =
    &[(Class::Fair, 20), (Class::Safety, 50), (Class::Core, 15), (Class::Byzantine, 10), (Class::Upgrade, 5)];

fn class(rng: &mut SmallRng) -> Class {
    let mut draw = rng.random_range(0..SHARES.iter().map(|(_, share)| share).sum());
    for (class, share) in SHARES {
        if draw < *share {
            return *class;
        }
        draw -= share;
    }
    Class::Safety
}

fn nodes(rng: &mut SmallRng, sizes: &Sizes) -> Vec<NodePlan> {
    let regions = rng.random_range(1..=3.min(sizes.nodes));
    (0..sizes.nodes)
        .map(|index| {
            let region = ["eu", "us", "ap"][index % regions];
            NodePlan {
                name: format!("{region}-{index}"),
                region: region.to_owned(),
                zone: format!("{region}{}", index / regions),
                clock_offset_ms: rng.random_range(-2_000..2_000),
                starts_at_ms: 0,
                release: Release::default(),
            }
        })
        .collect()
}

fn client(rng: &mut SmallRng, index: usize, sizes: &Sizes, heal_at_ms: u64) -> ClientPlan {
    let founder = index < sizes.rooms;
    let speaks = if rng.random_bool(0.3) { Speaks::Xmpp } else { Speaks::Irc };
    let account = founder || speaks == Speaks::Xmpp || rng.random_bool(0.5);
    let mut rooms: Vec<usize> = (0..sizes.rooms).filter(|room| *room == index || rng.random_bool(0.7)).collect();
    if rooms.is_empty() {
        rooms.push(index % sizes.rooms);
    }
    // Two guests in a hundred want a nick that another wants too.
    let nick = if !account && rng.random_bool(0.25) { "twin".to_owned() } else { format!("user{index}") };
    let connect_at_ms = if founder { FOUND_AT_MS } else { rng.random_range(CONNECT_FROM_MS..STORM_FROM_MS + 4_000) };
    let count = rng.random_range(sizes.steps / 2..=sizes.steps * 3 / 2);
    let mut script: Vec<Step> = (0..count)
        .map(|_| Step {
            at_ms: rng.random_range(STORM_FROM_MS - 500..heal_at_ms),
            action: action(rng, index, sizes, founder, &rooms),
        })
        .collect();
    if founder {
        // Each founder is first in its own room: it enters the others when their founders are there.
        let others = rooms.iter().copied().filter(|room| *room != index);
        script.extend(others.map(|room| Step { at_ms: CONNECT_FROM_MS, action: Action::Join(room) }));
        rooms = vec![index];
    }
    script.sort_by_key(|step| step.at_ms);
    ClientPlan { nick, account, speaks, node: rng.random_range(0..sizes.nodes), connect_at_ms, rooms, script }
}

fn action(rng: &mut SmallRng, index: usize, sizes: &Sizes, founder: bool, rooms: &[usize]) -> Action {
    let room = rooms.choose(rng).copied().unwrap_or(0);
    let other = rng.random_range(0..sizes.clients);
    if founder && rng.random_bool(0.3) {
        return match rng.random_range(0..6) {
            0 => Action::BanForGood(index),
            1 => Action::Ban(index),
            2 => Action::Unban(index),
            3 => Action::Op(index, other),
            4 => Action::Deop(index, other),
            _ => Action::Topic(index),
        };
    }
    match rng.random_range(0..30) {
        0 => Action::Part(room),
        1 => Action::Join(room),
        2 => Action::Topic(room),
        3 => Action::Kick(room, other),
        4 => Action::Ban(room),
        5 => Action::Deop(room, other),
        6 | 7 => Action::Tell(other),
        8 => Action::Nick(["twin", "other", "third"].choose(rng).copied().unwrap_or("twin").to_owned()),
        _ => Action::Say(room),
    }
}
