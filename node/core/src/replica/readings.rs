//! Messages that were read back lately, decoded and judged: after a cut or a crash many come back at once and ask for the same pages.
//!
//! **Invariant:** only what counts is kept. Whether a message counts is a function of it and its causal past, so it stays true until a part of
//! its scope is found void; then the scope is forgotten, and nothing of it is kept any more.

use super::Scope;
use super::effect::Message;
use lavina_crdt::ids::OrderKey;
use std::collections::{BTreeMap, VecDeque};

/// Most messages kept: the newest pages of the rooms that people read at a time.
const MESSAGES_MAX: usize = 4_096;
/// Longest text kept, bytes; long ones are read again, so that memory stays within a few megabytes.
const TEXT_BYTES_MAX: usize = 1_024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Readings {
    kept: BTreeMap<OrderKey, Message>,
    /// What is kept, oldest first.
    order: VecDeque<OrderKey>,
}

impl Readings {
    /// The message at a place of a scope: as it is kept, or as it is read now.
    pub(super) fn get_or_read(
        &mut self,
        scope: &Scope,
        key: OrderKey,
        read: impl FnOnce() -> Option<Message>,
    ) -> Option<Message> {
        // A node that lies can use one place in two scopes.
        if let Some(said) = self.kept.get(&key).filter(|said| said.scope == *scope) {
            return Some(said.clone());
        }
        let said = read()?;
        if is_small(&said) {
            self.keep(said.clone());
        }
        Some(said)
    }

    fn keep(&mut self, said: Message) {
        let key = said.key;
        if self.kept.insert(key, said).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MESSAGES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.kept.remove(&oldest);
        }
    }

    /// Nothing of a scope is kept from here on.
    pub(super) fn forget(&mut self, scope: &Scope) {
        let before = self.kept.len();
        self.kept.retain(|_, said| said.scope != *scope);
        if self.kept.len() < before {
            self.order.retain(|key| self.kept.contains_key(key));
        }
    }
}

fn is_small(said: &Message) -> bool {
    let content = &said.content;
    let tags = content.tags.iter().map(|(key, value)| key.len() + value.len());
    let parts = tags.chain(content.payloads.iter().map(String::len)).sum::<usize>();
    content.text.len() + parts <= TEXT_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::clock::Hlc;
    use lavina_crdt::content::{Author, Content};
    use lavina_crdt::ids::{NodeId, Origin, SessionId};
    use lavina_crdt::names::{Nick, RoomName};
    use std::sync::Arc;

    fn said(room: &str, at: u64, text: &str) -> Message {
        let session = SessionId { node: NodeId([1; 32]), number: 1 };
        let (nick, user, host) = (Nick::new("ann").unwrap(), "ann".to_owned(), "host".to_owned());
        Message {
            scope: Scope::Room(RoomName::new(room).unwrap()),
            key: OrderKey { hlc: Hlc(at), origin: Origin([1; 16]), seq: at },
            author: Arc::new(Author { session, account: None, nick, user, host }),
            content: Arc::new(Content::text(text)),
            redacted: None,
        }
    }

    fn read(readings: &mut Readings, said: &Message) -> bool {
        let mut read = false;
        let got = readings.get_or_read(&said.scope, said.key, || {
            read = true;
            Some(said.clone())
        });
        assert_eq!(got.as_ref(), Some(said));
        read
    }

    #[test]
    fn what_was_read_is_not_read_again_until_its_scope_is_forgotten() {
        let mut readings = Readings::default();
        let (one, same_place, other) = (said("rust", 1, "hi"), said("go", 1, "ho"), said("go", 2, "hm"));
        assert!(read(&mut readings, &one) && !read(&mut readings, &one));
        assert!(read(&mut readings, &same_place) && read(&mut readings, &one), "another scope is another message");
        assert!(read(&mut readings, &other));
        readings.forget(&one.scope);
        assert!(read(&mut readings, &one) && !read(&mut readings, &other));
    }

    #[test]
    fn it_stays_small() {
        let mut readings = Readings::default();
        assert!(read(&mut readings, &said("rust", 0, &"x".repeat(TEXT_BYTES_MAX + 1))));
        assert!(readings.kept.is_empty());
        for at in 0..u64::try_from(MESSAGES_MAX).unwrap() + 10 {
            read(&mut readings, &said("rust", at, "hi"));
        }
        assert_eq!((readings.kept.len(), readings.order.len()), (MESSAGES_MAX, MESSAGES_MAX));
        assert!(!readings.kept.contains_key(&said("rust", 9, "").key));
    }
}
