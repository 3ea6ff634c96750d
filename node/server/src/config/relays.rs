//! What is configured of who connects for others, of coming in clear, and of how IRC greets clients.

use super::listen::{Bind, first_tcp};
use super::{Config, Networks};
use lavina_crdt::account::ScramCredentials;
use lavina_protocols::session::Sts;

/// Gateways of IRC (IRCv3 `webirc`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WebIrc {
    /// Where they may come from.
    pub(crate) from: Networks,
    /// What is kept of their password.
    pub(crate) password: Option<ScramCredentials>,
}

/// How IRC greets clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// What is kept of the password that clients need who are not logged in.
    pub(crate) password: Option<ScramCredentials>,
    /// The message of the day, by lines.
    pub(crate) motd: Vec<String>,
}

/// A day.
const DAY_SECONDS: u64 = 24 * 3600;

impl Config {
    /// All who connect for others: they are not counted as one of them.
    pub(crate) fn relays(&self) -> Networks {
        self.web.forwarded_from.clone().and(&self.webirc.from)
    }

    /// What clients of a listener are told of TLS (IRCv3 `sts`). Where nobody else reads along they are not sent elsewhere.
    pub(crate) fn sts(&self, bind: &Bind) -> Option<Sts> {
        let public = is_public(bind);
        let port = first_tcp(&self.listen.irc_tls).map(|address| address.port()).filter(|_| public);
        let seconds = self.sts_days.map(|days| u64::from(days) * DAY_SECONDS);
        let required = public && !self.irc_without_tls;
        self.sts_days.map(|_| Sts { port, seconds, required })
    }
}

/// Whether others than this machine reach it.
pub(super) fn is_public(bind: &Bind) -> bool {
    match bind {
        Bind::Tcp(address) => !address.ip().to_canonical().is_loopback(),
        Bind::Unix(_) => false,
    }
}
