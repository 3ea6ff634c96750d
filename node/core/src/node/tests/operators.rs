//! Operators on one node, people on another.

use super::world::{World, account, nick, open, room};
use crate::node::{AdminCommand, Input};
use lavina_crdt::barred::{Bar, Barred};
use lavina_crdt::modes::UserMode;
use lavina_protocols::command::{Command, Refusal, Reply, Target};
use lavina_protocols::operator::{Operator, OperatorCommand, OperatorReply};

fn operator() -> Operator {
    Operator { name: "root".to_owned(), password: None, account: Some(account("alice")), title: String::new() }
}

/// Alice, an operator of the first node.
fn alice(world: &mut World) -> (usize, u64) {
    world.register(0, "alice");
    let operators = Some(vec![operator()]);
    world.admin(0, AdminCommand::Reloaded { operators, told: None, words: String::new() });
    let alice = world.member(0, "alice", "phone");
    world.ask(alice, Command::Operator(OperatorCommand::Become("root".to_owned()))).unwrap();
    alice
}

fn bar(reason: &str, until_ms: Option<u64>) -> Option<Bar> {
    Some(Bar { reason: reason.to_owned(), by: String::new(), until_ms })
}

#[test]
fn a_kill_reaches_the_home_of_the_killed() {
    let mut world = World::new(2);
    let alice = alice(&mut world);
    let bob = world.guest(1, "bob");
    world.run_ms(1_000);
    world.words(bob);
    world.ask(alice, Command::Operator(OperatorCommand::Kill { nick: nick("bob"), reason: "go".to_owned() })).unwrap();
    world.run_ms(1_000);
    assert_eq!(world.words(bob), ["closed Removed: Killed (alice (go))", "disconnected Removed"]);
    let nobody = Command::Operator(OperatorCommand::Kill { nick: nick("bob"), reason: String::new() });
    assert_eq!(world.ask(alice, nobody).unwrap_err(), Refusal::NoSuchNick);
}

#[test]
fn only_operators_do_what_operators_do() {
    let mut world = World::new(1);
    world.register(0, "alice");
    let operators = Some(vec![operator()]);
    world.admin(0, AdminCommand::Reloaded { operators, told: None, words: String::new() });
    let bob = world.guest(0, "bob");
    for command in [
        OperatorCommand::Become("root".to_owned()),
        OperatorCommand::Kill { nick: nick("bob"), reason: String::new() },
        OperatorCommand::Wallops("hi".to_owned()),
        OperatorCommand::Bar(Barred::parse("evil").unwrap(), bar("x", None)),
        OperatorCommand::Reload,
    ] {
        assert_eq!(world.ask(bob, Command::Operator(command)).unwrap_err(), Refusal::NotOperator);
    }
    let Ok(Reply::Modes(_, modes)) = world.ask(bob, Command::SetModes(vec![(UserMode::Operator, true)])) else {
        panic!("no modes")
    };
    assert!(!modes.has(UserMode::Operator));
}

#[test]
fn who_is_barred_on_one_node_is_kept_out_of_all() {
    let mut world = World::new(3);
    let alice = alice(&mut world);
    let evil = world.guest(1, "evil");
    world.run_ms(1_000);
    world.words(evil);
    let target = Barred::parse("evil").unwrap();
    let until = world.now.wall_ms + 60_000;
    let kline = Command::Operator(OperatorCommand::Bar(target.clone(), bar("spam", Some(until))));
    world.ask(alice, kline).unwrap();
    world.run_ms(2_000);
    assert_eq!(world.words(evil), ["closed Barred: spam", "disconnected Barred"]);
    let again = world.connect(2);
    assert_eq!(world.ask(again, open("evil", None)).unwrap_err(), Refusal::Barred("spam".to_owned()));
    world.ask(again, open("good", None)).unwrap();
    let rename = Command::ClaimNick(nick("evil"));
    assert_eq!(world.ask(again, rename.clone()).unwrap_err(), Refusal::Barred("spam".to_owned()));
    world.run_ms(60_000);
    world.ask(again, rename).unwrap();
    let lift = Command::Operator(OperatorCommand::Bar(target, None));
    assert!(matches!(world.ask(alice, lift), Ok(Reply::Operator(OperatorReply::NotThere))));
}

#[test]
fn a_bar_set_behind_a_cut_holds_everywhere_once_it_is_healed() {
    let mut world = World::new(3);
    let alice = alice(&mut world);
    let evil = world.guest(2, "evil");
    world.run_ms(1_000);
    world.cut(&[2]);
    world.run_ms(5_000);
    world.words(evil);
    let target = Barred::parse("evil").unwrap();
    world.ask(alice, Command::Operator(OperatorCommand::Bar(target, bar("spam", None)))).unwrap();
    world.run_ms(2_000);
    assert!(!world.words(evil).iter().any(|said| said.starts_with("closed")));
    world.heal();
    world.run_ms(10_000);
    assert!(world.words(evil).contains(&"closed Barred: spam".to_owned()));
}

#[test]
fn an_operator_cannot_shut_everybody_or_itself_out() {
    let mut world = World::new(1);
    let alice = alice(&mut world);
    for target in ["*@*", "alice", "$a:alice"] {
        let target = Barred::parse(target).unwrap();
        let answer = world.ask(alice, Command::Operator(OperatorCommand::Bar(target, bar("x", None))));
        assert!(matches!(answer, Err(Refusal::Barred(_))), "{answer:?}");
    }
}

#[test]
fn a_closed_room_is_left_by_all_and_entered_by_nobody() {
    let mut world = World::new(2);
    let alice = alice(&mut world);
    let bob = world.guest(1, "bob");
    let join = Command::Join { room: room("rust"), nick: None, key: None };
    world.ask(bob, join.clone()).unwrap();
    world.run_ms(1_000);
    world.words(bob);
    let closed = Barred::Room(room("rust"));
    world.ask(alice, Command::Operator(OperatorCommand::Bar(closed, bar("spam", None)))).unwrap();
    world.run_ms(2_000);
    assert!(world.words(bob).iter().any(|said| said.contains("left")), "bob is out");
    assert_eq!(world.ask(bob, join).unwrap_err(), Refusal::Barred("spam".to_owned()));
}

#[test]
fn operators_are_heard_on_every_node_by_who_wants_to() {
    let mut world = World::new(2);
    let alice = alice(&mut world);
    let (bob, carol) = (world.guest(1, "bob"), world.guest(1, "carol"));
    world.ask(bob, Command::SetModes(vec![(UserMode::Wallops, true)])).unwrap();
    world.run_ms(1_000);
    world.words(bob);
    world.words(carol);
    world.ask(alice, Command::Operator(OperatorCommand::Wallops("reboot at noon".to_owned()))).unwrap();
    world.run_ms(1_000);
    assert_eq!(world.words(bob), ["wallops alice: reboot at noon"]);
    assert!(world.words(carol).is_empty());
}

#[test]
fn whoever_wants_accounts_only_hears_no_guest() {
    let mut world = World::new(1);
    world.register(0, "alice");
    let (bob, guest) = (world.guest(0, "bob"), world.guest(0, "guest"));
    let alice = world.member(0, "alice", "phone");
    world.ask(bob, Command::SetModes(vec![(UserMode::RegisteredOnly, true)])).unwrap();
    let say = Command::Say(Target::Nick(nick("bob")), lavina_crdt::content::Content::text("hi"));
    assert_eq!(world.ask(guest, say.clone()).unwrap_err(), Refusal::WantsAccount);
    world.ask(alice, say).unwrap();
}

#[test]
fn an_invisible_session_is_found_by_who_shares_a_room() {
    let mut world = World::new(1);
    let (bob, carol) = (world.guest(0, "bob"), world.guest(0, "carol"));
    world.ask(bob, Command::SetModes(vec![(UserMode::Invisible, true)])).unwrap();
    let found_by = |world: &mut World, mask: &str| match world
        .ask(carol, Command::FindMask { mask: mask.to_owned(), limit: 10 })
    {
        Ok(Reply::People(people)) => people.len(),
        answer => panic!("{answer:?}"),
    };
    let found = |world: &mut World| found_by(world, "bo*");
    assert_eq!(found(&mut world), 0);
    assert_eq!(found_by(&mut world, "Bob"), 1, "whoever knows the name");
    assert_eq!(found_by(&mut world, "*!bob@*"), 0);
    for client in [bob, carol] {
        world.ask(client, Command::Join { room: room("rust"), nick: None, key: None }).unwrap();
    }
    assert_eq!(found(&mut world), 1);
}

#[test]
fn a_report_reaches_operators_on_every_node_and_those_who_come_later() {
    let mut world = World::new(2);
    world.register(0, "juliet");
    world.run_ms(300);
    let (juliet, guest) = (world.member(1, "juliet", "balcony"), world.guest(1, "guest"));
    let root = alice(&mut world);
    world.run_ms(300);
    world.words(root);
    let report = |about: &str| {
        Command::Operator(OperatorCommand::Report { whom: "romeo@x".to_owned(), about: about.to_owned() })
    };
    world.ask(juliet, report("spam\r\nQUIT")).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(root), ["notice juliet reports romeo@x: spam  QUIT"]);
    assert!(matches!(world.ask(guest, report("spam")), Err(Refusal::NeedsAccount)));
    for number in 0..40 {
        world.ask(juliet, report(&format!("again {number}"))).unwrap();
    }
    world.run_ms(1_000);
    let late = world.member(0, "alice", "desk");
    world.words(late);
    world.ask(late, Command::Operator(OperatorCommand::Become("root".to_owned()))).unwrap();
    let words: Vec<String> = world.words(late).into_iter().filter(|word| word.starts_with("notice")).collect();
    assert_eq!(words.len(), 20, "{words:?}");
    assert_eq!(words.last().map(String::as_str), Some("notice juliet has reported romeo@x: again 39"));
}

#[test]
fn a_session_that_goes_on_from_a_barred_address_ends() {
    let mut world = World::new(1);
    let alice = alice(&mut world);
    let evil = world.guest(0, "evil");
    let barred = Barred::network("192.0.2.0/24").unwrap();
    world.ask(alice, Command::Operator(OperatorCommand::Bar(barred, bar("spam", None)))).unwrap();
    world.input(0, Input::SessionMoved(evil.1, "198.51.100.7".parse().ok()));
    assert!(world.words(evil).is_empty());
    world.input(0, Input::SessionMoved(evil.1, "192.0.2.7".parse().ok()));
    assert_eq!(world.words(evil), ["closed Barred: spam", "disconnected Barred"]);
}
