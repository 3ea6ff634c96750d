//! Messages in and out, and that they say the same as a stream.

use super::super::xml::{LIMITS_BEFORE_LOGIN, parse_standalone};
use super::*;
use proptest::prelude::*;

const OPEN: &str = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='a.example' version='1.0'/>";

/// The tokens of messages.
fn read(messages: &[&[u8]]) -> Vec<Result<Token, XmlError>> {
    let mut reader = Reader::new(true, LIMITS_BEFORE_LOGIN);
    messages.iter().for_each(|message| reader.push(message));
    std::iter::from_fn(|| reader.next()).collect()
}

/// The tokens of a stream.
fn read_stream(text: &str) -> Vec<Result<Token, XmlError>> {
    let mut reader = Reader::new(false, LIMITS_BEFORE_LOGIN);
    reader.push(text.as_bytes());
    std::iter::from_fn(|| reader.next()).collect()
}

/// The messages that stand for what a stream would carry, cut at these places.
fn write(text: &str, cuts: &[usize]) -> Vec<String> {
    let (mut writer, mut messages) = (Writer::default(), VecDeque::new());
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    for pair in cuts.windows(2) {
        writer.push(&text.as_bytes()[pair[0]..pair[1]], &mut messages);
    }
    messages.into_iter().map(|message| String::from_utf8(message.to_vec()).unwrap()).collect()
}

#[test]
fn messages_say_what_a_stream_says() {
    let stanza = "<message xmlns='jabber:client'><body>a &lt; b</body></message>";
    let close = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";
    let tokens = read(&[OPEN.as_bytes(), stanza.as_bytes(), close.as_bytes(), stanza.as_bytes()]);
    let stream = read_stream(&format!(
        "<stream:stream xmlns='jabber:client' xmlns:stream='{}' to='a.example' version='1.0'>{stanza}</stream:stream>",
        ns::STREAM
    ));
    assert_eq!(tokens, stream);
}

#[test]
fn a_message_is_one_element_and_nothing_else() {
    for message in [
        "",
        " ",
        " <a/>",
        "a",
        "<a>",
        "<a/><b/>",
        "<a/></b>",
        "</>",
        "<a/></>",
        "<a/>text",
        "<a/><",
        "<a/><b>",
        "<stream:stream xmlns:stream='u'>",
        "<a></b>",
        "\u{feff}<a/>",
    ] {
        assert_eq!(read(&[OPEN.as_bytes(), message.as_bytes()])[1..], [Err(XmlError::NotWellFormed)], "{message}");
    }
    assert_eq!(read(&[OPEN.as_bytes(), b"<!DOCTYPE a>"])[1..], [Err(XmlError::Restricted)]);
    assert_eq!(read(&[OPEN.as_bytes(), b"<a>\xff</a>"])[1..], [Err(XmlError::NotWellFormed)]);
    assert_eq!(read(&[OPEN.as_bytes(), b"<a:b/>"])[1..], [Err(XmlError::BadNamespacePrefix)]);
    assert!(matches!(
        read(&[OPEN.as_bytes(), format!("<a>{}</a>", "x".repeat(9000)).as_bytes()])[1..],
        [Err(XmlError::Policy(_))]
    ));
}

#[test]
fn what_comes_before_the_opening_is_judged_as_one() {
    let [Ok(Token::Open(root, _))] = &read(&[b"<presence xmlns='jabber:client'/>"])[..] else { panic!() };
    assert!(root.is("presence", ns::CLIENT));
    let second = &read(&[OPEN.as_bytes(), OPEN.as_bytes()])[1];
    assert!(matches!(second, Ok(Token::Stanza(element)) if element.is("open", ns::FRAMING)));
}

#[test]
fn what_is_said_stands_for_itself() {
    let stream = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='u' from='a' id='1' \
                  version='1.0' xml:lang='en'><stream:features><bind xmlns='b'/></stream:features>\
                  <iq type='get'><ping xmlns='p'/></iq><message/><a xmlns='urn:xmpp:sm:3' h='1'/>\
                  <stream:error><x xmlns='y'/></stream:error></stream:stream>";
    assert_eq!(
        write(stream, &[]),
        [
            "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='a' id='1' version='1.0' xml:lang='en'/>",
            "<stream:features xmlns:stream='http://etherx.jabber.org/streams'><bind xmlns='b'/></stream:features>",
            "<iq xmlns='jabber:client' type='get'><ping xmlns='p'/></iq>",
            "<message xmlns='jabber:client'/>",
            "<a xmlns='urn:xmpp:sm:3' h='1'/>",
            "<stream:error xmlns:stream='http://etherx.jabber.org/streams'><x xmlns='y'/></stream:error>",
            "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
        ]
    );
}

fn elements() -> impl Strategy<Value = Element> {
    let name = prop_oneof![Just("message"), Just("iq"), Just("a"), Just("xmlns-b")];
    let namespace = prop_oneof![Just(ns::CLIENT), Just("urn:a"), Just("")];
    let text = "[a-z<>&'\"/= \r\n\u{e9}]{0,8}";
    let leaf = (name, namespace, text, prop::option::of(text))
        .prop_map(|(name, namespace, text, value)| Element::new(name, namespace).text(text).maybe_attr("v", value));
    leaf.prop_recursive(3, 12, 3, |inner| {
        (inner.clone(), prop::collection::vec(inner, 0..3)).prop_map(|(outer, children)| outer.children(children))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chunking_gives_the_same_messages_and_each_is_one_element(
        stanzas in prop::collection::vec(elements(), 0..6),
        cuts in prop::collection::vec(any::<usize>(), 0..30),
    ) {
        let stream: String = stanzas.iter().map(Element::to_stanza).collect();
        // Only whole characters, as sessions write them, so that the test can cut the text anywhere.
        let cuts: Vec<usize> = cuts.into_iter().filter(|cut| stream.is_char_boundary(cut % (stream.len() + 1))).collect();
        let messages = write(&stream, &cuts);
        let read: Vec<Option<Element>> = messages.iter().map(|message| parse_standalone(message)).collect();
        prop_assert_eq!(read, stanzas.into_iter().map(Some).collect::<Vec<_>>());
        for message in &messages {
            prop_assert!(element(message.as_bytes(), super::super::xml::LIMITS).is_ok(), "{}", message);
        }
    }

    #[test]
    fn arbitrary_messages_never_panic(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6)) {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        let _ = read(&messages);
    }

    #[test]
    fn what_a_message_holds_a_stream_takes_too(message in "[<>/a-c =':\"&;\\[\\]!?-]{0,24}") {
        if let Ok(found) = element(message.as_bytes(), LIMITS_BEFORE_LOGIN) {
            let stream = format!("<s xmlns=''>{message}</s>");
            prop_assert_eq!(read_stream(&stream).into_iter().nth(1), Some(Ok(Token::Stanza(found))));
        }
    }
}
