//! Whole nodes in one process, with commands in and what clients are told out; named after the situation.

mod abroad;
mod accounts;
mod always_on;
mod closing;
mod contacts;
mod draining;
mod gate;
mod gone;
mod invitations;
mod lapse;
mod level;
mod mesh;
mod model;
mod modes;
mod moving;
mod notes;
mod operators;
mod paces;
mod personal;
mod placing;
mod recent;
mod relations;
mod rooms;
mod some;
mod waiting;
mod world;
