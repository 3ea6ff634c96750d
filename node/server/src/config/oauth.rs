//! `[[oauth]]`: login services whose tokens stand for passwords (SASL OAUTHBEARER).

use super::error::ConfigError;
use super::file::Check;
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The claim that names the account where none is configured (RFC 7519 section 4.1.2).
const CLAIM: &str = "sub";

/// Ways of signing that are taken: what RFC 7518 section 3.1 and RFC 8037 ask for or recommend.
const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("HS256", Algorithm::HS256),
    ("RS256", Algorithm::RS256),
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
];

/// A login service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoginService {
    /// The `iss` of its tokens.
    pub(crate) issuer: String,
    /// The `aud` of tokens that are for here.
    pub(crate) audience: String,
    /// How it signs.
    pub(crate) algorithm: Algorithm,
    /// The file of its public key in PEM, or of the secret that it shares with this node.
    pub(crate) key: PathBuf,
    /// Which claim names the account.
    pub(crate) claim: String,
}

/// One entry as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Entry {
    issuer: Spanned<String>,
    audience: Spanned<String>,
    algorithm: Spanned<String>,
    key: Spanned<PathBuf>,
    claim: Option<Spanned<String>>,
}

/// Checks the entries.
pub(super) fn check(check: &Check<'_>, entries: &[Entry], base: &Path) -> Result<Vec<LoginService>, ConfigError> {
    let text = |key: &str, value: &Spanned<String>| {
        let right = "what stands in the tokens is expected";
        if value.get_ref().is_empty() {
            Err(check.refuse(key, value, "is empty", right))
        } else {
            Ok(value.get_ref().clone())
        }
    };
    let mut services: Vec<LoginService> = Vec::new();
    for entry in entries {
        let known = ALGORITHMS.iter().find(|(name, _)| name == entry.algorithm.get_ref());
        let (_, algorithm) = known.ok_or_else(|| {
            check.refuse("algorithm", &entry.algorithm, "is not taken", "HS256, RS256, ES256 or EdDSA is expected")
        })?;
        let issuer = text("issuer", &entry.issuer)?;
        if services.iter().any(|service| service.issuer == issuer && service.algorithm == *algorithm) {
            let right = "each [[oauth]] has an issuer of its own";
            return Err(check.refuse("issuer", &entry.issuer, "is there already", right));
        }
        services.push(LoginService {
            issuer,
            audience: text("audience", &entry.audience)?,
            algorithm: *algorithm,
            key: base.join(entry.key.get_ref()),
            claim: entry.claim.as_ref().map_or(Ok(CLAIM.to_owned()), |claim| text("claim", claim))?,
        });
    }
    Ok(services)
}
