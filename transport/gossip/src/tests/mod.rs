//! Several machines over a network in memory with virtual time: see [`net::Net`].

mod cost;
mod heal;
mod net;
mod placement;
mod presence;
mod properties;
mod recent;
mod spread;
mod wire;
