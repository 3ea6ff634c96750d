//! Names and their one canonical key.
//!
//! An account, room or nick is compared by its canonical key (RFC 8265 UsernameCaseMapped: width and case mapped, NFC),
//! the same on every node and in every protocol; what a person typed is kept beside it for showing. A name must be
//! sayable in both protocols: no character that ends a token in IRC or a JID part in XMPP (RFC 7622 section 3.3.1).

use precis_core::profile::Profile;
use precis_profiles::UsernameCaseMapped;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest room name in bytes, without the IRC `#`.
pub const ROOM_NAME_BYTES_MAX: usize = 64;
/// Longest account name in bytes.
pub const ACCOUNT_NAME_BYTES_MAX: usize = 32;
/// Longest nick in bytes; advertised as IRC `NICKLEN`.
pub const NICK_BYTES_MAX: usize = 32;

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("the name is empty")]
    Empty,
    /// Over the limit of its kind.
    #[error("the name is longer than {0} bytes")]
    TooLong(usize),
    /// Holds a character that one of the protocols cannot say in a name.
    #[error("the name holds a character that is not allowed")]
    Character,
}

/// A room's canonical name, without the IRC `#`: the `name` of `name@rooms.DOMAIN`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RoomName(String);

/// An account's canonical name: the IRC account, the localpart of the XMPP bare JID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountName(String);

/// A nick as its owner wrote it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Nick(String);

/// A nick's canonical key: two nicks are the same if and only if their keys are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NickKey(String);

/// Characters that end or delimit a name in IRC (RFC 2812 section 2.3.1: space, comma, bell, `!`, `*`, `?`, leading marks are
/// checked where they matter) or in a JID localpart (RFC 7622 section 3.3.1).
const FORBIDDEN: &[char] = &[' ', ',', '\u{7}', '!', '*', '?', '"', '&', '\'', '/', ':', '<', '>', '@', '#', '%', '.'];

fn canonical(text: &str, bytes_max: usize, allow: &[char]) -> Result<String, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > bytes_max {
        return Err(NameError::TooLong(bytes_max));
    }
    if text.chars().any(|c| FORBIDDEN.contains(&c) && !allow.contains(&c)) {
        return Err(NameError::Character);
    }
    // Square brackets, braces, pipe, caret, backslash, grave and tilde are legal in IRC nicks and in PRECIS alike.
    let mapped = UsernameCaseMapped::new().enforce(text).map_err(|_| NameError::Character)?.into_owned();
    if mapped.len() > bytes_max {
        return Err(NameError::TooLong(bytes_max));
    }
    Ok(mapped)
}

impl RoomName {
    /// The canonical name for what a person typed (without the IRC `#`).
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long or holds a character that is not allowed.
    pub fn new(text: &str) -> Result<Self, NameError> {
        canonical(text, ROOM_NAME_BYTES_MAX, &['.', '#', '%', '!', '*', '?']).map(Self)
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AccountName {
    /// The canonical name for what a person typed.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long or holds a character that is not allowed.
    pub fn new(text: &str) -> Result<Self, NameError> {
        canonical(text, ACCOUNT_NAME_BYTES_MAX, &['.']).map(Self)
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Nick {
    /// A nick as typed. Nicks that begin with a digit, `-`, `$`, `~`, `&`, `+` or `%` would be read as something else by IRC
    /// clients (RFC 2812 section 2.3.1 and prefix marks) and are refused.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long or holds a character that is not allowed.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.starts_with(|c: char| c.is_ascii_digit() || "-$~&+%".contains(c)) {
            return Err(NameError::Character);
        }
        canonical(text, NICK_BYTES_MAX, &[])?;
        Ok(Self(text.to_owned()))
    }

    /// As its owner wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its canonical key.
    #[must_use]
    pub fn key(&self) -> NickKey {
        NickKey(canonical(&self.0, NICK_BYTES_MAX, &[]).unwrap_or_else(|_| self.0.to_lowercase()))
    }
}

impl NickKey {
    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_name {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
text_name!(RoomName, AccountName, Nick, NickKey);
