//! Acts as puts on the root map of an Automerge document, and the change that carries them.
//!
//! What travels in an entry is not Automerge's encoding but what it is a function of: the heads it was made at and the puts
//! ([`Recipe`]). Every replica makes the same change from it, with the entry's origin as actor, its stamp as time, and sequence,
//! operation numbers and predecessors as the causal past has them. So no bytes of a peer reach Automerge's decoder, nobody can write
//! with another's actor, one change cannot come in two entries, and a change is half as long.

use super::{Act, Closed, Flag, Mask, Rank};
use crate::base32;
use crate::content::Principal;
use crate::entry::DocHead;
use crate::ids::{NodeId, OrderKey, Origin, SessionId};
use crate::names::{AccountName, RoomName};
use automerge::legacy::{Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange, ScalarValue};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// Most acts of one change: more than a line of modes or a form of affiliations holds.
pub const ACTS_MAX: usize = 256;
/// Most bytes of a put's key: a register's name with a mask.
const KEY_BYTES_MAX: usize = 512;
/// Most bytes of a put's text; leaves room for registers of later versions.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// The value of a register in the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Value {
    Nothing,
    Is(bool),
    Number(u64),
    Text(String),
}

/// One register set by a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Put {
    pub(super) key: String,
    pub(super) value: Value,
}

/// The body of a change's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recipe {
    /// Heads it was made at, sorted.
    pub(super) deps: Vec<DocHead>,
    /// What it puts: each key once.
    pub(super) puts: Vec<Put>,
}

impl Recipe {
    /// For acts done one after the other: of two on one register the later counts.
    pub(super) fn new(deps: Vec<DocHead>, acts: &[Act]) -> Self {
        let mut puts: Vec<Put> = Vec::new();
        for act in acts {
            let put = encode(act);
            puts.retain(|earlier| earlier.key != put.key);
            puts.push(put);
        }
        Self { deps, puts }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// The recipe in some bytes, when it can become a change; what its puts mean is not asked.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let recipe: Self = postcard::from_bytes(bytes).ok()?;
        let has_order = !recipe.deps.is_empty() && recipe.deps.is_sorted_by(|a, b| a < b);
        let fits = (1..=ACTS_MAX).contains(&recipe.puts.len()) && recipe.puts.iter().all(Put::fits);
        let mut keys: Vec<&str> = recipe.puts.iter().map(|put| put.key.as_str()).collect();
        keys.sort_unstable();
        let is_each_once = keys.is_sorted_by(|a, b| a < b);
        (has_order && fits && is_each_once && recipe.encode() == bytes).then_some(recipe)
    }

    /// What a change that [`build`] made was built from.
    pub(super) fn of_change(change: &Change) -> Option<Self> {
        let mut deps: Vec<DocHead> = change.deps().iter().map(|dep| dep.0).collect();
        deps.sort_unstable();
        let puts = change.decode().operations.iter().map(Put::of_op).collect::<Option<Vec<Put>>>()?;
        Some(Self { deps, puts })
    }

    /// The acts, when every put says one that this version knows.
    pub(super) fn acts(&self) -> Option<Vec<Act>> {
        self.puts.iter().map(|put| decode(put).filter(|act| act.is_sound() && encode(act) == *put)).collect()
    }
}

impl Put {
    fn fits(&self) -> bool {
        let text = match &self.value {
            Value::Text(text) => text.len(),
            Value::Nothing | Value::Is(_) | Value::Number(_) => 0,
        };
        self.key.len() <= KEY_BYTES_MAX && text <= TEXT_BYTES_MAX
    }

    /// The put in an operation of a change that [`build`] made.
    fn of_op(op: &Op) -> Option<Self> {
        let (Key::Map(key), OpType::Put(value)) = (&op.key, &op.action) else { return None };
        let value = match value {
            ScalarValue::Null => Value::Nothing,
            ScalarValue::Boolean(is) => Value::Is(*is),
            ScalarValue::Uint(number) => Value::Number(*number),
            ScalarValue::Str(text) => Value::Text(text.to_string()),
            ScalarValue::Bytes(_)
            | ScalarValue::Int(_)
            | ScalarValue::F64(_)
            | ScalarValue::Counter(_)
            | ScalarValue::Timestamp(_)
            | ScalarValue::Unknown { .. } => return None,
        };
        Some(Self { key: key.to_string(), value })
    }
}

/// What a change has from its causal past.
pub(super) struct Place {
    /// Its number among the actor's changes, from 1.
    pub(super) seq: u64,
    /// Number of its first operation.
    pub(super) start_op: u64,
    /// For each put, the operations that it supersedes.
    pub(super) superseded: Vec<Vec<(u64, Origin)>>,
}

/// The Automerge change of a recipe; `None` when its operation numbers are beyond what Automerge counts.
pub(super) fn build(at: OrderKey, recipe: &Recipe, place: &Place) -> Option<Change> {
    let last_op = place.start_op.checked_add(u64::try_from(recipe.puts.len()).ok()?)?;
    u32::try_from(last_op).ok()?;
    let actor = |origin: Origin| ActorId::from(origin.0);
    let op = |(put, superseded): (&Put, &Vec<(u64, Origin)>)| Op {
        action: OpType::Put(scalar(&put.value)),
        obj: ObjectId::Root,
        key: Key::Map(put.key.as_str().into()),
        pred: superseded.iter().map(|(counter, origin)| OpId(*counter, actor(*origin))).collect::<SortedVec<_>>(),
        insert: false,
    };
    Some(Change::from(ExpandedChange {
        operations: recipe.puts.iter().zip(&place.superseded).map(op).collect(),
        actor_id: actor(at.origin),
        hash: None,
        seq: place.seq,
        start_op: NonZeroU64::new(place.start_op)?,
        time: i64::try_from(at.hlc.0).ok()?,
        message: None,
        deps: recipe.deps.iter().map(|dep| ChangeHash(*dep)).collect(),
        extra_bytes: Vec::new(),
        author: None,
    }))
}

/// The first change of a room's document: a function of the name alone.
pub(super) fn genesis(name: &RoomName) -> Option<Change> {
    let hash = blake3::derive_key("lavina 1 room genesis actor", name.as_str().as_bytes());
    let (actor, _) = hash.split_first_chunk::<16>()?;
    let at = OrderKey { hlc: crate::clock::Hlc(0), origin: Origin(*actor), seq: 0 };
    let put = Put { key: "room".to_owned(), value: Value::Text(name.as_str().to_owned()) };
    let place = Place { seq: 1, start_op: 1, superseded: vec![Vec::new()] };
    build(at, &Recipe { deps: Vec::new(), puts: vec![put] }, &place)
}

fn scalar(value: &Value) -> ScalarValue {
    match value {
        Value::Nothing => ScalarValue::Null,
        Value::Is(is) => ScalarValue::Boolean(*is),
        Value::Number(number) => ScalarValue::Uint(*number),
        Value::Text(text) => ScalarValue::Str(text.as_str().into()),
    }
}

const RANKS: [(&str, Rank); 6] = [
    ("member", Rank::Member),
    ("voice", Rank::Voice),
    ("half-op", Rank::HalfOp),
    ("operator", Rank::Operator),
    ("admin", Rank::Admin),
    ("founder", Rank::Founder),
];

const FLAGS: [(&str, Flag); 13] = [
    ("invite-only", Flag::InviteOnly),
    ("moderated", Flag::Moderated),
    ("no-external", Flag::NoExternal),
    ("secret", Flag::Secret),
    ("topic-locked", Flag::TopicLocked),
    ("registered-only", Flag::RegisteredOnly),
    ("persistent", Flag::Persistent),
    ("no-requests", Flag::NoRequests),
    ("registered-speak", Flag::RegisteredSpeak),
    ("auditorium", Flag::Auditorium),
    ("locked", Flag::Locked),
    ("anonymous", Flag::Anonymous),
    ("level", Flag::Level),
];

fn name_of<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|(_, known)| known == value).map_or("", |(name, _)| name)
}

fn named<T: Copy>(table: &[(&'static str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

fn encode(act: &Act) -> Put {
    let text_or_nothing = |text: &Option<String>| text.clone().map_or(Value::Nothing, Value::Text);
    let (key, value) = match act {
        Act::Create => ("created".to_owned(), Value::Is(true)),
        Act::SetRank { who, rank: Rank::None } => (format!("rank/{}", principal_key(who)), Value::Nothing),
        Act::SetRank { who, rank } => {
            (format!("rank/{}", principal_key(who)), Value::Text(name_of(&RANKS, rank).to_owned()))
        }
        Act::SetMark { who, rank, on } => {
            (format!("mark/{}/{}", name_of(&RANKS, rank), principal_key(who)), Value::Is(*on))
        }
        Act::SetBan { mask, ban } => (format!("ban/{}", mask_key(mask)), text_or_nothing(ban)),
        Act::SetException { mask, on } => (format!("exception/{}", mask_key(mask)), Value::Is(*on)),
        Act::SetInviteException { mask, on } => (format!("invited/{}", mask_key(mask)), Value::Is(*on)),
        Act::SetFlag { flag, on } => (format!("flag/{}", name_of(&FLAGS, flag)), Value::Is(*on)),
        Act::SetKey(key) => ("key".to_owned(), text_or_nothing(key)),
        Act::SetLimit(limit) => {
            ("limit".to_owned(), limit.map_or(Value::Nothing, |limit| Value::Number(u64::from(limit))))
        }
        Act::SetTopic(text) => ("topic".to_owned(), Value::Text(text.clone())),
        Act::SetForward(room) => {
            ("forward".to_owned(), room.as_ref().map_or(Value::Nothing, |room| Value::Text(room.as_str().to_owned())))
        }
        Act::SetTitle(title) => ("title".to_owned(), Value::Text(title.clone())),
        Act::SetDescription(text) => ("description".to_owned(), Value::Text(text.clone())),
        Act::SetNote { key, value } => (format!("note/{key}"), text_or_nothing(value)),
        Act::SetMoved(room) => {
            ("moved".to_owned(), room.as_ref().map_or(Value::Nothing, |room| Value::Text(room.as_str().to_owned())))
        }
        Act::SetFormer(room) => ("former".to_owned(), Value::Text(room.as_str().to_owned())),
        // A phrase holds no line break, so one parts them.
        Act::SetClosed(closed) => (
            "closed".to_owned(),
            closed.as_ref().map_or(Value::Nothing, |closed| {
                Value::Text([closed.reason.as_str(), &closed.venue, &closed.password].join("\n"))
            }),
        ),
    };
    Put { key, value }
}

fn decode(put: &Put) -> Option<Act> {
    let (kind, rest) = put.key.split_once('/').unwrap_or((&put.key, ""));
    let text = || match &put.value {
        Value::Text(text) => Some(text.clone()),
        Value::Nothing | Value::Is(_) | Value::Number(_) => None,
    };
    let on = put.value == Value::Is(true);
    Some(match kind {
        "created" => Act::Create,
        "rank" => {
            let rank = text().map_or(Some(Rank::None), |name| named(&RANKS, &name))?;
            Act::SetRank { who: principal_of(rest)?, rank }
        }
        "mark" => {
            let (rank, who) = rest.split_once('/')?;
            Act::SetMark { who: principal_of(who)?, rank: named(&RANKS, rank)?, on }
        }
        "ban" => Act::SetBan { mask: mask_of(rest)?, ban: text() },
        "exception" => Act::SetException { mask: mask_of(rest)?, on },
        "invited" => Act::SetInviteException { mask: mask_of(rest)?, on },
        "flag" => Act::SetFlag { flag: named(&FLAGS, rest)?, on },
        "key" => Act::SetKey(text()),
        "limit" => Act::SetLimit(match put.value {
            Value::Number(limit) => Some(u32::try_from(limit).ok()?),
            Value::Nothing | Value::Is(_) | Value::Text(_) => None,
        }),
        "topic" => Act::SetTopic(text()?),
        "forward" => {
            Act::SetForward(text().map(|name| RoomName::new(&name).ok()).map_or(Some(None), |name| name.map(Some))?)
        }
        "note" => Act::SetNote { key: rest.to_owned(), value: text() },
        "moved" => {
            Act::SetMoved(text().map(|name| RoomName::new(&name).ok()).map_or(Some(None), |name| name.map(Some))?)
        }
        "former" => Act::SetFormer(RoomName::new(&text()?).ok()?),
        "title" => Act::SetTitle(text()?),
        "description" => Act::SetDescription(text()?),
        "closed" => Act::SetClosed(match text() {
            Some(words) => {
                let (reason, rest) = words.split_once('\n')?;
                let (venue, password) = rest.split_once('\n')?;
                Some(Closed { reason: reason.to_owned(), venue: venue.to_owned(), password: password.to_owned() })
            }
            None => None,
        }),
        _ => return None,
    })
}

fn principal_key(who: &Principal) -> String {
    match who {
        Principal::Account(account) => format!("account/{account}"),
        Principal::Guest(session) => format!("guest/{}/{}", base32::encode(&session.node.0), session.number),
    }
}

fn principal_of(key: &str) -> Option<Principal> {
    match key.split_once('/')? {
        ("account", name) => AccountName::any(name).ok().map(Principal::Account),
        ("guest", session) => {
            let (node, number) = session.split_once('/')?;
            let node = NodeId(base32::decode(node)?.try_into().ok()?);
            Some(Principal::Guest(SessionId { node, number: number.parse().ok()? }))
        }
        _ => None,
    }
}

fn mask_key(mask: &Mask) -> String {
    match mask {
        Mask::Glob(pattern) => format!("glob/{pattern}"),
        Mask::Account(account) => format!("account/{account}"),
        Mask::Guests => "guests/".to_owned(),
        Mask::Mute(mask) => format!("mute/{}", mask_key(mask)),
    }
}

fn mask_of(key: &str) -> Option<Mask> {
    match key.split_once('/')? {
        ("glob", pattern) => Some(Mask::Glob(pattern.to_owned())),
        ("account", name) => AccountName::any(name).ok().map(Mask::Account),
        ("guests", "") => Some(Mask::Guests),
        // One within the other would have no end.
        ("mute", inner) if !inner.starts_with("mute/") => mask_of(inner).map(|mask| Mask::Mute(Box::new(mask))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{author, session};

    fn every_act() -> Vec<Act> {
        let glob = Mask::parse("a/b!*@*").unwrap();
        let account = Mask::parse("$a:alice").unwrap();
        let guest = Principal::Guest(session(7, u64::MAX));
        let mut acts = vec![
            Act::Create,
            Act::SetBan { mask: glob.clone(), ban: Some(String::new()) },
            Act::SetBan { mask: account.clone(), ban: None },
            Act::SetException { mask: glob.clone(), on: true },
            Act::SetException { mask: account.clone(), on: false },
            Act::SetInviteException { mask: glob, on: false },
            Act::SetInviteException { mask: account, on: true },
            Act::SetKey(Some("k".to_owned())),
            Act::SetTopic("topic\nof two lines".to_owned()),
            Act::SetTitle("Title".to_owned()),
            Act::SetDescription("What it is about".to_owned()),
            Act::SetClosed(None),
            Act::SetClosed(Some(Closed {
                reason: "Over".to_owned(),
                venue: "b@rooms.example".to_owned(),
                ..Closed::default()
            })),
            Act::SetLimit(Some(u32::MAX)),
            Act::SetForward(Some(RoomName::new("other").unwrap())),
            Act::SetNote { key: "a/b.c".to_owned(), value: Some("x".to_owned()) },
            Act::SetNote { key: "url".to_owned(), value: None },
            Act::SetMoved(Some(RoomName::new("other").unwrap())),
            Act::SetMoved(None),
            Act::SetFormer(RoomName::new("other").unwrap()),
            Act::SetBan { mask: Mask::Guests, ban: Some(String::new()) },
            Act::SetBan { mask: Mask::parse("$m:a!b@c").unwrap(), ban: Some(String::new()) },
            Act::SetException { mask: Mask::parse("$m:$a:alice").unwrap(), on: true },
            Act::SetRank { who: author(1, "alice").principal(), rank: Rank::None },
        ];
        acts.extend(RANKS.map(|(_, rank)| Act::SetRank { who: guest.clone(), rank }));
        acts.extend([true, false].map(|on| Act::SetMark { who: guest.clone(), rank: Rank::HalfOp, on }));
        acts.extend(FLAGS.map(|(_, flag)| Act::SetFlag { flag, on: flag == Flag::Secret }));
        acts
    }

    #[test]
    fn every_act_is_read_back_from_its_put() {
        for act in every_act() {
            assert_eq!(decode(&encode(&act)), Some(act));
        }
        assert_eq!(decode(&encode(&Act::SetKey(None))), Some(Act::SetKey(None)));
        assert_eq!(decode(&encode(&Act::SetLimit(None))), Some(Act::SetLimit(None)));
        assert_eq!(decode(&encode(&Act::SetForward(None))), Some(Act::SetForward(None)));
    }

    #[test]
    fn a_recipe_has_one_encoding_and_each_key_once() {
        let recipe = Recipe::new(vec![[1; 32]], &[Act::SetTopic("a".into()), Act::SetTopic("b".into())]);
        assert_eq!(recipe.acts(), Some(vec![Act::SetTopic("b".into())]));
        assert_eq!(Recipe::decode(&recipe.encode()), Some(recipe.clone()));
        let mut longer = recipe.encode();
        longer.push(0);
        assert_eq!(Recipe::decode(&longer), None);
        let twice = Recipe { puts: [recipe.puts.clone(), recipe.puts.clone()].concat(), ..recipe.clone() };
        assert_eq!(Recipe::decode(&twice.encode()), None);
        let rootless = Recipe { deps: Vec::new(), ..recipe };
        assert_eq!(Recipe::decode(&rootless.encode()), None);
    }

    #[test]
    fn a_put_of_another_version_is_no_act() {
        let put = |key: &str, value| Recipe { deps: vec![[1; 32]], puts: vec![Put { key: key.into(), value }] };
        assert_eq!(put("slow-mode", Value::Number(3)).acts(), None);
        assert_eq!(put("topic", Value::Number(3)).acts(), None);
        assert_eq!(put("flag/secret", Value::Nothing).acts(), None);
        assert_eq!(put("rank/account/Alice", Value::Nothing).acts(), None);
        assert_eq!(put("mark/founder/account/alice", Value::Is(true)).acts(), None);
        assert_eq!(put("key", Value::Text("a\r\nb".into())).acts(), None);
        assert_eq!(put("forward", Value::Text("a b".into())).acts(), None);
        assert_eq!(put("ban/mute/mute/guests/", Value::Text(String::new())).acts(), None);
    }

    #[test]
    fn the_genesis_depends_on_the_name_alone() {
        let hash = |name| genesis(&RoomName::new(name).unwrap()).unwrap().hash();
        assert_eq!(hash("rust"), hash("Rust"));
        assert_ne!(hash("rust"), hash("go"));
    }
}
