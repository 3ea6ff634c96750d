//! Invitations that let somebody past +i once (RFC 2812 section 3.2.7).

use lavina_crdt::content::Principal;
use lavina_crdt::names::RoomName;
use lavina_gossip::gauges::Gauge;
use std::collections::{BTreeMap, VecDeque};

/// Most invitations kept; the oldest is forgotten first. Who is invited comes within minutes or asks again.
const INVITES_MAX: usize = 4096;

/// See the module. Kept at the home nodes of who is invited.
#[derive(Debug, Default)]
pub(crate) struct Invites {
    /// With whether somebody who could lift a ban invited.
    known: BTreeMap<(RoomName, Principal), bool>,
    order: VecDeque<(RoomName, Principal)>,
}

impl Invites {
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge::standing("invitations", self.order.len(), INVITES_MAX)
    }

    /// Remembers an invitation; `strong` when it comes from somebody who could lift a ban.
    pub(crate) fn add(&mut self, room: RoomName, whom: Principal, strong: bool) {
        if let Some(known) = self.known.get_mut(&(room.clone(), whom.clone())) {
            *known |= strong;
            return;
        }
        self.known.insert((room.clone(), whom.clone()), strong);
        self.order.push_back((room, whom));
        if self.order.len() > INVITES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether somebody is invited.
    pub(crate) fn has(&self, room: &RoomName, whom: &Principal) -> bool {
        self.known.contains_key(&(room.clone(), whom.clone()))
    }

    /// Whether the invitation of somebody holds against a ban and a full room too.
    pub(crate) fn is_strong(&self, room: &RoomName, whom: &Principal) -> bool {
        self.known.get(&(room.clone(), whom.clone())).is_some_and(|strong| *strong)
    }

    /// Where somebody is invited.
    pub(crate) fn of<'a>(&'a self, whom: &'a Principal) -> impl Iterator<Item = &'a RoomName> + 'a {
        self.known.keys().filter(move |(_, invited)| invited == whom).map(|(room, _)| room)
    }

    /// The invitation has been used.
    pub(crate) fn take(&mut self, room: &RoomName, whom: &Principal) {
        let used = (room.clone(), whom.clone());
        if self.known.remove(&used).is_some() {
            self.order.retain(|kept| *kept != used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lavina_crdt::names::AccountName;

    #[test]
    fn an_invitation_holds_once_and_the_oldest_go_first() {
        let whom = |index: usize| Principal::Account(AccountName::new(&format!("a{index}")).unwrap());
        let room = RoomName::new("room").unwrap();
        let mut invites = Invites::default();
        for index in 0..=INVITES_MAX {
            invites.add(room.clone(), whom(index), index == 1);
        }
        assert!(!invites.has(&room, &whom(0)));
        assert!(invites.has(&room, &whom(1)) && invites.is_strong(&room, &whom(1)));
        assert!(invites.has(&room, &whom(2)) && !invites.is_strong(&room, &whom(2)));
        assert_eq!(invites.of(&whom(1)).collect::<Vec<_>>(), [&room]);
        invites.take(&room, &whom(1));
        assert!(!invites.has(&room, &whom(1)));
    }
}
