//! What is configured of HTTP for clients.

use super::listen::{Bind, first_tcp};
use super::{Config, Networks};
use crate::files::FileLimits;
use crate::web::copies::Peer;

/// The port that a URL of HTTPS need not name (RFC 9110 section 4.2.2).
const HTTPS_PORT: u16 = 443;

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebConfig {
    /// Where clients reach this node by HTTP, when that cannot be told from where it listens.
    pub(crate) url: Option<String>,
    /// Pages whose scripts may connect; empty for all.
    pub(crate) origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(crate) forwarded_from: Networks,
    /// How much of what people share is kept, and for how long.
    pub(crate) files: FileLimits,
    /// Other nodes that have copies of the files.
    pub(crate) peers: Vec<Peer>,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            url: None,
            origins: Vec::new(),
            forwarded_from: Networks::default(),
            files: file_limits(FILE_MEGABYTES, QUOTA_MEGABYTES, FILE_DAYS),
            peers: Vec::new(),
        }
    }
}

/// Longest file where the configuration says nothing, in megabytes: a photograph or a minute of video.
pub(super) const FILE_MEGABYTES: u32 = 50;
/// Most of one account, in megabytes.
pub(super) const QUOTA_MEGABYTES: u32 = 1000;
/// How long a file is kept, in days.
pub(super) const FILE_DAYS: u32 = 30;

/// The limits as they are used.
pub(super) fn file_limits(megabytes: u32, quota_megabytes: u32, days: u32) -> FileLimits {
    const MEGABYTE: u64 = 1_000_000;
    const DAY_MS: u64 = 24 * 3600 * 1000;
    FileLimits {
        bytes_max: u64::from(megabytes) * MEGABYTE,
        quota: u64::from(quota_megabytes) * MEGABYTE,
        keep_ms: u64::from(days) * DAY_MS,
    }
}

impl Config {
    /// Where clients reach this node by HTTP, without a slash at the end.
    pub(crate) fn web_url(&self) -> String {
        if let Some(url) = &self.web.url {
            return url.clone();
        }
        let port_of = |binds: &[Bind]| first_tcp(binds).map(|address| address.port());
        match (port_of(&self.listen.https), port_of(&self.listen.http)) {
            (Some(HTTPS_PORT), _) | (None, None) => format!("https://{}", self.domain),
            (Some(port), _) => format!("https://{}:{port}", self.domain),
            (None, Some(port)) => format!("http://{}:{port}", self.domain),
        }
    }

    /// The same where the node listens for HTTP at all.
    pub(crate) fn pages_url(&self) -> Option<String> {
        let listens = !self.listen.http.is_empty() || !self.listen.https.is_empty();
        listens.then(|| self.web_url())
    }
}

/// Whether it is the beginning of a URL of HTTP that others can be appended to: scheme, host, perhaps a port and a path.
pub(super) fn is_base_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let graphic = |c: char| c.is_ascii_graphic() && !"'\"<>?#\\".contains(c);
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && !rest.ends_with('/') && rest.chars().all(graphic)
    })
}

/// Whether it is an origin as browsers write it: a scheme, a host, perhaps a port (RFC 6454 section 6.2).
pub(super) fn is_origin(text: &str) -> bool {
    is_base_url(text) && text.matches('/').count() == 2
}
