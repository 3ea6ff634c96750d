//! What the mesh is made of and how a node is: LINKS, MAP, STATS (RFC 2812 sections 3.4.5 and 3.4.4).

use super::numerics::*;
use super::{Message, Now, Session, bars};
use crate::command::{Command, Reply};
use crate::operator::{NodeSummary, OperatorCommand, OperatorReply};
use lavina_crdt::barred::Barred;
use lavina_crdt::glob;

fn with_nodes(session: &mut Session, then: impl FnOnce(&mut Session, Vec<NodeSummary>) + Send + Sync + 'static) {
    session.ask(Command::Operator(OperatorCommand::Nodes), move |session, _, answer| {
        let nodes = if let Ok(Reply::Operator(OperatorReply::Nodes(nodes))) = answer { nodes } else { Vec::new() };
        then(session, nodes);
    });
}

/// LINKS, with a mask of names: every node is one step away from every other.
pub(super) fn links(session: &mut Session, _now: Now, message: &Message<'_>) {
    let mask = message.param(1).or_else(|| message.param(0)).unwrap_or("*").to_owned();
    with_nodes(session, move |session, nodes| {
        let me = session.config.node_name.clone();
        for (index, node) in nodes.iter().enumerate() {
            let name = session.host_of(node);
            if !glob::matches(&mask.to_lowercase(), &name.to_lowercase()) {
                continue;
            }
            let (hops, reach) = (usize::from(index > 0), if node.in_reach { "" } else { ", out of reach" });
            let text = format!("{hops} {}/{}{reach}", node.place.0, node.place.1);
            session.numeric(RPL_LINKS, &[&name, &me], &text);
        }
        session.numeric(RPL_ENDOFLINKS, &[&mask], "End of /LINKS list");
    });
}

/// MAP.
pub(super) fn map(session: &mut Session, _now: Now, _message: &Message<'_>) {
    with_nodes(session, |session, nodes| {
        for node in &nodes {
            let name = session.host_of(node);
            let trip = match (node.in_reach, node.round_trip_us) {
                (false, _) => ", out of reach".to_owned(),
                (true, Some(us)) => format!(", {}.{:03} ms away", us / 1000, us % 1000),
                (true, None) => String::new(),
            };
            let text = format!("{name} [{}/{}] {} sessions{trip}", node.place.0, node.place.1, node.sessions);
            session.numeric(RPL_MAP, &[], &text);
        }
        session.numeric(RPL_MAPEND, &[], "End of /MAP");
    });
}

impl Session {
    fn host_of(&self, node: &NodeSummary) -> String {
        self.server_name(&node.name)
    }

    /// A node's name as IRC shows it: this one's own host name, others by name and domain.
    pub(super) fn server_name(&self, node: &str) -> String {
        let own = &self.config.node_name;
        let full = format!("{node}.{}", self.config.domain);
        if own.eq_ignore_ascii_case(&full) || own == node { own.clone() } else { full }
    }
}

/// STATS: `u` how long the node runs, `o` its operators, `k` masks and accounts kept out, `d` networks kept out, `g` all of them, `l` the nodes,
/// `p` operators that are there. Others have nothing to show.
pub(super) fn stats(session: &mut Session, now: Now, message: &Message<'_>) {
    let letter = message.param(0).and_then(|text| text.chars().next()).unwrap_or('*');
    let end = move |session: &mut Session| {
        session.numeric(RPL_ENDOFSTATS, &[&letter.to_string()], "End of /STATS report");
    };
    match letter {
        'u' => {
            let seconds = now.wall_ms.saturating_sub(session.config.started_ms) / 1000;
            let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
            let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
            session.numeric(RPL_STATSUPTIME, &[], &format!("Server Up {days} days {hours}:{minutes:02}:{seconds:02}"));
            end(session);
        }
        'o' | 'O' => session.ask_operator("STATS", OperatorCommand::Operators, move |session, _, reply| {
            if let OperatorReply::Operators(operators) = reply {
                for operator in operators {
                    let account = operator.account.map_or("*".to_owned(), |account| account.to_string());
                    session.numeric_words(RPL_STATSOLINE, &["O", "*@*", &account, &operator.name]);
                }
            }
            end(session);
        }),
        'k' | 'K' | 'd' | 'D' | 'g' | 'G' => {
            let wanted = letter.to_ascii_lowercase();
            session.ask_operator("STATS", OperatorCommand::Bars, move |session, _, reply| {
                if let OperatorReply::Bars(bars) = reply {
                    for (target, bar, since_ms) in bars {
                        let is_network = matches!(target, Barred::Network { .. });
                        if wanted == 'g' || is_network == (wanted == 'd') {
                            let code = if is_network { RPL_STATSDLINE } else { RPL_STATSKLINE };
                            let kind = if is_network { "D" } else { "K" };
                            let words = bars::describe(&target, &bar, since_ms);
                            session.numeric(code, &[kind, &target.to_string()], &words);
                        }
                    }
                }
                end(session);
            });
        }
        'l' | 'L' | 'p' | 'P' => {
            let operators = letter.eq_ignore_ascii_case(&'p');
            with_nodes(session, move |session, nodes| {
                for node in nodes {
                    let name = session.host_of(&node);
                    let text = if operators {
                        format!("{name}: {} operators", node.operators)
                    } else {
                        format!("{name}: {} sessions", node.sessions)
                    };
                    session.numeric(RPL_STATSDEBUG, &[], &text);
                }
                end(session);
            });
        }
        _ => end(session),
    }
}
