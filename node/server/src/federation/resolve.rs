//! Where the server of a domain is: as it is configured, else by SRV records (RFC 6120 section 3.2; XEP-0368), else at the domain itself.

use super::dns;
use super::link::{self, Stream};
use crate::config::Host;
use hickory_proto::rr::rdata::SRV;
use lavina_protocols::xmpp::s2s::{Unreachable, dns_name};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};

/// Where servers speak to servers (RFC 6120 section 14.7).
const PORT: u16 = 5269;
/// Longest that one address may take to answer.
const CONNECT_WAIT: Duration = Duration::from_secs(8);
/// Longest that all of them may take: within the time that people wait for an error.
const ALL_WAIT: Duration = Duration::from_secs(30);
/// Most targets that are tried.
const TARGETS_MAX: usize = 8;

/// One place to try.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    priority: u16,
    /// By lot among those of one priority, the heavier the likelier.
    lot: u64,
    host: String,
    port: u16,
    direct: bool,
}

/// See the module's head.
pub(super) struct Finder {
    hosts: BTreeMap<String, Host>,
}

impl Finder {
    /// With what is configured.
    pub(super) fn new(hosts: &[Host]) -> Self {
        Self { hosts: hosts.iter().map(|host| (host.domain.clone(), host.clone())).collect() }
    }

    /// Connects to the server of a domain.
    pub(super) async fn connect(&self, domain: &str, certificate: &(PathBuf, PathBuf)) -> Result<Stream, Unreachable> {
        let domain = &dns_name(domain);
        let tried = async {
            let mut why = Unreachable::NotFound;
            for target in self.targets(domain).await {
                match try_target(&target, domain, certificate).await {
                    Ok(stream) => return Ok(stream),
                    Err(failed) => why = failed,
                }
            }
            Err(why)
        };
        tokio::time::timeout(ALL_WAIT, tried).await.unwrap_or(Err(Unreachable::Timeout))
    }

    async fn targets(&self, domain: &str) -> Vec<Target> {
        let one = |host: &str, port, direct| Target { priority: 0, lot: 0, host: host.to_owned(), port, direct };
        if let Some(host) = self.hosts.get(domain) {
            return vec![one(&host.host, host.port, host.direct_tls)];
        }
        let (direct, plain) =
            tokio::join!(srv(domain, "_xmpps-server._tcp", true), srv(domain, "_xmpp-server._tcp", false));
        let mut targets = [direct, plain].concat();
        if targets.is_empty() {
            return vec![one(domain, PORT, false)];
        }
        // RFC 2782: a target of `.` says that there is no such service.
        targets.retain(|target| !target.host.is_empty());
        targets.sort();
        targets.truncate(TARGETS_MAX);
        targets
    }
}

async fn srv(domain: &str, service: &str, direct: bool) -> Vec<Target> {
    let target = |srv: SRV| Target {
        priority: srv.priority,
        lot: crate::identity::random_u64() / (u64::from(srv.weight) + 1),
        host: srv.target.to_ascii().trim_end_matches('.').to_owned(),
        port: srv.port,
        direct,
    };
    dns::srv(&format!("{service}.{domain}.")).await.into_iter().map(target).collect()
}

async fn try_target(target: &Target, domain: &str, certificate: &(PathBuf, PathBuf)) -> Result<Stream, Unreachable> {
    let found = lookup_host((target.host.as_str(), target.port)).await;
    let addresses: Vec<_> = found.map_err(|_| Unreachable::NotFound)?.collect();
    if addresses.is_empty() {
        return Err(Unreachable::NotFound);
    }
    for address in addresses {
        let Ok(Ok(stream)) = tokio::time::timeout(CONNECT_WAIT, TcpStream::connect(address)).await else { continue };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        if !target.direct {
            return Ok(Stream::Plain(stream.into()));
        }
        match link::connect_tls(stream.into(), domain, certificate, true).await {
            Ok(stream) => return Ok(stream),
            Err(error) => tracing::debug!(domain, %address, error = %format!("{error:#}"), "no TLS with a server"),
        }
    }
    Err(Unreachable::Timeout)
}
