//! Tokens of login services: JSON web tokens (RFC 7519), checked with keys from the configuration. Nobody is asked while somebody logs in, so a token that
//! its service takes back is good until it expires; a service for which that is too long makes tokens that last shorter.

use crate::config::LoginService;
use anyhow::{Context, Result};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use lavina_crdt::names::AccountName;
use lavina_protocols::sasl::TokenCheck;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// How far a service's clock may be off, seconds.
const LEEWAY_S: u64 = 60;
/// Shortest secret of HS256, bytes (RFC 7518 section 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// The services, with their keys.
pub(super) struct Tokens {
    domain: String,
    services: Vec<(LoginService, DecodingKey, Validation)>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.services.iter().map(|(service, _, _)| &service.issuer)).finish()
    }
}

impl Tokens {
    /// Reads the keys; nothing where there are no services.
    pub(super) fn open(services: &[LoginService], domain: &str) -> Result<Option<Arc<dyn TokenCheck>>> {
        if services.is_empty() {
            return Ok(None);
        }
        let opened = services.iter().map(|service| {
            let text = std::fs::read(&service.key).with_context(|| {
                format!("the key of {} in {} cannot be read", service.issuer, service.key.display())
            })?;
            let key = key(service.algorithm, &text)
                .with_context(|| format!("{} holds no key for tokens of {}", service.key.display(), service.issuer))?;
            let mut validation = Validation::new(service.algorithm);
            validation.leeway = LEEWAY_S;
            validation.validate_nbf = true;
            validation.set_issuer(&[&service.issuer]);
            validation.set_audience(&[&service.audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud"]);
            Ok((service.clone(), key, validation))
        });
        let services = opened.collect::<Result<Vec<_>>>()?;
        Ok(Some(Arc::new(Self { domain: domain.to_owned(), services })))
    }
}

fn key(algorithm: Algorithm, text: &[u8]) -> Result<DecodingKey> {
    if algorithm == Algorithm::HS256 {
        let secret = text.trim_ascii();
        anyhow::ensure!(secret.len() >= SECRET_BYTES_MIN, "a secret has at least {SECRET_BYTES_MIN} bytes");
        return Ok(DecodingKey::from_secret(secret));
    }
    let read: fn(&[u8]) -> _ = if algorithm == Algorithm::RS256 {
        DecodingKey::from_rsa_pem
    } else if algorithm == Algorithm::ES256 {
        DecodingKey::from_ec_pem
    } else {
        DecodingKey::from_ed_pem
    };
    Ok(read(text)?)
}

impl TokenCheck for Tokens {
    fn account(&self, token: &str) -> Option<AccountName> {
        let algorithm = decode_header(token).ok()?.alg;
        let of_algorithm = self.services.iter().filter(|(service, _, _)| service.algorithm == algorithm);
        let mut named = of_algorithm.filter_map(|(service, key, validation)| {
            let claims = decode::<Map<String, Value>>(token, key, validation).ok()?.claims;
            let name = claims.get(&service.claim)?.as_str()?;
            let local = match name.split_once('@') {
                Some((local, domain)) => domain.eq_ignore_ascii_case(&self.domain).then_some(local)?,
                None => name,
            };
            AccountName::new(local).ok()
        });
        named.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
    use serde_json::json;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn service(algorithm: Algorithm, key: &std::path::Path) -> LoginService {
        LoginService {
            issuer: "https://id.example.org".to_owned(),
            audience: "chat".to_owned(),
            algorithm,
            key: key.to_owned(),
            claim: "name".to_owned(),
        }
    }

    fn tokens(algorithm: Algorithm, key: &[u8]) -> Arc<dyn TokenCheck> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, key).unwrap();
        Tokens::open(&[service(algorithm, &file)], "example.org").unwrap().unwrap()
    }

    fn claims(name: &str, audience: &str, lasts_s: i64) -> Value {
        let exp = i64::try_from(get_current_timestamp()).unwrap() + lasts_s;
        json!({ "iss": "https://id.example.org", "aud": audience, "exp": exp, "name": name })
    }

    fn signed(algorithm: Algorithm, claims: &Value, key: &EncodingKey) -> String {
        encode(&Header::new(algorithm), claims, key).unwrap()
    }

    #[test]
    fn a_token_is_good_for_whom_it_names_until_it_expires() {
        let tokens = tokens(Algorithm::HS256, SECRET);
        let account = |claims: Value, secret: &[u8]| {
            tokens.account(&signed(Algorithm::HS256, &claims, &EncodingKey::from_secret(secret)))
        };
        let alice = AccountName::new("alice").ok();
        assert_eq!(account(claims("Alice", "chat", 300), SECRET), alice);
        assert_eq!(account(claims("alice@example.org", "chat", 300), SECRET), alice);
        assert_eq!(account(claims("alice@elsewhere.org", "chat", 300), SECRET), None);
        assert_eq!(account(claims("alice", "mail", 300), SECRET), None);
        assert_eq!(account(claims("alice", "chat", -300), SECRET), None);
        assert_eq!(account(claims("alice", "chat", 300), b"another"), None);
        assert_eq!(account(json!({ "iss": "https://id.example.org", "aud": "chat", "name": "alice" }), SECRET), None);
        assert_eq!(tokens.account("not.a.token"), None);
    }

    #[test]
    fn a_public_key_checks_what_its_own_has_signed_and_is_no_secret() {
        for (algorithm, kind) in [(Algorithm::ES256, &PKCS_ECDSA_P256_SHA256), (Algorithm::EdDSA, &PKCS_ED25519)] {
            let pair = KeyPair::generate_for(kind).unwrap();
            let public = pair.public_key_pem();
            let tokens = tokens(algorithm, public.as_bytes());
            let private = pair.serialize_pem();
            let private = if algorithm == Algorithm::EdDSA {
                EncodingKey::from_ed_pem(private.as_bytes())
            } else {
                EncodingKey::from_ec_pem(private.as_bytes())
            };
            let good = signed(algorithm, &claims("alice", "chat", 300), &private.unwrap());
            assert_eq!(tokens.account(&good), AccountName::new("alice").ok(), "{algorithm:?}");
            let forged = EncodingKey::from_secret(public.as_bytes());
            assert_eq!(tokens.account(&signed(Algorithm::HS256, &claims("alice", "chat", 300), &forged)), None);
        }
    }

    #[test]
    fn a_file_without_a_key_is_refused_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, b"short").unwrap();
        for algorithm in [Algorithm::HS256, Algorithm::RS256] {
            assert!(Tokens::open(&[service(algorithm, &file)], "example.org").is_err());
        }
    }
}
