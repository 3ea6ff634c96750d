//! Join tickets: what an operator carries from a node of the mesh to a new one, as one line of text.
//!
//! The text is `lavina-ticket:` and base32hex (RFC 4648 section 7) of the postcard encoding with a checksum, in lower case. That a ticket is
//! used once and not after its time is kept by the inviter, which knows the secret.

use crate::base32;
use crate::ids::NodeId;
use crate::mesh::{ADDRESSES_MAX, LABEL_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const PREFIX: &str = "lavina-ticket:";
const CONTEXT: &str = "lavina 1 ticket checksum";
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

/// Longest ticket that is read: all addresses at their longest.
pub const TICKET_BYTES_MAX: usize = 16 * 1024;

/// Leave to join a mesh, once, for some time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The mesh's id.
    pub mesh: [u8; 16],
    /// Its root key.
    pub root: NodeId,
    /// The node that made the ticket and takes it back: who answers under another key is not it.
    pub inviter: NodeId,
    /// Where the inviter can be dialled, `host:port`.
    pub addresses: Vec<String>,
    /// What proves to the inviter that this is its ticket.
    pub secret: [u8; 16],
    /// Until when it is good, milliseconds since the Unix epoch.
    pub expires_ms: u64,
}

/// Why a text is no ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Something else.
    #[error("a ticket begins with `{PREFIX}`")]
    Prefix,
    /// A character was lost or changed.
    #[error("the ticket is damaged or not complete: copy all of it")]
    Damaged,
    /// Made by another version.
    #[error("the ticket was made by another version of Lavina")]
    Version,
    /// Whole, but with contents that no node makes.
    #[error("the ticket holds no address that can be dialled, or too many")]
    Addresses,
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = postcard::to_stdvec(&(VERSION, self)).map_err(|_| fmt::Error)?;
        bytes.extend(checksum(&bytes));
        write!(f, "{PREFIX}{}", base32::encode(&bytes))
    }
}

/// Without the secret: a ticket in a log must not let anybody in.
impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("inviter", &self.inviter)
            .field("addresses", &self.addresses)
            .field("expires_ms", &self.expires_ms)
            .finish_non_exhaustive()
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    fn from_str(text: &str) -> Result<Self, TicketError> {
        let digits = text.trim().strip_prefix(PREFIX).ok_or(TicketError::Prefix)?;
        if digits.len() > TICKET_BYTES_MAX {
            return Err(TicketError::Damaged);
        }
        let bytes = base32::decode(digits).ok_or(TicketError::Damaged)?;
        let (body, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(TicketError::Damaged)?;
        if checksum(body) != *sum {
            return Err(TicketError::Damaged);
        }
        if body.first() != Some(&VERSION) {
            return Err(TicketError::Version);
        }
        let (_, ticket): (u8, Self) = postcard::from_bytes(body).map_err(|_| TicketError::Damaged)?;
        let is_address = |address: &String| {
            (1..=LABEL_BYTES_MAX).contains(&address.len())
                && !address.chars().any(|c| c.is_control() || c.is_whitespace())
        };
        let is_dialable = (1..=ADDRESSES_MAX).contains(&ticket.addresses.len());
        let is_sound = is_dialable && ticket.addresses.iter().all(is_address);
        if is_sound { Ok(ticket) } else { Err(TicketError::Addresses) }
    }
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = blake3::derive_key(CONTEXT, body);
    let mut sum = [0; CHECKSUM_BYTES];
    sum.iter_mut().zip(hash).for_each(|(slot, byte)| *slot = byte);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ticket() -> Ticket {
        Ticket {
            mesh: [1; 16],
            root: NodeId([2; 32]),
            inviter: NodeId([3; 32]),
            addresses: vec!["eu-1.example:7000".to_owned(), "[2001:db8::1]:7000".to_owned()],
            secret: [4; 16],
            expires_ms: 1_700_000_000_000,
        }
    }

    #[test]
    fn a_ticket_is_read_as_it_was_written() {
        let text = ticket().to_string();
        assert!(text.starts_with(PREFIX));
        assert_eq!(text.parse(), Ok(ticket()));
        assert_eq!(format!(" {text}\n").parse(), Ok(ticket()));
        assert!(!format!("{:?}", ticket()).contains("secret"));
    }

    #[test]
    fn what_is_no_ticket_says_why() {
        let text = ticket().to_string();
        assert_eq!("hello".parse::<Ticket>(), Err(TicketError::Prefix));
        assert_eq!(text[..text.len() - 3].parse::<Ticket>(), Err(TicketError::Damaged));
        let mut other = postcard::to_stdvec(&(9u8, ticket())).unwrap();
        other.extend(checksum(&other));
        assert_eq!(format!("{PREFIX}{}", base32::encode(&other)).parse::<Ticket>(), Err(TicketError::Version));
        let homeless = Ticket { addresses: Vec::new(), ..ticket() };
        assert_eq!(homeless.to_string().parse::<Ticket>(), Err(TicketError::Addresses));
    }

    proptest! {
        #[test]
        fn a_changed_character_is_noticed(at in 14usize..100, digit in "[0-9a-v]") {
            let text = ticket().to_string();
            let changed = format!("{}{digit}{}", &text[..at], &text[at + 1..]);
            if changed != text {
                prop_assert_eq!(changed.parse::<Ticket>(), Err(TicketError::Damaged));
            }
        }
    }
}
