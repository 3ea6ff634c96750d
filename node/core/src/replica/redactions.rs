//! Which messages are taken back, and what messages are to earlier ones once that is checked.
//!
//! Every entry that redacts another is indexed when it is known, whatever has come of its causal past or of its message; whether it counts is
//! asked when the message is shown. So a message that comes after its redaction, by any path or after any restart, is never seen.
//!
//! **Invariant:** whether a message is redacted is a function of the entries known of its scope, not of the order they came in.

use super::effect::Message;
use super::room::Verdict;
use super::{Replicas, Scope};
use crate::store::{Store, StoreError};
use lavina_crdt::chain;
use lavina_crdt::content::{Author, Content, MessageKind};
use lavina_crdt::entry::{Body, Entry};
use lavina_crdt::ids::{MsgId, OrderKey};
use lavina_crdt::relation::{Redacted, Relation};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// An entry that says it redacts a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Claim {
    by: Author,
    reason: String,
    moderated: bool,
}

type Claims = BTreeMap<MsgId, BTreeMap<OrderKey, Claim>>;

/// The claims of the scopes that were looked at, read from rows of their own.
#[derive(Debug, Default)]
pub(super) struct Redactions {
    scopes: BTreeMap<Scope, Claims>,
}

impl Redactions {
    fn of(&mut self, scope: &Scope, store: &impl Store) -> Result<&mut Claims, StoreError> {
        if !self.scopes.contains_key(scope) {
            let mut claims = Claims::new();
            for (key, row) in store.meta_prefix(&prefix(scope))? {
                let damaged = |_| StoreError::Damaged(format!("the row {key} cannot be read"));
                let (of, at, claim): (MsgId, OrderKey, Claim) = postcard::from_bytes(&row).map_err(damaged)?;
                claims.entry(of).or_default().insert(at, claim);
            }
            self.scopes.insert(scope.clone(), claims);
        }
        Ok(self.scopes.entry(scope.clone()).or_default())
    }
}

fn prefix(scope: &Scope) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("lavina 1 rows of redactions");
    hasher.update(&postcard::to_stdvec(scope).unwrap_or_default());
    format!("redact/{}/", hasher.finalize().to_hex())
}

impl<S: Store> Replicas<S> {
    /// Indexes an entry that redacts a message.
    pub(super) fn learn_redaction(&mut self, scope: &Scope, entry: &Entry) -> Result<(), StoreError> {
        let (Body::Message(content), Some(by)) = (chain::body(entry), &entry.author) else { return Ok(()) };
        let Some(redact) = content.redaction() else { return Ok(()) };
        let claim = Claim { by: by.clone(), reason: redact.reason.clone(), moderated: redact.moderated };
        let at = entry.order_key();
        let mut key = prefix(scope);
        // Cannot fail: the string grows.
        let _ = write!(key, "{}", at.msg_id());
        if let Ok(row) = postcard::to_stdvec(&(redact.of, at, &claim)) {
            self.journal.put_meta(key, row);
        }
        self.redactions.of(scope, &self.store)?.entry(redact.of).or_default().insert(at, claim);
        Ok(())
    }

    /// The earliest redaction of a message that counts.
    pub(super) fn redaction_of(
        &mut self,
        scope: &Scope,
        of: MsgId,
        author: &Author,
    ) -> Result<Option<Redacted>, StoreError> {
        let Some(claims) = self.redactions.of(scope, &self.store)?.get(&of) else { return Ok(None) };
        for (at, claim) in claims.clone() {
            let is_home = self.nodes.get(&at.origin) == Some(&claim.by.session.node);
            if !is_home || self.is_void(scope, at.dot()) {
                continue;
            }
            let counts = match scope {
                _ if !claim.moderated => claim.by.principal() == author.principal(),
                Scope::Room(name) => self.room_mut(name)?.may_moderate(at, &claim.by) == Verdict::Allowed,
                Scope::Direct(..) | Scope::Account(_) | Scope::Mesh => false,
            };
            if counts {
                let Claim { by, reason, moderated } = claim;
                return Ok(Some(Redacted { by, id: at.msg_id(), reason, moderated }));
            }
        }
        Ok(None)
    }

    /// A message as it is to be shown: emptied where it or what it corrects is redacted, without a correction of somebody else's words.
    /// `None` for a redaction that does not count.
    pub(super) fn settled(&mut self, mut said: Message) -> Result<Option<Message>, StoreError> {
        match said.content.relation.as_deref().cloned() {
            Some(Relation::Redact(redact)) => {
                let is_own = |of: &Message| of.author.principal() == said.author.principal();
                let counts = redact.moderated || self.peek(&said.scope, redact.of)?.is_some_and(|of| is_own(&of));
                return Ok(counts.then_some(said));
            }
            Some(Relation::Edit(of)) => {
                let target = self.peek(&said.scope, of)?;
                if target.is_none_or(|target| target.author.principal() != said.author.principal()) {
                    said.content = Arc::new(Content { relation: None, ..(*said.content).clone() });
                } else if let Some(redacted) = self.redaction_of(&said.scope, of, &said.author)? {
                    return Ok(Some(emptied(said, redacted)));
                }
            }
            Some(Relation::Reply(_) | Relation::React(_)) | None => {}
        }
        let redacted = self.redaction_of(&said.scope, said.key.msg_id(), &said.author)?;
        Ok(Some(match redacted {
            Some(redacted) => emptied(said, redacted),
            None => said,
        }))
    }
}

/// What is left of a redacted message: where, when, by whom, and which id its client gave it.
fn emptied(said: Message, redacted: Redacted) -> Message {
    let kept = Content {
        kind: match said.content.kind {
            MessageKind::Signal => MessageKind::Signal,
            MessageKind::Message | MessageKind::Notice | MessageKind::Letter => MessageKind::Message,
        },
        client_id: said.content.client_id.clone(),
        to_resource: said.content.to_resource.clone(),
        from_resource: said.content.from_resource.clone(),
        via_room: said.content.via_room.clone(),
        least: said.content.least,
        ..Content::text("")
    };
    Message { content: Arc::new(kept), redacted: Some(Arc::new(redacted)), ..said }
}
