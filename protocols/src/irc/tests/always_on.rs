//! Sessions of an account that is always on.

use super::Client;
use super::fake_core::{in_room, room};
use crate::event::Event;
use expect_test::expect;
use std::sync::Arc;

/// What comes after the welcome.
fn resumed(caps: &str, user: &str) -> (Client, String) {
    let mut client = Client::connect();
    client.core.always_on = true;
    client.send(&format!("CAP REQ :{caps}\nPASS alice:secret\nNICK alice\nUSER {user} 0 * :Al\nCAP END"));
    let text = client.take();
    let after = text.split_once("message of the day\n").map(|(_, after)| after.to_owned()).unwrap_or_default();
    (client, after)
}

#[test]
fn a_session_begins_in_its_rooms_with_what_its_device_has_missed() {
    let (mut client, text) = resumed("server-time", "al@phone");
    expect![[r#"
        @time=2026-01-02T03:04:05.678Z :alice!al@host JOIN #r
        :node 332 alice #r :On things
        :node 333 alice #r bob 1600000000
        :node 353 alice = #r :alice ~bob +sleepy
        :node 366 alice #r :End of /NAMES list
        @time=1970-01-01T00:00:03.000Z :bob!ubob@far PRIVMSG #r :after
        @time=1970-01-01T00:00:03.000Z :bob!ubob@far PRIVMSG #r :second line
        @time=1970-01-01T00:00:03.000Z :bob!ubob@far PRIVMSG #r :after
        @time=1970-01-01T00:00:03.000Z :bob!ubob@far PRIVMSG #r :second line
    "#]]
    .assert_eq(&text);
    client.shows_commands = true;
    let text = client.said_to("QUIT :bye");
    assert!(text.contains("SetSeen(\"phone\", 1767323045678)"), "{text}");
}

#[test]
fn what_is_said_while_a_session_is_welcomed_comes_after_its_rooms() {
    let mut client = Client::connect();
    client.core.always_on = true;
    client.send("CAP LS 302\nPASS alice:secret\nNICK alice\nUSER al 0 * :Al");
    client.slow = true;
    client.send("CAP END");
    while !client.asked.is_empty() && !String::from_utf8_lossy(&client.text).contains(" 001 ") {
        client.answer();
    }
    client.event(Event::Said(Arc::new(in_room("bob", "early"))));
    while !client.asked.is_empty() {
        client.answer();
    }
    let text = client.take();
    let (welcome, rooms) = text.split_once(" JOIN #r").unwrap();
    assert!(!welcome.contains("early") && rooms.contains("PRIVMSG #r :early"), "{text}");
}

#[test]
fn who_asks_for_history_is_shown_none_unasked_and_neither_is_a_new_device() {
    let (_, with_history) = resumed("draft/chathistory", "al@phone");
    let (_, new) = resumed("", "al");
    for text in [with_history, new] {
        assert!(text.contains("JOIN #r") && !text.contains("PRIVMSG"), "{text}");
    }
}

#[test]
fn a_session_follows_another_of_its_account_into_a_room() {
    let (mut client, _) = resumed("", "al");
    let view = crate::event::RoomView {
        name: room("other"),
        state: std::sync::Arc::default(),
        occupants: Vec::new(),
        own_nick: None,
        created: false,
    };
    client.event(Event::Entered(view.into()));
    expect![[r#"
        :alice!al@host JOIN #other
        :node 366 alice #other :End of /NAMES list
    "#]]
    .assert_eq(&client.take());
}

#[test]
fn programs_ask_and_choose_whether_an_account_stays() {
    let mut client = Client::registered("draft/persistence");
    assert_eq!(client.said_to("PERSISTENCE GET"), ":node FAIL PERSISTENCE ACCOUNT_REQUIRED :You are not logged in\n");
    client.send("NS IDENTIFY alice secret");
    client.take();
    expect_test::expect![[r#"
        :node PERSISTENCE STATUS DEFAULT OFF
        :node PERSISTENCE STATUS ON ON
        :node PERSISTENCE STATUS DEFAULT OFF
        :node PERSISTENCE STATUS OFF OFF
        :node FAIL PERSISTENCE INVALID_PARAMS :Invalid parameters
        :node FAIL PERSISTENCE INVALID_PARAMS :Invalid parameters
    "#]].assert_eq(&client.said_to("PERSISTENCE GET\nPERSISTENCE SET ON\nPERSISTENCE SET DEFAULT\nPERSISTENCE SET OFF\nPERSISTENCE SET x\nPERSISTENCE X"));
}
