//! The hub's connections: how they begin and end, and what their streams want.

use super::super::bind;
use super::super::error::{StanzaError, StreamError};
use super::person::{LOG_IN, OPEN};
use super::stream::{Did, Pair, Role, Shown, Stream};
use super::{COMPONENT_RESOURCE, ConnectionId, Hub, Output, Owner, PeerTls, SessionIndex};
use crate::command::{Command, CommandId, Open, Refusal, Reply};
use lavina_crdt::names::AccountName;
use std::sync::Arc;

impl Hub {
    pub(super) fn fresh_connection(&mut self) -> ConnectionId {
        self.next_connection += 1;
        self.next_connection
    }

    pub(super) fn begin(&mut self, id: ConnectionId, role: Role, tls: Option<PeerTls>) {
        let seed = blake3::Hasher::new_derive_key("lavina 1 link")
            .update(&self.seed.to_be_bytes())
            .update(&id.to_be_bytes())
            .finalize();
        let stream = Stream::new(self.now, Arc::clone(&self.federation), role, tls, *seed.as_bytes());
        self.streams.insert(id, stream);
        self.drain_stream(id);
    }

    pub(super) fn close(&mut self, id: ConnectionId, error: StreamError) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.fail(error);
            self.drain_stream(id);
        }
    }

    /// Does what a stream wants.
    pub(super) fn drain_stream(&mut self, id: ConnectionId) {
        while let Some(did) = self.streams.get_mut(&id).and_then(Stream::poll) {
            match did {
                Did::Send(bytes) => self.outputs.push_back(Output::Send(id, bytes)),
                Did::StartTls => {
                    let domain = self.streams.get(&id).and_then(Stream::pair).map(|pair| pair.remote.clone());
                    self.outputs.push_back(Output::StartTls(id, domain));
                }
                Did::Ready(pair) => self.on_ready(id, &pair),
                Did::Proven(pair) => self.on_proven(id, pair),
                Did::Stanza(stanza) => self.on_stanza(Some(id), stanza),
                Did::Ask(shown) => self.verify(id, shown),
                Did::Answer(shown, is_valid) => self.on_verified(id, &shown, is_valid),
                Did::Over(reason) => {
                    let Some(stream) = self.streams.remove(&id) else { return };
                    self.outputs.push_back(Output::Close(id, reason));
                    self.on_lost(id, &stream.role, &StanzaError::REMOTE_SERVER_TIMEOUT.text(reason));
                    return;
                }
            }
        }
    }

    /// A connection is gone, or does not come.
    pub(super) fn on_lost(&mut self, id: ConnectionId, role: &Role, error: &StanzaError) {
        if let Role::Verify(shown) = role {
            self.on_verified(id, shown, false);
        }
        for pair in self.routes.close(id) {
            self.on_unreachable(&pair, error);
        }
        if let Role::Component = role {
            let gone: Vec<String> =
                self.components.iter().filter(|(_, (of, _))| *of == id).map(|(domain, _)| domain.clone()).collect();
            for domain in gone {
                let Some((_, session)) = self.components.remove(&domain) else { continue };
                if self.sessions.remove(&session).is_some() {
                    self.outputs.push_back(Output::Closed(session, "The component is gone".to_owned()));
                }
                self.expel_domain(&domain);
            }
        }
    }

    pub(super) fn on_unreachable(&mut self, pair: &Pair, error: &StanzaError) {
        for stanza in self.routes.fail(self.now.mono_us, pair, error) {
            self.bounce(&stanza, error.clone());
        }
    }

    /// Stanzas may go out for the pair.
    pub(super) fn on_ready(&mut self, id: ConnectionId, pair: &Pair) {
        let is_component = self.streams.get(&id).is_some_and(|stream| stream.role == Role::Component);
        if !is_component {
            for stanza in self.routes.open(pair, id) {
                self.send_over(id, &stanza);
            }
        }
    }

    /// Somebody has proven who they are: a component is there for all nodes.
    pub(super) fn on_proven(&mut self, id: ConnectionId, pair: Pair) {
        if self.streams.get(&id).is_none_or(|stream| stream.role != Role::Component) {
            return;
        }
        let Ok(account) = AccountName::remote(None, &pair.remote) else { return };
        if let Some((old, _)) = self.components.get(&pair.remote) {
            // XEP-0114 knows no two of one domain: who comes later has it.
            self.close(*old, StreamError::new("conflict"));
        }
        let session = self.open_session(Owner::Component(id), &pair.remote);
        self.components.insert(pair.remote, (id, session));
        self.outputs.push_back(Output::Command(session, LOG_IN, Command::LogIn(account.clone())));
        self.open_component(session, &account, 0);
    }

    /// Opens a component's session under a name that may be free.
    fn open_component(&mut self, session: SessionIndex, account: &AccountName, tried: u8) {
        let Some(nick) = bind::nick_for(account, tried).filter(|_| tried <= bind::NICKS_MAX) else { return };
        let open = Open {
            nick,
            user: COMPONENT_RESOURCE.to_owned(),
            realname: account.to_string(),
            resource: Some(COMPONENT_RESOURCE.to_owned()),
            available: false,
        };
        let id = CommandId(OPEN.0 + u64::from(tried));
        self.outputs.push_back(Output::Command(session, id, Command::Open(open)));
    }

    /// The core's answer to a component's session.
    pub(super) fn on_component_session(
        &mut self,
        session: SessionIndex,
        id: CommandId,
        answer: &Result<Reply, Refusal>,
    ) {
        let domain = self.components.iter().find(|(_, (_, of))| *of == session).map(|(domain, _)| domain.clone());
        let account = domain.and_then(|domain| AccountName::remote(None, &domain).ok());
        let tried = u8::try_from(id.0.wrapping_sub(OPEN.0)).ok();
        if let (Some(account), Some(tried), Err(Refusal::NickInUse)) = (account, tried, answer) {
            self.open_component(session, &account, tried + 1);
        }
    }

    /// A key that was shown on a stream is to be shown to the server that it claims to be of.
    pub(super) fn verify(&mut self, asker: ConnectionId, shown: Shown) {
        let id = self.fresh_connection();
        self.verifying.insert(id, asker);
        self.outputs.push_back(Output::Connect(id, shown.pair.remote.clone()));
        self.connecting.insert(id, Role::Verify(shown));
    }

    pub(super) fn on_verified(&mut self, id: ConnectionId, shown: &Shown, is_valid: bool) {
        let Some(asker) = self.verifying.remove(&id) else { return };
        if let Some(stream) = self.streams.get_mut(&asker) {
            stream.on_verified(self.now, shown, is_valid);
            self.drain_stream(asker);
        }
    }
}
