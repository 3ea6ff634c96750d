//! Hats (XEP-0317): the standings of a room that roles and affiliations cannot tell apart. Nobody gives others: a hat is a rank.

use crate::xmpp::element::Element;
use crate::xmpp::ns;
use lavina_crdt::room::Rank;

/// The hat that a rank is.
pub(super) fn of(rank: Rank) -> Option<Element> {
    let (title, name) = match rank {
        Rank::Operator => ("Operator", "operator"),
        Rank::HalfOp => ("Half-operator", "half-operator"),
        Rank::Voice => ("Voice", "voice"),
        Rank::Founder | Rank::Admin | Rank::Member | Rank::None => return None,
    };
    let hat = Element::new("hat", ns::HATS).attr("title", title).attr("uri", format!("urn:lavina:rank:{name}"));
    Some(Element::new("hats", ns::HATS).child(hat))
}
