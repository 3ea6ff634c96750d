//! Endpoints that talk over real sockets on loopback. Every wait is for an event, with a deadline.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test fails where it stands")]

mod joining;
mod node;
mod peers;
mod strangers;
mod ways;
