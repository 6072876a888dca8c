//! Descriptors in messages: handing an open file, socket or pipe to another process.
//!
//! They travel with the bytes they are sent with, and a read stops short behind those, whatever follows: that is why a short
//! read of a Unix stream says nothing about what is behind it.
//!
//! Cases of the catalogue: NET-12.

use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::UnixStream;
use crate::base::sys;
use crate::driver::source::{Purpose, Waiter};
use crate::task::wait::WaitKind;

/// Future of [`UnixStream::send_fds`].
///
/// # Cancellation
/// **Strict.** Bytes and descriptors go only with the poll that says so.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct SendFds<'a> {
    /// Where to send.
    stream: &'a UnixStream,
    /// The place in line.
    waiter: Waiter<'a>,
    /// The bytes that the descriptors go with.
    buf: &'a [u8],
    /// The descriptors.
    fds: &'a [BorrowedFd<'a>],
}

/// Future of [`UnixStream::recv_fds`].
///
/// # Cancellation
/// **Strict.** Bytes and descriptors are taken only by the poll that returns.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct RecvFds<'a> {
    /// Where to receive.
    stream: &'a UnixStream,
    /// The place in line.
    waiter: Waiter<'a>,
    /// Where to put the bytes.
    buf: &'a mut [u8],
    /// Where to put the descriptors.
    fds: &'a mut Vec<OwnedFd>,
}

impl UnixStream {
    /// Writes bytes, and sends descriptors with the first of them; returns how many bytes went. The descriptors go with
    /// them whole or not at all, and the sender keeps its own.
    ///
    /// For handing a connection to a worker process, or an open file to one that may not open it. At most 253
    /// descriptors go at once.
    ///
    /// # Cancellation
    /// **Strict.** Bytes and descriptors go only with the poll that says so.
    ///
    /// # Errors
    /// `InvalidInput` without a byte to go with, or with too many descriptors; `Unsupported` on platforms other than Linux;
    /// otherwise as [`write`](Self::write).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// # if cfg!(mainspring_plain) { return Ok(()); }
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::net::UnixStream;
    /// use std::fs::File;
    /// use std::io::Read;
    /// use std::os::fd::AsFd;
    ///
    /// let (near, far) = UnixStream::pair()?;
    /// let file = File::open("Cargo.toml")?;
    /// near.send_fds(b"x", &[file.as_fd()]).await?;
    ///
    /// let (mut buf, mut fds) = ([0; 8], Vec::new());
    /// assert_eq!(far.recv_fds(&mut buf, &mut fds).await?, 1);
    /// let mut text = String::new();
    /// File::from(fds.remove(0)).read_to_string(&mut text)?;
    /// assert!(text.contains("[package]"));
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn send_fds<'a>(&'a self, buf: &'a [u8], fds: &'a [BorrowedFd<'a>]) -> SendFds<'a> {
        let purpose = Purpose { kind: WaitKind::Write, at: Location::caller() };
        SendFds { stream: self, waiter: self.source().waiter(purpose), buf, fds }
    }

    /// Reads bytes, at least one unless the stream has ended, and adds the descriptors that came with them to `fds`. They are
    /// closed on exec.
    ///
    /// Whoever calls [`read`](Self::read) instead gets the bytes, and the system closes the descriptors.
    ///
    /// # Cancellation
    /// **Strict.** Bytes and descriptors are taken only by the poll that returns.
    ///
    /// # Errors
    /// `EMFILE` if this process has no room for the descriptors, which are then lost with their bytes; `Unsupported` on
    /// platforms other than Linux; otherwise as [`read`](Self::read).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn recv_fds<'a>(&'a self, buf: &'a mut [u8], fds: &'a mut Vec<OwnedFd>) -> RecvFds<'a> {
        let purpose = Purpose { kind: WaitKind::Read, at: Location::caller() };
        RecvFds { stream: self, waiter: self.source().waiter(purpose), buf, fds }
    }
}

impl Future for SendFds<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, buf, fds } = self.get_mut();
        if buf.is_empty() && !fds.is_empty() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, "descriptors need a byte to go with")));
        }
        waiter.poll(cx, |_| sys::send_fds(stream.std(), buf, fds))
    }
}

impl Future for RecvFds<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, buf, fds } = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        waiter.poll(cx, |_| sys::recv_fds(stream.std(), buf, fds))
    }
}
