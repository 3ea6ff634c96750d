//! `lavina serve`: runs the node until SIGTERM or ctrl-C.

use super::{ConfigFile, Out, duration, listing, runtime};
use crate::config::Config;
use crate::identity::{DataDir, Identity, make_certificate};
use crate::shell::{Running, Setup};
use anyhow::{Result, bail};
use clap::Args;
use lavina_protocols::session::Flood;
use lavina_quic::wan::Wan;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Run the node
#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    config: ConfigFile,
    /// Threads for clients; by default one for each core
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Take commands as fast as clients send them: for benchmarks
    #[arg(long, hide = true)]
    no_flood_limit: bool,
    /// Emulates a long way to another node, ADDRESS=40ms one way; may be given several times: for tests where the kernel delays nothing
    #[arg(long, hide = true, value_name = "IP:PORT=TIME", value_parser = far)]
    far: Vec<(SocketAddr, Duration)>,
}

fn far(text: &str) -> Result<(SocketAddr, Duration), String> {
    let (address, time) = text.rsplit_once('=').ok_or("ADDRESS=TIME is expected")?;
    Ok((address.parse().map_err(|_| "no address stands before the `=`")?, duration::parse(time)?))
}

impl Serve {
    pub(super) fn run(self, out: Out) -> Result<()> {
        let config = self.config.load()?;
        let identity = identity(&config)?;
        let flood = if self.no_flood_limit { Flood::NONE } else { Flood::DEFAULT };
        let wan = (!self.far.is_empty()).then(Wan::new);
        for (address, delay) in &self.far {
            wan.iter().for_each(|wan| wan.set_delay(*address, *delay));
        }
        let setup = Setup { config: config.clone(), identity, wan, flood, workers: self.workers };
        runtime()?.block_on(async {
            let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            let mut running = Running::start(setup)?;
            out.say(&listing::value(&config), || listing::text(&config))?;
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
                name = running.died() => {
                    // What it held may be half done: a restart from the store is the safe way on.
                    running.kill().await;
                    bail!("the {name} thread has failed; see the log");
                }
            }
            tracing::info!("stopping");
            running.stop().await;
            Ok(())
        })
    }
}

/// The node's identity; with the built-in configuration it is made at the first start.
fn identity(config: &Config) -> Result<Identity> {
    let data = DataDir::new(&config.data);
    if !Identity::exists(&data) {
        if config.file.is_some() {
            bail!(
                "{} holds no node: make one with `lavina init` or `lavina join`, or correct `data` in the configuration",
                config.data.display()
            );
        }
        data.create()?;
        Identity::create(&data)?;
    }
    if config.certificate.is_none() && !data.certificate().0.exists() {
        make_certificate(&data, &config.domain, &config.rooms_domain())?;
    }
    Identity::load(&data)
}
