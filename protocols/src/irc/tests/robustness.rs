//! What no client should send.

use super::*;
use expect_test::expect;
use proptest::prelude::*;

#[test]
fn what_is_not_irc_is_closed_at_the_first_line() {
    for first in ["GET / HTTP/1.1", "POST /x HTTP/1.0", "\u{16}\u{3}\u{1}"] {
        let mut client = Client::connect();
        assert_eq!(client.said_to(first), "ERROR :This port speaks IRC\n<close>\n", "{first}");
    }
    let mut client = Client::connect();
    client.send("NICK alice\nGET /");
    assert_eq!(client.take(), ":node 421 alice GET :Unknown command\n");
}

#[test]
fn malformed_lines_get_clear_errors() {
    let mut client = Client::in_room("batch");
    client.bytes(b"PRIVMSG #r :caf\xe9\r\n");
    client.bytes(b"PRIVMSG #r :nul\0\r\n");
    client.bytes(b"PRIVMSG #r :cr\rQUIT\r\n");
    client.bytes(&[b"PRIVMSG #r :", "x".repeat(600).as_bytes(), b"\r\n"].concat());
    client.bytes(b"\r\n   \r\n");
    expect![[r#"
        :node FAIL PRIVMSG INVALID_UTF8 :Message rejected, your IRC software MUST use UTF-8 encoding on this network
        :node 400 alice * :That is not an IRC message
        :node 400 alice * :That is not an IRC message
        :node 417 alice :Input line was too long
    "#]]
    .assert_eq(&client.take());
}

#[test]
fn tags_have_a_limit_of_their_own_and_only_for_who_asked_for_tags() {
    let tagged = |bytes: usize| format!("@+a={} PING x", "y".repeat(bytes - "@+a= ".len()));
    let refused = ":node 417 alice :Input line was too long\n";
    let mut client = Client::in_room("message-tags");
    assert_eq!(client.said_to(&tagged(4096)), ":node PONG node :x\n");
    assert_eq!(client.said_to(&tagged(4097)), refused);
    assert!(client.said_to(&format!("@+a=b PING {}", "x".repeat(505))).starts_with(":node PONG node :xxx"));
    assert_eq!(client.said_to(&format!("@+a=b PING {}", "x".repeat(506))), refused);
    let mut plain = Client::in_room("batch");
    assert_eq!(plain.said_to(&tagged(4096)), refused);
    assert_eq!(plain.said_to("PING still-here"), ":node PONG node :still-here\n");
}

#[test]
fn before_the_welcome_a_line_without_end_costs_nothing_and_is_told_of_once() {
    let mut client = Client::connect();
    for _ in 0..1_000 {
        client.bytes(&[b'x'; 1_000]);
    }
    assert!(!client.session.wants_pause() && client.take().is_empty());
    assert_eq!(client.said_to("\nPING x"), ":node 417 * :Input line was too long\n:node PONG node :x\n");
}

#[test]
fn lines_of_any_content_never_break_the_client_s_protocol() {
    let mut client = Client::in_room("message-tags");
    client.event(Event::Notice("a\r\nQUIT\0".to_owned()));
    assert_eq!(client.take(), ":node NOTICE alice :a  QUIT \n");
}

#[test]
fn what_is_owed_is_written_as_it_was_asked_for() {
    let lines = ["PRIVMSG #r :one", "CAP REQ :-echo-message", "PRIVMSG #r :two", "@a=b :x cap REQ echo-message"];
    let mut one_by_one = Client::in_room("echo-message message-tags");
    let apart: String = lines.iter().map(|line| one_by_one.said_to(line)).collect();
    assert_eq!(apart.matches(":one").count() + apart.matches("CAP alice ACK").count(), 3, "{apart}");
    let mut at_once = Client::in_room("echo-message message-tags");
    assert_eq!(at_once.said_to(&lines.join("\r\n")), apart);
}

#[test]
fn an_idle_session_is_small() {
    assert!(size_of::<Session>() <= 720, "{}", size_of::<Session>());
}

const WORDS: &[&str] = &[
    "NICK",
    "USER",
    "CAP",
    "LS",
    "REQ",
    "END",
    ":batch labeled-response message-tags",
    "@label=1",
    "JOIN",
    "#r",
    "#a,#b",
    "PRIVMSG",
    ":hi there",
    "MODE",
    "+ob",
    "-k",
    "CHATHISTORY",
    "AROUND",
    "timestamp=2020-01-01T00:00:00.000Z",
    "5",
    "*",
    "bob",
    "nobody",
    "WHO",
    "%nat,1",
    "WHOIS",
    "KICK",
    "TOPIC",
    "PING",
    "AUTHENTICATE",
    "PLAIN",
    "AGEAYQBi",
    "REGISTER",
    "QUIT",
    "PASS",
    "a:b",
    "\u{1}ACTION x\u{1}",
    "ä",
    "\0",
    "AWAY",
    "USERHOST",
    "LIST",
    ">1",
    "PART",
    "0",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_in_any_chunks_give_the_same_and_never_panic(
        picks in prop::collection::vec(prop::collection::vec(0..WORDS.len(), 1..6), 1..20),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        registered in any::<bool>(),
        cuts in prop::collection::vec(1..40usize, 1..10),
    ) {
        let mut bytes = Vec::new();
        for line in &picks {
            let words: Vec<&str> = line.iter().map(|index| WORDS[*index]).collect();
            bytes.extend_from_slice(words.join(" ").as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        for (index, byte) in noise {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let client = || if registered { Client::in_room("echo-message") } else { Client::connect() };
        let mut whole = client();
        whole.bytes(&bytes);
        let mut chunked = client();
        let mut rest = bytes.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            chunked.bytes(now);
            rest = later;
        }
        prop_assert_eq!(String::from_utf8_lossy(&whole.text), String::from_utf8_lossy(&chunked.text));
        for line in String::from_utf8_lossy(&whole.text).split_inclusive("\r\n") {
            prop_assert!(line.ends_with("\r\n"));
            prop_assert!(!line.trim_end_matches("\r\n").contains(['\r', '\n', '\0']));
        }
    }
}
