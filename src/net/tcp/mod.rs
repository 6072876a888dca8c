//! TCP: a listener, a stream, and a socket that is not yet either.
//!
//! ```text
//!   TcpSocket --listen--> TcpListener --accept--> TcpStream --split------> ReadHalf + WriteHalf (borrowed)
//!       |                                            ^  |
//!       +----------------connect---------------------+  +-----into_split-> OwnedReadHalf + OwnedWriteHalf
//! ```
//!
//! Every operation is a plain function that returns a named future and remembers its caller's line, which is what a
//! dump of a waiting task shows. The futures are those of all streams: `stream.read(..)` makes a [`Read`], whose `poll` asks
//! the source, which tries `recv` in `kernel`.

mod connect;
mod kernel;
mod listener;
mod peek;
mod socket;
mod split;
mod stream;

pub use crate::io::{Readable, Writable};
pub use crate::io::stream::{Read, ReadExact, ReadToEnd, ReadVectored, ReuniteError, Write, WriteAll, WriteVectored};
pub use connect::Connect;
pub use listener::{Accept, TcpListener};
pub use peek::Peek;
pub use socket::TcpSocket;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
pub use stream::TcpStream;
