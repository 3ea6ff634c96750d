//! Bookmarks of older clients and newer ones (XEP-0402 section 5): the account's registers are played by the test.

use super::*;
use crate::command::{LookedAt, RegisterView};
use expect_test::expect;

/// Alice, and the registers of her account.
struct Account {
    chat: Chat,
    registers: BTreeMap<String, Vec<u8>>,
}

impl Account {
    fn new() -> Self {
        Self { chat: Chat::bound(), registers: BTreeMap::new() }
    }

    /// Sends a request and answers what the core is asked from the registers; gives what the client gets.
    fn ask(&mut self, text: &str) -> String {
        self.chat.send(text);
        while let Some((_, command)) = self.chat.asked.front().cloned() {
            let answer = if let Command::RegisterGet(key) = &command {
                Reply::Register(self.registers.get(key).cloned())
            } else if let Command::LookAt(_, prefix) = &command {
                Reply::LookedAt(Some(Box::new(self.look(prefix))))
            } else if let Command::RegisterSet(key, value) = command {
                self.registers.insert(key, value);
                Reply::Done
            } else {
                assert_eq!(command, Command::Sync);
                Reply::Done
            };
            self.chat.answer(Ok(answer));
        }
        let log = self.chat.take();
        let told: Vec<&str> = log.lines().filter(|line| line.starts_with('<')).collect();
        told.join("\n") + "\n"
    }

    fn look(&self, prefix: &str) -> LookedAt {
        let set = self.registers.iter().filter(|(key, value)| key.starts_with(prefix) && !value.is_empty());
        let registers = set.map(|(key, value)| RegisterView {
            key: key.clone(),
            value: value.clone(),
            at: OrderKey { hlc: Hlc::from_ms(EPOCH_MS), origin: Origin([5; 16]), seq: 0 },
        });
        LookedAt { sees: true, groups: Vec::new(), registers: registers.collect() }
    }

    fn store(&mut self, list: &str) -> String {
        let query =
            format!("<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>{list}</storage></query>");
        self.ask(&format!("<iq type='set' id='s'>{query}</iq>"))
    }

    fn list(&mut self) -> String {
        self.ask(
            "<iq type='get' id='l'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query></iq>",
        )
    }

    fn items(&mut self) -> String {
        self.ask("<iq type='get' id='i'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'/></pubsub></iq>")
    }

    fn publish(&mut self, jid: &str, conference: &str) {
        self.ask(&format!(
            "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:xmpp:bookmarks:1'>\
             <item id='{jid}'>{conference}</item></publish></pubsub></iq>"
        ));
    }
}

const OLD: &str = "<conference jid='rust@rooms.a.example' name='Rust' autojoin='1'><nick>al</nick></conference><url name='w' url='http://w'/>";

#[test]
fn a_list_that_an_older_client_stores_is_the_items_of_newer_ones() {
    let mut account = Account::new();
    account.store(OLD);
    expect![[r#"
        <iq to='alice@a.example/r1' id='i' type='result'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:bookmarks:1'><item id='rust@rooms.a.example'><conference xmlns='urn:xmpp:bookmarks:1' name='Rust' autojoin='true'><nick>al</nick></conference></item></items></pubsub></iq>
    "#]].assert_eq(&account.items());
    account.publish(
        "c@rooms.a.example",
        "<conference xmlns='urn:xmpp:bookmarks:1' name='C'><extensions><x xmlns='e'/></extensions></conference>",
    );
    expect![[r#"
        <iq to='alice@a.example/r1' id='l' type='result'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'><conference name='C' autojoin='false' jid='c@rooms.a.example'/><conference name='Rust' autojoin='true' jid='rust@rooms.a.example'><nick>al</nick></conference><url name='w' url='http://w'/></storage></query></iq>
    "#]].assert_eq(&account.list());
    account.store("<conference jid='c@rooms.a.example' name='New'/>");
    let items = account.items();
    assert!(items.contains("name='New'") && items.contains("<extensions>"), "what newer clients add stays: {items}");
    assert!(!items.contains("rust@rooms"), "{items}");
}

#[test]
fn a_list_from_before_there_was_a_node_is_not_lost_when_a_newer_client_publishes() {
    let mut account = Account::new();
    let list = format!("<storage xmlns='storage:bookmarks'>{OLD}</storage>");
    account.registers.insert("private/storage storage:bookmarks".to_owned(), list.into_bytes());
    assert!(account.list().contains("rust@rooms.a.example"));
    account.publish("c@rooms.a.example", "<conference xmlns='urn:xmpp:bookmarks:1'/>");
    let items = account.items();
    assert!(items.contains("id='rust@rooms.a.example'") && items.contains("id='c@rooms.a.example'"), "{items}");
    let list = account.list();
    assert!(list.contains("rust@rooms") && list.contains("c@rooms") && list.contains("<url"), "{list}");
}

#[test]
fn what_has_not_changed_is_not_written() {
    let mut account = Account::new();
    account.store(OLD);
    account.chat.send(&format!(
        "<iq type='set' id='s'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>{OLD}</storage></query></iq>"
    ));
    account.chat.answer(Ok(Reply::Done));
    let found = account.look("shown/pep/");
    account.chat.answer(Ok(Reply::LookedAt(Some(Box::new(found)))));
    let asked: Vec<Command> = account.chat.asked.iter().map(|(_, command)| command.clone()).collect();
    assert_eq!(asked, [Command::Sync]);
}
