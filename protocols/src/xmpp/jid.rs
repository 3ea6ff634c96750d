//! Addresses (RFC 7622) and what they name here.
//!
//! | JID | names |
//! |---|---|
//! | `DOMAIN` | the server |
//! | `account@DOMAIN[/resource]` | an account, or one session of it |
//! | `rooms.DOMAIN` | the MUC service |
//! | `room@rooms.DOMAIN[/nick]` | a room, or an occupant; what can be no nick stands for the nearest one |
//! | `name@OTHER[/resource]`, `OTHER[/resource]` | somebody of another server, or that server, where other servers can be reached |
//! | `nick@guests.DOMAIN` | somebody on IRC without an account; the localpart is the nick's canonical key, which holds no character that a JID cannot |
//!
//! Two addresses are compared in their canonical forms: names as [`lavina_crdt::names`] has them, domains and resources as [`domain`] and [`resource`] do.
//!
//! An IRC session of an account has no resource of its own; it is shown under `irc.` and a number, so that a full JID names it.

use crate::command::Target;
use crate::event::Person;
use crate::session::SessionConfig;
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use lavina_crdt::content::{Author, Principal};
use lavina_crdt::ids::SessionId;
use lavina_crdt::names::{AccountName, Nick, RoomName};
use precis_core::profile::Profile;
use precis_core::{DerivedPropertyValue, Error};
use precis_profiles::OpaqueString;
use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// Longest part of a JID in bytes (RFC 7622 section 3.1).
const PART_BYTES_MAX: usize = 1023;

/// Longest resource taken at resource binding: enough for any client's generated one, small in every presence.
pub(crate) const RESOURCE_BYTES_MAX: usize = 256;

/// Begins the resource under which an IRC session is shown.
const IRC_RESOURCE: &str = "irc.";

/// What a JID names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// This server.
    Server,
    /// An account, or one session of it; or somebody of another server, under their remote name.
    Account(AccountName, Option<String>),
    /// The MUC service.
    Rooms,
    /// A room.
    Room(RoomName),
    /// A nick in a room.
    Occupant(RoomName, Nick),
    /// Somebody without an account.
    Guest(Nick),
    /// Something at another server that cannot be reached.
    Foreign,
}

impl Address {
    /// One client, which stanzas can be handed through to.
    pub(crate) fn client(self) -> Option<Target> {
        match self {
            Self::Account(account, resource @ Some(_)) => Some(Target::Account(account, resource)),
            Self::Occupant(room, nick) => Some(Target::Occupant(room, nick)),
            Self::Account(_, None) | Self::Server | Self::Rooms | Self::Room(_) | Self::Guest(_) | Self::Foreign => {
                None
            }
        }
    }
}

/// Why a text names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Nothing {
    /// It is no JID.
    #[error("malformed JID")]
    Malformed,
    /// It is one of this server, and no account can have it.
    #[error("no account has such a name")]
    Account,
    /// It is one of the MUC service, and no room can have it.
    #[error("no room has such a name")]
    Room,
}

/// The names under which this mesh is known.
#[derive(Clone, Debug)]
pub(crate) struct Domains {
    /// `DOMAIN`.
    pub(crate) server: String,
    /// `rooms.DOMAIN`.
    pub(crate) rooms: String,
    /// `guests.DOMAIN`.
    pub(crate) guests: String,
    /// Whether other servers can be reached.
    pub(crate) abroad: bool,
}

impl Domains {
    /// From a session's configuration.
    pub(crate) fn new(config: &SessionConfig) -> Self {
        Self {
            server: config.domain.clone(),
            rooms: config.rooms_domain.clone(),
            guests: format!("guests.{}", config.domain),
            abroad: config.abroad,
        }
    }

    /// The same where people of other servers are named, not written to.
    pub(crate) fn anywhere(&self) -> Self {
        Self { abroad: true, ..self.clone() }
    }

    /// What a JID names.
    pub(crate) fn parse(&self, text: &str) -> Result<Address, Nothing> {
        let (bare, resource) = match text.split_once('/') {
            Some((bare, text)) => (bare, Some(resource(text)?)),
            None => (text, None),
        };
        let (local, host) = match bare.split_once('@') {
            Some((local, text)) => (Some(part(local)?), part(text)?),
            None => (None, part(bare)?),
        };
        if host.contains('@') {
            return Err(Nothing::Malformed);
        }
        let host = domain(host);
        if is_same(&host, &self.server) {
            let Some(local) = local else { return Ok(Address::Server) };
            let account = AccountName::new(local).map_err(|_| localpart(local, Nothing::Account))?;
            return Ok(Address::Account(account, resource));
        }
        if is_same(&host, &self.rooms) {
            let Some(local) = local else { return Ok(Address::Rooms) };
            let room = RoomName::new(local).map_err(|_| localpart(local, Nothing::Room))?;
            let Some(nick) = resource else { return Ok(Address::Room(room)) };
            return Ok(Address::Occupant(room, Nick::nearest(&nick).ok_or(Nothing::Malformed)?));
        }
        if is_same(&host, &self.guests) {
            let nick = Nick::new(local.ok_or(Nothing::Malformed)?).map_err(|_| Nothing::Malformed)?;
            return Ok(Address::Guest(nick));
        }
        match AccountName::remote(local, &host) {
            Ok(account) if self.abroad => Ok(Address::Account(account, resource)),
            Ok(_) | Err(_) => Ok(Address::Foreign),
        }
    }

    /// A JID in its canonical form, wherever what it names is; [`Nothing::Malformed`] for what is nowhere.
    pub(crate) fn canonical(&self, text: &str) -> Result<String, Nothing> {
        let everywhere = Self { abroad: true, ..self.clone() };
        Ok(match everywhere.parse(text)? {
            Address::Server => self.server.clone(),
            Address::Rooms => self.rooms.clone(),
            Address::Account(account, None) => self.account(&account),
            Address::Account(account, Some(resource)) => self.full(&account, &resource),
            Address::Room(room) => self.room(&room),
            Address::Occupant(room, nick) => self.occupant(&room, &nick),
            Address::Guest(nick) => self.guest(&nick),
            Address::Foreign => return Err(Nothing::Malformed),
        })
    }

    /// Whether a domain is one of this mesh.
    pub(crate) fn are(&self, text: &str) -> bool {
        let host = domain(text);
        [&self.server, &self.rooms, &self.guests].into_iter().any(|own| is_same(&host, own))
    }

    /// `account@DOMAIN`, or the address of somebody of another server.
    pub(crate) fn account(&self, account: &AccountName) -> String {
        match account.domain() {
            None => format!("{account}@{}", self.server),
            Some(domain) if account.local().is_empty() => domain.to_owned(),
            Some(_) => account.to_string(),
        }
    }

    /// The same with a resource.
    pub(crate) fn full(&self, account: &AccountName, resource: &str) -> String {
        format!("{}/{resource}", self.account(account))
    }

    /// `room@rooms.DOMAIN`.
    pub(crate) fn room(&self, room: &RoomName) -> String {
        format!("{room}@{}", self.rooms)
    }

    /// `room@rooms.DOMAIN/nick`.
    pub(crate) fn occupant(&self, room: &RoomName, nick: &Nick) -> String {
        format!("{room}@{}/{nick}", self.rooms)
    }

    /// The address of somebody without an account.
    pub(crate) fn guest(&self, nick: &Nick) -> String {
        format!("{}@{}", nick.key(), self.guests)
    }

    /// Who wrote something, outside rooms: the full JID where the resource is known.
    pub(crate) fn author(&self, author: &Author, resource: Option<&str>) -> String {
        match (&author.account, resource) {
            (Some(account), Some(resource)) => self.full(account, resource),
            (Some(account), None) => self.account(account),
            (None, _) => self.guest(&author.nick),
        }
    }

    /// The real JID of a session: full for one with an account, none for a guest.
    pub(crate) fn real(&self, person: &Person) -> Option<String> {
        let account = person.record.account.as_ref()?;
        if account.is_remote() && person.record.resource.is_none() {
            return Some(self.account(account));
        }
        Some(self.full(account, &resource_of(person)))
    }

    /// The JID by which a session is addressed outside rooms.
    pub(crate) fn person(&self, person: &Person) -> String {
        self.real(person).unwrap_or_else(|| self.guest(&person.record.nick))
    }

    /// The bare JID of a principal, who goes by `nick` where it is a guest.
    pub(crate) fn principal(&self, principal: &Principal, nick: &Nick) -> String {
        match principal {
            Principal::Account(account) => self.account(account),
            Principal::Guest(_) => self.guest(nick),
        }
    }
}

/// The resource under which a session is shown.
pub(crate) fn resource_of(person: &Person) -> String {
    person.record.resource.clone().unwrap_or_else(|| irc_resource(person.session))
}

/// Whether a resource is one of those made up for IRC sessions: nobody else may bind it.
pub(crate) fn is_irc_resource(resource: &str) -> bool {
    resource.starts_with(IRC_RESOURCE)
}

fn irc_resource(session: SessionId) -> String {
    let hash = blake3::Hasher::new_derive_key("lavina 1 irc resource")
        .update(&session.node.0)
        .update(&session.number.to_be_bytes())
        .finalize();
    let hex = hash.to_hex();
    format!("{IRC_RESOURCE}{}", hex.get(..8).unwrap_or_default())
}

/// A domain as it is compared (RFC 7622 section 3.2): A-labels as the U-labels that they stand for, mapped by UTS 46, without a dot at the end. What is no
/// name of DNS is in lower case.
pub(crate) fn domain(text: &str) -> Cow<'_, str> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_plain = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if text.bytes().all(is_plain) && !text.contains("xn--") {
        return Cow::Borrowed(text);
    }
    match Uts46::new().to_unicode(text.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow) {
        (mapped, Ok(())) => Cow::Owned(mapped.strip_suffix('.').unwrap_or(&mapped).to_owned()),
        (_, Err(_)) => Cow::Owned(text.to_lowercase()),
    }
}

/// A domain as DNS and certificates have it: A-labels for what is not ASCII.
#[must_use]
pub fn dns_name(domain: &str) -> Cow<'_, str> {
    let ascii = Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore);
    ascii.unwrap_or(Cow::Borrowed(domain))
}

/// Whether a canonical domain is one that is configured.
pub(crate) fn is_same(canonical: &str, configured: &str) -> bool {
    canonical == domain(configured)
}

/// A resource as it is compared (RFC 7622 section 3.4: the profile OpaqueString). Characters that are newer than the profile's tables are taken as they are:
/// nicks in rooms elsewhere hold them.
pub(crate) fn resource(text: &str) -> Result<String, Nothing> {
    let text = part(text)?;
    if text.is_ascii() {
        return Ok(text.to_owned());
    }
    let mapped = match OpaqueString::new().enforce(text) {
        Ok(mapped) => mapped.into_owned(),
        Err(Error::BadCodepoint(info)) if info.property == DerivedPropertyValue::Unassigned => {
            text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).nfc().collect()
        }
        Err(_) => return Err(Nothing::Malformed),
    };
    part(&mapped).map(str::to_owned)
}

/// What a localpart is that names nothing here: `nothing`, unless there is a character that none may hold (RFC 7622 section 3.3.1).
fn localpart(text: &str, nothing: Nothing) -> Nothing {
    let is_excluded = |c: char| c.is_whitespace() || "\"&'/:<>@".contains(c);
    if text.contains(is_excluded) { Nothing::Malformed } else { nothing }
}

fn part(text: &str) -> Result<&str, Nothing> {
    if text.is_empty() || text.len() > PART_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(Nothing::Malformed);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jids_name_what_the_table_says() {
        let domains = Domains {
            server: "a.example".into(),
            rooms: "rooms.a.example".into(),
            guests: "guests.a.example".into(),
            abroad: false,
        };
        let account = AccountName::new("alice").unwrap();
        let room = RoomName::new("rust").unwrap();
        let long = format!("{}@a.example", "x".repeat(33));
        for (text, address) in [
            (long.as_str(), Err(Nothing::Account)),
            ("a.example", Ok(Address::Server)),
            ("A.Example.", Ok(Address::Server)),
            ("Alice@a.example", Ok(Address::Account(account.clone(), None))),
            ("alice@a.example/x/y@z", Ok(Address::Account(account.clone(), Some("x/y@z".into())))),
            ("rooms.a.example", Ok(Address::Rooms)),
            ("rust@rooms.a.example", Ok(Address::Room(room.clone()))),
            ("rust@rooms.a.example/Bob", Ok(Address::Occupant(room.clone(), Nick::new("Bob").unwrap()))),
            ("bob@guests.a.example", Ok(Address::Guest(Nick::new("bob").unwrap()))),
            ("bob@b.example", Ok(Address::Foreign)),
            ("", Err(Nothing::Malformed)),
            ("@a.example", Err(Nothing::Malformed)),
            ("a@b@c", Err(Nothing::Malformed)),
            ("alice@", Err(Nothing::Malformed)),
            ("alice@a.example/", Err(Nothing::Malformed)),
            ("al ice@a.example", Err(Nothing::Malformed)),
            ("al:ice@a.example", Err(Nothing::Malformed)),
            ("al#ice@a.example", Err(Nothing::Account)),
            ("r@ust@rooms.a.example", Err(Nothing::Malformed)),
            ("a,b@rooms.a.example/bob", Err(Nothing::Room)),
            ("rust@rooms.a.example/The Bob", Ok(Address::Occupant(room.clone(), Nick::new("The_Bob").unwrap()))),
            ("alice@a.example/\u{a0}x", Ok(Address::Account(account.clone(), Some(" x".into())))),
            ("alice@a.example/e\u{301}", Ok(Address::Account(account.clone(), Some("\u{e9}".into())))),
            (
                "alice@a.example/\u{1fae0}\u{1f426}\u{200d}\u{2b1b}",
                Ok(Address::Account(account.clone(), Some("\u{1fae0}\u{1f426}\u{200d}\u{2b1b}".into()))),
            ),
            ("alice@a.example/\u{ad}x", Err(Nothing::Malformed)),
            ("\u{ff21}lice@a\u{3002}example", Ok(Address::Account(account, None))),
        ] {
            assert_eq!(domains.parse(text), address, "{text}");
        }
        assert_eq!(domains.canonical("JULIET@Montague.LIT/X").as_deref(), Ok("juliet@montague.lit/X"));
        assert_eq!(domains.canonical("Rust@rooms.a.example").as_deref(), Ok("rust@rooms.a.example"));
        assert!(domains.canonical("a b@montague.lit").is_err());
        let abroad = Domains { abroad: true, ..domains };
        for (text, name, resource) in [
            ("Juliet@B.example/balcony", "juliet@b.example", Some("balcony")),
            ("b.example", "@b.example", None),
            ("room@muc.b.example", "room@muc.b.example", None),
            ("juliet@xn--bcher-kva.example", "juliet@b\u{fc}cher.example", None),
            ("juliet@BU\u{308}CHER.example.", "juliet@b\u{fc}cher.example", None),
        ] {
            let Ok(Address::Account(account, parsed)) = abroad.parse(text) else { panic!("{text}") };
            assert_eq!((account.as_str(), parsed.as_deref()), (name, resource));
        }
        assert_eq!(abroad.account(&AccountName::any("@b.example").unwrap()), "b.example");
        assert_eq!(abroad.full(&AccountName::any("juliet@b.example").unwrap(), "x"), "juliet@b.example/x");
        assert_eq!(abroad.parse("a@[::1]"), Ok(Address::Foreign));
        assert_eq!(dns_name("b\u{fc}cher.example"), "xn--bcher-kva.example");
        let own = Domains { server: "xn--bcher-kva.example".into(), ..abroad };
        assert_eq!(own.parse("B\u{fc}cher.example"), Ok(Address::Server));
        assert!(own.are("b\u{fc}cher.example.") && own.are("XN--BCHER-KVA.example"));
    }
}
