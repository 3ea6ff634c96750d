//! What comes in from other servers and components: to whose machine a stanza goes, and when somebody is gone.

use super::super::element::Element;
use super::super::error::StanzaError;
use super::super::jid::Address;
use super::super::pending::Asked as Sender;
use super::super::xml::LIMITS;
use super::super::{muc, ns};
use super::person::{Person, Stage, Step};
use super::stream::domain_of;
use super::{ConnectionId, Hub, Output, Waiting, parse};
use crate::abroad::{AbroadCommand, Remote};
use crate::event::Event;
use crate::render::Renders;
use bytes::Bytes;
use std::sync::Arc;

impl Hub {
    pub(super) fn remote_of(&self, address: &str) -> Option<Remote> {
        match self.domains.parse(address) {
            Ok(Address::Account(account, resource)) if account.is_remote() => Some(Remote { account, resource }),
            Ok(
                Address::Account(..)
                | Address::Server
                | Address::Rooms
                | Address::Room(_)
                | Address::Occupant(..)
                | Address::Guest(_)
                | Address::Foreign,
            )
            | Err(_) => None,
        }
    }

    /// A stanza from somebody whose domain has been proven.
    pub(super) fn on_stanza(&mut self, by: Option<ConnectionId>, stanza: Element) {
        let (Some(from), Some(to)) = (stanza.get_attr("from"), stanza.get_attr("to")) else { return };
        let Some(domain) = domain_of(to) else { return };
        let Some(remote) = self.remote_of(from) else {
            let malformed = Sender::of(&stanza).error(StanzaError::JID_MALFORMED).attr("to", from);
            return if let Some(id) = by {
                self.send_over(id, &malformed)
            };
        };
        if !self.domains.are(&domain) {
            return self.on_stanza_between(by, stanza, &domain);
        }
        if stanza.get_attr("type") == Some("error") && domain == self.domains.rooms && muc::leave::is_end(&stanza) {
            // XEP-0045 section 7.14: who cannot be reached is no occupant.
            return self.expel(&remote);
        }
        if stanza.name == "presence" && stanza.get_attr("type") == Some("probe") {
            match self.domains.parse(to) {
                Ok(Address::Account(account, _)) => {
                    self.ask(AbroadCommand::Probe(remote, account), Waiting::Nobody);
                    return;
                }
                Ok(Address::Room(_) | Address::Occupant(..)) => {}
                Ok(Address::Server | Address::Rooms | Address::Guest(_) | Address::Foreign) | Err(_) => return,
            }
        }
        if self.takes_capabilities(&remote, &stanza) {
            return;
        }
        if stanza.name == "presence" {
            let to = to.to_owned();
            self.note_interest(&remote, &to, &stanza);
        }
        if stanza.to_stanza().len() > LIMITS.stanza_bytes {
            let large = StanzaError::POLICY_VIOLATION.text("the stanza is too large");
            let answer = Sender::of(&stanza).error(large).attr("to", from);
            return if stanza.get_attr("type") != Some("error") {
                self.send(answer)
            };
        }
        self.hear(&remote, stanza, false);
    }

    /// A component says something to somebody who is not of this mesh: another component, or nobody.
    pub(super) fn on_stanza_between(&mut self, by: Option<ConnectionId>, stanza: Element, domain: &str) {
        if let Some((id, _)) = self.components.get(domain) {
            let id = *id;
            return self.send_over(id, &stanza);
        }
        let kind = stanza.get_attr("type").unwrap_or_default();
        if let (Some(id), Some(from)) = (by, stanza.get_attr("from"))
            && !matches!(kind, "error" | "result")
        {
            let answer = Sender::of(&stanza).error(StanzaError::REMOTE_SERVER_NOT_FOUND).attr("to", from);
            self.send_over(id, &answer);
        }
    }

    /// Gives a stanza to the machine of who says it.
    pub(super) fn hear(&mut self, remote: &Remote, stanza: Element, checked: bool) {
        if self.people.get(remote).is_none() {
            self.seed = self.seed.wrapping_add(1);
            let (now, config, seed) = (self.now, &self.config, self.seed);
            if !self.people.insert(remote, || Person::new(now, config, remote, seed)) {
                return self.refuse(&stanza);
            }
        }
        let Some(person) = self.people.get_mut(remote) else { return };
        if person.push(stanza.clone(), checked) {
            self.go_on(remote);
        } else {
            self.refuse(&stanza);
        }
    }

    /// Too much is going on for somebody.
    fn refuse(&mut self, stanza: &Element) {
        let kind = stanza.get_attr("type").unwrap_or_default();
        if let Some(from) = stanza.get_attr("from").filter(|_| !matches!(kind, "error" | "result")) {
            let answer = Sender::of(stanza).error(StanzaError::RESOURCE_CONSTRAINT).attr("to", from);
            self.send(answer);
        }
    }

    /// Handles what somebody has said, as far as nothing must be waited for.
    pub(super) fn go_on(&mut self, remote: &Remote) {
        loop {
            let Some(person) = self.people.get_mut(remote) else { return };
            match person.step(self.now) {
                Step::Handled => {
                    if self.drain_person(remote).is_none() {
                        return;
                    }
                }
                Step::Wait => break,
                Step::Later(until) => {
                    self.paused.insert((until, remote.clone()));
                    break;
                }
                Step::Ask(stanza) => {
                    person.stage = Stage::Asking;
                    let forward = AbroadCommand::Forward(remote.clone(), Bytes::from(stanza.to_stanza()));
                    self.ask(forward, Waiting::Elsewhere(remote.clone()));
                    return;
                }
                Step::Open => return self.open_person(remote),
            }
        }
        if self.drain_person(remote).is_some() {
            self.end_if_done(remote);
        }
    }

    /// Hands on what somebody's machine wants; `None` when they are gone.
    pub(super) fn drain_person(&mut self, remote: &Remote) -> Option<()> {
        let person = self.people.get_mut(remote)?;
        let stage = person.stage;
        let (commands, said) = person.drain();
        for (id, command) in commands {
            match stage {
                Stage::Open(session) => self.outputs.push_back(Output::Command(session, id, command)),
                Stage::Nowhere | Stage::Asking | Stage::Opening(..) => {
                    let ask = AbroadCommand::Ask(remote.clone(), Box::new(command));
                    self.ask(ask, Waiting::Machine(remote.clone(), id));
                }
            }
        }
        for stanza in said {
            self.send(stanza);
        }
        self.people.get(remote).map(|_| ())
    }

    pub(super) fn end_if_done(&mut self, remote: &Remote) {
        let Some(person) = self.people.get(remote).filter(|person| person.is_done()) else { return };
        let stage = person.stage;
        self.people.remove(remote);
        if let Stage::Open(session) = stage
            && self.sessions.remove(&session).is_some()
        {
            self.outputs.push_back(Output::Closed(session, String::new()));
        }
    }

    /// Ends somebody's session: their places in rooms end with it.
    pub(super) fn expel(&mut self, remote: &Remote) {
        let Some(person) = self.people.remove(remote) else { return };
        for (room, place) in &person.client.rooms {
            let gone = Element::new("presence", ns::CLIENT)
                .attr("from", self.domains.occupant(room, &place.nick))
                .attr("to", person.client.full.as_str())
                .attr("type", "unavailable")
                .child(out_of_room());
            self.send(gone);
        }
        if let Stage::Open(session) | Stage::Opening(session, _) = person.stage
            && self.sessions.remove(&session).is_some()
        {
            self.outputs.push_back(Output::Closed(session, "Their server is out of reach".to_owned()));
        }
    }

    pub(super) fn expel_domain(&mut self, domain: &str) {
        let there = self.people.of_domain(domain);
        for remote in there {
            self.expel(&remote);
        }
    }

    pub(super) fn on_person_event(&mut self, remote: &Remote, event: &Arc<Event>, renders: &mut Renders) {
        if let Event::Forwarded(bytes) = event.as_ref() {
            if let Some(stanza) = parse(bytes) {
                self.hear(remote, stanza, true);
            }
            return;
        }
        let Some(person) = self.people.get_mut(remote) else { return };
        person.on_event(self.now, event, renders);
        self.go_on(remote);
    }
}

/// XEP-0045 section 7.14: the room is out of reach for them.
fn out_of_room() -> Element {
    let item = Element::new("item", ns::MUC_USER).attr("affiliation", "none").attr("role", "none");
    let status = |code: &str| Element::new("status", ns::MUC_USER).attr("code", code);
    Element::new("x", ns::MUC_USER).child(item).child(status("110")).child(status("332"))
}
