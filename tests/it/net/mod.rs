//! Sockets over the loopback, through the public interface. No test here waits for time to pass or judges by it, but
//! for the one bound from below that accepting without descriptors must keep.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test looks at the clock and may panic")]

mod kit;

mod any_fd;
mod connecting;
mod datagrams;
mod edges;
mod making;
mod names;
mod pipes;
mod runtimes;
mod splicing;
mod streaming;
mod unix;
mod waking;
