//! What a room tells of itself (XEP-0045 section 6.4).

use crate::event::RoomView;
use crate::xmpp::data;
use crate::xmpp::element::Element;
use crate::xmpp::jid::Domains;
use crate::xmpp::ns;
use lavina_crdt::room::{Flag, RoomState};

/// The room's name for people.
pub(crate) fn title(view: &RoomView) -> &str {
    view.state.title.as_deref().filter(|title| !title.is_empty()).unwrap_or(view.name.as_str())
}

/// Features that say how the room is set.
pub(crate) fn features(state: &RoomState) -> Vec<&'static str> {
    let either = |on: bool, yes, no| if on { yes } else { no };
    vec![
        ns::MUC,
        ns::MUC_STABLE_ID,
        ns::MUC_SELF_PING,
        ns::SID,
        ns::OCCUPANT_ID,
        ns::MAM_EXTENDED,
        ns::RETRACT,
        ns::TOMBSTONE,
        ns::HATS,
        ns::REACTIONS,
        ns::REPLY,
        either(state.has(Flag::Anonymous), "muc_semianonymous", "muc_nonanonymous"),
        either(state.has(Flag::InviteOnly), "muc_membersonly", "muc_open"),
        either(state.has(Flag::Moderated), "muc_moderated", "muc_unmoderated"),
        either(state.has(Flag::Secret), "muc_hidden", "muc_public"),
        either(state.key.is_some(), "muc_passwordprotected", "muc_unsecured"),
        either(state.has(Flag::Persistent), "muc_persistent", "muc_temporary"),
    ]
}

/// The extended information (section 15.5.4).
pub(crate) fn form(view: &RoomView) -> Element {
    let avatar = super::avatar::hash(&view.state).map(str::to_owned).into_iter();
    let avatar = data::many("muc#roominfo_avatarhash", "text-multi", "Avatar hash", avatar);
    let subject = view.state.topic.as_ref().map(|topic| topic.text.as_str()).unwrap_or_default();
    data::form("result", "http://jabber.org/protocol/muc#roominfo")
        .child(data::field(
            "muc#roominfo_description",
            "text-single",
            "Description",
            view.state.description.as_deref().unwrap_or_else(|| title(view)),
        ))
        .child(data::field("muc#roominfo_subject", "text-single", "Subject", subject))
        .child(data::field("muc#roominfo_occupants", "text-single", "Occupants", &view.occupants.len().to_string()))
        .child(data::boolean("muc#roominfo_changesubject", "May be changed", !view.state.has(Flag::TopicLocked)))
        .maybe_child(Some(avatar).filter(|avatar| avatar.elements().next().is_some()))
}

/// The occupants: for everybody where the room is shown to everybody and open (section 6.5), else for occupants.
pub(crate) fn items(domains: &Domains, view: &RoomView) -> Vec<Element> {
    let is_public = !view.state.has(Flag::Secret) && !view.state.has(Flag::InviteOnly) && view.state.key.is_none();
    if view.own_nick.is_none() && !is_public {
        return Vec::new();
    }
    let item = |jid: String| Element::new("item", ns::DISCO_ITEMS).attr("jid", jid);
    view.occupants.iter().map(|who| item(domains.occupant(&view.name, &who.nick))).collect()
}
