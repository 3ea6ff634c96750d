//! What passes between nodes.

use super::World;
use lavina_core::node::Input;
use lavina_crdt::entry::Run;
use lavina_gossip::frame::Frame;

impl World {
    pub(super) fn on_dialled(&mut self, from: usize, to: usize) {
        let answers = |node: &super::node::SimNode| node.core.is_some() && node.paused_us.is_none() && !node.revoked;
        let up = answers(&self.nodes[from]) && answers(&self.nodes[to]);
        if !up || !self.net.passes_both(from, to) {
            return;
        }
        // A connection that stands since before one end's start is known at the other end only.
        let made_us = self.net.conn(from, to).map(|conn| conn.made_us);
        if made_us.is_some_and(|made_us| [from, to].iter().any(|node| self.nodes[*node].up_since_us > made_us)) {
            self.drop_connection(from, to);
        }
        if let Some(epoch) = self.net.connect(self.now_us, from, to) {
            self.book.on_connection(self.now_us, from, to, true);
            self.note("connected", from, || format!("to {to} as {epoch}"));
            let (from_id, to_id) = (self.id(from), self.id(to));
            self.input(from, Input::PeerUp(to_id));
            self.input(to, Input::PeerUp(from_id));
        }
    }

    pub(super) fn frame_arrives(&mut self, from: usize, to: usize, frame: lavina_gossip::frame::Frame) {
        let words = || format!("frame {to}: from {from}, {}", frame_words(&frame));
        self.trace.note_value(self.now_us, [from, to], &frame, words);
        if let Frame::Push { runs, .. } | Frame::Delta { runs, .. } = &frame
            && self.nodes[to].core.is_some()
        {
            let live = matches!(frame, Frame::Push { .. });
            let by_id = &self.by_id;
            let writer = |run: &Run| by_id.get(&run.origin.node).copied().unwrap_or(from);
            self.book.on_runs(self.now_us, (from, to), runs, live, writer);
        }
        let peer = self.id(from);
        self.input(to, Input::Frame(peer, frame));
    }
}

fn frame_words(frame: &lavina_gossip::frame::Frame) -> String {
    let mut words = format!("{frame:?}");
    if let Some((end, _)) = words.char_indices().nth(120) {
        words.truncate(end);
    }
    words
}
