//! Ways to nodes behind home routers: a libp2p swarm on the data plane's own socket.
//!
//! The data plane dials addresses that are known. Where they are not, or change, or lie behind a router, the swarm looks for some: by mDNS in
//! the local network (libp2p specification, "mdns"), by Kademlia among the admitted nodes ("kad-dht"), and, where a node can only dial out, by
//! a circuit through a node that offers it ("circuit-v2") over which both ends agree on a moment to open their routers ("DCUtR"). What
//! it finds are candidates, which the data plane dials by itself from the same socket, so that an opened router lets it through.
//!
//! Drive it: [`Discovery::start`] on the [`Guests`](lavina_quic::Guests) of the endpoint, say [`Order`]s, take [`Candidate`]s.
//!
//! **Invariant:** no chat byte crosses the swarm, and nobody but admitted nodes is talked to.

#![allow(clippy::disallowed_methods, reason = "discovery is one of the shells that have sockets and clocks")]

mod address;
mod behaviour;
mod contacts;
mod driver;
mod interfaces;
mod muxer;
mod punch;
mod stream;
#[cfg(test)]
mod tests;
mod transport;

pub use driver::{Candidate, Config, Discovery, Order, StartError, Way};
