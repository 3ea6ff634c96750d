//! Rooms that not every node holds.

use super::net::{LINGER_MS, Net, id, name, room};
use crate::frame::Frame;
use crate::machine::{Input, Replica};
use lavina_crdt::version::VersionVector;
use proptest::prelude::*;

const THREE_BY_THREE: &[usize] = &[0, 0, 0, 1, 1, 1, 2, 2, 2];

fn mesh(regions: &[usize], seed: u64, replicas: &[usize]) -> Net {
    let mut net = Net::placed(regions, seed, replicas);
    net.start();
    net.run_ms(6_000);
    net
}

fn placed(regions: &[usize], seed: u64, replicas: usize) -> Net {
    mesh(regions, seed, &vec![replicas; regions.len()])
}

fn vectors(net: &Net, rooms: usize) -> Vec<Vec<VersionVector>> {
    let of = |n| net.nodes.iter().map(|node| node.durable.vector(&room(n))).collect();
    (0..rooms).map(of).collect()
}

/// Whether all holders of each room have the same, which is everything written.
fn holders_agree(net: &Net, rooms: usize, written: &dyn Fn(usize) -> u64) -> bool {
    (0..rooms).all(|n| {
        let holders = net.holders(0, &room(n));
        holders.iter().all(|node| net.nodes[*node].durable.vector(&room(n)).total() == written(n))
    })
}

#[test]
fn entries_go_to_those_who_hold_the_room_and_enter_each_of_their_regions_once() {
    let mut net = placed(THREE_BY_THREE, 1, 3);
    for n in 0..7 {
        net.set_occupied(n, name(n), true);
        net.set_occupied(8 - n, name(n), true);
    }
    let since_us = net.now_us;
    for n in 0..70 {
        net.write(n % 7, &room(n % 7), 1);
        net.run_ms(37);
    }
    net.run_ms(10_000);
    assert!(holders_agree(&net, 7, &|_| 10));
    for n in 0..7 {
        let holders = net.holders(0, &room(n));
        assert!(holders.len() <= 5 && holders.contains(&n) && holders.contains(&(8 - n)), "{holders:?}");
        for node in (0..9).filter(|node| !holders.contains(node)) {
            assert!(net.nodes[node].durable.vector(&room(n)).is_empty(), "room {n} at node {node}");
        }
    }
    for region in 0..3 {
        let enters = |n: &usize| {
            net.region(*n) != region && net.holders(0, &room(*n)).iter().any(|node| net.region(*node) == region)
        };
        assert_eq!(net.copies_into(region, since_us), 10 * (0..7).filter(enters).count(), "region {region}");
    }
    for node in 0..9 {
        let gets = |n: &usize| *n != node && net.holders(0, &room(*n)).contains(&node);
        assert_eq!(net.copies_to(node, since_us), 10 * (0..7).filter(gets).count(), "node {node}");
    }
}

#[test]
fn equal_holders_have_nothing_to_say() {
    let mut net = placed(THREE_BY_THREE, 2, 3);
    for n in 0..30 {
        net.set_occupied(n % 9, name(n), true);
        net.write(n % 9, &room(n), 2);
    }
    net.run_ms(20_000);
    let since_us = net.now_us;
    net.run_ms(60_000);
    let said = net.log.iter().filter(|(at, ..)| *at >= since_us);
    let beyond = said.filter(|(.., frame)| !matches!(frame, Frame::Root { .. })).count();
    assert_eq!(beyond, 0);
}

#[test]
fn who_comes_into_a_room_gets_it_from_the_nearest_who_has_it() {
    let mut net = placed(THREE_BY_THREE, 3, 2);
    net.set_occupied(0, name(1), true);
    net.write(0, &room(1), 500);
    net.run_ms(5_000);
    let holders = net.holders(0, &room(1));
    let comes = (0..9).find(|node| !holders.contains(node)).unwrap();
    let since_us = net.now_us;
    net.input(comes, Input::Fetch(name(1)));
    net.run_ms(300);
    assert_eq!(net.nodes[comes].fetched, [(name(1), true)]);
    net.run_ms(200);
    assert_eq!(net.nodes[comes].durable.vector(&room(1)).total(), 500);
    let sources: Vec<usize> = net
        .log
        .iter()
        .filter(|(at, from, ..)| *at >= since_us && *from == comes)
        .filter_map(|(_, _, to, frame)| matches!(frame, Frame::Ask { .. }).then_some(*to))
        .collect();
    let near = holders.iter().any(|node| net.region(*node) == net.region(comes));
    assert!(sources.len() == 1 && holders.contains(&sources[0]));
    assert_eq!(net.region(sources[0]) == net.region(comes), near, "the nearest");
    assert_eq!(net.copies_to(comes, since_us), 500, "from one only");
}

#[test]
fn what_is_said_while_somebody_comes_in_reaches_them() {
    let mut net = placed(THREE_BY_THREE, 4, 3);
    net.set_occupied(0, name(1), true);
    net.write(0, &room(1), 5);
    net.run_ms(5_000);
    let comes = (0..9).find(|node| !net.holders(0, &room(1)).contains(node)).unwrap();
    net.input(comes, Input::Fetch(name(1)));
    for _ in 0..20 {
        net.write(0, &room(1), 1);
        net.run_ms(20);
    }
    assert_eq!(net.nodes[comes].fetched, [(name(1), true)]);
    net.set_occupied(comes, name(1), true);
    net.run_ms(9_000);
    assert_eq!(net.nodes[comes].durable.vector(&room(1)).total(), 25);
}

#[test]
fn two_who_come_in_at_once_get_what_was_said_before_others_knew_of_them() {
    let mut net = placed(THREE_BY_THREE, 12, 2);
    // They are nearer to one another than to anybody who has the room.
    let comes = [0, 1];
    let n = (0..100).find(|n| net.holders(0, &room(*n)).iter().all(|home| net.region(*home) != 0)).unwrap();
    let home = *net.holders(0, &room(n)).iter().next().unwrap();
    net.set_occupied(home, name(n), true);
    net.write(home, &room(n), 5);
    net.run_ms(5_000);
    comes.into_iter().for_each(|comes| net.input(comes, Input::Fetch(name(n))));
    net.run_ms(400);
    for (told, of) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        net.input(told, Input::Interest(vec![(id(of), name(n), true)]));
    }
    net.write(home, &room(n), 1);
    comes.into_iter().for_each(|comes| net.set_occupied(comes, name(n), true));
    net.run_ms(700);
    for comes in comes {
        assert_eq!(net.nodes[comes].durable.vector(&room(n)).total(), 6, "node {comes}");
    }
}

#[test]
fn a_new_room_is_known_to_be_new_and_nobody_waits_where_nobody_answers() {
    let mut net = placed(THREE_BY_THREE, 5, 3);
    net.input(4, Input::Fetch(name(77)));
    net.run_ms(200);
    assert_eq!(net.nodes[4].fetched, [(name(77), true)]);
    (0..9).filter(|other| *other != 4).for_each(|other| net.cut(4, other));
    net.input(4, Input::Fetch(name(78)));
    net.run_ms(3_100);
    assert_eq!(net.nodes[4].fetched[1], (name(78), false));
    net.run_ms(3_000);
    let since_us = net.now_us;
    net.input(4, Input::Fetch(name(79)));
    assert_eq!(
        (net.nodes[4].fetched[2].clone(), since_us),
        ((name(79), false), net.now_us),
        "with nobody connected, at once"
    );
}

#[test]
fn what_was_written_alone_reaches_the_homes_though_its_writer_has_left() {
    let mut net = placed(THREE_BY_THREE, 6, 3);
    let homes = net.holders(0, &room(1));
    let alone = (0..9).find(|node| !homes.contains(node)).unwrap();
    (0..9).filter(|other| *other != alone).for_each(|other| net.cut(alone, other));
    net.run_ms(2_000);
    net.set_occupied(alone, name(1), true);
    net.write(alone, &room(1), 40);
    net.set_occupied(alone, name(1), false);
    net.kill(alone);
    net.run_ms(5_000);
    net.heal();
    net.restart(alone);
    net.run_ms(20_000);
    assert!(homes.iter().all(|home| net.nodes[*home].durable.vector(&room(1)).total() == 40));
    assert_eq!(net.nodes[alone].gossip.counters().rooms_handed_over, 1);
    net.run_ms(LINGER_MS);
    let since_us = net.now_us;
    net.run_ms(2 * LINGER_MS);
    let asks = net.log.iter().filter(|(at, .., frame)| *at >= since_us && matches!(frame, Frame::Ask { .. })).count();
    assert_eq!(asks, 0, "it is settled");
}

#[test]
fn a_node_that_holds_everything_is_sent_everything_and_loses_nothing_to_others() {
    let mut net = mesh(THREE_BY_THREE, 7, &[3, 3, 3, 3, 0, 3, 3, 3, 3]);
    for n in 0..10 {
        let node = [0, 4, 8][n % 3];
        net.set_occupied(node, name(n), true);
        net.write(node, &room(n), 3);
    }
    net.run_ms(20_000);
    let all = vectors(&net, 10);
    for (n, rows) in all.iter().enumerate() {
        assert_eq!(rows[4].total(), 3, "room {n}");
        assert!(net.holders(0, &room(n)).iter().all(|node| rows[*node].total() == 3), "room {n}");
    }
    let since_us = net.now_us;
    net.run_ms(30_000);
    assert_eq!((0..9).map(|node| net.copies_to(node, since_us)).sum::<usize>(), 0, "nothing goes round and round");
}

#[test]
fn a_mesh_no_larger_than_the_replicas_holds_everything_everywhere() {
    let mut net = placed(&[0, 1, 1], 8, 3);
    (0..5).for_each(|n| net.write(n % 3, &room(n), 4));
    net.run_ms(5_000);
    assert!(net.converged());
    assert_eq!(net.nodes[0].durable.entries(), 20);
}

#[test]
fn a_home_that_stays_away_is_replaced_and_gets_all_when_it_is_back() {
    let mut net = placed(THREE_BY_THREE, 9, 3);
    for n in 0..12 {
        net.set_occupied(0, name(n), true);
        net.write(0, &room(n), 5);
    }
    net.run_ms(10_000);
    let homes: Vec<_> = (0..12).map(|n| net.holders(0, &room(n))).collect();
    let away = (1..9).max_by_key(|node| homes.iter().filter(|of| of.contains(node)).count()).unwrap();
    let thin = |net: &Net| (0..9).filter(|node| *node != away).any(|node| net.nodes[node].gossip.thin() > 0);
    assert!(!thin(&net));
    net.kill(away);
    net.run_ms(10_000);
    assert!(thin(&net), "nobody stands in for it yet");
    net.run_ms(11 * 60_000);
    assert!(!thin(&net));
    for (n, before) in homes.iter().enumerate() {
        let after = net.holders(0, &room(n));
        let moved = after.difference(before).count();
        assert_eq!(moved, usize::from(before.contains(&away)), "room {n}: one takes over from one");
        net.write(0, &room(n), 1);
    }
    net.run_ms(10_000);
    assert!(holders_agree(&net, 12, &|_| 6));
    net.restart(away);
    net.run_ms(20_000);
    assert_eq!((0..12).map(|n| net.holders(0, &room(n))).collect::<Vec<_>>(), homes);
    assert!(holders_agree(&net, 12, &|_| 6));
}

#[test]
fn a_room_is_spare_once_its_homes_have_it_and_nobody_has_wanted_it_for_a_while() {
    let mut net = placed(THREE_BY_THREE, 10, 3);
    let homes = net.holders(0, &room(1));
    let guest = (0..9).find(|node| !homes.contains(node)).unwrap();
    net.set_occupied(guest, name(1), true);
    net.write(guest, &room(1), 3);
    net.run_ms(LINGER_MS + 10_000);
    assert!(net.nodes[guest].spare.is_empty(), "somebody is inside");
    let home = homes.iter().next().copied().unwrap();
    net.write(home, &room(1), 4);
    net.run_ms(1_000);
    net.kill(home);
    net.set_occupied(guest, name(1), false);
    net.run_ms(LINGER_MS + 10_000);
    assert!(net.nodes[guest].spare.is_empty(), "a home is away");
    net.restart(home);
    net.run_ms(LINGER_MS + 10_000);
    assert_eq!(net.nodes[guest].spare, [name(1)]);
    net.let_go(guest, 1);
    net.run_ms(2 * LINGER_MS);
    assert_eq!(net.nodes[guest].durable.vector(&room(1)).total(), 3, "nothing comes back by itself");
    net.nodes[guest].fetched.clear();
    net.input(guest, Input::Fetch(name(1)));
    net.run_ms(500);
    assert_eq!(net.nodes[guest].fetched, [(name(1), true)]);
    assert_eq!(net.nodes[guest].durable.vector(&room(1)).total(), 7);
}

#[test]
fn who_has_a_part_of_a_room_does_not_give_it_for_the_whole() {
    let mut net = placed(&[0, 0, 0, 0, 0], 11, 2);
    let homes: Vec<usize> = net.holders(0, &room(1)).into_iter().collect();
    net.set_occupied(homes[0], name(1), true);
    net.write(homes[0], &room(1), 3);
    net.write(homes[1], &room(1), 5);
    net.run_ms(3_000);
    let guest = (0..5).find(|node| !homes.contains(node)).unwrap();
    net.let_go(homes[0], 1);
    net.input(guest, Input::Fetch(name(1)));
    net.run_ms(100);
    assert_eq!(net.nodes[guest].fetched, [(name(1), true)]);
    assert_eq!(net.nodes[guest].durable.vector(&room(1)).total(), 8);
    net.run_ms(5_000);
    assert_eq!(net.nodes[homes[0]].durable.vector(&room(1)).total(), 8, "a home is made whole");
    assert!(net.nodes[homes[0]].gossip.has(&name(1), &net.nodes[homes[0]].durable));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Whatever is cut, killed, entered and left meanwhile: in the end every holder has all that was written.
    #[test]
    fn holders_have_everything_in_the_end(seed in any::<u64>(), deeds in prop::collection::vec((0..6u8, 0..9usize, 0..9usize, 0..6usize), 1..60)) {
        let mut net = placed(THREE_BY_THREE, seed, 2);
        let mut written = [0; 6];
        for (deed, node, other, n) in deeds {
            match deed {
                0 if node != other => net.cut(node, other),
                1 => net.heal(),
                2 => net.set_occupied(node, name(n), false),
                3 => net.restart(node),
                _ => {
                    net.set_occupied(node, name(n), true);
                    net.write(node, &room(n), 1 + other);
                    written[n] += u64::try_from(1 + other).unwrap();
                }
            }
            net.run_ms(150);
        }
        net.heal();
        net.run_ms(40_000);
        for (n, written) in written.iter().enumerate() {
            let holders = net.holders(0, &room(n));
            prop_assert!(holders.len() >= 2 && (1..9).all(|node| net.holders(node, &room(n)) == holders));
            for node in holders {
                prop_assert_eq!(net.nodes[node].durable.vector(&room(n)).total(), *written, "room {} at node {} {:?}", n, node, id(node).0[0]);
            }
        }
    }
}

#[test]
fn a_node_that_is_emptied_has_soon_handed_over_all_that_is_here_and_then_what_comes() {
    let mut net = Net::placed(&[0; 5], 7, &[2; 5]);
    (0..1_200).for_each(|n| net.preload(0, 0, &room(n), 1));
    net.start();
    net.run_ms(500);
    net.set_occupied(0, name(1), true);
    net.cut(0, 1);
    net.drain(0);
    assert_eq!(net.nodes[0].gossip.to_hand_over(), 1_200);
    net.run_ms(15_000);
    let left = net.nodes[0].gossip.to_hand_over();
    assert!((100..1_000).contains(&left), "{left}: those whose home is out of reach are left");
    net.heal();
    net.run_ms(15_000);
    assert_eq!(net.nodes[0].gossip.to_hand_over(), 0);
    net.write(0, &room(1), 1);
    assert_eq!(net.nodes[0].gossip.to_hand_over(), 1, "somebody is in the room, and says something");
    net.run_ms(400);
    assert_eq!(net.nodes[0].gossip.to_hand_over(), 0);
}
