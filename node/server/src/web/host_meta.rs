//! Where web clients find the WebSocket and the BOSH of XMPP: `host-meta` of the domain (XEP-0156, RFC 6415), as XML and as JSON.

use super::Web;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Link relation of WebSocket (XEP-0156 section 3.1).
const WEBSOCKET: &str = "urn:xmpp:alt-connections:websocket";
/// And of BOSH.
const BOSH: &str = "urn:xmpp:alt-connections:xbosh";
/// Any page may ask: what it says is public, and clients on other sites are who it is for.
const ANYBODY: (header::HeaderName, &str) = (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");

/// `/.well-known/host-meta`.
pub(super) async fn xml(State(web): State<Arc<Web>>) -> Response {
    let text = format!(
        "<?xml version='1.0' encoding='utf-8'?>\n<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n  \
         <Link rel='{WEBSOCKET}' href='{}'/>\n  <Link rel='{BOSH}' href='{}'/>\n</XRD>\n",
        web.websocket_url(),
        web.bosh_url()
    );
    ([(header::CONTENT_TYPE, "application/xrd+xml"), ANYBODY], text).into_response()
}

/// `/.well-known/host-meta.json`.
pub(super) async fn json(State(web): State<Arc<Web>>) -> Response {
    let value = serde_json::json!({ "links": [
        { "rel": WEBSOCKET, "href": web.websocket_url() },
        { "rel": BOSH, "href": web.bosh_url() },
    ] });
    ([(header::CONTENT_TYPE, "application/json"), ANYBODY], value.to_string()).into_response()
}
