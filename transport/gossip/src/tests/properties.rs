//! Random topologies and faults: after healing all replicas are equal; random bytes: nothing falls over.

use super::net::{Net, id, room};
use crate::frame::{Frame, decode, encode};
use crate::machine::Input;
use bytes::Bytes;
use lavina_crdt::entry::{Hash, Run, SealedEntry, Signature};
use lavina_crdt::ids::{NodeId, Origin, OriginKey, Scope, SessionId};
use lavina_crdt::names::RoomName;
use lavina_crdt::version::VersionVector;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Write(usize, usize, usize),
    Cut(usize, usize),
    Heal,
    Kill(usize),
    Restart(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..8usize, 0..6usize, 1..4usize).prop_map(|(node, room, count)| Step::Write(node, room, count)),
        2 => (0..8usize, 0..8usize).prop_map(|(a, b)| Step::Cut(a, b)),
        1 => Just(Step::Heal),
        1 => (0..8usize).prop_map(Step::Kill),
        1 => (0..8usize).prop_map(Step::Restart),
        4 => (1..1_500u64).prop_map(Step::Wait),
    ]
}

fn apply(net: &mut Net, alive: &mut [bool], step: Step) {
    let count = alive.len();
    match step {
        Step::Write(node, scope, entries) if alive[node % count] => net.write(node % count, &room(scope), entries),
        Step::Cut(a, b) if a % count != b % count => net.cut(a % count, b % count),
        Step::Heal => net.heal(),
        Step::Kill(node) if alive[node % count] => {
            alive[node % count] = false;
            net.kill(node % count);
        }
        Step::Restart(node) => {
            alive[node % count] = true;
            net.restart(node % count);
        }
        Step::Wait(ms) => net.run_ms(ms),
        Step::Write(..) | Step::Cut(..) | Step::Kill(_) => {}
    }
}

fn frame() -> impl Strategy<Value = Frame> {
    let scope =
        prop_oneof![Just(Scope::Mesh), (0..9u8).prop_map(|n| Scope::Room(RoomName::new(&format!("r{n}")).unwrap()))];
    let entry = (vec(any::<u8>(), 0..40), any::<bool>()).prop_map(|(bytes, signed)| SealedEntry {
        bytes: bytes.into(),
        signature: signed.then_some(Signature([7; 64])),
    });
    let run = (scope.clone(), 0..4u8, any::<u64>(), vec(entry, 0..4)).prop_map(|(scope, node, first, entries)| Run {
        scope,
        origin: OriginKey { node: NodeId([node; 32]), epoch: 1 },
        first,
        entries,
    });
    let mark = (scope.clone(), any::<[u8; 16]>(), any::<u64>())
        .prop_map(|(scope, origin, next)| (scope, Origin(origin), next));
    let vector = vec((any::<[u8; 16]>(), any::<u64>()), 0..4).prop_map(|origins| {
        let mut vector = VersionVector::default();
        origins.into_iter().for_each(|(origin, next)| vector.advance(Origin(origin), next));
        vector
    });
    let session = (0..4u8, any::<u64>()).prop_map(|(node, number)| SessionId { node: NodeId([node; 32]), number });
    prop_oneof![
        (vec(run.clone(), 0..4), any::<bool>()).prop_map(|(runs, relay)| Frame::Push { runs, relay }),
        (vec(run, 0..4), any::<bool>()).prop_map(|(runs, more)| Frame::Delta { runs, more }),
        vec(mark.clone(), 0..4).prop_map(Frame::Durable),
        vec(mark, 0..4).prop_map(Frame::Resend),
        any::<([u8; 32], [u8; 32])>()
            .prop_map(|(one, other)| Frame::Root { entries: Hash(one), presence: Hash(other) }),
        vec((any::<u8>(), any::<[u8; 32]>().prop_map(Hash)), 0..4).prop_map(Frame::Buckets),
        (vec(any::<u8>(), 0..4), vec((scope, vector), 0..4), any::<bool>())
            .prop_map(|(buckets, vectors, answer)| Frame::Vectors { buckets, vectors, answer }),
        vec((0..9u8, any::<(u64, u64)>()), 0..4).prop_map(|have| Frame::PresenceHave(
            have.into_iter().map(|(node, have)| (NodeId([node; 32]), have)).collect()
        )),
        (session, vec(any::<u8>(), 0..9), any::<u8>()).prop_map(|(to, bytes, hops)| Frame::Signal {
            to,
            bytes: bytes.into(),
            hops
        }),
        vec(any::<u8>(), 0..60).prop_map(|bytes| Frame::Membership(bytes.into())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn after_healing_all_replicas_are_equal(
        regions in vec(0..3usize, 2..6),
        seed: u64,
        loss in 0..20u32,
        steps in vec(step(), 1..40),
    ) {
        let mut net = Net::new(&regions, seed);
        net.loss = loss;
        net.start();
        let mut alive = vec![true; regions.len()];
        for step in steps {
            apply(&mut net, &mut alive, step);
        }
        net.loss = 0;
        net.heal();
        let dead: Vec<usize> = (0..alive.len()).filter(|node| !alive[*node]).collect();
        dead.into_iter().for_each(|node| net.restart(node));
        net.run_ms(15_000);
        prop_assert!(net.converged());
        for node in &net.nodes {
            prop_assert!(node.gossip.peers().iter().all(|peer| peer.connected && peer.in_reach));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_frame_survives_its_encoding(frame in frame()) {
        prop_assert_eq!(decode(&encode(&frame).unwrap()), Ok(frame));
    }

    #[test]
    fn no_bytes_make_decoding_fall_over(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(frame) = decode(&bytes) {
            prop_assert!(encode(&frame).is_ok());
        }
    }

    #[test]
    fn no_frame_or_packet_makes_the_machine_fall_over(frames in vec(frame(), 1..10), packet in vec(any::<u8>(), 0..100)) {
        let mut net = Net::new(&[0, 1, 1], 1);
        net.start();
        net.run_ms(200);
        net.write(0, &room(1), 1);
        for frame in frames {
            net.input(0, Input::Frame(id(1), frame));
            net.input(0, Input::Datagram(id(2), Bytes::from(packet.clone())));
            net.run_ms(50);
        }
        net.run_ms(1_000);
    }
}
