//! A room gets another name on a mesh.

use super::world::{Client, World, room};
use lavina_crdt::room::{Act, Denied, Flag, Mask};
use lavina_protocols::command::{Command, HistoryOf, HistoryQuery, Refusal, Reply};
use lavina_protocols::event::Happening;

fn rename(from: &str, to: &str) -> Command {
    let venue = format!("{to}@rooms.example.org");
    Command::RenameRoom { room: room(from), to: room(to), reason: "typo".to_owned(), venue }
}

fn nicks(world: &mut World, client: Client, name: &str) -> Vec<String> {
    match world.ask(client, Command::RoomInfo(room(name))) {
        Ok(Reply::Room(Some(view))) => view.occupants.iter().map(|occupant| occupant.nick.to_string()).collect(),
        Ok(Reply::Room(None)) => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn everybody_and_everything_goes_with_it_and_the_old_name_is_free() {
    let mut world = World::new(2);
    let (alice, bob, carol) = (world.guest(0, "alice"), world.guest(1, "bob"), world.guest(1, "carol"));
    for client in [alice, bob] {
        world.join(client, "rsut").unwrap();
        world.run_ms(1_000);
    }
    let ban = Act::SetBan { mask: Mask::parse("evil").unwrap(), ban: Some(String::new()) };
    let acts = vec![Act::SetTopic("on rust".to_owned()), Act::SetFlag { flag: Flag::Moderated, on: true }, ban];
    world.ask(alice, Command::Act(room("rsut"), acts)).unwrap();
    world.say(alice, "rsut", "before");
    world.run_ms(1_000);
    assert_eq!(world.ask(bob, rename("rsut", "rust")).unwrap_err(), Refusal::Denied(Denied::Rank));
    assert_eq!(world.ask(carol, rename("rsut", "rust")).unwrap_err(), Refusal::Denied(Denied::NotPresent));
    for client in [alice, bob] {
        world.words(client);
    }
    world.ask(alice, rename("rsut", "rust")).unwrap();
    world.run_ms(1_000);
    for client in [alice, bob] {
        assert_eq!(world.words(client), ["alice changed rsut (2)", "alice renamed rsut rust"]);
        assert_eq!(nicks(&mut world, client, "rust"), ["alice", "bob"]);
    }
    let Ok(Reply::Room(Some(view))) = world.ask(bob, Command::RoomInfo(room("rust"))) else { panic!("no room") };
    assert!(view.state.has(Flag::Moderated) && view.state.bans.len() == 1);
    assert_eq!(view.state.topic.as_ref().map(|topic| topic.text.as_str()), Some("on rust"));
    world.say(alice, "rust", "after");
    world.run_ms(1_000);
    assert_eq!(world.history(bob, "rust"), ["alice before", "alice after"]);
    let Ok(Reply::Joined(view, true)) = world.join(carol, "rsut") else { panic!("not joined") };
    assert_eq!(view.occupants.len(), 1, "it is hers now");
    world.run_ms(1_000);
    assert!(world.history(carol, "rsut").is_empty());
    assert_eq!(nicks(&mut world, alice, "rust"), ["alice", "bob"]);
    assert_eq!(world.ask(carol, rename("rsut", "rust")).unwrap_err(), Refusal::RoomExists);
}

#[test]
fn who_goes_by_addresses_is_told_where_to() {
    let mut world = World::new(1);
    world.register(0, "dave");
    let (alice, dave) = (world.guest(0, "alice"), world.member(0, "dave", "phone"));
    world.join(alice, "rsut").unwrap();
    world.join(dave, "rsut").unwrap();
    world.words(alice);
    world.ask(alice, rename("rsut", "rust")).unwrap();
    assert_eq!(nicks(&mut world, alice, "rust"), ["alice"]);
    assert!(world.words(alice).contains(&"dave left rsut part typo".to_owned()));
    world.join(dave, "rust").unwrap();
    assert_eq!(nicks(&mut world, alice, "rust"), ["alice", "dave"]);
}

#[test]
fn history_has_what_was_done_for_who_asks() {
    let mut world = World::new(2);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(1, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.run_ms(1_000);
    world.ask(alice, Command::Act(room("rust"), vec![Act::SetTopic("new".to_owned())])).unwrap();
    world.say(alice, "rust", "hi");
    let kick = Command::Kick { room: room("rust"), nick: super::world::nick("bob"), reason: "out".to_owned() };
    world.ask(alice, kick).unwrap();
    world.run_ms(1_000);
    world.join(bob, "rust").unwrap();
    let query = |events| HistoryQuery {
        of: HistoryOf::Room(room("rust")),
        after: None,
        before: None,
        ids: Vec::new(),
        limit: 10,
        newest: true,
        texts: false,
        events,
    };
    for client in [alice, bob] {
        let Ok(Reply::History(page)) = world.ask(client, Command::History(query(true))) else { panic!("no page") };
        assert_eq!(page.messages.len(), 1);
        let what: Vec<&Happening> = page.events.iter().map(|done| &done.what).collect();
        assert_eq!(what[0], &Happening::Acts(vec![Act::SetTopic("new".to_owned())]));
        assert_eq!(what[1], &Happening::Kicked { nick: "bob".to_owned(), reason: "out".to_owned() });
        let Ok(Reply::History(page)) = world.ask(client, Command::History(query(false))) else { panic!("no page") };
        assert!(page.events.is_empty());
    }
}
