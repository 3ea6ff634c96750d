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
    let belong_elsewhere = if view.draining { 0 } else { view.rooms_to_hand_over };
    for (count, what) in [
        (view.rooms_thin, "have fewer homes in reach than they are to have"),
        (belong_elsewhere, "are still to be handed over to their homes"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "rooms    {count} {what}");
        }
    }
    if view.draining {
        let _ = writeln!(text, "draining {}", emptied(view.rooms_to_hand_over, view.sessions));
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

/// How far a node is that is being emptied: what it has to hand over still, and how many sessions end with it.
fn emptied(left: usize, sessions: usize) -> String {
    match (left, sessions) {
        (0, 0) => "others have all that is here, and nobody is connected: it can be switched off".to_owned(),
        (0, _) => format!("others have all that is here; switching it off sends {sessions} sessions elsewhere"),
        _ => format!("{left} rooms, conversations and accounts are still to be handed over"),
    }
}

/// One peer.
pub(super) fn line(peer: &PeerView) -> String {
    let state = peer.state();
    let round_trip = peer.round_trip_ms.map(|ms| format!(", {ms:.1} ms")).unwrap_or_default();
    let behind = if peer.unacknowledged > 0 { format!(", {} behind", peer.unacknowledged) } else { String::new() };
    format!("peer     {:12} {}/{}: {state}{round_trip}{behind}", peer.name, peer.region, peer.zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_empties_a_node_is_told_what_is_left_and_when_nothing_is() {
        let said = [(3, 2), (3, 0), (0, 2), (0, 0)].map(|(left, sessions)| emptied(left, sessions));
        assert!(said[0] == said[1] && said[0].starts_with("3 rooms"), "{said:?}");
        assert!(said[2].contains("sends 2 sessions elsewhere"), "{said:?}");
        assert!(said[3].ends_with("it can be switched off"), "{said:?}");
    }
}
