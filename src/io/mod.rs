//! Moving bytes: what everything that can be read or written has in common, whatever door it came through.
//!
//! ```text
//!   TcpStream UnixStream pipe::{Sender, Receiver} ChildStdin ChildStdout ...     the doors: each says by small traits
//!        │  Reads, Writes                                                        what passes between it and the kernel
//!        v
//!   stream     read, write, ... as futures; halves                   ready    waiting for readiness alone
//!        │
//!        v
//!   driver::source     waits, when the kernel says "not now"
//! ```
//!
//! This ring stands above the driver and below the doors, so that an operation is written once: a door may not open into another.

pub(crate) mod ready;
pub mod stream;

pub use ready::{Readable, Writable};
