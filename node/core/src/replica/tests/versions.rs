//! A node and a newer one: what the older does not understand is kept as it came, passed on, and counts once it is understood.

use super::*;
use lavina_crdt::room::{Act, Vocabulary};

/// More changes than a room's document is saved after.
const CHANGES: u64 = 70;

fn title(replicas: &Replicas<MemoryStore>) -> Option<String> {
    replicas.room(&room()).and_then(|state| state.title.clone())
}

#[test]
fn an_act_that_was_not_understood_counts_after_the_upgrade_and_not_after_a_rollback() {
    let (mut newer, mut older) = (Peer::new(1), Peer::new(2));
    older.replicas.understand(Vocabulary::Earlier);
    newer.replicas.append_acts(at(1), &room(), author(1, "ann"), &[Act::Create]).unwrap();
    newer.replicas.append_acts(at(2), &room(), author(1, "ann"), &[Act::SetTitle("Title".to_owned())]).unwrap();
    for change in 0..CHANGES {
        let acts = [Act::SetTopic(change.to_string())];
        newer.replicas.append_acts(at(3 + change), &room(), author(1, "ann"), &acts).unwrap();
    }
    let runs = newer.flush();
    older.receive(at(100), 1, &runs);
    older.flush();
    let topic = |replicas: &Replicas<MemoryStore>| replicas.room(&room()).unwrap().topic.clone();
    assert_eq!((title(&older.replicas), topic(&older.replicas)), (None, topic(&newer.replicas)));
    let upgraded = older.restart(at(200));
    assert_eq!(upgraded.replicas.room(&room()), newer.replicas.room(&room()));
    let mut rolled_back = upgraded.restart(at(300));
    rolled_back.replicas.understand(Vocabulary::Earlier);
    assert_eq!(title(&rolled_back.replicas), None);
    assert_eq!(title(&rolled_back.restart(at(400)).replicas), Some("Title".to_owned()));
}

#[test]
fn an_entry_of_an_unknown_kind_is_passed_on_as_it_was_written() {
    let (mut newer, mut older, mut third) = (Peer::new(1), Peer::new(2), Peer::new(3));
    newer.say(at(1), room_scope(), "ann", "before");
    let body = Body::Unknown { kind: 900, bytes: vec![1, 2, 3] };
    newer.replicas.append(at(2), room_scope(), Some(author(1, "ann")), body).unwrap();
    newer.say(at(3), room_scope(), "ann", "after");
    let written = newer.flush();
    assert_eq!(older.receive(at(10), 1, &written).faults, []);
    older.flush();
    let mut older = older.restart(at(20));
    let passed_on = older.missing_at(&third);
    assert_eq!(third.receive(at(30), 2, &passed_on).faults, []);
    third.flush();
    let entries =
        |peer: &Peer| peer.missing_at(&Peer::new(4)).into_iter().flat_map(|run| run.entries).collect::<Vec<_>>();
    assert_eq!(entries(&third), entries(&newer));
    assert_eq!(entries(&older), entries(&newer));
    assert_eq!(older.texts(&room_scope()), newer.texts(&room_scope()));
}
