//! Redactions, replies, reactions, corrections and signs of writing, asked for and shown.

use super::fake_core::*;
use super::*;
use crate::event::Conversation;
use expect_test::expect;
use lavina_crdt::content::Content;
use lavina_crdt::relation::{Reaction, Redact, Relation, Typing};

#[test]
fn redact_is_answered_as_its_specification_says() {
    let mut client = Client::in_room("draft/message-redaction message-tags");
    let known = id(WALL_MS).to_string();
    expect![[r#"
        :alice!al@host REDACT #r 06dnpacf5o0000g2081040g000000001 :bad one
        FAIL REDACT UNKNOWN_MSGID #r 00000000000000000000000000000000 :This message does not exist or is too old
        FAIL REDACT UNKNOWN_MSGID #r nonsense :This message does not exist or is too old
        FAIL REDACT INVALID_TARGET a!x :You cannot delete messages from there
        461 alice REDACT :Not enough parameters
    "#]]
    .assert_eq(
        &client
            .said_to(&format!(
                "REDACT #r {known} :bad one\nREDACT #r {}\nREDACT #r nonsense\nREDACT a!x {known}\nREDACT #r",
                "0".repeat(32)
            ))
            .replace(":node ", ""),
    );
}

fn shown(content: Content) -> (String, String) {
    let event = Event::Said(Arc::new(said("guest", Conversation::Room(room("r")), content)));
    let mut texts = ["batch", "draft/message-redaction message-tags"].map(|caps| {
        let mut client = Client::in_room(caps);
        client.event(event.clone());
        client.take().replace("06dnpacf5o0000g2081040g000000001", "ID").replace(":guest!uguest@far ", "")
    });
    (std::mem::take(&mut texts[0]), std::mem::take(&mut texts[1]))
}

#[test]
fn what_other_protocols_relate_is_told_in_client_tags() {
    let (of, words) = (id(WALL_MS), |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect());
    let related = |relation, content| shown(Content { relation: Some(Box::new(relation)), ..content });
    let plain = |text: &str| format!("PRIVMSG #r :{text}\n");
    assert_eq!(
        related(Relation::Reply(of), Content::text("yes")),
        (plain("yes"), "@msgid=ID;+draft/reply=ID PRIVMSG #r :yes\n".to_owned())
    );
    assert_eq!(
        related(Relation::Edit(of), Content::text("the")),
        (plain("the (edited)"), "@msgid=ID PRIVMSG #r :the (edited)\n".to_owned())
    );
    let reaction = Reaction { to: of, before: words(&["a"]), now: words(&["b"]) };
    assert_eq!(
        related(Relation::React(reaction), Content::signal()).1,
        "@msgid=ID;+draft/reply=ID;+draft/react=b TAGMSG #r\n@msgid=ID;+draft/reply=ID;+draft/unreact=a TAGMSG #r\n"
    );
    let redact = Redact { of, reason: "spam".to_owned(), moderated: true };
    assert_eq!(
        related(Relation::Redact(redact), Content::signal()),
        (String::new(), "REDACT #r ID :spam\n".to_owned())
    );
    let typing = Content { typing: Some(Typing::Paused), ..Content::signal() };
    assert_eq!(shown(typing), (String::new(), "@msgid=ID;+typing=paused TAGMSG #r\n".to_owned()));
}
