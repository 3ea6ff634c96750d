//! Small makers of keys, authors and entries for this crate's tests.

use crate::chain::{encode_body, seal, sign};
use crate::clock::Hlc;
use crate::content::Author;
use crate::entry::{Body, Entry, Hash, Run, SealedEntry};
use crate::ids::{NodeId, OrderKey, Origin, OriginKey, Scope, SessionId};
use crate::modes::UserModes;
use crate::names::{AccountName, Nick, RoomName};
use crate::presence::{SessionRecord, Show};
use ed25519_dalek::SigningKey;
use std::collections::BTreeMap;

/// A node's key, by number.
pub(crate) fn signing_key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// The node with that key.
pub(crate) fn node(number: u8) -> NodeId {
    NodeId(signing_key(number).verifying_key().to_bytes())
}

/// Its only origin.
pub(crate) fn origin_key(number: u8) -> OriginKey {
    OriginKey { node: node(number), epoch: 1 }
}

/// Somebody logged in at a node under an account of the same name as the nick.
pub(crate) fn author(number: u8, nick: &str) -> Author {
    Author {
        session: SessionId { node: NodeId([number; 32]), number: 1 },
        account: Some(AccountName::new(nick).unwrap()),
        nick: Nick::new(nick).unwrap(),
        user: nick.to_owned(),
        host: format!("{nick}.example"),
    }
}

/// An entry of a node in a room.
pub(crate) fn entry(number: u8, seq: u64, hlc: u64, prev: Hash, body: &Body) -> Entry {
    let (kind, body) = encode_body(body);
    Entry {
        origin: origin_key(number).origin(),
        seq,
        hlc: Hlc(hlc),
        prev,
        after: Vec::new(),
        link: None,
        author: Some(author(number, "alice")),
        heads: None,
        kind,
        body,
    }
}

/// The room that tests write in.
pub(crate) fn room() -> Scope {
    Scope::Room(RoomName::new("rust").unwrap())
}

/// Entries as one signed batch.
pub(crate) fn batch(key: &SigningKey, origin: OriginKey, entries: &[Entry]) -> Run {
    let mut sealed: Vec<SealedEntry> = Vec::new();
    for entry in entries {
        sealed.push(seal(entry).0);
    }
    if let (Some(last), Some(entry)) = (sealed.last_mut(), entries.last()) {
        last.signature = Some(sign(key, &room(), origin, entry.seq, seal(entry).1));
    }
    Run { scope: room(), origin, first: entries.first().map_or(0, |entry| entry.seq), entries: sealed }
}

/// A chain of node 1 from its first entry on, one for each body, as one batch.
pub(crate) fn chain_of(bodies: &[Body]) -> (Run, Vec<Entry>) {
    let mut entries = Vec::new();
    let mut prev = Hash::default();
    for (seq, body) in (0..).zip(bodies) {
        let next = entry(1, seq, 100 + seq, prev, body);
        prev = seal(&next).1;
        entries.push(next);
    }
    (batch(&signing_key(1), origin_key(1), &entries), entries)
}

/// A session of a node whose id is that number repeated.
pub(crate) fn session(node: u8, number: u64) -> SessionId {
    SessionId { node: NodeId([node; 32]), number }
}

/// A plain session of nobody logged in, whose nick was claimed at that time.
pub(crate) fn record(nick: &str, since: u64) -> SessionRecord {
    SessionRecord {
        account: None,
        nick: Nick::new(nick).unwrap(),
        nick_since: Hlc(since),
        user: nick.to_owned(),
        host: "host.example".to_owned(),
        realname: "Some Body".to_owned(),
        resource: None,
        priority: 0,
        available: true,
        show: Show::Available,
        status: String::new(),
        payloads: Vec::new(),
        rooms: BTreeMap::new(),
        secure: true,
        modes: UserModes::default(),
        signed_on: Hlc(since),
    }
}

/// The first entry of an origin at that time.
pub(crate) fn order_key(hlc: u64, origin: u8) -> OrderKey {
    OrderKey { hlc: Hlc(hlc), origin: Origin([origin; 16]), seq: 0 }
}
