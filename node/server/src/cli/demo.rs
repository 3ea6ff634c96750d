//! `lavina demo`: three nodes here, and a prompt to cut, heal, kill and start them.

use super::{Out, runtime};
use crate::demo::{Command, Demo as Nodes, News, WATCH_PERIOD};
use anyhow::Result;
use clap::Args;
use std::io::{BufRead, IsTerminal, Write};
use tokio::sync::mpsc;

/// Lines typed and not yet carried out.
const LINES_MAX: usize = 16;

/// Run three nodes in three regions here, with delays, and cut and heal them
#[derive(Args)]
pub(super) struct Demo {}

impl Demo {
    pub(super) fn run(self, out: Out) -> Result<()> {
        let runtime = runtime()?;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, drive(out))
    }
}

/// Lines of standard input; the channel closes at its end.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(LINES_MAX);
    // Ends with the process: reading a terminal cannot be called off.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn tell(out: Out, news: &[News]) -> Result<()> {
    news.iter().try_for_each(|news| out.say(news, || news.to_string()))
}

fn prompt(interactive: bool) {
    if interactive {
        print!("demo> ");
        // A prompt that does not show is no reason to end.
        let _ = std::io::stdout().flush();
    }
}

async fn drive(out: Out) -> Result<()> {
    let interactive = std::io::stdin().is_terminal() && !out.json;
    let (mut nodes, ready) = Nodes::start().await?;
    tell(out, &[ready])?;
    let mut lines = lines();
    let mut watch = tokio::time::interval(WATCH_PERIOD);
    prompt(interactive);
    let done = loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { break Ok(()) };
                match Command::parse(&line) {
                    Ok(Some(Command::Quit)) => break Ok(()),
                    Ok(Some(command)) => match nodes.carry_out(command).await {
                        Ok(news) => tell(out, &news)?,
                        Err(error) => complain(out, &format!("{error:#}"))?,
                    },
                    Ok(None) => {}
                    Err(error) => complain(out, &error)?,
                }
                prompt(interactive);
            }
            _ = watch.tick() => {
                let news = nodes.watch().await;
                if !news.is_empty() {
                    if interactive {
                        println!();
                    }
                    tell(out, &news)?;
                    prompt(interactive);
                }
            }
            stop = tokio::signal::ctrl_c() => break stop.map_err(Into::into),
        }
    };
    nodes.stop().await;
    done
}

fn complain(out: Out, error: &str) -> Result<()> {
    out.say(&serde_json::json!({ "event": "error", "error": error }), || error.to_owned())
}
