//! Replicas of several nodes, driven by hand: what one appends the others receive in any order.

mod convergence;
mod disk;
mod fences;
mod history;
mod idle;
mod recent;
mod rooms;
mod situations;
mod versions;

use super::{Appended, Effect, Message, Query, Received, Replicas};
use crate::node::{Limits, MeshIdentity};
use crate::store::memory::MemoryStore;
use crate::store::{Commit, Store};
use ed25519_dalek::SigningKey;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, Content, Principal};
use lavina_crdt::entry::{Body, Run};
use lavina_crdt::ids::{NodeId, OriginKey, Scope, SessionId};
use lavina_crdt::mesh::{Admission, Place, Verdict};
use lavina_crdt::names::{AccountName, Nick, RoomName};

/// When tests begin, milliseconds since the Unix epoch.
const START_MS: u64 = 1_700_000_000_000;

/// So many milliseconds after the start.
fn at(ms: u64) -> Now {
    Now { mono_us: ms * 1000, wall_ms: START_MS + ms }
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn node_id(number: u8) -> NodeId {
    NodeId(key(number).verifying_key().to_bytes())
}

fn origin_key(number: u8) -> OriginKey {
    OriginKey { node: node_id(number), epoch: 1 }
}

fn root() -> SigningKey {
    key(99)
}

fn identity() -> MeshIdentity {
    MeshIdentity { id: [5; 16], root: NodeId(root().verifying_key().to_bytes()) }
}

fn admission(number: u8) -> Admission {
    let place = Place { region: "eu".to_owned(), zone: "a".to_owned() };
    let signature = Verdict::Admit.sign(&root(), &[5; 16], node_id(number));
    Admission { node: node_id(number), name: format!("n{number}"), place, addresses: Vec::new(), signature }
}

fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

/// Somebody logged in, with a session at a node.
fn author(node: u8, name: &str) -> Author {
    Author {
        session: SessionId { node: node_id(node), number: 1 },
        account: Some(account(name)),
        nick: Nick::new(name).unwrap(),
        user: name.to_owned(),
        host: "host.example".to_owned(),
    }
}

fn room() -> RoomName {
    RoomName::new("rust").unwrap()
}

fn room_scope() -> Scope {
    Scope::Room(room())
}

fn direct(one: &str, other: &str) -> Scope {
    Scope::direct(Principal::Account(account(one)), Principal::Account(account(other)))
}

/// One node and its disk.
struct Peer {
    number: u8,
    replicas: Replicas<MemoryStore>,
    disk: MemoryStore,
}

impl Peer {
    fn new(number: u8) -> Self {
        Self::open(number, MemoryStore::new(origin_key(number)), at(0))
    }

    fn open(number: u8, disk: MemoryStore, now: Now) -> Self {
        let bootstrap: Vec<Admission> = (1..=4).map(admission).collect();
        let replicas = Replicas::open(
            disk.clone(),
            key(number),
            &identity(),
            &bootstrap,
            &Limits::default(),
            lavina_crdt::seals::Seals::default(),
            now,
        )
        .unwrap();
        Self { number, replicas, disk }
    }

    /// A crash and a new start: what was not committed is gone.
    fn restart(self, now: Now) -> Self {
        Self::open(self.number, self.disk, now)
    }

    fn say(&mut self, now: Now, scope: Scope, name: &str, text: &str) -> Appended {
        self.replicas.append(now, scope, Some(author(self.number, name)), Body::Message(Content::text(text))).unwrap()
    }

    /// Writes everything; gives the own runs that became durable.
    fn flush(&mut self) -> Vec<Run> {
        let mut own = Vec::new();
        while let Some(batch) = self.replicas.take_batch(at(0)) {
            self.disk.commit(std::slice::from_ref(&batch)).unwrap();
            own.extend(self.replicas.persisted(batch.id).own);
        }
        own
    }

    fn receive(&mut self, now: Now, from: u8, runs: &[Run]) -> Received {
        self.replicas.receive(now, node_id(from), runs.to_vec())
    }

    /// The whole history of a scope, oldest first.
    fn log(&mut self, scope: &Scope) -> Vec<Message> {
        let query = Query { scopes: std::slice::from_ref(scope), limit: 10_000, ..Query::default() };
        self.replicas.history(&query).unwrap().messages
    }

    fn texts(&mut self, scope: &Scope) -> Vec<String> {
        self.log(scope).into_iter().map(|said| said.content.text.clone()).collect()
    }

    /// Everything durable that the vector of `other` lacks, as sync would send it.
    fn missing_at(&self, other: &Self) -> Vec<Run> {
        let mut runs = Vec::new();
        for (scope, vector) in self.replicas.vectors() {
            let theirs = other.replicas.durable(scope);
            for (origin, mut first, end) in vector.missing_in(&theirs) {
                while first < end {
                    let run = self.disk.run(scope, origin, first, 200).unwrap().unwrap();
                    first += run.entries.len() as u64;
                    runs.push(run);
                }
            }
        }
        runs
    }
}

/// Brings what each lacks to every other until all have the same.
fn sync(now: Now, peers: &mut [Peer]) {
    for _ in 0..peers.len() {
        for from in 0..peers.len() {
            for to in 0..peers.len() {
                let runs = peers[from].missing_at(&peers[to]);
                let received = peers[to].replicas.receive(now, node_id(peers[from].number), runs);
                assert_eq!(received.faults, []);
                peers[to].flush();
            }
        }
    }
}

/// The texts of the messages among some effects.
fn said(effects: &[Effect]) -> Vec<&str> {
    messages(effects).map(|message| message.content.text.as_str()).collect()
}

fn messages(effects: &[Effect]) -> impl Iterator<Item = &Message> {
    effects.iter().filter_map(|effect| if let Effect::Said(message, _) = effect { Some(message) } else { None })
}
