//! The two forms in which an invitation is handed over: an address for clients (XEP-0379 section 3.1, XEP-0445 section 2; RFC 5122), and a page for whoever opens
//! it in a browser (XEP-0401 section 5.2). Everything is in either, so that any node shows the page and asks nobody.

use lavina_crdt::names::AccountName;
use std::fmt::Write;

/// Where pages of invitations are, below a node's URL of HTTP.
pub const INVITE_PATH: &str = "/invite";
/// Longest token that a page shows.
const TOKEN_BYTES_MAX: usize = 64;

/// What an invitation is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvitedTo {
    /// To become this account's contact, with an account of whatever server.
    Meet(AccountName),
    /// To register the account of that name, or one of their choice.
    Register(Option<AccountName>),
}

/// An invitation that can be handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InviteLink {
    /// What for.
    pub to: InvitedTo,
    /// By what it is known; ASCII letters and digits.
    pub token: String,
}

impl InviteLink {
    /// What the parts of a page's path say.
    #[must_use]
    pub fn read(token: &str, to: Option<(&str, &str)>) -> Option<Self> {
        let is_token = (1..=TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_alphanumeric());
        let to = match to {
            None => InvitedTo::Register(None),
            Some(("register", name)) => InvitedTo::Register(Some(AccountName::new(name).ok()?)),
            Some(("meet", name)) => InvitedTo::Meet(AccountName::new(name).ok()?),
            Some(_) => return None,
        };
        is_token.then(|| Self { to, token: token.to_owned() })
    }

    /// The address for clients.
    #[must_use]
    pub fn uri(&self, domain: &str) -> String {
        let token = &self.token;
        match &self.to {
            InvitedTo::Meet(by) => format!("xmpp:{}@{domain}?roster;preauth={token};ibr=y", escaped(by)),
            InvitedTo::Register(Some(name)) => format!("xmpp:{}@{domain}?register;preauth={token}", escaped(name)),
            InvitedTo::Register(None) => format!("xmpp:{domain}?register;preauth={token}"),
        }
    }

    /// The page; `base` is a node's URL of HTTP.
    #[must_use]
    pub fn page(&self, base: &str) -> String {
        let page = format!("{base}{INVITE_PATH}/{}", self.token);
        match &self.to {
            InvitedTo::Meet(by) => format!("{page}/meet/{}", escaped(by)),
            InvitedTo::Register(Some(name)) => format!("{page}/register/{}", escaped(name)),
            InvitedTo::Register(None) => page,
        }
    }
}

/// A name as RFC 5122 section 2.7 has it in addresses; these characters mean nothing in paths either.
fn escaped(name: &AccountName) -> String {
    name.as_str().bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~!$'()*+,;=".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_the_address_does() {
        for (to, uri, page) in [
            (None, "xmpp:a.example?register;preauth=T1", "https://a.example/invite/T1"),
            (
                Some(("register", "j\u{fc}rg")),
                "xmpp:j%C3%BCrg@a.example?register;preauth=T1",
                "https://a.example/invite/T1/register/j%C3%BCrg",
            ),
            (
                Some(("meet", "Bob")),
                "xmpp:bob@a.example?roster;preauth=T1;ibr=y",
                "https://a.example/invite/T1/meet/bob",
            ),
        ] {
            let link = InviteLink::read("T1", to).unwrap();
            assert_eq!((link.uri("a.example").as_str(), link.page("https://a.example").as_str()), (uri, page));
        }
        let bad = [("T1", Some(("other", "bob"))), ("T1", Some(("meet", "a b"))), ("", None), ("<script>", None)];
        for (token, to) in bad {
            assert_eq!(InviteLink::read(token, to), None, "{token} {to:?}");
        }
    }
}
