//! The same interface from std and mio alone, for platforms without Linux's calls. It is built and tested on
//! Linux by `--cfg mainspring_plain`; it has not been run anywhere else.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, RawFd};

use mio::Interest;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

#[path = "plain/unix.rs"]
mod unix;

pub(crate) use unix::*;

#[path = "plain/files.rs"]
mod files;

pub(crate) use files::*;

#[path = "plain/splice.rs"]
mod splice;

pub(crate) use splice::*;

/// Without priority events nobody would tell us that a read stopped at urgent data, so a short read proves
/// nothing here, and readiness ends with `WouldBlock` alone.
pub(crate) const SHORT_READ_DRAINS: bool = false;

/// What a TCP stream is registered for.
pub(crate) fn stream_interest() -> Interest {
    Interest::READABLE | Interest::WRITABLE
}

/// The timer that is not there: the reactor then sleeps in the milliseconds of its poll.
#[derive(Debug)]
pub(crate) struct TimerFd;

impl TimerFd {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// None: there is no descriptor to wait for.
    pub(crate) fn fd(&self) -> Option<RawFd> {
        None
    }

    /// Does nothing, and nobody asks it to: whoever arms a timer looks for its descriptor first.
    pub(crate) fn arm(&self, _in_ns: u64) {}
}

/// Makes an IPv4 or IPv6 stream socket and makes it non-blocking.
pub(crate) fn tcp_socket(address: &SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(*address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Accepts one connection and makes it non-blocking.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, address) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((stream, address))
}

/// Does this error of `accept` concern only the client that was about to be accepted?
pub(crate) fn is_accept_noise(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionAborted
}

/// Is the process or the machine out of descriptors? The errors for that have numbers that differ from one
/// platform to the next; every Unix we know of agrees on these two.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|errno| [libc::EMFILE, libc::ENFILE].contains(&errno))
}

/// Writes several buffers in one call. Whether a closed peer raises SIGPIPE is for the platform's std to say.
pub(crate) fn send_vectored<S: AsFd>(stream: &S, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
    // More buffers at once are refused with EMSGSIZE; std's writes cut there too. Linux, the BSDs and macOS agree on 1,024.
    (&*SockRef::from(stream)).write_vectored(&bufs[..bufs.len().min(1_024)])
}

/// The descriptor for a process that is not there: a child is then known by its number alone, and its end is heard of by
/// SIGCHLD.
#[derive(Debug)]
pub(crate) enum PidFd {}

impl PidFd {
    pub(crate) fn open(_pid: libc::pid_t) -> Option<Self> {
        None
    }

    pub(crate) fn fd(&self) -> RawFd {
        match *self {}
    }

    pub(crate) fn to_wait_for(&self) -> (libc::idtype_t, libc::id_t) {
        match *self {}
    }

    pub(crate) fn kill(&self) -> io::Result<()> {
        match *self {}
    }
}
