//! The node in a mesh of several versions, for whoever runs such meshes: it can stand for a version that understands less than this build, and
//! write what a version writes that knows more. No client, peer or operator reaches any of this.

use super::{Node, SessionNumber};
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::Body;
use lavina_crdt::ids::{OrderKey, Scope};
use lavina_crdt::names::{AccountName, RoomName};
use lavina_crdt::room::{Act, Vocabulary};
use lavina_protocols::command::Refusal;

impl<S: Store> Node<S> {
    /// It understands these acts and no others. To be said right after [`Node::open`].
    pub fn understand(&mut self, vocabulary: Vocabulary) {
        self.replicas.understand(vocabulary);
        self.states.clear();
    }

    /// Writes an entry whatever its kind, on behalf of an open session or of the node itself, by the way that all entries take.
    ///
    /// # Errors
    /// [`Refusal`] when there is no such session, or the store takes no writes.
    pub fn write_any(
        &mut self,
        shell_now: Now,
        scope: Scope,
        by: Option<SessionNumber>,
        body: Body,
    ) -> Result<OrderKey, Refusal> {
        let now = self.clock.read(shell_now);
        let asker = by.map(|number| self.asker(number)).transpose()?;
        let author = asker.map(|asker| self.author(asker.session, &asker.record, &asker.record.nick));
        let appended = self.append(now, scope, author, body)?;
        self.on_effects(now, appended.effects);
        self.unsettled = Some(now);
        Ok(appended.key)
    }

    /// Acts upon a room on behalf of an open session that has the right.
    ///
    /// # Errors
    /// [`Refusal`] when it has not, or the store takes no writes.
    pub fn act_any(&mut self, shell_now: Now, by: SessionNumber, room: &RoomName, acts: &[Act]) -> Result<(), Refusal> {
        let now = self.clock.read(shell_now);
        let asker = self.asker(by)?;
        self.act(now, &asker, room, acts)?;
        self.unsettled = Some(now);
        Ok(())
    }

    /// A register of the account that goes by a name, as it is kept here.
    #[must_use]
    pub fn look_at_register(&self, account: &AccountName, key: &str) -> Option<Vec<u8>> {
        self.replicas.account(account)?.registers().get(key).map(<[u8]>::to_vec)
    }
}
