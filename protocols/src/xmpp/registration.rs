//! In-band registration (XEP-0077): new accounts before log-in, by an invitation too (XEP-0445), and a new password after it.

use super::auth;
use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::link::Link;
use super::pending::{Asked, Awaited, Pending};
use super::{Session, ns};
use crate::account::{AccountCommand, AccountReply};
use crate::command::{Command, Refusal, Reply};
use crate::sasl::derive_credentials;
use lavina_crdt::account::Credentials;
use lavina_crdt::invitation::InvitationId;
use lavina_crdt::names::AccountName;

const INSTRUCTIONS: &str = "Choose a name and a password.";
/// How long somebody may take who fills the form in.
const FORM_MS_MAX: u64 = 300_000;

/// What the core is asked for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A registration.
    Account(Asked),
    /// Whether there is such an invitation.
    Invitation(Asked, InvitationId),
}

/// An invitation that a client has shown.
#[derive(Debug)]
pub(super) struct Invited {
    id: InvitationId,
    name: Option<AccountName>,
}

impl Session {
    /// The stream features, where a password would not cross the line in clear. That accounts are made for who is invited only is told once somebody
    /// asks: clients that have an invitation look for both (XEP-0445 section 3).
    pub(super) fn registration_features(&self) -> Vec<Element> {
        if !self.is_safe() {
            return Vec::new();
        }
        vec![Element::new("register", ns::REGISTER_TOKEN), Element::new("register", ns::REGISTER_FEATURE)]
    }

    fn is_safe(&self) -> bool {
        self.link.connection.tls.is_some() || self.link.config.plain_without_tls
    }

    /// A request before log-in.
    pub(super) fn on_registration(&mut self, iq: &Element) {
        let asked = Asked::of(iq);
        let done = match iq.get("preauth", ns::PARS) {
            Some(preauth) => self.show_invitation(iq, preauth, &asked),
            None => self.register(iq, &asked),
        };
        if let Err(error) = done {
            self.link.reply(&asked.error(error));
        }
    }

    /// XEP-0445 section 4.
    fn show_invitation(&mut self, iq: &Element, preauth: &Element, asked: &Asked) -> Result<(), StanzaError> {
        if !self.is_safe() {
            return Err(StanzaError::NOT_ALLOWED);
        }
        let token = preauth.get_attr("token").filter(|_| iq.get_attr("type") == Some("set"));
        let id = InvitationId::of(token.ok_or(StanzaError::BAD_REQUEST)?);
        let pending = Pending::Registration(Waiting::Invitation(asked.clone(), id));
        self.link.ask_and_hold(Command::Account(AccountCommand::Invitation(id)), pending);
        Ok(())
    }

    fn register(&mut self, iq: &Element, asked: &Asked) -> Result<(), StanzaError> {
        if !self.is_safe() {
            return Err(StanzaError::NOT_ALLOWED.text("A password would be read by others on the way: use TLS."));
        }
        if !self.link.config.registration && self.invited.is_none() {
            return Err(StanzaError::NOT_ALLOWED.text("An invitation is needed to register here."));
        }
        self.deadline = self.deadline.max(self.link.now.deadline_ms(FORM_MS_MAX));
        let only = self.invited.as_ref().and_then(|invited| invited.name.clone());
        let query = iq.get("query", ns::REGISTER).ok_or(StanzaError::BAD_REQUEST)?;
        match iq.get_attr("type") {
            Some("get") => {
                self.link.reply(&asked.result(Some(fields(only.as_ref()))));
                Ok(())
            }
            Some("set") => {
                let name = query.child_text("username").ok_or(StanzaError::BAD_REQUEST)?;
                let name =
                    AccountName::new(&name).map_err(|error| StanzaError::NOT_ACCEPTABLE.text(error.to_string()))?;
                if let Some(only) = only.filter(|only| *only != name) {
                    return Err(StanzaError::NOT_ACCEPTABLE.text(format!("The invitation is for {only} only.")));
                }
                let credentials = credentials_of(&mut self.link, query)?;
                let pending = Pending::Registration(Waiting::Account(asked.clone()));
                let invitation = self.invited.as_ref().map(|invited| invited.id);
                self.link.ask_and_hold(Command::RegisterAccount(name, credentials, invitation), pending);
                Ok(())
            }
            Some(_) | None => Err(StanzaError::BAD_REQUEST),
        }
    }

    /// The account is there, or is not; the invitation is good, or is not.
    pub(super) fn on_registration_answer(&mut self, waiting: Waiting, answer: Result<Reply, Refusal>) {
        match (waiting, answer) {
            (Waiting::Invitation(asked, id), Ok(Reply::Account(AccountReply::Invitation(Some(invitation))))) => {
                self.invited = Some(Invited { id, name: invitation.name });
                self.deadline = self.deadline.max(self.link.now.deadline_ms(FORM_MS_MAX));
                self.link.send(&asked.result(None));
                return;
            }
            (Waiting::Invitation(asked, _), answer) => {
                let error = answer.err().filter(|refusal| *refusal == Refusal::Storage).map(StanzaError::from);
                let unknown = || StanzaError::ITEM_NOT_FOUND.text("The invitation is not known, was used or is over.");
                self.link.send(&asked.error(error.unwrap_or_else(unknown)));
            }
            (Waiting::Account(asked), Ok(_)) => {
                self.invited = None;
                self.link.send(&asked.result(None));
            }
            (Waiting::Account(asked), Err(refusal)) => self.link.send(&asked.error(refusal)),
        }
        // Also one that came to something: who wants many accounts connects anew, which is paced elsewhere.
        self.count_attempt();
    }
}

/// A request after log-in: what is registered, or a new password (section 3.3). Accounts are not removed by their clients.
pub(crate) fn on_request(client: &mut Client, link: &mut Link, request: Request) -> Result<(), StanzaError> {
    if !request.set {
        let query = Element::new("query", ns::REGISTER)
            .child(Element::new("registered", ns::REGISTER))
            .text_child("username", client.account.as_str());
        link.reply(&request.asked.result(Some(query)));
        return Ok(());
    }
    if request.payload.get("remove", ns::REGISTER).is_some() {
        return Err(StanzaError::NOT_ALLOWED);
    }
    let name = request.payload.child_text("username").and_then(|name| AccountName::new(&name).ok());
    if name.as_ref() != Some(&client.account) {
        return Err(StanzaError::BAD_REQUEST);
    }
    let credentials = credentials_of(link, &request.payload)?;
    link.ask(Command::SetCredentials(credentials), Awaited::Done(request.asked));
    Ok(())
}

/// The form; with the name where only that can be registered.
fn fields(name: Option<&AccountName>) -> Element {
    let username = Element::new("username", ns::REGISTER);
    Element::new("query", ns::REGISTER)
        .text_child("instructions", INSTRUCTIONS)
        .child(match name {
            Some(name) => username.text(name.as_str()),
            None => username,
        })
        .child(Element::new("password", ns::REGISTER))
}

fn credentials_of(link: &mut Link, query: &Element) -> Result<Credentials, StanzaError> {
    let password = query.child_text("password").ok_or(StanzaError::BAD_REQUEST)?;
    let mut salt = [0; auth::SALT_BYTES];
    for (byte, random) in salt.iter_mut().zip(link.random()) {
        *byte = random;
    }
    derive_credentials(&password, salt).map_err(|error| StanzaError::NOT_ACCEPTABLE.text(error.to_string()))
}
