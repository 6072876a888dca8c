//! The two directions of a stream as two values.
//!
//! The borrowed halves cost nothing and stay in one task. The owned ones share the stream by an `Arc`, so that two
//! tasks can hold one each; the socket is closed once, with the second of them.
//!
//! Cases of the catalogue: NET-09.

#![allow(private_bounds, private_interfaces, reason = "which streams there are is for this crate to say")]

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::methods::{reading, writing};
use super::{Reads, Writes};
use crate::io::{async_read, async_write};

/// A stream that can be taken apart.
pub(crate) trait Duplex: Reads + Writes {
    /// What it calls itself and its peer.
    type Address;

    fn peer(&self) -> io::Result<Self::Address>;
    fn local(&self) -> io::Result<Self::Address>;
    fn end_writing(&self) -> io::Result<()>;
}

/// The reading half of a stream that `split` lends.
///
/// For code that is to read and not to write; what is not offered here is offered by the stream, by `as_ref`.
#[derive(Debug)]
pub struct ReadHalf<'a, S>(&'a S);

/// The writing half of a stream that `split` lends. Dropping it does not shut the direction down.
///
/// For code that is to write and not to read.
#[derive(Debug)]
pub struct WriteHalf<'a, S>(&'a S);

/// The reading half of a stream that `into_split` took apart.
///
/// For a task that reads while another writes. Dropping it ends nothing: the socket is closed with the second half.
#[derive(Debug)]
pub struct OwnedReadHalf<S> {
    /// Shared with the other half.
    stream: Arc<S>,
}

/// The writing half of a stream that `into_split` took apart.
///
/// For a task that writes while another reads. Dropping it shuts the direction down, so that the peer finds the end of
/// the stream, while reading goes on; [`forget`](Self::forget) drops it without that.
#[derive(Debug)]
pub struct OwnedWriteHalf<S: Duplex> {
    /// Shared with the other half.
    stream: Arc<S>,
    /// Cleared by [`forget`](Self::forget), and when the halves are put together again.
    shuts_down: bool,
}

pub(crate) fn borrowed<S>(stream: &S) -> (ReadHalf<'_, S>, WriteHalf<'_, S>) {
    (ReadHalf(stream), WriteHalf(stream))
}

pub(crate) fn owned<S: Duplex>(stream: S) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let stream = Arc::new(stream);
    (OwnedReadHalf { stream: stream.clone() }, OwnedWriteHalf { stream, shuts_down: true })
}

/// What every half can say.
macro_rules! addresses {
    () => {
        /// The address of the peer.
        ///
        /// # Errors
        /// As the stream's own.
        pub fn peer_addr(&self) -> io::Result<S::Address> {
            self.whole().peer()
        }

        /// The address of this end.
        ///
        /// # Errors
        /// As the stream's own.
        pub fn local_addr(&self) -> io::Result<S::Address> {
            self.whole().local()
        }
    };
}

/// What a writing half can do beside writing.
macro_rules! ending {
    () => {
        /// Ends this direction: the peer reads what was written, and then finds the end.
        ///
        /// # Errors
        /// As the stream's `shutdown`.
        pub fn shutdown(&self) -> io::Result<()> {
            self.whole().end_writing()
        }
    };
}

impl<S: Duplex> ReadHalf<'_, S> {
    reading!(S);
    addresses!();

    fn whole(&self) -> &S {
        self.0
    }
}

impl<S: Duplex> WriteHalf<'_, S> {
    writing!(S);
    ending!();
    addresses!();

    fn whole(&self) -> &S {
        self.0
    }
}

impl<S: Duplex> OwnedReadHalf<S> {
    reading!(S);
    addresses!();

    fn whole(&self) -> &S {
        &self.stream
    }

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
    pub fn reunite(self, other: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        reunite(self, other)
    }
}

impl<S: Duplex> OwnedWriteHalf<S> {
    writing!(S);
    ending!();
    addresses!();

    fn whole(&self) -> &S {
        &self.stream
    }

    /// Puts the stream together again, as [`OwnedReadHalf::reunite`] does.
    ///
    /// # Errors
    /// If the halves are of two streams; the error gives both back.
    pub fn reunite(self, other: OwnedReadHalf<S>) -> Result<S, ReuniteError<S>> {
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

async_read!(['a, S: Duplex] ReadHalf<'a, S>);
async_read!([S: Duplex] OwnedReadHalf<S>);
async_write!(['a, S: Duplex] WriteHalf<'a, S>);
async_write!([S: Duplex] OwnedWriteHalf<S>);

/// A direction that the peer's reset has ended before is ended, too.
pub(crate) fn unless_gone(ended: io::Result<()>) -> io::Result<()> {
    match ended {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        ended => ended,
    }
}

impl<S: Duplex> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if self.shuts_down {
            // An error means that the connection has ended already, which is what was wanted.
            let _ = self.stream.end_writing();
        }
    }
}

impl<S> AsRef<S> for ReadHalf<'_, S> {
    fn as_ref(&self) -> &S {
        self.0
    }
}

impl<S> AsRef<S> for WriteHalf<'_, S> {
    fn as_ref(&self) -> &S {
        self.0
    }
}

impl<S> AsRef<S> for OwnedReadHalf<S> {
    fn as_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: Duplex> AsRef<S> for OwnedWriteHalf<S> {
    fn as_ref(&self) -> &S {
        &self.stream
    }
}

fn reunite<S: Duplex>(read: OwnedReadHalf<S>, write: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
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
pub struct ReuniteError<S: Duplex>(pub OwnedReadHalf<S>, pub OwnedWriteHalf<S>);

impl<S: Duplex> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves are not of the same stream")
    }
}

impl<S: Duplex + fmt::Debug> Error for ReuniteError<S> {}
