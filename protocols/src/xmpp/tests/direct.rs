//! One person and another: messages, carbons, presence, rosters, and the other requests outside rooms.

use super::*;
use crate::command::{REQUEST_BYTES_MAX, RosterItem, Subscription, SubscriptionStep};
use crate::slot::{Slot, Upload};
use bytes::Bytes;
use expect_test::expect;
use lavina_crdt::content::Principal;

pub(super) fn direct(from: Author, to: &str, content: Content) -> Event {
    let conversation =
        Conversation::Direct { from: from.principal(), to: Principal::Account(account(to)), to_nick: nick(to) };
    Event::Said(Arc::new(Said {
        id: msg_id(4),
        conversation,
        author: from.into(),
        content: content.into(),
        late: false,
        by_bot: false,
        redacted: None,
    }))
}

#[test]
fn a_message_goes_to_whom_it_is_for_and_comes_with_a_full_jid() {
    let mut chat = Chat::bound();
    chat.send(
        "<message to='bob@a.example/phone' type='chat' id='d1'><body>hi</body>\
         <active xmlns='http://jabber.org/protocol/chatstates'/></message>",
    );
    chat.answer(Err(Refusal::NoSuchAccount));
    let content = Content { from_resource: Some("phone".into()), client_id: "d2".into(), ..Content::text("hello") };
    chat.event(direct(author(2, "bob", true), "alice", content));
    chat.event(direct(author(3, "carol", false), "alice", Content::text("from IRC")));
    chat.send("<message to='carol@guests.a.example'><body>x</body></message>");
    expect![[r#"
            Say(Account(bob, Some("phone")), Content { kind: Message, text: "hi", tags: [], payloads: ["<active xmlns='http://jabber.org/protocol/chatstates'/>"], to_resource: Some("phone"), from_resource: Some("r1"), via_room: None, client_id: "d1", relation: None, joints: [], typing: None, least: None })
        <message to='alice@a.example/r1' from='bob@a.example/phone' id='d1' type='error'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no such account</text></error></message>
        <message from='bob@a.example/phone' to='alice@a.example' type='chat' id='d2'><body>hello</body><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='06dndmlnk00001850k2ga18000000004'/></message>
        <message from='carol@guests.a.example' to='alice@a.example' type='chat' id='06dndmlnk00001850k2ga18000000004'><body>from IRC</body><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='06dndmlnk00001850k2ga18000000004'/></message>
            Say(Nick(carol), Content { kind: Letter, text: "x", tags: [], payloads: [], to_resource: None, from_resource: Some("r1"), via_room: None, client_id: "", relation: None, joints: [], typing: None, least: None })
    "#]].assert_eq(&chat.take());
}

#[test]
fn carbons_are_copies_of_what_other_clients_of_the_account_send_and_get() {
    let mut chat = Chat::bound();
    chat.event(Event::ContactPresence { person: person(5, "alice", Some("r2")), available: true });
    chat.log.clear();
    let sent = || {
        direct(author(5, "alice", true), "bob", Content { from_resource: Some("r2".into()), ..Content::text("sent") })
    };
    chat.event(sent());
    let elsewhere = Content { to_resource: Some("r2".into()), ..Content::text("got") };
    chat.event(direct(author(2, "bob", true), "alice", elsewhere.clone()));
    assert_eq!(chat.take(), "\n");
    chat.send("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
    chat.event(sent());
    chat.event(direct(author(2, "bob", true), "alice", elsewhere.clone()));
    let private = Content { payloads: vec!["<private xmlns='urn:xmpp:carbons:2'/>".into()], ..elsewhere };
    chat.event(direct(author(2, "bob", true), "alice", private));
    let stale = Content { to_resource: Some("gone".into()), ..Content::text("for whoever is there") };
    chat.event(direct(author(2, "bob", true), "alice", stale));
    expect![[r#"
        <iq to='alice@a.example/r1' id='c' type='result'/>
        <message to='alice@a.example/r1' from='alice@a.example' type='chat'><sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='alice@a.example/r2' to='bob@a.example' type='chat' id='06dndmlnk00001850k2ga18000000004'><body>sent</body><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='06dndmlnk00001850k2ga18000000004'/></message></forwarded></sent></message>
        <message to='alice@a.example/r1' from='alice@a.example' type='chat'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='bob@a.example' to='alice@a.example/r2' type='chat' id='06dndmlnk00001850k2ga18000000004'><body>got</body><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='06dndmlnk00001850k2ga18000000004'/></message></forwarded></received></message>
        <message to='alice@a.example/r1' from='bob@a.example' type='chat' id='06dndmlnk00001850k2ga18000000004'><body>for whoever is there</body><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='06dndmlnk00001850k2ga18000000004'/></message>
    "#]].assert_eq(&chat.take());
}

#[test]
fn rosters_and_subscriptions() {
    let mut chat = Chat::bound();
    let item = RosterItem {
        contact: account("bob"),
        name: "Bob".into(),
        groups: vec!["Friends".into()],
        subscription: Subscription { to: true, asked: true, ..Subscription::default() },
        listed: true,
        request: Bytes::new(),
    };
    chat.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
    chat.answer(Ok(Reply::Roster(vec![item.clone()])));
    chat.send("<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='bob@a.example' name='B'><group>G</group></item></query></iq>");
    chat.answer(Ok(Reply::Done));
    chat.event(Event::RosterPush { item, removed: true, version: "v2".into() });
    chat.send("<presence to='bob@a.example' type='subscribe'/>");
    chat.answer(Ok(Reply::Done));
    chat.event(Event::Subscription(account("bob"), SubscriptionStep::Subscribed, Bytes::new()));
    chat.send("<iq type='set' id='x'><query xmlns='jabber:iq:roster'><item jid='bob@b.example'/></query></iq>");
    expect![[r#"
            RosterGet
        <iq to='alice@a.example/r1' id='r' type='result'><query xmlns='jabber:iq:roster' ver='3dbfccac6c3cc9fa'><item jid='bob@a.example' name='Bob' subscription='to' ask='subscribe'><group>Friends</group></item></query></iq>
            RosterSet(bob, Some(RosterEdit { name: "B", groups: ["G"] }))
        <iq to='alice@a.example/r1' id='s' type='result'/>
        <iq to='alice@a.example/r1' id='427f867a270f6fc867fc50e77d3679c5' type='set'><query xmlns='jabber:iq:roster' ver='v2'><item jid='bob@a.example' subscription='remove'/></query></iq>
            Subscription(bob, Subscribe, b"")
        <presence type='subscribed' to='alice@a.example' from='bob@a.example'/>
        <iq to='alice@a.example/r1' id='x' type='error'><error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn presence_goes_out_and_comes_in() {
    let mut chat = Chat::bound();
    chat.send(
        "<presence><show>away</show><status>lunch</status><priority>5</priority>\
         <c xmlns='http://jabber.org/protocol/caps' node='n' ver='v' hash='sha-1'/></presence>",
    );
    chat.answer(Ok(Reply::Done));
    let mut bob = person(2, "bob", Some("phone"));
    let record = Arc::make_mut(&mut bob.record);
    record.show = Show::DoNotDisturb;
    record.status = "busy".into();
    record.payloads = vec!["<c xmlns='urn:c' a='1'/>".into(), "<broken".into(), "</stream:stream>".into()];
    chat.event(Event::ContactPresence { person: bob.clone(), available: true });
    chat.event(Event::ContactPresence { person: bob, available: false });
    expect![[r#"
            SetPresence(PresenceChange { available: Some(true), show: Some(Away), status: Some("lunch"), priority: Some(5), payloads: Some(["<c xmlns='http://jabber.org/protocol/caps' node='n' ver='v' hash='sha-1'/>"]) })
        <presence to='alice@a.example/r1' from='alice@a.example/r1'><show>away</show><status>lunch</status><priority>5</priority><c xmlns='http://jabber.org/protocol/caps' node='n' ver='v' hash='sha-1'/></presence>
        <iq to='alice@a.example/r1' from='alice@a.example' id='427f867a270f6fc867fc50e77d3679c5' type='get'><query xmlns='http://jabber.org/protocol/disco#info' node='n#v'/></iq>
        <presence from='bob@a.example/phone' to='alice@a.example'><show>dnd</show><status>busy</status><c xmlns='urn:c' a='1'/></presence>
        <presence from='bob@a.example/phone' type='unavailable' to='alice@a.example'><status>busy</status></presence>
    "#]].assert_eq(&chat.take());
}

#[test]
fn requests_go_from_client_to_client() {
    let mut chat = Chat::bound();
    chat.send("<iq type='get' id='v' to='bob@a.example/phone'><query xmlns='jabber:iq:version'/></iq>");
    chat.answer(Err(Refusal::NoSuchNick));
    let event = |stanza: &'static str| Event::Whisper {
        from: person(2, "bob", Some("phone")),
        via: None,
        stanza: bytes::Bytes::from_static(stanza.as_bytes()),
    };
    chat.event(event("<iq xmlns='jabber:client' from='eve@a.example' to='x' type='result' id='v'><a xmlns='b'/></iq>"));
    chat.event(event("<message xmlns='jabber:client'/>"));
    chat.event(event("</stream:stream>"));
    expect![[r#"
            Whisper(Account(bob, Some("phone")), b"<iq xmlns='jabber:client' type='get' id='v' to='bob@a.example/phone'><query xmlns='jabber:iq:version'/></iq>")
        <iq to='alice@a.example/r1' from='bob@a.example/phone' id='v' type='error'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>nobody by that name</text></error></iq>
        <iq to='alice@a.example/r1' from='bob@a.example/phone' type='result' id='v'><a xmlns='b'/></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn what_nobody_answers_is_unavailable() {
    let mut chat = Chat::bound();
    for stanza in [
        "<iq type='get' id='1'><query xmlns='urn:unknown'/></iq>",
        "<iq type='get' id='2' to='bob@a.example'><query xmlns='jabber:iq:version'/></iq>",
        "<iq type='get' id='3' to='bob@b.example'><query xmlns='jabber:iq:version'/></iq>",
        "<iq type='get' id='4' to='a@b@c'><query xmlns='jabber:iq:version'/></iq>",
        "<iq type='get' id='5'/>",
        "<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='result' id='6'/>",
        "<iq type='odd' id='7'><a/></iq>",
    ] {
        chat.send(stanza);
    }
    expect![[r#"
        <iq to='alice@a.example/r1' id='1' type='error'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
        <iq to='alice@a.example/r1' from='bob@a.example' id='2' type='error'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
        <iq to='alice@a.example/r1' from='bob@b.example' id='3' type='error'><error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
        <iq to='alice@a.example/r1' from='a@b@c' id='4' type='error'><error type='modify'><jid-malformed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
        <iq to='alice@a.example/r1' id='5' type='error'><error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
        <iq to='alice@a.example/r1' type='error'><error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
        <iq to='alice@a.example/r1' id='7' type='error'><error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn small_requests_are_answered() {
    let mut chat = Chat::bound();
    chat.send("<iq type='get' id='1' to='a.example'><query xmlns='jabber:iq:version'/></iq>");
    chat.send("<iq type='get' id='2' to='a.example'><time xmlns='urn:xmpp:time'/></iq>");
    chat.send("<iq type='get' id='3' to='a.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    chat.send("<iq type='get' id='4'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    chat.send("<iq type='get' id='5' to='a.example'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>");
    chat.send("<iq type='get' id='6'><vCard xmlns='vcard-temp'/></iq>");
    chat.answer(Ok(Reply::LookedAt(None)));
    chat.answer(Ok(Reply::LookedAt(None)));
    chat.send(
        "<iq type='get' id='7'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'/></query></iq>",
    );
    chat.answer(Ok(Reply::Register(Some(
        b"<storage xmlns='storage:bookmarks'><conference jid='r'/></storage>".to_vec(),
    ))));
    chat.answer(Ok(Reply::LookedAt(None)));
    expect![[r#"
        <iq to='alice@a.example/r1' from='a.example' id='1' type='result'><query xmlns='jabber:iq:version'><name>Lavina</name><version>0.1.0</version></query></iq>
        <iq to='alice@a.example/r1' from='a.example' id='2' type='result'><time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>2026-01-01T00:00:00.000Z</utc></time></iq>
        <iq to='alice@a.example/r1' from='a.example' id='3' type='result'><query xmlns='http://jabber.org/protocol/disco#info'><identity category='server' type='im' name='Lavina'/><feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/><feature var='urn:xmpp:ping'/><feature var='jabber:iq:version'/><feature var='jabber:iq:last'/><feature var='urn:xmpp:time'/><feature var='jabber:iq:private'/><feature var='vcard-temp'/><feature var='jabber:iq:register'/><feature var='http://jabber.org/protocol/commands'/><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:blocking'/><feature var='msgoffline'/><feature var='http://jabber.org/protocol/caps'/><feature var='urn:xmpp:caps'/><feature var='urn:xmpp:reporting:1'/></query></iq>
        <iq to='alice@a.example/r1' id='4' type='result'><query xmlns='http://jabber.org/protocol/disco#info'><identity category='account' type='registered'/><feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/><feature var='urn:xmpp:ping'/><feature var='jabber:iq:last'/><feature var='jabber:iq:roster'/><feature var='jabber:iq:private'/><feature var='vcard-temp'/><feature var='jabber:iq:register'/><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:mam:2'/><feature var='urn:xmpp:blocking'/><feature var='http://jabber.org/protocol/pubsub'/><feature var='http://jabber.org/protocol/pubsub#owner'/><feature var='urn:xmpp:bookmarks:1#compat'/><feature var='urn:xmpp:pep-vcard-conversion:0'/><feature var='urn:xmpp:mam:2#extended'/><feature var='urn:xmpp:sid:0'/><feature var='urn:xmpp:message-retract:1'/><feature var='urn:xmpp:message-retract:1#tombstone'/><feature var='http://jabber.org/protocol/pubsub#access-open'/><feature var='http://jabber.org/protocol/pubsub#access-presence'/><feature var='http://jabber.org/protocol/pubsub#access-roster'/><feature var='http://jabber.org/protocol/pubsub#access-whitelist'/><feature var='http://jabber.org/protocol/pubsub#auto-create'/><feature var='http://jabber.org/protocol/pubsub#config-node'/><feature var='http://jabber.org/protocol/pubsub#config-node-max'/><feature var='http://jabber.org/protocol/pubsub#create-nodes'/><feature var='http://jabber.org/protocol/pubsub#delete-nodes'/><feature var='http://jabber.org/protocol/pubsub#filtered-notifications'/><feature var='http://jabber.org/protocol/pubsub#multi-items'/><feature var='http://jabber.org/protocol/pubsub#persistent-items'/><feature var='http://jabber.org/protocol/pubsub#publish'/><feature var='http://jabber.org/protocol/pubsub#publish-options'/><feature var='http://jabber.org/protocol/pubsub#retrieve-items'/><identity category='pubsub' type='pep'/></query></iq>
        <iq to='alice@a.example/r1' from='a.example' id='5' type='result'><query xmlns='http://jabber.org/protocol/disco#items'><item jid='rooms.a.example' name='Rooms'/></query></iq>
            LookAt(alice, "shown/vcard-temp")
            LookAt(alice, "shown/pep/a420b9418f3c2beb94202565")
        <iq to='alice@a.example/r1' id='6' type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
            RegisterGet("private/storage storage:bookmarks")
            LookAt(alice, "shown/pep/f311109497287dc820fa0cf5")
        <iq to='alice@a.example/r1' id='7' type='result'><query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'><conference jid='r'/></storage></query></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn nobody_speaks_as_somebody_else() {
    let mut chat = Chat::bound();
    chat.send("<message from='alice@a.example' to='a.example' type='error'/>");
    assert_eq!(chat.take(), "\n");
    chat.send("<message from='bob@a.example' to='bob@a.example'><body>x</body></message>");
    expect![[r#"
        <stream:error><invalid-from xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>
            Quit("invalid-from")
            (closed)
    "#]]
    .assert_eq(&chat.take());
}

#[test]
fn a_flood_waits_and_nothing_is_lost() {
    let mut chat = Chat::bound();
    chat.session.bucket = crate::flood::Bucket::new(Flood { burst: 2, per_second: 1 });
    for id in 0..4 {
        chat.send(&format!("<iq type='get' id='{id}' to='a.example'><ping xmlns='urn:xmpp:ping'/></iq>"));
    }
    let answered = |chat: &mut Chat| chat.take().matches("type='result'").count();
    assert_eq!(answered(&mut chat), 2);
    assert!(chat.session.wants_pause());
    chat.later(1000);
    assert_eq!(answered(&mut chat), 1);
    chat.later(1000);
    assert_eq!(answered(&mut chat), 1);
    assert!(!chat.session.wants_pause());
}

#[test]
fn acknowledgements_do_not_use_up_what_stanzas_need() {
    let mut chat = Chat::bound();
    chat.session.bucket = crate::flood::Bucket::new(Flood { burst: 1, per_second: 1 });
    chat.send("<enable xmlns='urn:xmpp:sm:3'/>");
    chat.later(1000);
    chat.take();
    chat.send(&"<r xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='0'/>".repeat(8));
    assert_eq!(chat.take().matches("<a xmlns='urn:xmpp:sm:3' h='0'/>").count(), 8);
    chat.send("<iq type='get' id='1' to='a.example'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert!(chat.take().contains("type='result'"));
    chat.session.acks = crate::flood::Bucket::new(Flood { burst: 1, per_second: 1 });
    chat.send(&"<r xmlns='urn:xmpp:sm:3'/>".repeat(3));
    assert!(chat.session.wants_pause());
}

#[test]
fn a_stanza_is_acknowledged_when_it_has_been_dealt_with() {
    let mut chat = Chat::bound();
    chat.send("<enable xmlns='urn:xmpp:sm:3'/>");
    chat.send("<message to='bob@a.example' id='1'><body>x</body></message><r xmlns='urn:xmpp:sm:3'/>");
    assert!(!chat.log.contains("<a "));
    chat.answer(Err(Refusal::Storage));
    expect![[r#"
        <enabled xmlns='urn:xmpp:sm:3'/>
            Say(Account(bob, None), Content { kind: Letter, text: "x", tags: [], payloads: [], to_resource: None, from_resource: Some("r1"), via_room: None, client_id: "1", relation: None, joints: [], typing: None, least: None })
        <message to='alice@a.example/r1' from='bob@a.example' id='1' type='error'><error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>the server cannot store anything at the moment</text></error></message>
        <a xmlns='urn:xmpp:sm:3' h='1'/>
    "#]].assert_eq(&chat.take());
}

#[test]
fn addresses_elsewhere_are_blocked_too() {
    let mut chat = Chat::bound();
    chat.send("<iq type='get' id='1'><blocklist xmlns='urn:xmpp:blocking'/></iq>");
    chat.answer(Ok(Reply::Accounts(Vec::new())));
    chat.answer(Ok(Reply::Register(None)));
    chat.take();
    for (name, before) in [("block", "eve@b.example"), ("unblock", "eve@b.example\nmallory@c.example")] {
        chat.send(&format!(
            "<iq type='set' id='2'><{name} xmlns='urn:xmpp:blocking'><item jid='mallory@c.example'/>\
             <item jid='bob@a.example'/></{name}></iq>"
        ));
        chat.answer(Ok(Reply::Register(Some(before.as_bytes().to_vec()))));
        let Some((_, Command::RegisterSet(_, value))) = chat.asked.front().cloned() else { panic!("nothing is kept") };
        let after = if name == "block" { "eve@b.example\nmallory@c.example" } else { "eve@b.example" };
        assert_eq!(String::from_utf8(value).unwrap(), after);
        chat.answer(Ok(Reply::Done));
        chat.answer(Ok(Reply::Done));
        let log = chat.take();
        assert!(log.contains(&format!("Block([bob], {})", name == "block")), "{log}");
        let told = format!("type='set'><{name} xmlns='urn:xmpp:blocking'><item jid='mallory@c.example'/>");
        assert!(log.contains(&told) && log.contains("<iq to='alice@a.example/r1' id='2' type='result'/>"), "{log}");
    }
}

#[test]
fn accounts_are_blocked_and_clients_that_know_the_list_are_told() {
    let mut chat = Chat::bound();
    let blocked = || Event::Blocked { account: account("bob"), on: true };
    chat.event(blocked());
    chat.send("<iq type='get' id='1'><blocklist xmlns='urn:xmpp:blocking'/></iq>");
    chat.answer(Ok(Reply::Accounts(vec![account("carol")])));
    chat.answer(Ok(Reply::Register(Some(b"spam@b.example".to_vec()))));
    chat.send("<iq type='set' id='2'><block xmlns='urn:xmpp:blocking'><item jid='bob@a.example'/></block></iq>");
    chat.event(blocked());
    chat.answer(Ok(Reply::Done));
    chat.send("<iq type='set' id='3'><unblock xmlns='urn:xmpp:blocking'/></iq>");
    chat.answer(Ok(Reply::Accounts(vec![account("bob"), account("carol")])));
    chat.answer(Ok(Reply::Done));
    chat.answer(Ok(Reply::Done));
    chat.send("<iq type='set' id='4'><block xmlns='urn:xmpp:blocking'/></iq>");
    chat.send("<message to='bob@a.example' type='chat' id='5'><body>x</body></message>");
    chat.answer(Err(Refusal::Blocked));
    expect![[r#"
            Blocked
            RegisterGet("blocked-elsewhere")
        <iq to='alice@a.example/r1' id='1' type='result'><blocklist xmlns='urn:xmpp:blocking'><item jid='carol@a.example'/><item jid='spam@b.example'/></blocklist></iq>
            Block([bob], true)
        <iq to='alice@a.example/r1' id='427f867a270f6fc867fc50e77d3679c5' type='set'><block xmlns='urn:xmpp:blocking'><item jid='bob@a.example'/></block></iq>
        <iq to='alice@a.example/r1' id='2' type='result'/>
            Blocked
            RegisterSet("blocked-elsewhere", [])
            Block([bob, carol], false)
        <iq to='alice@a.example/r1' id='3' type='result'/>
        <iq to='alice@a.example/r1' id='4' type='error'><error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
            Say(Account(bob, None), Content { kind: Message, text: "x", tags: [], payloads: [], to_resource: None, from_resource: Some("r1"), via_room: None, client_id: "5", relation: None, joints: [], typing: None, least: None })
        <message to='alice@a.example/r1' from='bob@a.example' id='5' type='error'><error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>you block them</text><blocked xmlns='urn:xmpp:blocking:errors'/></error></message>
    "#]].assert_eq(&chat.take());
}

#[test]
fn relays_of_calls_are_told_with_credentials_that_end() {
    use crate::session::{ExternalService, ServiceAccess};
    let service = |kind: &str, port: u16, access: Option<ServiceAccess>| ExternalService {
        kind: kind.to_owned(),
        host: "turn.a.example".to_owned(),
        port,
        transport: "udp",
        access,
    };
    let fixed = ServiceAccess::Fixed { username: "u".into(), password: "p".into() };
    let services = vec![
        service("stun", 3478, None),
        service("turn", 3478, Some(ServiceAccess::Shared("logen".into()))),
        service("turn", 3479, Some(fixed)),
    ];
    let config =
        SessionConfig { plain_without_tls: true, flood: Flood::NONE, services, ..SessionConfig::new("a.example") };
    let connection =
        Connection { host: "h".into(), tls: None, starttls: false, framed: false, gateway: false, seed: 7 };
    let mut chat = Chat::configured(config, connection);
    chat.log_in();
    for (kind, inner) in [
        ("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
        ("get", "<services xmlns='urn:xmpp:extdisco:2'/>"),
        ("get", "<services xmlns='urn:xmpp:extdisco:2' type='stun'/>"),
        ("get", "<services xmlns='urn:xmpp:extdisco:2' type='ftp'/>"),
        ("set", "<services xmlns='urn:xmpp:extdisco:2'/>"),
        (
            "get",
            "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='turn.a.example' port='3479'/></credentials>",
        ),
        ("get", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='stun' host='turn.a.example'/></credentials>"),
        ("get", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='stun' host='b.example'/></credentials>"),
        ("get", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn'/></credentials>"),
    ] {
        chat.send(&format!("<iq type='{kind}' id='1' to='a.example'>{inner}</iq>"));
    }
    let log = chat.take();
    let (discovered, rest) = log.trim_start().split_once('\n').unwrap();
    assert!(discovered.contains("<feature var='urn:xmpp:extdisco:2'/>"), "{discovered}");
    expect![[r#"
        <iq to='alice@a.example/r1' from='a.example' id='1' type='result'><services xmlns='urn:xmpp:extdisco:2'><service type='stun' host='turn.a.example' port='3478' transport='udp'/><service type='turn' host='turn.a.example' port='3478' transport='udp' restricted='1' username='1767268800' password='pBXiZ2dyeJc33OgQUafivdSvi8c=' expires='2026-01-01T12:00:00.000Z'/><service type='turn' host='turn.a.example' port='3479' transport='udp' restricted='1' username='u' password='p'/></services></iq>
        <iq to='alice@a.example/r1' from='a.example' id='1' type='result'><services xmlns='urn:xmpp:extdisco:2' type='stun'><service type='stun' host='turn.a.example' port='3478' transport='udp'/></services></iq>
        <iq to='alice@a.example/r1' from='a.example' id='1' type='result'><services xmlns='urn:xmpp:extdisco:2' type='ftp'/></iq>
        <iq to='alice@a.example/r1' from='a.example' id='1' type='error'><error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
        <iq to='alice@a.example/r1' from='a.example' id='1' type='result'><credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='turn.a.example' port='3479' transport='udp' restricted='1' username='u' password='p'/></credentials></iq>
        <iq to='alice@a.example/r1' from='a.example' id='1' type='result'><credentials xmlns='urn:xmpp:extdisco:2'><service type='stun' host='turn.a.example' port='3478' transport='udp'/></credentials></iq>
        <iq to='alice@a.example/r1' from='a.example' id='1' type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
        <iq to='alice@a.example/r1' from='a.example' id='1' type='error'><error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>
    "#]].assert_eq(rest);
    let mut without = Chat::bound();
    without.send("<iq type='get' id='1' to='a.example'><services xmlns='urn:xmpp:extdisco:2'/></iq>");
    assert!(without.take().contains("<service-unavailable "));
}

#[test]
fn who_runs_the_server_is_found_by_discovery() {
    use crate::session::ContactKind;
    let connection =
        Connection { host: "h".into(), tls: None, starttls: false, framed: false, gateway: false, seed: 7 };
    let contacts =
        vec![(ContactKind::Abuse, vec!["mailto:abuse@a.example".to_owned(), "xmpp:root@a.example".to_owned()])];
    let config =
        SessionConfig { plain_without_tls: true, flood: Flood::NONE, contacts, ..SessionConfig::new("a.example") };
    let mut chat = Chat::configured(config, connection);
    chat.log_in();
    chat.send("<iq type='get' id='1' to='a.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>");
    let log = chat.take();
    let form = "<value>http://jabber.org/network/serverinfo</value></field><field var='abuse-addresses' type='list-multi'>\
                <value>mailto:abuse@a.example</value><value>xmpp:root@a.example</value></field></x>";
    assert!(log.contains(form), "{log}");
    assert!(!log.contains("category='store'"), "no files are taken");
}

#[test]
fn a_slot_for_a_file_is_asked_for_where_there_are_files() {
    let request = |size: &str| {
        format!(
            "<iq type='get' id='u' to='a.example'><request xmlns='urn:xmpp:http:upload:0' filename='../my cat.jpg' \
             size='{size}' content-type='image/jpeg'/></iq>"
        )
    };
    let info = "<iq type='get' id='d' to='a.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
    let mut chat = Chat::bound();
    chat.send(&request("23"));
    assert!(chat.take().contains("<service-unavailable "));
    chat.send(info);
    assert!(!chat.take().contains("urn:xmpp:http:upload:0"));

    let mut config = (*chat.session.link.config).clone();
    let upload = Upload { url: "https://web.example".to_owned(), key: [1; 32], bytes_max: 1000 };
    config.upload = Some(upload.clone());
    chat.session.link.config = Arc::new(config);
    chat.send(info);
    let info = chat.take();
    assert!(info.contains("<feature var='urn:xmpp:http:upload:0'/>"));
    assert!(info.contains("<field var='max-file-size'><value>1000</value></field>"), "{info}");
    chat.send(&request("23"));
    let slot = chat.take();
    assert!(slot.contains("<slot xmlns='urn:xmpp:http:upload:0'><put url='https://web.example/files/"), "{slot}");
    let put = slot.split("<put url='").nth(1).unwrap().split('\'').next().unwrap().replace("&amp;", "&");
    let (path, query) = put.strip_prefix("https://web.example/files/").unwrap().split_once('?').unwrap();
    let (id, name) = path.split_once('/').unwrap();
    let read = Slot::read(&upload.key, id, name, query, EPOCH_MS / 1000).unwrap();
    assert_eq!(
        (read.account.as_str(), read.size, read.media.as_str(), name),
        ("alice", 23, "image/jpeg", "my_cat.jpg")
    );
    assert!(slot.contains(&format!("<get url='https://web.example/files/{path}'/>")), "{slot}");
    chat.send(&request("1001"));
    assert!(chat.take().contains(
        "<file-too-large xmlns='urn:xmpp:http:upload:0'><max-file-size>1000</max-file-size></file-too-large></error>"
    ));
    for wrong in ["0", "-1", "x", ""] {
        chat.send(&request(wrong));
        assert!(chat.take().contains("<bad-request "), "{wrong}");
    }
}

#[test]
fn what_a_request_carries_is_told_to_the_contact() {
    const NICK: &str = "<nick xmlns='http://jabber.org/protocol/nick'>Al</nick>";
    let mut chat = Chat::bound();
    chat.send(&format!(
        "<presence to='bob@a.example' type='subscribe' id='1' from='alice@a.example/r1' xml:lang='it'><status>Ciao</status>\
         <delay xmlns='urn:xmpp:delay' stamp='2000-01-01T00:00:00Z'/>{NICK}</presence>"
    ));
    let request =
        format!("<presence xmlns='jabber:client' id='1' xml:lang='it'><status>Ciao</status>{NICK}</presence>");
    let Some((_, Command::Subscription(_, SubscriptionStep::Subscribe, carried))) = chat.asked.back() else {
        panic!("nothing is asked")
    };
    assert_eq!(carried, request.as_bytes());
    chat.take();
    chat.event(Event::Subscription(account("bob"), SubscriptionStep::Subscribe, carried_by("<presence xmlns='jabber:client' \
        from='x@a.example' type='error' id='1'><status>Ciao</status><x xmlns='http://jabber.org/protocol/muc#user'/></presence>")));
    for none_at_all in ["", "<presence", "<message xmlns='jabber:client' id='1'/>"] {
        chat.event(Event::Subscription(account("bob"), SubscriptionStep::Subscribe, carried_by(none_at_all)));
    }
    expect![[r#"
        <presence type='subscribe' id='1' to='alice@a.example' from='bob@a.example'><status>Ciao</status></presence>
        <presence type='subscribe' to='alice@a.example' from='bob@a.example'/>
        <presence type='subscribe' to='alice@a.example' from='bob@a.example'/>
        <presence type='subscribe' to='alice@a.example' from='bob@a.example'/>
    "#]]
    .assert_eq(&chat.take());
}

#[test]
fn of_a_request_that_carries_too_much_the_end_is_left_out() {
    let mut chat = Chat::bound();
    let long = "x".repeat(REQUEST_BYTES_MAX);
    for (sent, kept) in [
        (
            format!(
                "<presence to='bob@a.example' type='subscribe'><status>a</status><a xmlns='b'>{long}</a></presence>"
            ),
            true,
        ),
        (format!("<presence to='bob@a.example' type='subscribe' id='{long}'><status>a</status></presence>"), false),
    ] {
        chat.send(&sent);
        let Some((_, Command::Subscription(.., carried))) = chat.asked.back() else { panic!("nothing is asked") };
        let expected = if kept { "<presence xmlns='jabber:client'><status>a</status></presence>" } else { "" };
        assert_eq!(carried, expected.as_bytes());
    }
}

fn carried_by(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[test]
fn a_message_keeps_its_languages() {
    let mut chat = Chat::bound();
    for (sent, shown) in [
        (
            "<message to='bob@a.example' type='chat' id='1' xml:lang='de'><body>Tee?</body></message>",
            " id='1' xml:lang='de'><body>Tee?</body>",
        ),
        (
            "<message to='bob@a.example' type='chat' id='2' xml:lang='en'><body xml:lang='it'>Te?</body><body xml:lang='fr'>The?</body></message>",
            " id='2' xml:lang='en'><body xml:lang='it'>Te?</body><body xml:lang='fr'>The?</body>",
        ),
        (
            "<message to='bob@a.example' type='chat' id='3' xml:lang='no tag'><body>3</body></message>",
            " id='3'><body>3</body>",
        ),
    ] {
        chat.send(sent);
        let Some((_, Command::Say(_, content))) = chat.asked.pop_front() else { panic!("nothing is said") };
        chat.take();
        chat.event(direct(author(2, "bob", true), "alice", content));
        let log = chat.take();
        assert!(log.contains(shown) && !log.contains("lavina"), "{log}");
    }
}
