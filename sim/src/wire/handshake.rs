//! A handshake in the place of TLS: deterministic, in the same flights (RFC 9001 section 4), so that QUIC's own state machine goes the same
//! way. It carries both nodes' ids, their transport parameters and a nonce each; the keys follow from all of these.
//!
//! **No secrecy and no proof of a key:** whoever hears the hellos can make the keys. What TLS gives that matters to a simulation is
//! there: the dialler names whom it means to reach and refuses anybody else, and no packet of one connection counts in another.

use super::keys;
use lavina_crdt::ids::NodeId;
use quinn_proto::crypto::{ClientConfig, ServerConfig, Session};
use quinn_proto::crypto::{ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, UnsupportedVersion};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectError, ConnectionId, Side, TransportError, TransportErrorCode};
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The alert that TLS sends when a certificate is not the one expected (RFC 8446 section 6.2, `bad_certificate`).
const WRONG_NODE: u8 = 42;
/// The alert for a message that cannot be read (`decode_error`).
const UNREADABLE: u8 = 50;
/// The only version there is.
const VERSION: u32 = 1;
/// Longest message: ids, nonce, parameters.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// What either side says first, in the clear.
#[derive(Serialize, Deserialize)]
struct Hello {
    node: [u8; 32],
    nonce: u64,
    /// The client's; the server's come in its second flight, as in TLS.
    params: Vec<u8>,
}

/// What a node brings into every handshake.
#[derive(Debug)]
pub(super) struct Party {
    /// Who it is.
    pub(super) node: NodeId,
    /// Counts its handshakes over all its starts.
    pub(super) nonce: AtomicU64,
}

/// A dialler's side: whom it means to reach.
#[derive(Debug)]
pub(super) struct Dialler(pub(super) Arc<Party>, pub(super) NodeId);

/// The acceptor's side.
#[derive(Debug)]
pub(super) struct Acceptor(pub(super) Arc<Party>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// The hello is to be written (client) or read (server).
    Hello,
    /// Hellos are exchanged: the keys of the handshake space are due.
    HandshakeKeys,
    /// The second flights are to be written and read.
    Flight,
    /// This side has said everything and has all keys; the server waits for the client's last word.
    Finishing,
    Done,
}

struct Conversation {
    side: Side,
    step: Step,
    me: NodeId,
    nonce: u64,
    params: Vec<u8>,
    expected: Option<NodeId>,
    peer: Option<NodeId>,
    peer_params: Option<Vec<u8>>,
    /// Both hellos, the client's first.
    transcript: Vec<u8>,
    heard: Vec<u8>,
    heard_flight: bool,
    generation: u64,
}

impl Conversation {
    fn new(party: &Party, side: Side, expected: Option<NodeId>, params: &TransportParameters) -> Self {
        let mut written = Vec::new();
        params.write(&mut written);
        Self {
            side,
            step: Step::Hello,
            me: party.node,
            nonce: party.nonce.fetch_add(1, Ordering::Relaxed),
            params: written,
            expected,
            peer: None,
            peer_params: None,
            transcript: Vec::new(),
            heard: Vec::new(),
            heard_flight: false,
            generation: 0,
        }
    }

    fn secret(&self, what: &[u8]) -> Vec<u8> {
        [&self.transcript, what, &self.generation.to_le_bytes()].concat()
    }

    fn hello(&self) -> Vec<u8> {
        let params = if self.side.is_client() { self.params.clone() } else { Vec::new() };
        postcard::to_stdvec(&Hello { node: self.me.0, nonce: self.nonce, params }).unwrap_or_default()
    }

    /// The first whole message heard.
    fn take_message(&mut self) -> Result<Option<Vec<u8>>, TransportError> {
        let Some(prefix) = self.heard.first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*prefix));
        if length > MESSAGE_BYTES_MAX {
            return Err(refusal(UNREADABLE, "a handshake message is too long"));
        }
        if self.heard.len() < 2 + length {
            return Ok(None);
        }
        let rest = self.heard.split_off(2 + length);
        let message = std::mem::replace(&mut self.heard, rest).split_off(2);
        Ok(Some(message))
    }

    fn on_hello(&mut self, message: &[u8]) -> Result<(), TransportError> {
        let malformed = |_| refusal(UNREADABLE, "no hello");
        let hello: Hello = postcard::from_bytes(message).map_err(malformed)?;
        let node = NodeId(hello.node);
        if self.expected.is_some_and(|expected| expected != node) {
            return Err(refusal(WRONG_NODE, "another node answers"));
        }
        self.peer = Some(node);
        let own = self.hello();
        self.transcript =
            if self.side.is_client() { [own.as_slice(), message].concat() } else { [message, own.as_slice()].concat() };
        if self.side.is_server() {
            self.peer_params = Some(hello.params);
        }
        self.step = Step::HandshakeKeys;
        Ok(())
    }

    fn on_flight(&mut self, message: Vec<u8>) {
        if self.side.is_client() {
            self.peer_params = Some(message);
        }
        self.heard_flight = true;
        if self.step == Step::Finishing {
            self.step = Step::Done;
        }
    }
}

fn refusal(alert: u8, reason: &str) -> TransportError {
    TransportError { code: TransportErrorCode::crypto(alert), frame: None, reason: reason.to_owned() }
}

fn put_message(out: &mut Vec<u8>, message: &[u8]) {
    // Messages are far shorter than a u16 can say.
    out.extend_from_slice(&u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(message);
}

impl Session for Conversation {
    fn initial_keys(&self, dst_cid: &ConnectionId, side: Side) -> Keys {
        keys::keys(dst_cid, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.peer.map(|node| Box::new(node) as Box<dyn Any>)
    }

    /// A [`NodeId`].
    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.handshake_data()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.step != Step::Done
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        self.heard.extend_from_slice(buf);
        let mut news = false;
        while let Some(message) = self.take_message()? {
            if self.peer.is_none() {
                self.on_hello(&message)?;
                news = true;
            } else {
                self.on_flight(message);
            }
        }
        Ok(news)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let Some(params) = &self.peer_params else { return Ok(None) };
        Ok(Some(TransportParameters::read(self.side, &mut Cursor::new(params))?))
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        match self.step {
            Step::Hello => {
                if self.side.is_client() && self.transcript.is_empty() {
                    let hello = self.hello();
                    put_message(buf, &hello);
                    // Said once; the answer moves on from here.
                    self.transcript.clone_from(&hello);
                }
                None
            }
            Step::HandshakeKeys => {
                if self.side.is_server() {
                    put_message(buf, &self.hello());
                }
                self.step = Step::Flight;
                Some(keys::keys(&self.secret(b"handshake"), self.side))
            }
            Step::Flight => {
                if self.side.is_client() && !self.heard_flight {
                    return None;
                }
                let params = if self.side.is_server() { self.params.clone() } else { Vec::new() };
                put_message(buf, &params);
                self.step = if self.side.is_client() { Step::Done } else { Step::Finishing };
                Some(keys::keys(&self.secret(b"data"), self.side))
            }
            Step::Finishing | Step::Done => None,
        }
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        self.generation += 1;
        Some(keys::packet_keys(&self.secret(b"data"), self.side))
    }

    fn is_valid_retry(&self, orig_dst_cid: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        let Some((payload, found)) = payload.split_last_chunk::<16>() else { return false };
        *found == keys::retry_tag(orig_dst_cid, &[header, payload])
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        let mut hasher = blake3::Hasher::new_derive_key("lavina simulator export");
        hasher.update(&self.transcript);
        hasher.update(label);
        hasher.update(context);
        hasher.finalize_xof().fill(output);
        Ok(())
    }
}

impl ClientConfig for Dialler {
    fn start_session(
        self: Arc<Self>,
        _version: u32,
        _server_name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        Ok(Box::new(Conversation::new(&self.0, Side::Client, Some(self.1), params)))
    }
}

impl ServerConfig for Acceptor {
    fn initial_keys(&self, version: u32, dst_cid: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        if version == VERSION { Ok(keys::keys(dst_cid, Side::Server)) } else { Err(UnsupportedVersion) }
    }

    fn retry_tag(&self, _version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        keys::retry_tag(orig_dst_cid, &[packet])
    }

    fn start_session(self: Arc<Self>, _version: u32, params: &TransportParameters) -> Box<dyn Session> {
        Box::new(Conversation::new(&self.0, Side::Server, None, params))
    }
}
