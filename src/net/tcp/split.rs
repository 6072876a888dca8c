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
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The writing half of a stream that [`TcpStream::split`] lends. Dropping it does not shut the direction down.
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

/// The reading half of a stream that [`TcpStream::into_split`] took apart.
#[derive(Debug)]
pub struct OwnedReadHalf {
    /// Shared with the other half.
    stream: Arc<TcpStream>,
}

/// The writing half of a stream that [`TcpStream::into_split`] took apart. Dropping it shuts the direction down, so
/// that the peer finds the end of the stream, while reading goes on.
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
        /// As [`TcpStream::read`], cancellation and errors included.
        #[track_caller]
        pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> Read<'a> {
            Read::new(self.as_ref(), buf, Location::caller())
        }

        /// As [`TcpStream::read_exact`], cancellation and errors included.
        #[track_caller]
        pub fn read_exact<'a>(&'a self, buf: &'a mut [u8]) -> ReadExact<'a> {
            ReadExact::new(self.as_ref(), buf, Location::caller())
        }

        /// As [`TcpStream::read_vectored`], cancellation and errors included.
        #[track_caller]
        pub fn read_vectored<'a, 'b>(&'a self, bufs: &'a mut [IoSliceMut<'b>]) -> ReadVectored<'a, 'b> {
            ReadVectored::new(self.as_ref(), bufs, Location::caller())
        }

        /// As [`TcpStream::peek`], cancellation and errors included.
        #[track_caller]
        pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> Peek<'a> {
            Peek::new(self.as_ref(), buf, Location::caller())
        }

        /// As [`TcpStream::readable`], cancellation and errors included.
        #[track_caller]
        pub fn readable(&self) -> Readable<'_> {
            Readable::new(self.as_ref(), Location::caller())
        }

        /// As [`TcpStream::try_read`].
        ///
        /// # Errors
        /// As there.
        pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.as_ref().try_read(buf)
        }

        addresses!();
    };
}

/// What a writing half can do, for the borrowed and the owned one alike.
macro_rules! writing {
    () => {
        /// As [`TcpStream::write`], cancellation and errors included.
        #[track_caller]
        pub fn write<'a>(&'a self, buf: &'a [u8]) -> Write<'a> {
            Write::new(self.as_ref(), buf, Location::caller())
        }

        /// As [`TcpStream::write_all`], cancellation and errors included.
        #[track_caller]
        pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> WriteAll<'a> {
            WriteAll::new(self.as_ref(), buf, Location::caller())
        }

        /// As [`TcpStream::write_vectored`], cancellation and errors included.
        #[track_caller]
        pub fn write_vectored<'a, 'b>(&'a self, bufs: &'a [IoSlice<'b>]) -> WriteVectored<'a, 'b> {
            WriteVectored::new(self.as_ref(), bufs, Location::caller())
        }

        /// As [`TcpStream::writable`], cancellation and errors included.
        #[track_caller]
        pub fn writable(&self) -> Writable<'_> {
            Writable::new(self.as_ref(), Location::caller())
        }

        /// As [`TcpStream::try_write`].
        ///
        /// # Errors
        /// As there.
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
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, other)
    }
}

impl OwnedWriteHalf {
    writing!();

    /// Puts the stream together again.
    ///
    /// # Errors
    /// If the halves are of two streams; the error gives both back.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(other, self)
    }

    /// Drops this half without shutting its direction down.
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

/// The halves were not of the same stream. Here they are again.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves are not of the same stream")
    }
}

impl Error for ReuniteError {}
