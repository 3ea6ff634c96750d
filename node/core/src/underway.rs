//! Direct messages said here for clients at other nodes, until one of these has said that it has them: where their nodes turn out to be lost
//! first, they wait for the next client.

use lavina_crdt::clock::Now;
use lavina_crdt::content::Author;
use lavina_crdt::ids::{MsgId, NodeId};
use lavina_crdt::names::AccountName;
use lavina_gossip::gauges::Gauge;
use std::collections::{BTreeSet, VecDeque};

/// For how long a message is remembered, milliseconds: longer than it takes to find out that a node is lost. What nodes of versions before have got,
/// which do not say so, is given again from so far back.
pub(crate) const UNDERWAY_MS: u64 = 15_000;
/// Most that are remembered; of more, the oldest are in the archive only.
const UNDERWAY_MAX: usize = 4_096;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// Which.
    pub(crate) id: MsgId,
    /// For whom.
    pub(crate) account: AccountName,
    /// By whom.
    pub(crate) author: Author,
}

#[derive(Debug)]
struct Entry {
    sent: Sent,
    /// Where clients were that it is for, as far as their nodes are not lost.
    nodes: BTreeSet<NodeId>,
    until_us: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Underway(VecDeque<Entry>);

impl Underway {
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge::standing("underway", self.0.len(), UNDERWAY_MAX)
    }

    /// A message was said for clients at these nodes.
    pub(crate) fn add(&mut self, now: Now, sent: Sent, nodes: BTreeSet<NodeId>) {
        self.forget(now);
        if self.0.len() == UNDERWAY_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Entry { sent, nodes, until_us: now.deadline_ms(UNDERWAY_MS) });
    }

    /// A client has a message.
    pub(crate) fn got(&mut self, id: MsgId) {
        self.0.retain(|entry| entry.sent.id != id);
    }

    /// A node is lost: what nobody has, nor is to get from another node.
    pub(crate) fn lose(&mut self, now: Now, node: NodeId) -> Vec<Sent> {
        self.forget(now);
        let mut lost = Vec::new();
        self.0.retain_mut(|entry| {
            let is_last = entry.nodes.remove(&node) && entry.nodes.is_empty();
            if is_last {
                lost.push(entry.sent.clone());
            }
            !is_last
        });
        lost
    }

    fn forget(&mut self, now: Now) {
        while self.0.front().is_some_and(|entry| entry.until_us <= now.mono_us) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::ids::SessionId;
    use lavina_crdt::names::Nick;

    const A: NodeId = NodeId([1; 32]);
    const B: NodeId = NodeId([2; 32]);

    fn at(ms: u64) -> Now {
        Now { mono_us: ms * 1000, wall_ms: 1_000_000 + ms }
    }

    fn sent(id: u8) -> Sent {
        let account = AccountName::new("juliet").unwrap();
        let author = Author {
            session: SessionId { node: B, number: 1 },
            account: Some(account.clone()),
            nick: Nick::new("juliet").unwrap(),
            user: String::new(),
            host: String::new(),
        };
        Sent { id: MsgId([id; 20]), account, author }
    }

    #[test]
    fn what_was_for_lost_nodes_only_and_nobody_has_got_is_lost_with_the_last_of_them() {
        let mut underway = Underway::default();
        underway.add(at(0), sent(1), BTreeSet::from([A]));
        underway.add(at(0), sent(2), BTreeSet::from([A]));
        underway.add(at(0), sent(3), BTreeSet::from([A, B]));
        underway.got(MsgId([2; 20]));
        assert_eq!(underway.lose(at(1), A), [sent(1)]);
        assert_eq!(underway.lose(at(1), A), []);
        assert_eq!(underway.lose(at(2), B), [sent(3)]);
    }

    #[test]
    fn what_was_said_long_before_is_not_underway_and_of_too_much_the_oldest_is_not() {
        let mut underway = Underway::default();
        underway.add(at(0), sent(1), BTreeSet::from([A]));
        assert_eq!(underway.lose(at(UNDERWAY_MS), A), []);
        for id in [1].into_iter().chain(std::iter::repeat_n(2, UNDERWAY_MAX)) {
            underway.add(at(0), sent(id), BTreeSet::from([A]));
        }
        let lost = underway.lose(at(1), A);
        assert!(lost.len() == UNDERWAY_MAX && lost[0] == sent(2));
    }
}
