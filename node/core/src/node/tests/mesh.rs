//! Several nodes: rooms, names, cuts and healing as clients see them.

use super::world::{World, account, nick, room};
use crate::node::{AdminCommand, Input, Status};
use lavina_crdt::content::Content;
use lavina_crdt::room::{Act, Denied, Mask};
use lavina_gossip::frame::Frame;
use lavina_protocols::command::{Command, Refusal, Reply, Target};

#[test]
fn people_on_different_nodes_share_a_room() {
    let mut world = World::new(3);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(1, "bob"));
    world.join(alice, "rust").unwrap();
    world.run_ms(200);
    let Ok(Reply::Joined(view, _)) = world.join(bob, "rust") else { panic!("not joined") };
    assert_eq!(view.occupants.len(), 2);
    world.run_ms(200);
    world.say(bob, "rust", "hello");
    world.run_ms(200);
    assert_eq!(world.words(alice), ["bob joined rust", "bob: hello"]);
    let carol = world.guest(2, "carol");
    world.join(carol, "rust").unwrap();
    assert_eq!(world.history(carol, "rust"), ["bob hello"]);
    world.tell(bob, Command::Quit("night".to_owned()));
    world.run_ms(300);
    assert!(world.words(alice).contains(&"bob quit night".to_owned()));
    assert!(world.converged());
}

#[test]
fn both_sides_of_a_cut_talk_and_healing_makes_one_history() {
    let mut world = World::new(3);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(2, "bob"));
    world.join(alice, "rust").unwrap();
    world.run_ms(200);
    world.join(bob, "rust").unwrap();
    world.run_ms(200);
    world.cut(&[2]);
    world.run_ms(10_000);
    world.say(alice, "rust", "left one");
    world.say(bob, "rust", "right one");
    world.run_ms(10_000);
    world.heard(alice);
    world.heard(bob);
    world.heal();
    world.run_ms(15_000);
    assert!(world.converged());
    let heard = world.words(alice);
    let position = |word: &str| heard.iter().position(|heard| heard == word);
    assert!(position("catch-up") < position("bob: right one"), "{heard:?}");
    assert!(position("bob: right one") < position("caught up"), "{heard:?}");
    assert_eq!(heard.iter().filter(|word| *word == "bob: right one").count(), 1);
    assert!(!heard.iter().any(|word| word.contains("quit") || word.contains("netsplit")), "{heard:?}");
    let one = world.history(alice, "rust");
    assert_eq!(one, world.history(bob, "rust"));
    assert_eq!(one.len(), 2);
}

#[test]
fn a_cut_is_one_notice_and_after_the_grace_time_one_netsplit() {
    let mut world = World::new(3);
    let alice = world.guest(0, "alice");
    world.join(alice, "rust").unwrap();
    world.run_ms(200);
    let (bob, carol) = (world.guest(1, "bob"), world.guest(2, "carol"));
    world.join(bob, "rust").unwrap();
    world.join(carol, "rust").unwrap();
    world.run_ms(200);
    world.heard(alice);
    world.cut(&[0]);
    world.run_ms(40_000);
    let heard = world.words(alice);
    assert!(heard.iter().all(|word| word.contains("unreachable in rust")), "{heard:?}");
    assert!(!heard.is_empty());
    let Ok(Reply::People(people)) = world.ask(alice, Command::FindNick(nick("bob"))) else { panic!("not found") };
    assert!(people[0].unreachable_since.is_some());
    world.run_ms(60_000);
    assert_eq!(world.words(alice), ["netsplit bob,carol"]);
    world.heal();
    world.run_ms(20_000);
    let mut heard = world.words(alice);
    heard.sort();
    assert_eq!(heard, ["netjoin bob", "netjoin carol"]);
}

#[test]
fn who_returns_in_time_was_never_gone() {
    let mut world = World::new(2);
    let alice = world.guest(0, "alice");
    world.join(alice, "rust").unwrap();
    world.run_ms(200);
    let bob = world.guest(1, "bob");
    world.join(bob, "rust").unwrap();
    world.run_ms(200);
    world.heard(alice);
    world.cut(&[1]);
    world.run_ms(30_000);
    world.heal();
    world.run_ms(20_000);
    assert_eq!(world.words(alice), ["bob unreachable in rust", "bob reachable in rust"]);
}

/// What somebody in a room of node 0 is told when so many come to node 1 behind a cut, and when their node starts anew.
fn told_of_coming_and_going(count: usize) -> (Vec<String>, Vec<String>) {
    let mut world = World::new(2);
    let alice = world.guest(0, "alice");
    world.join(alice, "rust").unwrap();
    world.run_ms(200);
    world.cut(&[1]);
    world.run_ms(2_000);
    for number in 0..count {
        let guest = world.guest(1, &format!("guest{number}"));
        world.join(guest, "rust").unwrap();
    }
    world.run_ms(2_000);
    world.heard(alice);
    world.heal();
    world.run_ms(10_000);
    let came = world.words(alice);
    world.restart(1);
    world.run_ms(2_000);
    (came, world.words(alice))
}

#[test]
fn few_come_and_go_one_by_one_and_many_together() {
    let (came, gone) = told_of_coming_and_going(20);
    assert_eq!(came.iter().filter(|word| word.contains("joined")).count(), 20, "{came:?}");
    assert_eq!(gone.iter().filter(|word| word.contains("quit")).count(), 20, "{gone:?}");
    let (came, gone) = told_of_coming_and_going(300);
    for (words, kind) in [(&came, "netjoin"), (&gone, "netsplit")] {
        let [word] = words.as_slice() else { panic!("{words:?}") };
        assert_eq!((word.split(' ').next(), word.matches(',').count()), (Some(kind), 299), "{word}");
    }
}

#[test]
fn a_nick_collision_keeps_the_earlier_claim_and_both_sessions() {
    let mut world = World::new(2);
    world.cut(&[1]);
    let first = world.guest(0, "alice");
    world.join(first, "rust").unwrap();
    world.run_ms(100);
    let second = world.guest(1, "alice");
    world.join(second, "rust").unwrap();
    world.heard(first);
    world.heal();
    world.run_ms(15_000);
    let renamed = world.words(second);
    assert!(
        renamed.iter().any(|word| word.starts_with("alice is alice_") && word.ends_with("(forced)")),
        "{renamed:?}"
    );
    let kept = world.words(first);
    assert!(matches!(&kept[..], [word] if word.starts_with("alice_") && word.ends_with(" joined rust")), "{kept:?}");
    assert!(renamed.contains(&"alice joined rust".to_owned()), "{renamed:?}");
    world.say(first, "rust", "still here");
    world.say(second, "rust", "me too");
    let Ok(Reply::People(people)) = world.ask(second, Command::FindNick(nick("alice"))) else { panic!("not found") };
    assert_eq!(people.len(), 1);
    let Ok(Reply::Room(Some(view))) = world.ask(first, Command::RoomInfo(room("rust"))) else { panic!("no room") };
    assert_eq!(view.occupants.len(), 2);
}

#[test]
fn a_third_node_shows_a_collision_as_a_rename_and_a_join() {
    let mut world = World::new(3);
    let carol = world.guest(2, "carol");
    world.join(carol, "rust").unwrap();
    world.run_ms(200);
    world.cut(&[0]);
    let first = world.guest(0, "alice");
    world.join(first, "rust").unwrap();
    world.run_ms(100);
    let second = world.guest(1, "alice");
    world.join(second, "rust").unwrap();
    world.run_ms(200);
    assert_eq!(world.words(carol), ["alice joined rust"]);
    world.heal();
    world.run_ms(15_000);
    let mut heard = world.words(carol);
    heard.retain(|word| word.contains("alice") && !word.contains("changed"));
    assert!(heard[0].starts_with("alice is alice_"), "{heard:?}");
    assert_eq!(heard[1..], ["alice joined rust"]);
}

#[test]
fn a_kick_reaches_across_nodes() {
    let mut world = World::new(2);
    let (alice, bob, carol) = (world.guest(0, "alice"), world.guest(1, "bob"), world.guest(1, "carol"));
    world.join(alice, "rust").unwrap();
    world.run_ms(200);
    world.join(bob, "rust").unwrap();
    world.join(carol, "rust").unwrap();
    world.run_ms(200);
    world.heard(bob);
    world.heard(carol);
    world.heard(alice);
    world.ask(alice, Command::Kick { room: room("rust"), nick: nick("bob"), reason: "x".to_owned() }).unwrap();
    assert_eq!(world.words(alice), ["bob left rust kick by alice x"]);
    world.run_ms(300);
    assert_eq!(world.words(bob), ["bob left rust kick by alice x (own)"]);
    assert_eq!(world.words(carol), ["bob left rust kick by alice x"]);
    assert!(world.words(alice).is_empty());
    let say = Command::Say(Target::Room(room("rust")), Content::text("x"));
    assert_eq!(world.ask(bob, say).unwrap_err(), Refusal::Denied(Denied::NotPresent));
    world.join(bob, "rust").unwrap();
    world.run_ms(300);
    assert_eq!(world.words(alice), ["bob joined rust"]);
}

#[test]
fn a_ban_holds_on_the_other_node() {
    let mut world = World::new(2);
    world.register(0, "carol");
    let alice = world.guest(0, "alice");
    world.join(alice, "rust").unwrap();
    let ban = Act::SetBan { mask: Mask::Account(account("carol")), ban: Some(String::new()) };
    world.ask(alice, Command::Act(room("rust"), vec![ban])).unwrap();
    world.run_ms(300);
    let carol = world.member(1, "carol", "phone");
    assert_eq!(world.join(carol, "rust").unwrap_err(), Refusal::Denied(Denied::Banned));
}

#[test]
fn a_room_made_on_both_sides_has_one_founder() {
    let mut world = World::new(2);
    world.cut(&[1]);
    let alice = world.guest(0, "alice");
    world.join(alice, "rust").unwrap();
    world.run_ms(100);
    let bob = world.guest(1, "bob");
    world.join(bob, "rust").unwrap();
    world.heal();
    world.run_ms(15_000);
    let mut ranks = Vec::new();
    for client in [alice, bob] {
        let Ok(Reply::Room(Some(view))) = world.ask(client, Command::RoomInfo(room("rust"))) else { panic!("no room") };
        ranks.push(view.occupants.iter().map(|one| (one.nick.to_string(), one.rank)).collect::<Vec<_>>());
    }
    assert_eq!(ranks[0], ranks[1]);
    assert_eq!(ranks[0].iter().filter(|(_, rank)| *rank == lavina_crdt::room::Rank::Founder).count(), 1, "{ranks:?}");
}

#[test]
fn an_account_registered_here_logs_in_there() {
    let mut world = World::new(2);
    world.register(0, "carol");
    world.run_ms(300);
    let client = world.connect(1);
    assert!(matches!(world.ask(client, Command::LookupCredentials(account("carol"))), Ok(Reply::Credentials(Some(_)))));
    world.ask(client, Command::LogIn(account("carol"))).unwrap();
    assert_eq!(world.ask(client, Command::LogIn(account("nobody"))).unwrap_err(), Refusal::NoSuchAccount);
}

#[test]
fn a_direct_message_reaches_all_sessions_of_both() {
    let mut world = World::new(2);
    world.register(0, "carol");
    world.register(0, "dave");
    world.run_ms(300);
    let (phone, desk) = (world.member(0, "carol", "phone"), world.member(1, "carol", "desk"));
    let dave = world.member(1, "dave", "home");
    world.run_ms(300);
    for client in [phone, desk, dave] {
        world.heard(client);
    }
    let to = Target::Account(account("dave"), None);
    world.ask(phone, Command::Say(to, Content::text("psst"))).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(dave), ["carol: psst"]);
    assert_eq!(world.words(desk), ["carol: psst"]);
    assert!(world.words(phone).is_empty());
}

#[test]
fn a_message_to_one_resource_is_given_to_all_sessions_of_the_receiver() {
    let mut world = World::new(2);
    world.register(0, "carol");
    world.register(0, "dave");
    world.run_ms(300);
    let (phone, desk) = (world.member(0, "carol", "phone"), world.member(1, "carol", "desk"));
    let dave = world.member(1, "dave", "home");
    world.run_ms(300);
    for client in [phone, desk, dave] {
        world.heard(client);
    }
    let to = Target::Account(account("carol"), Some("phone".to_owned()));
    world.ask(dave, Command::Say(to, Content::text("psst"))).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(phone), ["dave: psst"]);
    assert_eq!(world.words(desk), ["dave: psst"]);
}

#[test]
fn a_whisper_to_an_occupant_goes_to_a_session_that_takes_stanzas_or_is_refused() {
    let mut world = World::new(1);
    world.register(0, "carol");
    let (guest, dave) = (world.guest(0, "guest"), world.guest(0, "dave"));
    let phone = world.member(0, "carol", "phone");
    for client in [guest, dave, phone] {
        world.join(client, "room").unwrap();
    }
    world.heard(phone);
    let to = |name: &str| Target::Occupant(room("room"), nick(name));
    world.ask(guest, Command::Whisper(to("carol"), "<iq/>".into())).unwrap();
    assert_eq!(world.words(phone), ["whisper guest <iq/>"]);
    assert_eq!(world.ask(guest, Command::Whisper(to("dave"), "<iq/>".into())).unwrap_err(), Refusal::NoSuchNick);
    assert_eq!(world.ask(guest, Command::Whisper(to("erin"), "<iq/>".into())).unwrap_err(), Refusal::NoSuchOccupant);
}

#[test]
fn a_drain_ends_all_sessions_with_a_word() {
    let mut world = World::new(1);
    let alice = world.guest(0, "alice");
    world.admin(0, AdminCommand::Drain);
    assert_eq!(world.words(alice), ["closed Shutdown", "disconnected Shutdown"]);
    let late = world.connect(0);
    assert_eq!(world.words(late), ["closed Shutdown", "disconnected Shutdown"]);
}

#[test]
fn a_whisper_goes_to_one_session() {
    let mut world = World::new(2);
    world.register(0, "carol");
    world.run_ms(300);
    let (phone, desk) = (world.member(0, "carol", "phone"), world.member(1, "carol", "desk"));
    world.run_ms(300);
    world.heard(desk);
    let to = Target::Account(account("carol"), Some("desk".to_owned()));
    world.ask(phone, Command::Whisper(to, "<iq/>".into())).unwrap();
    assert_eq!(world.words(desk), ["whisper carol <iq/>"]);
    let nobody = Target::Account(account("carol"), Some("car".to_owned()));
    assert_eq!(world.ask(phone, Command::Whisper(nobody, "<iq/>".into())).unwrap_err(), Refusal::NoSuchNick);
}

#[test]
fn the_people_of_a_revoked_node_are_gone_at_once() {
    let mut world = World::new(2);
    let alice = world.guest(0, "alice");
    world.join(alice, "rust").unwrap();
    world.run_ms(200);
    let bob = world.guest(1, "bob");
    world.join(bob, "rust").unwrap();
    world.run_ms(200);
    world.heard(alice);
    world.revoke(0, 1);
    assert_eq!(world.words(alice), ["bob quit "]);
    world.run_ms(10_000);
    let Ok(Reply::People(people)) = world.ask(alice, Command::FindNick(nick("bob"))) else { panic!("not found") };
    assert!(people.is_empty());
}

#[test]
fn a_peer_that_asks_without_end_is_cut_off_and_others_go_on() {
    let mut world = World::new(3);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(2, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.run_ms(200);
    let peer = world.node(1);
    world.hangups = Some(Vec::new());
    for _ in 0..2_000 {
        world.input(0, Input::Frame(peer, Frame::Resend(Vec::new())));
    }
    let over = |status: Status| status.counters.iter().any(|(name, count)| *name == "peers_over_quota" && *count > 0);
    assert!(over(world.status(0)));
    assert!(world.hangups.take().unwrap().iter().any(|reason| reason == "it asks too often"));
    world.heard(alice);
    world.say(bob, "rust", "unmoved");
    world.run_ms(500);
    assert_eq!(world.words(alice), ["bob: unmoved"]);
}
