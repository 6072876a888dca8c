//! Streams of bytes: what TCP, Unix sockets and pipes have in common.
//!
//! ```text
//!   TcpStream UnixStream  --Reads, Writes, Duplex-->  ops      Read, Write, ... as futures
//!   pipe::Receiver        --Reads-->                  methods  what users call, declared once
//!   pipe::Sender          --Writes-->                 split    halves of a stream
//! ```
//!
//! A stream says by three small traits what passes between it and the kernel, and gets the rest from here. Users meet these
//! types under the names that `tcp` and `unix` give them.

mod methods;
mod ops;
mod split;

pub(super) use methods::{reading, writing};
pub use ops::{Read, ReadExact, ReadVectored, Write, WriteAll, WriteVectored};
pub(super) use ops::{Reads, Writes};
pub(super) use split::{Duplex, borrowed, owned};
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
