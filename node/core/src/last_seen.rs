//! When accounts were last there, as far as this node has seen them go.

use lavina_crdt::names::AccountName;
use std::collections::{BTreeMap, BTreeSet};

/// Accounts remembered: whoever went longest ago is forgotten first.
const ACCOUNTS_MAX: usize = 65_536;

/// When somebody went, and with what words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    /// Milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
    /// What was said about it.
    pub(crate) words: String,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct LastSeen {
    gone: BTreeMap<AccountName, Gone>,
    order: BTreeSet<(u64, AccountName)>,
}

impl LastSeen {
    /// An account's last session that was there went.
    pub(crate) fn note(&mut self, account: &AccountName, gone: Gone) {
        self.order.insert((gone.at_ms, account.clone()));
        if let Some(before) = self.gone.insert(account.clone(), gone.clone())
            && before.at_ms != gone.at_ms
        {
            self.order.remove(&(before.at_ms, account.clone()));
        }
        if self.gone.len() > ACCOUNTS_MAX
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.gone.remove(&oldest);
        }
    }

    /// When an account went.
    pub(crate) fn get(&self, account: &AccountName) -> Option<&Gone> {
        self.gone.get(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_counts_and_the_oldest_is_forgotten() {
        let mut seen = LastSeen::default();
        let name = |number: usize| AccountName::new(&format!("a{number}")).unwrap();
        for (at_ms, number) in (0..).zip((0..=ACCOUNTS_MAX).chain([5])) {
            seen.note(&name(number), Gone { at_ms, words: String::new() });
        }
        assert_eq!(seen.get(&name(0)), None);
        assert_eq!(seen.get(&name(5)).map(|gone| gone.at_ms), Some(65_537));
        assert_eq!((seen.gone.len(), seen.order.len()), (ACCOUNTS_MAX, ACCOUNTS_MAX));
    }
}
