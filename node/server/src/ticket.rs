//! What the inviting node remembers of its join tickets: each is good for one node and a limited time, also over a restart.
//!
//! The secrets themselves are kept, since the joining node proves that it has one without showing it.

use crate::identity::{DataDir, hex, random, unhex, write_secret};
use anyhow::{Context, Result, bail};
use lavina_crdt::ids::NodeId;
use lavina_quic::join::JoinRefusal;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// How long a used or expired ticket is remembered, milliseconds, so that its holder is told why it is refused: one week.
const REMEMBER_MS: u64 = 7 * 24 * 3600 * 1000;
/// Most tickets remembered: an operator makes a few.
const TICKETS_MAX: usize = 1024;

/// A ticket as the node that made it remembers it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Remembered {
    secret: String,
    expires_ms: u64,
    #[serde(default)]
    used_by: Option<String>,
    #[serde(default)]
    revoked: bool,
}

/// A ticket as its operator sees it, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TicketView {
    /// What it is called: a part of its secret's hash.
    pub(crate) id: String,
    /// Until when it is good, milliseconds since the Unix epoch.
    pub(crate) expires_ms: u64,
    /// The node that it was used by.
    pub(crate) used_by: Option<NodeId>,
    /// Whether it was taken back.
    pub(crate) revoked: bool,
}

/// What a ticket is called.
pub(crate) fn ticket_id(secret: &[u8; 16]) -> String {
    let hash = blake3::derive_key("lavina 1 ticket id", secret);
    hash.iter().take(4).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

impl Remembered {
    fn id(&self) -> Option<String> {
        unhex(&self.secret).map(|secret| ticket_id(&secret))
    }

    fn view(&self) -> Option<TicketView> {
        let used_by = self.used_by.as_deref().and_then(unhex).map(NodeId);
        Some(TicketView { id: self.id()?, expires_ms: self.expires_ms, used_by, revoked: self.revoked })
    }
}

/// The tickets made here.
#[derive(Debug)]
pub(crate) struct Book {
    file: PathBuf,
    tickets: Mutex<Vec<Remembered>>,
}

impl Book {
    /// Reads the book.
    pub(crate) fn load(data: &DataDir) -> Result<Self> {
        let file = data.tickets();
        let tickets = match std::fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        Ok(Self { file, tickets: Mutex::new(tickets) })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Remembered>) -> T) -> Result<T> {
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = tickets.clone();
        let result = change(&mut changed);
        // On disk first: what is not remembered there could be used twice.
        write_secret(&self.file, &serde_json::to_string(&changed)?)?;
        *tickets = changed;
        Ok(result)
    }

    /// Makes a secret that is good until `expires_ms`.
    pub(crate) fn issue(&self, now_ms: u64, expires_ms: u64) -> Result<[u8; 16]> {
        let secret = random();
        let made = self.change(|tickets| {
            tickets.retain(|ticket| ticket.expires_ms.saturating_add(REMEMBER_MS) > now_ms);
            let room = tickets.len() < TICKETS_MAX;
            if room {
                tickets.push(Remembered { secret: hex(&secret), expires_ms, used_by: None, revoked: false });
            }
            room
        })?;
        if !made {
            bail!("{TICKETS_MAX} tickets are remembered already; wait until some have expired");
        }
        Ok(secret)
    }

    /// All secrets, used and expired ones too.
    pub(crate) fn secrets(&self) -> Vec<[u8; 16]> {
        let tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.iter().filter_map(|ticket| unhex(&ticket.secret)).collect()
    }

    /// All tickets that are remembered, the one that expires first in front.
    pub(crate) fn list(&self) -> Vec<TicketView> {
        let tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut views: Vec<TicketView> = tickets.iter().filter_map(Remembered::view).collect();
        views.sort_by(|one, other| (one.expires_ms, &one.id).cmp(&(other.expires_ms, &other.id)));
        views
    }

    /// Takes a ticket back.
    ///
    /// # Errors
    /// When there is none of that name, or a node has come in with it.
    pub(crate) fn revoke(&self, id: &str) -> Result<()> {
        self.change(|tickets| {
            let Some(ticket) = tickets.iter_mut().find(|ticket| ticket.id().as_deref() == Some(id)) else {
                bail!("no ticket is called {id}: `lavina ticket list` shows those there are");
            };
            if ticket.used_by.is_some() {
                bail!("a node has come in with it already: `lavina node revoke` throws a node out");
            }
            ticket.revoked = true;
            Ok(())
        })?
    }

    /// Uses a ticket for a node. The same node may use it again until it expires, since the answer may have been lost.
    pub(crate) fn redeem(&self, secret: [u8; 16], node: NodeId, now_ms: u64) -> Result<(), JoinRefusal> {
        let (secret, node) = (hex(&secret), hex(&node.0));
        let used = self.change(|tickets| {
            let Some(ticket) = tickets.iter_mut().find(|ticket| ticket.secret == secret) else {
                return Err(JoinRefusal::Expired);
            };
            if ticket.revoked {
                return Err(JoinRefusal::Revoked);
            }
            if ticket.expires_ms <= now_ms {
                return Err(JoinRefusal::Expired);
            }
            if ticket.used_by.get_or_insert_with(|| node.clone()) == &node { Ok(()) } else { Err(JoinRefusal::Used) }
        });
        used.unwrap_or_else(|error| {
            tracing::error!(%error, "a ticket could not be marked as used");
            Err(JoinRefusal::Unavailable)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_for_one_node_and_a_time_and_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path());
        let (first, second) = (NodeId([1; 32]), NodeId([2; 32]));
        let book = Book::load(&data).unwrap();
        let (used, late) = (book.issue(0, 1000).unwrap(), book.issue(0, 10).unwrap());
        assert_eq!(book.redeem(used, first, 1), Ok(()));
        let book = Book::load(&data).unwrap();
        assert_eq!(book.secrets().len(), 2);
        assert_eq!(book.redeem(used, first, 2), Ok(()), "the answer was lost");
        assert_eq!(book.redeem(used, second, 3), Err(JoinRefusal::Used));
        assert_eq!(book.redeem(late, first, 11), Err(JoinRefusal::Expired));
        assert_eq!(book.redeem([0; 16], first, 0), Err(JoinRefusal::Expired));
    }

    #[test]
    fn a_ticket_is_taken_back_unless_it_was_used() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path());
        let node = NodeId([1; 32]);
        let book = Book::load(&data).unwrap();
        let (used, open) = (book.issue(0, 1000).unwrap(), book.issue(0, 2000).unwrap());
        book.redeem(used, node, 1).unwrap();
        assert!(book.revoke(&ticket_id(&used)).is_err() && book.revoke("00000000").is_err());
        book.revoke(&ticket_id(&open)).unwrap();
        let book = Book::load(&data).unwrap();
        assert_eq!(book.redeem(open, node, 2), Err(JoinRefusal::Revoked));
        let view =
            |secret, expires_ms, used_by, revoked| TicketView { id: ticket_id(secret), expires_ms, used_by, revoked };
        assert_eq!(book.list(), [view(&used, 1000, Some(node), false), view(&open, 2000, None, true)]);
    }
}
