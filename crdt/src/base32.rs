//! Base32hex without padding, lower case (RFC 4648 section 7): for short readable text that is copied by hand and sorts like its bytes.

const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// The text of some bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut five = [0u8; 8];
        for (slot, byte) in five.iter_mut().skip(3).zip(chunk) {
            *slot = *byte;
        }
        let bits = u64::from_be_bytes(five);
        for index in 0..(chunk.len() * 8).div_ceil(5) {
            let digit = usize::try_from(bits >> (35 - 5 * index) & 31).unwrap_or(0);
            text.extend(DIGITS.get(digit).map(|digit| char::from(*digit)));
        }
    }
    text
}

/// The bytes of a text, in either case; `None` when it is not one that [`encode`] gives.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut held) = (0u32, 0u32);
    for digit in text.bytes() {
        let value = DIGITS.iter().position(|known| *known == digit.to_ascii_lowercase())?;
        bits = bits << 5 | u32::try_from(value).ok()?;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    (held < 5 && bits == 0).then_some(bytes)
}

/// The first four digits of a hash of `bytes`: enough to tell apart what has one name.
pub(crate) fn tag(context: &'static str, bytes: &[u8]) -> String {
    let hash = blake3::derive_key(context, bytes);
    encode(&hash).chars().take(4).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_vectors_of_the_rfc_hold() {
        assert_eq!(encode(b"foobar"), "cpnmuoj1e8");
        assert_eq!(encode(b"foob"), "cpnmuog");
        assert_eq!(encode(b""), "");
        assert_eq!(decode("CPNMUOJ1E8").as_deref(), Some(b"foobar".as_slice()));
        assert_eq!(decode("cpnmuoz"), None);
        assert_eq!(decode("1"), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
    }
}
