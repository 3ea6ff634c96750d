//! How many incoming connections are between their first packet and their link, in total and from one source.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// In total; more are ignored until some end or time out.
const TOTAL_MAX: usize = 256;
/// From one source, so that one cannot take all: several nodes behind one address may come at once.
const SOURCE_MAX: usize = 64;
/// With so many under way, who comes must first prove its address (RFC 9000 section 8.1.2), so that forged ones cost nothing.
const UNPROVEN_MAX: usize = 32;

#[derive(Clone, Debug, Default)]
pub(crate) struct Handshakes(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// What to do with an incoming connection.
#[derive(Debug)]
pub(crate) enum Entry {
    /// Go on, and keep the slot for as long as it lasts.
    Proceed(Slot),
    /// Ask it to come back from its address.
    Prove,
    /// Say nothing.
    Ignore,
}

/// One handshake under way.
#[derive(Debug)]
pub(crate) struct Slot {
    handshakes: Handshakes,
    source: IpAddr,
}

impl Handshakes {
    /// Judges an incoming connection; `proven`: its address is shown to be its own.
    pub(crate) fn enter(&self, address: IpAddr, proven: bool) -> Entry {
        let source = source(address);
        let mut under_way = self.lock();
        let total: usize = under_way.values().sum();
        let from_source = under_way.get(&source).copied().unwrap_or(0);
        if total >= TOTAL_MAX || from_source >= SOURCE_MAX {
            return Entry::Ignore;
        }
        if total >= UNPROVEN_MAX && !proven {
            return Entry::Prove;
        }
        under_way.insert(source, from_source + 1);
        Entry::Proceed(Slot { handshakes: self.clone(), source })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut under_way = self.handshakes.lock();
        match under_way.get_mut(&self.source) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                under_way.remove(&self.source);
            }
        }
    }
}

/// One customer has a whole /64 in IPv6.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn one_source_cannot_take_every_slot() {
        let handshakes = Handshakes::default();
        let mut slots = Vec::new();
        while let Entry::Proceed(slot) = handshakes.enter(address(1), true) {
            slots.push(slot);
        }
        assert_eq!(slots.len(), SOURCE_MAX);
        assert!(matches!(handshakes.enter(address(2), true), Entry::Proceed(_)));
        drop(slots);
        assert!(matches!(handshakes.enter(address(1), true), Entry::Proceed(_)));
        assert!(handshakes.lock().is_empty());
    }

    #[test]
    fn under_load_addresses_are_proven_and_all_is_bounded() {
        let handshakes = Handshakes::default();
        let mut slots = Vec::new();
        for last in 0..=255 {
            match handshakes.enter(address(last), false) {
                Entry::Proceed(slot) => slots.push(slot),
                Entry::Prove => break,
                Entry::Ignore => panic!("ignored at {last}"),
            }
        }
        assert_eq!(slots.len(), UNPROVEN_MAX);
        for last in 0..=255 {
            if let Entry::Proceed(slot) = handshakes.enter(address(last), true) {
                slots.push(slot);
            }
        }
        assert_eq!(slots.len(), TOTAL_MAX);
        assert!(matches!(handshakes.enter("2001:db8::1".parse().unwrap(), true), Entry::Ignore));
    }
}
