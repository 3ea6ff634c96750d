//! How long a node that was killed takes to serve again with a large store: a process of its own, ended as by `kill -9` in the middle of its work.

use super::catchup;
use crate::bench::client::Client;
use crate::identity::DataDir;
use crate::local::free_port;
use anyhow::{Context, Result, bail};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Clients that fill the store, and bytes of each of their messages: nearly a line (RFC 2812 section 2.3).
const WRITERS: u64 = 8;
const TEXT_BYTES: usize = 380;
/// Messages of each between two looks at the store.
const PART: u64 = 4_096;
/// How often the node is killed; the median is told.
const KILLS: usize = 5;
/// Longest wait for a node to take clients.
const WAIT: Duration = Duration::from_secs(60);
/// Between two tries to connect.
const TRY_PERIOD: Duration = Duration::from_millis(1);

/// What was measured.
pub(super) struct Restart {
    /// From the start of the process until a client has been welcomed, milliseconds, in the median.
    pub(super) milliseconds: f64,
    /// Bytes of the store.
    pub(super) store_bytes: u64,
}

/// A node in a process and a folder of its own; both go away with it.
struct Process {
    folder: PathBuf,
    irc: SocketAddr,
    child: Option<Child>,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Process {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("lavina-bench-{:016x}", crate::identity::random_u64()));
        let made =
            lavina()?.args(["init", "localhost", "--region", "r", "--zone", "z", "--dir"]).arg(&folder).output()?;
        if !made.status.success() {
            bail!("no node could be made: {}", String::from_utf8_lossy(&made.stderr));
        }
        let (irc, mesh, admin) = (free_port(0)?, free_port(0)?, free_port(0)?);
        let data = folder.join("data");
        let text = format!(
            "domain = \"localhost\"\nname = \"r-1\"\nregion = \"r\"\nzone = \"z\"\ndata = {data:?}\n\
             irc = \"{irc}\"\nmesh = \"{mesh}\"\nadmin = \"{admin}\"\n"
        );
        std::fs::write(folder.join("lavina.toml"), text)?;
        Ok(Self { folder, irc, child: None })
    }

    /// Starts it; says how long it took until a client was welcomed.
    fn start(&mut self) -> Result<Duration> {
        let started = Instant::now();
        let mut serve = lavina()?;
        serve.args(["serve", "--no-flood-limit", "--config"]).arg(self.folder.join("lavina.toml"));
        self.child = Some(serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        while TcpStream::connect(self.irc).is_err() {
            if started.elapsed() > WAIT {
                bail!("the node takes no clients");
            }
            std::thread::sleep(TRY_PERIOD);
        }
        Client::connect(self.irc, "first")?;
        Ok(started.elapsed())
    }

    fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    fn store_bytes(&self) -> Result<u64> {
        Ok(std::fs::metadata(DataDir::new(&self.folder.join("data")).store())?.len())
    }
}

fn lavina() -> Result<Command> {
    Ok(Command::new(std::env::current_exe().context("this program's file is not known")?))
}

/// A text that takes its own size on the disk, as encrypted ones do.
fn text(seed: u64) -> String {
    let mut reader = blake3::Hasher::new_derive_key("lavina 1 bench text").update(&seed.to_be_bytes()).finalize_xof();
    let mut bytes = [0; TEXT_BYTES];
    reader.fill(&mut bytes);
    bytes.iter().map(|byte| char::from(b'!' + byte % 90)).collect()
}

/// Measures with a store of so many megabytes.
pub(super) fn measure(megabytes: u64) -> Result<Restart> {
    let mut node = Process::new()?;
    node.start()?;
    let mut part = 0;
    while node.store_bytes()? < megabytes * 1_000_000 {
        fill(node.irc, part, text)?;
        part += 1;
    }
    let mut took = Vec::new();
    for _ in 0..KILLS {
        // Something is under way when it ends.
        fill(node.irc, part, catchup::text)?;
        part += 1;
        node.kill()?;
        took.push(node.start()?.as_secs_f64() * 1_000.0);
    }
    took.sort_by(f64::total_cmp);
    Ok(Restart { milliseconds: super::median(&took), store_bytes: node.store_bytes()? })
}

/// Has all writers say a part.
fn fill(irc: SocketAddr, part: u64, text: fn(u64) -> String) -> Result<()> {
    let writers: Vec<_> = (0..WRITERS)
        .map(|room| {
            std::thread::spawn(move || {
                let name = format!("#fill{room}");
                let own = move |number| text((part * WRITERS + room) * PART + number);
                Client::enter(irc, &format!("w{room}-{part}"), &name)?.say(&name, PART, own)
            })
        })
        .collect();
    for writer in writers {
        writer.join().ok().context("a writer has failed")??;
    }
    Ok(())
}
