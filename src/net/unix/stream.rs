//! A connection between two processes of one machine.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read as _};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;

use mio::Interest;
use socket2::{Domain, SockRef, Type};

use super::{Connect, SocketAddr, UCred, address};
use crate::base::sys;
use crate::driver::source::{Purpose, Seen, SourceHandle};
use crate::net::sock::{Sock, refuse_in_a_simulation};
use crate::io::stream::{self, Duplex, Reads, Writes, reading, unless_gone, writing};
use crate::io::{async_read, async_write};
use crate::task::wait::WaitKind;

/// The reading half of a stream that [`UnixStream::split`] lends.
pub type ReadHalf<'a> = stream::ReadHalf<'a, UnixStream>;

/// The writing half of a stream that [`UnixStream::split`] lends.
pub type WriteHalf<'a> = stream::WriteHalf<'a, UnixStream>;

/// The reading half of a stream that [`UnixStream::into_split`] took apart.
pub type OwnedReadHalf = stream::OwnedReadHalf<UnixStream>;

/// The writing half of a stream that [`UnixStream::into_split`] took apart. Dropping it ends that direction.
pub type OwnedWriteHalf = stream::OwnedWriteHalf<UnixStream>;

/// A connection between two processes of this machine, or within one.
///
/// All operations take `&self`, as those of a [`TcpStream`](crate::net::TcpStream), where each has its example.
///
/// # Examples
/// ```
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// use mainspring::net::UnixStream;
/// use std::net::Shutdown;
///
/// let (near, far) = UnixStream::pair()?;
/// near.write_all(b"to and fro").await?;
/// near.shutdown(Shutdown::Write)?;
///
/// let mut buf = [0; 64];
/// let count = far.read(&mut buf).await?;
/// far.write_all(&buf[..count]).await?;
/// assert_eq!(far.read(&mut buf).await?, 0);
///
/// assert_eq!(near.read(&mut buf).await?, 10);
/// assert_eq!(&buf[..10], b"to and fro");
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixStream {
    /// The socket.
    sock: Sock<StdStream>,
}

/// Where a stream comes from, and how it goes.
impl UnixStream {
    /// Connects to whoever listens at this path; with a zero byte in front, at a name outside the file system (Linux).
    ///
    /// While the listener has as many clients waiting as it allows, it is tried again every few milliseconds, without end: put
    /// a [`timeout`](crate::time::timeout()) around it.
    ///
    /// # Cancellation
    /// **Strict.** Nothing has reached the listener before the poll that returns the stream.
    ///
    /// # Errors
    /// `NotFound` if there is no such file, `ConnectionRefused` if nobody listens there any more; `InvalidInput` if the path is
    /// empty or too long (some 100 bytes are the limit); and in a simulated runtime.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(path: P) -> Connect {
        Connect::to(address::of_path(path.as_ref()), Purpose::here(WaitKind::Connect))
    }

    /// As [`connect`](Self::connect), to an address that a socket has told.
    ///
    /// # Cancellation
    /// **Strict.** Nothing has reached the listener before the poll that returns the stream.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); and `InvalidInput` if it is the address of a socket without a name.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn connect_addr(address: &SocketAddr) -> Connect {
        Connect::to(address::of_address(address), Purpose::here(WaitKind::Connect))
    }

    /// Two streams without names, connected to each other.
    ///
    /// # Errors
    /// If there are no descriptors left, and in a simulated runtime.
    pub fn pair() -> io::Result<(Self, Self)> {
        refuse_in_a_simulation()?;
        let (near, far) = StdStream::pair()?;
        Ok((Self::from_std(near)?, Self::from_std(far)?))
    }

    /// Takes a stream from std and makes it non-blocking.
    ///
    /// # Errors
    /// If the descriptor is not an open Unix stream socket, and in a simulated runtime.
    pub fn from_std(stream: StdStream) -> io::Result<Self> {
        refuse_in_a_simulation()?;
        expect_unix(&stream, Type::STREAM)?;
        stream.set_nonblocking(true)?;
        Ok(Self::of(stream))
    }

    /// Gives std's stream back. It is still non-blocking.
    ///
    /// # Errors
    /// Only in a simulated runtime, whose streams std knows nothing of.
    pub fn into_std(self) -> io::Result<StdStream> {
        Ok(self.sock.into_io())
    }

    pub(super) fn of(stream: StdStream) -> Self {
        Self { sock: Sock::new(stream, Interest::READABLE | Interest::WRITABLE) }
    }

    pub(super) fn std(&self) -> &StdStream {
        self.sock.io()
    }

    pub(super) fn source(&self) -> &SourceHandle {
        self.sock.source()
    }

    fn whole(&self) -> &Self {
        self
    }

    /// Lends the two directions as two values; see [`into_split`](Self::into_split) for two tasks.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        stream::borrowed(self)
    }

    /// Takes the stream apart, for two tasks.
    ///
    /// Dropping the write half shuts that direction down; the socket is closed with the second half.
    /// [`reunite`](OwnedReadHalf::reunite) undoes it.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        stream::owned(self)
    }

    /// Ends one direction or both: the peer reads to the end of what was written, and then finds the end.
    ///
    /// # Errors
    /// What the system says.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.std().shutdown(how)
    }
}

/// Reading and writing.
impl UnixStream {
    reading!(UnixStream);
    writing!(UnixStream);
}

/// What can be asked.
impl UnixStream {
    /// The process, user and group that the peer had when it connected, or listened.
    ///
    /// # Errors
    /// `Unsupported` on platforms other than Linux.
    ///
    /// # Examples
    /// ```
    /// # if cfg!(mainspring_plain) { return Ok(()); }
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::net::UnixStream;
    ///
    /// let (near, _far) = UnixStream::pair()?;
    /// assert_eq!(near.peer_cred()?.pid(), i32::try_from(std::process::id()).ok());
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peer_cred(&self) -> io::Result<UCred> {
        sys::peer_cred(self.std()).map(|(pid, uid, gid)| UCred { pid, uid, gid })
    }

    /// The address of the peer, which mostly has no name.
    ///
    /// # Errors
    /// What the system says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.std().peer_addr()
    }

    /// The address of this end.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.std().local_addr()
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

/// No short read or write clears the readiness: a read stops short at a passed descriptor, with more behind it.
impl Reads for UnixStream {
    fn reading(&self) -> &SourceHandle {
        self.source()
    }

    fn recv(&self, buf: &mut [u8], _seen: Seen) -> io::Result<usize> {
        self.std().read(buf)
    }

    fn recv_vectored(&self, bufs: &mut [IoSliceMut<'_>], _seen: Seen) -> io::Result<usize> {
        self.std().read_vectored(bufs)
    }

    fn origin(&self) -> Option<BorrowedFd<'_>> {
        Some(self.std().as_fd())
    }
}

impl Writes for UnixStream {
    fn writing(&self) -> &SourceHandle {
        self.source()
    }

    fn send(&self, buf: &[u8], _seen: Seen) -> io::Result<usize> {
        sys::send(self.std(), buf)
    }

    fn send_vectored(&self, bufs: &[IoSlice<'_>], _seen: Seen) -> io::Result<usize> {
        sys::send_vectored(self.std(), bufs)
    }

    fn send_nothing(&self) -> io::Result<usize> {
        sys::send(self.std(), &[])
    }

    fn close(&self) -> io::Result<()> {
        unless_gone(self.end_writing())
    }

    fn sink(&self) -> Option<BorrowedFd<'_>> {
        Some(self.std().as_fd())
    }
}

async_read!([] UnixStream);
async_write!([] UnixStream);

impl Duplex for UnixStream {
    type Address = SocketAddr;

    fn peer(&self) -> io::Result<SocketAddr> {
        self.peer_addr()
    }

    fn local(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn end_writing(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixStream")
            .field("local_addr", &self.local_addr().ok())
            .field("peer_addr", &self.peer_addr().ok())
            .field("sock", &self.sock)
            .finish()
    }
}

/// A descriptor in std's clothes can be anything.
pub(super) fn expect_unix<S: AsFd>(socket: &S, kind: Type) -> io::Result<()> {
    let socket = SockRef::from(socket);
    let is_unix = socket.r#type()? == kind && socket.local_addr()?.domain() == Domain::UNIX;
    if is_unix {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is not a Unix socket of this kind"))
}
