//! What is one person's own, on whichever node they are: marks of reading, watched nicks, invitations.

use super::world::{World, nick, room};
use lavina_crdt::room::{Act, Denied, Mask};
use lavina_protocols::command::{Command, Marked, Refusal, Reply, Target};

#[test]
fn a_mark_of_reading_goes_to_the_other_sessions_and_never_back() {
    let mut world = World::new(2);
    world.register(0, "alice");
    world.run_ms(500);
    let (phone, laptop) = (world.member(0, "alice", "phone"), world.member(1, "alice", "laptop"));
    world.run_ms(500);
    world.heard(laptop);
    let mark = |at_ms| Command::Mark(Marked::Room(room("rust")), at_ms);
    let at = |reply| if let Ok(Reply::Mark(at_ms)) = reply { at_ms } else { panic!("{reply:?}") };
    assert_eq!(at(world.ask(phone, mark(None))), None);
    assert_eq!(at(world.ask(phone, mark(Some(2_000)))), Some(2_000));
    world.run_ms(500);
    assert_eq!(world.words(laptop), ["read until 2000"]);
    assert_eq!(at(world.ask(laptop, mark(Some(1_000)))), Some(2_000));
    assert_eq!(at(world.ask(phone, mark(None))), Some(2_000));
    let guest = world.guest(0, "guest");
    assert_eq!(world.ask(guest, mark(Some(1))).unwrap_err(), Refusal::NeedsAccount);
}

#[test]
fn watched_nicks_are_told_on_any_node() {
    let mut world = World::new(2);
    let alice = world.guest(0, "alice");
    let Ok(Reply::People(people)) = world.ask(alice, Command::Watch(vec![nick("bob")])) else { panic!() };
    assert!(people.is_empty());
    let bob = world.guest(1, "bob");
    world.run_ms(500);
    world.ask(bob, Command::ClaimNick(nick("rob"))).unwrap();
    world.run_ms(500);
    world.ask(bob, Command::ClaimNick(nick("bob"))).unwrap();
    world.run_ms(500);
    assert_eq!(world.words(alice), ["bob is here", "bob is gone", "bob is here"]);
}

#[test]
fn an_operators_invitation_holds_against_a_ban() {
    let mut world = World::new(2);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(1, "bob"));
    world.join(alice, "rust").unwrap();
    world.run_ms(500);
    let mask = Mask::parse("bob").unwrap();
    let ban = Command::Act(room("rust"), vec![Act::SetBan { mask, ban: Some(String::new()) }]);
    world.ask(alice, ban).unwrap();
    world.run_ms(500);
    assert_eq!(world.join(bob, "rust").unwrap_err(), Refusal::Denied(Denied::Banned));
    let invite = Command::Invite { room: room("rust"), whom: Target::Nick(nick("bob")), reason: String::new() };
    world.ask(alice, invite).unwrap();
    world.run_ms(500);
    let Ok(Reply::Invitations(rooms)) = world.ask(bob, Command::ListInvitations) else { panic!() };
    assert_eq!(rooms, [room("rust")]);
    world.join(bob, "rust").unwrap();
}

#[test]
fn for_how_long_somebody_has_said_nothing_is_known_on_every_node() {
    let mut world = World::new(2);
    let (ann, bob) = (world.guest(0, "ann"), world.guest(1, "bob"));
    world.join(ann, "rust").unwrap();
    world.run_ms(300);
    world.join(bob, "rust").unwrap();
    let idle = |world: &mut World, asker, of: &str| match world.ask(asker, Command::LookUpNick(nick(of))) {
        Ok(Reply::LookedUp(people, _, idle_ms)) if !people.is_empty() => idle_ms,
        answer => panic!("{answer:?}"),
    };
    world.run_ms(60_000);
    assert!((60_000..61_000).contains(&idle(&mut world, ann, "bob")));
    world.say(bob, "rust", "still here");
    world.run_ms(5_000);
    for asker in [ann, bob] {
        assert!((5_000..5_500).contains(&idle(&mut world, asker, "bob")));
        assert!(idle(&mut world, asker, "ann") >= 65_000);
    }
}
