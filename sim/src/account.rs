//! The one password of all simulated accounts, derived once with as few rounds as the mechanisms allow: the simulator tests the mesh, not
//! key stretching.

use lavina_crdt::account::{Credentials, ScramCredentials};
use lavina_protocols::sasl;

/// Credentials for the password of every simulated account.
pub(crate) fn credentials() -> Credentials {
    sasl::derive_credentials_with(crate::client::PASSWORD, [7; 16], 1).unwrap_or_else(|_| {
        let none =
            || ScramCredentials { iterations: 1, salt: Vec::new(), stored_key: Vec::new(), server_key: Vec::new() };
        Credentials { sha1: none(), sha256: none() }
    })
}
