//! Invitations to register an account (XEP-0401): acts of the mesh scope, so that one that was made at any node can be used at any other.
//!
//! Who is invited has a token; the mesh knows its hash only. The newest word on an invitation counts, by (hlc, origin, seq): that there is one, or that
//! it was taken back. It is good for one account. Nodes that do not hear of one another may each let one in; both accounts stay, and the invitation
//! counts as used by the earlier. So an invitation lets in at most one account on each side of a cut, and none once its use is known.

use crate::ids::OrderKey;
use crate::names::AccountName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Most invitations that are open at once, so that no account can fill every node. More are not made.
pub const INVITATIONS_MAX: usize = 10_000;
/// Most uses remembered of one invitation: sides of a cut. The earliest are kept.
const USES_MAX: usize = 8;

/// The hash of an invitation's token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InvitationId([u8; 32]);

impl InvitationId {
    /// Of the invitation with that token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(blake3::derive_key("lavina 1 invitation", token.as_bytes()))
    }
}

/// As operators call it: enough of the hash to tell it from others.
impl fmt::Display for InvitationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What an invitation is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The account that invites; `None` for an operator at the machine.
    pub by: Option<AccountName>,
    /// Whether the account that invites and the new one become contacts.
    pub contact: bool,
    /// The only name that may be registered with it, where it is for one; nobody else may register that name meanwhile.
    pub name: Option<AccountName>,
    /// Until when, milliseconds since the Unix epoch.
    pub until_ms: u64,
}

/// All invitations, as a function of the set of what was said. Drive it: hand everything to [`Invitations::set`] and [`Invitations::use_up`], in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invitations {
    words: BTreeMap<InvitationId, (OrderKey, Option<Invitation>)>,
    uses: BTreeMap<InvitationId, BTreeMap<OrderKey, AccountName>>,
}

impl Invitations {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: BTreeMap::new(), uses: BTreeMap::new() }
    }

    /// Takes a word in: that there is an invitation, or (`None`) that it was taken back. Returns whether it is the newest one.
    pub fn set(&mut self, at: OrderKey, id: InvitationId, invitation: Option<&Invitation>) -> bool {
        if self.words.get(&id).is_some_and(|(held, _)| *held >= at) {
            return false;
        }
        self.words.insert(id, (at, invitation.cloned()));
        true
    }

    /// An account has been registered with it. Returns whether that is new.
    pub fn use_up(&mut self, at: OrderKey, id: InvitationId, account: &AccountName) -> bool {
        let uses = self.uses.entry(id).or_default();
        let is_new = uses.insert(at, account.clone()).is_none();
        if uses.len() > USES_MAX {
            uses.pop_last();
        }
        is_new
    }

    /// Who has used it, the one that counts in front.
    pub fn users(&self, id: InvitationId) -> impl Iterator<Item = &AccountName> + '_ {
        self.uses.get(&id).into_iter().flat_map(BTreeMap::values)
    }

    /// An invitation that was neither used nor taken back, whatever the time.
    #[must_use]
    pub fn unused(&self, id: InvitationId) -> Option<&Invitation> {
        let (_, invitation) = self.words.get(&id)?;
        invitation.as_ref().filter(|_| !self.uses.contains_key(&id))
    }

    /// Those that can be used at a time, in order.
    pub fn open(&self, now_ms: u64) -> impl Iterator<Item = (InvitationId, &Invitation)> + '_ {
        self.iter().filter(move |(id, invitation)| now_ms < invitation.until_ms && !self.uses.contains_key(id))
    }

    /// All that were not taken back, in order.
    pub fn iter(&self) -> impl Iterator<Item = (InvitationId, &Invitation)> + '_ {
        self.words.iter().filter_map(|(id, (_, invitation))| invitation.as_ref().map(|invitation| (*id, invitation)))
    }

    /// Whether a name is kept for who has another invitation than that.
    #[must_use]
    pub fn keep(&self, name: &AccountName, from: Option<InvitationId>, now_ms: u64) -> bool {
        let mut open = self.open(now_ms).filter(|(id, _)| Some(*id) != from);
        open.any(|(_, invitation)| invitation.name.as_ref() == Some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::order_key;
    use proptest::prelude::*;

    fn name(text: &str) -> AccountName {
        AccountName::new(text).unwrap()
    }

    fn invitation(for_name: Option<&str>, until_ms: u64) -> Invitation {
        Invitation { by: Some(name("romeo")), contact: true, name: for_name.map(name), until_ms }
    }

    #[test]
    fn it_is_open_until_it_is_used_or_taken_back_or_its_time_is_over() {
        let mut all = Invitations::new();
        let (one, other) = (InvitationId::of("one"), InvitationId::of("other"));
        assert!(all.set(order_key(1, 1), one, Some(&invitation(None, 100))));
        assert!(all.set(order_key(1, 1), other, Some(&invitation(Some("juliet"), 100))));
        assert_eq!((all.open(99).count(), all.open(100).count()), (2, 0));
        assert!(all.keep(&name("juliet"), None, 99) && all.keep(&name("juliet"), Some(one), 99));
        assert!(!all.keep(&name("juliet"), Some(other), 99) && !all.keep(&name("juliet"), None, 100));
        assert!(all.set(order_key(2, 1), other, None) && all.unused(other).is_none());
        assert!(!all.keep(&name("juliet"), None, 99));
        assert!(all.use_up(order_key(3, 1), one, &name("nurse")));
        assert_eq!(all.open(0).count(), 0);
        assert!(all.unused(one).is_none());
    }

    #[test]
    fn of_two_uses_apart_the_earlier_counts_and_no_more_than_a_few_are_kept() {
        let mut all = Invitations::new();
        let id = InvitationId::of("one");
        assert!(all.use_up(order_key(5, 2), id, &name("late")) && all.use_up(order_key(4, 9), id, &name("early")));
        assert!(!all.use_up(order_key(5, 2), id, &name("late")));
        assert_eq!(all.users(id).map(AccountName::as_str).collect::<Vec<_>>(), ["early", "late"]);
        for hlc in 10..100 {
            all.use_up(order_key(hlc, 1), id, &name("more"));
        }
        assert_eq!(all.users(id).count(), USES_MAX);
        assert_eq!(all.users(id).next(), Some(&name("early")));
    }

    proptest! {
        #[test]
        fn every_order_of_words_ends_alike(
            words in prop::collection::vec((0u64..20, 1u8..4, 0u8..3), 1..16),
            order in Just((0usize..16).collect::<Vec<_>>()).prop_shuffle()
        ) {
            let run = |order: &[usize]| {
                let mut all = Invitations::new();
                for (hlc, origin, what) in order.iter().filter_map(|index| words.get(*index)) {
                    // What an origin says at a time is one thing.
                    let (at, id) = (order_key(*hlc * 3 + u64::from(*what), *origin), InvitationId::of("one"));
                    match what {
                        0 => all.set(at, id, Some(&invitation(None, *hlc))),
                        1 => all.set(at, id, None),
                        _ => all.use_up(at, id, &name("nurse")),
                    };
                }
                all
            };
            let in_order: Vec<usize> = (0..16).collect();
            prop_assert_eq!(run(&order), run(&in_order));
        }
    }
}
