//! Which of this node's sessions may be gone on with over another connection, by the key that the client shows (see
//! [`lavina_protocols::session`]). Shared by all workers.

use lavina_core::node::SessionNumber;
use lavina_protocols::session::ResumptionKey;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Ended sessions that are remembered: a day of a node whose clients come back too late every few seconds.
const ENDED_MAX: usize = 16 * 1024;

/// Sessions of one account that may be gone on with: all of a person's devices, and what each has left behind in ten minutes on the move.
const KEPT_MAX: usize = 64;

/// What there is of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// That session.
    Session(SessionNumber),
    /// One that has ended, and so many stanzas it handled.
    Ended(u32),
    /// Nothing.
    Nothing,
}

/// The keys.
#[derive(Debug, Default)]
pub(crate) struct Resumptions(Mutex<Keys>);

#[derive(Debug, Default)]
struct Keys {
    live: BTreeMap<ResumptionKey, SessionNumber>,
    ended: BTreeMap<ResumptionKey, u32>,
    /// The keys of the ended ones, oldest first.
    order: VecDeque<ResumptionKey>,
}

impl Resumptions {
    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session may be gone on with. `false`: its account has too many of these already.
    pub(super) fn keep(&self, key: ResumptionKey, number: SessionNumber) -> bool {
        let mut keys = self.lock();
        let first = ResumptionKey { account: key.account.clone(), id: String::new() };
        let own = keys.live.range(first..).take_while(|(other, _)| other.account == key.account).count();
        let fits = own < KEPT_MAX || keys.live.contains_key(&key);
        if fits {
            keys.live.insert(key, number);
        }
        fits
    }

    /// It may not any more.
    pub(super) fn forget(&self, key: ResumptionKey, handled: u32) {
        let mut keys = self.lock();
        keys.live.remove(&key);
        if keys.ended.insert(key.clone(), handled).is_none() {
            keys.order.push_back(key);
        }
        if keys.order.len() > ENDED_MAX
            && let Some(oldest) = keys.order.pop_front()
        {
            keys.ended.remove(&oldest);
        }
    }

    /// Looks a key up.
    pub(super) fn find(&self, key: &ResumptionKey) -> Found {
        let keys = self.lock();
        match (keys.live.get(key), keys.ended.get(key)) {
            (Some(number), _) => Found::Session(*number),
            (None, Some(handled)) => Found::Ended(*handled),
            (None, None) => Found::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::names::AccountName;

    fn key(account: &str, id: usize) -> ResumptionKey {
        ResumptionKey { account: AccountName::new(account).expect("a name"), id: id.to_string() }
    }

    #[test]
    fn a_key_opens_its_own_session_only() {
        let resumptions = Resumptions::default();
        assert!(resumptions.keep(key("alice", 1), 7));
        assert_eq!(resumptions.find(&key("alice", 1)), Found::Session(7));
        assert_eq!(resumptions.find(&key("bob", 1)), Found::Nothing);
        resumptions.forget(key("alice", 1), 12);
        assert_eq!(resumptions.find(&key("alice", 1)), Found::Ended(12));
    }

    #[test]
    fn an_account_keeps_so_many_sessions_and_no_more() {
        let resumptions = Resumptions::default();
        assert!((0..KEPT_MAX).all(|id| resumptions.keep(key("alice", id), 1)));
        assert!(!resumptions.keep(key("alice", KEPT_MAX), 1) && resumptions.keep(key("bob", 0), 1));
        assert!(resumptions.keep(key("alice", 0), 2), "the same one anew");
        resumptions.forget(key("alice", 1), 0);
        assert!(resumptions.keep(key("alice", KEPT_MAX), 1));
    }

    #[test]
    fn the_oldest_of_too_many_is_forgotten() {
        let resumptions = Resumptions::default();
        for id in 0..=ENDED_MAX {
            resumptions.forget(key("alice", id), 1);
        }
        assert_eq!(resumptions.find(&key("alice", 0)), Found::Nothing);
        assert_eq!(resumptions.find(&key("alice", 1)), Found::Ended(1));
    }
}
