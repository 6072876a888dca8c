//! A TCP socket that is neither connected nor listening yet, for options that must be set before.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::{SockRef, Socket, Type};

use super::{Connect, TcpListener};
use crate::base::sys;
use crate::driver::source::Purpose;
use crate::net::sock::refuse_in_a_simulation;
use crate::task::wait::WaitKind;

/// A socket to be given options, and then an address to connect to or to listen on.
///
/// For what must be decided before there is a connection: the sizes of its buffers, the local address, how long the
/// queue of a listener is. Everything else is simpler by [`TcpStream::connect`](super::TcpStream::connect) and
/// [`TcpListener::bind`].
///
/// # Examples
/// ```
/// # fn main() -> std::io::Result<()> {
/// use mainspring::net::{TcpSocket, TcpStream};
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let socket = TcpSocket::new_v4()?;
/// socket.set_reuseaddr(true)?;
/// socket.bind("127.0.0.1:0".parse().unwrap())?;
/// let listener = socket.listen(64)?;
///
/// let socket = TcpSocket::new_v4()?;
/// socket.set_nodelay(true)?;
/// let stream: TcpStream = socket.connect(listener.local_addr()?).await?;
/// assert!(stream.nodelay()?);
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a socket does nothing before `connect` or `listen`"]
pub struct TcpSocket {
    /// The socket, non-blocking.
    socket: Socket,
}

/// Declares one option: how it is asked for, and how it is set.
macro_rules! option {
    ($(#[$doc:meta])* $get:ident, $set:ident: $type:ty = $asked:ident, $setter:ident) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// What the system says.
        pub fn $get(&self) -> io::Result<$type> {
            self.socket.$asked()
        }

        #[doc = concat!("Sets [`", stringify!($get), "`](Self::", stringify!($get), ").")]
        ///
        /// # Errors
        /// What the system says.
        pub fn $set(&self, value: $type) -> io::Result<()> {
            self.socket.$setter(value)
        }
    };
}

impl TcpSocket {
    /// A socket for IPv4.
    ///
    /// # Errors
    /// If there are no descriptors left, and in a simulated runtime.
    pub fn new_v4() -> io::Result<Self> {
        Self::for_address((Ipv4Addr::UNSPECIFIED, 0).into())
    }

    /// A socket for IPv6.
    ///
    /// # Errors
    /// If there are no descriptors left, on a machine without IPv6, and in a simulated runtime.
    pub fn new_v6() -> io::Result<Self> {
        Self::for_address((Ipv6Addr::UNSPECIFIED, 0).into())
    }

    /// A socket of the kind that this address needs.
    pub(super) fn for_address(address: SocketAddr) -> io::Result<Self> {
        refuse_in_a_simulation()?;
        Ok(Self { socket: sys::tcp_socket(&address)? })
    }

    /// Takes a socket that was made elsewhere, not yet connected, and makes it non-blocking.
    ///
    /// For options that are not offered here, set by a crate that offers them. std has no type for such a socket, so it
    /// comes dressed as a stream.
    ///
    /// # Errors
    /// If the descriptor is not an open IPv4 or IPv6 stream socket, and in a simulated runtime.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        refuse_in_a_simulation()?;
        expect_tcp(&stream)?;
        stream.set_nonblocking(true)?;
        Ok(Self { socket: stream.into() })
    }

    option! {
        /// May the address be used while old connections to it linger (`SO_REUSEADDR`)?
        ///
        /// For every server that is to be started again at once.
        reuseaddr, set_reuseaddr: bool = reuse_address, set_reuse_address
    }
    option! {
        /// May several sockets listen on the address, and share its connections (`SO_REUSEPORT`)?
        ///
        /// For several processes that serve one port; each of the sockets must say so.
        reuseport, set_reuseport: bool = reuse_port, set_reuse_port
    }
    option! {
        /// Is a small write sent at once (`TCP_NODELAY`), instead of waiting for the answer to the one before?
        ///
        /// For those who answer requests.
        nodelay, set_nodelay: bool = tcp_nodelay, set_tcp_nodelay
    }
    option! {
        /// Are idle connections probed (`SO_KEEPALIVE`)?
        ///
        /// For connections over which nothing is said for hours: the peer may be long gone.
        keepalive, set_keepalive: bool = keepalive, set_keepalive
    }
    option! {
        /// What closing does to data not yet sent (`SO_LINGER`): a zero throws it away and resets the connection.
        ///
        /// See [`TcpStream::set_linger`](super::TcpStream::set_linger).
        linger, set_linger: Option<Duration> = linger, set_linger
    }

    /// How much the kernel keeps of what was written and not yet acknowledged, in bytes (`SO_SNDBUF`).
    ///
    /// # Errors
    /// What the system says.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.socket.send_buffer_size().map(saturate)
    }

    /// Asks for a send buffer of this size.
    ///
    /// For many connections on little memory, or few on a long line; the kernel's own choice, which grows with need, is
    /// otherwise better. Linux doubles the size, for its own needs, and cuts it to `net.core.wmem_max`.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::net::TcpSocket;
    ///
    /// let socket = TcpSocket::new_v4()?;
    /// socket.set_send_buffer_size(16_384)?;
    /// assert!(socket.send_buffer_size()? >= 16_384);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_send_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.socket.set_send_buffer_size(bytes as usize)
    }

    /// How much the kernel keeps of what was received and not yet read, in bytes (`SO_RCVBUF`).
    ///
    /// # Errors
    /// What the system says.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.socket.recv_buffer_size().map(saturate)
    }

    /// Asks for a receive buffer of this size.
    ///
    /// As with [`set_send_buffer_size`](Self::set_send_buffer_size). Linux doubles it and cuts it to
    /// `net.core.rmem_max`.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_recv_buffer_size(&self, bytes: u32) -> io::Result<()> {
        self.socket.set_recv_buffer_size(bytes as usize)
    }

    /// The address it is bound to; all zero before [`bind`](Self::bind).
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?;
        address.as_socket().ok_or_else(|| io::Error::other("a TCP socket has an address that is not an IP address"))
    }

    /// Takes the pending error off the socket (`SO_ERROR`).
    ///
    /// # Errors
    /// If the system cannot even say that.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    /// Gives the socket a local address. Port 0 lets the system choose one.
    ///
    /// Before [`listen`](Self::listen) always; before [`connect`](Self::connect) if the peer is to see this address.
    ///
    /// # Errors
    /// What the system says: that the address is in use, is not this machine's, or is of the other family.
    pub fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.socket.bind(&address.into())
    }

    /// Connects to this address, with the options set so far.
    ///
    /// # Cancellation
    /// **Lossy.** The socket is closed, and with it an attempt under way; the peer may see a connection that ends
    /// at once.
    ///
    /// # Errors
    /// As [`TcpStream::connect`](super::TcpStream::connect).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::net::{TcpListener, TcpSocket};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let socket = TcpSocket::new_v4()?;
    /// socket.bind("127.0.0.1:0".parse().expect("an address"))?;
    /// let from = socket.local_addr()?;
    /// let _client = socket.connect(listener.local_addr()?).await?;
    /// let (_server, peer) = listener.accept().await?;
    /// assert_eq!(peer, from);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn connect(self, address: SocketAddr) -> Connect {
        Connect::with(self.socket, address, Purpose::here(WaitKind::Connect))
    }

    /// Listens on the bound address, with up to `backlog` connections waiting to be accepted.
    ///
    /// The kernel cuts the number to `net.core.somaxconn`, and lets clients beyond it try again by themselves.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::net::{TcpSocket, TcpStream};
    ///
    /// let socket = TcpSocket::new_v4()?;
    /// socket.bind("127.0.0.1:0".parse().expect("an address"))?;
    /// let listener = socket.listen(16)?;
    /// assert!(TcpStream::connect(listener.local_addr()?).await.is_ok());
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(TcpListener::of(self.socket.into()))
    }

    /// The descriptor. Always there: in a simulated runtime no such socket can be made yet.
    pub fn try_as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }
}

fn saturate(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// A descriptor in std's clothes can be anything. What is neither a stream socket nor has an IP address is refused:
/// it would be watched in ways that fit TCP alone.
pub(super) fn expect_tcp<S: AsFd>(socket: &S) -> io::Result<()> {
    let socket = SockRef::from(socket);
    let is_tcp = socket.r#type()? == Type::STREAM && socket.local_addr()?.as_socket().is_some();
    if is_tcp { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is not a TCP socket")) }
}
