//! HTTP for clients: WebSocket of both protocols, XMPP in requests (BOSH), where web clients find them, the files that people share, and pages of
//! invitations.
//!
//! The front reads requests; a connection that becomes a WebSocket goes to a worker as any other connection, with its TLS. On a port with TLS the
//! client says by ALPN (RFC 7301) whether it wants HTTP at all: `irc` and `xmpp-client` (XEP-0368) make it a port of that protocol.
//!
//! Knows nothing of sessions, and no request here reaches the core.

mod body;
mod bosh;
pub(crate) mod copies;
mod files;
mod forwarded;
mod host_meta;
mod invite;
mod stream;
mod upgrade;

pub(crate) use bosh::BoshSessions;
pub(crate) use files::FileService;
pub(crate) use stream::{Raw, Stream};

use crate::config::Networks;
use crate::shell::limits::Place;
use crate::shell::listen::Door;
use crate::worker::{Arrival, Begun, Listener, Protocol, TlsCell, TlsSettings};
use anyhow::{Context, Result};
use axum::Router;
use axum::extract::Extension;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use lavina_protocols::xmpp::INVITE_PATH;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;

/// Longest TLS handshake, and longest time that the head of a request may take: several slow round trips.
const HEAD_WAIT: Duration = Duration::from_secs(15);
/// Longest head of a request, in bytes; also how much of a body is read at once.
const BUFFER_BYTES: usize = 16 * 1024;

/// What the ports of HTTP have in common.
#[derive(Debug)]
pub(crate) struct Web {
    /// Where connections go that are to be IRC.
    pub(crate) irc: Arc<Listener>,
    /// Where connections go that are to be XMPP.
    pub(crate) xmpp: Arc<Listener>,
    /// The certificate, where TLS comes first.
    pub(crate) tls: Option<Arc<TlsCell>>,
    /// Pages whose scripts may connect, by origin; empty for all.
    pub(crate) origins: Vec<String>,
    /// The mesh's domain.
    pub(crate) domain: String,
    /// Where this node is reached by HTTP, without a slash at the end.
    pub(crate) url: String,
    /// Proxies that are believed when they say for whom they ask.
    pub(crate) forwarded_from: Networks,
    /// Sessions whose clients make requests.
    pub(crate) bosh: BoshSessions,
    /// What people share, where they may.
    pub(crate) files: Option<Arc<FileService>>,
}

/// One connection's client, or the proxy that it came through.
#[derive(Debug)]
pub(crate) struct Guest {
    /// Its address; none on a Unix socket.
    address: Option<IpAddr>,
    /// Its place among the connections of that address, until a worker has it.
    place: Mutex<Option<Place>>,
    /// The way to the workers.
    door: Door,
}

/// For whom a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Visit {
    address: Option<IpAddr>,
    /// Whether a proxy says that the way to it is encrypted.
    secure: bool,
}

impl Guest {
    /// Who is there.
    fn visit(&self, web: &Web, headers: &HeaderMap) -> Visit {
        let direct = Visit { address: self.address, secure: false };
        if !web.forwarded_from.have(self.address) {
            return direct;
        }
        match forwarded::client(headers, &web.forwarded_from) {
            Some(address) => Visit { address: Some(address), secure: forwarded::is_secure(headers) },
            None => Visit { secure: forwarded::is_secure(headers), ..direct },
        }
    }

    /// Who is there, with a place among the connections of the address; a place is taken once.
    fn arrive(&self, web: &Web, headers: &HeaderMap) -> Result<(Visit, Place), StatusCode> {
        let visit = self.visit(web, headers);
        let own = self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let place = if visit.address == self.address { own } else { self.door.addresses.enter(visit.address) };
        place.map(|place| (visit, place)).ok_or_else(|| {
            self.door.metrics.connections_refused.add(1);
            StatusCode::TOO_MANY_REQUESTS
        })
    }
}

impl Web {
    /// Serves one connection to its end, or until a worker has it.
    pub(crate) async fn serve(self: Arc<Self>, door: Door, raw: Raw, address: Option<IpAddr>, place: Place) {
        let stream = match &self.tls {
            None => Stream::Plain(raw),
            Some(cell) => match tokio::time::timeout(HEAD_WAIT, handshake(raw, cell.current())).await {
                Ok(Ok(stream)) => Stream::Tls(Box::new(stream)),
                Ok(Err(_)) | Err(_) => return door.metrics.tls_failures.add(1),
            },
        };
        if let Some(protocol) = wanted(&stream) {
            let arrival = door.arrival(self.listener(protocol), address, place, Begun::default());
            if let Err(error) = hand(&door, stream, arrival).await {
                tracing::debug!(%error, "a connection does not begin");
            }
            return;
        }
        let guest = Arc::new(Guest { address, place: Mutex::new(Some(place)), door });
        let service = TowerToHyperService::new(self.router(guest));
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WAIT)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "a connection of HTTP ends");
        }
    }

    fn router(self: Arc<Self>, guest: Arc<Guest>) -> Router {
        Router::new()
            .route("/", get(upgrade::any))
            .route(upgrade::IRC_PATH, get(upgrade::irc))
            .route(upgrade::XMPP_PATH, get(upgrade::xmpp))
            .route(bosh::PATH, post(bosh::post).options(bosh::options))
            .route("/.well-known/host-meta", get(host_meta::xml))
            .route("/.well-known/host-meta.json", get(host_meta::json))
            .route(&format!("{INVITE_PATH}/{{token}}"), get(invite::anybody))
            .route(&format!("{INVITE_PATH}/{{token}}/{{what}}/{{name}}"), get(invite::named))
            .route("/files/{id}/{name}", get(files::get).put(files::put).options(files::file_options))
            .route("/upload/{account}/{until}/{proof}", post(files::post).options(files::upload_options))
            .layer(Extension(guest))
            .with_state(self)
    }

    /// Where XMPP is spoken over WebSocket.
    fn websocket_url(&self) -> String {
        // `https` becomes `wss`, `http` becomes `ws` (RFC 6455 section 3).
        format!("ws{}{}", self.url.trim_start_matches("http"), upgrade::XMPP_PATH)
    }

    /// Where XMPP is spoken in requests.
    fn bosh_url(&self) -> String {
        format!("{}{}", self.url, bosh::PATH)
    }

    /// Whether scripts of that origin may connect. A client that is no browser names none.
    fn is_welcome(&self, origin: Option<&HeaderValue>) -> bool {
        origin.is_none() || readers(&self.origins, origin).is_some()
    }

    fn listener(&self, protocol: Protocol) -> &Arc<Listener> {
        match protocol {
            Protocol::Irc => &self.irc,
            Protocol::Xmpp => &self.xmpp,
        }
    }
}

/// Whose scripts may read an answer to that origin, as browsers are told (Fetch section 3.2.3): `*` where all may, which those that cache the answer
/// take for all as well.
fn readers(origins: &[String], origin: Option<&HeaderValue>) -> Option<HeaderValue> {
    if origins.is_empty() {
        return Some(HeaderValue::from_static("*"));
    }
    let origin = origin?;
    let is_known = origins.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes()));
    is_known.then(|| origin.clone())
}

/// Gives a connection to a worker.
async fn hand(door: &Door, stream: Stream, mut arrival: Arrival) -> Result<()> {
    let (socket, tls, below) = stream.into_parts().context("its socket cannot be handed on")?;
    if tls.is_none() {
        arrival.begun.read.extend_from_slice(&below);
    }
    arrival.begun.tls = tls;
    door.hand(socket, arrival).await;
    Ok(())
}

/// TLS with a client. Only who asks for a protocol that takes certificates of clients (SASL EXTERNAL) is asked for one.
async fn handshake(raw: Raw, settings: TlsSettings) -> std::io::Result<TlsStream<Raw>> {
    let begun = LazyConfigAcceptor::new(Acceptor::default(), raw).await?;
    let takes_certificates = |name: &[u8]| matches!(name, b"irc" | b"xmpp-client");
    let asks = begun.client_hello().alpn().is_some_and(|mut names| names.any(takes_certificates));
    begun.into_stream(if asks { settings.config } else { settings.for_browsers }).await
}

/// What the client has chosen by ALPN; `None` for HTTP, which is also for who chooses nothing.
fn wanted(stream: &Stream) -> Option<Protocol> {
    match stream {
        Stream::Plain(_) => None,
        Stream::Tls(tls) => match tls.get_ref().1.alpn_protocol() {
            Some(b"irc") => Some(Protocol::Irc),
            Some(b"xmpp-client") => Some(Protocol::Xmpp),
            Some(_) | None => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pages_may_read_unless_some_are_named() {
        let origin = |text: &'static str| HeaderValue::from_static(text);
        let chat = ["https://Chat.example".to_owned()];
        assert_eq!(readers(&[], Some(&origin("null"))), Some(origin("*")));
        assert_eq!(readers(&[], None), Some(origin("*")));
        assert_eq!(readers(&chat, Some(&origin("https://chat.example"))), Some(origin("https://chat.example")));
        assert_eq!(readers(&chat, Some(&origin("https://evil.example"))), None);
        assert_eq!(readers(&chat, None), None);
    }
}
