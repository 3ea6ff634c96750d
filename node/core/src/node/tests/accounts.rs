//! Accounts and their sessions on several nodes, as their owners deal with them.

use super::world::{World, account, credentials, nick, open, room};
use crate::node::{Input, SessionMeta};
use lavina_crdt::content::Principal;
use lavina_crdt::room::{Act, Flag, Rank};
use lavina_protocols::account::{AccountCommand, AccountReply};
use lavina_protocols::command::{Command, Refusal, Reply};

fn ask(world: &mut World, client: (usize, u64), command: AccountCommand) -> AccountReply {
    match world.ask(client, Command::Account(command)) {
        Ok(Reply::Account(reply)) => reply,
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn an_owner_ends_sessions_on_other_nodes() {
    let mut world = World::new(2);
    world.register(0, "alice");
    let (phone, desk) = (world.member(0, "alice", "phone"), world.member(1, "alice", "desk"));
    world.run_ms(1_000);
    let AccountReply::Sessions(sessions) = ask(&mut world, phone, AccountCommand::Sessions) else { panic!("none") };
    assert_eq!(sessions.len(), 2);
    world.words(desk);
    assert_eq!(ask(&mut world, phone, AccountCommand::End(None)), AccountReply::Ended(1));
    world.run_ms(1_000);
    assert!(world.words(desk).iter().any(|word| word == "disconnected Removed"));
    let guest = world.guest(0, "guest");
    let refused = world.ask(guest, Command::Account(AccountCommand::End(None)));
    assert_eq!(refused.unwrap_err(), Refusal::NeedsAccount);
}

#[test]
fn a_certificate_names_its_account_on_every_node() {
    let mut world = World::new(2);
    world.register(0, "alice");
    let phone = world.member(0, "alice", "phone");
    let certificate = "ab".repeat(32);
    ask(&mut world, phone, AccountCommand::SetCertificates(vec![certificate.clone()]));
    world.run_ms(1_000);
    let other = world.connect(1);
    let named = ask(&mut world, other, AccountCommand::ByCertificate(certificate.clone()));
    assert_eq!(named, AccountReply::Named(Some(account("alice"))));
    ask(&mut world, phone, AccountCommand::SetCertificates(Vec::new()));
    world.run_ms(1_000);
    assert_eq!(ask(&mut world, other, AccountCommand::ByCertificate(certificate)), AccountReply::Named(None));
}

#[test]
fn nobody_takes_a_name_that_looks_official() {
    let mut world = World::new(1);
    let client = world.connect(0);
    for name in ["NickServ", "Ch\u{430}nServ"] {
        assert_eq!(world.ask(client, open(name, None)).unwrap_err(), Refusal::NickInUse, "{name}");
    }
}

#[test]
fn a_registered_room_is_its_founders_when_everybody_has_left_and_its_node_is_gone() {
    let mut world = World::new(3);
    world.register(0, "alice");
    let alice = world.member(0, "alice", "phone");
    world.join(alice, "rust").unwrap();
    let keep = Act::SetFlag { flag: Flag::Persistent, on: true };
    world.ask(alice, Command::Act(room("rust"), vec![keep])).unwrap();
    world.run_ms(1_000);
    world.tell(alice, Command::Quit(String::new()));
    world.run_ms(1_000);
    world.cut(&[0]);
    world.run_ms(5_000);
    let bob = world.guest(1, "bob");
    world.join(bob, "rust").unwrap();
    let back = world.member(2, "alice", "desk");
    let Ok(Reply::Joined(view, _)) = world.join(back, "rust") else { panic!("not in") };
    assert_eq!(view.state.rank(&Principal::Account(account("alice"))), Rank::Founder);
    assert_eq!(view.state.ranks.len(), 1, "bob came into a room that is there");
    assert!(view.state.has(Flag::Persistent));
    assert_eq!(view.own_nick, Some(nick("alice")));
}

#[test]
fn nobody_registers_the_name_that_another_goes_by() {
    let mut world = World::new(2);
    let (alice, bob) = (world.guest(0, "alice"), world.guest(1, "bob"));
    world.run_ms(1_000);
    let register = |name: &str| Command::RegisterAccount(account(name), credentials(), None);
    assert_eq!(world.ask(bob, register("alice")).unwrap_err(), Refusal::AccountExists);
    world.ask(alice, register("alice")).unwrap();
    world.ask(bob, register("nobodys")).unwrap();
}

#[test]
fn an_account_and_an_address_have_so_many_sessions() {
    let mut world = World::with(1, |limits| {
        limits.sessions_per_account_max = 2;
        limits.sessions_per_address_max = 3;
    });
    world.register(0, "alice");
    for resource in ["a", "b"] {
        world.member(0, "alice", resource);
    }
    let third = world.connect(0);
    world.ask(third, Command::LogIn(account("alice"))).unwrap();
    assert!(matches!(world.ask(third, open("alice", Some("c"))), Err(Refusal::Barred(_))));
    let mut from = |address: &str| {
        let number = world.next_client();
        let meta = SessionMeta { host: "host".to_owned(), address: address.parse().ok(), secure: true };
        world.input(0, Input::SessionOpened(number, meta));
        !world.words((0, number)).iter().any(|word| word.starts_with("closed Barred"))
    };
    let each: Vec<bool> = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8:0:1::1", "127.0.0.1"]
        .into_iter()
        .map(&mut from)
        .collect();
    assert_eq!(each, [true, true, true, false, true, true]);
}
