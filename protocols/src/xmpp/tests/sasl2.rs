//! Log-in with what follows it inline: XEP-0388, 0386, 0484.

use super::*;
use crate::account::AccountReply;
use crate::event::HistoryPage;
use crate::sasl::token::tests::message;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;

const AGENT: &str = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'><software>Test</software></user-agent>";

fn authenticate(inner: &str) -> String {
    format!(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>AGFsaWNlAHNlY3JldA==</initial-response>\
         {AGENT}{inner}</authenticate>"
    )
}

fn authenticate_with(token: &str, inner: &str) -> String {
    let response = STANDARD.encode(message("alice", token, b""));
    format!(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-NONE'><initial-response>{response}</initial-response>\
         {AGENT}{inner}</authenticate>"
    )
}

impl Chat {
    fn begun() -> Self {
        let mut chat = Self::new();
        chat.send(HEADER);
        chat.log.clear();
        chat
    }

    /// The core says yes to the password and the log-in.
    fn let_in(&mut self) {
        self.answer(Ok(Reply::Credentials(Some(credentials()))));
        self.answer(Ok(Reply::Done));
    }

    /// The core opens the session; the archive holds one message.
    fn let_open(&mut self) {
        self.answer(Ok(Reply::Opened(opened())));
        for _ in 0..2 {
            let said = said_in("rust", 1, author(2, "bob", true), Content::text("x"));
            self.answer(Ok(Reply::History(HistoryPage { messages: vec![said], events: Vec::new(), complete: true })));
        }
    }

    fn secret(&mut self, register: Option<Vec<u8>>) {
        self.answer(Ok(Reply::Account(AccountReply::Secret(Some(Box::new((credentials(), register)))))));
    }

    /// The register that the core was asked to set.
    fn register(&self) -> Vec<u8> {
        let Some((_, Command::RegisterSet(_, value))) = self.asked.front() else { panic!("{:?}", self.asked) };
        value.clone()
    }
}

#[test]
fn one_step_from_the_password_to_a_resource() {
    let mut chat = Chat::new();
    chat.send(HEADER);
    chat.send(&authenticate(
        "<bind xmlns='urn:xmpp:bind:0'><tag>Test</tag><enable xmlns='urn:xmpp:carbons:2'/>\
         <enable xmlns='urn:xmpp:sm:3' resume='true'/><inactive xmlns='urn:xmpp:csi:0'/></bind>",
    ));
    chat.let_in();
    chat.let_open();
    expect![[r#"
        <?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='a.example' id='2f8daf980b4a4d81450c049469f1a4dd' version='1.0' xml:lang='en'>
        <stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms><authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:csi:0'/><feature var='urn:xmpp:sm:3'/></inline></bind><sm xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication><register xmlns='urn:xmpp:ibr-token:0'/><register xmlns='http://jabber.org/features/iq-register'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>8192</max-bytes><idle-seconds>30</idle-seconds></limits></stream:features>
            LookupCredentials(alice)
            LogIn(alice)
            Open(Open { nick: alice, user: "alice", realname: "alice", resource: Some("Test/cd060cdd7147"), available: false })
            History(HistoryQuery { of: Account, after: None, before: None, ids: [], limit: 1, newest: false, texts: false, events: false })
            History(HistoryQuery { of: Account, after: None, before: None, ids: [], limit: 1, newest: true, texts: false, events: false })
        <success xmlns='urn:xmpp:sasl:2'><authorization-identifier>alice@a.example/Test/cd060cdd7147</authorization-identifier><bound xmlns='urn:xmpp:bind:0'><metadata xmlns='urn:xmpp:mam:2'><start id='06dndmlbt00001850k2ga18000000001' timestamp='2026-01-01T00:00:01.000Z'/><end id='06dndmlbt00001850k2ga18000000001' timestamp='2026-01-01T00:00:01.000Z'/></metadata><enabled xmlns='urn:xmpp:sm:3' id='5f9ae747e239f68412558968d738e8cb-0000000000000001-0909090909090909090909090909090909090909090909090909090909090909' resume='true' max='600'/></bound></success>
        <stream:features><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>65536</max-bytes><idle-seconds>180</idle-seconds></limits><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://lavina.example' ver='yb1aSqTyi/T7Tjf/uXGkQ9NcU4k='/><c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>Z3i1ZKme61FhtPIJnDiuVWbFxrzrwElsvE7+oCOVy8s=</hash></c></stream:features>
            (kept as 5f9ae747e239f68412558968d738e8cb-0000000000000001-0909090909090909090909090909090909090909090909090909090909090909)
    "#]].assert_eq(&chat.take());
    chat.send("<presence/>");
    chat.answer(Ok(Reply::Done));
    chat.answer(Ok(Reply::LookedAt(None)));
    chat.event(Event::ContactPresence { person: person(3, "carol", Some("desk")), available: true });
    expect![[r#"
            SetPresence(PresenceChange { available: Some(true), show: Some(Available), status: Some(""), priority: Some(0), payloads: Some([]) })
            LookAt(alice, "shown/pep/0ba5ca9b5d5c029473d584e0")
            Account(TakeWaiting)
        <presence to='alice@a.example/Test/cd060cdd7147' from='alice@a.example/Test/cd060cdd7147'/>
    "#]].assert_eq(&chat.take());
}

#[test]
fn without_a_wish_to_bind_it_is_only_a_log_in() {
    let mut chat = Chat::begun();
    chat.send(&authenticate(""));
    chat.let_in();
    expect![[r#"
            LookupCredentials(alice)
            LogIn(alice)
        <success xmlns='urn:xmpp:sasl:2'><authorization-identifier>alice@a.example</authorization-identifier></success>
        <stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>65536</max-bytes><idle-seconds>180</idle-seconds></limits><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://lavina.example' ver='yb1aSqTyi/T7Tjf/uXGkQ9NcU4k='/><c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>Z3i1ZKme61FhtPIJnDiuVWbFxrzrwElsvE7+oCOVy8s=</hash></c></stream:features>
    "#]].assert_eq(&chat.take());
    chat.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    assert!(chat.take().contains("Open(Open"), "no new stream is needed");
}

#[test]
fn a_wrong_password_fails_in_the_words_of_the_profile() {
    let mut chat = Chat::begun();
    chat.send(&authenticate("<bind xmlns='urn:xmpp:bind:0'/>"));
    chat.answer(Ok(Reply::Credentials(None)));
    expect![[r#"
            LookupCredentials(alice)
        <failure xmlns='urn:xmpp:sasl:2'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>
    "#]]
    .assert_eq(&chat.take());
    chat.send("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='X'/><response xmlns='urn:xmpp:sasl:2'>=</response>");
    expect![[r#"
        <failure xmlns='urn:xmpp:sasl:2'><invalid-mechanism xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>
        <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><incorrect-encoding/></failure>
    "#]]
    .assert_eq(&chat.take());
}

#[test]
fn a_challenge_is_of_the_profile_too() {
    let mut chat = Chat::begun();
    chat.send(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'>\
         <initial-response>biwsbj1hbGljZSxyPWFiYw==</initial-response></authenticate>",
    );
    chat.answer(Ok(Reply::Credentials(Some(credentials()))));
    assert!(chat.take().contains("<challenge xmlns='urn:xmpp:sasl:2'>cj1hYm"));
}

#[test]
fn a_client_goes_on_with_its_stream_in_one_step() {
    let mut chat = Chat::bound();
    chat.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    let id = chat.take().split('\'').nth(3).unwrap().to_owned();
    chat.session.handle_eof(chat.now, "");
    let mut other =
        Chat::with(Connection { host: "h".into(), tls: None, starttls: false, framed: false, gateway: false, seed: 9 });
    other.send(HEADER);
    let resume = format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='0'/><bind xmlns='urn:xmpp:bind:0'/>");
    other.send(&authenticate(&resume));
    other.let_in();
    other.take();
    chat.session.handle_passage(chat.now, other.session.hand_over().unwrap());
    chat.drain();
    expect![[r#"
        <success xmlns='urn:xmpp:sasl:2'><authorization-identifier>alice@a.example/r1</authorization-identifier><resumed xmlns='urn:xmpp:sm:3' previd='427f867a270f6fc867fc50e77d3679c5-0000000000000001-0909090909090909090909090909090909090909090909090909090909090909' h='0'/></success>
        <stream:features><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>65536</max-bytes><idle-seconds>180</idle-seconds></limits><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://lavina.example' ver='yb1aSqTyi/T7Tjf/uXGkQ9NcU4k='/><c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>Z3i1ZKme61FhtPIJnDiuVWbFxrzrwElsvE7+oCOVy8s=</hash></c></stream:features>
    "#]].assert_eq(&chat.take());
}

#[test]
fn where_the_stream_is_gone_a_resource_is_bound() {
    let mut chat = Chat::begun();
    chat.send(&authenticate("<resume xmlns='urn:xmpp:sm:3' previd='gone' h='3'/><bind xmlns='urn:xmpp:bind:0'/>"));
    chat.let_in();
    chat.session.handle_no_resumption(chat.now, Some(5));
    chat.drain();
    chat.answer(Ok(Reply::Account(AccountReply::Done)));
    chat.let_open();
    let log = chat.take();
    let failed =
        "<failed xmlns='urn:xmpp:sm:3' h='5'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>";
    assert!(log.contains(failed) && log.contains("<bound "), "{log}");
}

#[test]
fn a_token_is_given_and_taken() {
    let mut chat = Chat::begun();
    chat.send(&authenticate("<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"));
    chat.let_in();
    chat.secret(None);
    let register = chat.register();
    chat.answer(Ok(Reply::Done));
    let log = chat.take();
    expect![[r#"
            LookupCredentials(alice)
            LogIn(alice)
            Account(Secret(alice, "secret/token/bc"))
            RegisterSet("secret/token/bc", [98, 99, 48, 102, 97, 48, 55, 97, 49, 56, 54, 99, 54, 53, 102, 56, 54, 56, 97, 55, 98, 57, 102, 48, 51, 56, 102, 50, 49, 52, 53, 57, 10, 72, 84, 45, 83, 72, 65, 45, 50, 53, 54, 45, 78, 79, 78, 69, 32, 49, 55, 55, 49, 49, 49, 51, 54, 48, 48, 48, 48, 48, 32, 100, 57, 55, 49, 57, 51, 48, 57, 100, 100, 99, 52, 99, 51, 49, 98, 48, 48, 54, 50, 53, 97, 101, 55, 98, 53, 97, 98, 49, 49, 56, 55, 32, 53, 102, 57, 97, 101, 55, 52, 55, 101, 50, 51, 57, 102, 54, 56, 52, 49, 50, 53, 53, 56, 57, 54, 56, 100, 55, 51, 56, 101, 56, 99, 98, 52, 50, 55, 102, 56, 54, 55, 97, 50, 55, 48, 102, 54, 102, 99, 56, 54, 55, 102, 99, 53, 48, 101, 55, 55, 100, 51, 54, 55, 57, 99, 53])
        <success xmlns='urn:xmpp:sasl:2'><token xmlns='urn:xmpp:fast:0' expiry='2026-02-15T00:00:00.000Z' token='5f9ae747e239f68412558968d738e8cb427f867a270f6fc867fc50e77d3679c5'/><authorization-identifier>alice@a.example</authorization-identifier></success>
        <stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>65536</max-bytes><idle-seconds>180</idle-seconds></limits><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://lavina.example' ver='yb1aSqTyi/T7Tjf/uXGkQ9NcU4k='/><c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>Z3i1ZKme61FhtPIJnDiuVWbFxrzrwElsvE7+oCOVy8s=</hash></c></stream:features>
    "#]].assert_eq(&log);
    let token = log.split("token='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();

    let mut chat = Chat::begun();
    chat.send(&authenticate_with(token, "<fast xmlns='urn:xmpp:fast:0'/><bind xmlns='urn:xmpp:bind:0'/>"));
    chat.secret(Some(register.clone()));
    chat.answer(Ok(Reply::Done));
    chat.let_open();
    let log = chat.take();
    assert!(log.contains("<success") && !log.contains("<token") && log.contains("<bound "), "{log}");

    let mut chat = Chat::begun();
    chat.send(&authenticate_with("another", "<fast xmlns='urn:xmpp:fast:0'/>"));
    chat.secret(Some(register.clone()));
    assert!(chat.take().contains("<failure xmlns='urn:xmpp:sasl:2'><not-authorized "));

    let mut chat = Chat::begun();
    chat.send(&authenticate_with(token, "<fast xmlns='urn:xmpp:fast:0' invalidate='true'/>"));
    chat.secret(Some(register));
    chat.answer(Ok(Reply::Done));
    let register = chat.register();
    assert!(!String::from_utf8(register).unwrap().contains("HT-SHA-256"), "it is good no more");
}
