//! Messages through rooms of 10, 100 and 1,000 occupants: from the command to the outputs, with the model disk and without sockets.
//!
//! One round is 64 messages of different speakers and one commit, as a shell under load gathers them. The throughput is deliveries.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ed25519_dalek::SigningKey;
use lavina_core::node::{Input, Limits, MeshIdentity, Node, NodeConfig, Output, SessionMeta};
use lavina_core::store::Commit;
use lavina_core::store::memory::MemoryStore;
use lavina_crdt::clock::Now;
use lavina_crdt::content::Content;
use lavina_crdt::ids::{NodeId, OriginKey};
use lavina_crdt::mesh::Place;
use lavina_crdt::names::{Nick, RoomName};
use lavina_protocols::command::{Command, CommandId, Open, Target};
use std::hint::black_box;

/// Messages between two commits.
const MESSAGES: u64 = 64;

struct Bench {
    node: Node<MemoryStore>,
    now: Now,
    occupants: u64,
    commands: u64,
}

impl Bench {
    fn new(occupants: u64) -> Self {
        let key = SigningKey::from_bytes(&[1; 32]);
        let id = NodeId(key.verifying_key().to_bytes());
        let config = NodeConfig {
            key,
            name: "bench".to_owned(),
            place: Place { region: "here".to_owned(), zone: "a".to_owned() },
            addresses: Vec::new(),
            mesh: MeshIdentity { id: [0; 16], root: id },
            bootstrap: Vec::new(),
            operators: Vec::new(),
            limits: Limits::default(),
            seals: lavina_crdt::seals::Seals::default(),
        };
        let now = Now { mono_us: 1, wall_ms: 1_700_000_000_000 };
        let store = MemoryStore::new(OriginKey { node: id, epoch: 1 });
        let node = Node::open(config, store, now, 1).expect("an empty store opens");
        let mut bench = Self { node, now, occupants, commands: 0 };
        for number in 1..=occupants {
            let meta = SessionMeta { host: "host".to_owned(), address: None, secure: true };
            bench.node.handle(now, Input::SessionOpened(number, meta));
            let nick = Nick::new(&format!("n{number}")).expect("a nick");
            let (user, realname) = ("user".to_owned(), "name".to_owned());
            bench.command(number, Command::Open(Open { nick, user, realname, resource: None, available: true }));
            bench.command(number, Command::Join { room: bench.room(), nick: None, key: None });
            bench.drain();
        }
        bench
    }

    fn room(&self) -> RoomName {
        RoomName::new("bench").expect("a room name")
    }

    fn command(&mut self, number: u64, command: Command) {
        self.commands += 1;
        self.node.handle(self.now, Input::Command(number, CommandId(self.commands), command));
    }

    /// Takes the outputs; what is to be written is committed at the end, as one.
    fn drain(&mut self) -> u64 {
        let mut deliveries = 0;
        let mut batches = Vec::new();
        loop {
            while let Some(output) = self.node.poll_output() {
                match output {
                    Output::Deliver(to, event) => {
                        deliveries += to.len() as u64;
                        black_box((to, event));
                    }
                    Output::Persist(batch) => batches.push(batch),
                    Output::Answer(number, id, answer) => {
                        black_box((number, id, answer.is_ok()));
                    }
                    Output::Disconnect(..)
                    | Output::Send(..)
                    | Output::Datagram(..)
                    | Output::Dial(..)
                    | Output::Admitted(_)
                    | Output::Hangup(..)
                    | Output::AdminAnswer(..)
                    | Output::Reload(_)
                    | Output::Thin(_)
                    | Output::Push(..)
                    | Output::Timeout(_) => {}
                }
            }
            let Some(last) = batches.last().map(|batch| batch.id) else { return deliveries };
            self.node.store().commit(&batches).expect("the model disk takes everything");
            batches.clear();
            self.node.handle(self.now, Input::Persisted(last));
        }
    }

    fn round(&mut self) -> u64 {
        self.now.mono_us += 1_000;
        self.now.wall_ms += 1;
        for turn in 0..MESSAGES {
            let speaker = turn % self.occupants + 1;
            let content = Content::text("The quick brown fox jumps over the lazy dog.");
            self.command(speaker, Command::Say(Target::Room(self.room()), content));
        }
        self.drain()
    }
}

fn fanout(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fanout");
    for occupants in [10, 100, 1_000] {
        let mut bench = Bench::new(occupants);
        group.throughput(Throughput::Elements(MESSAGES * (occupants - 1)));
        group.bench_function(BenchmarkId::from_parameter(occupants), |bencher| bencher.iter(|| bench.round()));
    }
    group.finish();
}

criterion_group!(benches, fanout);
criterion_main!(benches);
