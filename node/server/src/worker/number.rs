//! How sessions of a node are numbered: a counter, the place in the worker's table, and the worker, so that each finds its session
//! without a search. The counter begins at random, so that a restarted node does not use the same numbers again.

use lavina_core::node::SessionNumber;

/// Bits for the worker.
const WORKER_BITS: u32 = 6;
/// Bits for the place in its table: a quarter million connections a worker, more than one core can serve.
const SLOT_BITS: u32 = 18;

/// Most workers.
pub(crate) const WORKERS_MAX: usize = 1 << WORKER_BITS;
/// Most connections of one worker.
pub(crate) const SLOTS_MAX: usize = 1 << SLOT_BITS;

fn bits(number: SessionNumber, shift: u32, count: u32) -> usize {
    usize::try_from(number >> shift & ((1 << count) - 1)).unwrap_or(0)
}

/// The worker that has it.
pub(crate) fn worker(number: SessionNumber) -> usize {
    bits(number, 0, WORKER_BITS)
}

/// Its place there.
pub(crate) fn slot(number: SessionNumber) -> usize {
    bits(number, WORKER_BITS, SLOT_BITS)
}

/// The number for a place.
pub(crate) fn compose(counter: u64, slot: usize, worker: usize) -> SessionNumber {
    let part = |value: usize, count: u32| u64::try_from(value).unwrap_or(0) & ((1 << count) - 1);
    counter << (WORKER_BITS + SLOT_BITS) | part(slot, SLOT_BITS) << WORKER_BITS | part(worker, WORKER_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_leads_back_to_its_place() {
        let number = compose(u64::MAX, SLOTS_MAX - 1, 5);
        assert_eq!((worker(number), slot(number)), (5, SLOTS_MAX - 1));
        assert_ne!(compose(1, 0, 0), compose(2, 0, 0));
    }
}
