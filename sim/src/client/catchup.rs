//! How a client reads a room's whole history page by page, as whoever was away does, and what it learns of rooms by looking around.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A page to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) room: String,
    pub(super) edge: Option<String>,
    pub(super) newest: bool,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caught {
    /// Rooms that are still to be read; the first is being read.
    open: VecDeque<String>,
    newest: bool,
    /// Ids and texts of what has been read whole, oldest first.
    pub(crate) read: BTreeMap<String, Vec<(String, String)>>,
    /// Rooms that it was not let read.
    pub(crate) refused: BTreeSet<String>,
    /// Rooms that it was told of.
    pub(crate) listed: BTreeSet<String>,
}

impl Caught {
    /// Reads these rooms, each from its newest or its oldest end.
    pub(super) fn new(rooms: Vec<String>, newest: bool) -> Self {
        Self { open: rooms.into(), newest, ..Self::default() }
    }

    /// Whether everything has been read.
    pub(crate) fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// The first page.
    pub(super) fn begin(&mut self) -> Option<Ask> {
        let room = self.open.front()?.clone();
        self.read.insert(room.clone(), Vec::new());
        Some(Ask { room, edge: None, newest: self.newest })
    }

    /// A page has come; gives the next.
    pub(super) fn on_page(&mut self, lines: &[(String, String)], last: bool) -> Option<Ask> {
        let room = self.open.front()?.clone();
        let read = self.read.entry(room.clone()).or_default();
        if self.newest {
            read.splice(0..0, lines.iter().cloned());
        } else {
            read.extend(lines.iter().cloned());
        }
        let edge = if self.newest { lines.first() } else { lines.last() };
        match edge {
            Some((id, _)) if !last => Some(Ask { room, edge: Some(id.clone()), newest: self.newest }),
            Some(_) | None => self.next_room(),
        }
    }

    /// A page was refused; gives the next room's first.
    pub(super) fn on_refusal(&mut self) -> Option<Ask> {
        let room = self.open.front()?.clone();
        self.read.remove(&room);
        self.refused.insert(room);
        self.next_room()
    }

    fn next_room(&mut self) -> Option<Ask> {
        self.open.pop_front();
        self.begin()
    }
}
