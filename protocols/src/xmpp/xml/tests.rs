//! Chunking, the XMPP subset, and the bounds.

use super::*;
use proptest::prelude::*;

const OPEN: &str = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='a'>";

/// Everything that comes out when the input is cut at the given places.
fn parse(input: &[u8], cuts: &[usize]) -> Vec<Result<Token, XmlError>> {
    let mut parser = Parser::new(LIMITS_BEFORE_LOGIN);
    let mut out = Vec::new();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    cuts.push(input.len());
    cuts.sort_unstable();
    let mut from = 0;
    for cut in cuts {
        parser.push(&input[from..cut]);
        from = cut;
        while let Some(token) = parser.next() {
            out.push(token);
        }
    }
    out
}

/// The error that ends a stream with this in it.
fn error_of(inside: &str) -> Option<XmlError> {
    let whole = format!("{OPEN}{inside}");
    parse(whole.as_bytes(), &[]).into_iter().find_map(Result::err)
}

#[test]
fn stanzas_come_out_with_namespaces_resolved() {
    let input = format!(
        "<?xml version='1.0'?>{OPEN} <message id=\"1\"><body>a &lt;&#x41;&amp; <![CDATA[<b>]]></body>\
         <x:y xmlns:x='urn:x' x:z='1' xml:lang='en'/></message>\n</stream:stream>"
    );
    let tokens: Vec<Token> = parse(input.as_bytes(), &[]).into_iter().map(Result::unwrap).collect();
    let [Token::Open(root, default), Token::Stanza(stanza), Token::Close] = tokens.as_slice() else {
        panic!("{tokens:?}")
    };
    assert!(root.is("stream", ns::STREAM));
    assert_eq!(default, ns::CLIENT);
    assert_eq!(stanza.child_text("body").unwrap(), "a <A& <b>");
    assert_eq!(
        stanza.to_stanza(),
        "<message id='1'><body>a &lt;A&amp; &lt;b&gt;</body>\
         <y xmlns='urn:x' xmlns:a0='urn:x' a0:z='1' xml:lang='en'/></message>"
    );
}

#[test]
fn what_xmpp_forbids_is_restricted_xml() {
    for inside in ["<!-- c -->", "<?pi?>", "<!DOCTYPE a>", "<m><!-- c --></m>", "<m><?xml version='1.0'?></m>"] {
        assert_eq!(error_of(inside), Some(XmlError::Restricted), "{inside}");
    }
    let doctype = b"<!DOCTYPE lolz [<!ENTITY lol 'lol'>]>";
    assert_eq!(parse(doctype, &[]), [Err(XmlError::Restricted)]);
}

#[test]
fn what_is_not_well_formed_ends_the_stream() {
    for inside in [
        "text",
        "<m></n>",
        "<m a='1'b='2'/>",
        "<m a='1' a='2'/>",
        "<m a=1/>",
        "<m a/>",
        "<m a='<'/>",
        "<1/>",
        "<m>&nbsp;</m>",
        "<m>&#0;</m>",
        "<m>&#xD800;</m>",
        "<m>& </m>",
        "<m>]]></m>",
        "<m>\u{1}</m>",
        "< m/>",
        "<m:/>",
        "<m xmlns:xmlns='a'/>",
        "<m xmlns:a=''/>",
        "</m>",
    ] {
        assert_eq!(error_of(inside), Some(XmlError::NotWellFormed), "{inside}");
    }
    assert_eq!(error_of("<a:m/>"), Some(XmlError::BadNamespacePrefix));
    assert_eq!(error_of("<m a:b='1'/>"), Some(XmlError::BadNamespacePrefix));
    assert_eq!(parse(b"<?xml version='1.0' encoding='UTF-16'?>", &[]), [Err(XmlError::UnsupportedEncoding)]);
}

#[test]
fn each_bound_is_a_policy_violation() {
    let attrs: String = (0..65).map(|n| format!(" a{n}=''")).collect();
    let namespaces: String = (0..17).map(|n| format!(" xmlns:a{n}='u'")).collect();
    for inside in [
        "<m>".repeat(33),
        format!("<m{attrs}/>"),
        format!("<m{namespaces}/>"),
        format!("<m>{}", "<a/>".repeat(64)),
        format!("<m>{}</m>", "a".repeat(9000)),
        format!("<m>{}", "a".repeat(9000)),
        format!("<m a='{}", "a".repeat(9000)),
        format!("<m xmlns='{}'/>", "a".repeat(300)),
    ] {
        assert!(matches!(error_of(&inside), Some(XmlError::Policy(_))), "{inside}");
    }
    assert_eq!(error_of(&"<m/>".repeat(4000)), None);
}

/// Something like a stream, often broken in some place.
fn streams() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("<m>".to_owned()),
        Just("</m>".to_owned()),
        Just("<a xmlns='u' b='&amp;'/>".to_owned()),
        Just("<p:a xmlns:p=\"u>\" p:b='\"'>".to_owned()),
        Just("</p:a>".to_owned()),
        Just("&lt;ü\r\n".to_owned()),
        Just("<![CDATA[ ]] > ]]>".to_owned()),
        Just(" \n".to_owned()),
        Just("</stream:stream>".to_owned()),
        Just("a".repeat(5000)),
        "[a-z<>&;'\"/!?=: \\[\\]é-]{0,6}",
    ];
    proptest::collection::vec(part, 0..12)
        .prop_map(|parts| format!("<?xml version='1.0' encoding='utf-8' ?>{OPEN}{}", parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chunking_gives_the_same_tokens(input in streams(), cuts in proptest::collection::vec(any::<usize>(), 0..40)) {
        prop_assert_eq!(parse(input.as_bytes(), &cuts), parse(input.as_bytes(), &[]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(input in proptest::collection::vec(any::<u8>(), 0..400), cuts in proptest::collection::vec(any::<usize>(), 0..9)) {
        let _ = parse(&input, &cuts);
        let _ = parse(&[OPEN.as_bytes(), &input].concat(), &cuts);
    }

    #[test]
    fn what_is_written_reads_back_the_same(text in "[\\PC\r\n\t]{0,20}", value in "[\\PC\r\n\t]{0,20}") {
        let element = Element::new("m", "urn:a")
            .attr("v", value.clone())
            .child(Element::new("b", "").text(text))
            .child(Element::new("c", "urn:a").child(Element::new("d", "urn:b")));
        prop_assert_eq!(parse_standalone(&element.to_standalone()), Some(element));
    }

    /// A parser that no one here wrote takes what ours takes, and reads the same names in it.
    #[test]
    fn what_is_taken_is_xml_to_others_too(input in streams()) {
        let tokens = parse(input.as_bytes(), &[]);
        if tokens.last().is_some_and(|token| *token == Ok(Token::Close)) {
            let end = input.find("</stream:stream>").unwrap() + "</stream:stream>".len();
            let mut reader = quick_xml::Reader::from_str(&input[..end]);
            loop {
                match reader.read_event() {
                    Ok(quick_xml::events::Event::Eof) => break,
                    Ok(_) => {}
                    Err(error) => prop_assert!(false, "{error}: {input}"),
                }
            }
        }
    }
}
