//! What somebody notes about themselves, or about a room, for programs to show: values under keys (IRCv3 `metadata`).
//!
//! A room's are acts of its document, an account's registers of its scope, and so the same on every node. Who has no account has them in presence, among
//! the payloads of the record, as elements that who does not know them passes over.

use crate::register::Registers;
use std::collections::BTreeMap;

/// Longest key, bytes.
pub const KEY_BYTES_MAX: usize = 64;
/// Longest value, bytes: what fits a line of IRC beside the rest.
pub const VALUE_BYTES_MAX: usize = 300;
/// Most notes of one person or room.
pub const NOTES_MAX: usize = 20;

/// Before the keys of an account's registers that hold notes.
pub const REGISTERS: &str = "note/";

const HEAD: &str = "<note xmlns='urn:lavina:notes' key='";
const MIDDLE: &str = "'>";
const TAIL: &str = "</note>";

/// Values by key.
pub type Notes = BTreeMap<String, String>;

/// Whether it can be a key: `a-z`, `0-9` and `_./-`.
#[must_use]
pub fn is_key(key: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_./-".contains(&byte);
    (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(fits)
}

/// Whether it can be a value.
#[must_use]
pub fn is_value(value: &str) -> bool {
    (1..=VALUE_BYTES_MAX).contains(&value.len()) && !value.chars().any(char::is_control)
}

/// The notes among the payloads of a record.
#[must_use]
pub fn of_payloads(payloads: &[String]) -> Notes {
    payloads.iter().filter_map(|payload| parse(payload)).take(NOTES_MAX).collect()
}

/// The notes among an account's registers.
#[must_use]
pub fn of_registers(registers: &Registers) -> Notes {
    let note = |(key, value): (&str, &[u8])| {
        let key = key.strip_prefix(REGISTERS).filter(|key| is_key(key))?;
        let value = std::str::from_utf8(value).ok().filter(|value| is_value(value))?;
        Some((key.to_owned(), value.to_owned()))
    };
    registers.iter(REGISTERS).filter_map(note).take(NOTES_MAX).collect()
}

/// Payloads with these notes instead of those that are among them.
#[must_use]
pub fn with_notes(payloads: &[String], notes: &Notes) -> Vec<String> {
    let others = payloads.iter().filter(|payload| !payload.starts_with(HEAD)).cloned();
    others.chain(notes.iter().map(|(key, value)| format!("{HEAD}{key}{MIDDLE}{}{TAIL}", escape(value)))).collect()
}

fn parse(payload: &str) -> Option<(String, String)> {
    let (key, value) = payload.strip_prefix(HEAD)?.strip_suffix(TAIL)?.split_once(MIDDLE)?;
    let value = unescape(value);
    (is_key(key) && is_value(&value)).then(|| (key.to_owned(), value))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_travel_among_payloads_and_leave_the_others_alone() {
        let notes: Notes = [("url".to_owned(), "a <b> & 'c' ]]> &lt;".to_owned())].into();
        let payloads = with_notes(&["<c xmlns='caps'/>".to_owned()], &notes);
        assert_eq!(of_payloads(&payloads), notes);
        assert_eq!(with_notes(&payloads, &Notes::new()), ["<c xmlns='caps'/>"]);
    }

    #[test]
    fn keys_and_values_have_their_bounds() {
        assert!(is_key("im.xmpp/a_b-1") && !is_key("") && !is_key("Url") && !is_key("$url$"));
        assert!(!is_key(&"k".repeat(KEY_BYTES_MAX + 1)));
        assert!(is_value("x y") && !is_value("") && !is_value("a\nb") && !is_value(&"x".repeat(VALUE_BYTES_MAX + 1)));
    }
}
