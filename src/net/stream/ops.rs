//! The operations of a stream, as futures, for everything that gives or takes bytes.
//!
//! Each holds the stream, its place in line and the user's buffer, and moves nothing before it is polled. An
//! empty buffer is done at once, as in std, whatever state the stream is in: reading nothing is not the end of the
//! stream, and must not wait for data that it would not take.

#![allow(private_bounds, reason = "which streams there are is for this crate to say")]

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::driver::source::{Purpose, Seen, SourceHandle, Waiter};
use crate::task::wait::WaitKind;

/// What passes from the kernel to whoever reads. `seen` is the readiness in which the try was made.
pub(in crate::net) trait Reads {
    fn reading(&self) -> &SourceHandle;
    fn recv(&self, buf: &mut [u8], seen: Seen) -> io::Result<usize>;
    fn recv_vectored(&self, bufs: &mut [IoSliceMut<'_>], seen: Seen) -> io::Result<usize>;
}

/// What passes from whoever writes to the kernel.
pub(in crate::net) trait Writes {
    fn writing(&self) -> &SourceHandle;
    fn send(&self, buf: &[u8], seen: Seen) -> io::Result<usize>;
    fn send_vectored(&self, bufs: &[IoSlice<'_>], seen: Seen) -> io::Result<usize>;
    /// An empty write, which never waits, and tells of a broken pipe where the system does.
    fn send_nothing(&self) -> io::Result<usize>;
}

/// Future of `read`.
///
/// # Cancellation
/// **Strict.** Data is taken only by the poll that returns it.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Read<'a, S> {
    /// Where to read from.
    stream: &'a S,
    /// The place in line.
    waiter: Waiter<'a>,
    /// Where to put it.
    buf: &'a mut [u8],
}

impl<'a, S: Reads> Read<'a, S> {
    pub(in crate::net) fn new(stream: &'a S, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.reading().waiter(Purpose { kind: WaitKind::Read, at }), buf }
    }
}

impl<S: Reads> Future for Read<'_, S> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, buf } = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        waiter.poll(cx, |seen| stream.recv(buf, seen))
    }
}

/// Future of `read_exact`.
///
/// # Cancellation
/// **Lossy.** What was read before is in the buffer and gone from the stream, but how much it was is lost.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadExact<'a, S> {
    /// Where to read from.
    stream: &'a S,
    /// The place in line, for one read after the other.
    waiter: Waiter<'a>,
    /// What is to be filled.
    buf: &'a mut [u8],
    /// How much of it has been.
    filled: usize,
}

impl<'a, S: Reads> ReadExact<'a, S> {
    pub(in crate::net) fn new(stream: &'a S, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.reading().waiter(Purpose { kind: WaitKind::Read, at }), buf, filled: 0 }
    }
}

impl<S: Reads> Future for ReadExact<'_, S> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, buf, filled } = self.get_mut();
        while *filled < buf.len() {
            match ready!(waiter.poll(cx, |seen| stream.recv(&mut buf[*filled..], seen)))? {
                0 => return Poll::Ready(Err(ended_early(*filled, buf.len()))),
                count => *filled += count,
            }
        }
        Poll::Ready(Ok(*filled))
    }
}

fn ended_early(filled: usize, wanted: usize) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the stream ended after {filled} of {wanted} bytes"))
}

/// Future of `read_vectored`.
///
/// # Cancellation
/// **Strict.** Data is taken only by the poll that returns it.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadVectored<'a, 'b, S> {
    /// Where to read from.
    stream: &'a S,
    /// The place in line.
    waiter: Waiter<'a>,
    /// Where to put it, first buffer first.
    bufs: &'a mut [IoSliceMut<'b>],
}

impl<'a, 'b, S: Reads> ReadVectored<'a, 'b, S> {
    pub(in crate::net) fn new(stream: &'a S, bufs: &'a mut [IoSliceMut<'b>], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.reading().waiter(Purpose { kind: WaitKind::Read, at }), bufs }
    }
}

impl<S: Reads> Future for ReadVectored<'_, '_, S> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, bufs } = self.get_mut();
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        waiter.poll(cx, |seen| stream.recv_vectored(bufs, seen))
    }
}

/// Future of `write`.
///
/// # Cancellation
/// **Strict.** Data is given away only by the poll that says so.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Write<'a, S> {
    /// Where to write to.
    stream: &'a S,
    /// The place in line.
    waiter: Waiter<'a>,
    /// What to write.
    buf: &'a [u8],
}

impl<'a, S: Writes> Write<'a, S> {
    pub(in crate::net) fn new(stream: &'a S, buf: &'a [u8], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.writing().waiter(Purpose { kind: WaitKind::Write, at }), buf }
    }
}

impl<S: Writes> Future for Write<'_, S> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, buf } = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(stream.send_nothing());
        }
        waiter.poll(cx, |seen| stream.send(buf, seen))
    }
}

/// Future of `write_all`.
///
/// # Cancellation
/// **Lossy.** A part may have been written, and nobody says how much.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WriteAll<'a, S> {
    /// Where to write to.
    stream: &'a S,
    /// The place in line, for one write after the other.
    waiter: Waiter<'a>,
    /// What is left to write.
    left: &'a [u8],
}

impl<'a, S: Writes> WriteAll<'a, S> {
    pub(in crate::net) fn new(stream: &'a S, buf: &'a [u8], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.writing().waiter(Purpose { kind: WaitKind::Write, at }), left: buf }
    }
}

impl<S: Writes> Future for WriteAll<'_, S> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, left } = self.get_mut();
        while !left.is_empty() {
            match ready!(waiter.poll(cx, |seen| stream.send(left, seen)))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *left = &left[count..],
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Future of `write_vectored`.
///
/// # Cancellation
/// **Strict.** Data is given away only by the poll that says so.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WriteVectored<'a, 'b, S> {
    /// Where to write to.
    stream: &'a S,
    /// The place in line.
    waiter: Waiter<'a>,
    /// What to write, first buffer first.
    bufs: &'a [IoSlice<'b>],
}

impl<'a, 'b, S: Writes> WriteVectored<'a, 'b, S> {
    pub(in crate::net) fn new(stream: &'a S, bufs: &'a [IoSlice<'b>], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.writing().waiter(Purpose { kind: WaitKind::Write, at }), bufs }
    }
}

impl<S: Writes> Future for WriteVectored<'_, '_, S> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, bufs } = self.get_mut();
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(stream.send_nothing());
        }
        waiter.poll(cx, |seen| stream.send_vectored(bufs, seen))
    }
}
