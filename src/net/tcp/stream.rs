//! A connection.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::BorrowedFd;
use std::panic::Location;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;

use super::socket::expect_tcp;
use super::{
    Connect, OwnedReadHalf, OwnedWriteHalf, Peek, Read, ReadExact, ReadHalf, ReadToEnd, ReadVectored, Readable, Writable, Write,
    WriteAll, WriteHalf, WriteVectored,
};
use crate::base::sys;
use crate::driver::source::{Direction, Purpose, SourceHandle};
use crate::net::ToSocketAddrs;
use crate::io::stream::{self, Reads as _, Writes as _};
use crate::net::sock::{Sock, refuse_in_a_simulation};
use crate::task::wait::WaitKind;

/// A TCP connection.
///
/// All operations take `&self`: two tasks can share a stream by an `Arc`, and [`split`](Self::split) and
/// [`into_split`](Self::into_split) are there for code that wants the two directions as two values. Several tasks
/// may wait for the same direction; they are woken together and try in the order in which they came.
///
/// Dropping the stream closes the connection. Data that the peer has sent and nobody has read turns that into a
/// reset, as everywhere.
///
/// # Examples
/// An echo, and the end of the stream:
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use mainspring::net::{TcpListener, TcpStream};
/// use std::net::Shutdown;
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let (server, _) = listener.accept().await?;
///
/// client.write_all(b"to and fro").await?;
/// client.shutdown(Shutdown::Write)?;
///
/// let mut buf = [0; 64];
/// let count = server.read(&mut buf).await?;
/// server.write_all(&buf[..count]).await?;
/// assert_eq!(server.read(&mut buf).await?, 0);
///
/// assert_eq!(client.read(&mut buf).await?, 10);
/// assert_eq!(&buf[..10], b"to and fro");
/// # Ok(()) })
/// # }
/// ```
pub struct TcpStream {
    /// The socket.
    sock: Sock<std::net::TcpStream>,
}

/// Where a stream comes from, and how it goes.
impl TcpStream {
    /// Connects to the first of these addresses that answers.
    ///
    /// A host name is looked up, as by [`lookup_host`](crate::net::lookup_host()). If there are several addresses,
    /// each has 250 ms to answer, and then the next one is tried beside it (RFC 8305); those of a name take turns by
    /// family. Put a [`timeout`](crate::time::timeout()) around it, for the system's own patience with a silent peer is
    /// about two minutes. A [`TcpSocket`](super::TcpSocket) takes options before.
    ///
    /// # Cancellation
    /// **Lossy.** The attempts under way are ended and their sockets closed; the peer may see a connection that ends at
    /// once.
    ///
    /// # Errors
    /// `InvalidInput` if the address is none; what the system says if the host is not found; otherwise what it says of the
    /// last address: `ConnectionRefused` if nobody listens there.
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
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(address: A) -> Connect {
        Connect::to(&address, Purpose::here(WaitKind::Connect))
    }

    /// Takes a stream from std and makes it non-blocking.
    ///
    /// For connections that come from elsewhere: made by blocking code, or inherited from a parent process.
    ///
    /// # Errors
    /// If the descriptor is not an open IPv4 or IPv6 stream socket, and in a simulated runtime.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// let blocking = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let client = TcpStream::from_std(blocking)?;
    ///
    /// let (server, _) = listener.accept().await?;
    /// server.write_all(b"hi").await?;
    /// assert_eq!(client.read(&mut [0; 8]).await?, 2);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        refuse_in_a_simulation()?;
        expect_tcp(&stream)?;
        stream.set_nonblocking(true)?;
        Ok(Self::of(Sock::new(stream, sys::stream_interest())))
    }

    /// Gives std's stream back. It is still non-blocking.
    ///
    /// For code that wants to block, on a thread of its own. Nothing is lost: what was not read is still to be read.
    ///
    /// # Errors
    /// Only in a simulated runtime, whose streams std knows nothing of.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// let blocking = client.into_std()?;
    /// assert_eq!(blocking.peer_addr()?, server.local_addr()?);
    /// blocking.set_nonblocking(false)?;
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        Ok(self.sock.into_io())
    }

    pub(super) fn of(sock: Sock<std::net::TcpStream>) -> Self {
        Self { sock }
    }

    pub(super) fn stream(&self) -> &std::net::TcpStream {
        self.sock.io()
    }

    pub(super) fn source(&self) -> &SourceHandle {
        self.sock.source()
    }

    /// Lends the two directions as two values; see [`into_split`](Self::into_split) for two tasks.
    ///
    /// For one task that reads and writes at once. It costs nothing, and ends with the borrow.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// let mut client = client;
    /// let (read, write) = client.split();
    /// write.write_all(b"ping").await?;
    /// server.write_all(b"pong").await?;
    /// let mut buf = [0; 4];
    /// read.read_exact(&mut buf).await?;
    /// assert_eq!(&buf, b"pong");
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        stream::borrowed(self)
    }

    /// Takes the stream apart, for two tasks.
    ///
    /// Dropping the write half shuts that direction down; the socket is closed with the second half.
    /// [`reunite`](OwnedReadHalf::reunite) undoes it.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// let (read, write) = client.into_split();
    /// let writer = mainspring::spawn(async move { write.write_all(b"all of it").await });
    /// let mut buf = [0; 16];
    /// assert_eq!(server.read(&mut buf).await?, 9);
    /// writer.await.expect("it does not panic")?;
    ///
    /// // The write half was dropped with its task, so the peer finds the end; it may still answer.
    /// assert_eq!(server.read(&mut buf).await?, 0);
    /// server.write_all(b"thanks").await?;
    /// assert_eq!(read.read(&mut buf).await?, 6);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        stream::owned(self)
    }

    /// Ends one direction or both: the peer reads to the end of what was written, and then finds the end.
    ///
    /// Ending the direction of writing tells the peer that the request is complete, while the answer can still be read.
    ///
    /// # Errors
    /// `NotConnected` if the peer has ended the connection already.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// use std::net::Shutdown;
    ///
    /// client.write_all(b"question").await?;
    /// client.shutdown(Shutdown::Write)?;
    ///
    /// let mut buf = [0; 16];
    /// assert_eq!(server.read(&mut buf).await?, 8);
    /// assert_eq!(server.read(&mut buf).await?, 0);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream().shutdown(how)
    }
}

/// Reading and writing.
impl TcpStream {
    /// Reads what is there, at least one byte; 0 means that the peer has ended the stream, or that `buf` is empty.
    ///
    /// The usual way to read: what arrives is handled as it arrives. For a message of known length there is
    /// [`read_exact`](Self::read_exact).
    ///
    /// # Cancellation
    /// **Strict.** Data is taken only by the poll that returns it.
    ///
    /// # Errors
    /// What the system says (`ConnectionReset`), and after the end of the runtime that the stream was used in.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// client.write_all(b"hello").await?;
    /// let mut buf = [0; 16];
    /// let count = server.read(&mut buf).await?;
    /// assert_eq!(&buf[..count], b"hello");
    ///
    /// drop(client);
    /// assert_eq!(server.read(&mut buf).await?, 0);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> Read<'a, Self> {
        Read::new(self, buf, Location::caller())
    }

    /// Fills `buf`, and returns its length.
    ///
    /// For messages whose length is known. If it may be dropped half way and the stream is to be used afterwards, call
    /// [`read`](Self::read) in a loop and keep count.
    ///
    /// # Cancellation
    /// **Lossy.** What was read before is in `buf` and gone from the stream, but how much it was is lost.
    ///
    /// # Errors
    /// `UnexpectedEof` if the stream ends before; otherwise as [`read`](Self::read).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// client.write_all(&7_u32.to_be_bytes()).await?;
    /// let mut number = [0; 4];
    /// server.read_exact(&mut number).await?;
    /// assert_eq!(u32::from_be_bytes(number), 7);
    ///
    /// drop(client);
    /// let error = server.read_exact(&mut number).await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn read_exact<'a>(&'a self, buf: &'a mut [u8]) -> ReadExact<'a, Self> {
        ReadExact::new(self, buf, Location::caller())
    }

    /// Appends all there is until the peer ends the stream, and says how much it was.
    ///
    /// For an answer that ends with the connection. Nothing bounds it but the peer, so of a stranger's stream read in pieces.
    ///
    /// # Cancellation
    /// **Strict.** What was read is in the vector, and a new call goes on from there.
    ///
    /// # Errors
    /// As [`read`](Self::read); what was read before is in the vector.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// client.write_all(b"all of it").await?;
    /// drop(client);
    /// let mut text = Vec::from(b"got: ");
    /// assert_eq!(server.read_to_end(&mut text).await?, 9);
    /// assert_eq!(text, b"got: all of it");
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn read_to_end<'a>(&'a self, into: &'a mut Vec<u8>) -> ReadToEnd<'a, Self> {
        ReadToEnd::new(self, into, Location::caller())
    }

    /// As [`read`](Self::read), into several buffers, one after the other.
    ///
    /// For a header and a body that have places of their own, in one system call.
    ///
    /// # Cancellation
    /// **Strict.** Data is taken only by the poll that returns it.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// use std::io::IoSliceMut;
    ///
    /// client.write_all(b"headbody").await?;
    /// let (mut head, mut body) = ([0; 4], [0; 16]);
    /// let mut bufs = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)];
    /// assert_eq!(server.read_vectored(&mut bufs).await?, 8);
    /// assert_eq!((&head, &body[..4]), (b"head", &b"body"[..]));
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn read_vectored<'a, 'b>(&'a self, bufs: &'a mut [IoSliceMut<'b>]) -> ReadVectored<'a, 'b, Self> {
        ReadVectored::new(self, bufs, Location::caller())
    }

    /// As [`read`](Self::read), but leaves the data where it is.
    ///
    /// For telling protocols apart by their first bytes, before the stream goes to whoever reads it from the start.
    ///
    /// # Cancellation
    /// **Strict.** Nothing is taken at all.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// client.write_all(b"GET / HTTP/1.1").await?;
    /// let mut start = [0; 3];
    /// server.peek(&mut start).await?;
    /// assert_eq!(&start, b"GET");
    ///
    /// let mut all = [0; 32];
    /// assert_eq!(server.read(&mut all).await?, 14);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> Peek<'a> {
        Peek::new(self, buf, Location::caller())
    }

    /// Writes as much of `buf` as there is room for, at least one byte unless it is empty.
    ///
    /// For code that must know how much has gone, because it may be stopped between two writes; everybody else calls
    /// [`write_all`](Self::write_all).
    ///
    /// # Cancellation
    /// **Strict.** Data is given away only by the poll that says so.
    ///
    /// # Errors
    /// `BrokenPipe` or `ConnectionReset` if the peer has gone (never a SIGPIPE), and after the end of the runtime
    /// that the stream was used in.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// let message = b"as much as fits";
    /// let mut sent = 0;
    /// while sent < message.len() {
    ///     sent += client.write(&message[sent..]).await?;
    /// }
    /// assert_eq!(server.read(&mut [0; 32]).await?, 15);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn write<'a>(&'a self, buf: &'a [u8]) -> Write<'a, Self> {
        Write::new(self, buf, Location::caller())
    }

    /// Writes all of `buf`.
    ///
    /// The usual way to write.
    ///
    /// # Cancellation
    /// **Lossy.** A part may have been written, and nobody says how much: the stream is of no more use for messages.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// client.write_all(b"every byte of it").await?;
    /// let mut buf = [0; 16];
    /// server.read_exact(&mut buf).await?;
    /// assert_eq!(&buf, b"every byte of it");
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> WriteAll<'a, Self> {
        WriteAll::new(self, buf, Location::caller())
    }

    /// As [`write`](Self::write), from several buffers, one after the other, in one system call.
    ///
    /// For a message in pieces, without copying them together and without a packet for each.
    ///
    /// # Cancellation
    /// **Strict.** Data is given away only by the poll that says so.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// use std::io::IoSlice;
    ///
    /// let pieces = [IoSlice::new(b"head"), IoSlice::new(b"body")];
    /// assert_eq!(client.write_vectored(&pieces).await?, 8);
    /// let mut buf = [0; 16];
    /// assert_eq!(server.read(&mut buf).await?, 8);
    /// assert_eq!(&buf[..8], b"headbody");
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn write_vectored<'a, 'b>(&'a self, bufs: &'a [IoSlice<'b>]) -> WriteVectored<'a, 'b, Self> {
        WriteVectored::new(self, bufs, Location::caller())
    }

    /// Waits until a read may succeed: there is data, or the stream has ended or failed.
    ///
    /// It may be wrong, so what follows is [`try_read`](Self::try_read) in a loop.
    ///
    /// For whoever has no buffer to lend while waiting: ten thousand idle connections need none until there is data.
    ///
    /// # Cancellation
    /// **Strict.** It only looks.
    ///
    /// # Errors
    /// If the socket cannot be watched, and after the end of the runtime that the stream was used in.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// use std::io::ErrorKind;
    ///
    /// client.write_all(b"news").await?;
    /// let count = loop {
    ///     server.readable().await?;
    ///     match server.try_read(&mut [0; 16]) {
    ///         Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
    ///         outcome => break outcome?,
    ///     }
    /// };
    /// assert_eq!(count, 4);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn readable(&self) -> Readable<'_> {
        Readable::new(self.source(), Location::caller())
    }

    /// Waits until a write may succeed: there is room, or the stream has failed. See [`readable`](Self::readable).
    ///
    /// For whoever makes up what to send at the last moment, when it can go out at once.
    ///
    /// # Cancellation
    /// **Strict.** It only looks.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// client.writable().await?;
    /// assert_eq!(client.try_write(b"the latest")?, 10);
    /// assert_eq!(server.read(&mut [0; 16]).await?, 10);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn writable(&self) -> Writable<'_> {
        Writable::new(self.source(), Location::caller())
    }

    /// Reads what is there, without waiting.
    ///
    /// For code that is not to wait here: it looks, takes what there is, and goes on. It needs no runtime.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing; otherwise as [`read`](Self::read).
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// use std::io::ErrorKind;
    ///
    /// let mut buf = [0; 16];
    /// assert_eq!(server.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// client.write_all(b"news").await?;
    /// server.readable().await?;
    /// assert_eq!(server.try_read(&mut buf)?, 4);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.source().attempt(Direction::Read, |seen| self.recv(buf, seen))
    }

    /// As [`try_read`](Self::try_read), into several buffers.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Ok(0);
        }
        self.source().attempt(Direction::Read, |seen| self.recv_vectored(bufs, seen))
    }

    /// Writes what there is room for, without waiting.
    ///
    /// For data that is better dropped than waited for, such as a picture that the next one will replace.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room; otherwise as [`write`](Self::write).
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// assert_eq!(client.try_write(b"picture")?, 7);
    /// let full = loop {
    ///     if let Err(error) = client.try_write(&[0; 65_536]) {
    ///         break error; // after some megabytes that nobody reads
    ///     }
    /// };
    /// assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
    /// # drop(server);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.source().attempt(Direction::Write, |seen| self.send(buf, seen))
    }

    /// As [`try_write`](Self::try_write), from several buffers.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write).
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.source().attempt(Direction::Write, |seen| self.send_vectored(bufs, seen))
    }
}

/// The same for whoever writes futures by hand. All `poll_read` calls of a stream, from whatever task, share one
/// place among its waiters, and so do all `poll_write` calls: only the task that called last is woken.
impl TcpStream {
    /// As [`read`](Self::read); on `Pending` the task is woken when it is worth another try.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// use std::future::poll_fn;
    ///
    /// client.write_all(b"hello").await?;
    /// let mut buf = [0; 16];
    /// let count = poll_fn(|cx| server.poll_read(cx, &mut buf)).await?;
    /// assert_eq!(&buf[..count], b"hello");
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_recv(cx, buf)
    }

    /// As [`write`](Self::write); on `Pending` the task is woken when it is worth another try.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// use std::future::poll_fn;
    ///
    /// let count = poll_fn(|cx| client.poll_write(cx, b"hello")).await?;
    /// assert_eq!(server.read(&mut [0; 16]).await?, count);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_send(cx, buf)
    }

    /// As [`write_vectored`](Self::write_vectored); on `Pending` the task is woken when it is worth another try.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_write_vectored(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.source().poll(Purpose::here(WaitKind::Write), cx, |seen| self.send_vectored(bufs, seen))
    }

    /// As [`readable`](Self::readable), in the place of [`poll_read`](Self::poll_read).
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source().poll_ready(Purpose::here(WaitKind::Readable), cx)
    }

    /// As [`writable`](Self::writable), in the place of [`poll_write`](Self::poll_write).
    ///
    /// # Errors
    /// As [`writable`](Self::writable).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source().poll_ready(Purpose::here(WaitKind::Writable), cx)
    }
}

/// What can be asked and set.
impl TcpStream {
    /// The address of the peer.
    ///
    /// # Errors
    /// `NotConnected` if the connection was reset.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream().peer_addr()
    }

    /// The address of this end.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream().local_addr()
    }

    /// Is a small write sent at once (`TCP_NODELAY`), instead of waiting for the answer to the one before?
    ///
    /// # Errors
    /// What the system says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.stream().nodelay()
    }

    /// Sets [`nodelay`](Self::nodelay).
    ///
    /// For those who answer requests: an answer in two small writes is otherwise held back for some 40 ms.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.stream().set_nodelay(nodelay)
    }

    /// What closing does to data not yet sent (`SO_LINGER`).
    ///
    /// `None` sends it in the background, as is usual; a zero throws it away and resets the connection.
    ///
    /// # Errors
    /// What the system says.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        SockRef::from(self.stream()).linger()
    }

    /// Sets [`linger`](Self::linger).
    ///
    /// A zero is for connections that are given up, whose port and memory are wanted back at once. Beware of times
    /// above zero: closing may then block the thread for as long.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// use std::io::ErrorKind;
    /// use std::time::Duration;
    ///
    /// client.set_linger(Some(Duration::ZERO))?;
    /// assert_eq!(client.linger()?, Some(Duration::ZERO));
    /// drop(client);
    /// let error = server.read(&mut [0; 16]).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        SockRef::from(self.stream()).set_linger(linger)
    }

    /// How many routers a packet may pass (`IP_TTL`).
    ///
    /// # Errors
    /// What the system says.
    pub fn ttl(&self) -> io::Result<u32> {
        self.stream().ttl()
    }

    /// Sets [`ttl`](Self::ttl).
    ///
    /// # Errors
    /// What the system says, of a zero for instance.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.stream().set_ttl(ttl)
    }

    /// Takes the pending error off the socket (`SO_ERROR`).
    ///
    /// For a stream that comes from elsewhere: what is wrong with it, before it is used. An operation that fails says
    /// so itself.
    ///
    /// # Errors
    /// If the system cannot even say that.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.stream().take_error()
    }

    /// The descriptor; none in a simulated runtime.
    ///
    /// For system calls that are not offered here. Whoever reads from it behind the stream's back may take what a
    /// waiting task was woken for.
    pub fn try_as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.sock.try_as_fd()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("local_addr", &self.local_addr().ok())
            .field("peer_addr", &self.peer_addr().ok())
            .field("sock", &self.sock)
            .finish()
    }
}
