//! What the reference model says of each room, worked out once for the checkers that compare: from the entries on the disk of one judged node that
//! holds it, which are those of all of them after quiet.

use crate::model::RoomModel;
use crate::plan::Class;
use crate::world::World;
use lavina_crdt::chain;
use lavina_crdt::clock::Hlc;
use lavina_crdt::entry::{Body, DocHead, Entry};
use lavina_crdt::ids::{MsgId, Origin, Scope};
use lavina_crdt::names::RoomName;
use lavina_crdt::room::{Kick, RoomDoc, RoomState, Told};
use std::collections::BTreeMap;

/// The model's verdict on one room.
#[derive(Debug)]
pub(crate) struct Judged {
    /// What it comes to.
    pub(crate) state: RoomState,
    /// Changes, with the product's word on whether they count, and the model's.
    pub(crate) changes: Vec<(Told, bool)>,
    /// Messages, and whether their authors were allowed to speak.
    pub(crate) spoken: BTreeMap<MsgId, bool>,
    /// Kicks that were allowed.
    pub(crate) kicks: Vec<(Hlc, Kick)>,
    /// Entries that are stamped no later than something that they rest on.
    pub(crate) disorder: Vec<String>,
}

/// The verdicts on all rooms; none where the mesh is not equal, so that there is nothing to compare, or where not everybody is honest.
pub(crate) fn judge(world: &World, rooms: &[RoomName]) -> Vec<Option<Judged>> {
    let comparable = world.converged_us.is_some() && world.plan.class != Class::Byzantine;
    rooms.iter().map(|room| comparable.then(|| judge_room(world, room))).collect()
}

fn judge_room(world: &World, room: &RoomName) -> Judged {
    let scope = Scope::Room(room.clone());
    let holders = world.judged_holders(&scope);
    let entries = holders.first().map(|node| world.entries(*node, &scope)).unwrap_or_default();
    let mut doc = RoomDoc::new(room);
    for (entry, author) in entries.iter().filter_map(|entry| Some((entry, entry.author.as_ref()?))) {
        if let Body::DocChange(change) = chain::body(entry) {
            doc.apply(entry.order_key(), author, &change);
        }
    }
    let mut model = RoomModel::new(doc.story());
    let mut heads: BTreeMap<Origin, Vec<DocHead>> = BTreeMap::new();
    let (mut spoken, mut kicks) = (BTreeMap::new(), Vec::new());
    for entry in &entries {
        // An entry says the heads only where they are others than its origin's last.
        if let Some(said) = &entry.heads {
            heads.insert(entry.origin, said.clone());
        }
        let Some(author) = &entry.author else { continue };
        let heads = heads.get(&entry.origin).map(Vec::as_slice).unwrap_or_default();
        match chain::body(entry) {
            Body::Message(_) => {
                spoken.insert(entry.order_key().msg_id(), model.may_speak(heads, author));
            }
            Body::Kick(kick) if model.may_kick(heads, author, &kick) => kicks.push((entry.hlc, kick)),
            Body::DocChange(_)
            | Body::Register(_)
            | Body::Kick(_)
            | Body::AccountCreate(_)
            | Body::Mesh(_)
            | Body::Unknown { .. } => {}
        }
    }
    Judged { state: model.state(), changes: model.judged(), spoken, kicks, disorder: disorder(&entries) }
}

/// Entries whose causes do not come before them: what their author's node had seen, and the same sender's entry elsewhere.
fn disorder(entries: &[Entry]) -> Vec<String> {
    let known: BTreeMap<_, _> = entries.iter().map(|entry| (entry.dot(), entry.order_key())).collect();
    let mut wrong = Vec::new();
    for entry in entries {
        for cause in entry.after.iter().chain(&entry.link) {
            if known.get(cause).is_some_and(|cause| *cause >= entry.order_key()) {
                wrong.push(format!("{:?} comes after {cause:?} and is ordered before it", entry.dot()));
            }
        }
    }
    wrong
}
