//! The table of requests answered here, one row for each namespace and place; `disco#info` (XEP-0030) tells clients what is in it.

use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::jid::Address;
use super::link::Link;
use super::pending::Asked;
use super::{
    archive, blocking, carbons, disco, invitation, last_activity, muc, ns, ping, private, pubsub, push, registration,
    relation, roster, services, time, upload, vcard, version,
};

/// Whom a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// The client's own account.
    Account,
    /// Another account's bare JID, on whose behalf the server answers.
    Contact,
    /// The server.
    Server,
    /// The MUC service.
    Rooms,
    /// A room.
    Room,
}

/// A request (IQ of type `get` or `set`).
#[derive(Debug)]
pub(crate) struct Request {
    /// For the answer.
    pub(crate) asked: Asked,
    /// Whom it is for.
    pub(crate) at: At,
    /// Whether it is a `set`.
    pub(crate) set: bool,
    /// The address it was sent to.
    pub(crate) to: Option<Address>,
    /// Its one child.
    pub(crate) payload: Element,
}

type Run = fn(&mut Client, &mut Link, Request) -> Result<(), StanzaError>;

/// One row: payload, where it is answered, and by what. A row is a feature of the places it names.
struct Row {
    name: &'static str,
    ns: &'static str,
    at: &'static [At],
    run: Run,
}

const fn row(name: &'static str, ns: &'static str, at: &'static [At], run: Run) -> Row {
    Row { name, ns, at, run }
}

use At::{Account, Contact, Room, Rooms, Server};

const TABLE: &[Row] = &[
    row("query", ns::DISCO_INFO, &[Account, Contact, Server, Rooms, Room], disco::on_info),
    row("query", ns::DISCO_ITEMS, &[Account, Contact, Server, Rooms, Room], disco::on_items),
    row("ping", ns::PING, &[Account, Server, Rooms, Room], ping::on_ping),
    row("query", ns::VERSION, &[Server, Rooms], version::on_version),
    row("query", ns::LAST, &[Account, Contact, Server], last_activity::on_query),
    row("time", ns::TIME, &[Server], time::on_time),
    row("session", ns::SESSION, &[Account, Server], on_session),
    row("query", ns::ROSTER, &[Account, Contact], roster::on_roster),
    row("query", ns::PRIVATE, &[Account, Server], private::on_private),
    row("vCard", ns::VCARD, &[Account, Contact, Server, Rooms, Room], vcard::on_vcard),
    row("query", ns::REGISTER, &[Account, Server], registration::on_request),
    row("command", ns::COMMANDS, &[Server], invitation::on_command),
    row("enable", ns::CARBONS, &[Account, Server], carbons::on_switch),
    row("disable", ns::CARBONS, &[Account, Server], carbons::on_switch),
    row("enable", ns::PUSH, &[Account], push::on_switch),
    row("disable", ns::PUSH, &[Account], push::on_switch),
    row("query", ns::MAM, &[Account, Room], archive::on_query),
    row("metadata", ns::MAM, &[Account, Room], archive::on_metadata),
    row("prefs", ns::MAM, &[Account], archive::on_prefs),
    row("blocklist", ns::BLOCKING, &[Account, Server], blocking::on_request),
    row("block", ns::BLOCKING, &[Account, Server], blocking::on_request),
    row("unblock", ns::BLOCKING, &[Account, Server], blocking::on_request),
    row("pubsub", ns::PUBSUB, &[Account, Contact], pubsub::on_request),
    row("pubsub", ns::PUBSUB_OWNER, &[Account, Contact], pubsub::on_request),
    row("moderate", ns::MODERATE, &[Room], relation::on_moderate),
    row("request", ns::UPLOAD, &[Server], upload::on_request),
    row("services", ns::EXTERNAL_SERVICES, &[Server], services::on_services),
    row("credentials", ns::EXTERNAL_SERVICES, &[Server], services::on_credentials),
    row("query", ns::REGISTER, &[Room], muc::registration::on_register),
    row("query", ns::MUC_ADMIN, &[Room], muc::admin::on_admin),
    row("query", ns::MUC_OWNER, &[Room], muc::config::on_owner),
];

/// Answers a request, or asks the core for what it needs to.
pub(crate) fn run(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let row = TABLE
        .iter()
        .find(|row| request.payload.is(row.name, row.ns) && row.at.contains(&request.at))
        .filter(|row| !client.account.is_remote() || is_for_strangers(row, request.at))
        .ok_or(StanzaError::SERVICE_UNAVAILABLE)?;
    (row.run)(client, link, request)
}

/// Whether people of other servers are answered: about rooms and what accounts show, and of the server what it tells everybody.
fn is_for_strangers(row: &Row, at: At) -> bool {
    let told = [ns::DISCO_INFO, ns::DISCO_ITEMS, ns::PING, ns::VERSION, ns::LAST, ns::TIME, ns::VCARD];
    at != At::Server || told.contains(&row.ns)
}

/// The namespaces answered at a place, each once, in the table's order.
pub(crate) fn features(at: At) -> Vec<&'static str> {
    let mut features: Vec<&'static str> =
        TABLE.iter().filter(|row| row.at.contains(&at) && row.ns != ns::SESSION).map(|row| row.ns).collect();
    // What others ask for there is only refused.
    features.retain(|ns| at != At::Contact || !matches!(*ns, ns::ROSTER | ns::PUBSUB_OWNER));
    features.dedup();
    features
}

/// RFC 3921 section 3: a session is there once a resource is bound.
fn on_session(_: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    link.reply(&request.asked.result(None));
    Ok(())
}
