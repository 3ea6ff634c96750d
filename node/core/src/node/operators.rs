//! Operators of the mesh: who is one, and what they do to people on any node.
//!
//! A node's configuration names its operators; their sessions carry the mode in presence, so that every node knows them. What an operator does
//! reaches another node as a signal of the operator's home node, and counts there when presence says that the session is one.

use super::commands::Asker;
use super::presence::Why;
use super::{Node, Output, SessionNumber};
use crate::farewells;
use crate::signal::Signal;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::Author;
use lavina_crdt::ids::SessionId;
use lavina_crdt::modes::{UserMode, UserModes};
use lavina_crdt::names::Nick;
use lavina_crdt::presence::SessionRecord;
use lavina_protocols::command::{Refusal, Reply};
use lavina_protocols::event::{CloseReason, Event};
use lavina_protocols::operator::{NodeSummary, Operator, OperatorCommand, OperatorReply};
use std::collections::BTreeMap;

impl<S: Store> Node<S> {
    pub(super) fn operator_command(
        &mut self,
        now: Now,
        asker: &Asker,
        command: OperatorCommand,
    ) -> Result<Reply, Refusal> {
        let is_open_to_all = matches!(
            command,
            OperatorCommand::LookUp(_)
                | OperatorCommand::Become(_)
                | OperatorCommand::Nodes
                | OperatorCommand::Report { .. }
        );
        if !is_open_to_all && !asker.record.modes.has(UserMode::Operator) {
            return Err(Refusal::NotOperator);
        }
        let reply = match command {
            OperatorCommand::LookUp(name) => OperatorReply::Operator(self.operator(&name).cloned()),
            OperatorCommand::Become(name) => self.become_operator(now, asker, &name)?,
            OperatorCommand::Resign => {
                self.set_modes(now, asker, &[(UserMode::Operator, false)])?;
                OperatorReply::Done
            }
            OperatorCommand::Kill { nick, reason } => self.kill(now, asker, &nick, &reason)?,
            OperatorCommand::Wallops(text) => self.wallops(now, asker, text),
            OperatorCommand::Bar(target, bar) => self.bar(now, asker, target, bar)?,
            OperatorCommand::Bars => OperatorReply::Bars(self.bars(now)),
            OperatorCommand::Reload => {
                self.out.push_back(Output::Reload(asker.number));
                OperatorReply::Done
            }
            OperatorCommand::Operators => OperatorReply::Operators(self.operators.clone()),
            OperatorCommand::Report { whom, about } => self.report(now, asker, &whom, &about)?,
            OperatorCommand::Nodes => OperatorReply::Nodes(self.node_summaries()),
        };
        Ok(Reply::Operator(reply))
    }

    fn operator(&self, name: &str) -> Option<&Operator> {
        self.operators.iter().find(|operator| operator.name == name)
    }

    fn become_operator(&mut self, now: Now, asker: &Asker, name: &str) -> Result<OperatorReply, Refusal> {
        let operator = self.operator(name).ok_or(Refusal::NotOperator)?;
        if operator.account.is_some() && operator.account != asker.record.account {
            return Err(Refusal::NotOperator);
        }
        let name = operator.name.clone();
        if let Some(session) = self.sessions.get_mut(asker.number) {
            session.operator = Some(name);
        }
        let why = Why { actor: Some(asker.number), ..Why::default() };
        self.change_own(now, asker.session, &why, |record| record.modes = record.modes.set(UserMode::Operator, true));
        self.count("operators_made");
        self.tell_reports(now, asker.number);
        Ok(OperatorReply::Done)
    }

    /// Switches a session's own modes. Gives those before and after.
    pub(super) fn set_modes(
        &mut self,
        now: Now,
        asker: &Asker,
        changes: &[(UserMode, bool)],
    ) -> Result<(UserModes, UserModes), Refusal> {
        let old = asker.record.modes;
        let allowed = changes.iter().filter(|(mode, on)| *mode != UserMode::Operator || !on);
        let new = allowed.fold(old, |modes, (mode, on)| modes.set(*mode, *on));
        if !new.has(UserMode::Operator)
            && let Some(session) = self.sessions.get_mut(asker.number)
        {
            session.operator = None;
        }
        if new != old {
            let why = Why { actor: Some(asker.number), ..Why::default() };
            self.change_own(now, asker.session, &why, |record| record.modes = new);
        }
        Ok((old, new))
    }

    /// The name of an own session's operator.
    pub(super) fn operator_name(&self, number: SessionNumber, record: &SessionRecord) -> String {
        let name = self.sessions.get(number).and_then(|session| session.operator.clone());
        name.unwrap_or_else(|| record.nick.to_string())
    }

    fn kill(&mut self, now: Now, asker: &Asker, nick: &Nick, reason: &str) -> Result<OperatorReply, Refusal> {
        let sessions: Vec<SessionId> = self.people.directory().holders(&nick.key()).collect();
        if sessions.is_empty() {
            return Err(Refusal::NoSuchNick);
        }
        let words = farewells::reason(&format!("Killed ({} ({reason}))", asker.record.nick));
        let by = self.author(asker.session, &asker.record, &asker.record.nick);
        // Whoever is told is to know already that this is an operator.
        self.send_presence_now(now);
        for session in sessions {
            self.count("kills");
            self.signal(now, session, &Signal::Killed { by: by.clone(), words: words.clone() });
        }
        Ok(OperatorReply::Done)
    }

    /// An own session is to end, when who says so is an operator.
    pub(super) fn on_killed(&mut self, now: Now, number: SessionNumber, by: &Author, words: &str) {
        if self.is_operator(by) {
            self.disconnect_with(now, number, CloseReason::Removed, words);
        } else {
            self.count("signals_without_right");
        }
    }

    fn is_operator(&self, author: &Author) -> bool {
        self.people.get(author.session).is_some_and(|record| record.modes.has(UserMode::Operator))
    }

    fn wallops(&mut self, now: Now, asker: &Asker, text: String) -> OperatorReply {
        let by = self.author(asker.session, &asker.record, &asker.record.nick);
        self.send_presence_now(now);
        let signal = Signal::Wallops { by: by.clone(), text: text.clone() };
        for to in self.one_session_of_each_other_node() {
            self.signal(now, to, &signal);
        }
        self.tell_wallops(by, text);
        OperatorReply::Done
    }

    pub(super) fn on_wallops(&mut self, by: &Author, text: &str) {
        if self.is_operator(by) {
            self.tell_wallops(by.clone(), text.to_owned());
        } else {
            self.count("signals_without_right");
        }
    }

    fn tell_wallops(&mut self, by: Author, text: String) {
        let wants = |(_, record): &(SessionId, &std::sync::Arc<SessionRecord>)| record.modes.has(UserMode::Wallops);
        let own = self.people.of_node(self.me()).filter(wants);
        let to: Vec<SessionNumber> = own.filter_map(|(session, _)| self.sessions.number(session)).collect();
        self.sessions.deliver(to, Event::Wallops { by, text }, &mut self.out);
    }

    /// One session of every node besides this one that has any: what is said to it is for the whole node.
    pub(super) fn one_session_of_each_other_node(&self) -> Vec<SessionId> {
        let others = self.names.keys().filter(|node| **node != self.me());
        others.filter_map(|node| self.people.of_node(*node).next()).map(|(session, _)| session).collect()
    }

    fn node_summaries(&self) -> Vec<NodeSummary> {
        let peers: BTreeMap<_, _> = self.gossip.peers().into_iter().map(|peer| (peer.node, peer)).collect();
        let me = self.me();
        let summary = |node| {
            let peer = peers.get(&node);
            let admission = self.replicas.mesh().admission(node);
            let place = admission.map_or(&self.config.place, |admission| &admission.place);
            let sessions = self.people.of_node(node);
            NodeSummary {
                name: self.node_name(node),
                place: (place.region.clone(), place.zone.clone()),
                in_reach: node == me || peer.is_some_and(|peer| peer.in_reach),
                sessions: self.people.of_node(node).count(),
                operators: sessions.filter(|(_, record)| record.modes.has(UserMode::Operator)).count(),
                round_trip_us: peer.and_then(|peer| peer.round_trip_us),
            }
        };
        let others = self.names.keys().copied().filter(|node| *node != me);
        std::iter::once(me).chain(others).map(summary).collect()
    }
}
