//! The data plane of one simulated node in one start: an endpoint, its connections, and who is linked. The mirror of `transport/quic`'s
//! endpoint, dial and peers, with stages and deadlines in the place of tasks.

use super::conn::{Conn, Stage};
use super::handshake::Party;
use super::lanes::{self, Broken, Full, Lanes};
use super::{Base, Heard, Packet, micros, owned, settings};
use bytes::{Buf, Bytes};
use lavina_crdt::ids::NodeId;
use lavina_gossip::frame::{self, Frame, Lane};
use lavina_gossip::framing::Taken;
use lavina_gossip::packed;
use lavina_gossip::plane::{self, CONNECTION_WINDOW_BYTES, Held, Verdict};
use quinn_proto::{
    ConnectionError, ConnectionHandle, DatagramEvent, Dir, Endpoint, Event, Incoming, ServerConfig, StreamEvent,
    StreamId, Transmit, VarInt,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What connections are closed with, as the real data plane numbers it.
#[derive(Clone, Copy)]
enum Code {
    Silent = 0,
    Duplicate = 2,
    Replaced = 3,
    Overload = 4,
    Malformed = 5,
    Hangup = 6,
}

/// Length of the hello: the boot number. Names, meshes and versions are not what is simulated here.
const HELLO_BYTES: usize = 8;

/// See the module.
pub(crate) struct Station {
    me: NodeId,
    boot: u64,
    base: Base,
    party: Arc<Party>,
    endpoint: Endpoint,
    server: Arc<ServerConfig>,
    /// Open ones, and those whose last packets are under way.
    pub(super) conns: BTreeMap<usize, Conn>,
    /// The connection that counts, by peer.
    links: BTreeMap<NodeId, usize>,
    /// Counts connections that counted.
    linked: u64,
    dialling: BTreeMap<NodeId, usize>,
    admitted: BTreeSet<NodeId>,
    dials: u64,
    /// Connections to be driven.
    dirty: BTreeSet<usize>,
    timers: BTreeSet<(u64, usize)>,
    packets: VecDeque<Packet>,
    heard: VecDeque<Heard>,
}

impl std::fmt::Debug for Station {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Station").field("conns", &self.conns).finish_non_exhaustive()
    }
}

impl Station {
    /// A station that is connected to nobody and admits nobody. `boot` is another in each start.
    pub(crate) fn new(me: NodeId, boot: u64, base: Base) -> Self {
        let party = Arc::new(Party { node: me, nonce: AtomicU64::new(boot) });
        let server = Arc::new(settings::server(&party));
        let config = Arc::new(settings::endpoint(me, boot));
        Self {
            me,
            boot,
            base,
            endpoint: Endpoint::new(config, Some(Arc::clone(&server)), true, None),
            party,
            server,
            conns: BTreeMap::new(),
            links: BTreeMap::new(),
            linked: 0,
            dialling: BTreeMap::new(),
            admitted: BTreeSet::new(),
            dials: 0,
            dirty: BTreeSet::new(),
            timers: BTreeSet::new(),
            packets: VecDeque::new(),
            heard: VecDeque::new(),
        }
    }

    /// The next packet to go out.
    pub(crate) fn poll_packet(&mut self) -> Option<Packet> {
        self.packets.pop_front()
    }

    /// The next thing for the node.
    pub(crate) fn poll_heard(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    /// When [`Station::on_time`] is due.
    pub(crate) fn wake_us(&self) -> Option<u64> {
        self.timers.first().map(|(at_us, _)| *at_us)
    }

    /// The number of the connection to a peer: another for each of this station.
    pub(crate) fn link_number(&self, peer: NodeId) -> Option<u64> {
        self.links.get(&peer).and_then(|index| self.conns.get(index)).map(|conn| conn.number)
    }

    /// Says who may connect; connections to others are closed.
    pub(crate) fn set_admitted(&mut self, now_us: u64, nodes: impl IntoIterator<Item = NodeId>) {
        self.admitted = nodes.into_iter().collect();
        let strangers: Vec<NodeId> = self.links.keys().copied().filter(|node| !self.admitted.contains(node)).collect();
        for node in strangers {
            self.hangup(now_us, node, "the node is not admitted any more");
        }
    }

    /// Dials a peer once, unless it is connected or being dialled.
    pub(crate) fn dial(&mut self, now_us: u64, peer: NodeId, at: SocketAddr) {
        if !self.admitted.contains(&peer) || self.links.contains_key(&peer) || self.dialling.contains_key(&peer) {
            return;
        }
        self.dials += 1;
        let config = settings::client(&self.party, self.boot, peer, self.dials);
        if let Ok((handle, quic)) = self.endpoint.connect(self.base.at(now_us), config, at, "lavina") {
            let deadline_us = now_us + micros(plane::HANDSHAKE_TIMEOUT);
            self.conns.insert(handle.0, Conn::new(quic, Some(peer), true, deadline_us));
            self.dialling.insert(peer, handle.0);
            self.dirty.insert(handle.0);
            self.drive(now_us);
        }
    }

    /// Queues a frame.
    pub(crate) fn send(&mut self, now_us: u64, peer: NodeId, lane: Lane, frame: &Frame) {
        let packed = packed::pack(frame);
        if let Ok(bytes) = packed.map_or_else(|| frame::encode(frame), Ok) {
            self.send_bytes(now_us, peer, lane, bytes);
        }
    }

    /// Queues a frame that is encoded already.
    pub(crate) fn send_bytes(&mut self, now_us: u64, peer: NodeId, lane: Lane, bytes: Bytes) {
        let Some(index) = self.links.get(&peer).copied() else { return };
        let Some(lanes) = self.conns.get_mut(&index).and_then(Conn::lanes) else { return };
        if lanes.push(lane, bytes) == Err(Full) && lane == Lane::Control {
            self.close(now_us, index, Code::Overload, "the peer does not read fast enough");
        }
        self.dirty.insert(index);
    }

    /// Sends a datagram.
    pub(crate) fn datagram(&mut self, peer: NodeId, bytes: Bytes) {
        let Some(index) = self.links.get(&peer).copied() else { return };
        if let Some(conn) = self.conns.get_mut(&index) {
            // What does not fit is lost, as datagrams may be.
            let _ = conn.quic.datagrams().send(bytes, true);
            self.dirty.insert(index);
        }
    }

    /// Closes the connection to a peer.
    pub(crate) fn hangup(&mut self, now_us: u64, peer: NodeId, reason: &str) {
        if let Some(index) = self.links.get(&peer).copied() {
            self.close(now_us, index, Code::Hangup, reason);
        }
    }

    /// A packet has come.
    pub(crate) fn on_packet(&mut self, now_us: u64, from: SocketAddr, packet: &Packet) {
        let now = self.base.at(now_us);
        let mut buffer = Vec::new();
        match self.endpoint.handle(now, from, None, packet.ecn, owned(&packet.bytes), &mut buffer) {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some(conn) = self.conns.get_mut(&handle.0) {
                    conn.quic.handle_event(event);
                    self.dirty.insert(handle.0);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.accept(now_us, incoming),
            Some(DatagramEvent::Response(transmit)) => self.transmit(&transmit, &buffer),
            None => {}
        }
        self.drive(now_us);
    }

    /// Time has passed.
    pub(crate) fn on_time(&mut self, now_us: u64) {
        while let Some((at_us, index)) = self.timers.first().copied().filter(|(at_us, _)| *at_us <= now_us) {
            self.timers.remove(&(at_us, index));
            let Some(conn) = self.conns.get_mut(&index) else { continue };
            conn.wake_us = None;
            conn.quic.handle_timeout(self.base.at(now_us));
            self.dirty.insert(index);
            if conn.round_trip_at_us.is_some_and(|at_us| at_us <= now_us) {
                conn.round_trip_at_us = Some(now_us + micros(plane::ROUND_TRIP_PERIOD));
                let round_trip_us = micros(conn.quic.rtt());
                if plane::is_new_round_trip(conn.round_trip_us, round_trip_us) {
                    conn.round_trip_us = Some(round_trip_us);
                    self.heard.extend(conn.peer.map(|peer| Heard::RoundTrip(peer, round_trip_us)));
                }
            }
            if conn.deadline_us.is_some_and(|at_us| at_us <= now_us) {
                conn.deadline_us = None;
                self.close(now_us, index, Code::Duplicate, "it took too long");
            }
        }
        self.drive(now_us);
    }

    /// Moves everything as far as it goes.
    pub(crate) fn drive(&mut self, now_us: u64) {
        while let Some(index) = self.dirty.pop_first() {
            self.drive_one(now_us, index);
        }
    }

    fn drive_one(&mut self, now_us: u64, index: usize) {
        let now = self.base.at(now_us);
        loop {
            let mut moved = self.write(now_us, index);
            let Some(conn) = self.conns.get_mut(&index) else { return };
            while let Some(event) = conn.quic.poll_endpoint_events() {
                moved = true;
                if let Some(event) = self.endpoint.handle_event(ConnectionHandle(index), event) {
                    conn.quic.handle_event(event);
                }
            }
            let mut buffer = Vec::new();
            let mut packets = Vec::new();
            while let Some(transmit) = conn.quic.poll_transmit(now, 1, &mut buffer) {
                packets.push((transmit, std::mem::take(&mut buffer)));
            }
            let mut events = Vec::new();
            while let Some(event) = conn.quic.poll() {
                events.push(event);
            }
            moved |= !packets.is_empty() || !events.is_empty();
            for (transmit, bytes) in packets {
                self.transmit(&transmit, &bytes);
            }
            for event in events {
                self.on_event(now_us, index, event);
            }
            if !moved {
                break;
            }
        }
        self.arm(index);
    }

    fn arm(&mut self, index: usize) {
        let Some(conn) = self.conns.get_mut(&index) else { return };
        if let Some(at_us) = conn.wake_us.take() {
            self.timers.remove(&(at_us, index));
        }
        if conn.quic.is_drained() {
            self.conns.remove(&index);
            return;
        }
        let quic_us = conn.quic.poll_timeout().map(|at| self.base.us(at));
        conn.wake_us = [quic_us, conn.deadline_us, conn.round_trip_at_us].into_iter().flatten().min();
        self.timers.extend(conn.wake_us.map(|at_us| (at_us, index)));
    }

    fn transmit(&mut self, transmit: &Transmit, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes.get(..transmit.size).unwrap_or(bytes));
        self.packets.push_back(Packet { to: transmit.destination, ecn: transmit.ecn, bytes });
    }

    fn accept(&mut self, now_us: u64, incoming: Incoming) {
        let mut buffer = Vec::new();
        let server = Arc::clone(&self.server);
        match self.endpoint.accept(incoming, self.base.at(now_us), &mut buffer, Some(server)) {
            Ok((handle, quic)) => {
                let deadline_us = now_us + micros(plane::HANDSHAKE_TIMEOUT);
                self.conns.insert(handle.0, Conn::new(quic, None, false, deadline_us));
                self.dirty.insert(handle.0);
            }
            Err(error) => {
                if let Some(transmit) = error.response {
                    self.transmit(&transmit, &buffer);
                }
            }
        }
    }

    fn on_event(&mut self, now_us: u64, index: usize, event: Event) {
        match event {
            Event::Connected => self.on_connected(now_us, index),
            Event::ConnectionLost { reason } => self.on_lost(now_us, index, &reason),
            Event::Stream(StreamEvent::Opened { .. } | StreamEvent::Readable { .. } | StreamEvent::Writable { .. }) => {
                self.on_readable(now_us, index)
            }
            Event::DatagramReceived => self.on_datagrams(index),
            Event::Stream(
                StreamEvent::Finished { .. } | StreamEvent::Stopped { .. } | StreamEvent::Available { .. },
            )
            | Event::HandshakeDataReady
            | Event::DatagramsUnblocked => {}
        }
    }

    fn on_connected(&mut self, now_us: u64, index: usize) {
        let boot = self.boot;
        let Some(conn) = self.conns.get_mut(&index) else { return };
        if conn.dialled {
            conn.deadline_us = Some(now_us + micros(plane::HELLO_TIMEOUT));
            if let Some(stream) = conn.quic.streams().open(Dir::Bi) {
                // A fresh stream takes so few bytes.
                let _ = conn.quic.send_stream(stream).write(&boot.to_be_bytes());
                conn.stage = Stage::Greeting(stream);
            }
            return;
        }
        conn.peer = conn.quic.crypto_session().peer_identity().and_then(|node| node.downcast().ok()).map(|node| *node);
        if conn.peer.is_some_and(|peer| self.admitted.contains(&peer)) {
            conn.deadline_us = Some(now_us + micros(plane::HANDSHAKE_TIMEOUT));
            conn.stage = Stage::Hello;
            self.on_readable(now_us, index);
        } else {
            self.close(now_us, index, Code::Silent, "");
        }
    }

    /// Something may be there to read: the hello, or frames.
    fn on_readable(&mut self, now_us: u64, index: usize) {
        let Some(conn) = self.conns.get_mut(&index) else { return };
        match &mut conn.stage {
            Stage::Hello => {
                if let Some(stream) = conn.quic.streams().accept(Dir::Bi) {
                    conn.stage = Stage::Turn(stream);
                    self.on_hello(now_us, index, stream);
                }
            }
            Stage::Greeting(stream) | Stage::Turn(stream) => {
                let stream = *stream;
                self.on_hello(now_us, index, stream);
            }
            Stage::Linked(lanes) => match lanes.read(&mut conn.quic) {
                Ok(frames) => {
                    let peers = conn.peer.into_iter().cycle();
                    self.heard.extend(frames.into_iter().zip(peers).map(|(taken, peer)| match taken {
                        Taken::Frame(frame) => Heard::Frame(peer, Box::new(frame)),
                        Taken::Unknown => Heard::UnknownFrame(peer),
                    }));
                }
                Err(Broken(reason)) => self.close(now_us, index, Code::Malformed, &reason),
            },
            Stage::Handshake | Stage::Over => {}
        }
    }

    fn on_hello(&mut self, now_us: u64, index: usize, stream: StreamId) {
        let Some(conn) = self.conns.get_mut(&index) else { return };
        if conn.heard.len() < HELLO_BYTES && conn.boot == 0 {
            if let Err(Broken(reason)) = lanes::read_stream(&mut conn.quic, stream, &mut conn.heard) {
                self.close(now_us, index, Code::Malformed, &reason);
                return;
            }
            if conn.heard.len() < HELLO_BYTES {
                return;
            }
            conn.boot = conn.heard.get_u64();
            if conn.dialled {
                self.offer_dialled(now_us, index);
            } else {
                conn.deadline_us = Some(now_us + micros(plane::TURN_TIMEOUT));
                self.offer_accepted(now_us, index);
            }
        }
    }

    fn offer_dialled(&mut self, now_us: u64, index: usize) {
        let Some(peer) = self.conns.get(&index).and_then(|conn| conn.peer) else { return };
        self.dialling.remove(&peer);
        if self.admitted.contains(&peer) && !self.links.contains_key(&peer) {
            self.link(now_us, index, peer);
        } else {
            self.close(now_us, index, Code::Duplicate, "a connection exists already");
        }
        self.offer_waiting(now_us, peer);
    }

    fn offer_accepted(&mut self, now_us: u64, index: usize) {
        let Some(conn) = self.conns.get(&index) else { return };
        let (Some(peer), boot) = (conn.peer, conn.boot) else { return };
        let Stage::Turn(stream) = conn.stage else { return };
        let held = self.links.get(&peer).copied();
        let seen = held.and_then(|held| self.conns.get(&held));
        let seen = seen.map(|held| Held { dialled_here: held.dialled, same_boot: held.boot == boot });
        let verdict = plane::judge(self.me < peer, self.dialling.contains_key(&peer), seen);
        if verdict == Verdict::Wait {
            return;
        }
        if let Some(conn) = self.conns.get_mut(&index) {
            // It waits no longer: what ends below offers those that do.
            conn.stage = Stage::Linked(Lanes::default());
        }
        if let (Verdict::Replace, Some(held)) = (verdict, held) {
            self.close(now_us, held, Code::Replaced, "replaced by a newer connection");
        }
        if let Some(conn) = self.conns.get_mut(&index) {
            // When it fails the connection is lost, which is reported.
            let _ = conn.quic.send_stream(stream).write(&self.boot.to_be_bytes());
        }
        if let Some(own) = self.dialling.remove(&peer) {
            self.close(now_us, own, Code::Silent, "");
        }
        self.link(now_us, index, peer);
    }

    /// Something has changed for a peer's connections that wait.
    fn offer_waiting(&mut self, now_us: u64, peer: NodeId) {
        let waits = |conn: &Conn| conn.peer == Some(peer) && conn.boot != 0 && matches!(conn.stage, Stage::Turn(_));
        let waiting: Vec<usize> = self.conns.iter().filter(|(_, conn)| waits(conn)).map(|(index, _)| *index).collect();
        for index in waiting {
            self.offer_accepted(now_us, index);
        }
    }

    fn link(&mut self, now_us: u64, index: usize, peer: NodeId) {
        let Some(conn) = self.conns.get_mut(&index) else { return };
        conn.quic.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES));
        conn.stage = Stage::Linked(Lanes::default());
        conn.deadline_us = None;
        conn.round_trip_at_us = Some(now_us);
        self.links.insert(peer, index);
        self.linked += 1;
        conn.number = self.linked;
        self.dirty.insert(index);
        self.heard.push_back(Heard::Up(peer));
        self.on_readable(now_us, index);
        self.on_datagrams(index);
    }

    fn on_datagrams(&mut self, index: usize) {
        let Some(conn) = self.conns.get_mut(&index) else { return };
        if conn.lanes().is_none() {
            return;
        }
        let Some(peer) = conn.peer else { return };
        while let Some(bytes) = conn.quic.datagrams().recv() {
            self.heard.push_back(Heard::Datagram(peer, bytes));
        }
    }

    fn write(&mut self, now_us: u64, index: usize) -> bool {
        let Some(conn) = self.conns.get_mut(&index) else { return false };
        if let Stage::Linked(lanes) = &mut conn.stage
            && let Err(Broken(reason)) = lanes.write(&mut conn.quic)
        {
            self.close(now_us, index, Code::Malformed, &reason);
            return true;
        }
        false
    }

    fn close(&mut self, now_us: u64, index: usize, code: Code, reason: &str) {
        let Some(conn) = self.conns.get_mut(&index) else { return };
        if matches!(conn.stage, Stage::Over) {
            return;
        }
        conn.quic.close(self.base.at(now_us), VarInt::from_u32(code as u32), Bytes::copy_from_slice(reason.as_bytes()));
        self.ended(now_us, index, reason);
    }

    fn on_lost(&mut self, now_us: u64, index: usize, error: &ConnectionError) {
        let reason = match error {
            ConnectionError::ApplicationClosed(close) => String::from_utf8_lossy(&close.reason).into_owned(),
            ConnectionError::TimedOut => "silent for too long".to_owned(),
            ConnectionError::Reset => "the peer has lost the connection's state".to_owned(),
            ConnectionError::VersionMismatch
            | ConnectionError::TransportError(_)
            | ConnectionError::ConnectionClosed(_)
            | ConnectionError::LocallyClosed
            | ConnectionError::CidsExhausted => error.to_string(),
        };
        self.ended(now_us, index, &reason);
    }

    /// A connection is of no more use, whoever ended it.
    fn ended(&mut self, now_us: u64, index: usize, reason: &str) {
        let Some(conn) = self.conns.get_mut(&index) else { return };
        conn.stage = Stage::Over;
        conn.deadline_us = None;
        conn.round_trip_at_us = None;
        self.dirty.insert(index);
        let Some(peer) = conn.peer else { return };
        if self.dialling.get(&peer) == Some(&index) {
            self.dialling.remove(&peer);
        }
        if self.links.get(&peer) == Some(&index) {
            self.links.remove(&peer);
            self.heard.push_back(Heard::Down(peer, reason.to_owned()));
        }
        self.offer_waiting(now_us, peer);
    }
}
