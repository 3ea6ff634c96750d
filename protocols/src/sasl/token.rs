//! Log-in by a token that the server gave out earlier: the mechanisms HT-SHA-256-* (draft-schmaus-kitten-sasl-ht), one message each way. Where
//! tokens come from and how long they last is not known here.

use super::password::hmac;
use super::{Failure, Hash, RESPONSE_BYTES_MAX, authenticating};
use crate::session::Tls;
use lavina_crdt::names::AccountName;
use subtle::ConstantTimeEq;

/// A mechanism, by what it binds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenMechanism {
    /// `tls-exporter` (RFC 9266).
    Exporter,
    /// `tls-server-end-point` (RFC 5929 section 4).
    EndPoint,
    /// Nothing.
    None,
}

impl TokenMechanism {
    /// All of them, strongest first.
    pub(crate) const ALL: [Self; 3] = [Self::Exporter, Self::EndPoint, Self::None];

    /// The registered name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Exporter => "HT-SHA-256-EXPR",
            Self::EndPoint => "HT-SHA-256-ENDP",
            Self::None => "HT-SHA-256-NONE",
        }
    }

    /// The mechanism of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// What a message over this connection is bound to; `None` where the connection has not got it.
    pub(crate) fn binding(self, tls: Option<&Tls>) -> Option<Vec<u8>> {
        match self {
            Self::Exporter => tls?.exporter.map(Vec::from),
            Self::EndPoint => tls?.server_end_point.clone(),
            Self::None => Some(Vec::new()),
        }
    }
}

/// What a client says: that it is this account, and a proof that it has a token of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) account: AccountName,
    proof: Vec<u8>,
}

impl Claim {
    /// From the client's message.
    pub(crate) fn parse(response: &[u8], domain: &str) -> Result<Self, Failure> {
        if response.len() > RESPONSE_BYTES_MAX {
            return Err(Failure::Malformed);
        }
        let at = response.iter().position(|byte| *byte == 0).ok_or(Failure::Malformed)?;
        let (name, proof) = response.split_at(at);
        let name = std::str::from_utf8(name).map_err(|_| Failure::Malformed)?;
        let account = authenticating(name, domain)?;
        Ok(Self { account, proof: proof.get(1..).unwrap_or_default().to_vec() })
    }

    /// Whether the proof is of that token; gives the server's own proof. Takes the same time wherever they differ.
    pub(crate) fn check(&self, token: &str, binding: &[u8]) -> Option<Vec<u8>> {
        let proof = |who: &[u8]| hmac(Hash::Sha256, token.as_bytes(), &[who, binding].concat());
        bool::from(proof(b"Initiator").ct_eq(&self.proof)).then(|| proof(b"Responder"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What a client that has the token says.
    pub(crate) fn message(account: &str, token: &str, binding: &[u8]) -> Vec<u8> {
        let proof = hmac(Hash::Sha256, token.as_bytes(), &[b"Initiator", binding].concat());
        [account.as_bytes(), b"\0", &proof].concat()
    }

    #[test]
    fn a_proof_is_of_one_token_and_one_channel() {
        let claim = Claim::parse(&message("alice", "t1", b"channel"), "a.example").unwrap();
        assert_eq!(claim.account.as_str(), "alice");
        let ours = claim.check("t1", b"channel").unwrap();
        assert_eq!(ours, hmac(Hash::Sha256, b"t1", b"Responderchannel"));
        assert_eq!(claim.check("t2", b"channel"), None);
        assert_eq!(claim.check("t1", b""), None);
    }

    #[test]
    fn what_is_no_message_is_malformed() {
        for wrong in [&b"alice"[..], b"", b"\xff\0abc", b"\0abc"] {
            assert_eq!(Claim::parse(wrong, "a.example"), Err(Failure::Malformed));
        }
        assert_eq!(Claim::parse(b"bob@b.example\0x", "a.example"), Err(Failure::NotAuthorized));
    }
}
