//! Messages of several lines: what a client sends as a batch, and how it is shown to clients with and without batches.

use super::fake_core::*;
use super::*;
use crate::event::Conversation;
use expect_test::expect;
use lavina_crdt::content::Content;

const CAPS: &str = "draft/multiline batch message-tags echo-message labeled-response";

#[test]
fn a_batch_is_one_message() {
    let mut client = Client::in_room(CAPS);
    expect![[r#"
        @label=x;msgid=06dnpacf5s0000g2081040g000000001;+a=1 :alice!al@host BATCH +m06dnpacf5s0000g2081040g000000001 draft/multiline #r
        @batch=m06dnpacf5s0000g2081040g000000001 :alice!al@host PRIVMSG #r :hello
        @batch=m06dnpacf5s0000g2081040g000000001 :alice!al@host PRIVMSG #r :
        @batch=m06dnpacf5s0000g2081040g000000001 :alice!al@host PRIVMSG #r :how is 
        @batch=m06dnpacf5s0000g2081040g000000001;draft/multiline-concat :alice!al@host PRIVMSG #r :everyone?
        :node BATCH -m06dnpacf5s0000g2081040g000000001
    "#]]
    .assert_eq(&client.said_to(
        "@label=x;+a=1 BATCH +1 draft/multiline #r\n@batch=1 PRIVMSG #r :hello\n@batch=1 PRIVMSG #r :\n\
         @batch=1 PRIVMSG #r :how is \n@batch=1;draft/multiline-concat PRIVMSG #r :everyone?\nBATCH -1",
    ));
}

#[test]
fn what_is_wrong_with_a_batch_is_said_once() {
    let mut client = Client::in_room(CAPS);
    let mut ask = |lines: &[String]| client.said_to(&lines.join("\n"));
    let line = |text: &str| format!("@batch=1 PRIVMSG #r :{text}");
    let (begin, end) = ("BATCH +1 draft/multiline #r".to_owned(), "BATCH -1".to_owned());
    let other = "@batch=1 PRIVMSG #q :x".to_owned();
    let invalid = ":node FAIL BATCH MULTILINE_INVALID :Invalid multiline batch\n";
    assert_eq!(
        ask(&[begin.clone(), line("a"), other, end.clone()]),
        ":node FAIL BATCH MULTILINE_INVALID_TARGET #r #q :Invalid multiline batch\n"
    );
    assert_eq!(ask(&[begin.clone(), line(""), line(""), end.clone()]), invalid);
    assert_eq!(ask(&[begin.clone(), end.clone()]), invalid);
    assert_eq!(ask(&[line("a")]), invalid);
    assert_eq!(ask(&["BATCH +1 netsplit #r".to_owned()]), invalid);
    let notice = "@batch=1 NOTICE #r :x".to_owned();
    assert_eq!(ask(&[begin.clone(), line("a"), notice, end.clone()]), invalid);
    let long = vec![line(&"x".repeat(400)); 45];
    assert_eq!(
        ask(&[vec![begin], long, vec![end]].concat()),
        ":node FAIL BATCH MULTILINE_MAX_BYTES 16384 :Invalid multiline batch\n"
    );
}

#[test]
fn who_knows_no_batches_gets_the_lines_that_are_not_blank() {
    let content = Content { joints: vec![10], ..Content::text("one\n\ntwo and on") };
    let event = Event::Said(Arc::new(said("guest", Conversation::Room(room("r")), content)));
    let mut client = Client::in_room("message-tags");
    client.event(event);
    expect![[r#"
        @msgid=06dnpacf5o0000g2081040g000000001 :guest!uguest@far PRIVMSG #r :one
        :guest!uguest@far PRIVMSG #r :two a
        :guest!uguest@far PRIVMSG #r :nd on
    "#]]
    .assert_eq(&client.take());
}
