//! A room's configuration (XEP-0045 sections 10.1, 10.2 and 10.9): a new room is locked until its owner has configured it, or taken it as it is.

use super::Waiting as MucWaiting;
use super::admin::{self, view_of};
use crate::command::{Command, Refusal, Reply};
use crate::event::RoomView;
use crate::xmpp::client::Client;
use crate::xmpp::data::{self, Answer};
use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::iq::Request;
use crate::xmpp::jid::{Address, Domains};
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use crate::xmpp::pending::{Asked, Awaited, Pending};
use lavina_crdt::content::Principal;
use lavina_crdt::names::{AccountName, Nick, RoomName};
use lavina_crdt::room::{Act, Closed, Flag, Rank, RoomState};

const FORM_TYPE: &str = "http://jabber.org/protocol/muc#roomconfig";

/// Yes-or-no settings: variable, label, flag, and whether the flag means the opposite.
const FLAGS: &[(&str, &str, Flag, bool)] = &[
    ("muc#roomconfig_persistentroom", "Stays when everybody has left", Flag::Persistent, false),
    ("muc#roomconfig_publicroom", "Is shown in lists", Flag::Secret, true),
    ("muc#roomconfig_membersonly", "Only for members", Flag::InviteOnly, false),
    ("muc#roomconfig_moderatedroom", "Only with voice may one speak", Flag::Moderated, false),
    ("muc#roomconfig_changesubject", "Everybody may change the subject", Flag::TopicLocked, true),
];
const OWNERS: &str = "muc#roomconfig_roomowners";
const ADMINS: &str = "muc#roomconfig_roomadmins";
/// What those are told who are put out because a room is for members only from now on.
pub(super) const MEMBERS_ONLY: &str = "The room is for members only.";

/// A request that needs the room as it is.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The form.
    Show(Asked),
    /// The form, filled in; empty for a room as it is.
    Submit(Asked, RoomName, Wishes),
    /// The form is not filled in.
    Cancel(Asked, RoomName),
    /// The end of the room.
    Destroy(Asked, RoomName, Closed),
    /// The configuration has been set; who is no member is to go.
    Set(Asked, RoomName, Vec<Nick>),
}

/// What a form asks for.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    flags: Vec<(Flag, bool)>,
    title: Option<String>,
    description: Option<String>,
    protected: Option<bool>,
    secret: Option<String>,
    limit: Option<Option<u32>>,
    owners: Option<Vec<AccountName>>,
    admins: Option<Vec<AccountName>>,
}

/// A request about the configuration.
pub(crate) fn on_owner(_: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let Some(Address::Room(room)) = request.to else { return Err(StanzaError::BAD_REQUEST) };
    let waiting = if !request.set {
        Waiting::Show(request.asked)
    } else if let Some(destroy) = request.payload.get("destroy", ns::MUC_OWNER) {
        let closed = Closed {
            reason: admin::phrase(destroy.child_text("reason")),
            venue: admin::phrase(destroy.get_attr("jid").map(str::to_owned)),
            password: admin::phrase(destroy.child_text("password")),
        };
        Waiting::Destroy(request.asked, room.clone(), closed)
    } else {
        match data::answer(&request.payload) {
            Some((Answer::Submit, form)) => {
                Waiting::Submit(request.asked, room.clone(), Wishes::of(&link.domains, form)?)
            }
            Some((Answer::Cancel, _)) => Waiting::Cancel(request.asked, room.clone()),
            None => return Err(StanzaError::BAD_REQUEST),
        }
    };
    link.ask_and_hold(Command::RoomInfo(room), Awaited::Muc(MucWaiting::Config(waiting)));
    Ok(())
}

impl Wishes {
    fn of(domains: &Domains, form: &Element) -> Result<Self, StanzaError> {
        let mut wishes = Self::default();
        for (var, values) in data::fields(form) {
            if let Some((_, _, flag, opposite)) = FLAGS.iter().find(|(known, ..)| *known == var) {
                let value = data::as_boolean(&values).ok_or(StanzaError::NOT_ACCEPTABLE)?;
                wishes.flags.push((*flag, value != *opposite));
                continue;
            }
            if let OWNERS | ADMINS = var {
                let accounts = values.iter().filter(|jid| !jid.trim().is_empty()).map(|jid| account_of(domains, jid));
                let accounts = accounts.collect::<Result<Vec<_>, _>>()?;
                *(if var == OWNERS { &mut wishes.owners } else { &mut wishes.admins }) = Some(accounts);
                continue;
            }
            let text = values.into_iter().next().unwrap_or_default();
            match var {
                "muc#roomconfig_roomname" => wishes.title = Some(text),
                "muc#roomconfig_roomdesc" => wishes.description = Some(text),
                "muc#roomconfig_whois" => match text.as_str() {
                    "anyone" => wishes.flags.push((Flag::Anonymous, false)),
                    "moderators" => wishes.flags.push((Flag::Anonymous, true)),
                    _ => return Err(StanzaError::NOT_ACCEPTABLE),
                },
                "muc#roomconfig_passwordprotectedroom" => {
                    wishes.protected = Some(data::as_boolean(&[text]).ok_or(StanzaError::NOT_ACCEPTABLE)?);
                }
                "muc#roomconfig_roomsecret" => wishes.secret = Some(text),
                "muc#roomconfig_maxusers" => wishes.limit = Some(text.trim().parse().ok().filter(|limit| *limit > 0)),
                // Forms are filled in by clients that know more settings than there are here.
                _ => {}
            }
        }
        Ok(wishes)
    }

    /// The acts that make the room so; it is open to others from then on.
    fn acts(self, state: &RoomState) -> Result<Vec<Act>, StanzaError> {
        let mut acts = self.standings(state)?;
        let changed = self.flags.into_iter().filter(|(flag, on)| state.has(*flag) != *on);
        acts.extend(changed.map(|(flag, on)| Act::SetFlag { flag, on }));
        acts.extend(state.has(Flag::Locked).then_some(Act::SetFlag { flag: Flag::Locked, on: false }));
        if let Some(title) = self.title.filter(|title| state.title.as_deref().unwrap_or_default() != title) {
            acts.push(Act::SetTitle(title));
        }
        let described = state.description.as_deref().unwrap_or_default();
        if let Some(text) = self.description.filter(|text| described != text) {
            acts.push(Act::SetDescription(text));
        }
        let key = match (self.protected, self.secret.filter(|secret| !secret.is_empty())) {
            (Some(false), _) => None,
            (Some(true), None) if state.key.is_none() => {
                return Err(StanzaError::NOT_ACCEPTABLE.text("a password is needed"));
            }
            (Some(true), secret) => secret.or_else(|| state.key.clone()),
            // Where only the secret is said, it is meant to count.
            (None, secret) => secret.or_else(|| state.key.clone()),
        };
        if key != state.key {
            acts.push(Act::SetKey(key));
        }
        if let Some(limit) = self.limit.filter(|limit| *limit != state.limit) {
            acts.push(Act::SetLimit(limit));
        }
        Ok(acts)
    }

    /// Owners and admins as the form lists them: whoever is not listed any more stays a member. First those who come, so that the room is never
    /// without an owner.
    fn standings(&self, state: &RoomState) -> Result<Vec<Act>, StanzaError> {
        if self.owners.as_ref().is_some_and(Vec::is_empty) {
            return Err(StanzaError::CONFLICT.text("a room has an owner"));
        }
        let listed = |accounts: &Option<Vec<AccountName>>, rank: Rank, who: &Principal| match accounts {
            Some(accounts) => accounts.iter().any(|account| *who == Principal::Account(account.clone())),
            None => state.rank(who) == rank,
        };
        let wanted = |who: &Principal| {
            if listed(&self.owners, Rank::Founder, who) {
                Rank::Founder
            } else if listed(&self.admins, Rank::Admin, who) {
                Rank::Admin
            } else {
                state.rank(who).min(Rank::Member)
            }
        };
        let named = self.owners.iter().chain(&self.admins).flatten().cloned().map(Principal::Account);
        let standing = state.ranks.iter().filter(|(_, rank)| **rank >= Rank::Admin).map(|(who, _)| who.clone());
        let mut changes: Vec<(Principal, Rank)> =
            named.chain(standing).map(|who| (who.clone(), wanted(&who))).collect();
        changes.sort_by(|(a, a_rank), (b, b_rank)| b_rank.cmp(a_rank).then_with(|| a.cmp(b)));
        changes.dedup();
        changes.retain(|(who, rank)| state.rank(who) != *rank);
        Ok(changes.into_iter().map(|(who, rank)| Act::SetRank { who, rank }).collect())
    }
}

fn account_of(domains: &Domains, jid: &str) -> Result<AccountName, StanzaError> {
    match domains.parse(jid.trim()) {
        Ok(Address::Account(account, _)) => Ok(account),
        Ok(_) => Err(StanzaError::NOT_ACCEPTABLE.text("only accounts can have a standing")),
        Err(_) => Err(StanzaError::JID_MALFORMED),
    }
}

/// The room has come, or has been changed.
pub(super) fn on_room(client: &Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    if let Waiting::Set(asked, room, gone) = waiting {
        if let Err(refusal) = answer {
            link.send(&asked.error(refusal));
            return;
        }
        for nick in gone {
            let kick = Command::Kick { room: room.clone(), nick, reason: MEMBERS_ONLY.to_owned() };
            link.ask(kick, Pending::Nothing);
        }
        link.reply(&asked.result(None));
        return;
    }
    let (Waiting::Show(asked)
    | Waiting::Submit(asked, ..)
    | Waiting::Cancel(asked, _)
    | Waiting::Destroy(asked, ..)
    | Waiting::Set(asked, ..)) = &waiting;
    let asked = asked.clone();
    let is_owner = |view: &RoomView| view.state.rank(&client.principal()) == Rank::Founder;
    let done = match view_of(answer) {
        Ok(view) if is_owner(&view) => on_owners_wish(link, waiting, &view),
        Ok(_) => Err(StanzaError::FORBIDDEN),
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        link.send(&asked.error(error));
    }
}

fn on_owners_wish(link: &mut Link, waiting: Waiting, view: &RoomView) -> Result<(), StanzaError> {
    match waiting {
        Waiting::Show(asked) => {
            let query = Element::new("query", ns::MUC_OWNER).child(form(&link.domains, &view.state));
            link.send(&asked.result(Some(query)));
        }
        Waiting::Submit(asked, room, wishes) => {
            let acts = wishes.acts(&view.state)?;
            if acts.is_empty() {
                link.send(&asked.result(None));
                return Ok(());
            }
            let closes = acts.contains(&Act::SetFlag { flag: Flag::InviteOnly, on: true });
            let given =
                |who: &Principal| acts.iter().any(|act| matches!(act, Act::SetRank { who: other, .. } if other == who));
            let strangers = view.occupants.iter().filter(|who| {
                let is_named = super::occupant::face(who).is_some_and(|person| given(&person.principal()));
                closes && who.rank == Rank::None && !is_named
            });
            let gone = strangers.map(|who| who.nick.clone()).collect();
            let waiting = Waiting::Set(asked, room.clone(), gone);
            link.ask_and_hold(Command::Act(room, acts), Awaited::Muc(MucWaiting::Config(waiting)));
        }
        // Section 10.1.3: who does not want the new room has none.
        Waiting::Cancel(asked, room) if view.state.has(Flag::Locked) => destroy(link, asked, room, Closed::default()),
        Waiting::Cancel(asked, _) => link.send(&asked.result(None)),
        Waiting::Destroy(asked, room, closed) => destroy(link, asked, room, closed),
        Waiting::Set(..) => {}
    }
    Ok(())
}

fn destroy(link: &mut Link, asked: Asked, room: RoomName, closed: Closed) {
    let acts = vec![Act::SetClosed(Some(closed))];
    link.ask_and_hold(Command::Act(room, acts), Awaited::Muc(MucWaiting::Last(asked)));
}

fn form(domains: &Domains, state: &RoomState) -> Element {
    let flags =
        FLAGS.iter().map(|(var, label, flag, opposite)| data::boolean(var, label, state.has(*flag) != *opposite));
    let title = state.title.as_deref().unwrap_or_default();
    let description = state.description.as_deref().unwrap_or_default();
    let limit = state.limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    let mut limits = vec!["10", "20", "50", "100", "500", "none"];
    if !limits.contains(&limit.as_str()) {
        limits.push(&limit);
    }
    let key = state.key.as_deref().unwrap_or_default();
    let whois = if state.has(Flag::Anonymous) { "moderators" } else { "anyone" };
    let whois = data::choice("muc#roomconfig_whois", "Who sees real addresses", whois, &["anyone", "moderators"]);
    let standing = |rank: Rank| {
        let of_rank = state.ranks.iter().filter(move |(_, held)| **held == rank);
        of_rank.filter_map(|(who, _)| match who {
            Principal::Account(account) => Some(domains.account(account)),
            Principal::Guest(_) => None,
        })
    };
    data::form("form", FORM_TYPE)
        .child(data::field("muc#roomconfig_roomname", "text-single", "Name", title))
        .child(data::field("muc#roomconfig_roomdesc", "text-single", "Description", description))
        .children(flags)
        .child(data::boolean("muc#roomconfig_passwordprotectedroom", "Needs a password", state.key.is_some()))
        .child(data::field("muc#roomconfig_roomsecret", "text-private", "Password", key))
        .child(data::choice("muc#roomconfig_maxusers", "Most occupants", &limit, &limits))
        .child(whois)
        .child(data::many(OWNERS, "jid-multi", "Owners", standing(Rank::Founder)))
        .child(data::many(ADMINS, "jid-multi", "Admins", standing(Rank::Admin)))
}
