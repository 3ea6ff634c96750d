//! What the requests of one client come to.

use super::*;

const NOW: Now = Now { mono_us: 1_000_000, wall_ms: 1_700_000_000_000 };

fn at(seconds: u64) -> Now {
    Now { mono_us: NOW.mono_us + seconds * 1_000_000, ..NOW }
}

fn request(attributes: &str, inside: &str) -> Vec<u8> {
    format!(
        "<body xmlns='http://jabber.org/protocol/httpbind' xmlns:xmpp='urn:xmpp:xbosh' {attributes}>{inside}</body>"
    )
    .into_bytes()
}

/// Everything the session wants: bytes for the stream, answers by ticket, and whether it is over.
fn drain(session: &mut Bosh) -> (String, Vec<(u64, String)>, bool) {
    let (mut sent, mut answers, mut over) = (String::new(), Vec::new(), false);
    while let Some(output) = session.poll_output() {
        match output {
            Output::Send(bytes) => sent.push_str(std::str::from_utf8(&bytes).unwrap()),
            Output::Answer(ticket, text) => answers.push((ticket, text)),
            Output::Close => over = true,
        }
    }
    (sent, answers, over)
}

fn opened(attributes: &str) -> Bosh {
    let first = request(&format!("rid='100' to='a.example' xmpp:version='1.0' {attributes}"), "");
    let mut session = Bosh::open(NOW, &first, "secret".to_owned(), 1).unwrap();
    let (sent, answers, _) = drain(&mut session);
    assert!(
        sent.contains("<stream:stream") && sent.contains(" to='a.example'") && sent.contains(" version='1.0'"),
        "{sent}"
    );
    assert_eq!(answers, [], "the first answer holds the features");
    session.handle_stream(
        NOW,
        b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='s1' from='a.example'>",
    );
    session.handle_stream(NOW, b"<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>");
    let (_, answers, _) = drain(&mut session);
    let [(1, greeting)] = &answers[..] else { panic!("{answers:?}") };
    assert!(greeting.contains("sid='secret'") && greeting.contains("authid='s1'"), "{greeting}");
    assert!(greeting.contains("<stream:features xmlns:stream='http://etherx.jabber.org/streams'>"), "{greeting}");
    session
}

#[test]
fn what_is_said_goes_into_the_request_that_waits() {
    let mut session = opened("wait='60' hold='1'");
    session.handle_request(NOW, &request("rid='101' sid='secret'", "<presence xmlns='jabber:client'/>"), 2);
    let (sent, answers, _) = drain(&mut session);
    assert_eq!((sent.as_str(), answers.len()), ("<presence/>", 0));
    session.handle_stream(NOW, b"<message to='x'><body>hi</body></message>");
    let (_, answers, _) = drain(&mut session);
    assert_eq!(answers.len(), 1);
    assert!(answers[0].1.contains("<message xmlns='jabber:client' to='x'><body>hi</body></message>"), "{answers:?}");
}

#[test]
fn no_more_requests_wait_than_the_client_holds() {
    let mut session = opened("wait='60' hold='1'");
    session.handle_request(NOW, &request("rid='101'", ""), 2);
    assert_eq!(drain(&mut session).1, []);
    session.handle_request(NOW, &request("rid='102'", ""), 3);
    let (_, answers, _) = drain(&mut session);
    assert_eq!(answers, [(2, "<body xmlns='http://jabber.org/protocol/httpbind'/>".to_owned())]);
    session.handle_timeout(at(61));
    assert_eq!(drain(&mut session).1.len(), 1, "and none longer than it waits");
}

#[test]
fn requests_are_handled_in_their_order_and_lost_answers_said_again() {
    let mut session = opened("wait='60' hold='1'");
    session.handle_request(NOW, &request("rid='102'", "<b xmlns='x'/>"), 3);
    assert_eq!(drain(&mut session).0, "", "one is missing before it");
    session.handle_request(NOW, &request("rid='101'", "<a xmlns='x'/>"), 2);
    let (sent, answers, _) = drain(&mut session);
    assert_eq!(sent, "<a xmlns='x'/><b xmlns='x'/>");
    let [(2, first)] = &answers[..] else { panic!("{answers:?}") };
    session.handle_request(NOW, &request("rid='101'", "<a xmlns='x'/>"), 4);
    let (sent, again, over) = drain(&mut session);
    assert_eq!((sent.as_str(), &again[..], over), ("", &[(4, first.clone())][..], false));
    session.handle_request(NOW, &request("rid='110'", ""), 5);
    let (_, answers, over) = drain(&mut session);
    assert!(over && answers.iter().all(|(_, text)| text.contains("condition='item-not-found'")), "{answers:?}");
}

#[test]
fn a_stream_begins_anew_where_the_client_says_so() {
    let mut session = opened("wait='60' hold='1'");
    session.handle_request(NOW, &request("rid='101' xmpp:restart='true'", ""), 2);
    assert!(drain(&mut session).0.contains("<stream:stream"));
}

#[test]
fn a_client_that_is_gone_is_gone() {
    let mut session = opened("wait='60' hold='1'");
    assert_eq!(session.next_timeout(), Some(at(INACTIVITY_SECONDS).mono_us));
    session.handle_timeout(at(INACTIVITY_SECONDS));
    assert!(drain(&mut session).2);
    let mut session = opened("wait='60' hold='1'");
    session.handle_request(NOW, &request("rid='101' pause='100'", ""), 2);
    assert_eq!(drain(&mut session).1.len(), 1, "who pauses has no request open");
    assert_eq!(session.next_timeout(), Some(at(100).mono_us));
}

#[test]
fn the_end_is_said_by_whoever_ends_it() {
    let mut session = opened("wait='60' hold='1'");
    session.handle_request(
        NOW,
        &request("rid='101' type='terminate'", "<presence xmlns='jabber:client' type='unavailable'/>"),
        2,
    );
    let (sent, answers, over) = drain(&mut session);
    assert_eq!(sent, "<presence type='unavailable'/></stream:stream>");
    assert!(over && answers[0].1.contains("type='terminate'"));
    let mut session = opened("wait='60' hold='1'");
    session.handle_request(NOW, &request("rid='101'", ""), 2);
    session.handle_stream(
        NOW,
        b"<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>",
    );
    let (_, answers, over) = drain(&mut session);
    assert!(
        over && answers[0].1.contains("condition='remote-stream-error'") && answers[0].1.contains("<conflict"),
        "{answers:?}"
    );
}

#[test]
fn who_asks_without_end_is_refused() {
    let mut session = opened("wait='0' hold='0'");
    session.handle_request(NOW, &request("rid='101'", ""), 2);
    assert!(!drain(&mut session).2);
    session.handle_request(at(1), &request("rid='102'", ""), 3);
    let (_, answers, over) = drain(&mut session);
    assert!(over && answers.iter().any(|(_, text)| text.contains("condition='policy-violation'")), "{answers:?}");
}

#[test]
fn what_is_no_request_is_told_so() {
    for (bytes, condition) in [
        (&b"GET"[..], "bad-request"),
        (b"<body/>", "bad-request"),
        (&request("to='a.example'", ""), "bad-request"),
        (&request("rid='1'", ""), "improper-addressing"),
        (&request("rid='0' to='a.example'", ""), "bad-request"),
    ] {
        let refused = Bosh::open(NOW, bytes, String::new(), 1).unwrap_err();
        assert!(refused.contains(&format!("condition='{condition}'")), "{refused}");
    }
    assert_eq!(session_of(&request("rid='1' sid='x'", "")), Ok(Some("x".to_owned())));
}
