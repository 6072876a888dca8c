//! Unix sockets with what std and socket2 give: no names outside the file system, no credentials, no descriptors in messages.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use socket2::{Domain, SockRef, Socket, Type};

/// Are there names that begin with a zero byte, and stand in no file system?
pub(crate) const HAS_ABSTRACT_NAMES: bool = false;

/// Such a name, of which there are none.
pub(crate) fn abstract_name(_address: &SocketAddr) -> Option<&[u8]> {
    None
}

/// Makes a Unix socket and makes it non-blocking.
pub(crate) fn unix_socket(kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, kind, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Accepts one connection and makes it non-blocking.
pub(crate) fn accept_unix(listener: &UnixListener) -> io::Result<(UnixStream, SocketAddr)> {
    let (stream, address) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((stream, address))
}

/// Writes to a socket. Whether a closed peer raises SIGPIPE is for the platform to say.
pub(crate) fn send<S: AsFd>(socket: &S, buf: &[u8]) -> io::Result<usize> {
    (&*SockRef::from(socket)).write(buf)
}

/// Not to be had in a portable way.
pub(crate) fn peer_cred(_stream: &UnixStream) -> io::Result<(Option<i32>, u32, u32)> {
    Err(unsupported("the credentials of a peer"))
}

/// Not to be had in a portable way.
pub(crate) fn send_fds<S: AsFd>(_socket: &S, _buf: &[u8], _fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    Err(unsupported("descriptors in messages"))
}

/// Not to be had in a portable way.
pub(crate) fn recv_fds<S: AsFd>(_socket: &S, _buf: &mut [u8], _fds: &mut Vec<OwnedFd>) -> io::Result<usize> {
    Err(unsupported("descriptors in messages"))
}

fn unsupported(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("{what} are not supported on this platform yet"))
}

/// The flag with which opening a pipe does not wait for the other end.
pub(crate) const OPEN_NONBLOCKING: i32 = libc::O_NONBLOCK;
