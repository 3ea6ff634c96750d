//! JOIN, PART, MODE, TOPIC, KICK, INVITE, NAMES, WHO, LIST.

use super::fake_core::*;
use super::*;
use crate::event::{Occupant, Person};
use expect_test::{Expect, expect};
use lavina_crdt::room::{Denied, Rank};

fn check(lines: &str, expected: Expect) {
    expected.assert_eq(&Client::in_room("batch").said_to(lines));
}

#[test]
fn joining_shows_topic_and_names() {
    let mut client = Client::registered("extended-join server-time userhost-in-names");
    expect![[r#"
        @time=2026-01-02T03:04:05.678Z :alice!al@host JOIN #r * :Alice A
        :node 332 alice #r :On things
        :node 333 alice #r bob 1600000000
        :node 353 alice = #r :alice!ualice@far ~bob!ubob@far +sleepy!usleepy@far
        :node 366 alice #r :End of /NAMES list
    "#]]
    .assert_eq(&client.said_to("JOIN #R\nJOIN #r"));
    expect![[r#"
        :node 403 alice bad :No such channel
        :node 403 alice # :No such channel
        :node 474 alice #banned :Cannot join channel (+b)
        :node 475 alice #locked :Cannot join channel (+k)
    "#]]
    .assert_eq(&client.said_to("JOIN #banned,#locked,bad,#"));
    let mut client = Client::registered("no-implicit-names");
    expect![[r#"
        :alice!al@host JOIN #locked
        :node 332 alice #locked :On things
        :node 333 alice #locked bob 1600000000
    "#]]
    .assert_eq(&client.said_to("JOIN #locked key"));
}

#[test]
fn parting_is_said_once_whichever_comes_first() {
    check(
        "PART #r :bye\nPART #r\nPART #x\nJOIN 0",
        expect![[r#"
        :alice!al@host PART #r :bye
        :node 442 alice #x :You're not on that channel
    "#]],
    );
    check(
        "JOIN 0",
        expect![[r#"
        :alice!al@host PART #r
    "#]],
    );
}

#[test]
fn modes_are_shown_and_changed() {
    check(
        "MODE #r\nMODE #r b\nMODE #r +e\nMODE #nowhere\nMODE alice\nMODE alice +i\nMODE bob +i\nMODE alice +z",
        expect![[r#"
            :node 324 alice #r +ntk key
            :node 329 alice #r 1600000000
            :node 367 alice #r evil!*@* bob 1600000000
            :node 368 alice #r :End of channel ban list
            :node 349 alice #r :End of channel exception list
            :node 403 alice #nowhere :No such channel
            :node 221 alice +x
            :alice!al@host MODE alice :+i
            :node 502 alice :Cannot change mode for other users
            :node 501 alice :Unknown MODE flag
        "#]],
    );
    let mut client = Client::in_room("batch");
    client.shows_commands = true;
    expect![[r#"
        ? Act(r, [SetFlag { flag: Moderated, on: true }, SetBan { mask: Account(evil), ban: Some("") }, SetKey(None), SetLimit(Some(5))])
        ? RoomInfo(r)
        ? FindNick(nobody)
        ? Act(r, [SetRank { who: Guest(SessionId { node: n01010101, number: 7 }), rank: Operator }, SetRank { who: Account(bob), rank: None }])
        :node 401 alice nobody :No such nick/channel
        :node 472 alice z :is unknown mode char to me
        :node 696 alice #r k * :That cannot be a key
        :node 696 alice #r l 0 :That is not a limit
        :node 696 alice #r v * :Whom do you mean?
    "#]].assert_eq(&client.said_to(
        "MODE #r +mb-k+l $a:evil x 5\nMODE #r +o-q+v sleepy bob nobody\nMODE #r +zk bad,key\nMODE #r +l 0\nMODE #r +v",
    ));
}

#[test]
fn topic_kick_and_invite() {
    check(
        "TOPIC #r\nTOPIC #nowhere\nTOPIC #r :new\nKICK #r nobody,bob :out\nINVITE bob #r\nINVITE bob",
        expect![[r#"
        :node 332 alice #r :On things
        :node 333 alice #r bob 1600000000
        :node 403 alice #nowhere :No such channel
        :node 441 alice nobody #r :They aren't on that channel
        :node 341 alice bob #r
        :node 461 alice INVITE :Not enough parameters
    "#]],
    );
}

#[test]
fn refusals_have_their_numerics() {
    let mut client = Client::in_room("batch");
    for refusal in [
        crate::command::Refusal::Denied(lavina_crdt::room::Denied::Rank),
        crate::command::Refusal::Denied(lavina_crdt::room::Denied::NotPresent),
        crate::command::Refusal::Denied(lavina_crdt::room::Denied::NoRoom),
        crate::command::Refusal::Storage,
    ] {
        client.core.refusal = Some(refusal);
        client.send("TOPIC #r :x");
    }
    expect![[r#"
        :node 482 alice #r :You're not channel operator
        :node 442 alice #r :You're not on that channel
        :node 403 alice #r :No such channel
        :node 400 alice TOPIC :The server cannot store anything at the moment
    "#]]
    .assert_eq(&client.take());
    for line in ["TOPIC #other :x", "KICK #other bob"] {
        client.core.refusal = Some(crate::command::Refusal::Denied(Denied::Rank));
        assert_eq!(client.said_to(line), ":node 442 alice #other :You're not on that channel\n", "{line}");
    }
}

#[test]
fn who_whois_names_and_list() {
    check(
        "NAMES #r\nNAMES\nNAMES #nowhere",
        expect![[r#"
        :node 353 alice = #r :alice ~bob +sleepy
        :node 366 alice #r :End of /NAMES list
        :node 366 alice * :End of /NAMES list
        :node 366 alice #nowhere :End of /NAMES list
    "#]],
    );
    check(
        "WHO #r\nWHO bo*\nWHO #r %tcuihsnfdlaor,42\nWHO #r %na",
        expect![[r#"
        :node 352 alice #r ualice far node alice H :0 Real alice
        :node 352 alice #r ubob far node bob H~ :0 Real bob
        :node 352 alice #r usleepy far node sleepy G+ :0 Real sleepy
        :node 315 alice #r :End of WHO list
        :node 352 alice * ubob far node bob H :0 Real bob
        :node 352 alice * usleepy far node sleepy G :0 Real sleepy
        :node 315 alice bo* :End of WHO list
        :node 354 alice 42 #r ualice 255.255.255.255 far node alice H 0 0 0 n/a :Real alice
        :node 354 alice 42 #r ubob 255.255.255.255 far node bob H~ 0 0 bob n/a :Real bob
        :node 354 alice 42 #r usleepy 255.255.255.255 far node sleepy G+ 0 0 0 n/a :Real sleepy
        :node 315 alice #r :End of WHO list
        :node 354 alice alice 0
        :node 354 alice bob bob
        :node 354 alice sleepy 0
        :node 315 alice #r :End of WHO list
    "#]],
    );
    check(
        "WHOIS sleepy\nWHOIS node bob\nWHOIS nobody\nWHOWAS x",
        expect![[r#"
            :node 311 alice sleepy usleepy far * :Real sleepy
            :node 312 alice sleepy node :Net
            :node 301 alice sleepy :zzz
            :node 671 alice sleepy :is using a secure connection
            :node 317 alice sleepy 61 1700000000 :seconds idle, signon time
            :node 318 alice sleepy :End of /WHOIS list
            :node 311 alice bob ubob far * :Real bob
            :node 319 alice bob :@#r
            :node 312 alice bob node :Net
            :node 330 alice bob bob :is logged in as
            :node 671 alice bob :is using a secure connection
            :node 317 alice bob 61 1700000000 :seconds idle, signon time
            :node 318 alice bob :End of /WHOIS list
            :node 401 alice nobody :No such nick/channel
            :node 318 alice nobody :End of /WHOIS list
            :node 314 alice x ux far * :Real x
            :node 312 alice x far.example.org :1970-01-01T00:01:00.000Z
            :node 314 alice x ux far * :Real x
            :node 312 alice x far.example.org :1970-01-01T00:00:00.000Z
            :node 369 alice x :End of WHOWAS
        "#]],
    );
    check(
        "LIST\nLIST >5\nLIST #R*,#zzz",
        expect![[r#"
        :node 321 alice Channel :Users  Name
        :node 322 alice #r 2 :On things
        :node 322 alice #other 9 :
        :node 323 alice :End of /LIST
        :node 321 alice Channel :Users  Name
        :node 322 alice #other 9 :
        :node 323 alice :End of /LIST
        :node 321 alice Channel :Users  Name
        :node 322 alice #r 2 :On things
        :node 323 alice :End of /LIST
    "#]],
    );
    check(
        "USERHOST bob nobody sleepy\nISON bob nobody\nISON nobody",
        expect![[r#"
        :node 302 alice :bob=+ubob@far sleepy=-usleepy@far
        :node 303 alice :bob
        :node 303 alice :
    "#]],
    );
}

#[test]
fn what_is_about_nothing_lacks_a_parameter() {
    let mut client = Client::in_room("message-tags");
    for verb in ["JOIN", "PART", "TOPIC", "MODE", "KNOCK", "STATS", "TAGMSG", "WHOIS"] {
        let lacks = format!(":node 461 alice {verb} :Not enough parameters\n");
        let said = client.said_to(&format!("{verb} :"));
        assert_eq!(said, if verb == "WHOIS" { ":node 431 alice :No nickname given\n" } else { &lacks });
    }
    let fault = ":node FAIL SETNAME INVALID_REALNAME :Realname is not valid\n";
    assert_eq!(client.said_to("SETNAME :"), fault);
    assert!(client.said_to("CHATHISTORY :").starts_with(":node FAIL CHATHISTORY INVALID_PARAMS "));
    check(
        "NAMES foo,#nowhere\nLIST #r,#other >5\nLIST >5 #r",
        expect![[r#"
        :node 366 alice foo :End of /NAMES list
        :node 366 alice #nowhere :End of /NAMES list
        :node 321 alice Channel :Users  Name
        :node 322 alice #other 9 :
        :node 323 alice :End of /LIST
        :node 321 alice Channel :Users  Name
        :node 323 alice :End of /LIST
    "#]],
    );
}

#[test]
fn help_says_what_a_command_takes_and_does() {
    check(
        "HELP join\nHELP NOTHING",
        expect![[r#"
        :node 704 alice join :JOIN <channel>{,<channel>} [<key>{,<key>}] | 0
        :node 705 alice join :
        :node 706 alice join :enters channels, or leaves all
        :node 524 alice NOTHING :No help available on this topic
    "#]],
    );
    let all = Client::in_room("batch").said_to("HELP");
    assert!(all.starts_with(":node 704 alice * :These commands are known here:\n:node 705 alice * :\n"), "{all}");
    for name in super::super::verbs::all_names() {
        assert!(all.contains(name), "{name}");
        let said = Client::in_room("batch").said_to(&format!("HELP {name}"));
        assert!(said.contains(&format!(":node 704 alice {name} :{name}")) && said.contains(" 706 "), "{said}");
    }
}

#[test]
fn invisible_people_are_shown_to_those_inside_only() {
    use crate::irc::names::{Reveal, is_seen};
    use lavina_crdt::modes::{UserMode, UserModes};
    let mut hidden = record("bob");
    hidden.modes = UserModes::default().set(UserMode::Invisible, true);
    let hidden = Person { record: Arc::new(hidden), ..person("bob") };
    let with = |people| Occupant { people, ..occupant("bob", Rank::None) };
    assert!(is_seen(Reveal::Inside, &with(vec![hidden.clone()])));
    assert!(!is_seen(Reveal::Outside, &with(vec![hidden.clone()])));
    assert!(is_seen(Reveal::Outside, &with(vec![hidden, person("bob")])), "one of the sessions is not hidden");
}

#[test]
fn what_one_says_of_oneself() {
    let mut client = Client::registered("setname");
    client.shows_commands = true;
    expect![[r#"
        ? SetPresence(PresenceChange { available: None, show: Some(Away), status: Some("lunch"), priority: None, payloads: None })
        :node 306 alice :You have been marked as being away
        ? SetPresence(PresenceChange { available: None, show: Some(Available), status: Some(""), priority: None, payloads: None })
        :node 305 alice :You are no longer marked as being away
        ? SetRealname("New Name")
        :alice!al@host SETNAME :New Name
    "#]].assert_eq(&client.said_to("AWAY :lunch\nAWAY\nSETNAME :New Name"));
}

#[test]
fn questions_about_the_server() {
    check(
        "MOTD\nLUSERS\nVERSION\nTIME\nADMIN\nLINKS\nHELP WHAT\nPING token\nFOO",
        expect![[r#"
            :node 422 alice :There is no message of the day
            :node 251 alice :There are 4 users and 1 invisible on 3 servers
            :node 252 alice 1 :operator(s) online
            :node 253 alice 0 :unknown connection(s)
            :node 254 alice 3 :channels formed
            :node 255 alice :I have 2 clients and 2 servers
            :node 265 alice 2 2 :Current local users 2, max 2
            :node 266 alice 5 7 :Current global users 5, max 7
            :node 351 alice lavina-0.1.0 node :A mesh of equal nodes
            :node 005 alice CASEMAPPING=ascii CHANTYPES=# CHANLIMIT=#:200 PREFIX=(qaohv)~&@%+ STATUSMSG=~&@%+ KNOCK CHANMODES=beI,k,fl,CiMmnPRstu MODES=12 MAXLIST=beI:500 EXCEPTS INVEX EXTBAN=$,Uam :are supported by this server
            :node 005 alice ACCOUNTEXTBAN=a NETWORK=Net NICKLEN=32 USERLEN=16 NAMELEN=150 CHANNELLEN=73 TOPICLEN=332 AWAYLEN=300 KICKLEN=300 TARGMAX=JOIN:32,PART:32,NAMES:32,LIST:,PRIVMSG:4,NOTICE:4,TAGMSG:4,KICK:4,WHOIS:1,USERHOST:4 ELIST=CMNTU SAFELIST :are supported by this server
            :node 005 alice BOT=B MONITOR=100 WHOX UTF8ONLY CHATHISTORY=500 MSGREFTYPES=msgid,timestamp :are supported by this server
            :node 391 alice node :2026-01-02T03:04:05.678Z
            :node 256 alice node :Administrative info
            :node 257 alice :node on the Net network
            :node 258 alice :running lavina-0.1.0
            :node 259 alice :admin@example.org
            :node 364 alice node node :0 eu/a
            :node 364 alice far.example.org node :1 eu/a
            :node 364 alice gone.example.org node :1 eu/a, out of reach
            :node 365 alice * :End of /LINKS list
            :node 524 alice WHAT :No help available on this topic
            :node PONG node :token
            :node 421 alice FOO :Unknown command
        "#]],
    );
}

#[test]
fn modes_of_a_channel_have_letters_both_ways() {
    check(
        "MODE #r +CMu\nMODE #r +f #other\nMODE #r +f\nMODE #r +f other\nMODE #r +b $m:*!*@bad\nMODE #r +e ~m:$a:bob\nMODE #r +b $U",
        expect![[r#"
            :node 696 alice #r f * :Which channel?
            :node 696 alice #r f other :That is not a channel
        "#]],
    );
    let mut client = Client::in_room("");
    client.core.refusal = Some(crate::command::Refusal::TooMany("masks"));
    expect![[r#"
        :node 478 alice #r b :Channel ban list is full
    "#]]
    .assert_eq(&client.said_to("MODE #r +b evil"));
    client.core.refusal = Some(crate::command::Refusal::Elsewhere(super::fake_core::room("other"), Denied::Full));
    expect![[r#"
        :node 470 alice #full #other :Forwarding to another channel
        :alice!al@host JOIN #other
        :node 332 alice #other :On things
        :node 333 alice #other bob 1600000000
        :node 353 alice = #other :alice ~bob +sleepy
        :node 366 alice #other :End of /NAMES list
    "#]]
    .assert_eq(&client.said_to("JOIN #full"));
}

#[test]
fn a_channel_goes_by_another_name() {
    let view = || {
        let mut core = FakeCore::default();
        match core.answer(crate::command::Command::Join { room: room("new"), nick: None, key: None }) {
            Some(Ok(crate::command::Reply::Joined(view, _))) => view,
            other => panic!("{other:?}"),
        }
    };
    let renamed = || Event::Renamed { old: room("r"), view: view(), by: author("bob"), reason: "why".to_owned() };
    let mut client = Client::in_room("draft/channel-rename");
    expect![[r#"
        :node FAIL RENAME CHANNEL_NAME_IN_USE #r #other :The channel name is already taken
        :alice!al@host RENAME #r #R :
        :node FAIL RENAME CANNOT_RENAME #r x :That cannot be a channel's name
        :node 461 alice RENAME :Not enough parameters
    "#]]
    .assert_eq(&client.said_to("RENAME #r #other\nRENAME #r #new :why\nRENAME #r #R\nRENAME #r x\nRENAME #r"));
    client.event(renamed());
    client.event(renamed());
    assert_eq!(client.take(), ":bob!ubob@far RENAME #r #new :why\n");
    let mut client = Client::in_room("batch");
    client.event(renamed());
    expect![[r#"
        :alice!al@host PART #r :why
        :alice!al@host JOIN #new
        :node 332 alice #new :On things
        :node 333 alice #new bob 1600000000
        :node 353 alice = #new :x ~bob +sleepy
        :node 366 alice #new :End of /NAMES list
    "#]]
    .assert_eq(&client.take());
}

#[test]
fn who_has_no_voice_in_an_auditorium_is_not_among_those_it_names() {
    use crate::irc::names::{Reveal, write_names};
    use lavina_crdt::room::{Flag, RoomState};
    let mut client = Client::in_room("batch");
    let state = Arc::new(RoomState { flags: [Flag::Auditorium].into(), ..RoomState::default() });
    let occupants = vec![occupant("alice", Rank::None), occupant("bob", Rank::Operator)];
    let own_nick = Some(nick("alice"));
    let view = crate::event::RoomView { name: room("r"), state, occupants, own_nick, created: false };
    for (reveal, names) in [(Reveal::Inside, "alice @bob"), (Reveal::Asking, "@bob")] {
        client.session.answers.begin(None);
        write_names(&mut client.session, &view, reveal);
        client.session.answers.settle(&mut client.session.out, "node");
        client.pump();
        assert!(client.take().starts_with(&format!(":node 353 alice = #r :{names}\n")), "{reveal:?}");
    }
}

#[test]
fn leaving_has_the_time_at_which_it_was_asked_for() {
    let mut client = Client::in_room("server-time");
    client.slow = true;
    client.send("PART #r");
    client.now.wall_ms += 500;
    client.answer();
    assert_eq!(client.take(), "@time=2026-01-02T03:04:05.678Z :alice!al@host PART #r\n");
}
