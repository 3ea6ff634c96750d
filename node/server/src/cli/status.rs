//! `lavina status`: how the running node is.

use super::{ConfigFile, Out};
use crate::admin::client;
use crate::admin::view::{NodeView, PeerView};
use anyhow::Result;
use clap::Args;
use std::fmt::Write;

/// Show how the node is
#[derive(Args)]
pub(super) struct ShowStatus {
    #[command(flatten)]
    config: ConfigFile,
}

impl ShowStatus {
    pub(super) fn run(self, out: Out) -> Result<()> {
        let view: NodeView = client::get(&self.config.load()?, "/status")?;
        out.say(&view, || render(&view))
    }
}

fn render(view: &NodeView) -> String {
    let me = &view.me;
    let mut text =
        format!("{} of {} (region {}, zone {}), Lavina {}\n", me.name, me.domain, me.region, me.zone, me.version);
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(text, "node     {}", me.id);
    let _ = writeln!(text, "sessions {}   rooms {}   entries {}", view.sessions, view.rooms, view.entries);
    for (count, what) in [
        (view.rooms_thin, "have fewer homes in reach than they are to have"),
        (view.rooms_to_hand_over, "are still to be handed over to their homes"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "rooms    {count} {what}");
        }
    }
    let _ = writeln!(text, "digest   {}", view.digest);
    if let Some(error) = &view.store_error {
        let _ = writeln!(text, "THE STORE TAKES NO WRITES: {error}");
    }
    for peer in &view.peers {
        let _ = writeln!(text, "{}", line(peer));
    }
    text.trim_end().to_owned()
}

/// One peer.
pub(super) fn line(peer: &PeerView) -> String {
    let state = peer.state();
    let round_trip = peer.round_trip_ms.map(|ms| format!(", {ms:.1} ms")).unwrap_or_default();
    let behind = if peer.unacknowledged > 0 { format!(", {} behind", peer.unacknowledged) } else { String::new() };
    format!("peer     {:12} {}/{}: {state}{round_trip}{behind}", peer.name, peer.region, peer.zone)
}
