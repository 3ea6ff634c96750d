//! Making local entries.

use super::effect::{Appended, Effect};
use super::{Replicas, Scope};
use crate::store::{Store, StoreError};
use lavina_crdt::chain::{self, REFERENCES_MAX};
use lavina_crdt::clock::Now;
use lavina_crdt::content::Author;
use lavina_crdt::entry::{Body, Entry};
use lavina_crdt::ids::{Dot, OrderKey};
use lavina_crdt::names::RoomName;
use lavina_crdt::room::Act;
use lavina_protocols::command::Refusal;
use std::sync::Arc;

impl<S: Store> Replicas<S> {
    /// Makes an entry and applies it at once; the next batch makes it durable. The caller has checked the author's right against the state as it is.
    /// A register of an account needs no [`RegisterSet::of`](lavina_crdt::register::RegisterSet::of): it is the account's that goes by the scope's name.
    ///
    /// # Errors
    /// [`Refusal::Storage`] while the store takes no writes; nothing is changed then.
    pub fn append(&mut self, now: Now, scope: Scope, author: Option<Author>, body: Body) -> Result<Appended, Refusal> {
        let (scope, body) = self.complete(scope, body);
        self.make(now, &scope, author, |_, _| Ok(body))
    }

    /// Makes an entry that acts upon a room's state.
    ///
    /// # Errors
    /// [`Refusal::Storage`] while the store takes no writes; nothing is changed then.
    pub fn append_acts(
        &mut self,
        now: Now,
        name: &RoomName,
        author: Author,
        acts: &[Act],
    ) -> Result<Appended, Refusal> {
        let scope = Scope::Room(name.clone());
        let mint = |replicas: &mut Self, at| Ok(Body::DocChange(replicas.room_mut(name)?.mint(at, acts)));
        self.make(now, &scope, Some(author), mint)
    }

    fn make(
        &mut self,
        now: Now,
        scope: &Scope,
        author: Option<Author>,
        body: impl FnOnce(&mut Self, OrderKey) -> Result<Body, StoreError>,
    ) -> Result<Appended, Refusal> {
        if self.trouble().is_some() || !self.journal.has_room() {
            return Err(Refusal::Storage);
        }
        self.try_make(now, scope, author, body).map_err(|_| Refusal::Storage)
    }

    fn try_make(
        &mut self,
        now: Now,
        scope: &Scope,
        author: Option<Author>,
        body: impl FnOnce(&mut Self, OrderKey) -> Result<Body, StoreError>,
    ) -> Result<Appended, StoreError> {
        let origin = self.origin;
        let seq = self.scope_mut(scope)?.known.next(origin);
        let key = OrderKey { hlc: self.stamp(now), origin, seq };
        let heads = match scope {
            Scope::Room(name) => self.room_mut(name)?.heads_to_say(origin, seq),
            Scope::Mesh | Scope::Account(_) | Scope::Direct(..) => None,
        };
        let (kind, body) = chain::encode_body(&body(self, key)?);
        let replica = self.scope_mut(scope)?;
        let mut after = replica.log.frontier(origin);
        after.truncate(REFERENCES_MAX);
        let link = replica.link(author.as_ref().and_then(|author| author.account.as_ref()), origin);
        let prev = replica.tail(origin).hash;
        let entry = Entry { origin, seq, hlc: key.hlc, prev, after, link, author, heads, kind, body };
        let (sealed, hash) = chain::seal(&entry);
        self.journal.put_own(scope, seq, sealed);
        self.counters.entries_appended += 1;
        let mut effects = Vec::new();
        self.take_in(now, scope, Arc::new(entry), hash, &mut effects)?;
        Ok(Appended { key, batch: self.journal.open_batch(), effects })
    }

    /// Shows what was held back long enough, tries a full disk again, and lets go of what nobody asks for.
    pub fn timeout(&mut self, now: Now) -> Vec<Effect> {
        self.journal.on_timeout(now);
        self.let_go_of_idle_rooms(now);
        let mut effects = Vec::new();
        while let Some((at, scope, dot)) = self.holds.front().cloned() {
            if at > now.mono_us {
                break;
            }
            self.holds.pop_front();
            self.force(now, &scope, dot, &mut effects);
        }
        effects
    }

    /// Applies what is held of a scope and was written longer ago than anybody holds an entry: whoever gave it did not wait either for what that comes after.
    pub fn wait_no_longer(&mut self, now: Now, scope: &Scope) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some(index) =
            self.holds.iter().position(|(_, of, dot)| of == scope && self.is_long_ago(now, of, *dot))
            && let Some((_, _, dot)) = self.holds.remove(index)
        {
            self.force(now, scope, dot, &mut effects);
        }
        effects
    }

    fn is_long_ago(&self, now: Now, scope: &Scope, held: Dot) -> bool {
        let since = self.scopes.get(scope).and_then(|replica| replica.log.held_since(held));
        since.is_none_or(|since| since.ms().saturating_add(self.hold_ms_max) <= now.wall_ms)
    }
}
