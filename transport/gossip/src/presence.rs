//! Presence between nodes: what is new goes to every connected peer at once; what was missed is asked for by saying what one has.
//!
//! The map itself, and what a change means, are the core's.

use crate::frame::Frame;
use crate::links::Links;
use crate::machine::Output;
use crate::outbox::Outbox;
use lavina_crdt::clock::Now;
use lavina_crdt::derived::{Context, context};
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::NodeId;
use lavina_crdt::mutant::{self, Mutant};
use lavina_crdt::presence::{PresenceMap, PresenceUpdate, SessionRecord};
use std::collections::BTreeMap;
use std::sync::Arc;

static PRESENCE: Context = context("lavina 1 presence");

/// Least time between two questions to one peer, so that two that never agree do not spin.
const ASK_MS_MIN: u64 = 500;
/// About the most bytes of one update: half of the largest frame, since sizes are estimated.
const UPDATE_BYTES_MAX: usize = 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct PresenceExchange {
    /// Incarnation of this node's own presence, known to peers even while there is no session: it ends those of an earlier start.
    incarnation: u64,
    asked_at_us: BTreeMap<NodeId, u64>,
    /// The hash over what is known, and the moment for which it was taken.
    digest: Option<(u64, Hash)>,
}

impl PresenceExchange {
    pub(crate) const fn new(incarnation: u64) -> Self {
        Self { incarnation, asked_at_us: BTreeMap::new(), digest: None }
    }

    /// Own presence has changed.
    pub(crate) fn on_own(&self, update: PresenceUpdate, links: &Links, out: &mut Outbox) {
        for part in split(update).into_iter().map(Arc::new) {
            for peer in links.connected() {
                out.send(peer, Frame::Presence(Arc::clone(&part)));
            }
        }
    }

    /// Says to a peer what is known here.
    pub(crate) fn tell(&mut self, now: Now, peer: NodeId, map: &PresenceMap, links: &Links, out: &mut Outbox) {
        self.asked_at_us.insert(peer, now.mono_us);
        out.send(peer, Frame::PresenceHave(self.versions(map, links)));
    }

    fn versions(&self, map: &PresenceMap, links: &Links) -> BTreeMap<NodeId, (u64, u64)> {
        let mut versions = map.versions();
        let own = versions.entry(links.me).or_default();
        *own = (*own).max((self.incarnation, 0));
        versions
    }

    /// The hash over what is known here of the presence of admitted nodes: equal where two know the same.
    pub(crate) fn digest(&mut self, map: &PresenceMap, links: &Links) -> Hash {
        if let Some((_, digest)) = self.digest.filter(|(moment, _)| *moment == map.changes()) {
            return digest;
        }
        let mut hasher = PRESENCE.hasher();
        for (node, (incarnation, version)) in self.versions(map, links) {
            if node == links.me || links.is_admitted(node) {
                hasher.update(&node.0);
                hasher.update(&incarnation.to_be_bytes());
                hasher.update(&version.to_be_bytes());
            }
        }
        let digest = Hash(*hasher.finalize().as_bytes());
        self.digest = Some((map.changes(), digest));
        digest
    }

    /// Who belongs to the mesh is another thing than before.
    pub(crate) fn on_roster(&mut self) {
        self.digest = None;
    }

    /// A peer knows something else than this node: they tell each other what. Whether it does.
    pub(crate) fn on_digest(
        &mut self,
        now: Now,
        from: NodeId,
        theirs: Hash,
        map: &PresenceMap,
        links: &Links,
        out: &mut Outbox,
    ) -> bool {
        let differs = theirs != self.digest(map, links);
        if differs {
            self.ask(now, from, map, links, out);
        }
        differs
    }

    /// Sends what the peer lacks, and asks when it is the one that knows more.
    pub(crate) fn on_have(
        &mut self,
        now: Now,
        from: NodeId,
        theirs: &BTreeMap<NodeId, (u64, u64)>,
        map: &PresenceMap,
        links: &Links,
        out: &mut Outbox,
    ) {
        let ours = self.versions(map, links);
        self.outdo(theirs, &ours, links, out);
        for (node, have) in &ours {
            if *node == from || !(*node == links.me || links.is_admitted(*node)) {
                continue;
            }
            let after = match theirs.get(node) {
                Some(known) if known >= have => continue,
                Some((incarnation, version)) if *incarnation == have.0 => *version,
                Some(_) | None => 0,
            };
            let nothing =
                || PresenceUpdate { node: *node, incarnation: have.0, version: 0, after: 0, records: BTreeMap::new() };
            let update = map.since(*node, after).filter(|update| update.incarnation == have.0).unwrap_or_else(nothing);
            split(update).into_iter().for_each(|part| out.send(from, Frame::Presence(Arc::new(part))));
        }
        let knows_more = |(node, known): (&NodeId, &(u64, u64))| {
            *node != links.me && links.is_admitted(*node) && ours.get(node).is_none_or(|have| known > have)
        };
        if theirs.iter().any(knows_more) {
            self.ask(now, from, map, links, out);
        }
    }

    /// A peer remembers more of this node's own presence than there is: the number of its starts went back, as with an old backup of its
    /// disk while the wall clock is behind. Peers would hold what it says now for old, so it goes on above what they remember.
    fn outdo(
        &mut self,
        theirs: &BTreeMap<NodeId, (u64, u64)>,
        ours: &BTreeMap<NodeId, (u64, u64)>,
        links: &Links,
        out: &mut Outbox,
    ) {
        let known = theirs.get(&links.me).filter(|known| ours.get(&links.me).is_some_and(|own| *known > own));
        if let Some(above) = known.and_then(|(incarnation, _)| incarnation.checked_add(1)) {
            self.incarnation = above;
            self.digest = None;
            out.push(Output::Incarnation(above));
        }
    }

    /// News of a node, from it or passed on.
    pub(crate) fn on_update(
        &mut self,
        now: Now,
        from: NodeId,
        update: Arc<PresenceUpdate>,
        map: &PresenceMap,
        links: &Links,
        out: &mut Outbox,
    ) {
        if update.node == links.me {
            return;
        }
        if !links.is_admitted(update.node) {
            out.refuse();
            return;
        }
        let have = map.version_of(update.node);
        let version =
            have.filter(|(incarnation, _)| *incarnation == update.incarnation).map_or(0, |(_, version)| version);
        let outdated = have.is_some_and(|(incarnation, _)| incarnation > update.incarnation);
        if update.after > version && !outdated && !mutant::is_planted(Mutant::PresenceGap) {
            self.ask(now, from, map, links, out);
        } else {
            out.push(Output::Presence(update));
        }
    }

    fn ask(&mut self, now: Now, peer: NodeId, map: &PresenceMap, links: &Links, out: &mut Outbox) {
        let asked = self.asked_at_us.get(&peer);
        if asked.is_none_or(|at| now.mono_us.saturating_sub(*at) >= ASK_MS_MIN * 1000) {
            self.tell(now, peer, map, links, out);
        }
    }

    pub(crate) fn forget(&mut self, peer: NodeId) {
        self.asked_at_us.remove(&peer);
    }
}

/// Cuts an update into parts that each build on the one before, so that a node with many sessions fits its frames.
fn split(update: PresenceUpdate) -> Vec<PresenceUpdate> {
    let bytes: usize = update.records.values().map(|(_, record)| record_bytes(record.as_deref())).sum();
    if bytes <= UPDATE_BYTES_MAX {
        return vec![update];
    }
    let PresenceUpdate { node, incarnation, version, after, records } = update;
    let mut ordered: Vec<(u64, (u64, _))> = records.into_iter().collect();
    ordered.sort_by_key(|(session, (version, _))| (*version, *session));
    let mut parts = Vec::new();
    let mut part = PresenceUpdate { node, incarnation, version: after, after, records: BTreeMap::new() };
    let mut room = UPDATE_BYTES_MAX;
    for (session, (at, record)) in ordered {
        let bytes = record_bytes(record.as_deref());
        // Records of one version stay together: a part ends where its version is complete.
        if bytes > room && at > part.version && !part.records.is_empty() {
            let next = PresenceUpdate { node, incarnation, version: at, after: part.version, records: BTreeMap::new() };
            parts.push(std::mem::replace(&mut part, next));
            room = UPDATE_BYTES_MAX;
        }
        room = room.saturating_sub(bytes);
        part.version = at;
        part.records.insert(session, (at, record));
    }
    part.version = version;
    parts.push(part);
    parts
}

/// About the bytes of a record on the wire.
fn record_bytes(record: Option<&SessionRecord>) -> usize {
    let Some(record) = record else { return 16 };
    let texts = record.user.len() + record.host.len() + record.realname.len() + record.status.len();
    let payloads: usize = record.payloads.iter().map(|payload| payload.len() + 4).sum();
    let resource = record.resource.as_ref().map_or(0, String::len);
    // Names have at most 64 bytes each; a place is a room's name, a nick and a stamp.
    200 + texts + payloads + resource + 110 * record.rooms.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::clock::Hlc;
    use lavina_crdt::modes::UserModes;
    use lavina_crdt::names::Nick;
    use lavina_crdt::presence::Show;

    fn record(status: &str) -> SessionRecord {
        SessionRecord {
            account: None,
            nick: Nick::new("alice").unwrap(),
            nick_since: Hlc(1),
            user: "alice".to_owned(),
            host: "host".to_owned(),
            realname: "Alice".to_owned(),
            resource: None,
            priority: 0,
            available: true,
            show: Show::Available,
            status: status.to_owned(),
            payloads: Vec::new(),
            rooms: BTreeMap::new(),
            secure: true,
            modes: UserModes::default(),
            signed_on: Hlc(1),
        }
    }

    #[test]
    fn a_large_update_is_cut_into_parts_that_build_on_one_another() {
        let status = "x".repeat(4000);
        let records = (0..1000).map(|n| (n, (1000 - n + 5, Some(Arc::new(record(&status)))))).collect();
        let update = PresenceUpdate { node: NodeId([1; 32]), incarnation: 3, version: 1010, after: 5, records };
        let parts = split(update.clone());
        assert!(parts.len() > 3);
        assert_eq!((parts[0].after, parts[parts.len() - 1].version), (5, 1010));
        assert!(parts.windows(2).all(|pair| pair[0].version == pair[1].after));
        for part in &parts {
            assert!(part.records.values().all(|(at, _)| part.after < *at && *at <= part.version));
        }
        let together: BTreeMap<_, _> = parts.into_iter().flat_map(|part| part.records).collect();
        assert_eq!(together, update.records);
    }
}
