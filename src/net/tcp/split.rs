//! The two directions of a stream as two values.
//!
//! The borrowed halves cost nothing and stay in one task. The owned ones share the stream by an `Arc`, so that two
//! tasks can hold one each; the socket is closed once, with the second of them.

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::panic::Location;
use std::sync::Arc;

use super::{Peek, Read, ReadExact, ReadVectored, Readable, TcpStream, Writable, Write, WriteAll, WriteVectored};

/// The reading half of a stream that [`TcpStream::split`] lends.
///
/// For code that is to read and not to write; what is not offered here is offered by the stream, by `as_ref`.
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The writing half of a stream that [`TcpStream::split`] lends. Dropping it does not shut the direction down.
///
/// For code that is to write and not to read.
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

/// The reading half of a stream that [`TcpStream::into_split`] took apart.
///
/// For a task that reads while another writes. Dropping it ends nothing: the socket is closed with the second half.
#[derive(Debug)]
pub struct OwnedReadHalf {
    /// Shared with the other half.
    stream: Arc<TcpStream>,
}

/// The writing half of a stream that [`TcpStream::into_split`] took apart.
///
/// For a task that writes while another reads. Dropping it shuts the direction down, so that the peer finds the end of
/// the stream, while reading goes on; [`forget`](Self::forget) drops it without that.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    /// Shared with the other half.
    stream: Arc<TcpStream>,
    /// Cleared by [`forget`](Self::forget), and when the halves are put together again.
    shuts_down: bool,
}

pub(super) fn borrowed(stream: &TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf(stream), WriteHalf(stream))
}

pub(super) fn owned(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    (OwnedReadHalf { stream: stream.clone() }, OwnedWriteHalf { stream, shuts_down: true })
}

/// What a reading half can do, for the borrowed and the owned one alike.
macro_rules! reading {
    () => {
        /// Reads what is there: [`TcpStream::read`], on this half.
        ///
        /// # Cancellation
        /// **Strict.** Data is taken only by the poll that returns it.
        ///
        /// # Errors
        /// As there.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> Read<'a> {
            Read::new(self.as_ref(), buf, Location::caller())
        }

        /// Fills the buffer: [`TcpStream::read_exact`], on this half.
        ///
        /// # Cancellation
        /// **Lossy.** How much was read before is lost.
        ///
        /// # Errors
        /// As there: `UnexpectedEof` if the stream ends before.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn read_exact<'a>(&'a self, buf: &'a mut [u8]) -> ReadExact<'a> {
            ReadExact::new(self.as_ref(), buf, Location::caller())
        }

        /// Reads into several buffers: [`TcpStream::read_vectored`], on this half.
        ///
        /// # Cancellation
        /// **Strict.** Data is taken only by the poll that returns it.
        ///
        /// # Errors
        /// As there.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn read_vectored<'a, 'b>(&'a self, bufs: &'a mut [IoSliceMut<'b>]) -> ReadVectored<'a, 'b> {
            ReadVectored::new(self.as_ref(), bufs, Location::caller())
        }

        /// Reads without taking: [`TcpStream::peek`], on this half.
        ///
        /// # Cancellation
        /// **Strict.** Nothing is taken at all.
        ///
        /// # Errors
        /// As there.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> Peek<'a> {
            Peek::new(self.as_ref(), buf, Location::caller())
        }

        /// Waits until a read may succeed: [`TcpStream::readable`], on this half.
        ///
        /// # Cancellation
        /// **Strict.** It only looks.
        ///
        /// # Errors
        /// As there.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn readable(&self) -> Readable<'_> {
            Readable::new(self.as_ref().source(), Location::caller())
        }

        /// Reads what is there, without waiting: [`TcpStream::try_read`], on this half.
        ///
        /// # Errors
        /// `WouldBlock` if there is nothing; otherwise as there.
        pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.as_ref().try_read(buf)
        }

        addresses!();
    };
}

/// What a writing half can do, for the borrowed and the owned one alike.
macro_rules! writing {
    () => {
        /// Writes what there is room for: [`TcpStream::write`], on this half.
        ///
        /// # Cancellation
        /// **Strict.** Data is given away only by the poll that says so.
        ///
        /// # Errors
        /// As there: `BrokenPipe` or `ConnectionReset` if the peer has gone.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn write<'a>(&'a self, buf: &'a [u8]) -> Write<'a> {
            Write::new(self.as_ref(), buf, Location::caller())
        }

        /// Writes all of it: [`TcpStream::write_all`], on this half.
        ///
        /// # Cancellation
        /// **Lossy.** A part may have been written, and nobody says how much.
        ///
        /// # Errors
        /// As there.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> WriteAll<'a> {
            WriteAll::new(self.as_ref(), buf, Location::caller())
        }

        /// Writes from several buffers: [`TcpStream::write_vectored`], on this half.
        ///
        /// # Cancellation
        /// **Strict.** Data is given away only by the poll that says so.
        ///
        /// # Errors
        /// As there.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn write_vectored<'a, 'b>(&'a self, bufs: &'a [IoSlice<'b>]) -> WriteVectored<'a, 'b> {
            WriteVectored::new(self.as_ref(), bufs, Location::caller())
        }

        /// Waits until a write may succeed: [`TcpStream::writable`], on this half.
        ///
        /// # Cancellation
        /// **Strict.** It only looks.
        ///
        /// # Errors
        /// As there.
        ///
        /// # Panics
        /// The future panics if it has to wait and there is no runtime.
        #[track_caller]
        pub fn writable(&self) -> Writable<'_> {
            Writable::new(self.as_ref().source(), Location::caller())
        }

        /// Writes what there is room for, without waiting: [`TcpStream::try_write`], on this half.
        ///
        /// # Errors
        /// `WouldBlock` if there is no room; otherwise as there.
        pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
            self.as_ref().try_write(buf)
        }

        /// Ends this direction: the peer reads what was written, and then finds the end.
        ///
        /// # Errors
        /// As [`TcpStream::shutdown`].
        pub fn shutdown(&self) -> io::Result<()> {
            self.as_ref().shutdown(Shutdown::Write)
        }

        addresses!();
    };
}

/// What every half can say.
macro_rules! addresses {
    () => {
        /// The address of the peer.
        ///
        /// # Errors
        /// As [`TcpStream::peer_addr`].
        pub fn peer_addr(&self) -> io::Result<SocketAddr> {
            self.as_ref().peer_addr()
        }

        /// The address of this end.
        ///
        /// # Errors
        /// As [`TcpStream::local_addr`].
        pub fn local_addr(&self) -> io::Result<SocketAddr> {
            self.as_ref().local_addr()
        }
    };
}

impl ReadHalf<'_> {
    reading!();
}

impl WriteHalf<'_> {
    writing!();
}

impl OwnedReadHalf {
    reading!();

    /// Puts the stream together again.
    ///
    /// # Errors
    /// If the halves are of two streams; the error gives both back.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// let (read, write) = client.into_split();
    /// let client = read.reunite(write).expect("they are of one stream");
    /// client.write_all(b"whole again").await?;
    /// assert_eq!(server.read(&mut [0; 16]).await?, 11);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, other)
    }
}

impl OwnedWriteHalf {
    writing!();

    /// Puts the stream together again, as [`OwnedReadHalf::reunite`] does.
    ///
    /// # Errors
    /// If the halves are of two streams; the error gives both back.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(other, self)
    }

    /// Drops this half without shutting its direction down.
    ///
    /// For a stream whose end is said in another way, or by the reading half when that is done.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::net::{TcpListener, TcpStream};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// let (read, write) = client.into_split();
    /// write.forget();
    /// server.write_all(b"still there?").await?;
    /// assert_eq!(read.read(&mut [0; 16]).await?, 12);
    /// assert!(server.try_read(&mut [0; 16]).is_err(), "the end of the stream would be `Ok(0)`");
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn forget(mut self) {
        self.shuts_down = false;
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shuts_down {
            // An error means that the connection has ended already, which is what was wanted.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}

impl AsRef<TcpStream> for ReadHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

impl AsRef<TcpStream> for WriteHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

impl AsRef<TcpStream> for OwnedReadHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsRef<TcpStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
    if !Arc::ptr_eq(&read.stream, &write.stream) {
        return Err(ReuniteError(read, write));
    }
    write.forget();
    Ok(Arc::into_inner(read.stream).expect("the halves hold the only two references, and one is gone"))
}

/// The halves were not of the same stream; here they are again.
///
/// # Examples
/// ```
/// # use mainspring::net::{TcpListener, TcpStream};
/// # use mainspring::net::tcp::ReuniteError;
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// # let listener = TcpListener::bind("127.0.0.1:0").await?;
/// # let a = TcpStream::connect(listener.local_addr()?).await?;
/// # let b = TcpStream::connect(listener.local_addr()?).await?;
/// let ((a_read, a_write), (b_read, b_write)) = (a.into_split(), b.into_split());
/// let ReuniteError(a_read, b_write) = a_read.reunite(b_write).unwrap_err();
/// assert!(a_read.reunite(a_write).is_ok());
/// assert!(b_read.reunite(b_write).is_ok());
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves are not of the same stream")
    }
}

impl Error for ReuniteError {}
