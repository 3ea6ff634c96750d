//! Messages about earlier ones: finds the one that is meant and checks what the asker may do to it.

use super::Node;
use super::commands::Asker;
use crate::people::principal;
use crate::replica::{Message, Query};
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::{Content, Principal};
use lavina_crdt::ids::{MsgId, Scope};
use lavina_crdt::relation::{REACTIONS_MAX, Reaction, Redact, Relation};
use lavina_crdt::room::Denied;
use lavina_protocols::command::{Bound, MessageRef, Refusal, Relate, Related, Reply, Target};

/// How many messages are looked through for one that goes by its client's id, or for the asker's reactions: what people correct and react to is
/// on their screens. Older reactions of theirs count as none.
const LOOKED_THROUGH_MAX: usize = 512;

impl<S: Store> Node<S> {
    pub(super) fn relate(&mut self, now: Now, asker: &Asker, related: Related) -> Result<Reply, Refusal> {
        let Related { target, of, how, content } = related;
        let scope = match &target {
            Target::Room(room) => {
                self.load_room(room);
                Scope::Room(room.clone())
            }
            Target::Nick(_) | Target::Account(..) | Target::Occupant(..) => self.conversation_with(asker, &target)?,
        };
        let me = principal(asker.session, &asker.record);
        let earlier = self.meant(&scope, &me, &of)?;
        let relation = match (how, earlier) {
            (Relate::Redact(_), None) => return Err(Refusal::NoSuchMessage),
            (Relate::Redact(reason), Some(earlier)) => {
                if earlier.redacted.is_some() || earlier.content.redaction().is_some() {
                    return Err(Refusal::NoSuchMessage);
                }
                let moderated = earlier.author.principal() != me;
                if moderated && !matches!(scope, Scope::Room(_)) {
                    return Err(Refusal::Denied(Denied::Rank));
                }
                Some(Relation::Redact(Redact { of: earlier.key.msg_id(), reason, moderated }))
            }
            (_, None) => None,
            (Relate::Reply, Some(earlier)) => Some(Relation::Reply(earlier.key.msg_id())),
            (Relate::Edit, Some(earlier)) => {
                // Of a correction's correction the first text is meant.
                let first = match earlier.content.relation.as_deref() {
                    Some(Relation::Edit(first)) => *first,
                    Some(Relation::Reply(_) | Relation::React(_) | Relation::Redact(_)) | None => earlier.key.msg_id(),
                };
                (earlier.author.principal() == me).then_some(Relation::Edit(first))
            }
            (how, Some(earlier)) => {
                let to = earlier.key.msg_id();
                let before = self.reactions_of(&scope, &me, to)?;
                let now = reacted(&before, how);
                Some(Relation::React(Reaction { to, before, now }))
            }
        };
        self.say_related(now, asker, target, Content { relation: relation.map(Box::new), ..content })
    }

    /// The message that is meant, if it is there.
    fn meant(&mut self, scope: &Scope, me: &Principal, of: &MessageRef) -> Result<Option<Message>, Refusal> {
        let scopes = std::slice::from_ref(scope);
        match of {
            MessageRef::Id(id) => {
                let ids = [*id];
                let page = self.replicas.history(&Query { scopes, ids: &ids, limit: 1, ..Query::default() })?;
                Ok(page.messages.into_iter().next())
            }
            MessageRef::Own(id) | MessageRef::Given(id) => {
                let newest = Query { scopes, limit: LOOKED_THROUGH_MAX, newest: true, ..Query::default() };
                let anybody = matches!(of, MessageRef::Given(_));
                let is_meant =
                    |said: &Message| said.content.client_id == *id && (anybody || said.author.principal() == *me);
                Ok(self.replicas.history(&newest)?.messages.into_iter().rev().find(is_meant))
            }
        }
    }

    /// What somebody has reacted to a message with so far.
    fn reactions_of(&mut self, scope: &Scope, who: &Principal, to: MsgId) -> Result<Vec<String>, Refusal> {
        let query = Query {
            scopes: std::slice::from_ref(scope),
            after: Some(Bound::Id(to)),
            limit: LOOKED_THROUGH_MAX,
            newest: true,
            ..Query::default()
        };
        let since = self.replicas.history(&query)?.messages;
        let last = since.iter().rev().filter(|said| said.author.principal() == *who).find_map(|said| {
            match said.content.relation.as_deref() {
                Some(Relation::React(reaction)) if reaction.to == to => Some(reaction.now.clone()),
                Some(Relation::React(_) | Relation::Reply(_) | Relation::Edit(_) | Relation::Redact(_)) | None => None,
            }
        });
        Ok(last.unwrap_or_default())
    }
}

/// The reactions after a change; what is over the bound is left out.
fn reacted(before: &[String], relate: Relate) -> Vec<String> {
    let mut now: Vec<String> = Vec::new();
    let mut add = |one: String| {
        if !now.contains(&one) && now.len() < REACTIONS_MAX {
            now.push(one);
        }
    };
    match relate {
        Relate::SetReactions(all) => all.into_iter().for_each(add),
        Relate::AddReaction(one) => before.iter().cloned().chain([one]).for_each(add),
        Relate::RemoveReaction(one) => before.iter().filter(|known| **known != one).cloned().for_each(add),
        Relate::Reply | Relate::Edit | Relate::Redact(_) => before.iter().cloned().for_each(&mut add),
    }
    now
}
