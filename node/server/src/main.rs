//! The Lavina chat server: the binary `lavina`.
//!
//! The shell around `lavina_core`: it has the clock, the sockets, the threads and the files, and no rule of chat. `cli` holds the commands and is the
//! only place that prints; `config` turns a file into typed values, once; `shell` runs one node; `worker` serves client connections; `web` is HTTP for clients; `files` keeps what
//! they share; `admin` is
//! the page and the interface for operators; `demo` runs three nodes in one
//! process; `bench` measures.
#![allow(
    clippy::disallowed_methods,
    reason = "this is the crate that has the clock, the threads, the files and the sockets"
)]

mod admin;
mod any_certificate;
mod bench;
mod cli;
mod config;
mod demo;
mod federation;
mod files;
mod html;
mod identity;
mod local;
mod shell;
mod ticket;
mod web;
mod worker;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
