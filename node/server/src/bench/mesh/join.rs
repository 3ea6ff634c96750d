//! Entering a room with a long history at a node that holds nothing of it: how long until its newest messages are shown.

use super::field::Field;
use super::{catchup, percentile};
use crate::bench::client::Client;
use anyhow::{Result, bail};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// One way.
const ONE_WAY: Duration = Duration::from_millis(40);
/// Rooms; each lives on one of the two nodes, so that about half of them are not where they are entered.
const ROOMS: u64 = 8;

/// What was measured.
pub(super) struct Join {
    /// From JOIN until the first message of the history is shown, beyond the link's round trip, at most, milliseconds.
    pub(super) over_round_trip_ms: f64,
    /// In how many rooms.
    pub(super) rooms: usize,
}

/// Measures with so many messages in each room.
pub(super) fn measure(messages: u64) -> Result<Join> {
    let field = Field::placed(2, 1, ONE_WAY, Some(NonZeroUsize::MIN))?;
    let mut client = Client::connect(field.irc(0)?, "maker")?;
    for room in 0..ROOMS {
        let name = format!("#join{room}");
        client.send(&format!("JOIN {name}\r\n"))?;
        client.say(&name, messages, catchup::text)?;
    }
    let mut took = Vec::new();
    for room in 0..ROOMS {
        let before = field.status(1)?.rooms;
        let mut reader =
            Client::capable(field.irc(1)?, &format!("reader{room}"), "draft/chathistory batch server-time")?;
        let started = Instant::now();
        reader.send(&format!("JOIN #join{room}\r\n"))?;
        // RPL_ENDOFNAMES ends what a JOIN brings.
        reader.until(|line| line.split(' ').nth(1) == Some("366"))?;
        reader.send(&format!("CHATHISTORY LATEST #join{room} * 50\r\n"))?;
        reader.until(|line| line.contains(" PRIVMSG #join"))?;
        let ms = started.elapsed().as_secs_f64() * 1_000.0;
        // What was there before is not what is measured.
        if field.status(1)?.rooms > before {
            took.push(ms - 2.0 * ONE_WAY.as_secs_f64() * 1_000.0);
        }
    }
    if took.is_empty() {
        bail!("all rooms were where they were entered: once in 256 times they are, try again");
    }
    took.sort_by(f64::total_cmp);
    Ok(Join { over_round_trip_ms: percentile(&took, 1.0), rooms: took.len() })
}
