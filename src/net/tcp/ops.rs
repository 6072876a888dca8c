//! The operations of a stream, as futures.
//!
//! Each holds the stream, its place in line and the user's buffer, and moves nothing before it is polled. An
//! empty buffer is done at once, as in std, whatever state the stream is in: reading nothing is not the end of the
//! stream, and must not wait for data that it would not take.

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::TcpStream;
use crate::base::sys;
use crate::driver::source::{Direction, Purpose, Seen, Waiter};
use crate::task::wait::WaitKind;

/// What passes between the stream and the kernel. `seen` is the readiness in which the try was made.
impl TcpStream {
    pub(super) fn recv(&self, buf: &mut [u8], seen: Seen) -> io::Result<usize> {
        let count = self.io().read(buf)?;
        self.judge(Direction::Read, count, buf.len(), seen);
        Ok(count)
    }

    pub(super) fn recv_vectored(&self, bufs: &mut [IoSliceMut<'_>], seen: Seen) -> io::Result<usize> {
        let count = self.io().read_vectored(bufs)?;
        self.judge(Direction::Read, count, bufs.iter().map(|buf| buf.len()).sum(), seen);
        Ok(count)
    }

    pub(super) fn send(&self, buf: &[u8], seen: Seen) -> io::Result<usize> {
        let count = self.io().write(buf)?;
        self.judge(Direction::Write, count, buf.len(), seen);
        Ok(count)
    }

    pub(super) fn send_vectored(&self, bufs: &[IoSlice<'_>], seen: Seen) -> io::Result<usize> {
        let count = sys::send_vectored(self.stream(), bufs)?;
        self.judge(Direction::Write, count, bufs.iter().map(|buf| buf.len()).sum(), seen);
        Ok(count)
    }

    /// An operation that moved something, but not all it could have, has emptied (or filled) the socket. The end of
    /// the stream is no such thing: it stays readable for ever.
    fn judge(&self, direction: Direction, count: usize, asked: usize, seen: Seen) {
        if (1..asked).contains(&count) {
            self.source().fell_short(direction, seen);
        }
    }

    /// The stream as std's traits want it: `Read` and `Write` are implemented for references to it.
    fn io(&self) -> &std::net::TcpStream {
        self.stream()
    }

    fn begin(&self, kind: WaitKind, at: &'static Location<'static>) -> Waiter<'_> {
        self.source().waiter(Purpose { kind, at })
    }
}

/// Future of [`TcpStream::read`].
///
/// # Cancellation
/// **Strict.** Data is taken only by the poll that returns it.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Read<'a> {
    /// Where to read from.
    stream: &'a TcpStream,
    /// The place in line.
    waiter: Waiter<'a>,
    /// Where to put it.
    buf: &'a mut [u8],
}

impl<'a> Read<'a> {
    pub(super) fn new(stream: &'a TcpStream, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.begin(WaitKind::Read, at), buf }
    }
}

impl Future for Read<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, buf } = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        waiter.poll(cx, |seen| stream.recv(buf, seen))
    }
}

/// Future of [`TcpStream::read_exact`].
///
/// # Cancellation
/// **Lossy.** What was read before is in the buffer and gone from the stream, but how much it was is lost.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadExact<'a> {
    /// Where to read from.
    stream: &'a TcpStream,
    /// The place in line, for one read after the other.
    waiter: Waiter<'a>,
    /// What is to be filled.
    buf: &'a mut [u8],
    /// How much of it has been.
    filled: usize,
}

impl<'a> ReadExact<'a> {
    pub(super) fn new(stream: &'a TcpStream, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.begin(WaitKind::Read, at), buf, filled: 0 }
    }
}

impl Future for ReadExact<'_> {
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

/// Future of [`TcpStream::read_vectored`].
///
/// # Cancellation
/// **Strict.** Data is taken only by the poll that returns it.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadVectored<'a, 'b> {
    /// Where to read from.
    stream: &'a TcpStream,
    /// The place in line.
    waiter: Waiter<'a>,
    /// Where to put it, first buffer first.
    bufs: &'a mut [IoSliceMut<'b>],
}

impl<'a, 'b> ReadVectored<'a, 'b> {
    pub(super) fn new(stream: &'a TcpStream, bufs: &'a mut [IoSliceMut<'b>], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.begin(WaitKind::Read, at), bufs }
    }
}

impl Future for ReadVectored<'_, '_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, bufs } = self.get_mut();
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        waiter.poll(cx, |seen| stream.recv_vectored(bufs, seen))
    }
}

/// Future of [`TcpStream::peek`].
///
/// # Cancellation
/// **Strict.** Nothing is taken at all.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Peek<'a> {
    /// Where to look.
    stream: &'a TcpStream,
    /// The place in line.
    waiter: Waiter<'a>,
    /// Where to put what is seen.
    buf: &'a mut [u8],
}

impl<'a> Peek<'a> {
    pub(super) fn new(stream: &'a TcpStream, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.begin(WaitKind::Read, at), buf }
    }
}

impl Future for Peek<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, buf } = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // What was seen is still there to be read, so a short look proves nothing.
        waiter.poll(cx, |_| stream.io().peek(buf))
    }
}

/// Future of [`TcpStream::write`].
///
/// # Cancellation
/// **Strict.** Data is given away only by the poll that says so.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Write<'a> {
    /// Where to write to.
    stream: &'a TcpStream,
    /// The place in line.
    waiter: Waiter<'a>,
    /// What to write.
    buf: &'a [u8],
}

impl<'a> Write<'a> {
    pub(super) fn new(stream: &'a TcpStream, buf: &'a [u8], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.begin(WaitKind::Write, at), buf }
    }
}

impl Future for Write<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, buf } = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(stream.io().write(buf)); // never waits, and tells of a broken pipe
        }
        waiter.poll(cx, |seen| stream.send(buf, seen))
    }
}

/// Future of [`TcpStream::write_all`].
///
/// # Cancellation
/// **Lossy.** A part may have been written, and nobody says how much.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WriteAll<'a> {
    /// Where to write to.
    stream: &'a TcpStream,
    /// The place in line, for one write after the other.
    waiter: Waiter<'a>,
    /// What is left to write.
    left: &'a [u8],
}

impl<'a> WriteAll<'a> {
    pub(super) fn new(stream: &'a TcpStream, buf: &'a [u8], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.begin(WaitKind::Write, at), left: buf }
    }
}

impl Future for WriteAll<'_> {
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

/// Future of [`TcpStream::write_vectored`].
///
/// # Cancellation
/// **Strict.** Data is given away only by the poll that says so.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WriteVectored<'a, 'b> {
    /// Where to write to.
    stream: &'a TcpStream,
    /// The place in line.
    waiter: Waiter<'a>,
    /// What to write, first buffer first.
    bufs: &'a [IoSlice<'b>],
}

impl<'a, 'b> WriteVectored<'a, 'b> {
    pub(super) fn new(stream: &'a TcpStream, bufs: &'a [IoSlice<'b>], at: &'static Location<'static>) -> Self {
        Self { stream, waiter: stream.begin(WaitKind::Write, at), bufs }
    }
}

impl Future for WriteVectored<'_, '_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { stream, waiter, bufs } = self.get_mut();
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(stream.io().write(&[]));
        }
        waiter.poll(cx, |seen| stream.send_vectored(bufs, seen))
    }
}
