//! OAUTHBEARER (RFC 7628): a token that a login service gave the client stands for a password.
//!
//! Whether a token is good is the shell's to say ([`TokenCheck`]): it has the service's keys, and a clock.

use super::{Failure, Step, check_authzid};
use lavina_crdt::names::AccountName;
use std::fmt::Debug;
use std::sync::Arc;

/// What parts the parts of a message (RFC 7628 section 3.1).
const SEPARATOR: char = '\u{1}';
/// What a client is told of a token that is not good (RFC 7628 section 3.2.2).
const INVALID: &[u8] = br#"{"status":"invalid_token"}"#;

/// Who knows whether a token is good.
pub trait TokenCheck: Debug + Send + Sync {
    /// The account that a token names, where it is good.
    fn account(&self, token: &str) -> Option<AccountName>;
}

/// One exchange.
#[derive(Debug)]
pub(super) struct Bearer {
    tokens: Option<Arc<dyn TokenCheck>>,
    has_failed: bool,
}

impl Bearer {
    pub(super) const fn new(tokens: Option<Arc<dyn TokenCheck>>) -> Self {
        Self { tokens, has_failed: false }
    }

    pub(super) fn on_response(&mut self, response: &[u8], domain: &str) -> Result<Step, Failure> {
        if self.has_failed {
            // RFC 7628 section 3.2.3: the client has read why.
            return Err(Failure::NotAuthorized);
        }
        let (authzid, token) = parse(response).ok_or(Failure::Malformed)?;
        match self.tokens.as_ref().and_then(|tokens| tokens.account(token)) {
            Some(account) => {
                check_authzid(&authzid, &account, domain)?;
                Ok(Step::Success { account, data: Vec::new() })
            }
            None => {
                self.has_failed = true;
                Ok(Step::Challenge(INVALID.to_vec()))
            }
        }
    }
}

/// The authorization identity, which may be empty, and the token.
fn parse(response: &[u8]) -> Option<(String, &str)> {
    let text = std::str::from_utf8(response).ok()?;
    let (header, pairs) = text.split_once(SEPARATOR)?;
    // RFC 5801 section 4: a client that wants the channel bound cannot have that here.
    let authzid = header.strip_prefix("n,").or_else(|| header.strip_prefix("y,"))?.strip_suffix(',')?;
    let authzid = match authzid {
        "" => String::new(),
        named => named.strip_prefix("a=")?.replace("=2C", ",").replace("=3D", "="),
    };
    let pairs = pairs.strip_suffix(SEPARATOR)?;
    let auth = pairs.split(SEPARATOR).find_map(|pair| pair.strip_prefix("auth="))?;
    let (scheme, token) = auth.split_once(' ')?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    let token = token.trim_matches(' ');
    let is_bearer = scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty() && token.chars().all(is_token);
    is_bearer.then_some((authzid, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct One;

    impl TokenCheck for One {
        fn account(&self, token: &str) -> Option<AccountName> {
            (token == "vF9dft4qmT==").then(|| AccountName::new("alice").ok()).flatten()
        }
    }

    fn respond(text: &str) -> Result<Step, Failure> {
        Bearer::new(Some(Arc::new(One))).on_response(text.as_bytes(), "example.org")
    }

    #[test]
    fn a_good_token_is_its_account_and_nobody_else() {
        let account = AccountName::new("alice").unwrap();
        let success = Ok(Step::Success { account, data: Vec::new() });
        let good = |header: &str| {
            format!("{header}\u{1}host=example.org\u{1}port=6697\u{1}auth=Bearer vF9dft4qmT==\u{1}\u{1}")
        };
        assert_eq!(respond(&good("n,,")), success);
        assert_eq!(respond(&good("y,a=alice@example.org,")), success);
        assert_eq!(respond(&good("n,a=bob,")), Err(Failure::InvalidAuthzid));
        assert_eq!(respond(&good("p=tls-exporter,,")), Err(Failure::Malformed));
    }

    #[test]
    fn a_bad_token_is_told_why_and_then_fails() {
        let mut bearer = Bearer::new(Some(Arc::new(One)));
        let step = bearer.on_response(b"n,,\x01auth=Bearer other\x01\x01", "example.org");
        assert_eq!(step, Ok(Step::Challenge(INVALID.to_vec())));
        assert_eq!(bearer.on_response(b"\x01", "example.org"), Err(Failure::NotAuthorized));
    }

    #[test]
    fn what_is_no_message_of_the_mechanism_is_malformed() {
        for text in [
            "",
            "\u{1}",
            "n,,",
            "n,,\u{1}\u{1}",
            "n,,\u{1}auth=Basic abc\u{1}\u{1}",
            "n,,\u{1}auth=Bearer a b\u{1}\u{1}",
        ] {
            assert_eq!(respond(text), Err(Failure::Malformed), "{text:?}");
        }
    }
}
