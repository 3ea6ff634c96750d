//! Who is alive, after SWIM (Das, Gupta and Motivala, 2002) with suspicion, through the crate `foca`.
//!
//! A node's identity is its id, its start's generation and how often it has renewed itself: one that was declared down, wrongly or
//! after a cut, renews and wins over its old self. Packets travel as datagrams to connected peers; a peer that is not connected is
//! probed through others, so that a node within reach of some is within reach for all. Timers are kept here and keyed by the driver's
//! monotonic clock, which lets the probes of a quiet mesh be few: where every node in reach is connected, its connection tells of its end sooner than
//! a probe would, and probing in earnest begins with the first sign of anything else. Only admitted nodes enter the member list, and a packet counts only as that of the peer it came from.

use crate::frame::Frame;
use crate::links::Links;
use crate::machine::{GossipConfig, Output};
use crate::outbox::Outbox;
use crate::plane::DATAGRAM_BYTES_MAX;
use bytes::{Buf, BufMut, Bytes};
use foca::{
    Codec, Foca, Header, Identity, Message, NoCustomBroadcast, OwnedNotification, PeriodicParams, PostcardCodec, Timer,
};
use lavina_crdt::clock::Now;
use lavina_crdt::ids::NodeId;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

/// Largest SWIM packet: room for the feed of some two hundred nodes.
const PACKET_BYTES_MAX: NonZeroUsize = NonZeroUsize::new(8 * 1024).expect("not zero");
/// Probe periods a suspect has to speak up before it is declared down.
const SUSPECT_PERIODS: u32 = 3;
/// How often one update rides on a message: enough for some hundred nodes, log(n) being what SWIM asks for.
const TRANSMISSIONS_MAX: NonZeroU8 = NonZeroU8::new(10).expect("not zero");
/// Members asked to probe on behalf of another, and members gossiped to at once.
const FANOUT: NonZeroUsize = NonZeroUsize::new(3).expect("not zero");
/// Probe periods without news after which the mesh is quiet.
const QUIET_AFTER_PERIODS: u64 = 10;
/// Probe periods between two probes of a quiet mesh.
const QUIET_STRETCH: u64 = 30;
/// Probe periods between two announcements to somebody, which mend a list that has gone wrong.
const ANNOUNCE_PERIODS: u64 = 30;
/// Shortest probe period taken, so that a bad configuration does not spin.
const PROBE_PERIOD_MS_MIN: u64 = 10;

/// A node as SWIM sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    node: NodeId,
    generation: u64,
    renewal: u32,
}

impl Identity for Member {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        Some(Self { renewal: self.renewal.checked_add(1)?, ..self.clone() })
    }

    fn addr(&self) -> NodeId {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        (self.generation, self.renewal) > (adversary.generation, adversary.renewal)
    }
}

/// What foca wants done, gathered during one call.
#[derive(Default)]
struct Wishes {
    packets: Vec<(NodeId, Bytes)>,
    timers: Vec<(Timer<Member>, Duration)>,
    news: Vec<OwnedNotification<Member>>,
}

impl foca::Runtime<Member> for Wishes {
    fn notify(&mut self, notification: foca::Notification<'_, Member>) {
        self.news.push(notification.to_owned());
    }

    fn send_to(&mut self, to: Member, data: &[u8]) {
        self.packets.push((to.node, Bytes::copy_from_slice(data)));
    }

    fn submit_after(&mut self, event: Timer<Member>, after: Duration) {
        self.timers.push((event, after));
    }
}

/// See the module.
pub(crate) struct Membership {
    foca: Foca<Member, PostcardCodec, Xoshiro256PlusPlus, NoCustomBroadcast>,
    timers: BTreeMap<(u64, u64), Timer<Member>>,
    timers_made: u64,
    active: BTreeSet<NodeId>,
    /// What [`Output::Reach`] said last.
    told: BTreeMap<NodeId, bool>,
    period_ms: u64,
    announce_at_us: u64,
    /// When there was last any sign of change.
    news_us: u64,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("active", &self.active).finish_non_exhaustive()
    }
}

impl Membership {
    pub(crate) fn new(config: &GossipConfig, seed: u64) -> Self {
        let me = Member { node: config.me, generation: config.generation, renewal: 0 };
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let period_ms = config.probe_period_ms.max(PROBE_PERIOD_MS_MIN);
        Self {
            foca: Foca::new(me, foca_config(period_ms), rng, PostcardCodec),
            timers: BTreeMap::new(),
            timers_made: 0,
            active: BTreeSet::new(),
            told: BTreeMap::new(),
            period_ms,
            announce_at_us: 0,
            news_us: 0,
        }
    }

    /// A connection is there: make oneself known. Returns whose reach changed.
    pub(crate) fn on_up(&mut self, now: Now, peer: NodeId, links: &mut Links, out: &mut Outbox) -> Vec<(NodeId, bool)> {
        self.on_news(now);
        let mut wishes = Wishes::default();
        self.announce(peer, &mut wishes);
        self.fulfil(now, wishes, links, out)
    }

    /// Something has changed or may have: whatever probe waits for a quiet mesh comes after the usual period.
    pub(crate) fn on_news(&mut self, now: Now) {
        self.news_us = now.mono_us;
        let soon = |timer: &Timer<Member>| match timer {
            Timer::ProbeRandomMember(_) => Some(now.deadline_ms(self.period_ms)),
            Timer::PeriodicAnnounce(_) => Some(now.deadline_ms(self.period_ms * ANNOUNCE_PERIODS)),
            Timer::SendIndirectProbe { .. }
            | Timer::ChangeSuspectToDown { .. }
            | Timer::PeriodicGossip(_)
            | Timer::PeriodicAnnounceDown(_)
            | Timer::RemoveDown(_) => None,
        };
        let late =
            |(key, timer): (&(u64, u64), &Timer<Member>)| Some((*key, soon(timer).filter(|soon| *soon < key.0)?));
        let late: Vec<((u64, u64), u64)> = self.timers.iter().filter_map(late).collect();
        for (key, soon_us) in late {
            if let Some(timer) = self.timers.remove(&key) {
                self.timers.insert((soon_us, key.1), timer);
            }
        }
    }

    /// Whether there has been nothing to look into for a while, and connections tell of whatever ends.
    fn is_quiet(&self, now: Now, links: &Links) -> bool {
        let calm = now.mono_us.saturating_sub(self.news_us) > QUIET_AFTER_PERIODS * self.period_ms * 1000;
        calm && self.active.iter().all(|node| links.is_connected(*node))
            && links.connected().all(|node| self.active.contains(&node))
    }

    pub(crate) fn on_roster(&mut self, links: &mut Links, out: &mut Outbox) -> Vec<(NodeId, bool)> {
        self.tell(links, out)
    }

    pub(crate) fn on_packet(
        &mut self,
        now: Now,
        from: NodeId,
        packet: &[u8],
        links: &mut Links,
        out: &mut Outbox,
    ) -> Vec<(NodeId, bool)> {
        let mut wishes = Wishes::default();
        let taken = match admitted_part(from, packet, links) {
            Some(Part::Whole) => self.foca.handle_data(packet, &mut wishes).is_ok(),
            Some(Part::Rebuilt(packet)) => self.foca.handle_data(&packet, &mut wishes).is_ok(),
            None => false,
        };
        if !taken {
            out.refuse();
        }
        self.fulfil(now, wishes, links, out)
    }

    pub(crate) fn on_time(&mut self, now: Now, links: &mut Links, out: &mut Outbox) -> Vec<(NodeId, bool)> {
        let mut wishes = Wishes::default();
        let mut unanswered = false;
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now.mono_us) {
            let timer = entry.remove();
            let (is_second, before) = (matches!(timer, Timer::SendIndirectProbe { .. }), wishes.packets.len());
            // An error here says that a probe was cut short by a long pause of this process; foca then starts the next one.
            let _ = self.foca.handle_timer(timer, &mut wishes);
            unanswered |= is_second && wishes.packets.len() > before;
        }
        if unanswered {
            self.on_news(now);
        }
        if self.announce_at_us <= now.mono_us {
            self.announce_at_us = now.deadline_ms(self.period_ms);
            // Datagrams are lost, and after a cut both sides hold the other to be down: ask until each knows better.
            let strangers: Vec<NodeId> = links.connected().filter(|node| !self.active.contains(node)).collect();
            strangers.into_iter().for_each(|node| self.announce(node, &mut wishes));
        }
        self.fulfil(now, wishes, links, out)
    }

    pub(crate) fn deadline_us(&self) -> u64 {
        self.timers.first_key_value().map_or(u64::MAX, |((at, _), _)| *at).min(self.announce_at_us)
    }

    fn announce(&mut self, peer: NodeId, wishes: &mut Wishes) {
        // An announcement is taken whatever generation it names (foca looks at the address only).
        let someone = Member { node: peer, generation: 0, renewal: 0 };
        // The header always fits the packet, and nothing else can fail.
        let _ = self.foca.announce(someone, wishes);
    }

    /// Sends, schedules and takes note; a renewed identity is announced to everybody at once.
    fn fulfil(&mut self, now: Now, mut wishes: Wishes, links: &mut Links, out: &mut Outbox) -> Vec<(NodeId, bool)> {
        let news = std::mem::take(&mut wishes.news);
        if !news.is_empty() {
            self.on_news(now);
        }
        let probes = wishes.timers.iter().any(|(timer, _)| is_probe(timer));
        let stretch = if probes && self.is_quiet(now, links) { QUIET_STRETCH } else { 1 };
        if news.iter().any(|news| matches!(news, OwnedNotification::Rejoin(_))) {
            let peers: Vec<NodeId> = links.connected().collect();
            peers.into_iter().for_each(|peer| self.announce(peer, &mut wishes));
        }
        for (timer, after) in wishes.timers {
            let after_us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
            let after_us = if is_probe(&timer) { after_us.saturating_mul(stretch) } else { after_us };
            self.timers_made += 1;
            self.timers.insert((now.mono_us.saturating_add(after_us), self.timers_made), timer);
        }
        for (to, packet) in wishes.packets {
            if !links.is_connected(to) {
                out.counters.datagrams_dropped += 1;
            } else if packet.len() > DATAGRAM_BYTES_MAX {
                out.send(to, Frame::Membership(packet));
            } else {
                out.datagram(to, packet);
            }
        }
        if news.is_empty() {
            return Vec::new();
        }
        for news in news {
            match news {
                OwnedNotification::MemberUp(member) => {
                    self.active.insert(member.node);
                }
                OwnedNotification::MemberDown(member) => {
                    self.active.remove(&member.node);
                }
                // A renamed member stays as up or down as it was. Being alone or down oneself ends by itself: through announcements.
                OwnedNotification::Rename(..)
                | OwnedNotification::Active
                | OwnedNotification::Idle
                | OwnedNotification::Defunct
                | OwnedNotification::Rejoin(_) => {}
            }
        }
        self.tell(links, out)
    }

    /// Says what has changed of the admitted nodes' reach since it was last said.
    fn tell(&mut self, links: &mut Links, out: &mut Outbox) -> Vec<(NodeId, bool)> {
        let mut changes = Vec::new();
        for node in &self.active {
            if links.is_admitted(*node) && self.told.get(node) != Some(&true) {
                changes.push((*node, true));
            }
        }
        for (node, up) in &self.told {
            if *up && !(self.active.contains(node) && links.is_admitted(*node)) {
                changes.push((*node, false));
            }
        }
        for (node, up) in &changes {
            self.told.insert(*node, *up);
            links.set_reach(*node, *up);
            out.push(Output::Reach(*node, *up));
        }
        self.told.retain(|node, _| links.is_admitted(*node));
        changes
    }
}

fn foca_config(period_ms: u64) -> foca::Config {
    let period = Duration::from_millis(period_ms);
    foca::Config {
        probe_period: period,
        // Half the period for the direct answer, half for the indirect ones.
        probe_rtt: period / 2,
        num_indirect_probes: FANOUT,
        max_transmissions: TRANSMISSIONS_MAX,
        suspect_to_down_after: period * SUSPECT_PERIODS,
        // The list is bounded by the roster, and whoever comes back renews: nobody needs to be forgotten.
        remove_down_after: None,
        max_packet_size: PACKET_BYTES_MAX,
        notify_down_members: true,
        periodic_announce: Some(PeriodicParams {
            frequency: Duration::from_millis(period_ms * ANNOUNCE_PERIODS),
            num_members: NonZeroUsize::MIN,
        }),
        // Announcements to connected peers that are held to be down are this module's own: foca's stop when nobody is left.
        periodic_announce_to_down_members: None,
        periodic_gossip: Some(PeriodicParams { frequency: period / 2, num_members: FANOUT }),
    }
}

/// Whether a timer begins a probe or an announcement: what goes on for ever, and may go slower.
fn is_probe(timer: &Timer<Member>) -> bool {
    matches!(timer, Timer::ProbeRandomMember(_) | Timer::PeriodicAnnounce(_))
}

enum Part {
    Whole,
    Rebuilt(Vec<u8>),
}

/// What of a packet may be taken: `None` when it is not from the peer it says it is from, or no packet at all; without the updates
/// about nodes that are not admitted here, since foca would keep them for ever.
fn admitted_part(from: NodeId, packet: &[u8], links: &Links) -> Option<Part> {
    if packet.len() > PACKET_BYTES_MAX.get() {
        return None;
    }
    let mut codec = PostcardCodec;
    let mut rest = packet;
    let header: Header<Member> = codec.decode_header(&mut rest).ok()?;
    if header.src.node != from {
        return None;
    }
    if rest.len() < 2 || header.message == Message::Broadcast {
        return Some(Part::Whole);
    }
    let mut rebuilt = packet.get(..packet.len().saturating_sub(rest.len()))?.to_vec();
    let count = rest.get_u16();
    let mut members = Vec::new();
    for _ in 0..count {
        let member: foca::Member<Member> = codec.decode_member(&mut rest).ok()?;
        if member.id().node == links.me || links.is_admitted(member.id().node) {
            members.push(member);
        }
    }
    let kept = u16::try_from(members.len()).ok()?;
    if kept == count {
        return Some(Part::Whole);
    }
    rebuilt.put_u16(kept);
    for member in &members {
        codec.encode_member(member, &mut rebuilt).ok()?;
    }
    Some(Part::Rebuilt(rebuilt))
}
