//! Push notifications (XEP-0357).

use super::*;
use crate::command::{LookedAt, RegisterView};
use crate::wake::Wake;
use expect_test::expect;

const ENABLE: &str = "<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='push.b.example' node='n1'>\
    <x xmlns='jabber:x:data' type='submit'><field var='secret'><value>s</value></field></x></enable></iq>";

/// Alice at a mesh that reaches other servers.
fn bound() -> Chat {
    let config = SessionConfig {
        plain_without_tls: true,
        started_ms: EPOCH_MS,
        flood: Flood::NONE,
        abroad: true,
        ..SessionConfig::new("a.example")
    };
    let connection =
        Connection { host: "h".into(), tls: None, starttls: false, framed: false, gateway: false, seed: 7 };
    let mut chat = Chat::configured(config, connection);
    chat.log_in();
    chat
}

fn found(wakes: &[(&str, &Wake)]) -> Reply {
    let at = OrderKey { hlc: Hlc::from_ms(EPOCH_MS), origin: Origin([5; 16]), seq: 0 };
    let view = |(key, wake): &(&str, &Wake)| RegisterView { key: (*key).to_owned(), value: wake.encode(), at };
    let registers = wakes.iter().map(view).collect();
    Reply::LookedAt(Some(Box::new(LookedAt { sees: true, groups: Vec::new(), registers })))
}

fn enabled(chat: &mut Chat) -> (String, Wake) {
    chat.send(ENABLE);
    chat.answer(Ok(found(&[])));
    let Some((_, Command::RegisterSet(key, value))) = chat.asked.front().cloned() else { panic!("nothing is kept") };
    chat.answer(Ok(Reply::Done));
    (key, Wake::decode(&value).unwrap())
}

fn direct(second: u64) -> Event {
    let (from, to) = (author(2, "bob", true), author(1, "alice", true));
    let conversation = Conversation::Direct { from: from.principal(), to: to.principal(), to_nick: to.nick.clone() };
    Event::Said(Arc::new(Said { conversation, ..(*said_in("rust", second, from, Content::text("secret"))).clone() }))
}

#[test]
fn a_client_says_where_it_wants_to_be_woken_and_where_no_more() {
    let mut chat = bound();
    let (key, wake) = enabled(&mut chat);
    assert_eq!((wake.resource.as_str(), wake.service.as_str(), wake.node.as_str()), ("r1", "@push.b.example", "n1"));
    chat.send("<iq type='set' id='d'><disable xmlns='urn:xmpp:push:0' jid='push.b.example'/></iq>");
    chat.answer(Ok(found(&[(&key, &wake)])));
    let asked: Vec<Command> = chat.asked.drain(..).map(|(_, command)| command).collect();
    assert_eq!(asked, [Command::RegisterSet(key, Vec::new()), Command::Sync]);
}

#[test]
fn what_is_no_service_is_refused() {
    for (jid, error) in
        [("bob@a.example/x", "not-acceptable"), ("rooms.a.example", "not-acceptable"), ("@", "jid-malformed")]
    {
        let mut chat = bound();
        chat.send(&format!("<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='{jid}'/></iq>"));
        assert!(chat.take().contains(error), "{jid}");
    }
    let mut chat = Chat::bound();
    chat.send(ENABLE);
    assert!(chat.take().contains("<remote-server-not-found"), "nobody elsewhere can be reached");
}

#[test]
fn a_client_that_nobody_looks_at_is_woken_for_each_message_to_it_and_once_for_rooms() {
    let mut chat = bound();
    enabled(&mut chat);
    chat.send("<presence to='rust@rooms.a.example/alice'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>");
    chat.answer(Ok(Reply::Joined(Arc::new(view(false)), true)));
    let woken = |chat: &mut Chat| {
        let times = chat.log.matches("Account(Wake)").count();
        chat.log.clear();
        times
    };
    chat.event(direct(1));
    assert_eq!(woken(&mut chat), 0, "somebody looks");
    chat.send("<inactive xmlns='urn:xmpp:csi:0'/>");
    for second in 2..4 {
        chat.event(direct(second));
        chat.event(Event::Said(said_in("rust", second + 10, author(2, "bob", true), Content::text("hi"))));
    }
    assert_eq!(woken(&mut chat), 2);
    chat.send("<active xmlns='urn:xmpp:csi:0'/>");
    chat.event(direct(5));
    chat.send("<inactive xmlns='urn:xmpp:csi:0'/>");
    for second in 20..23 {
        chat.event(Event::Said(said_in("rust", second, author(2, "bob", true), Content::text("hi"))));
    }
    assert_eq!(woken(&mut chat), 1);
}

#[test]
fn a_service_learns_that_there_is_a_message_and_nothing_of_it() {
    let mut chat = bound();
    let (key, wake) = enabled(&mut chat);
    let domains = super::super::jid::Domains::new(&SessionConfig::new("a.example"));
    let iq = super::super::push::notification(&domains, &account("alice"), &key, &wake);
    expect![[r#"
        <iq from='alice@a.example' type='set' id='push/wake/a4ea5a4224347e9a418ec290'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n1'><item><notification xmlns='urn:xmpp:push:0'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:push:summary</value></field><field var='message-count' type='text-single'><value>1</value></field></x></notification></item></publish><publish-options><x xmlns='jabber:x:data' type='submit'><field var='secret'><value>s</value></field></x></publish-options></pubsub></iq>
    "#]].assert_eq(&(iq.to_stanza() + "\n"));
    let answer = |kind: &str, error: &str| {
        let id = iq.get_attr("id").unwrap();
        let answer = format!("<iq xmlns='jabber:client' type='{kind}' id='{id}'>{error}</iq>");
        super::super::push::on_refused(&super::super::xml::parse_standalone(&answer).unwrap(), &account("alice"))
    };
    assert_eq!(answer("result", ""), None);
    assert_eq!(answer("error", "<error type='wait'/>"), None, "it may take some later");
    assert_eq!(answer("error", "<error type='cancel'/>"), Some(Command::Unwakeable(account("alice"), key)));
}
