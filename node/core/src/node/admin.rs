//! What an operator asks of the node.

use super::{AdminCommand, AdminReply, Node, Output, Status};
use crate::store::Store;
use lavina_crdt::account::{AccountCreate, Credentials};
use lavina_crdt::clock::Now;
use lavina_crdt::entry::Body;
use lavina_crdt::ids::Scope;
use lavina_crdt::mesh::MeshAct;
use lavina_crdt::names::AccountName;
use lavina_protocols::command::Refusal;
use lavina_protocols::event::Event;

impl<S: Store> Node<S> {
    pub(super) fn on_admin(&mut self, now: Now, id: u64, command: AdminCommand) {
        let written = match command {
            AdminCommand::AccountAdd(account, credentials) => self.add_account(now, account, credentials),
            AdminCommand::Admit(admission) => self.write(now, Scope::Mesh, Body::Mesh(MeshAct::Admit(admission))),
            AdminCommand::Revoke(node, signature) => {
                self.write(now, Scope::Mesh, Body::Mesh(MeshAct::Revoke { node, signature }))
            }
            AdminCommand::SetDraining(node, on) => {
                self.write(now, Scope::Mesh, Body::Mesh(MeshAct::Drain { node, on }))
            }
            AdminCommand::FenceRows(node) => {
                let rows = self.replicas.fence_rows(node);
                let answer = rows.map(AdminReply::FenceRows).map_err(|_| Refusal::Storage);
                self.out.push_back(Output::AdminAnswer(id, answer));
                return;
            }
            AdminCommand::Fence(fence) => self.write(now, Scope::Mesh, Body::Mesh(MeshAct::Fence(fence))),
            AdminCommand::ClientsAt(address) => self.say_where_clients_are(now, address),
            AdminCommand::Invite(which, invitation) => self.put_invitation(now, None, which, invitation),
            AdminCommand::Invitations => {
                let made = AdminReply::Invitations(self.invitations_made());
                self.out.push_back(Output::AdminAnswer(id, Ok(made)));
                return;
            }
            AdminCommand::Status => {
                let status = AdminReply::Status(Box::new(self.status()));
                self.out.push_back(Output::AdminAnswer(id, Ok(status)));
                return;
            }
            AdminCommand::Reloaded { operators, told, words } => {
                self.operators = operators.unwrap_or_else(|| std::mem::take(&mut self.operators));
                self.sessions.deliver(told.into_iter().collect(), Event::Notice(words), &mut self.out);
                Ok(())
            }
            AdminCommand::Drain => {
                self.drain(now);
                Ok(())
            }
        };
        match written {
            Ok(()) => self.admins_waiting.push_back((self.writes.newest, id)),
            Err(refusal) => self.out.push_back(Output::AdminAnswer(id, Err(refusal))),
        }
        self.answer_admins();
    }

    fn say_where_clients_are(&mut self, now: Now, address: Option<String>) -> Result<(), Refusal> {
        if self.replicas.mesh().clients_at(self.me()) == address.as_deref() {
            return Ok(());
        }
        self.write(now, Scope::Mesh, Body::Mesh(MeshAct::ClientsAt(address)))
    }

    fn add_account(&mut self, now: Now, name: AccountName, credentials: Credentials) -> Result<(), Refusal> {
        if self.replicas.account(&name).is_some() {
            return Err(Refusal::AccountExists);
        }
        if self.replicas.mesh().invitations().keep(&name, None, now.wall_ms) {
            return Err(Refusal::Barred(format!("{name} is kept for who is invited")));
        }
        let create = AccountCreate { name: name.clone(), credentials };
        self.write(now, Scope::Account(name), Body::AccountCreate(create))
    }

    /// Appends an entry of the node itself.
    fn write(&mut self, now: Now, scope: Scope, body: Body) -> Result<(), Refusal> {
        let appended = self.append(now, scope, None, body)?;
        self.on_effects(now, appended.effects);
        Ok(())
    }

    /// Answers operators whose writes are durable.
    pub(super) fn answer_admins(&mut self) {
        let persisted = self.writes.persisted;
        while self.admins_waiting.front().is_some_and(|(batch, _)| *batch <= persisted) {
            if let Some((_, id)) = self.admins_waiting.pop_front() {
                self.out.push_back(Output::AdminAnswer(id, Ok(AdminReply::Done)));
            }
        }
    }

    fn status(&self) -> Status {
        let peers = self.gossip.peers();
        let peers = peers.into_iter().map(|peer| (self.node_name(peer.node).to_string(), peer)).collect();
        let mut counters: Vec<(&'static str, u64)> =
            self.counters.iter().map(|(name, count)| (*name, *count)).collect();
        let replicas = self.replicas.counters();
        counters.extend([
            ("entries_appended", replicas.entries_appended),
            ("entries_received", replicas.entries_received),
            ("entry_bytes_received", replicas.entry_bytes_received),
            ("entries_held", replicas.entries_held),
            ("entries_forced", replicas.entries_forced),
            ("entries_denied", replicas.entries_denied),
            ("rooms_loaded", self.replicas.rooms_loaded() as u64),
            ("runs_known", replicas.runs_known),
            ("runs_gap", replicas.runs_gap),
            ("runs_ahead", replicas.runs_ahead),
            ("runs_unadmitted", replicas.runs_unadmitted),
            ("runs_unstored", replicas.runs_unstored),
            ("runs_faulty", replicas.runs_faulty),
            ("runs_void", replicas.runs_void),
            ("quarantines", replicas.quarantines),
            ("rooms_let_go", replicas.rooms_let_go),
        ]);
        let gossip = self.gossip.counters();
        counters.extend([
            ("entries_pushed_far", gossip.entries_pushed_far),
            ("entries_pushed_near", gossip.entries_pushed_near),
            ("entries_synced", gossip.entries_synced),
            ("entries_resent", gossip.entries_resent),
            ("entries_entered", gossip.entries_entered),
            ("gateway_retries", gossip.gateway_retries),
            ("frames_refused", gossip.frames_refused),
            ("entries_unplaced", gossip.entries_unplaced),
            ("rooms_fetched", gossip.rooms_fetched),
            ("fetches_failed", gossip.fetches_failed),
            ("rooms_handed_over", gossip.rooms_handed_over),
            ("pushes_withheld", gossip.pushes_withheld),
            ("datagrams_dropped", gossip.datagrams_dropped),
            ("signals_dropped", gossip.signals_dropped),
            ("tables_overflowed", gossip.tables_overflowed),
        ]);
        let digest = self.replicas.digest().0.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        Status {
            peers,
            rooms: self.replicas.rooms().len(),
            rooms_thin: self.gossip.thin(),
            draining: self.replicas.mesh().is_draining(self.me()),
            rooms_to_hand_over: self.gossip.to_hand_over(),
            sessions: self.sessions.len(),
            scopes: self.replicas.vectors().count(),
            entries: self.replicas.entries(),
            digest,
            store_error: self.writes.failing.as_ref().map(ToString::to_string),
            counters,
        }
    }
}
