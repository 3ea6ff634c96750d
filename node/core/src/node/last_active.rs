//! When accounts were last there, for who sees their presence.

use super::{Node, SessionNumber};
use crate::last_seen::Gone;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::names::AccountName;
use lavina_crdt::presence::SessionRecord;
use lavina_crdt::room::Denied;
use lavina_protocols::account::LastActive;
use lavina_protocols::command::Refusal;
use std::sync::Arc;

impl<S: Store> Node<S> {
    /// A session has changed: where it was its account's last that was there, that is noted.
    pub(super) fn note_gone(&mut self, now: Now, old: Option<&Arc<SessionRecord>>, new: Option<&Arc<SessionRecord>>) {
        let Some(was) = old.filter(|record| record.available) else { return };
        let Some(account) = was.account.as_ref() else { return };
        if !self.is_there(account) {
            let words = new.map_or(was, |is| is).status.clone();
            self.last_seen.note(account, Gone { at_ms: now.wall_ms, words });
        }
    }

    fn is_there(&self, account: &AccountName) -> bool {
        let mut sessions = self.people.directory().sessions_of(account);
        sessions.any(|session| self.people.get(session).is_some_and(|record| record.available))
    }

    /// When an account was last there, for one that sees its presence.
    pub(super) fn last_active(
        &self,
        number: SessionNumber,
        account: &AccountName,
    ) -> Result<Option<LastActive>, Refusal> {
        let (asker, _) = self.logged_in(number)?;
        let sees = *account == asker || self.roster_item(account, &asker).subscription.from;
        if !sees || self.blocks(account, &asker) {
            return Err(Refusal::Denied(Denied::Rank));
        }
        if self.is_there(account) {
            return Ok(Some(LastActive::There));
        }
        let gone = self.last_seen.get(account);
        Ok(gone.map(|gone| LastActive::Gone { at_ms: gone.at_ms, words: gone.words.clone() }))
    }
}
