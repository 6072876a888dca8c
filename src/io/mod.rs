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
//! Beside these, on the traits of futures-io, which the doors' types have as well, stands what works on anybody's streams: `ext`
//! (operations on a reader or writer), `copy`, `buffered`, `share` (halves of whatever stream), and `duplex`, a stream in memory. `stdio` are the process's own streams.
//!
//! This ring stands above the driver and below the doors, so that an operation is written once: a door may not open into another.
//!
//! Cases of the catalogue: NET-13, NET-14, FSX-05.

pub(crate) mod ready;

mod bridge;
pub mod stream;

pub mod ext;

mod buffered;
mod copy;
mod duplex;
mod share;

mod job;
mod send_file;
mod splice;
mod stdio;

pub(crate) use bridge::{async_read, async_write};
pub use buffered::{BufReader, BufWriter};
pub use copy::{Copy, CopyBidirectional, copy, copy_bidirectional};
pub use duplex::{DuplexStream, duplex};
pub use ext::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, Lines};
pub use futures_io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite};
pub(crate) use job::{Job, uninterrupted};
pub use ready::{Readable, Writable};
pub(crate) use send_file::{HasFile, Stored};
pub use send_file::{SendFile, send_file};
pub use splice::{Splice, SpliceBidirectional, splice, splice_bidirectional};
pub use share::{ReadHalf, WriteHalf, split};
pub use stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
