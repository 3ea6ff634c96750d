//! What is put is there, also after a restart, and what is too much is not.

use super::*;
use lavina_crdt::names::AccountName;
use lavina_protocols::slot::format_id;

const LIMITS: FileLimits = FileLimits { bytes_max: 10_000, quota: 3 * FILE_BYTES_MIN, keep_ms: 1000 };

fn slot(id: u8, account: &str, size: u64) -> Slot {
    Slot {
        id: [id; 16],
        name: "a.txt".to_owned(),
        account: AccountName::new(account).unwrap(),
        size,
        media: "text/plain".to_owned(),
        until_s: 0,
    }
}

fn put(files: &Files, id: u8, account: &str, bytes: &[u8], now_ms: u64) -> Result<(), FileError> {
    let mut coming = files.begin(slot(id, account, u64::try_from(bytes.len()).unwrap()))?;
    for chunk in bytes.chunks(3) {
        coming.write(chunk)?;
    }
    coming.finish(now_ms)
}

fn read(files: &Files, id: u8, now_ms: u64) -> Option<Vec<u8>> {
    files.find(&format_id(&[id; 16]), now_ms).map(|(_, path)| std::fs::read(path).unwrap())
}

fn count(files: &Files, part: &str) -> usize {
    std::fs::read_dir(files.folder.join(part)).unwrap().count()
}

#[test]
fn a_file_is_there_until_its_time_is_over_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::open(dir.path().join("files"), LIMITS).unwrap();
    put(&files, 1, "alice", b"hello world", 100).unwrap();
    put(&files, 2, "bob", b"hello world", 500).unwrap();
    assert_eq!(count(&files, "blobs"), 1, "the same bytes are kept once");
    assert!(matches!(put(&files, 1, "alice", b"other", 100), Err(FileError::Exists)));
    std::fs::write(dir.path().join("files/index/damaged"), b"{").unwrap();
    std::fs::write(dir.path().join("files/coming/half"), b"hel").unwrap();
    let files = Files::open(dir.path().join("files"), LIMITS).unwrap();
    assert_eq!(count(&files, "coming"), 0);
    assert_eq!(read(&files, 1, 1099).unwrap(), b"hello world");
    assert_eq!(read(&files, 1, 1100), None);
    files.sweep(1100);
    assert_eq!(read(&files, 2, 1100).unwrap(), b"hello world", "another's entry still names the bytes");
    files.sweep(1500);
    assert_eq!((count(&files, "blobs"), count(&files, "index")), (0, 1), "only the damaged entry is left");
    assert_eq!(*files.lock(), Index::default());
}

#[test]
fn what_does_not_come_whole_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::open(dir.path().to_owned(), LIMITS).unwrap();
    let mut coming = files.begin(slot(1, "alice", 5)).unwrap();
    assert!(matches!(files.begin(slot(1, "alice", 5)), Err(FileError::Exists)));
    coming.write(b"hel").unwrap();
    assert!(matches!(coming.finish(0), Err(FileError::Length)));
    let mut coming = files.begin(slot(1, "alice", 5)).unwrap();
    assert!(matches!(coming.write(b"hello!"), Err(FileError::Length)));
    drop(coming);
    assert_eq!(*files.lock(), Index::default());
    assert_eq!(count(&files, "coming") + count(&files, "blobs") + count(&files, "index"), 0);
    put(&files, 1, "alice", b"hello", 0).unwrap();
}

#[test]
fn an_account_has_its_quota_and_nobody_elses() {
    let dir = tempfile::tempdir().unwrap();
    let files = Files::open(dir.path().to_owned(), LIMITS).unwrap();
    put(&files, 1, "alice", b"small", 0).unwrap();
    put(&files, 2, "alice", &[7; 5000], 0).unwrap();
    let coming = files.begin(slot(3, "alice", 3000)).unwrap_err();
    assert!(matches!(coming, FileError::Quota), "what is being put and what is small counts too");
    put(&files, 3, "bob", &[8; 3000], 0).unwrap();
    files.sweep(1000);
    let held = files.begin(slot(4, "alice", 5000)).unwrap();
    assert!(matches!(files.begin(slot(5, "alice", 8000)), Err(FileError::Quota)));
    drop(held);
    files.begin(slot(5, "alice", 8000)).unwrap();
}

#[test]
fn a_copy_is_what_the_other_node_has_and_counts_for_the_account() {
    let dir = tempfile::tempdir().unwrap();
    let here = Files::open(dir.path().join("here"), LIMITS).unwrap();
    let there = Files::open(dir.path().join("there"), LIMITS).unwrap();
    put(&there, 1, "alice", b"hello", 500).unwrap();
    let id = format_id(&[1; 16]);
    let (record, _) = there.find(&id, 600).unwrap();
    let copy = |bytes: &[u8]| {
        let mut coming = here.begin_copy(&id, record.clone())?;
        coming.write(bytes)?;
        coming.finish(900)
    };
    assert!(matches!(copy(b"hellO"), Err(FileError::Content)));
    assert!(matches!(copy(b"hell"), Err(FileError::Length)));
    assert_eq!(*here.lock(), Index::default());
    copy(b"hello").unwrap();
    assert_eq!(here.find(&id, 600), there.find(&id, 600).map(|(record, _)| (record.clone(), here.blob(&record.hash))));
    assert!(here.find(&id, 1500).is_none(), "its time goes on from when it was put");
    put(&here, 2, "alice", &[1; 8000], 0).unwrap();
    assert!(matches!(put(&here, 3, "alice", &[1; 200], 0), Err(FileError::Quota)));
}
