//! The document of one room over time: see [`RoomDoc`].

use super::change::{self, Recipe};
use super::fold::Fold;
use super::graph::{Graph, Index};
use super::rights::judge;
use super::{Act, RoomState, Vocabulary};
use crate::content::Author;
use crate::entry::DocHead;
use crate::ids::{OrderKey, Origin};
use crate::mutant::{self, Mutant};
use crate::names::RoomName;
use automerge::Automerge;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most changes of one origin that wait for what they depend on. None wait when entries are handed in after their causal past, so only a
/// faulty origin gets here; what is over it has no effect.
pub const PENDING_PER_ORIGIN_MAX: usize = 256;

/// How many states at past heads are kept: a page of history and the messages in flight name far fewer.
const STATES_MAX: usize = 32;

/// The document of one room. Drive it: [`RoomDoc::mint`] makes the change for a local act, which travels in a
/// `Body::DocChange` entry; every replica, the author's own too, hands each such entry to [`RoomDoc::apply`], each origin's in order.
///
/// Equal sets of entries make equal documents and states, whatever the order of origins (invariant L1).
#[derive(Clone, Debug)]
pub struct RoomDoc {
    pub(super) name: RoomName,
    pub(super) document: Automerge,
    pub(super) graph: Graph,
    pub(super) state: Arc<RoomState>,
    pub(super) pending: BTreeMap<Origin, BTreeMap<u64, Pending>>,
    states: States,
}

/// A change that waits for what it depends on, or for an earlier one of its origin.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) at: OrderKey,
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
        Self::with(name, Vocabulary::Full)
    }

    /// The same, as a version sees it that understands these acts.
    #[must_use]
    pub fn with(name: &RoomName, vocabulary: Vocabulary) -> Self {
        let mut document = Automerge::new();
        let genesis = change::genesis(name);
        let hash = genesis.as_ref().map(|change| change.hash().0).unwrap_or_default();
        // A first change that depends on nothing always applies.
        let _ = document.apply_changes(genesis);
        Self::over(name.clone(), document, Graph::new(hash, vocabulary))
    }

    pub(super) fn over(name: RoomName, document: Automerge, graph: Graph) -> Self {
        let (state, pending, states) = (Arc::default(), BTreeMap::new(), States::default());
        Self { name, document, graph, state, pending, states }
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
        let is_pending = self.pending.get(&at.origin).is_some_and(|waiting| waiting.contains_key(&at.seq));
        if is_pending || self.graph.of_entry(at.dot()).is_some() {
            return Applied::Known;
        }
        let Some(recipe) = Recipe::decode(change) else { return Applied::Malformed };
        let waiting = self.pending.entry(at.origin).or_default();
        if waiting.len() >= PENDING_PER_ORIGIN_MAX {
            return Applied::Malformed;
        }
        waiting.insert(at.seq, Pending { at, author: Arc::new(author.clone()), recipe });
        let old = self.shared_state();
        self.take_pending();
        if self.pending.get(&at.origin).is_some_and(|waiting| waiting.contains_key(&at.seq)) {
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

    /// How many changes wait for what they depend on.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.values().map(BTreeMap::len).sum()
    }

    /// Takes in what can be: of each origin its earliest waiting change, again and again.
    fn take_pending(&mut self) {
        loop {
            let is_ready = |waiting: &BTreeMap<u64, Pending>| {
                waiting.first_key_value().is_none_or(|(_, first)| self.graph.knows(&first.recipe.deps))
            };
            let Some(origin) = self.pending.iter().find(|(_, waiting)| is_ready(waiting)).map(|(origin, _)| *origin)
            else {
                return;
            };
            match self.pending.get_mut(&origin).and_then(BTreeMap::pop_first) {
                Some((_, Pending { at, author, recipe })) => self.take(at, author, &recipe),
                None => {
                    self.pending.remove(&origin);
                }
            }
        }
    }

    /// Adds a change whose past is here and brings the state up to it; nothing happens when it breaks the graph's rules.
    fn take(&mut self, at: OrderKey, author: Arc<Author>, recipe: &Recipe) {
        let before = self.graph.heads();
        let Some(fitted) = self.graph.fit(at, recipe) else { return };
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
