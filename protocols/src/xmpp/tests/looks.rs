//! How clients show themselves in one room (XEP-0045 sections 7.2.2 and 7.7), and probes (section 17.3).

use super::*;
use crate::command::PresenceChange;
use expect_test::expect;
use lavina_crdt::looks;

const CAPS: &str = "<c xmlns='http://jabber.org/protocol/caps' node='n' ver='v' hash='sha-1'/>";

fn join(inner: &str) -> String {
    let muc = "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x>";
    format!("<presence to='rust@rooms.a.example/alice'>{muc}{inner}</presence>")
}

/// What the core is asked to show of the client next, where that is all it is asked.
fn shown(chat: &mut Chat) -> Option<Vec<String>> {
    let change = chat.asked.pop_front().map(|(_, command)| command);
    let Some(Command::SetPresence(PresenceChange { payloads, available: None, show: None, .. })) = change else {
        chat.asked.clear();
        return None;
    };
    payloads
}

fn look(inner: &str) -> String {
    looks::payload(&room("rust"), &format!("<presence xmlns='jabber:client'>{inner}</presence>"))
}

#[test]
fn what_a_client_says_of_itself_in_a_room_is_for_that_room() {
    let mut chat = Chat::bound();
    chat.send(&format!("<presence>{CAPS}</presence>"));
    chat.answer(Ok(Reply::Done));
    chat.asked.clear();
    chat.send(&join("<show>away</show><status>tea</status><priority>3</priority><hats xmlns='urn:xmpp:hats:0'/>"));
    assert_eq!(shown(&mut chat), Some(vec![CAPS.to_owned(), look("<show>away</show><status>tea</status>")]));
    assert!(matches!(chat.asked.pop_front(), Some((_, Command::Join { .. }))));
}

#[test]
fn what_a_client_says_everywhere_it_need_not_say_again() {
    for (everywhere, here) in [(CAPS, CAPS), (CAPS, ""), ("<show>dnd</show>", "<show>dnd</show>")] {
        let mut chat = Chat::bound();
        chat.send(&format!("<presence>{everywhere}</presence>"));
        chat.answer(Ok(Reply::Done));
        chat.asked.clear();
        chat.send(&join(here));
        assert!(matches!(chat.asked.front(), Some((_, Command::Join { .. }))), "{here}: {:?}", chat.asked);
    }
}

/// A client in the room, which has not sent presence to everybody.
fn inside() -> Chat {
    let mut chat = Chat::bound();
    chat.send(&join(""));
    chat.answer(Ok(Reply::Joined(Arc::new(view(false)), true)));
    chat.take();
    chat
}

#[test]
fn presence_to_everybody_is_for_rooms_too() {
    let mut chat = inside();
    let update = |inner: &str| format!("<presence to='rust@rooms.a.example/alice'>{inner}</presence>");
    chat.send(&update("<show>xa</show>"));
    assert_eq!(shown(&mut chat), Some(vec![look("<show>xa</show>")]));
    chat.send(&update("<show>xa</show>"));
    assert!(chat.asked.is_empty(), "nothing new");
    chat.send("<presence><show>chat</show></presence>");
    let Some((_, Command::SetPresence(change))) = chat.asked.pop_front() else { panic!("no presence") };
    assert_eq!(change.payloads, Some(Vec::new()));
    chat.asked.clear();
    chat.send(&update(""));
    assert_eq!(shown(&mut chat), Some(vec![look("").replace("></presence>", "/>")]));
    chat.send(&update("<show>chat</show>"));
    assert_eq!(shown(&mut chat), Some(Vec::new()));
}

#[test]
fn what_would_be_too_much_is_not_shown() {
    let mut chat = inside();
    let long = "x".repeat(5_000);
    chat.send(&format!("<presence to='rust@rooms.a.example/alice'><status>{long}</status></presence>"));
    assert_eq!(shown(&mut chat), Some(Vec::new()));
}

/// A change of what somebody's records hold.
fn changed(old: Vec<String>, new: Vec<String>) -> Event {
    let mut before = person(2, "bob", Some("phone"));
    Arc::make_mut(&mut before.record).payloads = old;
    let mut after = before.clone();
    Arc::make_mut(&mut after.record).payloads = new;
    let rooms = vec![(room("rust"), nick("bob"), Rank::None)];
    Event::PersonChanged { old: before.record, person: after, rooms }
}

#[test]
fn occupants_see_what_is_for_their_room() {
    let mut chat = inside();
    let forged = "<x xmlns='http://jabber.org/protocol/muc#user'><status code='307'/></x>";
    let here = look(&format!("<show>dnd</show>{CAPS}{forged}"));
    let other = looks::payload(&room("other"), "<presence xmlns='jabber:client'><show>away</show></presence>");
    chat.event(changed(Vec::new(), vec![other.clone()]));
    chat.event(changed(vec![other.clone()], vec![other.clone(), here]));
    chat.event(Event::ContactPresence {
        person: {
            let Event::PersonChanged { person, .. } = changed(Vec::new(), vec![other.clone()]) else { panic!() };
            person
        },
        available: true,
    });
    chat.event(changed(vec![look("<show>dnd</show>")], vec![other]));
    expect![[r#"
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/bob'><show>dnd</show><c xmlns='http://jabber.org/protocol/caps' node='n' ver='v' hash='sha-1'/><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' jid='bob@a.example/phone' role='participant'/></x></presence>
        <presence from='bob@a.example/phone' to='alice@a.example'/>
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/bob'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' jid='bob@a.example/phone' role='participant'/></x></presence>
    "#]]
    .assert_eq(&chat.take());
}

#[test]
fn who_is_inside_may_probe_occupants() {
    let probe = |to: &str| format!("<presence to='{to}' type='probe' id='p'/>");
    let mut chat = Chat::bound();
    chat.send(&probe("rust@rooms.a.example/bob"));
    assert!(chat.take().contains("<not-acceptable"));
    let mut chat = inside();
    for to in ["rust@rooms.a.example/bob", "rust@rooms.a.example", "rust@rooms.a.example/nobody"] {
        chat.send(&probe(to));
        chat.answer(Ok(Reply::Room(Some(Arc::new(view(false))))));
    }
    expect![[r#"
            RoomInfo(rust)
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/bob'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='08da0438ff9dc4c0beca2d0454e54673'/><hats xmlns='urn:xmpp:hats:0'><hat title='Operator' uri='urn:lavina:rank:operator'/></hats><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member' jid='bob@a.example/phone' role='moderator'/></x></presence>
            RoomInfo(rust)
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/alice'><occupant-id xmlns='urn:xmpp:occupant-id:0' id='1cd051251046c9d150ce08f6ea6d85a2'/><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' jid='alice@a.example/r1' role='participant'/><status code='110'/></x></presence>
            RoomInfo(rust)
        <presence to='alice@a.example/r1' from='rust@rooms.a.example/nobody' id='p' type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>
    "#]]
    .assert_eq(&chat.take());
}
