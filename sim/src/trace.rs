//! The event-hash chain (invariant L18) and the last events of a run, for whoever reads a failure.

use std::collections::VecDeque;

/// How many events are kept for showing.
const KEPT: usize = 200;

/// What happened, in order.
#[derive(Debug)]
pub(crate) struct Trace {
    hasher: blake3::Hasher,
    count: u64,
    last: VecDeque<String>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { hasher: blake3::Hasher::new(), count: 0, last: VecDeque::with_capacity(KEPT) }
    }
}

impl Trace {
    /// Takes note of an event: its bytes go into the hash, its words into the list.
    pub(crate) fn note(&mut self, at_us: u64, bytes: &[u8], words: impl FnOnce() -> String) {
        self.hasher.update(&at_us.to_le_bytes());
        self.hasher.update(&bytes.len().to_le_bytes());
        self.hasher.update(bytes);
        self.count += 1;
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(format!("{:>10.3} {}", micros_as_seconds(at_us), words()));
    }

    /// Takes note of bytes for the hash alone: what is too much to be read by anybody.
    pub(crate) fn mix(&mut self, at_us: u64, bytes: &[u8]) {
        self.hasher.update(&at_us.to_le_bytes());
        self.hasher.update(bytes);
        self.count += 1;
    }

    /// Hash over all events so far.
    #[must_use]
    pub(crate) fn hash(&self) -> String {
        self.hasher.finalize().to_hex()[..32].to_owned()
    }

    /// How many events there were.
    #[must_use]
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The last events, oldest first.
    pub(crate) fn last(&self) -> impl Iterator<Item = &str> {
        self.last.iter().map(String::as_str)
    }
}

/// Microseconds as seconds, for showing.
#[must_use]
pub(crate) fn micros_as_seconds(us: u64) -> f64 {
    std::time::Duration::from_micros(us).as_secs_f64()
}
