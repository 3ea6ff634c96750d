//! The stream before a resource is bound.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;

#[test]
fn plain_login_and_binding() {
    let mut chat = Chat::new();
    chat.send(HEADER);
    chat.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>");
    chat.answer(Ok(Reply::Credentials(Some(credentials()))));
    chat.answer(Ok(Reply::Done));
    chat.send(HEADER);
    chat.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    chat.answer(Ok(Reply::Opened(opened())));
    expect![[r#"
        <?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='a.example' id='2f8daf980b4a4d81450c049469f1a4dd' version='1.0' xml:lang='en'>
        <stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms><authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:csi:0'/><feature var='urn:xmpp:sm:3'/></inline></bind><sm xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication><register xmlns='urn:xmpp:ibr-token:0'/><register xmlns='http://jabber.org/features/iq-register'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>8192</max-bytes><idle-seconds>30</idle-seconds></limits></stream:features>
            LookupCredentials(alice)
            LogIn(alice)
        <success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
        <?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='a.example' id='5f9ae747e239f68412558968d738e8cb' version='1.0' xml:lang='en'>
        <stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>65536</max-bytes><idle-seconds>180</idle-seconds></limits><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://lavina.example' ver='yb1aSqTyi/T7Tjf/uXGkQ9NcU4k='/><c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>Z3i1ZKme61FhtPIJnDiuVWbFxrzrwElsvE7+oCOVy8s=</hash></c></stream:features>
            Open(Open { nick: alice, user: "alice", realname: "alice", resource: Some("427f867a270f6fc867fc50e77d3679c5"), available: false })
        <iq id='b' type='result'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>alice@a.example/427f867a270f6fc867fc50e77d3679c5</jid></bind></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn scram_with_a_wrong_password_fails_like_an_unknown_account() {
    let mut chat = Chat::new();
    chat.send(HEADER);
    chat.take();
    for known in [Some(credentials()), None] {
        chat.send(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>biwsbj1hbGljZSxyPWFiYw==</auth>",
        );
        chat.answer(Ok(Reply::Credentials(known)));
        let challenge = chat.take().lines().last().unwrap().to_owned();
        chat.send(&format!("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{}</response>", proof(&challenge)));
        assert_eq!(chat.take(), "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>\n");
    }
}

/// A client's final message with the server's nonce and some proof.
fn proof(challenge: &str) -> String {
    let inner = challenge.split(['<', '>']).nth(2).unwrap();
    let server_first = String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap();
    let nonce = server_first.split(',').next().unwrap();
    STANDARD.encode(format!("c=biws,{nonce},p={}", STANDARD.encode([0; 20])))
}

#[test]
fn starttls_discards_what_was_sent_in_clear() {
    let connection = Connection { host: "h".into(), tls: None, starttls: true, framed: false, gateway: false, seed: 1 };
    let mut chat = Chat::with(connection);
    chat.send(HEADER);
    chat.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><presence/>");
    chat.send("<presence/>");
    chat.tls(Tls { exporter: Some([1; 32]), server_end_point: None, ..Tls::default() });
    chat.send(HEADER);
    expect![[r#"
        <?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='a.example' id='56287ec1566d9fb9d8f4c39dce34c75c' version='1.0' xml:lang='en'>
        <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms><authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:csi:0'/><feature var='urn:xmpp:sm:3'/></inline></bind><sm xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication><register xmlns='urn:xmpp:ibr-token:0'/><register xmlns='http://jabber.org/features/iq-register'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>8192</max-bytes><idle-seconds>30</idle-seconds></limits></stream:features>
        <proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>
            (handshake)
        <?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='a.example' id='d1e0098a4b39d5736932e02b9158e64d' version='1.0' xml:lang='en'>
        <stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms><sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/></sasl-channel-binding><authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:csi:0'/><feature var='urn:xmpp:sm:3'/></inline></bind><sm xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-EXPR</mechanism><mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication><register xmlns='urn:xmpp:ibr-token:0'/><register xmlns='http://jabber.org/features/iq-register'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>8192</max-bytes><idle-seconds>30</idle-seconds></limits></stream:features>
    "#]].assert_eq(&chat.take());
}

#[test]
fn nobody_logs_in_in_clear_where_encryption_can_be_had() {
    let mut config = (*Chat::new().session.link.config).clone();
    config.plain_without_tls = false;
    let connection = Connection { host: "h".into(), tls: None, starttls: true, framed: false, gateway: false, seed: 1 };
    let mut chat = Chat::configured(config, connection);
    chat.send(HEADER);
    chat.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>");
    expect![[r#"
        <?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='a.example' id='56287ec1566d9fb9d8f4c39dce34c75c' version='1.0' xml:lang='en'>
        <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>8192</max-bytes><idle-seconds>30</idle-seconds></limits></stream:features>
        <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><encryption-required/></failure>
    "#]].assert_eq(&chat.take());
}

#[test]
fn a_stanza_before_login_ends_the_stream() {
    let mut chat = Chat::new();
    chat.send(HEADER);
    chat.take();
    chat.send("<message to='bob@a.example'><body>hi</body></message>");
    expect![[r#"
        <stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>
            Quit("not-authorized")
            (closed)
    "#]]
    .assert_eq(&chat.take());
}

#[test]
fn what_is_no_stream_gets_a_stream_error() {
    for (input, condition) in [
        ("GET / HTTP/1.1\r\n", "not-well-formed"),
        ("<stream xmlns='jabber:client'>", "invalid-namespace"),
        ("<s:s xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams'>", "bad-format"),
        (&HEADER.replace("a.example", "b.example"), "host-unknown"),
        (&HEADER.replace("version='1.0' xmlns=", "xmlns="), "unsupported-version"),
        (&HEADER.replace("jabber:client", "jabber:server"), "invalid-namespace"),
        ("<!DOCTYPE a>", "restricted-xml"),
    ] {
        let mut chat = Chat::new();
        chat.send(input);
        let log = chat.take();
        assert!(log.contains(&format!("<stream:error><{condition} ")), "{input}: {log}");
        assert!(log.ends_with("(closed)\n"), "{log}");
    }
}

#[test]
fn who_does_not_log_in_in_time_is_closed() {
    let mut chat = Chat::new();
    chat.send(HEADER);
    chat.take();
    chat.later(30_000);
    expect![[r#"
        <stream:error><connection-timeout xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>
            Quit("connection-timeout")
            (closed)
    "#]]
    .assert_eq(&chat.take());
}

#[test]
fn accounts_are_registered_in_band() {
    let mut chat = Chat::new();
    chat.send(HEADER);
    chat.take();
    chat.send("<iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>");
    chat.send(
        "<iq type='set' id='2'><query xmlns='jabber:iq:register'><username>Dave</username>\
         <password>pw</password></query></iq>",
    );
    assert!(matches!(&chat.asked[0].1, Command::RegisterAccount(name, ..) if name.as_str() == "dave"));
    chat.log.clear();
    chat.answer(Err(Refusal::AccountExists));
    expect![[r#"
        <iq id='2' type='error'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>the account name is taken</text></error></iq>
    "#]].assert_eq(&chat.take());
}

/// A stream over which the client has shown a certificate.
fn certified() -> Chat {
    let tls = Tls { fingerprint: Some("ab".repeat(32)), ..Tls::default() };
    let mut chat = Chat::with(Connection {
        host: "h".into(),
        tls: Some(tls),
        starttls: false,
        framed: false,
        gateway: false,
        seed: 7,
    });
    chat.send(HEADER);
    chat
}

#[test]
fn a_certificate_logs_in_whose_it_is_and_as_nobody_else() {
    let named = |name: Option<&str>| Ok(Reply::Account(AccountReply::Named(name.map(account))));
    let external =
        |initial: &str| format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>{initial}</auth>");
    let mut chat = certified();
    assert!(chat.take().contains("<mechanism>EXTERNAL</mechanism>"));
    chat.send(&external("="));
    assert!(chat.take().contains(&format!("Account(ByCertificate(\"{}\"))", "ab".repeat(32))));
    chat.answer(named(Some("alice")));
    assert!(chat.take().contains("LogIn(alice)"));
    chat.answer(Ok(Reply::Done));
    assert!(chat.take().contains("<success "));

    let mut chat = certified();
    chat.send(&external(""));
    assert!(chat.take().contains("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"));
    // alice@a.example
    chat.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>YWxpY2VAYS5leGFtcGxl</response>");
    chat.answer(named(Some("alice")));
    assert!(chat.take().contains("LogIn(alice)"));

    for (initial, answer, condition) in [
        ("YWxpY2VAYS5leGFtcGxl", Some(Some("bob")), "invalid-authzid"),
        ("=", Some(None), "not-authorized"),
        ("YWxpY2U=", None, "invalid-authzid"),
        ("/w==", None, "invalid-authzid"),
    ] {
        let mut chat = certified();
        chat.send(&external(initial));
        if let Some(answer) = answer {
            chat.answer(named(answer));
        }
        assert!(chat.take().contains(&format!("<{condition}/>")), "{initial}");
    }
    let mut chat = Chat::new();
    chat.send(HEADER);
    assert!(!chat.take().contains("EXTERNAL"), "there is no certificate");
    chat.send(&external("="));
    assert!(chat.take().contains("<invalid-mechanism/>"));
}

#[test]
fn guessing_ends_the_stream() {
    let mut chat = Chat::new();
    chat.send(HEADER);
    chat.take();
    for _ in 0..5 {
        chat.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAGd1ZXNz</auth>");
        chat.answer(Ok(Reply::Credentials(Some(credentials()))));
    }
    let log = chat.take();
    assert_eq!(log.matches("<not-authorized/>").count(), 5);
    assert!(log.contains("<policy-violation ") && log.ends_with("(closed)\n"), "{log}");
}

#[test]
fn a_taken_resource_ends_the_older_session() {
    let mut chat = Chat::bound();
    chat.event(Event::Closed { reason: crate::event::CloseReason::Replaced, words: String::new(), elsewhere: None });
    expect![[r#"
        <stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>
            Quit("conflict")
            (closed)
    "#]]
    .assert_eq(&chat.take());
}

#[test]
fn a_node_that_stops_says_where_to_go_on_if_it_knows() {
    let stops = |elsewhere: Option<&str>| Event::Closed {
        reason: crate::event::CloseReason::Shutdown,
        words: String::new(),
        elsewhere: elsewhere.map(str::to_owned),
    };
    let mut chat = Chat::bound();
    chat.event(stops(Some("us-1.a.example:5222")));
    expect![[r#"
        <stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>us-1.a.example:5222</see-other-host></stream:error></stream:stream>
            Quit("see-other-host")
            (closed)
    "#]].assert_eq(&chat.take());
    let mut chat = Chat::bound();
    chat.event(stops(None));
    assert!(chat.take().contains("<system-shutdown "));
    let framed = Connection { host: "h".into(), tls: None, starttls: false, framed: true, gateway: false, seed: 1 };
    let mut chat = Chat::with(framed);
    chat.event(stops(Some("us-1.a.example:5222")));
    assert!(chat.take().contains("<system-shutdown "), "a client of WebSocket connects to no host");
}

#[test]
fn a_silent_client_is_pinged_and_then_taken_for_gone() {
    let mut chat = Chat::bound();
    chat.later(180_000);
    chat.later(60_000);
    expect![[r#"
        <iq to='alice@a.example/r1' from='a.example' id='427f867a270f6fc867fc50e77d3679c5' type='get'><ping xmlns='urn:xmpp:ping'/></iq>
        <stream:error><connection-timeout xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>
            Quit("connection-timeout")
            (closed)
    "#]].assert_eq(&chat.take());
}

#[test]
fn over_websocket_each_message_is_one_element() {
    const OPEN: &str = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='a.example' version='1.0'/>";
    let connection = Connection { host: "h".into(), tls: None, starttls: false, framed: true, gateway: false, seed: 1 };
    let mut chat = Chat::with(connection);
    chat.send(OPEN);
    chat.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>");
    chat.answer(Ok(Reply::Credentials(Some(credentials()))));
    chat.answer(Ok(Reply::Done));
    chat.send(OPEN);
    chat.send("<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    chat.answer(Ok(Reply::Opened(opened())));
    chat.send("<iq xmlns='jabber:client' type='get' id='p' to='a.example'><ping xmlns='urn:xmpp:ping'/></iq>");
    chat.send("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>");
    expect![[r#"
        <open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='a.example' id='56287ec1566d9fb9d8f4c39dce34c75c' version='1.0' xml:lang='en'/>
        <stream:features xmlns:stream='http://etherx.jabber.org/streams'><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms><authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:csi:0'/><feature var='urn:xmpp:sm:3'/></inline></bind><sm xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication><register xmlns='urn:xmpp:ibr-token:0'/><register xmlns='http://jabber.org/features/iq-register'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>8192</max-bytes><idle-seconds>30</idle-seconds></limits></stream:features>
            LookupCredentials(alice)
            LogIn(alice)
        <success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
        <open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='a.example' id='ba933649da7cc0a06d5d5f9f0419dec7' version='1.0' xml:lang='en'/>
        <stream:features xmlns:stream='http://etherx.jabber.org/streams'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/><limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>65536</max-bytes><idle-seconds>180</idle-seconds></limits><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://lavina.example' ver='yb1aSqTyi/T7Tjf/uXGkQ9NcU4k='/><c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>Z3i1ZKme61FhtPIJnDiuVWbFxrzrwElsvE7+oCOVy8s=</hash></c></stream:features>
            Open(Open { nick: alice, user: "alice", realname: "alice", resource: Some("6a6e715ca8f77e3d78cc920f7e8890cc"), available: false })
        <iq xmlns='jabber:client' id='b' type='result'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>alice@a.example/6a6e715ca8f77e3d78cc920f7e8890cc</jid></bind></iq>
        <iq xmlns='jabber:client' to='alice@a.example/6a6e715ca8f77e3d78cc920f7e8890cc' from='a.example' id='p' type='result'/>
        <close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>
            Quit("")
            (closed)
    "#]].assert_eq(&chat.take());
}

#[test]
fn over_websocket_errors_come_between_opening_and_close() {
    let connection = Connection { host: "h".into(), tls: None, starttls: false, framed: true, gateway: false, seed: 1 };
    for (input, condition) in
        [("<stream:stream>", "bad-namespace-prefix"), ("<a/>", "invalid-namespace"), ("hi", "not-well-formed")]
    {
        let mut chat = Chat::with(connection.clone());
        chat.send(input);
        let log = chat.take();
        let lines: Vec<&str> = log.lines().collect();
        assert!(lines[0].starts_with("<open "), "{log}");
        assert!(lines[1].starts_with("<stream:error xmlns:stream=") && lines[1].contains(condition), "{log}");
        assert!(lines[2].starts_with("<close "), "{log}");
        assert_eq!(lines.last(), Some(&"    (closed)"));
    }
}
