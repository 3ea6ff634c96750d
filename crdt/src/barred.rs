//! Who is kept out of the whole mesh, or which room is closed: registers of the mesh scope, set and lifted by operators on any node.
//!
//! The newest word on a target counts, by (hlc, origin, seq), wherever it was said. A node vouches for its operators: what an admitted
//! node writes counts, as with everything else that needs an operator's right.

use crate::glob;
use crate::ids::OrderKey;
use crate::names::{AccountName, RoomName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// Most bytes of a mask: nick, user and host at their longest.
const MASK_BYTES_MAX: usize = 400;
/// Most bytes of a reason and of an operator's name: a line of IRC (RFC 2812 section 2.3).
const PHRASE_BYTES_MAX: usize = 400;
/// Most bars in force at once, so that a compromised operator's account cannot fill every node. More are not set.
pub const BARS_MAX: usize = 10_000;

/// What is barred.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Barred {
    /// Glob over `nick!user@host`, lower case. `host` is the cloaked one.
    Mask(String),
    /// An account, however connected.
    Account(AccountName),
    /// The addresses that begin with these bits. Only the node that has a connection knows its address.
    Network {
        /// First address; the bits behind the prefix are zero.
        address: IpAddr,
        /// How many bits count.
        prefix: u8,
    },
    /// A room: nobody comes in.
    Room(RoomName),
}

/// That it is barred.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// Why; shown to who is kept out.
    pub reason: String,
    /// The operator.
    pub by: String,
    /// Until when, milliseconds since the Unix epoch; `None`: until it is lifted.
    pub until_ms: Option<u64>,
}

/// Somebody who may be barred. What is not known stays `None` and is not matched.
#[derive(Clone, Copy, Debug)]
pub struct Suspect<'a> {
    /// `nick`, `user` and cloaked host, where visible already.
    pub mask: Option<(&'a str, &'a str, &'a str)>,
    /// The account, where logged in.
    pub account: Option<&'a AccountName>,
    /// The address, where it connected here.
    pub address: Option<IpAddr>,
}

impl Barred {
    /// A network from text: an address, or an address with `/` and the number of bits that count (RFC 4632 section 3.1, RFC 4291 section 2.3).
    #[must_use]
    pub fn network(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse::<IpAddr>().ok()?.to_canonical();
        let width = width(address);
        let prefix = prefix.unwrap_or(width);
        (prefix <= width).then(|| Self::Network { address: masked(address, prefix), prefix })
    }

    /// `nick!user@host`, `user@host` or a nick, with stars for what is missing; an account as `$a:NAME`; a network where the host is one
    /// and nick and user are stars. `None` when it is empty, too long or holds a space or control character.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_lowercase();
        if let Some(account) = ["$a:", "~a:"].iter().find_map(|mark| lower.strip_prefix(mark)) {
            return AccountName::any(account).ok().map(Self::Account);
        }
        let (nick, rest) = match (lower.split_once('!'), lower.contains('@')) {
            (Some((nick, rest)), _) => (nick, rest),
            (None, true) => ("*", lower.as_str()),
            (None, false) => (lower.as_str(), "*"),
        };
        let (user, host) = rest.split_once('@').unwrap_or((rest, "*"));
        if let ("*", "*", Some(network)) = (nick, user, Self::network(host)) {
            return Some(network);
        }
        let or_any = |part: &str| if part.is_empty() { "*".to_owned() } else { part.to_owned() };
        let mask = Self::Mask(format!("{}!{}@{}", or_any(nick), or_any(user), or_any(host)));
        (!lower.is_empty() && mask.is_sound()).then_some(mask)
    }

    /// Whether it can be shown in a line.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Account(_) | Self::Room(_) => true,
            Self::Mask(mask) => {
                (1..=MASK_BYTES_MAX).contains(&mask.len()) && !mask.chars().any(|c| c.is_control() || c.is_whitespace())
            }
            Self::Network { address, prefix } => *prefix <= width(*address) && masked(*address, *prefix) == *address,
        }
    }

    /// Whether that is somebody who is meant.
    #[must_use]
    pub fn means(&self, suspect: &Suspect<'_>) -> bool {
        match self {
            Self::Mask(mask) => suspect.mask.is_some_and(|(nick, user, host)| {
                glob::matches(&mask.to_lowercase(), &format!("{nick}!{user}@{host}").to_lowercase())
            }),
            Self::Account(account) => suspect.account.is_some_and(|suspect| account.means(suspect)),
            Self::Network { address, prefix } => suspect.address.is_some_and(|other| {
                let other = other.to_canonical();
                width(other) == width(*address) && masked(other, *prefix) == *address
            }),
            Self::Room(_) => false,
        }
    }

    /// Whether the mask would keep nearly everybody out: fewer than this many characters say whom it means.
    #[must_use]
    pub fn is_too_wide(&self) -> bool {
        const CHARACTERS_MIN: usize = 4;
        match self {
            Self::Mask(mask) => mask.chars().filter(|c| !"*?!@.".contains(*c)).count() < CHARACTERS_MIN,
            Self::Network { address, prefix } => *prefix < if address.is_ipv4() { 8 } else { 16 },
            Self::Account(_) | Self::Room(_) => false,
        }
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

/// As operators read it.
impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mask(mask) => f.write_str(mask),
            Self::Account(account) => write!(f, "$a:{account}"),
            Self::Network { address, prefix } if *prefix == width(*address) => write!(f, "{address}"),
            Self::Network { address, prefix } => write!(f, "{address}/{prefix}"),
            Self::Room(room) => write!(f, "{room}"),
        }
    }
}

impl Bar {
    /// Whether it holds at a time.
    #[must_use]
    pub fn holds(&self, now_ms: u64) -> bool {
        self.until_ms.is_none_or(|until| now_ms < until)
    }

    /// Whether it can be shown in a line.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        [&self.reason, &self.by]
            .into_iter()
            .all(|text| text.len() <= PHRASE_BYTES_MAX && !text.contains(['\0', '\r', '\n']))
    }
}

/// All bars, as a function of the set of what was said. Drive it: hand everything to [`Bars::set`], in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bars {
    words: BTreeMap<Barred, (OrderKey, Option<Bar>)>,
}

impl Bars {
    /// Of nobody.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: BTreeMap::new() }
    }

    /// Takes a word in. Returns whether it is the newest one on its target.
    pub fn set(&mut self, at: OrderKey, target: &Barred, bar: Option<&Bar>) -> bool {
        if !target.is_sound() || bar.is_some_and(|bar| !bar.is_sound()) {
            return false;
        }
        if self.words.get(target).is_some_and(|(held, _)| *held >= at) {
            return false;
        }
        self.words.insert(target.clone(), (at, bar.cloned()));
        true
    }

    /// What is barred at a time, in order, with when it was said.
    pub fn iter(&self, now_ms: u64) -> impl Iterator<Item = (&Barred, &Bar, OrderKey)> + '_ {
        let all = self.words.iter().filter_map(|(target, (at, bar))| bar.as_ref().map(|bar| (target, bar, *at)));
        all.filter(move |(_, bar, _)| bar.holds(now_ms))
    }

    /// The bar on exactly that, at a time.
    #[must_use]
    pub fn get(&self, target: &Barred, now_ms: u64) -> Option<&Bar> {
        self.words.get(target)?.1.as_ref().filter(|bar| bar.holds(now_ms))
    }

    /// What keeps somebody out at a time.
    #[must_use]
    pub fn against(&self, suspect: &Suspect<'_>, now_ms: u64) -> Option<(&Barred, &Bar)> {
        self.iter(now_ms).find(|(target, ..)| target.means(suspect)).map(|(target, bar, _)| (target, bar))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::order_key;
    use proptest::prelude::*;

    fn bar(until_ms: Option<u64>) -> Bar {
        Bar { reason: "spam".to_owned(), by: "root".to_owned(), until_ms }
    }

    fn text(written: &str) -> Option<String> {
        Barred::parse(written).map(|target| target.to_string())
    }

    #[test]
    fn targets_are_completed_and_networks_recognised() {
        assert_eq!(text("Spammer").as_deref(), Some("spammer!*@*"));
        assert_eq!(text("*@*.Bad.ip").as_deref(), Some("*!*@*.bad.ip"));
        assert_eq!(text("*@192.0.2.77/24").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(text("*@2001:db8::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(text("$a:Eve").as_deref(), Some("$a:eve"));
        assert_eq!(text("a b"), None);
        assert_eq!(Barred::network("192.0.2.0/33"), None);
        assert_eq!(Barred::network("::ffff:192.0.2.1"), Barred::network("192.0.2.1"));
        assert_eq!(Barred::network("0.0.0.0/0").map(|all| all.is_too_wide()), Some(true));
        assert!(Barred::parse("*@*").unwrap().is_too_wide());
        assert!(!Barred::parse("spammer").unwrap().is_too_wide());
    }

    #[test]
    fn a_network_means_its_addresses_and_no_others() {
        let network = Barred::network("192.0.2.0/24").unwrap();
        let means = |address: &str| {
            network.means(&Suspect { mask: None, account: None, address: Some(address.parse().unwrap()) })
        };
        assert!(means("192.0.2.255") && means("::ffff:192.0.2.1"));
        assert!(!means("192.0.3.1") && !means("2001:db8::1"));
    }

    #[test]
    fn a_bar_ends_with_its_time_or_when_it_is_lifted() {
        let mut bars = Bars::new();
        let target = Barred::parse("eve").unwrap();
        let eve = Suspect { mask: Some(("Eve", "e", "host")), account: None, address: None };
        assert!(bars.set(order_key(10, 1), &target, Some(&bar(Some(1_000)))));
        assert!(bars.against(&eve, 999).is_some() && bars.against(&eve, 1_000).is_none());
        assert!(bars.set(order_key(20, 1), &target, Some(&bar(None))));
        assert!(bars.against(&eve, u64::MAX).is_some());
        assert!(bars.set(order_key(30, 1), &target, None));
        assert!(!bars.set(order_key(25, 2), &target, Some(&bar(None))));
        assert!(bars.against(&eve, 0).is_none());
    }

    proptest! {
        #[test]
        fn every_order_of_words_ends_alike(
            words in prop::collection::vec((0u64..20, 1u8..4, any::<bool>()), 1..16),
            order in Just((0usize..16).collect::<Vec<_>>()).prop_shuffle()
        ) {
            // What an origin says at a time is one thing.
            let say = |(hlc, origin, _): &(u64, u8, bool)| {
                let target = Barred::parse(["eve", "mallory"][usize::from(origin % 2)]).unwrap();
                (order_key(*hlc, *origin), target, (hlc % 3 != 0).then(|| bar(Some(*hlc))))
            };
            let run = |order: &[usize]| {
                let mut bars = Bars::new();
                for word in order.iter().filter_map(|index| words.get(*index)) {
                    let (at, target, bar) = say(word);
                    bars.set(at, &target, bar.as_ref());
                }
                bars
            };
            let in_order: Vec<usize> = (0..16).collect();
            prop_assert_eq!(run(&order), run(&in_order));
        }
    }
}
