//! Anti-entropy: two peers compare one hash; where it differs they descend the [tree](crate::tree) to the buckets that differ, exchange
//! the version vectors of the scopes in them, and send what is missing.
//!
//! When: on connect and on return into reach, and on a slow timer with the near peers and now and then with one peer in each other region in
//! turn, so that a mesh in which not all are connected converges too. When two regions find together again, one pair of
//! nodes compares first and what it brings is relayed within each region; the other pairs wait their turn and mostly find nothing to do.
//!
//! Two that were equal before they lost one another tell at once what has changed since, when that is little, and have caught up a round trip later
//! ([`Frame::Changed`]); whether that was all the tree says afterwards.
//!
//! Who was told the same already, or has said the same, and did not find that it differs, is not told again for a while: whichever side changes says so.
//!
//! While rooms are placed, two peers compare what [both are to hold](crate::holders). What is listed beyond it is answered all the same, so that nothing is
//! sent again and again where two do not agree for a moment on who holds what.
//!
//! **Invariant:** equal replicas exchange one [`Frame::Root`] and nothing else.

use crate::arrivals::Arrivals;
use crate::catchup::CatchUp;
use crate::commons::Commons;
use crate::frame::Frame;
use crate::fresh::Fresh;
use crate::gauges::Gauge;
use crate::gossip::View;
use crate::handover::{self, Handover, Settled};
use crate::holders::Holders;
use crate::inflight::InFlight;
use crate::links::Links;
use crate::machine::Output;
use crate::outbox::Outbox;
use crate::rendezvous;
use crate::tree::{Tree, bucket_of, scope_hash};
use crate::turns::Turns;
use lavina_crdt::clock::Now;
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::{NodeId, Scope};
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::names::RoomName;
use lavina_crdt::version::VersionVector;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// About the most bytes of vectors in one frame; the buckets left out are compared again afterwards.
const VECTORS_BYTES_MAX: usize = 1024 * 1024;
/// The peer with the greater id leaves the first word to the other for so long.
const SECOND_WORD_MS: u64 = 300;
/// Time for which a pair of nodes of two regions waits for a pair that ranks before it, per rank.
const ENVOY_WAIT_MS: u64 = 1_000;
/// Time for which two regions wait for another pair of regions that ranks before them, per rank: a region that comes back is not told the
/// same by all others at once. A small comparison is over by then; for a large one see [`Sync::on_time`].
const REGION_WAIT_MS: u64 = 500;
/// Time for which a node that has near peers leaves far ones alone, since they may know it all.
const NEAR_FIRST_MS: u64 = 500;
/// Longest of these waits together.
const FAR_WAIT_MS_MAX: u64 = 4_000;
/// Wait before comparing again with a peer with whom a comparison is under way or was cut short.
const AGAIN_MS: u64 = 1_000;
/// A peer connected for longer than this was compared with already when it comes into reach.
const SETTLED_MS: u64 = 5_000;
/// Most scopes told as changed since two were connected last: more are found through the tree.
const CHANGED_MAX: usize = 64;
/// Most scopes that one question is answered for.
const ASKED_MAX: usize = 512;
/// What was sent to a peer so long before its connection was given up has arrived.
const ARRIVED_MS: u64 = 15_000;
/// How often the moment is noted up to which everything has arrived at those who are connected.
const MOMENT_MS: u64 = 5_000;
/// How long what a peer was told goes without saying: as long as two replicas may stay unequal if a comparison was lost for a reason that nobody has
/// thought of.
const TOLD_MS: u64 = 30_000;
/// How long a peer has to say that it places rooms before it is taken to hold everything, milliseconds: it says so first of all.
const PLACING_MS: u64 = 1_000;
/// Rounds of the slow timer for one with far peers, when there are near ones.
const FAR_EVERY: u64 = 2;

/// See the module.
#[derive(Debug)]
pub(crate) struct Sync {
    period_ms: u64,
    tree: Tree,
    commons: Commons,
    handover: Handover,
    pub(crate) catch_up: CatchUp,
    pub(crate) fresh: Fresh,
    /// When to compare with a peer.
    due: BTreeMap<NodeId, u64>,
    /// Peers that are sending batches, until when that is believed.
    incoming: BTreeMap<NodeId, u64>,
    round_at_us: Option<u64>,
    rounds: u64,
    turns: Turns,
    /// The root and the presence that each peer was told last, and when; forgotten where it is known to differ.
    told: BTreeMap<NodeId, (Hash, Hash, u64)>,
    /// How often the rooms in common had changed when each peer was told of them last.
    told_rooms: BTreeMap<NodeId, u64>,
    /// Moments in the life of the tree, oldest first, with when they were: one that is old enough, and those after it.
    moments: VecDeque<(u64, u64)>,
    /// The moment in which a peer last said that it has the same.
    equal_at: BTreeMap<NodeId, u64>,
    /// Up to which moment a peer that was lost had what is here.
    left_at: BTreeMap<NodeId, u64>,
}

impl Sync {
    pub(crate) fn new(period_ms: u64, linger_ms: u64) -> Self {
        Self {
            period_ms: period_ms.max(1),
            tree: Tree::default(),
            commons: Commons::default(),
            handover: Handover::new(linger_ms),
            catch_up: CatchUp::default(),
            fresh: Fresh::default(),
            due: BTreeMap::new(),
            incoming: BTreeMap::new(),
            round_at_us: None,
            rounds: 0,
            turns: Turns::default(),
            told: BTreeMap::new(),
            told_rooms: BTreeMap::new(),
            moments: VecDeque::new(),
            equal_at: BTreeMap::new(),
            left_at: BTreeMap::new(),
        }
    }

    pub(crate) fn gauges(&self) -> [Gauge; 2] {
        [self.fresh.gauge(), self.catch_up.gauge()]
    }

    pub(crate) fn on_durable(&mut self, now: Now, scope: &Scope, key: Hash, vector: &VersionVector, holders: &Holders) {
        if vector.is_empty() {
            self.tree.remove(&key);
            self.commons.on_change(scope, &key, holders);
            self.handover.remove(&key);
            return;
        }
        if self.tree.set(scope, key, vector) {
            self.commons.on_change(scope, &key, holders);
        }
        if let Some(stays) = self.stays(scope, &key, holders) {
            self.handover.put(now, scope, key, stays);
        }
    }

    /// A node is to hold a room from here on, or no longer.
    pub(crate) fn on_interest(&mut self, now: Now, node: NodeId, room: &Scope, key: Hash, holders: &Holders) {
        if !self.tree.has(&key) {
            return;
        }
        self.commons.on_interest(node, room, &key, holders);
        if let Some(stays) = self.stays(room, &key, holders) {
            self.handover.keep(now, room, key, stays);
        }
    }

    /// If a scope is to be handed over, whether it stays for now.
    fn stays(&mut self, scope: &Scope, key: &Hash, holders: &Holders) -> Option<bool> {
        let is_kept = holders.keeps_here(scope, key);
        if is_kept && !holders.is_leaving() {
            self.handover.remove(key);
            return None;
        }
        Some(is_kept)
    }

    /// Who counts as a home has changed.
    pub(crate) fn on_placement(&mut self, now: Now, holders: &Holders) {
        self.told_rooms.clear();
        self.commons.rebuild(holders);
        let is_leaving = holders.is_leaving();
        let held = self.tree.leaves().map(|(key, scope, _)| (key, scope, holders.keeps_here(scope, &key)));
        let surplus = held.filter(|(_, _, stays)| is_leaving || !stays);
        let surplus = surplus.map(|(key, scope, stays)| (key, scope.clone(), stays));
        self.handover.rebuild(now, is_leaving, surplus);
    }

    /// How many rooms are to be handed over.
    pub(crate) fn to_hand_over(&self) -> usize {
        self.handover.unsettled()
    }

    /// Of how many rooms whose home this node is fewer homes are in reach than there are to be.
    pub(crate) fn thin(&self, links: &Links, holders: &Holders) -> usize {
        if !holders.is_on() {
            return 0;
        }
        let is_thin = |key: &Hash| {
            let homes = holders.homes(key);
            homes.contains(&links.me) && !homes.iter().all(|home| *home == links.me || links.is_live(*home))
        };
        self.tree.rooms().filter(|key| is_thin(key)).count()
    }

    /// A peer has said that it places rooms too: what is compared with it is another thing from here on.
    pub(crate) fn on_placing(&mut self, now: Now, peer: NodeId, links: &Links) {
        self.commons.add_peer(peer);
        self.differs(peer);
        self.on_up(now, peer, links);
    }

    /// The hash over all that this node and a peer both hold.
    fn root(&mut self, peer: NodeId, holders: &Holders) -> Hash {
        if holders.is_placing(peer) { self.commons.root(peer, &self.tree, holders) } else { self.tree.root() }
    }

    fn bucket_hashes(&mut self, peer: NodeId, holders: &Holders) -> Vec<(u8, Hash)> {
        if holders.is_placing(peer) {
            self.commons.bucket_hashes(peer, &self.tree, holders)
        } else {
            self.tree.bucket_hashes()
        }
    }

    /// Asks homes about what is to be handed over to them.
    pub(crate) fn hand_over(&mut self, view: &View<'_>, out: &mut Outbox) {
        for (home, scopes) in self.handover.on_time(view) {
            out.send(home, Frame::Ask { vectors: handover::unsent(scopes), send: false });
        }
    }

    /// A peer asks what is here of some scopes, and perhaps for it; `partial` are rooms of which too little is here.
    #[expect(clippy::too_many_arguments, reason = "the frame's parts and the tables they are held against")]
    pub(crate) fn on_ask(
        &mut self,
        view: &View<'_>,
        from: NodeId,
        vectors: Vec<(Scope, VersionVector)>,
        send: bool,
        partial: &BTreeMap<Hash, RoomName>,
        flights: &mut InFlight,
        out: &mut Outbox,
    ) {
        let mut held = Vec::new();
        for (scope, theirs) in vectors.into_iter().take(ASKED_MAX) {
            // Who wants the room is not to take a part of it for the whole.
            let is_told = !(send && partial.contains_key(&scope_hash(&scope)));
            let ours = if is_told { view.replica.vector(&scope) } else { VersionVector::default() };
            if send && ours.missing_in(&theirs).next().is_some() && !self.catch_up.want_at_once(from, &scope, theirs) {
                out.overflow();
            }
            held.push((scope, ours));
        }
        out.send(from, Frame::Holding(held));
        self.catch_up.pump(view, from, &self.fresh, flights, out);
    }

    /// A peer says what it has of a room: if it is to be handed over to it, it gets what it lacks.
    pub(crate) fn on_holding(
        &mut self,
        view: &View<'_>,
        from: NodeId,
        scope: &Scope,
        theirs: VersionVector,
        flights: &mut InFlight,
        out: &mut Outbox,
    ) {
        let key = scope_hash(scope);
        let homes = view.holders.other_homes(&key);
        if !self.handover.concerns(&key) || !homes.contains(&from) {
            return;
        }
        if view.replica.vector(scope).missing_in(&theirs).next().is_none() {
            match (self.handover.on_confirmed(view.now, from, key, &homes), scope) {
                (Settled::HandedOver, _) => out.counters.rooms_handed_over += 1,
                (Settled::Spare, Scope::Room(room)) => out.push(Output::Spare(room.clone())),
                (Settled::Not | Settled::Kept | Settled::Spare, _) => {}
            }
            return;
        }
        self.handover.on_lacking(&key);
        let newest = view.replica.newest_in(scope);
        if self.catch_up.gives(from, scope, newest, key) {
            return;
        }
        if !self.catch_up.want(from, scope, newest, theirs) {
            out.overflow();
        }
        self.catch_up.pump(view, from, &self.fresh, flights, out);
    }

    pub(crate) fn on_up(&mut self, now: Now, peer: NodeId, links: &Links) {
        let second = if links.me < peer { 0 } else { SECOND_WORD_MS };
        self.due.insert(peer, now.deadline_ms(far_wait_ms(peer, links) + second));
    }

    pub(crate) fn on_reach(&mut self, now: Now, peer: NodeId, links: &Links) {
        let connected_at_us = links.get(peer).and_then(|link| link.connected_at_us());
        if connected_at_us.is_some_and(|at| now.mono_us.saturating_sub(at) > SETTLED_MS * 1000)
            && !self.due.contains_key(&peer)
        {
            self.on_up(now, peer, links);
        }
    }

    /// Notes a moment now and then.
    fn note_moment(&mut self, now: Now) {
        if self.moments.back().is_none_or(|(at_us, _)| now.mono_us.saturating_sub(*at_us) >= MOMENT_MS * 1000) {
            self.moments.push_back((now.mono_us, self.tree.changes()));
        }
        while self.moments.get(1).is_some_and(|(at_us, _)| has_arrived(*at_us, now)) {
            self.moments.pop_front();
        }
    }

    /// A connection that was there is gone. The two were equal when the peer last said so; and what was told on it long enough ago has arrived, when they
    /// were equal then.
    pub(crate) fn on_lost(&mut self, now: Now, peer: NodeId) {
        self.note_moment(now);
        let moment = self.moments.front().filter(|(at_us, _)| has_arrived(*at_us, now)).map(|(_, moment)| *moment);
        let moment = moment.filter(|_| self.told.contains_key(&peer)).max(self.equal_at.remove(&peer));
        if let Some(moment) = moment {
            self.left_at.insert(peer, moment);
        }
    }

    /// The peer does not belong to the mesh any more.
    pub(crate) fn on_gone(&mut self, peer: NodeId) {
        self.left_at.remove(&peer);
        self.equal_at.remove(&peer);
    }

    pub(crate) fn forget(&mut self, peer: NodeId) {
        self.due.remove(&peer);
        self.incoming.remove(&peer);
        self.catch_up.forget(peer);
        self.told.remove(&peer);
        self.told_rooms.remove(&peer);
        self.commons.remove_peer(peer);
    }

    /// The peer is known to have something else, so that it is asked again at the next turn.
    pub(crate) fn differs(&mut self, peer: NodeId) {
        self.told.remove(&peer);
        self.told_rooms.remove(&peer);
    }

    /// Step 1.
    ///
    /// Two that are equal need not be told so by both: whoever changes says it.
    pub(crate) fn on_root(
        &mut self,
        now: Now,
        from: NodeId,
        (entries, presence): (Hash, Hash),
        holders: &Holders,
        out: &mut Outbox,
    ) {
        self.due.remove(&from);
        if entries == self.root(from, holders) {
            self.equal_at.insert(from, self.tree.changes());
            self.note_told(now, from, entries, presence);
        } else {
            self.differs(from);
            out.send(from, Frame::Buckets(self.bucket_hashes(from, holders)));
        }
    }

    /// The short way: sends what the peer lacks of these scopes, and asks for what it has and this node does not.
    #[expect(clippy::too_many_arguments, reason = "the frame's parts and the tables they are held against")]
    pub(crate) fn on_changed(
        &mut self,
        view: &View<'_>,
        from: NodeId,
        vectors: Vec<(Scope, VersionVector)>,
        answer: bool,
        arrivals: &Arrivals,
        flights: &mut InFlight,
        out: &mut Outbox,
    ) {
        self.differs(from);
        let (mut lacking, mut complete) = (Vec::new(), vectors.len() <= CHANGED_MAX);
        for (scope, theirs) in vectors.into_iter().take(CHANGED_MAX) {
            let key = scope_hash(&scope);
            let durable = view.replica.vector(&scope);
            let mut ours = durable.clone();
            arrivals.add_to(view.now.mono_us, key, &mut ours);
            let lacks = theirs.missing_in(&ours).next().is_some();
            if durable.missing_in(&theirs).next().is_some() {
                complete &= self.catch_up.want(from, &scope, view.replica.newest_in(&scope), theirs);
            }
            if lacks {
                lacking.push((scope, ours));
            }
        }
        if !complete {
            out.overflow();
        }
        if answer && self.left_at.contains_key(&from) {
            // The peer is to know as soon what has changed here.
            self.due.insert(from, view.now.mono_us);
        } else {
            // Whether that was all is compared afterwards.
            self.due.insert(from, view.now.deadline_ms(AGAIN_MS));
        }
        self.catch_up.pump(view, from, &self.fresh, flights, out);
        if answer && !lacking.is_empty() && view.links.is_connected(from) {
            out.send(from, Frame::Changed { vectors: lacking, answer: false });
        }
    }

    /// What has changed since a peer was lost, when it had all before and it is little.
    fn changed_for(&mut self, view: &View<'_>, peer: NodeId, arrivals: &Arrivals) -> Option<Frame> {
        let moment = self.left_at.remove(&peer)?;
        // Of two regions one pair of nodes is enough, and the others would say the same.
        if far_wait_ms(peer, view.links) > NEAR_FIRST_MS {
            return None;
        }
        let is_common = |scope: &Scope, key: &Hash| view.holders.keeps(peer, scope, key);
        let touched = self.tree.touched_since(moment, CHANGED_MAX, is_common).filter(|touched| !touched.is_empty())?;
        let vector = |(key, scope): (Hash, Scope)| {
            let mut vector = view.replica.vector(&scope);
            arrivals.add_to(view.now.mono_us, key, &mut vector);
            (scope, vector)
        };
        Some(Frame::Changed { vectors: touched.into_iter().map(vector).collect(), answer: true })
    }

    /// Step 2.
    pub(crate) fn on_buckets(
        &mut self,
        view: &View<'_>,
        from: NodeId,
        theirs: Vec<(u8, Hash)>,
        arrivals: &Arrivals,
        out: &mut Outbox,
    ) {
        self.due.remove(&from);
        self.differs(from);
        let theirs: BTreeMap<u8, Hash> = theirs.into_iter().collect();
        let ours: BTreeMap<u8, Hash> = self.bucket_hashes(from, view.holders).into_iter().collect();
        let all: BTreeSet<u8> = ours.keys().chain(theirs.keys()).copied().collect();
        let differing = all.into_iter().filter(|bucket| ours.get(bucket) != theirs.get(bucket)).collect();
        self.send_vectors(view, from, &differing, None, arrivals, out);
    }

    /// Step 3: sends the first batch of what the peer lacks, and asks for what it has and this node does not.
    #[expect(clippy::too_many_arguments, reason = "the frame's parts and the tables they are held against")]
    pub(crate) fn on_vectors(
        &mut self,
        view: &View<'_>,
        from: NodeId,
        buckets: Vec<u8>,
        vectors: Vec<(Scope, VersionVector)>,
        answer: bool,
        arrivals: &Arrivals,
        flights: &mut InFlight,
        out: &mut Outbox,
    ) {
        self.due.remove(&from);
        let buckets: BTreeSet<u8> = buckets.into_iter().collect();
        let mut theirs: BTreeMap<Hash, (Scope, VersionVector)> = BTreeMap::new();
        for (scope, vector) in vectors {
            let key = scope_hash(&scope);
            if buckets.contains(&bucket_of(&key)) {
                theirs.insert(key, (scope, vector));
            } else {
                out.refuse();
            }
        }
        if self.catch_up.is_busy(from) {
            // These vectors do not know of the batch on its way; compare again after it.
            self.due.insert(from, view.now.deadline_ms(AGAIN_MS));
        } else {
            self.catch_up_with(view, from, &buckets, &theirs, flights, out);
        }
        let lacking = |(key, (scope, vector)): (&Hash, &(Scope, VersionVector))| {
            let mut ours = view.replica.vector(scope);
            arrivals.add_to(view.now.mono_us, *key, &mut ours);
            vector.missing_in(&ours).next().is_some().then_some(bucket_of(key))
        };
        let lacking: BTreeSet<u8> = theirs.iter().filter_map(lacking).collect();
        if answer {
            self.send_vectors(view, from, &lacking, Some(&theirs), arrivals, out);
        }
    }

    fn catch_up_with(
        &mut self,
        view: &View<'_>,
        peer: NodeId,
        buckets: &BTreeSet<u8>,
        theirs: &BTreeMap<Hash, (Scope, VersionVector)>,
        flights: &mut InFlight,
        out: &mut Outbox,
    ) {
        let mut complete = true;
        for bucket in buckets {
            for (key, scope) in self.tree.scopes(*bucket) {
                let listed = theirs.get(&key).map(|(_, vector)| vector.clone());
                let is_common = view.holders.keeps_here(scope, &key) && view.holders.keeps(peer, scope, &key);
                if listed.is_none() && !is_common {
                    continue;
                }
                let vector = listed.unwrap_or_default();
                if view.replica.vector(scope).missing_in(&vector).next().is_some() {
                    complete &= self.catch_up.want(peer, scope, view.replica.newest_in(scope), vector);
                }
            }
        }
        if !complete {
            out.overflow();
            self.due.insert(peer, view.now.deadline_ms(AGAIN_MS));
        }
        self.catch_up.pump(view, peer, &self.fresh, flights, out);
    }

    /// Step 4, receiving: while batches come there is nothing to compare.
    pub(crate) fn on_delta(&mut self, now: Now, from: NodeId, more: bool) {
        if more {
            self.incoming.insert(from, now.deadline_ms(2 * AGAIN_MS));
        } else {
            self.incoming.remove(&from);
        }
    }

    /// A batch brought nothing, so that nothing waits for the next one: else who sends such batches without end would keep others from being asked.
    pub(crate) fn on_nothing_new(&mut self, from: NodeId) {
        self.incoming.remove(&from);
    }

    /// Tells a peer what is here in some buckets, of the scopes that it is to hold and of those that it has `listed` itself, if it has.
    fn send_vectors(
        &mut self,
        view: &View<'_>,
        to: NodeId,
        buckets: &BTreeSet<u8>,
        listed: Option<&BTreeMap<Hash, (Scope, VersionVector)>>,
        arrivals: &Arrivals,
        out: &mut Outbox,
    ) {
        let mut covered = Vec::new();
        let mut vectors = Vec::new();
        let mut room = VECTORS_BYTES_MAX;
        for bucket in buckets {
            if room == 0 {
                self.due.insert(to, view.now.deadline_ms(AGAIN_MS));
                break;
            }
            for (key, scope) in self.tree.scopes(*bucket) {
                if !view.holders.keeps(to, scope, &key) && !listed.is_some_and(|listed| listed.contains_key(&key)) {
                    continue;
                }
                let mut vector = view.replica.vector(scope);
                arrivals.add_to(view.now.mono_us, key, &mut vector);
                // A scope's name and length prefixes, and an origin with its seq for each.
                room = room.saturating_sub(100 + 26 * vector.iter().count());
                vectors.push((scope.clone(), vector));
            }
            covered.push(*bucket);
        }
        if !covered.is_empty() && view.links.is_connected(to) {
            out.send(to, Frame::Vectors { buckets: covered, vectors, answer: listed.is_none() });
        }
    }

    /// Compares with whoever is due; says whether it was time for a round of the slow timer. While a far peer sends batches no other far peer
    /// is asked: what that one has, it most likely has too. `presence` is the hash over presence, which is compared along with the entries.
    pub(crate) fn on_time(
        &mut self,
        view: &View<'_>,
        presence: Hash,
        arrivals: &Arrivals,
        flights: &mut InFlight,
        out: &mut Outbox,
    ) -> bool {
        let now = view.now;
        for peer in self.catch_up.overdue(now.mono_us) {
            self.catch_up.pump(view, peer, &self.fresh, flights, out);
        }
        self.note_moment(now);
        let round = self.round(view);
        for peer in &round {
            if !self.was_told(view, *peer, presence) {
                self.due.entry(*peer).or_insert(now.mono_us);
            }
        }
        if mutant::is_planted(Mutant::NoSync) {
            self.due.clear();
        }
        let due: Vec<NodeId> = self.due.iter().filter(|(_, at)| **at <= now.mono_us).map(|(peer, _)| *peer).collect();
        for peer in due {
            if let Some(until_us) = placing_until_us(view, peer) {
                self.due.insert(peer, until_us);
                continue;
            }
            if view.links.is_connected(peer)
                && let Some(changed) = self.changed_for(view, peer, arrivals)
            {
                out.send(peer, changed);
                self.due.insert(peer, now.deadline_ms(AGAIN_MS));
                continue;
            }
            let far = !view.links.is_near(peer);
            let same_source = |from: NodeId| from == peer || (far && !view.links.is_near(from));
            let receiving = self.incoming.iter().any(|(from, until)| *until > now.mono_us && same_source(*from));
            if receiving || self.catch_up.is_busy(peer) {
                self.due.insert(peer, now.deadline_ms(AGAIN_MS));
                continue;
            }
            self.due.remove(&peer);
            if view.links.is_connected(peer) {
                let entries = self.root(peer, view.holders);
                self.note_told(now, peer, entries, presence);
                out.send(peer, Frame::Root { entries, presence });
            }
        }
        !round.is_empty()
    }

    /// A peer knows what is here, as a whole.
    fn note_told(&mut self, now: Now, peer: NodeId, entries: Hash, presence: Hash) {
        self.told_rooms.insert(peer, self.commons.room_changes(peer));
        self.told.insert(peer, (entries, presence, now.mono_us));
    }

    /// Whether a peer was told what is here a while ago, and has not been known to differ since.
    fn was_told(&mut self, view: &View<'_>, peer: NodeId, presence: Hash) -> bool {
        let Some((entries, digest, at_us)) = self.told.get(&peer).copied() else { return false };
        // The peer with the greater id says it only where the other did not.
        let rounds = if view.links.me < peer { 0 } else { 2 };
        let told_ms = TOLD_MS.saturating_add(self.period_ms.saturating_mul(rounds));
        view.now.mono_us.saturating_sub(at_us) < told_ms.saturating_mul(1000)
            && entries == self.root(peer, view.holders)
            && digest == presence
    }

    fn round(&mut self, view: &View<'_>) -> Vec<NodeId> {
        let (now, links) = (view.now, view.links);
        let first = self.round_at_us.is_none();
        if self.round_at_us.is_some_and(|at| at > now.mono_us) {
            return Vec::new();
        }
        self.round_at_us = Some(now.deadline_ms(self.period_ms));
        if first {
            return Vec::new();
        }
        self.rounds += 1;
        let alone = links.connected().all(|peer| !links.is_near(peer));
        let mut chosen = self.turns.next(links, alone || self.rounds.is_multiple_of(FAR_EVERY));
        if view.holders.is_on() {
            let peers = view.holders.placing().filter(|peer| links.is_connected(*peer));
            let changed =
                peers.filter(|peer| self.told_rooms.get(peer) != Some(&self.commons.room_changes(*peer))).collect();
            chosen.extend(self.turns.of_changed(&changed));
        }
        chosen
    }

    pub(crate) fn deadline_us(&self) -> u64 {
        let due = self.due.values().copied().min().unwrap_or(u64::MAX);
        let others = [self.catch_up.deadline_us(), self.handover.deadline_us()];
        due.min(self.round_at_us.unwrap_or(0)).min(others.into_iter().flatten().min().unwrap_or(u64::MAX))
    }
}

/// Until when a peer that may place rooms too is left alone, because it has not said so yet.
fn placing_until_us(view: &View<'_>, peer: NodeId) -> Option<u64> {
    if !view.holders.is_on() || view.holders.is_placing(peer) {
        return None;
    }
    let since_us = view.links.get(peer)?.connected_at_us()?;
    let until_us = since_us.saturating_add(PLACING_MS * 1000);
    (until_us > view.now.mono_us).then_some(until_us)
}

const fn has_arrived(at_us: u64, now: Now) -> bool {
    now.mono_us.saturating_sub(at_us) >= ARRIVED_MS * 1000
}

/// How long to leave the comparison of two regions to whoever ranks before this pair of nodes; not at all within a region.
fn far_wait_ms(peer: NodeId, links: &Links) -> u64 {
    let Some(there) = links.get(peer).map(|link| link.place.region.as_str()) else { return 0 };
    let here = links.region();
    if here == there {
        return 0;
    }
    let envoy_rank = |region: &str, node: NodeId| {
        let ranked = rendezvous::envoys((here.min(there), here.max(there)), &links.of_region(region));
        ranked.iter().position(|candidate| *candidate == node).unwrap_or(0)
    };
    let envoys = envoy_rank(here, links.me) + envoy_rank(there, peer);
    let regions = links.regions();
    let pairs = rendezvous::region_rank(here, there, &regions).max(rendezvous::region_rank(there, here, &regions));
    let wait = |rank: usize, ms: u64| u64::try_from(rank).unwrap_or(u64::MAX).saturating_mul(ms);
    let near = if links.near_live().next().is_some() { NEAR_FIRST_MS } else { 0 };
    wait(envoys, ENVOY_WAIT_MS).saturating_add(wait(pairs, REGION_WAIT_MS)).saturating_add(near).min(FAR_WAIT_MS_MAX)
}
