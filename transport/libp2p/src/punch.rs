//! Opening a router for a node that is about to dial (libp2p specification, "DCUtR", section on QUIC): packets go to where it will come from,
//! until it has come or the time is over.

use quinn::{ClientConfig, Connection, Endpoint};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::oneshot;

/// Time between two packets.
const PERIOD: Duration = Duration::from_millis(100);
/// Server name in TLS: nobody reads it, but rustls wants one.
const SERVER_NAME: &str = "lavina";

/// Who is waited for, by the address it will come from.
#[derive(Debug, Default)]
pub(crate) struct Punches(BTreeMap<SocketAddr, oneshot::Sender<Connection>>);

impl Punches {
    /// Waits for somebody from this address; a second wait takes the place of the first.
    pub(crate) fn expect(&mut self, from: SocketAddr) -> oneshot::Receiver<Connection> {
        self.0.retain(|_, waiting| !waiting.is_closed());
        let (sender, receiver) = oneshot::channel();
        self.0.insert(from, sender);
        receiver
    }

    /// Gives a connection to who waits for it, or back.
    pub(crate) fn take(&mut self, connection: Connection) -> Option<Connection> {
        match self.0.remove(&connection.remote_address()) {
            Some(waiting) => waiting.send(connection).err(),
            None => Some(connection),
        }
    }
}

/// Sends packets to an address for ever. They are the first ones of handshakes that are given up, since the socket belongs to the endpoint:
/// who gets one there either has no use for it or is the node that is waited for, which takes it for what it is.
pub(crate) async fn knock(endpoint: &Endpoint, config: &ClientConfig, to: SocketAddr) {
    loop {
        let connecting = endpoint.connect_with(config.clone(), to, SERVER_NAME);
        tokio::time::sleep(PERIOD).await;
        drop(connecting);
    }
}
