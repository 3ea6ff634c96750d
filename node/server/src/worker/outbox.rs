//! What waits to be written to one client: shared buffers, written with one vectored write.

use super::socket::WriteHalf;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice};

/// Bytes that may wait for a client that it has not asked for; above it the client is cut. From the design: a slow reader costs this much
/// and not more.
pub(crate) const UNASKED_BYTES_MAX: usize = 256 * 1024;

/// Bytes that may wait on top of that because the client asked for them (history pages), or because they tell of many people at once (a cut).
/// One answer or event may be longer alone: those who are in a room are told to who enters, however many they are.
pub(crate) const EXCUSED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes waiting above which the client's own input is not read: who does not read answers asks no more.
pub(crate) const PAUSE_BYTES: usize = 64 * 1024;

/// Buffers of one write call: more gain nothing (0.14 us a message at 64, measured).
const SLICES_MAX: usize = 64;

/// Plaintext sealed at once, in bytes: one TLS record (RFC 8446 section 5.1).
const SEALED_BYTES_MAX: usize = 16 * 1024;

/// Places kept by an empty queue.
const IDLE_CAPACITY: usize = 16;

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<Bytes>,
    bytes: usize,
    excused: usize,
}

impl Outbox {
    /// Puts bytes at the end.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len();
        self.queue.push_back(bytes);
    }

    /// So many bytes, those of one answer or one event, do not count against the reader.
    pub(super) fn excuse(&mut self, bytes: usize) {
        self.excused = (self.excused + bytes).min(EXCUSED_BYTES_MAX).max(bytes);
    }

    /// Bytes waiting.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether more waits than may.
    pub(super) fn is_over(&self) -> bool {
        self.bytes > UNASKED_BYTES_MAX + self.excused
    }

    /// Writes as much as the socket takes; an error of kind `WouldBlock` when it takes no more. Gives the number of bytes and of calls.
    pub(super) fn write(&mut self, socket: &WriteHalf) -> (usize, u64, io::Result<()>) {
        let (mut written, mut calls) = (0, 0);
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = self.fill(&mut slices, usize::MAX);
            calls += 1;
            match socket.try_write_vectored(slices.get(..count).unwrap_or(&[])) {
                Ok(0) => return (written, calls, Err(io::ErrorKind::WriteZero.into())),
                Ok(taken) => {
                    written += taken;
                    self.consume(taken);
                }
                Err(error) => return (written, calls, Err(error)),
            }
        }
        (written, calls, Ok(()))
    }

    /// Hands one record's worth of bytes to `seal`, which says how many it took.
    pub(super) fn seal(&mut self, seal: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = self.fill(&mut slices, SEALED_BYTES_MAX);
        let taken = seal(slices.get(..count).unwrap_or(&[]))?;
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.consume(taken);
        Ok(())
    }

    fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES_MAX], bytes_max: usize) -> usize {
        let (mut count, mut bytes) = (0, 0);
        for (slice, chunk) in slices.iter_mut().zip(&self.queue) {
            if bytes >= bytes_max {
                break;
            }
            *slice = IoSlice::new(chunk);
            bytes += chunk.len();
            count += 1;
        }
        count
    }

    fn consume(&mut self, mut taken: usize) {
        self.bytes -= taken.min(self.bytes);
        while let Some(front) = self.queue.front_mut() {
            if taken < front.len() {
                front.advance(taken);
                return;
            }
            taken -= front.len();
            self.queue.pop_front();
        }
        self.excused = 0;
        if self.queue.capacity() > IDLE_CAPACITY {
            self.queue.shrink_to(IDLE_CAPACITY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_however_they_are_taken() {
        let mut outbox = Outbox::default();
        for text in ["PING ", "", ":a\r\n", "PONG :b\r\n"] {
            outbox.push(Bytes::from_static(text.as_bytes()));
        }
        let mut out = Vec::new();
        while !outbox.is_empty() {
            outbox
                .seal(|slices| {
                    let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                    let taken = all.len().min(7);
                    out.extend_from_slice(&all[..taken]);
                    Ok(taken)
                })
                .unwrap();
        }
        assert_eq!(out, b"PING :a\r\nPONG :b\r\n");
        assert_eq!(outbox.bytes(), 0);
    }

    fn put(outbox: &mut Outbox, bytes: usize) {
        outbox.push(Bytes::from(vec![0; bytes]));
    }

    #[test]
    fn what_was_asked_for_does_not_count_against_the_reader() {
        let mut outbox = Outbox::default();
        put(&mut outbox, UNASKED_BYTES_MAX * 2);
        outbox.excuse(UNASKED_BYTES_MAX * 2);
        assert!(!outbox.is_over());
        put(&mut outbox, UNASKED_BYTES_MAX);
        assert!(!outbox.is_over());
        put(&mut outbox, 1);
        assert!(outbox.is_over());
    }

    #[test]
    fn one_answer_is_as_long_as_it_is_and_many_are_not() {
        let mut outbox = Outbox::default();
        put(&mut outbox, EXCUSED_BYTES_MAX * 2);
        outbox.excuse(EXCUSED_BYTES_MAX * 2);
        assert!(!outbox.is_over());
        let mut outbox = Outbox::default();
        for _ in 0..32 {
            put(&mut outbox, EXCUSED_BYTES_MAX / 16);
            outbox.excuse(EXCUSED_BYTES_MAX / 16);
        }
        assert!(outbox.is_over());
    }
}
