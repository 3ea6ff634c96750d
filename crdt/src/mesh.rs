//! The mesh scope: who may be a node, and who is kept out by the operators.
//!
//! Admissions and revocations are signed by the mesh root key, so that each is trusted by itself, wherever it comes from. So is a proof
//! that an origin equivocated: whoever brings it, from the fork on nothing of that origin counts in that scope, on any node.

use crate::barred::{Bar, Barred, Bars};
use crate::entry::Signature;
use crate::equivocation::Equivocation;
use crate::fence::{Fence, Fenced, Fences};
use crate::ids::{NodeId, OrderKey, Origin, Scope};
use crate::invitation::{Invitation, InvitationId, Invitations};
use crate::names::AccountName;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most bytes of a node's name, region, zone or an address: a domain name with a port (RFC 1035 section 2.3.4).
pub const LABEL_BYTES_MAX: usize = 264;
/// Most addresses of a node: both families on a few interfaces.
pub const ADDRESSES_MAX: usize = 16;

/// Where a node stands; free words chosen by the operator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Region: what is near is in one region.
    pub region: String,
    /// Zone within the region: what fails together.
    pub zone: String,
}

/// The statement that a node belongs to the mesh, signed by the mesh root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// Who is admitted.
    pub node: NodeId,
    /// A short name for people, unique by habit, not by rule.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Addresses it can be dialled at, `host:port`; may be empty for a node that only dials out.
    pub addresses: Vec<String>,
    /// Ed25519 by the mesh root key over (mesh id, node).
    pub signature: Signature,
}

/// The body of an entry of the mesh scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MeshAct {
    /// A node comes in, or says anew where it is (only name, place and addresses may differ).
    Admit(Admission),
    /// A node is thrown out; signed by the root key over (mesh id, "revoke", node).
    Revoke {
        /// Who.
        node: NodeId,
        /// By the mesh root key.
        signature: Signature,
    },
    /// An origin signed two contents of one dot: a proof that shows the fork.
    Quarantine(Box<Equivocation>),
    /// An operator keeps somebody out of the mesh, or (`None`) lets them in again.
    Bar {
        /// Whom.
        target: Barred,
        /// Why and until when.
        bar: Option<Bar>,
    },
    /// How far the entries of a node that is thrown out count.
    Fence(Fence),
    /// Where clients of XMPP reach the node that says so, `host:port`; `None`: it does not say any more.
    ClientsAt(Option<String>),
    /// Somebody may register an account, or (`None`) may not any more.
    Invite {
        /// Whoever has the token.
        id: InvitationId,
        /// On what terms.
        invitation: Option<Invitation>,
    },
    /// Somebody has registered an account by an invitation.
    Invited {
        /// By which.
        id: InvitationId,
        /// Which account.
        account: AccountName,
    },
    /// An operator takes a node out of service, or brings it back: rooms get other homes, and it hands over what it has of them.
    Drain {
        /// Which.
        node: NodeId,
        /// Whether it is to be emptied.
        on: bool,
    },
}

/// What the root key says of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs to the mesh.
    Admit,
    /// It is thrown out.
    Revoke,
}

impl Verdict {
    fn bytes(self, mesh: &[u8; 16], node: NodeId) -> Vec<u8> {
        let word: &[u8] = match self {
            Self::Admit => b"lavina 1 admit",
            Self::Revoke => b"lavina 1 revoke",
        };
        [word, mesh, &node.0].concat()
    }

    /// Signs the verdict on a node of a mesh.
    #[must_use]
    pub fn sign(self, root: &SigningKey, mesh: &[u8; 16], node: NodeId) -> Signature {
        Signature(root.sign(&self.bytes(mesh, node)).to_bytes())
    }

    /// Whether a signature is the root key's for this verdict on that node. Strict, as for entries.
    #[must_use]
    pub fn is_signed(self, root: NodeId, mesh: &[u8; 16], node: NodeId, signature: &Signature) -> bool {
        VerifyingKey::from_bytes(&root.0).is_ok_and(|key| {
            let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
            key.verify_strict(&self.bytes(mesh, node), &signature).is_ok()
        })
    }
}

impl Admission {
    /// Whether the root key of the mesh signed it, and it can be shown and dialled.
    #[must_use]
    pub fn is_valid(&self, root: NodeId, mesh: &[u8; 16]) -> bool {
        let labels = [&self.name, &self.place.region, &self.place.zone];
        let is_label = |text: &String| text.len() <= LABEL_BYTES_MAX && !text.chars().any(char::is_control);
        self.addresses.len() <= ADDRESSES_MAX
            && labels.into_iter().chain(&self.addresses).all(is_label)
            && Verdict::Admit.is_signed(root, mesh, self.node, &self.signature)
    }
}

/// Who may be a node, as a function of the set of the mesh scope's entries. Drive it: hand it every [`MeshAct`], in any order.
///
/// **Invariant:** a revoked node is never admitted again, as its admission's signature can be replayed; it comes back under another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshState {
    mesh: [u8; 16],
    root: NodeId,
    /// What counts of each node's admissions, and what makes it count.
    admissions: BTreeMap<NodeId, (Precedence, Admission)>,
    revoked: BTreeSet<NodeId>,
    /// From which number on an origin's entries in a scope are void: the least that is proven.
    cuts: BTreeMap<Scope, BTreeMap<Origin, u64>>,
    fences: Fences,
    bars: Bars,
    invitations: Invitations,
    /// Where clients reach each node that has said so.
    clients_at: BTreeMap<NodeId, (OrderKey, Option<String>)>,
    /// The newest word on whether a node is to be emptied.
    drains: BTreeMap<NodeId, (OrderKey, bool)>,
}

/// Whether a node spoke for itself, and when; `None` for an admission that no entry brought.
type Precedence = (bool, Option<OrderKey>);

impl MeshState {
    /// Of the mesh with that id and root key, without nodes.
    #[must_use]
    pub const fn new(mesh: [u8; 16], root: NodeId) -> Self {
        Self {
            mesh,
            root,
            admissions: BTreeMap::new(),
            revoked: BTreeSet::new(),
            cuts: BTreeMap::new(),
            fences: Fences::new(),
            bars: Bars::new(),
            invitations: Invitations::new(),
            clients_at: BTreeMap::new(),
            drains: BTreeMap::new(),
        }
    }

    /// Takes in an admission known from elsewhere than an entry; any entry about the node counts before it.
    pub fn bootstrap(&mut self, admission: &Admission) -> bool {
        self.admit((false, None), admission)
    }

    /// Takes an act in that node `by` wrote. Returns whether the nodes or where they stand changed. What a node says of itself counts
    /// before what others say of it, then the newest.
    pub fn apply(&mut self, by: Option<NodeId>, at: OrderKey, act: &MeshAct) -> bool {
        match act {
            MeshAct::Admit(admission) => self.admit((by == Some(admission.node), Some(at)), admission),
            MeshAct::Revoke { node, signature } => {
                Verdict::Revoke.is_signed(self.root, &self.mesh, *node, signature) && self.revoked.insert(*node)
            }
            MeshAct::Quarantine(proof) => self.quarantine(proof),
            MeshAct::Bar { target, bar } => self.bars.set(at, target, bar.as_ref()),
            MeshAct::Fence(fence) => fence.is_valid(self.root, &self.mesh) && self.fences.add(fence),
            MeshAct::ClientsAt(address) => by.is_some_and(|by| self.say_where(by, at, address.as_ref())),
            MeshAct::Invite { id, invitation } => self.invitations.set(at, *id, invitation.as_ref()),
            MeshAct::Invited { id, account } => self.invitations.use_up(at, *id, account),
            MeshAct::Drain { node, on } => self.drain(at, *node, *on),
        }
    }

    /// The newest word counts. Whether it is one, and other than the one before.
    fn drain(&mut self, at: OrderKey, node: NodeId, on: bool) -> bool {
        let known = self.drains.get(&node).copied();
        if known.is_some_and(|(newest, _)| newest >= at) {
            return false;
        }
        self.drains.insert(node, (at, on));
        known.is_some_and(|(_, was)| was) != on
    }

    /// Whether a node is being emptied: it is to be a home of rooms only where others are too few.
    #[must_use]
    pub fn is_draining(&self, node: NodeId) -> bool {
        self.drains.get(&node).is_some_and(|(_, on)| *on)
    }

    /// How far the entries of a node's origin in a scope count, when the node is fenced.
    #[must_use]
    pub fn fenced(&self, node: NodeId, scope: &Scope, origin: Origin) -> Option<Fenced> {
        self.fences.of(node, scope, origin)
    }

    /// Whether a node has a fence, or a part of one.
    #[must_use]
    pub fn has_fence(&self, node: NodeId) -> bool {
        self.fences.has(node)
    }

    /// From this number on an origin's entries in a scope are void, since its node is fenced there. Whether they were not before.
    pub fn cut_at_fence(&mut self, scope: &Scope, origin: Origin, next: u64) -> bool {
        let cut = self.cuts.entry(scope.clone()).or_default().entry(origin).or_insert(u64::MAX);
        let earlier = next < *cut;
        *cut = next.min(*cut);
        earlier
    }

    /// Who is kept out.
    #[must_use]
    pub const fn bars(&self) -> &Bars {
        &self.bars
    }

    fn say_where(&mut self, by: NodeId, at: OrderKey, address: Option<&String>) -> bool {
        let is_sound =
            |address: &String| address.len() <= LABEL_BYTES_MAX && address.chars().all(|c| c.is_ascii_graphic());
        let is_older = self.clients_at.get(&by).is_some_and(|(held, _)| *held >= at);
        if is_older || !address.is_none_or(is_sound) {
            return false;
        }
        self.clients_at.insert(by, (at, address.cloned()));
        true
    }

    /// Where clients of XMPP reach a node, when it has said so.
    #[must_use]
    pub fn clients_at(&self, node: NodeId) -> Option<&str> {
        self.clients_at.get(&node)?.1.as_deref()
    }

    /// Who is invited.
    #[must_use]
    pub const fn invitations(&self) -> &Invitations {
        &self.invitations
    }

    fn quarantine(&mut self, proof: &Equivocation) -> bool {
        let Some(fork) = proof.fork().filter(|_| proof.check()) else { return false };
        let cut = self.cuts.entry(proof.scope.clone()).or_default().entry(proof.origin.origin()).or_insert(u64::MAX);
        let earlier = fork < *cut;
        *cut = fork.min(*cut);
        earlier
    }

    /// From which number on each origin's entries in a scope are void.
    #[must_use]
    pub fn cuts(&self, scope: &Scope) -> Option<&BTreeMap<Origin, u64>> {
        self.cuts.get(scope)
    }

    /// From which number on an origin's entries in a scope are void: where it has been shown to equivocate, or its node is fenced.
    #[must_use]
    pub fn cut(&self, scope: &Scope, origin: Origin) -> Option<u64> {
        self.cuts.get(scope)?.get(&origin).copied()
    }

    /// Nodes that belong to the mesh, in id order.
    pub fn admitted(&self) -> impl Iterator<Item = &Admission> + '_ {
        let admissions = self.admissions.values().map(|(_, admission)| admission);
        admissions.filter(|admission| !self.revoked.contains(&admission.node))
    }

    /// What is known of a node that belongs to the mesh.
    #[must_use]
    pub fn admission(&self, node: NodeId) -> Option<&Admission> {
        self.admissions.get(&node).map(|(_, admission)| admission).filter(|_| !self.revoked.contains(&node))
    }

    /// Whether a node belongs to the mesh, or did until it was revoked: what it wrote until then is part of the logs.
    #[must_use]
    pub fn was_admitted(&self, node: NodeId) -> bool {
        self.admissions.contains_key(&node)
    }

    fn admit(&mut self, precedence: Precedence, admission: &Admission) -> bool {
        if !admission.is_valid(self.root, &self.mesh) {
            return false;
        }
        let held = self.admissions.get(&admission.node);
        if held.is_some_and(|(held, _)| *held >= precedence) {
            return false;
        }
        let is_other = held.is_none_or(|(_, held)| held != admission);
        self.admissions.insert(admission.node, (precedence, admission.clone()));
        is_other && !self.revoked.contains(&admission.node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{node, order_key, signing_key};
    use proptest::prelude::*;

    const MESH: [u8; 16] = [7; 16];

    fn state() -> MeshState {
        MeshState::new(MESH, node(99))
    }

    fn admission(number: u8, address: &str) -> Admission {
        Admission {
            node: node(number),
            name: format!("node-{number}"),
            place: Place { region: "eu".to_owned(), zone: "a".to_owned() },
            addresses: vec![address.to_owned()],
            signature: Verdict::Admit.sign(&signing_key(99), &MESH, node(number)),
        }
    }

    fn admit(number: u8, address: &str) -> MeshAct {
        MeshAct::Admit(admission(number, address))
    }

    fn revoke(number: u8) -> MeshAct {
        let signature = Verdict::Revoke.sign(&signing_key(99), &MESH, node(number));
        MeshAct::Revoke { node: node(number), signature }
    }

    #[test]
    fn a_verdict_holds_for_its_mesh_its_node_and_itself_only() {
        let root = SigningKey::from_bytes(&[7; 32]);
        let (id, node) = (NodeId(root.verifying_key().to_bytes()), NodeId([1; 32]));
        let signature = Verdict::Admit.sign(&root, &[3; 16], node);
        assert!(Verdict::Admit.is_signed(id, &[3; 16], node, &signature));
        assert!(!Verdict::Revoke.is_signed(id, &[3; 16], node, &signature));
        assert!(!Verdict::Admit.is_signed(id, &[4; 16], node, &signature));
        assert!(!Verdict::Admit.is_signed(id, &[3; 16], NodeId([2; 32]), &signature));
        assert!(!Verdict::Admit.is_signed(NodeId([9; 32]), &[3; 16], node, &signature));
    }

    #[test]
    fn only_the_root_key_admits_and_revokes() {
        let mut mesh = state();
        let forged = Verdict::Admit.sign(&signing_key(1), &MESH, node(1));
        let own = MeshAct::Admit(Admission { signature: forged, ..admission(1, "a:1") });
        assert!(!mesh.apply(Some(node(1)), order_key(1, 1), &own));
        assert!(mesh.apply(Some(node(1)), order_key(1, 1), &admit(1, "a:1")));
        let replayed = MeshAct::Revoke { node: node(1), signature: admission(1, "a:1").signature };
        assert!(!mesh.apply(Some(node(1)), order_key(2, 1), &replayed));
        assert!(mesh.admission(node(1)).is_some());
        let unprintable = MeshAct::Admit(Admission { name: "a\r\nb".to_owned(), ..admission(2, "a:1") });
        assert!(!mesh.apply(Some(node(2)), order_key(3, 1), &unprintable));
    }

    #[test]
    fn a_node_says_itself_where_it_stands() {
        let mut mesh = state();
        assert!(mesh.bootstrap(&admission(1, "bootstrap:1")));
        assert!(mesh.apply(Some(node(9)), order_key(1, 9), &admit(1, "first:1")));
        assert!(mesh.apply(Some(node(1)), order_key(2, 1), &admit(1, "own:1")));
        assert!(!mesh.apply(Some(node(9)), order_key(3, 9), &admit(1, "others:1")));
        assert_eq!(mesh.admission(node(1)), Some(&admission(1, "own:1")));
    }

    #[test]
    fn a_node_says_itself_where_its_clients_reach_it() {
        let mut mesh = state();
        let at = |address: &str| MeshAct::ClientsAt(Some(address.to_owned()));
        assert!(mesh.apply(Some(node(1)), order_key(2, 1), &at("new:5222")));
        assert!(!mesh.apply(Some(node(1)), order_key(1, 1), &at("old:5222")));
        assert!(
            !mesh.apply(Some(node(1)), order_key(3, 1), &at("a b")) && !mesh.apply(None, order_key(3, 1), &at("b:1"))
        );
        assert_eq!((mesh.clients_at(node(1)), mesh.clients_at(node(2))), (Some("new:5222"), None));
        assert!(mesh.apply(Some(node(1)), order_key(4, 1), &MeshAct::ClientsAt(None)));
        assert_eq!(mesh.clients_at(node(1)), None);
    }

    #[test]
    fn a_revoked_node_never_returns() {
        let mut mesh = state();
        mesh.apply(Some(node(1)), order_key(1, 1), &admit(1, "a:1"));
        assert!(mesh.apply(Some(node(9)), order_key(2, 9), &revoke(1)));
        assert!(!mesh.apply(Some(node(1)), order_key(3, 1), &admit(1, "b:1")));
        assert!(mesh.admission(node(1)).is_none() && mesh.was_admitted(node(1)));
        assert_eq!(mesh.admitted().count(), 0);
    }

    #[test]
    fn the_newest_word_says_whether_a_node_is_emptied() {
        let mut mesh = state();
        let drain = |on| MeshAct::Drain { node: node(1), on };
        assert!(!mesh.apply(Some(node(9)), order_key(1, 9), &drain(false)), "it never was");
        assert!(mesh.apply(Some(node(9)), order_key(3, 9), &drain(true)));
        assert!(!mesh.apply(Some(node(8)), order_key(2, 8), &drain(false)), "an older word");
        assert!(mesh.is_draining(node(1)) && !mesh.is_draining(node(2)));
        assert!(mesh.apply(Some(node(8)), order_key(4, 8), &drain(false)));
        assert!(!mesh.is_draining(node(1)));
    }

    #[test]
    fn the_earliest_proven_fork_cuts_whoever_proves_it() {
        use crate::content::Content;
        use crate::entry::Body;
        use crate::testing::{chain_of, origin_key, room};
        let said = |text: &str| Body::Message(Content::text(text));
        let run = |texts: &[&str]| chain_of(&texts.iter().map(|text| said(text)).collect::<Vec<_>>()).0;
        let proof = |one: &[&str], other: &[&str]| {
            MeshAct::Quarantine(Box::new(Equivocation::between(&run(one), &run(other)).unwrap()))
        };
        let (late, early) = (proof(&["a", "b", "c"], &["a", "b", "d"]), proof(&["a", "x"], &["a", "y"]));
        let mut mesh = state();
        assert!(mesh.apply(Some(node(4)), order_key(1, 4), &late));
        assert_eq!(mesh.cut(&room(), origin_key(1).origin()), Some(2));
        assert!(mesh.apply(Some(node(5)), order_key(2, 5), &early));
        assert!(!mesh.apply(Some(node(4)), order_key(3, 4), &late));
        assert_eq!(mesh.cut(&room(), origin_key(1).origin()), Some(1));
        assert_eq!(mesh.cut(&Scope::Mesh, origin_key(1).origin()), None);
        let MeshAct::Quarantine(mut forged) = early else { unreachable!() };
        forged.other = forged.one.clone();
        assert!(!state().apply(Some(node(4)), order_key(1, 4), &MeshAct::Quarantine(forged)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn every_order_of_acts_ends_alike(order in Just((0usize..8).collect::<Vec<_>>()).prop_shuffle()) {
            let acts = [
                (1, 1, admit(1, "a:1")), (2, 1, admit(1, "b:1")), (3, 9, admit(1, "c:1")), (4, 9, admit(2, "d:1")),
                (5, 9, admit(2, "e:1")), (6, 3, admit(3, "f:1")), (7, 9, revoke(3)), (8, 3, admit(3, "g:1")),
            ];
            let mut in_order = state();
            let mut shuffled = state();
            for (hlc, by, act) in &acts {
                in_order.apply(Some(node(*by)), order_key(*hlc, *by), act);
            }
            for index in order.iter().chain(&order) {
                let (hlc, by, act) = &acts[*index];
                shuffled.apply(Some(node(*by)), order_key(*hlc, *by), act);
            }
            prop_assert_eq!(&shuffled, &in_order);
            prop_assert_eq!(shuffled.admitted().count(), 2);
        }
    }
}
