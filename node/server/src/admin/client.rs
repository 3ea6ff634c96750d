//! The commands' way to a running node: one HTTP/1.1 request (RFC 9112) over the loopback interface.

use crate::admin::Refused;
use crate::config::Config;
use crate::identity::DataDir;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest wait for an answer: longer than the node's own.
const WAIT: Duration = Duration::from_secs(20);
/// Largest answer taken, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Asks with GET.
pub(crate) fn get<T: DeserializeOwned>(config: &Config, path: &str) -> Result<T> {
    let body = request(config, "GET", path, "", "")?;
    serde_json::from_slice(&body).context("the node's answer is not understood; is it of another version?")
}

/// Asks with POST.
pub(crate) fn post(config: &Config, path: &str, body: &impl Serialize) -> Result<Vec<u8>> {
    let file = DataDir::new(&config.data).admin_token();
    let token = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}: has the node run yet, and may you read its data?", file.display()))?;
    request(config, "POST", path, &format!("Authorization: Bearer {}\r\n", token.trim()), &serde_json::to_string(body)?)
}

fn request(config: &Config, method: &str, path: &str, headers: &str, body: &str) -> Result<Vec<u8>> {
    let Some(address) = config.listen.admin else {
        bail!("the node has no admin address: set `admin` in the configuration");
    };
    let mut stream = TcpStream::connect_timeout(&address, WAIT)
        .with_context(|| format!("no node answers at {address}: is `lavina serve` running?"))?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let (status, body) = split(&answer).context("the answer is not HTTP: does another program have the admin port?")?;
    if (200..300).contains(&status) {
        return Ok(body.to_vec());
    }
    match serde_json::from_slice::<Refused>(body) {
        Ok(refused) => bail!("{}", refused.error),
        Err(_) => bail!("the node answers with HTTP status {status}"),
    }
}

/// Status and body of an answer with a length or with none, which is all the node sends.
fn split(answer: &[u8]) -> Option<(u16, &[u8])> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.get(end + 4..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_split_and_what_is_none_is_refused() {
        assert_eq!(split(b"HTTP/1.1 201 Created\r\nA: b\r\n\r\nhi"), Some((201, b"hi".as_slice())));
        assert_eq!(split(b":irc.example NOTICE * :hello\r\n"), None);
        assert_eq!(split(b"\r\n\r\n"), None);
    }
}
