//! TLS towards clients: the certificate, and what channels are bound to.

use crate::worker::TlsSettings;
use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::path::Path;
use std::sync::Arc;

/// Reads certificate chain and key. `alpn`: what the listener speaks (RFC 7301); a client that asks for nothing is taken too.
pub(crate) fn settings(certificate: &Path, key: &Path, alpn: &str) -> Result<TlsSettings> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read the certificate {}", certificate.display()))?;
    let key_der = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read the certificate's key {}", key.display()))?;
    let Some(first) = chain.first() else {
        anyhow::bail!("{} holds no certificate", certificate.display());
    };
    let server_end_point = server_end_point(first);
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .with_context(|| format!("{} and {} do not fit together", certificate.display(), key.display()))?;
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    Ok(TlsSettings { config: Arc::new(config), server_end_point })
}

/// `tls-server-end-point` (RFC 5929 section 4.1): the certificate hashed with the hash of its signature, or SHA-256 where that is weaker.
fn server_end_point(certificate: &[u8]) -> Arc<[u8]> {
    // DER of the algorithm identifiers (RFC 5758 section 3.2, RFC 8017 appendix C).
    const SHA384: [&[u8]; 2] = [&[6, 8, 42, 134, 72, 206, 61, 4, 3, 3], &[6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 12]];
    const SHA512: [&[u8]; 2] = [&[6, 8, 42, 134, 72, 206, 61, 4, 3, 4], &[6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 13]];
    let names_any = |identifiers: [&[u8]; 2]| {
        identifiers.iter().any(|identifier| certificate.windows(identifier.len()).any(|window| window == *identifier))
    };
    if names_any(SHA512) {
        Arc::from(Sha512::digest(certificate).as_slice())
    } else if names_any(SHA384) {
        Arc::from(Sha384::digest(certificate).as_slice())
    } else {
        Arc::from(Sha256::digest(certificate).as_slice())
    }
}
