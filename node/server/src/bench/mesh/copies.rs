//! How often an entry enters a region that it was not written in: counted where it comes in, whatever it came by.

use super::field::Field;
use super::ratio;
use crate::bench::client::Client;
use anyhow::Result;
use serde::Serialize;
use std::time::Duration;

/// Regions and nodes of each.
const REGIONS: usize = 3;
const NODES: usize = 3;
/// Between two regions, one way.
const ONE_WAY: Duration = Duration::from_millis(40);
/// Messages of each node's client.
const MESSAGES: u64 = 200;
/// Between two messages of one client.
const PAUSE: Duration = Duration::from_millis(10);

/// What was counted.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Copies {
    /// Copies per entry and other region.
    pub(super) per_entry: f64,
    /// Entries written.
    pub(super) written: u64,
    /// Copies to a second gateway, because the first did not answer in time.
    pub(super) gateway_retries: u64,
    /// Entries sent by sync.
    pub(super) synced: u64,
    /// Entries sent again because something before them was missing.
    pub(super) resent: u64,
}

/// Measures.
pub(super) fn measure() -> Result<Copies> {
    let field = Field::start(REGIONS, NODES, ONE_WAY)?;
    let mut clients = Vec::new();
    for index in 0..field.len() {
        clients.push(Client::enter(field.irc(index)?, &format!("c{index}"), "#copies")?);
    }
    field.wait_until_equal()?;
    let before = ["entries_appended", "entries_entered", "gateway_retries", "entries_synced", "entries_resent"]
        .map(|name| field.sum(name));
    let speakers: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            std::thread::spawn(move || {
                for number in 0..MESSAGES {
                    client.send(&format!("PRIVMSG #copies :message {number}\r\n"))?;
                    std::thread::sleep(PAUSE);
                }
                client.barrier()?;
                Ok::<_, anyhow::Error>(client)
            })
        })
        .collect();
    let clients: Vec<_> = speakers.into_iter().map(|speaker| speaker.join()).collect();
    field.wait_until_equal()?;
    let [written, entered, gateway_retries, synced, resent] = before;
    let written = field.sum("entries_appended")? - written?;
    let entered = field.sum("entries_entered")? - entered?;
    let gateway_retries = field.sum("gateway_retries")? - gateway_retries?;
    let synced = field.sum("entries_synced")? - synced?;
    let resent = field.sum("entries_resent")? - resent?;
    for client in clients {
        client.map_err(|_| anyhow::anyhow!("a client has failed"))??;
    }
    let regions = u64::try_from(REGIONS - 1)?;
    Ok(Copies { per_entry: ratio(entered, written * regions), written, gateway_retries, synced, resent })
}
