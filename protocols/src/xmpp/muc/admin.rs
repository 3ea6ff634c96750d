//! Affiliations and roles: lists and changes (XEP-0045 sections 8 and 9).

use super::{Waiting as MucWaiting, occupant};
use crate::command::{Command, Refusal, Reply};
use crate::event::{Occupant, RoomView};
use crate::xmpp::client::Client;
use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::iq::Request;
use crate::xmpp::jid::{Address, Domains};
use crate::xmpp::link::Link;
use crate::xmpp::ns;
use crate::xmpp::pending::{Asked, Awaited, Pending};
use lavina_crdt::content::Principal;
use lavina_crdt::names::{Nick, RoomName};
use lavina_crdt::room::{Act, Flag, Mask, PHRASE_BYTES_MAX, Rank};

/// What somebody is told who is put out of a room for members for being none any more.
pub(super) const NO_MEMBER: &str = "No longer a member.";
/// Items in one request.
const ITEMS_MAX: usize = 32;

/// A request that needs the room as it is.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A list by affiliation or role.
    List(Asked, Wish),
    /// Changes.
    Changes(Asked, RoomName, Vec<Change>),
    /// The acts of a change; who is to be removed after them.
    Acted(Asked, RoomName, Vec<(Nick, String)>),
}

/// What somebody is to be, or is listed as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Affiliation(String),
    Role(String),
}

/// One item of a change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    whom: Whom,
    wish: Wish,
    reason: String,
}

#[derive(Clone, Debug)]
enum Whom {
    Nick(Nick),
    Account(Principal),
    /// An address that no account of this mesh has.
    Nobody,
}

/// A request about affiliations or roles.
pub(crate) fn on_admin(_: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    let Some(Address::Room(room)) = request.to else { return Err(StanzaError::BAD_REQUEST) };
    let items: Vec<&Element> = request.payload.elements().filter(|item| item.is("item", ns::MUC_ADMIN)).collect();
    if items.is_empty() || items.len() > ITEMS_MAX {
        return Err(StanzaError::BAD_REQUEST);
    }
    let waiting = if request.set {
        let changes: Result<_, _> = items.into_iter().map(|item| change_of(&link.domains, item)).collect();
        Waiting::Changes(request.asked, room.clone(), changes?)
    } else {
        let wish = items.first().and_then(|item| wish_of(item)).ok_or(StanzaError::BAD_REQUEST)?;
        Waiting::List(request.asked, wish)
    };
    link.ask_and_hold(Command::RoomInfo(room), Awaited::Muc(MucWaiting::Admin(waiting)));
    Ok(())
}

fn wish_of(item: &Element) -> Option<Wish> {
    let affiliation = item.get_attr("affiliation").map(|affiliation| Wish::Affiliation(affiliation.to_owned()));
    affiliation.or_else(|| item.get_attr("role").map(|role| Wish::Role(role.to_owned())))
}

fn change_of(domains: &Domains, item: &Element) -> Result<Change, StanzaError> {
    let wish = wish_of(item).ok_or(StanzaError::BAD_REQUEST)?;
    let whom = match (item.get_attr("jid"), item.get_attr("nick")) {
        // Whether somebody's server can be reached is another matter than where they stand (section 9.1).
        (Some(jid), _) => match domains.anywhere().parse(jid).map_err(|_| StanzaError::JID_MALFORMED)? {
            Address::Account(account, _) => Whom::Account(Principal::Account(account)),
            Address::Server
            | Address::Rooms
            | Address::Room(_)
            | Address::Occupant(..)
            | Address::Guest(_)
            | Address::Foreign => Whom::Nobody,
        },
        (None, Some(nick)) => Whom::Nick(Nick::new(nick).map_err(|_| StanzaError::ITEM_NOT_FOUND)?),
        (None, None) => return Err(StanzaError::BAD_REQUEST),
    };
    Ok(Change { whom, wish, reason: phrase(item.child_text("reason")) })
}

/// Words of a client's as a room can keep them: in one line, and not longer than that.
pub(super) fn phrase(text: Option<String>) -> String {
    let mut text = text.unwrap_or_default().replace(['\r', '\n'], " ");
    let fits = |(at, c): (usize, char)| (at + c.len_utf8() <= PHRASE_BYTES_MAX).then_some(at + c.len_utf8());
    text.truncate(text.char_indices().map_while(fits).last().unwrap_or(0));
    text
}

/// An answer of the core.
pub(super) fn on_room(client: &Client, link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    let (asked, result) = match waiting {
        Waiting::List(asked, wish) => {
            let listed = view_of(answer).and_then(|view| list(client, &link.domains, &view, &wish));
            let query = listed.map(|items| Element::new("query", ns::MUC_ADMIN).children(items));
            (asked, query.map(Some))
        }
        Waiting::Changes(asked, room, changes) => {
            match view_of(answer)
                .and_then(|view| change(link, &client.principal(), asked.clone(), &room, &view, &changes))
            {
                Ok(()) => return,
                Err(error) => (asked, Err(error)),
            }
        }
        Waiting::Acted(asked, room, kicks) => {
            let acted = answer.map(|_| None).map_err(StanzaError::from);
            if acted.is_ok() {
                for (nick, reason) in kicks {
                    client.tell(link, Command::Kick { room: room.clone(), nick, reason });
                }
            }
            (asked, acted)
        }
    };
    let answer = match result {
        Ok(payload) => asked.result(payload),
        Err(error) => asked.error(error),
    };
    link.send(&answer);
}

/// The room asked for, if there is one.
pub(super) fn view_of(answer: Result<Reply, Refusal>) -> Result<std::sync::Arc<RoomView>, StanzaError> {
    match answer {
        Ok(Reply::Room(Some(view))) => Ok(view),
        Ok(_) => Err(StanzaError::ITEM_NOT_FOUND),
        Err(refusal) => Err(refusal.into()),
    }
}

fn list(client: &Client, domains: &Domains, view: &RoomView, wish: &Wish) -> Result<Vec<Element>, StanzaError> {
    let rank = view.state.rank(&client.principal());
    if view.own_nick.is_none() && rank == Rank::None {
        return Err(StanzaError::FORBIDDEN);
    }
    let moderated = view.state.has(Flag::Moderated);
    match wish {
        Wish::Affiliation(wanted) if rank < reader_of(wanted, view.state.has(Flag::Anonymous)) => {
            Err(StanzaError::FORBIDDEN)
        }
        Wish::Affiliation(wanted) if wanted == "outcast" => Ok(outcasts(domains, view)),
        Wish::Affiliation(wanted) if matches!(wanted.as_str(), "owner" | "admin" | "member") => {
            Ok(affiliated(domains, view, wanted))
        }
        Wish::Role(wanted) if matches!(wanted.as_str(), "moderator" | "participant" | "visitor") => {
            let here = view.occupants.iter().filter(|who| occupant::role(who.rank, moderated) == wanted);
            Ok(here.map(|who| occupant_item(domains, who, wanted)).collect())
        }
        Wish::Affiliation(_) | Wish::Role(_) => Err(StanzaError::BAD_REQUEST),
    }
}

/// Who may read the list of an affiliation (sections 9.2, 9.5, 10.5 and 10.8).
fn reader_of(affiliation: &str, anonymous: bool) -> Rank {
    match affiliation {
        "outcast" => Rank::HalfOp,
        // Clients that encrypt to a room need to know its members (XEP-0384), so where addresses are everybody's, everybody inside may.
        _ if !anonymous => Rank::None,
        "owner" | "admin" => Rank::Founder,
        _ => Rank::Admin,
    }
}

fn outcasts(domains: &Domains, view: &RoomView) -> Vec<Element> {
    let accounts = view.state.bans.iter().filter_map(|(mask, ban)| match mask {
        Mask::Account(account) => Some((account, ban)),
        Mask::Glob(_) | Mask::Guests | Mask::Mute(_) => None,
    });
    let item = |jid: String, reason: &str| {
        let item = Element::new("item", ns::MUC_ADMIN).attr("affiliation", "outcast").attr("jid", jid);
        if reason.is_empty() { item } else { item.text_child("reason", reason) }
    };
    accounts.map(|(account, ban)| item(domains.account(account), &ban.reason)).collect()
}

fn affiliated(domains: &Domains, view: &RoomView, wanted: &str) -> Vec<Element> {
    let ranked = view.state.ranks.iter().filter(|(_, rank)| occupant::affiliation(**rank) == wanted);
    let accounts = ranked.filter_map(|(who, _)| match who {
        Principal::Account(account) => Some(domains.account(account)),
        Principal::Guest(_) => None,
    });
    accounts.map(|jid| Element::new("item", ns::MUC_ADMIN).attr("affiliation", wanted).attr("jid", jid)).collect()
}

fn occupant_item(domains: &Domains, who: &Occupant, role: &str) -> Element {
    Element::new("item", ns::MUC_ADMIN)
        .attr("affiliation", occupant::affiliation(who.rank))
        .maybe_attr("jid", occupant::face(who).and_then(|person| domains.real(person)))
        .attr("nick", who.nick.as_str())
        .attr("role", role)
}

/// Everything a request changes: acts, all or nothing, then who is removed for them; or a removal alone.
#[derive(Default)]
struct Plan {
    acts: Vec<Act>,
    /// Removed because an act banned them.
    banned: Vec<(Nick, String)>,
    /// Removed by wish.
    kicked: Vec<(Nick, String)>,
    /// Founders who are to be none.
    fewer_founders: usize,
}

fn change(
    link: &mut Link,
    me: &Principal,
    asked: Asked,
    room: &RoomName,
    view: &RoomView,
    changes: &[Change],
) -> Result<(), StanzaError> {
    let mut plan = Plan::default();
    for change in changes {
        plan.add(view, me, change)?;
    }
    let kick = |(nick, reason)| Command::Kick { room: room.clone(), nick, reason };
    if !plan.acts.is_empty() {
        plan.banned.append(&mut plan.kicked);
        let waiting = Waiting::Acted(asked, room.clone(), plan.banned);
        let pending = Awaited::Muc(MucWaiting::Admin(waiting));
        link.ask_and_hold(Command::Act(room.clone(), plan.acts), pending);
    } else if let Some(last) = plan.kicked.pop() {
        for kicked in plan.kicked {
            link.ask(kick(kicked), Pending::Nothing);
        }
        link.ask(kick(last), Awaited::Muc(MucWaiting::Last(asked)));
    } else {
        link.send(&asked.result(None));
    }
    Ok(())
}

impl Plan {
    fn add(&mut self, view: &RoomView, me: &Principal, change: &Change) -> Result<(), StanzaError> {
        let own = view.state.rank(me);
        let occupant = match &change.whom {
            Whom::Nobody if own < Rank::Admin => return Err(StanzaError::FORBIDDEN),
            Whom::Nobody => return Err(StanzaError::ITEM_NOT_FOUND),
            Whom::Nick(nick) => {
                let who = view.occupants.iter().find(|who| who.nick.key() == nick.key());
                Some(who.ok_or(StanzaError::ITEM_NOT_FOUND)?)
            }
            Whom::Account(principal) => {
                view.occupants.iter().find(|who| who.people.iter().any(|person| person.principal() == *principal))
            }
        };
        let principal = match &change.whom {
            Whom::Account(principal) => principal.clone(),
            Whom::Nick(_) | Whom::Nobody => {
                let person = occupant.and_then(occupant::face);
                person.map(crate::event::Person::principal).ok_or(StanzaError::ITEM_NOT_FOUND)?
            }
        };
        match &change.wish {
            Wish::Role(role) => self.add_role(view, own, role, occupant, principal, &change.reason),
            Wish::Affiliation(affiliation) => {
                self.add_affiliation(view, (own, me), affiliation, principal, &change.reason)
            }
        }
    }

    fn add_role(
        &mut self,
        view: &RoomView,
        own: Rank,
        role: &str,
        occupant: Option<&Occupant>,
        who: Principal,
        reason: &str,
    ) -> Result<(), StanzaError> {
        let occupant = occupant.ok_or(StanzaError::ITEM_NOT_FOUND)?;
        let rank = view.state.rank(&who);
        let moderated = view.state.has(Flag::Moderated);
        if own < Rank::HalfOp {
            return Err(StanzaError::FORBIDDEN);
        }
        let is_above = occupant::affiliation(rank) != occupant::affiliation(own) && rank > own;
        if role == "none" {
            // Section 8.2: nobody is kicked by somebody of a lower affiliation.
            if is_above {
                return Err(StanzaError::NOT_ALLOWED);
            }
            self.kicked.push((occupant.nick.clone(), reason.to_owned()));
            return Ok(());
        }
        let before = occupant::role(rank, moderated);
        if role == before {
            return Ok(());
        }
        // Sections 9.6 and 9.7: moderators are made and unmade by admins.
        if (role == "moderator" || before == "moderator") && own < Rank::Admin {
            let is_senior = rank >= Rank::Admin;
            return Err(if is_senior { StanzaError::NOT_ALLOWED } else { StanzaError::FORBIDDEN });
        }
        let rank = match role {
            // Sections 8.4 and 9.7: who is owner or admin stays moderator.
            "participant" | "visitor" if rank >= Rank::Admin => return Err(StanzaError::NOT_ALLOWED),
            "moderator" => Rank::Operator,
            "participant" => Rank::Voice,
            "visitor" if moderated => Rank::Member,
            "visitor" => return Err(StanzaError::NOT_ACCEPTABLE.text("the room is not moderated")),
            _ => return Err(StanzaError::BAD_REQUEST),
        };
        self.acts.push(Act::SetRank { who, rank });
        Ok(())
    }

    /// Sections 9.1 to 9.4 and 10.3 to 10.7.
    fn add_affiliation(
        &mut self,
        view: &RoomView,
        (own, me): (Rank, &Principal),
        affiliation: &str,
        who: Principal,
        reason: &str,
    ) -> Result<(), StanzaError> {
        let rank = view.state.rank(&who);
        let wanted = match affiliation {
            "owner" => Rank::Founder,
            "admin" => Rank::Admin,
            "member" if occupant::affiliation(rank) == "member" => rank,
            "member" => Rank::Member,
            "none" | "outcast" => Rank::None,
            _ => return Err(StanzaError::BAD_REQUEST),
        };
        if own < Rank::Admin || (wanted >= Rank::Admin && own < Rank::Founder) {
            return Err(StanzaError::FORBIDDEN);
        }
        if affiliation == "outcast" && who == *me {
            return Err(StanzaError::CONFLICT);
        }
        if rank >= Rank::Admin && own < Rank::Founder && wanted < rank {
            return Err(StanzaError::NOT_ALLOWED);
        }
        if rank == Rank::Founder && wanted < rank {
            self.fewer_founders += 1;
            let founders = view.state.ranks.values().filter(|rank| **rank == Rank::Founder).count();
            if self.fewer_founders >= founders {
                // Section 10.4: the last owner stays.
                return Err(StanzaError::CONFLICT);
            }
        }
        if affiliation == "outcast" {
            return self.add_ban(view, rank, who, reason);
        }
        if let Principal::Account(account) = &who {
            let mask = Mask::Account(account.clone());
            if view.state.bans.contains_key(&mask) {
                self.acts.push(Act::SetBan { mask, ban: None });
            }
        }
        if wanted == Rank::None && view.state.has(Flag::InviteOnly) {
            let places = view.occupants.iter().filter(|o| o.people.iter().any(|person| person.principal() == who));
            self.banned.extend(places.map(|place| (place.nick.clone(), NO_MEMBER.to_owned())));
        }
        if wanted != rank {
            self.acts.push(Act::SetRank { who, rank: wanted });
        }
        Ok(())
    }

    fn add_ban(&mut self, view: &RoomView, rank: Rank, who: Principal, reason: &str) -> Result<(), StanzaError> {
        let is_meant = |other: Principal| match (&who, &other) {
            // Of a server: everybody there.
            (Principal::Account(banned), Principal::Account(account)) => banned.means(account),
            (Principal::Guest(_), _) | (_, Principal::Guest(_)) => who == other,
        };
        let places = || view.occupants.iter().filter(|o| o.people.iter().any(|person| is_meant(person.principal())));
        let mask = match &who {
            Principal::Account(account) => Mask::Account(account.clone()),
            Principal::Guest(_) => {
                // A guest has no name that lasts: the cloaked host is what is left of it.
                let person = places().find_map(occupant::face).ok_or(StanzaError::ITEM_NOT_FOUND)?;
                Mask::Glob(format!("*!*@{}", person.record.host.to_lowercase()))
            }
        };
        self.banned.extend(places().map(|place| (place.nick.clone(), reason.to_owned())));
        self.acts.push(Act::SetBan { mask, ban: Some(reason.to_owned()) });
        if rank > Rank::None {
            self.acts.push(Act::SetRank { who, rank: Rank::None });
        }
        Ok(())
    }
}
