//! Redactions, corrections, reactions and signs of writing on a mesh: what one node takes back is nowhere to be read, whatever comes first.

use super::world::{Client, Heard, World, room};
use lavina_crdt::content::Content;
use lavina_crdt::ids::MsgId;
use lavina_crdt::relation::{Relation, Typing};
use lavina_crdt::room::{Act, Denied, Rank};
use lavina_protocols::command::{
    Command, HistoryOf, HistoryQuery, MessageRef, Refusal, Relate, Related, Reply, Target,
};
use lavina_protocols::event::{Event, Said};
use std::sync::Arc;

fn relate(world: &mut World, client: Client, of: MsgId, how: Relate, content: Content) -> Result<Arc<Said>, Refusal> {
    let related = Related { target: Target::Room(room("rust")), of: MessageRef::Id(of), how, content };
    let reply = world.ask(client, Command::Relate(Box::new(related)))?;
    let Reply::Said(said) = reply else { panic!("{reply:?}") };
    Ok(said)
}

fn redact(world: &mut World, client: Client, of: MsgId) -> Result<Arc<Said>, Refusal> {
    relate(world, client, of, Relate::Redact("spam".to_owned()), Content::signal())
}

/// What history shows: the text, or who took it back.
fn history(world: &mut World, client: Client) -> Vec<String> {
    let of = HistoryOf::Room(room("rust"));
    let query = HistoryQuery {
        of,
        after: None,
        before: None,
        ids: Vec::new(),
        limit: 100,
        newest: true,
        texts: true,
        events: false,
    };
    match world.ask(client, Command::History(query)) {
        Ok(Reply::History(page)) => page
            .messages
            .iter()
            .map(|said| match &said.redacted {
                Some(redacted) => format!("- {} {}{}", redacted.by.nick, redacted.reason, said.content.text),
                None => said.content.text.clone(),
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

fn redactions(world: &mut World, client: Client) -> Vec<MsgId> {
    let of = |heard: &Heard| match heard {
        Heard::Event(event) => {
            let Event::Said(said) = &**event else { return None };
            said.content.redaction().map(|redact| redact.of)
        }
        Heard::Answer(..) | Heard::Disconnected(_) => None,
    };
    world.heard(client).iter().filter_map(of).collect()
}

fn three(world: &mut World) -> (Client, Client, Client) {
    let (alice, bob, carol) = (world.guest(0, "alice"), world.guest(1, "bob"), world.guest(2, "carol"));
    for client in [alice, bob, carol] {
        world.join(client, "rust").unwrap();
        world.run_ms(500);
    }
    (alice, bob, carol)
}

#[test]
fn authors_and_moderators_redact_and_nobody_else() {
    let mut world = World::new(3);
    let (alice, bob, carol) = three(&mut world);
    let (one, two) = (world.say(bob, "rust", "one").id, world.say(bob, "rust", "two").id);
    world.run_ms(500);
    world.heard(carol);
    assert_eq!(redact(&mut world, carol, one).unwrap_err(), Refusal::Denied(Denied::Rank));
    assert_eq!(redact(&mut world, carol, MsgId([1; 20])).unwrap_err(), Refusal::NoSuchMessage);
    redact(&mut world, bob, one).unwrap();
    redact(&mut world, alice, two).unwrap();
    world.run_ms(500);
    assert_eq!(redactions(&mut world, carol), [one, two]);
    for client in [alice, bob, carol] {
        assert_eq!(history(&mut world, client), ["- bob spam", "- alice spam"]);
    }
    assert_eq!(redact(&mut world, alice, two).unwrap_err(), Refusal::NoSuchMessage, "it is gone already");
}

#[test]
fn a_moderator_of_one_side_of_a_cut_redacts_for_both_and_a_restart_keeps_it() {
    let mut world = World::new(3);
    let (alice, bob, carol) = three(&mut world);
    let said = world.say(bob, "rust", "buy now").id;
    world.run_ms(500);
    world.cut(&[2]);
    world.run_ms(1_000);
    redact(&mut world, alice, said).unwrap();
    assert_eq!(history(&mut world, carol), ["buy now"]);
    world.heal();
    world.run_ms(5_000);
    assert_eq!(history(&mut world, carol), ["- alice spam"]);
    assert!(world.converged());
    world.restart(2);
    world.run_ms(5_000);
    let dave = world.guest(2, "dave");
    world.join(dave, "rust").unwrap();
    assert_eq!(history(&mut world, dave), ["- alice spam"]);
}

#[test]
fn who_lost_the_right_before_the_redaction_redacts_nothing() {
    let mut world = World::new(2);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(1, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.run_ms(500);
    let who = world.say(bob, "rust", "hi").author.principal();
    let set = |rank| Command::Act(room("rust"), vec![Act::SetRank { who: who.clone(), rank }]);
    world.ask(alice, set(Rank::Operator)).unwrap();
    let said = world.say(alice, "rust", "true").id;
    world.run_ms(500);
    world.ask(alice, set(Rank::None)).unwrap();
    world.run_ms(500);
    assert_eq!(redact(&mut world, bob, said).unwrap_err(), Refusal::Denied(Denied::Rank));
    assert_eq!(history(&mut world, alice), ["hi", "true"]);
}

#[test]
fn a_correction_is_its_authors_only_and_goes_with_what_it_corrects() {
    let mut world = World::new(2);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(1, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.run_ms(500);
    let said = world.say(bob, "rust", "teh").id;
    world.run_ms(500);
    let foreign = relate(&mut world, alice, said, Relate::Edit, Content::text("mine")).unwrap();
    assert_eq!(foreign.content.relation, None);
    let edit = relate(&mut world, bob, said, Relate::Edit, Content::text("the")).unwrap();
    assert_eq!(edit.content.relation.as_deref(), Some(&Relation::Edit(said)));
    redact(&mut world, bob, said).unwrap();
    world.run_ms(500);
    assert_eq!(history(&mut world, alice), ["- bob spam", "mine", "- bob spam"]);
}

#[test]
fn reactions_add_up_whichever_way_they_are_given() {
    let mut world = World::new(1);
    let alice = world.guest(0, "alice");
    world.join(alice, "rust").unwrap();
    let said = world.say(alice, "rust", "hi").id;
    let mut react = |how: Relate| {
        let said = relate(&mut world, alice, said, how, Content::signal()).unwrap();
        match said.content.relation.as_deref() {
            Some(Relation::React(reaction)) => reaction.now.join(" "),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(react(Relate::AddReaction("+".to_owned())), "+");
    assert_eq!(react(Relate::AddReaction("-".to_owned())), "+ -");
    assert_eq!(react(Relate::RemoveReaction("+".to_owned())), "-");
    assert_eq!(react(Relate::SetReactions(vec!["x".to_owned(), "x".to_owned()])), "x");
}

#[test]
fn signs_of_writing_reach_other_nodes_and_no_history() {
    let mut world = World::new(2);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(1, "bob"));
    world.join(alice, "rust").unwrap();
    world.join(bob, "rust").unwrap();
    world.run_ms(500);
    world.heard(bob);
    let typing = Content { typing: Some(Typing::Active), ..Content::signal() };
    world.ask(alice, Command::Say(Target::Room(room("rust")), typing)).unwrap();
    world.run_ms(500);
    let heard = world.heard(bob);
    let [Heard::Event(event)] = heard.as_slice() else { panic!("{heard:?}") };
    let Event::Said(said) = &**event else { panic!("{event:?}") };
    assert_eq!((said.author.nick.as_str(), said.content.typing), ("alice", Some(Typing::Active)));
    assert!(history(&mut world, bob).is_empty());
}
