//! The replicated data of Lavina: clocks, ids, entries, logs, documents, registers and presence, and how they merge.
//!
//! Pure: every function here is a function of its arguments. Nothing here knows a socket, a file, a clock, a thread,
//! a protocol (IRC, XMPP) or how entries travel between nodes.

pub mod account;
pub mod barred;
mod base32;
pub mod chain;
pub mod clock;
pub mod content;
pub mod derived;
pub mod directory;
pub mod entry;
pub mod equivocation;
pub mod fence;
pub mod glob;
pub mod ids;
pub mod invitation;
pub mod log;
pub mod looks;
pub mod mesh;
pub mod mesh_time;
pub mod modes;
pub mod mutant;
pub mod names;
pub mod notes;
pub mod presence;
pub mod register;
pub mod relation;
pub mod room;
pub mod seals;
pub mod segment;
pub mod ticket;
pub mod version;

#[cfg(test)]
mod testing;
