//! Listening on a Unix socket.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::{SockAddr, Type};

use super::stream::expect_unix;
use super::{SocketAddr, UnixStream, address};
use crate::base::sys;
use crate::driver::source::{Purpose, Waiter};
use crate::net::accept::{Acceptor, BACKLOG};
use crate::net::pause::Pause;
use crate::net::sock::refuse_in_a_simulation;
use crate::task::wait::WaitKind;

/// A socket that takes connections from processes of this machine.
///
/// Dropping it closes it, and leaves its file behind.
///
/// # Examples
/// ```
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// use mainspring::net::{UnixListener, UnixStream};
///
/// # let path = std::env::temp_dir().join(format!("mainspring-listener-{}", std::process::id()));
/// let listener = UnixListener::bind(&path)?;
/// let client = UnixStream::connect(&path).await?;
/// let (server, _) = listener.accept().await?;
/// client.write_all(b"hi").await?;
/// assert_eq!(server.read(&mut [0; 8]).await?, 2);
/// std::fs::remove_file(&path)?;
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixListener {
    /// The listening socket.
    acceptor: Acceptor<std::os::unix::net::UnixListener>,
}

impl UnixListener {
    /// Listens at this path; with a zero byte in front, at a name outside the file system (Linux).
    ///
    /// # Errors
    /// `AddrInUse` if there is something, be it the file that an earlier listener has left behind; `InvalidInput` if the path is
    /// empty or too long (some 100 bytes are the limit); and in a simulated runtime.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        Self::bind_to(&address::of_path(path.as_ref())?)
    }

    /// Listens at this address, which may be one that another socket has had.
    ///
    /// # Errors
    /// As [`bind`](Self::bind); and `InvalidInput` if it is the address of a socket without a name.
    pub fn bind_addr(address: &SocketAddr) -> io::Result<Self> {
        Self::bind_to(&address::of_address(address)?)
    }

    fn bind_to(address: &SockAddr) -> io::Result<Self> {
        refuse_in_a_simulation()?;
        let socket = sys::unix_socket(Type::STREAM)?;
        socket.bind(address)?;
        socket.listen(BACKLOG.into())?;
        Ok(Self { acceptor: Acceptor::new(socket.into()) })
    }

    /// Takes a listener from std and makes it non-blocking.
    ///
    /// # Errors
    /// If the descriptor is not an open Unix stream socket, and in a simulated runtime.
    pub fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        refuse_in_a_simulation()?;
        expect_unix(&listener, Type::STREAM)?;
        listener.set_nonblocking(true)?;
        Ok(Self { acceptor: Acceptor::new(listener) })
    }

    /// Gives std's listener back. It is still non-blocking.
    ///
    /// # Errors
    /// Only in a simulated runtime, whose listeners std knows nothing of.
    pub fn into_std(self) -> io::Result<std::os::unix::net::UnixListener> {
        Ok(self.acceptor.sock.into_io())
    }

    /// Takes the next connection, and says whose it is, which is mostly nobody's name.
    ///
    /// When descriptors run out (`EMFILE`, `ENFILE`), the call fails, and those that follow wait for some 20 ms before they
    /// try again: a loop that reports the error and goes on does not spin.
    ///
    /// # Cancellation
    /// **Strict.** A connection is taken only by the poll that returns it.
    ///
    /// # Errors
    /// What the system says, as above, and after the end of the runtime that the listener was used in.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn accept(&self) -> Accept<'_> {
        let waiter = self.acceptor.sock.source().waiter(Purpose::here(WaitKind::Accept));
        Accept { listener: self, waiter, rest: None }
    }

    /// The address it listens at.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.acceptor.sock.io().local_addr()
    }

    /// Takes the pending error off the socket (`SO_ERROR`).
    ///
    /// # Errors
    /// If the system cannot even say that.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.acceptor.sock.io().take_error()
    }

    /// The descriptor; none in a simulated runtime. For system calls that are not offered here.
    pub fn try_as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.acceptor.sock.try_as_fd()
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sock = &self.acceptor.sock;
        f.debug_struct("UnixListener").field("local_addr", &self.local_addr().ok()).field("sock", sock).finish()
    }
}

/// Future of [`UnixListener::accept`].
///
/// # Cancellation
/// **Strict.** A connection is taken only by the poll that returns it.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Accept<'a> {
    /// Who accepts.
    listener: &'a UnixListener,
    /// The place in line.
    waiter: Waiter<'a>,
    /// The timer that ends a rest.
    rest: Option<Pause>,
}

impl Future for Accept<'_> {
    type Output = io::Result<(UnixStream, SocketAddr)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { listener, waiter, rest } = self.get_mut();
        let accepted = ready!(listener.acceptor.poll_accept(waiter, rest, cx, sys::accept_unix));
        Poll::Ready(accepted.map(|(io, peer)| (UnixStream::of(io), peer)))
    }
}
