//! Listening, and accepting what comes; what to do when that fails is said in `net::accept`.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::socket::expect_tcp;
use super::{TcpSocket, TcpStream};
use crate::base::sys;
use crate::driver::source::{Purpose, Waiter};
use crate::net::ToSocketAddrs;
use crate::net::accept::{Acceptor, BACKLOG};
use crate::net::lookup::{Resolve, first_of};
use crate::net::pause::Pause;
use crate::net::sock::{Sock, refuse_in_a_simulation};
use crate::task::wait::WaitKind;

/// A socket that takes connections.
///
/// Several tasks may accept from one listener at once. Dropping it closes it, and resets the connections that nobody
/// has accepted.
///
/// # Examples
/// ```
/// # fn main() -> std::io::Result<()> {
/// use mainspring::net::{TcpListener, TcpStream};
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let (server, peer) = listener.accept().await?;
/// assert_eq!(peer, client.local_addr()?);
/// client.write_all(b"hi").await?;
/// let mut buf = [0; 8];
/// assert_eq!(server.read(&mut buf).await?, 2);
/// # Ok(()) })
/// # }
/// ```
pub struct TcpListener {
    /// The listening socket.
    acceptor: Acceptor<std::net::TcpListener>,
}

impl TcpListener {
    /// Listens on the first of these addresses that can be had.
    ///
    /// Port 0 lets the system choose one, which [`local_addr`](Self::local_addr) then tells. The address may be
    /// used again right after the listener is gone (`SO_REUSEADDR`), and up to 1,024 connections wait to be accepted;
    /// [`TcpSocket`] is there for other wishes.
    ///
    /// # Cancellation
    /// **Strict.** It waits for nothing but the look-up of a host name, and does nothing before.
    ///
    /// # Errors
    /// `InvalidInput` if the address is none; what the system says if the host is not found; otherwise what it says of the
    /// last address.
    ///
    /// # Panics
    /// The future panics if it has a name to look up and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::net::TcpListener;
    /// use std::net::SocketAddr;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let taken = listener.local_addr()?;
    /// let free = SocketAddr::from(([127, 0, 0, 1], 0));
    /// let other = TcpListener::bind(&[taken, free][..]).await?;
    /// assert_ne!(other.local_addr()?, taken);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(address: A) -> impl Future<Output = io::Result<Self>> {
        let addresses = Resolve::of(&address, Location::caller());
        async move { first_of(addresses.await?, "listen on", listen_on) }
    }

    /// Takes a listener from std and makes it non-blocking.
    ///
    /// For a listening socket that is inherited, as in a restart without a gap, or that std has prepared.
    ///
    /// # Errors
    /// If the descriptor is not an open IPv4 or IPv6 stream socket, and in a simulated runtime.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::net::{TcpListener, TcpStream};
    ///
    /// let prepared = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let listener = TcpListener::from_std(prepared)?;
    /// let client = TcpStream::connect(listener.local_addr()?).await?;
    /// assert_eq!(listener.accept().await?.1, client.local_addr()?);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        refuse_in_a_simulation()?;
        expect_tcp(&listener)?;
        listener.set_nonblocking(true)?;
        Ok(Self::of(listener))
    }

    /// Takes a non-blocking listener.
    pub(super) fn of(listener: std::net::TcpListener) -> Self {
        Self { acceptor: Acceptor::new(listener) }
    }

    /// Gives std's listener back. It is still non-blocking.
    ///
    /// For handing it to another runtime, or to the process that takes over.
    ///
    /// # Errors
    /// Only in a simulated runtime, whose listeners std knows nothing of.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        Ok(self.acceptor.sock.into_io())
    }

    /// Takes the next connection, and says whose it is.
    ///
    /// A client that gives up before it is accepted is passed over. When descriptors run out
    /// (`EMFILE`, `ENFILE`), the call fails, and those that follow wait for some 20 ms before they try again: a loop
    /// that reports the error and goes on does not spin, and accepts again as soon as there are descriptors.
    ///
    /// # Cancellation
    /// **Strict.** A connection is taken only by the poll that returns it.
    ///
    /// # Errors
    /// What the system says, as above, and after the end of the runtime that the listener was used in.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::net::{TcpListener, TcpStream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let address = listener.local_addr()?;
    /// let server = mainspring::spawn(async move {
    ///     loop {
    ///         match listener.accept().await {
    ///             Ok((stream, _peer)) => drop(mainspring::spawn(async move { stream.write_all(b"hi").await })),
    ///             Err(error) => eprintln!("cannot accept: {error}"), // rests by itself, if descriptors ran out
    ///         }
    ///     }
    /// });
    /// for _ in 0..3 {
    ///     let client = TcpStream::connect(address).await?;
    ///     assert_eq!(client.read(&mut [0; 8]).await?, 2);
    /// }
    /// server.abort();
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn accept(&self) -> Accept<'_> {
        let waiter = self.acceptor.sock.source().waiter(Purpose::here(WaitKind::Accept));
        Accept { listener: self, waiter, rest: None }
    }

    /// The address it listens on, with the port that the system chose.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.acceptor.sock.io().local_addr()
    }

    /// How many routers a packet may pass (`IP_TTL`).
    ///
    /// # Errors
    /// What the system says.
    pub fn ttl(&self) -> io::Result<u32> {
        self.acceptor.sock.io().ttl()
    }

    /// Sets [`ttl`](Self::ttl); connections inherit it.
    ///
    /// # Errors
    /// What the system says, of a zero for instance.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.acceptor.sock.io().set_ttl(ttl)
    }

    /// Takes the pending error off the socket (`SO_ERROR`).
    ///
    /// [`accept`](Self::accept) reports errors by itself; this is for a listener that comes from elsewhere.
    ///
    /// # Errors
    /// If the system cannot even say that.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.acceptor.sock.io().take_error()
    }

    /// The descriptor; none in a simulated runtime.
    ///
    /// For system calls that are not offered here.
    pub fn try_as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.acceptor.sock.try_as_fd()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("local_addr", &self.local_addr().ok()).field("sock", &self.acceptor.sock).finish()
    }
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::for_address(address)?;
    // As in std: without it a server could not start again while old connections linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG.into())
}

/// Future of [`TcpListener::accept`].
///
/// # Cancellation
/// **Strict.** A connection is taken only by the poll that returns it.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Accept<'a> {
    /// Who accepts.
    listener: &'a TcpListener,
    /// The place in line.
    waiter: Waiter<'a>,
    /// The timer that ends a rest.
    rest: Option<Pause>,
}

impl Future for Accept<'_> {
    type Output = io::Result<(TcpStream, SocketAddr)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { listener, waiter, rest } = self.get_mut();
        let accepted = ready!(listener.acceptor.poll_accept(waiter, rest, cx, sys::accept));
        let of = |(io, peer)| (TcpStream::of(Sock::new(io, sys::stream_interest())), peer);
        Poll::Ready(accepted.map(of))
    }
}
