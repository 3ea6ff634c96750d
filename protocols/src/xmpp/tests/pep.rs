//! What accounts publish about themselves (XEP-0163).

use super::*;
use crate::command::{LookedAt, RegisterView};
use expect_test::expect;

const CAPS: &str = "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/></presence>";

fn found(sees: bool, registers: Vec<RegisterView>) -> Result<Reply, Refusal> {
    Ok(Reply::LookedAt(Some(Box::new(LookedAt { sees, groups: Vec::new(), registers }))))
}

fn register(second: u64, key: &str, value: &[u8]) -> RegisterView {
    let at = OrderKey { hlc: Hlc::from_ms(EPOCH_MS + second), origin: Origin([5; 16]), seq: second };
    RegisterView { key: key.to_owned(), value: value.to_vec(), at }
}

/// Publishes an item; gives the registers that it sets.
fn publish(chat: &mut Chat, node: &str, id: &str, options: &str) -> Vec<RegisterView> {
    chat.send(&format!(
        "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'>\
         <item id='{id}'><x xmlns='urn:x' about='{id}'/></item></publish>{options}</pubsub></iq>"
    ));
    chat.answer(found(true, Vec::new()));
    let mut set = Vec::new();
    while let Some((_, Command::RegisterSet(key, value))) = chat.asked.front().cloned() {
        set.push(register(set.len() as u64, &key, &value));
        chat.answer(Ok(Reply::Done));
    }
    set
}

/// Whitelisted, and of many items.
const PRIVATE: &str = "<publish-options><x xmlns='jabber:x:data' type='submit'>\
    <field var='pubsub#access_model'><value>whitelist</value></field>\
    <field var='pubsub#max_items'><value>max</value></field></x></publish-options>";

#[test]
fn an_item_is_a_register_and_its_node_is_made_with_it() {
    let mut chat = Chat::bound();
    let set = publish(&mut chat, "urn:x:tune", "current", "");
    let keys: Vec<&str> = set.iter().map(|register| register.key.as_str()).collect();
    let [node, item] = keys[..] else { panic!("{keys:?}") };
    assert_eq!(item, format!("{node}/only"));
    chat.log.clear();
    chat.send(
        "<iq type='get' id='i' to='alice@a.example'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <items node='urn:x:tune'/></pubsub></iq>",
    );
    chat.answer(found(true, set));
    let log = chat.take();
    assert!(log.contains("<item id='current'><x xmlns='urn:x' about='current'/></item>"), "{log}");
}

#[test]
fn a_node_is_read_by_whom_it_is_for() {
    let mut chat = Chat::bound();
    let tune = publish(&mut chat, "urn:x:tune", "current", "");
    let private = publish(&mut chat, "urn:x:own", "1", PRIVATE);
    for (set, sees, name, condition) in [
        (&tune, true, "urn:x:tune", None),
        (&tune, false, "urn:x:tune", Some("presence-subscription-required")),
        (&private, true, "urn:x:own", Some("closed-node")),
        (&tune, true, "urn:x:none", Some("item-not-found")),
    ] {
        chat.log.clear();
        chat.send(&format!(
            "<iq type='get' id='i' to='bob@a.example'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
             <items node='{name}'/></pubsub></iq>"
        ));
        chat.answer(found(sees, set.clone()));
        let log = chat.take();
        assert_eq!(log.contains("<item id="), condition.is_none(), "{log}");
        assert!(condition.is_none_or(|condition| log.contains(condition)), "{log}");
    }
}

#[test]
fn a_publisher_does_not_get_less_privacy_than_it_asks_for() {
    let mut chat = Chat::bound();
    let open = publish(&mut chat, "urn:x:tune", "current", "");
    chat.log.clear();
    chat.send(&format!(
        "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:x:tune'>\
         <item id='current'/></publish>{PRIVATE}</pubsub></iq>"
    ));
    chat.answer(found(true, open));
    let log = chat.take();
    assert!(log.contains("<conflict") && log.contains("<precondition-not-met"), "{log}");
    assert!(chat.asked.is_empty());
}

#[test]
fn the_oldest_item_makes_room_for_a_new_one() {
    let mut chat = Chat::bound();
    let two = PRIVATE.replace(">max<", ">2<");
    let mut held = publish(&mut chat, "urn:x:own", "1", &two);
    held.extend(
        publish(&mut chat, "urn:x:own", "2", &two)
            .pop()
            .map(|second| RegisterView { at: register(9, "", b"").at, ..second }),
    );
    let oldest = held[1].key.clone();
    chat.send(
        "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:x:own'>\
         <item id='3'/></publish></pubsub></iq>",
    );
    chat.answer(found(true, held));
    assert_eq!(chat.asked[0].1, Command::RegisterSet(oldest, Vec::new()));
    assert!(matches!(&chat.asked[1].1, Command::RegisterSet(_, value) if !value.is_empty()));
}

#[test]
fn a_client_is_told_of_what_its_capabilities_ask_for_and_of_nothing_else() {
    let mut chat = Chat::bound();
    let tune = publish(&mut chat, "urn:x:tune", "current", "");
    let own = publish(&mut chat, "urn:x:own", "1", PRIVATE);
    let mood = publish(&mut chat, "urn:x:mood", "current", "");
    chat.send(CAPS);
    chat.answer(Ok(Reply::Done));
    let log = chat.take();
    let (_, id) = log.split_once("from='alice@a.example' id='").expect("its capabilities are asked for");
    let id = id.split('\'').next().unwrap_or_default();
    chat.send(&format!(
        "<iq type='result' id='{id}'><query xmlns='http://jabber.org/protocol/disco#info' node='n#v'>\
         <feature var='urn:x:tune+notify'/><feature var='urn:x:own+notify'/></query></iq>"
    ));
    let Some((_, Command::Latest(prefixes))) = chat.asked.front() else { panic!() };
    assert_eq!(prefixes.len(), 2);
    let latest = (account("bob"), tune[1].clone(), Some(tune[0].value.clone()));
    chat.log.clear();
    chat.answer(Ok(Reply::Latest(vec![latest])));
    for (of, set) in [("bob", &mood), ("bob", &own), ("alice", &own)] {
        let parent = Some(set[0].value.clone());
        chat.event(Event::Shown { account: account(of), register: set[1].clone(), parent });
    }
    let left = register(3, &own[1].key, b"<retract xmlns='http://jabber.org/protocol/pubsub' id='1'/>");
    chat.event(Event::Shown { account: account("alice"), register: left, parent: Some(own[0].value.clone()) });
    chat.send(CAPS);
    expect![[r#"
        <message to='alice@a.example/r1' from='bob@a.example' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:x:tune'><item id='current'><x xmlns='urn:x' about='current'/></item></items></event></message>
        <message to='alice@a.example/r1' from='alice@a.example' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:x:own'><item id='1'><x xmlns='urn:x' about='1'/></item></items></event></message>
        <message to='alice@a.example/r1' from='alice@a.example' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:x:own'><retract id='1'/></items></event></message>
            SetPresence(PresenceChange { available: Some(true), show: Some(Available), status: Some(""), priority: Some(0), payloads: Some(["<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/>"]) })
    "#]].assert_eq(&chat.take());
}

#[test]
fn a_photo_is_published_and_what_is_published_is_in_the_card() {
    let mut chat = Chat::bound();
    let photo = "<PHOTO><TYPE>image/png</TYPE><BINVAL>iVBORw0K</BINVAL></PHOTO>";
    chat.send(&format!("<iq type='set' id='v'><vCard xmlns='vcard-temp'><FN>Alice</FN>{photo}</vCard></iq>"));
    let mut set = Vec::new();
    while let Some((_, command)) = chat.asked.front().cloned() {
        if let Command::RegisterSet(key, value) = command {
            set.push(register(set.len() as u64, &key, &value));
            chat.answer(Ok(Reply::Done));
        } else {
            chat.answer(found(true, Vec::new()));
        }
    }
    let all: Vec<String> = set.iter().map(|register| String::from_utf8(register.value.clone()).unwrap()).collect();
    assert_eq!(all.len(), 5, "the card, and two nodes with an item each: {all:?}");
    assert!(
        all.iter().any(|text| text.contains("<info bytes='6' id='") && text.contains("type='image/png'")),
        "{all:?}"
    );

    let mut other = Chat::bound();
    other.send("<iq type='get' id='g' to='bob@a.example'><vCard xmlns='vcard-temp'/></iq>");
    other.answer(found(true, vec![register(1, "shown/vcard-temp", b"<vCard xmlns='vcard-temp'><FN>Bob</FN></vCard>")]));
    let Some((_, Command::LookAt(_, prefix))) = other.asked.front().cloned() else { panic!("no avatar is looked for") };
    let avatar = set.into_iter().filter(|register| register.key.starts_with(&prefix)).collect();
    other.answer(found(true, avatar));
    expect![[r#"
            LookAt(bob, "shown/vcard-temp")
            LookAt(bob, "shown/pep/a420b9418f3c2beb94202565")
        <iq to='alice@a.example/r1' from='bob@a.example' id='g' type='result'><vCard xmlns='vcard-temp'><FN>Bob</FN><PHOTO><TYPE>image/png</TYPE><BINVAL>iVBORw0K</BINVAL></PHOTO></vCard></iq>
    "#]].assert_eq(&other.take());
}

#[test]
fn others_see_in_presence_which_picture_there_is() {
    let mut chat = Chat::bound();
    let node = "<node xmlns='urn:lavina:pep' name='urn:xmpp:avatar:metadata'/>";
    let item = |id: &str| {
        format!(
            "<item xmlns='http://jabber.org/protocol/pubsub' id='{id}'><metadata xmlns='urn:xmpp:avatar:metadata'>\
             <info bytes='6' id='{id}' type='image/png'/></metadata></item>"
        )
    };
    let shown = |id: &str| Event::Shown {
        account: account("alice"),
        register: register(1, "shown/pep/x/only", item(id).as_bytes()),
        parent: Some(node.as_bytes().to_vec()),
    };
    chat.event(shown("abc"));
    chat.event(shown("abc"));
    chat.answer(Ok(Reply::Done));
    chat.send("<presence><show>away</show></presence>");
    chat.answer(Ok(Reply::Done));
    chat.send("<presence><x xmlns='vcard-temp:x:update'/></presence>");
    chat.answer(Ok(Reply::Done));
    expect![[r#"
            SetPresence(PresenceChange { available: Some(true), show: Some(Available), status: Some(""), priority: Some(0), payloads: Some(["<x xmlns='vcard-temp:x:update'><photo>abc</photo></x>"]) })
            SetPresence(PresenceChange { available: Some(true), show: Some(Away), status: Some(""), priority: Some(0), payloads: Some(["<x xmlns='vcard-temp:x:update'><photo>abc</photo></x>"]) })
        <presence to='alice@a.example/r1' from='alice@a.example/r1'><show>away</show><x xmlns='vcard-temp:x:update'><photo>abc</photo></x></presence>
            SetPresence(PresenceChange { available: Some(true), show: Some(Available), status: Some(""), priority: Some(0), payloads: Some(["<x xmlns='vcard-temp:x:update'/>"]) })
        <presence to='alice@a.example/r1' from='alice@a.example/r1'><x xmlns='vcard-temp:x:update'/></presence>
    "#]].assert_eq(&chat.take());
}
