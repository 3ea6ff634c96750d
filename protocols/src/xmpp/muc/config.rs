//! A room's configuration (XEP-0045 section 10.2); a room that is created is open at once (section 10.1.2).

use super::Waiting as MucWaiting;
use super::admin::view_of;
use crate::command::{Command, Refusal, Reply};
use crate::xmpp::client::Client;
use crate::xmpp::data::{self, Answer};
use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::iq::Request;
use crate::xmpp::jid::Address;
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use crate::xmpp::pending::{Asked, Awaited};
use lavina_crdt::content::Principal;
use lavina_crdt::names::RoomName;
use lavina_crdt::room::{Act, Flag, Rank, RoomState};

const FORM_TYPE: &str = "http://jabber.org/protocol/muc#roomconfig";

/// Yes-or-no settings: variable, label, flag, and whether the flag means the opposite.
const FLAGS: &[(&str, &str, Flag, bool)] = &[
    ("muc#roomconfig_persistentroom", "Stays when everybody has left", Flag::Persistent, false),
    ("muc#roomconfig_publicroom", "Is shown in lists", Flag::Secret, true),
    ("muc#roomconfig_membersonly", "Only for members", Flag::InviteOnly, false),
    ("muc#roomconfig_moderatedroom", "Only with voice may one speak", Flag::Moderated, false),
    ("muc#roomconfig_changesubject", "Everybody may change the subject", Flag::TopicLocked, true),
];

/// A request that needs the room as it is.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The form.
    Show(Asked, Principal),
    /// The form, filled in.
    Submit(Asked, RoomName, Wishes),
}

/// What a form asks for.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    flags: Vec<(Flag, bool)>,
    title: Option<String>,
    protected: Option<bool>,
    secret: Option<String>,
    limit: Option<Option<u32>>,
}

/// A request about the configuration.
pub(crate) fn on_owner(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let Some(Address::Room(room)) = request.to else { return Err(StanzaError::BAD_REQUEST) };
    if !request.set {
        let waiting = Waiting::Show(request.asked, client.principal());
        link.ask(Command::RoomInfo(room), Awaited::Muc(MucWaiting::Config(waiting)));
        return Ok(());
    }
    if request.payload.get("destroy", ns::MUC_OWNER).is_some() {
        return Err(StanzaError::FEATURE_NOT_IMPLEMENTED);
    }
    match data::answer(&request.payload) {
        Some((Answer::Submit, form)) if data::fields(form).next().is_some() => {
            let wishes = Wishes::of(form)?;
            let waiting = Waiting::Submit(request.asked, room.clone(), wishes);
            link.ask_and_hold(Command::RoomInfo(room), Awaited::Muc(MucWaiting::Config(waiting)));
        }
        Some(_) => link.reply(&request.asked.result(None)),
        None => return Err(StanzaError::BAD_REQUEST),
    }
    Ok(())
}

impl Wishes {
    fn of(form: &Element) -> Result<Self, StanzaError> {
        let mut wishes = Self::default();
        for (var, values) in data::fields(form) {
            if let Some((_, _, flag, opposite)) = FLAGS.iter().find(|(known, ..)| *known == var) {
                let value = data::as_boolean(&values).ok_or(StanzaError::BAD_REQUEST)?;
                wishes.flags.push((*flag, value != *opposite));
                continue;
            }
            let text = values.into_iter().next().unwrap_or_default();
            match var {
                "muc#roomconfig_roomname" => wishes.title = Some(text),
                "muc#roomconfig_passwordprotectedroom" => {
                    wishes.protected = Some(data::as_boolean(&[text]).ok_or(StanzaError::BAD_REQUEST)?);
                }
                "muc#roomconfig_roomsecret" => wishes.secret = Some(text),
                "muc#roomconfig_maxusers" => wishes.limit = Some(text.trim().parse().ok().filter(|limit| *limit > 0)),
                // Forms are filled in by clients that know more settings than there are here.
                _ => {}
            }
        }
        Ok(wishes)
    }

    /// The acts that make the room so.
    fn acts(self, state: &RoomState) -> Result<Vec<Act>, StanzaError> {
        let changed = self.flags.into_iter().filter(|(flag, on)| state.has(*flag) != *on);
        let mut acts: Vec<Act> = changed.map(|(flag, on)| Act::SetFlag { flag, on }).collect();
        if let Some(title) = self.title.filter(|title| state.title.as_deref().unwrap_or_default() != title) {
            acts.push(Act::SetTitle(title));
        }
        let key = match (self.protected, self.secret.filter(|secret| !secret.is_empty())) {
            (Some(false), _) => None,
            (Some(true), None) if state.key.is_none() => {
                return Err(StanzaError::NOT_ACCEPTABLE.text("a password is needed"));
            }
            (Some(true), secret) => secret.or_else(|| state.key.clone()),
            (None, _) => state.key.clone(),
        };
        if key != state.key {
            acts.push(Act::SetKey(key));
        }
        if let Some(limit) = self.limit.filter(|limit| *limit != state.limit) {
            acts.push(Act::SetLimit(limit));
        }
        Ok(acts)
    }
}

/// The room has come.
pub(super) fn on_room(link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    let view = view_of(answer);
    let answer = match waiting {
        Waiting::Show(asked, who) => match view {
            Ok(view) if view.state.rank(&who) >= Rank::Operator => {
                let query = Element::new("query", ns::MUC_OWNER).child(form(&view.state));
                asked.result(Some(query))
            }
            Ok(_) => asked.error(StanzaError::FORBIDDEN),
            Err(error) => asked.error(error),
        },
        Waiting::Submit(asked, room, wishes) => match view.and_then(|view| wishes.acts(&view.state)) {
            Ok(acts) if acts.is_empty() => asked.result(None),
            Ok(acts) => {
                link.ask_and_hold(Command::Act(room, acts), Awaited::Muc(MucWaiting::Last(asked)));
                return;
            }
            Err(error) => asked.error(error),
        },
    };
    link.send(&answer);
}

fn form(state: &RoomState) -> Element {
    let flags =
        FLAGS.iter().map(|(var, label, flag, opposite)| data::boolean(var, label, state.has(*flag) != *opposite));
    let title = state.title.as_deref().unwrap_or_default();
    let limit = state.limit.map(|limit| limit.to_string()).unwrap_or_default();
    let key = state.key.as_deref().unwrap_or_default();
    data::form("form", FORM_TYPE)
        .child(data::field("muc#roomconfig_roomname", "text-single", "Name", title))
        .children(flags)
        .child(data::boolean("muc#roomconfig_passwordprotectedroom", "Needs a password", state.key.is_some()))
        .child(data::field("muc#roomconfig_roomsecret", "text-private", "Password", key))
        .child(data::field("muc#roomconfig_maxusers", "text-single", "Most occupants", &limit))
        .child(data::field("muc#roomconfig_whois", "hidden", "", "anyone"))
}
