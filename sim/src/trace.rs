//! The event-hash chain (invariant L18) and, when a run is made to be looked at, the words of its events.
//!
//! Runs are deterministic, so nothing is put in words the first time: whoever wants to read some of the events has the run made again with
//! a [`Recording`] of those.

use crate::hash::Chain;
use serde::Serialize;
use std::ops::Range;

/// After how many events a mark is set: the hash so far, to find later where two runs part.
pub(crate) const WINDOW: u64 = 512;

/// What happened, in order.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    chain: Chain,
    count: u64,
    marks: Vec<u128>,
    recording: Option<Recording>,
}

/// Which events to keep in words, by number, and those.
#[derive(Debug)]
pub(crate) struct Recording {
    range: Range<u64>,
    events: Vec<Recorded>,
}

/// One event as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Its number.
    pub(crate) number: u64,
    /// When, microseconds.
    pub(crate) at_us: u64,
    /// The hash over it and everything before it.
    pub(crate) sum: u128,
    /// What.
    pub(crate) words: String,
}

impl Trace {
    /// One that keeps the words of these events.
    pub(crate) fn recording(range: Range<u64>) -> Self {
        Self { recording: Some(Recording { range, events: Vec::new() }), ..Self::default() }
    }

    /// Takes note of an event by name.
    pub(crate) fn note(
        &mut self,
        at_us: u64,
        what: &'static str,
        index: usize,
        bytes: &[u8],
        words: impl FnOnce() -> String,
    ) {
        self.chain.bytes(what.as_bytes());
        self.note_bytes(at_us, [index, usize::MAX], bytes, words);
    }

    /// Takes note of an event: whom it concerns, and its bytes. The words are for people and not hashed.
    pub(crate) fn note_bytes(&mut self, at_us: u64, who: [usize; 2], bytes: &[u8], words: impl FnOnce() -> String) {
        self.who(who);
        self.chain.bytes(bytes);
        self.end(at_us, words);
    }

    /// The same of a value instead of bytes.
    pub(crate) fn note_value(
        &mut self,
        at_us: u64,
        who: [usize; 2],
        value: &impl Serialize,
        words: impl FnOnce() -> String,
    ) {
        self.who(who);
        self.chain.value(value);
        self.end(at_us, words);
    }

    fn who(&mut self, who: [usize; 2]) {
        for index in who {
            self.chain.word(u64::try_from(index).unwrap_or(u64::MAX));
        }
    }

    fn end(&mut self, at_us: u64, words: impl FnOnce() -> String) {
        self.chain.word(at_us);
        if let Some(recording) = &mut self.recording
            && recording.range.contains(&self.count)
        {
            let (number, sum) = (self.count, self.chain.sum());
            recording.events.push(Recorded { number, at_us, sum, words: words() });
        }
        self.count += 1;
        if self.count.is_multiple_of(WINDOW) {
            self.marks.push(self.chain.sum());
        }
    }

    /// Hash over all events so far.
    #[must_use]
    pub(crate) fn hash(&self) -> String {
        format!("{:032x}", self.chain.sum())
    }

    /// How many events there were.
    #[must_use]
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The hash after every [`WINDOW`] events, and at the end.
    pub(crate) fn marks(&self) -> impl Iterator<Item = u128> {
        self.marks.iter().copied().chain([self.chain.sum()])
    }

    /// The events that were to be recorded.
    pub(crate) fn take_recorded(&mut self) -> Vec<Recorded> {
        self.recording.take().map(|recording| recording.events).unwrap_or_default()
    }
}

impl std::fmt::Display for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>10.3} {}", micros_as_seconds(self.at_us), self.words)
    }
}

/// Microseconds as seconds, for showing.
#[must_use]
pub(crate) fn micros_as_seconds(us: u64) -> f64 {
    std::time::Duration::from_micros(us).as_secs_f64()
}
