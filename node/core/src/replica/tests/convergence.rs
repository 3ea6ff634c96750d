//! Whatever the order, doubling and size of what arrives: in the end all nodes are equal, and each message was shown once.

use super::*;
use lavina_crdt::content::MessageKind;
use lavina_crdt::ids::OrderKey;
use lavina_crdt::register::RegisterSet;
use lavina_crdt::room::{Act, Flag, Kick, Mask, Rank};
use proptest::prelude::*;
use std::collections::BTreeSet;

const NAMES: [&str; 3] = ["alice", "bob", "carol"];

/// One thing that happens at a node.
#[derive(Clone, Debug)]
enum Step {
    SayInRoom,
    SayDirect,
    Signal,
    Act(Act),
    Kick,
    Register(u8),
    Flush,
    /// Gives another node part of what it lacks, backwards or twice when the number says so.
    Send(usize, u8),
    Restart,
}

fn principal(index: usize) -> Principal {
    Principal::Account(account(NAMES[index]))
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0..NAMES.len();
    prop_oneof![
        Just(Act::Create),
        Just(Act::Create),
        any::<bool>().prop_map(|on| Act::SetFlag { flag: Flag::Moderated, on }),
        any::<bool>().prop_map(|on| Act::SetFlag { flag: Flag::RegisteredSpeak, on }),
        "[a-c]".prop_map(Act::SetTopic),
        "[a-c]?".prop_map(|name| Act::SetForward(lavina_crdt::names::RoomName::new(&name).ok())),
        (0..NAMES.len(), any::<bool>()).prop_map(|(who, on)| {
            let mask = Mask::Mute(Box::new(Mask::Account(account(NAMES[who]))));
            Act::SetBan { mask, ban: on.then(String::new) }
        }),
        (who.clone(), prop_oneof![Just(Rank::None), Just(Rank::Voice), Just(Rank::Operator), Just(Rank::Founder)])
            .prop_map(|(who, rank)| Act::SetRank { who: principal(who), rank }),
        (who, any::<bool>())
            .prop_map(|(who, on)| Act::SetBan { mask: Mask::Account(account(NAMES[who])), ban: on.then(String::new) }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::SayInRoom),
        2 => Just(Step::SayDirect),
        1 => Just(Step::Signal),
        3 => act().prop_map(Step::Act),
        1 => Just(Step::Kick),
        1 => any::<u8>().prop_map(Step::Register),
        3 => Just(Step::Flush),
        6 => (0..NAMES.len(), any::<u8>()).prop_map(|(to, how)| Step::Send(to, how)),
        1 => Just(Step::Restart),
    ]
}

/// A node, and what was shown at it.
struct Seen {
    peer: Peer,
    shown: Vec<OrderKey>,
    restarted: bool,
}

impl Seen {
    fn see(&mut self, effects: &[Effect]) {
        self.shown.extend(messages(effects).map(|message| message.key));
    }

    fn append(&mut self, now: Now, scope: Scope, name: &str, body: Body) {
        let author = author(self.peer.number, name);
        let effects = self.peer.replicas.append(now, scope, Some(author), body).unwrap().effects;
        self.see(&effects);
    }

    fn receive(&mut self, now: Now, from: u8, runs: &[Run]) {
        let received = self.peer.receive(now, from, runs);
        assert_eq!(received.faults, []);
        self.see(&received.effects);
    }
}

fn send(now: Now, nodes: &mut [Seen], from: usize, to: usize, how: u8) {
    let mut runs = nodes[from].peer.missing_at(&nodes[to].peer);
    if how & 1 > 0 {
        runs.reverse();
    }
    if how & 2 > 0 {
        runs.extend(runs.clone());
    }
    runs.truncate(usize::from(how >> 2) % 8 + 1);
    let number = nodes[from].peer.number;
    nodes[to].receive(now, number, &runs);
}

fn perform(now: Now, nodes: &mut Vec<Seen>, at: usize, step: Step) {
    let (node, name) = (&mut nodes[at], NAMES[at]);
    match step {
        Step::SayInRoom => node.append(now, room_scope(), name, Body::Message(Content::text("in the room"))),
        Step::SayDirect => node.append(now, direct("alice", "bob"), name, Body::Message(Content::text("to you"))),
        Step::Signal => {
            let signal = Content { kind: MessageKind::Signal, ..Content::text("") };
            node.append(now, room_scope(), name, Body::Message(signal));
        }
        Step::Act(act) => {
            let author = author(node.peer.number, name);
            let effects = node.peer.replicas.append_acts(now, &room(), author, &[act]).unwrap().effects;
            node.see(&effects);
        }
        Step::Kick => {
            let other = author(node.peer.number, NAMES[(at + 1) % NAMES.len()]);
            let (nick, who) = (other.nick.key(), other.principal());
            node.append(
                now,
                room_scope(),
                name,
                Body::Kick(Kick { nick, who, sessions: Vec::new(), reason: String::new() }),
            );
        }
        Step::Register(value) => {
            let set = RegisterSet { key: "profile/x".to_owned(), value: vec![value], of: None };
            node.append(now, Scope::Account(account("alice")), name, Body::Register(set));
        }
        Step::Flush => {
            node.peer.flush();
        }
        Step::Send(to, how) => send(now, nodes, at, to, how),
        Step::Restart => {
            let node = nodes.remove(at);
            // Its sessions are gone with all they were shown.
            nodes.insert(at, Seen { peer: node.peer.restart(now), shown: Vec::new(), restarted: true });
        }
    }
}

fn settle(now: Now, nodes: &mut [Seen]) {
    for node in nodes.iter_mut() {
        node.peer.flush();
    }
    for _ in 0..nodes.len() {
        for from in 0..nodes.len() {
            for to in 0..nodes.len() {
                let runs = nodes[from].peer.missing_at(&nodes[to].peer);
                let number = nodes[from].peer.number;
                nodes[to].receive(now, number, &runs);
                nodes[to].peer.flush();
            }
        }
    }
    let later = at(now.mono_us / 1000 + Limits::default().hold_ms_max);
    for node in nodes {
        let effects = node.peer.replicas.timeout(later);
        node.see(&effects);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn all_nodes_become_equal_and_show_each_message_once(
        steps in prop::collection::vec((0..NAMES.len(), step()), 1..60),
    ) {
        let mut nodes: Vec<Seen> =
            (1..=3).map(|number| Seen { peer: Peer::new(number), shown: Vec::new(), restarted: false }).collect();
        super::situations::register(&mut nodes[0].peer, at(0), "alice", 1);
        let mut now = at(1);
        for (index, step) in steps {
            // Steps of a node share a millisecond now and then.
            now = at(now.mono_us / 1000 + u64::try_from(index).unwrap());
            perform(now, &mut nodes, index, step);
        }
        settle(now, &mut nodes);
        let (first, others) = nodes.split_first_mut().unwrap();
        for other in others {
            prop_assert_eq!(first.peer.replicas.digest(), other.peer.replicas.digest());
            prop_assert_eq!(first.peer.replicas.room(&room()), other.peer.replicas.room(&room()));
            for scope in [room_scope(), direct("alice", "bob")] {
                prop_assert_eq!(first.peer.log(&scope), other.peer.log(&scope));
            }
            let register = |peer: &Peer| {
                let alice = peer.replicas.account(&account("alice"))?;
                alice.registers().get("profile/x").map(<[u8]>::to_vec)
            };
            prop_assert_eq!(register(&first.peer), register(&other.peer));
        }
        for node in &mut nodes {
            let distinct: BTreeSet<OrderKey> = node.shown.iter().copied().collect();
            prop_assert_eq!(distinct.len(), node.shown.len(), "shown twice");
            let mut log: BTreeSet<OrderKey> = node.peer.log(&room_scope()).iter().map(|said| said.key).collect();
            log.extend(node.peer.log(&direct("alice", "bob")).iter().map(|said| said.key));
            if !node.restarted {
                prop_assert_eq!(&distinct, &log);
            }
        }
    }

    #[test]
    fn a_restart_changes_nothing_that_is_durable(
        steps in prop::collection::vec((0..NAMES.len(), step()), 1..40),
    ) {
        let mut nodes: Vec<Seen> =
            (1..=3).map(|number| Seen { peer: Peer::new(number), shown: Vec::new(), restarted: false }).collect();
        for (ms, (index, step)) in (1..).zip(steps) {
            perform(at(ms), &mut nodes, index, step);
        }
        for mut node in nodes {
            node.peer.flush();
            let before = (node.peer.replicas.room(&room()), node.peer.log(&room_scope()), node.peer.replicas.digest());
            let mut peer = node.peer.restart(at(100));
            prop_assert_eq!(before, (peer.replicas.room(&room()), peer.log(&room_scope()), peer.replicas.digest()));
        }
    }
}
