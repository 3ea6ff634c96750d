//! Rosters and the subscription exchange (RFC 6121 sections 2 and 3, appendix A) between accounts of this mesh.
//!
//! A contact is two registers of its owner's scope, so that what is done at the same time on several nodes merges. One is the owner's alone: that the
//! contact is in the roster, its name and its groups. The other is who sees whom, which the contact writes too: [`step`] changes it on both sides as one
//! act, and [`told`] derives from what changed on one side what its owner is told. Versions before had the second only, with the first in it, and it
//! still holds that for them. [`Rosters`] keeps the rosters of accounts with sessions here, and who watches whom.

use bytes::Bytes;
use lavina_crdt::names::AccountName;
use lavina_crdt::register::Registers;
use lavina_protocols::command::{REQUEST_BYTES_MAX, RosterItem, Subscription, SubscriptionStep};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most contacts of one account, asked-for ones too.
pub(crate) const CONTACTS_MAX: usize = 2_000;

/// Before the contact's name in the key of the register that says who sees whom.
const WAYS: &str = "roster/";

/// The same of the register that is the owner's. Not longer, as names may be as long as a key with the other one can hold.
const OWNERS: &str = "listed/";

/// The register that says who sees whom, written by both.
pub(crate) fn ways_key(contact: &AccountName) -> String {
    format!("{WAYS}{contact}")
}

/// The register that is the owner's.
pub(crate) fn owners_key(contact: &AccountName) -> String {
    format!("{OWNERS}{contact}")
}

/// The contact that a register is about.
pub(crate) fn contact(key: &str) -> Option<AccountName> {
    AccountName::any(key.strip_prefix(WAYS).or_else(|| key.strip_prefix(OWNERS))?).ok()
}

/// What of an item came after its first form, at the end of the value: a version that does not know of it reads what is before.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Later {
    approved: bool,
}

/// What came after that, behind it in the same way.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Request {
    carries: Vec<u8>,
}

/// And after that: whether who wrote the value keeps what is the owner's in a register of its own.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Apart {
    owners: bool,
}

/// What is the owner's of a contact that is in the roster.
#[derive(Debug, Serialize, Deserialize)]
struct Owners {
    name: String,
    groups: Vec<String>,
}

/// The value of the register that says who sees whom. It is never empty: that is a removal by a version before.
pub(crate) fn encode_ways(item: &RosterItem) -> Vec<u8> {
    let later = Later { approved: item.subscription.approved };
    let request = Request { carries: item.request.to_vec() };
    postcard::to_stdvec(&(item, later, request, Apart { owners: true })).unwrap_or_default()
}

/// The value of the owner's register: empty when the contact is not in the roster.
pub(crate) fn encode_owners(item: &RosterItem) -> Vec<u8> {
    if !item.listed {
        return Vec::new();
    }
    let owners = Owners { name: item.name.clone(), groups: item.groups.clone() };
    postcard::to_stdvec(&owners).unwrap_or_default()
}

/// The item in a register that says who sees whom, and whether what is the owner's is apart from it.
fn decode_ways(value: &[u8]) -> Option<(RosterItem, bool)> {
    let (mut item, rest) = postcard::take_from_bytes::<RosterItem>(value).ok()?;
    let (later, rest) = postcard::take_from_bytes::<Later>(rest).unwrap_or_default();
    item.subscription.approved = later.approved;
    let (request, rest) = postcard::take_from_bytes::<Request>(rest).unwrap_or_default();
    if request.carries.len() <= REQUEST_BYTES_MAX {
        item.request = Bytes::from(request.carries);
    }
    let apart = postcard::from_bytes::<Apart>(rest).unwrap_or_default();
    Some((item, apart.owners))
}

/// A contact as the registers of its owner have it; `None` when they say nothing of it. A version before writes all of the item, so what it says counts
/// until the owner's register is written again.
pub(crate) fn read(registers: &Registers, contact: &AccountName) -> Option<RosterItem> {
    let (ways, owners) = (ways_key(contact), owners_key(contact));
    let known = registers.get(&ways).and_then(decode_ways).filter(|(item, _)| item.contact == *contact);
    let (mut item, apart) = known.unwrap_or_else(|| (blank(contact.clone()), false));
    if let Some(at) = registers.written(&owners)
        && (apart || registers.written(&ways).is_none_or(|ways| ways < at))
    {
        let own = registers.get(&owners).and_then(|value| postcard::from_bytes::<Owners>(value).ok());
        item.listed = own.is_some();
        if let Some(own) = own {
            (item.name, item.groups) = (own.name, own.groups);
        }
    }
    // RFC 6121 appendix A: whoever is in any state but "none" and "pending in" is in the roster.
    let Subscription { to, from, asked, approved, .. } = item.subscription;
    item.listed |= to || from || asked || approved;
    means_something(&item).then_some(item)
}

/// All contacts that an account's registers have.
pub(crate) fn all(registers: &Registers) -> impl Iterator<Item = RosterItem> + '_ {
    let keys = [WAYS, OWNERS].into_iter().flat_map(|prefix| registers.iter(prefix));
    let contacts: BTreeSet<AccountName> = keys.filter_map(|(key, _)| contact(key)).collect();
    contacts.into_iter().filter_map(|contact| read(registers, &contact))
}

/// A contact nobody has said anything about.
pub(crate) fn blank(contact: AccountName) -> RosterItem {
    RosterItem {
        contact,
        name: String::new(),
        groups: Vec::new(),
        subscription: Subscription::default(),
        listed: false,
        request: Bytes::new(),
    }
}

/// Whether the item still says anything.
fn means_something(item: &RosterItem) -> bool {
    item.listed || item.subscription != Subscription::default()
}

/// One side takes a step towards the other: `own` is its item of the other, `theirs` the other's item of it. A request that waits already stays the one it
/// was, whatever the next one carries (section 3.1.3 asks for the first or the last): who asks again and again changes nothing.
pub(crate) fn step(step: SubscriptionStep, request: &Bytes, own: &mut RosterItem, theirs: &mut RosterItem) {
    let (mine, other) = (&mut own.subscription, &mut theirs.subscription);
    match step {
        // RFC 6121 section 3.1.2: the contact is in the roster from the request on.
        SubscriptionStep::Subscribe => {
            own.listed = true;
            if other.from || other.approved {
                // Section 3.1.3: who has said so before is not asked.
                (mine.to, mine.asked) = (true, false);
                (other.from, other.asked_by) = (true, false);
                theirs.listed = true;
            } else {
                if !other.asked_by {
                    theirs.request = request.clone();
                }
                (mine.asked, other.asked_by) = (true, true);
            }
        }
        // Section 3.1.5; section 3.4.2 where nobody has asked yet.
        SubscriptionStep::Subscribed => {
            if mine.asked_by || other.asked {
                own.listed = true;
                (mine.from, mine.asked_by) = (true, false);
                (other.to, other.asked) = (true, false);
            } else if !mine.from {
                own.listed = true;
                mine.approved = true;
            }
        }
        // Section 3.3.
        SubscriptionStep::Unsubscribe => {
            (mine.to, mine.asked) = (false, false);
            (other.from, other.asked_by) = (false, false);
        }
        // Section 3.2; section 3.4.3 where it was granted ahead.
        SubscriptionStep::Unsubscribed => {
            (mine.from, mine.asked_by, mine.approved) = (false, false, false);
            (other.to, other.asked) = (false, false);
        }
    }
    for item in [own, theirs] {
        if !item.subscription.asked_by {
            item.request.clear();
        }
    }
}

/// What the owner of an item is told when the contact has changed it.
pub(crate) fn told(old: Subscription, new: Subscription) -> Vec<SubscriptionStep> {
    let mut steps = Vec::new();
    if new.asked_by && !old.asked_by {
        steps.push(SubscriptionStep::Subscribe);
    }
    if new.to && !old.to {
        steps.push(SubscriptionStep::Subscribed);
    }
    if !new.to && (old.to || old.asked && !new.asked) {
        steps.push(SubscriptionStep::Unsubscribed);
    }
    if !new.from && (old.from || old.asked_by && !new.asked_by) {
        steps.push(SubscriptionStep::Unsubscribe);
    }
    steps
}

/// Rosters of the accounts with XMPP sessions here.
#[derive(Debug, Default)]
pub(crate) struct Rosters {
    accounts: BTreeMap<AccountName, BTreeMap<AccountName, RosterItem>>,
    /// Contact -> accounts here that see its presence.
    watchers: BTreeMap<AccountName, BTreeSet<AccountName>>,
}

impl Rosters {
    /// The roster of an account, when it is kept.
    pub(crate) fn get(&self, account: &AccountName) -> Option<&BTreeMap<AccountName, RosterItem>> {
        self.accounts.get(account)
    }

    /// Keeps an account's roster from here on.
    pub(crate) fn keep(&mut self, account: &AccountName, items: Vec<RosterItem>) {
        self.accounts.entry(account.clone()).or_default();
        for item in items {
            let contact = item.contact.clone();
            self.set(account, &contact, Some(item));
        }
    }

    /// Keeps an account's roster no longer.
    pub(crate) fn drop(&mut self, account: &AccountName) {
        let contacts: Vec<AccountName> =
            self.accounts.get(account).into_iter().flatten().map(|(name, _)| name.clone()).collect();
        for contact in contacts {
            self.set(account, &contact, None);
        }
        self.accounts.remove(account);
    }

    /// Sets one contact of a kept roster; gives the old one.
    pub(crate) fn set(
        &mut self,
        account: &AccountName,
        contact: &AccountName,
        item: Option<RosterItem>,
    ) -> Option<RosterItem> {
        let roster = self.accounts.get_mut(account)?;
        let sees = item.as_ref().is_some_and(|item| item.subscription.to);
        let old = match item {
            Some(item) => roster.insert(contact.clone(), item),
            None => roster.remove(contact),
        };
        if sees {
            self.watchers.entry(contact.clone()).or_default().insert(account.clone());
        } else if let Some(watchers) = self.watchers.get_mut(contact) {
            watchers.remove(account);
            if watchers.is_empty() {
                self.watchers.remove(contact);
            }
        }
        old
    }

    /// Accounts here that see the presence of `contact`.
    pub(crate) fn watchers(&self, contact: &AccountName) -> impl Iterator<Item = &AccountName> + '_ {
        self.watchers.get(contact).into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use SubscriptionStep::{Subscribe, Subscribed, Unsubscribe, Unsubscribed};
    use lavina_crdt::clock::Hlc;
    use lavina_crdt::ids::{OrderKey, Origin};
    use lavina_crdt::register::RegisterSet;

    fn name(text: &str) -> AccountName {
        AccountName::new(text).unwrap()
    }

    /// Takes the steps (true: by juliet) and tells what the other side is told.
    fn exchange(steps: &[(bool, SubscriptionStep)]) -> (RosterItem, RosterItem, Vec<SubscriptionStep>) {
        let (mut juliet, mut romeo) = (blank(name("romeo")), blank(name("juliet")));
        let mut all = Vec::new();
        for (by_juliet, taken) in steps {
            let (own, theirs) = if *by_juliet { (&mut juliet, &mut romeo) } else { (&mut romeo, &mut juliet) };
            let before = theirs.subscription;
            step(*taken, &Bytes::new(), own, theirs);
            all.extend(told(before, theirs.subscription));
        }
        (juliet, romeo, all)
    }

    #[test]
    fn a_request_that_is_granted_shows_presence_one_way() {
        let (juliet, romeo, told) = exchange(&[(true, Subscribe), (false, Subscribed)]);
        assert_eq!(juliet.subscription, Subscription { to: true, ..Subscription::default() });
        assert_eq!(romeo.subscription, Subscription { from: true, ..Subscription::default() });
        assert_eq!(told, [Subscribe, Subscribed]);
        assert!(juliet.listed && romeo.listed);
    }

    #[test]
    fn a_request_that_is_refused_leaves_nothing_but_the_contact() {
        let (juliet, romeo, told) = exchange(&[(true, Subscribe), (false, Unsubscribed)]);
        assert_eq!(juliet.subscription, Subscription::default());
        assert!(!means_something(&romeo));
        assert_eq!(told, [Subscribe, Unsubscribed]);
    }

    #[test]
    fn a_grant_nobody_asked_for_counts_once_it_is_asked_for() {
        let (juliet, romeo, told) = exchange(&[(false, Subscribed)]);
        assert_eq!(juliet.subscription, Subscription::default());
        assert!(told.is_empty() && romeo.listed && romeo.subscription.approved);
        let (juliet, romeo, told) = exchange(&[(false, Subscribed), (true, Subscribe)]);
        assert!(juliet.subscription.to && romeo.subscription.from);
        assert!(told.is_empty(), "romeo is not asked");
        let (juliet, romeo, told) = exchange(&[(false, Subscribed), (false, Unsubscribed), (true, Subscribe)]);
        assert!(!juliet.subscription.to && romeo.subscription.asked_by);
        assert_eq!(told, [Subscribe]);
    }

    fn registers(writes: &[(&str, &[u8])]) -> Registers {
        let mut registers = Registers::new();
        for ((key, value), at) in writes.iter().zip(1..) {
            let set = RegisterSet { key: (*key).to_owned(), value: value.to_vec(), of: None };
            registers.apply(OrderKey { hlc: Hlc(at), origin: Origin([1; 16]), seq: at }, &set);
        }
        registers
    }

    fn read_of(writes: &[(&str, &[u8])]) -> Option<RosterItem> {
        read(&registers(writes), &name("romeo"))
    }

    #[test]
    fn an_item_is_read_by_the_version_before_and_from_it() {
        let mut item = RosterItem { listed: true, name: "Romeo".to_owned(), ..blank(name("romeo")) };
        item.subscription.to = true;
        let first = postcard::to_stdvec(&item).unwrap();
        assert_eq!(read_of(&[("roster/romeo", &first)]), Some(item.clone()));
        item.subscription.approved = true;
        item.request = Bytes::from_static(b"<presence/>");
        let before = [first, vec![1, 11], item.request.to_vec()].concat();
        assert_eq!(read_of(&[("roster/romeo", &before)]), Some(item.clone()));
        let now = encode_ways(&item);
        assert!(now.starts_with(&before) && now.len() > before.len());
        assert_eq!(read_of(&[("roster/romeo", &now)]), Some(item.clone()));
        item.request = Bytes::from(vec![b'x'; REQUEST_BYTES_MAX + 1]);
        assert_eq!(
            read_of(&[("roster/romeo", &encode_ways(&item))]).unwrap().request,
            Bytes::new(),
            "whoever wrote it"
        );
        assert_eq!(read_of(&[("roster/romeo", &[])]), None);
        assert_eq!(read_of(&[("roster/juliet", &now)]), None);
        assert_eq!(read_of(&[("roster/romeo", &encode_ways(&blank(name("romeo"))))]), None);
    }

    #[test]
    fn what_is_the_owners_counts_over_what_the_contact_writes_and_versions_before_still_write_it() {
        let item = RosterItem { listed: true, name: "Romeo".to_owned(), ..blank(name("romeo")) };
        let (owners, ways) =
            (encode_owners(&item), encode_ways(&RosterItem { name: "old".to_owned(), ..item.clone() }));
        let before = postcard::to_stdvec(&RosterItem { name: "before".to_owned(), ..item.clone() }).unwrap();
        let called = |writes: &[(&str, &[u8])]| read_of(writes).map(|item| item.name);
        assert_eq!(called(&[("listed/romeo", &owners)]).unwrap(), "Romeo");
        assert_eq!(called(&[("listed/romeo", &owners), ("roster/romeo", &ways)]).unwrap(), "Romeo");
        assert_eq!(called(&[("listed/romeo", &[]), ("roster/romeo", &ways)]), None);
        assert_eq!(called(&[("roster/romeo", &before), ("listed/romeo", &owners)]).unwrap(), "Romeo");
        assert_eq!(called(&[("roster/romeo", &before), ("listed/romeo", &[])]), None);
        assert_eq!(called(&[("listed/romeo", &owners), ("roster/romeo", &before)]).unwrap(), "before");
        assert_eq!(called(&[("listed/romeo", &owners), ("roster/romeo", &[])]), None, "removed by a version before");
    }

    #[test]
    fn whose_presence_is_seen_is_in_the_roster() {
        let mut item = blank(name("romeo"));
        item.subscription.asked_by = true;
        assert!(!read_of(&[("listed/romeo", &[]), ("roster/romeo", &encode_ways(&item))]).unwrap().listed);
        item.subscription.from = true;
        assert!(read_of(&[("listed/romeo", &[]), ("roster/romeo", &encode_ways(&item))]).unwrap().listed);
    }

    #[test]
    fn all_contacts_are_read_once() {
        let item = RosterItem { listed: true, ..blank(name("romeo")) };
        let (owners, ways) = (encode_owners(&item), encode_ways(&item));
        let writes: &[(&str, &[u8])] = &[
            ("listed/romeo", &owners),
            ("roster/romeo", &ways),
            ("listed/nurse", &owners),
            ("roster/tybalt", &encode_ways(&blank(name("tybalt")))),
        ];
        let found: Vec<String> = all(&registers(writes)).map(|item| item.contact.to_string()).collect();
        assert_eq!(found, ["nurse", "romeo"]);
    }

    #[test]
    fn what_the_first_request_carries_is_kept_until_it_is_answered() {
        let (first, second) = (Bytes::from_static(b"first"), Bytes::from_static(b"second"));
        let (mut juliet, mut romeo) = (blank(name("romeo")), blank(name("juliet")));
        step(Subscribe, &first, &mut juliet, &mut romeo);
        step(Subscribe, &second, &mut juliet, &mut romeo);
        assert_eq!((&romeo.request, &juliet.request), (&first, &Bytes::new()));
        for (answer, by_romeo) in [(Subscribed, true), (Unsubscribed, true), (Unsubscribe, false)] {
            let (mut juliet, mut romeo) = (juliet.clone(), romeo.clone());
            let (own, theirs) = if by_romeo { (&mut romeo, &mut juliet) } else { (&mut juliet, &mut romeo) };
            step(answer, &Bytes::new(), own, theirs);
            assert!(romeo.request.is_empty(), "{answer:?}");
        }
    }

    #[test]
    fn either_side_ends_a_subscription() {
        let both = [(true, Subscribe), (false, Subscribed), (false, Subscribe), (true, Subscribed)];
        let (juliet, romeo, _) = exchange(&both);
        assert!(juliet.subscription.to && juliet.subscription.from && romeo.subscription.to && romeo.subscription.from);
        let (juliet, romeo, told) = exchange(&[&both[..], &[(true, Unsubscribe), (true, Unsubscribed)]].concat());
        assert_eq!((juliet.subscription, romeo.subscription), (Subscription::default(), Subscription::default()));
        assert_eq!(told.get(4..), Some(&[Unsubscribe, Unsubscribed][..]));
    }

    #[test]
    fn who_watches_whom_follows_the_rosters() {
        let mut rosters = Rosters::default();
        let mut item = blank(name("romeo"));
        item.subscription.to = true;
        rosters.keep(&name("juliet"), vec![item]);
        assert_eq!(rosters.watchers(&name("romeo")).count(), 1);
        rosters.drop(&name("juliet"));
        assert_eq!(rosters.watchers(&name("romeo")).count(), 0);
    }
}
