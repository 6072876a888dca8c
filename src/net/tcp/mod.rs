//! TCP: a listener, a stream, and a socket that is not yet either.
//!
//! ```text
//!   TcpSocket --listen--> TcpListener --accept--> TcpStream --split------> ReadHalf + WriteHalf (borrowed)
//!       |                                            ^  |
//!       +----------------connect---------------------+  +-----into_split-> OwnedReadHalf + OwnedWriteHalf
//! ```
//!
//! Every operation is a plain function that returns a named future and remembers its caller's line, which is what a
//! dump of a waiting task shows. `ops` has the futures, and with them everything that happens between a call and
//! the kernel: `stream.read(..)` makes a [`Read`], whose `poll` asks the source, which tries `TcpStream::recv`.

mod connect;
mod listener;
mod ops;
mod socket;
mod split;
mod stream;

pub use super::ready::{Readable, Writable};
pub use connect::Connect;
pub use listener::{Accept, TcpListener};
pub use ops::{Peek, Read, ReadExact, ReadVectored, Write, WriteAll, WriteVectored};
pub use socket::TcpSocket;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stream::TcpStream;
