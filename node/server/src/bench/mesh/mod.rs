//! What the nodes of a mesh cost one another: real nodes, stores and QUIC in this process, over emulated ways.
//!
//! The nodes share the machine with those who drive them, so that on a small or busy one times are upper bounds.

mod catchup;
mod copies;
mod disk;
mod field;
mod idle;
mod join;
mod live;
mod peers;
mod restart;

use anyhow::Result;
use catchup::CatchUp;
use clap::{Args, ValueEnum};
use copies::Copies;
use lavina_quic::Kinds;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// What nodes cost one another: copies, catching up, idling, delivery
#[derive(Args)]
pub(crate) struct Mesh {
    /// Messages that a node lacks in each catch-up; the figures at the top are those of the last
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 100_000])]
    divergence: Vec<u64>,
    /// Common rooms of the idle pair
    #[arg(long, default_value_t = 10_000)]
    rooms: u64,
    /// For how long the idle pair is listened to, seconds
    #[arg(long, default_value_t = 60)]
    listen: u64,
    /// Messages of a room that is entered where it is not held
    #[arg(long, default_value_t = 10_000)]
    history: u64,
    /// Megabytes of the store of a node that is killed
    #[arg(long, default_value_t = 100)]
    store: u64,
    /// Only some of the measurements
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Part>,
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// 3 regions of 3 nodes
    Copies,
    /// Two nodes after a cut, 80 ms there and back, 100 Mbit/s
    Catchup,
    /// Two equal nodes with many rooms
    Idle,
    /// Two nodes 40 ms apart
    Live,
    /// One node's disk
    Disk,
    /// Two nodes 40 ms apart, rooms on one of them
    Join,
    /// A node that is killed
    Restart,
    /// Meshes of several sizes
    Peers,
}

/// What was measured; `null` what was not.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Measured {
    wan_copies_per_entry: Option<f64>,
    catchup_link_share: Option<f64>,
    catchup_overhead: Option<f64>,
    idle_bytes_per_s: Option<f64>,
    delivery_over_one_way_ms_p99: Option<f64>,
    delivery_over_one_way_ms_median: Option<f64>,
    entries_per_s: Option<f64>,
    wire_bytes_per_message: Option<f64>,
    wire_bytes_per_message_busy: Option<f64>,
    one_room_differs_bytes: Option<f64>,
    memory_bytes_per_replica: Option<f64>,
    memory_bytes_per_peer: Option<f64>,
    disk_bytes_per_message: Option<f64>,
    join_over_round_trip_ms: Option<f64>,
    join_rooms: Option<usize>,
    restart_ms: Option<f64>,
    restart_store_bytes: Option<u64>,
    copies: Option<Copies>,
    catchups: Vec<CatchUp>,
    /// What an idle node said.
    idle_kinds: Vec<KindShare>,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("WAN copies per entry and region", self.wan_copies_per_entry),
            ("delivery beyond one way, p99, ms", self.delivery_over_one_way_ms_p99),
            ("delivery beyond one way, median, ms", self.delivery_over_one_way_ms_median),
            ("entries a second between two nodes", self.entries_per_s),
            ("IP bytes per single message", self.wire_bytes_per_message),
            ("IP bytes per message, busy", self.wire_bytes_per_message_busy),
            ("idle pair, IP bytes a second", self.idle_bytes_per_s),
            ("one room differs, IP bytes", self.one_room_differs_bytes),
            ("memory per replica, bytes", self.memory_bytes_per_replica),
            ("memory per idle peer, bytes", self.memory_bytes_per_peer),
            ("disk per message of 100 bytes, bytes", self.disk_bytes_per_message),
            ("join beyond the round trip, worst, ms", self.join_over_round_trip_ms),
            ("killed until serving again, ms", self.restart_ms),
            ("bytes of that node's store", self.restart_store_bytes.map(|bytes| ratio(bytes, 1))),
        ];
        for (name, value) in rows.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            writeln!(f, "{name:<38}{value:>12.3}")?;
        }
        if let Some(copies) = &self.copies {
            writeln!(
                f,
                "of {} entries: {} second gateways, {} entries sent by sync, {} asked for again",
                copies.written, copies.gateway_retries, copies.synced, copies.resent
            )?;
        }
        if !self.idle_kinds.is_empty() {
            writeln!(f, "what the idle pair said: {}", words(&self.idle_kinds))?;
        }
        for one in &self.catchups {
            writeln!(
                f,
                "catch-up of {} messages: {:.2} s, missing bytes at {:.0} % of the link's rate, sent bytes at {:.0} %, {:.2} bytes sent per byte missing, {} bytes back, {} packets lost",
                one.messages,
                one.seconds,
                one.link_share * 100.0,
                one.wire_share * 100.0,
                one.overhead,
                one.bytes_back,
                one.lost
            )?;
            writeln!(f, "  there: {}; back: {}", words(&one.there), words(&one.back))?;
        }
        Ok(())
    }
}

impl Mesh {
    /// Measures.
    pub(crate) fn measure(&self) -> Result<Measured> {
        let wanted = |part: Part| self.only.is_empty() || self.only.contains(&part);
        let mut measured = Measured::default();
        if wanted(Part::Copies) {
            let copies = copies::measure()?;
            measured.wan_copies_per_entry = Some(copies.per_entry);
            measured.copies = Some(copies);
        }
        if wanted(Part::Live) {
            let live = live::measure()?;
            measured.delivery_over_one_way_ms_p99 = Some(live.late_ms_p99);
            measured.delivery_over_one_way_ms_median = Some(live.late_ms_median);
            measured.entries_per_s = Some(live.entries_per_second);
            measured.wire_bytes_per_message = Some(live.bytes_per_message);
            measured.wire_bytes_per_message_busy = Some(live.bytes_per_message_busy);
        }
        if wanted(Part::Catchup) {
            for messages in &self.divergence {
                let one = catchup::measure(*messages)?;
                measured.catchup_link_share = Some(one.link_share);
                measured.catchup_overhead = Some(one.overhead);
                measured.catchups.push(one);
            }
        }
        if wanted(Part::Idle) {
            let idle = idle::measure(self.rooms, Duration::from_secs(self.listen))?;
            measured.idle_bytes_per_s = Some(idle.bytes_per_second);
            measured.one_room_differs_bytes = Some(idle.one_room_differs_bytes);
            measured.memory_bytes_per_replica = Some(idle.bytes_per_replica);
            measured.idle_kinds = idle.kinds;
        }
        if wanted(Part::Disk) {
            measured.disk_bytes_per_message = Some(disk::measure(DISK_MESSAGES)?);
        }
        if wanted(Part::Join) {
            let join = join::measure(self.history)?;
            measured.join_over_round_trip_ms = Some(join.over_round_trip_ms);
            measured.join_rooms = Some(join.rooms);
        }
        if wanted(Part::Peers) {
            measured.memory_bytes_per_peer = Some(peers::measure()?);
        }
        if wanted(Part::Restart) {
            let restart = restart::measure(self.store)?;
            measured.restart_ms = Some(restart.milliseconds);
            measured.restart_store_bytes = Some(restart.store_bytes);
        }
        Ok(measured)
    }
}

/// What passed of one kind of frames, without what QUIC, UDP and IP put around them.
#[derive(Clone, Debug, Serialize)]
struct KindShare {
    kind: &'static str,
    count: u64,
    bytes: u64,
}

/// The kinds of which anything passed.
fn shares(kinds: &Kinds) -> Vec<KindShare> {
    let passed = kinds.iter().filter(|(_, passed)| passed.count > 0);
    passed.map(|(kind, passed)| KindShare { kind, count: passed.count, bytes: passed.bytes }).collect()
}

fn words(shares: &[KindShare]) -> String {
    let words = shares.iter().map(|share| format!("{} {} ({} bytes)", share.count, share.kind, share.bytes));
    words.collect::<Vec<_>>().join(", ")
}

/// Messages whose room on the disk is measured.
const DISK_MESSAGES: u64 = 100_000;

#[expect(clippy::cast_precision_loss, reason = "measures have far fewer digits")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Of numbers in order.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = ratio(u64::try_from(sorted.len().saturating_sub(1)).unwrap_or(0), 1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of the slice")]
    let index = (last * share).round() as usize;
    sorted.get(index).copied().unwrap_or(0.0)
}

fn median(sorted: &[f64]) -> f64 {
    percentile(sorted, 0.5)
}
