//! Operators, and the modes of a person.

use super::Client;
use crate::event::{CloseReason, Event};
use expect_test::{Expect, expect};

fn check(client: &mut Client, lines: &str, expected: Expect) {
    expected.assert_eq(&client.said_to(lines));
}

fn operator() -> Client {
    let mut client = Client::registered("");
    client.said_to("OPER root hunter2");
    client
}

#[test]
fn who_is_no_operator_can_do_nothing() {
    let mut client = Client::registered("");
    check(
        &mut client,
        "OPER root wrong\nOPER nobody x\nOPER root\nKILL bob :go\nKLINE evil\nREHASH\nWALLOPS :hi\nSTATS k",
        expect![[r#"
            :node 464 alice :Password incorrect
            :node 464 alice :Password incorrect
            :node 461 alice OPER :Not enough parameters
            :node 481 alice :Permission Denied- You're not an IRC operator
            :node 481 alice :Permission Denied- You're not an IRC operator
            :node 481 alice :Permission Denied- You're not an IRC operator
            :node 481 alice :Permission Denied- You're not an IRC operator
            :node 481 alice :Permission Denied- You're not an IRC operator
        "#]],
    );
}

#[test]
fn an_operator_ends_sessions_and_keeps_people_out() {
    let mut client = Client::registered("");
    check(
        &mut client,
        "OPER root hunter2\nMODE alice",
        expect![[r#"
        :node 381 alice :You are now an IRC operator
        :node MODE alice :+o
        :node 221 alice +ox
    "#]],
    );
    check(
        &mut client,
        "KILL bob :go\nKILL nobody :go\nKILL node :go\nKLINE 1h evil!*@* :spam and more\nKLINE evil\nDLINE 60 192.0.2.0/24\nDLINE evil\nUNKLINE evil\nWALLOPS :hear me\nREHASH",
        expect![[r#"
            :node 401 alice nobody :No such nick/channel
            :node 483 alice :You can't kill a server!
            :node NOTICE alice :KLINE: evil!*@* is kept out until 2026-01-02T04:04:05.678Z
            :node NOTICE alice :KLINE: evil!*@* is kept out until it is lifted
            :node NOTICE alice :DLINE: 192.0.2.0/24 is kept out until 2026-01-02T04:04:05.678Z
            :node FAIL DLINE INVALID_MASK evil :That is not a mask or a network
            :node FAIL UNKLINE NO_SUCH_ENTRY evil :There is no such entry
            :node 382 alice lavina.toml :Rehashing
        "#]],
    );
}

#[test]
fn an_operator_sees_what_there_is() {
    let mut client = operator();
    check(
        &mut client,
        "STATS u\nSTATS o\nSTATS k\nSTATS d\nSTATS p\nSTATS x\nLINKS\nLINKS far*\nMAP",
        expect![[r#"
        :node 242 alice :Server Up 20455 days 3:04:05
        :node 219 alice u :End of /STATS report
        :node 243 alice O *@* * root
        :node 219 alice o :End of /STATS report
        :node 216 alice K evil!*@* :evil!*@* by root since 2020-09-13T12:26:40.000Z until 2026-01-02T03:04:05.678Z: spam
        :node 219 alice k :End of /STATS report
        :node 225 alice D 192.0.2.0/24 :192.0.2.0/24 by root since 2020-09-13T12:26:40.000Z until 2026-01-02T03:04:05.678Z: spam
        :node 219 alice d :End of /STATS report
        :node 249 alice :node: 1 operators
        :node 249 alice :far.example.org: 1 operators
        :node 249 alice :gone.example.org: 1 operators
        :node 219 alice p :End of /STATS report
        :node 219 alice x :End of /STATS report
        :node 364 alice node node :0 eu/a
        :node 364 alice far.example.org node :1 eu/a
        :node 364 alice gone.example.org node :1 eu/a, out of reach
        :node 365 alice * :End of /LINKS list
        :node 364 alice far.example.org node :1 eu/a
        :node 365 alice far* :End of /LINKS list
        :node 015 alice :node [eu/a] 2 sessions
        :node 015 alice :far.example.org [eu/a] 2 sessions, 80.250 ms away
        :node 015 alice :gone.example.org [eu/a] 2 sessions, out of reach
        :node 017 alice :End of /MAP
    "#]],
    );
}

#[test]
fn own_modes_are_switched_and_others_are_not() {
    let mut client = Client::registered("");
    check(
        &mut client,
        "MODE alice +iwR\nMODE alice +i\nMODE alice -w+B\nMODE alice\nMODE alice +o\nMODE alice +Z\nMODE bob +i\nMODE nobody +i",
        expect![[r#"
            :alice!al@host MODE alice :+iRw
            :alice!al@host MODE alice :+B-w
            :node 221 alice +BiRx
            :node 501 alice :Unknown MODE flag
            :node 502 alice :Cannot change mode for other users
            :node 401 alice nobody :No such nick/channel
        "#]],
    );
}

#[test]
fn who_is_ended_hears_why() {
    let mut client = Client::registered("");
    client.event(Event::Closed { reason: CloseReason::Barred, words: "spam".to_owned(), elsewhere: None });
    expect![[r#"
        :node 465 alice :You are banned from this server: spam
        ERROR :Closing link: host (spam)
        <close>
    "#]]
    .assert_eq(&client.take());
    let mut client = Client::registered("");
    client.event(Event::Closed {
        reason: CloseReason::Removed,
        words: "Killed (root (go))".to_owned(),
        elsewhere: None,
    });
    expect![[r#"
        ERROR :Closing link: host (Killed (root (go)))
        <close>
    "#]]
    .assert_eq(&client.take());
}

#[test]
fn who_is_kept_out_is_told_so_and_not_let_in() {
    let mut client = Client::connect();
    client.core.refusal = Some(crate::command::Refusal::Barred("spam".to_owned()));
    check(
        &mut client,
        "NICK alice\nUSER al 0 * :Al",
        expect![[r#"
        :node 465 alice :You are banned from this server: spam
        ERROR :Closing link: banned (spam)
        <close>
    "#]],
    );
}

#[test]
fn who_is_logged_in_has_mode_r() {
    let mut client = Client::connect();
    client.send("PASS alice:secret\nNICK alice\nUSER al 0 * :Al");
    assert!(client.take().contains(" 900 "));
    assert_eq!(client.said_to("MODE alice -r\nMODE alice"), ":node 221 alice +rx\n");
}
