//! Takes client connections and gives them to the workers in turn.

use super::cloak::Cloak;
use super::limits::Addresses;
use super::metrics::Metrics;
use crate::worker::{Accepted, Arrival, Listener, Order};
use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// How long accepting pauses when no descriptor is free: some connection will end in the meantime.
const PAUSE: Duration = Duration::from_millis(100);

/// What the accepting tasks share.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// Where connections go.
    pub(crate) workers: Vec<mpsc::Sender<Order>>,
    /// Whose turn it is.
    pub(crate) turn: Arc<AtomicUsize>,
    /// Connections by address.
    pub(crate) addresses: Addresses,
    /// Hosts as others see them.
    pub(crate) cloak: Cloak,
    /// Counters.
    pub(crate) metrics: Arc<Metrics>,
}

/// Binds an address that the configuration key `key` names.
pub(crate) fn bind(key: &str, address: SocketAddr) -> Result<std::net::TcpListener> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| anyhow::anyhow!("{}", explain_bind(key, address, &error)))
}

/// What to say when an address cannot be had.
pub(crate) fn explain_bind(key: &str, address: SocketAddr, error: &std::io::Error) -> String {
    const REASONS: [(std::io::ErrorKind, &str); 3] = [
        (std::io::ErrorKind::AddrInUse, "another program (or another node) has it"),
        (std::io::ErrorKind::AddrNotAvailable, "this machine has no such address"),
        (std::io::ErrorKind::PermissionDenied, "ports below 1024 need a privilege"),
    ];
    let known = REASONS.iter().find(|(kind, _)| *kind == error.kind());
    let way_out = known.map_or("the system refuses it", |(_, reason)| reason);
    format!("cannot listen on {address} ({error}): {way_out}; change `{key}` in the configuration")
}

impl Door {
    /// Accepts for ever.
    pub(crate) async fn accept(self, socket: std::net::TcpListener, listener: Arc<Listener>) -> Result<()> {
        let socket = TcpListener::from_std(socket).context("a listening socket cannot be watched")?;
        loop {
            match socket.accept().await {
                Ok((stream, remote)) => self.take(stream, remote, &listener).await,
                Err(error) => {
                    // A connection that broke before it was taken fails alike; it costs one pause.
                    tracing::warn!(%error, "cannot take a connection");
                    self.metrics.accept_pauses.add(1);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn take(&self, stream: tokio::net::TcpStream, remote: SocketAddr, listener: &Arc<Listener>) {
        let Some(unregistered) = self.addresses.enter(remote.ip()) else {
            self.metrics.connections_refused.add(1);
            return;
        };
        let Ok(stream) = stream.set_nodelay(true).and_then(|()| stream.into_std()) else { return };
        let arrival = Arrival {
            listener: Arc::clone(listener),
            host: self.cloak.host(remote.ip()),
            address: Some(remote.ip()),
            seed: crate::identity::random_u64(),
            unregistered,
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        if let Some(worker) = self.workers.get(turn % self.workers.len().max(1)) {
            self.metrics.connections_accepted.add(1);
            // A worker that is gone is about to take the whole process along.
            let _ = worker.send(Order::Accept(Accepted { stream, arrival })).await;
        }
    }
}
