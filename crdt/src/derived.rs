//! Hashes under a context of their own, so that no two kinds of content ever have one hash (BLAKE3, section 2.3, mode `derive_key`). A context is hashed once
//! and not for each content, which halves what a short one costs.

use blake3::Hasher;
use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use std::sync::OnceLock;

/// What is hashed, in words that nothing else is hashed under.
#[derive(Debug)]
pub struct Context {
    words: &'static str,
    key: OnceLock<ContextKey>,
}

/// The context that these words are.
#[must_use]
pub const fn context(words: &'static str) -> Context {
    Context { words, key: OnceLock::new() }
}

impl Context {
    /// A hasher for one content: the same as `blake3::Hasher::new_derive_key` gives.
    #[must_use]
    pub fn hasher(&self) -> Hasher {
        Hasher::new_from_context_key(self.key.get_or_init(|| hash_derive_key_context(self.words)))
    }

    /// The hash of a content: the same as `blake3::derive_key` gives.
    #[must_use]
    pub fn hash(&self, content: &[u8]) -> [u8; 32] {
        *self.hasher().update(content).finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_hashes_as_blake3_derives_keys() {
        static CONTEXT: Context = context("lavina test of contexts");
        for content in [&b""[..], b"a", &[7; 5000]] {
            assert_eq!(CONTEXT.hash(content), blake3::derive_key("lavina test of contexts", content));
            assert_eq!(CONTEXT.hash(content), CONTEXT.hash(content));
        }
    }
}
