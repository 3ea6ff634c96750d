//! The threads of a node, and word of one that panics or gives up.

use anyhow::{Context, Result};
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// The threads.
#[derive(Debug)]
pub(crate) struct Threads {
    handles: Vec<(&'static str, JoinHandle<()>)>,
    obituaries: mpsc::UnboundedSender<&'static str>,
    deaths: mpsc::UnboundedReceiver<&'static str>,
}

impl Default for Threads {
    fn default() -> Self {
        let (obituaries, deaths) = mpsc::unbounded_channel();
        Self { handles: Vec::new(), obituaries, deaths }
    }
}

/// Sends word when its thread panics, or has failed.
struct Obituary(&'static str, mpsc::UnboundedSender<&'static str>, bool);

impl Drop for Obituary {
    fn drop(&mut self) {
        if self.2 || std::thread::panicking() {
            let _ = self.1.send(self.0);
        }
    }
}

impl Threads {
    /// Starts a thread.
    pub(crate) fn spawn(&mut self, name: &'static str, run: impl FnOnce() + Send + 'static) -> Result<()> {
        self.spawn_fallible(name, move || {
            run();
            true
        })
    }

    /// Starts a thread that says whether it ended well: word of one that did not goes out as of one that panics.
    pub(crate) fn spawn_fallible(
        &mut self,
        name: &'static str,
        run: impl FnOnce() -> bool + Send + 'static,
    ) -> Result<()> {
        let obituary = Obituary(name, self.obituaries.clone(), false);
        let handle = std::thread::Builder::new()
            .name(format!("lavina-{name}"))
            .spawn(move || {
                let mut obituary = obituary;
                obituary.2 = !run();
            })
            .context("cannot start a thread")?;
        self.handles.push((name, handle));
        Ok(())
    }

    /// Waits until a thread panics or fails, and says which.
    pub(crate) async fn died(&mut self) -> &'static str {
        // This holds a sender itself, so the channel never closes.
        self.deaths.recv().await.unwrap_or("unknown")
    }

    /// Waits for the threads of that name to end.
    pub(crate) fn join(&mut self, name: &str) {
        let handles = std::mem::take(&mut self.handles);
        let (named, rest) = handles.into_iter().partition(|(known, _)| *known == name);
        self.handles = rest;
        join(named);
    }

    /// Waits for all the others to end.
    pub(crate) fn join_all(&mut self) {
        join(std::mem::take(&mut self.handles));
    }
}

fn join(handles: Vec<(&'static str, JoinHandle<()>)>) {
    for (name, handle) in handles {
        if handle.join().is_err() {
            tracing::error!(name, "a thread had panicked");
        }
    }
}
