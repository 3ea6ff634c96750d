//! SCRAM (RFC 5802, RFC 7677) with the channel bindings `tls-exporter` (RFC 9266) and `tls-server-end-point` (RFC 5929
//! section 4). `tls-unique` is not offered: it is not safe without the extended master secret and does not exist in TLS 1.3.

use super::password::{digest, hmac, unmatchable};
use super::{Failure, Hash, Step, Surroundings, authenticating, check_authzid};
use crate::session::Tls;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lavina_crdt::account::{Credentials, ScramCredentials};
use lavina_crdt::names::AccountName;
use subtle::ConstantTimeEq;

/// One exchange.
#[derive(Debug)]
pub(super) struct Scram {
    hash: Hash,
    plus: bool,
    plus_advertised: bool,
    tls: Option<Tls>,
    nonce: String,
    offered: Option<String>,
    state: State,
}

#[derive(Debug)]
enum State {
    Fresh,
    LookingUp(First),
    Challenged { first: First, server_first: String, known: bool, kept: ScramCredentials },
    Ended,
}

/// What stays of the client's first message.
#[derive(Debug)]
struct First {
    account: AccountName,
    /// What `c=` of the final message must say: the GS2 header and the channel binding's data.
    binding: Vec<u8>,
    bare: String,
    /// Both sides' nonces together.
    nonce: String,
}

impl Scram {
    pub(super) fn new(hash: Hash, plus: bool, surroundings: Surroundings<'_>, nonce: String) -> Self {
        let plus_advertised = surroundings.plus_advertised;
        let offered = surroundings.offered.map(str::to_owned);
        Self { hash, plus, plus_advertised, tls: surroundings.tls.cloned(), nonce, offered, state: State::Fresh }
    }

    pub(super) fn on_response(&mut self, response: &[u8], domain: &str) -> Result<Step, Failure> {
        let text = std::str::from_utf8(response).map_err(|_| Failure::Malformed)?;
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Fresh => {
                let first = self.parse_first(text, domain)?;
                let account = first.account.clone();
                self.state = State::LookingUp(first);
                Ok(Step::LookUp(account))
            }
            State::Challenged { first, server_first, known, kept } => {
                let data = verify(self.hash, text, &first, &server_first, &kept)?;
                if known { Ok(Step::Success { account: first.account, data }) } else { Err(Failure::NotAuthorized) }
            }
            State::LookingUp(_) | State::Ended => Err(Failure::Malformed),
        }
    }

    pub(super) fn on_credentials(
        &mut self,
        credentials: Option<Credentials>,
        secret: &[u8; 32],
    ) -> Result<Step, Failure> {
        let State::LookingUp(first) = std::mem::replace(&mut self.state, State::Ended) else {
            return Err(Failure::Malformed);
        };
        let known = credentials.is_some();
        let kept = match (credentials, self.hash) {
            (Some(kept), Hash::Sha1) => kept.sha1,
            (Some(kept), Hash::Sha256) => kept.sha256,
            (None, hash) => unmatchable(hash, first.account.as_str(), secret),
        };
        let offered = self.offered.as_ref().map(|offered| STANDARD.encode(digest(self.hash, offered.as_bytes())));
        let offered = offered.map_or_else(String::new, |hash| format!(",h={hash}"));
        let salt = STANDARD.encode(&kept.salt);
        let server_first = format!("r={},s={salt},i={}{offered}", first.nonce, kept.iterations);
        let challenge = server_first.clone().into_bytes();
        self.state = State::Challenged { first, server_first, known, kept };
        Ok(Step::Challenge(challenge))
    }

    /// `client-first-message` of RFC 5802 section 7.
    fn parse_first(&self, text: &str, domain: &str) -> Result<First, Failure> {
        let (flag, rest) = text.split_once(',').ok_or(Failure::Malformed)?;
        let (authzid, bare) = rest.split_once(',').ok_or(Failure::Malformed)?;
        let binding_data = self.binding_data(flag)?;
        let mut attributes = bare.split(',');
        // An extension that must be understood (`m=`) comes before the name and is refused with it.
        let name = attributes.next().and_then(|part| part.strip_prefix("n=")).ok_or(Failure::Malformed)?;
        let nonce = attributes.next().and_then(|part| part.strip_prefix("r=")).ok_or(Failure::Malformed)?;
        if nonce.is_empty() || !nonce.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::Malformed);
        }
        let account = authenticating(&unescape(name)?, domain)?;
        match authzid.strip_prefix("a=") {
            Some(authzid) => check_authzid(&unescape(authzid)?, &account, domain)?,
            None if authzid.is_empty() => {}
            None => return Err(Failure::Malformed),
        }
        let mut binding = format!("{flag},{authzid},").into_bytes();
        binding.extend_from_slice(&binding_data);
        Ok(First { account, binding, bare: bare.to_owned(), nonce: format!("{nonce}{}", self.nonce) })
    }

    /// The data of the channel binding that a GS2 flag names: RFC 5802 section 6.
    fn binding_data(&self, flag: &str) -> Result<Vec<u8>, Failure> {
        match (flag, self.plus) {
            ("n", false) => Ok(Vec::new()),
            ("y", false) if self.plus_advertised => Err(Failure::Downgrade),
            ("y", false) => Ok(Vec::new()),
            (_, false) => Err(Failure::Malformed),
            (_, true) => {
                let name = flag.strip_prefix("p=").ok_or(Failure::Malformed)?;
                let tls = self.tls.as_ref().ok_or(Failure::UnsupportedBinding)?;
                let data = match name {
                    "tls-exporter" => tls.exporter.map(Vec::from),
                    "tls-server-end-point" => tls.server_end_point.clone(),
                    _ => None,
                };
                data.ok_or(Failure::UnsupportedBinding)
            }
        }
    }
}

/// Checks `client-final-message`; gives `server-final-message`.
fn verify(
    hash: Hash,
    text: &str,
    first: &First,
    server_first: &str,
    kept: &ScramCredentials,
) -> Result<Vec<u8>, Failure> {
    let (without_proof, proof) = text.rsplit_once(",p=").ok_or(Failure::Malformed)?;
    let mut attributes = without_proof.split(',');
    let binding = attributes.next().and_then(|part| part.strip_prefix("c=")).ok_or(Failure::Malformed)?;
    let nonce = attributes.next().and_then(|part| part.strip_prefix("r=")).ok_or(Failure::Malformed)?;
    let binding = STANDARD.decode(binding).map_err(|_| Failure::Malformed)?;
    let proof = STANDARD.decode(proof).map_err(|_| Failure::Malformed)?;

    let auth_message = format!("{},{server_first},{without_proof}", first.bare);
    let client_signature = hmac(hash, &kept.stored_key, auth_message.as_bytes());
    let client_key: Vec<u8> = proof.iter().zip(&client_signature).map(|(proof, signature)| proof ^ signature).collect();
    let proven = digest(hash, &client_key).ct_eq(&kept.stored_key)
        & proof.len().ct_eq(&client_signature.len())
        & binding.ct_eq(&first.binding)
        & nonce.as_bytes().ct_eq(first.nonce.as_bytes());
    if !bool::from(proven) {
        return Err(Failure::NotAuthorized);
    }
    let signature = hmac(hash, &kept.server_key, auth_message.as_bytes());
    Ok(format!("v={}", STANDARD.encode(signature)).into_bytes())
}

/// `saslname`: `=2C` is a comma, `=3D` an equals sign, and there is no other `=` (RFC 5802 section 5.1).
fn unescape(name: &str) -> Result<String, Failure> {
    let mut plain = String::with_capacity(name.len());
    let mut parts = name.split('=');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        if let Some(rest) = part.strip_prefix("2C") {
            plain.push(',');
            plain.push_str(rest);
        } else if let Some(rest) = part.strip_prefix("3D") {
            plain.push('=');
            plain.push_str(rest);
        } else {
            return Err(Failure::Malformed);
        }
    }
    Ok(plain)
}
