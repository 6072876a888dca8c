//! What the crate promises, through its public interface: one binary, one file a module.

mod net;
mod time;
