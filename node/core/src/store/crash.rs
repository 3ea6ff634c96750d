//! A kill, a power cut, a full or a failing disk: what was said to be written is there.

use super::redb::{FORMAT, Opening, RedbStore, Sealing};
use super::testing::{Disk, batch, opening, room, run, writer};
use super::{Batch, Commit, Store, StoreError};
use lavina_crdt::ids::Scope;
use proptest::prelude::*;
use redb::{ReadableDatabase, ReadableTableMetadata, TableDefinition};

fn next(store: &impl Store, scope: &Scope) -> u64 {
    store.vectors().unwrap().get(scope).map_or(0, |vector| vector.next(writer(1).origin()))
}

/// `sizes` as consecutive batches of one writer.
fn batches(sizes: &[u64]) -> Vec<Batch> {
    let mut first = 0;
    let make = |(id, count): (u64, &u64)| {
        let batch = batch(id, vec![run(room(0), writer(1), first, *count, first + 1)]);
        first += count;
        batch
    };
    (1..).zip(sizes).map(make).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_committed_survives_a_power_cut_at_any_write(
        sizes in prop::collection::vec(1..40u64, 1..10),
        power in 0..120u64,
        kept in prop::collection::vec(any::<u8>(), 16),
    ) {
        let disk = Disk::default();
        let store = disk.open();
        disk.cut_power_after(power);
        let (mut safe, mut tried) = (0, 0);
        for batch in batches(&sizes) {
            tried = safe + batch.runs[0].entries.len() as u64;
            if store.commit(&[batch]).is_err() {
                break;
            }
            safe = tried;
        }
        let mut kept = kept.into_iter().cycle();
        let store = disk.after_power_loss(|| kept.next().unwrap()).open();
        let found = next(&store, &room(0));
        prop_assert!(found == safe || found == tried, "{} of {}..{}", found, safe, tried);
        let mut seen = 0;
        store.scan(&room(0), None, None, false, &mut |key, _| { prop_assert_seq(key.seq, &mut seen); true }).unwrap();
        prop_assert_eq!(seen, found);
        // It takes writes again, from where it is.
        store.commit(&[batch(1, vec![run(room(0), writer(1), found, 1, 1000)])]).unwrap();
    }
}

fn prop_assert_seq(seq: u64, seen: &mut u64) {
    assert_eq!(seq, *seen);
    *seen += 1;
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
    let disk = Disk::default();
    let store = disk.open();
    let small = batch(1, vec![run(room(0), writer(1), 0, 1, 1)]);
    store.commit(&[small]).unwrap();
    disk.set_room(Some(disk.used()));
    let large = batch(2, vec![run(room(0), writer(1), 1, 40_000, 2)]);
    assert_eq!(store.commit(std::slice::from_ref(&large)), Err(StoreError::Full));
    assert_eq!(next(&store, &room(0)), 1);
    assert_eq!(store.commit(std::slice::from_ref(&large)), Err(StoreError::Full));
    disk.set_room(None);
    store.commit(&[large]).unwrap();
    assert_eq!(next(&store, &room(0)), 40_001);
}

#[test]
fn a_store_that_could_not_be_made_is_made_at_the_next_start() {
    let disk = Disk::default();
    disk.fail_next_sync();
    assert!(matches!(RedbStore::open(disk.opener(), opening(1)), Err(StoreError::Failed(_))));
    assert_eq!(disk.open().origin().epoch, 1);
}

#[test]
fn after_a_failed_sync_nothing_is_written_and_reads_go_on() {
    let disk = Disk::default();
    let store = disk.open();
    let [first, second] = batches(&[2, 3]).try_into().unwrap();
    store.commit(&[first]).unwrap();
    disk.fail_next_sync();
    assert!(matches!(store.commit(std::slice::from_ref(&second)), Err(StoreError::Failed(_))));
    assert!(matches!(store.commit(&[second]), Err(StoreError::Failed(_))));
    assert!(next(&store, &room(0)) >= 2);
}

#[test]
fn a_store_of_a_later_version_is_refused_by_its_number() {
    let disk = Disk::default();
    drop(disk.open());
    let database = redb::Builder::new().create_with_backend(disk.clone()).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(TableDefinition::<&str, u64>::new("identity")).unwrap().insert("format", FORMAT + 1).unwrap();
    write.commit().unwrap();
    drop(database);
    let opened = RedbStore::open(disk.opener(), opening(1));
    assert_eq!(opened.err(), Some(StoreError::Newer { found: FORMAT + 1, known: FORMAT }));
}

#[test]
fn a_store_of_the_format_before_segments_is_taken_over() {
    let disk = Disk::default();
    let never = Sealing { per_commit: 0, ..opening(1).sealing };
    let store = RedbStore::open(disk.opener(), Opening { sealing: never, ..opening(1) }).unwrap();
    store.commit(&batches(&[3, 50])).unwrap();
    drop(store);
    let database = redb::Builder::new().create_with_backend(disk.clone()).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(TableDefinition::<&str, u64>::new("identity")).unwrap().insert("format", 2).unwrap();
    for table in ["sealed", "segments"] {
        assert!(write.delete_table(TableDefinition::<&[u8; 32], &[u8]>::new(table)).unwrap());
    }
    write.commit().unwrap();
    drop(database);
    let store = disk.open();
    assert_eq!((store.origin().epoch, read_all(&store)), (1, Ok(53)));
}

#[test]
fn at_rest_a_store_seals_all_but_the_newest_and_shows_what_it_showed() {
    let disk = Disk::default();
    let late = Sealing { per_commit: 0, ..opening(1).sealing };
    let store = RedbStore::open(disk.opener(), Opening { sealing: late, ..opening(1) }).unwrap();
    store.commit(&batches(&[40, 60])).unwrap();
    let whole = store.run(&room(0), writer(1).origin(), 0, usize::MAX).unwrap();
    let mut rests = 1;
    while store.tidy().unwrap() {
        rests += 1;
    }
    assert!(rests > 2, "a few segments at a time");
    assert_eq!(store.run(&room(0), writer(1).origin(), 0, usize::MAX).unwrap(), whole);
    assert_eq!(read_all(&store), Ok(100));
    drop(store);
    let database = redb::Builder::new().create_with_backend(disk).unwrap();
    let read = database.begin_read().unwrap();
    let rows = read.open_table(TableDefinition::<&[u8; 32], &[u8]>::new("entries")).unwrap().len().unwrap();
    assert!(rows < 2 + 5, "{rows} rows are left");
}

fn filled(disk: &Disk) -> Vec<Batch> {
    let batches = batches(&[3, 50, 400]);
    disk.open().commit(&batches).unwrap();
    batches
}

/// Reads everything there is, as a start and a reader of history do.
fn read_all(store: &RedbStore) -> Result<u64, StoreError> {
    let mut seen = 0;
    for scope in store.vectors()?.keys() {
        store.scan(scope, None, None, false, &mut |_, _| {
            seen += 1;
            true
        })?;
        store.run(scope, writer(1).origin(), 0, usize::MAX)?;
        store.head(scope, writer(1).origin())?;
    }
    store.meta_prefix("")?;
    Ok(seen)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_flipped_bit_is_noticed_or_of_no_consequence(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let disk = Disk::default();
        filled(&disk);
        disk.flip(at.index(disk.used()), bit);
        match RedbStore::open(disk.opener(), opening(2)).and_then(|store| read_all(&store)) {
            Ok(seen) => prop_assert_eq!(seen, 453),
            Err(error) => prop_assert!(matches!(error, StoreError::Damaged(_)), "{}", error),
        }
    }

    #[test]
    fn what_rots_under_a_running_node_is_never_shown(flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 1..40)) {
        let disk = Disk::default();
        filled(&disk);
        // Little is cached, so that the disk is asked.
        let store = RedbStore::open(disk.opener(), Opening { cache_bytes: 0, ..opening(2) }).unwrap();
        for (at, bit) in flips {
            disk.flip(at.index(disk.used()), bit);
        }
        match read_all(&store) {
            Ok(seen) => prop_assert_eq!(seen, 453),
            Err(_) => {
                let done = store.commit(&[batch(9, vec![run(room(0), writer(1), 453, 1, 1000)])]);
                prop_assert!(matches!(done, Err(StoreError::Damaged(_) | StoreError::Failed(_))), "{:?}", done);
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_is_damaged_or_empty(at in any::<prop::sample::Index>()) {
        let disk = Disk::default();
        filled(&disk);
        let len = at.index(disk.used());
        disk.cut(len);
        match RedbStore::open(disk.opener(), opening(2)) {
            Ok(store) => prop_assert_eq!((len, read_all(&store)), (0, Ok(0))),
            Err(error) => prop_assert!(matches!(error, StoreError::Damaged(_)), "{}", error),
        }
    }
}

#[test]
fn a_store_on_another_medium_takes_another_epoch() {
    let disk = Disk::default();
    filled(&disk);
    let restored = RedbStore::open(disk.opener(), Opening { medium: 2, ..opening(7) }).unwrap();
    assert_eq!((restored.origin().epoch, next(&restored, &room(0))), (7, 453));
    drop(restored);
    assert_eq!(RedbStore::open(disk.opener(), Opening { medium: 2, ..opening(8) }).unwrap().origin().epoch, 7);
}
