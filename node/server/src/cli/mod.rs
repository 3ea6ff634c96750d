//! The commands, one file each. Nothing else prints.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "commands talk to who typed them")]

mod account;
mod bench;
mod check;
mod demo;
mod duration;
mod init;
mod invite;
mod join;
mod listing;
mod log;
mod node;
mod operator;
mod place;
mod serve;
#[cfg(feature = "sim")]
mod sim;
mod status;
mod ticket;

use crate::config::Config;
use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// A chat server that is a mesh: IRC and XMPP, no leader, no database.
#[derive(Parser)]
#[command(name = "lavina", version, propagate_version = true)]
struct Cli {
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new mesh and its first node
    Init(init::Init),
    /// Run the node
    Serve(serve::Serve),
    /// Make a ticket with which another machine can join, or see to those there are
    Ticket(ticket::Ticket),
    /// See to the nodes of the mesh
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Make this machine a node of the mesh that the ticket is from
    Join(join::Join),
    /// Work with accounts
    #[command(subcommand)]
    Account(account::Account),
    /// Invite somebody to register an account, or see to the invitations there are
    Invite(invite::Invite),
    /// Work with operators
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    /// Show how the node is
    Status(status::ShowStatus),
    /// Work with the configuration
    #[command(subcommand)]
    Config(check::ConfigCommand),
    /// Work with the log
    #[command(subcommand)]
    Log(log::Log),
    /// Run three nodes in three regions here, with delays, and cut and heal them
    Demo(demo::Demo),
    /// Run the simulator
    #[cfg(feature = "sim")]
    Sim(sim::Sim),
    /// Measure
    #[command(subcommand)]
    Bench(bench::Bench),
}

/// Which configuration a command works with.
#[derive(Args)]
struct ConfigFile {
    /// Configuration file; without it ./lavina.toml, and without that a mesh of one node on loopback
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    fn load(&self) -> Result<Config> {
        Ok(Config::find(self.config.as_deref())?)
    }
}

/// Prints for people or for programs.
#[derive(Clone, Copy)]
struct Out {
    json: bool,
}

impl Out {
    /// Prints `value` as JSON, or `text`.
    fn say(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(value)?);
        } else {
            println!("{}", text());
        }
        Ok(())
    }
}

pub(crate) use duration::parse as parse_duration;

/// Runs the command of the command line.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    // The demo tells by itself what its nodes see; measurements cut their nodes off on purpose.
    start_log(if matches!(cli.command, Command::Demo(_) | Command::Bench(_)) {
        "error"
    } else {
        "info,quinn=warn,rustls=warn"
    });
    let out = Out { json: cli.json };
    let done = match cli.command {
        Command::Init(command) => command.run(out),
        Command::Serve(command) => command.run(out),
        Command::Ticket(command) => command.run(out),
        Command::Node(command) => command.run(out),
        Command::Join(command) => command.run(out),
        Command::Account(command) => command.run(out),
        Command::Invite(command) => command.run(out),
        Command::Operator(command) => command.run(out),
        Command::Status(command) => command.run(out),
        Command::Config(command) => command.run(out),
        Command::Log(command) => command.run(out),
        Command::Demo(command) => command.run(out),
        #[cfg(feature = "sim")]
        Command::Sim(command) => return command.run(out),
        Command::Bench(command) => command.run(out),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if cli.json {
                println!("{}", serde_json::json!({ "error": format!("{error:#}") }));
            } else {
                eprintln!("lavina: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Logs go to standard error; `LAVINA_LOG` says what is logged.
fn start_log(usual: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("LAVINA_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// A runtime for a command.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}
