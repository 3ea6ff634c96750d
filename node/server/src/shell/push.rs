//! Push messages to devices (RFC 8030), encrypted for each (RFC 8291) and signed with the mesh's key (RFC 8292).
//!
//! Nothing waits for a push service: what does not fit into the queue is dropped and counted. A service is called at an address of the whole internet
//! only, whatever its name says, and knows who calls; a device that it does not know any more is forgotten.

use super::inbox::{Inbound, Inbox};
use super::metrics::Metrics;
use crate::identity::random_u64;
use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use lavina_core::node::{Device, Input};
use lavina_protocols::event::Said;
use lavina_protocols::push::{Subscription, host_and_port, is_public};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_rustls::TlsConnector;
use web_push_native::p256::elliptic_curve::sec1::ToEncodedPoint;
use web_push_native::p256::pkcs8::EncodePrivateKey;
use web_push_native::p256::{PublicKey, SecretKey};

/// Messages that wait to be sent: some seconds of a busy node.
pub(super) const QUEUE_MAX: usize = 1024;
/// Sent at once.
const SENDING_MAX: usize = 32;
/// Longest that a push service may take for one.
const WAIT: Duration = Duration::from_secs(15);
/// How long a service keeps a message for a device that is off, seconds.
const KEEP_S: u32 = 24 * 3600;
/// How long a signature is good, seconds (RFC 8292 section 2 allows a day).
const SIGNED_S: u64 = 12 * 3600;
/// Longest head of an answer that is read, bytes.
const HEAD_BYTES_MAX: u64 = 8 * 1024;
const CONTEXT: &str = "lavina 1 web push";

/// What is to be sent.
pub(crate) type Order = (Vec<Device>, Arc<Said>);

/// The key that push services know the mesh by: the same on all nodes, so that a device hears of what is said on any of them.
#[derive(Clone)]
pub(super) struct Vapid {
    key: EncodingKey,
    /// Its public half, as clients are told it.
    pub(super) public: String,
}

impl Vapid {
    /// Of a mesh, whose id only its nodes know.
    pub(super) fn new(mesh_id: &[u8]) -> Result<Self> {
        let mut seed = blake3::derive_key(CONTEXT, mesh_id);
        // All but one in four billion hashes are numbers that the curve takes.
        let secret = loop {
            match SecretKey::from_slice(&seed) {
                Ok(secret) => break secret,
                Err(_) => seed = *blake3::hash(&seed).as_bytes(),
            }
        };
        let public = URL_SAFE_NO_PAD.encode(secret.public_key().to_encoded_point(false).as_bytes());
        let key = EncodingKey::from_ec_der(secret.to_pkcs8_der()?.as_bytes());
        Ok(Self { key, public })
    }

    fn authorization(&self, origin: &str, contact: &str) -> Result<String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let claims = json!({ "aud": origin, "exp": now + SIGNED_S, "sub": contact });
        let token = encode(&Header::new(Algorithm::ES256), &claims, &self.key)?;
        Ok(format!("vapid t={token}, k={}", self.public))
    }
}

/// Who sends.
pub(super) struct Pusher {
    pub(super) vapid: Vapid,
    /// Whom a push service may write to.
    pub(super) contact: String,
    /// This node's name for its clients.
    pub(super) node_name: String,
    pub(super) inbox: Arc<Inbox>,
    pub(super) metrics: Arc<Metrics>,
    connector: TlsConnector,
    /// Where all services are, whatever they are called; `None`: where their names say.
    at: Option<std::net::IpAddr>,
}

impl Pusher {
    /// One that trusts the certificate authorities that this machine does.
    pub(super) fn new(
        vapid: Vapid,
        domain: &str,
        node_name: String,
        inbox: Arc<Inbox>,
        metrics: Arc<Metrics>,
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let contact = format!("https://{domain}");
        Ok(Self { vapid, contact, node_name, inbox, metrics, connector: connector(roots)?, at: None })
    }

    /// Sends until told to stop.
    pub(super) async fn run(self, mut orders: mpsc::Receiver<Order>, mut stopped: watch::Receiver<super::Stop>) {
        let pusher = Arc::new(self);
        let sending = Arc::new(Semaphore::new(SENDING_MAX));
        loop {
            let order = tokio::select! {
                order = orders.recv() => order,
                _ = stopped.changed() => None,
            };
            let Some((devices, said)) = order else { return };
            for device in devices {
                let Ok(permit) = Arc::clone(&sending).acquire_owned().await else { return };
                let (pusher, said) = (Arc::clone(&pusher), Arc::clone(&said));
                tokio::spawn(async move {
                    pusher.tell(device, &said).await;
                    drop(permit);
                });
            }
        }
    }

    async fn tell(&self, device: Device, said: &Said) {
        let Some(subscription) = Subscription::decode(&device.value) else { return };
        let Some(payload) = subscription.payload(said, &self.node_name) else { return };
        let sent = tokio::time::timeout(WAIT, self.send(&subscription, payload)).await;
        match sent.map_err(anyhow::Error::from).and_then(|sent| sent) {
            Ok(200..=299) => self.metrics.pushes.add(1),
            // RFC 8030 section 7.3: it is gone for good.
            Ok(404 | 410) => {
                let gone = Input::DeviceGone(device.account, device.key);
                self.inbox.push(Inbound::Inputs(vec![gone]));
            }
            Ok(status) => {
                self.metrics.pushes_failed.add(1);
                tracing::debug!(status, "a push service refuses a message");
            }
            Err(error) => {
                self.metrics.pushes_failed.add(1);
                tracing::debug!(%error, "a push service cannot be reached");
            }
        }
    }

    /// Sends one message; gives the status of the answer.
    async fn send(&self, subscription: &Subscription, payload: String) -> Result<u16> {
        let (host, port, path) = host_and_port(&subscription.endpoint).context("that is no endpoint")?;
        let public = PublicKey::from_sec1_bytes(&subscription.public)?;
        let body = web_push_native::encrypt(payload.into_bytes(), &public, &subscription.secret.into())?;
        let authority = if port == 443 { host.to_owned() } else { format!("{host}:{port}") };
        let authorization = self.vapid.authorization(&format!("https://{authority}"), &self.contact)?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\nTTL: {KEEP_S}\r\nUrgency: high\r\n\
             Authorization: {authorization}\r\nContent-Encoding: aes128gcm\r\nContent-Type: application/octet-stream\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let stream = TcpStream::connect(self.address(host, port).await?).await?;
        let mut way = self.connector.connect(ServerName::try_from(host.to_owned())?, stream).await?;
        way.write_all(head.as_bytes()).await?;
        way.write_all(&body).await?;
        way.flush().await?;
        let mut line = String::new();
        BufReader::new(way).take(HEAD_BYTES_MAX).read_line(&mut line).await?;
        line.split(' ').nth(1).and_then(|status| status.parse().ok()).context("it does not speak HTTP")
    }

    /// Where the service is, if that is where everybody can reach it. The name is looked up once, and what was found is what is called.
    async fn address(&self, host: &str, port: u16) -> Result<SocketAddr> {
        if let Some(at) = self.at {
            return Ok(SocketAddr::new(at, port));
        }
        let mut found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        ensure!(!found.is_empty(), "{host} has no address");
        found.retain(|address| is_public(address.ip()));
        if found.is_empty() {
            bail!("{host} is at an address that is not everybody's");
        }
        let chosen = usize::try_from(random_u64() % found.len() as u64)?;
        Ok(found[chosen])
    }
}

fn connector(roots: RootCertStore) -> Result<TlsConnector> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests;
