//! How a client reads rooms' histories page by page, as whoever was away does, and what it learns of rooms by looking around.
//!
//! For each node, protocol and direction somebody reads all there is in a room; the others read their first page, as people do: a node shows
//! the same to all of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A page to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) room: String,
    pub(super) edge: Option<String>,
    pub(super) newest: bool,
}

/// A room to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToRead {
    /// Its name.
    pub(crate) room: String,
    /// Whether to its other end, not the first page only.
    pub(crate) whole: bool,
}

/// What was read of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Read {
    /// The pages, oldest first, each with its ids and texts in order.
    pages: VecDeque<Vec<(String, String)>>,
    /// Whether from the newest end.
    newest: bool,
    /// Whether it is all there is.
    pub(crate) whole: bool,
}

impl Read {
    /// Ids and texts, oldest first.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pages.iter().flatten().map(|(id, text)| (id.as_str(), text.as_str()))
    }

    /// Whether from the newest end.
    pub(crate) const fn is_from_newest(&self) -> bool {
        self.newest
    }
}

/// What was read and learnt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caught {
    /// Rooms that are still to be read; the first is being read.
    open: VecDeque<ToRead>,
    newest: bool,
    /// What has been read, by room.
    pub(crate) read: BTreeMap<String, Read>,
    /// Rooms that it was not let read.
    pub(crate) refused: BTreeSet<String>,
    /// Rooms that it was told of.
    pub(crate) listed: BTreeSet<String>,
}

impl Caught {
    /// Reads these rooms, each from its newest or its oldest end.
    pub(super) fn new(rooms: Vec<ToRead>, newest: bool) -> Self {
        Self { open: rooms.into(), newest, ..Self::default() }
    }

    /// Whether everything has been read.
    pub(crate) fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// The first page.
    pub(super) fn begin(&mut self) -> Option<Ask> {
        let room = self.open.front()?.room.clone();
        self.read.insert(room.clone(), Read { newest: self.newest, ..Read::default() });
        Some(Ask { room, edge: None, newest: self.newest })
    }

    /// A page has come; gives the next.
    pub(super) fn on_page(&mut self, lines: &[(String, String)], last: bool) -> Option<Ask> {
        let ToRead { room, whole } = self.open.front()?.clone();
        let read = self.read.entry(room.clone()).or_default();
        if self.newest {
            read.pages.push_front(lines.to_vec());
        } else {
            read.pages.push_back(lines.to_vec());
        }
        read.whole = last || lines.is_empty();
        let edge = if self.newest { lines.first() } else { lines.last() };
        match edge {
            Some((id, _)) if whole && !last => Some(Ask { room, edge: Some(id.clone()), newest: self.newest }),
            Some(_) | None => self.next_room(),
        }
    }

    /// A page was refused; gives the next room's first.
    pub(super) fn on_refusal(&mut self) -> Option<Ask> {
        let room = self.open.front()?.room.clone();
        self.read.remove(&room);
        self.refused.insert(room);
        self.next_room()
    }

    fn next_room(&mut self) -> Option<Ask> {
        self.open.pop_front();
        self.begin()
    }
}
