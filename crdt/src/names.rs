//! Names and their one canonical key.
//!
//! An account, room or nick is compared by its canonical key (RFC 8265 UsernameCaseMapped: width and case mapped, NFC),
//! the same on every node and in every protocol; what a person typed is kept beside it for showing. A name must be
//! sayable in both protocols: no character that ends a token in IRC or a JID part in XMPP (RFC 7622 section 3.3.1). Names stand in every table
//! and entry, so a copy shares the text.

use precis_core::profile::Profile;
use precis_profiles::UsernameCaseMapped;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;

/// Longest room name in bytes, without the IRC `#`: room for what XMPP clients make up, and in a line of IRC for the rest.
pub const ROOM_NAME_BYTES_MAX: usize = 72;
/// Longest account name in bytes.
pub const ACCOUNT_NAME_BYTES_MAX: usize = 32;
/// Longest name of somebody of another server, in bytes: what mail allows as well (RFC 5321 section 4.5.3.1).
pub const REMOTE_NAME_BYTES_MAX: usize = 320;
/// Longest domain in bytes (RFC 1035 section 2.3.4).
const DOMAIN_BYTES_MAX: usize = 255;
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
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RoomName(Arc<str>);

/// An account's canonical name: the IRC account, the localpart of the XMPP bare JID. Somebody of another server has a remote name,
/// `name@domain`, and is no account of the mesh: nothing is registered under it. `@domain` is such a server itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct AccountName(Arc<str>);

/// A nick as its owner wrote it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Nick(Arc<str>);

/// A nick's canonical key: two nicks are the same if and only if their keys are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct NickKey(Arc<str>);

/// Characters that end or delimit a name in IRC (RFC 2812 section 2.3.1: space, comma, bell, `!`, `*`, `?`, leading marks are
/// checked where they matter) or in a JID localpart (RFC 7622 section 3.3.1).
const FORBIDDEN: &[char] = &[' ', ',', '\u{7}', '!', '*', '?', '"', '&', '\'', '/', ':', '<', '>', '@', '#', '%', '.'];

/// Those of them that the name of somebody elsewhere may hold: gateways to other networks put them there.
const REMOTE_ALLOWED: &[char] = &['.', '#', '%'];

/// Those of them that a room's name may hold: it is never a localpart, and IRC writes it behind its `#`.
const ROOM_NAME_ALLOWED: &[char] = &['.', '#', '%', '!', '*', '?'];

fn canonical<'a>(text: &'a str, bytes_max: usize, allow: &[char]) -> Result<Cow<'a, str>, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > bytes_max {
        return Err(NameError::TooLong(bytes_max));
    }
    if text.chars().any(|c| FORBIDDEN.contains(&c) && !allow.contains(&c)) {
        return Err(NameError::Character);
    }
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        // PRECIS allows all of ASCII7 in an IdentifierClass name (RFC 8264 section 9.11) and does nothing to it but map case. Names of
        // this sort are nearly all there are, and are read with every entry.
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        return Ok(if is_lower { Cow::Borrowed(text) } else { Cow::Owned(text.to_ascii_lowercase()) });
    }
    let mapped = precis(text)?;
    if mapped.len() > bytes_max {
        return Err(NameError::TooLong(bytes_max));
    }
    // Mapping can lead to a character that is not allowed: U+FF20 to `@`, some capitals to letters newer than the profile's tables. Only what is
    // its own canonical form is one (RFC 8264 section 7).
    let sayable = !mapped.contains(|c| FORBIDDEN.contains(&c) && !allow.contains(&c));
    if sayable && precis(&mapped).is_ok_and(|again| again == mapped) {
        Ok(Cow::Owned(mapped))
    } else {
        Err(NameError::Character)
    }
}

/// A domain in lower case, without a dot at its end.
fn canonical_domain(text: &str) -> Result<String, NameError> {
    let domain = text.strip_suffix('.').unwrap_or(text).to_lowercase();
    if domain.len() > DOMAIN_BYTES_MAX {
        return Err(NameError::TooLong(DOMAIN_BYTES_MAX));
    }
    let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    if domain.is_empty() { Err(NameError::Empty) } else { Ok(()) }?;
    // What ends in a number is an address, not a name (RFC 3696 section 2).
    let is_name = domain.rsplit('.').next().is_some_and(|last| last.contains(|c: char| !c.is_ascii_digit()));
    if is_name && domain.split('.').all(is_label) { Ok(domain) } else { Err(NameError::Character) }
}

fn precis(text: &str) -> Result<String, NameError> {
    UsernameCaseMapped::new().enforce(text).map(Cow::into_owned).map_err(|_| NameError::Character)
}

/// The TR39 skeleton of a text in canonical case: two names that look alike have the same (Unicode TR39 section 4). Compare it with
/// the skeletons of registered accounts before a nick is given out; never show it.
#[must_use]
pub fn skeleton(text: &str) -> String {
    let lower: String = text.nfkc().flat_map(char::to_lowercase).collect();
    unicode_security::skeleton(&lower).collect()
}

impl RoomName {
    /// The canonical name for what a person typed (without the IRC `#`).
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long or holds a character that is not allowed.
    pub fn new(text: &str) -> Result<Self, NameError> {
        canonical(text, ROOM_NAME_BYTES_MAX, ROOM_NAME_ALLOWED).map(|text| Self(text.into()))
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
        canonical(text, ACCOUNT_NAME_BYTES_MAX, &['.']).map(|text| Self(text.into()))
    }

    /// The name of somebody of another server, or (without `local`) of that server itself.
    ///
    /// # Errors
    /// [`NameError`] when a part is empty, too long or holds a character that is not allowed.
    pub fn remote(local: Option<&str>, domain: &str) -> Result<Self, NameError> {
        let local = match local {
            Some(local) => canonical(local, REMOTE_NAME_BYTES_MAX, REMOTE_ALLOWED)?,
            None => Cow::Borrowed(""),
        };
        let name = format!("{local}@{}", canonical_domain(domain)?);
        if name.len() > REMOTE_NAME_BYTES_MAX {
            return Err(NameError::TooLong(REMOTE_NAME_BYTES_MAX));
        }
        Ok(Self(name.into()))
    }

    /// Either kind of name: of an account of the mesh, or of somebody of another server.
    ///
    /// # Errors
    /// [`NameError`] when it is neither.
    pub fn any(text: &str) -> Result<Self, NameError> {
        match text.rsplit_once('@') {
            None => Self::new(text),
            Some((local, domain)) => Self::remote(Some(local).filter(|local| !local.is_empty()), domain),
        }
    }

    /// The domain of a remote name; `None` for an account of the mesh.
    #[must_use]
    pub fn domain(&self) -> Option<&str> {
        self.0.rsplit_once('@').map(|(_, domain)| domain)
    }

    /// Whether it is the name of somebody of another server.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.domain().is_some()
    }

    /// Whether somebody is meant by this name: by their own, or by that of the server they are of.
    #[must_use]
    pub fn means(&self, somebody: &Self) -> bool {
        self == somebody || (self.is_remote() && self.local().is_empty() && self.domain() == somebody.domain())
    }

    /// The name within its domain; empty for a server.
    #[must_use]
    pub fn local(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(local, _)| local)
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nick that everybody with this account has by right.
    #[must_use]
    pub fn nick_key(&self) -> NickKey {
        NickKey(Arc::clone(&self.0))
    }

    /// This name with `suffix` (ASCII, canonical) at its end, cut so that it stays within the limit.
    pub(crate) fn with_suffix(&self, suffix: &str) -> Self {
        Self(with_suffix(&self.0, suffix, ACCOUNT_NAME_BYTES_MAX).into())
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
        Ok(Self(text.into()))
    }

    /// The nick that is nearest to what somebody wants to be called, who may not know that a nick is one word: each character that it
    /// cannot hold is an underscore, and what is too long is cut.
    #[must_use]
    pub fn nearest(text: &str) -> Option<Self> {
        if let Ok(nick) = Self::new(text) {
            return Some(nick);
        }
        let is_sayable = |c: &char| canonical(c.encode_utf8(&mut [0; 4]), NICK_BYTES_MAX, &[]).is_ok();
        let sayable: String = text.trim().nfc().map(|c| if is_sayable(&c) { c } else { '_' }).collect();
        let cut = |text: &str| with_suffix(text, "", NICK_BYTES_MAX);
        if sayable.is_empty() {
            return None;
        }
        Self::new(&cut(&sayable)).or_else(|_| Self::new(&cut(&format!("_{sayable}")))).ok()
    }

    /// As its owner wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its canonical key.
    #[must_use]
    pub fn key(&self) -> NickKey {
        if self.0.is_ascii() {
            // As it is a nick it holds nothing that is not allowed, and of ASCII only the case is mapped.
            let is_lower = !self.0.bytes().any(|byte| byte.is_ascii_uppercase());
            return NickKey(if is_lower { Arc::clone(&self.0) } else { self.0.to_ascii_lowercase().into() });
        }
        NickKey(canonical(&self.0, NICK_BYTES_MAX, &[]).unwrap_or_else(|_| self.0.to_lowercase().into()).into())
    }

    /// This nick with `suffix` (ASCII) at its end, cut so that it stays within the limit.
    pub(crate) fn with_suffix(&self, suffix: &str) -> Self {
        Self(with_suffix(&self.0, suffix, NICK_BYTES_MAX).into())
    }
}

impl NickKey {
    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn with_suffix(text: &str, suffix: &str, bytes_max: usize) -> String {
    let room = bytes_max.saturating_sub(suffix.len());
    let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}{suffix}", text.get(..end).unwrap_or_default())
}

/// Makes a name of what a format holds.
struct Decoded<T>(PhantomData<T>);

impl<T: for<'a> TryFrom<&'a str, Error = NameError>> Visitor<'_> for Decoded<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        T::try_from(text).map_err(E::custom)
    }
}

/// Names from a peer or a disk are names only in their canonical form.
macro_rules! decoded_name {
    ($($name:ident: $check:expr),*) => {$(
        impl TryFrom<&str> for $name {
            type Error = NameError;

            fn try_from(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> Result<bool, NameError> = $check;
                if check(text)? { Ok(Self(text.into())) } else { Err(NameError::Character) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(Decoded(PhantomData))
            }
        }
    )*};
}
decoded_name!(
    RoomName: |text| canonical(text, ROOM_NAME_BYTES_MAX, ROOM_NAME_ALLOWED).map(|name| name == text),
    AccountName: |text| match text.contains('@') {
        false => canonical(text, ACCOUNT_NAME_BYTES_MAX, &['.']).map(|name| name == text),
        true => AccountName::any(text).map(|name| name.as_str() == text),
    },
    Nick: |text| Nick::new(text).map(|_| true),
    NickKey: |text| canonical(text, NICK_BYTES_MAX, &['.']).map(|key| key == text)
);

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nicks_that_people_use_on_irc_are_nicks() {
        for nick in ["[foo]", "foo|bar", "^x", "`a", "{b}", "a-b_c", "back\\slash", "_", "Zoë", "münchen", "x2"] {
            assert!(Nick::new(nick).is_ok(), "{nick}");
        }
    }

    #[test]
    fn who_wants_to_be_called_by_several_words_has_the_nearest_nick() {
        let nearest = |text: &str| Nick::nearest(text).map(|nick| nick.as_str().to_owned());
        for (text, nick) in [
            ("Zoë", "Zoë"),
            ("Anna M.", "Anna_M_"),
            (" Anna\tMaria ", "Anna_Maria"),
            ("1st", "_1st"),
            ("me@home/phone", "me_home_phone"),
            ("fox 🦊", "fox__"),
            ("+1", "_+1"),
        ] {
            assert_eq!(nearest(text).as_deref(), Some(nick), "{text:?}");
        }
        assert_eq!(nearest(&"ë".repeat(20)), Some("ë".repeat(16)));
        assert_eq!(nearest("  "), None);
    }

    #[test]
    fn case_and_width_make_no_difference() {
        let key = |text| Nick::new(text).unwrap().key();
        assert_eq!(key("Alice"), key("aLICE"));
        assert_eq!(key("ZOË"), key("zoë"));
        assert_eq!(key("zoe\u{308}"), key("zoë"));
        assert_eq!(AccountName::new("ALICE").unwrap().nick_key(), key("alice"));
        assert_ne!(key("[a]"), key("{a}"));
        assert_eq!(RoomName::new("Rust").unwrap().as_str(), "rust");
    }

    #[test]
    fn what_ends_a_token_is_no_name() {
        for text in [
            "",
            " ",
            "a b",
            "a\0",
            "a\r",
            "a\n",
            "a\u{7}",
            "a,b",
            "a@b",
            "a!b",
            "a/b",
            "a\u{a0}b",
            "\u{202e}a",
            "a:b",
            "a<b",
        ] {
            assert!(Nick::new(text).is_err(), "{text:?}");
            assert!(AccountName::new(text).is_err(), "{text:?}");
        }
        assert_eq!(Nick::new(&"x".repeat(33)), Err(NameError::TooLong(NICK_BYTES_MAX)));
        assert!(Nick::new("1st").is_err());
        assert!(RoomName::new("a b").is_err() && RoomName::new("a\n").is_err());
    }

    #[test]
    fn a_name_from_a_peer_must_be_canonical() {
        let decoded = |text: &str| postcard::from_bytes::<AccountName>(&postcard::to_stdvec(text).unwrap()).is_ok();
        assert!(decoded("alice"));
        assert!(!decoded("Alice") && !decoded("a\r\nb") && !decoded(""));
        let nick = |text: &str| postcard::from_bytes::<Nick>(&postcard::to_stdvec(text).unwrap()).is_ok();
        assert!(nick("Alice") && !nick("a b"));
    }

    #[test]
    fn people_of_other_servers_have_names_that_no_account_has() {
        let juliet = AccountName::remote(Some("Juliet"), "Capulet.Example.").unwrap();
        assert_eq!(juliet.as_str(), "juliet@capulet.example");
        assert_eq!((juliet.local(), juliet.domain()), ("juliet", Some("capulet.example")));
        assert_eq!(AccountName::remote(None, "capulet.example").unwrap().as_str(), "@capulet.example");
        assert!(AccountName::new("juliet@capulet.example").is_err());
        let server = AccountName::any("@capulet.example").unwrap();
        assert!(server.means(&juliet) && juliet.means(&juliet) && !juliet.means(&server));
        let own = AccountName::new("juliet").unwrap();
        assert!(!server.means(&own) && !own.means(&juliet));
        assert_eq!((own.is_remote(), own.local()), (false, "juliet"));
        for (local, domain) in [
            ("a b", "b.example"),
            ("a", ""),
            ("a", "b..example"),
            ("a@b", "c"),
            ("a", "b!c"),
            ("a", "192.0.2.1"),
            ("", "b"),
        ] {
            assert!(AccountName::remote(Some(local), domain).is_err(), "{local}@{domain}");
        }
        let travelled = |text: &str| postcard::from_bytes::<AccountName>(&postcard::to_stdvec(text).unwrap()).is_ok();
        assert!(travelled("juliet@capulet.example") && travelled("@capulet.example"));
        assert!(
            !travelled("Juliet@capulet.example") && !travelled("juliet@") && !travelled("a@b@c") && !travelled("a\n@b")
        );
    }

    #[test]
    fn look_alikes_have_one_skeleton() {
        assert_eq!(skeleton("аlice"), skeleton("alice"));
        assert_eq!(skeleton("Alice"), skeleton("alice"));
        assert_ne!(skeleton("alice"), skeleton("bob"));
    }

    #[test]
    fn a_suffix_never_makes_a_name_too_long() {
        let long = AccountName::new(&"ë".repeat(16)).unwrap();
        let derived = long.with_suffix("-0abc");
        assert!(derived.as_str().len() <= ACCOUNT_NAME_BYTES_MAX && derived.as_str().ends_with("-0abc"));
        assert_eq!(AccountName::new(derived.as_str()), Ok(derived));
    }

    #[test]
    fn a_name_whose_canonical_form_is_no_name_is_refused() {
        for text in ["a\u{ff20}b", "\u{ff0c}", "\u{13a0}"] {
            assert_eq!(RoomName::new(text), Err(NameError::Character), "{text}");
            assert_eq!(AccountName::new(text), Err(NameError::Character), "{text}");
        }
        assert_eq!(AccountName::new("\u{ff21}").map(|name| name.to_string()), Ok("a".to_owned()));
    }

    proptest! {
        #[test]
        fn the_short_way_for_ascii_is_what_precis_says(text in "[!-~]{1,32}") {
            let precis = UsernameCaseMapped::new().enforce(text.as_str()).map(|mapped| mapped.into_owned());
            prop_assert_eq!(precis.ok(), Some(text.to_ascii_lowercase()));
        }

        #[test]
        fn the_short_way_to_a_nicks_key_is_the_long_one(text in "[!-~]{1,32}|\\PC{1,16}") {
            if let Ok(nick) = Nick::new(&text) {
                let canonical = canonical(&text, NICK_BYTES_MAX, &[]).unwrap();
                prop_assert_eq!(nick.key().to_string(), canonical.into_owned());
            }
        }

        #[test]
        fn a_canonical_name_is_its_own_canonical_name(text in "\\PC{1,16}") {
            if let Ok(name) = RoomName::new(&text) {
                prop_assert_eq!(RoomName::new(name.as_str()), Ok(name));
            }
        }
    }
}
