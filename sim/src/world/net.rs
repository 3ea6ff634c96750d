//! Level L0: the connections between nodes as whole frames see them.
//!
//! A connection behaves as the QUIC data plane does: frames of a lane arrive in order or not at all, a cut holds them back, and a
//! connection over which nothing passes for [`IDLE_US`] is gone at both ends. Datagrams are simply lost. On a capped link an urgent lane does
//! not wait for the others, and what waits is bounded.

use super::paths::{Paths, Way, sending_us};
use lavina_gossip::frame::{Frame, Lane};
use lavina_gossip::plane::is_new_round_trip;
use rand::rngs::SmallRng;
use std::collections::BTreeMap;

/// After this long without anything coming through, an end gives a connection up; as the real transport does.
pub(crate) const IDLE_US: u64 = 5_000_000;
/// How often the round trip of a connection is measured, microseconds.
pub(crate) const ROUND_TRIP_US: u64 = 5_000_000;

/// A gateway that does not answer within so many ways, two round trips, is passed over.
const PATIENT_FOR: u64 = 4;

/// The state of all ways and connections.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) paths: Paths,
    conns: BTreeMap<Way, Conn>,
    next_epoch: u64,
}

/// One direction of a connection, one lane.
type Stream = (Way, Lane);

/// A connection between the lower and the higher numbered node.
#[derive(Debug, Default)]
pub(crate) struct Conn {
    /// Distinguishes it from earlier connections of the same two nodes.
    pub(crate) epoch: u64,
    /// When it was made, microseconds.
    pub(crate) made_us: u64,
    /// The round trip that its ends were told last, microseconds.
    pub(crate) round_trip_us: Option<u64>,
    /// What waits behind a cut.
    held: BTreeMap<Stream, Vec<Frame>>,
    /// When the last frame arrives: later ones come after it.
    arrives_us: BTreeMap<Stream, u64>,
    /// On a capped link, until when it is busy with this lane and more urgent ones.
    busy_us: BTreeMap<Stream, u64>,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives at this time, on the connection of this epoch.
    Arrives(u64, u64),
    /// It is dropped: no connection, or too much waits already.
    Dropped,
    /// Too much of the most urgent lane waits: the connection ends.
    Overload,
}

const fn pair(one: usize, other: usize) -> Way {
    if one < other { (one, other) } else { (other, one) }
}

impl Net {
    pub(crate) const fn new(paths: Paths) -> Self {
        Self { paths, conns: BTreeMap::new(), next_epoch: 1 }
    }

    /// The connection of two nodes.
    pub(crate) fn conn(&self, one: usize, other: usize) -> Option<&Conn> {
        self.conns.get(&pair(one, other))
    }

    /// Takes note of the round trip of a connection; says whether its ends are to be told.
    pub(crate) fn is_new_round_trip(&mut self, one: usize, other: usize, us: u64) -> bool {
        let Some(conn) = self.conns.get_mut(&pair(one, other)) else { return false };
        let is_new = is_new_round_trip(conn.round_trip_us, us);
        if is_new {
            conn.round_trip_us = Some(us);
        }
        is_new
    }

    /// Makes a connection, unless there is one; returns its epoch when it is new.
    pub(crate) fn connect(&mut self, now_us: u64, one: usize, other: usize) -> Option<u64> {
        if self.conn(one, other).is_some() {
            return None;
        }
        let epoch = self.next_epoch;
        self.next_epoch += 1;
        self.conns.insert(pair(one, other), Conn { epoch, made_us: now_us, ..Conn::default() });
        Some(epoch)
    }

    /// Ends a connection and everything under way on it.
    pub(crate) fn disconnect(&mut self, one: usize, other: usize) -> bool {
        self.conns.remove(&pair(one, other)).is_some()
    }

    /// All pairs that have a connection, with its epoch.
    pub(crate) fn connections(&self) -> Vec<(usize, usize, u64)> {
        self.conns.iter().map(|((one, other), conn)| (*one, *other, conn.epoch)).collect()
    }

    /// What becomes of a frame sent at `now_us`. `bytes` is asked only on a capped link.
    pub(crate) fn schedule(
        &mut self,
        now_us: u64,
        way: Way,
        lane: Lane,
        bytes: impl FnOnce() -> usize,
        rng: &mut SmallRng,
    ) -> Fate {
        let (from, to) = way;
        let mut delay_us = self.paths.delay_us(from, to, rng);
        // A link over which nothing comes for longer is given up, and what was under way on it goes over the next one.
        while delay_us < IDLE_US && self.paths.loses(from, to, rng) {
            delay_us += 2 * self.paths.delay_us(from, to, rng);
        }
        let rate_kbps = self.paths.rate_kbps(from, to);
        let clogged_us = self.paths.busy_for_us(now_us, from, to);
        let Some(conn) = self.conns.get_mut(&pair(from, to)) else { return Fate::Dropped };
        let left_us = match rate_kbps {
            None => Some(now_us + clogged_us),
            Some(kbps) => conn.leaves_us(now_us + clogged_us, way, lane, bytes(), kbps),
        };
        let Some(left_us) = left_us else {
            return if lane == Lane::Control { Fate::Overload } else { Fate::Dropped };
        };
        let arrives_us = conn.arrives_us.entry((way, lane)).or_default();
        *arrives_us = (*arrives_us + 1).max(left_us + delay_us);
        Fate::Arrives(*arrives_us, conn.epoch)
    }

    /// Whether something that was lost on its way, and sent again, still makes what came after it wait for longer than a sender is patient.
    pub(crate) fn is_stalled(&self, now_us: u64) -> bool {
        let late = |((way, _), arrives_us): (&Stream, &u64)| {
            *arrives_us > now_us + PATIENT_FOR * self.paths.longest_us(way.0, way.1)
        };
        self.conns.values().any(|conn| conn.arrives_us.iter().any(late))
    }

    /// A frame is at the far end of its way: gives it back when it comes through, with whatever a cut had held before it.
    pub(crate) fn arrive(&mut self, from: usize, to: usize, epoch: u64, frame: Frame) -> Vec<Frame> {
        let passes = self.paths.passes_both(from, to);
        let Some(conn) = self.conns.get_mut(&pair(from, to)).filter(|conn| conn.epoch == epoch) else {
            return Vec::new();
        };
        let held = conn.held.entry(((from, to), frame.lane())).or_default();
        held.push(frame);
        if passes { std::mem::take(held) } else { Vec::new() }
    }

    /// What a cut had held back and now comes through.
    pub(crate) fn release(&mut self) -> Vec<(usize, usize, Vec<Frame>)> {
        let mut released = Vec::new();
        let paths = &self.paths;
        for conn in self.conns.values_mut() {
            for (((from, to), _), held) in &mut conn.held {
                if paths.passes_both(*from, *to) && !held.is_empty() {
                    released.push((*from, *to, std::mem::take(held)));
                }
            }
        }
        released
    }
}

impl Conn {
    /// When a frame has left over a capped link: behind its own and more urgent lanes, before the others.
    fn leaves_us(&mut self, now_us: u64, way: Way, lane: Lane, bytes: usize, kbps: u64) -> Option<u64> {
        let busy_us = self.busy_us.get(&(way, lane)).map_or(now_us, |busy_us| now_us.max(*busy_us));
        let room = u64::try_from(lane.waiting_bytes_max()).unwrap_or(u64::MAX);
        if (busy_us - now_us) * kbps / 8_000 > room {
            return None;
        }
        let takes_us = sending_us(bytes, kbps);
        for later in Lane::ALL.into_iter().filter(|later| *later >= lane) {
            let busy_us = self.busy_us.entry((way, later)).or_default();
            *busy_us = now_us.max(*busy_us) + takes_us;
        }
        Some(busy_us + takes_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{LinkPlan, NodePlan, Release};
    use rand::SeedableRng;

    #[test]
    fn what_was_lost_holds_up_what_comes_after_it() {
        let node = |region: &str| NodePlan {
            name: region.to_owned(),
            region: region.to_owned(),
            zone: String::new(),
            clock_offset_ms: 0,
            starts_at_ms: 0,
            release: Release::default(),
        };
        let links =
            LinkPlan { near_us: 1_000, far_us: 50_000, jitter_percent: 0, loss_permille: 0, between: Vec::new() };
        let mut net = Net::new(Paths::new(&links, &[node("eu"), node("us")]));
        let mut rng = SmallRng::seed_from_u64(1);
        net.connect(0, 0, 1);
        net.schedule(0, (0, 1), Lane::Control, || 0, &mut rng);
        assert!(!net.is_stalled(0));
        net.paths.set_loss(990);
        let fate = net.schedule(0, (0, 1), Lane::Control, || 0, &mut rng);
        net.paths.set_loss(0);
        let Fate::Arrives(at_us, _) = fate else { panic!("{fate:?}") };
        assert!(at_us > 200_000, "{at_us}");
        assert_eq!(net.schedule(0, (0, 1), Lane::Control, || 0, &mut rng), Fate::Arrives(at_us + 1, 1));
        assert!(net.is_stalled(0));
        assert!(!net.is_stalled(at_us));
    }
}
