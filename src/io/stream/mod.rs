//! Streams of bytes: what TCP, Unix sockets and pipes have in common.
//!
//! ```text
//!   TcpStream UnixStream         --Reads, Writes, Duplex-->  ops      Read, Write, ... as futures
//!   pipe::Receiver ChildStdout   --Reads-->                  methods  what users call, declared once
//!   pipe::Sender ChildStdin      --Writes-->                 split    halves of a stream
//! ```
//!
//! A stream says by three small traits what passes between it and the kernel, and gets the rest from here. Users meet these
//! types under the names that the doors give them.

mod methods;
mod ops;
mod split;

pub(crate) use methods::{reading, writing};
pub use ops::{Read, ReadExact, ReadToEnd, ReadVectored, Write, WriteAll, WriteVectored};
pub(crate) use ops::{Reading, Reads, Writes, Writing, poll_to_end};
pub(crate) use split::{Duplex, borrowed, owned, unless_gone};
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
