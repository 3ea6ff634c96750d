//! What a reverse proxy says of who it asks for: `X-Forwarded-For` and `X-Forwarded-Proto`.
//!
//! Anybody can write these headers; they are only read from proxies that the configuration names, and of the list only what such proxies added:
//! from its end to the first address that is none of theirs.

use crate::config::Networks;
use axum::http::HeaderMap;
use std::net::{IpAddr, SocketAddr};

/// Most addresses looked at: a chain of proxies is short.
const HOPS_MAX: usize = 16;

/// The client's address.
pub(super) fn client(headers: &HeaderMap, proxies: &Networks) -> Option<IpAddr> {
    let values = headers.get_all("x-forwarded-for").into_iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    let mut last = None;
    for hop in hops.into_iter().rev().take(HOPS_MAX) {
        let Some(address) = address(hop) else { break };
        last = Some(address);
        if !proxies.have(last) {
            break;
        }
    }
    last
}

/// Whether the client's way to the proxy is encrypted.
pub(super) fn is_secure(headers: &HeaderMap) -> bool {
    let protocol = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok()).unwrap_or_default();
    ["https", "wss"].iter().any(|secure| protocol.trim().eq_ignore_ascii_case(secure))
}

/// An address, which some proxies write with a port and IPv6 in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    parsed.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(values: &[&'static str]) -> Option<String> {
        let proxies = Networks::parse(&["10.0.0.0/8"]).unwrap();
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        client(&headers, &proxies).map(|address| address.to_string())
    }

    #[test]
    fn only_what_trusted_proxies_have_added_is_believed() {
        assert_eq!(told(&[]), None);
        assert_eq!(told(&["192.0.2.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(told(&["198.51.100.9, 192.0.2.1, 10.0.0.7"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(told(&["198.51.100.9", "[2001:db8::1]:443"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(told(&["10.1.1.1, 10.0.0.7"]).as_deref(), Some("10.1.1.1"));
        assert_eq!(told(&["unknown"]), None);
        assert_eq!(told(&["192.0.2.1, nonsense, 10.0.0.7"]).as_deref(), Some("10.0.0.7"));
        assert_eq!(told(&["::ffff:192.0.2.1"]).as_deref(), Some("192.0.2.1"));
    }
}
