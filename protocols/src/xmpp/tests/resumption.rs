//! Streams that are resumed (XEP-0198) and clients that nobody looks at (XEP-0352).

use super::*;
use crate::account::AccountCommand;
use expect_test::expect;

const LOGIN: &str = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>";
const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";

impl Chat {
    /// Alice, who may come back; and the id of her stream.
    fn resumable() -> (Self, String) {
        let mut chat = Self::bound();
        chat.send(ENABLE);
        let log = chat.take();
        let id = log.split('\'').nth(3).unwrap().to_owned();
        (chat, id)
    }

    /// Alice again over another connection, without a resource.
    fn anew(now: Now) -> Self {
        let mut chat = Self::with(Connection {
            host: "host.example".into(),
            tls: None,
            starttls: false,
            framed: false,
            gateway: false,
            seed: 8,
        });
        chat.now = now;
        chat.send(HEADER);
        chat.send(LOGIN);
        chat.answer(Ok(Reply::Credentials(Some(credentials()))));
        chat.answer(Ok(Reply::Done));
        chat.send(HEADER);
        chat.log.clear();
        chat
    }

    fn resume(&mut self, id: &str, handled: u32) {
        self.send(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='{handled}'/>"));
    }

    /// What the shell does when it finds the session.
    fn go_on_over(&mut self, mut other: Self) {
        let passage = other.session.hand_over().expect("it has asked for a session");
        self.session.interrupt(self.now);
        self.session.handle_passage(self.now, passage);
        self.drain();
    }

    fn eof(&mut self) {
        self.session.handle_eof(self.now, "Connection reset");
        self.drain();
    }

    fn message_from_bob(&mut self, second: u64, text: &str) {
        let author = author(2, "bob", true);
        let conversation = Conversation::Direct {
            from: author.principal(),
            to: super::author(1, "alice", true).principal(),
            to_nick: nick("alice"),
        };
        let said = Said { conversation, ..(*said_in("rust", second, author, Content::text(text))).clone() };
        self.event(Event::Said(Arc::new(said)));
    }

    /// The core has noted from where on messages wait, as often as it was told.
    fn noted(&mut self) {
        while matches!(self.asked.front(), Some((_, Command::Account(_)))) {
            self.answer(Ok(Reply::Account(AccountReply::Done)));
        }
    }

    fn acknowledge(&mut self, handled: u32) {
        self.send(&format!("<a xmlns='urn:xmpp:sm:3' h='{handled}'/>"));
    }
}

#[test]
fn what_came_while_the_connection_was_gone_comes_after_resumption_once() {
    let (mut chat, id) = Chat::resumable();
    chat.message_from_bob(1, "one");
    chat.acknowledge(1);
    chat.message_from_bob(2, "two");
    chat.take();
    chat.eof();
    assert!(chat.session.is_detached());
    chat.message_from_bob(3, "three");
    chat.noted();
    assert!(!chat.take().contains('<'), "nothing goes anywhere");
    chat.later(60_000);
    let mut other = Chat::anew(chat.now);
    other.resume(&id, 1);
    assert_eq!(other.take(), format!("    (resume {id})\n"));
    chat.go_on_over(other);
    expect![[r#"
        <resumed xmlns='urn:xmpp:sm:3' previd='427f867a270f6fc867fc50e77d3679c5-0000000000000001-0909090909090909090909090909090909090909090909090909090909090909' h='0'/>
        <message from='bob@a.example' to='alice@a.example' type='chat' id='06dndmlfq00001850k2ga18000000002'><body>two</body><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='06dndmlfq00001850k2ga18000000002'/><delay xmlns='urn:xmpp:delay' from='a.example' stamp='2026-01-01T00:00:00.000Z'/></message>
        <message from='bob@a.example' to='alice@a.example' type='chat' id='06dndmljn00001850k2ga18000000003'><body>three</body><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='06dndmljn00001850k2ga18000000003'/><delay xmlns='urn:xmpp:delay' from='a.example' stamp='2026-01-01T00:00:00.000Z'/></message>
        <r xmlns='urn:xmpp:sm:3'/>
    "#]].assert_eq(&chat.take());
    chat.acknowledge(3);
    chat.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    chat.noted();
    expect![[r#"
            Account(WaitsOnlyFrom(None))
        <iq to='alice@a.example/r1' id='p' type='result'/>
        <r xmlns='urn:xmpp:sm:3'/>
    "#]]
    .assert_eq(&chat.take());
}

#[test]
fn a_message_that_is_not_durable_yet_is_counted_before_the_client_may_go_on() {
    let (mut chat, id) = Chat::resumable();
    chat.send("<message to='bob@a.example' id='1'><body>x</body></message>");
    chat.take();
    chat.eof();
    let mut other = Chat::anew(chat.now);
    other.resume(&id, 0);
    chat.go_on_over(other);
    assert_eq!(chat.take(), "\n", "the client would say it again");
    chat.answer(Ok(Reply::Done));
    expect![[r#"
        <resumed xmlns='urn:xmpp:sm:3' previd='427f867a270f6fc867fc50e77d3679c5-0000000000000001-0909090909090909090909090909090909090909090909090909090909090909' h='1'/>
    "#]]
    .assert_eq(&chat.take());
}

#[test]
fn a_session_that_seems_to_be_connected_is_taken_over_with_a_conflict() {
    let (mut chat, id) = Chat::resumable();
    chat.message_from_bob(1, "one");
    chat.take();
    let mut other = Chat::anew(chat.now);
    other.resume(&id, 0);
    chat.go_on_over(other);
    chat.noted();
    expect![[r#"
        <stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>
            Account(WaitsFrom(06dndmlbt00001850k2ga18000000001))
        <resumed xmlns='urn:xmpp:sm:3' previd='427f867a270f6fc867fc50e77d3679c5-0000000000000001-0909090909090909090909090909090909090909090909090909090909090909' h='0'/>
        <message from='bob@a.example' to='alice@a.example' type='chat' id='06dndmlbt00001850k2ga18000000001'><body>one</body><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='06dndmlbt00001850k2ga18000000001'/></message>
        <r xmlns='urn:xmpp:sm:3'/>
    "#]]
    .assert_eq(&chat.take());
}

#[test]
fn a_client_that_does_not_come_back_leaves_and_what_it_was_asked_is_answered() {
    let (mut chat, id) = Chat::resumable();
    let stanza = "<iq xmlns='jabber:client' id='q' type='get'><ping xmlns='urn:xmpp:ping'/></iq>";
    chat.event(Event::Whisper { from: person(2, "bob", Some("phone")), via: None, stanza: stanza.into() });
    chat.take();
    chat.eof();
    assert_eq!(chat.session.next_timeout(), Some(chat.now.deadline_ms(600_000)));
    chat.later(600_000);
    expect![[r#"
            Whisper(Account(bob, Some("phone")), b"<iq xmlns='jabber:client' id='q' type='error'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
            (forget ID at 0)
            Quit("Connection lost")
            (closed)
    "#]].assert_eq(&chat.take().replace(&id, "ID").replace("    ", ""));
    assert!(!chat.session.is_detached());
}

#[test]
fn a_stream_that_is_gone_leaves_the_client_to_bind_anew() {
    let mut chat = Chat::anew(Chat::new().now);
    chat.resume("nothing", 4);
    chat.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    assert_eq!(chat.take(), "    (resume nothing)\n", "nothing is read before it is known");
    chat.session.handle_no_resumption(chat.now, Some(12));
    chat.drain();
    chat.answer(Ok(Reply::Account(AccountReply::Done)));
    let log = chat.take();
    assert!(log.contains("<failed xmlns='urn:xmpp:sm:3' h='12'><item-not-found"), "{log}");
    assert!(log.contains("Open(Open"), "{log}");
}

#[test]
fn who_has_not_logged_in_is_refused_and_may_log_in() {
    let mut chat = Chat::new();
    chat.send(HEADER);
    chat.take();
    for element in ["<enable xmlns='urn:xmpp:sm:3'/>", "<resume xmlns='urn:xmpp:sm:3' h='0' previd='1'/>"] {
        chat.send(element);
        expect![[r#"
            <failed xmlns='urn:xmpp:sm:3'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>
        "#]]
        .assert_eq(&chat.take());
    }
    chat.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>");
    chat.answer(Ok(Reply::Credentials(Some(credentials()))));
    chat.answer(Ok(Reply::Done));
    assert!(chat.take().contains("<success "));
}

#[test]
fn who_acknowledges_what_was_never_sent_is_told_so() {
    let (mut chat, _) = Chat::resumable();
    chat.message_from_bob(1, "one");
    chat.take();
    chat.acknowledge(2);
    let log = chat.take();
    assert!(
        log.contains("<handled-count-too-high xmlns='urn:xmpp:sm:3' h='2' send-count='1'/></stream:error>"),
        "{log}"
    );
}

#[test]
fn a_stream_that_ends_in_peace_cannot_be_resumed() {
    let (mut chat, id) = Chat::resumable();
    chat.send("</stream:stream>");
    expect![[r#"
        </stream:stream>
            (forget ID at 0)
            Quit("")
            (closed)
    "#]]
    .assert_eq(&chat.take().replace(&id, "ID"));
}

#[test]
fn what_a_room_shares_is_kept_too() {
    let (mut chat, id) = Chat::resumable();
    chat.send("<presence to='rust@rooms.a.example/alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>");
    chat.answer(Ok(Reply::Joined(Arc::new(view(false)), true)));
    chat.answer(Ok(Reply::History(crate::event::HistoryPage::default())));
    let sent = chat.take().matches("<presence").count() + 1;
    chat.acknowledge(u32::try_from(sent).unwrap());
    chat.eof();
    chat.event(Event::Said(said_in("rust", 2, author(2, "bob", true), Content::text("hi"))));
    let people = vec![(person(2, "bob", Some("phone")), vec![(room("rust"), nick("bob"))])];
    let carol = (person(3, "carol", None), vec![(room("rust"), nick("carol"))]);
    let gone = people.into_iter().chain([carol]).collect();
    chat.event(Event::netsplit(("n1".into(), "n2".into()), gone));
    let mut other = Chat::anew(chat.now);
    other.resume(&id, u32::try_from(sent).unwrap());
    chat.go_on_over(other);
    let log = chat.take();
    assert_eq!((log.matches("<message").count(), log.matches("<presence").count()), (1, 2), "{log}");
    chat.acknowledge(u32::try_from(sent).unwrap() + 2);
    chat.eof();
    let mut other = Chat::anew(chat.now);
    other.resume(&id, u32::try_from(sent).unwrap() + 2);
    chat.go_on_over(other);
    let log = chat.take();
    assert_eq!((log.matches("<message").count(), log.matches("<presence").count()), (0, 1), "{log}");
}

#[test]
fn a_flood_that_nobody_acknowledges_ends_a_session_without_a_connection() {
    let (mut chat, id) = Chat::resumable();
    chat.eof();
    for second in 0..9_000 {
        chat.message_from_bob(second, "x");
    }
    let log = chat.take();
    assert!(log.contains(&format!("(forget {id} at 0)")) && log.ends_with("(closed)\n"), "{log}");
}

#[test]
fn nobody_looks_so_presence_waits_for_a_message_and_only_the_newest_is_kept() {
    let mut chat = Chat::bound();
    chat.send("<inactive xmlns='urn:xmpp:csi:0'/>");
    for status in ["first", "second"] {
        let mut bob = person(2, "bob", Some("phone"));
        Arc::make_mut(&mut bob.record).status = status.into();
        chat.event(Event::ContactPresence { person: bob, available: true });
    }
    chat.event(Event::ContactPresence { person: person(3, "carol", Some("desk")), available: false });
    assert_eq!(chat.take(), "\n");
    chat.message_from_bob(1, "wake up");
    expect![[r#"
        <presence from='bob@a.example/phone' to='alice@a.example'><status>second</status></presence>
        <presence from='carol@a.example/desk' type='unavailable' to='alice@a.example'/>
        <message from='bob@a.example' to='alice@a.example' type='chat' id='06dndmlbt00001850k2ga18000000001'><body>wake up</body><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='06dndmlbt00001850k2ga18000000001'/></message>
    "#]].assert_eq(&chat.take());
    chat.event(Event::ContactPresence { person: person(3, "carol", Some("desk")), available: true });
    assert_eq!(chat.take(), "\n");
    chat.send("<active xmlns='urn:xmpp:csi:0'/><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    let log = chat.take();
    assert!(log.find("carol").unwrap() < log.find("result").unwrap(), "{log}");
}

#[test]
fn a_session_goes_on_over_websocket_too() {
    const OPEN: &str = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='a.example' version='1.0'/>";
    let (mut chat, id) = Chat::resumable();
    chat.eof();
    chat.message_from_bob(1, "one");
    chat.noted();
    let connection = Connection { host: "h".into(), tls: None, starttls: false, framed: true, gateway: false, seed: 8 };
    let mut other = Chat::with(connection);
    for step in [OPEN, LOGIN] {
        other.send(step);
    }
    other.answer(Ok(Reply::Credentials(Some(credentials()))));
    other.answer(Ok(Reply::Done));
    other.send(OPEN);
    other.resume(&id, 0);
    chat.go_on_over(other);
    let log = chat.take();
    assert!(log.contains("<resumed xmlns='urn:xmpp:sm:3'"), "{log}");
    assert!(log.contains("<message xmlns='jabber:client' from='bob@a.example'"), "{log}");
    chat.send("<iq xmlns='jabber:client' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert!(chat.take().starts_with("<iq xmlns='jabber:client' to='alice@a.example/r1' id='p' type='result'/>"));
}

#[test]
fn what_comes_while_the_connection_is_gone_is_noted_so_that_it_outlives_the_node() {
    let (mut chat, id) = Chat::resumable();
    chat.message_from_bob(1, "one");
    chat.take();
    chat.eof();
    assert_eq!(chat.take(), format!("    Account(WaitsFrom({}))\n", msg_id(1)));
    chat.answer(Ok(Reply::Account(AccountReply::Done)));
    chat.message_from_bob(2, "two");
    chat.message_from_bob(3, "three");
    assert_eq!(chat.take(), format!("    Account(WaitsFrom({}))\n", msg_id(2)), "one at a time");
    chat.noted();
    chat.take();
    let mut other = Chat::anew(chat.now);
    other.resume(&id, 1);
    chat.go_on_over(other);
    chat.take();
    chat.acknowledge(2);
    let log = chat.take();
    assert!(log.contains(&format!("    Account(WaitsOnlyFrom(Some({})))\n", msg_id(3))), "{log}");
    chat.acknowledge(3);
    let log = chat.take();
    assert!(log.contains("    Account(WaitsOnlyFrom(None))\n"), "{log}");
}

#[test]
fn a_client_that_comes_back_to_another_node_says_there_what_it_has_got() {
    let (mut chat, id) = Chat::resumable();
    chat.message_from_bob(1, "one");
    chat.message_from_bob(2, "two");
    chat.take();
    let mut other = Chat::anew(chat.now);
    other.resume(&id, 1);
    other.session.handle_no_resumption(other.now, None);
    other.drain();
    let (_, asked) = other.asked.pop_front().expect("the core is told");
    let Command::Account(AccountCommand::StartOver(Some(left))) = asked else { panic!("{asked:?}") };
    assert_eq!((left.session, left.got), (session_id(1), 1));
    chat.event(Event::Abandoned { key: "a guess".into(), got: 1 });
    assert_eq!(chat.take(), "\n", "only the client knows the key");
    chat.event(Event::Abandoned { key: left.key, got: left.got });
    expect![[r#"
        <stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>
            Account(WaitsFrom(06dndmlfq00001850k2ga18000000002))
            (forget ID at 0)
            Quit("conflict")
            (closed)
    "#]]
    .assert_eq(&chat.take().replace(&id, "ID"));
}
