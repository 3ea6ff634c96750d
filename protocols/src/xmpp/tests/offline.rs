//! Messages that waited (XEP-0160), and last activity (XEP-0012).

use super::*;
use crate::account::LastActive;
use crate::event::HistoryPage;
use expect_test::expect;

/// Alice, who has a resource and nothing else.
fn fresh() -> Chat {
    let mut chat = Chat::new();
    chat.send(HEADER);
    chat.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGFsaWNlAHNlY3JldA==</auth>");
    chat.answer(Ok(Reply::Credentials(Some(credentials()))));
    chat.answer(Ok(Reply::Done));
    chat.send(HEADER);
    chat.send(
        "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r1</resource></bind></iq>",
    );
    chat.answer(Ok(Reply::Opened(opened())));
    chat.log.clear();
    chat
}

fn page(complete: bool) -> Reply {
    let (alice, bob) = (author(1, "alice", true), author(2, "bob", true));
    let said = |second, from: &Author, to: &Author, content| {
        let conversation =
            Conversation::Direct { from: from.principal(), to: to.principal(), to_nick: to.nick.clone() };
        Arc::new(Said { conversation, ..(*said_in("rust", second, from.clone(), content)).clone() })
    };
    let messages = vec![
        said(1, &bob, &alice, Content::text("one")),
        said(2, &alice, &bob, Content::text("her own")),
        said(3, &bob, &alice, Content::signal()),
    ];
    Reply::History(HistoryPage { messages, events: Vec::new(), complete })
}

fn waiting(first: Option<MsgId>) -> Reply {
    Reply::Account(AccountReply::Waiting(first))
}

#[test]
fn who_becomes_available_is_given_what_waited_once() {
    let mut chat = fresh();
    chat.send("<presence/>");
    chat.answer(Ok(Reply::Done));
    chat.answer(Ok(Reply::LookedAt(None)));
    chat.answer(Ok(waiting(Some(msg_id(1)))));
    chat.answer(Ok(page(false)));
    chat.answer(Ok(page(true)));
    expect![[r#"
            SetPresence(PresenceChange { available: Some(true), show: Some(Available), status: Some(""), priority: Some(0), payloads: Some([]) })
            LookAt(alice, "shown/pep/0ba5ca9b5d5c029473d584e0")
            Account(TakeWaiting)
        <presence to='alice@a.example/r1' from='alice@a.example/r1'/>
            History(HistoryQuery { of: Account, after: Some(Time(1767225600999)), before: None, ids: [], limit: 100, newest: false, texts: true, events: false })
        <message from='bob@a.example' to='alice@a.example' type='chat' id='06dndmlbt00001850k2ga18000000001'><body>one</body><stanza-id xmlns='urn:xmpp:sid:0' by='alice@a.example' id='06dndmlbt00001850k2ga18000000001'/><delay xmlns='urn:xmpp:delay' from='a.example' stamp='2026-01-01T00:00:01.000Z'/></message>
            History(HistoryQuery { of: Account, after: Some(Id(06dndmljn00001850k2ga18000000003)), before: None, ids: [], limit: 100, newest: false, texts: true, events: false })
    "#]].assert_eq(&chat.take());
    chat.send("<presence><show>away</show></presence>");
    assert!(!chat.take().contains("TakeWaiting"));
}

#[test]
fn who_takes_no_messages_leaves_them_waiting() {
    let mut chat = fresh();
    chat.send("<presence><priority>-1</priority></presence>");
    chat.answer(Ok(Reply::Done));
    chat.answer(Ok(Reply::LookedAt(None)));
    assert!(!chat.take().contains("TakeWaiting"));
    chat.send("<presence/>");
    assert!(chat.take().contains("TakeWaiting"));
}

#[test]
fn who_asks_the_archive_first_is_not_given_the_same_again() {
    let mut chat = fresh();
    chat.send("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>");
    chat.answer(Ok(Reply::Register(None)));
    chat.answer(Ok(page(true)));
    chat.send("<presence/>");
    chat.answer(Ok(Reply::Done));
    chat.answer(Ok(Reply::LookedAt(None)));
    chat.take();
    chat.answer(Ok(waiting(Some(msg_id(1)))));
    assert_eq!(chat.take(), "\n");
}

#[test]
fn how_long_somebody_is_away() {
    let mut chat = Chat::bound();
    chat.now.wall_ms += 90_000;
    chat.send("<iq type='get' id='1' to='a.example'><query xmlns='jabber:iq:last'/></iq>");
    let ask = "<iq type='get' id='2' to='bob@a.example'><query xmlns='jabber:iq:last'/></iq>";
    for answer in [
        Ok(Reply::Account(AccountReply::LastActive(Some(LastActive::There)))),
        Ok(Reply::Account(AccountReply::LastActive(Some(LastActive::Gone {
            at_ms: EPOCH_MS + 30_000,
            words: "to bed".into(),
        })))),
        Err(Refusal::Denied(lavina_crdt::room::Denied::Rank)),
    ] {
        chat.send(ask);
        chat.answer(answer);
    }
    expect![[r#"
        <iq to='alice@a.example/r1' from='a.example' id='1' type='result'><query xmlns='jabber:iq:last' seconds='90'/></iq>
            Account(LastActive(bob))
        <iq to='alice@a.example/r1' from='bob@a.example' id='2' type='result'><query xmlns='jabber:iq:last' seconds='0'/></iq>
            Account(LastActive(bob))
        <iq to='alice@a.example/r1' from='bob@a.example' id='2' type='result'><query xmlns='jabber:iq:last' seconds='60'>to bed</query></iq>
            Account(LastActive(bob))
        <iq to='alice@a.example/r1' from='bob@a.example' id='2' type='error'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>needs a higher rank</text></error></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn what_a_client_never_said_it_had_waits_for_the_next() {
    let mut chat = Chat::bound();
    chat.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    let Reply::History(history) = page(true) else { return };
    chat.event(Event::Said(Arc::clone(&history.messages[0])));
    chat.session.handle_eof(chat.now, "");
    chat.take();
    chat.later(600_000);
    let first = history.messages[0].id;
    assert!(chat.take().starts_with(&format!("    Account(WaitsFrom({first}))")));
}

#[test]
fn what_is_told_to_wait_later_is_given_once() {
    let mut chat = Chat::bound();
    let Reply::History(history) = page(true) else { return };
    chat.event(Event::Said(Arc::clone(&history.messages[0])));
    chat.event(Event::Waiting(msg_id(0)));
    chat.take();
    chat.answer(Ok(page(true)));
    assert_eq!(chat.take(), "\n", "it has come already");
    chat.event(Event::Waiting(msg_id(0)));
    let mut late = (*history.messages[0]).clone();
    late.id = msg_id(9);
    chat.answer(Ok(Reply::History(HistoryPage { messages: vec![Arc::new(late)], events: Vec::new(), complete: true })));
    assert_eq!(chat.take().matches("<body>one</body>").count(), 1);
}

#[test]
fn what_its_owner_does_not_want_archived_is_left_out_of_the_archive() {
    let mut chat = Chat::bound();
    let set = "<iq type='set' id='p'><prefs xmlns='urn:xmpp:mam:2' default='always'><never><jid>bob@a.example</jid></never></prefs></iq>";
    chat.send(set);
    chat.answer(Ok(Reply::Register(None)));
    let Some((_, Command::RegisterSet(_, value))) = chat.asked.front().cloned() else { panic!("nothing is kept") };
    chat.answer(Ok(Reply::Done));
    chat.send("<iq type='get' id='g'><prefs xmlns='urn:xmpp:mam:2'/></iq>");
    chat.answer(Ok(Reply::Register(Some(value.clone()))));
    chat.take();
    chat.send("<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'/></iq>");
    chat.answer(Ok(Reply::Register(Some(value))));
    chat.answer(Ok(page(false)));
    chat.answer(Ok(page(true)));
    expect![[r#"
            RegisterGet("archive-preferences")
            History(HistoryQuery { of: Account, after: None, before: None, ids: [], limit: 50, newest: false, texts: false, events: false })
            History(HistoryQuery { of: Account, after: Some(Id(06dndmljn00001850k2ga18000000003)), before: None, ids: [], limit: 50, newest: false, texts: false, events: false })
        <iq to='alice@a.example/r1' id='q' type='result'><fin xmlns='urn:xmpp:mam:2' complete='true'><set xmlns='http://jabber.org/protocol/rsm'/></fin></iq>
    "#]].assert_eq(&chat.take());
}

#[test]
fn of_messages_asked_for_by_their_ids_none_may_be_missing() {
    let mut chat = Chat::bound();
    let ids = format!("<value>{}</value><value>{}</value>", msg_id(1), msg_id(7));
    chat.send(&format!(
        "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'>\
         <field var='ids'>{ids}</field></x></query></iq>"
    ));
    chat.answer(Ok(Reply::Register(None)));
    chat.answer(Ok(page(true)));
    let log = chat.take();
    assert!(log.contains("<item-not-found") && !log.contains("<result"), "{log}");
}
