//! Measurements that need sockets.

mod client;
pub(crate) mod fanout;
pub(crate) mod mesh;
