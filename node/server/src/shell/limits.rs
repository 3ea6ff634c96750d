//! How many connections one address may have that have not registered yet.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most connections of one address (IPv4) or /64 (IPv6) that have not registered: a school behind one address can reconnect at once, and an
/// idler who opens sockets only gets few.
const UNREGISTERED_MAX: u32 = 64;

/// Counts by address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses(Arc<Mutex<BTreeMap<IpAddr, u32>>>);

/// A place among the unregistered connections of an address; given back when dropped.
#[derive(Debug)]
pub(crate) struct Unregistered {
    addresses: Addresses,
    key: Option<IpAddr>,
}

/// What counts as one address: one customer has a /64 of IPv6 at least.
fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

impl Addresses {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection; `None` when the address has too many. This machine itself has no limit: a proxy is here.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Unregistered> {
        let key = key(address);
        if key.is_loopback() {
            return Some(Unregistered { addresses: self.clone(), key: None });
        }
        let mut counts = self.lock();
        let count = counts.entry(key).or_default();
        if *count >= UNREGISTERED_MAX {
            return None;
        }
        *count += 1;
        Some(Unregistered { addresses: self.clone(), key: Some(key) })
    }
}

impl Drop for Unregistered {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let mut counts = self.addresses.lock();
        if let Some(count) = counts.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_places_back() {
        let addresses = Addresses::default();
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let mut places: Vec<_> = (0..UNREGISTERED_MAX).map(|_| addresses.enter(address).unwrap()).collect();
        assert!(addresses.enter("2001:db8::2".parse().unwrap()).is_none(), "the same /64");
        assert!(addresses.enter("2001:db8:0:1::1".parse().unwrap()).is_some());
        places.pop();
        assert!(addresses.enter(address).is_some());
        places.clear();
        assert!(addresses.lock().is_empty());
    }
}
