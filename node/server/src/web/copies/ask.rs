//! A request to another node's HTTP, and the head of its answer. Nodes have certificates of their own making, so any is taken: what they say is believed for
//! another reason.

use crate::any_certificate::AnyCertificate;
use anyhow::{Context, Result, bail};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::fmt;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, Take};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest head of an answer, in bytes.
const HEAD_BYTES_MAX: u64 = 16 * 1024;

/// Where another node serves HTTP.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    secure: bool,
    /// Host and perhaps port, as in the URL.
    authority: String,
    /// What comes before the path.
    prefix: String,
}

/// As a URL.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.prefix)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// What follows the head, as long as it says.
    pub(super) body: Take<BufReader<Box<dyn Way>>>,
}

/// A connection, with TLS or without.
pub(super) trait Way: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Way for T {}

impl Peer {
    /// From a URL without a slash at its end.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, prefix) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        (!authority.is_empty()).then(|| Self { secure, authority: authority.to_owned(), prefix: prefix.to_owned() })
    }

    fn address(&self) -> String {
        let port = self.authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let usual = if self.secure { 443 } else { 80 };
        if port.is_some() { self.authority.clone() } else { format!("{}:{usual}", self.authority) }
    }

    fn host(&self) -> &str {
        let host = self.authority.rsplit_once(':').map_or(self.authority.as_str(), |(host, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { &self.authority }
        });
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Asks, and reads the head of the answer (RFC 9112 section 2).
    pub(super) async fn ask(&self, method: &str, path: &str, headers: &str) -> Result<Answer> {
        let mut way = self.connect().await?;
        let request = format!(
            "{method} {}{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n",
            self.prefix, self.authority
        );
        way.write_all(request.as_bytes()).await?;
        way.flush().await?;
        let mut head = BufReader::new(way).take(HEAD_BYTES_MAX);
        let mut line = String::new();
        head.read_line(&mut line).await?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).context("it does not speak HTTP")?;
        let mut headers = HeaderMap::new();
        loop {
            line.clear();
            if head.read_line(&mut line).await? == 0 {
                bail!("its answer has no end of its head");
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value.trim())?);
        }
        let length = headers.get("content-length").and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0);
        Ok(Answer { status, headers, body: head.into_inner().take(length) })
    }

    async fn connect(&self) -> Result<Box<dyn Way>> {
        let stream = TcpStream::connect(self.address()).await?;
        if !self.secure {
            return Ok(Box::new(stream));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        let name = ServerName::try_from(self.host().to_owned())?;
        Ok(Box::new(TlsConnector::from(Arc::new(config)).connect(name, stream).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_where_its_url_says() {
        for (url, address, host, prefix) in [
            ("https://a.example", "a.example:443", "a.example", ""),
            ("http://10.0.0.1:5280/chat", "10.0.0.1:5280", "10.0.0.1", "/chat"),
            ("https://[2001:db8::1]:5443", "[2001:db8::1]:5443", "2001:db8::1", ""),
            ("https://[2001:db8::1]", "[2001:db8::1]:443", "2001:db8::1", ""),
        ] {
            let peer = Peer::parse(url).unwrap();
            assert_eq!((peer.address().as_str(), peer.host(), peer.prefix.as_str()), (address, host, prefix));
            assert_eq!(peer.to_string(), url);
        }
        assert_eq!(Peer::parse("ftp://a.example"), None);
    }
}
