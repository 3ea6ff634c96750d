//! What counts of a node that is thrown out because its key may be in other hands.

use super::*;
use lavina_crdt::fence::Fence;
use lavina_crdt::mesh::MeshAct;
use lavina_gossip::machine::Replica;

/// A peer fences node 3 as it knows it.
fn fence(peer: &mut Peer, now: Now) {
    let rows = peer.replicas.fence_rows(node_id(3)).unwrap();
    for part in Fence::parts(&root(), &[5; 16], node_id(3), &rows) {
        peer.replicas.append(now, Scope::Mesh, None, Body::Mesh(MeshAct::Fence(part))).unwrap();
    }
    peer.flush();
}

#[test]
fn behind_its_fence_nothing_of_a_node_counts_wherever_it_is_and_when_it_comes() {
    let mut peers = [Peer::new(1), Peer::new(2), Peer::new(3)];
    let (scope, elsewhere) = (direct("alice", "bob"), direct("alice", "carol"));
    peers[2].say(at(1), scope.clone(), "alice", "before");
    peers[2].flush();
    sync(at(2), &mut peers);
    // Only the second node hears this before the fence is known, and the last word nobody.
    peers[2].say(at(3), scope.clone(), "alice", "behind");
    peers[2].say(at(3), elsewhere.clone(), "alice", "somewhere else");
    peers[2].flush();
    sync(at(4), &mut peers[1..]);
    assert_eq!(peers[1].texts(&scope), ["before", "behind"]);
    peers[2].say(at(5), scope.clone(), "alice", "last");
    peers[2].flush();
    fence(&mut peers[0], at(6));
    sync(at(7), &mut peers[..2]);
    assert_eq!(peers[1].texts(&scope), ["before"]);
    peers[0].say(at(8), scope.clone(), "bob", "after");
    peers[0].flush();
    sync(at(9), &mut peers);
    let digests: Vec<_> = peers.iter().map(|peer| peer.replicas.digest()).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
    for peer in peers {
        let mut peer = peer.restart(at(11));
        assert_eq!(peer.texts(&scope), ["before", "after"]);
        assert_eq!(peer.texts(&elsewhere), Vec::<String>::new());
        assert_eq!(peer.replicas.digest(), digests[0]);
    }
}

#[test]
fn who_knows_the_fence_and_not_what_is_before_it_takes_no_other_branch() {
    let (mut fencing, mut late) = (Peer::new(1), Peer::new(2));
    let (mut honest, mut thief) = (Peer::new(3), Peer::new(3));
    let (scope, origin) = (direct("alice", "bob"), origin_key(3).origin());
    honest.say(at(1), scope.clone(), "alice", "true");
    let told = honest.flush();
    fencing.receive(at(2), 3, &told);
    fencing.flush();
    fence(&mut fencing, at(3));
    let fence = fencing.disk.run(&Scope::Mesh, origin_key(1).origin(), 0, usize::MAX).unwrap().unwrap();
    late.receive(at(4), 1, &[fence]);
    late.flush();
    thief.say(at(1), scope.clone(), "alice", "false");
    let forged = thief.flush();
    let refused = late.receive(at(5), 4, &forged);
    assert!(refused.verified.is_empty() && refused.effects.is_empty());
    late.flush();
    assert_eq!(late.replicas.vector(&scope).next(origin), 0);
    late.receive(at(6), 1, &told);
    late.flush();
    assert_eq!(late.texts(&scope), ["true"]);
    // And nothing of a new epoch of the same key.
    let mut again = Peer::open(3, MemoryStore::new(OriginKey { node: node_id(3), epoch: 2 }), at(7));
    again.say(at(8), scope.clone(), "alice", "a new epoch");
    let runs = again.flush();
    assert!(late.receive(at(9), 4, &runs).verified.is_empty());
    assert_eq!(late.texts(&scope), ["true"]);
}
