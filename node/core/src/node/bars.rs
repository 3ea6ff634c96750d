//! Who is kept out of the mesh: set by operators on any node, carried by the mesh scope, enforced at every node for its own sessions, at
//! their coming and at once when a word arrives. Only a session's home knows its address.

use super::commands::Asker;
use super::presence::Why;
use super::{Node, SessionNumber};
use crate::store::Store;
use lavina_crdt::barred::{BARS_MAX, Bar, Barred, Suspect};
use lavina_crdt::clock::Now;
use lavina_crdt::entry::Body;
use lavina_crdt::ids::{Scope, SessionId};
use lavina_crdt::mesh::MeshAct;
use lavina_crdt::names::RoomName;
use lavina_crdt::presence::SessionRecord;
use lavina_protocols::command::Refusal;
use lavina_protocols::event::CloseReason;
use lavina_protocols::operator::OperatorReply;

impl<S: Store> Node<S> {
    pub(super) fn bars(&self, now: Now) -> Vec<(Barred, Bar, u64)> {
        let bars = self.replicas.mesh().bars().iter(now.wall_ms);
        bars.map(|(target, bar, at)| (target.clone(), bar.clone(), at.hlc.ms())).collect()
    }

    /// Keeps somebody out, or (`None`) lets them in again.
    pub(super) fn bar(
        &mut self,
        now: Now,
        asker: &Asker,
        target: Barred,
        bar: Option<Bar>,
    ) -> Result<OperatorReply, Refusal> {
        let bars = self.replicas.mesh().bars();
        let bar = match bar {
            Some(bar) => {
                let by = self.operator_name(asker.number, &asker.record);
                if target.is_too_wide() {
                    return Err(Refusal::Barred("that would keep nearly everybody out".to_owned()));
                }
                if target.means(&self.suspect(asker.number, Some(&asker.record))) {
                    return Err(Refusal::Barred("that would keep you out".to_owned()));
                }
                if bars.iter(now.wall_ms).count() >= BARS_MAX {
                    return Err(Refusal::TooMany("entries"));
                }
                Some(Bar { by, ..bar })
            }
            None if bars.get(&target, now.wall_ms).is_none() => return Ok(OperatorReply::NotThere),
            None => None,
        };
        let author = self.author(asker.session, &asker.record, &asker.record.nick);
        let act = Body::Mesh(MeshAct::Bar { target, bar });
        let appended = self.append(now, Scope::Mesh, Some(author), act)?;
        self.on_effects(now, appended.effects);
        self.count("bars_set");
        Ok(OperatorReply::Done)
    }

    fn suspect<'a>(&'a self, number: SessionNumber, record: Option<&'a SessionRecord>) -> Suspect<'a> {
        let session = self.sessions.get(number);
        Suspect {
            mask: record.map(|record| (record.nick.as_str(), record.user.as_str(), record.host.as_str())),
            account: session.and_then(|session| session.account.as_ref()),
            address: session.and_then(|session| session.meta.address),
        }
    }

    /// Why a session of this node with that record, which may still have none, is kept out.
    pub(super) fn barred(&self, now: Now, number: SessionNumber, record: Option<&SessionRecord>) -> Option<String> {
        let suspect = self.suspect(number, record);
        self.replicas.mesh().bars().against(&suspect, now.wall_ms).map(|(_, bar)| words(bar))
    }

    /// Why a room is closed.
    pub(super) fn barred_room(&self, now: Now, room: &RoomName) -> Option<String> {
        self.replicas.mesh().bars().get(&Barred::Room(room.clone()), now.wall_ms).map(words)
    }

    /// There is a new word on somebody or something: whoever is kept out by it from now on goes.
    pub(super) fn on_barred(&mut self, now: Now, target: &Barred) {
        let Some(bar) = self.replicas.mesh().bars().get(target, now.wall_ms).cloned() else { return };
        if let Barred::Room(room) = target {
            return self.close_room(now, room, &bar);
        }
        let meant = |number: &SessionNumber| {
            let record = self.people.get(self.sessions.id(*number));
            target.means(&self.suspect(*number, record.map(AsRef::as_ref)))
        };
        let gone: Vec<SessionNumber> = self.sessions.numbers().filter(meant).collect();
        for number in gone {
            self.count("sessions_barred");
            self.disconnect_with(now, number, CloseReason::Barred, &words(&bar));
        }
    }

    fn close_room(&mut self, now: Now, room: &RoomName, bar: &Bar) {
        let inside: Vec<SessionId> = self.people.local(room).iter().map(|number| self.sessions.id(*number)).collect();
        for session in inside {
            let why = Why { reason: format!("The room is closed: {}", bar.reason), ..Why::default() };
            self.say_farewell(now, session, Some(room.clone()), &why.reason);
            self.change_own(now, session, &why, |record| {
                record.rooms.remove(room);
            });
        }
    }
}

fn words(bar: &Bar) -> String {
    if bar.reason.is_empty() { "no reason given".to_owned() } else { bar.reason.clone() }
}
