//! TLS towards clients: the certificate, and what channels are bound to.

use crate::worker::TlsSettings;
use anyhow::{Context, Result};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::path::Path;
use std::sync::Arc;

/// Reads certificate chain and key. `alpn`: what the listener speaks (RFC 7301); a client that asks for nothing is taken too.
pub(crate) fn settings(certificate: &Path, key: &Path, alpn: &[&str]) -> Result<TlsSettings> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("cannot read the certificate {}", certificate.display()))?;
    let key_der = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("cannot read the certificate's key {}", key.display()))?;
    let Some(first) = chain.first() else {
        anyhow::bail!("{} holds no certificate", certificate.display());
    };
    let server_end_point = server_end_point(first);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let anybody = Arc::new(AnyCertificate(Arc::clone(&provider)));
    let unfit = || format!("{} and {} do not fit together", certificate.display(), key.display());
    let begun = |provider| -> Result<_> {
        Ok(ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?)
    };
    let asking = begun(Arc::clone(&provider))?.with_client_cert_verifier(anybody);
    let asking = asking.with_single_cert(chain.clone(), key_der.clone_key()).with_context(unfit)?;
    let silent = begun(provider)?.with_no_client_auth().with_single_cert(chain, key_der).with_context(unfit)?;
    let speaking = |mut config: ServerConfig| {
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    };
    Ok(TlsSettings { config: speaking(asking), for_browsers: speaking(silent), server_end_point })
}

/// Takes any certificate of a client, or none: it is not who signed it that says who somebody is, but that the account named it. The handshake
/// proves that the client has the key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
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
