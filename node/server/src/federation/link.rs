//! The task of one connection to another server or a component: bytes in, bytes out, and TLS when the machine says so.
//!
//! It ends when the machine has no more orders for it and everything has been written, or when the other side ends it.

use super::trust::{self, Trust};
use crate::shell::limits::Place;
use crate::web::Raw;
use crate::worker::TlsCell;
use anyhow::Result;
use bytes::{Buf, Bytes, BytesMut};
use lavina_protocols::xmpp::s2s::{Caller, ConnectionId, PeerTls, Unreachable, dns_name};
use rustls_pki_types::{CertificateDer, ServerName};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// Longest TLS handshake: several slow round trips.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(15);
/// Longest that the other side may take to read something.
const WRITE_WAIT: Duration = Duration::from_secs(60);
/// Most bytes that wait to be written: who reads so slowly has a broken line.
const WAITING_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Bytes read at once.
const READ_BYTES: usize = 16 * 1024;

/// How many bytes the other side may send in a second, over time: a large room's history comes at once, a flood does not.
const BYTES_PER_SECOND: f64 = 512.0 * 1024.0;
/// And at once.
const BURST: Duration = Duration::from_secs(8);

/// How fast bytes may be read: until when those that came would have taken at the pace.
#[derive(Debug)]
struct Pace(Instant);

impl Pace {
    /// So many bytes have come.
    fn spend(&mut self, bytes: usize) {
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.0 = self.0.max(Instant::now()) + Duration::from_secs_f64(bytes / BYTES_PER_SECOND);
    }

    /// Waits until more may be read.
    async fn wait(&self) {
        if let Some(at) = self.0.checked_sub(BURST) {
            tokio::time::sleep_until(at).await;
        }
    }
}

/// What the machine wants of a link.
#[derive(Debug)]
pub(super) enum Order {
    /// Send these bytes.
    Send(Bytes),
    /// Send what is queued, then begin TLS: with a domain as the client, without as the server.
    StartTls(Option<String>),
}

/// What a link has to say.
#[derive(Debug)]
pub(super) enum Said {
    Bytes(ConnectionId, Bytes),
    Tls(ConnectionId, PeerTls),
    Closed(ConnectionId),
    Connected(ConnectionId, Box<Stream>),
    Unreachable(ConnectionId, Unreachable),
    Accepted(Caller, Box<Stream>, Place),
}

/// A connection.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Raw),
    Server(Box<server::TlsStream<Raw>>),
    Client(Box<client::TlsStream<Raw>>),
}

impl Stream {
    /// What is known of the other side, where there is TLS.
    pub(super) fn tls(&self, trust: &Arc<Trust>) -> Option<PeerTls> {
        let shown: Option<&[CertificateDer<'static>]> = match self {
            Self::Plain(_) => return None,
            Self::Server(stream) => stream.get_ref().1.peer_certificates(),
            Self::Client(stream) => stream.get_ref().1.peer_certificates(),
        };
        Some(trust.peer(shown))
    }
}

/// Takes TLS on a connection that has come.
pub(super) async fn accept_tls(stream: Raw, cell: &TlsCell) -> io::Result<Stream> {
    let handshake = TlsAcceptor::from(cell.current().config).accept(stream);
    let stream = tokio::time::timeout(HANDSHAKE_WAIT, handshake).await??;
    Ok(Stream::Server(Box::new(stream)))
}

/// Begins TLS on a connection to the server of a domain.
pub(super) async fn connect_tls(
    stream: Raw,
    domain: &str,
    certificate: &(PathBuf, PathBuf),
    direct: bool,
) -> Result<Stream> {
    let config = trust::client_config(&certificate.0, &certificate.1, direct)?;
    let name = ServerName::try_from(dns_name(domain).into_owned())?;
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = tokio::time::timeout(HANDSHAKE_WAIT, handshake).await??;
    Ok(Stream::Client(Box::new(stream)))
}

/// One connection's.
pub(super) struct Link {
    pub(super) id: ConnectionId,
    pub(super) say: mpsc::Sender<Said>,
    pub(super) trust: Arc<Trust>,
    pub(super) tls: Arc<TlsCell>,
    pub(super) certificate: (PathBuf, PathBuf),
    /// Its place among the connections of its address.
    pub(super) place: Option<Place>,
}

impl Link {
    /// Runs to the end of the connection.
    pub(super) async fn run(self, stream: Stream, mut orders: mpsc::UnboundedReceiver<Order>) {
        if let Err(error) = self.serve(stream, &mut orders).await {
            tracing::debug!(id = self.id, error = %format!("{error:#}"), "a link breaks");
        }
        let _ = self.say.send(Said::Closed(self.id)).await;
        drop(self.place);
    }

    async fn serve(&self, stream: Stream, orders: &mut mpsc::UnboundedReceiver<Order>) -> Result<()> {
        let (plain, domain) = match stream {
            Stream::Server(stream) => return pass(self.id, &self.say, *stream, orders).await.map(drop),
            Stream::Client(stream) => return pass(self.id, &self.say, *stream, orders).await.map(drop),
            Stream::Plain(stream) => match pass(self.id, &self.say, stream, orders).await? {
                Some(upgrade) => upgrade,
                None => return Ok(()),
            },
        };
        let stream = match domain {
            Some(domain) => connect_tls(plain, &domain, &self.certificate, false).await?,
            None => accept_tls(plain, &self.tls).await?,
        };
        if let Some(tls) = stream.tls(&self.trust) {
            self.say.send(Said::Tls(self.id, tls)).await?;
        }
        match stream {
            Stream::Plain(_) => Ok(()),
            Stream::Server(stream) => pass(self.id, &self.say, *stream, orders).await.map(drop),
            Stream::Client(stream) => pass(self.id, &self.say, *stream, orders).await.map(drop),
        }
    }
}

/// Passes bytes of a connection until the end, or until TLS is to begin.
///
/// Orders come first: what the other side sends once it has read the last thing in clear is the handshake's, and is not to be taken here.
async fn pass<S: AsyncRead + AsyncWrite + Unpin>(
    id: ConnectionId,
    say: &mpsc::Sender<Said>,
    stream: S,
    orders: &mut mpsc::UnboundedReceiver<Order>,
) -> Result<Option<(S, Option<String>)>> {
    let (mut read, mut write) = tokio::io::split(stream);
    let mut buffer = vec![0; READ_BYTES];
    let mut waiting = BytesMut::new();
    let mut pace = Pace(Instant::now());
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                Some(Order::Send(bytes)) => {
                    waiting.extend_from_slice(&bytes);
                    anyhow::ensure!(waiting.len() <= WAITING_BYTES_MAX, "the other side reads too slowly");
                }
                Some(Order::StartTls(domain)) => {
                    tokio::time::timeout(WRITE_WAIT, write.write_all(&waiting)).await??;
                    tokio::time::timeout(WRITE_WAIT, write.flush()).await??;
                    return Ok(Some((read.unsplit(write), domain)));
                }
                None => {
                    tokio::time::timeout(WRITE_WAIT, write.write_all(&waiting)).await??;
                    tokio::time::timeout(WRITE_WAIT, write.shutdown()).await??;
                    return Ok(None);
                }
            },
            written = tokio::time::timeout(WRITE_WAIT, write.write(&waiting)), if !waiting.is_empty() => {
                match written?? {
                    0 => return Ok(None),
                    count => waiting.advance(count),
                }
                if waiting.is_empty() {
                    tokio::time::timeout(WRITE_WAIT, write.flush()).await??;
                }
            }
            count = async { pace.wait().await; read.read(&mut buffer).await } => {
                let bytes = buffer.get(..count?).unwrap_or_default();
                pace.spend(bytes.len());
                if bytes.is_empty() {
                    return Ok(None);
                }
                say.send(Said::Bytes(id, Bytes::copy_from_slice(bytes))).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_behind_the_last_word_in_clear_is_the_handshakes() {
        for _ in 0..64 {
            let (ours, mut theirs) = tokio::io::duplex(1024);
            let (say, mut said) = mpsc::channel(8);
            let (order, mut orders) = mpsc::unbounded_channel();
            order.send(Order::Send(Bytes::from_static(b"<proceed/>"))).unwrap();
            order.send(Order::StartTls(None)).unwrap();
            theirs.write_all(b"hello").await.unwrap();
            let (mut ours, domain) = pass(1, &say, ours, &mut orders).await.unwrap().unwrap();
            assert_eq!(domain, None);
            assert!(said.try_recv().is_err(), "nothing of the handshake is taken for XML");
            let mut hello = [0; 5];
            ours.read_exact(&mut hello).await.unwrap();
            let mut proceed = [0; 10];
            theirs.read_exact(&mut proceed).await.unwrap();
            assert_eq!((&hello, &proceed), (b"hello", b"<proceed/>"));
        }
    }
}
