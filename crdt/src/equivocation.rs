//! Equivocation: one origin signed two contents for one dot (invariant L13). The two runs are the proof; whoever has it can check it
//! without knowing anything else.

use crate::chain::{hash, verify};
use crate::entry::{Hash, Run};
use crate::ids::{OriginKey, Scope};
use serde::{Deserialize, Serialize};

/// Two different signed contents of one dot: portable proof that an origin equivocated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equivocation {
    /// Where.
    pub scope: Scope,
    /// Who.
    pub origin: OriginKey,
    /// One content and the entries to the signature that covers it.
    pub one: Run,
    /// Another.
    pub other: Run,
}

impl Equivocation {
    /// Proof from two runs of one origin in one scope, when they say different things of a dot. Each run is cut down to the entries from
    /// the first difference to the next signature.
    #[must_use]
    pub fn between(one: &Run, other: &Run) -> Option<Self> {
        if one.scope != other.scope || one.origin != other.origin {
            return None;
        }
        let seq = first_difference(one, other)?;
        let proof =
            Self { scope: one.scope.clone(), origin: one.origin, one: excerpt(one, seq)?, other: excerpt(other, seq)? };
        proof.check().then_some(proof)
    }

    /// The dot at which the origin's chain forks, when the runs show it: their first entries follow the same one and differ. From there on
    /// nothing of the origin counts in the scope. Two chains fork once, so nodes that know the same proofs cut at the same place.
    #[must_use]
    pub fn fork(&self) -> Option<u64> {
        let same = self.one.first == self.other.first && claimed_prev(&self.one) == claimed_prev(&self.other);
        (same && first_difference(&self.one, &self.other) == Some(self.one.first)).then_some(self.one.first)
    }

    /// Whether this proves what it says: both runs are the origin's, signed, and differ in the same dot.
    #[must_use]
    pub fn check(&self) -> bool {
        let is_signed =
            |run: &Run| run.scope == self.scope && run.origin == self.origin && verify(run, claimed_prev(run)).is_ok();
        is_signed(&self.one) && is_signed(&self.other) && first_difference(&self.one, &self.other).is_some()
    }
}

/// What the first entry of a run says comes before it: a proof stands without the chain up to there.
fn claimed_prev(run: &Run) -> Hash {
    run.entries.first().and_then(crate::chain::open).map(|entry| entry.prev).unwrap_or_default()
}

fn first_difference(one: &Run, other: &Run) -> Option<u64> {
    let start = one.first.max(other.first);
    let skip = |run: &Run| usize::try_from(start - run.first).unwrap_or(usize::MAX);
    let pairs = one.entries.iter().skip(skip(one)).zip(other.entries.iter().skip(skip(other)));
    (start..).zip(pairs).find(|(_, (a, b))| hash(a) != hash(b)).map(|(seq, _)| seq)
}

/// The entries of a run from `seq` to the next one that is signed.
fn excerpt(run: &Run, seq: u64) -> Option<Run> {
    let from = usize::try_from(seq.checked_sub(run.first)?).ok()?;
    let rest = run.entries.get(from..)?;
    let signed = rest.iter().position(|sealed| sealed.signature.is_some())?;
    let entries = rest.get(..=signed)?.to_vec();
    Some(Run { scope: run.scope.clone(), origin: run.origin, first: seq, entries })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::entry::Body;
    use crate::testing::chain_of;

    fn said(text: &str) -> Body {
        Body::Message(Content::text(text))
    }

    #[test]
    fn two_contents_of_one_dot_are_proof() {
        let (one, _) = chain_of(&[said("same"), said("to you"), said("more")]);
        let (other, _) = chain_of(&[said("same"), said("to them")]);
        let proof = Equivocation::between(&one, &other).unwrap();
        assert!(proof.check());
        assert_eq!((proof.one.first, proof.other.first), (1, 1));
        assert_eq!(proof.fork(), Some(1));
        let late = |run: &Run| Run { first: 2, entries: run.entries[2..].to_vec(), ..run.clone() };
        let (longer, _) = chain_of(&[said("same"), said("to them"), said("too")]);
        // What follows a fork differs too, but is not where it is.
        assert!(Equivocation::between(&late(&one), &late(&longer)).is_some_and(|proof| proof.fork().is_none()));
        assert!(Equivocation::between(&one, &one).is_none());
    }

    #[test]
    fn a_forged_half_is_no_proof() {
        let (one, _) = chain_of(&[said("a")]);
        let (other, _) = chain_of(&[said("b")]);
        let mut proof = Equivocation::between(&one, &other).unwrap();
        proof.other.entries[0].signature = proof.one.entries[0].signature;
        assert!(!proof.check());
        let mut unsigned = other;
        unsigned.entries[0].signature = None;
        assert!(Equivocation::between(&one, &unsigned).is_none());
    }
}
