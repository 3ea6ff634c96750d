//! Accounts: created once by their earliest registration, changed by registers of the account's scope.

use crate::names::AccountName;
use serde::{Deserialize, Serialize};

/// What the server keeps of a password for one SCRAM mechanism (RFC 5802 section 3). The password itself is never kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramCredentials {
    /// PBKDF2 rounds.
    pub iterations: u32,
    /// Salt, at least 16 bytes.
    pub salt: Vec<u8>,
    /// `StoredKey`.
    pub stored_key: Vec<u8>,
    /// `ServerKey`.
    pub server_key: Vec<u8>,
}

/// Credentials for both hash functions that clients ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// SCRAM-SHA-1.
    pub sha1: ScramCredentials,
    /// SCRAM-SHA-256.
    pub sha256: ScramCredentials,
}

/// The body of an entry that registers an account. The earliest by (hlc, origin, seq) holds the name; a later one is kept under
/// the derived name [`AccountCreate::derived_name`] gives, with its own password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountCreate {
    /// The name wanted; equals the scope's.
    pub name: AccountName,
    /// The password's verifiers.
    pub credentials: Credentials,
}
