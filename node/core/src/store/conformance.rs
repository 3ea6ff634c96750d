//! Both stores give the same answers to the same operations.

use super::memory::MemoryStore;
use super::redb::{Opener, RedbStore};
use super::testing::{Disk, batch, opening, room, run, writer};
use super::{Commit, RENEW_EPOCH, Store, StoreError};
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::SealedEntry;
use lavina_crdt::ids::OrderKey;
use proptest::prelude::*;
use redb::backends::InMemoryBackend;
use std::collections::BTreeMap;

fn in_memory() -> RedbStore {
    let opener: Opener = Box::new(|| Ok(Box::new(InMemoryBackend::new())));
    RedbStore::open(opener, opening(1)).unwrap()
}

fn page(
    store: &dyn Store,
    after: Option<OrderKey>,
    before: Option<OrderKey>,
    newest: bool,
    limit: usize,
) -> Vec<(OrderKey, SealedEntry)> {
    let mut page = Vec::new();
    let mut visit = |key, sealed: &SealedEntry| {
        page.push((key, sealed.clone()));
        page.len() < limit
    };
    store.scan(&room(0), after, before, newest, &mut visit).unwrap();
    page
}

/// Writes `steps` (room, writer, how many entries) to a store, one commit each group.
fn fill(store: &impl Commit, steps: &[Vec<(u8, u8, u64)>]) {
    let mut next: BTreeMap<(u8, u8), u64> = BTreeMap::new();
    let mut hlc = 0;
    for (id, group) in (1..).zip(steps) {
        let mut runs = Vec::new();
        for (scope, origin, count) in group {
            let first = next.entry((*scope, *origin)).or_default();
            runs.push(run(room(*scope), writer(*origin), *first, *count, hlc));
            *first += count;
            // Stamps of different writers overlap, those of one writer grow.
            hlc += count.saturating_sub(1).max(1);
        }
        store.commit(&[batch(id, runs)]).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn both_stores_answer_alike(
        steps in prop::collection::vec(prop::collection::vec((0..2u8, 1..4u8, 1..5u64), 0..4), 0..12),
        bounds in prop::collection::vec((0..40u64, 0..40u64, 0..4u8, any::<bool>(), 1..20usize), 8),
    ) {
        let (memory, file) = (MemoryStore::new(writer(1)), in_memory());
        fill(&memory, &steps);
        fill(&file, &steps);

        let vectors = memory.vectors().unwrap();
        prop_assert_eq!(&vectors, &file.vectors().unwrap());
        for (scope, vector) in &vectors {
            for (origin, next) in vector.iter() {
                prop_assert_eq!(memory.origin_key(origin), file.origin_key(origin));
                for first in 0..=next {
                    for bytes_max in [0, 100, 1000] {
                        let run = memory.run(scope, origin, first, bytes_max).unwrap();
                        prop_assert_eq!(run.is_some(), first < next);
                        prop_assert_eq!(run, file.run(scope, origin, first, bytes_max).unwrap());
                    }
                }
            }
        }
        for (after, before, side, newest, limit) in bounds {
            let key = |hlc, origin| OrderKey { hlc: Hlc(hlc), origin: writer(origin).origin(), seq: 1 };
            let after = (side & 1 > 0).then(|| key(after, 1));
            let before = (side & 2 > 0).then(|| key(before, 2));
            let expected = page(&memory, after, before, newest, limit);
            let sorted = if newest {
                expected.iter().rev().is_sorted_by_key(|(key, _)| *key)
            } else {
                expected.is_sorted_by_key(|(key, _)| *key)
            };
            prop_assert!(sorted);
            prop_assert_eq!(&expected, &page(&file, after, before, newest, limit));
            for (key, _) in expected {
                prop_assert_eq!(memory.find(&room(0), key.msg_id()).unwrap(), Some(key));
                prop_assert_eq!(file.find(&room(0), key.msg_id()).unwrap(), Some(key));
            }
        }
    }
}

fn refuses_a_run_with_a_gap(store: &(impl Store + Commit)) {
    let whole = batch(1, vec![run(room(0), writer(1), 0, 2, 5)]);
    let gap = batch(2, vec![run(room(1), writer(1), 0, 1, 7), run(room(0), writer(1), 3, 1, 8)]);
    store.commit(std::slice::from_ref(&whole)).unwrap();
    assert!(matches!(store.commit(&[gap]), Err(StoreError::Damaged(_))));
    assert!(matches!(store.commit(&[whole]), Err(StoreError::Damaged(_))));
    assert_eq!(store.vectors().unwrap().keys().collect::<Vec<_>>(), [&room(0)]);
}

fn keeps_small_values(store: &(impl Store + Commit)) {
    let mut first = batch(1, Vec::new());
    first.meta = [("a/1", "x"), ("a/2", "y"), ("b", "z")].map(|(key, value)| (key.to_owned(), value.into())).into();
    let mut second = batch(2, Vec::new());
    second.meta = [("a/1", ""), ("b", "w")].map(|(key, value)| (key.to_owned(), value.into())).into();
    store.commit(&[first, second]).unwrap();
    assert_eq!(store.meta("a/1").unwrap(), None);
    assert_eq!(store.meta("b").unwrap(), Some(b"w".to_vec()));
    assert_eq!(store.meta_prefix("a/").unwrap(), [("a/2".to_owned(), b"y".to_vec())]);
}

/// Takes an origin's entries off a store, and puts them there again in other pieces.
fn forgets(store: &(impl Store + Commit)) {
    let read = |store: &dyn Store| -> Vec<(OrderKey, bytes::Bytes)> {
        page(store, None, None, false, usize::MAX).into_iter().map(|(key, sealed)| (key, sealed.bytes)).collect()
    };
    let part = |first: u64, count: u64| run(room(0), writer(1), first, count, 100 + first);
    let other = vec![run(room(0), writer(2), 0, 3, 7), run(room(1), writer(1), 0, 4, 9)];
    store.commit(&[batch(1, other)]).unwrap();
    for piece in 0..20 {
        store.commit(&[batch(2 + piece, vec![part(4 * piece, 4)])]).unwrap();
        store.tidy().unwrap();
    }
    let whole = read(store);
    assert_eq!(whole.len(), 83);
    let mut gone = batch(30, Vec::new());
    gone.forgotten.insert((room(0), writer(1).origin()));
    store.commit(std::slice::from_ref(&gone)).unwrap();
    assert_eq!(read(store), whole[..3]);
    assert_eq!(store.run(&room(0), writer(1).origin(), 0, 1_000).unwrap(), None);
    assert_eq!(store.head(&room(0), writer(1).origin()).unwrap(), None);
    assert_eq!(store.vectors().unwrap()[&room(1)].total(), 4, "what else it wrote stays");
    // In one batch it is forgotten before it is written.
    let mut again = batch(31, vec![part(0, 11)]);
    again.forgotten.clone_from(&gone.forgotten);
    store.commit(&[again]).unwrap();
    for piece in 1..8 {
        store.commit(&[batch(31 + piece, vec![part(11 * piece, if piece == 7 { 3 } else { 11 })])]).unwrap();
        store.tidy().unwrap();
        assert_eq!(read(store), whole[..3 + (11 * (usize::try_from(piece).unwrap() + 1)).min(80)]);
    }
}

#[test]
fn what_is_forgotten_is_gone_and_may_come_again() {
    forgets(&MemoryStore::new(writer(1)));
    forgets(&in_memory());
}

#[test]
fn a_run_that_leaves_a_gap_is_refused_with_all_that_goes_with_it() {
    refuses_a_run_with_a_gap(&MemoryStore::new(writer(1)));
    refuses_a_run_with_a_gap(&in_memory());
}

#[test]
fn small_values_are_replaced_removed_and_listed_by_prefix() {
    keeps_small_values(&MemoryStore::new(writer(1)));
    keeps_small_values(&in_memory());
}

#[test]
fn a_store_keeps_its_epoch_until_it_is_asked_to_take_another() {
    let disk = Disk::default();
    let first = RedbStore::open(disk.opener(), opening(11)).unwrap();
    assert_eq!(first.origin().epoch, 11);
    drop(first);
    let second = RedbStore::open(disk.opener(), opening(12)).unwrap();
    assert_eq!(second.origin().epoch, 11);
    let mut ask = batch(1, Vec::new());
    ask.meta.insert(RENEW_EPOCH.to_owned(), vec![1]);
    second.commit(&[ask]).unwrap();
    drop(second);
    let third = RedbStore::open(disk.opener(), opening(13)).unwrap();
    assert_eq!((third.origin().epoch, third.meta(RENEW_EPOCH).unwrap()), (13, None));
    drop(third);
    assert_eq!(RedbStore::open(disk.opener(), opening(14)).unwrap().origin().epoch, 13);
}
