//! Registration, capabilities, logging in, accounts.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use expect_test::{Expect, expect};

fn check(lines: &str, expected: Expect) {
    expected.assert_eq(&Client::connect().said_to(lines));
}

#[test]
fn a_plain_client_is_welcomed() {
    check(
        "NICK alice\nUSER al 0 * :Alice A",
        expect![[r#"
            :node 001 alice :Welcome to the Net network, alice
            :node 002 alice :Your host is node, running version lavina-0.1.0
            :node 003 alice :This server was started 1970-01-01T00:00:00.000Z
            :node 004 alice node lavina-0.1.0 BRiorwx beIfiklmnstuCMPRqaohv beIfklqaohv
            :node 005 alice CASEMAPPING=ascii CHANTYPES=# CHANLIMIT=#:200 PREFIX=(qaohv)~&@%+ STATUSMSG=~&@%+ KNOCK CHANMODES=beI,k,fl,CiMmnPRstu MODES=12 MAXLIST=beI:500 EXCEPTS INVEX EXTBAN=$,Uam :are supported by this server
            :node 005 alice ACCOUNTEXTBAN=a NETWORK=Net NICKLEN=32 USERLEN=16 NAMELEN=150 CHANNELLEN=73 TOPICLEN=332 AWAYLEN=300 KICKLEN=300 TARGMAX=JOIN:32,PART:32,NAMES:32,LIST:,PRIVMSG:4,NOTICE:4,TAGMSG:4,KICK:4,WHOIS:1,USERHOST:4 ELIST=CMNTU SAFELIST :are supported by this server
            :node 005 alice BOT=B MONITOR=100 WHOX UTF8ONLY CHATHISTORY=500 MSGREFTYPES=msgid,timestamp :are supported by this server
            :node 251 alice :There are 4 users and 1 invisible on 3 servers
            :node 252 alice 1 :operator(s) online
            :node 253 alice 0 :unknown connection(s)
            :node 254 alice 3 :channels formed
            :node 255 alice :I have 2 clients and 2 servers
            :node 265 alice 2 2 :Current local users 2, max 2
            :node 266 alice 5 7 :Current global users 5, max 7
            :node 422 alice :There is no message of the day
        "#]],
    );
}

#[test]
fn capabilities_are_listed_with_values_for_clients_that_know_them() {
    check(
        "CAP LS 302",
        expect![[r#"
            :node CAP * LS * :account-notify account-tag away-notify batch cap-notify chghost draft/account-registration=before-connect,custom-account-name draft/channel-rename draft/chathistory draft/event-playback draft/extended-isupport draft/message-redaction draft/metadata-2=before-connect,max-subs=50,max-keys=20,max-key-bytes=64,max-value-bytes=300
            :node CAP * LS * :draft/metadata-3=before-connect,max-subs=50,max-keys=20,max-key-bytes=64,max-value-bytes=300 draft/multiline=max-bytes=16384,max-lines=100 draft/persistence draft/pre-away draft/read-marker echo-message extended-join extended-monitor invite-notify labeled-response message-tags multi-prefix no-implicit-names sasl=SCRAM-SHA-256,PLAIN server-time setname standard-replies userhost-in-names
            :node CAP * LS :znc.in/playback
        "#]],
    );
    check(
        "CAP LS",
        expect![[r#"
            :node CAP * LS :account-notify account-tag away-notify batch cap-notify chghost draft/account-registration draft/channel-rename draft/chathistory draft/event-playback draft/extended-isupport draft/message-redaction draft/metadata-2 draft/metadata-3 draft/multiline draft/persistence draft/pre-away draft/read-marker echo-message extended-join extended-monitor invite-notify labeled-response message-tags multi-prefix no-implicit-names sasl server-time setname standard-replies userhost-in-names znc.in/playback
        "#]],
    );
}

#[test]
fn capabilities_are_granted_all_or_none() {
    check(
        "CAP REQ :batch server-time\nCAP REQ :batch unknown\nCAP REQ :-batch\nCAP LIST\nCAP WHAT",
        expect![[r#"
        :node CAP * ACK :batch server-time
        :node CAP * NAK :batch unknown
        :node CAP * ACK :-batch
        :node CAP * LIST :server-time
        :node 410 * WHAT :Invalid CAP command
    "#]],
    );
}

#[test]
fn before_the_welcome_little_is_allowed() {
    check(
        "JOIN #a\nBLAH\nPING x\nNICK\nNICK #bad\nUSER a b",
        expect![[r#"
        :node 451 * :You have not registered
        :node 421 * BLAH :Unknown command
        :node PONG node :x
        :node 431 * :No nickname given
        :node 432 * #bad :Erroneous nickname
        :node 461 * USER :Not enough parameters
    "#]],
    );
}

#[test]
fn a_nick_in_use_can_be_replaced_by_another() {
    let mut client = Client::connect();
    client.send("NICK taken\nUSER al 0 * :Alice A");
    expect![[r#"
        :node 433 * taken :Nickname is already in use
    "#]]
    .assert_eq(&client.take());
    client.send("NICK alice");
    expect![":node 001 alice :Welcome to the Net network, alice"].assert_eq(client.take().lines().next().unwrap());
    expect![[r#"
        :node 433 alice taken :Nickname is already in use
        :alice!al@host NICK :Alice2
        :node 462 Alice2 :You may not reregister
    "#]]
    .assert_eq(&client.said_to("NICK taken\nNICK Alice2\nNICK Alice2\nUSER a b c d"));
}

#[test]
fn sasl_plain_logs_in() {
    let response = STANDARD.encode("alice\0alice\0secret");
    check(
        &format!("CAP REQ :sasl\nNICK alice\nUSER al 0 * :A\nAUTHENTICATE PLAIN\nAUTHENTICATE {response}"),
        expect![[r#"
            :node CAP * ACK :sasl
            AUTHENTICATE +
            :node 900 alice alice!al@host alice :You are now logged in as alice
            :node 903 alice :SASL authentication successful
        "#]],
    );
    let wrong = STANDARD.encode("\0alice\0wrong");
    check(
        &format!(
            "CAP REQ :sasl\nAUTHENTICATE PLAIN\nAUTHENTICATE {wrong}\nAUTHENTICATE FOO\nAUTHENTICATE PLAIN\nAUTHENTICATE *"
        ),
        expect![[r#"
            :node CAP * ACK :sasl
            AUTHENTICATE +
            :node 904 * :SASL authentication failed
            :node 908 * SCRAM-SHA-256,PLAIN :are available SASL mechanisms
            :node 904 * :SASL authentication failed
            AUTHENTICATE +
            :node 906 * :SASL authentication aborted
        "#]],
    );
}

#[test]
fn five_failed_attempts_end_the_connection() {
    let wrong = STANDARD.encode("\0alice\0wrong");
    let attempt = format!("AUTHENTICATE PLAIN\nAUTHENTICATE {wrong}\n");
    let text = Client::connect().said_to(&format!("CAP REQ :sasl\n{}", attempt.repeat(6)));
    assert!(text.ends_with("ERROR :Too many failed log-ins\n<close>\n"), "{text}");
}

#[test]
fn sasl_scram_logs_in_with_the_last_word_as_a_challenge() {
    let mut client = Client::connect();
    client.send("CAP REQ :sasl\nNICK alice\nUSER al 0 * :A\nAUTHENTICATE SCRAM-SHA-256");
    client.take();
    let bare = "n=alice,r=clientnonce";
    let first = client.said_to(&format!("AUTHENTICATE {}", STANDARD.encode(format!("n,,{bare}"))));
    let first = STANDARD.decode(first.trim().strip_prefix("AUTHENTICATE ").unwrap()).unwrap();
    let last = crate::sasl::tests::client_final(b"n,,", bare, &String::from_utf8(first).unwrap(), "secret");
    let verdict = client.said_to(&format!("AUTHENTICATE {}", STANDARD.encode(last)));
    assert!(verdict.starts_with("AUTHENTICATE "), "{verdict}");
    expect![[r#"
        :node 900 alice alice!al@host alice :You are now logged in as alice
        :node 903 alice :SASL authentication successful
    "#]]
    .assert_eq(&client.said_to("AUTHENTICATE +"));
}

#[test]
fn a_password_does_not_cross_an_open_connection() {
    let mut client = Client::connect();
    client.session.tls = None;
    let text = client.said_to("CAP LS 302\nCAP REQ :sasl\nAUTHENTICATE PLAIN");
    assert!(text.contains("sasl=SCRAM-SHA-256 ") && !text.contains("draft/account-registration"), "{text}");
    assert!(text.contains("908 * SCRAM-SHA-256 :are available"), "{text}");
}

#[test]
fn pass_with_an_account_logs_in() {
    let text = Client::connect().said_to("PASS alice:secret\nNICK alice\nUSER al 0 * :A");
    assert!(
        text.starts_with(":node 900 alice alice!al@host alice :You are now logged in as alice\n:node 001"),
        "{text}"
    );
    check(
        "PASS alice:wrong\nNICK alice\nUSER al 0 * :A",
        expect![[r#"
        :node 464 alice :Password incorrect
        ERROR :Password incorrect
        <close>
    "#]],
    );
    assert!(Client::connect().said_to("PASS word\nNICK alice\nUSER al 0 * :A").starts_with(":node 001"));
}

#[test]
fn where_the_network_has_a_password_it_or_an_account_lets_in() {
    let kept = crate::sasl::derive_credentials_with("open:sesame", [3; 16], 1).unwrap().sha256;
    let said = |lines: &str| {
        let config = SessionConfig { password: Some(kept.clone()), ..config() };
        Client::with(config).said_to(lines)
    };
    let named = "NICK alice\nUSER al 0 * :A";
    for pass in ["", "PASS wrong\n", "PASS alice:wrong\n", &format!("PASS {}\n", "x".repeat(300))] {
        let closed = ":node 464 alice :Password incorrect\nERROR :Password incorrect\n<close>\n";
        assert_eq!(said(&format!("{pass}{named}")), closed, "{pass}");
    }
    assert!(said(&format!("PASS open:sesame\n{named}")).starts_with(":node 001 "));
    assert!(said(&format!("PASS alice:secret\n{named}")).contains(":You are now logged in as alice\n:node 001 "));
    let sasl = format!("CAP REQ sasl\nAUTHENTICATE PLAIN\nAUTHENTICATE AGFsaWNlAHNlY3JldA==\n{named}\nCAP END");
    assert!(said(&sasl).contains(" 001 alice "));
    // An account that is made before would be a way around it.
    let early = said("CAP LS 302\nNICK new\nREGISTER new * pencil");
    assert!(early.contains("draft/account-registration=custom-account-name "), "{early}");
    assert!(early.ends_with(":node FAIL REGISTER COMPLETE_CONNECTION_REQUIRED :Connect first\n"), "{early}");
}

#[test]
fn the_message_of_the_day_is_shown_by_lines() {
    let motd = vec!["Welcome!".to_owned(), String::new()];
    let said = Client::with(SessionConfig { motd, ..config() }).said_to("NICK alice\nUSER al 0 * :A");
    let expected = ":node 375 alice :- node Message of the day - \n:node 372 alice :- Welcome!\n:node 372 alice :- \n\
                    :node 376 alice :End of /MOTD command.\n";
    assert!(said.ends_with(expected), "{said}");
}

#[test]
fn an_account_needs_no_verification() {
    check(
        "REGISTER * * pencil\nREGISTER more * pencil\nVERIFY alice\nVERIFY alice 1234",
        expect![[r#"
        :node FAIL REGISTER NEED_NICK * :Choose a nickname first
        :node FAIL REGISTER NEED_NICK * :Choose a nickname first
        :node 461 * VERIFY :Not enough parameters
        :node FAIL VERIFY INVALID_CODE alice :Accounts need no verification here: log in
    "#]],
    );
    let mut client = Client::registered("draft/account-registration");
    client.said_to("REGISTER new * pencil");
    assert_eq!(
        client.said_to("VERIFY new 1234"),
        ":node FAIL VERIFY ALREADY_AUTHENTICATED new :You are logged in already\n"
    );
}

#[test]
fn an_account_is_registered_and_logged_in_to() {
    let mut client = Client::registered("draft/account-registration");
    expect![[r#"
        :node FAIL REGISTER ACCOUNT_EXISTS alice :That account exists already
        :node FAIL REGISTER BAD_ACCOUNT_NAME a!b :That cannot be an account's name
        :node 461 alice REGISTER :Not enough parameters
        :node REGISTER SUCCESS new :Account successfully registered
        :node 900 alice alice!al@host new :You are now logged in as new
        :node FAIL REGISTER ALREADY_AUTHENTICATED more :You are logged in already
    "#]]
    .assert_eq(&client.said_to(
        "REGISTER alice * other\nREGISTER a!b * x\nREGISTER new * \nREGISTER new * pencil\nREGISTER more * pencil",
    ));
}

#[test]
fn a_client_that_does_not_register_in_time_is_closed() {
    let mut client = Client::connect();
    client.send("NICK alice");
    assert_eq!(client.session.next_timeout(), Some(31_000_000));
    client.wait(29_999);
    assert_eq!(client.take(), "");
    client.wait(1);
    assert_eq!(client.take(), "ERROR :Registration timeout\n<close>\n");
    assert_eq!(client.session.next_timeout(), None);
}

#[test]
fn a_silent_client_is_asked_and_then_closed() {
    let mut client = Client::registered("batch");
    client.wait(120_000);
    assert_eq!(client.take(), "PING :node\n");
    client.wait(59_000);
    client.send("PONG node");
    client.wait(120_000);
    assert_eq!(client.take(), "PING :node\n");
    client.wait(60_000);
    assert_eq!(client.take(), "ERROR :Ping timeout: 180 seconds\n<close>\n");
}

#[test]
fn quitting_tells_the_core_and_closes() {
    let mut client = Client::registered("batch");
    client.shows_commands = true;
    assert_eq!(
        client.said_to("QUIT :bye"),
        "? Sync\n:alice!al@host QUIT :Quit: bye\nERROR :Closing link: host (Quit: bye)\n? Quit(\"Quit: bye\")\n<close>\n"
    );
    client.send("PING x");
    client.event(Event::Notice("x".to_owned()));
    assert_eq!(client.take(), "");
}

#[derive(Debug)]
struct Tokens;

impl crate::sasl::TokenCheck for Tokens {
    fn account(&self, token: &str) -> Option<lavina_crdt::names::AccountName> {
        (token == "good").then(|| lavina_crdt::names::AccountName::new("alice").unwrap())
    }
}

#[test]
fn a_token_of_a_login_service_logs_in() {
    let config = SessionConfig { tokens: Some(Arc::new(Tokens)), ..config() };
    let mut client = Client::with(config);
    assert!(client.said_to("CAP LS 302").contains("sasl=SCRAM-SHA-256,OAUTHBEARER,PLAIN "));
    client.send("CAP REQ :sasl\nNICK alice\nUSER al 0 * :A\nAUTHENTICATE OAUTHBEARER");
    client.take();
    let bad = STANDARD.encode("n,,\u{1}auth=Bearer bad\u{1}\u{1}");
    let told = client.said_to(&format!("AUTHENTICATE {bad}"));
    let why = STANDARD.decode(told.trim().strip_prefix("AUTHENTICATE ").unwrap()).unwrap();
    assert_eq!(String::from_utf8(why).unwrap(), r#"{"status":"invalid_token"}"#);
    assert_eq!(client.said_to("AUTHENTICATE AQ=="), ":node 904 alice :SASL authentication failed\n");
    let good = STANDARD.encode("n,a=alice,\u{1}auth=Bearer good\u{1}\u{1}");
    expect![[r#"
        AUTHENTICATE +
        :node 900 alice alice!al@host alice :You are now logged in as alice
        :node 903 alice :SASL authentication successful
    "#]]
    .assert_eq(&client.said_to(&format!("AUTHENTICATE OAUTHBEARER\nAUTHENTICATE {good}")));
}
