//! Who is there and how much is said: clients spread evenly over the nodes, rooms of given sizes, lines at random times.

use super::read::{self, Problem, Table, Value};
use super::{DURATION_MS_MAX, LOAD_FROM_MS};
use crate::plan::{Action, ClientPlan, RoomPlan, Speaks, Step};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Most clients.
const CLIENTS_MAX: u64 = 20_000;
/// Most lines that all clients say together: each is kept in memory at every node.
const LINES_MAX: u64 = 200_000;
/// When founders connect, and when everybody else begins to, milliseconds.
const FOUND_AT_MS: u64 = 5_500;
const CONNECT_FROM_MS: u64 = 7_000;
/// How long the others take to connect, milliseconds.
const CONNECT_MS: u64 = 2_000;

const KEYS: &[&str] = &["clients", "xmpp", "rooms", "lines-per-minute", "duration"];
const LIKE: &str = "`[load]` with `clients = 20` and `duration = \"60s\"`";

/// The load.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) clients: usize,
    xmpp_ppm: u64,
    /// Size of each room.
    rooms: Vec<(String, usize)>,
    lines_per_minute: u64,
    pub(super) duration_ms: u64,
}

impl Load {
    pub(super) fn read(root: &Table<'_>) -> Result<Self, Problem> {
        let table = Table::of(root.must("load", LIKE)?, LIKE)?;
        table.only(KEYS, "[load]")?;
        let clients = read::some(table.must("clients", "such as clients = 20")?, CLIENTS_MAX, "clients")?;
        let duration = table.must("duration", "such as duration = \"60s\"")?;
        let duration_ms = read::time_us(duration)? / 1000;
        if !(1_000..=DURATION_MS_MAX).contains(&duration_ms) {
            return Err(Problem::at(duration, "a load lasts from 1s to 24h"));
        }
        let lines_per_minute = table.get("lines-per-minute").map_or(Ok(6), read::count)?;
        let lines = duration_ms.saturating_mul(lines_per_minute).saturating_mul(clients as u64) / 60_000;
        if lines > LINES_MAX {
            let place = table.get("lines-per-minute").unwrap_or(duration);
            return Err(Problem::at(
                place,
                format!("that makes {lines} lines, at most {LINES_MAX} are simulated: fewer clients, lines or time"),
            ));
        }
        let rooms = table
            .get("rooms")
            .map_or_else(|| Ok(vec![("room1".to_owned(), clients)]), |value| rooms(value, clients))?;
        let xmpp_ppm = table.get("xmpp").map_or(Ok(300_000), read::share_ppm)?;
        Ok(Self { clients, xmpp_ppm, rooms, lines_per_minute, duration_ms })
    }

    /// The name of a client.
    pub(super) fn nick(index: usize) -> String {
        format!("user{}", index + 1)
    }

    /// Rooms and clients of a mesh. The client with a room's number founds it; the others follow in a ring, so that members are spread.
    pub(super) fn people(&self, seed: u64, nodes: usize) -> (Vec<RoomPlan>, Vec<ClientPlan>) {
        let mut rng = SmallRng::seed_from_u64(seed ^ 0x6c6f_6164);
        let rooms = self.rooms.iter().enumerate();
        let rooms = rooms.map(|(room, (name, _))| RoomPlan { name: name.clone(), founder: Some(room) }).collect();
        let clients = (0..self.clients).map(|index| self.client(&mut rng, index, nodes)).collect();
        (rooms, clients)
    }

    fn client(&self, rng: &mut SmallRng, index: usize, nodes: usize) -> ClientPlan {
        let inside = |room: usize| (index + self.clients - room) % self.clients < self.rooms[room].1;
        let rooms: Vec<usize> = (0..self.rooms.len()).filter(|room| inside(*room)).collect();
        let founder = index < self.rooms.len();
        let mut script = Vec::new();
        if !rooms.is_empty() {
            let exact = self.duration_ms * self.lines_per_minute;
            let lines = exact / 60_000 + u64::from(rng.random_range(0..60_000) < exact % 60_000);
            for _ in 0..lines {
                let at_ms = LOAD_FROM_MS + rng.random_range(0..self.duration_ms);
                script.push(Step { at_ms, action: Action::Say(rooms[rng.random_range(0..rooms.len())]) });
            }
        }
        let (mut at_first, mut connect_at_ms) = (rooms, CONNECT_FROM_MS + rng.random_range(0..CONNECT_MS));
        if founder {
            let others = at_first.iter().copied().filter(|room| *room != index);
            script.extend(others.map(|room| Step { at_ms: CONNECT_FROM_MS, action: Action::Join(room) }));
            (at_first, connect_at_ms) = (vec![index], FOUND_AT_MS);
        }
        script.sort_by_key(|step| step.at_ms);
        let share = |count: usize| count as u64 * self.xmpp_ppm / 1_000_000;
        let speaks = if share(index + 1) > share(index) { Speaks::Xmpp } else { Speaks::Irc };
        ClientPlan {
            nick: Self::nick(index),
            account: true,
            speaks,
            node: index % nodes,
            connect_at_ms,
            rooms: at_first,
            script,
        }
    }
}

/// Rooms as a number, or as a list of `{ count, size }` and `{ name, size }`.
fn rooms(value: &Value<'_>, clients: usize) -> Result<Vec<(String, usize)>, Problem> {
    let most = clients as u64;
    let mut rooms = Vec::new();
    if value.get_ref().is_integer() {
        let count = read::some(value, most, "rooms with a founder each")?;
        return Ok((1..=count).map(|room| (format!("room{room}"), clients)).collect());
    }
    for value in read::list(value, "a number of rooms, or a list like [{ count = 3, size = 10 }]")? {
        let table = Table::of(value, "{ count = 3, size = 10 }")?;
        table.only(&["name", "count", "size"], "a room")?;
        let size = table.get("size").map_or(Ok(clients), |size| read::some(size, most, "occupants"))?;
        let count = table.get("count").map_or(Ok(1), |count| read::some(count, most, "rooms with a founder each"))?;
        for _ in 0..count {
            let name = table.get("name").map(read::text).transpose()?;
            let number = rooms.len() + 1;
            let name = name.map_or_else(|| format!("room{number}"), str::to_owned);
            if rooms.iter().any(|(other, _)| *other == name) {
                return Err(Problem::at(value, format!("there are two rooms `{name}`: each has a name of its own")));
            }
            rooms.push((name, size));
        }
    }
    if rooms.len() > clients {
        return Err(Problem::at(
            value,
            format!("{} rooms need a founder each, and there are {clients} clients", rooms.len()),
        ));
    }
    Ok(rooms)
}
