//! A plain IRC client that waits for its answers: what measurements drive nodes with.

use anyhow::{Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for anything that does not come.
pub(super) const WAIT: Duration = Duration::from_secs(60);
/// Bytes read at once.
pub(super) const READ_BYTES: usize = 64 * 1024;
/// Messages under way at once: the node's answers keep the client from running ahead.
const WINDOW: u64 = 256;

/// The client.
pub(super) struct Client {
    reader: BufReader<TcpStream>,
    line: String,
}

impl Client {
    /// Connects and waits for the welcome's end (ERR_NOMOTD or RPL_ENDOFMOTD).
    pub(super) fn connect(irc: SocketAddr, nick: &str) -> Result<Self> {
        Self::begin(irc, nick, "")
    }

    /// [`Client::connect`] with capabilities.
    pub(super) fn capable(irc: SocketAddr, nick: &str, caps: &str) -> Result<Self> {
        Self::begin(irc, nick, &format!("CAP REQ :{caps}\r\nCAP END\r\n"))
    }

    fn begin(irc: SocketAddr, nick: &str, caps: &str) -> Result<Self> {
        let stream = TcpStream::connect(irc)?;
        stream.set_read_timeout(Some(WAIT))?;
        stream.set_nodelay(true)?;
        let mut client = Self { reader: BufReader::with_capacity(READ_BYTES, stream), line: String::new() };
        client.send(&format!("NICK {nick}\r\nUSER bench 0 * :bench\r\n{caps}"))?;
        client.until(|line| matches!(line.split(' ').nth(1), Some("376" | "422")))?;
        Ok(client)
    }

    /// [`Client::connect`], and enters a room.
    pub(super) fn enter(irc: SocketAddr, nick: &str, room: &str) -> Result<Self> {
        let mut client = Self::connect(irc, nick)?;
        client.send(&format!("JOIN {room}\r\n"))?;
        // RPL_ENDOFNAMES ends what a JOIN brings.
        client.until(|line| line.split(' ').nth(1) == Some("366"))?;
        Ok(client)
    }

    /// Sends lines.
    pub(super) fn send(&self, lines: &str) -> Result<()> {
        Ok(self.reader.get_ref().write_all(lines.as_bytes())?)
    }

    /// Reads until a line is what is waited for, and returns it.
    pub(super) fn until(&mut self, wanted: impl Fn(&str) -> bool) -> Result<&str> {
        loop {
            self.line.clear();
            if self.reader.read_line(&mut self.line)? == 0 {
                bail!("the node has closed a client's connection");
            }
            if let Some(token) = self.line.strip_prefix("PING ") {
                self.reader.get_ref().write_all(format!("PONG {token}").as_bytes())?;
            } else if wanted(&self.line) {
                return Ok(&self.line);
            }
        }
    }

    /// Waits until everything sent before is done: a PONG waits behind it.
    pub(super) fn barrier(&mut self) -> Result<()> {
        self.send("PING :window\r\n")?;
        self.until(|line| line.contains(" PONG "))?;
        Ok(())
    }

    /// Says `count` things, a window at a time.
    pub(super) fn say(&mut self, room: &str, count: u64, text: impl Fn(u64) -> String) -> Result<()> {
        let mut said = 0;
        while said < count {
            let window = WINDOW.min(count - said);
            let lines: String =
                (said..said + window).map(|number| format!("PRIVMSG {room} :{}\r\n", text(number))).collect();
            self.send(&lines)?;
            self.barrier()?;
            said += window;
        }
        Ok(())
    }

    /// For who only reads.
    pub(super) fn into_reader(self) -> BufReader<TcpStream> {
        self.reader
    }
}
