//! What is kept of a password as one line of text, for configuration files: RFC 5803 section 2, with SCRAM-SHA-256.

use super::Hash;
use super::password::{derive, prepare};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lavina_crdt::account::ScramCredentials;
use subtle::ConstantTimeEq;

const SCHEME: &str = "SCRAM-SHA-256";
/// Rounds of a hash taken from a file at most: checking one must not take seconds.
const ITERATIONS_MAX: u32 = 200_000;

/// `SCRAM-SHA-256$ROUNDS:SALT$STORED-KEY:SERVER-KEY`.
#[must_use]
pub fn write_verifier(kept: &ScramCredentials) -> String {
    let [salt, stored, server] = [&kept.salt, &kept.stored_key, &kept.server_key].map(|bytes| STANDARD.encode(bytes));
    format!("{SCHEME}${}:{salt}${stored}:{server}", kept.iterations)
}

/// Reads what [`write_verifier`] writes; `None` when it is something else.
#[must_use]
pub fn parse_verifier(text: &str) -> Option<ScramCredentials> {
    let mut parts = text.split('$');
    let (Some(SCHEME), Some(salting), Some(keys), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let (iterations, salt) = salting.split_once(':')?;
    let (stored, server) = keys.split_once(':')?;
    let iterations = iterations.parse().ok().filter(|rounds| (1..=ITERATIONS_MAX).contains(rounds))?;
    let [salt, stored_key, server_key] = [salt, stored, server].map(|text| STANDARD.decode(text).ok());
    let kept = ScramCredentials { iterations, salt: salt?, stored_key: stored_key?, server_key: server_key? };
    (kept.salt.len() >= 8 && kept.stored_key.len() == 32 && kept.server_key.len() == 32).then_some(kept)
}

/// Whether it is kept of that password. Takes the same time wherever they differ.
#[must_use]
pub fn matches_password(kept: &ScramCredentials, password: &str) -> bool {
    let Ok(password) = prepare(password) else { return false };
    let given = derive(Hash::Sha256, password.as_bytes(), &kept.salt, kept.iterations);
    bool::from(given.stored_key.ct_eq(&kept.stored_key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sasl::derive_credentials_with;

    #[test]
    fn a_verifier_is_read_back_and_knows_its_password() {
        let kept = derive_credentials_with("hunter2", [7; 16], 64).unwrap().sha256;
        let text = write_verifier(&kept);
        assert!(text.starts_with("SCRAM-SHA-256$64:"), "{text}");
        assert_eq!(parse_verifier(&text), Some(kept.clone()));
        assert!(matches_password(&kept, "hunter2") && !matches_password(&kept, "hunter3"));
        for wrong in [
            "",
            "hunter2",
            "$2a$04$abc",
            &text.replace("64:", "0:"),
            &text.replace("SHA-256", "SHA-1"),
            &format!("{text}$"),
        ] {
            assert_eq!(parse_verifier(wrong), None, "{wrong}");
        }
    }
}
