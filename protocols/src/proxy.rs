//! The header that a proxy puts before a client's bytes, with the client's address: the PROXY protocol, versions 1 and 2 (haproxy.org,
//! `proxy-protocol.txt`).
//!
//! Drive it: hand [`parse`] all that has come since the connection began, until it says more than "not yet". Whether a connection comes from a proxy
//! at all is not guessed from its bytes; who calls this knows it from where the connection comes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest line of version 1, its end included (section 2.1).
const LINE_BYTES_MAX: usize = 107;
/// What version 1 begins with.
const LINE_OPEN: &[u8] = b"PROXY ";
/// What version 2 begins with (section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, and the length of the rest.
const FIXED_BYTES: usize = 16;
/// Longest rest of version 2: two addresses and whatever a proxy has to tell of certificates, which is ignored here.
const REST_BYTES_MAX: usize = 4096;

/// Most bytes of a header.
pub const HEADER_BYTES_MAX: usize = FIXED_BYTES + REST_BYTES_MAX;

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The client's address; `None` where the proxy speaks for itself or does not know it: the connection's own address counts.
    pub source: Option<IpAddr>,
    /// How many bytes the header has; the client's follow.
    pub length: usize,
}

/// Why the bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// They begin like neither version.
    #[error("no PROXY header")]
    Missing,
    /// They begin like one.
    #[error("a malformed PROXY header")]
    Malformed,
    /// A header over its limit.
    #[error("a PROXY header that is too long")]
    TooLong,
}

/// The header at the beginning of `bytes`; `None` when more of it is to come.
///
/// # Errors
/// [`ProxyError`]: the connection is to be closed.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, ProxyError> {
    if begins_alike(bytes, SIGNATURE) {
        parse_binary(bytes)
    } else if begins_alike(bytes, LINE_OPEN) {
        parse_line(bytes)
    } else {
        Err(ProxyError::Missing)
    }
}

/// Whether one is the beginning of the other.
fn begins_alike(bytes: &[u8], mark: &[u8]) -> bool {
    let common = bytes.len().min(mark.len());
    bytes.get(..common) == mark.get(..common)
}

fn parse_line(bytes: &[u8]) -> Result<Option<Header>, ProxyError> {
    let head = bytes.get(..bytes.len().min(LINE_BYTES_MAX)).unwrap_or_default();
    let Some(end) = head.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < LINE_BYTES_MAX { Ok(None) } else { Err(ProxyError::TooLong) };
    };
    let line = head.get(LINE_OPEN.len()..end).unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| ProxyError::Malformed)?;
    let source = source_of_line(line).ok_or(ProxyError::Malformed)?;
    Ok(Some(Header { source, length: end + 2 }))
}

/// What follows `PROXY `.
fn source_of_line(line: &str) -> Option<Option<IpAddr>> {
    let mut words = line.split(' ');
    let family = words.next()?;
    // Section 2.1: whatever else stands there is to be ignored.
    if family == "UNKNOWN" {
        return Some(None);
    }
    let words: Vec<&str> = words.collect();
    let [source, target, source_port, target_port] = words.as_slice() else { return None };
    let is_port = |text: &&str| text.parse::<u16>().is_ok_and(|port| port.to_string() == **text);
    if !is_port(source_port) || !is_port(target_port) {
        return None;
    }
    match family {
        "TCP4" => target.parse::<Ipv4Addr>().and(source.parse::<Ipv4Addr>()).ok().map(|source| Some(source.into())),
        "TCP6" => target
            .parse::<Ipv6Addr>()
            .and(source.parse::<Ipv6Addr>())
            .ok()
            .map(|source| Some(IpAddr::V6(source).to_canonical())),
        _ => None,
    }
}

fn parse_binary(bytes: &[u8]) -> Result<Option<Header>, ProxyError> {
    // Version 2 in the high half, the command in the low one.
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    let Some((&[command, family, high, low], rest)) =
        bytes.get(SIGNATURE.len()..).and_then(|bytes| bytes.split_first_chunk::<4>())
    else {
        return Ok(None);
    };
    if command != LOCAL && command != PROXY {
        return Err(ProxyError::Malformed);
    }
    let rest_length = usize::from(u16::from_be_bytes([high, low]));
    if rest_length > REST_BYTES_MAX {
        return Err(ProxyError::TooLong);
    }
    let Some(rest) = rest.get(..rest_length) else { return Ok(None) };
    let source = if command == LOCAL { None } else { source_of_block(family, rest).ok_or(ProxyError::Malformed)? };
    Ok(Some(Header { source, length: FIXED_BYTES + rest_length }))
}

/// The source in the address block; what follows it is extensions, which are ignored.
fn source_of_block(family: u8, block: &[u8]) -> Option<Option<IpAddr>> {
    // Family in the high half, transport in the low one.
    const TCP4: u8 = 0x11;
    const TCP6: u8 = 0x21;
    const TCP4_BYTES: usize = 12;
    const TCP6_BYTES: usize = 36;
    match family {
        TCP4 if block.len() < TCP4_BYTES => None,
        TCP6 if block.len() < TCP6_BYTES => None,
        TCP4 => block.first_chunk::<4>().map(|octets| Some(Ipv4Addr::from(*octets).into())),
        TCP6 => block.first_chunk::<16>().map(|octets| Some(IpAddr::from(Ipv6Addr::from(*octets)).to_canonical())),
        // Unspecified, datagrams, Unix sockets.
        _ => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    fn source(bytes: &[u8]) -> Result<Option<String>, ProxyError> {
        parse(bytes).map(|header| header.expect("it is whole").source.map(|source| source.to_string()))
    }

    #[test]
    fn lines_say_who_is_there() {
        for (line, expected) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", Some("192.0.2.1")),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 4124 443\r\n", Some("2001:db8::1")),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 65535\r\n", Some("192.0.2.1")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 whatever 1 2\r\n", None),
        ] {
            let client = format!("{line}NICK a\r\n");
            assert_eq!(source(client.as_bytes()).unwrap().as_deref(), expected, "{line}");
            assert_eq!(parse(client.as_bytes()).unwrap().unwrap().length, line.len());
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for line in [
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
            "PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n",
            "PROXY \u{fc}\r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Err(ProxyError::Malformed), "{line}");
        }
        assert_eq!(parse(&[b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat()), Err(ProxyError::TooLong));
        assert_eq!(parse(b"NICK a\r\n"), Err(ProxyError::Missing));
        assert_eq!(parse(b"proxy TCP4"), Err(ProxyError::Missing));
    }

    #[test]
    fn blocks_say_who_is_there() {
        let tcp4 = [192, 0, 2, 1, 198, 51, 100, 1, 1, 2, 1, 187];
        let tcp6 = [&Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets()[..], &[0; 20]].concat();
        let extended = [&tcp4[..], &[0x20, 0, 3, 1, 2, 3]].concat();
        for (header, expected) in [
            (binary(0x21, 0x11, &tcp4), Some("192.0.2.1")),
            (binary(0x21, 0x11, &extended), Some("192.0.2.1")),
            (binary(0x21, 0x21, &tcp6), Some("2001:db8::1")),
            (binary(0x20, 0x11, &tcp4), None),
            (binary(0x20, 0, &[]), None),
            (binary(0x21, 0, &[]), None),
            (binary(0x21, 0x31, &[0; 216]), None),
        ] {
            let client = [&header[..], b"NICK a\r\n"].concat();
            assert_eq!(source(&client).unwrap().as_deref(), expected, "{header:?}");
            assert_eq!(parse(&client).unwrap().unwrap().length, header.len());
        }
        for wrong in [
            binary(0x11, 0x11, &tcp4),
            binary(0x22, 0x11, &tcp4),
            binary(0x21, 0x11, &tcp4[..11]),
            binary(0x21, 0x21, &tcp4),
        ] {
            assert_eq!(parse(&wrong), Err(ProxyError::Malformed), "{wrong:?}");
        }
        assert_eq!(parse(&binary(0x21, 0x11, &[0; REST_BYTES_MAX + 1])), Err(ProxyError::TooLong));
        assert_eq!(parse(b"\r\n\r\n\0\r\nQUIT\r"), Err(ProxyError::Missing));
    }

    fn headers() -> impl Strategy<Value = Vec<u8>> {
        let line = (any::<[u8; 4]>(), any::<u16>()).prop_map(|(octets, port)| {
            format!("PROXY TCP4 {} 198.51.100.1 {port} 443\r\n", Ipv4Addr::from(octets)).into_bytes()
        });
        let long = any::<[u16; 8]>()
            .prop_map(|parts| format!("PROXY TCP6 {} ::1 1 2\r\n", Ipv6Addr::from(parts)).into_bytes());
        let block = (
            0x20u8..0x22,
            prop_oneof![Just(0x11u8), Just(0x21), any::<u8>()],
            prop::collection::vec(any::<u8>(), 36..80),
        )
            .prop_map(|(command, family, rest)| binary(command, family, &rest));
        prop_oneof![line, long, block]
    }

    proptest! {
        #[test]
        fn a_header_is_known_when_it_is_whole_and_not_before(header in headers(), client in prop::collection::vec(any::<u8>(), 0..20)) {
            for length in 0..header.len() {
                prop_assert_eq!(parse(&header[..length]), Ok(None));
            }
            let whole = parse(&header).unwrap().unwrap();
            prop_assert_eq!(whole.length, header.len());
            prop_assert_eq!(parse(&[&header[..], &client].concat()), Ok(Some(whole)));
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_never_wait_beyond_the_limit(
            start in prop_oneof![Just(&b""[..]), Just(&SIGNATURE[..]), Just(LINE_OPEN), Just(&b"PROXY TCP4 "[..])],
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            pad in 0..2usize,
        ) {
            let bytes = [start, &bytes, &vec![b'x'; pad * HEADER_BYTES_MAX]].concat();
            let parsed = parse(&bytes);
            prop_assert!(bytes.len() < HEADER_BYTES_MAX || parsed != Ok(None));
            if let Ok(Some(header)) = parsed {
                prop_assert!(header.length <= bytes.len());
            }
        }
    }
}
