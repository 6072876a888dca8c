//! Sockets.
//!
//! A socket is std's, made non-blocking, beside a source (`driver::source`) that knows when to try again.
//! An operation tries the system call at once; only when the kernel says "not now" does the task wait, and the
//! worker that polls it wakes it when there is news. All operations take `&self`, so a socket can be read and
//! written by two tasks without splitting it; several tasks may even wait for the same direction, and are woken
//! in the order in which they came.
//!
//! - **N1** A descriptor is non-blocking and closed on exec as long as it is ours; what `into_std` gives back is
//!   still non-blocking, as in tokio.
//! - **N2** A registration ends before its descriptor is closed.
//! - **N3** No call here blocks the thread: host names are looked up on the blocking pool.
//! - **N4** Writing to a socket whose peer has gone is an error (`BrokenPipe`) and never a SIGPIPE.
//!
//! Read in this order: addresses and names, the socket under the doors, what datagrams have in common, TCP, UDP,
//! Unix sockets and pipes, and what is left for other descriptors.

mod addr;
mod lookup;

mod sock;

mod accept;
mod pause;

mod datagram;

pub mod tcp;
pub mod udp;
pub mod unix;

mod async_fd;

pub use addr::ToSocketAddrs;
pub use async_fd::{AsyncFd, FdReady, Interest, ReadyGuard, TryIoError};
pub use lookup::{Addresses, LookupHost, lookup_host};
pub use crate::io::{Readable, Writable};
pub use tcp::{TcpListener, TcpSocket, TcpStream};
pub use udp::UdpSocket;
pub use unix::{UnixDatagram, UnixListener, UnixStream};
