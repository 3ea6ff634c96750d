//! The core's inbound queue: what workers, peers, the writer and operators have for the core.
//!
//! The queue is bounded softly: pushing never fails and never waits, so that nobody the core waits for can wait for the core; whoever
//! produces asks [`Inbox::has_room`] and stops reading from its own source until [`Inbox::room`] says that there is room again. What
//! the writer reports lies apart and is taken even while everything else is held back.

use lavina_core::node::{AdminCommand, AdminReply, Input};
use lavina_core::store::{BatchId, StoreError};
use lavina_protocols::command::Refusal;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{Notify, oneshot};

/// Inputs waiting above which producers stop: about 20 ms of work for the core, so a full queue costs no client more than that.
pub(crate) const INPUTS_WAITING_MAX: usize = 8192;

/// Where an operator's answer goes.
pub(crate) type AdminAnswer = oneshot::Sender<Result<AdminReply, Refusal>>;

/// One thing for the core.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// Inputs, in order.
    Inputs(Vec<Input>),
    /// A question or act of an operator.
    Admin(AdminCommand, AdminAnswer),
}

/// What the writer says.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Durable up to here.
    Persisted(BatchId),
    /// Not written from here on.
    Failed(BatchId, StoreError),
}

/// What the core takes at once.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// From the writer.
    pub(crate) progress: Vec<Progress>,
    /// From everybody else.
    pub(crate) inbound: Vec<Inbound>,
    /// Whether the core is to end.
    pub(crate) stop: bool,
}

#[derive(Debug, Default)]
struct Queue {
    taken: Taken,
    waiting: usize,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queue: Mutex<Queue>,
    filled: Condvar,
    emptied: Notify,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something in; says whether there is room for more.
    pub(crate) fn push(&self, inbound: Inbound) -> bool {
        let mut queue = self.lock();
        queue.waiting += match &inbound {
            Inbound::Inputs(inputs) => inputs.len(),
            Inbound::Admin(..) => 1,
        };
        queue.taken.inbound.push(inbound);
        let room = queue.waiting < INPUTS_WAITING_MAX;
        drop(queue);
        self.filled.notify_one();
        room
    }

    /// Ends the core, whatever else waits.
    pub(crate) fn stop(&self) {
        self.lock().taken.stop = true;
        self.filled.notify_one();
    }

    /// Puts in what the writer says.
    pub(crate) fn report(&self, progress: Progress) {
        self.lock().taken.progress.push(progress);
        self.filled.notify_one();
    }

    /// Whether a producer may go on.
    pub(crate) fn has_room(&self) -> bool {
        self.lock().waiting < INPUTS_WAITING_MAX
    }

    /// Waits until there is room.
    pub(crate) async fn room(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // Registered before looking, so that no emptying in between is missed.
            emptied.as_mut().enable();
            if self.has_room() {
                return;
            }
            emptied.await;
        }
    }

    /// Takes all there is; waits for something until `deadline`. With `hold`, only what the writer says counts.
    pub(crate) fn take(&self, deadline: Option<Instant>, hold: bool) -> Taken {
        let mut queue = self.lock();
        loop {
            let taken = &queue.taken;
            let ready = taken.stop || !taken.progress.is_empty() || (!hold && !taken.inbound.is_empty());
            let now = Instant::now();
            if ready || deadline.is_some_and(|deadline| deadline <= now) {
                break;
            }
            queue = match deadline {
                Some(deadline) => self
                    .filled
                    .wait_timeout(queue, deadline.saturating_duration_since(now))
                    .map_or_else(|poisoned| poisoned.into_inner().0, |(queue, _)| queue),
                None => self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
        if hold {
            let progress = std::mem::take(&mut queue.taken.progress);
            return Taken { progress, inbound: Vec::new(), stop: queue.taken.stop };
        }
        let taken = std::mem::take(&mut queue.taken);
        let was_full = queue.waiting >= INPUTS_WAITING_MAX;
        queue.waiting = 0;
        drop(queue);
        if was_full {
            self.emptied.notify_waiters();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(count: usize) -> Inbound {
        Inbound::Inputs((0..count).map(|_| Input::Timeout).collect())
    }

    #[test]
    fn while_the_disk_is_behind_only_the_writer_is_heard() {
        let inbox = Inbox::default();
        inbox.push(inputs(1));
        inbox.report(Progress::Persisted(BatchId(7)));
        let taken = inbox.take(None, true);
        assert!(matches!(taken.progress.as_slice(), [Progress::Persisted(BatchId(7))]) && taken.inbound.is_empty());
        assert!(inbox.take(Some(Instant::now()), true).progress.is_empty(), "the deadline ends the wait");
        assert_eq!(inbox.take(None, false).inbound.len(), 1);
        inbox.stop();
        assert!(inbox.take(None, true).stop, "a stop is heard even then");
    }

    #[tokio::test]
    async fn who_fills_the_queue_waits_until_it_is_taken() {
        let inbox = Inbox::default();
        assert!(inbox.push(inputs(INPUTS_WAITING_MAX - 1)));
        assert!(!inbox.push(inputs(1)), "full, but taken in");
        let waiting = inbox.room();
        tokio::pin!(waiting);
        let pending = tokio::select! {
            biased;
            () = &mut waiting => false,
            () = std::future::ready(()) => true,
        };
        assert!(pending);
        assert_eq!(inbox.take(None, false).inbound.len(), 2);
        waiting.await;
        assert!(inbox.has_room());
    }
}
