//! How an occupant is shown: affiliation, role, presence (XEP-0045 sections 5 and 7.2.2).

use super::{Sight, hats, look};
use crate::event::{Occupant, Person};
use crate::xmpp::element::Element;
use crate::xmpp::jid::Domains;
use crate::xmpp::{ns, sid};
use lavina_crdt::names::{Nick, RoomName};
use lavina_crdt::room::Rank;

/// The affiliation that a rank is.
pub(super) const fn affiliation(rank: Rank) -> &'static str {
    match rank {
        Rank::Founder => "owner",
        Rank::Admin => "admin",
        Rank::Operator | Rank::HalfOp | Rank::Voice | Rank::Member => "member",
        Rank::None => "none",
    }
}

/// The role that a rank is, in a moderated room or another.
pub(super) const fn role(rank: Rank, moderated: bool) -> &'static str {
    match rank {
        Rank::Founder | Rank::Admin | Rank::Operator | Rank::HalfOp => "moderator",
        Rank::Voice => "participant",
        Rank::Member | Rank::None => {
            if moderated {
                "visitor"
            } else {
                "participant"
            }
        }
    }
}

/// `<item/>`, with the real JID where there is one.
pub(super) fn item(domains: &Domains, person: Option<&Person>, affiliation: &str, role: &str) -> Element {
    Element::new("item", ns::MUC_USER)
        .attr("affiliation", affiliation)
        .maybe_attr("jid", person.and_then(|person| domains.real(person)))
        .attr("role", role)
}

/// `<x/>` with an item and status codes.
pub(super) fn user(item: Element, codes: &[u16]) -> Element {
    let codes = codes.iter().map(|code| Element::new("status", ns::MUC_USER).attr("code", code.to_string()));
    Element::new("x", ns::MUC_USER).child(item).children(codes)
}

/// The session that stands for an occupant: one that is reachable rather than one that is not.
pub(super) fn face(occupant: &Occupant) -> Option<&Person> {
    occupant.people.iter().min_by_key(|person| {
        let record = &person.record;
        (person.unreachable_since.is_some(), !record.available, record.resource.is_none(), person.session)
    })
}

/// The presence of an occupant who is there.
pub(super) fn available(domains: &Domains, room: &RoomName, who: &Occupant, sight: Sight, codes: &[u16]) -> Element {
    match face(who) {
        Some(person) => present(domains, room, &who.nick, person, (who.rank, sight), codes),
        None => Element::new("presence", ns::CLIENT).attr("from", domains.occupant(room, &who.nick)),
    }
}

/// The presence of one session under a nick; `standing` is its rank and what the receiver sees.
pub(super) fn present(
    domains: &Domains,
    room: &RoomName,
    nick: &Nick,
    person: &Person,
    standing: (Rank, Sight),
    codes: &[u16],
) -> Element {
    let (rank, sight) = standing;
    let item = item(domains, sight.of(person), affiliation(rank), role(rank, sight.moderated));
    let presence = match person.unreachable_since {
        None => look::of_record(&person.record, room),
        Some(since) => unreachable(since.ms()),
    };
    presence
        .attr("from", domains.occupant(room, nick))
        .child(sid::occupant_id(room, &person.principal()))
        .maybe_child(hats::of(rank))
        .child(user(item, codes))
}

fn unreachable(since_ms: u64) -> Element {
    let since = crate::xmpp::datetime::format(since_ms);
    Element::new("presence", ns::CLIENT)
        .text_child("show", "xa")
        .text_child("status", format!("unreachable since {since}"))
}

/// The presence of an occupant who is gone.
pub(super) fn gone(
    domains: &Domains,
    room: &RoomName,
    nick: &Nick,
    person: Option<&Person>,
    item: Element,
    codes: &[u16],
) -> Element {
    Element::new("presence", ns::CLIENT)
        .attr("from", domains.occupant(room, nick))
        .attr("type", "unavailable")
        .maybe_child(person.map(|person| sid::occupant_id(room, &person.principal())))
        .child(user(item, codes))
}
