//! One node of the mesh as a pure state machine: sessions, rooms, accounts, presence, and their replication over a store.
//!
//! [`Node`](node::Node) takes `(now, Input)` and gives `Output`s. It knows no protocol, socket, file, thread or clock. The tokio server and the
//! simulator are two shells around it.

mod farewells;
mod gate;
mod gone;
mod interest;
mod invites;
mod kicks;
mod knocks;
mod last_seen;
mod lookalikes;
pub mod node;
pub mod paces;
mod people;
mod quotas;
pub mod replica;
mod rosters;
mod said;
mod sessions;
mod signal;
mod splits;
pub mod store;
mod underway;
mod watches;
