//! `[[external-service]]`: STUN and TURN servers that XMPP clients are told of (XEP-0215).

use super::error::ConfigError;
use super::file::{Check, is_dialable};
use lavina_protocols::session::{ExternalService, ServiceAccess};
use serde::Deserialize;
use toml::Spanned;

/// The types taken: what clients of XMPP look for.
const TYPES: [&str; 4] = ["stun", "stuns", "turn", "turns"];

/// One entry as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Entry {
    r#type: Spanned<String>,
    address: Spanned<String>,
    transport: Option<Spanned<String>>,
    secret: Option<Spanned<String>>,
    username: Option<Spanned<String>>,
    password: Option<Spanned<String>>,
}

/// Checks the entries.
pub(super) fn check(check: &Check<'_>, entries: &[Entry]) -> Result<Vec<ExternalService>, ConfigError> {
    entries.iter().map(|entry| service(check, entry)).collect()
}

fn service(check: &Check<'_>, entry: &Entry) -> Result<ExternalService, ConfigError> {
    let kind = entry.r#type.get_ref();
    if !TYPES.contains(&kind.as_str()) {
        return Err(check.refuse("type", &entry.r#type, "is not taken", "stun, stuns, turn or turns is expected"));
    }
    let refused = || {
        let right = "HOST:PORT is expected, such as \"turn.chat.example:3478\"";
        check.refuse("address", &entry.address, "is not where a service can be", right)
    };
    let address = entry.address.get_ref();
    let (host, port) = address.rsplit_once(':').filter(|_| is_dialable(address)).ok_or_else(refused)?;
    Ok(ExternalService {
        kind: kind.clone(),
        host: host.trim_matches(['[', ']']).to_owned(),
        port: port.parse().map_err(|_| refused())?,
        transport: match entry.transport.as_ref().map(|transport| (transport, transport.get_ref().as_str())) {
            // RFC 7064 section 3.2 and RFC 7065 section 3.2: with TLS it is TCP unless something else is said.
            None => {
                if kind.ends_with('s') {
                    "tcp"
                } else {
                    "udp"
                }
            }
            Some((_, "tcp")) => "tcp",
            Some((_, "udp")) => "udp",
            Some((transport, _)) => {
                return Err(check.refuse("transport", transport, "is not taken", "udp or tcp is expected"));
            }
        },
        access: access(check, entry)?,
    })
}

fn access(check: &Check<'_>, entry: &Entry) -> Result<Option<ServiceAccess>, ConfigError> {
    let shown = |key: &str, value: &Spanned<String>| {
        let right = "what the service is configured with is expected";
        if value.get_ref().is_empty() { Err(check.refuse_hidden(key, value, "is empty", right)) } else { Ok(()) }
    };
    match (&entry.secret, &entry.username, &entry.password) {
        (None, None, None) => Ok(None),
        (Some(secret), None, None) => {
            shown("secret", secret)?;
            Ok(Some(ServiceAccess::Shared(secret.get_ref().clone())))
        }
        (None, Some(username), Some(password)) => {
            shown("username", username)?;
            shown("password", password)?;
            let (username, password) = (username.get_ref().clone(), password.get_ref().clone());
            Ok(Some(ServiceAccess::Fixed { username, password }))
        }
        (_, Some(value), _) | (_, None, Some(value)) => {
            let right = "`secret` alone, or `username` with `password`, or none of them is expected";
            let key = if entry.username.is_some() { "username" } else { "password" };
            Err(check.refuse_hidden(key, value, "does not stand alone or beside a secret", right))
        }
    }
}
