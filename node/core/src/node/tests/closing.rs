//! Rooms that are not given free yet, that are closed, and that are opened anew.

use super::world::{World, room};
use lavina_crdt::room::{Act, Closed, Denied, Flag, Rank};
use lavina_protocols::account::AccountCommand;
use lavina_protocols::command::{Command, Refusal, Reply};

fn close(reason: &str) -> Command {
    let closed = Closed { reason: reason.to_owned(), ..Closed::default() };
    Command::Act(room("rust"), vec![Act::SetClosed(Some(closed))])
}

fn set(flag: Flag, on: bool) -> Command {
    Command::Act(room("rust"), vec![Act::SetFlag { flag, on }])
}

#[test]
fn a_room_that_is_closed_is_left_by_all_on_every_node_and_tells_nothing_to_who_comes_next() {
    let mut world = World::new(2);
    let (ann, bob) = (world.guest(0, "ann"), world.guest(1, "bob"));
    world.join(ann, "rust").unwrap();
    world.run_ms(300);
    world.join(bob, "rust").unwrap();
    world.ask(ann, set(Flag::Moderated, true)).unwrap();
    world.say(ann, "rust", "a secret");
    world.run_ms(300);
    assert_eq!(world.ask(bob, close("mine")).unwrap_err(), Refusal::Denied(Denied::Rank));
    world.heard(bob);
    world.ask(ann, close("moved")).unwrap();
    world.run_ms(300);
    let words = world.words(bob);
    assert!(words.iter().any(|words| words.starts_with("bob left rust kick")), "{words:?}");
    let Ok(Reply::Room(None)) = world.ask(ann, Command::RoomInfo(room("rust"))) else { panic!("still there") };

    let Ok(Reply::Joined(view, _)) = world.join(bob, "rust") else { panic!("not joined") };
    assert!(view.created && view.occupants.len() == 1 && view.occupants[0].rank == Rank::Founder);
    assert!(!view.state.has(Flag::Moderated));
    assert!(world.history(bob, "rust").is_empty());
    world.run_ms(300);
    let Ok(Reply::Joined(view, _)) = world.join(ann, "rust") else { panic!("not joined") };
    assert!(
        !view.created && view.occupants.iter().all(|who| (who.rank == Rank::Founder) == (who.nick.as_str() == "bob"))
    );
}

#[test]
fn who_is_always_on_leaves_a_room_that_is_closed_and_is_not_in_the_one_opened_after_it() {
    let mut world = World::new(2);
    world.register(0, "ann");
    world.register(0, "bob");
    world.run_ms(300);
    let (ann, bob) = (world.member(0, "ann", "desk"), world.member(1, "bob", "desk"));
    world.join(ann, "rust").unwrap();
    world.run_ms(300);
    world.join(bob, "rust").unwrap();
    world.ask(bob, Command::Account(AccountCommand::SetAlwaysOn(Some(true)))).unwrap();
    world.run_ms(300);
    world.ask(ann, close("over")).unwrap();
    world.run_ms(300);
    world.restart(0);
    world.run_ms(5_000);
    for index in [0, 1] {
        let eve = world.guest(index, if index == 0 { "eve" } else { "dan" });
        let Ok(Reply::Joined(view, _)) = world.join(eve, "rust") else { panic!("not joined") };
        let inside: Vec<&str> = view.occupants.iter().map(|who| who.nick.as_str()).collect();
        assert_eq!(inside, if index == 0 { vec!["eve"] } else { vec!["dan", "eve"] });
        world.run_ms(1_000);
    }
}

#[test]
fn nobody_comes_into_a_locked_room_while_its_founder_is_inside() {
    let mut world = World::new(2);
    let (ann, bob) = (world.guest(0, "ann"), world.guest(1, "bob"));
    world.join(ann, "rust").unwrap();
    world.ask(ann, set(Flag::Locked, true)).unwrap();
    world.run_ms(300);
    assert_eq!(world.join(bob, "rust").unwrap_err(), Refusal::Denied(Denied::NoRoom));
    world.ask(ann, Command::Part { room: room("rust"), reason: String::new() }).unwrap();
    world.run_ms(300);
    world.join(bob, "rust").unwrap();
}
