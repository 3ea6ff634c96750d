//! MONITOR, MARKREAD and INVITE without parameters.

use super::fake_core::*;
use super::*;
use expect_test::expect;

#[test]
fn monitor_tells_who_is_there_and_who_comes_and_goes() {
    let mut client = Client::registered("batch");
    expect![[r#"
        :node 730 alice :bob!ubob@far
        :node 731 alice :nobody
        :node 732 alice :bob,nobody
        :node 733 alice :End of MONITOR list
        :node 732 alice :bob
        :node 733 alice :End of MONITOR list
        :node 730 alice :bob!ubob@far
        :node 461 alice MONITOR :Unknown subcommand
    "#]]
    .assert_eq(
        &client.said_to("MONITOR + bob,nobody,BOB\nMONITOR L\nMONITOR - nobody\nMONITOR L\nMONITOR S\nMONITOR X"),
    );
    client.event(Event::Watched { nick: nick("bob"), person: None });
    client.event(Event::Watched { nick: nick("bob"), person: Some(person("bob")) });
    client.event(Event::Watched { nick: nick("other"), person: None });
    assert_eq!(client.take(), ":node 731 alice :bob\n:node 730 alice :bob!ubob@far\n");
    assert_eq!(client.said_to("MONITOR C\nMONITOR L"), ":node 733 alice :End of MONITOR list\n");
    let many: Vec<String> = (0..101).map(|number| format!("n{number}")).collect();
    let answer = client.said_to(&format!("MONITOR + {}\nMONITOR + {}", many[..60].join(","), many[60..].join(",")));
    assert!(answer.contains(":node 734 alice 100 n100 :Monitor list is full\n"), "{answer}");
}

#[test]
fn markread_sets_tells_and_refuses() {
    let mut client = Client::registered("draft/read-marker");
    expect![[r#"
        :node MARKREAD #r *
        :node MARKREAD #r timestamp=2026-01-02T03:04:05.678Z
        :node FAIL MARKREAD INVALID_PARAMS * :Invalid parameters
        :node FAIL MARKREAD INVALID_PARAMS a!b :Invalid parameters
        :node FAIL MARKREAD NEED_MORE_PARAMS :Missing parameters
    "#]]
    .assert_eq(
        &client.said_to(
            "MARKREAD #r\nMARKREAD #r timestamp=2026-01-02T03:04:05.678Z\nMARKREAD #r *\nMARKREAD a!b\nMARKREAD",
        ),
    );
    client.event(Event::Marked { of: crate::command::Marked::Person("bob".to_owned()), at_ms: WALL_MS });
    assert_eq!(client.take(), ":node MARKREAD bob timestamp=2026-01-02T03:04:05.678Z\n");
    let joined = client.said_to("JOIN #r");
    let place = |what: &str| joined.find(what).unwrap_or_else(|| panic!("{what} is not in {joined}"));
    assert!(place(" JOIN #r") < place(" MARKREAD #r *") && place(" MARKREAD #r *") < place(" 366 "), "{joined}");
}

#[test]
fn isupport_and_away_may_come_before_the_welcome() {
    let mut client = Client::connect();
    assert_eq!(client.said_to("AWAY :x\nISUPPORT"), ":node 451 * :You have not registered\n".repeat(2));
    client.said_to("CAP REQ :batch draft/extended-isupport draft/pre-away");
    let answer = client.said_to("ISUPPORT");
    assert!(answer.starts_with(":node BATCH +b1 draft/isupport\n@batch=b1 :node 005 * "), "{answer}");
    assert!(answer.ends_with(":node BATCH -b1\n"), "{answer}");
    assert_eq!(client.said_to("AWAY :back soon"), ":node 306 * :You have been marked as being away\n");
    let welcome = client.said_to("NICK alice\nUSER al 0 * :Al\nCAP END");
    assert!(welcome.contains(":node 306 alice :You have been marked as being away\n"), "{welcome}");
}

#[test]
fn invite_without_parameters_lists_invitations() {
    let mut client = Client::registered("batch");
    assert_eq!(
        client.said_to("INVITE\nINVITE bob"),
        ":node 336 alice #other\n:node 337 alice :End of /INVITE list\n:node 461 alice INVITE :Not enough parameters\n"
    );
}

#[test]
fn list_knows_all_conditions_of_elist() {
    let mut client = Client::registered("batch");
    let mut listed = |condition: &str| {
        let answer = client.said_to(&format!("LIST {condition}"));
        ["#r ", "#other "]
            .iter()
            .filter(|name| answer.contains(*name))
            .map(|name| name.trim())
            .collect::<Vec<_>>()
            .join(",")
    };
    assert_eq!(listed("C<5"), "#other");
    assert_eq!(listed("C>5"), "#r");
    assert_eq!(listed("T<2"), "#r");
    assert_eq!(listed("T>2"), "");
    assert_eq!(listed("!#o*"), "#r");
    assert_eq!(listed(">2"), "#other");
    assert_eq!(listed("#r,C<5"), "");
}

#[test]
fn whowas_tells_of_those_who_are_gone() {
    let mut client = Client::registered("batch");
    expect![[r#"
        :node 431 alice :No nickname given
        :node 314 alice sleepy usleepy far * :Real sleepy
        :node 312 alice sleepy far.example.org :1970-01-01T00:01:00.000Z
        :node 314 alice sleepy usleepy far * :Real sleepy
        :node 312 alice sleepy far.example.org :1970-01-01T00:00:00.000Z
        :node 369 alice sleepy :End of WHOWAS
        :node 406 alice nobody :There was no such nickname
        :node 314 alice bob ubob far * :Real bob
        :node 330 alice bob bob :was logged in as
        :node 312 alice bob far.example.org :1970-01-01T00:01:00.000Z
        :node 369 alice nobody,bob :End of WHOWAS
        :node 406 alice a!b :There was no such nickname
        :node 369 alice a!b :End of WHOWAS
    "#]]
    .assert_eq(&client.said_to("WHOWAS\nWHOWAS sleepy\nWHOWAS nobody,bob 1\nWHOWAS a!b -1"));
}

#[test]
fn knocks_are_delivered_and_refused() {
    let mut client = Client::registered("batch");
    expect![[r#"
        :node 711 alice #x :Your KNOCK has been delivered
        :node 714 alice #r :You're already on that channel
        :node 713 alice #open :Channel is open
        :node 712 alice #again :Too many KNOCKs (channel)
        :node 403 alice x :No such channel
    "#]]
    .assert_eq(&client.said_to("KNOCK #x :please\nKNOCK #r\nKNOCK #open\nKNOCK #again\nKNOCK x"));
    client.event(Event::Knocked { room: room("r"), by: author("bob"), text: "please".to_owned() });
    assert_eq!(client.take(), ":node 710 alice #r bob!ubob@far :has asked for an invite: please\n");
}

#[test]
fn who_is_watched_is_told_about_to_those_who_want_it() {
    let changed = || Event::WatchedChanged { old: person("bob").record, person: person("sleepy") };
    let mut client = Client::registered("extended-monitor away-notify");
    client.event(changed());
    assert_eq!(client.take(), ":sleepy!usleepy@far AWAY :zzz\n");
    let mut client = Client::registered("away-notify");
    client.event(changed());
    assert_eq!(client.take(), "");
}
