//! What rooms have beside XEP-0045's core: pictures (XEP-0486), hats (XEP-0317), nicks that are kept for somebody (sections 7.10 and 7.12).

use super::*;
use crate::command::{LookedAt, RegisterView};
use expect_test::expect;
use lavina_crdt::room::Act;

const CARD: &str = "<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL>aGVsbG8=</BINVAL></PHOTO></vCard>";
/// SHA-1 of what is in it.
const HASH: &str = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";

fn with_picture() -> RoomView {
    let mut view = view(false);
    Arc::make_mut(&mut view.state).notes.insert("vcard".to_owned(), format!("bob {HASH}"));
    view
}

#[test]
fn an_owner_gives_a_room_its_picture_and_nobody_else_does() {
    let mut chat = Chat::bound();
    let set = format!("<iq type='set' id='1' to='rust@rooms.a.example'>{CARD}</iq>");
    chat.send(&set);
    chat.answer(Ok(Reply::Room(Some(Arc::new(view_with(Rank::Admin))))));
    let log = chat.take();
    assert!(log.contains("<forbidden"), "{log}");
    chat.send(&set);
    chat.answer(Ok(Reply::Room(Some(Arc::new(view_with(Rank::Founder))))));
    let asked: Vec<Command> = chat.asked.drain(..).map(|(_, command)| command).collect();
    let [Command::RegisterSet(key, value), Command::Act(_, acts)] = &asked[..] else { panic!("{asked:?}") };
    assert!(key.starts_with("shown/room-vcard/") && String::from_utf8_lossy(value).contains("aGVsbG8="), "{key}");
    assert_eq!(acts[..], [Act::SetNote { key: "vcard".into(), value: Some(format!("alice {HASH}")) }]);
}

#[test]
fn a_room_without_a_picture_has_a_card_without_content() {
    let mut chat = Chat::bound();
    chat.send("<iq type='get' id='1' to='rust@rooms.a.example'><vCard xmlns='vcard-temp'/></iq>");
    chat.answer(Ok(Reply::Room(Some(Arc::new(view_with(Rank::None))))));
    expect![[r#"
            RoomInfo(rust)
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='1' type='result'><vCard xmlns='vcard-temp'/></iq>
    "#]]
    .assert_eq(&chat.take());
}

#[test]
fn a_room_shows_its_picture_and_what_it_hashes_to() {
    let mut chat = Chat::bound();
    chat.send(
        "<iq type='get' id='d' to='rust@rooms.a.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>",
    );
    chat.answer(Ok(Reply::Room(Some(Arc::new(with_picture())))));
    let log = chat.take();
    assert!(log.contains("var='muc#roominfo_avatarhash'") && log.contains(HASH), "{log}");
    for (stored, is_shown) in [(CARD, true), (&*CARD.replace("aGVsbG8=", "Zm9yZ2Vk"), false)] {
        chat.send("<iq type='get' id='v' to='rust@rooms.a.example'><vCard xmlns='vcard-temp'/></iq>");
        chat.answer(Ok(Reply::Room(Some(Arc::new(with_picture())))));
        let at = OrderKey { hlc: Hlc::from_ms(EPOCH_MS), origin: Origin([5; 16]), seq: 0 };
        let register = RegisterView { key: "shown/room-vcard/x".into(), value: stored.into(), at };
        let found = LookedAt { sees: false, groups: Vec::new(), registers: vec![register] };
        chat.answer(Ok(Reply::LookedAt(Some(Box::new(found)))));
        let log = chat.take();
        assert!(log.contains("LookAt(bob, ") && log.contains("<BINVAL>aGVsbG8=") == is_shown, "{log}");
    }
}

#[test]
fn a_hat_says_what_role_and_affiliation_do_not_and_nobody_puts_one_on() {
    let mut chat = Chat::bound();
    chat.send("<presence><hats xmlns='urn:xmpp:hats:0'><hat title='King' uri='x'/></hats></presence>");
    let Some((_, Command::SetPresence(change))) = chat.asked.pop_front() else { panic!("no presence") };
    assert_eq!(change.payloads, Some(Vec::new()));
    chat.send("<presence to='rust@rooms.a.example/alice'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>");
    chat.take();
    chat.answer(Ok(Reply::Joined(Arc::new(view(false)), true)));
    let log = chat.take();
    let hats: Vec<&str> = log.lines().filter(|line| line.contains("<hats")).collect();
    expect![[r#"
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/bob'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/><hats xmlns='urn:xmpp:hats:0'><hat title='Operator' uri='urn:lavina:rank:operator'/></hats><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' jid='bob@a.example/phone' role='moderator'/></x></presence>
    "#]].assert_eq(&(hats.join("\n") + "\n"));
}

#[test]
fn the_nick_that_is_kept_for_somebody_is_the_one_of_the_account() {
    let mut chat = Chat::bound();
    let ask = |query: &str, kind: &str| format!("<iq type='{kind}' id='n' to='rust@rooms.a.example'>{query}</iq>");
    chat.send(&ask("<query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'/>", "get"));
    chat.send(&ask("<query xmlns='jabber:iq:register'/>", "get"));
    for nick in ["Alice", "somebody"] {
        let field = format!("<field var='muc#register_roomnick'><value>{nick}</value></field>");
        let form =
            format!("<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>{field}</x></query>");
        chat.send(&ask(&form, "set"));
    }
    expect![[r#"
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='n' type='result'><query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser-item'><identity category='conference' type='text' name='alice'/></query></iq>
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='n' type='result'><query xmlns='jabber:iq:register'><registered/><username>alice</username></query></iq>
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='n' type='result'/>
        <iq to='alice@a.example/r1' from='rust@rooms.a.example' id='n' type='error'><error type='cancel'><not-allowed xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>only alice can be registered: it is your account&apos;s</text></error></iq>
    "#]].assert_eq(&chat.take());
}
