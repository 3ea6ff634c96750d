//! Account names by how they look (Unicode TR39 skeletons): nobody takes a name that can be mistaken for somebody else's.

use lavina_crdt::names::{AccountName, skeleton};
use std::collections::{BTreeMap, BTreeSet};

/// Names that look official: nobody takes them, nor any that looks like them.
const RESERVED: [&str; 8] =
    ["nickserv", "chanserv", "operserv", "hostserv", "memoserv", "botserv", "services", "server"];

/// Whether a name looks like one that nobody may take.
pub(crate) fn is_reserved(name: &str) -> bool {
    let wanted = skeleton(name);
    RESERVED.iter().any(|reserved| skeleton(reserved) == wanted)
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lookalikes {
    accounts: BTreeMap<String, BTreeSet<AccountName>>,
}

impl Lookalikes {
    /// An account exists.
    pub(crate) fn add(&mut self, account: AccountName) {
        self.accounts.entry(skeleton(account.as_str())).or_default().insert(account);
    }

    /// Accounts that a name looks like, the one of that very name too.
    pub(crate) fn like(&self, name: &str) -> impl Iterator<Item = &AccountName> + '_ {
        self.accounts.get(&skeleton(name)).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cyrillic_letter_makes_no_other_person() {
        let mut names = Lookalikes::default();
        names.add(AccountName::new("alice").unwrap());
        assert_eq!(names.like("\u{430}lice").count(), 1);
        assert_eq!(names.like("Alice").count(), 1);
        assert_eq!(names.like("bob").count(), 0);
        assert!(is_reserved("NickServ") && is_reserved("N\u{456}ckserv") && !is_reserved("nick"));
    }
}
