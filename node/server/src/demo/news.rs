//! What the demo has to say.

use lavina_core::node::Status;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Something to show.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum News {
    /// The nodes run and know one another.
    Ready {
        /// Where they listen.
        nodes: Vec<NodeListing>,
        /// Accounts for trying.
        accounts: Vec<AccountListing>,
    },
    /// How the ways between regions are.
    Links {
        /// By pair of regions.
        links: Vec<LinkView>,
    },
    /// How everything is.
    Status {
        /// The nodes.
        nodes: Vec<NodeView>,
        /// The ways between regions.
        links: Vec<LinkView>,
    },
    /// A node sees others come or go.
    Sees {
        /// Who sees it.
        node: String,
        /// Who is in reach.
        reaches: Vec<String>,
        /// Who is not.
        lost: Vec<String>,
    },
    /// The nodes hold different things: entries that each has got since they were last equal.
    Diverged {
        /// By node.
        since_equal: BTreeMap<String, u64>,
    },
    /// All running nodes hold the same again.
    Converged {
        /// Entries that not all of them had.
        entries: u64,
        /// Entries that each holds.
        total: u64,
        /// The hash that all of them give of it.
        digest: String,
        /// How long it took from the end of the disturbance, milliseconds.
        ms: u64,
    },
    /// A node was ended.
    Stopped {
        /// Which.
        node: String,
    },
    /// A node was started again.
    Started {
        /// Which.
        node: String,
    },
    /// Something was said through a node.
    Said {
        /// Which.
        node: String,
        /// What.
        text: String,
    },
    /// The commands.
    Help,
}

/// Where a node listens.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NodeListing {
    /// Its name.
    pub(crate) name: String,
    /// Its region.
    pub(crate) region: String,
    /// IRC.
    pub(crate) irc: String,
    /// XMPP.
    pub(crate) xmpp: String,
    /// The admin page.
    pub(crate) admin: String,
}

/// An account for trying.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AccountListing {
    /// Its name.
    pub(crate) name: String,
    /// Its password.
    pub(crate) password: String,
}

/// The way between two regions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LinkView {
    /// One end and the other.
    pub(crate) between: (String, String),
    /// Time of a packet, one way, milliseconds.
    pub(crate) one_way_ms: u64,
    /// Whether nothing passes.
    pub(crate) cut: bool,
}

/// A node.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NodeView {
    /// Its name.
    pub(crate) name: String,
    /// Whether it runs.
    pub(crate) running: bool,
    /// Clients.
    pub(crate) sessions: usize,
    /// Entries held.
    pub(crate) entries: u64,
    /// Hash over them.
    pub(crate) digest: String,
    /// Nodes in reach.
    pub(crate) reaches: Vec<String>,
}

/// The statuses as shown.
pub(super) fn views(statuses: &BTreeMap<String, Option<Status>>) -> Vec<NodeView> {
    let views = statuses.iter().map(|(name, status)| {
        let running = status.is_some();
        let status = status.clone().unwrap_or_default();
        let reaches = status.peers.iter().filter(|(_, peer)| peer.in_reach).map(|(name, _)| name.clone()).collect();
        NodeView {
            name: name.clone(),
            running,
            sessions: status.sessions,
            entries: status.entries,
            digest: short(&status.digest).to_owned(),
            reaches,
        }
    });
    views.collect()
}

/// Enough of a digest to see whether two are equal.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

impl fmt::Display for LinkView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = &self.between;
        if self.cut {
            write!(f, "{from} -X- {to}: cut")
        } else {
            write!(f, "{from} --- {to}: {} ms one way", self.one_way_ms)
        }
    }
}

impl fmt::Display for NodeView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.running {
            return write!(f, "{}: stopped", self.name);
        }
        let (reaches, digest) = (list(&self.reaches), &self.digest);
        write!(
            f,
            "{}: reaches {reaches}; {} clients, {} entries, digest {digest}",
            self.name, self.sessions, self.entries
        )
    }
}

fn lines<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        let end = if index == 0 { "" } else { "\n" };
        write!(f, "{end}  {item}")?;
    }
    Ok(())
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { nodes, accounts } => ready(f, nodes, accounts),
            Self::Links { links } => lines(f, links),
            Self::Status { nodes, links } => {
                lines(f, nodes)?;
                writeln!(f)?;
                lines(f, links)
            }
            Self::Sees { node, reaches, lost } if lost.is_empty() => write!(f, "{node} sees {}", list(reaches)),
            Self::Sees { node, reaches, lost } => {
                write!(f, "{node} sees {}; out of reach: {}", list(reaches), list(lost))
            }
            Self::Diverged { since_equal } => {
                let parts: Vec<String> = since_equal.iter().map(|(name, new)| format!("{name} +{new}")).collect();
                write!(f, "diverged: new since all were equal: {}", parts.join(", "))
            }
            Self::Converged { entries, total, digest, ms } => write!(
                f,
                "converged in {ms} ms: {entries} entries that not all had; each holds {total}, digest {}",
                short(digest)
            ),
            Self::Stopped { node } => {
                write!(f, "{node} has ended as in a power failure; `start {node}` starts it again")
            }
            Self::Started { node } => write!(f, "{node} runs again"),
            Self::Said { node, text } => write!(f, "#lobby through {node}: {text}"),
            Self::Help => f.write_str(super::command::HELP),
        }
    }
}

fn ready(f: &mut fmt::Formatter<'_>, nodes: &[NodeListing], accounts: &[AccountListing]) -> fmt::Result {
    writeln!(f, "Three nodes, three regions, one mesh. Domain: localhost\n")?;
    writeln!(f, "  node   IRC              XMPP (STARTTLS)  admin page")?;
    for node in nodes {
        writeln!(f, "  {:6} {:16} {:16} http://{}/", node.name, node.irc, node.xmpp, node.admin)?;
    }
    writeln!(f)?;
    for account in accounts {
        writeln!(f, "  account {:6} password {}", account.name, account.password)?;
    }
    if let (Some(first), Some(second)) = (nodes.first(), nodes.get(1)) {
        let (irc, xmpp) = (first.irc.replace(':', " "), second.xmpp.replace(':', " port "));
        writeln!(f, "\n  irssi      /connect {irc}   then /join #lobby")?;
        writeln!(f, "  profanity  /connect bob@localhost server {xmpp} tls trust   then /join lobby@rooms.localhost")?;
    }
    write!(f, "\nTry: cut us, talk on both sides, heal. `help` lists the commands.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_news_can_be_told_to_programs() {
        let (node, text) = ("eu-1".to_owned(), "hello".to_owned());
        let link = LinkView { between: ("eu".to_owned(), "us".to_owned()), one_way_ms: 40, cut: true };
        let since_equal = BTreeMap::from([(node.clone(), 2)]);
        let news = [
            News::Ready { nodes: Vec::new(), accounts: Vec::new() },
            News::Links { links: vec![link.clone()] },
            News::Status { nodes: Vec::new(), links: vec![link] },
            News::Sees { node: node.clone(), reaches: Vec::new(), lost: vec!["us-1".to_owned()] },
            News::Diverged { since_equal },
            News::Converged { entries: 1, total: 2, digest: "d".to_owned(), ms: 3 },
            News::Stopped { node: node.clone() },
            News::Started { node: node.clone() },
            News::Said { node, text },
            News::Help,
        ];
        for news in news {
            assert!(serde_json::to_string(&news).unwrap().starts_with("{\"event\":\""), "{news:?}");
            assert!(!news.to_string().is_empty());
        }
    }
}
