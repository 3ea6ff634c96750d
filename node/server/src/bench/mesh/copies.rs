//! How often an entry enters a region that it was not written in: counted where it comes in, whatever it came by.

use super::field::Field;
use super::ratio;
use crate::bench::client::Client;
use anyhow::Result;
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

/// Copies per entry and other region.
pub(super) fn measure() -> Result<f64> {
    let field = Field::start(REGIONS, NODES, ONE_WAY)?;
    let mut clients = Vec::new();
    for index in 0..field.len() {
        clients.push(Client::enter(field.irc(index)?, &format!("c{index}"), "#copies")?);
    }
    field.wait_until_equal()?;
    let (written, entered) = (field.sum("entries_appended")?, field.sum("entries_entered")?);
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
    let written = field.sum("entries_appended")? - written;
    let entered = field.sum("entries_entered")? - entered;
    for client in clients {
        client.map_err(|_| anyhow::anyhow!("a client has failed"))??;
    }
    let regions = u64::try_from(REGIONS - 1)?;
    Ok(ratio(entered, written * regions))
}
