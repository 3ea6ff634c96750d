//! What a peer lacks of a scope in which several origins wrote, in the order of the conversation: a piece of whoever's next entry is the oldest, then of the
//! next. Origin after origin, nearly every entry would wait at the other side for what it answers to.
//!
//! Pieces, not entries: each run that is sent ends with a signature and is checked and packed by itself.

use crate::inflight::run_end;
use crate::machine::Replica;
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::Run;
use lavina_crdt::ids::{Origin, Scope};
use lavina_crdt::segment;
use std::collections::BTreeMap;

/// About the most bytes of an origin's entries that are sent before those of another origin that are older than the rest of its own: some ten minutes of
/// a busy room, and long enough that its signature and its header do not count.
const PIECE_BYTES_MAX: usize = 32 * 1024;

/// How far the entries of each origin have been sent, by stamp: what comes next of it is not older.
pub(crate) type Reached = BTreeMap<Origin, Hlc>;

/// Of one origin, what is lacking.
#[derive(Debug)]
struct Part {
    at: u64,
    end: u64,
    /// The beginning of it, where it had to be read to know its stamp.
    read: Option<Run>,
}

/// See the module. Drive it: [`Weave::next`] until there is nothing or no room left, then keep what it [reached](Weave::into_reached) for the next time.
pub(crate) struct Weave<'a> {
    replica: &'a dyn Replica,
    scope: &'a Scope,
    parts: BTreeMap<(Hlc, Origin), Part>,
    reached: Reached,
}

impl<'a> Weave<'a> {
    /// What is `lacking` of each origin: from which number on, and where it ends.
    pub(crate) fn new(
        replica: &'a dyn Replica,
        scope: &'a Scope,
        lacking: &[(Origin, u64, u64)],
        reached: Reached,
    ) -> Self {
        let mut weave = Self { replica, scope, parts: BTreeMap::new(), reached };
        for (origin, at, end) in lacking.iter().copied() {
            let known = weave.reached.get(&origin).copied();
            let read =
                if known.is_some() || lacking.len() == 1 { None } else { weave.read(origin, at, PIECE_BYTES_MAX) };
            let stamp = known.or_else(|| segment::stamp(read.as_ref()?.entries.first()?)).unwrap_or_default();
            weave.reached.insert(origin, stamp);
            weave.parts.insert((stamp, origin), Part { at, end, read });
        }
        weave
    }

    /// The next piece, of about `bytes_max` bytes at most.
    pub(crate) fn next(&mut self, bytes_max: usize) -> Option<Run> {
        while let Some(((_, origin), Part { at, end, read })) = self.parts.pop_first() {
            let most = if self.parts.is_empty() { bytes_max } else { bytes_max.min(PIECE_BYTES_MAX) };
            // A disk that cannot be read gives nothing of this one; what others wrote may be in memory.
            let Some(run) = read.or_else(|| self.read(origin, at, most)) else { continue };
            let stamp = run.entries.last().and_then(segment::stamp).unwrap_or_default();
            self.reached.insert(origin, stamp);
            if run_end(&run) < end {
                self.parts.insert((stamp, origin), Part { at: run_end(&run), end, read: None });
            }
            return Some(run);
        }
        None
    }

    fn read(&self, origin: Origin, at: u64, bytes_max: usize) -> Option<Run> {
        let run = self.replica.run(self.scope, origin, at, bytes_max);
        run.filter(|run| run.first == at && !run.entries.is_empty())
    }

    pub(crate) fn into_reached(self) -> Reached {
        self.reached
    }
}

/// Puts a piece behind those that are there; with the one before it, if it goes on with that.
pub(crate) fn put(batch: &mut Vec<Run>, piece: Run) {
    match batch.last_mut() {
        Some(last) if last.scope == piece.scope && last.origin == piece.origin && run_end(last) == piece.first => {
            last.entries.extend(piece.entries);
        }
        Some(_) | None => batch.push(piece),
    }
}
