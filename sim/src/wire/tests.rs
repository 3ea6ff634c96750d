//! Two or three stations over a wire of ten milliseconds: who ends up connected, and what comes through.

use super::{Base, Heard, Packet, Station, address};
use bytes::Bytes;
use lavina_crdt::ids::NodeId;
use lavina_gossip::frame::{Frame, Lane};
use lavina_gossip::plane::{IDLE_TIMEOUT, KEEP_ALIVES};
use std::collections::BTreeMap;
use std::net::SocketAddr;

const DELAY_US: u64 = 10_000;

type Passes = fn(u64, &Packet) -> bool;

struct Wire {
    now_us: u64,
    stations: Vec<Station>,
    moves: Vec<u16>,
    under_way: BTreeMap<(u64, u64), (SocketAddr, Packet)>,
    sent: u64,
    passes: Passes,
    heard: Vec<(usize, Heard)>,
}

fn node(index: usize) -> NodeId {
    NodeId([u8::try_from(index).unwrap() + 1; 32])
}

impl Wire {
    fn new(count: usize, passes: Passes) -> Self {
        let base = Base::new();
        let mut stations: Vec<Station> = (0..count).map(|index| Station::new(node(index), 7, base)).collect();
        for station in &mut stations {
            station.set_admitted(0, (0..count).map(node));
        }
        let moves = vec![0; count];
        Self { now_us: 0, stations, moves, under_way: BTreeMap::new(), sent: 0, passes, heard: Vec::new() }
    }

    fn dial(&mut self, from: usize, to: usize) {
        let at = address(to, self.moves[to]);
        self.stations[from].dial(self.now_us, node(to), at);
        self.collect();
    }

    fn send(&mut self, from: usize, to: usize, lane: Lane, bytes: usize) {
        let frame = Frame::Membership(Bytes::from(vec![7; bytes]));
        self.stations[from].send(self.now_us, node(to), lane, &frame);
        self.collect();
    }

    fn collect(&mut self) {
        for (index, station) in self.stations.iter_mut().enumerate() {
            station.drive(self.now_us);
            while let Some(packet) = station.poll_packet() {
                self.sent += 1;
                if (self.passes)(self.sent, &packet) {
                    let source = address(index, self.moves[index]);
                    self.under_way.insert((self.now_us + DELAY_US, self.sent), (source, packet));
                }
            }
            while let Some(heard) = station.poll_heard() {
                self.heard.push((index, heard));
            }
        }
    }

    fn run(&mut self, us: u64) {
        let until_us = self.now_us + us;
        loop {
            let arrival = self.under_way.first_key_value().map(|((at_us, _), _)| *at_us);
            let wake = self.stations.iter().filter_map(Station::wake_us).min();
            let Some(at_us) = arrival.into_iter().chain(wake).min().filter(|at_us| *at_us <= until_us) else { break };
            self.now_us = self.now_us.max(at_us);
            if arrival == Some(at_us) {
                let (_, (source, packet)) = self.under_way.pop_first().unwrap();
                let to = (0..self.stations.len()).find(|index| address(*index, self.moves[*index]) == packet.to);
                if let Some(to) = to {
                    self.stations[to].on_packet(self.now_us, source, &packet);
                }
            } else {
                self.stations.iter_mut().for_each(|station| station.on_time(self.now_us));
            }
            self.collect();
        }
        self.now_us = until_us;
    }

    /// Ups and downs that a station told.
    fn changes(&self, of: usize) -> Vec<bool> {
        let change = |heard: &Heard| match heard {
            Heard::Up(_) => Some(true),
            Heard::Down(..) => Some(false),
            Heard::Frame(..) | Heard::UnknownFrame(_) | Heard::Datagram(..) | Heard::RoundTrip(..) => None,
        };
        self.heard.iter().filter(|(index, _)| *index == of).filter_map(|(_, heard)| change(heard)).collect()
    }

    /// Sizes of the frames that a station was given, in order.
    fn frames(&self, of: usize) -> Vec<usize> {
        let size = |heard: &Heard| {
            let Heard::Frame(_, frame) = heard else { return None };
            let Frame::Membership(bytes) = &**frame else { panic!("{frame:?}") };
            Some(bytes.len())
        };
        self.heard.iter().filter(|(index, _)| *index == of).filter_map(|(_, heard)| size(heard)).collect()
    }
}

#[test]
fn two_that_dial_each_other_keep_one_connection() {
    let mut wire = Wire::new(2, |_, _| true);
    wire.dial(0, 1);
    wire.dial(1, 0);
    wire.run(20_000_000);
    assert_eq!((wire.changes(0), wire.changes(1)), (vec![true], vec![true]));
    assert!(wire.stations.iter().all(|station| station.conns.len() == 1));
}

#[test]
fn lost_packets_lose_no_frame() {
    let mut wire = Wire::new(2, |number, _| number % 4 != 0);
    wire.dial(0, 1);
    wire.run(5_000_000);
    (1..200).for_each(|bytes| wire.send(0, 1, Lane::Live, bytes * 20));
    wire.run(20_000_000);
    assert_eq!(wire.frames(1), (1..200).map(|bytes| bytes * 20).collect::<Vec<_>>());
}

#[test]
fn a_changed_packet_is_as_good_as_lost() {
    let mut wire = Wire::new(2, |_, _| true);
    wire.dial(0, 1);
    wire.run(1_000_000);
    wire.send(0, 1, Lane::Live, 100);
    for (_, packet) in wire.under_way.values_mut() {
        let mut bytes = packet.bytes.to_vec();
        let last = bytes.len() - 20;
        bytes[last] ^= 1;
        packet.bytes = bytes.into();
    }
    wire.run(11_000);
    assert!(wire.frames(1).is_empty());
    wire.run(1_000_000);
    assert_eq!(wire.frames(1), [100]);
}

#[test]
fn whoever_answers_at_a_wrong_address_is_not_taken_for_the_peer() {
    let mut wire = Wire::new(3, |_, _| true);
    wire.stations[0].dial(0, node(1), address(2, 0));
    wire.collect();
    wire.run(10_000_000);
    assert!((0..3).all(|station| wire.changes(station).is_empty()));
}

#[test]
fn urgent_frames_pass_what_waits_in_bulk() {
    let mut wire = Wire::new(2, |_, _| true);
    wire.dial(0, 1);
    wire.run(1_000_000);
    (0..4).for_each(|_| wire.send(0, 1, Lane::Bulk, 1_000_000));
    wire.send(0, 1, Lane::Control, 10);
    wire.run(20_000_000);
    assert_eq!(wire.frames(1), [10, 1_000_000, 1_000_000, 1_000_000, 1_000_000]);
}

#[test]
fn a_dialler_whose_address_changes_stays_connected() {
    let mut wire = Wire::new(2, |_, _| true);
    wire.dial(0, 1);
    wire.run(2_000_000);
    wire.moves[0] = 1;
    wire.run(10_000_000);
    wire.send(1, 0, Lane::Live, 100);
    wire.run(1_000_000);
    assert_eq!(wire.frames(0), [100]);
    assert_eq!((wire.changes(0), wire.changes(1)), (vec![true], vec![true]));
}

#[test]
fn an_acceptor_whose_address_changes_is_missed_in_time_and_dialled_anew() {
    let mut wire = Wire::new(2, |_, _| true);
    wire.dial(0, 1);
    wire.run(2_000_000);
    wire.moves[1] = 1;
    // Silence counts from the first packet that is not answered (RFC 9000 section 10.1): a keep-alive.
    let missed = IDLE_TIMEOUT + IDLE_TIMEOUT / KEEP_ALIVES;
    wire.run(u64::try_from(missed.as_micros()).unwrap() + 100_000);
    assert_eq!(wire.changes(0), [true, false]);
    wire.dial(0, 1);
    wire.run(100_000);
    assert_eq!(wire.changes(0), [true, false, true]);
}

#[test]
fn large_packets_that_vanish_end_no_connection() {
    let mut wire = Wire::new(2, |_, _| true);
    wire.dial(0, 1);
    wire.run(3_000_000);
    wire.passes = |_, packet| packet.bytes.len() <= 1_280;
    (0..50).for_each(|_| wire.send(0, 1, Lane::Live, 5_000));
    wire.run(20_000_000);
    assert_eq!(wire.frames(1).len(), 50);
    assert_eq!((wire.changes(0), wire.changes(1)), (vec![true], vec![true]));
}

#[test]
fn a_restarted_peer_is_noticed_at_its_first_answer() {
    let mut wire = Wire::new(2, |_, _| true);
    wire.dial(0, 1);
    wire.run(1_000_000);
    let base = Base::new();
    wire.stations[1] = Station::new(node(1), 9, base);
    wire.run(2_000_000);
    assert_eq!(wire.changes(0), [true, false]);
}
