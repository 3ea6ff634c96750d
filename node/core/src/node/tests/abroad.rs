//! People of other servers: what reaches them, what they ask, and that any node's gateway will do.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each test looks for what gateways are told, whatever else they hear"
)]

use super::world::{Client, World, account, nick, room};
use bytes::Bytes;
use lavina_crdt::content::Content;
use lavina_crdt::names::AccountName;
use lavina_protocols::abroad::{AbroadCommand, Remote, Showing, Told};
use lavina_protocols::account::AccountCommand;
use lavina_protocols::command::{Command, HistoryOf, HistoryQuery, Refusal, Reply, SubscriptionStep, Target};
use lavina_protocols::event::Event;
use lavina_protocols::wake::Wake;

fn juliet(resource: Option<&str>) -> Remote {
    let account = AccountName::any("juliet@b.example").unwrap();
    Remote { account, resource: resource.map(str::to_owned) }
}

/// The session that speaks for other servers at a node.
fn gateway(world: &mut World, index: usize) -> Client {
    let gateway = world.connect(index);
    world.ask(gateway, Command::Abroad(AbroadCommand::Open)).unwrap();
    gateway
}

fn asks(command: Command) -> Command {
    Command::Abroad(AbroadCommand::Ask(juliet(Some("balcony")), Box::new(command)))
}

fn to(name: &AccountName) -> Target {
    Target::Account(name.clone(), None)
}

/// What somebody of another server was told through a gateway, in short.
fn told(world: &mut World, gateway: Client) -> Vec<String> {
    let heard = world.heard(gateway).into_iter();
    let events = heard.filter_map(|heard| match heard {
        super::world::Heard::Event(event) => Some(event),
        super::world::Heard::Answer(..) | super::world::Heard::Disconnected(_) => None,
    });
    events
        .filter_map(|event| match event.as_ref() {
            Event::Abroad(to, Told::Said(said)) => {
                Some(format!("{} says {} to {}", said.author.nick, said.content.text, to.account))
            }
            Event::Abroad(_, Told::Whisper { stanza, .. }) => Some(String::from_utf8_lossy(stanza).into_owned()),
            Event::Abroad(_, Told::Subscription(by, step, _)) => Some(format!("{by} {step:?}")),
            Event::Abroad(_, Told::Presence { person, available }) => {
                Some(format!("{} {available}", person.record.nick))
            }
            Event::Abroad(to, Told::Shown { account, register, parent }) => {
                let parent = String::from_utf8_lossy(parent.as_deref().unwrap_or_default()).into_owned();
                Some(format!("{} is shown {} of {account} below {parent}", to.account, register.key))
            }
            Event::Ended(person) => Some(format!("{} has ended", person.record.nick)),
            Event::Abroad(_, Told::Probe(by)) => Some(format!("{} probes", by.record.nick)),
            Event::Abroad(_, Told::Invited { room, .. }) => Some(format!("invited to {room}")),
            Event::Abroad(to, Told::Wake { account, wake, .. }) => {
                Some(format!("{} wakes {account} at {}", to.account, wake.node))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_message_goes_out_at_its_senders_node_and_is_in_the_archive_of_every_node() {
    let mut world = World::new(2);
    world.register(0, "romeo");
    world.run_ms(300);
    let (here, there) = (gateway(&mut world, 0), gateway(&mut world, 1));
    let (romeo, other) = (world.member(0, "romeo", "orchard"), world.member(1, "romeo", "hall"));
    world.ask(romeo, Command::Say(to(&juliet(None).account), Content::text("but soft"))).unwrap();
    world.run_ms(300);
    assert_eq!(told(&mut world, here), ["romeo says but soft to juliet@b.example"]);
    assert!(told(&mut world, there).is_empty(), "it is said once");
    world.ask(there, asks(Command::Say(to(&account("romeo")), Content::text("ay me")))).unwrap();
    world.run_ms(300);
    for client in [romeo, other] {
        assert!(world.words(client).iter().any(|word| word.contains("ay me")), "whichever node it came in at");
        let query = HistoryQuery {
            of: HistoryOf::With(to(&juliet(None).account)),
            after: None,
            before: None,
            ids: Vec::new(),
            limit: 10,
            newest: true,
            texts: true,
            events: false,
        };
        let Ok(Reply::History(page)) = world.ask(client, Command::History(query)) else { panic!("no history") };
        let texts: Vec<&str> = page.messages.iter().map(|said| said.content.text.as_str()).collect();
        assert_eq!(texts, ["but soft", "ay me"]);
    }
}

#[test]
fn who_knows_no_addresses_answers_to_the_nick() {
    let mut world = World::new(1);
    world.register(0, "romeo");
    let here = gateway(&mut world, 0);
    let romeo = world.member(0, "romeo", "orchard");
    let answer = || Command::Say(Target::Nick(nick("Juliet")), Content::text("but soft"));
    assert_eq!(world.ask(romeo, answer()).unwrap_err(), Refusal::NoSuchNick);
    world.ask(here, asks(Command::Say(to(&account("romeo")), Content::text("ay me")))).unwrap();
    world.ask(romeo, answer()).unwrap();
    assert_eq!(told(&mut world, here), ["romeo says but soft to juliet@b.example"]);
}

#[test]
fn without_a_gateway_there_is_nobody_elsewhere() {
    let mut world = World::new(1);
    world.register(0, "romeo");
    let romeo = world.member(0, "romeo", "orchard");
    let say = Command::Say(to(&juliet(None).account), Content::text("hello"));
    assert_eq!(world.ask(romeo, say).unwrap_err(), Refusal::NoSuchAccount);
    let stranger = world.connect(0);
    let asked = world.ask(stranger, asks(Command::Say(to(&account("romeo")), Content::text("hello"))));
    assert_eq!(asked.unwrap_err(), Refusal::NotOpen, "only the gateway speaks for others");
    assert_eq!(world.ask(stranger, Command::LogIn(juliet(None).account)).unwrap_err(), Refusal::NoSuchAccount);
}

#[test]
fn what_a_gateway_knows_of_clients_elsewhere_the_others_are_told() {
    let mut world = World::new(3);
    world.run_ms(300);
    let gateways = [gateway(&mut world, 0), gateway(&mut world, 1), gateway(&mut world, 2)];
    let showing = Showing { to: account("romeo"), caps: "c#1".to_owned(), at_ms: 5 };
    let shows = AbroadCommand::Shows(juliet(Some("balcony")), showing.clone());
    world.ask(gateways[0], Command::Abroad(shows)).unwrap();
    world.ask(gateways[0], Command::Abroad(AbroadCommand::HasTold(juliet(Some("balcony")), account("romeo")))).unwrap();
    world.run_ms(300);
    let mut heard = gateways.map(|gateway| {
        let events = world.heard(gateway).into_iter().filter_map(|heard| match heard {
            super::world::Heard::Event(event) => Some(event),
            _ => None,
        });
        let told = events.filter_map(|event| match event.as_ref() {
            Event::Abroad(to, told) if *to == juliet(Some("balcony")) => Some(told.clone()),
            _ => None,
        });
        told.collect::<Vec<Told>>()
    });
    assert!(heard[0].is_empty());
    for told in &mut heard[1..] {
        assert_eq!(told.pop(), Some(Told::HasBeenTold(account("romeo"))));
        let Some(Told::ShowsElsewhere { showing: heard, .. }) = told.pop() else { panic!("not told") };
        assert_eq!(heard, showing);
    }
}

#[test]
fn subscriptions_go_step_by_step_and_presence_follows_them() {
    let mut world = World::new(2);
    world.register(0, "romeo");
    world.run_ms(300);
    let (here, there) = (gateway(&mut world, 0), gateway(&mut world, 1));
    let romeo = world.member(0, "romeo", "orchard");
    let step = |step| Command::Subscription(juliet(None).account, step, Bytes::new());
    let back = |step| asks(Command::Subscription(account("romeo"), step, Bytes::new()));
    world.ask(romeo, step(SubscriptionStep::Subscribe)).unwrap();
    assert_eq!(told(&mut world, here), ["romeo Subscribe"]);
    world.ask(there, back(SubscriptionStep::Subscribed)).unwrap();
    world.ask(there, back(SubscriptionStep::Subscribe)).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(romeo), ["juliet@b.example Subscribed", "juliet@b.example Subscribe"]);
    assert!(told(&mut world, here).is_empty(), "nothing is granted yet");
    world.ask(romeo, step(SubscriptionStep::Subscribed)).unwrap();
    assert_eq!(told(&mut world, here), ["romeo Subscribed", "romeo true"]);
    let probe = Command::Abroad(AbroadCommand::Probe(juliet(None), account("romeo")));
    world.run_ms(300);
    world.ask(there, probe.clone()).unwrap();
    assert_eq!(told(&mut world, there), ["romeo true"], "any node tells how reachable he is");
    let second = world.member(1, "romeo", "hall");
    assert_eq!(told(&mut world, there), ["romeo true", "romeo probes"]);
    world.tell(second, Command::Quit(String::new()));
    world.run_ms(300);
    assert_eq!(told(&mut world, there), ["romeo false", "romeo has ended"]);
    assert!(told(&mut world, here).is_empty(), "each node tells of its own sessions");
    world.ask(romeo, Command::RosterSet(juliet(None).account, None)).unwrap();
    assert_eq!(told(&mut world, here), ["romeo Unsubscribe", "romeo Unsubscribed", "romeo false"]);
    world.run_ms(300);
    world.ask(there, probe).unwrap();
    assert_eq!(told(&mut world, there), ["romeo Unsubscribed"]);
}

#[test]
fn an_occupant_of_another_server_is_one_for_every_node() {
    let mut world = World::new(2);
    world.run_ms(300);
    let there = gateway(&mut world, 1);
    let alice = world.guest(0, "alice");
    world.join(alice, "lobby").unwrap();
    world.run_ms(300);
    let hers = world.connect(1);
    world.ask(hers, Command::LogIn(juliet(None).account)).unwrap();
    world.ask(hers, super::world::open("juliet", Some("balcony"))).unwrap();
    let join = Command::Join { room: room("lobby"), nick: Some(nick("Juliet")), key: None };
    world.ask(hers, join).unwrap();
    world.run_ms(300);
    world.say(hers, "lobby", "from another server");
    world.run_ms(300);
    let heard = world.words(alice);
    assert!(heard.iter().any(|word| word.contains("from another server")), "{heard:?}");
    // What is for her client comes in at whichever node her server reaches.
    let here = gateway(&mut world, 0);
    let forward = || Command::Abroad(AbroadCommand::Forward(juliet(Some("balcony")), "<presence/>".into()));
    world.heard(hers);
    world.ask(here, forward()).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(hers), ["forwarded <presence/>"]);
    assert_eq!(world.ask(there, forward()).unwrap_err(), Refusal::NoSuchNick, "that node has her itself");
    world.cut(&[0]);
    world.run_ms(20_000);
    assert_eq!(world.ask(here, forward()).unwrap_err(), Refusal::NoSuchNick, "who is out of reach is not there");
}

#[test]
fn who_blocks_a_server_hears_nothing_of_its_people() {
    let mut world = World::new(1);
    world.register(0, "romeo");
    let here = gateway(&mut world, 0);
    let romeo = world.member(0, "romeo", "orchard");
    let server = AccountName::any("@b.example").unwrap();
    world.ask(romeo, Command::Block(vec![server], true)).unwrap();
    world.heard(romeo);
    let say = asks(Command::Say(to(&account("romeo")), Content::text("hello")));
    assert_eq!(world.ask(here, say).unwrap_err(), Refusal::NoSuchNick);
    world.ask(here, asks(Command::Subscription(account("romeo"), SubscriptionStep::Subscribe, Bytes::new()))).unwrap();
    let whisper = asks(Command::Whisper(to(&account("romeo")), "<presence/>".into()));
    assert_eq!(world.ask(here, whisper).unwrap_err(), Refusal::NoSuchNick);
    assert!(world.words(romeo).is_empty());
}

#[test]
fn a_stanza_of_somebody_without_a_session_reaches_who_it_is_for_at_another_node() {
    let mut world = World::new(2);
    world.register(0, "romeo");
    world.run_ms(300);
    let here = gateway(&mut world, 0);
    let romeo = world.member(1, "romeo", "orchard");
    world.run_ms(300);
    let orchard = Target::Account(account("romeo"), Some("orchard".to_owned()));
    world.ask(here, asks(Command::Whisper(orchard, "<iq/>".into()))).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(romeo), ["whisper juliet <iq/>"]);
}

#[test]
fn a_node_that_stops_tells_who_is_gone_before_its_gateway_goes() {
    let mut world = World::new(1);
    world.register(0, "romeo");
    let here = gateway(&mut world, 0);
    world.member(0, "romeo", "orchard");
    world.admin(0, crate::node::AdminCommand::Drain);
    assert_eq!(told(&mut world, here), ["romeo has ended"]);
}

/// Romeo with two sessions, at the first node and the second, whose presence juliet sees; gateways of all three.
fn seen_by_juliet() -> (World, [Client; 3], [Client; 2]) {
    let mut world = World::new(3);
    world.register(0, "romeo");
    world.run_ms(300);
    let gateways = [0, 1, 2].map(|index| gateway(&mut world, index));
    let sessions = [world.member(0, "romeo", "orchard"), world.member(1, "romeo", "hall")];
    let back = |step| asks(Command::Subscription(account("romeo"), step, Bytes::new()));
    world.ask(gateways[0], back(SubscriptionStep::Subscribe)).unwrap();
    world
        .ask(sessions[0], Command::Subscription(juliet(None).account, SubscriptionStep::Subscribed, Bytes::new()))
        .unwrap();
    world.run_ms(1_000);
    for gateway in gateways {
        told(&mut world, gateway);
    }
    (world, gateways, sessions)
}

#[test]
fn who_goes_down_with_a_node_is_gone_for_other_servers_too_and_back_with_it() {
    let (mut world, [dead, near, far], _) = seen_by_juliet();
    world.cut(&[0]);
    world.run_ms(20_000);
    assert!(told(&mut world, near).is_empty() && told(&mut world, far).is_empty(), "it may come back");
    world.run_ms(60_000);
    // Juliet is told of the orchard only: the hall is there.
    for gateway in [near, far] {
        assert_eq!(told(&mut world, gateway), ["romeo false"]);
    }
    told(&mut world, dead);
    world.heal();
    world.run_ms(20_000);
    assert_eq!(told(&mut world, near), ["romeo true"]);
    assert_eq!(told(&mut world, dead), ["romeo true"], "what was behind the cut is told of as well");
}

#[test]
fn every_gateway_knows_who_sees_an_account_whichever_node_it_was_granted_at() {
    let (mut world, gateways, [_, hall]) = seen_by_juliet();
    let sees = |world: &mut World, gateway: Client| {
        let heard = world.heard(gateway);
        let is_it = |heard: &super::world::Heard| {
            matches!(heard, super::world::Heard::Event(event)
                if matches!(event.as_ref(), Event::Abroad(to, Told::Sees(account))
                    if *to == juliet(None) && account.as_str() == "romeo"))
        };
        heard.iter().filter(|heard| is_it(heard)).count()
    };
    world.ask(hall, Command::Subscription(juliet(None).account, SubscriptionStep::Unsubscribed, Bytes::new())).unwrap();
    world.run_ms(300);
    assert_eq!(gateways.map(|gateway| sees(&mut world, gateway)), [0, 0, 0]);
    world
        .ask(gateways[1], asks(Command::Subscription(account("romeo"), SubscriptionStep::Subscribe, Bytes::new())))
        .unwrap();
    world.ask(hall, Command::Subscription(juliet(None).account, SubscriptionStep::Subscribed, Bytes::new())).unwrap();
    world.run_ms(300);
    assert_eq!(gateways.map(|gateway| sees(&mut world, gateway)), [1, 1, 1]);
}

#[test]
fn a_node_that_starts_anew_has_others_say_that_its_people_are_gone() {
    let (mut world, [_, near, _], _) = seen_by_juliet();
    world.restart(0);
    world.run_ms(10_000);
    assert_eq!(told(&mut world, near), ["romeo false"]);
}

#[test]
fn who_goes_on_at_another_node_under_the_resource_is_never_gone() {
    let (mut world, [_, near, _], _) = seen_by_juliet();
    world.register(1, "nurse");
    let nurse = world.member(1, "nurse", "house");
    world.ask(nurse, Command::RosterGet).unwrap();
    world.ask(nurse, Command::Subscription(account("romeo"), SubscriptionStep::Subscribe, Bytes::new())).unwrap();
    let again = world.connect(2);
    world.cut(&[0]);
    world.run_ms(20_000);
    world.ask(again, Command::LogIn(account("romeo"))).unwrap();
    world.ask(again, super::world::open("romeo", Some("orchard"))).unwrap();
    let comes = lavina_protocols::command::PresenceChange { available: Some(true), ..Default::default() };
    world.ask(again, Command::SetPresence(comes)).unwrap();
    world.ask(again, Command::Subscription(account("nurse"), SubscriptionStep::Subscribed, Bytes::new())).unwrap();
    world.run_ms(1_000);
    assert_eq!(told(&mut world, near), Vec::<String>::new(), "its own node tells");
    world.heard(nurse);
    let orchard = || Target::Account(account("romeo"), Some("orchard".to_owned()));
    world.heard(again);
    world.ask(nurse, Command::Whisper(orchard(), "<iq/>".into())).unwrap();
    world.run_ms(300);
    assert_eq!(world.words(again), ["whisper nurse <iq/>"], "not to the one left behind");
    world.run_ms(80_000);
    assert!(told(&mut world, near).is_empty());
    let words = world.words(nurse);
    assert!(!words.iter().any(|word| word == "presence romeo false"), "{words:?}");
}

#[test]
fn of_two_sessions_with_one_resource_on_two_sides_of_a_cut_the_newer_stays() {
    let (mut world, _, [orchard, _]) = seen_by_juliet();
    world.cut(&[0]);
    world.run_ms(20_000);
    let newer = world.member(2, "romeo", "orchard");
    world.run_ms(1_000);
    world.heard(orchard);
    world.heal();
    world.run_ms(20_000);
    assert!(world.words(orchard).iter().any(|word| word == "closed Replaced"));
    assert!(!world.words(newer).iter().any(|word| word == "closed Replaced"));
}

#[test]
fn who_sees_an_accounts_presence_is_shown_what_it_publishes_wherever_that_is() {
    let (mut world, [here, near, _], [orchard, hall]) = seen_by_juliet();
    for (key, value) in [("shown/pep/x", "node"), ("shown/pep/x/only", "item"), ("private/x", "secret")] {
        world.ask(hall, Command::RegisterSet(key.to_owned(), value.into())).unwrap();
    }
    world.run_ms(300);
    for gateway in [here, near] {
        let told = told(&mut world, gateway);
        assert_eq!(told.last().unwrap(), "juliet@b.example is shown shown/pep/x/only of romeo below node");
        assert!(!told.iter().any(|told| told.contains("private")), "{told:?}");
    }
    let latest = |remote: Remote| {
        let prefixes = ["shown/pep/x/", "private/"].map(str::to_owned).to_vec();
        Command::Abroad(AbroadCommand::Latest(remote, account("romeo"), prefixes))
    };
    let Ok(Reply::Latest(found)) = world.ask(near, latest(juliet(Some("balcony")))) else { panic!("nothing") };
    let found: Vec<_> = found.into_iter().map(|(_, register, parent)| (register.key, register.value, parent)).collect();
    assert_eq!(found, [("shown/pep/x/only".to_owned(), b"item".to_vec(), Some(b"node".to_vec()))]);
    let nurse = Remote { account: AccountName::any("nurse@b.example").unwrap(), resource: None };
    assert!(matches!(world.ask(near, latest(nurse)), Ok(Reply::Latest(found)) if found.is_empty()));
    world.ask(orchard, Command::Block(vec![juliet(None).account], true)).unwrap();
    assert!(matches!(world.ask(here, latest(juliet(None))), Ok(Reply::Latest(found)) if found.is_empty()));
    told(&mut world, here);
    world.ask(orchard, Command::RegisterSet("shown/pep/x/only".to_owned(), "other".into())).unwrap();
    assert!(told(&mut world, here).is_empty(), "who is blocked is shown nothing");
}

fn wish(resource: &str) -> (String, Wake) {
    let (service, node) = (AccountName::any("@push.example").unwrap(), format!("node-{resource}"));
    let wake = Wake { resource: resource.to_owned(), service, part: None, node, options: None };
    (format!("wake/{resource}"), wake)
}

#[test]
fn who_is_away_is_woken_once_by_the_senders_node_and_who_is_there_by_its_own() {
    let mut world = World::new(2);
    for name in ["romeo", "nurse"] {
        world.register(0, name);
    }
    world.run_ms(300);
    let (here, there) = (gateway(&mut world, 0), gateway(&mut world, 1));
    let nurse = world.member(0, "nurse", "house");
    let (phone, desk) = (world.member(1, "romeo", "phone"), world.member(1, "romeo", "desk"));
    for resource in ["phone", "tablet"] {
        let (key, wake) = wish(resource);
        world.ask(phone, Command::RegisterSet(key, wake.encode())).unwrap();
    }
    world.run_ms(300);
    let say = |world: &mut World| {
        world.ask(nurse, Command::Say(to(&account("romeo")), Content::text("wake up"))).unwrap();
        world.run_ms(300);
    };
    say(&mut world);
    assert_eq!(
        told(&mut world, here),
        ["@push.example wakes romeo at node-tablet"],
        "the phone's home sees to the phone"
    );
    world.ask(phone, Command::Account(AccountCommand::Wake)).unwrap();
    assert_eq!(told(&mut world, there), ["@push.example wakes romeo at node-phone"]);
    world.ask(desk, Command::Account(AccountCommand::Wake)).unwrap();
    assert!(told(&mut world, there).is_empty(), "the desk has no wish");
    world.tell(phone, Command::Quit(String::new()));
    world.run_ms(300);
    say(&mut world);
    let woken = ["phone", "tablet"].map(|resource| format!("@push.example wakes romeo at node-{resource}"));
    assert_eq!(told(&mut world, here), woken);

    let refuse = |service: &str, key: &str| {
        let account = AccountName::any(service).unwrap();
        let command = Box::new(Command::Unwakeable(super::world::account("romeo"), key.to_owned()));
        Command::Abroad(AbroadCommand::Ask(Remote { account, resource: None }, command))
    };
    assert!(world.ask(there, refuse("@evil.example", "wake/phone")).is_err(), "nobody else turns it off");
    world.ask(there, refuse("@push.example", "wake/phone")).unwrap();
    world.run_ms(300);
    say(&mut world);
    assert_eq!(told(&mut world, here), woken[1..]);
}
