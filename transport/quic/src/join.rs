//! Admission: how a node that holds a one-use ticket is heard, on an ALPN of its own.
//!
//! The joiner pins the inviter's key from the ticket, and proves that it knows the ticket's secret by a keyed hash over keying
//! material of this very TLS session (RFC 8446 section 7.5), so a proof is worth nothing elsewhere. The secret itself never travels.
//! **Invariant:** who shows no such proof gets no byte of application data. Whether a ticket is still good is for the shell to say.

use crate::close::{self, Code};
use crate::dial::{self, DialError};
use crate::endpoint::{IDLE_TIMEOUT, Shared};
use crate::event::Event;
use crate::tls::{self, TlsError};
use crate::wire;
use ed25519_dalek::SigningKey;
use lavina_crdt::ids::NodeId;
use lavina_crdt::mesh::Place;
use lavina_gossip::plane::{CONNECTION_WINDOW_BYTES, HANDSHAKE_TIMEOUT};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Largest answer: the admissions of some ten thousand nodes.
pub const JOIN_ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Tickets remembered at once; an operator makes a few.
const TICKETS_MAX: usize = 4_096;
/// Largest proof: a name, a place, some addresses.
const PROOF_BYTES_MAX: usize = 8 * 1024;
/// How long the shell may take: it makes an entry durable before it answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the joiner may take to read the answer.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Label of the exported keying material.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-lavina-join-1";

/// What a ticket says about the way in.
#[derive(Clone, Copy, Debug)]
pub struct Invitation<'a> {
    /// Who made it; the only one that is spoken to.
    pub inviter: NodeId,
    /// Where it is, `host:port`.
    pub addresses: &'a [String],
    /// The secret.
    pub secret: &'a [u8; 16],
}

/// What a joiner says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinInfo {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Where it can be dialled.
    pub addresses: Vec<String>,
}

/// Why the holder of a ticket is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinRefusal {
    /// The ticket's time is over.
    Expired,
    /// Another node has used the ticket.
    Used,
    /// The node has been thrown out, or the ticket taken back.
    Revoked,
    /// This node cannot admit anyone at present.
    Unavailable,
}

impl fmt::Display for JoinRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "expired",
            Self::Used => "used",
            Self::Revoked => "revoked",
            Self::Unavailable => "unavailable",
        })
    }
}

/// A node shows a ticket.
pub struct JoinRequest {
    /// The ticket's secret, one of those set.
    pub secret: [u8; 16],
    /// Who shows it, as TLS has proven.
    pub node: NodeId,
    /// From where.
    pub remote: SocketAddr,
    /// What it says about itself; not proven.
    pub info: JoinInfo,
    /// Answers it. Dropped without an answer, the joiner is told `unavailable`.
    pub responder: JoinResponder,
}

/// Without the secret, which has no place in a log.
impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinRequest").field("node", &self.node).field("info", &self.info).finish_non_exhaustive()
    }
}

/// Answers one [`JoinRequest`].
#[derive(Debug)]
pub struct JoinResponder(oneshot::Sender<Reply>);

impl JoinResponder {
    /// Lets the node in: all that it needs to know, at most [`JOIN_ANSWER_BYTES_MAX`] bytes in the shell's own encoding.
    pub fn accept(self, answer: Vec<u8>) {
        // Who has gone away needs no answer.
        let _ = self.0.send(Reply::Accepted(answer));
    }

    /// Sends it away with one word.
    pub fn refuse(self, word: JoinRefusal) {
        let _ = self.0.send(Reply::Refused(word));
    }
}

/// Why joining failed.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No socket to dial from.
    #[error("cannot open a UDP socket: {0}")]
    Socket(std::io::Error),
    /// The inviter was not reached, or another node answered in its place.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// This node has no certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The inviter does not know the ticket and says nothing.
    #[error("the inviting node does not know this ticket")]
    Unknown,
    /// The inviter knows the ticket and refuses.
    #[error("the ticket is refused: {0}")]
    Refused(JoinRefusal),
    /// The connection broke.
    #[error("no answer: {0}")]
    Broken(String),
}

/// First message, by the joiner.
#[derive(Debug, Serialize, Deserialize)]
struct Proof {
    ticket: [u8; 16],
    mac: [u8; 32],
    info: JoinInfo,
}

#[derive(Debug, Serialize, Deserialize)]
enum Reply {
    Accepted(Vec<u8>),
    Refused(JoinRefusal),
}

/// The known secrets by the public name that a proof calls them by.
#[derive(Debug, Default)]
pub(crate) struct Tickets(Mutex<BTreeMap<[u8; 16], [u8; 16]>>);

impl Tickets {
    pub(crate) fn set(&self, secrets: impl IntoIterator<Item = [u8; 16]>) {
        let named = secrets.into_iter().take(TICKETS_MAX).map(|secret| (ticket_name(&secret), secret)).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = named;
    }

    fn secret(&self, name: &[u8; 16]) -> Option<[u8; 16]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}

/// What a ticket is called in the open.
fn ticket_name(secret: &[u8; 16]) -> [u8; 16] {
    let hash = blake3::derive_key("lavina 1 join ticket name", secret);
    let mut name = [0; 16];
    name.copy_from_slice(&hash[..16]);
    name
}

/// The proof for this session: `None` when TLS gives no keying material. Compares in constant time.
fn mac(connection: &Connection, secret: &[u8; 16], info: &JoinInfo) -> Option<blake3::Hash> {
    let mut session = [0; 32];
    connection.export_keying_material(&mut session, EXPORTER_LABEL, b"").ok()?;
    let mut hasher = blake3::Hasher::new_keyed(&blake3::derive_key("lavina 1 join ticket proof", secret));
    hasher.update(&session);
    hasher.update(&postcard::to_stdvec(info).ok()?);
    Some(hasher.finalize())
}

/// Hears a connection of the join ALPN to its end; `false`: a stranger, to be closed without a word.
pub(crate) async fn serve(shared: &Shared, connection: &Connection, node: NodeId) -> bool {
    let Ok(Some((mut send, proof, secret))) = timeout(HANDSHAKE_TIMEOUT, hear(shared, connection)).await else {
        return false;
    };
    let (responder, answer) = oneshot::channel();
    let responder = JoinResponder(responder);
    let request = JoinRequest { secret, node, remote: connection.remote_address(), info: proof.info, responder };
    let asked = async {
        shared.events.send(Event::Join(request)).await.ok()?;
        answer.await.ok()
    };
    let reply = timeout(ANSWER_TIMEOUT, asked).await.ok().flatten().unwrap_or(Reply::Refused(JoinRefusal::Unavailable));
    let written = wire::write(&mut send, &reply, JOIN_ANSWER_BYTES_MAX).await.is_ok() && send.finish().is_ok();
    if written {
        // The joiner closes when it has read everything.
        let _ = timeout(READ_TIMEOUT, connection.closed()).await;
    }
    connection.close(Code::Hangup.var_int(), b"answered");
    true
}

/// Reads and checks the proof.
async fn hear(shared: &Shared, connection: &Connection) -> Option<(SendStream, Proof, [u8; 16])> {
    let (send, mut recv) = connection.accept_bi().await.ok()?;
    let proof: Proof = wire::read(&mut recv, PROOF_BYTES_MAX).await.ok()?;
    let secret = shared.tickets.secret(&proof.ticket)?;
    let right = mac(connection, &secret, &proof.info)? == blake3::Hash::from_bytes(proof.mac);
    right.then_some((send, proof, secret))
}

/// Shows a ticket to its inviter; the answer is what the inviter's shell gave to [`JoinResponder::accept`].
///
/// # Errors
/// When the inviter is not reached, does not answer, or refuses.
pub async fn redeem(key: &SigningKey, invitation: Invitation<'_>, me: JoinInfo) -> Result<Vec<u8>, JoinError> {
    let any = |ip: std::net::IpAddr| quinn::Endpoint::client(SocketAddr::new(ip, 0));
    let endpoint =
        any(Ipv6Addr::UNSPECIFIED.into()).or_else(|_| any(Ipv4Addr::UNSPECIFIED.into())).map_err(JoinError::Socket)?;
    let config = tls::client(key, invitation.inviter, tls::ALPN_JOIN, IDLE_TIMEOUT)?;
    let connection = dial::connect(&endpoint, &config, invitation.addresses).await?;
    let result = show(&connection, invitation.secret, me).await;
    connection.close(Code::Hangup.var_int(), b"done");
    // The inviter is done with the connection as soon as it hears this, so give the packet time to leave.
    let _ = timeout(READ_TIMEOUT, endpoint.wait_idle()).await;
    result
}

async fn show(connection: &Connection, secret: &[u8; 16], info: JoinInfo) -> Result<Vec<u8>, JoinError> {
    connection.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES));
    let broken = |text: &str| JoinError::Broken(text.to_owned());
    let mac = mac(connection, secret, &info).ok_or_else(|| broken("no keying material"))?;
    let proof = Proof { ticket: ticket_name(secret), mac: *mac.as_bytes(), info };
    let exchange = async {
        let (mut send, mut recv) = connection.open_bi().await.map_err(|_| wire::WireError::Ended)?;
        wire::write(&mut send, &proof, PROOF_BYTES_MAX).await?;
        read_reply(&mut recv).await
    };
    match timeout(ANSWER_TIMEOUT + READ_TIMEOUT, exchange).await {
        Ok(Ok(Reply::Accepted(answer))) => Ok(answer),
        Ok(Ok(Reply::Refused(word))) => Err(JoinError::Refused(word)),
        Ok(Err(error)) => Err(match connection.close_reason() {
            Some(quinn::ConnectionError::ApplicationClosed(closed)) if closed.error_code == Code::Silent.var_int() => {
                JoinError::Unknown
            }
            Some(closed) => JoinError::Broken(close::reason(&closed)),
            None => JoinError::Broken(error.to_string()),
        }),
        Err(_elapsed) => Err(broken("the inviting node takes too long")),
    }
}

async fn read_reply(recv: &mut RecvStream) -> Result<Reply, wire::WireError> {
    wire::read(recv, JOIN_ANSWER_BYTES_MAX).await
}
