//! WEBPUSH (IRCv3 `draft/webpush`).

use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use expect_test::expect;

const ENDPOINT: &str = "https://push.example.org/abc";

fn client() -> Client {
    let config = SessionConfig { vapid: Some("BKEY".to_owned()), ..config() };
    Client::with(config)
}

fn keys() -> String {
    let public = URL_SAFE_NO_PAD.encode([vec![4], vec![7; 64]].concat());
    format!("p256dh={public};auth={}", URL_SAFE_NO_PAD.encode([1; 16]))
}

#[test]
fn a_device_subscribes_with_its_keys_and_leaves() {
    let mut client = client();
    assert!(client.said_to("CAP LS 302").contains("draft/webpush"));
    let login = base64::engine::general_purpose::STANDARD.encode("\0alice\0secret");
    client.send(&format!("CAP REQ :sasl draft/webpush\nAUTHENTICATE PLAIN\nAUTHENTICATE {login}"));
    client.send("NICK alice\nUSER al 0 * :A\nCAP END");
    assert!(client.take().contains(" VAPID=BKEY "));
    client.shows_commands = true;
    let keys = keys();
    let told = client.said_to(&format!(
        "WEBPUSH VAPIDPUBKEY\nWEBPUSH register {ENDPOINT} {keys}\nWEBPUSH REGISTER http://push.example.org/a {keys}\n\
         WEBPUSH REGISTER https://127.0.0.1/a {keys}\nWEBPUSH REGISTER {ENDPOINT} auth=AQ\nWEBPUSH UNREGISTER\n\
         WEBPUSH UNREGISTER {ENDPOINT}\nWEBPUSH WHAT"
    ));
    let told: Vec<&str> = told.lines().filter(|line| !line.starts_with("? RegisterSet(\"push/")).collect();
    expect![[r#"
        :node WEBPUSH VAPIDPUBKEY BKEY
        :node WEBPUSH REGISTER https://push.example.org/abc
        :node FAIL WEBPUSH INVALID_PARAMS REGISTER :That is no endpoint with its keys
        :node FAIL WEBPUSH INVALID_PARAMS REGISTER :That is no endpoint with its keys
        :node FAIL WEBPUSH INVALID_PARAMS REGISTER :That is no endpoint with its keys
        :node FAIL WEBPUSH INVALID_PARAMS UNREGISTER :Which endpoint?
        :node WEBPUSH UNREGISTER https://push.example.org/abc
        :node FAIL WEBPUSH INVALID_PARAMS WHAT :Unknown subcommand
    "#]]
    .assert_eq(&format!("{}\n", told.join("\n")));
}

#[test]
fn who_is_not_logged_in_or_at_a_node_that_sends_nothing_is_told_so() {
    let mut guest = client();
    guest.send("NICK alice\nUSER al 0 * :A");
    guest.take();
    let told = guest.said_to(&format!("WEBPUSH REGISTER {ENDPOINT} {}", keys()));
    assert_eq!(told, ":node FAIL WEBPUSH ACCOUNT_REQUIRED REGISTER :Only accounts can subscribe\n");
    let mut silent = Client::registered("batch");
    assert!(!silent.said_to("CAP LS 302").contains("webpush"));
    let told = silent.said_to("WEBPUSH VAPIDPUBKEY");
    assert_eq!(told, ":node FAIL WEBPUSH FORBIDDEN VAPIDPUBKEY :This node sends no push messages\n");
}

#[test]
fn what_is_sent_is_one_line_with_its_id_as_the_client_would_have_had_it() {
    let room = crate::event::Conversation::Room(lavina_crdt::names::RoomName::new("r").unwrap());
    let said = fake_core::said("bob", room, lavina_crdt::content::Content::text("hello\nthere"));
    let caps = crate::irc::caps::Caps::MESSAGE_TAGS.with(crate::irc::caps::Caps::SERVER_TIME);
    let line = crate::irc::push_line(caps.bits(), &said, "node").unwrap();
    assert!(line.starts_with("@time=") && line.contains(&format!("msgid={}", said.id)), "{line}");
    assert!(line.ends_with(" :hello"), "{line}");
    assert!(!crate::irc::push_line(0, &said, "node").unwrap().starts_with('@'));
}
