//! NickServ and ChanServ.

use super::Client;
use expect_test::{Expect, expect};

fn check(client: &mut Client, lines: &str, expected: Expect) {
    expected.assert_eq(&client.said_to(lines));
}

#[test]
fn an_account_is_made_and_used_by_talking() {
    let mut client = Client::registered("");
    check(
        &mut client,
        "PRIVMSG NickServ :INFO nobody\nNS SESSIONS\nNS REGISTER\nNS IDENTIFY wrong\nNS IDENTIFY alice secret\nNS SESSIONS\nNS CLIENTS LOGOUT 2\nNS GHOST alice\nNS PASSWD secret better\nNS INFO\nNS LOGOUT\nPRIVMSG nickserv :what is this",
        expect![[r#"
            :NickServ!NickServ@example.org NOTICE alice :There is no such account.
            :NickServ!NickServ@example.org NOTICE alice :You are not logged in.
            :NickServ!NickServ@example.org NOTICE alice :Not enough parameters: REGISTER <password>
            :NickServ!NickServ@example.org NOTICE alice :Invalid account or password.
            :node 900 alice alice!al@host alice :You are now logged in as alice
            :NickServ!NickServ@example.org NOTICE alice :You're now logged in as alice.
            :NickServ!NickServ@example.org NOTICE alice :You are connected 2 times:
            :NickServ!NickServ@example.org NOTICE alice :1: alice at far on node since 2023-11-14T22:13:20.000Z
            :NickServ!NickServ@example.org NOTICE alice :2: bob at far on node since 2023-11-14T22:13:20.000Z
            :NickServ!NickServ@example.org NOTICE alice :1 sessions end.
            :NickServ!NickServ@example.org NOTICE alice :1 sessions end.
            :NickServ!NickServ@example.org NOTICE alice :Your password is changed.
            :NickServ!NickServ@example.org NOTICE alice :Account: alice
            :NickServ!NickServ@example.org NOTICE alice :Registered at: 2020-09-13T12:26:40.000Z
            :NickServ!NickServ@example.org NOTICE alice :Sessions: 1
            :node 901 alice alice!al@host :You are now logged out
            :NickServ!NickServ@example.org NOTICE alice :You are logged out.
            :NickServ!NickServ@example.org NOTICE alice :Unknown command what. /msg NickServ HELP shows what there is.
        "#]],
    );
    let mut client = Client::connect();
    client.send("NICK carol\nUSER c 0 * :C");
    client.take();
    check(
        &mut client,
        "NICKSERV REGISTER opensesame\nNS HELP GHOST",
        expect![[r#"
        :NickServ!NickServ@example.org NOTICE carol :Account created.
        :node 900 carol carol!c@host carol :You are now logged in as carol
        :NickServ!NickServ@example.org NOTICE carol :You're now logged in as carol.
        :NickServ!NickServ@example.org NOTICE carol :GHOST <nick>: ends your other sessions of that nick
    "#]],
    );
}

#[test]
fn certificates_stand_for_a_password() {
    let mut client = Client::registered("");
    client.said_to("NS IDENTIFY alice secret");
    let fingerprint = "AB:".repeat(31) + "AB";
    let lines = format!(
        "NS CERT ADD x\nNS CERT ADD {fingerprint}\nNS CERT ADD {fingerprint}\nNS CERT LIST\nNS CERT DEL {fingerprint}\nNS CERT DEL {fingerprint}"
    );
    check(
        &mut client,
        &lines,
        expect![[r#"
        :NickServ!NickServ@example.org NOTICE alice :A SHA-256 fingerprint of 64 hexadecimal digits is expected.
        :NickServ!NickServ@example.org NOTICE alice :Your certificates are changed.
        :NickServ!NickServ@example.org NOTICE alice :You have that one already.
        :NickServ!NickServ@example.org NOTICE alice :You have 1 certificates.
        :NickServ!NickServ@example.org NOTICE alice :abababababababababababababababababababababababababababababababab
        :NickServ!NickServ@example.org NOTICE alice :Your certificates are changed.
        :NickServ!NickServ@example.org NOTICE alice :You have no such certificate.
    "#]],
    );
}

#[test]
fn a_channel_is_registered_and_given_away_by_who_may() {
    let mut client = Client::in_room("");
    check(
        &mut client,
        "CS REGISTER #r\nCS INFO #r\nCS INFO #nowhere\nCS ACCESS #r\nCS TRANSFER #r bob\nCS OP #r bob\nCS OP #r nobody\nCS PURGE LIST\nCS FOO\nPRIVMSG ChanServ :HELP DROP",
        expect![[r#"
            :ChanServ!ChanServ@example.org NOTICE alice :You must be logged in to register a channel.
            :ChanServ!ChanServ@example.org NOTICE alice :Channel: #r
            :ChanServ!ChanServ@example.org NOTICE alice :It is not registered.
            :ChanServ!ChanServ@example.org NOTICE alice :Created at: 2020-09-13T12:26:40.000Z
            :ChanServ!ChanServ@example.org NOTICE alice :Founder: bob
            :ChanServ!ChanServ@example.org NOTICE alice :There is no such channel.
            :ChanServ!ChanServ@example.org NOTICE alice :Accounts with a standing in #r:
            :ChanServ!ChanServ@example.org NOTICE alice :bob +q
            :ChanServ!ChanServ@example.org NOTICE alice :End of the list.
            :ChanServ!ChanServ@example.org NOTICE alice :Only the channel's founder may do that, logged in.
            :ChanServ!ChanServ@example.org NOTICE alice :bob has that standing already.
            :ChanServ!ChanServ@example.org NOTICE alice :nobody is not in the channel.
            :ChanServ!ChanServ@example.org NOTICE alice :That could not be done: you are not an operator.
            :ChanServ!ChanServ@example.org NOTICE alice :Unknown command FOO. /msg ChanServ HELP shows what there is.
            :ChanServ!ChanServ@example.org NOTICE alice :DROP <#channel> [code]: ends the registration
        "#]],
    );
    client.said_to("NS IDENTIFY alice secret");
    check(
        &mut client,
        "CS REGISTER #r\nCS AMODE #r +o carol\nCS AMODE #r x carol\nCS DROP #r",
        expect![[r#"
        :ChanServ!ChanServ@example.org NOTICE alice :You must be an operator of the channel to register it.
        :ChanServ!ChanServ@example.org NOTICE alice :carol has +o in #r.
        :ChanServ!ChanServ@example.org NOTICE alice :One of q, a, o, h and v is expected.
        :ChanServ!ChanServ@example.org NOTICE alice :Only the channel's founder may do that, logged in.
    "#]],
    );
}
