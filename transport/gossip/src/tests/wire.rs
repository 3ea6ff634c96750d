//! The bytes of each kind of frame. Nodes of other versions read them: what is shown here is never changed, and a kind that comes is added at the end.

use crate::frame::{Frame, KINDS, RoomRow, decode, encode};
use bytes::Bytes;
use lavina_crdt::chain;
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::{Entry, Hash, Run, Signature};
use lavina_crdt::ids::{NodeId, OriginKey, Scope, SessionId};
use lavina_crdt::modes::UserModes;
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::presence::{Place, PresenceUpdate, SessionRecord, Show};
use lavina_crdt::version::VersionVector;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// The bytes, one frame a line; the first fourteen are as version 1 wrote them.
const FRAMES: &str = include_str!("frames.hex");

const KEY: OriginKey = OriginKey { node: NodeId([7; 32]), epoch: 3 };

fn room() -> RoomName {
    RoomName::new("rust").unwrap()
}

fn run() -> Run {
    let entry = Entry {
        origin: KEY.origin(),
        seq: 5,
        hlc: Hlc(1_700_000_000_000 << 16),
        prev: Hash([9; 32]),
        after: Vec::new(),
        link: None,
        author: None,
        heads: None,
        kind: 999,
        body: b"body".to_vec(),
    };
    let (mut sealed, _) = chain::seal(&entry);
    sealed.signature = Some(Signature([3; 64]));
    Run { scope: Scope::Room(room()), origin: KEY, first: 5, entries: vec![sealed] }
}

fn vectors() -> Vec<(Scope, VersionVector)> {
    let mut vector = VersionVector::default();
    vector.advance(KEY.origin(), 300);
    vec![(Scope::Account(AccountName::new("alice").unwrap()), vector), (Scope::Mesh, VersionVector::default())]
}

fn presence() -> Arc<PresenceUpdate> {
    let record = SessionRecord {
        account: Some(AccountName::new("alice").unwrap()),
        nick: Nick::new("Alice").unwrap(),
        nick_since: Hlc(1 << 16),
        user: "a".to_owned(),
        host: "host".to_owned(),
        realname: "Alice".to_owned(),
        resource: Some("phone".to_owned()),
        priority: -1,
        available: true,
        show: Show::DoNotDisturb,
        status: "busy".to_owned(),
        payloads: vec!["<x/>".to_owned()],
        rooms: BTreeMap::from([(room(), Place { nick: Nick::new("Al").unwrap(), since: Hlc(2 << 16) })]),
        secure: true,
        modes: UserModes::default(),
        signed_on: Hlc(3 << 16),
    };
    let records = BTreeMap::from([(1, (4, Some(Arc::new(record)))), (2, (5, None))]);
    Arc::new(PresenceUpdate { node: KEY.node, incarnation: 2, version: 5, after: 3, records })
}

/// One frame of each kind, in their order.
fn frames() -> Vec<Frame> {
    let scope = || Scope::Room(room());
    let origin = KEY.origin();
    let row = RoomRow {
        name: room(),
        topic: "topic".to_owned(),
        title: String::new(),
        created_ms: Some(1_700_000_000_000),
        topic_ms: None,
        stays: true,
    };
    vec![
        Frame::Push { runs: vec![run()], relay: true },
        Frame::Durable(vec![(scope(), origin, 300)]),
        Frame::Root { entries: Hash([1; 32]), presence: Hash([2; 32]) },
        Frame::Buckets(vec![(255, Hash([3; 32]))]),
        Frame::Vectors { buckets: vec![0, 200], vectors: vectors(), answer: true },
        Frame::Delta { runs: vec![run()], more: false },
        Frame::PresenceHave(BTreeMap::from([(KEY.node, (2, 300))])),
        Frame::Presence(presence()),
        Frame::Signal { to: SessionId { node: KEY.node, number: 300 }, bytes: Bytes::from_static(b"signal"), hops: 2 },
        Frame::Membership(Bytes::from_static(b"swim")),
        Frame::Resend(vec![(scope(), origin, 300)]),
        Frame::Clock(1_700_000_000_000),
        Frame::Heads(vec![(scope(), origin, 300, Hash([4; 32]))]),
        Frame::Changed { vectors: vectors(), answer: false },
        Frame::Placing(3),
        Frame::Ask { vectors: vectors(), send: true },
        Frame::Holding(vectors()),
        Frame::AskRooms,
        Frame::Rooms { rows: vec![row], more: true },
    ]
}

#[test]
fn each_kind_of_frame_is_written_and_read_as_ever() {
    let mut text = String::new();
    for (kind, frame) in frames().into_iter().enumerate() {
        let bytes = encode(&frame).unwrap();
        assert_eq!((frame.kind(), decode(&bytes).as_ref()), (kind, Ok(&frame)));
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{hex}").unwrap();
    }
    assert_eq!(text.lines().count(), usize::try_from(KINDS).unwrap());
    assert_eq!(text, FRAMES);
}
