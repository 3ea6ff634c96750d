//! A client that could not go on with an earlier session of its account, which another node has or had: that session ends, and what the client says
//! again because it never heard whether it was said there is said once. Whose session it is, and what was said in it, is known from what is
//! replicated; of the session's own state nothing is.

use super::commands::Asker;
use super::{Node, SessionNumber};
use crate::replica::{Message, Query};
use crate::signal::Signal;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Author, Content};
use lavina_crdt::ids::Scope;
use lavina_protocols::account::Left;
use lavina_protocols::command::Refusal;
use lavina_protocols::event::{Event, Said};
use std::sync::Arc;

/// For how long a client may say again what it has said before, milliseconds: it does so as soon as it is connected and in its rooms.
const AGAIN_MS: u64 = 120_000;
/// How old that may be: longer than any session waits for its client.
const AGE_MS_MAX: u64 = 3_600_000;
/// How many messages of a conversation are looked through for it.
const LOOKED_THROUGH_MAX: usize = 512;

impl<S: Store> Node<S> {
    pub(super) fn start_over(&mut self, now: Now, number: SessionNumber, left: Option<Left>) -> Result<(), Refusal> {
        let (account, by) = self.logged_in(number)?;
        if let Some(session) = self.sessions.get_mut(number) {
            session.says_again_until = now.deadline_ms(AGAIN_MS);
        }
        let Some(left) = left else { return Ok(()) };
        let is_own = self.people.get(left.session).is_some_and(|record| record.account.as_ref() == Some(&account));
        if is_own && left.session != self.sessions.id(number) {
            self.signal(now, left.session, &Signal::Abandoned { by, key: left.key, got: left.got });
        }
        Ok(())
    }

    /// A client has left a session here; the session knows whether it is the one meant.
    pub(super) fn on_abandoned(&mut self, number: SessionNumber, by: &Author, key: &str, got: u32) {
        let account = self.sessions.get(number).and_then(|session| session.account.as_ref());
        if account.is_some() && account == by.account.as_ref() {
            let event = Event::Abandoned { key: key.to_owned(), got };
            self.sessions.deliver(vec![number], event, &mut self.out);
        } else {
            self.count("signals_without_right");
        }
    }

    /// The message that a content is, where its author has said it before in another session.
    pub(super) fn said_already(
        &mut self,
        now: Now,
        asker: &Asker,
        scope: &Scope,
        content: &Content,
    ) -> Result<Option<Arc<Said>>, Refusal> {
        let until = self.sessions.get(asker.number).map_or(0, |session| session.says_again_until);
        if until <= now.mono_us || content.client_id.is_empty() {
            return Ok(None);
        }
        let scopes = std::slice::from_ref(scope);
        let newest = Query { scopes, limit: LOOKED_THROUGH_MAX, newest: true, ..Query::default() };
        let oldest_ms = now.wall_ms.saturating_sub(AGE_MS_MAX);
        let is_it = |said: &Message| {
            said.content.client_id == content.client_id
                && said.content.text == content.text
                && said.author.account == asker.record.account
                && said.author.session != asker.session
                && said.key.hlc.ms() >= oldest_ms
        };
        let found = self.replicas.history(&newest)?.messages.into_iter().rev().find(is_it);
        Ok(found.and_then(|message| self.said_before(message)))
    }
}
