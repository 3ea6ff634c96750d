//! Modes of rooms that decide who sees whom and who comes in, on every node.

use super::world::{World, nick, room};
use lavina_crdt::content::Content;
use lavina_crdt::room::{Act, Denied, Flag, MASKS_MAX, Mask, Rank};
use lavina_protocols::command::{Command, Refusal, Reply, Target};

fn act(world: &mut World, client: (usize, u64), acts: Vec<Act>) -> Result<Reply, Refusal> {
    let answer = world.ask(client, Command::Act(room("rust"), acts));
    world.run_ms(500);
    answer
}

fn flag(flag: Flag) -> Vec<Act> {
    vec![Act::SetFlag { flag, on: true }]
}

#[test]
fn in_an_auditorium_only_those_with_a_voice_are_seen() {
    let mut world = World::new(2);
    let (alice, bob, carol) = (world.guest(0, "alice"), world.guest(1, "bob"), world.guest(1, "carol"));
    world.join(alice, "rust").unwrap();
    world.run_ms(500);
    act(&mut world, alice, flag(Flag::Auditorium)).unwrap();
    world.join(bob, "rust").unwrap();
    world.run_ms(500);
    let Ok(Reply::Joined(view, _)) = world.join(carol, "rust") else { panic!("carol is not in") };
    let seen: Vec<&str> = view.occupants.iter().map(|occupant| occupant.nick.as_str()).collect();
    assert_eq!(seen, ["alice", "carol"]);
    world.run_ms(500);
    assert!(!world.words(bob).iter().any(|word| word.contains("carol")), "bob has no voice");
    let heard = world.words(alice);
    assert!(heard.contains(&"carol joined rust".to_owned()), "{heard:?}");
    let Ok(Reply::People(people)) = world.ask(bob, Command::FindNick(nick("carol"))) else { panic!("no answer") };
    assert!(people[0].record.rooms.is_empty());
    world.tell(carol, Command::Quit("night".to_owned()));
    world.run_ms(500);
    assert!(!world.words(bob).iter().any(|word| word.contains("carol")));
    assert!(world.words(alice).contains(&"carol quit night".to_owned()));
}

#[test]
fn who_is_not_seen_in_an_auditorium_is_not_seen_behind_a_cut_either() {
    let mut world = World::new(2);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(0, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.run_ms(500);
    act(&mut world, alice, flag(Flag::Auditorium)).unwrap();
    let carol = world.guest(1, "carol");
    world.join(carol, "rust").unwrap();
    let told = |world: &mut World, ms| {
        world.run_ms(ms);
        assert!(!world.words(bob).iter().any(|word| word.contains("carol")), "bob has no voice");
        world.words(alice)
    };
    told(&mut world, 500);
    world.cut(&[1]);
    assert_eq!(told(&mut world, 30_000), ["carol unreachable in rust"]);
    world.heal();
    assert_eq!(told(&mut world, 20_000), ["carol reachable in rust"]);
    world.cut(&[1]);
    assert_eq!(told(&mut world, 100_000), ["carol unreachable in rust", "carol quit "]);
    world.heal();
    assert_eq!(told(&mut world, 20_000), ["carol joined rust"]);
}

#[test]
fn who_is_not_let_in_is_offered_another_room() {
    let mut world = World::new(2);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(1, "bob"));
    world.join(alice, "rust").unwrap();
    let forward = vec![Act::SetForward(Some(room("lobby")))];
    assert_eq!(act(&mut world, alice, forward.clone()).unwrap_err(), Refusal::Denied(Denied::NoRoom), "there is none");
    world.join(alice, "lobby").unwrap();
    act(&mut world, alice, forward).unwrap();
    act(&mut world, alice, flag(Flag::InviteOnly)).unwrap();
    let refusal = Refusal::Elsewhere(room("lobby"), Denied::InviteOnly);
    assert_eq!(world.join(bob, "rust").unwrap_err(), refusal);
}

#[test]
fn full_lists_take_no_more() {
    let mut world = World::new(1);
    let alice = world.guest(0, "alice");
    world.join(alice, "rust").unwrap();
    let ban =
        |number: usize| Act::SetBan { mask: Mask::parse(&format!("n{number}!*@*")).unwrap(), ban: Some(String::new()) };
    for first in (0..MASKS_MAX).step_by(50) {
        act(&mut world, alice, (first..first + 50).map(ban).collect()).unwrap();
    }
    assert_eq!(act(&mut world, alice, vec![ban(MASKS_MAX)]).unwrap_err(), Refusal::TooMany("masks"));
    act(&mut world, alice, vec![ban(0)]).unwrap();
}

#[test]
fn a_mute_set_behind_a_cut_holds_on_both_sides_once_it_is_healed() {
    let mut world = World::new(3);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(2, "bob"));
    world.join(alice, "rust").unwrap();
    world.run_ms(500);
    world.join(bob, "rust").unwrap();
    world.run_ms(500);
    world.cut(&[2]);
    world.run_ms(5_000);
    let mute = Act::SetBan { mask: Mask::parse("$m:bob").unwrap(), ban: Some(String::new()) };
    act(&mut world, alice, vec![mute, Act::SetFlag { flag: Flag::NoRequests, on: true }]).unwrap();
    world.say(bob, "rust", "not yet known here");
    world.heal();
    world.run_ms(15_000);
    let say = |text: &str| Command::Say(Target::Room(room("rust")), Content::text(text));
    assert_eq!(world.ask(bob, say("hi")).unwrap_err(), Refusal::Denied(Denied::Banned));
    assert_eq!(world.ask(alice, say("\u{1}VERSION\u{1}")).unwrap_err(), Refusal::Denied(Denied::NoRequests));
    let Ok(Reply::Room(Some(view))) = world.ask(bob, Command::RoomInfo(room("rust"))) else { panic!("no room") };
    assert!(view.occupants.iter().any(|occupant| occupant.nick == nick("bob")), "a mute is no kick");
    act(&mut world, alice, vec![Act::SetRank { who: view.occupants[1].people[0].principal(), rank: Rank::Voice }])
        .unwrap();
    world.ask(bob, say("a voice is above a mute")).unwrap();
    assert!(world.converged());
}
