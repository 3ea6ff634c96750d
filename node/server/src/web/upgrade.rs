//! The opening handshake of WebSocket (RFC 6455 section 4.2), after which a worker has the connection.

use super::stream::Stream;
use super::{Guest, Web};
use crate::shell::listen::Door;
use crate::worker::{Arrival, Begun, Protocol, Subprotocol};
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use sha1::{Digest, Sha1};
use std::sync::Arc;

/// Joined to the client's key (section 1.3).
const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The only version there is.
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// Where only XMPP is spoken.
pub(super) const XMPP_PATH: &str = "/xmpp-websocket";
/// Where only IRC is spoken.
pub(super) const IRC_PATH: &str = "/irc";

/// `/`: the client names the subprotocol.
pub(super) async fn any(State(web): State<Arc<Web>>, guest: Extension<Arc<Guest>>, request: Request) -> Response {
    upgrade(&web, &guest, request, None)
}

/// [`IRC_PATH`].
pub(super) async fn irc(State(web): State<Arc<Web>>, guest: Extension<Arc<Guest>>, request: Request) -> Response {
    upgrade(&web, &guest, request, Some(Protocol::Irc))
}

/// [`XMPP_PATH`].
pub(super) async fn xmpp(State(web): State<Arc<Web>>, guest: Extension<Arc<Guest>>, request: Request) -> Response {
    upgrade(&web, &guest, request, Some(Protocol::Xmpp))
}

fn upgrade(web: &Arc<Web>, guest: &Arc<Guest>, mut request: Request, only: Option<Protocol>) -> Response {
    let headers = request.headers();
    let Some(accept) = accept_key(headers) else {
        let mut refusal = StatusCode::UPGRADE_REQUIRED.into_response();
        refusal.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, VERSION);
        refusal.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return refusal;
    };
    if !web.is_welcome(headers.get(header::ORIGIN)) {
        return (StatusCode::FORBIDDEN, "pages of this origin may not connect here\n").into_response();
    }
    let offered = words(headers, &header::SEC_WEBSOCKET_PROTOCOL);
    let Some((subprotocol, named)) = choose(&offered, only) else {
        return (StatusCode::BAD_REQUEST, "the subprotocols are text.ircv3.net, binary.ircv3.net and xmpp\n")
            .into_response();
    };
    let (visit, place) = match guest.arrive(web, headers) {
        Ok(arrived) => arrived,
        Err(refusal) => return refusal.into_response(),
    };
    let begun = Begun { websocket: Some(subprotocol), secure: visit.secure, ..Begun::default() };
    let arrival = guest.door.arrival(web.listener(subprotocol.protocol()), visit.address, place, begun);
    tokio::spawn(hand_over(guest.door.clone(), hyper::upgrade::on(&mut request), arrival));
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let answers = response.headers_mut();
    answers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    answers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if named {
        answers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol.name()));
    }
    response
}

/// Waits until HTTP lets go of the connection, and gives it to a worker.
async fn hand_over(door: Door, upgrade: OnUpgrade, mut arrival: Arrival) {
    let upgraded = match upgrade.await {
        Ok(upgraded) => upgraded,
        Err(error) => return tracing::debug!(%error, "a WebSocket does not begin"),
    };
    let Ok(parts) = upgraded.downcast::<TokioIo<Stream>>() else { return };
    arrival.begun.read = parts.read_buf.to_vec();
    if let Err(error) = super::hand(&door, parts.io.into_inner(), arrival).await {
        tracing::debug!(%error, "a WebSocket does not begin");
    }
}

/// What proves to the client that its handshake was understood; `None` when it is none.
fn accept_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let names =
        |name: &HeaderName, word: &str| words(headers, name).iter().any(|named| named.eq_ignore_ascii_case(word));
    if !names(&header::UPGRADE, "websocket") || !names(&header::CONNECTION, "upgrade") {
        return None;
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION) != Some(&VERSION) {
        return None;
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    // Section 4.2.1: 16 bytes.
    STANDARD.decode(key).ok().filter(|nonce| nonce.len() == 16)?;
    let digest = Sha1::new().chain_update(key).chain_update(MAGIC).finalize();
    HeaderValue::from_str(&STANDARD.encode(digest)).ok()
}

/// The words of all headers of a name, which are lists.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// The subprotocol, by the client's preference, and whether the client named it.
fn choose(offered: &[&str], only: Option<Protocol>) -> Option<(Subprotocol, bool)> {
    let fits = |subprotocol: &Subprotocol| only.is_none_or(|only| only == subprotocol.protocol());
    if let Some(found) = offered.iter().filter_map(|name| Subprotocol::by_name(name)).find(fits) {
        return Some((found, true));
    }
    // IRC clients from before there were subprotocols name none; XMPP has always had one (RFC 7395 section 3.1).
    (offered.is_empty() && only == Some(Protocol::Irc)).then_some((Subprotocol::IrcText, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(rows: &[(&'static str, &'static str)]) -> HeaderMap {
        rows.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_handshake_of_the_specification_is_answered_as_it_says() {
        let rows = [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-version", "13"),
        ];
        assert_eq!(accept_key(&headers(&rows)).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for missing in 0..rows.len() {
            let rest: Vec<_> = rows.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, row)| *row).collect();
            assert_eq!(accept_key(&headers(&rest)), None, "without {}", rows[missing].0);
        }
        assert_eq!(accept_key(&headers(&[&rows[..2], &[("sec-websocket-key", "c2hvcnQ="), rows[3]]].concat())), None);
    }

    #[test]
    fn the_clients_preference_counts_among_what_is_spoken_here() {
        let both = ["soap", "binary.ircv3.net", "text.ircv3.net", "xmpp"];
        assert_eq!(choose(&both, None), Some((Subprotocol::IrcBinary, true)));
        assert_eq!(choose(&both, Some(Protocol::Xmpp)), Some((Subprotocol::Xmpp, true)));
        assert_eq!(choose(&["xmpp"], Some(Protocol::Irc)), None);
        assert_eq!(choose(&["soap"], Some(Protocol::Irc)), None);
        assert_eq!(choose(&[], Some(Protocol::Irc)), Some((Subprotocol::IrcText, false)));
        assert_eq!(choose(&[], Some(Protocol::Xmpp)), None);
        assert_eq!(choose(&[], None), None);
    }
}
