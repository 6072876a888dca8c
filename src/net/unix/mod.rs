//! Unix sockets: streams, listeners and datagrams between processes of one machine.
//!
//! ```text
//!   UnixListener --accept--> UnixStream <--connect, pair--      split, into_split as with TCP
//!   UnixDatagram --bind, unbound, pair-->                       whole messages, never lost on the way
//! ```
//!
//! A name is a path in the file system or, on Linux, a name outside of it, written with a zero byte in front. The file
//! outlives its socket: who binds removes the stale one before, or gets `AddrInUse`.
//!
//! Two queues give no event when they have room again: the backlog of a listener, and the messages of a datagram socket to
//! those who are not connected to it. Both are looked at again after a moment, which grows from 1 to 32 ms (`retry`).
//!
//! Cases of the catalogue: NET-09, NET-10, NET-12.

mod address;
mod connect;
mod cred;
mod datagram;
mod fds;
mod listener;
pub mod pipe;
mod retry;
mod stream;

pub use super::datagram::{Recv, RecvFrom, Send};
pub use crate::io::stream::{Read, ReadExact, ReadToEnd, ReadVectored, ReuniteError, Write, WriteAll, WriteVectored};
pub use connect::Connect;
pub use cred::UCred;
pub use datagram::{SendTo, UnixDatagram};
pub use fds::{RecvFds, SendFds};
pub use listener::{Accept, UnixListener};
pub use std::os::unix::net::SocketAddr;
pub use stream::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, UnixStream, WriteHalf};
