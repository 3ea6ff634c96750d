//! Rooms on one node: who comes in, what occupants are told, who may do what.

use super::world::{World, account, away, nick, room};
use lavina_crdt::content::Content;
use lavina_crdt::room::{Act, Denied, Flag, Mask, Rank};
use lavina_protocols::command::{Command, Refusal, Reply, Target};
use lavina_protocols::event::Event;

#[test]
fn two_people_meet_in_a_room_and_talk() {
    let mut world = World::new(1);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(0, "bob"));
    let Ok(Reply::Joined(view, fresh)) = world.join(alice, "rust") else { panic!("not joined") };
    assert!(fresh && view.created && view.occupants[0].rank == Rank::Founder);
    let Ok(Reply::Joined(view, _)) = world.join(bob, "rust") else { panic!("not joined") };
    assert_eq!(view.occupants.len(), 2);
    assert!(!view.created);
    world.say(bob, "rust", "hello");
    world.ask(bob, away("lunch")).unwrap();
    world.ask(bob, Command::Part { room: room("rust"), reason: "bye".to_owned() }).unwrap();
    assert_eq!(world.words(alice), ["bob joined rust", "bob: hello", "bob is Away", "bob left rust part bye"]);
    assert!(world.words(bob).is_empty());
}

#[test]
fn a_quit_is_told_once_for_all_rooms() {
    let mut world = World::new(1);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(0, "bob"));
    for name in ["one", "two"] {
        world.join(alice, name).unwrap();
        world.join(bob, name).unwrap();
    }
    world.heard(alice);
    world.tell(bob, Command::Quit("gone".to_owned()));
    assert_eq!(world.words(alice), ["bob quit gone"]);
    assert!(world.words(bob).is_empty());
}

#[test]
fn a_nick_is_taken_changed_and_given_free() {
    let mut world = World::new(1);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(0, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.heard(alice);
    assert_eq!(world.ask(bob, Command::ClaimNick(nick("Alice"))).unwrap_err(), Refusal::NickInUse);
    world.ask(bob, Command::ClaimNick(nick("rob"))).unwrap();
    assert_eq!(world.words(alice), ["bob is rob"]);
    assert_eq!(world.words(bob), ["bob is rob"]);
    world.guest(0, "bob");
}

#[test]
fn only_its_owner_takes_the_nick_of_an_account() {
    let mut world = World::new(1);
    let guest = world.guest(0, "carol");
    world.register(0, "carol");
    world.register(0, "dave");
    assert_eq!(world.ask(guest, Command::ClaimNick(nick("dave"))).unwrap_err(), Refusal::NickInUse);
    let owner = world.member(0, "carol", "phone");
    assert!(world.words(guest).iter().any(|word| word.starts_with("carol is carol_") && word.ends_with("(forced)")));
    let Ok(Reply::People(people)) = world.ask(owner, Command::FindNick(nick("carol"))) else { panic!("not found") };
    assert_eq!(people.len(), 1);
}

#[test]
fn a_room_is_for_those_it_admits() {
    let mut world = World::new(1);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(0, "bob"));
    world.join(alice, "rust").unwrap();
    let act = |act| Command::Act(room("rust"), vec![act]);
    assert_eq!(world.ask(bob, act(Act::SetTopic("hi".to_owned()))).unwrap_err(), Refusal::Denied(Denied::Rank));
    world.ask(alice, act(Act::SetFlag { flag: Flag::InviteOnly, on: true })).unwrap();
    assert_eq!(world.words(alice), ["alice changed rust (1)"]);
    assert_eq!(world.join(bob, "rust").unwrap_err(), Refusal::Denied(Denied::InviteOnly));
    let invite = Command::Invite { room: room("rust"), whom: Target::Nick(nick("bob")), reason: String::new() };
    world.ask(alice, invite).unwrap();
    assert_eq!(world.words(bob), ["alice invites to rust"]);
    world.join(bob, "rust").unwrap();
    world.ask(bob, Command::Part { room: room("rust"), reason: String::new() }).unwrap();
    assert_eq!(world.join(bob, "rust").unwrap_err(), Refusal::Denied(Denied::InviteOnly));
    assert_eq!(
        world.ask(bob, Command::Say(Target::Room(room("rust")), Content::text("x"))).unwrap_err(),
        Refusal::Denied(Denied::NotPresent)
    );
}

#[test]
fn a_kicked_occupant_is_told_and_out() {
    let mut world = World::new(1);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(0, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.heard(alice);
    let kick = |who: &str| Command::Kick { room: room("rust"), nick: nick(who), reason: "enough".to_owned() };
    assert_eq!(world.ask(alice, kick("nobody")).unwrap_err(), Refusal::NoSuchOccupant);
    assert_eq!(world.ask(bob, kick("alice")).unwrap_err(), Refusal::Denied(Denied::Rank));
    world.ask(alice, kick("bob")).unwrap();
    assert_eq!(world.words(alice), ["bob left rust kick by alice enough"]);
    assert_eq!(world.words(bob), ["bob left rust kick by alice enough (own)"]);
    world.join(bob, "rust").unwrap();
}

#[test]
fn the_kicked_are_out_after_a_restart_too_while_their_home_is_out_of_reach() {
    let mut world = World::new(3);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(2, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.run_ms(1_000);
    world.cut(&[2]);
    world.ask(alice, Command::Kick { room: room("rust"), nick: nick("bob"), reason: String::new() }).unwrap();
    world.run_ms(1_000);
    world.restart(1);
    world.run_ms(1_000);
    let carol = world.guest(1, "carol");
    let nicks = |joined: Result<Reply, Refusal>| match joined {
        Ok(Reply::Joined(view, _)) => view.occupants.iter().map(|one| one.nick.to_string()).collect::<Vec<_>>(),
        other => panic!("not joined: {other:?}"),
    };
    assert_eq!(nicks(world.join(carol, "rust")), ["alice", "carol"]);
    world.heard(carol);
    world.heal();
    world.run_ms(10_000);
    assert_eq!(world.words(carol), Vec::<String>::new(), "bob is not seen, nor seen leaving");
    world.join(bob, "rust").unwrap();
    world.run_ms(1_000);
    assert_eq!(world.words(carol), ["bob joined rust"]);
}

#[test]
fn several_sessions_of_one_account_are_one_occupant() {
    let mut world = World::new(1);
    world.register(0, "carol");
    let (phone, desk, alice) =
        (world.member(0, "carol", "phone"), world.member(0, "carol", "desk"), world.guest(0, "alice"));
    world.join(alice, "rust").unwrap();
    world.join(phone, "rust").unwrap();
    world.join(desk, "rust").unwrap();
    world.heard(phone);
    world.heard(desk);
    world.say(phone, "rust", "hi");
    assert_eq!(world.words(desk), ["carol: hi"]);
    world.tell(phone, Command::Quit(String::new()));
    world.ask(desk, Command::Part { room: room("rust"), reason: String::new() }).unwrap();
    assert_eq!(world.words(alice), ["carol joined rust", "carol: hi", "carol left rust part "]);
}

#[test]
fn rank_changes_name_the_occupants_they_touch() {
    let mut world = World::new(1);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(0, "bob"));
    world.join(alice, "rust").unwrap();
    let Ok(Reply::Joined(view, _)) = world.join(bob, "rust") else { panic!("not joined") };
    let who = view.occupants[1].people[0].principal();
    world.heard(alice);
    world.ask(alice, Command::Act(room("rust"), vec![Act::SetRank { who, rank: Rank::Operator }])).unwrap();
    let heard = world.heard(bob);
    let [super::world::Heard::Event(event)] = &heard[..] else { panic!("{heard:?}") };
    let Event::RoomChanged { ranks, .. } = &**event else { panic!("{event:?}") };
    assert_eq!((ranks[0].nick.as_str(), ranks[0].rank), ("bob", Rank::Operator));
}

#[test]
fn a_ban_keeps_out_but_does_not_remove() {
    let mut world = World::new(1);
    world.register(0, "carol");
    let (alice, carol) = (world.guest(0, "alice"), world.member(0, "carol", "phone"));
    world.join(alice, "rust").unwrap();
    world.join(carol, "rust").unwrap();
    let ban = Act::SetBan { mask: Mask::Account(account("carol")), ban: Some("spam".to_owned()) };
    world.ask(alice, Command::Act(room("rust"), vec![ban])).unwrap();
    assert_eq!(world.words(carol), ["alice changed rust (1)"]);
    world.ask(carol, Command::Part { room: room("rust"), reason: String::new() }).unwrap();
    assert_eq!(world.join(carol, "rust").unwrap_err(), Refusal::Denied(Denied::Banned));
}

#[test]
fn a_secret_room_is_there_for_its_occupants_only() {
    let mut world = World::new(1);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(0, "bob"));
    world.join(alice, "den").unwrap();
    world.ask(alice, Command::Act(room("den"), vec![Act::SetFlag { flag: Flag::Secret, on: true }])).unwrap();
    let Ok(Reply::Rooms(rooms)) = world.ask(bob, Command::ListRooms) else { panic!("no list") };
    assert!(rooms.is_empty());
    assert!(matches!(world.ask(bob, Command::RoomInfo(room("den"))), Ok(Reply::Room(None))));
    let Ok(Reply::People(people)) = world.ask(bob, Command::FindNick(nick("alice"))) else { panic!("not found") };
    assert!(people[0].record.rooms.is_empty());
    let Ok(Reply::Rooms(rooms)) = world.ask(alice, Command::ListRooms) else { panic!("no list") };
    assert_eq!(rooms.len(), 1);
}

#[test]
fn a_second_session_with_the_resource_ends_the_first() {
    let mut world = World::new(1);
    world.register(0, "carol");
    let first = world.member(0, "carol", "phone");
    world.member(0, "carol", "phone");
    assert_eq!(world.words(first), ["closed Replaced", "disconnected Replaced"]);
}
