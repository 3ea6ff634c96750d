//! PRIVMSG, NOTICE, TAGMSG, echoes, labels, and the order of answers.

use super::*;
use expect_test::expect;

#[test]
fn without_echo_message_nothing_comes_back() {
    let mut client = Client::in_room("batch");
    assert_eq!(client.said_to("PRIVMSG #r :hi\nNOTICE bob :hi"), "");
}

#[test]
fn with_echo_message_what_is_said_comes_back_stamped() {
    let mut client = Client::in_room("echo-message message-tags server-time");
    expect![[r#"
        @time=2026-01-02T03:04:05.679Z;msgid=06dnpacf5s0000g2081040g000000001 :alice!al@host PRIVMSG #r :hi
        @time=2026-01-02T03:04:05.680Z;msgid=06dnpacf600000g2081040g000000001;+draft/reply=x :alice!al@host PRIVMSG bob :^AACTION waves^A
        @time=2026-01-02T03:04:05.681Z;msgid=06dnpacf640000g2081040g000000001 :alice!al@host NOTICE #r :^AVERSION^A
        @time=2026-01-02T03:04:05.682Z;msgid=06dnpacf680000g2081040g000000001;+typing=active :alice!al@host TAGMSG #r
    "#]].assert_eq(&client.said_to(
        "PRIVMSG #r :hi\n@+draft/reply=x;time=1;msgid=forged PRIVMSG bob :\u{1}ACTION waves\u{1}\nNOTICE #r :\u{1}VERSION\u{1}\n@+typing=active TAGMSG #r\nTAGMSG #r",
    ));
}

#[test]
fn what_cannot_be_said_is_refused() {
    let mut client = Client::in_room("batch");
    expect![[r#"
        :node 411 alice :No recipient given (PRIVMSG)
        :node 412 alice :No text to send
        :node 412 alice :No text to send
        :node 401 alice nobody :No such nick/channel
        :node 404 alice #mute :Cannot send to channel (+m)
        :node 401 alice a!b :No such nick/channel
        :node 407 alice #e :Too many targets
        :node 421 alice TAGMSG :Unknown command
    "#]].assert_eq(&client.said_to(
        "PRIVMSG\nPRIVMSG #r\nPRIVMSG #r :\nPRIVMSG nobody :x\nPRIVMSG #mute :x\nNOTICE #mute :x\nNOTICE nobody :x\nPRIVMSG a!b :x\nPRIVMSG #a,#b,#c,#d,#e :x\nTAGMSG #r",
    ));
}

#[test]
fn somebody_away_is_said_to_be() {
    let mut client = Client::registered("batch");
    assert_eq!(client.said_to("PRIVMSG sleepy :hi"), ":node 301 alice sleepy :zzz\n");
}

#[test]
fn labels_come_back_on_an_ack_a_line_or_a_batch() {
    let mut client = Client::in_room("echo-message message-tags labeled-response batch");
    expect![[r#"
        @label=a :node ACK
        @label=b :node PONG node :x
        @label=c :node BATCH +b1 labeled-response
        @batch=b1 :node 311 alice bob ubob far * :Real bob
        @batch=b1 :node 319 alice bob :@#r
        @batch=b1 :node 312 alice bob node :Net
        @batch=b1 :node 330 alice bob bob :is logged in as
        @batch=b1 :node 671 alice bob :is using a secure connection
        @batch=b1 :node 317 alice bob 61 1700000000 :seconds idle, signon time
        @batch=b1 :node 318 alice bob :End of /WHOIS list
        :node BATCH -b1
        @label=d;msgid=06dnpacf5s0000g2081040g000000001 :alice!al@host PRIVMSG #r :hi
        @label=e :node 404 alice #mute :Cannot send to channel (+m)
        @label=f :node BATCH +b2 chathistory #r
        @batch=b2;msgid=00000003t00000g2081040g000000001 :bob!ubob@far PRIVMSG #r :before
        @batch=b2;msgid=0000000bn00000g2081040g000000001 :bob!ubob@far PRIVMSG #r :after
        :node BATCH -b2
        @label=g :node 421 alice FOO :Unknown command
    "#]].assert_eq(&client.said_to(
        "@label=a PONG x\n@label=b PING x\n@label=c WHOIS bob\n@label=d PRIVMSG #r :hi\n@label=e PRIVMSG #mute :x\n@label=f CHATHISTORY LATEST #r * 10\n@label=g FOO",
    ));
}

#[test]
fn what_a_labeled_command_sets_off_is_its_response() {
    let mut client = Client::in_room("message-tags labeled-response batch");
    client.slow = true;
    client.send("@label=n NICK ally");
    let person = crate::event::Person { session: fake_core::session(1), ..fake_core::person("alice") };
    let (old, new) = (fake_core::nick("alice"), fake_core::nick("ally"));
    client.event(Event::NickChanged { person, old, new, rooms: Vec::new(), forced: false });
    assert_eq!(client.take(), "");
    client.answer();
    assert_eq!(client.take(), "@label=n :alice!ualice@far NICK :ally\n");
}

#[test]
fn labels_mean_nothing_without_the_capability() {
    let mut client = Client::in_room("message-tags");
    assert_eq!(client.said_to("@label=b PING x"), ":node PONG node :x\n");
}

#[test]
fn a_pong_waits_behind_the_echo_of_the_message_before() {
    let mut client = Client::in_room("echo-message");
    client.slow = true;
    client.send("PRIVMSG #r :one\nPING x\nMOTD\nPRIVMSG #r :two");
    assert_eq!(client.take(), "");
    client.answer();
    assert_eq!(client.take(), ":alice!al@host PRIVMSG #r :one\n");
    client.answer();
    assert_eq!(client.take(), ":node PONG node :x\n:node 422 alice :There is no message of the day\n");
    client.answer();
    assert_eq!(client.take(), ":alice!al@host PRIVMSG #r :two\n");
}

#[test]
fn a_labeled_response_of_several_answers_is_a_batch_from_its_first_line_on() {
    let mut client = Client::registered("echo-message message-tags labeled-response batch");
    client.slow = true;
    client.send("@label=j PRIVMSG #r,#s :x");
    client.answer();
    expect![""].assert_eq(&client.take());
    client.event(Event::Notice("meanwhile".to_owned()));
    client.answer();
    expect![[r#"
        :node NOTICE alice :meanwhile
        @label=j :node BATCH +b1 labeled-response
        @batch=b1;msgid=06dnpacf5s0000g2081040g000000001 :alice!al@host PRIVMSG #r :x
        @batch=b1;msgid=06dnpacf600000g2081040g000000001 :alice!al@host PRIVMSG #s :x
        :node BATCH -b1
    "#]]
    .assert_eq(&client.take());
}

#[test]
fn input_waits_when_too_many_answers_are_owed_or_it_comes_too_fast() {
    let mut client = Client::in_room("echo-message");
    client.slow = true;
    client.bytes(&b"PRIVMSG #r :x\n".repeat(300));
    assert!(client.session.wants_pause());
    assert_eq!(client.asked.len(), 256);
    client.slow = false;
    client.pump();
    assert!(!client.session.wants_pause());
    assert_eq!(client.take().lines().count(), 300);

    let mut client = Client::with(SessionConfig { flood: Flood { burst: 5, per_second: 10 }, ..config() });
    client.bytes(&b"PING x\n".repeat(7));
    assert_eq!(client.take().lines().count(), 5);
    assert!(client.session.wants_pause());
    client.wait(100);
    assert_eq!(client.take().lines().count(), 1);
    client.wait(100);
    assert_eq!(client.take().lines().count(), 1);
    assert!(!client.session.wants_pause());
}

#[test]
fn who_goes_on_sending_too_fast_is_closed_and_told_why_and_a_long_paste_is_not() {
    let flood = Flood { burst: 5, per_second: 10 };
    let connect = || {
        let mut client = Client::with(SessionConfig { flood, ..config() });
        client.said_to("NICK alice\nUSER al 0 * :A");
        client.wait(5_000);
        client
    };
    let mut paste = connect();
    paste.bytes(&b"PING x\n".repeat(1_000));
    (0..1_000).for_each(|_| paste.wait(100));
    assert_eq!(paste.take().lines().count(), 1_000);
    let mut flooding = connect();
    for _ in 0..130 {
        flooding.bytes(&b"PING x\n".repeat(20));
        (0..10).for_each(|_| flooding.wait(100));
    }
    let said = flooding.take();
    assert!(said.ends_with("ERROR :Excess flood: you have been sending too fast for too long\n<close>\n"), "{said}");
    // Who is silent now and then is no flood, however long it lasts.
    let mut busy = connect();
    for _ in 0..200 {
        busy.bytes(&b"PING x\n".repeat(8));
        (0..12).for_each(|_| busy.wait(100));
    }
    assert!(!busy.take().contains("ERROR"));
}

#[test]
fn a_mark_before_a_channel_says_for_whom_it_is() {
    let mut client = Client::in_room("echo-message");
    client.shows_commands = true;
    let answer = client.said_to("PRIVMSG @#r :psst\nNOTICE +%#r :hm\nPRIVMSG @# :x\nPRIVMSG @bob :x");
    assert!(answer.contains("least: Operator") && answer.contains("least: Voice"), "{answer}");
    let lines: Vec<&str> = answer.lines().filter(|line| !line.starts_with('?')).collect();
    assert_eq!(
        lines,
        [
            ":alice!al@host PRIVMSG @#r :psst",
            ":alice!al@host NOTICE +#r :hm",
            ":node 403 alice @# :No such channel",
            ":node 401 alice @bob :No such nick/channel",
        ]
    );
}
