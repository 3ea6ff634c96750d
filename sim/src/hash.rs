//! The hash of the event chain: two lanes of multiply and fold over little-endian words, the same on every machine. It guards against
//! accidents (invariant L18), not against forgers, and must cost next to nothing: every byte that clients and peers are sent goes through it.

use postcard::ser_flavors::Flavor;
use serde::Serialize;

const LANES: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f];
const FACTORS: [u64; 2] = [0xff51_afd7_ed55_8ccd, 0xa076_1d64_78bd_642f];

/// A hash over everything it was given so far, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    lanes: [u64; 2],
}

impl Default for Chain {
    fn default() -> Self {
        Self { lanes: LANES }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "both halves of the product are wanted")]
const fn fold(lane: u64, word: u64, factor: u64) -> u64 {
    let wide = ((lane ^ word) as u128).wrapping_mul(factor as u128);
    // A lane that met its own value is 0 for one step only: the constant keeps it from staying so.
    (wide as u64) ^ ((wide >> 64) as u64).wrapping_add(LANES[0])
}

impl Chain {
    /// Takes a number in.
    pub(crate) fn word(&mut self, word: u64) {
        for (lane, factor) in self.lanes.iter_mut().zip(FACTORS) {
            *lane = fold(*lane, word, factor);
        }
    }

    /// Takes bytes in, with their length, so that no two sequences of calls are alike that give the same bytes in other parts.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.word(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last));
    }

    /// Takes in what a value is on the wire, without building that.
    pub(crate) fn value(&mut self, value: &impl Serialize) {
        let sink = Sink { chain: self.clone(), word: [0; 8], filled: 0 };
        // The sink itself never fails; a value that cannot be written can't be sent either.
        if let Ok(chain) = postcard::serialize_with_flavor(value, sink) {
            *self = chain;
        }
    }

    /// The hash so far.
    pub(crate) const fn sum(&self) -> u128 {
        ((self.lanes[0] as u128) << 64) | self.lanes[1] as u128
    }
}

/// Postcard's bytes, straight into the chain.
struct Sink {
    chain: Chain,
    word: [u8; 8],
    filled: usize,
}

impl Sink {
    fn push(&mut self, byte: u8) {
        self.word[self.filled] = byte;
        self.filled += 1;
        if self.filled == self.word.len() {
            self.chain.word(u64::from_le_bytes(self.word));
            self.filled = 0;
        }
    }
}

impl Flavor for Sink {
    type Output = Chain;

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.push(data);
        Ok(())
    }

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        if data.len() < 16 {
            data.iter().for_each(|byte| self.push(*byte));
        } else {
            self.chain.bytes(data);
        }
        Ok(())
    }

    fn finalize(mut self) -> postcard::Result<Chain> {
        let filled = self.filled;
        self.word[filled..].fill(0);
        self.chain.word(u64::from_le_bytes(self.word));
        self.chain.word(u64::try_from(filled).unwrap_or(u64::MAX));
        Ok(self.chain)
    }
}

#[cfg(test)]
mod tests {
    use super::Chain;

    fn sum(take: impl FnOnce(&mut Chain)) -> u128 {
        let mut chain = Chain::default();
        take(&mut chain);
        chain.sum()
    }

    #[test]
    fn every_bit_and_every_boundary_counts() {
        let bytes: Vec<u8> = (0..40).collect();
        let whole = sum(|chain| chain.bytes(&bytes));
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[index] ^= 1 << bit;
                assert_ne!(sum(|chain| chain.bytes(&other)), whole);
            }
            let parts = sum(|chain| {
                chain.bytes(&bytes[..index]);
                chain.bytes(&bytes[index..]);
            });
            assert_ne!(parts, whole);
        }
        assert_ne!(sum(|chain| chain.bytes(&[0])), sum(|chain| chain.bytes(&[0, 0])));
    }

    #[test]
    fn every_bit_of_a_value_counts() {
        let value = (7u8, vec![1u8; 30], "words".to_owned(), vec![300u64; 3]);
        let whole = sum(|chain| chain.value(&value));
        for index in 0..30 {
            let mut other = value.clone();
            other.1[index] = 2;
            assert_ne!(sum(|chain| chain.value(&other)), whole);
        }
        for index in 0..3 {
            let mut other = value.clone();
            other.3[index] = 301;
            assert_ne!(sum(|chain| chain.value(&other)), whole);
        }
    }

    #[test]
    fn it_is_the_same_on_every_machine() {
        let hash = sum(|chain| {
            chain.word(1);
            chain.bytes(b"some more than eight bytes");
            chain.value(&(1u64, "value"));
        });
        expect_test::expect![["63347116a3e8410d762ec8b5bb42491a"]].assert_eq(&format!("{hash:032x}"));
    }
}
