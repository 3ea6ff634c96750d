//! Who wants to know whether a nick is there, in a shared room or not (IRCv3 `monitor`). Knows no sessions and no records: it is told what changed.

use crate::node::SessionNumber;
use lavina_crdt::names::{Nick, NickKey};
use std::collections::{BTreeMap, BTreeSet};

/// One watched nick.
#[derive(Debug)]
struct Watched {
    nick: Nick,
    is_here: bool,
    by: BTreeSet<SessionNumber>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    nicks: BTreeMap<NickKey, Watched>,
    by_session: BTreeMap<SessionNumber, Vec<NickKey>>,
}

impl Watches {
    /// From now on the session watches these nicks and no others; `is_here` tells of each whether it is there now.
    pub(crate) fn set(&mut self, session: SessionNumber, nicks: Vec<Nick>, is_here: impl Fn(&NickKey) -> bool) {
        self.end(session);
        let keys: Vec<NickKey> = nicks.iter().map(Nick::key).collect();
        for (nick, key) in nicks.into_iter().zip(&keys) {
            let here = is_here(key);
            let fresh = || Watched { nick, is_here: here, by: BTreeSet::new() };
            self.nicks.entry(key.clone()).or_insert_with(fresh).by.insert(session);
        }
        if !keys.is_empty() {
            self.by_session.insert(session, keys);
        }
    }

    /// The session watches nobody any more.
    pub(crate) fn end(&mut self, session: SessionNumber) {
        for key in self.by_session.remove(&session).unwrap_or_default() {
            if let Some(watched) = self.nicks.get_mut(&key) {
                watched.by.remove(&session);
                if watched.by.is_empty() {
                    self.nicks.remove(&key);
                }
            }
        }
    }

    /// Who watches a nick.
    pub(crate) fn of(&self, key: &NickKey) -> impl Iterator<Item = SessionNumber> + '_ {
        self.nicks.get(key).into_iter().flat_map(|watched| watched.by.iter().copied())
    }

    /// Whether a nick is there may have changed: who is to be told, and how the nick was written, when it has.
    pub(crate) fn changed(&mut self, key: &NickKey, is_here: bool) -> Option<(Nick, Vec<SessionNumber>)> {
        let watched = self.nicks.get_mut(key)?;
        let changed = std::mem::replace(&mut watched.is_here, is_here) != is_here;
        changed.then(|| (watched.nick.clone(), watched.by.iter().copied().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_once_to_those_who_watch() {
        let nick = Nick::new("Bob").unwrap();
        let mut watches = Watches::default();
        watches.set(1, vec![nick.clone()], |_| false);
        watches.set(2, vec![nick.clone()], |_| false);
        assert_eq!(watches.changed(&nick.key(), true), Some((nick.clone(), vec![1, 2])));
        assert_eq!(watches.changed(&nick.key(), true), None);
        watches.end(1);
        assert_eq!(watches.changed(&nick.key(), false), Some((nick.clone(), vec![2])));
        watches.set(2, Vec::new(), |_| false);
        assert_eq!(watches.changed(&nick.key(), true), None);
    }
}
