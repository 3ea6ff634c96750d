//! Messages about earlier ones: the same things as IRC's, in XMPP's words (XEP-0308, 0424, 0425, 0444, 0461, 0085).

use super::*;
use crate::command::{MessageRef, Relate};
use expect_test::expect;
use lavina_crdt::relation::{Reaction, Redact, Redacted, Relation, Typing};

impl Chat {
    /// Alice, in the room.
    fn joined() -> Self {
        let mut chat = Self::bound();
        chat.send("<presence to='rust@rooms.a.example/alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>");
        chat.answer(Ok(Reply::Joined(Arc::new(view(false)), true)));
        chat.answer(Ok(Reply::History(crate::event::HistoryPage::default())));
        chat.log.clear();
        chat
    }

    /// What the core was asked to relate.
    fn related(&mut self) -> (MessageRef, Relate, Content) {
        let Some((_, Command::Relate(related))) = self.asked.front().cloned() else { panic!("{:?}", self.asked) };
        self.answer(Ok(Reply::Done));
        (related.of, related.how, related.content)
    }
}

fn about(relation: Relation, text: &str) -> Content {
    Content { relation: Some(Box::new(relation)), ..Content::text(text) }
}

#[test]
fn what_a_client_says_about_a_message_is_understood() {
    let mut chat = Chat::joined();
    let id = msg_id(7).to_string();
    for (inner, of, how) in [
        (
            format!("<retract xmlns='urn:xmpp:message-retract:1' id='{id}'/><body>/me retracted</body>"),
            MessageRef::Id(msg_id(7)),
            Relate::Redact(String::new()),
        ),
        (
            format!(
                "<reactions xmlns='urn:xmpp:reactions:0' id='{id}'><reaction>\u{1f44d}</reaction><reaction/></reactions>"
            ),
            MessageRef::Id(msg_id(7)),
            Relate::SetReactions(vec!["\u{1f44d}".into()]),
        ),
        (
            "<replace xmlns='urn:xmpp:message-correct:0' id='mine'/><body>better</body>".into(),
            MessageRef::Own("mine".into()),
            Relate::Edit,
        ),
        (
            format!("<reply xmlns='urn:xmpp:reply:0' id='{id}' to='rust@rooms.a.example/bob'/><body>yes</body>"),
            MessageRef::Id(msg_id(7)),
            Relate::Reply,
        ),
    ] {
        chat.send(&format!("<message to='rust@rooms.a.example' type='groupchat' id='1'>{inner}</message>"));
        let (said_of, said_how, content) = chat.related();
        assert_eq!((said_of, said_how), (of, how.clone()), "{inner}");
        let words = !matches!(how, Relate::Redact(_) | Relate::SetReactions(_));
        assert_eq!(!content.text.is_empty(), words, "what stands in for it is not said: {inner}");
        assert!(!content.payloads.is_empty(), "and other XMPP clients get it as it came");
    }
    chat.send(
        "<message to='bob@a.example' type='chat'><reactions xmlns='urn:xmpp:reactions:0' id='his-own'/></message>",
    );
    assert_eq!(chat.related().0, MessageRef::Given("his-own".into()));
}

#[test]
fn what_comes_from_irc_is_said_in_these_words() {
    let mut chat = Chat::joined();
    let before = vec!["a".to_owned()];
    let now = vec!["\u{1f44d}".to_owned(), "b".to_owned()];
    let redact = |moderated| Redact { of: msg_id(1), reason: "spam".into(), moderated };
    for content in [
        about(Relation::Reply(msg_id(1)), "yes"),
        about(Relation::Edit(msg_id(1)), "better"),
        Content { kind: Content::signal().kind, ..about(Relation::React(Reaction { to: msg_id(1), before, now }), "") },
        about(Relation::Redact(redact(false)), ""),
        about(Relation::Redact(redact(true)), ""),
        Content { typing: Some(Typing::Active), ..Content::signal() },
    ] {
        chat.event(Event::Said(said_in("rust", 2, author(2, "bob", true), content)));
    }
    expect![[r#"
        <message to='alice@a.example/r1' from='rust@rooms.a.example/bob' type='groupchat' id='06dndmlfq00001850k2ga18000000002'><body>yes</body><reply xmlns='urn:xmpp:reply:0' id='06dndmlbt00001850k2ga18000000001'/><stanza-id xmlns='urn:xmpp:sid:0' by='rust@rooms.a.example' id='06dndmlfq00001850k2ga18000000002'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/></message>
        <message to='alice@a.example/r1' from='rust@rooms.a.example/bob' type='groupchat' id='06dndmlfq00001850k2ga18000000002'><body>better</body><replace xmlns='urn:xmpp:message-correct:0' id='06dndmlbt00001850k2ga18000000001'/><stanza-id xmlns='urn:xmpp:sid:0' by='rust@rooms.a.example' id='06dndmlfq00001850k2ga18000000002'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/></message>
        <message to='alice@a.example/r1' from='rust@rooms.a.example/bob' type='groupchat' id='06dndmlfq00001850k2ga18000000002'><reactions xmlns='urn:xmpp:reactions:0' id='06dndmlbt00001850k2ga18000000001'><reaction>👍</reaction><reaction>b</reaction></reactions><stanza-id xmlns='urn:xmpp:sid:0' by='rust@rooms.a.example' id='06dndmlfq00001850k2ga18000000002'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/></message>
        <message to='alice@a.example/r1' from='rust@rooms.a.example/bob' type='groupchat' id='06dndmlfq00001850k2ga18000000002'><retract xmlns='urn:xmpp:message-retract:1' id='06dndmlbt00001850k2ga18000000001'><reason>spam</reason></retract><stanza-id xmlns='urn:xmpp:sid:0' by='rust@rooms.a.example' id='06dndmlfq00001850k2ga18000000002'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/></message>
        <message to='alice@a.example/r1' from='rust@rooms.a.example' type='groupchat' id='06dndmlfq00001850k2ga18000000002'><retract xmlns='urn:xmpp:message-retract:1' id='06dndmlbt00001850k2ga18000000001'><moderated xmlns='urn:xmpp:message-moderate:1' by='rust@rooms.a.example/bob'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/></moderated><reason>spam</reason></retract><stanza-id xmlns='urn:xmpp:sid:0' by='rust@rooms.a.example' id='06dndmlfq00001850k2ga18000000002'/></message>
        <message to='alice@a.example/r1' from='rust@rooms.a.example/bob' type='groupchat' id='06dndmlfq00001850k2ga18000000002'><composing xmlns='http://jabber.org/protocol/chatstates'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/></message>
    "#]].assert_eq(&chat.take());
}

#[test]
fn of_a_redacted_message_the_archive_has_a_tombstone() {
    let mut chat = Chat::joined();
    chat.send("<iq type='set' id='q' to='rust@rooms.a.example'><query xmlns='urn:xmpp:mam:2'/></iq>");
    let redacted = Redacted { by: author(2, "bob", true), id: msg_id(9), reason: "spam".into(), moderated: true };
    let said = said_in("rust", 2, author(3, "carol", false), Content::text(""));
    let said = Said { redacted: Some(Arc::new(redacted)), ..(*said).clone() };
    let page = crate::event::HistoryPage { messages: vec![Arc::new(said)], events: Vec::new(), complete: true };
    chat.answer(Ok(Reply::History(page)));
    expect![[r#"
            History(HistoryQuery { of: Room(rust), after: None, before: None, ids: [], limit: 50, newest: false, texts: false, events: false })
        <message to='alice@a.example/r1' from='rust@rooms.a.example'><result xmlns='urn:xmpp:mam:2' id='06dndmlfq00001850k2ga18000000002'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:02.000Z'/><message xmlns='jabber:client' from='rust@rooms.a.example/carol' type='groupchat' id='06dndmlfq00001850k2ga18000000002'><retracted xmlns='urn:xmpp:message-retract:1' id='06dndmmb500001850k2ga18000000009' stamp='2026-01-01T00:00:09.000Z'><moderated xmlns='urn:xmpp:message-moderate:1' by='rust@rooms.a.example/bob'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/></moderated><reason>spam</reason></retracted><stanza-id xmlns='urn:xmpp:sid:0' by='rust@rooms.a.example' id='06dndmlfq00001850k2ga18000000002'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='0882fbe79e531e6741a7eeecf231a10f'/></message></forwarded></result></message>
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='q' type='result'><fin xmlns='urn:xmpp:mam:2' complete='true'><set xmlns='http://jabber.org/protocol/rsm'><first>06dndmlfq00001850k2ga18000000002</first><last>06dndmlfq00001850k2ga18000000002</last></set></fin></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn a_moderator_takes_a_message_back_and_hears_the_room_say_so() {
    let mut chat = Chat::joined();
    let id = msg_id(1);
    chat.send(&format!(
        "<iq type='set' id='m' to='rust@rooms.a.example'><moderate xmlns='urn:xmpp:message-moderate:1' id='{id}'>\
         <retract xmlns='urn:xmpp:message-retract:1'/><reason>spam</reason></moderate></iq>"
    ));
    let content = about(Relation::Redact(Redact { of: id, reason: "spam".into(), moderated: true }), "");
    chat.answer(Ok(Reply::Said(said_in("rust", 2, author(1, "alice", true), content))));
    expect![[r#"
            Relate(Related { target: Room(rust), of: Id(06dndmlbt00001850k2ga18000000001), how: Redact("spam"), content: Content { kind: Signal, text: "", tags: [], payloads: [], to_resource: None, from_resource: None, via_room: None, client_id: "", relation: None, joints: [], typing: None, least: None } })
        <message to='alice@a.example/r1' from='rust@rooms.a.example' type='groupchat' id='06dndmlfq00001850k2ga18000000002'><retract xmlns='urn:xmpp:message-retract:1' id='06dndmlbt00001850k2ga18000000001'><moderated xmlns='urn:xmpp:message-moderate:1' by='rust@rooms.a.example/alice'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='1cd051251046c9d150ce08f6ea6d85a2'/></moderated><reason>spam</reason></retract><stanza-id xmlns='urn:xmpp:sid:0' by='rust@rooms.a.example' id='06dndmlfq00001850k2ga18000000002'/></message>
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='m' type='result'/>
    "#]].assert_eq(&chat.take());
}

#[test]
fn a_sign_of_writing_is_one_only_where_nothing_else_is_said() {
    let mut chat = Chat::joined();
    let composing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
    let receipt = "<received xmlns='urn:xmpp:receipts' id='1'/>";
    for (inner, typing) in [
        (composing.to_owned(), Some(Typing::Active)),
        (format!("{composing}{receipt}"), None),
        (format!("<body>x</body>{composing}"), None),
    ] {
        chat.send(&format!("<message to='bob@a.example' type='chat'>{inner}</message>"));
        let Some((_, Command::Say(_, content))) = chat.asked.pop_front() else { panic!("{inner}") };
        assert_eq!(content.typing, typing, "{inner}");
    }
}

#[test]
fn a_retraction_of_what_is_not_known_goes_on_as_it_came() {
    let mut chat = Chat::joined();
    chat.send(
        "<message to='bob@a.example' type='chat' id='1'><retract xmlns='urn:xmpp:message-retract:1' id='old'/>\
         <body>/me took something back</body></message>",
    );
    chat.answer(Err(Refusal::NoSuchMessage));
    let Some((_, Command::Say(_, content))) = chat.asked.pop_front() else { panic!("it is lost") };
    assert_eq!((content.text.as_str(), content.payloads.len()), ("/me took something back", 1));
}
