//! Invitations to register: made at one node, used at another, once.

use super::world::{Client, World, account, credentials};
use crate::node::AdminCommand;
use lavina_crdt::invitation::{Invitation, InvitationId};
use lavina_protocols::account::{AccountCommand, AccountReply, Inviting};
use lavina_protocols::command::{Command, Refusal, Reply};

const HOUR_MS: u64 = 3_600_000;

fn terms(world: &World, name: Option<&str>) -> Invitation {
    Invitation { by: None, contact: name.is_none(), name: name.map(account), until_ms: world.now.wall_ms + HOUR_MS }
}

fn ask(world: &mut World, client: Client, command: AccountCommand) -> Result<AccountReply, Refusal> {
    let Reply::Account(reply) = world.ask(client, Command::Account(command))? else { panic!("another answer") };
    Ok(reply)
}

/// A mesh in which every account may invite, with romeo at the first node.
fn verona(nodes: u8) -> (World, Client) {
    let mut world = World::with(nodes, |limits| limits.invitations = true);
    world.register(0, "romeo");
    let romeo = world.member(0, "romeo", "orchard");
    world.ask(romeo, Command::RosterGet).unwrap();
    (world, romeo)
}

fn register(world: &mut World, client: Client, name: &str, token: &str) -> Result<Reply, Refusal> {
    world.ask(client, Command::RegisterAccount(account(name), credentials(), Some(InvitationId::of(token))))
}

fn roster(world: &mut World, client: Client) -> Vec<String> {
    let Ok(Reply::Roster(items)) = world.ask(client, Command::RosterGet) else { panic!("no roster") };
    let word = |on: bool, word: &str| if on { word.to_owned() } else { String::new() };
    let line = |item: lavina_protocols::command::RosterItem| {
        format!("{} {}{}", item.contact, word(item.subscription.to, "to"), word(item.subscription.from, "from"))
    };
    items.into_iter().map(line).collect()
}

#[test]
fn an_invitation_is_used_at_another_node_once_and_makes_contacts() {
    let (mut world, romeo) = verona(2);
    let invitation = terms(&world, None);
    ask(&mut world, romeo, AccountCommand::Invite(InvitationId::of("t"), invitation)).unwrap();
    world.run_ms(1_000);
    let juliet = world.connect(1);
    let shown = ask(&mut world, juliet, AccountCommand::Invitation(InvitationId::of("t"))).unwrap();
    assert!(matches!(shown, AccountReply::Invitation(Some(shown)) if shown.by == Some(account("romeo"))));
    world.words(romeo);
    register(&mut world, juliet, "juliet", "t").unwrap();
    world.run_ms(1_000);
    assert!(world.words(romeo).iter().any(|word| word.contains("juliet")), "romeo is told at once");
    assert_eq!(roster(&mut world, romeo), ["juliet tofrom"]);
    let balcony = world.member(1, "juliet", "balcony");
    assert_eq!(roster(&mut world, balcony), ["romeo tofrom"]);
    for index in 0..2 {
        let nurse = world.connect(index);
        let shown = ask(&mut world, nurse, AccountCommand::Invitation(InvitationId::of("t"))).unwrap();
        assert_eq!(shown, AccountReply::Invitation(None));
        assert_eq!(register(&mut world, nurse, "nurse", "t").unwrap_err(), Refusal::NoSuchInvitation);
        assert_eq!(register(&mut world, nurse, "nurse", "guess").unwrap_err(), Refusal::NoSuchInvitation);
    }
}

#[test]
fn each_side_of_a_cut_lets_in_one_and_the_earlier_counts() {
    let (mut world, romeo) = verona(2);
    let invitation = terms(&world, None);
    ask(&mut world, romeo, AccountCommand::Invite(InvitationId::of("t"), invitation)).unwrap();
    world.run_ms(1_000);
    world.cut(&[1]);
    world.run_ms(1_000);
    let (here, there) = (world.connect(0), world.connect(1));
    register(&mut world, there, "juliet", "t").unwrap();
    world.run_ms(1_000);
    register(&mut world, here, "rosaline", "t").unwrap();
    for (client, name) in [(here, "nurse"), (there, "tybalt")] {
        assert_eq!(register(&mut world, client, name, "t").unwrap_err(), Refusal::NoSuchInvitation);
    }
    world.heal();
    world.run_ms(10_000);
    assert!(world.converged());
    for index in 0..2 {
        let made = world.invitations(index);
        let users: Vec<&str> = made.iter().flat_map(|made| &made.users).map(|user| user.as_str()).collect();
        assert_eq!(users, ["juliet", "rosaline"], "both stay, on node {index}");
        let again = world.connect(index);
        assert_eq!(register(&mut world, again, "nurse", "t").unwrap_err(), Refusal::NoSuchInvitation);
    }
    assert_eq!(roster(&mut world, romeo), ["juliet tofrom", "rosaline tofrom"]);
}

#[test]
fn a_name_is_kept_for_whom_it_was_promised() {
    let (mut world, _) = verona(2);
    let invitation = terms(&world, Some("juliet"));
    world.admin(0, AdminCommand::Invite(InvitationId::of("t"), Some(invitation)));
    world.run_ms(1_000);
    let tybalt = world.connect(1);
    let plain = Command::RegisterAccount(account("juliet"), credentials(), None);
    assert_eq!(world.ask(tybalt, plain).unwrap_err(), Refusal::AccountExists);
    assert_eq!(register(&mut world, tybalt, "tybalt", "t").unwrap_err(), Refusal::NoSuchInvitation);
    register(&mut world, tybalt, "juliet", "t").unwrap();
    world.run_ms(1_000);
    let again = terms(&world, Some("nurse"));
    world.admin(1, AdminCommand::Invite(InvitationId::of("u"), Some(again)));
    world.run_ms(1_000);
    world.admin(0, AdminCommand::Invite(InvitationId::of("u"), None));
    world.run_ms(1_000);
    let nurse = world.connect(1);
    assert_eq!(register(&mut world, nurse, "nurse", "u").unwrap_err(), Refusal::NoSuchInvitation, "taken back");
    world.ask(nurse, Command::RegisterAccount(account("nurse"), credentials(), None)).unwrap();
}

#[test]
fn its_time_is_asked_when_it_is_shown_and_over_then() {
    let (mut world, romeo) = verona(1);
    let invitation = terms(&world, None);
    ask(&mut world, romeo, AccountCommand::Invite(InvitationId::of("t"), invitation)).unwrap();
    world.run_ms(HOUR_MS);
    let juliet = world.connect(0);
    let shown = ask(&mut world, juliet, AccountCommand::Invitation(InvitationId::of("t"))).unwrap();
    assert_eq!(shown, AccountReply::Invitation(None));
    // XEP-0445 section 4: who has shown it in time is let in.
    register(&mut world, juliet, "juliet", "t").unwrap();
}

#[test]
fn who_may_invite_is_configured_and_nobody_without_end() {
    let (mut world, romeo) = verona(1);
    assert_eq!(ask(&mut world, romeo, AccountCommand::Inviting), Ok(AccountReply::Inviting(Inviting::Contacts)));
    let named = terms(&world, Some("juliet"));
    let refused = ask(&mut world, romeo, AccountCommand::Invite(InvitationId::of("n"), named));
    assert_eq!(refused, Err(Refusal::NotOperator), "names are kept for operators' friends");
    let mut made = 0;
    let full = loop {
        let invitation = terms(&world, None);
        let id = InvitationId::of(&made.to_string());
        match ask(&mut world, romeo, AccountCommand::Invite(id, invitation)) {
            Ok(_) => made += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!((made, full), (32, Refusal::TooMany("open invitations")));
    let mut closed = World::new(1);
    closed.register(0, "romeo");
    let romeo = closed.member(0, "romeo", "orchard");
    let invitation = terms(&closed, None);
    let refused = ask(&mut closed, romeo, AccountCommand::Invite(InvitationId::of("t"), invitation));
    assert_eq!(refused, Err(Refusal::NotOperator));
    assert_eq!(ask(&mut closed, romeo, AccountCommand::Inviting), Ok(AccountReply::Inviting(Inviting::Nobody)));
}

#[test]
fn who_has_an_account_becomes_a_contact_by_it() {
    let (mut world, romeo) = verona(2);
    world.register(1, "juliet");
    let juliet = world.member(1, "juliet", "balcony");
    let invitation = terms(&world, None);
    ask(&mut world, romeo, AccountCommand::Invite(InvitationId::of("t"), invitation)).unwrap();
    world.run_ms(1_000);
    let meet = |name: &str| AccountCommand::Meet(account(name), InvitationId::of("t"));
    assert_eq!(ask(&mut world, juliet, meet("tybalt")), Err(Refusal::NoSuchInvitation));
    assert_eq!(ask(&mut world, juliet, meet("romeo")), Ok(AccountReply::Done));
    world.run_ms(1_000);
    assert_eq!(roster(&mut world, romeo), ["juliet tofrom"]);
    assert_eq!(ask(&mut world, juliet, meet("romeo")), Err(Refusal::NoSuchInvitation), "it is used");
}
