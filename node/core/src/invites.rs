//! Invitations that let somebody past +i once (RFC 2812 section 3.2.7).

use lavina_crdt::content::Principal;
use lavina_crdt::names::RoomName;
use lavina_gossip::gauges::Gauge;
use std::collections::{BTreeSet, VecDeque};

/// Most invitations kept; the oldest is forgotten first. Who is invited comes within minutes or asks again.
const INVITES_MAX: usize = 4096;

/// See the module. Kept at the home nodes of who is invited.
#[derive(Debug, Default)]
pub(crate) struct Invites {
    known: BTreeSet<(RoomName, Principal)>,
    order: VecDeque<(RoomName, Principal)>,
}

impl Invites {
    pub(crate) fn gauge(&self) -> Gauge {
        Gauge::standing("invitations", self.order.len(), INVITES_MAX)
    }

    /// Remembers an invitation.
    pub(crate) fn add(&mut self, room: RoomName, whom: Principal) {
        if !self.known.insert((room.clone(), whom.clone())) {
            return;
        }
        self.order.push_back((room, whom));
        if self.order.len() > INVITES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Whether somebody is invited.
    pub(crate) fn has(&self, room: &RoomName, whom: &Principal) -> bool {
        self.known.contains(&(room.clone(), whom.clone()))
    }

    /// The invitation has been used.
    pub(crate) fn take(&mut self, room: &RoomName, whom: &Principal) {
        let used = (room.clone(), whom.clone());
        if self.known.remove(&used) {
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
            invites.add(room.clone(), whom(index));
        }
        assert!(!invites.has(&room, &whom(0)));
        assert!(invites.has(&room, &whom(1)));
        invites.take(&room, &whom(1));
        assert!(!invites.has(&room, &whom(1)));
    }
}
