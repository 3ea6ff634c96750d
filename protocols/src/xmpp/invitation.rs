//! Invitations (XEP-0401): the commands (XEP-0050) by which accounts make them, and how one who has an account uses one (XEP-0379). How one is used to
//! register is in [`super::registration`].

use super::client::Client;
use super::data::{self, Answer};
use super::element::Element;
use super::error::StanzaError;
use super::invite_link::{InviteLink, InvitedTo};
use super::iq::Request;
use super::link::Link;
use super::pending::{Asked, Awaited};
use super::{datetime, ns};
use crate::account::{AccountCommand, AccountReply, Inviting};
use crate::command::{Command, Refusal, Reply, SubscriptionStep};
use bytes::Bytes;
use lavina_crdt::invitation::{Invitation, InvitationId};
use lavina_crdt::names::AccountName;

/// The command that invites a contact (section 5.1).
const INVITE: &str = "urn:xmpp:invite#invite";
/// The command that lets somebody register (section 5.4).
const CREATE: &str = "urn:xmpp:invite#create-account";
/// The form of what comes of either.
const INVITATION: &str = "urn:xmpp:invite#invitation";
/// How long an invitation is good, milliseconds: who is invited may be away for the weekend.
const VALID_MS: u64 = 7 * 24 * 3_600_000;

/// What the core is asked for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The list of commands.
    List(Asked),
    /// The form of [`CREATE`], for that session of the command.
    Form(Asked, String),
    /// An invitation that is made.
    Made(Asked, Box<Made>),
    /// The inviter is to become a contact; where not, they are asked by that request.
    Meet(Asked, AccountName, Bytes),
}

/// What is told of an invitation once there is one.
#[derive(Debug)]
pub(crate) struct Made {
    node: &'static str,
    session: String,
    link: InviteLink,
    until_ms: u64,
}

/// `disco#items` of the commands.
pub(crate) fn list(link: &mut Link, asked: Asked) {
    link.ask(Command::Account(AccountCommand::Inviting), Awaited::Invitation(Waiting::List(asked)));
}

/// `disco#info` of the list or of a command; `false` for any other node.
pub(crate) fn info(link: &mut Link, request: &Request) -> bool {
    let Some(node) = request.payload.get_attr("node") else { return false };
    let (kind, name) = match node {
        ns::COMMANDS => ("command-list", "Commands"),
        INVITE => ("command-node", name_of(INVITE)),
        CREATE => ("command-node", name_of(CREATE)),
        _ => return false,
    };
    let identity = Element::new("identity", ns::DISCO_INFO).attr("category", "automation").attr("type", kind);
    let features = [ns::COMMANDS, ns::DATA].map(|feature| Element::new("feature", ns::DISCO_INFO).attr("var", feature));
    let query = Element::new("query", ns::DISCO_INFO).attr("node", node).child(identity.attr("name", name));
    link.reply(&request.asked.result(Some(query.children(features))));
    true
}

fn name_of(node: &str) -> &'static str {
    if node == INVITE { "Invite a contact" } else { "Let somebody register" }
}

/// A command.
pub(crate) fn on_command(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if !request.set {
        return Err(StanzaError::BAD_REQUEST);
    }
    let command = &request.payload;
    let node = match command.get_attr("node") {
        Some(INVITE) => INVITE,
        Some(CREATE) => CREATE,
        Some(_) | None => return Err(StanzaError::ITEM_NOT_FOUND),
    };
    let session = command.get_attr("sessionid").map_or_else(|| link.token(), str::to_owned);
    match command.get_attr("action").unwrap_or("execute") {
        "cancel" => {
            link.reply(&request.asked.result(Some(stage(node, &session, "canceled"))));
            return Ok(());
        }
        "execute" | "complete" | "next" => {}
        "prev" => return Err(StanzaError::BAD_REQUEST.with_condition("bad-action", ns::COMMANDS)),
        _ => return Err(StanzaError::BAD_REQUEST.with_condition("malformed-action", ns::COMMANDS)),
    }
    let mut invitation =
        Invitation { by: None, contact: true, name: None, until_ms: link.now.wall_ms.saturating_add(VALID_MS) };
    if node == CREATE {
        match data::answer(command) {
            None => {
                let waiting = Waiting::Form(request.asked, session);
                link.ask(Command::Account(AccountCommand::Inviting), Awaited::Invitation(waiting));
                return Ok(());
            }
            Some((Answer::Cancel, _)) => {
                link.reply(&request.asked.result(Some(stage(node, &session, "canceled"))));
                return Ok(());
            }
            Some((Answer::Submit, form)) => read(form, &mut invitation)?,
        }
    }
    let token = link.token();
    let id = InvitationId::of(&token);
    let to = match node {
        INVITE => InvitedTo::Meet(client.account.clone()),
        _ => InvitedTo::Register(invitation.name.clone()),
    };
    let made = Made { node, session, link: InviteLink { to, token }, until_ms: invitation.until_ms };
    let command = AccountCommand::Invite(id, invitation);
    link.ask(Command::Account(command), Awaited::Invitation(Waiting::Made(request.asked, Box::new(made))));
    Ok(())
}

/// What the form of [`CREATE`] says.
fn read(form: &Element, invitation: &mut Invitation) -> Result<(), StanzaError> {
    invitation.contact = false;
    let bad = || StanzaError::BAD_REQUEST.with_condition("bad-payload", ns::COMMANDS);
    for (var, values) in data::fields(form) {
        let value = values.first().map_or("", |value| value.trim());
        match var {
            "username" if !value.is_empty() => {
                invitation.name = Some(AccountName::new(value).map_err(|error| bad().text(error.to_string()))?);
            }
            "roster-subscription" => invitation.contact = data::as_boolean(&values).ok_or_else(bad)?,
            _ => {}
        }
    }
    Ok(())
}

/// `<command/>` at a stage.
fn stage(node: &str, session: &str, status: &str) -> Element {
    Element::new("command", ns::COMMANDS).attr("node", node).attr("sessionid", session).attr("status", status)
}

/// A request for presence that shows an invitation.
pub(crate) fn on_subscribe(link: &mut Link, asked: Asked, inviter: AccountName, preauth: &Element, request: Bytes) {
    let id = InvitationId::of(preauth.get_attr("token").unwrap_or_default());
    let meet = Command::Account(AccountCommand::Meet(inviter.clone(), id));
    link.ask_and_hold(meet, Awaited::Invitation(Waiting::Meet(asked, inviter, request)));
}

/// The core's answer.
pub(crate) fn on_answer(link: &mut Link, waiting: Waiting, answer: Result<Reply, Refusal>) {
    match (waiting, answer) {
        (Waiting::List(asked), Ok(Reply::Account(AccountReply::Inviting(may)))) => {
            let nodes: &[&str] = match may {
                Inviting::Nobody => &[],
                Inviting::Contacts => &[INVITE],
                Inviting::Anybody => &[INVITE, CREATE],
            };
            let server = link.domains.server.clone();
            let item = |node: &&str| {
                let item = Element::new("item", ns::DISCO_ITEMS).attr("jid", server.as_str());
                item.attr("node", *node).attr("name", name_of(node))
            };
            let query =
                Element::new("query", ns::DISCO_ITEMS).attr("node", ns::COMMANDS).children(nodes.iter().map(item));
            link.send(&asked.result(Some(query)));
        }
        (Waiting::Form(asked, session), Ok(Reply::Account(AccountReply::Inviting(Inviting::Anybody)))) => {
            let actions = Element::new("actions", ns::COMMANDS).attr("execute", "complete");
            let actions = actions.child(Element::new("complete", ns::COMMANDS));
            let form = data::form("form", CREATE)
                .child(data::field("username", "text-single", "Name, or nothing for one of their choice", ""))
                .child(data::boolean("roster-subscription", "Become contacts", true));
            link.send(&asked.result(Some(stage(CREATE, &session, "executing").child(actions).child(form))));
        }
        (Waiting::Made(asked, made), Ok(_)) => {
            let page = link.config.pages.as_ref().map(|base| made.link.page(base));
            let form = data::form("result", INVITATION)
                .child(data::field("uri", "text-single", "", &made.link.uri(&link.domains.server)))
                .maybe_child(page.map(|page| data::field("landing-url", "text-single", "", &page)))
                .child(data::field("expire", "text-single", "", &datetime::format(made.until_ms)));
            link.send(&asked.result(Some(stage(made.node, &made.session, "completed").child(form))));
        }
        (Waiting::Meet(..), Ok(_)) => {}
        // The invitation says nothing: they are asked as by anybody.
        (Waiting::Meet(asked, inviter, request), Err(_)) => {
            let step = Command::Subscription(inviter, SubscriptionStep::Subscribe, request);
            link.ask(step, Awaited::Step(asked));
        }
        (Waiting::List(asked) | Waiting::Form(asked, _) | Waiting::Made(asked, _), answer) => {
            let error = answer.err().map_or(StanzaError::FORBIDDEN, StanzaError::from);
            link.send(&asked.error(error));
        }
    }
}
