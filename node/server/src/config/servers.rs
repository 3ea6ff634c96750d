//! Other servers and components: who is welcome, and where those are that DNS does not know.

use super::error::ConfigError;
use super::file::{Check, is_dialable};
use super::listen::Listen;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::Spanned;

/// See the module's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Servers {
    /// Only these domains; empty for all.
    pub(crate) allow: Vec<String>,
    /// None of these.
    pub(crate) block: Vec<String>,
    /// Whether a server without a certificate that is trusted may prove by dialback who it is.
    pub(crate) dialback: bool,
    /// Who is trusted to sign certificates, when not whom this machine trusts.
    pub(crate) authority: Option<PathBuf>,
    /// Where servers are.
    pub(crate) hosts: Vec<Host>,
    /// Secrets of components by domain.
    pub(crate) components: BTreeMap<String, String>,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// Its domain.
    pub(crate) domain: String,
    /// Name or address.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// Whether TLS comes first there.
    pub(crate) direct_tls: bool,
}

/// `[[server]]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct HostEntry {
    domain: Spanned<String>,
    address: Spanned<String>,
    #[serde(default)]
    direct_tls: bool,
}

/// `[[component]]` as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ComponentEntry {
    domain: Spanned<String>,
    secret: Spanned<String>,
}

impl Listen {
    /// Whether there are links to other servers.
    pub(crate) fn has_servers(&self) -> bool {
        !self.xmpp_server.is_empty() || !self.xmpp_server_tls.is_empty()
    }

    /// Whether people elsewhere can be reached: at other servers, or at components.
    pub(crate) fn is_abroad(&self) -> bool {
        self.has_servers() || !self.xmpp_component.is_empty()
    }
}

/// Checks where servers are.
pub(super) fn hosts(check: &Check<'_>, entries: &[HostEntry]) -> Result<Vec<Host>, ConfigError> {
    let host = |entry: &HostEntry| {
        let refused = || {
            let right = "HOST:PORT is expected, such as \"192.0.2.9:5269\"";
            check.refuse("address", &entry.address, "is not where a server can be", right)
        };
        let address = entry.address.get_ref();
        let (host, port) = address.rsplit_once(':').filter(|_| is_dialable(address)).ok_or_else(refused)?;
        Ok(Host {
            domain: check.domain("domain", &entry.domain)?,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.parse().map_err(|_| refused())?,
            direct_tls: entry.direct_tls,
        })
    };
    entries.iter().map(host).collect()
}

/// Checks components.
pub(super) fn components(
    check: &Check<'_>,
    entries: &[ComponentEntry],
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut components = BTreeMap::new();
    for entry in entries {
        let domain = check.domain("domain", &entry.domain)?;
        if entry.secret.get_ref().is_empty() {
            let right = "the secret that the component is configured with is expected";
            return Err(check.refuse_hidden("secret", &entry.secret, "anybody could guess it", right));
        }
        if components.insert(domain, entry.secret.get_ref().clone()).is_some() {
            let right = "each [[component]] has a domain of its own";
            return Err(check.refuse("domain", &entry.domain, "is a component already", right));
        }
    }
    Ok(components)
}
