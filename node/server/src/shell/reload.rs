//! Reads the configuration and the certificates again while the node runs: for SIGHUP, for an operator who asks, and for a certificate that has
//! another date than before. Nobody is disconnected: what has begun goes on with what it began with.
//!
//! Of the configuration the operators, the servers that are welcome and the certificates are taken over; the rest is for the next start.

use super::certificate;
use super::inbox::{Inbound, Inbox};
use crate::config::Config;
use crate::federation::Lists;
use crate::identity::DataDir;
use crate::worker::TlsCell;
use lavina_core::node::{AdminCommand, SessionNumber};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

/// How often the certificate's date is looked at: whoever renews certificates does it days before they end.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Operators' wishes that wait: more are one wish.
pub(super) const WISHES_MAX: usize = 4;

/// What is read again, and who hears of it.
pub(super) struct Reloader {
    /// The configuration of the start.
    pub(super) config: Config,
    /// Where the certificate is when the configuration names none.
    pub(super) data: DataDir,
    /// Where the certificate is replaced.
    pub(super) tls: Vec<Arc<TlsCell>>,
    /// The way to the core.
    pub(super) inbox: Arc<Inbox>,
    /// Where it is told which other servers are welcome.
    pub(super) lists: watch::Sender<Lists>,
    /// Operators' wishes.
    pub(super) wishes: mpsc::Receiver<SessionNumber>,
}

impl Reloader {
    /// Waits for reasons, for ever.
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut seen = self.dates();
        loop {
            tokio::select! {
                _ = hangup.recv() => self.reload(None),
                Some(session) = self.wishes.recv() => self.reload(Some(session)),
                _ = look.tick() => {
                    if seen != self.dates()
                        && let Err(error) = self.reload_certificates()
                    {
                        // It may be half written; the date of the other half brings us here again.
                        tracing::warn!("{error:#}");
                    }
                }
            }
            seen = self.dates();
        }
    }

    fn paths(&self) -> (PathBuf, PathBuf) {
        self.config.certificate.clone().unwrap_or_else(|| self.data.certificate())
    }

    /// When certificate and key were written.
    fn dates(&self) -> [Option<SystemTime>; 2] {
        let (certificate, key) = self.paths();
        [certificate, key].map(|path| std::fs::metadata(path).and_then(|found| found.modified()).ok())
    }

    fn reload(&mut self, told: Option<SessionNumber>) {
        let read = self.config.file.as_deref().map(Config::load).transpose();
        let (operators, mut words) = match read {
            Ok(Some(config)) => {
                self.config.certificate.clone_from(&config.certificate);
                // Nobody listens where other servers are not reached.
                let _ = self.lists.send(Lists::of(&config.servers));
                (Some(config.operators), "The configuration was read again.".to_owned())
            }
            Ok(None) => (None, "There is no configuration file.".to_owned()),
            Err(error) => (None, format!("The configuration stays as it was: {error}")),
        };
        match self.reload_certificates() {
            Ok(()) => words.push_str(" The certificate was read again."),
            Err(error) => words.push_str(&format!(" The certificate stays as it was: {error:#}")),
        }
        tracing::info!("{words}");
        let (answer, _unheard) = oneshot::channel();
        self.inbox.push(Inbound::Admin(AdminCommand::Reloaded { operators, told, words }, answer));
    }

    fn reload_certificates(&self) -> anyhow::Result<()> {
        let (certificate, key) = self.paths();
        for tls in &self.tls {
            tls.replace(certificate::settings(&certificate, &key, tls.alpn())?);
        }
        Ok(())
    }
}
