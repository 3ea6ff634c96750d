//! The document of one room over time: see [`RoomDoc`].

use super::change::{self, Recipe};
use super::fold::Fold;
use super::graph::{Fitted, Graph, Index};
use super::rights::judge;
use super::{Act, RoomState, Vocabulary};
use crate::content::Author;
use crate::entry::DocHead;
use crate::ids::{OrderKey, Origin};
use crate::mutant::{self, Mutant};
use crate::names::RoomName;
use automerge::{Automerge, ChangeHash, ReadDoc};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// How many states at past heads are kept: a page of history and the messages in flight name far fewer.
const STATES_MAX: usize = 32;

/// The document of one room. Drive it: [`RoomDoc::mint`] makes the change for a local act, which travels in a
/// `Body::DocChange` entry; every replica, the author's own too, hands each such entry to [`RoomDoc::apply`], each origin's in order.
///
/// Equal sets of entries make equal documents and states, whatever the order of origins (invariant L1): the changes in the document are
/// those that can be taken when all are gone through once in the order of their stamps. A change is taken when what it depends on was, and
/// its origin's previous one is in its past. In a room without void entries an origin's changes wait for its earlier ones; in one with void
/// entries they don't, since what rests on a void change waits for ever and its author, who has heard of it, goes on without.
#[derive(Clone, Debug)]
pub struct RoomDoc {
    pub(super) name: RoomName,
    pub(super) document: Automerge,
    pub(super) graph: Graph,
    pub(super) state: Arc<RoomState>,
    /// Changes that are not in the document. All of them: what was left out by the order of arrival would be in it elsewhere, and who could fill
    /// this can fill the document as well.
    pub(super) aside: BTreeMap<OrderKey, Aside>,
    states: States,
    /// Whether some of the room's entries are void.
    is_cut: bool,
}

/// A change that waits for what it depends on or for an earlier one of its origin, or that breaks a rule.
#[derive(Clone, Debug)]
pub(super) struct Aside {
    pub(super) author: Arc<Author>,
    pub(super) recipe: Recipe,
}

/// What applying an entry did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The change is in; the effective state went from the first to the second (equal when it has no effect).
    Changed(Arc<RoomState>, Arc<RoomState>),
    /// Changes it depends on are not here yet; it is kept and applied when they come.
    Pending,
    /// Known already.
    Known,
    /// Not a change of this document: the bytes do not decode, or say what no act says. Never has an effect anywhere.
    Malformed,
}

/// States at heads asked for lately.
#[derive(Clone, Debug, Default)]
struct States {
    turn: u64,
    kept: BTreeMap<Vec<Index>, (u64, Arc<RoomState>)>,
}

impl States {
    fn get(&mut self, heads: &[Index]) -> Option<Arc<RoomState>> {
        self.turn += 1;
        let (used, state) = self.kept.get_mut(heads)?;
        *used = self.turn;
        Some(Arc::clone(state))
    }

    fn keep(&mut self, heads: Vec<Index>, state: Arc<RoomState>) {
        self.turn += 1;
        self.kept.insert(heads, (self.turn, state));
        if self.kept.len() > STATES_MAX
            && let Some(oldest) = self.kept.iter().min_by_key(|(_, (used, _))| *used).map(|(heads, _)| heads.clone())
        {
            self.kept.remove(&oldest);
        }
    }
}

impl RoomDoc {
    /// The document of a room nobody has touched: its genesis change is a pure function of the name.
    #[must_use]
    pub fn new(name: &RoomName) -> Self {
        Self::with(name, Vocabulary::Full, false)
    }

    /// The same, as a version sees it that understands these acts. `is_cut` says whether some of the room's entries are void.
    #[must_use]
    pub fn with(name: &RoomName, vocabulary: Vocabulary, is_cut: bool) -> Self {
        let mut document = Automerge::new();
        let genesis = change::genesis(name);
        let hash = genesis.as_ref().map(|change| change.hash().0).unwrap_or_default();
        // A first change that depends on nothing always applies.
        let _ = document.apply_changes(genesis);
        Self { is_cut, ..Self::over(name.clone(), document, Graph::new(hash, vocabulary)) }
    }

    pub(super) fn over(name: RoomName, document: Automerge, graph: Graph) -> Self {
        let (state, aside, states) = (Arc::default(), BTreeMap::new(), States::default());
        Self { name, document, graph, state, aside, states, is_cut: false }
    }

    /// The room.
    #[must_use]
    pub const fn name(&self) -> &RoomName {
        &self.name
    }

    /// The effective state at present.
    #[must_use]
    pub fn state(&self) -> &RoomState {
        &self.state
    }

    /// The effective state at present, to keep.
    #[must_use]
    pub fn shared_state(&self) -> Arc<RoomState> {
        Arc::clone(&self.state)
    }

    /// The document's heads, sorted: the causal past of an entry minted at present.
    #[must_use]
    pub fn heads(&self) -> Vec<DocHead> {
        self.graph.head_hashes()
    }

    /// The state at a causal past: a function of the acts in it alone, so the same for ever and everywhere. `None` when some of it is
    /// not here yet.
    pub fn state_at(&mut self, heads: &[DocHead]) -> Option<Arc<RoomState>> {
        let tips = self.graph.tips(heads)?;
        Some(self.state_of(&tips))
    }

    /// The state at as much of a causal past as is here; `None` when none of it is. For what was written on top of a change that is void.
    pub fn state_at_known(&mut self, heads: &[DocHead]) -> Option<Arc<RoomState>> {
        let known: Vec<DocHead> = heads.iter().copied().filter(|head| self.graph.knows(&[*head])).collect();
        if known.is_empty() { None } else { self.state_at(&known) }
    }

    /// The state of all changes stamped before `key`. For what was written on top of a change that is void: no heads name its past any more,
    /// and this is the same everywhere where the same changes are.
    pub fn state_before(&mut self, key: OrderKey) -> Arc<RoomState> {
        let tips = self.graph.tips_before(key);
        self.state_of(&tips)
    }

    /// The body bytes of a change for `acts` at the current heads. Does not change the document: apply the entry that is stamped `at`.
    #[must_use]
    pub fn mint(&self, _at: OrderKey, acts: &[Act]) -> Vec<u8> {
        Recipe::new(self.heads(), acts).encode()
    }

    /// What the change of an entry asks for; nothing when it says what no act says.
    #[must_use]
    pub fn acts(change: &[u8]) -> Vec<Act> {
        Recipe::decode(change).and_then(|recipe| recipe.acts()).unwrap_or_default()
    }

    /// Takes the change of an entry in, whoever wrote it.
    pub fn apply(&mut self, at: OrderKey, author: &Author, change: &[u8]) -> Applied {
        if self.aside.contains_key(&at) || self.graph.of_entry(at.dot()).is_some() {
            return Applied::Known;
        }
        let Some(recipe) = Recipe::decode(change) else { return Applied::Malformed };
        self.aside.insert(at, Aside { author: Arc::new(author.clone()), recipe });
        let old = self.shared_state();
        self.take_ready();
        if self.aside.contains_key(&at) {
            return Applied::Pending;
        }
        let is_understood = self.graph.of_entry(at.dot()).is_some_and(|node| !node.acts.is_empty());
        if is_understood || old != self.state { Applied::Changed(old, self.shared_state()) } else { Applied::Malformed }
    }

    /// Whether a concurrent or later act that counts has taken away the right that `at` was done with; for kicks and messages
    /// this is never asked, their rights are judged at their causal past only.
    #[must_use]
    pub fn counts(&self, at: &OrderKey) -> bool {
        self.graph.of_entry(at.dot()).is_some_and(|node| node.at == *at && node.counts)
    }

    /// How many changes are kept that are not in the document: they wait, or, in a room with void entries, break a rule for now.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.aside.len()
    }

    /// Takes in what can be.
    fn take_ready(&mut self) {
        while !self.take_in_order() {
            self.begin_anew();
        }
    }

    /// Goes once through what is aside, earliest stamp first: what a change depends on is stamped before it. Whether nothing would have had
    /// to be taken before something that is in already.
    fn take_in_order(&mut self) -> bool {
        let mut waiting: BTreeSet<Origin> = BTreeSet::new();
        let mut next = self.aside.first_key_value().map(|(at, _)| *at);
        while let Some(at) = next {
            if let Some(one) = self.aside.get(&at).filter(|_| !waiting.contains(&at.origin)) {
                match self.graph.fit(at, &one.recipe) {
                    Some(_) if self.graph.has_later(at) => return false,
                    Some(fitted) => {
                        let Aside { author, recipe } = one.clone();
                        self.aside.remove(&at);
                        self.take(at, author, &recipe, fitted);
                    }
                    // It fits perhaps when an earlier change of its origin has come.
                    None if self.is_cut => {}
                    None if self.graph.knows(&one.recipe.deps) => {
                        self.aside.remove(&at);
                    }
                    None => {
                        waiting.insert(at.origin);
                    }
                }
            }
            next = self.aside.range((Bound::Excluded(at), Bound::Unbounded)).next().map(|(at, _)| *at);
        }
        true
    }

    /// Sets every change aside: one came that an origin made before others which went on without it.
    fn begin_anew(&mut self) {
        let empty = Self::with(&self.name, self.graph.vocabulary(), self.is_cut);
        let Self { document, graph, aside, .. } = std::mem::replace(self, empty);
        self.aside = aside;
        for node in graph.iter() {
            let change = document.get_change_by_hash(&ChangeHash(node.hash));
            if let Some(recipe) = change.as_ref().and_then(Recipe::of_change) {
                self.aside.insert(node.at, Aside { author: Arc::clone(&node.author), recipe });
            }
        }
    }

    /// Adds a change whose past is here and brings the state up to it.
    fn take(&mut self, at: OrderKey, author: Arc<Author>, recipe: &Recipe, fitted: Fitted) {
        let before = self.graph.heads();
        let Some(change) = change::build(at, recipe, &fitted.place) else { return };
        let hash = change.hash().0;
        if self.document.apply_changes([change]).is_err() {
            return;
        }
        let index = self.graph.add(at, author, recipe, hash, fitted);
        let deps = self.graph.node(index).deps.clone();
        self.states.keep(before.clone(), self.shared_state());
        let past = if mutant::is_planted(Mutant::JudgedOnArrival) { self.shared_state() } else { self.state_of(&deps) };
        let node = self.graph.node(index);
        if !node.acts.is_empty() && judge(&*past, &node.author, &node.acts).is_ok() {
            self.graph.authorise(index);
        }
        if deps == before {
            self.state = Arc::new(self.after(RoomState::clone(&past), index));
            let counts = self.graph.node(index).is_authorised;
            self.graph.set_counts(index, counts);
        } else {
            self.fold_all();
        }
    }

    /// The state at the current heads, anew, and which changes count in it.
    pub(super) fn fold_all(&mut self) {
        let heads = self.graph.heads();
        let (cut, changes) = self.graph.since_last_cut(&heads);
        let base = self.state_of(cut.as_slice());
        let fold = Fold::new(&self.graph, &base, &changes);
        let state = fold.state();
        let counts: Vec<bool> = changes.iter().map(|index| fold.counts(*index)).collect();
        for (index, counts) in changes.into_iter().zip(counts) {
            self.graph.set_counts(index, counts);
        }
        self.state = Arc::new(state);
    }

    /// A change after everything else: whether it counts was settled when it was authorised.
    fn after(&self, mut state: RoomState, index: Index) -> RoomState {
        let node = self.graph.node(index);
        if node.is_authorised {
            for act in &node.acts {
                state.perform(act, &node.author, node.at);
            }
        }
        state
    }

    /// The state at some changes none of which is in another's past. Goes back to a state that is kept, then forward again.
    pub(super) fn state_of(&mut self, heads: &[Index]) -> Arc<RoomState> {
        if heads.is_empty() {
            return Arc::default();
        }
        let mut ahead: Vec<(Vec<Index>, Vec<Index>)> = Vec::new();
        let mut heads = heads.to_vec();
        let mut state = loop {
            if let Some(kept) = self.states.get(&heads) {
                break kept;
            }
            let (base, changes) = match heads.as_slice() {
                [] => break Arc::default(),
                [head] => (self.graph.node(*head).deps.clone(), heads.clone()),
                _ => {
                    let (cut, changes) = self.graph.since_last_cut(&heads);
                    (cut.into_iter().collect(), changes)
                }
            };
            ahead.push((std::mem::replace(&mut heads, base), changes));
        };
        let asked = ahead.first().map(|(heads, _)| heads.clone());
        while let Some((heads, changes)) = ahead.pop() {
            let next = match heads.as_slice() {
                [head] => self.after(Arc::unwrap_or_clone(state), *head),
                _ => Fold::new(&self.graph, &state, &changes).state(),
            };
            state = Arc::new(next);
        }
        if let Some(asked) = asked {
            self.states.keep(asked, Arc::clone(&state));
        }
        state
    }
}
