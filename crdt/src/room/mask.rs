//! Masks: how they are written, and whom they mean (modern.ircdocs.horse, "Ban Channel Mode"; extbans as in the `EXTBAN` token).

use super::Mask;
use crate::content::Author;
use crate::glob;
use crate::names::AccountName;
use std::fmt;

/// Most bytes of a mask: nick, user and host at their longest.
pub const MASK_BYTES_MAX: usize = 400;

/// What stands before the account in an account extban.
const ACCOUNT_MARKS: [&str; 4] = ["$a:", "~a:", "~account:", "$account:"];
/// What stands before the mask of a mute.
const MUTE_MARKS: [&str; 5] = ["$m:", "~m:", "~mute:", "$mute:", "~q:"];
/// Whoever is not logged in.
const GUEST_MARKS: [&str; 4] = ["$u", "$u:", "~u", "~u:"];

impl Mask {
    /// The mask that a client wrote, completed as IRC servers do: `nick`, `user@host` and `nick!user` get stars for what is missing. `None` when
    /// it is empty, too long, names no account where it should, or holds a space or control character.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_lowercase();
        if let Some(within) = MUTE_MARKS.iter().find_map(|mark| lower.strip_prefix(mark)) {
            let within = Self::parse(within).filter(|within| !matches!(within, Self::Mute(_)))?;
            return Some(Self::Mute(Box::new(within)));
        }
        if GUEST_MARKS.contains(&lower.as_str()) {
            return Some(Self::Guests);
        }
        if let Some(account) = ACCOUNT_MARKS.iter().find_map(|mark| lower.strip_prefix(mark)) {
            return AccountName::any(account).ok().map(Self::Account);
        }
        let (nick, rest) = match (lower.split_once('!'), lower.contains('@')) {
            (Some((nick, rest)), _) => (nick, rest),
            (None, true) => ("*", lower.as_str()),
            (None, false) => (lower.as_str(), "*"),
        };
        let (user, host) = rest.split_once('@').unwrap_or((rest, "*"));
        fn or_any(part: &str) -> &str {
            if part.is_empty() { "*" } else { part }
        }
        let mask = Self::Glob(format!("{}!{}@{}", or_any(nick), or_any(user), or_any(host)));
        (!lower.is_empty() && mask.is_sound()).then_some(mask)
    }

    /// Whether the mask means this author.
    #[must_use]
    pub fn matches(&self, author: &Author) -> bool {
        match self {
            Self::Account(account) => author.account.as_ref().is_some_and(|author| account.means(author)),
            Self::Guests => author.account.is_none(),
            Self::Mute(_) => false,
            Self::Glob(pattern) => {
                let text = format!("{}!{}@{}", author.nick, author.user, author.host).to_lowercase();
                glob::matches(&pattern.to_lowercase(), &text)
            }
        }
    }

    /// Whether the mask keeps this author from speaking without keeping it out.
    #[must_use]
    pub fn mutes(&self, author: &Author) -> bool {
        matches!(self, Self::Mute(within) if within.matches(author))
    }

    pub(super) fn is_sound(&self) -> bool {
        match self {
            Self::Account(_) | Self::Guests => true,
            Self::Mute(within) => within.is_sound() && !matches!(**within, Self::Mute(_)),
            Self::Glob(pattern) => {
                let whole = (1..=MASK_BYTES_MAX).contains(&pattern.len());
                whole && !pattern.chars().any(|c| c.is_control() || c.is_whitespace())
            }
        }
    }
}

/// As IRC lists it.
impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glob(pattern) => f.write_str(pattern),
            Self::Account(account) => write!(f, "$a:{account}"),
            Self::Guests => f.write_str("$U"),
            Self::Mute(within) => write!(f, "$m:{within}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::author;

    #[test]
    fn what_is_missing_in_a_mask_is_any() {
        let parsed = |text| Mask::parse(text).map(|mask| mask.to_string());
        assert_eq!(parsed("Alice").as_deref(), Some("alice!*@*"));
        assert_eq!(parsed("*@Host").as_deref(), Some("*!*@host"));
        assert_eq!(parsed("a!b").as_deref(), Some("a!b@*"));
        assert_eq!(parsed("a!b@c").as_deref(), Some("a!b@c"));
        assert_eq!(parsed("$m:Alice").as_deref(), Some("$m:alice!*@*"));
        assert_eq!(parsed("~m:$a:Alice").as_deref(), Some("$m:$a:alice"));
        assert_eq!(parsed("$U").as_deref(), Some("$U"));
        assert_eq!(parsed("$m:$m:alice"), None);
        assert_eq!(parsed("~a:Alice").as_deref(), Some("$a:alice"));
        assert_eq!(parsed(""), None);
        assert_eq!(parsed("a b"), None);
        assert_eq!(parsed("$a:a b"), None);
    }

    #[test]
    fn a_mask_means_people_whatever_their_case() {
        let alice = author(1, "alice");
        assert!(Mask::parse("ALICE!*@*.EXAMPLE").unwrap().matches(&alice));
        assert!(Mask::parse("$a:alice").unwrap().matches(&alice));
        assert!(!Mask::parse("bob").unwrap().matches(&alice));
    }
}
