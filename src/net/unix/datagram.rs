//! Unix datagrams: whole messages, in order, and none lost on the way.
//!
//! A receiver whose queue is full holds its senders up. One that is connected to it hears when there is room; of one that is
//! not (`send_to`) the kernel keeps no note, and gives it no event. So that one looks
//! again after a moment, and leaves the readiness of its socket alone: cleared, it would never come back.
//!
//! Cases of the catalogue: NET-12.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::panic::Location;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use mio::Interest;
use socket2::{SockAddr, SockRef, Type};

use super::retry::Retry;
use super::stream::expect_unix;
use super::{Recv, RecvFrom, Send, SocketAddr, address};
use crate::base::sys;
use crate::driver::source::{Direction, Passing, Purpose, SourceHandle};
use crate::net::datagram::{Datagrams, or_end};
use crate::io::ready::{Readable, Writable};
use crate::net::sock::{Sock, refuse_in_a_simulation};
use crate::task::budget;
use crate::task::wait::{self, Wait, WaitKind};

/// A Unix socket for whole messages.
///
/// All operations take `&self`. A message that is longer than the buffer is cut, without a word; it may be empty.
///
/// # Examples
/// ```
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// use mainspring::net::UnixDatagram;
///
/// # let path = std::env::temp_dir().join(format!("mainspring-datagram-{}", std::process::id()));
/// let server = UnixDatagram::bind(&path)?;
/// let client = UnixDatagram::unbound()?;
/// client.send_to(b"note", &path).await?;
/// assert_eq!(server.recv(&mut [0; 16]).await?, 4);
/// std::fs::remove_file(&path)?;
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixDatagram {
    /// The socket.
    sock: Sock<StdDatagram>,
}

/// Where a socket comes from, and how it goes.
impl UnixDatagram {
    /// Takes messages at this path; with a zero byte in front, at a name outside the file system (Linux).
    ///
    /// # Errors
    /// `AddrInUse` if there is something; `InvalidInput` if the path is empty or too long; and in a simulated runtime.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<Self> {
        let address = address::of_path(path.as_ref())?;
        refuse_in_a_simulation()?;
        let socket = sys::unix_socket(Type::DGRAM)?;
        socket.bind(&address)?;
        Ok(Self::of(socket.into()))
    }

    /// A socket without a name, which nobody can answer unless it is connected.
    ///
    /// # Errors
    /// If there are no descriptors left, and in a simulated runtime.
    pub fn unbound() -> io::Result<Self> {
        refuse_in_a_simulation()?;
        Ok(Self::of(sys::unix_socket(Type::DGRAM)?.into()))
    }

    /// Two sockets without names, connected to each other.
    ///
    /// # Errors
    /// If there are no descriptors left, and in a simulated runtime.
    pub fn pair() -> io::Result<(Self, Self)> {
        refuse_in_a_simulation()?;
        let (near, far) = StdDatagram::pair()?;
        Ok((Self::from_std(near)?, Self::from_std(far)?))
    }

    /// Gives it a peer: [`send`](Self::send) then sends there, and only what comes from there is received.
    ///
    /// # Errors
    /// `NotFound` if there is no such file, `ConnectionRefused` if nobody receives there any more.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        SockRef::from(self.std()).connect(&address::of_path(path.as_ref())?)
    }

    /// As [`connect`](Self::connect), to an address that a socket has told.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); and `InvalidInput` if it is the address of a socket without a name.
    pub fn connect_addr(&self, address: &SocketAddr) -> io::Result<()> {
        SockRef::from(self.std()).connect(&address::of_address(address)?)
    }

    /// Takes a socket from std and makes it non-blocking.
    ///
    /// # Errors
    /// If the descriptor is not an open Unix datagram socket, and in a simulated runtime.
    pub fn from_std(socket: StdDatagram) -> io::Result<Self> {
        refuse_in_a_simulation()?;
        expect_unix(&socket, Type::DGRAM)?;
        socket.set_nonblocking(true)?;
        Ok(Self::of(socket))
    }

    /// Gives std's socket back. It is still non-blocking.
    ///
    /// # Errors
    /// Only in a simulated runtime, whose sockets std knows nothing of.
    pub fn into_std(self) -> io::Result<StdDatagram> {
        Ok(self.sock.into_io())
    }

    /// Ends one direction or both. Whoever waits to receive here is woken, and gets 0 bytes.
    ///
    /// # Errors
    /// `NotConnected` if it has no peer.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.std().shutdown(how)
    }

    fn of(socket: StdDatagram) -> Self {
        Self { sock: Sock::with_passing(Passing::Errors, socket, Interest::READABLE | Interest::WRITABLE) }
    }

    fn std(&self) -> &StdDatagram {
        self.sock.io()
    }

    fn source(&self) -> &SourceHandle {
        self.sock.source()
    }
}

impl Datagrams for UnixDatagram {
    type Address = SocketAddr;

    fn send_now(&self, buf: &[u8]) -> io::Result<usize> {
        sys::send(self.std(), buf)
    }

    fn recv_now(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.std().recv(buf)
    }

    fn recv_from_now(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.std().recv_from(buf)
    }

    fn nobody(&self) -> io::Result<SocketAddr> {
        SocketAddr::from_pathname("") // the address of a socket without a name
    }
}

/// Sending and receiving.
impl UnixDatagram {
    /// Sends a message to the peer, when that has room for it.
    ///
    /// # Cancellation
    /// **Strict.** The message is sent only by the poll that says so.
    ///
    /// # Errors
    /// `NotConnected` without a peer, `ConnectionRefused` or `ConnectionReset` if that has gone; and after the end of the
    /// runtime that the socket was used in.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn send<'a>(&'a self, buf: &'a [u8]) -> Send<'a, Self> {
        Send::new(self, self.source(), buf, Location::caller())
    }

    /// Sends a message to whoever receives at this path, when that has room for it.
    ///
    /// While its queue is full it is tried again every few milliseconds.
    ///
    /// # Cancellation
    /// **Strict.** The message is sent only by the poll that says so.
    ///
    /// # Errors
    /// As [`connect`](Self::connect) and [`send`](Self::send).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn send_to<'a, P: AsRef<Path>>(&'a self, buf: &'a [u8], path: P) -> SendTo<'a> {
        SendTo::new(self, buf, address::of_path(path.as_ref()), Location::caller())
    }

    /// As [`send_to`](Self::send_to), to an address that a socket has told: the sender of a message, for an answer.
    ///
    /// # Cancellation
    /// **Strict.** The message is sent only by the poll that says so.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to); and `InvalidInput` if it is the address of a socket without a name.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn send_to_addr<'a>(&'a self, buf: &'a [u8], address: &SocketAddr) -> SendTo<'a> {
        SendTo::new(self, buf, address::of_address(address), Location::caller())
    }

    /// Receives a message; what is longer than `buf` is cut. After [`shutdown`](Self::shutdown) of reading, and when what came
    /// before has been taken, it gives 0 bytes at once, as std's blocking socket does.
    ///
    /// # Cancellation
    /// **Strict.** A message is taken only by the poll that returns it.
    ///
    /// # Errors
    /// What the system says, and after the end of the runtime that the socket was used in.
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

    /// Waits until there may be room to send: in this socket and, if it has a peer, in that one.
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
        self.source().attempt(Direction::Write, |_| self.send_now(buf))
    }

    /// As [`send_to`](Self::send_to), without waiting.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room; otherwise as there.
    pub fn try_send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        // Not by way of the source: that the receiver has no room is no news of this socket, and no event would end it.
        self.send_now_to(buf, &address::of_path(path.as_ref())?)
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

    fn send_now_to(&self, buf: &[u8], target: &SockAddr) -> io::Result<usize> {
        SockRef::from(self.std()).send_to(buf, target)
    }
}

/// The same for whoever writes futures by hand. Several tasks may poll the same direction, and all of them are woken; see
/// [`UdpSocket`](crate::net::UdpSocket).
impl UnixDatagram {
    /// As [`send`](Self::send); on `Pending` the task is woken when it is worth another try.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.source().poll_as_visitor(Purpose::here(WaitKind::Write), cx, |_| self.send_now(buf))
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
}

/// What can be asked.
impl UnixDatagram {
    /// The address of this end.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.std().local_addr()
    }

    /// The address of the peer.
    ///
    /// # Errors
    /// `NotConnected` if there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.std().peer_addr()
    }

    /// Takes the pending error off the socket (`SO_ERROR`).
    ///
    /// # Errors
    /// If the system cannot even say that.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.std().take_error()
    }

    /// The descriptor; none in a simulated runtime. For system calls that are not offered here.
    pub fn try_as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.sock.try_as_fd()
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixDatagram")
            .field("local_addr", &self.local_addr().ok())
            .field("peer_addr", &self.peer_addr().ok())
            .field("sock", &self.sock)
            .finish()
    }
}

/// Future of [`UnixDatagram::send_to`].
///
/// # Cancellation
/// **Strict.** The message is sent only by the poll that says so.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct SendTo<'a> {
    /// Where to send.
    socket: &'a UnixDatagram,
    /// The user's line, for the wait reason.
    purpose: Purpose,
    /// The moments between tries.
    retry: Retry,
    /// The message.
    buf: &'a [u8],
    /// To whom.
    target: io::Result<SockAddr>,
}

impl<'a> SendTo<'a> {
    fn new(
        socket: &'a UnixDatagram,
        buf: &'a [u8],
        target: io::Result<SockAddr>,
        at: &'static Location<'static>,
    ) -> Self {
        Self { socket, purpose: Purpose { kind: WaitKind::Write, at }, retry: Retry::default(), buf, target }
    }
}

impl Future for SendTo<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { socket, purpose, retry, buf, target } = self.get_mut();
        let target = match target {
            Ok(target) => &*target,
            Err(error) => return Poll::Ready(Err(io::Error::new(error.kind(), error.to_string()))),
        };
        ready!(budget::poll_proceed(cx));
        loop {
            if retry.poll("send_to", cx)?.is_pending() {
                budget::refund();
                wait::note(Wait { kind: purpose.kind, object: 0, at: purpose.at });
                return Poll::Pending;
            }
            match socket.send_now_to(buf, target) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => retry.begin(),
                outcome => return Poll::Ready(outcome),
            }
        }
    }
}
