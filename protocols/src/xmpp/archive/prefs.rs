//! What of an account's conversations is shown in its archive (XEP-0441), in a register of the account.
//!
//! A conversation is one log, which is the other's too, so that nothing is left out of it; what its owner wants not archived is left out of what
//! the archive shows. A message is judged by what was wanted when it was said, as by an archive that had never taken it in, and so the same on
//! every node. Who was in the roster then is kept nowhere: where that decides, it is the roster as it is when the archive is read.

use crate::xmpp::element::Element;
use crate::xmpp::error::StanzaError;
use crate::xmpp::jid::Domains;
use crate::xmpp::ns;
use crate::xmpp::xml::parse_standalone;
use std::collections::BTreeSet;

/// The register.
pub(super) const REGISTER: &str = "archive-preferences";
/// The namespace of what it holds.
const OWN: &str = "urn:lavina:archive";
/// Addresses in one list.
const JIDS_MAX: usize = 128;
/// Longest address (RFC 7622 section 3.1).
const JID_BYTES_MAX: usize = 3_071;
/// Changes that are remembered. What was said before the oldest of them is judged by it.
const CHANGES_MAX: usize = 16;

/// What becomes of messages with addresses that no list names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Otherwise {
    /// They are archived.
    #[default]
    Always,
    /// They are not.
    Never,
    /// Those with contacts are.
    Roster,
}

impl Otherwise {
    const ALL: [(&'static str, Self); 3] = [("always", Self::Always), ("never", Self::Never), ("roster", Self::Roster)];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, other)| *other == self).map_or("always", |(name, _)| name)
    }
}

/// What is wanted from a time on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Prefs {
    since_ms: u64,
    otherwise: Otherwise,
    always: Vec<String>,
    never: Vec<String>,
}

/// All that was ever wanted, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History(Vec<Prefs>);

impl Prefs {
    /// What a client wants from now on.
    pub(super) fn wanted(domains: &Domains, element: &Element, since_ms: u64) -> Result<Self, StanzaError> {
        let mut prefs = Self::parse(element, since_ms)?;
        for jid in prefs.always.iter_mut().chain(&mut prefs.never) {
            *jid = domains.canonical(jid).map_err(|_| StanzaError::JID_MALFORMED)?;
        }
        Ok(prefs)
    }

    fn parse(element: &Element, since_ms: u64) -> Result<Self, StanzaError> {
        let named = Otherwise::ALL.iter().find(|(name, _)| element.get_attr("default") == Some(name));
        let (_, otherwise) = *named.ok_or(StanzaError::BAD_REQUEST)?;
        let list = |name: &str| -> Result<Vec<String>, StanzaError> {
            let listed = element.get(name, ns::MAM).into_iter().flat_map(Element::elements);
            let jids: Vec<String> = listed.filter(|jid| jid.name == "jid").map(Element::content).collect();
            let fits = |jid: &String| !jid.is_empty() && jid.len() <= JID_BYTES_MAX && !jid.contains(char::is_control);
            if jids.len() > JIDS_MAX {
                return Err(StanzaError::POLICY_VIOLATION.text("too many addresses"));
            }
            if jids.iter().all(fits) { Ok(jids) } else { Err(StanzaError::JID_MALFORMED) }
        };
        Ok(Self { since_ms, otherwise, always: list("always")?, never: list("never")? })
    }

    /// `<prefs/>`.
    pub(super) fn to_element(&self) -> Element {
        let list = |name: &str, jids: &[String]| {
            let jids = jids.iter().map(|jid| Element::new("jid", ns::MAM).text(jid.as_str()));
            Element::new(name, ns::MAM).children(jids)
        };
        Element::new("prefs", ns::MAM)
            .attr("default", self.otherwise.name())
            .child(list("always", &self.always))
            .child(list("never", &self.never))
    }

    /// Section 2.3: whether what was said with that address is archived; the bare JIDs of all contacts decide some of it.
    fn keeps(&self, jid: &str, roster: &BTreeSet<String>) -> bool {
        let bare = jid.split('/').next().unwrap_or_default();
        let is_in = |list: &[String]| {
            list.iter()
                .any(|listed| if listed.contains('/') { listed == jid } else { listed.eq_ignore_ascii_case(bare) })
        };
        let otherwise = || match self.otherwise {
            Otherwise::Always => true,
            Otherwise::Never => false,
            Otherwise::Roster => roster.contains(bare),
        };
        !is_in(&self.never) && (is_in(&self.always) || otherwise())
    }
}

impl History {
    /// From the register's value.
    pub(super) fn read(value: Option<&[u8]>) -> Self {
        let text = value.and_then(|value| std::str::from_utf8(value).ok());
        let Some(history) = text.and_then(parse_standalone).filter(|history| history.is("history", OWN)) else {
            return Self::default();
        };
        let prefs = history.elements().filter_map(|prefs| {
            let since_ms = prefs.get_attr("since")?.parse().ok()?;
            Prefs::parse(prefs, since_ms).ok()
        });
        Self(prefs.collect())
    }

    /// As the register keeps it, with what is wanted from now on.
    pub(super) fn with(&self, prefs: &Prefs) -> Vec<u8> {
        let kept = self.0.iter().filter(|old| old.since_ms < prefs.since_ms);
        let all: Vec<&Prefs> = kept.chain([prefs]).collect();
        let newest = all.get(all.len().saturating_sub(CHANGES_MAX)..).unwrap_or_default();
        let prefs = newest.iter().map(|prefs| prefs.to_element().attr("since", prefs.since_ms.to_string()));
        Element::new("history", OWN).children(prefs).to_standalone().into_bytes()
    }

    /// What is wanted now.
    pub(super) fn newest(&self) -> Prefs {
        self.0.last().cloned().unwrap_or_default()
    }

    /// Whether the roster decides anything.
    pub(super) fn asks_roster(&self) -> bool {
        self.0.iter().any(|prefs| prefs.otherwise == Otherwise::Roster)
    }

    /// Whether what was said at a time with that address is archived, where these are the bare JIDs of all contacts.
    pub(super) fn keeps(&self, jid: &str, at_ms: u64, roster: &BTreeSet<String>) -> bool {
        let then = self.0.iter().rev().find(|prefs| prefs.since_ms <= at_ms);
        let oldest = || self.0.first().filter(|_| self.0.len() == CHANGES_MAX);
        then.or_else(oldest).is_none_or(|prefs| prefs.keeps(jid, roster))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefs(text: &str, since_ms: u64) -> Prefs {
        Prefs::parse(&parse_standalone(text).unwrap(), since_ms).unwrap()
    }

    #[test]
    fn a_message_is_judged_by_what_was_wanted_when_it_was_said() {
        let first = prefs("<prefs xmlns='urn:xmpp:mam:2' default='never'><always><jid>a@x</jid></always></prefs>", 10);
        let second = prefs(
            "<prefs xmlns='urn:xmpp:mam:2' default='always'><never><jid>a@x</jid><jid>b@x/r</jid></never></prefs>",
            20,
        );
        let history = History::read(Some(&History::default().with(&first)));
        let history = History::read(Some(&history.with(&second)));
        assert_eq!(history.newest(), second);
        let keeps = |jid: &str, at_ms| history.keeps(jid, at_ms, &BTreeSet::new());
        assert!(keeps("b@x", 9), "before anything was said of it");
        assert!(keeps("A@x/r", 10) && !keeps("b@x", 19));
        assert!(!keeps("a@x/r", 20) && !keeps("b@x/r", 20) && keeps("b@x/s", 20));
    }

    #[test]
    fn by_the_roster_contacts_are_archived_unless_a_list_says_otherwise() {
        let lists = "<always><jid>a@x</jid></always><never><jid>b@x</jid></never>";
        let wanted = prefs(&format!("<prefs xmlns='urn:xmpp:mam:2' default='roster'>{lists}</prefs>"), 10);
        let history = History::read(Some(&History::default().with(&wanted)));
        assert_eq!(history.newest().to_element().get_attr("default"), Some("roster"));
        assert!(history.asks_roster() && !History::default().asks_roster());
        let roster: BTreeSet<String> = ["b@x", "c@x"].map(str::to_owned).into();
        for (jid, is_kept) in [("a@x", true), ("b@x", false), ("c@x/r", true), ("d@x", false)] {
            assert_eq!(history.keeps(jid, 10, &roster), is_kept, "{jid}");
        }
    }

    #[test]
    fn changes_are_bounded_and_what_is_no_preference_is_refused() {
        let mut history = History::default();
        for since in 1..100 {
            history =
                History::read(Some(&history.with(&prefs("<prefs xmlns='urn:xmpp:mam:2' default='never'/>", since))));
        }
        assert_eq!(history.0.len(), CHANGES_MAX);
        assert!(!history.keeps("a@x", 1, &BTreeSet::new()), "the oldest that is known stands for those before");
        let bad = |text: &str| Prefs::parse(&parse_standalone(text).unwrap(), 0).is_err();
        assert!(bad("<prefs xmlns='urn:xmpp:mam:2'/>") && bad("<prefs xmlns='urn:xmpp:mam:2' default='no'/>"));
        assert!(bad("<prefs xmlns='urn:xmpp:mam:2' default='always'><never><jid/></never></prefs>"));
        assert_eq!(History::read(Some(b"<other/>")), History::default());
    }
}
