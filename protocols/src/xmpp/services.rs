//! Services beside XMPP that the mesh's clients may use (XEP-0215): STUN and TURN servers, through which calls find their way.
//!
//! A relay that shares a secret with the mesh is used with credentials that end soon, which any node gives out and the relay checks by itself
//! (draft-uberti-behave-turn-rest section 2). They name nobody.

use super::client::Client;
use super::datetime;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::link::Link;
use super::ns;
use crate::sasl::{Hash, hmac};
use crate::session::{ExternalService, ServiceAccess};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How long credentials are good at least: longer than a call.
const CREDENTIALS_S: u64 = 12 * 3600;
/// They end at such times only, so that they are the same whenever a client asks, and nothing is in them of when it did.
const ENDS_EVERY_S: u64 = 3600;

/// `<services/>`: all, or those of one type.
pub(crate) fn on_services(_: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let services = configured(link, &request)?;
    let kind = request.payload.get_attr("type");
    let now_ms = link.now.wall_ms;
    let wanted = services.iter().filter(|service| kind.is_none_or(|kind| service.kind == kind));
    let services = Element::new("services", ns::EXTERNAL_SERVICES)
        .maybe_attr("type", kind)
        .children(wanted.map(|service| element(service, now_ms)));
    link.reply(&request.asked.result(Some(services)));
    Ok(())
}

/// `<credentials/>`: for a service that the client knows of. One that needs none is told without.
pub(crate) fn on_credentials(_: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let services = configured(link, &request)?;
    let named = request.payload.get("service", ns::EXTERNAL_SERVICES).ok_or(StanzaError::BAD_REQUEST)?;
    let of = |name: &str| named.get_attr(name).ok_or(StanzaError::BAD_REQUEST);
    let (host, kind, port) = (of("host")?, of("type")?, named.get_attr("port"));
    let is_meant = |service: &&ExternalService| {
        service.host == host && service.kind == kind && port.is_none_or(|port| port.parse() == Ok(service.port))
    };
    let now_ms = link.now.wall_ms;
    let found: Vec<Element> = services.iter().filter(is_meant).map(|service| element(service, now_ms)).collect();
    if found.is_empty() {
        return Err(StanzaError::ITEM_NOT_FOUND);
    }
    let credentials = Element::new("credentials", ns::EXTERNAL_SERVICES).children(found);
    link.reply(&request.asked.result(Some(credentials)));
    Ok(())
}

/// What there is, for a request that can be one.
fn configured<'a>(link: &'a Link, request: &Request) -> Result<&'a [ExternalService], StanzaError> {
    let services = link.config.services.as_slice();
    match (services.is_empty(), request.set) {
        (true, _) => Err(StanzaError::SERVICE_UNAVAILABLE),
        (false, true) => Err(StanzaError::BAD_REQUEST),
        (false, false) => Ok(services),
    }
}

fn element(service: &ExternalService, now_ms: u64) -> Element {
    let element = Element::new("service", ns::EXTERNAL_SERVICES)
        .attr("type", service.kind.as_str())
        .attr("host", service.host.as_str())
        .attr("port", service.port.to_string())
        .attr("transport", service.transport);
    match &service.access {
        None => element,
        Some(ServiceAccess::Fixed { username, password }) => {
            element.attr("restricted", "1").attr("username", username.as_str()).attr("password", password.as_str())
        }
        Some(ServiceAccess::Shared(secret)) => {
            // The username is the second in which they end.
            let expires = (now_ms / 1000).saturating_add(CREDENTIALS_S).next_multiple_of(ENDS_EVERY_S);
            let username = expires.to_string();
            let password = STANDARD.encode(hmac(Hash::Sha1, secret.as_bytes(), username.as_bytes()));
            element
                .attr("restricted", "1")
                .attr("username", username)
                .attr("password", password)
                .attr("expires", datetime::format(expires.saturating_mul(1000)))
        }
    }
}
