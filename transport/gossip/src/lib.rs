//! How nodes keep one another whole, without IO: membership (SWIM), dissemination (near before far), sync (anti-entropy), presence.
//!
//! [`Gossip`](machine::Gossip) is one machine: authenticated frames and datagrams in, frames and datagrams out. It never sees a socket, a
//! store or a room; entries are opaque, signed runs to it, and what the local replica holds it reads through [`Replica`](machine::Replica).

pub mod frame;
pub mod machine;
