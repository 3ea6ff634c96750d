//! What no client should send: bounds before and after log-in, what is not known, and what only the server says.

use super::*;

/// What a bound client that says this ends with.
fn after(said: &str) -> String {
    let mut chat = Chat::bound();
    chat.send(said);
    chat.take()
}

#[test]
fn bounds_are_narrow_before_log_in_and_wider_after_it() {
    let message = |bytes: usize| format!("<message to='bob@a.example'><body>{}</body></message>", "x".repeat(bytes));
    let many = |count: usize| format!("<message to='bob@a.example'>{}</message>", "<a xmlns='b'/>".repeat(count));
    for said in [message(9_000), many(100)] {
        let mut chat = Chat::new();
        chat.send(HEADER);
        chat.send(&said);
        assert!(chat.take().contains("<stream:error><policy-violation "), "before log-in");
        let log = after(&said);
        assert!(!log.contains("stream:error") && log.contains("Say("), "after log-in");
    }
    for said in [message(66_000), many(600), format!("{}{}", "<a>".repeat(33), "</a>".repeat(33))] {
        assert!(after(&said).contains("<stream:error><policy-violation "), "{} bytes", said.len());
    }
}

#[test]
fn what_breaks_the_stream_gets_the_error_that_is_named_for_it() {
    for (said, condition) in [
        ("<odd/>", "unsupported-stanza-type"),
        ("<message xmlns='urn:odd'/>", "unsupported-stanza-type"),
        ("<message from='eve@a.example'/>", "invalid-from"),
        ("<message from='alice@a.example/other'/>", "invalid-from"),
        ("<message><!-- --></message>", "restricted-xml"),
        ("<?pi?>", "restricted-xml"),
        ("<message><a></message>", "not-well-formed"),
        ("<a:message/>", "bad-namespace-prefix"),
        ("words", "not-well-formed"),
    ] {
        let log = after(said);
        assert!(log.contains(&format!("<stream:error><{condition} ")) && log.ends_with("(closed)\n"), "{said}: {log}");
    }
}

#[test]
fn what_nobody_knows_is_passed_on_as_it_came() {
    let inside = "<thing xmlns='urn:unknown' a='1'><b xmlns='urn:other'>&lt;c&gt;</b></thing>";
    let mut chat = Chat::bound();
    chat.send(&format!("<message to='bob@a.example'>{inside}</message>"));
    let Some((_, Command::Say(_, content))) = chat.asked.pop_front() else { panic!("not said") };
    assert_eq!(content.payloads, [inside]);
    chat.send(&format!("<iq type='set' id='1' to='bob@a.example/phone'>{inside}</iq>"));
    let Some((_, Command::Whisper(_, stanza))) = chat.asked.pop_front() else { panic!("not passed on") };
    assert!(std::str::from_utf8(&stanza).unwrap().contains(inside));
    chat.send(&format!("<presence>{inside}</presence>"));
    let Some((_, Command::SetPresence(change))) = chat.asked.pop_front() else { panic!("not shown") };
    assert_eq!(change.payloads.unwrap(), [inside]);
}

#[test]
fn nobody_says_what_only_the_server_says() {
    const STAMPS: [&str; 9] = [
        "<stanza-id xmlns='urn:xmpp:sid:0' by='a.example' id='x'/>",
        "<stanza-id xmlns='urn:xmpp:sid:0' by='Rust@ROOMS.a.example.' id='x'/>",
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='x'/>",
        "<delay xmlns='urn:xmpp:delay' stamp='2000-01-01T00:00:00Z'/>",
        "<delay xmlns='urn:xmpp:delay' from='a.example' stamp='2000-01-01T00:00:00Z'/>",
        "<x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x>",
        "<received xmlns='urn:xmpp:carbons:2'/>",
        "<sent xmlns='urn:xmpp:carbons:2'/>",
        "<result xmlns='urn:xmpp:mam:2' id='x'/>",
    ];
    for stamp in STAMPS {
        let mut chat = Chat::bound();
        chat.send(&format!("<message to='bob@a.example'><body>hi</body>{stamp}</message>"));
        let Some((_, Command::Say(_, content))) = chat.asked.pop_front() else { panic!("not said") };
        assert_eq!(content.payloads, [""; 0], "{stamp}");
    }
    for stamp in
        STAMPS.into_iter().filter(|stamp| ["occupant-id", "delay", "muc#user"].iter().any(|s| stamp.contains(s)))
    {
        let mut chat = Chat::bound();
        chat.send(&format!("<presence>{stamp}</presence>"));
        let Some((_, Command::SetPresence(change))) = chat.asked.pop_front() else { panic!("not shown") };
        assert_eq!(change.payloads.unwrap(), [""; 0], "{stamp}");
    }
    let others = "<delay xmlns='urn:xmpp:delay' from='elsewhere.example' stamp='2000-01-01T00:00:00Z'/>";
    let mut chat = Chat::bound();
    chat.send(&format!("<message to='bob@a.example'><body>hi</body>{others}</message>"));
    let Some((_, Command::Say(_, content))) = chat.asked.pop_front() else { panic!("not said") };
    assert_eq!(content.payloads, [others], "of others it is their word");
}
