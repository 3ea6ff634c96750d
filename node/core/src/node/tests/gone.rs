//! Who is gone, who asks to come in, and who is watched, through a mesh.

use super::world::{World, away, nick, room};
use lavina_crdt::room::{Act, Flag};
use lavina_protocols::command::{Command, Refusal, Reply};

fn gone(world: &mut World, client: (usize, u64), name: &str) -> Vec<(String, String)> {
    match world.ask(client, Command::FindGone(nick(name), 10)) {
        Ok(Reply::Gone(gone)) => {
            gone.iter().map(|gone| (gone.record.nick.to_string(), gone.node.to_string())).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_has_left_any_node_is_remembered_by_all() {
    let mut world = World::new(2);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(1, "bob"));
    world.run_ms(1_000);
    assert_eq!(gone(&mut world, alice, "bob"), []);
    world.ask(bob, Command::ClaimNick(nick("rob"))).unwrap();
    world.tell(bob, Command::Quit("bye".to_owned()));
    world.run_ms(1_000);
    let n1 = |name: &str| (name.to_owned(), "n1".to_owned());
    assert_eq!(gone(&mut world, alice, "BOB"), [n1("bob")]);
    assert_eq!(gone(&mut world, alice, "rob"), [n1("rob")]);
    let other = world.guest(1, "carol");
    assert_eq!(gone(&mut world, other, "rob"), [n1("rob")]);
}

#[test]
fn who_may_let_people_in_hears_a_knock_on_any_node() {
    let mut world = World::new(2);
    let (alice, bob, carol) = (world.guest(0, "alice"), world.guest(1, "bob"), world.guest(0, "carol"));
    world.join(alice, "rust").unwrap();
    world.join(carol, "rust").unwrap();
    world.run_ms(1_000);
    let knock = |name: &str| Command::Knock(room(name), "let me in".to_owned());
    assert_eq!(world.ask(bob, knock("rust")).unwrap_err(), Refusal::NeedsNoInvitation);
    world.ask(alice, Command::Act(room("rust"), vec![Act::SetFlag { flag: Flag::InviteOnly, on: true }])).unwrap();
    world.run_ms(1_000);
    world.words(alice);
    world.words(carol);
    assert_eq!(world.ask(carol, knock("rust")).unwrap_err(), Refusal::AlreadyPresent);
    world.ask(bob, knock("rust")).unwrap();
    assert_eq!(world.ask(bob, knock("rust")).unwrap_err(), Refusal::TooMany("knocks"));
    world.run_ms(1_000);
    assert_eq!(world.words(alice), ["bob knocks at rust: let me in"]);
    assert!(world.words(carol).is_empty());
}

#[test]
fn a_watcher_who_shares_no_room_hears_of_changes_once() {
    let mut world = World::new(2);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(1, "bob"));
    world.run_ms(1_000);
    world.ask(alice, Command::Watch(vec![nick("bob")])).unwrap();
    world.ask(bob, away("lunch")).unwrap();
    world.run_ms(1_000);
    assert_eq!(world.words(alice), ["watched bob is Away"]);
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.run_ms(1_000);
    world.words(alice);
    world.ask(bob, away("tea")).unwrap();
    world.run_ms(1_000);
    assert_eq!(world.words(alice), ["bob is Away"]);
}
