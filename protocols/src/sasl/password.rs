//! From passwords to what is kept of them: RFC 5802 section 3, with the password prepared by the OpaqueString profile (RFC 8265
//! section 4.2, the successor of SASLprep). Knows nothing of exchanges.

use super::Hash;
use hmac::{Hmac, Mac};
use lavina_crdt::account::{Credentials, ScramCredentials};
use precis_core::profile::Profile;
use precis_profiles::OpaqueString;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// PBKDF2 rounds of new credentials. RFC 7677 section 4 demands at least 4,096; XEP-0438 section 3 asks for 10,000. Not more, since each PLAIN
/// log-in and each client of SCRAM pays for them (a few milliseconds of one core), before anybody has authenticated.
pub const ITERATIONS: u32 = 10_000;

/// Credentials that ask for more rounds than this are no match: they come from other nodes, and a log-in must not take seconds.
const ITERATIONS_MAX: u32 = 200_000;

/// Longest password, in bytes: far beyond what anybody types.
const PASSWORD_BYTES_MAX: usize = 1024;

/// Why a text cannot be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing there.
    #[error("the password is empty")]
    Empty,
    /// Longer than any password needs to be.
    #[error("the password is longer than {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
    /// Holds a character that RFC 8265 does not allow, such as a control character.
    #[error("the password holds a character that is not allowed")]
    Character,
}

/// What is kept of a password. `salt` must be random.
///
/// # Errors
/// [`PasswordError`] when the text cannot be a password.
pub fn derive_credentials(password: &str, salt: [u8; 16]) -> Result<Credentials, PasswordError> {
    derive_credentials_with(password, salt, ITERATIONS)
}

/// As [`derive_credentials`], with another number of rounds.
///
/// # Errors
/// [`PasswordError`] when the text cannot be a password.
pub fn derive_credentials_with(password: &str, salt: [u8; 16], iterations: u32) -> Result<Credentials, PasswordError> {
    let password = prepare(password)?;
    let derive = |hash| derive(hash, password.as_bytes(), &salt, iterations.max(1));
    Ok(Credentials { sha1: derive(Hash::Sha1), sha256: derive(Hash::Sha256) })
}

/// The password as it is hashed.
pub(super) fn prepare(password: &str) -> Result<String, PasswordError> {
    if password.is_empty() {
        return Err(PasswordError::Empty);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    OpaqueString::new().enforce(password).map(std::borrow::Cow::into_owned).map_err(|_| PasswordError::Character)
}

/// The verifiers of a prepared password.
pub(super) fn derive(hash: Hash, password: &[u8], salt: &[u8], iterations: u32) -> ScramCredentials {
    let iterations = iterations.min(ITERATIONS_MAX);
    let salted = match hash {
        Hash::Sha1 => pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(password, salt, iterations).to_vec(),
        Hash::Sha256 => pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations).to_vec(),
    };
    ScramCredentials {
        iterations,
        salt: salt.to_vec(),
        stored_key: digest(hash, &hmac(hash, &salted, b"Client Key")),
        server_key: hmac(hash, &salted, b"Server Key"),
    }
}

/// Verifiers that no password matches, for an account that does not exist: the same ones at every attempt.
pub(super) fn unmatchable(hash: Hash, account: &str, secret: &[u8; 32]) -> ScramCredentials {
    let mut hasher = blake3::Hasher::new_keyed(secret);
    hasher.update(b"lavina 1 salt of nobody\0");
    hasher.update(account.as_bytes());
    let mut stream = hasher.finalize_xof();
    let mut salt = [0; 16];
    stream.fill(&mut salt);
    let mut keys = [0; 32];
    stream.fill(&mut keys);
    let keys = digest(hash, &keys);
    ScramCredentials { iterations: ITERATIONS, salt: salt.to_vec(), stored_key: keys.clone(), server_key: keys }
}

/// `H(data)`.
pub(super) fn digest(hash: Hash, data: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Sha1 => Sha1::digest(data).to_vec(),
        Hash::Sha256 => Sha256::digest(data).to_vec(),
    }
}

/// `HMAC(key, data)`.
pub(crate) fn hmac(hash: Hash, key: &[u8], data: &[u8]) -> Vec<u8> {
    // A key of any length is a key for HMAC: the error of the trait's general constructor cannot come up.
    match hash {
        Hash::Sha1 => {
            Hmac::<Sha1>::new_from_slice(key).map(|mac| mac.chain_update(data).finalize().into_bytes().to_vec())
        }
        Hash::Sha256 => {
            Hmac::<Sha256>::new_from_slice(key).map(|mac| mac.chain_update(data).finalize().into_bytes().to_vec())
        }
    }
    .unwrap_or_default()
}
