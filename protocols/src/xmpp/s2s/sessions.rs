//! The hub's sessions in the core: the gateway's, and those of people with places in rooms.

use super::super::bind;
use super::super::pending::Asked as Sender;
use super::person::{LOG_IN, OPEN, Stage};
use super::{Hub, Output, Owner, SessionIndex, Waiting};
use crate::abroad::{AbroadCommand, Remote};
use crate::command::{Command, CommandId, Refusal, Reply};

impl Hub {
    pub(super) fn open_session(&mut self, owner: Owner, host: &str) -> SessionIndex {
        let session = self.next_session;
        self.next_session += 1;
        self.sessions.insert(session, owner);
        self.outputs.push_back(Output::Opened(session, host.to_owned()));
        session
    }

    pub(super) fn open_gateway(&mut self) {
        let host = self.domains.server.clone();
        self.gateway = self.open_session(Owner::Gateway, &host);
        self.ask(AbroadCommand::Open, Waiting::Nobody);
    }

    /// Asks the core something through the gateway.
    pub(super) fn ask(&mut self, command: AbroadCommand, waiting: Waiting) {
        self.next_command += 1;
        let id = CommandId(self.next_command);
        self.waiting.insert(id, waiting);
        self.outputs.push_back(Output::Command(self.gateway, id, Command::Abroad(command)));
    }

    pub(super) fn on_gateway_answer(&mut self, id: CommandId, answer: Result<Reply, Refusal>) {
        match self.waiting.remove(&id) {
            Some(Waiting::Machine(remote, id)) => {
                if let Some(person) = self.people.get_mut(&remote) {
                    person.on_answer(self.now, id, answer);
                    self.go_on(&remote);
                }
            }
            Some(Waiting::Elsewhere(remote)) => {
                if let Some(person) = self.people.get_mut(&remote) {
                    person.stage = Stage::Nowhere;
                    if answer.is_ok() {
                        person.pop();
                    } else {
                        person.check();
                    }
                    self.go_on(&remote);
                }
            }
            Some(Waiting::Component(pair)) => self.on_component_answer(&pair, answer.is_ok()),
            Some(Waiting::Latest(remote)) => self.on_latest(&remote, answer),
            Some(Waiting::Nobody) | None => {}
        }
    }

    pub(super) fn open_person(&mut self, remote: &Remote) {
        let domain = remote.account.domain().unwrap_or_default().to_owned();
        let session = self.open_session(Owner::Person(remote.clone()), &domain);
        let log_in = Command::LogIn(remote.account.clone());
        self.outputs.push_back(Output::Command(session, LOG_IN, log_in));
        self.open_as(remote, session, 0);
    }

    /// Opens somebody's session under a nick that may be free.
    pub(super) fn open_as(&mut self, remote: &Remote, session: SessionIndex, tried: u8) {
        let Some(person) = self.people.get_mut(remote) else { return };
        let open = if tried > bind::NICKS_MAX { None } else { person.open(tried) };
        match open {
            Some(open) => {
                person.stage = Stage::Opening(session, tried);
                self.outputs.push_back(Output::Command(session, OPEN, Command::Open(open)));
            }
            None => self.refuse_person(remote, session, Refusal::NickInUse),
        }
    }

    /// Somebody cannot be let in.
    pub(super) fn refuse_person(&mut self, remote: &Remote, session: SessionIndex, refusal: Refusal) {
        if self.sessions.remove(&session).is_some() {
            self.outputs.push_back(Output::Closed(session, String::new()));
        }
        let Some(person) = self.people.get_mut(remote) else { return };
        person.stage = Stage::Nowhere;
        let (stanza, full) = (person.pop(), person.client.full.clone());
        if let Some(stanza) = stanza {
            self.send(Sender::of(&stanza).error(refusal).attr("to", full));
        }
        self.go_on(remote);
    }

    pub(super) fn on_person_answer(
        &mut self,
        remote: &Remote,
        session: SessionIndex,
        id: CommandId,
        answer: Result<Reply, Refusal>,
    ) {
        let Some(person) = self.people.get_mut(remote) else { return };
        match (id, person.stage, answer) {
            (OPEN, Stage::Opening(..), Ok(Reply::Opened(opened))) => {
                person.client.session = opened.session;
                person.stage = Stage::Open(session);
            }
            (OPEN, Stage::Opening(_, tried), Err(Refusal::NickInUse)) => {
                return self.open_as(remote, session, tried + 1);
            }
            (OPEN, Stage::Opening(..), Err(refusal)) => return self.refuse_person(remote, session, refusal),
            (LOG_IN | OPEN, ..) => return,
            (_, _, answer) => person.on_answer(self.now, id, answer),
        }
        self.go_on(remote);
    }
}
