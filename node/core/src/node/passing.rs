//! What is said and kept nowhere: signs of writing. It goes from session to session as signals do, best effort, and no node stores it.

use super::Node;
use crate::replica::Message;
use crate::said::said;
use crate::signal::Signal;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, Content};
use lavina_crdt::ids::{OrderKey, Scope, SessionId};
use lavina_crdt::names::AccountName;
use lavina_crdt::room::{Rank, Right};
use lavina_protocols::command::{Refusal, Reply};
use std::collections::BTreeMap;
use std::sync::Arc;

impl<S: Store> Node<S> {
    /// Says something in passing; the author's right to speak is checked.
    pub(super) fn say_in_passing(
        &mut self,
        now: Now,
        scope: Scope,
        author: Author,
        content: Content,
    ) -> Result<Reply, Refusal> {
        // A stamp is never used twice, so no entry has this id.
        let key = OrderKey { hlc: self.replicas.stamp(now), origin: self.replicas.origin(), seq: 0 };
        // What is not for everybody does not say so on its way, so it stays here.
        let others = if content.least == Rank::None { self.passing_receivers(&scope) } else { Vec::new() };
        for to in others {
            let (scope, author, content) = (scope.clone(), Box::new(author.clone()), Box::new(content.clone()));
            self.signal(now, to, &Signal::Passing { scope, key, author, content });
        }
        let message = Message { scope, key, author: Arc::new(author), content: Arc::new(content), redacted: None };
        let via = message.content.via_room.clone();
        let said = said(message, false, |who| self.nick_of(who, via.as_ref())).map(Arc::new);
        let said = said.ok_or(Refusal::NoSuchNick)?;
        self.deliver_said(&said);
        Ok(Reply::Said(said))
    }

    /// One session on each other node that has somebody it is for.
    fn passing_receivers(&self, scope: &Scope) -> Vec<SessionId> {
        let me = self.me();
        let mut first: BTreeMap<_, SessionId> = BTreeMap::new();
        let mut add = |session: SessionId| {
            if session.node != me {
                first.entry(session.node).or_insert(session);
            }
        };
        match scope {
            Scope::Room(room) => {
                let occupants = self.people.occupants(room).into_iter().flat_map(|occupants| occupants.values());
                occupants.flatten().for_each(|session| add(*session));
            }
            Scope::Direct(one, other) => {
                for who in [one, other] {
                    self.people.directory().sessions_of_principal(who).into_iter().for_each(&mut add);
                }
            }
            Scope::Mesh | Scope::Account(_) => {}
        }
        first.into_values().collect()
    }

    /// Another node's session says something in passing: shown when it is there and has the right.
    pub(super) fn on_passing(&mut self, scope: &Scope, key: OrderKey, author: &Author, content: &Content) {
        // Who writes from another server without being in a room has no session; the node that says so vouches for them, as for its sessions.
        let is_from_abroad =
            author.account.as_ref().is_some_and(AccountName::is_remote) && self.people.get(author.session).is_none();
        let known = is_from_abroad || self.people.principal(author.session) == Some(author.principal());
        let may = match scope {
            Scope::Room(room) => {
                let present = self.people.get(author.session).is_some_and(|record| record.rooms.contains_key(room));
                self.room_state(room).allows(author, &Right::Speak { present, is_request: false }).is_ok()
            }
            Scope::Direct(one, other) => [one, other].contains(&&author.principal()),
            Scope::Mesh | Scope::Account(_) => false,
        };
        if !known || !may || author.session.node == self.me() {
            // Said by a session of this node it has been shown already.
            return;
        }
        let (author, content) = (Arc::new(author.clone()), Arc::new(content.clone()));
        let message = Message { scope: scope.clone(), key, author, content, redacted: None };
        let via = message.content.via_room.clone();
        if let Some(said) = said(message, false, |who| self.nick_of(who, via.as_ref())) {
            self.deliver_said(&Arc::new(said));
        }
    }
}
