//! Where a room lives: its home replicas, by rendezvous hashing over (region, zone, node).
//!
//! A pure function of the room and of the nodes that count, so that every node names the same homes without asking anybody. Homes lie in
//! different zones as far as there are zones, and not all in one region where there are two: whichever region a room was made in, one of its homes is
//! outside of it. Nodes that nobody can dial are homes only where the others are too few, since two of them may have no way to one another; nodes that are being emptied only where there are not enough of all others.
//!
//! **Invariant:** one node more or less moves only what it takes or leaves: every home but one stays.

use lavina_crdt::derived::{Context, context};
use lavina_crdt::entry::Hash;
use lavina_crdt::ids::NodeId;
use lavina_crdt::mesh::Place;
use std::collections::BTreeSet;

static HOME: Context = context("lavina 1 home");

/// A node that may be a home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub node: NodeId,
    /// Where it stands.
    pub place: Place,
    /// Whether others can dial it.
    pub is_dialable: bool,
    /// Whether it is being emptied.
    pub is_draining: bool,
}

/// The homes of a room, given by the hash of its scope, best first: `replicas` of them, or all candidates where these are no more.
#[must_use]
pub fn homes(scope: &Hash, candidates: &[Candidate], replicas: usize) -> Vec<NodeId> {
    let (staying, leaving): (Vec<&Candidate>, Vec<&Candidate>) =
        rank(scope, candidates).into_iter().partition(|candidate| !candidate.is_draining);
    let (reachable, others): (Vec<&Candidate>, Vec<&Candidate>) =
        staying.into_iter().partition(|candidate| candidate.is_dialable);
    let mut homes = spread(&reachable, replicas);
    let last = others.into_iter().chain(leaving);
    homes.extend(last.take(replicas.saturating_sub(homes.len())).map(|candidate| candidate.node));
    homes
}

/// The best of each zone, then the best of the rest; with one of another region in place of the last where all would be of one.
fn spread(ranked: &[&Candidate], replicas: usize) -> Vec<NodeId> {
    let mut zones = BTreeSet::new();
    let (firsts, rest): (Vec<&Candidate>, Vec<&Candidate>) =
        ranked.iter().copied().partition(|candidate| zones.insert(&candidate.place));
    let mut chosen: Vec<&Candidate> = firsts.into_iter().chain(rest).take(replicas).collect();
    let region = chosen.first().map(|first| &first.place.region);
    let is_elsewhere = |candidate: &&&Candidate| Some(&candidate.place.region) != region;
    if replicas > 1
        && !chosen.iter().any(|candidate| is_elsewhere(&candidate))
        && let Some(outside) = ranked.iter().find(is_elsewhere)
    {
        chosen.pop();
        chosen.push(outside);
    }
    chosen.into_iter().map(|candidate| candidate.node).collect()
}

fn rank<'a>(scope: &Hash, candidates: &'a [Candidate]) -> Vec<&'a Candidate> {
    let mut base = HOME.hasher();
    base.update(&scope.0);
    let score = |candidate: &Candidate| {
        let mut hasher = base.clone();
        for part in [candidate.place.region.as_bytes(), candidate.place.zone.as_bytes()] {
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part);
        }
        hasher.update(&candidate.node.0);
        *hasher.finalize().as_bytes()
    };
    let mut scored: Vec<([u8; 32], &Candidate)> =
        candidates.iter().map(|candidate| (score(candidate), candidate)).collect();
    scored.sort_unstable_by_key(|(score, candidate)| std::cmp::Reverse((*score, candidate.node)));
    scored.into_iter().map(|(_, candidate)| candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(number: u8, region: u8, zone: u8, is_dialable: bool) -> Candidate {
        let place = Place { region: format!("region{region}"), zone: format!("zone{zone}") };
        Candidate { node: NodeId([number; 32]), place, is_dialable, is_draining: false }
    }

    fn mesh() -> impl Strategy<Value = Vec<Candidate>> {
        prop::collection::vec((0..4u8, 0..3u8, prop::bool::weighted(0.9)), 1..30).prop_map(|nodes| {
            let nodes = nodes.into_iter().zip(0..);
            nodes.map(|((region, zone, dialable), number)| candidate(number, region, zone, dialable)).collect()
        })
    }

    fn scope() -> impl Strategy<Value = Hash> {
        any::<[u8; 32]>().prop_map(Hash)
    }

    fn of<'a>(mesh: &'a [Candidate], node: &NodeId) -> &'a Candidate {
        mesh.iter().find(|candidate| candidate.node == *node).unwrap()
    }

    proptest! {
        #[test]
        fn a_room_has_as_many_homes_as_wanted_or_all(scope in scope(), mesh in mesh(), replicas in 1..6usize) {
            let homes = homes(&scope, &mesh, replicas);
            prop_assert_eq!(homes.len(), replicas.min(mesh.len()));
            prop_assert_eq!(homes.iter().collect::<BTreeSet<_>>().len(), homes.len());
        }

        #[test]
        fn the_order_in_which_nodes_are_known_changes_nothing(scope in scope(), mesh in mesh(), replicas in 1..6usize) {
            let reversed: Vec<Candidate> = mesh.iter().rev().cloned().collect();
            prop_assert_eq!(homes(&scope, &mesh, replicas), homes(&scope, &reversed, replicas));
        }

        #[test]
        fn a_node_less_moves_only_what_it_held(scope in scope(), mesh in mesh(), replicas in 1..6usize, gone in any::<prop::sample::Index>()) {
            let before = homes(&scope, &mesh, replicas);
            let gone = gone.get(&mesh).node;
            let fewer: Vec<Candidate> = mesh.iter().filter(|candidate| candidate.node != gone).cloned().collect();
            let after: BTreeSet<NodeId> = homes(&scope, &fewer, replicas).into_iter().collect();
            let kept: BTreeSet<NodeId> = before.iter().copied().filter(|node| *node != gone).collect();
            prop_assert!(kept.is_subset(&after), "{kept:?} {after:?}");
            if !before.contains(&gone) {
                prop_assert_eq!(kept, after);
            }
        }

        #[test]
        fn who_is_emptied_is_a_home_only_where_all_others_are_too_few(scope in scope(), mesh in mesh(), replicas in 1..6usize, leaving in any::<prop::sample::Index>()) {
            let before = homes(&scope, &mesh, replicas);
            let index = leaving.index(mesh.len());
            let leaving = mesh[index].node;
            let mut drained = mesh.clone();
            drained[index].is_draining = true;
            let after = homes(&scope, &drained, replicas);
            prop_assert_eq!(after.contains(&leaving), replicas >= mesh.len());
            let kept = before.iter().filter(|node| **node != leaving);
            prop_assert!(kept.clone().all(|node| after.contains(node)), "{before:?} {after:?}");
        }

        #[test]
        fn homes_are_of_two_regions_where_there_are_two(scope in scope(), mesh in mesh(), replicas in 2..6usize) {
            let mesh: Vec<Candidate> = mesh.into_iter().map(|one| Candidate { is_dialable: true, ..one }).collect();
            let regions = |nodes: &[NodeId]| nodes.iter().map(|node| of(&mesh, node).place.region.clone()).collect::<BTreeSet<_>>();
            let all: Vec<NodeId> = mesh.iter().map(|candidate| candidate.node).collect();
            prop_assert!(regions(&homes(&scope, &mesh, replicas)).len() >= regions(&all).len().min(2));
        }

        #[test]
        fn homes_are_spread_over_zones(scope in scope(), mesh in mesh(), replicas in 1..6usize) {
            let mesh: Vec<Candidate> = mesh.into_iter().map(|one| Candidate { is_dialable: true, ..one }).collect();
            let zones = |nodes: &[NodeId]| nodes.iter().map(|node| of(&mesh, node).place.clone()).collect::<BTreeSet<_>>();
            let all: Vec<NodeId> = mesh.iter().map(|candidate| candidate.node).collect();
            let homes = homes(&scope, &mesh, replicas);
            // The one that stands for another region may share no zone with the others, so nothing is lost by it.
            prop_assert!(zones(&homes).len() >= zones(&all).len().min(homes.len()));
        }

        #[test]
        fn who_cannot_be_dialled_is_a_home_only_where_others_are_too_few(scope in scope(), mesh in mesh(), replicas in 1..6usize) {
            let dialable = mesh.iter().filter(|candidate| candidate.is_dialable).count();
            let homes = homes(&scope, &mesh, replicas);
            let behind = homes.iter().filter(|node| !of(&mesh, node).is_dialable).count();
            prop_assert_eq!(behind, homes.len().saturating_sub(dialable));
        }
    }

    #[test]
    fn rooms_are_spread_evenly() {
        let mesh: Vec<Candidate> = (0..20).map(|number| candidate(number, number % 5, number / 5 % 2, true)).collect();
        let mut held = [0u32; 20];
        for room in 0..2_000u32 {
            let scope = Hash(*blake3::hash(&room.to_be_bytes()).as_bytes());
            homes(&scope, &mesh, 3).iter().for_each(|node| held[usize::from(node.0[0])] += 1);
        }
        assert!(held.iter().all(|rooms| (200..400).contains(rooms)), "{held:?}");
    }
}
