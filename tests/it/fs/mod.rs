//! Files through the public interface: real ones, in a folder of their own below the target's or the memory's file system.
//!
//! Every case runs on every flavour, and on both ways to the system: from memory on the caller's thread, where the file
//! system allows it, and by the pool.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests make files with std, and may panic")]

mod kit;

mod cancelling;
mod errors;
mod folders;
mod full;
mod model;
mod moving;
mod polls;
mod whole;
