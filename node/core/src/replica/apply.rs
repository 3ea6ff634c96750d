//! From a known entry to what it does: in causal order, judged at its causal past, once.

use super::effect::{Effect, Message};
use super::room::Verdict;
use super::scope::message;
use super::{Replicas, Scope};
use crate::store::{Store, StoreError};
use lavina_crdt::chain;
use lavina_crdt::clock::{Hlc, Now};
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::entry::{Body, Entry, Hash};
use lavina_crdt::ids::Dot;
use lavina_crdt::names::RoomName;
use lavina_crdt::room::RoomDoc;
use std::sync::Arc;

/// Age from which a message counts as said a while ago, milliseconds: more than any healthy path takes, less than a cut that people notice.
const LATE_MS: u64 = 5_000;

impl<S: Store> Replicas<S> {
    /// Takes a verified entry, the next of its origin, into account: applies it, or holds it until its causal past is here.
    pub(super) fn take_in(
        &mut self,
        now: Now,
        scope: &Scope,
        entry: Arc<Entry>,
        hash: Hash,
        effects: &mut Vec<Effect>,
    ) -> Result<(), StoreError> {
        if let Scope::Room(name) = scope
            && let Some((key, value)) = self.room_mut(name)?.learn(name, &entry)
        {
            self.journal.put_meta(key, value);
        }
        if chain::is_redaction(&entry) {
            self.learn_redaction(scope, &entry)?;
        }
        let replica = self.scope_mut(scope)?;
        replica.learn(&entry, hash);
        if replica.log.is_ready(&entry) {
            replica.log.note(&entry, hash);
            self.apply(now, scope, &entry, effects);
            self.release(now, scope, effects);
            return Ok(());
        }
        let dot = entry.dot();
        if replica.log.hold((*entry).clone(), hash) {
            self.counters.entries_held += 1;
            self.holds.push_back((now.deadline_ms(self.hold_ms_max), scope.clone(), dot));
            self.note_held(scope);
            return Ok(());
        }
        // Too many are held: show what this origin has to show, in its own order at least.
        self.force(now, scope, dot, effects);
        if let Some(replica) = self.scopes.get_mut(scope)
            && replica.log.note(&entry, hash)
        {
            self.counters.entries_forced += 1;
            self.apply(now, scope, &entry, effects);
            self.release(now, scope, effects);
        }
        Ok(())
    }

    /// Applies the held entries of an origin up to one of them, whether their past is here or not.
    pub(super) fn force(&mut self, now: Now, scope: &Scope, up_to: Dot, effects: &mut Vec<Effect>) {
        while self.has_room_read(scope)
            && let Some(replica) = self.scopes.get_mut(scope)
            && replica.log.next_seq(up_to.origin) <= up_to.seq
            && let Some((entry, hash)) = replica.log.force(up_to.origin)
        {
            if !replica.log.note(&entry, hash) {
                break;
            }
            self.counters.entries_forced += 1;
            self.apply(now, scope, &Arc::new(entry), effects);
        }
        self.release(now, scope, effects);
    }

    pub(super) fn release(&mut self, now: Now, scope: &Scope, effects: &mut Vec<Effect>) {
        if !self.holding.contains(scope) {
            return;
        }
        while self.scopes.get(scope).is_some_and(|replica| replica.log.held() > 0)
            && self.has_room_read(scope)
            && let Some(replica) = self.scopes.get_mut(scope)
            && let Some((entry, hash)) = replica.log.release()
        {
            replica.log.note(&entry, hash);
            self.apply(now, scope, &Arc::new(entry), effects);
        }
        while let Some((_, scope, dot)) = self.holds.front()
            && self.scopes.get(scope).is_none_or(|replica| replica.log.vector().contains(*dot))
        {
            self.holds.pop_front();
        }
        self.note_held(scope);
    }

    /// Whether a room is read in. One that is built anew leaves out what is held, and must have done so before that is held no longer: else it
    /// has the entry already when that is applied, and nobody is told what it did.
    fn has_room_read(&mut self, scope: &Scope) -> bool {
        let Scope::Room(name) = scope else { return true };
        self.room_mut(name).is_ok()
    }

    pub(super) fn apply(&mut self, now: Now, scope: &Scope, entry: &Arc<Entry>, effects: &mut Vec<Effect>) {
        // Acts of the mesh scope are trusted by themselves, whoever wrote them.
        if *scope != Scope::Mesh && self.is_void(scope, entry.dot()) {
            return;
        }
        if let Some(replica) = self.scopes.get_mut(scope) {
            replica.spoke(entry);
        }
        match scope {
            Scope::Mesh => self.apply_mesh(now, entry, effects),
            Scope::Account(account) => self.apply_account(account, entry, effects),
            Scope::Room(name) => self.apply_room(now, name, entry, effects),
            Scope::Direct(one, other) => {
                let said = message(scope, entry).filter(|said| self.is_home_of(entry, &said.author));
                let said = said.filter(|said| is_between(&said.author, one, other));
                self.tell(now, said, effects);
            }
        }
    }

    fn apply_room(&mut self, now: Now, name: &RoomName, entry: &Arc<Entry>, effects: &mut Vec<Effect>) {
        let Some(author) = entry.author.as_ref().filter(|author| self.is_home_of(entry, author)) else { return };
        // It was built anew when a part of it became void.
        let Ok(room) = self.room_mut(name) else { return };
        if chain::is_doc_change(entry) {
            let Body::DocChange(change) = chain::body(entry) else { return };
            if let Some((old, new)) = room.change(entry.order_key(), author, &change) {
                let acts = RoomDoc::acts(&change);
                effects.push(Effect::RoomChanged {
                    room: name.clone(),
                    key: entry.order_key(),
                    author: author.clone(),
                    acts,
                    old,
                    new,
                });
            }
            let ready = room.take_judgeable();
            for waited in ready {
                self.judge(now, name, &waited, effects);
            }
        } else {
            self.judge(now, name, entry, effects);
        }
        let scope = Scope::Room(name.clone());
        if let (Some(room), Some(replica)) = (self.rooms.get_mut(name), self.scopes.get(&scope))
            && let Some((key, value)) = room.count(name, replica.log.vector())
        {
            self.journal.put_meta(key, value);
        }
    }

    /// Judges a message or kick; it waits when the changes it rests on are not here.
    pub(super) fn judge(&mut self, now: Now, name: &RoomName, entry: &Arc<Entry>, effects: &mut Vec<Effect>) {
        let (Some(room), Some(author)) = (self.rooms.get_mut(name), &entry.author) else { return };
        let body = chain::body(entry);
        let verdict = match &body {
            Body::Message(content) => match content.redaction() {
                Some(redact) if redact.moderated => room.may_moderate(entry.order_key(), author),
                // That it is the author's own is seen when it is told.
                Some(_) => Verdict::Allowed,
                None => room.may_speak(entry, author, content),
            },
            Body::Kick(kick) => room.may_kick(entry, author, kick),
            Body::DocChange(_) | Body::Register(_) | Body::AccountCreate(_) | Body::Mesh(_) | Body::Unknown { .. } => {
                return;
            }
        };
        match (verdict, body) {
            (Verdict::Unknown, _) => room.wait(Arc::clone(entry)),
            (Verdict::Denied, _) => self.counters.entries_denied += 1,
            (Verdict::Allowed, Body::Message(_)) if self.was_shown(name, entry.dot()) => {}
            (Verdict::Allowed, Body::Kick(kick)) => {
                let (room, author) = (name.clone(), author.clone());
                effects.push(Effect::Kicked { room, key: entry.order_key(), author, kick });
            }
            (Verdict::Allowed, Body::Message(content)) => {
                let said = Message::new(Scope::Room(name.clone()), entry.order_key(), author.clone(), content);
                self.tell(now, Some(said), effects);
            }
            (
                Verdict::Allowed,
                Body::DocChange(_) | Body::Register(_) | Body::AccountCreate(_) | Body::Mesh(_) | Body::Unknown { .. },
            ) => {}
        }
    }

    /// Something was said that its author had the right to say.
    fn tell(&mut self, now: Now, said: Option<Message>, effects: &mut Vec<Effect>) {
        let said = said.and_then(|said| self.settled(said).ok().flatten());
        effects.extend(said.map(|said| {
            let late = is_late(now, said.key.hlc);
            Effect::Said(said, late)
        }));
    }

    /// Whether the author's session is one of the node that wrote the entry: nobody speaks for another node's sessions.
    pub(super) fn is_home_of(&self, entry: &Entry, author: &Author) -> bool {
        self.nodes.get(&entry.origin) == Some(&author.session.node)
    }
}

/// Whether somebody is one of the two that a conversation is between.
pub(super) fn is_between(author: &Author, one: &Principal, other: &Principal) -> bool {
    let author = author.principal();
    author == *one || author == *other
}

fn is_late(now: Now, hlc: Hlc) -> bool {
    now.wall_ms.saturating_sub(hlc.ms()) > LATE_MS
}
