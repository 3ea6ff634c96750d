//! What happens elsewhere, as a client sees it.

use super::fake_core::{account, author, id, in_room, nick, occupant, person, record, room, said, session};
use super::*;
use crate::event::{CloseReason, Conversation, Leave, Person};
use expect_test::{Expect, expect};
use lavina_crdt::clock::Hlc;
use lavina_crdt::content::{Content, MessageKind, Principal};
use lavina_crdt::room::{Act, Flag, Mask, Rank, RoomState, Topic};

const MODERN: &str =
    "batch message-tags server-time account-tag extended-join away-notify account-notify setname invite-notify";

/// What an old client and what a modern one is shown.
fn check(event: &Event, expected: Expect) {
    let mut text = String::new();
    for caps in ["echo-message", MODERN] {
        let mut client = Client::in_room(caps);
        client.event(event.clone());
        text.push_str(&client.take());
        text.push('\n');
    }
    expected.assert_eq(&text);
}

#[test]
fn something_is_said() {
    check(
        &Event::Said(Arc::new(in_room("bob", "hi"))),
        expect![[r#"
        :bob!ubob@far PRIVMSG #r :hi

        @time=2026-01-02T03:04:05.678Z;account=bob;msgid=06dnpacf5o0000g2081040g000000001 :bob!ubob@far PRIVMSG #r :hi

    "#]],
    );
    let tagged =
        Content { tags: vec![("+draft/reply".to_owned(), "a b".to_owned())], ..Content::text("/me waves\nand goes") };
    check(
        &Event::Said(Arc::new(said("guest", Conversation::Room(room("r")), tagged))),
        expect![[r#"
        :guest!uguest@far PRIVMSG #r :^AACTION waves^A
        :guest!uguest@far PRIVMSG #r :and goes

        @time=2026-01-02T03:04:05.678Z;msgid=06dnpacf5o0000g2081040g000000001;+draft/reply=a\sb :guest!uguest@far PRIVMSG #r :^AACTION waves^A
        @time=2026-01-02T03:04:05.678Z :guest!uguest@far PRIVMSG #r :and goes

    "#]],
    );
    let typing = Content {
        kind: MessageKind::Signal,
        tags: vec![("+typing".to_owned(), "active".to_owned())],
        ..Content::text("")
    };
    check(
        &Event::Said(Arc::new(said("bob", Conversation::Room(room("r")), typing))),
        expect![[r#"

        @time=2026-01-02T03:04:05.678Z;account=bob;msgid=06dnpacf5o0000g2081040g000000001;+typing=active :bob!ubob@far TAGMSG #r

    "#]],
    );
    let payload = Content { kind: MessageKind::Signal, payloads: vec!["<x/>".to_owned()], ..Content::text("") };
    let mut client = Client::in_room(MODERN);
    client.event(Event::Said(Arc::new(said("bob", Conversation::Room(room("r")), payload))));
    assert_eq!(client.take(), "", "what only XMPP clients understand is not for this one");
}

#[test]
fn a_direct_message_is_addressed_to_the_nick_one_has() {
    let direct = |from, to| Conversation::Direct { from, to, to_nick: nick("oldname") };
    let (me, bob) = (Principal::Guest(session(1)), Principal::Account(account("bob")));
    let content = Content { kind: MessageKind::Notice, ..Content::text("psst") };
    check(
        &Event::Said(Arc::new(said("bob", direct(bob.clone(), me.clone()), content.clone()))),
        expect![[r#"
        :bob!ubob@far NOTICE alice :psst

        @time=2026-01-02T03:04:05.678Z;account=bob;msgid=06dnpacf5o0000g2081040g000000001 :bob!ubob@far NOTICE alice :psst

    "#]],
    );
    // Another session of the same person speaks: all of them show it, as they know it from bouncers.
    check(
        &Event::Said(Arc::new(said("bob", direct(me, bob), content))),
        expect![[r#"
            :bob!ubob@far NOTICE oldname :psst

            @time=2026-01-02T03:04:05.678Z;account=bob;msgid=06dnpacf5o0000g2081040g000000001 :bob!ubob@far NOTICE oldname :psst

        "#]],
    );
}

#[test]
fn somebody_s_coming_has_an_id() {
    let mut somebody = record("bob");
    let since = Hlc::from_ms(1_767_323_045_000);
    somebody.rooms.insert(room("r"), lavina_crdt::presence::Place { nick: nick("bob"), since });
    let person = Person { record: Arc::new(somebody), ..person("bob") };
    let occupant = crate::event::Occupant { people: vec![person], ..occupant("bob", Rank::None) };
    let mut client = Client::in_room("message-tags");
    client.event(Event::Joined { room: room("r"), occupant });
    let id = lavina_crdt::ids::MsgId::of_place(&room("r"), since, session(7));
    assert_eq!(client.take(), format!("@msgid={id} :bob!ubob@far JOIN #r\n"));
    assert_eq!(id.hlc(), since);
    assert_ne!(id, lavina_crdt::ids::MsgId::of_place(&room("renamed"), since, session(7)));
}

#[test]
fn who_comes_in_with_several_standings_is_shown_with_all_of_them() {
    let mut client = Client::in_room("batch");
    let bob = crate::event::Occupant { beneath: vec![Rank::Operator, Rank::Voice], ..occupant("bob", Rank::Admin) };
    client.event(Event::Joined { room: room("r"), occupant: bob });
    assert_eq!(client.take(), ":bob!ubob@far JOIN #r\n:node MODE #r +aov bob bob bob\n");
}

#[test]
fn people_come_and_go() {
    check(
        &Event::Joined { room: room("r"), occupant: occupant("sleepy", Rank::Voice) },
        expect![[r#"
        :sleepy!usleepy@far JOIN #r
        :node MODE #r +v sleepy

        @time=2026-01-02T03:04:05.678Z :sleepy!usleepy@far JOIN #r * :Real sleepy
        @time=2026-01-02T03:04:05.678Z :node MODE #r +v sleepy
        @time=2026-01-02T03:04:05.678Z :sleepy!usleepy@far AWAY :zzz

    "#]],
    );
    let left = |how, own| Event::Left { room: room("r"), occupant: occupant("bob", Rank::None), how, own };
    check(
        &left(Leave::Part(String::new()), false),
        expect![[r#"
        :bob!ubob@far PART #r

        @time=2026-01-02T03:04:05.678Z;account=bob :bob!ubob@far PART #r

    "#]],
    );
    check(
        &left(Leave::Part("so long".to_owned()), false),
        expect![[r#"
        :bob!ubob@far PART #r :so long

        @time=2026-01-02T03:04:05.678Z;account=bob :bob!ubob@far PART #r :so long

    "#]],
    );
    let kick = Leave::Kick { by: author("bob"), reason: "enough".to_owned(), banned: false, id: None };
    check(
        &left(kick.clone(), false),
        expect![[r#"
        :bob!ubob@far KICK #r bob :enough

        @time=2026-01-02T03:04:05.678Z;account=bob :bob!ubob@far KICK #r bob :enough

    "#]],
    );
    let id = lavina_crdt::ids::MsgId([7; 20]);
    let named = Leave::Kick { by: author("bob"), reason: String::new(), banned: false, id: Some(id) };
    let mut client = Client::in_room("message-tags");
    client.event(left(named, false));
    assert_eq!(client.take(), format!("@msgid={id} :bob!ubob@far KICK #r bob :\n"));
    let mut client = Client::in_room("batch");
    client.event(left(kick.clone(), true));
    client.event(left(kick, true));
    assert_eq!(client.take(), ":bob!ubob@far KICK #r bob :enough\n", "one is out only once");
    let places = vec![(room("r"), nick("bob")), (room("s"), nick("bob"))];
    check(
        &Event::Quit { person: person("bob"), places, reason: "gone".to_owned() },
        expect![[r#"
        :bob!ubob@far QUIT :gone

        @time=2026-01-02T03:04:05.678Z;account=bob :bob!ubob@far QUIT :gone

    "#]],
    );
}

#[test]
fn names_and_states_change() {
    let renamed =
        |who| Event::NickChanged { person: who, old: nick("bob"), new: nick("rob"), rooms: Vec::new(), forced: false };
    check(
        &renamed(person("bob")),
        expect![[r#"
        :bob!ubob@far NICK :rob

        @time=2026-01-02T03:04:05.678Z;account=bob :bob!ubob@far NICK :rob

    "#]],
    );
    let mut client = Client::in_room("echo-message");
    client.event(renamed(Person { session: session(1), ..person("bob") }));
    client.event(renamed(Person { session: session(1), ..person("bob") }));
    assert_eq!(client.said_to("PING x"), ":bob!ubob@far NICK :rob\n:node PONG node :x\n");
    assert_eq!(client.said_to("FOO"), ":node 421 rob FOO :Unknown command\n");
    let mut old = record("sleepy");
    old.account = Some(account("sleepy"));
    old.show = lavina_crdt::presence::Show::Available;
    old.realname = "Before".to_owned();
    let rooms = vec![(room("r"), nick("sleepy"), Rank::None), (room("s"), nick("sleepy"), Rank::None)];
    check(
        &Event::PersonChanged { old: Arc::new(old), person: person("sleepy"), rooms },
        expect![[r#"

        @time=2026-01-02T03:04:05.678Z :sleepy!usleepy@far ACCOUNT *
        @time=2026-01-02T03:04:05.678Z :sleepy!usleepy@far AWAY :zzz
        @time=2026-01-02T03:04:05.678Z :sleepy!usleepy@far SETNAME :Real sleepy

    "#]],
    );
}

#[test]
fn a_lost_account_is_said_to_be_lost() {
    let mut client = Client::connect();
    client.send("PASS alice:secret\nNICK alice\nUSER al 0 * :A");
    client.take();
    let own = Person { session: session(1), ..person("alice") };
    client.event(Event::PersonChanged { old: Arc::new(record("bob")), person: own, rooms: Vec::new() });
    assert_eq!(client.take(), ":node 901 alice alice!al@host :You are now logged out\n");
}

#[test]
fn a_room_changes() {
    let old = RoomState { ranks: [(Principal::Account(account("bob")), Rank::Admin)].into(), ..RoomState::default() };
    let mut new = RoomState {
        flags: [Flag::Moderated].into(),
        topic: Some(Topic { text: "New\nthings".to_owned(), by: nick("bob"), at: Hlc(1) }),
        ..RoomState::default()
    };
    let ban = lavina_crdt::room::Ban { reason: String::new(), by: nick("bob"), at: Hlc(1) };
    new.bans.insert(Mask::Account(account("evil")), ban);
    let changed = |acts| Event::RoomChanged {
        room: room("r"),
        by: author("bob"),
        id: id(WALL_MS),
        acts,
        old: Arc::new(old.clone()),
        new: Arc::new(new.clone()),
        ranks: vec![occupant("bob", Rank::Operator)],
    };
    check(
        &changed(vec![Act::Create]),
        expect![[r#"
            :bob!ubob@far MODE #r +mb-a+o $a:evil bob bob
            :bob!ubob@far TOPIC #r :New things

            @time=2026-01-02T03:04:05.678Z;account=bob;msgid=06dnpacf5o0000g2081040g000000001 :bob!ubob@far MODE #r +mb-a+o $a:evil bob bob
            @time=2026-01-02T03:04:05.678Z;account=bob :bob!ubob@far TOPIC #r :New things

        "#]],
    );
    check(
        &changed(Vec::new()),
        expect![[r#"
            :node MODE #r +mb-a+o $a:evil bob bob
            :node TOPIC #r :New things

            @time=2026-01-02T03:04:05.678Z;msgid=06dnpacf5o0000g2081040g000000001 :node MODE #r +mb-a+o $a:evil bob bob
            @time=2026-01-02T03:04:05.678Z :node TOPIC #r :New things

        "#]],
    );
}

#[test]
fn a_cut_and_what_follows() {
    let nodes = || vec!["eu-1".into(), "eu-2".into()];
    let mut behind = occupant("bob", Rank::None);
    behind.people[0].unreachable_since = Some(Hlc::from_ms(WALL_MS));
    let occupants = vec![behind, occupant("sleepy", Rank::None)];
    check(
        &Event::Unreachable {
            room: room("r"),
            nodes: nodes(),
            occupants: occupants.clone(),
            since: Hlc::from_ms(WALL_MS),
        },
        expect![[r#"
            :node NOTICE #r :eu-1, eu-2 out of reach: bob, sleepy shown away until the network heals

            @time=2026-01-02T03:04:05.678Z :node NOTICE #r :eu-1, eu-2 out of reach: bob, sleepy shown away until the network heals
            @time=2026-01-02T03:04:05.678Z;account=bob :bob!ubob@far AWAY :unreachable since 2026-01-02T03:04:05.678Z
            @time=2026-01-02T03:04:05.678Z :sleepy!usleepy@far AWAY :zzz

        "#]],
    );
    check(
        &Event::Reachable { room: room("r"), nodes: nodes(), occupants },
        expect![[r#"
        :node NOTICE #r :eu-1, eu-2 in reach again: bob, sleepy

        @time=2026-01-02T03:04:05.678Z :node NOTICE #r :eu-1, eu-2 in reach again: bob, sleepy
        @time=2026-01-02T03:04:05.678Z;account=bob :bob!ubob@far AWAY
        @time=2026-01-02T03:04:05.678Z :sleepy!usleepy@far AWAY :zzz

    "#]],
    );
    check(
        &Event::Caught { room: room("r"), begin: true },
        expect![[r#"
        :node NOTICE #r :--- said meanwhile on the other side of the cut:


    "#]],
    );
    check(
        &Event::Caught { room: room("r"), begin: false },
        expect![[r#"
        :node NOTICE #r :--- end of what was said there


    "#]],
    );
    let pair = || ("us-1".into(), "eu-1".into());
    let gone = vec![
        (person("bob"), vec![(room("r"), nick("bob")), (room("s"), nick("bobby"))]),
        (person("stranger"), vec![(room("s"), nick("stranger"))]),
    ];
    check(
        &Event::netsplit(pair(), gone),
        expect![[r#"
            :bob!ubob@far QUIT :us-1.example.org eu-1.example.org

            :node BATCH +netsplit netsplit us-1.example.org eu-1.example.org
            @batch=netsplit;time=2026-01-02T03:04:05.678Z;account=bob :bob!ubob@far QUIT :us-1.example.org eu-1.example.org
            :node BATCH -netsplit

        "#]],
    );
    let back = vec![(room("r"), occupant("bob", Rank::Founder)), (room("s"), occupant("stranger", Rank::None))];
    check(
        &Event::netjoin(pair(), back),
        expect![[r#"
            :bob!ubob@far JOIN #r
            :node MODE #r +q bob

            :node BATCH +netjoin netjoin us-1.example.org eu-1.example.org
            @batch=netjoin;time=2026-01-02T03:04:05.678Z;account=bob :bob!ubob@far JOIN #r bob :Real bob
            @batch=netjoin;time=2026-01-02T03:04:05.678Z :node MODE #r +q bob
            :node BATCH -netjoin

        "#]],
    );
}

#[test]
fn words_to_one_person() {
    let invited = |to| Event::Invited { room: room("s"), by: author("bob"), nick: nick(to), reason: String::new() };
    check(
        &invited("alice"),
        expect![[r#"
        :bob!ubob@far INVITE alice #s

        @time=2026-01-02T03:04:05.678Z;account=bob :bob!ubob@far INVITE alice #s

    "#]],
    );
    check(
        &invited("carol"),
        expect![[r#"

        @time=2026-01-02T03:04:05.678Z;account=bob :bob!ubob@far INVITE carol #s

    "#]],
    );
    check(
        &Event::Notice("disk full".to_owned()),
        expect![[r#"
        :node NOTICE alice :disk full

        @time=2026-01-02T03:04:05.678Z :node NOTICE alice :disk full

    "#]],
    );
    check(
        &Event::Closed { reason: CloseReason::SlowReader, words: String::new(), elsewhere: None },
        expect![[r#"
        ERROR :Closing link: you read too slowly
        <close>

        ERROR :Closing link: you read too slowly
        <close>

    "#]],
    );
}

#[test]
fn sessions_of_one_class_share_the_bytes() {
    let mut renders = Renders::default();
    let event = Arc::new(Event::Said(Arc::new(in_room("bob", "hi"))));
    let mut sent = Vec::new();
    for caps in ["server-time batch", "server-time away-notify", "message-tags"] {
        let mut client = Client::in_room(caps);
        client.session.handle_event(client.now, &event, &mut renders);
        let Some(Output::Send(bytes)) = client.session.poll_output() else { panic!() };
        sent.push(bytes);
    }
    assert_eq!(sent[0].as_ptr(), sent[1].as_ptr());
    assert_ne!(sent[0], sent[2]);
}

#[test]
fn who_is_in_the_same_rooms_shares_the_bytes_of_a_split_and_is_told_of_no_others() {
    let gone =
        vec![(person("bob"), vec![(room("r"), nick("bob"))]), (person("carol"), vec![(room("s"), nick("carol"))])];
    let back = vec![(room("r"), occupant("bob", Rank::None)), (room("s"), occupant("carol", Rank::None))];
    let nodes = || ("us-1".into(), "eu-1".into());
    for event in [Event::netsplit(nodes(), gone), Event::netjoin(nodes(), back)].map(Arc::new) {
        let mut renders = Renders::default();
        let mut told = |joined: &str, caps| {
            let mut client = Client::registered(caps);
            client.send(joined);
            client.take();
            client.session.handle_event(client.now, &event, &mut renders);
            let Some(Output::Send(bytes)) = client.session.poll_output() else { panic!() };
            bytes
        };
        let [one, other] = ["server-time batch", "server-time batch away-notify"].map(|caps| told("JOIN #r", caps));
        assert_eq!(one.as_ptr(), other.as_ptr());
        assert!(!String::from_utf8_lossy(&one).contains("carol"));
        let both = told("JOIN #r\nJOIN #s", "server-time batch");
        assert!(String::from_utf8_lossy(&both).contains("carol"));
        assert_ne!(told("JOIN #r", "server-time"), one);
    }
}
