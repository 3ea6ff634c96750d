//! What a node's links to other servers and to components need to know.

use super::super::jid;
use crate::session::SessionConfig;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Write};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// A node's view of other servers.
#[derive(Clone)]
pub struct Federation {
    /// What the sessions of clients know of the node.
    pub session: Arc<SessionConfig>,
    /// From it come the keys of dialback; all nodes of the mesh have the same, so that any of them can say whether a key is ours.
    pub secret: [u8; 32],
    /// Whether servers are reached at all; components are where they are configured.
    pub servers: bool,
    /// Whether a server without a certificate for its domain may prove by dialback (XEP-0220) who it is.
    pub dialback: bool,
    /// Only these domains and what is below them; empty for all.
    pub allow: Vec<String>,
    /// None of these and of what is below them.
    pub block: Vec<String>,
    /// Secrets of components by domain.
    pub components: BTreeMap<String, String>,
}

/// The secrets are not shown.
impl Debug for Federation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Federation").field("allow", &self.allow).field("block", &self.block).finish_non_exhaustive()
    }
}

/// A certificate that the other side has shown, and proven to have the key of.
pub trait Certificate: Debug + Send + Sync {
    /// Whether it was signed by somebody who is trusted, for this domain and for now.
    fn is_for(&self, domain: &str) -> bool;
}

/// Encryption of a link.
#[derive(Clone, Debug, Default)]
pub struct PeerTls {
    /// The other side's certificate, when it has shown one.
    pub certificate: Option<Arc<dyn Certificate>>,
}

impl PeerTls {
    pub(super) fn is_for(&self, domain: &str) -> bool {
        self.certificate.as_ref().is_some_and(|certificate| certificate.is_for(domain))
    }
}

impl Federation {
    /// Whether there are to be links with that server.
    pub(super) fn is_welcome(&self, domain: &str) -> bool {
        let is_below = |of: &String| {
            let above = domain.strip_suffix(jid::domain(of).as_ref());
            above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.servers && !self.block.iter().any(is_below) && (self.allow.is_empty() || self.allow.iter().any(is_below))
    }

    /// Whether a domain is served here.
    pub(super) fn is_ours(&self, domain: &str) -> bool {
        jid::Domains::new(&self.session).are(domain)
    }

    /// The key with which a server of ours proves to another one that a stream is its own (XEP-0185).
    pub(super) fn dialback_key(&self, receiving: &str, originating: &str, stream_id: &str) -> String {
        key_of(&self.secret, &format!("{receiving} {originating} {stream_id}"))
    }

    /// Whether a key is one of ours.
    pub(super) fn is_our_key(&self, key: &str, receiving: &str, originating: &str, stream_id: &str) -> bool {
        let known = self.dialback_key(receiving, originating, stream_id);
        !known.is_empty() && bool::from(known.as_bytes().ct_eq(key.trim().as_bytes()))
    }

    /// Whether a component knows the secret of its domain (XEP-0114 section 3).
    pub(super) fn is_component(&self, domain: &str, stream_id: &str, handshake: &str) -> bool {
        let known = self.components.iter().find(|(known, _)| jid::is_same(domain, known));
        let Some((_, secret)) = known else { return false };
        let digest = sha1::Sha1::new().chain_update(stream_id).chain_update(secret).finalize();
        bool::from(hex(&digest).as_bytes().ct_eq(handshake.trim().to_lowercase().as_bytes()))
    }
}

/// XEP-0185 section 2.
fn key_of(secret: &[u8], what: &str) -> String {
    let hashed = hex(&Sha256::digest(secret));
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(hashed.as_bytes()) else { return String::new() };
    hex(&mac.chain_update(what).finalize().into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn federation() -> Federation {
        Federation {
            session: Arc::new(SessionConfig::new("a.example")),
            secret: [7; 32],
            servers: true,
            dialback: true,
            allow: Vec::new(),
            block: vec!["bad.example".to_owned()],
            components: BTreeMap::from([("echo.a.example".to_owned(), "secret".to_owned())]),
        }
    }

    #[test]
    fn lists_count_for_what_is_below_a_domain_too() {
        let mut federation = federation();
        assert!(federation.is_welcome("good.example") && federation.is_welcome("notbad.example"));
        assert!(!federation.is_welcome("bad.example") && !federation.is_welcome("muc.bad.example"));
        federation.allow = vec!["good.example".to_owned(), "bad.example".to_owned()];
        assert!(federation.is_welcome("muc.good.example") && !federation.is_welcome("other.example"));
        assert!(!federation.is_welcome("bad.example"), "a block counts for more");
    }

    #[test]
    fn a_key_is_for_one_stream_between_two_servers() {
        let federation = federation();
        let key = federation.dialback_key("b.example", "a.example", "D60000229F");
        assert!(federation.is_our_key(&key, "b.example", "a.example", "D60000229F"));
        assert!(!federation.is_our_key(&key, "c.example", "a.example", "D60000229F"));
        assert!(!federation.is_our_key("", "b.example", "a.example", "D60000229F"));
        let other = Federation { secret: [8; 32], ..federation };
        assert!(!other.is_our_key(&key, "b.example", "a.example", "D60000229F"));
    }

    #[test]
    fn the_key_of_the_specification_is_made_from_its_secret() {
        // XEP-0220 section 2.1.1.
        let key = key_of(b"s3cr3tf0rd14lb4ck", "xmpp.example.com example.org D60000229F");
        assert_eq!(key, "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643");
    }

    #[test]
    fn a_component_proves_that_it_knows_its_secret() {
        let federation = federation();
        let digest = hex(&sha1::Sha1::new().chain_update("3BF96D32").chain_update("secret").finalize());
        assert!(federation.is_component("echo.a.example", "3BF96D32", &digest));
        assert!(!federation.is_component("echo.a.example", "3BF96D33", &digest));
        assert!(!federation.is_component("other.a.example", "3BF96D32", &digest));
    }
}
