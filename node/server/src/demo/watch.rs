//! Watches whether the nodes hold the same, from what each says of itself.

use super::news::News;
use lavina_core::node::Status;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

type Statuses = BTreeMap<String, Option<Status>>;

/// What was seen so far.
pub(super) struct Watch {
    /// What each node held when it last ran: a stopped node's disk still counts.
    held: BTreeMap<String, Held>,
    /// Entries of each node when all were last equal.
    equal: BTreeMap<String, u64>,
    /// Growth last told.
    told: BTreeMap<String, u64>,
    /// Whom each node reached when it was last told.
    reach: BTreeMap<String, BTreeSet<String>>,
    /// When the nodes were first seen to differ, or the disturbance ended.
    since: Option<Instant>,
    /// Whether there is a difference to tell the end of.
    differ: bool,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    entries: u64,
    digest: String,
}

fn reaches(status: &Status) -> BTreeSet<String> {
    status.peers.iter().filter(|(_, peer)| peer.in_reach).map(|(name, _)| name.clone()).collect()
}

fn running(statuses: &Statuses) -> impl Iterator<Item = (&String, &Status)> {
    statuses.iter().filter_map(|(name, status)| Some((name, status.as_ref()?)))
}

impl Watch {
    /// Begins with nodes that are equal.
    pub(super) fn new(statuses: &Statuses) -> Self {
        let (told, reach) = (BTreeMap::new(), BTreeMap::new());
        let mut watch = Self { held: BTreeMap::new(), equal: BTreeMap::new(), told, reach, since: None, differ: false };
        watch.take(statuses);
        watch.equal = watch.entries();
        watch.reach = running(statuses).map(|(name, status)| (name.clone(), reaches(status))).collect();
        watch
    }

    fn take(&mut self, statuses: &Statuses) {
        for (name, status) in running(statuses) {
            self.held.insert(name.clone(), Held { entries: status.entries, digest: status.digest.clone() });
        }
    }

    fn entries(&self) -> BTreeMap<String, u64> {
        self.held.iter().map(|(name, held)| (name.clone(), held.entries)).collect()
    }

    /// Something was done to the ways or the nodes; `disturbed` says whether something is still wrong with them.
    pub(super) fn note(&mut self, disturbed: bool) {
        if !disturbed {
            self.since = Some(Instant::now());
        }
    }

    /// Whether the nodes were equal at the last look.
    pub(super) fn is_whole(&self) -> bool {
        !self.differ
    }

    /// Looks at what the nodes say.
    pub(super) fn look(&mut self, statuses: &Statuses, disturbed: bool) -> Vec<News> {
        self.take(statuses);
        let mut news = self.look_at_reach(statuses);
        let digests: BTreeSet<&str> = self.held.values().map(|held| held.digest.as_str()).collect();
        if digests.len() > 1 {
            self.since.get_or_insert_with(Instant::now);
            self.differ = true;
            // Without a disturbance this is a message on its way.
            if disturbed {
                news.extend(self.tell_divergence());
            }
        } else {
            news.extend(self.tell_convergence());
        }
        news
    }

    fn look_at_reach(&mut self, statuses: &Statuses) -> Vec<News> {
        let mut news = Vec::new();
        for (name, status) in running(statuses) {
            let reaches = reaches(status);
            let lost =
                status.peers.iter().map(|(peer, _)| peer).filter(|peer| !reaches.contains(*peer)).cloned().collect();
            if self.reach.get(name) != Some(&reaches) {
                news.push(News::Sees { node: name.clone(), reaches: reaches.iter().cloned().collect(), lost });
                self.reach.insert(name.clone(), reaches);
            }
        }
        news
    }

    fn tell_divergence(&mut self) -> Option<News> {
        let growth: BTreeMap<String, u64> = self
            .entries()
            .into_iter()
            .map(|(name, entries)| {
                let before = self.equal.get(&name).copied().unwrap_or(0);
                (name, entries.saturating_sub(before))
            })
            .collect();
        let news = growth != self.told;
        self.told.clone_from(&growth);
        news.then_some(News::Diverged { since_equal: growth })
    }

    fn tell_convergence(&mut self) -> Option<News> {
        let entries = self.entries();
        let total = entries.values().copied().max().unwrap_or(0);
        let before = self.equal.values().copied().max().unwrap_or(0);
        let digest = self.held.values().map(|held| held.digest.clone()).next().unwrap_or_default();
        // Only what was told to be apart has an end worth a line.
        let tell = !self.told.is_empty();
        let ms = self.since.take().map_or(0, |since| crate::shell::clock::micros(since.elapsed()) / 1000);
        self.equal = entries;
        self.told.clear();
        self.differ = false;
        tell.then_some(News::Converged { entries: total.saturating_sub(before), total, digest, ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statuses(rows: &[(&str, u64, &str)]) -> Statuses {
        let status = |entries, digest: &str| Status { entries, digest: digest.to_owned(), ..Status::default() };
        rows.iter().map(|(name, entries, digest)| ((*name).to_owned(), Some(status(*entries, digest)))).collect()
    }

    #[test]
    fn a_cut_is_told_as_it_grows_and_its_end_once() {
        let mut watch = Watch::new(&statuses(&[("eu", 5, "x"), ("us", 5, "x")]));
        assert!(watch.look(&statuses(&[("eu", 5, "x"), ("us", 5, "x")]), true).is_empty());
        let apart = statuses(&[("eu", 7, "y"), ("us", 6, "z")]);
        let news = watch.look(&apart, true);
        let [News::Diverged { since_equal }] = news.as_slice() else { panic!("{news:?}") };
        assert_eq!(since_equal.values().copied().collect::<Vec<_>>(), [2, 1]);
        assert!(watch.look(&apart, true).is_empty(), "told once");
        assert!(!watch.is_whole());
        watch.note(false);
        let news = watch.look(&statuses(&[("eu", 8, "w"), ("us", 8, "w")]), false);
        assert!(matches!(news.as_slice(), [News::Converged { entries: 3, total: 8, .. }]), "{news:?}");
        assert!(watch.is_whole());
    }

    #[test]
    fn a_message_on_its_way_is_no_news() {
        let mut watch = Watch::new(&statuses(&[("eu", 5, "x"), ("us", 5, "x")]));
        assert!(watch.look(&statuses(&[("eu", 6, "y"), ("us", 5, "x")]), false).is_empty());
        assert!(watch.look(&statuses(&[("eu", 6, "y"), ("us", 6, "y")]), false).is_empty());
    }

    #[test]
    fn a_stopped_node_is_behind_with_what_is_on_its_disk() {
        let mut watch = Watch::new(&statuses(&[("eu", 5, "x"), ("us", 5, "x")]));
        let mut stopped = statuses(&[("eu", 6, "y")]);
        stopped.insert("us".to_owned(), None);
        let news = watch.look(&stopped, true);
        let [News::Diverged { since_equal }] = news.as_slice() else { panic!("{news:?}") };
        assert_eq!(since_equal.values().copied().collect::<Vec<_>>(), [1, 0]);
        let news = watch.look(&statuses(&[("eu", 6, "y"), ("us", 6, "y")]), false);
        assert!(matches!(news.as_slice(), [News::Converged { entries: 1, total: 6, .. }]), "{news:?}");
    }
}
