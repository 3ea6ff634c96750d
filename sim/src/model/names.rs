//! Who may lose a nick to whom, worked out from what home nodes say of their own sessions: an account to nobody the nick of its name, and else
//! the later claim to the earlier, or the greater session to the smaller. No indexes, no masks: all claims that were ever said.

use lavina_crdt::clock::Hlc;
use lavina_crdt::content::Principal;
use lavina_crdt::directory::derived_nick;
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::{Nick, NickKey};
use lavina_crdt::presence::{PresenceUpdate, SessionRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most unjustified losses that are kept.
const WRONG_MAX: usize = 16;

/// A claim as it was said. Of two the lesser wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    is_no_owner: bool,
    since: Hlc,
    session: SessionId,
    who: Principal,
}

/// What was said of a session, with incarnation and version.
type Said = ((u64, u64), Option<Arc<SessionRecord>>);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct NamesModel {
    /// What was last said of each session.
    said: BTreeMap<SessionId, Said>,
    claims: BTreeMap<NickKey, BTreeSet<Claim>>,
    /// Losses for which nobody had a better claim.
    pub(crate) wrong: Vec<String>,
}

impl NamesModel {
    /// A node says something of its own sessions.
    pub(crate) fn hear(&mut self, update: &PresenceUpdate) {
        // What is claimed at the same time is known before anybody loses to it.
        let mut changed = Vec::new();
        for (number, (version, record)) in &update.records {
            let session = SessionId { node: update.node, number: *number };
            let at = (update.incarnation, *version);
            // Each peer is told what it lacks: what is old to one is new to another.
            if self.said.get(&session).is_some_and(|(heard, _)| *heard >= at) {
                continue;
            }
            let before = self.said.insert(session, (at, record.clone())).and_then(|(_, before)| before);
            let Some(record) = record else { continue };
            for (nick, since) in nicks(record) {
                self.claims.entry(nick.key()).or_default().insert(claim(session, record, &nick.key(), since));
            }
            changed.extend(before.map(|before| (session, before, record)));
        }
        for (session, before, after) in changed {
            self.look_for_losses(session, &before, after);
        }
    }

    fn look_for_losses(&mut self, session: SessionId, before: &SessionRecord, after: &SessionRecord) {
        let kept: BTreeSet<&Nick> = nicks(after).map(|(nick, _)| nick).collect();
        // Places may have ended in the same breath.
        let mut still = before.clone();
        still.rooms.retain(|room, _| after.rooms.contains_key(room));
        for (nick, since) in nicks(&still) {
            if kept.contains(nick) || !kept.contains(&derived_nick(nick, session)) {
                continue;
            }
            let lost = claim(session, before, &nick.key(), since);
            let mut rivals = self.claims.get(&nick.key()).into_iter().flatten();
            if !rivals.any(|rival| rival.who != lost.who && *rival < lost) && self.wrong.len() < WRONG_MAX {
                self.wrong.push(format!("{session:?} has lost {nick} although nobody had a better claim to it"));
            }
        }
    }
}

/// The nicks that a record claims, outside rooms and in them where it goes by another, since when.
fn nicks(record: &SessionRecord) -> impl Iterator<Item = (&Nick, Hlc)> {
    let others = record.rooms.values().filter(|place| place.nick.key() != record.nick.key());
    let places = others.map(|place| (&place.nick, place.since));
    places.chain([(&record.nick, record.nick_since)])
}

fn claim(session: SessionId, record: &SessionRecord, key: &NickKey, since: Hlc) -> Claim {
    let is_owner = record.account.as_ref().is_some_and(|account| account.nick_key() == *key);
    let who = match &record.account {
        Some(account) => Principal::Account(account.clone()),
        None => Principal::Guest(session),
    };
    Claim { is_no_owner: !is_owner, since, session, who }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::ids::NodeId;
    use lavina_crdt::modes::UserModes;
    use lavina_crdt::presence::Show;

    fn record(nick: Nick, since_ms: u64) -> SessionRecord {
        SessionRecord {
            account: None,
            nick,
            nick_since: Hlc::from_ms(since_ms),
            user: "user".to_owned(),
            host: "host.example".to_owned(),
            realname: String::new(),
            resource: None,
            priority: 0,
            available: true,
            show: Show::default(),
            status: String::new(),
            payloads: Vec::new(),
            rooms: BTreeMap::new(),
            secure: true,
            modes: UserModes::default(),
            signed_on: Hlc::from_ms(since_ms),
        }
    }

    fn update(node: NodeId, version: u64, number: u64, record: &SessionRecord) -> PresenceUpdate {
        let records = BTreeMap::from([(number, (version, Some(Arc::new(record.clone()))))]);
        PresenceUpdate { node, incarnation: 1, version, after: version - 1, records }
    }

    /// Session 1 loses its nick after session 2, of another node, said that it has the nick since `rival_since`.
    fn wrong_after_loss(own_since: u64, rival_since: u64) -> usize {
        let [own, rival] = [1, 2].map(|number| SessionId { node: NodeId([number; 32]), number: 7 });
        let nick = Nick::new("ann").unwrap();
        let mut model = NamesModel::default();
        model.hear(&update(own.node, 1, own.number, &record(nick.clone(), own_since)));
        model.hear(&update(rival.node, 1, rival.number, &record(nick.clone(), rival_since)));
        model.hear(&update(own.node, 2, own.number, &record(derived_nick(&nick, own), 300)));
        model.wrong.len()
    }

    #[test]
    fn a_nick_is_lost_to_a_better_claim_only() {
        assert_eq!(wrong_after_loss(200, 100), 0);
        assert_eq!(wrong_after_loss(100, 200), 1);
    }
}
