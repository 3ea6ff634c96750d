//! CHATHISTORY.

use super::*;
use crate::command::{Bound, HistoryOf, Refusal, Target};
use expect_test::{Expect, expect};
use fake_core::{id, nick};

fn check(lines: &str, expected: Expect) {
    expected.assert_eq(&Client::in_room("batch message-tags server-time account-tag draft/chathistory").said_to(lines));
}

#[test]
fn pages_come_in_batches() {
    check(
        "CHATHISTORY LATEST #r * 10",
        expect![[r#"
        :node BATCH +b1 chathistory #r
        @batch=b1;time=1970-01-01T00:00:01.000Z;account=bob;msgid=00000003t00000g2081040g000000001 :bob!ubob@far PRIVMSG #r :before
        @batch=b1;time=1970-01-01T00:00:03.000Z;account=bob;msgid=0000000bn00000g2081040g000000001 :bob!ubob@far PRIVMSG #r :after
        :node BATCH -b1
    "#]],
    );
    check(
        "CHATHISTORY AFTER #r timestamp=1970-01-01T00:00:02.000Z 10",
        expect![[r#"
        :node BATCH +b1 chathistory #r
        @batch=b1;time=1970-01-01T00:00:03.000Z;account=bob;msgid=0000000bn00000g2081040g000000001 :bob!ubob@far PRIVMSG #r :after
        @batch=b1;time=1970-01-01T00:00:03.000Z;account=bob :bob!ubob@far PRIVMSG #r :second line
        :node BATCH -b1
    "#]],
    );
    check(
        "CHATHISTORY TARGETS timestamp=1970-01-01T00:00:00.000Z timestamp=1970-01-01T00:00:09.000Z 10",
        expect![[r#"
            :node BATCH +b1 draft/chathistory-targets
            @batch=b1 :node CHATHISTORY TARGETS #r 1970-01-01T00:00:01.000Z
            @batch=b1 :node CHATHISTORY TARGETS bob 1970-01-01T00:00:02.000Z
            :node BATCH -b1
        "#]],
    );
}

#[test]
fn around_shows_both_sides_and_the_message_itself() {
    check(
        &format!("CHATHISTORY AROUND #r msgid={} 5", id(2_000)),
        expect![[r#"
        :node BATCH +b1 chathistory #r
        @batch=b1;time=1970-01-01T00:00:01.000Z;account=bob;msgid=00000003t00000g2081040g000000001 :bob!ubob@far PRIVMSG #r :before
        @batch=b1;time=1970-01-01T00:00:02.000Z;account=bob;msgid=00000007q00000g2081040g000000001 :bob!ubob@far PRIVMSG #r :itself
        @batch=b1;time=1970-01-01T00:00:03.000Z;account=bob;msgid=0000000bn00000g2081040g000000001 :bob!ubob@far PRIVMSG #r :after
        @batch=b1;time=1970-01-01T00:00:03.000Z;account=bob :bob!ubob@far PRIVMSG #r :second line
        :node BATCH -b1
    "#]],
    );
}

#[test]
fn clients_without_batches_get_plain_lines() {
    let mut client = Client::in_room("echo-message");
    expect![[r#"
        :bob!ubob@far PRIVMSG #r :before
        :bob!ubob@far PRIVMSG #r :after
    "#]]
    .assert_eq(&client.said_to("CHATHISTORY LATEST #r * 10"));
}

#[test]
fn bounds_and_direction_follow_the_subcommand() {
    let mut client = Client::in_room("batch");
    let (early, late) = (format!("msgid={}", id(1_000)), "timestamp=1970-01-01T00:00:05.000Z");
    client.send(&format!(
        "CHATHISTORY LATEST bob {late} 3\nCHATHISTORY BEFORE #r {early} 9999\nCHATHISTORY BETWEEN #r {early} {late} 3\nCHATHISTORY BETWEEN #r {late} {early} 3"
    ));
    let (early, late) = (Some(Bound::Id(id(1_000))), Some(Bound::Time(5_000)));
    let seen: Vec<_> =
        client.core.queries.iter().map(|query| (query.after, query.before, query.newest, query.limit)).collect();
    assert_eq!(
        seen,
        [(late, None, true, 3), (None, early, true, 500), (early, late, false, 3), (early, late, true, 3)]
    );
    assert_eq!(client.core.queries[0].of, HistoryOf::With(Target::Nick(nick("bob"))));
}

#[test]
fn somebody_who_is_not_here_is_looked_for_among_accounts() {
    let mut client = Client::in_room("batch");
    client.core.refusal = Some(Refusal::NoSuchNick);
    client.send("CHATHISTORY LATEST bob * 3");
    let account = fake_core::account("bob");
    assert_eq!(client.core.queries[0].of, HistoryOf::With(Target::Account(account, None)));
}

#[test]
fn mistakes_are_answered_by_standard_replies() {
    check(
        "CHATHISTORY FOO #r * 1\nCHATHISTORY LATEST #r *\nCHATHISTORY LATEST #r * 1 2\nCHATHISTORY LATEST #r * x\nCHATHISTORY BEFORE #r timestamp=yesterday 1\nCHATHISTORY BEFORE #r msgid=zz 1\nCHATHISTORY LATEST #,x * 1",
        expect![[r#"
            :node FAIL CHATHISTORY INVALID_PARAMS FOO :Unknown command
            :node FAIL CHATHISTORY INVALID_PARAMS LATEST :Insufficient parameters
            :node FAIL CHATHISTORY INVALID_PARAMS LATEST :Too many parameters
            :node FAIL CHATHISTORY INVALID_PARAMS LATEST x :Invalid limit
            :node FAIL CHATHISTORY INVALID_PARAMS BEFORE timestamp=yesterday :Invalid timestamp
            :node FAIL CHATHISTORY INVALID_PARAMS BEFORE msgid=zz :Invalid message id
            :node FAIL CHATHISTORY INVALID_TARGET LATEST #,x :Messages could not be retrieved
        "#]],
    );
    let mut client = Client::in_room("batch");
    for refusal in [Refusal::NoSuchMessage, Refusal::Denied(lavina_crdt::room::Denied::NotPresent)] {
        client.core.refusal = Some(refusal);
        client.send("CHATHISTORY LATEST #r * 1");
    }
    expect![[r#"
        :node FAIL CHATHISTORY MESSAGE_ERROR LATEST #r :Messages could not be retrieved
        :node FAIL CHATHISTORY INVALID_TARGET LATEST #r :Messages could not be retrieved
    "#]]
    .assert_eq(&client.take());
}

#[test]
fn who_wants_events_gets_what_was_done_among_what_was_said() {
    let mut client = Client::in_room("batch message-tags server-time draft/chathistory draft/event-playback");
    expect![[r#"
        :node BATCH +b1 chathistory #r
        @batch=b1;time=1970-01-01T00:00:01.000Z;msgid=00000003t00000g2081040g000000001 :bob!ubob@far PRIVMSG #r :before
        @batch=b1;time=1970-01-01T00:00:01.500Z;msgid=00000005rg0000g2081040g000000001 :bob!ubob@far MODE #r +m
        @batch=b1;time=1970-01-01T00:00:01.500Z :bob!ubob@far TOPIC #r :new
        @batch=b1;time=1970-01-01T00:00:02.500Z;msgid=00000009og0000g2081040g000000001 :bob!ubob@far KICK #r sleepy :no
        @batch=b1;time=1970-01-01T00:00:03.000Z;msgid=0000000bn00000g2081040g000000001 :bob!ubob@far PRIVMSG #r :after
        :node BATCH -b1
    "#]]
    .assert_eq(&client.said_to("CHATHISTORY LATEST #r * 10"));
}

#[test]
fn a_bouncers_client_asks_for_what_it_has_missed() {
    let mut client = Client::in_room("batch server-time znc.in/playback");
    client.shows_commands = true;
    expect![[r#"
        ? History(HistoryQuery { of: Room(r), after: Some(Time(1500)), before: None, ids: [], limit: 500, newest: true, texts: true, events: false })
        ? History(HistoryQuery { of: Account, after: Some(Time(1500)), before: None, ids: [], limit: 500, newest: true, texts: true, events: false })
        :node BATCH +b1 chathistory #r
        @batch=b1;time=1970-01-01T00:00:03.000Z :bob!ubob@far PRIVMSG #r :after
        @batch=b1;time=1970-01-01T00:00:03.000Z :bob!ubob@far PRIVMSG #r :second line
        :node BATCH -b1
        :node BATCH +b2 chathistory alice
        @batch=b2;time=1970-01-01T00:00:03.000Z :bob!ubob@far PRIVMSG #r :after
        @batch=b2;time=1970-01-01T00:00:03.000Z :bob!ubob@far PRIVMSG #r :second line
        :node BATCH -b2
        ? HistoryTargets { from_ms: 0, to_ms: 18446744073709551615, limit: 500, newest: true }
        :*playback!playback@znc.in PRIVMSG alice :#r 0 1.000
        :*playback!playback@znc.in PRIVMSG alice :bob 0 2.000
        ? History(HistoryQuery { of: Room(r), after: Some(Time(1000)), before: Some(Time(2000)), ids: [], limit: 500, newest: true, texts: true, events: false })
        ? History(HistoryQuery { of: With(Account(bob, None)), after: Some(Time(1000)), before: Some(Time(2000)), ids: [], limit: 500, newest: true, texts: true, events: false })
        :node BATCH +b3 chathistory #r
        @batch=b3;time=1970-01-01T00:00:01.000Z :bob!ubob@far PRIVMSG #r :before
        @batch=b3;time=1970-01-01T00:00:03.000Z :bob!ubob@far PRIVMSG #r :after
        :node BATCH -b3
        :node BATCH +b4 chathistory bob
        @batch=b4;time=1970-01-01T00:00:01.000Z :bob!ubob@far PRIVMSG #r :before
        @batch=b4;time=1970-01-01T00:00:03.000Z :bob!ubob@far PRIVMSG #r :after
        :node BATCH -b4
        :*playback!playback@znc.in PRIVMSG alice :play <target,...|*> [from] [to], or list
    "#]].assert_eq(&client.said_to("PRIVMSG *playback :play * 1.5\nPRIVMSG *playback :list\nPRIVMSG *playback :play #r,bob 1 2\nPRIVMSG *playback :what"));
    let mut client = Client::registered("batch znc.in/playback");
    client.send("PRIVMSG *playback :play * 0");
    client.take();
    let joined = client.said_to("JOIN #r");
    assert!(joined.contains("chathistory #r"), "{joined}");
}
