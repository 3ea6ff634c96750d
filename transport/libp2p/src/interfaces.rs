//! The addresses of this machine that the socket is reached at, as they come and go.

use futures::StreamExt;
use if_watch::IfEvent;
use if_watch::tokio::IfWatcher;
use std::net::{IpAddr, SocketAddr};

/// A change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// There is one more.
    Up(SocketAddr),
    /// One is gone.
    Down(SocketAddr),
}

/// Watches for them.
pub(crate) struct Interfaces {
    watcher: Option<IfWatcher>,
    bound: SocketAddr,
    first: Option<Change>,
}

impl Interfaces {
    /// Of a socket that is bound to `bound`: to one address, which stays, or to all of a family.
    ///
    /// # Errors
    /// When the system does not tell its addresses.
    pub(crate) fn watch(bound: SocketAddr) -> std::io::Result<Self> {
        let is_any = bound.ip().is_unspecified();
        let watcher = if is_any { Some(IfWatcher::new()?) } else { None };
        Ok(Self { watcher, bound, first: (!is_any).then_some(Change::Up(bound)) })
    }

    /// The next change; waits for ever when there is none to come.
    pub(crate) async fn next(&mut self) -> Change {
        if let Some(first) = self.first.take() {
            return first;
        }
        let Some(watcher) = &mut self.watcher else { return std::future::pending().await };
        loop {
            let change = match watcher.next().await {
                Some(Ok(IfEvent::Up(net))) => (net.addr(), true),
                Some(Ok(IfEvent::Down(net))) => (net.addr(), false),
                Some(Err(error)) => {
                    tracing::warn!(%error, "addresses of this machine cannot be read");
                    continue;
                }
                None => return std::future::pending().await,
            };
            if let (ip, up) = change
                && is_reached(self.bound.ip(), ip)
            {
                let address = SocketAddr::new(ip, self.bound.port());
                return if up { Change::Up(address) } else { Change::Down(address) };
            }
        }
    }
}

/// Whether others may reach a socket that is bound to all addresses of a family at this one.
fn is_reached(bound: IpAddr, ip: IpAddr) -> bool {
    let is_local = match ip {
        IpAddr::V4(ip) => ip.is_loopback(),
        // Link-local addresses mean nothing without their interface.
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    };
    !is_local && (bound.is_ipv6() || ip.is_ipv4())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn only_what_others_can_dial_counts() {
        let (four, six): (IpAddr, IpAddr) = ("0.0.0.0".parse().unwrap(), "::".parse().unwrap());
        assert!(is_reached(four, "192.0.2.1".parse().unwrap()));
        assert!(is_reached(six, "192.0.2.1".parse().unwrap()));
        assert!(is_reached(six, "2001:db8::1".parse().unwrap()));
        for (bound, ip) in [(four, "127.0.0.1"), (four, "2001:db8::1"), (six, "::1"), (six, "fe80::1")] {
            assert!(!is_reached(bound, ip.parse().unwrap()), "{ip}");
        }
    }

    #[tokio::test]
    async fn one_address_is_told_once() {
        let bound = "127.0.0.1:7667".parse().unwrap();
        let mut interfaces = Interfaces::watch(bound).unwrap();
        assert_eq!(interfaces.next().await, Change::Up(bound));
        assert_eq!(interfaces.next().now_or_never(), None);
    }
}
