//! Fan-out: senders fill one room, receivers count, the node's CPU time is read from the kernel.
//!
//! The clients are as cheap as they can be (blocking reads of large buffers on a few threads), since they share the machine with the node.

use super::client::{Client, READ_BYTES, WAIT};
use crate::config::{Config, Listen, render};
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use std::fmt;
use std::io::{BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where they talk.
const ROOM: &str = "#bench";
/// Most receivers: below the usual limit of descriptors of one process.
const RECEIVERS_MAX: usize = 900;

/// Messages through one room to many clients over loopback
#[derive(Args)]
pub(crate) struct Fanout {
    /// Clients that receive
    #[arg(long, default_value_t = 100)]
    receivers: usize,
    /// Clients that send
    #[arg(long, default_value_t = 4)]
    senders: usize,
    /// Messages in all
    #[arg(long, default_value_t = 20_000)]
    messages: u64,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    receivers: usize,
    messages: u64,
    deliveries: u64,
    seconds: f64,
    deliveries_per_second: f64,
    node_cpu_seconds: f64,
    node_cpu_seconds_per_million: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages to {} clients: {:.0} deliveries/s, {:.3} CPU seconds of the node a million ({:.2} s, {:.2} s CPU)",
            self.messages,
            self.receivers,
            self.deliveries_per_second,
            self.node_cpu_seconds_per_million,
            self.seconds,
            self.node_cpu_seconds
        )
    }
}

/// A node in its own process; both go away together.
struct NodeProcess {
    child: Child,
    directory: PathBuf,
    irc: SocketAddr,
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl NodeProcess {
    fn start() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("lavina-bench-{:016x}", crate::identity::random_u64()));
        let binary = std::env::current_exe()?;
        let made = Command::new(&binary)
            .args(["init", "localhost", "--region", "local", "--zone", "a", "--dir"])
            .arg(&directory)
            .stdout(Stdio::null())
            .status()?;
        if !made.success() {
            bail!("the node cannot be made");
        }
        let irc = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let file = directory.join(crate::config::FILE_NAME);
        let mut config = Config::load(&file)?;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        config.listen = Listen { irc: vec![irc.into()], mesh: Some(any), ..Listen::default() };
        config.advertise.clear();
        std::fs::write(&file, render(&config, Path::new("data")))?;
        let child = Command::new(&binary)
            .args(["serve", "--no-flood-limit", "--config"])
            .arg(&file)
            .env("LAVINA_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()?;
        let node = Self { child, directory, irc };
        let until = Instant::now() + WAIT;
        while TcpStream::connect(irc).is_err() {
            if Instant::now() > until {
                bail!("the node does not start");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(node)
    }

    /// User and system time of all its threads (proc(5), fields 14 and 15 of stat, in ticks of 10 ms).
    fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit_once(") ").context("the kernel's stat is not understood")?.1;
        let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Fanout {
    /// Measures.
    pub(crate) fn measure(&self) -> Result<Measured> {
        let receivers = self.receivers.clamp(1, RECEIVERS_MAX);
        let senders = self.senders.clamp(1, 64);
        let node = NodeProcess::start()?;
        let inside: Vec<_> =
            (0..receivers).map(|index| Client::enter(node.irc, &format!("r{index}"), ROOM)).collect::<Result<_>>()?;
        let speakers: Vec<_> =
            (0..senders).map(|index| Client::enter(node.irc, &format!("s{index}"), ROOM)).collect::<Result<_>>()?;
        let counted = Arc::new(AtomicU64::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let share = self.messages / u64::try_from(senders)?;
        let messages = share * u64::try_from(senders)?;
        let wanted = messages * u64::try_from(receivers)?;
        let readers: Vec<_> =
            inside.into_iter().map(|reader| spawn_reader(reader.into_reader(), &counted, &done)).collect();
        let (cpu, started) = (node.cpu()?, Instant::now());
        let text = |number| format!("message {number} of many, about as long as people write ~");
        let writers: Vec<_> = speakers
            .into_iter()
            .map(|mut speaker| std::thread::spawn(move || speaker.say(ROOM, share, text)))
            .collect();
        let until = started + WAIT * 4;
        while counted.load(Ordering::Relaxed) < wanted && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        let (seconds, cpu) = (started.elapsed().as_secs_f64(), node.cpu()?.saturating_sub(cpu).as_secs_f64());
        done.store(true, Ordering::Relaxed);
        for writer in writers {
            writer.join().map_err(|_| anyhow::anyhow!("a sender has failed"))??;
        }
        drop(node);
        for reader in readers {
            let _ = reader.join();
        }
        let deliveries = counted.load(Ordering::Relaxed);
        if deliveries < wanted {
            bail!("only {deliveries} of {wanted} deliveries came");
        }
        let millions = Duration::from_micros(deliveries).as_secs_f64();
        Ok(Measured {
            receivers,
            messages,
            deliveries,
            seconds,
            deliveries_per_second: millions * 1e6 / seconds,
            node_cpu_seconds: cpu,
            node_cpu_seconds_per_million: cpu / millions,
        })
    }
}

/// Counts messages: each ends with a byte that nothing else has.
fn spawn_reader(
    mut reader: BufReader<TcpStream>,
    counted: &Arc<AtomicU64>,
    done: &Arc<AtomicBool>,
) -> std::thread::JoinHandle<()> {
    let (counted, done) = (Arc::clone(counted), Arc::clone(done));
    std::thread::spawn(move || {
        let mut buffer = vec![0; READ_BYTES];
        while !done.load(Ordering::Relaxed) {
            let Ok(taken @ 1..) = reader.read(&mut buffer) else { return };
            let ends = buffer.iter().take(taken).filter(|byte| **byte == b'~').count();
            counted.fetch_add(u64::try_from(ends).unwrap_or(0), Ordering::Relaxed);
        }
    })
}
