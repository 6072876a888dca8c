//! Connecting: to the first address that answers.
//!
//! ```text
//!   0 ms     address 1 --------------------------------> answers late, or never
//!   250 ms      address 2 ----> refused
//!   260 ms                      address 3 -----> connected: the others are dropped
//! ```
//!
//! As in RFC 8305 ("happy eyeballs"): an address that has not answered after 250 ms is not given up, but the next one is
//! tried beside it; one that has failed is followed at once. So a host whose IPv6 leads nowhere costs a quarter of
//! a second and not the system's two minutes. The addresses of a name are mixed by family before.
//!
//! A connect in progress is registered at once, since waiting is all it can do. An event on it does not yet mean a
//! connection: the socket is asked for its pending error, and then whether it has a peer. Only both answers
//! together are a connection (a socket whose error somebody else has fetched has neither).
//!
//! Cases of the catalogue: NET-04, NET-05, NET-17.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::Socket;

use super::TcpStream;
use crate::base::sys;
use crate::driver::source::Purpose;
use crate::net::ToSocketAddrs;
use crate::net::lookup::{Addresses, Resolve};
use crate::net::pause::Delay;
use crate::net::sock::{Sock, refuse_in_a_simulation};

/// How long an address has to answer before the next one is tried beside it: what RFC 8305 recommends.
const STAGGER_NS: u64 = 250_000_000;

/// Future of [`TcpStream::connect`] and [`TcpSocket::connect`](super::TcpSocket::connect).
///
/// # Cancellation
/// **Lossy.** The attempts under way are ended and their sockets closed.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Connect {
    /// The user's line, for the wait reason.
    purpose: Purpose,
    /// Finds the addresses; none when they are known.
    resolve: Option<Resolve>,
    /// What is still to be tried.
    addresses: Addresses,
    /// A socket that the user has prepared, with the only address that it is for.
    prepared: Option<(Socket, SocketAddr)>,
    /// The connects in progress, oldest first. Room for one is made with the first; more are rare.
    attempts: Vec<TcpStream>,
    /// Until when the youngest of them has the word alone.
    stagger: Delay,
    /// Why the latest attempt failed, for when there is no other.
    failure: Option<io::Error>,
}

impl Connect {
    /// Tries each of these addresses.
    pub(super) fn to<A: ToSocketAddrs>(address: &A, purpose: Purpose) -> Self {
        Self {
            purpose,
            resolve: Some(Resolve::of(address, purpose.at)),
            addresses: Addresses::none(),
            prepared: None,
            attempts: Vec::new(),
            stagger: Delay::default(),
            failure: None,
        }
    }

    /// Tries one address, with a socket that has its options already.
    pub(super) fn with(socket: Socket, address: SocketAddr, purpose: Purpose) -> Self {
        Self { prepared: Some((socket, address)), ..Self::to(&address, purpose) }
    }

    /// Begins with the next address that a connect can be begun with.
    fn start_next(&mut self) {
        loop {
            let started = match (self.prepared.take(), self.addresses.next()) {
                (Some((socket, address)), _) => start(Some(socket), address),
                (None, Some(address)) => start(None, address),
                (None, None) => return,
            };
            match started {
                Ok(stream) => return self.attempts.push(stream),
                Err(error) => self.failure = Some(error),
            }
        }
    }

    /// Looks at every attempt under way. True if one of them has failed, so that it is the next one's turn.
    fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Poll<Result<TcpStream, ()>> {
        let mut failed = false;
        let mut index = 0;
        while let Some(stream) = self.attempts.get(index) {
            match stream.source().poll(self.purpose, cx, |_| is_connected(stream)) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(self.attempts.swap_remove(index))),
                Poll::Ready(Err(error)) => {
                    self.failure = Some(error);
                    drop(self.attempts.remove(index));
                    failed = true;
                }
                Poll::Pending => index += 1,
            }
        }
        if failed { Poll::Ready(Err(())) } else { Poll::Pending }
    }
}

impl Future for Connect {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(resolve) = &mut self.resolve {
            let found = ready!(resolve.poll(cx));
            self.resolve = None;
            // Of a prepared socket's address there is nothing to find, and it is tried once.
            self.addresses = if self.prepared.is_some() { Addresses::none() } else { found?.interleaved() };
        }
        loop {
            match self.poll_attempts(cx) {
                Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                Poll::Ready(Err(())) => self.stagger.stop(),
                Poll::Pending if self.attempts.is_empty() => {}
                Poll::Pending if self.addresses.len() == 0 => return Poll::Pending,
                Poll::Pending => ready!(self.stagger.poll(STAGGER_NS, "connect", cx))?,
            }
            self.start_next();
            if self.attempts.is_empty() {
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
