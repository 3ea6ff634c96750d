//! Render once, share with all: bytes of an event by how they are to look.
//!
//! Sessions with the same capabilities get the same bytes for the same event. Within one delivery round a shell keeps one
//! [`Renders`]; each session asks it before it renders.

use crate::event::Event;
use bytes::Bytes;
use lavina_crdt::names::RoomName;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// A way of rendering: sessions that share a class get identical bytes. Each protocol packs into it what its rendering of an
/// event depends on (for IRC the negotiated capabilities that matter, for XMPP nothing or little).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RenderClass(pub u64);

/// Bytes of the events of one delivery round.
#[derive(Debug, Default)]
pub struct Renders {
    event: Option<Arc<Event>>,
    by_class: Vec<(RenderClass, Bytes)>,
    by_rooms: BTreeMap<(RenderClass, Vec<RoomName>), Bytes>,
}

impl Renders {
    /// The bytes of `event` in `class`: made by `render` the first time, shared afterwards. Deliver an event to all its sessions before
    /// the next event: only the latest event's bytes are kept.
    pub fn get_or_render(&mut self, event: &Arc<Event>, class: RenderClass, render: impl FnOnce() -> Bytes) -> Bytes {
        self.keep_only(event);
        if let Some((_, bytes)) = self.by_class.iter().find(|(known, _)| *known == class) {
            return bytes.clone();
        }
        let bytes = render();
        self.by_class.push((class, bytes.clone()));
        bytes
    }

    /// As [`Renders::get_or_render`], for an event of many rooms of which each session is shown those that it is in, `rooms`.
    pub fn get_or_render_in(
        &mut self,
        event: &Arc<Event>,
        class: RenderClass,
        rooms: Vec<RoomName>,
        render: impl FnOnce(&[RoomName]) -> Bytes,
    ) -> Bytes {
        self.keep_only(event);
        match self.by_rooms.entry((class, rooms)) {
            Entry::Occupied(made) => made.get().clone(),
            Entry::Vacant(place) => {
                let bytes = render(&place.key().1);
                place.insert(bytes).clone()
            }
        }
    }

    fn keep_only(&mut self, event: &Arc<Event>) {
        if !self.event.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, event)) {
            self.event = Some(Arc::clone(event));
            self.by_class.clear();
            self.by_rooms.clear();
        }
    }
}
