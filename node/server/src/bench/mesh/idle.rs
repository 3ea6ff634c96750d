//! Two equal nodes with many common rooms: what they say while nothing happens, what one different room costs, and what a room takes in memory.

use super::field::Field;
use super::{KindShare, ratio, shares};
use crate::bench::client::Client;
use anyhow::{Context, Result};
use std::time::Duration;

/// Rooms in one command; a session may be in no more than 200.
const ROOMS_AT_ONCE: u64 = 100;
/// One way.
const ONE_WAY: Duration = Duration::from_millis(40);

/// After the nodes have become equal they tell one another once which entries are newest, a part every few seconds. They count as idle when they have
/// said next to nothing for so long, and been together for long enough to look after one another less closely.
const SETTLE: Duration = Duration::from_secs(15);
/// Next to nothing, IP bytes.
const SETTLED_BYTES: u64 = 15_000;

/// What was measured.
pub(super) struct Idle {
    /// IP bytes a second, both ways together.
    pub(super) bytes_per_second: f64,
    /// IP bytes, both ways, of a reconnection when one room differs by one message, beyond those of one when nothing does.
    pub(super) one_room_differs_bytes: f64,
    /// Resident bytes of both nodes per room and node.
    pub(super) bytes_per_replica: f64,
    /// What both said while idle.
    pub(super) kinds: Vec<KindShare>,
}

/// Resident memory of this process, bytes (proc(5), statm).
pub(super) fn resident() -> Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1).context("the kernel's statm is not understood")?.parse()?;
    Ok(pages * 4096)
}

/// Measures with so many rooms, listening for `listen`.
pub(super) fn measure(rooms: u64, listen: Duration) -> Result<Idle> {
    let field = Field::start(2, 1, ONE_WAY)?;
    let before = resident()?;
    let mut client = Client::connect(field.irc(0)?, "maker")?;
    for first in (0..rooms).step_by(usize::try_from(ROOMS_AT_ONCE)?) {
        for room in first..(first + ROOMS_AT_ONCE).min(rooms) {
            client.send(&format!("JOIN #idle{room}\r\nPRIVMSG #idle{room} :hello\r\nPART #idle{room}\r\n"))?;
        }
        client.barrier()?;
    }
    field.wait_until_equal()?;
    let bytes_per_replica = ratio(resident()?.saturating_sub(before), 2 * rooms);
    let _ = field.take_all_traffic()?;
    field.wait_until("the nodes have told all that is new", |field| {
        std::thread::sleep(SETTLE);
        Ok(field.take_all_traffic()?.bytes < SETTLED_BYTES)
    })?;
    let said = (field.sent(0)?, field.sent(1)?);
    std::thread::sleep(listen);
    let bytes_per_second = ratio(field.take_all_traffic()?.bytes, 1) / listen.as_secs_f64();
    let kinds = [field.sent(0)?.since(&said.0), field.sent(1)?.since(&said.1)].iter().flat_map(shares).collect();
    let alike = reconnect(&field, &mut client, None)?;
    let differing = reconnect(&field, &mut client, Some("#idle7"))?;
    Ok(Idle {
        bytes_per_second,
        one_room_differs_bytes: ratio(differing.saturating_sub(alike), 1),
        bytes_per_replica,
        kinds,
    })
}

/// Cuts, speaks in a room, opens, and counts the bytes from the cut until the nodes have been equal for a while.
fn reconnect(field: &Field, client: &mut Client, room: Option<&str>) -> Result<u64> {
    field.set_cut(true)?;
    if let Some(room) = room {
        client.send(&format!("JOIN {room}\r\nPRIVMSG {room} :something new\r\n"))?;
        client.barrier()?;
    }
    field.wait_until("the link is down", |field| Ok(!field.is_connected(0)? && !field.is_connected(1)?))?;
    let _ = field.take_all_traffic()?;
    field.set_cut(false)?;
    field.wait_until_equal()?;
    Ok(field.take_all_traffic()?.bytes)
}
