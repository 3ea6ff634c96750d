//! Three nodes in three regions in one process: real QUIC over emulated distances, real stores in a directory that goes away with them.
//!
//! Drive it: [`Demo::start`], then [`Demo::carry_out`] for each command and [`Demo::watch`] a few times a second; both give [`News`] to show.

mod command;
mod field;
mod news;
mod node;
mod speaker;
mod watch;

pub(crate) use command::Command;
pub(crate) use news::News;

use anyhow::{Result, bail};
use field::Field;
use std::time::{Duration, Instant};
use watch::Watch;

/// Longest wait for the nodes to find one another at the start.
const READY_WAIT: Duration = Duration::from_secs(20);
/// Time between two looks at the nodes.
pub(crate) const WATCH_PERIOD: Duration = Duration::from_millis(250);

/// The three nodes.
pub(crate) struct Demo {
    field: Field,
    watch: Watch,
}

impl Demo {
    /// Starts the nodes, waits until they are connected and makes the accounts.
    ///
    /// # Errors
    /// When a node cannot start.
    pub(crate) async fn start() -> Result<(Self, News)> {
        let mut field = Field::new()?;
        field.start_all()?;
        field.wait_until_whole(READY_WAIT).await?;
        let accounts = field.make_accounts().await?;
        field.wait_until_whole(READY_WAIT).await?;
        let news = News::Ready { nodes: field.nodes.iter().map(node::listing).collect(), accounts };
        let watch = Watch::new(&field.statuses().await);
        Ok((Self { field, watch }, news))
    }

    /// Carries a command out.
    ///
    /// # Errors
    /// When it makes no sense, as text for who typed it.
    pub(crate) async fn carry_out(&mut self, command: Command) -> Result<Vec<News>> {
        let news = match command {
            Command::Cut(regions) => self.field.cut(&regions).map(|()| self.links())?,
            Command::Heal => {
                self.field.heal();
                self.links()
            }
            Command::Lag(from, to, delay) => self.field.lag(&from, &to, delay).map(|()| self.links())?,
            Command::Kill(node) => self.field.kill(&node).await.map(|()| News::Stopped { node })?,
            Command::Start(node) => self.field.start(&node).map(|()| News::Started { node })?,
            Command::Say(node, text) => self.field.say(&node, &text).await.map(|()| News::Said { node, text })?,
            Command::Wait(time) => return Ok(self.wait(time).await),
            Command::Settle => return self.settle().await,
            Command::Status => self.status().await,
            Command::Help => News::Help,
            Command::Quit => return Ok(Vec::new()),
        };
        if matches!(news, News::Links { .. } | News::Started { .. }) {
            self.watch.note(self.field.is_disturbed());
        }
        Ok(vec![news])
    }

    fn links(&self) -> News {
        News::Links { links: self.field.links() }
    }

    /// Looks at the nodes once.
    pub(crate) async fn watch(&mut self) -> Vec<News> {
        let statuses = self.field.statuses().await;
        self.watch.look(&statuses, self.field.is_disturbed())
    }

    async fn wait(&mut self, time: Duration) -> Vec<News> {
        let until = Instant::now() + time;
        let mut news = Vec::new();
        while Instant::now() < until {
            news.extend(self.watch().await);
            tokio::time::sleep(WATCH_PERIOD.min(until.saturating_duration_since(Instant::now()))).await;
        }
        news
    }

    async fn settle(&mut self) -> Result<Vec<News>> {
        let until = Instant::now() + READY_WAIT;
        let mut news = Vec::new();
        loop {
            news.extend(self.watch().await);
            if self.watch.is_whole() {
                return Ok(news);
            }
            if Instant::now() > until {
                bail!("the nodes do not become equal; is there a cut?");
            }
            tokio::time::sleep(WATCH_PERIOD).await;
        }
    }

    async fn status(&mut self) -> News {
        let statuses = self.field.statuses().await;
        News::Status { nodes: news::views(&statuses), links: self.field.links() }
    }

    /// Ends all nodes.
    pub(crate) async fn stop(self) {
        self.field.stop().await;
    }
}
