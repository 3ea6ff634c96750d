//! The file as it is written, and its way to and from [`Config`].

use super::error::{ConfigError, Source};
use super::{Config, Listen, operators};
use lavina_crdt::mesh::Place;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Longest word taken for a name, region or zone, in bytes: a DNS label (RFC 1035 section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// Every key with an example.
const KEYS: &[(&str, &str)] = &[
    ("domain", "\"chat.example\""),
    ("name", "\"eu-1\""),
    ("network", "\"Example\""),
    ("region", "\"eu\""),
    ("zone", "\"a\""),
    ("data", "\"data\""),
    ("registration", "true"),
    ("always-on", "true"),
    ("irc", "\"127.0.0.1:6667\""),
    ("irc-tls", "\"0.0.0.0:6697\""),
    ("xmpp", "\"0.0.0.0:5222\""),
    ("xmpp-tls", "\"0.0.0.0:5223\""),
    ("mesh", "\"0.0.0.0:7667\""),
    ("mesh-advertise", "[\"203.0.113.1:7667\"]"),
    ("admin", "\"127.0.0.1:7680\""),
    ("operator", "[{ name = \"alice\", account = \"alice\" }]"),
    ("password", "\"SCRAM-SHA-256$10000:...\""),
    ("account", "\"alice\""),
    ("title", "\"is a network administrator\""),
    ("certificate", "\"/etc/ssl/chat.example.pem\""),
    ("certificate-key", "\"/etc/ssl/private/chat.example.pem\""),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    domain: Spanned<String>,
    name: Spanned<String>,
    network: Option<Spanned<String>>,
    region: Spanned<String>,
    zone: Spanned<String>,
    data: Spanned<PathBuf>,
    #[serde(default)]
    registration: bool,
    #[serde(default)]
    always_on: bool,
    irc: Option<Spanned<String>>,
    irc_tls: Option<Spanned<String>>,
    xmpp: Option<Spanned<String>>,
    xmpp_tls: Option<Spanned<String>>,
    mesh: Option<Spanned<String>>,
    #[serde(default)]
    mesh_advertise: Vec<Spanned<String>>,
    admin: Option<Spanned<String>>,
    certificate: Option<Spanned<PathBuf>>,
    certificate_key: Option<Spanned<PathBuf>>,
    #[serde(default)]
    operator: Vec<operators::Entry>,
}

/// Checks a file's text.
pub(super) fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let source = Source { file: path, text };
    let file: File = toml::from_str(text).map_err(|error| ConfigError::toml(source, &error, KEYS))?;
    let base = path.parent().unwrap_or(Path::new(""));
    let check = Check { source };
    let domain = check.domain("domain", &file.domain)?;
    let listen = Listen {
        irc: check.address("irc", file.irc.as_ref())?,
        irc_tls: check.address("irc-tls", file.irc_tls.as_ref())?,
        xmpp: check.address("xmpp", file.xmpp.as_ref())?,
        xmpp_tls: check.address("xmpp-tls", file.xmpp_tls.as_ref())?,
        mesh: check.address("mesh", file.mesh.as_ref())?,
        admin: check.loopback("admin", file.admin.as_ref())?,
    };
    let mut advertise: Vec<String> = file
        .mesh_advertise
        .iter()
        .map(|address| check.dialable("mesh-advertise", address))
        .collect::<Result<_, _>>()?;
    if let Some(mesh) = listen.mesh.filter(|mesh| advertise.is_empty() && !mesh.ip().is_unspecified()) {
        advertise.push(mesh.to_string());
    }
    Ok(Config {
        file: Some(path.to_owned()),
        name: check.label("name", &file.name)?,
        network: match &file.network {
            Some(network) => check.network("network", network)?,
            None => domain.clone(),
        },
        domain,
        place: Place { region: check.label("region", &file.region)?, zone: check.label("zone", &file.zone)? },
        data: base.join(file.data.get_ref()),
        registration: file.registration,
        always_on: file.always_on,
        listen,
        advertise,
        operators: operators::check(&check, &file.operator)?,
        certificate: check.pair(file.certificate.as_ref(), file.certificate_key.as_ref(), base)?,
    })
}

/// The rules for values.
pub(super) struct Check<'a> {
    source: Source<'a>,
}

impl Check<'_> {
    pub(super) fn refuse<V: AsRef<std::ffi::OsStr>>(
        &self,
        key: &str,
        value: &Spanned<V>,
        what: &str,
        right: &str,
    ) -> ConfigError {
        let what = format!("\"{}\" {what}", value.get_ref().as_ref().display());
        ConfigError::value(self.source, key, &value.span(), what, right)
    }

    /// As [`Check::refuse`], for a value that is not to be shown.
    pub(super) fn refuse_hidden<V>(&self, key: &str, value: &Spanned<V>, what: &str, right: &str) -> ConfigError {
        ConfigError::value(self.source, key, &value.span(), what.to_owned(), right)
    }

    fn label(&self, key: &str, value: &Spanned<String>) -> Result<String, ConfigError> {
        if is_label(value.get_ref()) {
            return Ok(value.get_ref().clone());
        }
        let right = "a short word of a-z, 0-9 and `-` is expected, such as \"eu-1\"";
        Err(self.refuse(key, value, "is not usable in a host name", right))
    }

    fn domain(&self, key: &str, value: &Spanned<String>) -> Result<String, ConfigError> {
        if is_domain(value.get_ref()) {
            return Ok(value.get_ref().clone());
        }
        let right = "labels of a-z, 0-9 and `-`, parted by dots, are expected, such as \"chat.example\"";
        Err(self.refuse(key, value, "is not a domain name", right))
    }

    fn network(&self, key: &str, value: &Spanned<String>) -> Result<String, ConfigError> {
        let text = value.get_ref();
        if !text.is_empty() && text.len() <= LABEL_BYTES_MAX && text.chars().all(|c| c.is_ascii_graphic()) {
            return Ok(text.clone());
        }
        // An ISUPPORT value has no spaces (modern.ircdocs.horse, RPL_ISUPPORT).
        Err(self.refuse(
            key,
            value,
            "cannot be a network name",
            "one word without spaces is expected, such as \"Example\"",
        ))
    }

    fn address(&self, key: &str, value: Option<&Spanned<String>>) -> Result<Option<SocketAddr>, ConfigError> {
        let Some(value) = value else { return Ok(None) };
        match value.get_ref().parse::<SocketAddr>() {
            Ok(address) => Ok(Some(address)),
            Err(_) => {
                let right = "IP:PORT is expected, such as \"127.0.0.1:6667\" or \"[::1]:6667\"; leave the key out to switch it off";
                Err(self.refuse(key, value, "is not an address to listen on", right))
            }
        }
    }

    fn loopback(&self, key: &str, value: Option<&Spanned<String>>) -> Result<Option<SocketAddr>, ConfigError> {
        let address = self.address(key, value)?;
        match (address, value) {
            (Some(address), Some(value)) if !address.ip().is_loopback() => {
                let right = "the admin page has no encryption: use \"127.0.0.1:7680\" and reach it through a tunnel";
                Err(self.refuse(key, value, "is not a loopback address", right))
            }
            _ => Ok(address),
        }
    }

    fn dialable(&self, key: &str, value: &Spanned<String>) -> Result<String, ConfigError> {
        if is_dialable(value.get_ref()) {
            return Ok(value.get_ref().clone());
        }
        let right = "HOST:PORT that other nodes reach is expected, such as \"203.0.113.1:7667\"";
        Err(self.refuse(key, value, "is not an address that can be dialled", right))
    }

    fn pair(
        &self,
        certificate: Option<&Spanned<PathBuf>>,
        key: Option<&Spanned<PathBuf>>,
        base: &Path,
    ) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
        match (certificate, key) {
            (Some(certificate), Some(key)) => Ok(Some((base.join(certificate.get_ref()), base.join(key.get_ref())))),
            (None, None) => Ok(None),
            (Some(alone), None) => {
                Err(self.refuse("certificate", alone, "has no key", "set `certificate-key` as well, or leave both out"))
            }
            (None, Some(alone)) => Err(self.refuse(
                "certificate-key",
                alone,
                "has no certificate",
                "set `certificate` as well, or leave both out",
            )),
        }
    }
}

/// Whether it can be one label of a host name.
pub(crate) fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= LABEL_BYTES_MAX
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether it is a domain name.
pub(crate) fn is_domain(text: &str) -> bool {
    // RFC 1035 section 2.3.4: 255 octets in all; room is left for "rooms." and the node's name.
    text.len() <= 180 && text.split('.').all(is_label)
}

/// Whether it is `host:port` or `ip:port` with a port that can be dialled.
pub(crate) fn is_dialable(text: &str) -> bool {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return address.port() != 0 && !address.ip().is_unspecified();
    }
    text.rsplit_once(':').is_some_and(|(host, port)| is_domain(host) && port.parse::<u16>().is_ok_and(|port| port != 0))
}

/// The text of a file that says what `config` says, at most 15 lines.
pub(crate) fn render(config: &Config, data: &Path) -> String {
    let mut lines = vec!["# A Lavina node; `lavina config check` says what is wrong with this file.".to_owned()];
    let quote = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut set = |key: &str, value: String| lines.push(format!("{key} = {value}"));
    set("domain", quote(&config.domain));
    set("name", quote(&config.name));
    set("network", quote(&config.network));
    set("region", quote(&config.place.region));
    set("zone", quote(&config.place.zone));
    set("data", quote(&data.to_string_lossy()));
    set("registration", config.registration.to_string());
    for (key, address) in config.listen.by_key() {
        if let Some(address) = address {
            set(key, quote(&address.to_string()));
        }
    }
    let advertise: Vec<String> = config.advertise.iter().map(|address| quote(address)).collect();
    set("mesh-advertise", format!("[{}]", advertise.join(", ")));
    lines.push(String::new());
    lines.join("\n")
}
