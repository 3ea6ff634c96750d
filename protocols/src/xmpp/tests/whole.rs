//! Whole sessions under arbitrary input: chunking does not matter, nothing panics, and what comes out is XML.

use super::*;
use crate::event::HistoryPage;
use crate::xmpp::xml::{LIMITS, Parser};
use proptest::prelude::*;

/// A core that knows alice and lets everybody do everything.
#[expect(clippy::wildcard_enum_match_arm, reason = "whatever is not asked for data is done")]
fn answer(command: &Command) -> Result<Reply, Refusal> {
    Ok(match command {
        Command::LookupCredentials(name) => Reply::Credentials((name.as_str() == "alice").then(credentials)),
        Command::Open(_) => Reply::Opened(opened()),
        Command::Join { .. } => Reply::Joined(Arc::new(view(false)), true),
        Command::RoomInfo(_) => Reply::Room(Some(Arc::new(view(false)))),
        Command::History(_) => Reply::History(HistoryPage::default()),
        Command::RosterGet => Reply::Roster(Vec::new()),
        Command::ListRooms => Reply::Rooms(Vec::new()),
        Command::RegisterGet(_) => Reply::Register(None),
        Command::Whisper(..) => return Err(Refusal::NoSuchNick),
        Command::Say(crate::command::Target::Room(name), content) => {
            Reply::Said(said_in(name.as_str(), 1, author(1, "alice", true), content.clone()))
        }
        _ => Reply::Done,
    })
}

/// The bytes and the commands that come of an input in pieces. How the two are interleaved depends on when the core answers, not each by
/// itself.
fn run(input: &[u8], cuts: &[usize]) -> (String, String) {
    let mut chat = Chat::new();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    cuts.push(input.len());
    cuts.sort_unstable();
    let mut from = 0;
    for cut in cuts {
        chat.session.handle_bytes(chat.now, &input[from..cut]);
        chat.drain();
        from = cut;
        while let Some((_, command)) = chat.asked.front() {
            let answer = answer(command);
            chat.answer(answer);
        }
    }
    let log = chat.take();
    let is_command = |line: &&str| line.starts_with("    ");
    let commands = log.lines().filter(is_command).collect();
    (log.lines().filter(|line| !is_command(line)).collect(), commands)
}

fn login() -> String {
    format!(
        "{HEADER}<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>{HEADER}\
         <iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r1</resource></bind></iq><presence/>"
    )
}

fn stanzas() -> impl Strategy<Value = String> {
    let to = prop_oneof![
        Just(""),
        Just(" to='a.example'"),
        Just(" to='rooms.a.example'"),
        Just(" to='rust@rooms.a.example'"),
        Just(" to='rust@rooms.a.example/alice'"),
        Just(" to='rust@rooms.a.example/bob'"),
        Just(" to='bob@a.example/x'"),
        Just(" to='@'"),
    ];
    let kind = prop_oneof![
        Just(""),
        Just(" type='get'"),
        Just(" type='set'"),
        Just(" type='groupchat'"),
        Just(" type='chat'"),
        Just(" type='result'"),
        Just(" type='unavailable'"),
        Just(" type='subscribe'"),
    ];
    let inner = prop_oneof![
        Just(""),
        Just("<body>hé</body>"),
        Just("<subject/>"),
        Just("<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='3'/></x>"),
        Just("<query xmlns='http://jabber.org/protocol/disco#info'/>"),
        Just("<query xmlns='http://jabber.org/protocol/disco#items'/>"),
        Just("<query xmlns='jabber:iq:roster'><item jid='bob@a.example'/></query>"),
        Just(
            "<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'><field var='end'><value>x</value></field></x></query>"
        ),
        Just("<metadata xmlns='urn:xmpp:mam:2'/>"),
        Just("<query xmlns='http://jabber.org/protocol/muc#admin'><item nick='bob' role='none'/></query>"),
        Just("<query xmlns='http://jabber.org/protocol/muc#owner'/>"),
        Just("<ping xmlns='urn:xmpp:ping'/>"),
        Just("<enable xmlns='urn:xmpp:carbons:2'/>"),
        Just("<vCard xmlns='vcard-temp'><FN>x</FN></vCard>"),
        "[a-z<>&/' =]{0,8}".prop_map(|text| &*text.leak()),
    ];
    let name = prop_oneof![Just("iq"), Just("message"), Just("presence")];
    let stanza = (name, to, kind, inner)
        .prop_map(|(name, to, kind, inner)| format!("<{name}{to}{kind} id='i'>{inner}</{name}>"));
    let nonza = prop_oneof![Just("<enable xmlns='urn:xmpp:sm:3'/>"), Just("<r xmlns='urn:xmpp:sm:3'/>"), Just(" ")];
    let any = prop_oneof![8 => stanza, 1 => nonza.prop_map(str::to_owned)];
    proptest::collection::vec(any, 0..10).prop_map(|stanzas| stanzas.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chunking_of_a_session_gives_the_same_outputs(input in stanzas(), cuts in proptest::collection::vec(any::<usize>(), 0..30)) {
        let input = format!("{}{input}</stream:stream>", login());
        prop_assert_eq!(run(input.as_bytes(), &cuts), run(input.as_bytes(), &[]));
    }

    #[test]
    fn what_comes_out_is_xml(input in stanzas()) {
        let input = format!("{}{input}", login());
        let (bytes, _) = run(input.as_bytes(), &[]);
        let bytes = bytes.rsplit("<?xml version='1.0'?>").next().unwrap();
        let mut parser = Parser::new(LIMITS);
        parser.push(bytes.as_bytes());
        while let Some(token) = parser.next() {
            prop_assert!(token.is_ok(), "{token:?} in {bytes}");
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        run(&input, &[]);
        run(&[login().as_bytes(), &input].concat(), &[]);
    }
}
