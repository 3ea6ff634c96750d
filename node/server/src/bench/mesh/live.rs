//! What is written here shows there: how late, how many a second, for how many bytes.

use super::field::Field;
use super::{median, percentile, ratio};
use crate::bench::client::Client;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// One way.
const ONE_WAY: Duration = Duration::from_millis(40);
/// Single messages.
const SINGLE: u64 = 1_000;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(10);
/// Clients that write as fast as they can, and messages of each.
const WRITERS: u64 = 8;
const MESSAGES: u64 = 8_000;

/// What was measured.
pub(super) struct Live {
    /// Lateness beyond the way's own length, milliseconds.
    pub(super) late_ms_median: f64,
    pub(super) late_ms_p99: f64,
    /// IP bytes both ways per single message of 100 bytes.
    pub(super) bytes_per_message: f64,
    /// Entries a second from one node to the other, written by several clients.
    pub(super) entries_per_second: f64,
    /// IP bytes both ways per message then.
    pub(super) bytes_per_message_busy: f64,
}

/// Measures.
pub(super) fn measure() -> Result<Live> {
    let field = Field::start(2, 1, ONE_WAY)?;
    let speaker = Client::enter(field.irc(0)?, "speaker", "#live")?;
    let mut hearer = Client::enter(field.irc(1)?, "hearer", "#live")?;
    field.wait_until_equal()?;
    let _ = field.take_all_traffic()?;
    let origin = Instant::now();
    let hearing = std::thread::spawn(move || {
        let mut heard = Vec::new();
        while heard.len() < usize::try_from(SINGLE)? {
            hearer.until(|line| line.contains("PRIVMSG"))?;
            heard.push(origin.elapsed());
        }
        Ok::<_, anyhow::Error>((heard, hearer))
    });
    let mut said = Vec::new();
    for number in 0..SINGLE {
        std::thread::sleep(PAUSE);
        said.push(origin.elapsed());
        speaker.send(&format!("PRIVMSG #live :{}\r\n", super::catchup::text(number)))?;
    }
    let (heard, _hearer) = hearing.join().ok().context("the hearer has failed")??;
    let bytes = field.take_all_traffic()?.bytes;
    let late = said
        .iter()
        .zip(&heard)
        .map(|(said, heard)| (heard.saturating_sub(*said).as_secs_f64() - ONE_WAY.as_secs_f64()) * 1e3);
    let mut late: Vec<f64> = late.collect();
    late.sort_by(f64::total_cmp);

    field.wait_until_equal()?;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        writers.push(Client::enter(field.irc(0)?, &format!("w{writer}"), &format!("#busy{writer}"))?);
    }
    field.wait_until_equal()?;
    let before = field.status(1)?.entries;
    let _ = field.take_all_traffic()?;
    let started = Instant::now();
    let writing: Vec<_> = (0..WRITERS)
        .zip(writers)
        .map(|(room, mut writer)| {
            std::thread::spawn(move || {
                writer.say(&format!("#busy{room}"), MESSAGES, super::catchup::text).map(|()| writer)
            })
        })
        .collect();
    let wanted = before + WRITERS * MESSAGES;
    field.wait_until("all entries are there", |field| Ok(field.status(1)?.entries >= wanted))?;
    let seconds = started.elapsed().as_secs_f64();
    let busy = field.take_all_traffic()?.bytes;
    for writer in writing {
        writer.join().ok().context("a writer has failed")??;
    }
    Ok(Live {
        late_ms_median: median(&late),
        late_ms_p99: percentile(&late, 0.99),
        bytes_per_message: ratio(bytes, SINGLE),
        entries_per_second: ratio(WRITERS * MESSAGES, 1) / seconds,
        bytes_per_message_busy: ratio(busy, WRITERS * MESSAGES),
    })
}
