//! The one writer of the store: commits whatever waits with one fsync (group commit) and says so.
//!
//! Batches that somebody waits for are committed at once; while one commit runs, the next ones gather. Batches of foreign entries alone
//! wait a little for company, since nobody but a peer's bookkeeping waits for them.

use super::inbox::{Inbox, Progress};
use super::metrics::Metrics;
use lavina_core::store::{Batch, Commit, StoreError};
use lavina_crdt::entry::SealedEntry;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longest that foreign entries wait for others to share a commit with. A commit costs more than all else that is done for an entry.
const COMPANY_WAIT: Duration = Duration::from_millis(100);

/// Most batches of one commit: bounds the memory of one transaction and how long the first of them waits for the last.
const BATCHES_PER_COMMIT_MAX: usize = 2048;

/// Bytes of entries that are company enough: a commit of so many costs little beside them, and who sends them waits for room to send more.
const COMPANY_BYTES: usize = 512 * 1024;

/// After so long without anything to write the store may do what it has to do for itself.
const REST_AFTER: Duration = Duration::from_millis(200);

/// What the writer does next.
#[derive(Debug)]
enum Next {
    /// Writes these with one commit.
    Write(Vec<Batch>),
    /// Lets the store tidy up.
    Rest,
    /// Ends.
    End,
}

fn bytes_of(batch: &Batch) -> usize {
    batch.runs.iter().flat_map(|run| &run.entries).map(SealedEntry::len).sum()
}

/// Batches on their way to the disk. The core bounds how many there can be (it takes no input above its own limit).
#[derive(Debug, Default)]
pub(crate) struct WriteQueue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Batch>,
    urgent: usize,
    /// Bytes of entries in all batches.
    bytes: usize,
    stopping: bool,
    /// Set by a failed commit until the core has heard of it: what comes before that was made without knowing of the failure.
    refusing: bool,
}

impl WriteQueue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a batch.
    pub(crate) fn push(&self, batch: Batch) {
        let mut state = self.lock();
        if state.refusing {
            return;
        }
        state.urgent += usize::from(batch.urgent);
        state.bytes += bytes_of(&batch);
        state.batches.push_back(batch);
        drop(state);
        self.filled.notify_one();
    }

    /// The core has heard that a commit failed: batches from here on are new attempts.
    pub(crate) fn resume(&self) {
        self.lock().refusing = false;
    }

    /// Lets the writer end after what is queued; with `at_once`, without it.
    pub(crate) fn stop(&self, at_once: bool) {
        let mut state = self.lock();
        state.stopping = true;
        if at_once {
            state.batches.clear();
            (state.urgent, state.bytes) = (0, 0);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// What to do next. With `untidy` nothing to write for a while is a rest.
    fn next(&self, untidy: bool) -> Next {
        let mut state = self.lock();
        let began = Instant::now();
        let mut company_until: Option<Instant> = None;
        loop {
            if state.stopping && state.batches.is_empty() {
                return Next::End;
            }
            let now = Instant::now();
            let go = state.urgent > 0
                || state.stopping
                || state.batches.len() >= BATCHES_PER_COMMIT_MAX
                || state.bytes >= COMPANY_BYTES
                || company_until.is_some_and(|until| until <= now);
            if go && !state.batches.is_empty() {
                break;
            }
            let until = if !state.batches.is_empty() {
                Some(*company_until.get_or_insert(now + COMPANY_WAIT))
            } else if untidy {
                Some(began + REST_AFTER)
            } else {
                None
            };
            let wait = until.map(|until| until.saturating_duration_since(now));
            state = match wait {
                Some(wait) if wait.is_zero() => return Next::Rest,
                Some(wait) => self
                    .filled
                    .wait_timeout(state, wait)
                    .map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state),
                None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        let count = state.batches.len().min(BATCHES_PER_COMMIT_MAX);
        let batches: Vec<Batch> = state.batches.drain(..count).collect();
        state.urgent -= batches.iter().filter(|batch| batch.urgent).count();
        state.bytes = state.batches.iter().map(bytes_of).sum();
        Next::Write(batches)
    }

    fn refuse(&self) {
        let mut state = self.lock();
        state.refusing = true;
        state.batches.clear();
        (state.urgent, state.bytes) = (0, 0);
    }
}

/// The writer's thread. It ends well when it is told to, and `false` when the store is damaged: then the node must end too, because its
/// next start sets the store aside and is filled by the peers.
pub(crate) fn run(queue: &WriteQueue, store: &impl Commit, inbox: &Arc<Inbox>, metrics: &Metrics) -> bool {
    let (mut failing, mut untidy) = (false, true);
    loop {
        let batches = match queue.next(untidy) {
            Next::Write(batches) => batches,
            Next::Rest => {
                // What goes wrong here the next commit meets again, and says so.
                untidy = store.tidy().unwrap_or(false);
                continue;
            }
            Next::End => return true,
        };
        untidy = true;
        let (Some(first), Some(last)) = (batches.first().map(|batch| batch.id), batches.last().map(|batch| batch.id))
        else {
            continue;
        };
        match store.commit(&batches) {
            Ok(()) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("the store takes writes again");
                }
                metrics.commits.add(1);
                metrics.commit_batches.add_len(batches.len());
                inbox.report(Progress::Persisted(last));
            }
            Err(error) => {
                metrics.commit_failures.add(1);
                // A full disk is tried again and again; once is enough in the log.
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "the store takes no writes");
                }
                queue.refuse();
                let damaged = matches!(error, StoreError::Damaged(_));
                inbox.report(Progress::Failed(first, error));
                if damaged {
                    tracing::error!("this node ends; its next start sets the store aside and begins with an empty one");
                    return false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_core::store::BatchId;

    #[derive(Default)]
    struct Disk {
        commits: Mutex<Vec<Vec<u64>>>,
        fault: Option<StoreError>,
    }

    impl Commit for Disk {
        fn commit(&self, batches: &[Batch]) -> Result<(), StoreError> {
            if let Some(fault) = &self.fault {
                return Err(fault.clone());
            }
            self.commits.lock().unwrap().push(batches.iter().map(|batch| batch.id.0).collect());
            Ok(())
        }
    }

    fn batch(id: u64, urgent: bool) -> Batch {
        Batch { id: BatchId(id), urgent, ..Batch::default() }
    }

    #[test]
    fn what_waits_goes_into_one_commit() {
        let (queue, inbox, disk) = (WriteQueue::default(), Arc::new(Inbox::default()), Disk::default());
        for id in 1..=3 {
            queue.push(batch(id, id == 2));
        }
        queue.stop(false);
        run(&queue, &disk, &inbox, &Metrics::default());
        assert_eq!(*disk.commits.lock().unwrap(), vec![vec![1, 2, 3]]);
        let taken = inbox.take(None, false);
        assert!(matches!(taken.progress.as_slice(), [Progress::Persisted(BatchId(3))]), "{taken:?}");
    }

    #[test]
    fn after_a_failure_nothing_is_taken_until_the_core_knows() {
        let (queue, inbox, disk) = (
            WriteQueue::default(),
            Arc::new(Inbox::default()),
            Disk { fault: Some(StoreError::Full), ..Disk::default() },
        );
        queue.push(batch(1, true));
        queue.stop(false);
        run(&queue, &disk, &inbox, &Metrics::default());
        queue.push(batch(2, true));
        assert!(matches!(queue.next(false), Next::End), "a batch made before the core knew is dropped");
        queue.resume();
        queue.push(batch(1, true));
        assert!(matches!(queue.next(false), Next::Write(batches) if batches.len() == 1));
        let taken = inbox.take(None, true);
        assert!(matches!(taken.progress.as_slice(), [Progress::Failed(BatchId(1), StoreError::Full)]), "{taken:?}");
    }

    #[test]
    fn a_damaged_store_ends_the_writer() {
        let fault = Some(StoreError::Damaged("a row is not what was written".to_owned()));
        let (queue, inbox, disk) =
            (WriteQueue::default(), Arc::new(Inbox::default()), Disk { fault, ..Disk::default() });
        queue.push(batch(1, true));
        assert!(!run(&queue, &disk, &inbox, &Metrics::default()));
        assert!(matches!(inbox.take(None, false).progress.as_slice(), [Progress::Failed(..)]), "the core hears of it");
    }
}
