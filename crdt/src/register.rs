//! Registers: high churn, last write counts. LWW by (hlc, origin); a superseded entry has no effect.

use crate::ids::{Dot, OrderKey};
use crate::mutant::{self, Mutant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most bytes of a register's key.
pub const KEY_BYTES_MAX: usize = 256;

/// The body of an entry: `key` of this scope is `value` from here on; an empty value is a removal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterSet {
    /// Which register. Namespaced by a first path segment: `roster/`, `read/`, `credentials`, `profile/`.
    pub key: String,
    /// The value, in the encoding that the key's namespace defines.
    pub value: Vec<u8>,
    /// In an account's scope, the creation that the author's login rests on (see [`crate::account::AccountState`]); `None` elsewhere.
    pub of: Option<Dot>,
}

/// The registers of one scope, each with its newest value. Removed ones are remembered, so that an older value that comes late does
/// not bring them back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registers(BTreeMap<String, (OrderKey, Vec<u8>)>);

impl Registers {
    /// None set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a write in, written at `at`. Returns whether the register's value is another one than before.
    pub fn apply(&mut self, at: OrderKey, set: &RegisterSet) -> bool {
        if set.key.len() > KEY_BYTES_MAX {
            return false;
        }
        match self.0.get_mut(&set.key) {
            Some((held, _)) if *held >= at && !mutant::is_planted(Mutant::RegisterByArrival) => false,
            Some((held, value)) => {
                *held = at;
                let is_other = *value != set.value;
                value.clone_from(&set.value);
                is_other
            }
            None => {
                self.0.insert(set.key.clone(), (at, set.value.clone()));
                !set.value.is_empty()
            }
        }
    }

    /// The value of a register; `None` when it is not set or was removed.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key).map(|(_, value)| value.as_slice()).filter(|value| !value.is_empty())
    }

    /// When a register was last written, be it to remove it.
    #[must_use]
    pub fn written(&self, key: &str) -> Option<OrderKey> {
        self.0.get(key).map(|(at, _)| *at)
    }

    /// The registers that are set and whose key begins with `prefix`, in key order.
    pub fn iter<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> + 'a {
        let from = self.0.range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        from.take_while(move |(key, _)| key.starts_with(prefix))
            .filter(|(_, (_, value))| !value.is_empty())
            .map(|(key, (_, value))| (key.as_str(), value.as_slice()))
    }

    /// Takes all of `other` in.
    pub fn merge(&mut self, other: &Self) {
        for (key, (at, value)) in &other.0 {
            self.apply(*at, &RegisterSet { key: key.clone(), value: value.clone(), of: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::order_key;
    use proptest::prelude::*;

    fn set(key: &str, value: &[u8]) -> RegisterSet {
        RegisterSet { key: key.to_owned(), value: value.to_vec(), of: None }
    }

    #[test]
    fn a_removed_register_stays_removed_when_an_older_value_comes() {
        let mut registers = Registers::new();
        assert!(registers.apply(order_key(1, 1), &set("roster/bob", b"friend")));
        assert!(registers.apply(order_key(3, 1), &set("roster/bob", b"")));
        assert!(!registers.apply(order_key(2, 2), &set("roster/bob", b"foe")));
        assert_eq!(registers.get("roster/bob"), None);
        assert!(!registers.apply(order_key(1, 1), &set("profile/x", b"")));
    }

    #[test]
    fn registers_are_listed_by_prefix() {
        let mut registers = Registers::new();
        for key in ["read/a", "roster/a", "roster/b", "rosterx"] {
            registers.apply(order_key(1, 1), &set(key, b"v"));
        }
        let keys: Vec<_> = registers.iter("roster/").map(|(key, _)| key).collect();
        assert_eq!(keys, ["roster/a", "roster/b"]);
    }

    fn writes() -> impl Strategy<Value = Vec<(OrderKey, RegisterSet)>> {
        // What is written is a function of the stamp, as an origin writes one entry for each.
        let write = (0u64..12, 1u8..4).prop_map(|(hlc, origin)| {
            let value = if hlc % 3 == 0 { Vec::new() } else { vec![origin, 7] };
            (order_key(hlc, origin), set(["a", "b"][usize::from(origin % 2)], &value))
        });
        proptest::collection::vec(write, 0..12)
    }

    fn of(writes: &[(OrderKey, RegisterSet)]) -> Registers {
        let mut registers = Registers::new();
        for (at, set) in writes {
            registers.apply(*at, set);
        }
        registers
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn merge_is_a_join_and_order_makes_no_difference(a in writes(), b in writes(), c in writes()) {
            let merged = |x: &Registers, y: &Registers| { let mut x = x.clone(); x.merge(y); x };
            let (ra, rb, rc) = (of(&a), of(&b), of(&c));
            prop_assert_eq!(merged(&ra, &rb), merged(&rb, &ra));
            prop_assert_eq!(merged(&merged(&ra, &rb), &rc), merged(&ra, &merged(&rb, &rc)));
            prop_assert_eq!(merged(&ra, &ra), ra.clone());
            let mut backwards = [a.clone(), b.clone()].concat();
            backwards.reverse();
            prop_assert_eq!(of(&backwards), merged(&ra, &rb));
        }
    }
}
