//! Registers: high churn, last write counts. LWW by (hlc, origin); a superseded entry has no effect.

use crate::ids::Dot;
use serde::{Deserialize, Serialize};

/// The body of a register entry: `key` of this scope is `value` from here on; an empty value is a removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterSet {
    /// Which register. Namespaced by a first path segment: `roster/`, `read/`, `credentials`, `profile/`.
    pub key: String,
    /// The value, in the encoding that the key's namespace defines.
    pub value: Vec<u8>,
    /// In an account's scope, the creation that the author's login rests on (see [`crate::account::AccountState`]); `None` elsewhere.
    pub of: Option<Dot>,
}
