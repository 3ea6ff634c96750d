//! How an account's clients want to be woken when something is said to the account and they do not look: through which service. Kept in registers of
//! the account below [`REGISTERS`], one for each client, so that any node can do it.

use lavina_crdt::names::AccountName;
use serde::{Deserialize, Serialize};

/// Before the keys of these registers, as the account's owner names them.
pub const REGISTERS: &str = "wake/";
/// Most of one account: all of a person's devices.
pub const WAKES_MAX: usize = 16;

/// One client's wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// The resource of the client that wants it. While a session has it, that session's home sees to it.
    pub resource: String,
    /// The service: a remote name.
    pub service: AccountName,
    /// What of the service is meant, where it has parts.
    pub part: Option<String>,
    /// Where at the service.
    pub node: String,
    /// What the service wants to be told with it, in the protocol's own words.
    pub options: Option<String>,
}

impl Wake {
    /// The register's value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// From a register's value; `None` for one that is set no more.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        postcard::from_bytes(value).ok()
    }
}
