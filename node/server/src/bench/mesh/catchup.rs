//! Two nodes apart, one of which is spoken at: how fast and for how many bytes the other catches up when the way opens.

use super::field::{Field, counter};
use super::{KindShare, ratio, shares};
use crate::bench::client::Client;
use anyhow::{Context, Result};
use serde::Serialize;
use std::time::{Duration, Instant};

/// One way.
const ONE_WAY: Duration = Duration::from_millis(40);
/// The link: 100 Mbit/s.
const BYTES_PER_SECOND: u64 = 100_000_000 / 8;
/// Rooms that the missing messages are in.
const ROOMS: u64 = 16;
/// Bytes of a message's text.
const TEXT_BYTES: usize = 100;

/// How one catch-up went.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CatchUp {
    /// Messages that were missing.
    pub(super) messages: u64,
    /// From the connection to the last entry durable.
    pub(super) seconds: f64,
    /// IP bytes sent to the node that lacked them, over the bytes of the missing entries.
    pub(super) overhead: f64,
    /// IP bytes that went the other way.
    pub(super) bytes_back: u64,
    /// Missing entries' own bytes a second over the link's rate: above 1 when they come faster than the link could carry them as they are.
    pub(super) link_share: f64,
    /// IP bytes sent a second over the link's rate.
    pub(super) wire_share: f64,
    /// Packets lost before the full link.
    pub(super) lost: u64,
    /// What was said to the node that lacked them.
    pub(super) there: Vec<KindShare>,
    /// What it said.
    pub(super) back: Vec<KindShare>,
}

/// Text as varied as people write: words drawn by a generator, no two messages alike.
pub(super) fn text(number: u64) -> String {
    const WORDS: [&str; 32] = [
        "the", "a", "mesh", "node", "room", "when", "lost", "came", "again", "people", "say", "that", "what", "never",
        "over", "link", "server", "slow", "fast", "today", "maybe", "think", "works", "here", "there", "update",
        "tested", "yes", "no", "because", "time", "morning",
    ];
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d;
    let mut text = format!("{number}");
    while text.len() < TEXT_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let index = usize::try_from(state >> 59).unwrap_or(0);
        text.push(' ');
        text.push_str(WORDS.get(index).copied().unwrap_or("word"));
    }
    text.truncate(TEXT_BYTES);
    text
}

/// Lets two nodes that hold `ROOMS` rooms diverge by so many messages, and catch up.
pub(super) fn measure(messages: u64) -> Result<CatchUp> {
    let field = Field::start(2, 1, ONE_WAY)?;
    let mut clients = Vec::new();
    for room in 0..ROOMS {
        clients.push(Client::enter(field.irc(0)?, &format!("c{room}"), &format!("#room{room}"))?);
        if let Some(client) = clients.last_mut() {
            client.say(&format!("#room{room}"), 1, text)?;
        }
    }
    field.wait_until_equal()?;
    field.set_cut(true)?;
    let share = messages / ROOMS;
    let speakers: Vec<_> = (0..ROOMS)
        .zip(clients)
        .map(|(room, mut client)| {
            std::thread::spawn(move || {
                let own = move |number| text(room * share + number);
                client.say(&format!("#room{room}"), share, own).map(|()| client)
            })
        })
        .collect();
    let mut clients = Vec::new();
    for speaker in speakers {
        clients.push(speaker.join().ok().context("a client has failed")??);
    }
    field.wait_until("the link is down", |field| Ok(!field.is_connected(0)? && !field.is_connected(1)?))?;
    let before = field.status(1)?;
    let target = field.status(0)?.entries;
    field.set_rate(Some(BYTES_PER_SECOND))?;
    field.set_cut(false)?;
    field.wait_until("the link is up", |field| field.is_connected(1))?;
    let started = Instant::now();
    let _ = field.take_all_traffic()?;
    let said = (field.sent(0)?, field.sent(1)?);
    field.wait_until("the node has caught up", |field| Ok(field.status(1)?.entries >= target))?;
    let seconds = started.elapsed().as_secs_f64();
    let (there, back) = (field.take_traffic(0, 1)?, field.take_traffic(1, 0)?);
    let kinds = (field.sent(0)?.since(&said.0), field.sent(1)?.since(&said.1));
    let missing = counter(&field.status(1)?, "entry_bytes_received")? - counter(&before, "entry_bytes_received")?;
    let link = |bytes: u64| ratio(bytes, BYTES_PER_SECOND) / seconds;
    Ok(CatchUp {
        messages: share * ROOMS,
        seconds,
        overhead: ratio(there.bytes, missing),
        bytes_back: back.bytes,
        link_share: link(missing),
        wire_share: link(there.bytes),
        lost: there.lost + back.lost,
        there: shares(&kinds.0),
        back: shares(&kinds.1),
    })
}
