//! The file as it is written, and its way to and from [`Config`].

use super::error::{ConfigError, Source};
use super::listen::{Bind, Listen, UNIX};
use super::networks::Networks;
use super::relays::{Greeting, WebIrc, is_public};
use super::replicas::Replicas;
use super::servers::Servers;
use super::web::{WebConfig, is_base_url, is_origin};
use super::words::Words;
use super::{
    CONNECTIONS_PER_ADDRESS, Config, contacts, discovery, external, frames, oauth, operators, replicas, servers, web,
};
use crate::web::copies::Peer;
use lavina_crdt::mesh::Place;
use lavina_protocols::sasl::parse_verifier;
use serde::Deserialize;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Longest word taken for a name, region or zone, in bytes: a DNS label (RFC 1035 section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// Longest line of the message of the day, in bytes: with the longest names before it, it is one of IRC's.
const MOTD_LINE_BYTES_MAX: usize = 400;

/// Every key with an example.
const KEYS: &[(&str, &str)] = &[
    ("domain", "\"chat.example\""),
    ("name", "\"eu-1\""),
    ("network", "\"Example\""),
    ("region", "\"eu\""),
    ("zone", "\"a\""),
    ("data", "\"data\""),
    ("registration", "true"),
    ("invitations", "true"),
    ("always-on", "true"),
    ("irc", "\"127.0.0.1:6667\""),
    ("irc-tls", "\"0.0.0.0:6697\""),
    ("xmpp", "\"0.0.0.0:5222\""),
    ("xmpp-tls", "\"0.0.0.0:5223\""),
    ("xmpp-advertise", "\"eu-1.chat.example:5222\""),
    ("xmpp-server", "\"0.0.0.0:5269\""),
    ("xmpp-server-tls", "\"0.0.0.0:5270\""),
    ("xmpp-component", "\"127.0.0.1:5347\""),
    ("server-allow", "[\"example.org\"]"),
    ("server-block", "[\"spam.example\"]"),
    ("server-dialback", "true"),
    ("server-authority", "\"ca.pem\""),
    ("server", "[{ domain = \"example.org\", address = \"192.0.2.9:5269\" }]"),
    ("component", "[{ domain = \"echo.chat.example\", secret = \"...\" }]"),
    ("address", "\"192.0.2.9:5269\""),
    ("direct-tls", "true"),
    ("secret", "\"...\""),
    ("contact", "{ abuse = \"mailto:abuse@chat.example\" }"),
    ("abuse", "\"mailto:abuse@chat.example\""),
    ("feedback", "\"https://chat.example/feedback\""),
    ("sales", "\"mailto:sales@chat.example\""),
    ("security", "\"xmpp:root@chat.example\""),
    ("status", "\"https://status.chat.example\""),
    ("support", "\"xmpp:help@rooms.chat.example?join\""),
    ("external-service", "[{ type = \"turn\", address = \"turn.chat.example:3478\", secret = \"...\" }]"),
    ("type", "\"turn\""),
    ("transport", "\"udp\""),
    ("username", "\"chat\""),
    ("http", "\"127.0.0.1:5280\""),
    ("https", "\"0.0.0.0:5443\""),
    ("http-url", "\"https://chat.example\""),
    ("http-origins", "[\"https://chat.example\"]"),
    ("proxy-from", "[\"10.0.0.0/8\"]"),
    ("webirc-from", "[\"192.0.2.7\"]"),
    ("webirc-password", "\"SCRAM-SHA-256$10000:...\""),
    ("irc-password", "\"SCRAM-SHA-256$10000:...\""),
    ("motd", "\"motd.txt\""),
    ("sts-days", "30"),
    ("irc-without-tls", "true"),
    ("forwarded-from", "[\"127.0.0.1\"]"),
    ("file-megabytes", "50"),
    ("file-quota-megabytes", "1000"),
    ("file-days", "30"),
    ("file-peers", "[\"https://us-1.chat.example:5443\"]"),
    ("connections-per-address", "256"),
    ("room-days", "365"),
    ("mesh", "\"0.0.0.0:7667\""),
    ("mesh-advertise", "[\"203.0.113.1:7667\"]"),
    ("mesh-discovery", "true"),
    ("mesh-relay", "true"),
    ("mesh-replicas", "3"),
    ("mesh-frames", "1"),
    ("admin", "\"127.0.0.1:7680\""),
    ("operator", "[{ name = \"alice\", account = \"alice\" }]"),
    ("password", "\"SCRAM-SHA-256$10000:...\""),
    ("account", "\"alice\""),
    ("title", "\"is a network administrator\""),
    ("web-push", "true"),
    ("oauth", "[{ issuer = \"https://id.example\", audience = \"chat\", algorithm = \"RS256\", key = \"id.pem\" }]"),
    ("issuer", "\"https://id.example\""),
    ("audience", "\"chat\""),
    ("algorithm", "\"RS256\""),
    ("key", "\"id.pem\""),
    ("claim", "\"preferred_username\""),
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
    invitations: Option<bool>,
    #[serde(default)]
    always_on: bool,
    irc: Option<Spanned<Words>>,
    irc_tls: Option<Spanned<Words>>,
    xmpp: Option<Spanned<Words>>,
    xmpp_tls: Option<Spanned<Words>>,
    xmpp_advertise: Option<Spanned<String>>,
    xmpp_server: Option<Spanned<Words>>,
    xmpp_server_tls: Option<Spanned<Words>>,
    xmpp_component: Option<Spanned<Words>>,
    server_allow: Option<Spanned<Words>>,
    server_block: Option<Spanned<Words>>,
    #[serde(default)]
    server_dialback: bool,
    server_authority: Option<PathBuf>,
    #[serde(default)]
    server: Vec<servers::HostEntry>,
    #[serde(default)]
    component: Vec<servers::ComponentEntry>,
    #[serde(default)]
    contact: contacts::Entries,
    #[serde(default)]
    external_service: Vec<external::Entry>,
    http: Option<Spanned<Words>>,
    https: Option<Spanned<Words>>,
    http_url: Option<Spanned<String>>,
    http_origins: Option<Spanned<Words>>,
    forwarded_from: Option<Spanned<Words>>,
    proxy_from: Option<Spanned<Words>>,
    webirc_from: Option<Spanned<Words>>,
    webirc_password: Option<Spanned<String>>,
    irc_password: Option<Spanned<String>>,
    motd: Option<Spanned<PathBuf>>,
    sts_days: Option<u32>,
    #[serde(default)]
    irc_without_tls: bool,
    file_megabytes: Option<u32>,
    file_quota_megabytes: Option<u32>,
    file_days: Option<u32>,
    file_peers: Option<Spanned<Words>>,
    connections_per_address: Option<u32>,
    room_days: Option<NonZeroU32>,
    mesh: Option<Spanned<String>>,
    #[serde(default)]
    mesh_advertise: Vec<Spanned<String>>,
    mesh_discovery: Option<Spanned<bool>>,
    mesh_relay: Option<Spanned<bool>>,
    mesh_replicas: Option<Spanned<Replicas>>,
    mesh_frames: Option<Spanned<u16>>,
    admin: Option<Spanned<String>>,
    certificate: Option<Spanned<PathBuf>>,
    certificate_key: Option<Spanned<PathBuf>>,
    #[serde(default)]
    operator: Vec<operators::Entry>,
    #[serde(default)]
    web_push: bool,
    #[serde(default)]
    oauth: Vec<oauth::Entry>,
}

/// Checks a file's text.
pub(super) fn parse(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let source = Source { file: path, text };
    let file: File = toml::from_str(text).map_err(|error| ConfigError::toml(source, &error, KEYS))?;
    let base = path.parent().unwrap_or(Path::new(""));
    let check = Check { source };
    let domain = check.domain("domain", &file.domain)?;
    let listen = Listen {
        irc: check.binds("irc", file.irc.as_ref(), base)?,
        irc_tls: check.binds("irc-tls", file.irc_tls.as_ref(), base)?,
        xmpp: check.binds("xmpp", file.xmpp.as_ref(), base)?,
        xmpp_tls: check.binds("xmpp-tls", file.xmpp_tls.as_ref(), base)?,
        xmpp_server: check.binds("xmpp-server", file.xmpp_server.as_ref(), base)?,
        xmpp_server_tls: check.binds("xmpp-server-tls", file.xmpp_server_tls.as_ref(), base)?,
        xmpp_component: check.binds("xmpp-component", file.xmpp_component.as_ref(), base)?,
        http: check.binds("http", file.http.as_ref(), base)?,
        https: check.binds("https", file.https.as_ref(), base)?,
        mesh: check.address("mesh", file.mesh.as_ref())?,
        admin: check.loopback("admin", file.admin.as_ref())?,
    };
    check.in_clear(&file, &listen)?;
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
        irc_name: format!("{}.{}", file.name.get_ref(), file.domain.get_ref()),
        network: match &file.network {
            Some(network) => check.network("network", network)?,
            None => domain.clone(),
        },
        domain,
        place: Place { region: check.label("region", &file.region)?, zone: check.label("zone", &file.zone)? },
        data: base.join(file.data.get_ref()),
        registration: file.registration,
        // Where anybody registers, an invitation lets in nobody who would not be.
        invitations: file.invitations.unwrap_or(file.registration),
        always_on: file.always_on,
        listen,
        connections_per_address: file.connections_per_address.unwrap_or(CONNECTIONS_PER_ADDRESS),
        room_days: file.room_days,
        proxy_from: check.networks("proxy-from", file.proxy_from.as_ref())?,
        webirc: check.webirc(file.webirc_from.as_ref(), file.webirc_password.as_ref())?,
        greeting: check.greeting(file.irc_password.as_ref(), file.motd.as_ref(), base)?,
        sts_days: file.sts_days,
        irc_without_tls: file.irc_without_tls,
        xmpp_advertise: file
            .xmpp_advertise
            .as_ref()
            .map(|address| check.dialable("xmpp-advertise", address))
            .transpose()?,
        servers: Servers {
            allow: check.domains("server-allow", file.server_allow.as_ref())?,
            block: check.domains("server-block", file.server_block.as_ref())?,
            dialback: file.server_dialback,
            authority: file.server_authority.as_ref().map(|path| base.join(path)),
            hosts: servers::hosts(&check, &file.server)?,
            components: servers::components(&check, &file.component)?,
        },
        contacts: contacts::check(&check, &file.contact)?,
        external_services: external::check(&check, &file.external_service)?,
        web: WebConfig {
            url: file.http_url.as_ref().map(|url| check.url("http-url", url)).transpose()?,
            origins: check.origins("http-origins", file.http_origins.as_ref())?,
            forwarded_from: check.networks("forwarded-from", file.forwarded_from.as_ref())?,
            files: web::file_limits(
                file.file_megabytes.unwrap_or(web::FILE_MEGABYTES),
                file.file_quota_megabytes.unwrap_or(web::QUOTA_MEGABYTES),
                file.file_days.unwrap_or(web::FILE_DAYS),
            ),
            peers: check.peers("file-peers", file.file_peers.as_ref())?,
        },
        advertise,
        discovery: discovery::check(&check, file.mesh_discovery.as_ref(), file.mesh_relay.as_ref())?,
        replicas: replicas::check(&check, file.mesh_replicas.as_ref())?,
        frames: frames::check(&check, file.mesh_frames.as_ref())?,
        operators: operators::check(&check, &file.operator)?,
        web_push: file.web_push,
        oauth: oauth::check(&check, &file.oauth, base)?,
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
        // Names of hosts are the same in either case of letters (RFC 4343).
        let label = value.get_ref().to_ascii_lowercase();
        if is_label(&label) {
            return Ok(label);
        }
        let right = "a short word of a-z, 0-9 and `-` is expected, such as \"eu-1\"";
        Err(self.refuse(key, value, "is not usable in a host name", right))
    }

    pub(super) fn domain(&self, key: &str, value: &Spanned<String>) -> Result<String, ConfigError> {
        let domain = value.get_ref().to_ascii_lowercase();
        if is_domain(&domain) {
            return Ok(domain);
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

    /// As [`Check::refuse`], for one word of a list.
    pub(super) fn refuse_word(
        &self,
        key: &str,
        words: &Spanned<Words>,
        word: &str,
        what: &str,
        right: &str,
    ) -> ConfigError {
        ConfigError::value(self.source, key, &words.span(), format!("\"{word}\" {what}"), right)
    }

    fn binds(&self, key: &str, words: Option<&Spanned<Words>>, base: &Path) -> Result<Vec<Bind>, ConfigError> {
        let Some(words) = words else { return Ok(Vec::new()) };
        let bind = |word: &String| match (word.strip_prefix(UNIX), word.parse::<SocketAddr>()) {
            (Some(path), _) if !path.is_empty() => Ok(Bind::Unix(base.join(path))),
            (None, Ok(address)) => Ok(Bind::Tcp(address)),
            (Some(_) | None, _) => {
                let right = "IP:PORT is expected, such as \"127.0.0.1:6667\" or \"[::1]:6667\", or unix:PATH; leave the key out to switch it off";
                Err(self.refuse_word(key, words, word, "is not an address to listen on", right))
            }
        };
        words.get_ref().0.iter().map(bind).collect()
    }

    fn networks(&self, key: &str, words: Option<&Spanned<Words>>) -> Result<Networks, ConfigError> {
        let Some(words) = words else { return Ok(Networks::default()) };
        let texts = &words.get_ref().0;
        Networks::parse(texts).map_err(|index| {
            let wrong = texts.get(index).map(String::as_str).unwrap_or_default();
            let right = "addresses and networks are expected, such as [\"127.0.0.1\", \"10.0.0.0/8\"], or \"unix\" for Unix sockets";
            self.refuse_word(key, words, wrong, "is not a network", right)
        })
    }

    fn domains(&self, key: &str, words: Option<&Spanned<Words>>) -> Result<Vec<String>, ConfigError> {
        let Some(words) = words else { return Ok(Vec::new()) };
        match words.get_ref().0.iter().find(|word| !is_domain(word)) {
            None => Ok(words.get_ref().0.clone()),
            Some(wrong) => {
                let right = "domains of other servers are expected, such as [\"example.org\"]";
                Err(self.refuse_word(key, words, wrong, "is not a domain name", right))
            }
        }
    }

    fn webirc(&self, from: Option<&Spanned<Words>>, password: Option<&Spanned<String>>) -> Result<WebIrc, ConfigError> {
        let hidden = |password: &Spanned<String>, what: &str, right: &str| {
            Err(self.refuse_hidden("webirc-password", password, what, right))
        };
        match (from, password) {
            (None, None) => Ok(WebIrc::default()),
            (Some(from), None) => {
                let right = "set `webirc-password` as well (from `lavina operator hash`), or leave both out";
                Err(self.refuse_hidden("webirc-from", from, "gateways need a password", right))
            }
            (None, Some(password)) => {
                hidden(password, "nobody may use it", "set `webirc-from` as well, or leave both out")
            }
            (Some(_), Some(password)) => match parse_verifier(password.get_ref()) {
                Some(kept) => Ok(WebIrc { from: self.networks("webirc-from", from)?, password: Some(kept) }),
                None => {
                    let right = "the line that `lavina operator hash` prints is expected";
                    hidden(password, "is not a hashed password", right)
                }
            },
        }
    }

    fn greeting(
        &self,
        password: Option<&Spanned<String>>,
        motd: Option<&Spanned<PathBuf>>,
        base: &Path,
    ) -> Result<Greeting, ConfigError> {
        let hashed = |text: &Spanned<String>| {
            let right = "the line that `lavina operator hash` prints is expected";
            let wrong = || self.refuse_hidden("irc-password", text, "is not a hashed password", right);
            parse_verifier(text.get_ref()).ok_or_else(wrong)
        };
        let lines = |path: &Spanned<PathBuf>| {
            let read = std::fs::read_to_string(base.join(path.get_ref()));
            let right = "a text file is expected, relative to this one";
            let text =
                read.map_err(|error| self.refuse_hidden("motd", path, &format!("cannot be read: {error}"), right))?;
            match text.lines().position(|line| line.len() > MOTD_LINE_BYTES_MAX) {
                None => Ok(text.lines().map(str::to_owned).collect()),
                Some(index) => {
                    let what = format!("line {} does not fit into a line of IRC", index + 1);
                    let right = format!("lines of at most {MOTD_LINE_BYTES_MAX} bytes are expected");
                    Err(self.refuse_hidden("motd", path, &what, &right))
                }
            }
        };
        Ok(Greeting {
            password: password.map(hashed).transpose()?,
            motd: motd.map(lines).transpose()?.unwrap_or_default(),
        })
    }

    /// IRC in clear is for this machine, or sends everybody to TLS, or somebody has said that it is wanted.
    fn in_clear(&self, file: &File, listen: &Listen) -> Result<(), ConfigError> {
        let Some(words) = file.irc.as_ref().filter(|_| listen.irc.iter().any(is_public)) else { return Ok(()) };
        if file.irc_without_tls || (file.sts_days.is_some() && !listen.irc_tls.is_empty()) {
            return Ok(());
        }
        let right = "listen on 127.0.0.1, or set `irc-tls` and `sts-days = 30` to send clients there, or `irc-without-tls = true`";
        Err(self.refuse_hidden("irc", words, "others read along where IRC is spoken in clear", right))
    }

    fn origins(&self, key: &str, words: Option<&Spanned<Words>>) -> Result<Vec<String>, ConfigError> {
        let Some(words) = words else { return Ok(Vec::new()) };
        match words.get_ref().0.iter().find(|word| !is_origin(word)) {
            None => Ok(words.get_ref().0.clone()),
            Some(wrong) => {
                let right =
                    "what browsers call so is expected, such as \"https://chat.example\" or \"http://localhost:8080\"";
                Err(self.refuse_word(key, words, wrong, "is not an origin", right))
            }
        }
    }

    fn peers(&self, key: &str, words: Option<&Spanned<Words>>) -> Result<Vec<Peer>, ConfigError> {
        let Some(words) = words else { return Ok(Vec::new()) };
        let peer = |word: &String| {
            Peer::parse(word).filter(|_| is_base_url(word)).ok_or_else(|| {
                let right = "URLs of other nodes without a slash at the end are expected, such as \"https://us-1.chat.example:5443\"";
                self.refuse_word(key, words, word, "is not where a node serves HTTP", right)
            })
        };
        words.get_ref().0.iter().map(peer).collect()
    }

    fn url(&self, key: &str, value: &Spanned<String>) -> Result<String, ConfigError> {
        if is_base_url(value.get_ref()) {
            return Ok(value.get_ref().clone());
        }
        let right = "a URL without a slash at its end is expected, such as \"https://chat.example\"";
        Err(self.refuse(key, value, "is not where HTTP is spoken", right))
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
        let right = "HOST:PORT that others reach is expected, such as \"203.0.113.1:7667\"";
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
    if config.network != config.domain {
        set("network", quote(&config.network));
    }
    set("region", quote(&config.place.region));
    set("zone", quote(&config.place.zone));
    set("data", quote(&data.to_string_lossy()));
    set("registration", config.registration.to_string());
    for (key, binds) in config.listen.by_key() {
        let texts: Vec<String> = binds.iter().map(|bind| quote(&bind.to_string())).collect();
        match texts.as_slice() {
            [] => {}
            [one] => set(key, one.clone()),
            many => set(key, format!("[{}]", many.join(", "))),
        }
    }
    let advertise: Vec<String> = config.advertise.iter().map(|address| quote(address)).collect();
    set("mesh-advertise", format!("[{}]", advertise.join(", ")));
    lines.push(String::new());
    lines.join("\n")
}
