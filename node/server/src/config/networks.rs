//! Named networks: whose word on a client's address is taken.

use lavina_crdt::barred::{Barred, Suspect};
use std::net::IpAddr;

/// What stands for Unix sockets, which have no address.
const UNIX: &str = "unix";

/// Networks, and perhaps Unix sockets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Networks {
    networks: Vec<Barred>,
    unix: bool,
}

impl Networks {
    /// From addresses, networks (`10.0.0.0/8`) and `unix`; the first that is none of these is the error.
    ///
    /// # Errors
    /// That one's place.
    pub(crate) fn parse(texts: &[impl AsRef<str>]) -> Result<Self, usize> {
        let mut parsed = Self::default();
        for (index, text) in texts.iter().enumerate() {
            match text.as_ref() {
                UNIX => parsed.unix = true,
                text => parsed.networks.push(Barred::network(text).ok_or(index)?),
            }
        }
        Ok(parsed)
    }

    /// Those of both.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.networks.extend_from_slice(&other.networks);
        self.unix |= other.unix;
        self
    }

    /// Whether that address is in one of them; `None` is a Unix socket.
    pub(crate) fn have(&self, address: Option<IpAddr>) -> bool {
        if address.is_none() {
            return self.unix;
        }
        let suspect = Suspect { mask: None, account: None, address };
        self.networks.iter().any(|network| network.means(&suspect))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_the_network_that_it_begins_with() {
        let networks = Networks::parse(&["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]).unwrap();
        for (address, expected) in [
            ("10.1.2.3", true),
            ("11.0.0.1", false),
            ("::ffff:10.1.2.3", true),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
        ] {
            assert_eq!(networks.have(Some(address.parse().unwrap())), expected, "{address}");
        }
        assert!(!networks.have(None));
        assert!(Networks::parse(&["unix"]).unwrap().have(None));
        assert_eq!(Networks::parse(&["10.0.0.0/8", "10.0.0.0/33"]), Err(1));
    }
}
