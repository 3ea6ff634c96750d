//! In-band registration (XEP-0077): new accounts before log-in, and a new password after it.

use super::auth;
use super::client::Client;
use super::element::Element;
use super::error::StanzaError;
use super::iq::Request;
use super::link::Link;
use super::pending::{Asked, Awaited, Pending};
use super::{Session, ns};
use crate::command::{Command, Refusal, Reply};
use crate::sasl::derive_credentials;
use lavina_crdt::account::Credentials;
use lavina_crdt::names::AccountName;

const INSTRUCTIONS: &str = "Choose a name and a password.";

/// A registration that the core is asked for.
#[derive(Debug)]
pub(crate) struct Waiting(Asked);

impl Session {
    /// The stream feature, where accounts can be made and a password would not cross the line in clear.
    pub(super) fn registration_feature(&self) -> Option<Element> {
        self.can_register().then(|| Element::new("register", ns::REGISTER_FEATURE))
    }

    fn can_register(&self) -> bool {
        let safe = self.link.connection.tls.is_some() || self.link.config.plain_without_tls;
        self.link.config.registration && safe
    }

    /// A request before log-in.
    pub(super) fn on_registration(&mut self, iq: &Element) {
        let asked = Asked::of(iq);
        if let Err(error) = self.register(iq, &asked) {
            self.link.reply(&asked.error(error));
        }
    }

    fn register(&mut self, iq: &Element, asked: &Asked) -> Result<(), StanzaError> {
        if !self.can_register() {
            return Err(StanzaError::NOT_ALLOWED);
        }
        let query = iq.get("query", ns::REGISTER).ok_or(StanzaError::BAD_REQUEST)?;
        match iq.get_attr("type") {
            Some("get") => {
                self.link.reply(&asked.result(Some(fields())));
                Ok(())
            }
            Some("set") => {
                let name = query.child_text("username").ok_or(StanzaError::BAD_REQUEST)?;
                let name =
                    AccountName::new(&name).map_err(|error| StanzaError::NOT_ACCEPTABLE.text(error.to_string()))?;
                let credentials = credentials_of(&mut self.link, query)?;
                let pending = Pending::Registration(Waiting(asked.clone()));
                self.link.ask_and_hold(Command::RegisterAccount(name, credentials), pending);
                Ok(())
            }
            Some(_) | None => Err(StanzaError::BAD_REQUEST),
        }
    }

    /// The account is there, or is not.
    pub(super) fn on_registration_answer(&mut self, waiting: Waiting, answer: Result<Reply, Refusal>) {
        match answer {
            Ok(_) => self.link.send(&waiting.0.result(None)),
            Err(refusal) => self.link.send(&waiting.0.error(refusal)),
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

fn fields() -> Element {
    Element::new("query", ns::REGISTER)
        .text_child("instructions", INSTRUCTIONS)
        .child(Element::new("username", ns::REGISTER))
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
