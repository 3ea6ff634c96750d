//! Nodes over the model disk and a network without delay, driven to rest after each step; tests cut it, stop disks and turn the clock.

use crate::node::{
    AdminCommand, AdminReply, Device, Input, InvitationView, Limits, MeshIdentity, Node, NodeConfig, Output,
    SessionMeta, Status,
};
use crate::paces::Pace;
use crate::store::memory::MemoryStore;
use crate::store::{Batch, Commit, StoreError};
use ed25519_dalek::SigningKey;
use lavina_crdt::account::{Credentials, ScramCredentials};
use lavina_crdt::clock::Now;
use lavina_crdt::content::Content;
use lavina_crdt::ids::{NodeId, OriginKey, Scope};
use lavina_crdt::mesh::{Admission, Place, Verdict};
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::presence::Show;
use lavina_gossip::frame::Frame;
use lavina_protocols::command::{
    Command, CommandId, HistoryOf, HistoryQuery, Open, PresenceChange, Refusal, Reply, Target,
};
use lavina_protocols::event::{CloseReason, Event, Said};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What a client hears, in order.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    Answer(u64, Result<Reply, Refusal>),
    Event(Arc<Event>),
    Disconnected(CloseReason),
}

struct Seat {
    id: NodeId,
    config: NodeConfig,
    node: Node<MemoryStore>,
    timeout: Option<u64>,
    /// Batches that the disk is asked to write while it is held.
    disk: Vec<Batch>,
    held: bool,
    admin: Vec<Result<AdminReply, Refusal>>,
}

/// A session: the node's index and the number there.
pub(super) type Client = (usize, u64);

pub(super) struct World {
    seats: Vec<Seat>,
    pub(super) now: Now,
    wire: VecDeque<(usize, Input)>,
    cuts: BTreeSet<(usize, usize)>,
    /// Why nodes hung up on peers, in tests where they may.
    pub(super) hangups: Option<Vec<String>>,
    /// Scopes that sync brought something of, and to which node.
    pub(super) synced: Vec<(usize, Scope)>,
    /// What devices were told.
    pub(super) pushed: Vec<(Device, String)>,
    heard: BTreeMap<Client, Vec<Heard>>,
    commands: u64,
    clients: u64,
}

pub(super) fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}

pub(super) fn nick(name: &str) -> Nick {
    Nick::new(name).unwrap()
}

pub(super) fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

pub(super) fn credentials() -> Credentials {
    let scram =
        ScramCredentials { iterations: 4096, salt: vec![1; 16], stored_key: vec![2; 20], server_key: vec![3; 20] };
    Credentials { sha1: scram.clone(), sha256: scram }
}

fn place() -> Place {
    Place { region: "eu".to_owned(), zone: "a".to_owned() }
}

impl World {
    /// A mesh of this many nodes, connected.
    pub(super) fn new(nodes: u8) -> Self {
        Self::with(nodes, |_| {})
    }

    /// The same with other limits.
    pub(super) fn with(nodes: u8, change: impl Fn(&mut Limits)) -> Self {
        let root = SigningKey::from_bytes(&[99; 32]);
        let mesh = MeshIdentity { id: [7; 16], root: NodeId(root.verifying_key().to_bytes()) };
        let key = |index: u8| SigningKey::from_bytes(&[index + 1; 32]);
        let admissions: Vec<Admission> = (0..nodes)
            .map(|index| {
                let node = NodeId(key(index).verifying_key().to_bytes());
                let signature = Verdict::Admit.sign(&root, &mesh.id, node);
                Admission {
                    node,
                    name: format!("n{index}"),
                    place: place(),
                    addresses: vec![format!("n{index}:1")],
                    signature,
                }
            })
            .collect();
        let now = Now { mono_us: 1_000_000, wall_ms: 1_700_000_000_000 };
        let seats = (0..nodes)
            .map(|index| {
                let mut limits = Limits { unreachable_grace_ms: 60_000, pace: Pace::NONE, ..Limits::default() };
                change(&mut limits);
                let config = NodeConfig {
                    key: key(index),
                    name: format!("n{index}"),
                    place: place(),
                    addresses: Vec::new(),
                    mesh: mesh.clone(),
                    bootstrap: admissions.clone(),
                    operators: Vec::new(),
                    limits,
                    seals: lavina_crdt::seals::Seals::default(),
                };
                let id = NodeId(config.key.verifying_key().to_bytes());
                let store = MemoryStore::new(OriginKey { node: id, epoch: 1 });
                let node = Node::open(config.clone(), store, now, u64::from(index)).unwrap();
                Seat { id, config, node, timeout: None, disk: Vec::new(), held: false, admin: Vec::new() }
            })
            .collect();
        let mut world = Self {
            seats,
            now,
            wire: VecDeque::new(),
            cuts: BTreeSet::new(),
            hangups: None,
            synced: Vec::new(),
            pushed: Vec::new(),
            heard: BTreeMap::new(),
            commands: 0,
            clients: 0,
        };
        for index in 0..world.seats.len() {
            world.drain(index);
        }
        world.link_all(true);
        world.run_ms(5_000);
        world
    }

    fn pairs(&self) -> Vec<(usize, usize)> {
        let count = self.seats.len();
        (0..count)
            .flat_map(|one| (0..count).filter(move |other| one != *other).map(move |other| (one, other)))
            .collect()
    }

    fn link_all(&mut self, up: bool) {
        for (one, other) in self.pairs() {
            let peer = self.seats[other].id;
            if !self.cuts.contains(&(one, other)) {
                let input = if up { Input::PeerUp(peer) } else { Input::PeerDown(peer) };
                self.wire.push_back((one, input));
            }
        }
        self.settle();
    }

    /// Cuts these nodes off from the others, as a router does: connections break later, by themselves.
    pub(super) fn cut(&mut self, side: &[usize]) {
        for (one, other) in self.pairs() {
            if side.contains(&one) != side.contains(&other) {
                self.cuts.insert((one, other));
                self.wire.push_back((one, Input::PeerDown(self.seats[other].id)));
            }
        }
        self.settle();
    }

    /// Loses whatever goes between these nodes and the others, while their connections seem to live.
    pub(super) fn silence(&mut self, side: &[usize]) {
        for (one, other) in self.pairs() {
            if side.contains(&one) != side.contains(&other) {
                self.cuts.insert((one, other));
            }
        }
    }

    /// Ends all cuts.
    pub(super) fn heal(&mut self) {
        for (one, other) in std::mem::take(&mut self.cuts) {
            self.wire.push_back((one, Input::PeerUp(self.seats[other].id)));
        }
        self.settle();
    }

    /// Makes a disk slow without end, or lets it go on.
    pub(super) fn hold_disk(&mut self, index: usize, held: bool) {
        self.seats[index].held = held;
        if !held {
            let waiting = std::mem::take(&mut self.seats[index].disk);
            for batch in waiting {
                self.commit(index, batch);
            }
        }
        self.settle();
    }

    /// Ends a node at once and starts it again over what its disk holds; its clients are gone.
    pub(super) fn restart(&mut self, index: usize) {
        let pairs: Vec<_> = self.pairs().into_iter().filter(|pair| !self.cuts.contains(pair)).collect();
        for (one, _) in pairs.iter().filter(|(_, other)| *other == index) {
            self.wire.push_back((*one, Input::PeerDown(self.seats[index].id)));
        }
        self.settle();
        let seat = &mut self.seats[index];
        let store = seat.node.store().clone();
        (seat.timeout, seat.disk) = (None, Vec::new());
        seat.node = Node::open(seat.config.clone(), store, self.now, self.now.mono_us).unwrap();
        self.drain(index);
        for (one, other) in pairs.into_iter().filter(|(one, other)| [*one, *other].contains(&index)) {
            self.wire.push_back((one, Input::PeerUp(self.seats[other].id)));
        }
        self.settle();
    }

    pub(super) fn fill_disk(&mut self, index: usize, fault: Option<StoreError>) {
        self.seats[index].node.store().set_fault(fault);
    }

    fn commit(&mut self, index: usize, batch: Batch) {
        let id = batch.id;
        let input = match self.seats[index].node.store().commit(&[batch]) {
            Ok(()) => Input::Persisted(id),
            Err(error) => Input::PersistFailed(id, error),
        };
        self.wire.push_back((index, input));
    }

    fn settle(&mut self) {
        while let Some((index, input)) = self.wire.pop_front() {
            let now = self.now;
            self.seats[index].node.handle(now, input);
            self.drain(index);
        }
    }

    fn drain(&mut self, index: usize) {
        while let Some(output) = self.seats[index].node.poll_output() {
            match output {
                Output::Deliver(to, event) => {
                    for number in to {
                        self.heard.entry((index, number)).or_default().push(Heard::Event(Arc::clone(&event)));
                    }
                }
                Output::Answer(number, id, answer) => {
                    self.heard.entry((index, number)).or_default().push(Heard::Answer(id.0, answer));
                }
                Output::Disconnect(number, reason) => {
                    self.heard.entry((index, number)).or_default().push(Heard::Disconnected(reason));
                }
                Output::Persist(batch) if self.seats[index].held => self.seats[index].disk.push(batch),
                Output::Persist(batch) => self.commit(index, batch),
                Output::Send(peer, _, frame) => {
                    let from = self.seats[index].id;
                    self.send(index, peer, Input::Frame(from, frame));
                }
                Output::Datagram(peer, bytes) => {
                    let from = self.seats[index].id;
                    self.send(index, peer, Input::Datagram(from, bytes));
                }
                Output::Timeout(at) => self.seats[index].timeout = Some(at),
                Output::AdminAnswer(_, answer) => self.seats[index].admin.push(answer),
                Output::Hangup(_, reason) => match &mut self.hangups {
                    Some(hangups) => hangups.push(reason),
                    None => panic!("node {index} hangs up: {reason}"),
                },
                Output::Push(devices, said) => {
                    self.pushed.extend(devices.into_iter().map(|device| (device, said.content.text.clone())))
                }
                Output::Dial(..) | Output::Admitted(_) | Output::Reload(_) | Output::Thin(_) => {}
            }
        }
    }

    fn send(&mut self, from: usize, peer: NodeId, input: Input) {
        let to = self.seats.iter().position(|seat| seat.id == peer).unwrap();
        if let Input::Frame(_, Frame::Delta { runs, .. }) = &input {
            self.synced.extend(runs.iter().map(|run| (to, run.scope.clone())));
        }
        if !self.cuts.contains(&(from, to)) {
            self.wire.push_back((to, input));
        }
    }

    /// Lets time pass.
    pub(super) fn run_ms(&mut self, ms: u64) {
        let end = self.now.mono_us + ms * 1000;
        loop {
            let next = (0..self.seats.len()).filter_map(|index| Some((self.seats[index].timeout?, index))).min();
            let Some((at, index)) = next.filter(|(at, _)| *at <= end) else { break };
            self.turn_clock(at.max(self.now.mono_us));
            self.seats[index].timeout = None;
            self.wire.push_back((index, Input::Timeout));
            self.settle();
        }
        self.turn_clock(end);
    }

    fn turn_clock(&mut self, mono_us: u64) {
        self.now.wall_ms += (mono_us / 1000).saturating_sub(self.now.mono_us / 1000);
        self.now.mono_us = mono_us;
    }

    /// A number for a connection.
    pub(super) fn next_client(&mut self) -> u64 {
        self.clients += 1;
        self.clients
    }

    /// A connection that has said nothing yet.
    pub(super) fn connect(&mut self, index: usize) -> Client {
        let client = (index, self.next_client());
        let meta = SessionMeta { host: format!("host{}", self.clients), address: None, secure: true };
        self.input(index, Input::SessionOpened(client.1, meta));
        client
    }

    /// Who a node is.
    pub(super) fn node(&self, index: usize) -> NodeId {
        self.seats[index].id
    }

    pub(super) fn input(&mut self, index: usize, input: Input) {
        self.wire.push_back((index, input));
        self.settle();
    }

    /// A guest who is visible.
    pub(super) fn guest(&mut self, index: usize, name: &str) -> Client {
        let client = self.connect(index);
        self.ask(client, open(name, None)).unwrap();
        client
    }

    /// An XMPP session of an account, available.
    pub(super) fn member(&mut self, index: usize, name: &str, resource: &str) -> Client {
        let client = self.connect(index);
        self.ask(client, Command::LogIn(account(name))).unwrap();
        self.ask(client, open(name, Some(resource))).unwrap();
        self.ask(client, Command::SetPresence(PresenceChange { available: Some(true), ..PresenceChange::default() }))
            .unwrap();
        client
    }

    pub(super) fn register(&mut self, index: usize, name: &str) {
        self.input(index, Input::Admin(1, AdminCommand::AccountAdd(account(name), credentials())));
        self.run_ms(100);
        assert!(matches!(self.seats[index].admin.pop(), Some(Ok(AdminReply::Done))));
    }

    /// Asks without looking at the answer.
    pub(super) fn tell(&mut self, client: Client, command: Command) -> u64 {
        self.commands += 1;
        let id = self.commands;
        self.input(client.0, Input::Command(client.1, CommandId(id), command));
        id
    }

    /// Asks, and takes the answer out of what was heard.
    pub(super) fn ask(&mut self, client: Client, command: Command) -> Result<Reply, Refusal> {
        let id = self.tell(client, command);
        self.take_answer(client, id).unwrap_or_else(|| panic!("{client:?} got no answer"))
    }

    pub(super) fn take_answer(&mut self, client: Client, id: u64) -> Option<Result<Reply, Refusal>> {
        let heard = self.heard.get_mut(&client)?;
        let at = heard.iter().position(|heard| matches!(heard, Heard::Answer(known, _) if *known == id))?;
        match heard.remove(at) {
            Heard::Answer(_, answer) => Some(answer),
            Heard::Event(_) | Heard::Disconnected(_) => None,
        }
    }

    pub(super) fn join(&mut self, client: Client, name: &str) -> Result<Reply, Refusal> {
        self.ask(client, Command::Join { room: room(name), nick: None, key: None })
    }

    pub(super) fn say(&mut self, client: Client, name: &str, text: &str) -> Arc<Said> {
        match self.ask(client, Command::Say(Target::Room(room(name)), Content::text(text))) {
            Ok(Reply::Said(said)) => said,
            other => panic!("{text} was not said: {other:?}"),
        }
    }

    /// What was heard since the last call.
    pub(super) fn heard(&mut self, client: Client) -> Vec<Heard> {
        self.heard.remove(&client).unwrap_or_default()
    }

    /// What was heard since the last call, one word each.
    pub(super) fn words(&mut self, client: Client) -> Vec<String> {
        self.heard(client).iter().map(word).collect()
    }

    pub(super) fn history(&mut self, client: Client, name: &str) -> Vec<String> {
        let query = HistoryQuery {
            of: HistoryOf::Room(room(name)),
            after: None,
            before: None,
            ids: Vec::new(),
            limit: 500,
            newest: true,
            texts: false,
            events: false,
        };
        match self.ask(client, Command::History(query)) {
            Ok(Reply::History(page)) => {
                page.messages.iter().map(|said| format!("{} {}", said.author.nick, said.content.text)).collect()
            }
            other => panic!("no history: {other:?}"),
        }
    }

    pub(super) fn status(&mut self, index: usize) -> Status {
        self.input(index, Input::Admin(2, AdminCommand::Status));
        match self.seats[index].admin.pop() {
            Some(Ok(AdminReply::Status(status))) => *status,
            other => panic!("no status: {other:?}"),
        }
    }

    /// Throws a node out of the mesh.
    pub(super) fn revoke(&mut self, by: usize, index: usize) {
        let (root, node) = (SigningKey::from_bytes(&[99; 32]), self.seats[index].id);
        let signature = Verdict::Revoke.sign(&root, &[7; 16], node);
        self.admin(by, AdminCommand::Revoke(node, signature));
    }

    /// Has a node be emptied of rooms, or be a home again.
    pub(super) fn set_draining(&mut self, by: usize, index: usize, on: bool) {
        self.admin(by, AdminCommand::SetDraining(self.seats[index].id, on));
    }

    pub(super) fn admin(&mut self, index: usize, command: AdminCommand) {
        self.input(index, Input::Admin(3, command));
    }

    pub(super) fn invitations(&mut self, index: usize) -> Vec<InvitationView> {
        self.admin(index, AdminCommand::Invitations);
        match self.seats[index].admin.pop() {
            Some(Ok(AdminReply::Invitations(made))) => made,
            other => panic!("no invitations: {other:?}"),
        }
    }

    /// How much of a room each node has.
    pub(super) fn held(&self, name: &str) -> Vec<u64> {
        let scope = Scope::Room(room(name));
        self.seats.iter().map(|seat| seat.node.vector(&scope).total()).collect()
    }

    /// Whether each node is to hold a room.
    pub(super) fn holders(&self, name: &str) -> Vec<bool> {
        let scope = Scope::Room(room(name));
        self.seats.iter().map(|seat| self.seats[0].node.is_holder(seat.id, &scope)).collect()
    }

    /// Whether all nodes hold the same.
    pub(super) fn converged(&mut self) -> bool {
        let digests: BTreeSet<String> = (0..self.seats.len()).map(|index| self.status(index).digest).collect();
        digests.len() == 1
    }
}

pub(super) fn open(name: &str, resource: Option<&str>) -> Command {
    Command::Open(Open {
        nick: nick(name),
        user: name.to_owned(),
        realname: name.to_owned(),
        resource: resource.map(ToOwned::to_owned),
        available: resource.is_none(),
    })
}

pub(super) fn away(message: &str) -> Command {
    let change =
        PresenceChange { show: Some(Show::Away), status: Some(message.to_owned()), ..PresenceChange::default() };
    Command::SetPresence(change)
}

/// What was heard, short enough to compare.
fn word(heard: &Heard) -> String {
    match heard {
        Heard::Answer(_, Ok(Reply::Said(said))) => format!("said {}", said.content.text),
        Heard::Answer(_, Ok(_)) => "ok".to_owned(),
        Heard::Answer(_, Err(refusal)) => format!("refused: {refusal}"),
        Heard::Disconnected(reason) => format!("disconnected {reason:?}"),
        Heard::Event(event) => event_word(event),
    }
}

fn event_word(event: &Event) -> String {
    match event {
        Event::Said(said) => format!("{}: {}", said.author.nick, said.content.text),
        Event::Joined { room, occupant } => format!("{} joined {room}", occupant.nick),
        Event::Left { room, occupant, how, own } => {
            let how = match how {
                lavina_protocols::event::Leave::Part(reason) => format!("part {reason}"),
                lavina_protocols::event::Leave::Kick { by, reason, .. } => format!("kick by {} {reason}", by.nick),
            };
            format!("{} left {room} {how}{}", occupant.nick, if *own { " (own)" } else { "" })
        }
        Event::Quit { person, reason, .. } => format!("{} quit {reason}", person.record.nick),
        Event::NickChanged { old, new, forced, .. } => {
            format!("{old} is {new}{}", if *forced { " (forced)" } else { "" })
        }
        Event::PersonChanged { person, .. } => format!("{} is {:?}", person.record.nick, person.record.show),
        Event::RoomChanged { room, by, acts, .. } => format!("{} changed {room} ({})", by.nick, acts.len()),
        Event::Invited { room, by, .. } => format!("{} invites to {room}", by.nick),
        Event::Knocked { room, by, text } => format!("{} knocks at {room}: {text}", by.nick),
        Event::WatchedChanged { person, .. } => format!("watched {} is {:?}", person.record.nick, person.record.show),
        Event::Noted { person, key, value } => format!("{} notes {key}: {value:?}", person.record.nick),
        Event::Renamed { old, view, by, .. } => format!("{} renamed {old} {}", by.nick, view.name),
        Event::Unreachable { room, occupants, .. } => format!("{} unreachable in {room}", names(occupants)),
        Event::Reachable { room, occupants, .. } => format!("{} reachable in {room}", names(occupants)),
        Event::Netsplit { gone, .. } => {
            format!(
                "netsplit {}",
                gone.iter().map(|(person, _)| person.record.nick.to_string()).collect::<Vec<_>>().join(",")
            )
        }
        Event::Netjoin { back, .. } => {
            format!(
                "netjoin {}",
                back.iter().map(|(_, occupant)| occupant.nick.to_string()).collect::<Vec<_>>().join(",")
            )
        }
        Event::Caught { begin, .. } => if *begin { "catch-up" } else { "caught up" }.to_owned(),
        Event::Blocked { account, on } => format!("{account} blocked={on}"),
        Event::Shown { account, register, .. } => format!("{account} shows {}", register.key),
        Event::RosterPush { item, removed, .. } => {
            let ways = item.subscription;
            format!("roster {} to={} from={} removed={removed}", item.contact, ways.to, ways.from)
        }
        Event::Subscription(contact, step, request) if request.is_empty() => format!("{contact} {step:?}"),
        Event::Subscription(contact, step, request) => {
            format!("{contact} {step:?} {}", String::from_utf8_lossy(request))
        }
        Event::ContactPresence { person, available } => format!("presence {} {available}", person.record.nick),
        Event::Whisper { from, stanza, .. } => {
            format!("whisper {} {}", from.record.nick, String::from_utf8_lossy(stanza))
        }
        Event::Abroad(to, told) => format!("abroad {} {told:?}", to.account),
        Event::Ended(person) => format!("{} has ended", person.record.nick),
        Event::Forwarded(stanza) => format!("forwarded {}", String::from_utf8_lossy(stanza)),
        Event::Closed { reason, elsewhere: Some(elsewhere), .. } => format!("closed {reason:?} to {elsewhere}"),
        Event::Closed { reason, words, .. } if words.is_empty() => format!("closed {reason:?}"),
        Event::Closed { reason, words, .. } => format!("closed {reason:?}: {words}"),
        Event::Entered(view) => format!("entered {}", view.name),
        Event::Abandoned { key, got } => format!("abandoned {key} {got}"),
        Event::Waiting(first) => format!("waiting {first}"),
        Event::Wallops { by, text } => format!("wallops {}: {text}", by.nick),
        Event::Watched { nick, person } => format!("{nick} {}", if person.is_some() { "is here" } else { "is gone" }),
        Event::Marked { at_ms, .. } => format!("read until {at_ms}"),
        Event::Notice(text) => format!("notice {text}"),
    }
}

fn names(occupants: &[lavina_protocols::event::Occupant]) -> String {
    occupants.iter().map(|occupant| occupant.nick.to_string()).collect::<Vec<_>>().join(",")
}
