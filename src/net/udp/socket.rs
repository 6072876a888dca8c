//! The socket: where it comes from, sending and receiving.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::task::{Context, Poll};

use mio::Interest;
use socket2::{SockRef, Type};

use super::{Peek, PeekFrom, Recv, RecvFrom, Send, SendTo};
use crate::driver::source::{Direction, Passing, Purpose, SourceHandle};
use crate::net::datagram::{Datagrams, or_end};
use crate::net::lookup::{Resolve, first_of};
use crate::io::ready::{Readable, Writable};
use crate::net::sock::{Sock, refuse_in_a_simulation};
use crate::net::ToSocketAddrs;
use crate::task::wait::WaitKind;

/// A UDP socket.
///
/// All operations take `&self`, so that several tasks can send and receive at once, sharing it by an `Arc`.
///
/// A message that is longer than the buffer is cut, without a word. A message may be empty. One that found nobody may
/// come back as an error (`ConnectionRefused`) of some later operation, once, if the socket has a peer; the socket
/// can be used as before.
///
/// # Examples
/// ```
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// use mainspring::net::UdpSocket;
///
/// let server = UdpSocket::bind("127.0.0.1:0").await?;
/// let client = UdpSocket::bind("127.0.0.1:0").await?;
/// client.connect(server.local_addr()?).await?;
/// client.send(b"question").await?;
///
/// let mut buf = [0; 64];
/// let (count, peer) = server.recv_from(&mut buf).await?;
/// assert_eq!((&buf[..count], peer), (&b"question"[..], client.local_addr()?));
/// server.send_to(b"answer", peer).await?;
/// assert_eq!(client.recv(&mut buf).await?, 6);
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UdpSocket {
    /// The socket.
    pub(super) sock: Sock<std::net::UdpSocket>,
}

/// Where a socket comes from, and how it goes.
impl UdpSocket {
    /// Takes messages at the first of these addresses that can be had; port 0 lets the system choose one.
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
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(address: A) -> impl Future<Output = io::Result<Self>> {
        let addresses = Resolve::of(&address, Location::caller());
        async move {
            let addresses = addresses.await?;
            refuse_in_a_simulation()?;
            Self::from_std(first_of(addresses, "bind to", std::net::UdpSocket::bind)?)
        }
    }

    /// Gives it a peer: [`send`](Self::send) then sends there, and only what comes from there is received. It may be done
    /// again, with another peer.
    ///
    /// # Cancellation
    /// **Strict.** It waits for nothing but the look-up of a host name, and does nothing before.
    ///
    /// # Errors
    /// As [`bind`](Self::bind). That nobody is there is not found out by this.
    ///
    /// # Panics
    /// The future panics if it has a name to look up and there is no runtime.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(&self, address: A) -> impl Future<Output = io::Result<()>> {
        let addresses = Resolve::of(&address, Location::caller());
        async move { first_of(addresses.await?, "connect to", |address| self.std().connect(address)) }
    }

    /// Takes a socket from std and makes it non-blocking.
    ///
    /// For a socket with options that are not offered here, by way of socket2 for instance.
    ///
    /// # Errors
    /// If the descriptor is not an open IPv4 or IPv6 datagram socket, and in a simulated runtime.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::net::UdpSocket;
    ///
    /// let socket = UdpSocket::from_std(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
    /// socket.send_to(b"note to self", socket.local_addr()?).await?;
    /// assert_eq!(socket.recv(&mut [0; 16]).await?, 12);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        refuse_in_a_simulation()?;
        let kind = SockRef::from(&socket);
        if kind.r#type()? != Type::DGRAM || kind.local_addr()?.as_socket().is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is not a UDP socket"));
        }
        socket.set_nonblocking(true)?;
        Ok(Self { sock: Sock::with_passing(Passing::Errors, socket, Interest::READABLE | Interest::WRITABLE) })
    }

    /// Gives std's socket back. It is still non-blocking.
    ///
    /// # Errors
    /// Only in a simulated runtime, whose sockets std knows nothing of.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        Ok(self.sock.into_io())
    }

    pub(super) fn source(&self) -> &SourceHandle {
        self.sock.source()
    }

    pub(super) fn std(&self) -> &std::net::UdpSocket {
        self.sock.io()
    }
}

impl Datagrams for UdpSocket {
    type Address = SocketAddr;

    fn send_now(&self, buf: &[u8]) -> io::Result<usize> {
        self.std().send(buf)
    }

    fn recv_now(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.std().recv(buf)
    }

    fn recv_from_now(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.std().recv_from(buf)
    }

    fn nobody(&self) -> io::Result<SocketAddr> {
        self.peer_addr() // there is no address that stands for nobody
    }
}

/// Sending and receiving.
impl UdpSocket {
    /// Sends a message to the peer that [`connect`](Self::connect) has given it, and says how long it was.
    ///
    /// # Cancellation
    /// **Strict.** The message is sent only by the poll that says so.
    ///
    /// # Errors
    /// `ConnectionRefused` if an earlier message found nobody; what the system says otherwise, of a message that is too
    /// long for instance; and after the end of the runtime that the socket was used in.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn send<'a>(&'a self, buf: &'a [u8]) -> Send<'a, Self> {
        Send::new(self, self.source(), buf, Location::caller())
    }

    /// Sends a message to this address (of a name, to the first), and says how long it was.
    ///
    /// # Cancellation
    /// **Strict.** The message is sent only by the poll that says so.
    ///
    /// # Errors
    /// `InvalidInput` if there is no address; otherwise as [`send`](Self::send).
    ///
    /// # Panics
    /// The future panics if it has to wait, or a name to look up, and there is no runtime.
    #[track_caller]
    pub fn send_to<'a, A: ToSocketAddrs>(&'a self, buf: &'a [u8], target: A) -> SendTo<'a> {
        SendTo::new(self, buf, &target, Location::caller())
    }

    /// Receives a message, from the peer if there is one; what is longer than `buf` is cut.
    ///
    /// # Cancellation
    /// **Strict.** A message is taken only by the poll that returns it.
    ///
    /// # Errors
    /// `ConnectionRefused` if an earlier message found nobody; what the system says otherwise; and after the end of the
    /// runtime that the socket was used in.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn recv<'a>(&'a self, buf: &'a mut [u8]) -> Recv<'a, Self> {
        Recv::new(self, self.source(), buf, Location::caller())
    }

    /// As [`recv`](Self::recv), and says who sent it.
    ///
    /// # Cancellation
    /// **Strict.** A message is taken only by the poll that returns it.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn recv_from<'a>(&'a self, buf: &'a mut [u8]) -> RecvFrom<'a, Self> {
        RecvFrom::new(self, self.source(), buf, Location::caller())
    }

    /// As [`recv`](Self::recv), but leaves the message where it is.
    ///
    /// # Cancellation
    /// **Strict.** Nothing is taken at all.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> Peek<'a> {
        Peek::new(self, buf, Location::caller())
    }

    /// As [`recv_from`](Self::recv_from), but leaves the message where it is.
    ///
    /// For whoever decides by the sender who is to take the message.
    ///
    /// # Cancellation
    /// **Strict.** Nothing is taken at all.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn peek_from<'a>(&'a self, buf: &'a mut [u8]) -> PeekFrom<'a> {
        PeekFrom::new(self, buf, Location::caller())
    }

    /// Waits until there may be something to receive. It may be wrong, so what follows is a `try_` in a loop.
    ///
    /// # Cancellation
    /// **Strict.** It only looks.
    ///
    /// # Errors
    /// If the socket cannot be watched, and after the end of the runtime that it was used in.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn readable(&self) -> Readable<'_> {
        Readable::new(self.source(), Location::caller())
    }

    /// Waits until there may be room to send. See [`readable`](Self::readable).
    ///
    /// # Cancellation
    /// **Strict.** It only looks.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn writable(&self) -> Writable<'_> {
        Writable::new(self.source(), Location::caller())
    }

    /// As [`send`](Self::send), without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room; otherwise as there.
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.source().attempt(Direction::Write, |_| self.std().send(buf))
    }

    /// As [`send_to`](Self::send_to), without waiting; so the target is an address and no name.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room; otherwise as there.
    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        self.source().attempt(Direction::Write, |_| self.std().send_to(buf, target))
    }

    /// As [`recv`](Self::recv), without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing; otherwise as there.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.source().attempt(Direction::Read, |seen| or_end(self.recv_now(buf), seen, || Ok(0)))
    }

    /// As [`recv_from`](Self::recv_from), without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing; otherwise as there.
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let end = || Ok((0, self.nobody()?));
        self.source().attempt(Direction::Read, |seen| or_end(self.recv_from_now(buf), seen, end))
    }

    /// As [`peek_from`](Self::peek_from), without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing; otherwise as there.
    pub fn try_peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let end = || Ok((0, self.nobody()?));
        self.source().attempt(Direction::Read, |seen| or_end(self.std().peek_from(buf), seen, end))
    }
}

/// The same for whoever writes futures by hand. Several tasks may poll the same direction, and all of them are woken. Beyond
/// 32 that wait so, the one that has waited longest is woken early, to come again if it still cares.
impl UdpSocket {
    /// As [`send`](Self::send); on `Pending` the task is woken when it is worth another try.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.source().poll_as_visitor(Purpose::here(WaitKind::Write), cx, |_| self.std().send(buf))
    }

    /// As [`send_to`](Self::send_to); on `Pending` the task is woken when it is worth another try.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_send_to(&self, cx: &mut Context<'_>, buf: &[u8], target: SocketAddr) -> Poll<io::Result<usize>> {
        self.source().poll_as_visitor(Purpose::here(WaitKind::Write), cx, |_| self.std().send_to(buf, target))
    }

    /// As [`recv`](Self::recv); on `Pending` the task is woken when it is worth another try.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.source().poll_as_visitor(Purpose::here(WaitKind::Read), cx, |seen| or_end(self.recv_now(buf), seen, || Ok(0)))
    }

    /// As [`recv_from`](Self::recv_from); on `Pending` the task is woken when it is worth another try.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        let (purpose, end) = (Purpose::here(WaitKind::Read), || Ok((0, self.nobody()?)));
        self.source().poll_as_visitor(purpose, cx, |seen| or_end(self.recv_from_now(buf), seen, end))
    }

    /// As [`peek_from`](Self::peek_from); on `Pending` the task is woken when it is worth another try.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_peek_from(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        let (purpose, end) = (Purpose::here(WaitKind::Read), || Ok((0, self.nobody()?)));
        self.source().poll_as_visitor(purpose, cx, |seen| or_end(self.std().peek_from(buf), seen, end))
    }

    /// As [`readable`](Self::readable); on `Pending` the task is woken when there is something.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source().poll_ready_as_visitor(Purpose::here(WaitKind::Readable), cx).map_ok(drop)
    }

    /// As [`writable`](Self::writable); on `Pending` the task is woken when there is room.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source().poll_ready_as_visitor(Purpose::here(WaitKind::Writable), cx).map_ok(drop)
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UdpSocket")
            .field("local_addr", &self.local_addr().ok())
            .field("peer_addr", &self.peer_addr().ok())
            .field("sock", &self.sock)
            .finish()
    }
}
