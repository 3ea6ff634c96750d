//! Who is admitted, who is connected, who is being dialled; and what becomes of a connection that comes in, by the rule of
//! [`lavina_gossip::plane`].

use crate::link::Link;
use lavina_crdt::ids::NodeId;
use lavina_gossip::plane::{Held, Verdict, judge};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The answer to an incoming connection.
pub(crate) enum Admittance {
    /// Run it.
    Taken,
    /// Ask again after a change.
    NotYet,
    /// The peer is not admitted.
    Stranger,
}

#[derive(Debug)]
pub(crate) struct Peers {
    me: NodeId,
    state: Mutex<State>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    admitted: BTreeSet<NodeId>,
    links: BTreeMap<NodeId, Arc<Link>>,
    dialling: BTreeSet<NodeId>,
}

impl Peers {
    pub(crate) fn new(me: NodeId) -> Self {
        Self { me, state: Mutex::default(), changes: watch::Sender::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whenever anything here has changed since.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Sets who is admitted; the links to others, which are to be closed.
    pub(crate) fn admit(&self, nodes: impl IntoIterator<Item = NodeId>) -> Vec<Arc<Link>> {
        let out = {
            let mut state = self.state();
            state.admitted = nodes.into_iter().filter(|node| *node != self.me).collect();
            let State { admitted, links, .. } = &*state;
            links.iter().filter(|(peer, _)| !admitted.contains(peer)).map(|(_, link)| Arc::clone(link)).collect()
        };
        self.changes.send_replace(());
        out
    }

    pub(crate) fn is_admitted(&self, peer: NodeId) -> bool {
        self.state().admitted.contains(&peer)
    }

    pub(crate) fn link(&self, peer: NodeId) -> Option<Arc<Link>> {
        self.state().links.get(&peer).cloned()
    }

    pub(crate) fn links(&self) -> Vec<Arc<Link>> {
        self.state().links.values().cloned().collect()
    }

    /// Notes that a peer is being dialled; `false` when it is already, or is connected.
    pub(crate) fn begin_dial(&self, peer: NodeId) -> bool {
        let mut state = self.state();
        !state.links.contains_key(&peer) && state.dialling.insert(peer)
    }

    /// Notes that it is not any more.
    pub(crate) fn end_dial(&self, peer: NodeId) {
        self.state().dialling.remove(&peer);
        self.changes.send_replace(());
    }

    /// Offers a connection that this node has dialled; `false` when the peer is connected or not admitted.
    pub(crate) fn offer_dialled(&self, link: &Arc<Link>) -> bool {
        let taken = {
            let mut state = self.state();
            state.dialling.remove(&link.peer);
            let free = state.admitted.contains(&link.peer) && !state.links.contains_key(&link.peer);
            if free {
                state.links.insert(link.peer, Arc::clone(link));
            }
            free
        };
        self.changes.send_replace(());
        taken
    }

    /// Offers a connection that a peer has made. May close the one it replaces.
    pub(crate) fn offer_accepted(&self, link: &Arc<Link>) -> Admittance {
        let mut state = self.state();
        if !state.admitted.contains(&link.peer) {
            return Admittance::Stranger;
        }
        let held = state.links.get(&link.peer).cloned();
        let seen = held.as_ref().map(|held| Held { dialled_here: held.dialled, same_boot: held.boot == link.boot });
        match (judge(self.me < link.peer, state.dialling.contains(&link.peer), seen), held) {
            (Verdict::Take, _) => {
                state.links.insert(link.peer, Arc::clone(link));
            }
            (Verdict::Replace, Some(held)) => {
                drop(state);
                held.replace();
                return Admittance::NotYet;
            }
            (Verdict::Replace | Verdict::Wait, _) => return Admittance::NotYet,
        }
        drop(state);
        self.changes.send_replace(());
        Admittance::Taken
    }

    /// Forgets a link that has ended.
    pub(crate) fn remove(&self, link: &Arc<Link>) {
        {
            let mut state = self.state();
            if state.links.get(&link.peer).is_some_and(|held| Arc::ptr_eq(held, link)) {
                state.links.remove(&link.peer);
            }
        }
        self.changes.send_replace(());
    }
}
