//! What each page of the file must hold, as far as this process wrote or read it: a page that rots while the node runs is an error of the
//! disk before the database looks into it.
//!
//! The database compares pages with their checksums when it opens, and trusts them from then on: in a page that changed later it may find
//! nothing, or index out of bounds, also in a destructor, which ends the process. So the sums of pages are kept here, some 60 bytes for each.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Enough against accidents, which is all it is for.
type Sum = [u8; 8];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Page {
    len: u64,
    sum: Sum,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pages {
    known: Mutex<BTreeMap<u64, Page>>,
}

impl Pages {
    fn known(&self) -> MutexGuard<'_, BTreeMap<u64, Page>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These bytes came from the disk.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when others went there, or came from there before.
    pub(super) fn on_read(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let page = page(bytes);
        let mut known = self.known();
        match known.get(&offset) {
            Some(before) if before.len == page.len => {
                if before.sum == page.sum {
                    return Ok(());
                }
                let what = format!("the {} bytes at {offset} are not what was written", page.len);
                Err(io::Error::new(io::ErrorKind::InvalidData, what))
            }
            // A part of what was written at once, or several such parts: nothing to hold it against.
            Some(_) => Ok(()),
            None => {
                if overlapping(&known, offset, page.len).is_empty() {
                    known.insert(offset, page);
                }
                Ok(())
            }
        }
    }

    /// These bytes go to the disk. What is there after a write that failed is anybody's guess: `done` says whether it did not.
    pub(super) fn on_write(&self, offset: u64, bytes: &[u8], done: bool) {
        let mut known = self.known();
        let page = page(bytes);
        for start in overlapping(&known, offset, page.len) {
            known.remove(&start);
        }
        if done {
            known.insert(offset, page);
        }
    }

    /// The file is as long as this now.
    pub(super) fn on_set_len(&self, len: u64) {
        self.known().retain(|offset, page| offset.saturating_add(page.len) <= len);
    }
}

fn page(bytes: &[u8]) -> Page {
    let mut sum = Sum::default();
    blake3::Hasher::new().update(bytes).finalize_xof().fill(&mut sum);
    Page { len: bytes.len() as u64, sum }
}

/// Where the known pages begin that share a byte with this range.
fn overlapping(known: &BTreeMap<u64, Page>, offset: u64, len: u64) -> Vec<u64> {
    let end = offset.saturating_add(len);
    let mut starts: Vec<u64> = known.range(offset..end).map(|(start, _)| *start).collect();
    // Known pages do not overlap one another: only the last one before can reach in.
    if let Some((start, before)) = known.range(..offset).next_back()
        && start.saturating_add(before.len) > offset
    {
        starts.push(*start);
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_held_against_what_was_last_written_or_read_there() {
        let pages = Pages::default();
        pages.on_write(100, &[1; 50], true);
        pages.on_read(100, &[1; 50]).unwrap();
        assert_eq!(pages.on_read(100, &[2; 50]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        pages.on_read(300, &[7; 50]).unwrap();
        pages.on_read(300, &[8; 50]).unwrap_err();
    }

    #[test]
    fn what_is_written_over_is_forgotten() {
        let pages = Pages::default();
        pages.on_write(100, &[1; 50], true);
        pages.on_write(200, &[2; 50], true);
        // Into the first and the second.
        pages.on_write(140, &[3; 70], true);
        pages.on_read(100, &[9; 50]).unwrap();
        pages.on_read(140, &[3; 70]).unwrap();
        pages.on_read(140, &[4; 70]).unwrap_err();
        pages.on_write(140, &[5; 70], false);
        pages.on_read(140, &[6; 70]).unwrap();
        pages.on_set_len(150);
        pages.on_read(140, &[8; 70]).unwrap();
    }
}
