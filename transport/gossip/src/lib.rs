//! How nodes keep one another whole, without IO: membership (SWIM), dissemination (near before far), sync (anti-entropy), presence.
//!
//! [`Gossip`](machine::Gossip) is one machine: authenticated frames and datagrams in, frames and datagrams out. It never sees a socket, a
//! store or a room; entries are opaque, signed runs to it, and what the local replica holds it reads through [`Replica`](machine::Replica).

//!
//! | part | does |
//! |---|---|
//! | `links` | who is admitted, connected, in reach; dialling |
//! | `membership` | SWIM |
//! | `disseminate`, `rendezvous` | entries as they are written: near before far, one gateway a region |
//! | `inflight`, `arrivals`, `fresh` | what is on its way out, in, and everywhere: acknowledgements, gaps, no duplicates |
//! | `tree`, `sync`, `turns`, `catchup`, `weave` | comparing replicas, with whom next, and sending what is missing, in the order of conversations |
//! | `placement`, `holders` | where a room lives, and who holds what |
//! | `commons` | the trees over what two peers have in common |
//! | `fetch`, `handover` | getting a room that somebody here looks at; giving homes what is held beyond one's own |
//! | `presence` | sessions of other nodes |
//! | `framing`, `packed`, `plane`, `versions` | what data planes share: frames on a stream, the short form of entries, times, windows, which connection stays, what two nodes speak |
//!
//! **Invariant:** the same inputs and seed give the same outputs.

mod arrivals;
mod catchup;
mod commons;
mod disseminate;
mod fetch;
pub mod frame;
pub mod framing;
mod fresh;
pub mod gauges;
mod gossip;
mod handover;
mod holders;
mod inflight;
mod links;
pub mod machine;
mod membership;
mod outbox;
pub mod packed;
pub mod placement;
pub mod plane;
mod presence;
pub mod rendezvous;
mod sync;
mod tree;
mod turns;
pub mod versions;
mod weave;

#[cfg(test)]
mod tests;
