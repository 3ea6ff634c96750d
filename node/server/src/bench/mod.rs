//! Measurements that need sockets, against a node in a process of its own.

pub(crate) mod fanout;
