//! Addresses as the two worlds write them: `host:port` and multiaddresses (libp2p specification, "addressing").

use libp2p::Multiaddr;
use libp2p::PeerId;
use libp2p::multiaddr::Protocol;
use std::net::{IpAddr, SocketAddr};

/// The QUIC address of a socket.
pub(crate) fn of_socket(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Udp(address.port())).with(Protocol::QuicV1)
}

/// What `host:port` is as a QUIC address; the host may be a name. `None` for anything else.
pub(crate) fn of_text(text: &str) -> Option<Multiaddr> {
    if let Ok(address) = text.parse() {
        return Some(of_socket(address));
    }
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    if host.is_empty() || host.contains(['/', ':', '[', ']']) {
        return None;
    }
    Some(Multiaddr::empty().with(Protocol::Dns(host.into())).with(Protocol::Udp(port)).with(Protocol::QuicV1))
}

/// Where a QUIC address leads: host, port and, where it names one, whom. `None` for other ways, circuits among them.
pub(crate) fn read(address: &Multiaddr) -> Option<(Host, u16, Option<PeerId>)> {
    let mut parts = address.iter();
    let host = host(parts.next()?)?;
    let Some(Protocol::Udp(port)) = parts.next() else { return None };
    let Some(Protocol::QuicV1) = parts.next() else { return None };
    let peer = match parts.next() {
        None => None,
        Some(Protocol::P2p(peer)) => Some(peer),
        Some(_) => return None,
    };
    parts.next().is_none().then_some((host, port, peer))
}

/// Whether an address of the data plane is one that the whole world can dial: names count as such, addresses of private networks (RFC 1918,
/// RFC 6598, RFC 4193) do not.
pub(crate) fn is_public(text: &str) -> bool {
    match text.parse::<SocketAddr>().map(|address| address.ip()) {
        Ok(IpAddr::V4(ip)) => {
            let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared)
        }
        Ok(IpAddr::V6(ip)) => !(ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local()),
        Err(_) => of_text(text).is_some(),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of all that addresses may begin with, these are hosts")]
fn host(part: Protocol<'_>) -> Option<Host> {
    match part {
        Protocol::Ip4(ip) => Some(Host::Ip(ip.into())),
        Protocol::Ip6(ip) => Some(Host::Ip(ip.into())),
        Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => Some(Host::Name(name.into_owned())),
        _ => None,
    }
}

/// Where a QUIC address leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// To this machine.
    Ip(IpAddr),
    /// To whatever a name resolves to.
    Name(String),
}

/// The address as the data plane dials it; `None` where it can't.
pub(crate) fn to_text(address: &Multiaddr) -> Option<String> {
    let (host, port, _) = read(address)?;
    Some(match host {
        Host::Ip(ip) if ip.is_unspecified() || port == 0 => return None,
        Host::Ip(ip) => SocketAddr::new(ip, port).to_string(),
        Host::Name(name) => format!("{name}:{port}"),
    })
}

/// The way to a node through another.
pub(crate) fn circuit(relay: &Multiaddr, by: PeerId) -> Multiaddr {
    let bare: Multiaddr = relay.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect();
    bare.with(Protocol::P2p(by)).with(Protocol::P2pCircuit)
}

/// Whether it is a way through another node.
pub(crate) fn is_circuit(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_data_plane_dials_goes_there_and_back() {
        for text in ["192.0.2.1:7667", "[2001:db8::1]:7667", "eu-1.chat.example:7667"] {
            let address = of_text(text).unwrap();
            assert_eq!(to_text(&address).as_deref(), Some(text), "{address}");
        }
        assert_eq!(of_text("192.0.2.1:7667").unwrap().to_string(), "/ip4/192.0.2.1/udp/7667/quic-v1");
    }

    #[test]
    fn private_networks_are_not_the_world() {
        for text in ["203.0.113.1:7667", "[2001:db8::1]:7667", "eu-1.chat.example:7667"] {
            assert!(is_public(text), "{text}");
        }
        for text in ["10.1.2.3:7667", "192.168.1.2:7667", "100.64.0.1:7667", "127.0.0.1:7667", "[fd00::1]:7667", "x"] {
            assert!(!is_public(text), "{text}");
        }
    }

    #[test]
    fn other_ways_are_none_of_the_data_planes() {
        for text in ["", "host", ":7667", "host:port", "host:70000", "a/b:1"] {
            assert_eq!(of_text(text), None, "{text}");
        }
        let peer = PeerId::random();
        let relay = of_text("192.0.2.1:7667").unwrap();
        for address in [circuit(&relay, peer), "/ip4/192.0.2.1/tcp/7667".parse().unwrap(), Multiaddr::empty()] {
            assert_eq!(to_text(&address), None, "{address}");
        }
        assert!(is_circuit(&circuit(&relay.clone().with(Protocol::P2p(peer)), peer)));
        assert_eq!(to_text(&of_text("0.0.0.0:7667").unwrap()), None);
        assert_eq!(read(&relay.with(Protocol::P2p(peer))).unwrap().2, Some(peer));
    }
}
