//! What is said: the protocol-neutral content of a message, and who said it.
//!
//! What one protocol can express and the other cannot is carried untouched for clients of the same protocol: IRC
//! client-only tags in [`Content::tags`], XML payloads in [`Content::payloads`].

use crate::ids::SessionId;
use crate::names::{AccountName, Nick, RoomName};
use crate::relation::{Redact, Relation, Typing};
use crate::room::Rank;
use serde::{Deserialize, Serialize};

/// Who an act or message is by, as rights see it: an account, or the session of somebody without one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Principal {
    /// Somebody logged in.
    Account(AccountName),
    /// Somebody not logged in; gone with the connection.
    Guest(SessionId),
}

/// Most bytes of the `user` and `host` parts of an author: a domain name's length (RFC 1035 section 2.3.4).
pub const AUTHOR_PART_BYTES_MAX: usize = 255;

/// Who wrote an entry, as everybody will see it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Author {
    /// The session it came from.
    pub session: SessionId,
    /// The account, when logged in.
    pub account: Option<AccountName>,
    /// The name shown.
    pub nick: Nick,
    /// The IRC `user` part (RFC 2812 section 3.1.3); the account's localpart for XMPP sessions.
    pub user: String,
    /// The cloaked host shown; never an address.
    pub host: String,
}

impl Author {
    /// Whose rights this author acts with.
    #[must_use]
    pub fn principal(&self) -> Principal {
        match &self.account {
            Some(account) => Principal::Account(account.clone()),
            None => Principal::Guest(self.session),
        }
    }

    /// Whether `user` and `host` can stand in an IRC prefix; names check themselves when they are made. A run with an entry of an author that is
    /// not sound is refused as a whole, so let none come to be.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        [&self.user, &self.host].into_iter().all(|part| is_prefix_part(part))
    }
}

/// Whether a text can be the `user` or `host` of an IRC prefix (RFC 2812 section 2.3.1).
pub(crate) fn is_prefix_part(part: &str) -> bool {
    let ends_it = |c: char| c.is_control() || c.is_whitespace() || c == '!' || c == '@';
    part.len() <= AUTHOR_PART_BYTES_MAX && !part.chars().any(ends_it)
}

/// How a message wants to be treated by who receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MessageKind {
    /// IRC PRIVMSG; XMPP message of type `groupchat` or `chat`.
    Message,
    /// IRC NOTICE: never answered automatically (RFC 2812 section 3.3.2); XMPP `headline` towards one person.
    Notice,
    /// No text of its own: IRC TAGMSG; an XMPP message without body (chat states, receipts, markers, reactions).
    Signal,
    /// A message of its own, outside of any conversation: XMPP type `normal`. IRC shows it like [`MessageKind::Message`].
    Letter,
}

/// One piece of XML that an XMPP client put into a message and that Lavina does not interpret: serialised, namespace
/// declared on its root, kept byte-equal.
pub type Payload = String;

/// The content of one message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Content {
    /// How to treat it.
    pub kind: MessageKind,
    /// The text, lines parted by `\n`; empty for [`MessageKind::Signal`]. An action is `/me ` text (XEP-0245, IRC CTCP ACTION).
    pub text: String,
    /// IRC client-only tags (`+name`, value), in the order sent.
    pub tags: Vec<(String, String)>,
    /// XML payloads, in the order sent.
    pub payloads: Vec<Payload>,
    /// In a direct message, the one XMPP resource it is for (a full JID was addressed).
    pub to_resource: Option<String>,
    /// In a direct message, the XMPP resource it comes from: RFC 6120 section 8.1.2.1 wants the full JID in `from`.
    pub from_resource: Option<String>,
    /// In a direct message, the room in which sender and receiver address each other by their room nicks (XEP-0045 section 7.5).
    pub via_room: Option<RoomName>,
    /// The id the sending client gave it (XMPP `id`/origin-id), echoed to XMPP clients; empty when none.
    pub client_id: String,
    /// What it is to an earlier message of the conversation.
    pub relation: Option<Box<Relation>>,
    /// Where in the text, in bytes, the sender's client had to cut lines that were too long for it: where lines are short they are cut there again.
    pub joints: Vec<u32>,
    /// A sign of writing, in a [`MessageKind::Signal`].
    pub typing: Option<Typing>,
    /// In a room, the standing from which on it is for somebody (IRC STATUSMSG). Not a part of this encoding: an entry that is not for everybody is
    /// of a kind of its own, so that who does not know of it shows it to nobody.
    #[serde(skip)]
    pub least: Rank,
}

impl Content {
    /// Plain text of a [`MessageKind::Message`].
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            kind: MessageKind::Message,
            text: text.into(),
            tags: Vec::new(),
            payloads: Vec::new(),
            to_resource: None,
            from_resource: None,
            via_room: None,
            client_id: String::new(),
            relation: None,
            joints: Vec::new(),
            typing: None,
            least: Rank::None,
        }
    }

    /// A signal without markup of any protocol.
    #[must_use]
    pub fn signal() -> Self {
        Self { kind: MessageKind::Signal, ..Self::text("") }
    }

    /// Whether it matters for the moment only and is kept nowhere.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.kind == MessageKind::Signal && self.typing.is_some() && self.relation.is_none()
    }

    /// The redaction that it is, where it is one.
    #[must_use]
    pub fn redaction(&self) -> Option<&Redact> {
        match self.relation.as_deref() {
            Some(Relation::Redact(redact)) => Some(redact),
            Some(Relation::Reply(_) | Relation::React(_) | Relation::Edit(_)) | None => None,
        }
    }

    /// Whether every protocol can say it: NUL and CR end things in IRC (RFC 2812 section 2.3.1) and are not kept by XML (XML 1.0 sections 2.2
    /// and 2.11); tags have the names of client-only tags. An entry with content that is not sound shows nowhere, so let none come to be.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let plain = |text: &str| !text.contains(['\0', '\r']);
        let is_tag_name = |name: &str| {
            let inner = |c: char| c.is_ascii_alphanumeric() || "-./_+".contains(c);
            name.len() > 1 && name.starts_with('+') && name.chars().all(inner)
        };
        plain(&self.text)
            && plain(&self.client_id)
            && self.to_resource.as_deref().is_none_or(plain)
            && self.payloads.iter().all(|payload| plain(payload))
            && self.relation.as_deref().is_none_or(Relation::is_sound)
            && self.tags.iter().all(|(name, value)| is_tag_name(name) && !value.contains('\0'))
    }

    /// Whether it is a request to the clients that show it (CTCP, modern.ircdocs.horse/ctcp), which people do not see. An action is none.
    #[must_use]
    pub fn is_request(&self) -> bool {
        self.text.starts_with('\u{1}')
    }

    /// The words of an action without its mark, when this is one.
    #[must_use]
    pub fn action(&self) -> Option<&str> {
        self.text.strip_prefix("/me ")
    }
}
