//! Reading messages back: pages of one or several conversations in the mesh-wide order, those on their way to the disk too.

use super::apply::is_between;
use super::effect::{Deed, Done, Message, Page};
use super::readings::Readings;
use super::room::{Room, Verdict};
use super::scope::message;
use super::{Replicas, Scope};
use crate::store::{Store, StoreError};
use lavina_crdt::chain;
use lavina_crdt::clock::Hlc;
use lavina_crdt::content::{MessageKind, Principal};
use lavina_crdt::entry::{Body, Entry};
use lavina_crdt::ids::{MsgId, NodeId, OrderKey, Origin};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::room::{Act, Flag, Rank};
use lavina_protocols::command::{Bound, Refusal};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Which part of which conversations.
#[derive(Clone, Debug, Default)]
pub struct Query<'a> {
    /// Where.
    pub scopes: &'a [Scope],
    /// Later than this.
    pub after: Option<Bound>,
    /// Earlier than this.
    pub before: Option<Bound>,
    /// Exactly these messages; the bounds still hold.
    pub ids: &'a [MsgId],
    /// At most this many.
    pub limit: usize,
    /// Whether the newest part of the range is wanted, not the oldest.
    pub newest: bool,
    /// Whether only what has a text is wanted.
    pub texts: bool,
    /// Whether what was done in rooms is wanted too.
    pub deeds: bool,
    /// Who reads and with what standing: what is not for everybody is left out for who may not see it. `None` sees all.
    pub reader: Option<(&'a Principal, Rank)>,
}

impl Query<'_> {
    fn takes(&self, found: &Found) -> bool {
        match found {
            Found::Said(said) => self.wants(said),
            Found::Done(_) => self.deeds,
        }
    }

    fn shows(&self, said: &Message) -> bool {
        let least = said.content.least;
        self.reader.is_none_or(|(who, rank)| rank >= least || said.author.principal() == *who)
    }

    fn wants(&self, said: &Message) -> bool {
        self.shows(said) && (!self.texts || said.content.kind != MessageKind::Signal)
    }
}

/// What a place of the order holds.
#[derive(Clone, Debug)]
enum Found {
    Said(Message),
    Done(Deed),
}

/// A part of the order, bounds excluded.
#[derive(Clone, Copy, Debug)]
struct Span {
    after: Option<OrderKey>,
    before: Option<OrderKey>,
}

impl Span {
    fn holds(&self, key: OrderKey) -> bool {
        self.after.is_none_or(|after| key > after) && self.before.is_none_or(|before| key < before)
    }
}

impl<S: Store> Replicas<S> {
    /// A page of messages whose authors had the right to say them.
    ///
    /// # Errors
    /// [`Refusal::NoSuchMessage`] when a bound's message is in none of the scopes, [`Refusal::Storage`] when the store cannot be read.
    pub fn history(&mut self, query: &Query<'_>) -> Result<Page, Refusal> {
        let span =
            Span { after: self.place(query, query.after, true)?, before: self.place(query, query.before, false)? };
        let mut found = BTreeMap::new();
        for scope in query.scopes {
            let read = if query.ids.is_empty() {
                self.read_span(scope, span, query, &mut found)
            } else {
                self.read_ids(scope, span, query.ids, &mut found)
            };
            found.retain(|_, found| !matches!(found, Found::Said(said) if !query.shows(said)));
            read.map_err(|_| Refusal::Storage)?;
        }
        let complete = found.len() <= query.limit;
        while found.len() > query.limit {
            if query.newest && !mutant::is_planted(Mutant::PageOfOldest) {
                found.pop_first()
            } else {
                found.pop_last()
            };
        }
        let (mut messages, mut deeds) = (Vec::with_capacity(found.len()), Vec::new());
        for found in found.into_values() {
            match found {
                Found::Said(said) => messages.extend(self.settled(said).map_err(|_| Refusal::Storage)?),
                Found::Done(deed) => deeds.push(deed),
            }
        }
        Ok(Page { messages, deeds, complete })
    }

    /// The conversations whose newest message is of these times (milliseconds), and its position; oldest first, at most `limit`: the latest or the
    /// earliest ones.
    ///
    /// # Errors
    /// [`Refusal::Storage`] when the store cannot be read.
    pub fn targets(
        &mut self,
        reader: &Principal,
        scopes: &[Scope],
        times: Range<u64>,
        limit: usize,
        latest: bool,
    ) -> Result<Vec<(Scope, OrderKey)>, Refusal> {
        let mut newest = BTreeMap::new();
        for scope in scopes {
            let scopes = std::slice::from_ref(scope);
            // What is not for everybody gives no conversation away.
            let reader = Some((reader, Rank::None));
            let query = Query { scopes, limit: 1, newest: true, texts: true, reader, ..Query::default() };
            let is_in_time = |key: OrderKey| times.contains(&key.hlc.ms());
            let last = self.history(&query)?.messages.into_iter().filter(|said| is_in_time(said.key));
            newest.extend(last.map(|said| (said.key, said.scope)));
        }
        while newest.len() > limit {
            if latest {
                newest.pop_first()
            } else {
                newest.pop_last()
            };
        }
        Ok(newest.into_iter().map(|(key, scope)| (scope, key)).collect())
    }

    /// The position that a bound stands for.
    fn place(&self, query: &Query<'_>, bound: Option<Bound>, after: bool) -> Result<Option<OrderKey>, Refusal> {
        match bound {
            None => Ok(None),
            Some(Bound::Time(ms)) if after => Ok(Some(end_of(ms))),
            Some(Bound::Time(ms)) => Ok(Some(OrderKey { hlc: Hlc::from_ms(ms), origin: Origin([0; 16]), seq: 0 })),
            Some(Bound::Id(id)) => {
                for scope in query.scopes {
                    if let Some(key) = self.find(scope, id).map_err(|_| Refusal::Storage)? {
                        return Ok(Some(if after && mutant::is_planted(Mutant::PageSkips) {
                            end_of(key.hlc.ms())
                        } else {
                            key
                        }));
                    }
                }
                Err(Refusal::NoSuchMessage)
            }
        }
    }

    /// The position of a message in a scope.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn find(&self, scope: &Scope, id: MsgId) -> Result<Option<OrderKey>, StoreError> {
        let pending = self.scopes.get(scope).and_then(|replica| replica.pending.keys().find(|key| key.msg_id() == id));
        match pending {
            Some(key) => Ok(Some(*key)),
            None => self.store.find(scope, id),
        }
    }

    fn read_span(
        &mut self,
        scope: &Scope,
        span: Span,
        query: &Query<'_>,
        found: &mut BTreeMap<OrderKey, Found>,
    ) -> Result<(), StoreError> {
        let (newest, limit) = (query.newest, query.limit.saturating_add(1));
        let mut valid = self.valid(scope)?;
        if let Some(replica) = valid.pending {
            let pending = replica.iter().filter(|(key, _)| span.holds(**key));
            let pending = pending.filter_map(|(key, entry)| Some((*key, valid.judge.found(entry, query.deeds)?)));
            found.extend(pending.filter(|(_, found)| query.takes(found)));
        }
        let mut taken = 0;
        let readings = valid.readings;
        // Where a part is void, what rests on it is judged by all that is known, which may grow.
        let is_whole = valid.judge.cuts.is_none();
        valid.store.scan(scope, span.after, span.before, newest, &mut |key, sealed| {
            let mut read = || chain::open(sealed).and_then(|entry| valid.judge.message(&entry));
            let said = if is_whole { readings.get_or_read(scope, key, read) } else { read() };
            let one = match said {
                Some(said) => Some(Found::Said(said)),
                None if query.deeds => chain::open(sealed).and_then(|entry| valid.judge.deed(&entry)).map(Found::Done),
                None => None,
            };
            if let Some(one) = one.filter(|one| query.takes(one)) {
                found.insert(key, one);
                taken += 1;
            }
            taken < limit
        })
    }

    /// One message as it was said, redacted or not.
    pub(super) fn peek(&mut self, scope: &Scope, id: MsgId) -> Result<Option<Message>, StoreError> {
        let mut found = BTreeMap::new();
        self.read_ids(scope, Span { after: None, before: None }, &[id], &mut found)?;
        Ok(found.pop_first().and_then(|(_, found)| match found {
            Found::Said(said) => Some(said),
            Found::Done(_) => None,
        }))
    }

    fn read_ids(
        &mut self,
        scope: &Scope,
        span: Span,
        ids: &[MsgId],
        found: &mut BTreeMap<OrderKey, Found>,
    ) -> Result<(), StoreError> {
        for id in ids {
            let Some(key) = self.find(scope, *id)?.filter(|key| span.holds(*key)) else { continue };
            // Just before it: no entry lies between the end of the stamp before and the stamp itself.
            let before = OrderKey { hlc: Hlc(key.hlc.0.saturating_sub(1)), origin: Origin([0xff; 16]), seq: u64::MAX };
            let mut valid = self.valid(scope)?;
            if let Some(entry) = valid.pending.and_then(|pending| pending.get(&key)) {
                found.extend(valid.judge.message(entry).map(|said| (key, Found::Said(said))));
                continue;
            }
            valid.store.scan(scope, Some(before), None, false, &mut |at, sealed| {
                if at == key {
                    let said = chain::open(sealed).and_then(|entry| valid.judge.message(&entry));
                    found.extend(said.map(|said| (key, Found::Said(said))));
                }
                at < key
            })?;
        }
        Ok(())
    }

    fn valid(&mut self, scope: &Scope) -> Result<Reader<'_, S>, StoreError> {
        if let Scope::Room(name) = scope
            && self.scopes.contains_key(scope)
        {
            self.room_mut(name)?;
        }
        let room = match scope {
            Scope::Room(name) => self.rooms.get_mut(name),
            Scope::Mesh | Scope::Account(_) | Scope::Direct(..) => None,
        };
        Ok(Reader {
            store: &self.store,
            readings: &mut self.readings,
            pending: self.scopes.get(scope).map(|replica| &replica.pending),
            judge: Judge { scope: scope.clone(), room, nodes: &self.nodes, cuts: self.mesh.cuts(scope) },
        })
    }
}

/// The parts of a reading, borrowed apart.
struct Reader<'a, S> {
    store: &'a S,
    readings: &'a mut Readings,
    pending: Option<&'a BTreeMap<OrderKey, std::sync::Arc<Entry>>>,
    judge: Judge<'a>,
}

/// Tells which messages of a scope count.
struct Judge<'a> {
    scope: Scope,
    room: Option<&'a mut Room>,
    nodes: &'a BTreeMap<Origin, NodeId>,
    cuts: Option<&'a BTreeMap<Origin, u64>>,
}

impl Judge<'_> {
    fn found(&mut self, entry: &Entry, deeds: bool) -> Option<Found> {
        let said = self.message(entry).map(Found::Said);
        said.or_else(|| if deeds { self.deed(entry).map(Found::Done) } else { None })
    }

    fn is_void(&self, entry: &Entry) -> bool {
        self.cuts.and_then(|cuts| cuts.get(&entry.origin)).is_some_and(|cut| entry.seq >= *cut)
    }

    /// What an entry did in a room that people saw.
    fn deed(&mut self, entry: &Entry) -> Option<Deed> {
        let (Scope::Room(name), Some(room)) = (&self.scope, &mut self.room) else { return None };
        let author = entry.author.as_ref()?;
        if self.nodes.get(&entry.origin) != Some(&author.session.node) {
            return None;
        }
        let what = match chain::body(entry) {
            Body::DocChange(_) => {
                let acts: Vec<Act> =
                    room.acts_that_count(entry.order_key()).iter().filter(|act| is_seen(act)).cloned().collect();
                (!acts.is_empty()).then_some(Done::Acts(acts))?
            }
            Body::Kick(kick) => {
                (room.may_kick(entry, author, &kick) == Verdict::Allowed).then_some(Done::Kicked(kick))?
            }
            Body::Message(_) | Body::Register(_) | Body::AccountCreate(_) | Body::Mesh(_) | Body::Unknown { .. } => {
                return None;
            }
        };
        let (room, key, author) = (name.clone(), entry.order_key(), Arc::new(author.clone()));
        (!self.is_void(entry)).then_some(Deed { room, key, author, what })
    }

    fn message(&mut self, entry: &Entry) -> Option<Message> {
        let said = message(&self.scope, entry).filter(|_| !self.is_void(entry))?;
        if self.nodes.get(&entry.origin) != Some(&said.author.session.node) {
            return None;
        }
        let counts = match (&self.scope, &mut self.room) {
            (Scope::Room(_), Some(room)) => match said.content.redaction() {
                Some(redact) if redact.moderated => {
                    room.may_moderate(entry.order_key(), &said.author) == Verdict::Allowed
                }
                // That it is the author's own is seen when the page is settled.
                Some(_) => true,
                None => room.may_speak(entry, &said.author, &said.content) == Verdict::Allowed,
            },
            (Scope::Direct(one, other), _) => is_between(&said.author, one, other),
            (Scope::Room(_) | Scope::Mesh | Scope::Account(_), _) => false,
        };
        counts.then_some(said)
    }
}

/// Whether an act shows to those in the room.
const fn is_seen(act: &Act) -> bool {
    match act {
        Act::SetFlag { flag: Flag::Level, .. } => false,
        Act::SetRank { .. }
        | Act::SetBan { .. }
        | Act::SetException { .. }
        | Act::SetInviteException { .. }
        | Act::SetFlag { .. }
        | Act::SetKey(_)
        | Act::SetLimit(_)
        | Act::SetTopic(_)
        | Act::SetForward(_) => true,
        Act::Create
        | Act::SetTitle(_)
        | Act::SetDescription(_)
        | Act::SetNote { .. }
        | Act::SetMark { .. }
        | Act::SetMoved(_)
        | Act::SetFormer(_)
        | Act::SetClosed(_) => false,
    }
}

/// The last position with a stamp of this millisecond.
fn end_of(ms: u64) -> OrderKey {
    OrderKey { hlc: Hlc(Hlc::from_ms(ms).0 | 0xffff), origin: Origin([0xff; 16]), seq: u64::MAX }
}
