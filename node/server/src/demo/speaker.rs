//! A small IRC client for the demo's `say`.

use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Where it talks.
const ROOM: &str = "#lobby";
/// Longest wait for the server.
const WAIT: Duration = Duration::from_secs(10);
/// Lines waiting to be sent.
const LINES_MAX: usize = 64;

/// The client.
pub(super) struct Speaker {
    lines: mpsc::Sender<String>,
    task: JoinHandle<()>,
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Speaker {
    /// Connects and enters the room.
    pub(super) async fn connect(address: SocketAddr, nick: &str) -> Result<Self> {
        let (read, mut write) = TcpStream::connect(address).await.context("the node takes no client")?.into_split();
        let mut read = BufReader::new(read).lines();
        let hello = format!("NICK {nick}\r\nUSER demo 0 * :the demo\r\nJOIN {ROOM}\r\n");
        write.write_all(hello.as_bytes()).await?;
        let entered = async {
            while let Some(line) = read.next_line().await? {
                if answer_ping(&line, &mut write).await? {
                    continue;
                }
                // RPL_ENDOFNAMES ends what a JOIN brings.
                if line.split(' ').nth(1) == Some("366") {
                    return Ok(());
                }
            }
            bail!("the node has closed the connection")
        };
        tokio::time::timeout(WAIT, entered).await.context("the node does not let the demo into its room")??;
        let (lines, queue) = mpsc::channel(LINES_MAX);
        Ok(Self { lines, task: tokio::spawn(talk(read, write, queue)) })
    }

    /// Whether it is still connected.
    pub(super) fn is_open(&self) -> bool {
        !self.task.is_finished()
    }

    /// Says something.
    pub(super) async fn say(&mut self, text: &str) -> Result<()> {
        self.lines.send(format!("PRIVMSG {ROOM} :{text}\r\n")).await.context("the node has closed the connection")
    }
}

async fn answer_ping(line: &str, write: &mut OwnedWriteHalf) -> std::io::Result<bool> {
    let Some(token) = line.strip_prefix("PING ") else { return Ok(false) };
    write.write_all(format!("PONG {token}\r\n").as_bytes()).await?;
    Ok(true)
}

async fn talk(mut read: Lines<BufReader<OwnedReadHalf>>, mut write: OwnedWriteHalf, mut queue: mpsc::Receiver<String>) {
    loop {
        let done = tokio::select! {
            line = read.next_line() => match line {
                Ok(Some(line)) => answer_ping(&line, &mut write).await.map(|_| ()),
                Ok(None) | Err(_) => return,
            },
            line = queue.recv() => match line {
                Some(line) => write.write_all(line.as_bytes()).await,
                None => return,
            },
        };
        if done.is_err() {
            return;
        }
    }
}
