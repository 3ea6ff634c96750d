//! SRV records (RFC 2782), asked for at the resolver of this machine: what the system's own look-up of addresses does not do.
//!
//! Knows nothing of what the records are for. Answers are as far to be believed as the way to the resolver is: who a server is, its certificate says.

use anyhow::{Context, Result};
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::SRV;
use hickory_proto::rr::{Name, RData, RecordType};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// Where the resolvers of this machine are named (resolv.conf, man page of section 5).
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Most of them that are asked, one after the other.
const RESOLVERS_MAX: usize = 3;
/// How long one of them may take.
const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// How often each is asked by datagrams, which may be lost.
const ATTEMPTS: usize = 2;
/// Largest answer in one datagram that does not set another bound (RFC 1035 section 2.3.4), and some room.
const DATAGRAM_BYTES: usize = 4096;
/// Port of resolvers.
const PORT: u16 = 53;

/// The SRV records of a name; none where there are none, or nobody says.
pub(super) async fn srv(name: &str) -> Vec<SRV> {
    for resolver in resolvers(Path::new(RESOLV_CONF)) {
        match ask(resolver, name).await {
            Ok(records) => return records,
            Err(error) => tracing::debug!(%resolver, name, error = %format!("{error:#}"), "no answer of a resolver"),
        }
    }
    Vec::new()
}

fn resolvers(file: &Path) -> Vec<SocketAddr> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let named = named(&text);
    // Without any the one on this machine is asked.
    if named.is_empty() { vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT)] } else { named }
}

fn named(text: &str) -> Vec<SocketAddr> {
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
        address.parse::<IpAddr>().ok()
    });
    addresses.take(RESOLVERS_MAX).map(|address| SocketAddr::new(address, PORT)).collect()
}

async fn ask(resolver: SocketAddr, name: &str) -> Result<Vec<SRV>> {
    let number = u16::try_from(crate::identity::random_u64() >> 48).unwrap_or_default();
    let mut question = Message::new(number, MessageType::Query, OpCode::Query);
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(Name::from_ascii(name)?, RecordType::SRV));
    let bytes = question.to_vec()?;
    let mut answer = None;
    for _ in 0..ATTEMPTS {
        if let Ok(said) = tokio::time::timeout(ANSWER_WAIT, by_datagram(resolver, &question, &bytes)).await {
            answer = Some(said?);
            break;
        }
    }
    let mut answer = answer.context("no answer in time")?;
    if answer.metadata.truncation {
        answer = tokio::time::timeout(ANSWER_WAIT, by_stream(resolver, &question, &bytes)).await??;
    }
    let records = answer
        .answers
        .into_iter()
        .filter_map(|record| if let RData::SRV(srv) = record.data { Some(srv) } else { None });
    Ok(records.collect())
}

async fn by_datagram(resolver: SocketAddr, question: &Message, bytes: &[u8]) -> Result<Message> {
    let any: SocketAddr = if resolver.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    // Only the resolver is heard from here on.
    socket.connect(resolver).await?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; DATAGRAM_BYTES];
    loop {
        let count = socket.recv(&mut buffer).await?;
        let said = Message::from_vec(buffer.get(..count).unwrap_or_default());
        if let Some(answer) = said.ok().filter(|said| is_answer(said, question)) {
            return Ok(answer);
        }
    }
}

/// RFC 7766: what does not fit into a datagram.
async fn by_stream(resolver: SocketAddr, question: &Message, bytes: &[u8]) -> Result<Message> {
    let mut stream = TcpStream::connect(resolver).await?;
    stream.write_u16(u16::try_from(bytes.len())?).await?;
    stream.write_all(bytes).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Message::from_vec(&answer).ok().filter(|said| is_answer(said, question)).context("no answer to the question")
}

fn is_answer(said: &Message, question: &Message) -> bool {
    said.metadata.id == question.metadata.id && said.queries == question.queries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resolvers_of_the_machine_are_asked_in_their_order() {
        let text = "# comment\nsearch example\nnameserver 192.0.2.1\n  nameserver\t2001:db8::1 \nnameserver x\nnameservers 192.0.2.9\n";
        let expected: Vec<SocketAddr> = ["192.0.2.1:53", "[2001:db8::1]:53"].map(|text| text.parse().unwrap()).into();
        assert_eq!(named(text), expected);
        assert_eq!(named("nameserver 192.0.2.1\n".repeat(9).as_str()).len(), RESOLVERS_MAX);
    }
}
