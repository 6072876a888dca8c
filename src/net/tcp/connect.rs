//! Connecting: one address after the other until one answers.
//!
//! A connect in progress is registered at once, since waiting is all it can do. An event on it does not yet mean a
//! connection: the socket is asked for its pending error, and then whether it has a peer. Only both answers
//! together are a connection (a socket whose error somebody else has fetched has neither).

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use socket2::Socket;

use super::TcpStream;
use crate::base::sys;
use crate::driver::source::Purpose;
use crate::net::sock::{Sock, refuse_in_a_simulation};

/// Future of [`TcpStream::connect`] and [`TcpSocket::connect`](super::TcpSocket::connect).
///
/// # Cancellation
/// **Lossy.** The attempt under way is ended and its socket closed.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Connect {
    /// The user's line, for the wait reason.
    purpose: Purpose,
    /// What is still to be tried.
    addresses: vec::IntoIter<SocketAddr>,
    /// A socket that the user has prepared, for the first address.
    prepared: Option<Socket>,
    /// The connect in progress.
    attempt: Option<TcpStream>,
    /// Why the latest attempt failed, for when there is no other.
    failure: Option<io::Error>,
}

impl Connect {
    /// Tries each of these addresses; if finding them failed, that is the outcome.
    pub(super) fn to(addresses: io::Result<Vec<SocketAddr>>, purpose: Purpose) -> Self {
        let (addresses, failure) = match addresses {
            Ok(addresses) => (addresses, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        Self { purpose, addresses: addresses.into_iter(), prepared: None, attempt: None, failure }
    }

    /// Tries one address, with a socket that has its options already.
    pub(super) fn with(socket: Socket, address: SocketAddr, purpose: Purpose) -> Self {
        Self { prepared: Some(socket), ..Self::to(Ok(vec![address]), purpose) }
    }

    /// Begins with the next address; false when there is none.
    fn start_next(&mut self) -> bool {
        let Some(address) = self.addresses.next() else { return false };
        match start(self.prepared.take(), address) {
            Ok(stream) => self.attempt = Some(stream),
            Err(error) => self.failure = Some(error),
        }
        true
    }
}

impl Future for Connect {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            if let Some(stream) = &self.attempt {
                let outcome = ready!(stream.source().poll(self.purpose, cx, |_| is_connected(stream)));
                let stream = self.attempt.take().expect("it was there a line ago");
                match outcome {
                    Ok(()) => return Poll::Ready(Ok(stream)),
                    Err(error) => self.failure = Some(error),
                }
            }
            if !self.start_next() {
                return Poll::Ready(Err(self.failure.take().unwrap_or_else(nothing_to_try)));
            }
        }
    }
}

/// Asks the kernel to connect, which a non-blocking socket does in the background.
fn start(prepared: Option<Socket>, address: SocketAddr) -> io::Result<TcpStream> {
    refuse_in_a_simulation()?;
    let socket = match prepared {
        Some(socket) => socket,
        None => sys::tcp_socket(&address)?,
    };
    let is_complete = begin(&socket, address)?;
    let interest = sys::stream_interest();
    let make = if is_complete { Sock::new } else { Sock::connecting };
    Ok(TcpStream::of(make(socket.into(), interest)))
}

/// Says whether the connection is there already; otherwise it is under way.
///
/// A connect that a signal interrupts goes on in the background, as POSIX has it. But one that was interrupted before it
/// began (a filter of system calls may do that) does not, and of a socket that nothing goes on in no event ever comes: to
/// take it for one under way was to wait for ever (RCT-12). Asking again tells them apart: the second call begins what the
/// first one has not, and of what it has, it says how far that is.
fn begin(socket: &Socket, address: SocketAddr) -> io::Result<bool> {
    let mut interrupted = false;
    loop {
        let Err(error) = socket.connect(&address.into()) else { return Ok(true) };
        match error.raw_os_error() {
            Some(libc::EINTR) => interrupted = true,
            Some(libc::EINPROGRESS) => return Ok(false),
            Some(libc::EALREADY) if interrupted => return Ok(false),
            Some(libc::EISCONN) if interrupted => return Ok(true),
            _ => return Err(error),
        }
    }
}

/// Has the attempt succeeded, failed, or (`WouldBlock`) neither yet?
fn is_connected(stream: &TcpStream) -> io::Result<()> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
        Err(error) => Err(error),
    }
}

fn nothing_to_try() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "there is no address to connect to")
}
