//! Coming into rooms, talking there and leaving (XEP-0045 sections 6 and 7), and their archives.

use super::direct::direct;
use super::*;
use crate::command::HistoryOf;
use crate::event::{HistoryPage, Leave};
use expect_test::expect;
use lavina_crdt::room::{Act, Denied, Flag};

pub(super) const JOIN: &str =
    "<presence to='rust@rooms.a.example/alice' id='j'><x xmlns='http://jabber.org/protocol/muc'/></presence>";

pub(super) fn page(messages: Vec<Arc<Said>>) -> Reply {
    Reply::History(HistoryPage { messages, events: Vec::new(), complete: true })
}

/// A chat in the room.
pub(super) fn inside() -> Chat {
    let mut chat = Chat::bound();
    chat.send(JOIN);
    chat.answer(Ok(Reply::Joined(Arc::new(view(false)), true)));
    chat.answer(Ok(page(Vec::new())));
    chat.log.clear();
    chat
}

#[test]
fn joining_shows_occupants_then_history_then_subject_then_what_is_live() {
    let mut chat = Chat::bound();
    chat.send(JOIN);
    chat.answer(Ok(Reply::Joined(Arc::new(view(true)), true)));
    let old = said_in("rust", 1, author(3, "carol", false), Content::text("\u{2}old\u{2}"));
    let new = said_in("rust", 2, author(2, "bob", true), Content::text("new"));
    chat.event(Event::Said(Arc::clone(&old)));
    chat.event(Event::Said(new));
    chat.answer(Ok(page(vec![old])));
    expect![[r#"
            Join { room: rust, nick: Some(alice), key: None }
            History(HistoryQuery { of: Room(rust), after: None, before: None, ids: [], limit: 20, newest: true, texts: false, events: false })
            Act(rust, [SetFlag { flag: Locked, on: true }])
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/bob'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/><hats xmlns='urn:xmpp:hats:0'><hat title='Operator' uri='urn:lavina:rank:operator'/></hats><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' jid='bob@a.example/phone' role='moderator'/></x></presence>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/carol'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='0882fbe79e531e6741a7eeecf231a10f'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='participant'/></x></presence>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/alice'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='1cd051251046c9d150ce08f6ea6d85a2'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' jid='alice@a.example/r1' role='participant'/><status code='100'/><status code='110'/><status code='201'/></x></presence>
        <message to='alice@a.example/r1' from='rust@rooms.a.example/carol' type='groupchat' id='06dndmlbt00001850k2ga18000000001'><body>old</body><stanza-id xmlns='urn:xmpp:sid:0' by='rust@rooms.a.example' id='06dndmlbt00001850k2ga18000000001'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='0882fbe79e531e6741a7eeecf231a10f'/><delay xmlns='urn:xmpp:delay' from='rust@rooms.a.example' stamp='2026-01-01T00:00:01.000Z'/></message>
        <message to='alice@a.example/r1' from='rust@rooms.a.example/bob' type='groupchat'><subject>Rust</subject><delay xmlns='urn:xmpp:delay' from='rust@rooms.a.example' stamp='2026-01-01T00:00:00.000Z'/></message>
        <message to='alice@a.example/r1' from='rust@rooms.a.example/bob' type='groupchat' id='06dndmlfq00001850k2ga18000000002'><body>new</body><stanza-id xmlns='urn:xmpp:sid:0' by='rust@rooms.a.example' id='06dndmlfq00001850k2ga18000000002'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/></message>
    "#]].assert_eq(&chat.take());
}

#[test]
fn who_wants_a_nick_of_several_words_comes_in_under_the_nearest() {
    let mut chat = Chat::bound();
    chat.send(
        "<presence to='rust@rooms.a.example/Alice M.' id='j'><x xmlns='http://jabber.org/protocol/muc'/></presence>",
    );
    let mut given = view(false);
    given.own_nick = Some(nick("Alice_M_"));
    given.occupants[0].nick = nick("Alice_M_");
    chat.answer(Ok(Reply::Joined(Arc::new(given), true)));
    chat.answer(Ok(page(Vec::new())));
    chat.take();
    chat.send("<presence to='rust@rooms.a.example/Alice M.'><show>away</show></presence>");
    expect![[r#"
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/Alice_M_'><show>away</show><occupant-id xmlns='urn:xmpp:occupant-id:0' id='1cd051251046c9d150ce08f6ea6d85a2'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='participant' jid='alice@a.example/r1'/><status code='110'/></x></presence>
            SetPresence(PresenceChange { available: None, show: None, status: None, priority: None, payloads: Some(["<in xmlns='urn:lavina:looks' room='30629aae696fea8c'><presence xmlns='jabber:client'><show>away</show></presence></in>"]) })
    "#]].assert_eq(&chat.take());
}

#[test]
fn a_name_that_nobody_can_have_is_nobodys() {
    let mut chat = Chat::bound();
    let long = "x".repeat(200);
    for (stanza, condition) in [
        (
            format!("<iq type='get' id='1' to='{long}@a.example'><ping xmlns='urn:xmpp:ping'/></iq>"),
            "service-unavailable",
        ),
        (
            format!(
                "<iq type='get' id='1' to='{long}@a.example'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"
            ),
            "query",
        ),
        (format!("<message to='{long}@a.example'><body>x</body></message>"), "service-unavailable"),
        (format!("<presence to='{long}@a.example'/>"), ""),
        (format!("<presence type='subscribe' to='{long}@a.example'/>"), ""),
        (
            format!("<iq type='get' id='1' to='{long}@rooms.a.example'><ping xmlns='urn:xmpp:ping'/></iq>"),
            "item-not-found",
        ),
        (format!("<presence to='{long}@rooms.a.example/alice'/>"), "not-acceptable"),
        (format!("<presence type='unavailable' to='{long}@rooms.a.example/alice'/>"), ""),
        ("<iq type='get' id='1' to='a b@a.example'><ping xmlns='urn:xmpp:ping'/></iq>".to_owned(), "jid-malformed"),
    ] {
        chat.send(&stanza);
        let log = chat.take();
        if condition.is_empty() {
            assert_eq!(log.trim(), "", "{stanza}");
        } else {
            assert!(log.contains(&format!("<{condition} ")), "{stanza}: {log}");
        }
    }
}

#[test]
fn what_follows_a_join_is_for_somebody_in_the_room() {
    let mut chat = Chat::bound();
    let ping = "<iq to='rust@rooms.a.example/bob' type='get' id='i'><ping xmlns='urn:xmpp:ping'/></iq>";
    chat.send(&format!("{JOIN}{ping}"));
    assert!(chat.session.wants_pause());
    chat.answer(Ok(Reply::Joined(Arc::new(view(false)), true)));
    chat.answer(Ok(page(Vec::new())));
    assert!(matches!(chat.asked.pop_front(), Some((_, Command::Whisper(..)))), "{}", chat.log);

    let leave = "<presence to='rust@rooms.a.example/alice' type='unavailable'/>";
    chat.send(&format!("{leave}{ping}"));
    assert!(matches!(chat.asked.front(), Some((_, Command::Part { .. }))), "{}", chat.log);
    chat.asked.truncate(1);
    chat.answer(Ok(Reply::Done));
    assert!(chat.asked.is_empty(), "{}", chat.log);
}

#[test]
fn a_message_is_reflected_once_it_is_durable_and_a_ping_waits_behind_it() {
    let mut chat = inside();
    chat.send(
        "<message to='rust@rooms.a.example' type='groupchat' id='m1'><body>hi &lt;all&gt;</body>\
         <origin-id xmlns='urn:xmpp:sid:0' id='m1'/><stanza-id xmlns='urn:xmpp:sid:0' by='rust@rooms.a.example' id='x'/>\
         <occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/></message>\
         <iq type='get' id='p' to='a.example'><ping xmlns='urn:xmpp:ping'/></iq>",
    );
    let Some((_, Command::Say(_, content))) = chat.asked.front() else { panic!() };
    let said = said_in("rust", 3, author(1, "alice", true), content.clone());
    chat.answer(Ok(Reply::Said(said)));
    expect![[r#"
            Say(Room(rust), Content { kind: Message, text: "hi <all>", tags: [], payloads: ["<origin-id xmlns='urn:xmpp:sid:0' id='m1'/>"], to_resource: None, from_resource: None, via_room: None, client_id: "m1", relation: None, joints: [], typing: None, least: None })
        <message to='alice@a.example/r1' from='rust@rooms.a.example/alice' type='groupchat' id='m1'><body>hi &lt;all&gt;</body><origin-id xmlns='urn:xmpp:sid:0' id='m1'/><stanza-id xmlns='urn:xmpp:sid:0' by='rust@rooms.a.example' id='06dndmljn00001850k2ga18000000003'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='1cd051251046c9d150ce08f6ea6d85a2'/></message>
        <iq to='alice@a.example/r1' from='a.example' id='p' type='result'/>
    "#]].assert_eq(&chat.take());
}

#[test]
fn a_refused_join_says_why() {
    for (refusal, expected) in [
        (Refusal::Denied(Denied::BadKey), "<error type='auth'><not-authorized"),
        (Refusal::Denied(Denied::Banned), "<error type='auth'><forbidden"),
        (Refusal::Denied(Denied::InviteOnly), "<error type='auth'><registration-required"),
        (Refusal::Denied(Denied::Full), "<error type='cancel'><service-unavailable"),
        (Refusal::NickInUse, "<error type='cancel'><conflict"),
    ] {
        let mut chat = Chat::bound();
        chat.send(JOIN);
        chat.take();
        chat.answer(Err(refusal));
        let log = chat.take();
        assert!(log.contains(expected), "{log}");
        assert!(log.contains("from='rust@rooms.a.example/alice' id='j' type='error'"), "{log}");
    }
}

#[test]
fn occupants_come_change_and_go() {
    let mut chat = inside();
    let dave = occupant(4, "dave", Some(""), Rank::None);
    let by = author(2, "bob", true);
    chat.event(Event::Joined { room: room("rust"), occupant: dave.clone() });
    let how = Leave::Kick { by: by.clone(), reason: "spam".into(), banned: true, id: None };
    chat.event(Event::Left { room: room("rust"), occupant: dave.clone(), how, own: false });
    chat.event(Event::NickChanged {
        person: person(3, "carla", None),
        old: nick("carol"),
        new: nick("carla"),
        rooms: vec![(room("rust"), Rank::Voice), (room("other"), Rank::None)],
        forced: false,
    });
    chat.event(Event::Quit {
        person: person(3, "carla", None),
        places: vec![(room("other"), nick("carla")), (room("rust"), nick("carla"))],
        reason: "bye".into(),
    });
    let own = occupant(1, "alice", Some("r1"), Rank::None);
    let how = Leave::Kick { by, reason: String::new(), banned: false, id: None };
    chat.event(Event::Left { room: room("rust"), occupant: own, how, own: true });
    chat.event(Event::Joined { room: room("rust"), occupant: dave });
    expect![[r#"
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/dave'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='6e94968955ec039d2c54b9f7b9bde5c0'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' jid='dave@a.example/irc.4e1cb2a3' role='participant'/></x></presence>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/dave' type='unavailable'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='6e94968955ec039d2c54b9f7b9bde5c0'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='outcast' jid='dave@a.example/irc.4e1cb2a3' role='none'><actor nick='bob'/><reason>spam</reason></item><status code='301'/></x></presence>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/carol' type='unavailable'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='0882fbe79e531e6741a7eeecf231a10f'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' role='participant' nick='carla'/><status code='303'/></x></presence>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/carla'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='0882fbe79e531e6741a7eeecf231a10f'/><hats xmlns='urn:xmpp:hats:0'><hat title='Voice' uri='urn:lavina:rank:voice'/></hats><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' role='participant'/></x></presence>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/carla' type='unavailable'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='0882fbe79e531e6741a7eeecf231a10f'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='none'/></x><status>bye</status></presence>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/alice' type='unavailable'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='1cd051251046c9d150ce08f6ea6d85a2'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' jid='alice@a.example/r1' role='none'><actor nick='bob'/></item><status code='110'/><status code='307'/></x></presence>
    "#]].assert_eq(&chat.take());
}

#[test]
fn nicks_are_changed_and_refused() {
    let mut chat = inside();
    let nick_presence = "<presence to='rust@rooms.a.example/Alicia'/>";
    chat.send(nick_presence);
    chat.answer(Err(Refusal::NickInUse));
    chat.send(nick_presence);
    let mut renamed = person(1, "alice", Some("r1"));
    Arc::make_mut(&mut renamed.record).show = Show::Away;
    chat.event(Event::NickChanged {
        person: renamed,
        old: nick("alice"),
        new: nick("Alicia"),
        rooms: vec![(room("rust"), Rank::None)],
        forced: false,
    });
    chat.answer(Ok(Reply::Done));
    // Another session of alice's has the nick as well, so nobody sees it go.
    chat.send("<presence to='rust@rooms.a.example/Alison'/>");
    chat.answer(Ok(Reply::Done));
    let mut view = view(false);
    view.own_nick = Some(nick("Alison"));
    view.occupants.insert(1, occupant(1, "Alison", Some("r1"), Rank::None));
    chat.answer(Ok(Reply::Room(Some(Arc::new(view)))));
    chat.send("<presence to='rust@rooms.a.example/Alison'><show>dnd</show></presence>");
    expect![[r#"
            SetRoomNick { room: rust, nick: Alicia }
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/Alicia' type='error'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>the nick is in use</text></error></presence>
            SetRoomNick { room: rust, nick: Alicia }
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/alice' type='unavailable'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='1cd051251046c9d150ce08f6ea6d85a2'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' jid='alice@a.example/r1' role='participant' nick='Alicia'/><status code='110'/><status code='303'/></x></presence>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/Alicia'><show>away</show><occupant-id xmlns='urn:xmpp:occupant-id:0' id='1cd051251046c9d150ce08f6ea6d85a2'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' jid='alice@a.example/r1' role='participant'/><status code='110'/></x></presence>
            SetRoomNick { room: rust, nick: Alison }
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/Alicia' type='unavailable'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='none' nick='Alison'/><status code='110'/><status code='303'/></x></presence>
            RoomInfo(rust)
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/alice'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='1cd051251046c9d150ce08f6ea6d85a2'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' jid='alice@a.example/r1' role='participant'/></x></presence>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/bob'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/><hats xmlns='urn:xmpp:hats:0'><hat title='Operator' uri='urn:lavina:rank:operator'/></hats><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' jid='bob@a.example/phone' role='moderator'/></x></presence>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/carol'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='0882fbe79e531e6741a7eeecf231a10f'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='participant'/></x></presence>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/Alison'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='d27641ac71083ea6afd8e75901d38f4f'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' jid='alison@a.example/r1' role='participant'/><status code='100'/><status code='110'/></x></presence>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/Alison'><show>dnd</show><occupant-id xmlns='urn:xmpp:occupant-id:0' id='1cd051251046c9d150ce08f6ea6d85a2'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='participant' jid='alice@a.example/r1'/><status code='110'/></x></presence>
            SetPresence(PresenceChange { available: None, show: None, status: None, priority: None, payloads: Some(["<in xmlns='urn:lavina:looks' room='30629aae696fea8c'><presence xmlns='jabber:client'><show>dnd</show></presence></in>"]) })
    "#]].assert_eq(&chat.take());
}

#[test]
fn a_cut_is_told_in_one_line_and_shown_on_those_behind_it() {
    let mut chat = inside();
    let mut bob = occupant(2, "bob", Some("phone"), Rank::Operator);
    bob.people[0].unreachable_since = Some(Hlc::from_ms(EPOCH_MS));
    let carol = occupant(3, "carol", None, Rank::None);
    let nodes: Vec<Arc<str>> = vec!["us-1".into()];
    chat.event(Event::Unreachable {
        room: room("rust"),
        nodes: nodes.clone(),
        occupants: vec![bob, carol],
        since: Hlc::from_ms(EPOCH_MS),
    });
    chat.event(Event::Reachable {
        room: room("rust"),
        nodes,
        occupants: vec![occupant(2, "bob", Some("phone"), Rank::Operator)],
    });
    let pair = || ("eu-1".into(), "us-1".into());
    let gone = vec![
        (person(2, "bob", Some("phone")), vec![(room("other"), nick("bob")), (room("rust"), nick("bob"))]),
        (person(3, "carol", None), vec![(room("rust"), nick("carol"))]),
    ];
    chat.event(Event::netsplit(pair(), gone));
    let back = vec![(room("rust"), occupant(3, "carol", None, Rank::Voice))];
    chat.event(Event::netjoin(pair(), back));
    let late = said_in("rust", 7, author(3, "carol", false), Content::text("while cut"));
    chat.event(Event::Said(Arc::new(Said { late: true, ..(*late).clone() })));
    expect![[r#"
        <message to='alice@a.example/r1' from='rust@rooms.a.example' type='groupchat'><body>Out of reach: us-1.</body></message>
        <presence from='rust@rooms.a.example/bob'><show>xa</show><status>unreachable since 2026-01-01T00:00:00.000Z</status><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/><hats xmlns='urn:xmpp:hats:0'><hat title='Operator' uri='urn:lavina:rank:operator'/></hats><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' jid='bob@a.example/phone' role='moderator'/></x></presence>
        <presence from='rust@rooms.a.example/carol'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='0882fbe79e531e6741a7eeecf231a10f'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='participant'/></x></presence>
        <message to='alice@a.example/r1' from='rust@rooms.a.example' type='groupchat'><body>In reach again: us-1.</body></message>
        <presence from='rust@rooms.a.example/bob'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/><hats xmlns='urn:xmpp:hats:0'><hat title='Operator' uri='urn:lavina:rank:operator'/></hats><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' jid='bob@a.example/phone' role='moderator'/></x></presence>
        <presence from='rust@rooms.a.example/bob' type='unavailable'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' jid='bob@a.example/phone' role='none'/></x><status>netsplit</status></presence>
        <presence from='rust@rooms.a.example/carol' type='unavailable'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='0882fbe79e531e6741a7eeecf231a10f'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='none'/></x><status>netsplit</status></presence>
        <presence from='rust@rooms.a.example/carol'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='0882fbe79e531e6741a7eeecf231a10f'/><hats xmlns='urn:xmpp:hats:0'><hat title='Voice' uri='urn:lavina:rank:voice'/></hats><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' role='participant'/></x></presence>
        <message to='alice@a.example/r1' from='rust@rooms.a.example/carol' type='groupchat' id='06dndmm3b00001850k2ga18000000007'><body>while cut</body><stanza-id xmlns='urn:xmpp:sid:0' by='rust@rooms.a.example' id='06dndmm3b00001850k2ga18000000007'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='0882fbe79e531e6741a7eeecf231a10f'/><delay xmlns='urn:xmpp:delay' from='rust@rooms.a.example' stamp='2026-01-01T00:00:07.000Z'/></message>
    "#]].assert_eq(&chat.take());
}

#[test]
fn occupants_whisper_through_the_room() {
    let mut chat = inside();
    chat.send("<message to='rust@rooms.a.example/carol' type='chat' id='pm'><body>psst</body></message>");
    chat.answer(Err(Refusal::NoSuchOccupant));
    let whispered = |name| Content { via_room: Some(room(name)), ..Content::text("here") };
    chat.event(direct(author(3, "carol", false), "alice", whispered("rust")));
    // Another session of alice's is in that room.
    chat.event(direct(author(3, "carol", false), "alice", whispered("other")));
    expect![[r#"
            Say(Occupant(rust, carol), Content { kind: Message, text: "psst", tags: [], payloads: [], to_resource: None, from_resource: None, via_room: Some(rust), client_id: "pm", relation: None, joints: [], typing: None, least: None })
        <message to='alice@a.example/r1' from='rust@rooms.a.example/carol' id='pm' type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no such occupant</text></error></message>
        <message to='alice@a.example/r1' from='rust@rooms.a.example/carol' type='chat' id='06dndmlnk00001850k2ga18000000004'><body>here</body><x xmlns='http://jabber.org/protocol/muc#user'/><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='06dndmlnk00001850k2ga18000000004'/></message>
    "#]].assert_eq(&chat.take());
}

#[test]
fn invitations_go_through_the_room() {
    let mut chat = inside();
    chat.send(
        "<message to='rust@rooms.a.example'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <invite to='bob@a.example'><reason>come</reason></invite></x></message>",
    );
    chat.answer(Ok(Reply::Done));
    chat.event(Event::Invited {
        room: room("other"),
        by: author(2, "bob", true),
        nick: nick("alice"),
        reason: "see us".into(),
    });
    expect![[r#"
            Invite { room: rust, whom: Account(bob, None), reason: "come" }
        <message to='alice@a.example/r1' from='other@rooms.a.example'><x xmlns='http://jabber.org/protocol/muc#user'><invite from='bob@a.example'><reason>see us</reason></invite></x><x xmlns='jabber:x:conference' jid='other@rooms.a.example' reason='see us'/></message>
    "#]].assert_eq(&chat.take());
}

#[test]
fn two_clients_get_the_same_bytes_of_a_room_event() {
    let (mut one, mut two) = (inside(), inside());
    let said = said_in("rust", 3, author(2, "bob", true), Content::text("shared"));
    let event = Arc::new(Event::Said(said));
    let mut renders = Renders::default();
    let mut tails = Vec::new();
    for chat in [&mut one, &mut two] {
        chat.session.handle_event(chat.now, &event, &mut renders);
        let outputs: Vec<Output> = std::iter::from_fn(|| chat.session.poll_output()).collect();
        let [Output::Send(_), Output::Send(tail)] = outputs.as_slice() else { panic!("{outputs:?}") };
        tails.push(tail.as_ptr());
    }
    assert_eq!(tails[0], tails[1]);
}

#[test]
fn state_changes_show_as_subject_roles_and_status() {
    let mut chat = inside();
    let old = view(false).state;
    let mut new = (*old).clone();
    new.flags.insert(Flag::Moderated);
    new.topic = None;
    chat.event(Event::RoomChanged {
        room: room("rust"),
        by: author(2, "bob", true),
        id: msg_id(5),
        acts: vec![Act::SetTopic(String::new())],
        old,
        new: Arc::new(new),
        ranks: vec![occupant(3, "carol", None, Rank::Voice)],
    });
    expect![[r#"
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/carol'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='0882fbe79e531e6741a7eeecf231a10f'/><hats xmlns='urn:xmpp:hats:0'><hat title='Voice' uri='urn:lavina:rank:voice'/></hats><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' role='participant'/></x></presence>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/alice'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='visitor' jid='alice@a.example/r1'/><status code='110'/></x></presence>
        <message to='alice@a.example/r1' from='rust@rooms.a.example/bob' type='groupchat'><subject/></message>
        <message to='alice@a.example/r1' from='rust@rooms.a.example' type='groupchat'><x xmlns='http://jabber.org/protocol/muc#user'><status code='104'/></x></message>
    "#]].assert_eq(&chat.take());
}

#[test]
fn a_subject_that_is_no_other_is_reflected_as_well() {
    let mut chat = inside();
    let old = view(false).state;
    let again = |change: &dyn Fn(&mut RoomState)| {
        let mut new = (*old).clone();
        change(&mut new);
        Event::RoomChanged {
            room: room("rust"),
            by: author(2, "bob", true),
            id: msg_id(5),
            acts: Vec::new(),
            old: Arc::clone(&old),
            new: Arc::new(new),
            ranks: Vec::new(),
        }
    };
    chat.event(again(&|state| state.topic.as_mut().unwrap().at = Hlc::from_ms(EPOCH_MS + 5000)));
    chat.event(again(&|state| state.topic = None));
    chat.send("<message type='groupchat' id='s' to='rust@rooms.a.example'><subject/></message>");
    chat.answer(Ok(Reply::Done));
    chat.send("<message type='groupchat' id='s' to='rust@rooms.a.example'><subject/></message>");
    chat.answer(Err(Refusal::Denied(Denied::Rank)));
    expect![[r#"
        <message to='alice@a.example/r1' from='rust@rooms.a.example/bob' type='groupchat'><subject>Rust</subject></message>
        <message to='alice@a.example/r1' from='rust@rooms.a.example/bob' type='groupchat'><subject/></message>
            Act(rust, [SetTopic("")])
        <message to='alice@a.example/r1' from='rust@rooms.a.example/alice' type='groupchat'><subject/></message>
            Act(rust, [SetTopic("")])
        <message to='alice@a.example/r1' from='rust@rooms.a.example' id='s' type='error'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>needs a higher rank</text></error></message>
    "#]].assert_eq(&chat.take());
}

#[test]
fn who_answers_a_room_with_an_error_is_out_of_it() {
    let error = |name: &str, to: &str, condition: &str| {
        format!(
            "<{name} type='error' to='{to}'><error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></{name}>"
        )
    };
    for (name, to) in [("message", "rust@rooms.a.example/bob"), ("presence", "rust@rooms.a.example")] {
        let mut chat = inside();
        chat.send(&error(name, to, "not-acceptable"));
        assert!(chat.asked.is_empty(), "that says nothing of the client");
        chat.send(&error(name, &to.replace("rust", "other"), "service-unavailable"));
        assert!(chat.asked.is_empty(), "it is in no such room");
        chat.send(&error(name, to, "service-unavailable"));
        assert!(matches!(chat.asked.front(), Some((_, Command::Part { room: left, .. })) if *left == room("rust")));
        chat.answer(Ok(Reply::Done));
        assert!(chat.take().contains("type='unavailable'"));
    }
}

#[test]
fn archives_are_read_in_pages() {
    let mut chat = inside();
    chat.send(
        "<iq type='set' id='q' to='rust@rooms.a.example'><query xmlns='urn:xmpp:mam:2' queryid='f'>\
         <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>\
         <field var='start'><value>2026-01-01T00:00:00Z</value></field></x>\
         <set xmlns='http://jabber.org/protocol/rsm'><max>10</max><before/></set></query></iq>",
    );
    let Some((_, Command::History(query))) = chat.asked.front() else { panic!() };
    assert_eq!((&query.of, query.limit, query.newest), (&HistoryOf::Room(room("rust")), 10, true));
    chat.answer(Ok(page(vec![said_in("rust", 1, author(3, "carol", false), Content::text("/me waves"))])));
    chat.send("<iq type='set' id='q2'><query xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><after>junk</after></set></query></iq>");
    chat.send("<iq type='get' id='md' to='rust@rooms.a.example'><metadata xmlns='urn:xmpp:mam:2'/></iq>");
    chat.answer(Ok(page(vec![said_in("rust", 1, author(3, "carol", false), Content::text("a"))])));
    chat.answer(Ok(page(vec![said_in("rust", 2, author(3, "carol", false), Content::text("b"))])));
    expect![[r#"
            History(HistoryQuery { of: Room(rust), after: Some(Time(1767225599999)), before: None, ids: [], limit: 10, newest: true, texts: false, events: false })
        <message to='alice@a.example/r1' from='rust@rooms.a.example'><result xmlns='urn:xmpp:mam:2' queryid='f' id='06dndmlbt00001850k2ga18000000001'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:01.000Z'/><message xmlns='jabber:client' from='rust@rooms.a.example/carol' type='groupchat' id='06dndmlbt00001850k2ga18000000001'><body>/me waves</body><stanza-id xmlns='urn:xmpp:sid:0' by='rust@rooms.a.example' id='06dndmlbt00001850k2ga18000000001'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='0882fbe79e531e6741a7eeecf231a10f'/></message></forwarded></result></message>
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='q' type='result'><fin xmlns='urn:xmpp:mam:2' complete='true'><set xmlns='http://jabber.org/protocol/rsm'><first>06dndmlbt00001850k2ga18000000001</first><last>06dndmlbt00001850k2ga18000000001</last></set></fin></iq>
        <iq to='alice@a.example/r1' id='q2' type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
            History(HistoryQuery { of: Room(rust), after: None, before: None, ids: [], limit: 1, newest: false, texts: false, events: false })
            History(HistoryQuery { of: Room(rust), after: None, before: None, ids: [], limit: 1, newest: true, texts: false, events: false })
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='md' type='result'><metadata xmlns='urn:xmpp:mam:2'><start id='06dndmlbt00001850k2ga18000000001' timestamp='2026-01-01T00:00:01.000Z'/><end id='06dndmlfq00001850k2ga18000000002' timestamp='2026-01-01T00:00:02.000Z'/></metadata></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn a_self_ping_tells_whether_one_is_still_in() {
    let mut chat = inside();
    let ping = "<iq type='get' id='sp' to='rust@rooms.a.example/alice'><ping xmlns='urn:xmpp:ping'/></iq>";
    chat.send(ping);
    chat.send("<presence type='unavailable' to='rust@rooms.a.example/alice'><status>off</status></presence>");
    chat.answer(Ok(Reply::Done));
    chat.send(ping);
    expect![[r#"
        <iq to='alice@a.example/r1' from='rust@rooms.a.example/alice' id='sp' type='result'/>
            Part { room: rust, reason: "off" }
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/alice' type='unavailable'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='none'/><status code='110'/></x><occupant-id xmlns='urn:xmpp:occupant-id:0' id='1cd051251046c9d150ce08f6ea6d85a2'/></presence>
        <iq to='alice@a.example/r1' from='rust@rooms.a.example/alice' id='sp' type='error'><error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn rooms_are_discovered() {
    let mut chat = inside();
    chat.send("<iq type='get' id='1' to='rooms.a.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    chat.send(
        "<iq type='get' id='2' to='rust@rooms.a.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    );
    chat.answer(Ok(Reply::Room(Some(Arc::new(view(false))))));
    chat.send(
        "<iq type='get' id='3' to='none@rooms.a.example'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>",
    );
    chat.answer(Ok(Reply::Room(None)));
    expect![[r#"
        <iq to='alice@a.example/r1' from='rooms.a.example' id='1' type='result'><query xmlns='http://jabber.org/protocol/disco#info'><identity category='conference' type='text' name='Rooms'/><feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/><feature var='urn:xmpp:ping'/><feature var='jabber:iq:version'/><feature var='vcard-temp'/><feature var='http://jabber.org/protocol/muc'/><feature var='urn:xmpp:occupant-id:0'/><feature var='http://jabber.org/protocol/rsm'/></query></iq>
            RoomInfo(rust)
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='2' type='result'><query xmlns='http://jabber.org/protocol/disco#info'><identity category='conference' type='text' name='rust'/><feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/><feature var='urn:xmpp:ping'/><feature var='vcard-temp'/><feature var='urn:xmpp:mam:2'/><feature var='urn:xmpp:message-moderate:1'/><feature var='jabber:iq:register'/><feature var='http://jabber.org/protocol/muc#admin'/><feature var='http://jabber.org/protocol/muc#owner'/><feature var='http://jabber.org/protocol/muc'/><feature var='http://jabber.org/protocol/muc#stable_id'/><feature var='http://jabber.org/protocol/muc#self-ping-optimization'/><feature var='urn:xmpp:sid:0'/><feature var='urn:xmpp:occupant-id:0'/><feature var='urn:xmpp:mam:2#extended'/><feature var='urn:xmpp:message-retract:1'/><feature var='urn:xmpp:message-retract:1#tombstone'/><feature var='urn:xmpp:hats:0'/><feature var='urn:xmpp:reactions:0'/><feature var='urn:xmpp:reply:0'/><feature var='muc_nonanonymous'/><feature var='muc_open'/><feature var='muc_unmoderated'/><feature var='muc_public'/><feature var='muc_unsecured'/><feature var='muc_temporary'/><x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/muc#roominfo</value></field><field var='muc#roominfo_description' type='text-single' label='Description'><value>rust</value></field><field var='muc#roominfo_subject' type='text-single' label='Subject'><value>Rust</value></field><field var='muc#roominfo_occupants' type='text-single' label='Occupants'><value>3</value></field><field var='muc#roominfo_changesubject' type='boolean' label='May be changed'><value>1</value></field></x></query></iq>
            RoomInfo(none)
        <iq to='alice@a.example/r1' from='none@rooms.a.example' id='3' type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn a_declined_invitation_reaches_who_invited_in_the_rooms_name() {
    let mut chat = Chat::bound();
    chat.send(
        "<message to='rust@rooms.a.example'><x xmlns='http://jabber.org/protocol/muc#user'>\
         <decline to='bob@a.example/phone'><reason>no time</reason></decline></x></message>",
    );
    let Some((_, Command::Whisper(_, stanza))) = chat.asked.pop_front() else { panic!("nothing was passed on") };
    let mut other = Chat::bound();
    other.event(Event::Whisper { from: person(3, "carol", Some("desk")), via: None, stanza });
    expect![[r#"
        <message to='alice@a.example/r1' from='rust@rooms.a.example'><x xmlns='http://jabber.org/protocol/muc#user'><decline from='carol@a.example'><reason>no time</reason></decline></x></message>
    "#]].assert_eq(&other.take());
}
