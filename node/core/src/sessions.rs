//! The sessions of this node: their gates, what goes out to them, and who waits for which batch.
//!
//! [`Sessions::deliver`], [`Sessions::answer`] and [`Sessions::disconnect`] are the only ways anything reaches a session, so the order of
//! what one session is sent is decided here alone. Knows no room.

use crate::gate::{Gate, HELD_MAX, Held};
use crate::node::{Output, SessionMeta, SessionNumber};
use crate::paces::Payer;
use crate::store::BatchId;
use lavina_crdt::ids::{NodeId, OrderKey, SessionId};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::names::AccountName;
use lavina_gossip::gauges::Gauge;
use lavina_protocols::command::{CommandId, Refusal, Reply};
use lavina_protocols::event::{CloseReason, Event};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    /// What the shell said of the connection.
    pub(crate) meta: SessionMeta,
    /// Who is logged in.
    pub(crate) account: Option<AccountName>,
    /// The registration of that account which the session logged in to.
    pub(crate) registration: Option<OrderKey>,
    /// The operator that it is.
    pub(crate) operator: Option<String>,
    /// Whether it is visible: it has a presence record.
    pub(crate) open: bool,
    /// Whether it asked for the roster and is told of its changes.
    pub(crate) roster: bool,
    /// Until when it may say what its client has said before in another session, monotonic microseconds.
    pub(crate) says_again_until: u64,
    gate: Gate,
}

/// Outputs of the node, in order.
pub(crate) type Outputs = VecDeque<Output>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Sessions {
    node: NodeId,
    /// Added to the shell's number so that a restarted node does not reuse session ids.
    base: u64,
    table: BTreeMap<SessionNumber, Session>,
    /// Sessions whose gate is not open.
    held: BTreeSet<SessionNumber>,
    /// How many there are of each address, as [`one_address`] counts them.
    addresses: BTreeMap<IpAddr, usize>,
    /// Who waits for which batch, in batch order.
    waiting: VecDeque<(BatchId, SessionNumber)>,
    /// Sessions over a bound, to be ended when the input is done.
    overflowed: Vec<SessionNumber>,
    persisted: BatchId,
    /// Counts what is sent, so that what several gates let out together goes out in the order it was made.
    turn: u64,
    /// Where clients are sent when the node stops.
    successors: Vec<String>,
}

/// What counts as one address: one customer has a /64 of IPv6 at least.
fn one_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

impl Sessions {
    /// No sessions. `base` is random.
    pub(crate) fn new(node: NodeId, base: u64) -> Self {
        Self {
            node,
            base,
            table: BTreeMap::new(),
            held: BTreeSet::new(),
            addresses: BTreeMap::new(),
            waiting: VecDeque::new(),
            overflowed: Vec::new(),
            persisted: BatchId(0),
            turn: 0,
            successors: Vec::new(),
        }
    }

    /// The mesh-wide id of a session of this node.
    pub(crate) fn id(&self, number: SessionNumber) -> SessionId {
        SessionId { node: self.node, number: self.base.wrapping_add(number) }
    }

    /// The shell's number of a session id of this node; `None` for other nodes' sessions and ended ones.
    pub(crate) fn number(&self, id: SessionId) -> Option<SessionNumber> {
        let number = id.number.wrapping_sub(self.base);
        (id.node == self.node && self.table.contains_key(&number)).then_some(number)
    }

    /// A connection is there; of one that is there already it is known better who comes by it.
    pub(crate) fn insert(&mut self, number: SessionNumber, meta: SessionMeta) {
        self.recount(number, meta.address);
        let session = Session {
            meta,
            account: None,
            registration: None,
            operator: None,
            open: false,
            roster: false,
            says_again_until: 0,
            gate: Gate::default(),
        };
        self.table.insert(number, session);
    }

    pub(crate) fn get(&self, number: SessionNumber) -> Option<&Session> {
        self.table.get(&number)
    }

    pub(crate) fn get_mut(&mut self, number: SessionNumber) -> Option<&mut Session> {
        self.table.get_mut(&number)
    }

    pub(crate) fn remove(&mut self, number: SessionNumber) -> Option<Session> {
        self.held.remove(&number);
        self.recount(number, None);
        self.table.remove(&number)
    }

    /// A session goes on from another address.
    pub(crate) fn relocate(&mut self, number: SessionNumber, address: Option<IpAddr>) {
        self.recount(number, address);
        if let Some(session) = self.table.get_mut(&number) {
            session.meta.address = address;
        }
    }

    /// Counts a session to another address than before.
    fn recount(&mut self, number: SessionNumber, to: Option<IpAddr>) {
        let from = self.table.get(&number).and_then(|session| session.meta.address).map(one_address);
        if let Some(count) = from.as_ref().and_then(|address| self.addresses.get_mut(address)) {
            *count -= 1;
        }
        if let Some(address) = to.map(one_address) {
            *self.addresses.entry(address).or_default() += 1;
        }
        if let Some(address) = from.filter(|address| self.addresses.get(address) == Some(&0)) {
            self.addresses.remove(&address);
        }
    }

    /// How many sessions come from the address of one of them. This machine itself is no address: a proxy is here.
    pub(crate) fn of_same_address(&self, number: SessionNumber) -> usize {
        let address = self.table.get(&number).and_then(|session| session.meta.address);
        let address = address.filter(|address| !address.is_loopback()).map(one_address);
        address.and_then(|address| self.addresses.get(&address)).copied().unwrap_or_default()
    }

    /// To whose pace it counts what a session says; operators have none.
    pub(crate) fn payer(&self, number: SessionNumber) -> Option<Payer> {
        let session = self.table.get(&number).filter(|session| session.operator.is_none())?;
        let address = session.meta.address.filter(|address| !address.is_loopback()).map(one_address);
        session.account.clone().map(Payer::Account).or_else(|| address.map(Payer::Address))
    }

    /// What the session that waits for most has waiting.
    pub(crate) fn gauge(&self) -> Gauge {
        let waiting = |number: &SessionNumber| self.table.get(number).map_or(0, |session| session.gate.len());
        Gauge::passing("held for a session", self.held.iter().map(waiting).max().unwrap_or(0), 2 * HELD_MAX)
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = SessionNumber> + '_ {
        self.table.keys().copied()
    }

    /// From here on the session waits for `batch`, in which its `command` has written.
    pub(crate) fn barrier(&mut self, number: SessionNumber, batch: BatchId, command: CommandId) {
        if batch <= self.persisted || mutant::is_planted(Mutant::AckBeforeFsync) {
            return;
        }
        let Some(session) = self.table.get_mut(&number) else { return };
        session.gate.barrier(batch, command);
        self.held.insert(number);
        self.waiting.push_back((batch, number));
    }

    /// Gives an event to sessions: at once to those whose gate is open, behind what waits to the others.
    pub(crate) fn deliver(&mut self, mut to: Vec<SessionNumber>, event: Event, out: &mut Outputs) {
        if to.is_empty() {
            return;
        }
        self.turn += 1;
        let event = Arc::new(event);
        if !self.held.is_empty() {
            to.retain(|number| !self.hold(*number, || Held::Event(Arc::clone(&event))));
        }
        if !to.is_empty() {
            out.push_back(Output::Deliver(to, event));
        }
    }

    /// Answers a command, behind what waits.
    pub(crate) fn answer(
        &mut self,
        number: SessionNumber,
        id: CommandId,
        answer: Result<Reply, Refusal>,
        out: &mut Outputs,
    ) {
        self.turn += 1;
        if self.held.contains(&number) {
            self.hold(number, || Held::Answer(id, Box::new(answer)));
        } else if self.table.contains_key(&number) {
            out.push_back(Output::Answer(number, id, answer));
        }
    }

    /// Tells a session why it is ended and ends it, ahead of whatever it waits for.
    pub(crate) fn disconnect(&mut self, number: SessionNumber, reason: CloseReason, words: &str, out: &mut Outputs) {
        if self.remove(number).is_some() {
            let elsewhere = if reason == CloseReason::Shutdown { self.successor(number) } else { None };
            let closed = Event::Closed { reason, words: words.to_owned(), elsewhere };
            out.push_back(Output::Deliver(vec![number], Arc::new(closed)));
            out.push_back(Output::Disconnect(number, reason));
        }
    }

    /// From here on, who is ended since the node stops is told one of these addresses.
    pub(crate) fn go_on_at(&mut self, successors: Vec<String>) {
        self.successors = successors;
    }

    /// Sessions go to all of them alike.
    fn successor(&self, number: SessionNumber) -> Option<String> {
        let count = u64::try_from(self.successors.len()).ok().filter(|count| *count > 0)?;
        self.successors.get(usize::try_from(number % count).ok()?).cloned()
    }

    /// Holds something when the session's gate is not open; tells whether it did.
    fn hold(&mut self, number: SessionNumber, held: impl FnOnce() -> Held) -> bool {
        if !self.held.contains(&number) {
            return false;
        }
        let Some(session) = self.table.get_mut(&number) else { return false };
        if session.gate.hold(self.turn, held()).is_err() && !self.overflowed.contains(&number) {
            self.overflowed.push(number);
        }
        true
    }

    /// Everything up to `batch` is durable: lets out what waited for it.
    pub(crate) fn persisted(&mut self, batch: BatchId, out: &mut Outputs) {
        self.persisted = self.persisted.max(batch);
        let mut released = Vec::new();
        while let Some((first, number)) = self.waiting.front().copied() {
            if first > batch {
                break;
            }
            self.waiting.pop_front();
            let Some(session) = self.table.get_mut(&number) else { continue };
            while let Some((turn, held)) = session.gate.release(batch) {
                released.push((turn, number, held));
            }
            if session.gate.is_open() {
                self.held.remove(&number);
            }
        }
        push_in_turn(released, out);
    }

    /// The store has taken no writes for too long: refuses what waits and opens all gates.
    pub(crate) fn fail(&mut self, out: &mut Outputs) {
        self.waiting.clear();
        let mut released = Vec::new();
        for number in std::mem::take(&mut self.held) {
            let Some(session) = self.table.get_mut(&number) else { continue };
            released.extend(session.gate.fail().into_iter().map(|(turn, held)| (turn, number, held)));
        }
        push_in_turn(released, out);
    }

    /// Sessions over a bound since the last call.
    pub(crate) fn take_overflowed(&mut self) -> Vec<SessionNumber> {
        std::mem::take(&mut self.overflowed)
    }
}

/// Puts out what gates let out, in the order it was made; an event that several sessions waited for goes out once.
fn push_in_turn(mut released: Vec<(u64, SessionNumber, Held)>, out: &mut Outputs) {
    released.sort_by_key(|(turn, number, _)| (*turn, *number));
    let mut last = None;
    for (turn, number, held) in released {
        match held {
            Held::Answer(id, answer) => out.push_back(Output::Answer(number, id, *answer)),
            Held::Event(event) => match out.back_mut() {
                Some(Output::Deliver(to, _)) if last == Some(turn) => to.push(number),
                Some(_) | None => out.push_back(Output::Deliver(vec![number], event)),
            },
        }
        last = Some(turn);
    }
}
