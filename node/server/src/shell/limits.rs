//! How many connections one address may have, in all and before they have registered.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most connections of one address (IPv4) or /64 (IPv6) that have not registered: a school behind one address can reconnect at once, and an
/// idler who opens sockets only gets few.
const UNREGISTERED_MAX: u32 = 64;

/// Connections of one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    all: u32,
    unregistered: u32,
}

/// Counts by address.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    counts: Arc<Mutex<BTreeMap<IpAddr, Count>>>,
    /// Most connections of one address in all.
    max: u32,
}

/// A place among the connections of an address; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    addresses: Addresses,
    key: Option<IpAddr>,
    registered: bool,
}

/// What counts as one address: one customer has a /64 of IPv6 at least.
fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

impl Addresses {
    /// With room for so many connections of one address.
    pub(crate) fn new(max: u32) -> Self {
        Self { counts: Arc::default(), max }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection; `None` when the address has too many. This machine itself has no limit: a proxy is here.
    pub(crate) fn enter(&self, address: Option<IpAddr>) -> Option<Place> {
        let Some(key) = address.map(key).filter(|key| !key.is_loopback()) else { return Some(self.unlimited()) };
        let mut counts = self.lock();
        let count = counts.entry(key).or_default();
        if count.unregistered >= UNREGISTERED_MAX || count.all >= self.max {
            return None;
        }
        count.unregistered += 1;
        count.all += 1;
        Some(Place { addresses: self.clone(), key: Some(key), registered: false })
    }

    /// A place for who is not counted.
    pub(crate) fn unlimited(&self) -> Place {
        Place { addresses: self.clone(), key: None, registered: false }
    }
}

impl Place {
    /// The connection is another address's. `false`: that one has too many.
    pub(crate) fn move_to(&mut self, address: IpAddr) -> bool {
        let moved = self.addresses.enter(Some(address));
        let has_room = moved.is_some();
        if let Some(place) = moved {
            *self = place;
        }
        has_room
    }

    /// The connection has registered.
    pub(crate) fn register(&mut self) {
        if let (Some(key), false) = (self.key, std::mem::replace(&mut self.registered, true))
            && let Some(count) = self.addresses.lock().get_mut(&key)
        {
            count.unregistered -= 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.register();
        let Some(key) = self.key else { return };
        let mut counts = self.addresses.lock();
        if let Some(count) = counts.get_mut(&key) {
            count.all -= 1;
            if count.all == 0 {
                counts.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_address_gets_its_places_back() {
        let addresses = Addresses::new(1000);
        let first = address("2001:db8::1");
        let mut places: Vec<_> = (0..UNREGISTERED_MAX).map(|_| addresses.enter(first).unwrap()).collect();
        assert!(addresses.enter(address("2001:db8::2")).is_none(), "the same /64");
        assert!(addresses.enter(address("2001:db8:0:1::1")).is_some());
        places.pop();
        assert!(addresses.enter(first).is_some());
        places.clear();
        assert!(addresses.lock().is_empty());
    }

    #[test]
    fn who_has_registered_makes_room_for_others_up_to_all_that_one_address_may_have() {
        let addresses = Addresses::new(UNREGISTERED_MAX + 2);
        let first = address("192.0.2.1");
        let mut places = Vec::new();
        while let Some(mut place) = addresses.enter(first) {
            place.register();
            place.register();
            places.push(place);
        }
        assert_eq!(places.len(), usize::try_from(UNREGISTERED_MAX).unwrap() + 2);
        let mut gateway = addresses.unlimited();
        assert!(!gateway.move_to("192.0.2.1".parse().unwrap()));
        assert!(gateway.move_to("192.0.2.2".parse().unwrap()));
        drop(gateway);
        assert!(addresses.enter(address("192.0.2.2")).is_some());
        assert!(addresses.enter(address("::1")).is_some() && addresses.enter(None).is_some());
        places.clear();
        assert!(addresses.lock().is_empty());
    }
}
