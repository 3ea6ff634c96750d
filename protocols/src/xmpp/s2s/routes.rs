//! The ways to other servers: one for each pair of domains, with what waits for it.

use super::super::element::Element;
use super::super::error::StanzaError;
use super::ConnectionId;
use super::stream::Pair;
use std::collections::{BTreeMap, VecDeque};

/// Stanzas that wait for one way: a busy room's of the time that a connection takes.
const WAITING_MAX: usize = 512;
/// So long a server that could not be reached counts as one that cannot be, milliseconds.
const FAILED_MS: u64 = 15_000;
/// Ways that are known at a time: more than a node has reason to have.
const ROUTES_MAX: usize = 20_000;

/// How far one way has come.
#[derive(Debug)]
pub(super) enum Route {
    /// It is being asked whether it is a component of another node; what waits.
    Asking(VecDeque<Element>),
    /// There is to be a connection; what waits.
    Connecting(ConnectionId, VecDeque<Element>),
    /// There is one.
    Open(ConnectionId),
    /// There is none until then, microseconds.
    Failed(StanzaError, u64),
}

/// What becomes of a stanza.
#[derive(Debug)]
pub(super) enum Way {
    /// It goes over that connection.
    Now(ConnectionId, Element),
    /// It waits.
    Later,
    /// A way is to be found; it waits.
    Find,
    /// It goes back.
    Back(Element, StanzaError),
}

/// All ways.
#[derive(Debug, Default)]
pub(super) struct Routes(BTreeMap<Pair, Route>);

impl Routes {
    /// Finds the way of a stanza.
    pub(super) fn take(&mut self, now_us: u64, pair: &Pair, stanza: Element) -> Way {
        let full = StanzaError::RESOURCE_CONSTRAINT.text("too much waits for that server");
        match self.0.get_mut(pair) {
            Some(Route::Open(id)) => return Way::Now(*id, stanza),
            Some(Route::Asking(waiting) | Route::Connecting(_, waiting)) => {
                if waiting.len() >= WAITING_MAX {
                    return Way::Back(stanza, full);
                }
                waiting.push_back(stanza);
                return Way::Later;
            }
            Some(Route::Failed(error, until)) if now_us < *until => return Way::Back(stanza, error.clone()),
            Some(Route::Failed(..)) | None => {}
        }
        if self.0.len() >= ROUTES_MAX {
            self.0.retain(|_, route| !matches!(route, Route::Failed(_, until) if *until <= now_us));
        }
        if self.0.len() >= ROUTES_MAX {
            return Way::Back(stanza, full);
        }
        self.0.insert(pair.clone(), Route::Asking(VecDeque::from([stanza])));
        Way::Find
    }

    pub(super) fn get_mut(&mut self, pair: &Pair) -> Option<&mut Route> {
        self.0.get_mut(pair)
    }

    pub(super) fn remove(&mut self, pair: &Pair) -> Option<Route> {
        self.0.remove(pair)
    }

    /// From now on that connection is the way; gives what waited.
    pub(super) fn open(&mut self, pair: &Pair, id: ConnectionId) -> VecDeque<Element> {
        match self.0.insert(pair.clone(), Route::Open(id)) {
            Some(Route::Asking(waiting) | Route::Connecting(_, waiting)) => waiting,
            Some(Route::Open(_) | Route::Failed(..)) | None => VecDeque::new(),
        }
    }

    /// What waits for an answer waits for a connection from here on.
    pub(super) fn connect(&mut self, pair: &Pair, id: ConnectionId) {
        if let Some(route) = self.0.get_mut(pair)
            && let Route::Asking(waiting) = route
        {
            *route = Route::Connecting(id, std::mem::take(waiting));
        }
    }

    /// The server cannot be reached; gives what waited.
    pub(super) fn fail(&mut self, now_us: u64, pair: &Pair, error: &StanzaError) -> VecDeque<Element> {
        match self.0.insert(pair.clone(), Route::Failed(error.clone(), now_us + FAILED_MS * 1000)) {
            Some(Route::Asking(waiting) | Route::Connecting(_, waiting)) => waiting,
            Some(Route::Open(_) | Route::Failed(..)) | None => VecDeque::new(),
        }
    }

    /// A connection is gone: pairs that were to be connected by it, whose stanzas wait.
    pub(super) fn close(&mut self, id: ConnectionId) -> Vec<Pair> {
        self.0.retain(|_, route| !matches!(route, Route::Open(open) if *open == id));
        let is_meant = |route: &Route| matches!(route, Route::Connecting(connecting, _) if *connecting == id);
        self.0.iter().filter(|(_, route)| is_meant(route)).map(|(pair, _)| pair.clone()).collect()
    }
}
