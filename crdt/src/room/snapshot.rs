//! A room's document on disk: Automerge's own compressed form and a table with what it does not hold: stamp, author and standing of each
//! change. A checksum over all stands before it, so that damaged bytes reach no decoder.
//!
//! **Invariant:** what was settled by a version that understood other acts is not taken over: after an upgrade or a rollback the document is made
//! anew from its entries, so that a change counts from the first start on of a version that understands it.

use super::Vocabulary;
use super::change::{self, Recipe};
use super::doc::{Aside, RoomDoc};
use super::graph::Graph;
use crate::content::Author;
use crate::entry::DocHead;
use crate::ids::OrderKey;
use crate::names::RoomName;
use automerge::{Automerge, Change};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Version of the format; another is not read, and the document is made anew from its entries.
const VERSION: u16 = 2;
const CONTEXT: &str = "lavina 1 room snapshot";

#[derive(Serialize, Deserialize)]
struct Snapshot {
    version: u16,
    name: RoomName,
    document: Vec<u8>,
    authors: Vec<Author>,
    rows: Vec<Row>,
    /// Waiting changes: stamp, author, recipe.
    waiting: Vec<(OrderKey, Author, Vec<u8>)>,
}

/// One change, in an order in which each comes after its past.
#[derive(Serialize, Deserialize)]
struct Row {
    hash: DocHead,
    at: OrderKey,
    author: u32,
    is_understood: bool,
    is_authorised: bool,
    counts: bool,
}

impl RoomDoc {
    /// The whole document with its acts, for a snapshot on disk. One with void entries has none: it is read from its entries.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let mut numbers: BTreeMap<&Author, u32> = BTreeMap::new();
        let mut authors = Vec::new();
        let mut rows = Vec::new();
        for node in self.graph.iter() {
            let author = *numbers.entry(&node.author).or_insert_with(|| {
                authors.push(Author::clone(&node.author));
                u32::try_from(authors.len() - 1).unwrap_or(u32::MAX)
            });
            let (is_authorised, counts) = (node.is_authorised, node.counts);
            let is_understood = !node.acts.is_empty();
            rows.push(Row { hash: node.hash, at: node.at, author, is_understood, is_authorised, counts });
        }
        let waiting = self.aside.iter().map(|(at, one)| (*at, Author::clone(&one.author), one.recipe.encode()));
        let waiting = waiting.collect();
        let (name, document) = (self.name.clone(), self.document.save());
        let snapshot = Snapshot { version: VERSION, name, document, authors, rows, waiting };
        let body = postcard::to_stdvec(&snapshot).unwrap_or_default();
        [blake3::derive_key(CONTEXT, &body).as_slice(), &body].concat()
    }

    /// The document from a snapshot; `None` when the bytes are not one, or are of a version that understood other acts of it.
    #[must_use]
    pub fn load(bytes: &[u8], vocabulary: Vocabulary) -> Option<Self> {
        let (checksum, body) = bytes.split_first_chunk::<32>()?;
        if blake3::derive_key(CONTEXT, body) != *checksum {
            return None;
        }
        let snapshot: Snapshot = postcard::from_bytes(body).ok().filter(|read: &Snapshot| read.version == VERSION)?;
        let document = Automerge::load(&snapshot.document).ok()?;
        let mut changes: BTreeMap<DocHead, Change> =
            document.get_changes(&[]).into_iter().map(|change| (change.hash().0, change)).collect();
        let genesis = change::genesis(&snapshot.name)?.hash().0;
        changes.remove(&genesis)?;
        let authors: Vec<Arc<Author>> = snapshot.authors.into_iter().map(Arc::new).collect();
        let mut doc = Self::over(snapshot.name, document, Graph::new(genesis, vocabulary));
        for row in snapshot.rows {
            let change = changes.remove(&row.hash)?;
            let author = authors.get(usize::try_from(row.author).ok()?)?;
            doc.restore(&row, Arc::clone(author), &change)?;
        }
        for (at, author, recipe) in snapshot.waiting {
            doc.aside.insert(at, Aside { author: Arc::new(author), recipe: Recipe::decode(&recipe)? });
        }
        let heads = doc.graph.heads();
        doc.state = doc.state_of(&heads);
        changes.is_empty().then_some(doc)
    }

    /// Adds a change that was taken before; its hash must come out the same.
    fn restore(&mut self, row: &Row, author: Arc<Author>, change: &Change) -> Option<()> {
        let recipe = Recipe::of_change(change)?;
        let fitted = self.graph.fit(row.at, &recipe)?;
        let rebuilt = change::build(row.at, &recipe, &fitted.place)?;
        if rebuilt.hash().0 != row.hash {
            return None;
        }
        let index = self.graph.add(row.at, author, &recipe, row.hash, fitted);
        let is_understood = !self.graph.node(index).acts.is_empty();
        if is_understood != row.is_understood {
            return None;
        }
        if row.is_authorised {
            self.graph.authorise(index);
        }
        self.graph.set_counts(index, row.counts);
        Some(())
    }
}
