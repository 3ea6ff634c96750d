//! Certificates of other servers: who is trusted to have signed them, and for which domains they are.
//!
//! A handshake takes any certificate, since who has none that is trusted may still prove who it is by dialback; what one is worth is asked afterwards,
//! for the domain that matters. What the handshake itself proves is that the other side has the key.

use crate::any_certificate::AnyCertificate;
use anyhow::{Context, Result};
use lavina_protocols::xmpp::s2s::{Certificate, PeerTls, dns_name};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::path::Path;
use std::sync::Arc;

/// How servers say in TLS what they speak (XEP-0368 section 3).
pub(crate) const ALPN: &[&str] = &["xmpp-server"];

/// Who is trusted.
#[derive(Debug)]
pub(super) struct Trust {
    /// Nobody, where there is no authority at all.
    verifier: Option<Arc<WebPkiServerVerifier>>,
}

impl Trust {
    /// The authorities of a file, else those of this machine.
    pub(super) fn load(authority: Option<&Path>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        match authority {
            Some(path) => {
                let certificates = CertificateDer::pem_file_iter(path)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                    .with_context(|| format!("cannot read the authorities in {}", path.display()))?;
                let (taken, _) = roots.add_parsable_certificates(certificates);
                anyhow::ensure!(taken > 0, "{} holds no authority", path.display());
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    tracing::warn!("this machine knows no authorities, so no other server's certificate is trusted");
                }
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = match roots.is_empty() {
            true => None,
            false => Some(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?),
        };
        Ok(Self { verifier })
    }

    /// What the other side has shown.
    pub(super) fn peer(self: &Arc<Self>, shown: Option<&[CertificateDer<'static>]>) -> PeerTls {
        let chain = shown.filter(|chain| !chain.is_empty()).map(<[_]>::to_vec);
        let certificate = chain.map(|chain| Arc::new(Shown { trust: Arc::clone(self), chain }) as Arc<dyn Certificate>);
        PeerTls { certificate }
    }
}

/// A chain of certificates.
#[derive(Debug)]
struct Shown {
    trust: Arc<Trust>,
    chain: Vec<CertificateDer<'static>>,
}

impl Certificate for Shown {
    fn is_for(&self, domain: &str) -> bool {
        let (Some(verifier), Some((own, between))) = (&self.trust.verifier, self.chain.split_first()) else {
            return false;
        };
        let domain = dns_name(domain);
        let Ok(name) = ServerName::try_from(domain.as_ref()) else { return false };
        let verified = verifier.verify_server_cert(own, between, &name, &[], UnixTime::now());
        if let Err(error) = &verified {
            tracing::debug!(%domain, %error, "a server's certificate is not trusted");
        }
        verified.is_ok()
    }
}

/// How this node is the client of TLS towards another server: with its own certificate, by which the other side may know it.
pub(super) fn client_config(certificate: &Path, key: &Path, direct: bool) -> Result<ClientConfig> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read the certificate {}", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read the certificate's key {}", key.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let anybody = Arc::new(AnyCertificate(Arc::clone(&provider)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(anybody)
        .with_client_auth_cert(chain, key)?;
    if direct {
        config.alpn_protocols = ALPN.iter().map(|name| name.as_bytes().to_vec()).collect();
    }
    Ok(config)
}
