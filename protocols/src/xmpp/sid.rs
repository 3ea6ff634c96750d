//! Unique and stable ids (XEP-0359) and occupant ids (XEP-0421).
//!
//! **Invariant:** a stanza id by one of our addresses, and an occupant id, is ours: those that clients write are taken out.

use super::element::Element;
use super::jid::Domains;
use super::ns;
use crate::event::Said;
use lavina_crdt::content::Principal;
use lavina_crdt::names::RoomName;

/// `<stanza-id/>`: the message's id, which is its place in the archive of `by`; none for what is kept nowhere.
pub(crate) fn of(by: &str, said: &Said) -> Option<Element> {
    let id = || Element::new("stanza-id", ns::SID).attr("by", by).attr("id", said.id.to_string());
    (!said.content.is_passing()).then(id)
}

/// `<occupant-id/>`: the same for a person in a room whatever the nick, and another in each room.
pub(crate) fn occupant_id(room: &RoomName, who: &Principal) -> Element {
    let mut hasher = blake3::Hasher::new_derive_key("lavina 1 occupant id");
    hasher.update(room.as_str().as_bytes());
    match who {
        Principal::Account(account) => hasher.update(b" account ").update(account.as_str().as_bytes()),
        Principal::Guest(session) => {
            hasher.update(b" guest ").update(&session.node.0).update(&session.number.to_be_bytes())
        }
    };
    let hex = hasher.finalize().to_hex();
    Element::new("occupant-id", ns::OCCUPANT_ID).attr("id", hex.as_str().get(..32).unwrap_or_default())
}

/// Whether a payload is a stamp that only this server sets.
pub(crate) fn is_forged_stamp(domains: &Domains, payload: &Element) -> bool {
    let ours = |attr: &str| payload.get_attr(attr).is_some_and(|jid| is_ours(domains, jid));
    match (payload.name.as_str(), payload.ns.as_str()) {
        ("stanza-id", ns::SID) => ours("by"),
        ("delay", ns::DELAY) => payload.get_attr("from").is_none() || ours("from"),
        ("occupant-id", ns::OCCUPANT_ID) | ("x", ns::MUC_USER | ns::MUC) => true,
        ("received" | "sent", ns::CARBONS) | ("result", ns::MAM) => true,
        _ => false,
    }
}

/// Whether a payload of another server's stanza says something of us that only we may say.
pub(crate) fn is_forged_abroad(domains: &Domains, payload: &Element) -> bool {
    let ours = |attr: &str| payload.get_attr(attr).is_some_and(|jid| is_ours(domains, jid));
    match (payload.name.as_str(), payload.ns.as_str()) {
        ("stanza-id", ns::SID) => ours("by"),
        ("delay", ns::DELAY) => ours("from"),
        ("received" | "sent", ns::CARBONS) => true,
        _ => false,
    }
}

fn is_ours(domains: &Domains, jid: &str) -> bool {
    let bare = jid.split('/').next().unwrap_or_default();
    let domain = bare.rsplit('@').next().unwrap_or_default();
    domains.are(domain)
}
