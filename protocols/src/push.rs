//! Subscriptions to push messages (RFC 8030): how one is kept in a register of its account, and what is sent to it.
//!
//! Who sends is the shell: encrypted for the subscription's keys (RFC 8291), to nobody but push services that everybody can reach.

use crate::event::Said;
use crate::irc;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::net::{IpAddr, Ipv6Addr};

/// Before the keys of the registers, below those of clients. The core tells the shell of what is said to accounts that have any.
pub const PREFIX: &str = "push/";
/// Longest endpoint, bytes: those in use have some 200.
const ENDPOINT_BYTES_MAX: usize = 512;
/// An uncompressed point of P-256 (RFC 8291 section 3.1).
const KEY_BYTES: usize = 65;
/// What the register of a client of IRC begins with.
const IRC: &str = "irc";

/// How what is said is written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// As one line of IRC, with these capabilities (IRCv3 `draft/webpush`).
    Irc(u64),
}

/// Where a device wants to hear of what is said to its account, and with which keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The URL of its push service.
    pub endpoint: String,
    /// The device's public key.
    pub public: Vec<u8>,
    /// What only the device and the nodes know.
    pub secret: [u8; 16],
    form: Form,
}

impl Subscription {
    /// One that a client of IRC asks for; `None` when it is none.
    pub(crate) fn irc(endpoint: &str, public: Vec<u8>, secret: Vec<u8>, caps: u64) -> Option<Self> {
        let is_key = public.len() == KEY_BYTES && public.first() == Some(&4);
        host_and_port(endpoint).filter(|_| is_key)?;
        Some(Self { endpoint: endpoint.to_owned(), public, secret: secret.try_into().ok()?, form: Form::Irc(caps) })
    }

    /// One of a client without capabilities.
    #[must_use]
    pub fn plain(endpoint: &str, public: Vec<u8>, secret: [u8; 16]) -> Option<Self> {
        Self::irc(endpoint, public, secret.to_vec(), 0)
    }

    /// The key of its register.
    #[must_use]
    pub fn key(endpoint: &str) -> String {
        format!("{PREFIX}{}", blake3::hash(endpoint.as_bytes()).to_hex())
    }

    /// The value of its register.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Form::Irc(caps) = self.form;
        let (public, secret) = (URL_SAFE_NO_PAD.encode(&self.public), URL_SAFE_NO_PAD.encode(self.secret));
        format!("{IRC} {caps} {public} {secret} {}", self.endpoint).into_bytes()
    }

    /// A register's value read back.
    #[must_use]
    pub fn decode(value: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(value).ok()?.split(' ');
        let caps = words.next().filter(|form| *form == IRC).and(words.next())?.parse().ok()?;
        let mut key = || URL_SAFE_NO_PAD.decode(words.next()?).ok();
        let (public, secret) = (key()?, key()?);
        Self::irc(words.next()?, public, secret, caps)
    }

    /// What is sent of something said; nothing of what the device could not show.
    #[must_use]
    pub fn payload(&self, said: &Said, node: &str) -> Option<String> {
        match self.form {
            Form::Irc(caps) => irc::push_line(caps, said, node),
        }
    }
}

/// The host and port of an endpoint, and the rest of it; `None` for what is no URL of a push service.
#[must_use]
pub fn host_and_port(endpoint: &str) -> Option<(&str, u16, &str)> {
    let rest = endpoint.strip_prefix("https://").filter(|_| endpoint.len() <= ENDPOINT_BYTES_MAX)?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    if !endpoint.bytes().all(|byte| byte.is_ascii_graphic()) || authority.contains('@') || path.contains('#') {
        return None;
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        Some(_) | None => (authority, 443),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_reachable = bare.parse().map_or_else(|_| bare.contains('.'), is_public);
    is_reachable.then_some((bare, port, path))
}

/// Whether an address is one of the whole internet, so that nobody has a node call what only it can reach (RFC 6890).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            let is_special = first == 0 || first >= 240 || (first == 192 && second == 0 && third == 0);
            let is_benchmark = first == 198 && (second == 18 || second == 19);
            !(address.is_loopback()
                || address.is_private()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_documentation()
                || is_shared
                || is_special
                || is_benchmark)
        }
        IpAddr::V6(address) => is_global_unicast(address),
    }
}

/// 2000::/3 without documentation and without what stands for an address of IPv4 that may be private: 6to4 and Teredo.
fn is_global_unicast(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let stands_for_another = first == 0x2002 || (first == 0x2001 && second < 0x0200);
    first & 0xe000 == 0x2000 && !stands_for_another && !(first == 0x2001 && second == 0x0db8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_where_everybody_can_reach_it_in_tls() {
        for (endpoint, expected) in [
            ("https://push.example.org/abc?d=e", Some(("push.example.org", 443, "/abc?d=e"))),
            ("https://push.example.org:8443", Some(("push.example.org", 8443, "/"))),
            ("https://[2a00:1450::1]/x", Some(("2a00:1450::1", 443, "/x"))),
            ("http://push.example.org/", None),
            ("https://localhost/", None),
            ("https://10.0.0.1/", None),
            ("https://[::1]:443/", None),
            ("https://[::ffff:192.168.0.1]/", None),
            ("https://169.254.169.254/", None),
            ("https://user@push.example.org/", None),
            ("https://push.example.org/a b", None),
            ("https://push.example.org/\r\nX: y", None),
        ] {
            assert_eq!(host_and_port(endpoint), expected, "{endpoint}");
        }
        assert!(!is_public("fd00::1".parse().unwrap()) && !is_public("2002:a00:1::".parse().unwrap()));
    }

    #[test]
    fn a_subscription_is_read_back_and_needs_whole_keys() {
        let public = [vec![4], vec![7; 64]].concat();
        let endpoint = "https://push.example.org/abc";
        let subscription = Subscription::irc(endpoint, public.clone(), vec![1; 16], 5).unwrap();
        assert_eq!(Subscription::decode(&subscription.encode()), Some(subscription));
        assert_eq!(Subscription::irc(endpoint, public.clone(), vec![1; 15], 5), None);
        assert_eq!(Subscription::irc(endpoint, public[1..].to_vec(), vec![1; 16], 5), None);
        assert_eq!(Subscription::decode(b"no"), None);
    }
}
