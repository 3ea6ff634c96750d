//! The host that others see instead of an address: the same on every node of the mesh, and not to be turned back into the address by who
//! does not know the mesh.

use std::net::IpAddr;

/// Digits of base 32 a part: 35 bits, so that two networks of one server rarely look the same.
const PART_DIGITS: usize = 7;

const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Makes cloaks.
#[derive(Clone, Debug)]
pub(crate) struct Cloak {
    key: [u8; 32],
}

impl Cloak {
    /// The cloak of a mesh.
    pub(crate) fn new(mesh: &[u8; 16]) -> Self {
        Self { key: blake3::derive_key("lavina 1 cloak", mesh) }
    }

    /// `<host>.<network>.<provider>.ip`, so that a ban can name an address or what is around it: /32, /24 and /16 of IPv4, /64, /48 and /32 of
    /// IPv6, in which one person has a /64 at least.
    pub(crate) fn host(&self, address: IpAddr) -> String {
        let (bytes, widths): (Vec<u8>, [usize; 3]) = match address.to_canonical() {
            IpAddr::V4(address) => (address.octets().to_vec(), [4, 3, 2]),
            IpAddr::V6(address) => (address.octets().to_vec(), [8, 6, 4]),
        };
        let parts = widths.map(|width| self.part(bytes.get(..width).unwrap_or(&bytes)));
        format!("{}.ip", parts.join("."))
    }

    fn part(&self, bytes: &[u8]) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        // The length keeps a short IPv6 prefix apart from an IPv4 address.
        hasher.update(bytes);
        let hash = hasher.finalize();
        let digit = |byte: &u8| DIGITS.get(usize::from(byte & 31)).copied().map_or('a', char::from);
        hash.as_bytes().iter().take(PART_DIGITS).map(digit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_their_network_and_nothing_else() {
        let cloak = Cloak::new(&[1; 16]);
        let host = |text: &str| cloak.host(text.parse().unwrap());
        let (a, b) = (host("192.0.2.1"), host("192.0.2.2"));
        assert_ne!(a, b);
        assert_eq!(a.split_once('.').unwrap().1, b.split_once('.').unwrap().1);
        assert_eq!(host("2001:db8::1"), host("2001:db8::2"), "one /64");
        assert_eq!(host("::ffff:192.0.2.1"), a);
        assert_ne!(Cloak::new(&[2; 16]).host("192.0.2.1".parse().unwrap()), a);
    }
}
