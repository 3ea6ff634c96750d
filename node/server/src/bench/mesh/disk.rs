//! What messages take on the disk of a node that has settled.

use super::field::Field;
use super::ratio;
use crate::bench::client::Client;
use anyhow::{Context, Result};
use std::time::Duration;

/// Clients and messages of each, 100 bytes.
const WRITERS: u64 = 8;

/// For how long nothing is written before the node counts as settled: its store seals what is ripe meanwhile.
const SETTLE: Duration = Duration::from_secs(5);

/// Bytes on disk per message.
pub(super) fn measure(messages: u64) -> Result<f64> {
    let mut field = Field::start(1, 1, Duration::ZERO)?;
    let share = messages / WRITERS;
    let irc = field.irc(0)?;
    let writers: Vec<_> = (0..WRITERS)
        .map(|room| {
            std::thread::spawn(move || {
                let name = format!("#disk{room}");
                let own = move |number| super::catchup::text(room * share + number);
                Client::enter(irc, &format!("w{room}"), &name)?.say(&name, share, own)
            })
        })
        .collect();
    for writer in writers {
        writer.join().ok().context("a writer has failed")??;
    }
    std::thread::sleep(SETTLE);
    field.stop(0)?;
    Ok(ratio(size(&field.folder(0)?)?, share * WRITERS))
}

fn size(folder: &std::path::Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let found = file.metadata()?;
        bytes += if found.is_dir() { size(&file.path())? } else { found.blocks() * 512 };
    }
    Ok(bytes)
}
