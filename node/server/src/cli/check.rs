//! `lavina config check`: says what is wrong with the configuration.

use super::{ConfigFile, Out};
use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

/// Work with the configuration
#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Say what is wrong with it
    Check(Check),
}

/// Say what is wrong with it
#[derive(Args)]
pub(super) struct Check {
    #[command(flatten)]
    config: ConfigFile,
}

impl ConfigCommand {
    pub(super) fn run(self, out: Out) -> Result<()> {
        let Self::Check(check) = self;
        let config = check.config.load()?;
        let file = config.file.as_ref().map(|file| file.display().to_string());
        out.say(&json!({ "ok": true, "file": file }), || match &file {
            Some(file) => format!("{file} is right: {} of {}.", config.name, config.domain),
            None => "There is no lavina.toml here; `lavina serve` would run a mesh of one node on loopback.".to_owned(),
        })
    }
}
