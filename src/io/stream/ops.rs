//! The operations of a stream, as futures, for everything that gives or takes bytes.
//!
//! Each holds the stream, its place in line and the user's buffer, and moves nothing before it is polled. An
//! empty buffer is done at once, as in std, whatever state the stream is in: reading nothing is not the end of the
//! stream, and must not wait for data that it would not take.

#![allow(private_bounds, reason = "which streams there are is for this crate to say")]

use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut, Read as _};
use std::os::fd::BorrowedFd;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::driver::source::{Direction, Place, Purpose, Seen, SourceHandle};
use crate::task::wait::WaitKind;

/// What passes from the kernel to whoever reads. `seen` is the readiness in which the try was made.
pub(crate) trait Reads {
    fn reading(&self) -> &SourceHandle;
    fn recv(&self, buf: &mut [u8], seen: Seen) -> io::Result<usize>;
    fn recv_vectored(&self, bufs: &mut [IoSliceMut<'_>], seen: Seen) -> io::Result<usize>;

    /// Where the kernel can take bytes from by itself, if this is such a place.
    fn origin(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// A read without a future, in the place that all such share.
    #[track_caller]
    fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.reading().poll(Purpose::here(WaitKind::Read), cx, |seen| self.recv(buf, seen))
    }

    /// The same, into several buffers.
    #[track_caller]
    fn poll_recv_vectored(&self, cx: &mut Context<'_>, bufs: &mut [IoSliceMut<'_>]) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.reading().poll(Purpose::here(WaitKind::Read), cx, |seen| self.recv_vectored(bufs, seen))
    }
}

/// What passes from whoever writes to the kernel.
pub(crate) trait Writes {
    fn writing(&self) -> &SourceHandle;
    fn send(&self, buf: &[u8], seen: Seen) -> io::Result<usize>;
    fn send_vectored(&self, bufs: &[IoSlice<'_>], seen: Seen) -> io::Result<usize>;
    /// An empty write, which never waits, and tells of a broken pipe where the system does.
    fn send_nothing(&self) -> io::Result<usize>;

    /// Ends the direction, if that can be done while the stream is still there. What only ends by being dropped stays open.
    fn close(&self) -> io::Result<()> {
        Ok(())
    }

    /// A write without a future, in the place that all such share.
    #[track_caller]
    fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(self.send_nothing());
        }
        self.writing().poll(Purpose::here(WaitKind::Write), cx, |seen| self.send(buf, seen))
    }

    /// The same, from several buffers.
    #[track_caller]
    fn poll_send_vectored(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(self.send_nothing());
        }
        self.writing().poll(Purpose::here(WaitKind::Write), cx, |seen| self.send_vectored(bufs, seen))
    }

    /// Where the kernel can put bytes by itself, if this is such a place.
    fn sink(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Somebody who reads: where, and his place in line. Together with a buffer that is all there is to a read, five words; the source
/// is found through the stream, and what is waited for is known.
#[derive(Debug)]
pub(crate) struct Reading<'a, S: Reads> {
    /// What is read from.
    stream: &'a S,
    /// The user's line, for reports.
    at: &'static Location<'static>,
    /// Given up by the drop.
    place: Place,
}

impl<'a, S: Reads> Reading<'a, S> {
    pub(crate) fn new(stream: &'a S, at: &'static Location<'static>) -> Self {
        Self { stream, at, place: Place::default() }
    }

    pub(crate) fn stream(&self) -> &'a S {
        self.stream
    }

    #[inline]
    pub(crate) fn poll<R>(&mut self, cx: &mut Context<'_>, mut attempt: impl FnMut(&S, Seen) -> io::Result<R>) -> Poll<io::Result<R>> {
        let (stream, purpose) = (self.stream, Purpose { kind: WaitKind::Read, at: self.at });
        stream.reading().poll_in_place(purpose, &mut self.place, cx, |seen| attempt(stream, seen))
    }
}

impl<S: Reads> Drop for Reading<'_, S> {
    fn drop(&mut self) {
        self.stream.reading().leave(Direction::Read, &self.place);
    }
}

/// The same for somebody who writes.
#[derive(Debug)]
pub(crate) struct Writing<'a, S: Writes> {
    /// What is written to.
    stream: &'a S,
    /// The user's line, for reports.
    at: &'static Location<'static>,
    /// Given up by the drop.
    place: Place,
}

impl<'a, S: Writes> Writing<'a, S> {
    pub(crate) fn new(stream: &'a S, at: &'static Location<'static>) -> Self {
        Self { stream, at, place: Place::default() }
    }

    pub(crate) fn stream(&self) -> &'a S {
        self.stream
    }

    #[inline]
    pub(crate) fn poll<R>(&mut self, cx: &mut Context<'_>, mut attempt: impl FnMut(&S, Seen) -> io::Result<R>) -> Poll<io::Result<R>> {
        let (stream, purpose) = (self.stream, Purpose { kind: WaitKind::Write, at: self.at });
        stream.writing().poll_in_place(purpose, &mut self.place, cx, |seen| attempt(stream, seen))
    }
}

impl<S: Writes> Drop for Writing<'_, S> {
    fn drop(&mut self) {
        self.stream.writing().leave(Direction::Write, &self.place);
    }
}

/// Future of `read`.
///
/// # Cancellation
/// **Strict.** Data is taken only by the poll that returns it.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Read<'a, S: Reads> {
    /// Where, and the place in line.
    waiter: Reading<'a, S>,
    /// Where to put it.
    buf: &'a mut [u8],
}

impl<'a, S: Reads> Read<'a, S> {
    pub(crate) fn new(stream: &'a S, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { waiter: Reading::new(stream, at), buf }
    }
}

impl<S: Reads> Future for Read<'_, S> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { waiter, buf } = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        waiter.poll(cx, |stream, seen| stream.recv(buf, seen))
    }
}

/// Future of `read_exact`.
///
/// # Cancellation
/// **Lossy.** What was read before is in the buffer and gone from the stream, but how much it was is lost.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadExact<'a, S: Reads> {
    /// Where, and the place in line, for one read after the other.
    waiter: Reading<'a, S>,
    /// What is to be filled.
    buf: &'a mut [u8],
    /// How much of it has been.
    filled: usize,
}

impl<'a, S: Reads> ReadExact<'a, S> {
    pub(crate) fn new(stream: &'a S, buf: &'a mut [u8], at: &'static Location<'static>) -> Self {
        Self { waiter: Reading::new(stream, at), buf, filled: 0 }
    }
}

impl<S: Reads> Future for ReadExact<'_, S> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { waiter, buf, filled } = self.get_mut();
        while *filled < buf.len() {
            match ready!(waiter.poll(cx, |stream, seen| stream.recv(&mut buf[*filled..], seen)))? {
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

/// Future of `read_to_end`.
///
/// # Cancellation
/// **Strict.** What was read is in the vector, and a new call goes on from there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadToEnd<'a, S: Reads> {
    /// Where, and the place in line, for one gulp after the other.
    waiter: Reading<'a, S>,
    /// Where to append it.
    into: &'a mut Vec<u8>,
    /// How long that was before.
    before: usize,
}

impl<'a, S: Reads> ReadToEnd<'a, S> {
    pub(crate) fn new(stream: &'a S, into: &'a mut Vec<u8>, at: &'static Location<'static>) -> Self {
        let before = into.len();
        Self { waiter: Reading::new(stream, at), into, before }
    }
}

impl<S: Reads> Future for ReadToEnd<'_, S> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { waiter, into, before } = self.get_mut();
        while !ready!(waiter.poll(cx, |stream, seen| gulp(stream, seen, into)))? {}
        Poll::Ready(Ok(into.len() - *before))
    }
}

/// Appends to a vector until the end of the stream, without a place in line of its own.
pub(crate) fn poll_to_end<S: Reads>(
    stream: &S,
    at: &'static Location<'static>,
    cx: &mut Context<'_>,
    into: &mut Vec<u8>,
) -> Poll<io::Result<()>> {
    let purpose = Purpose { kind: WaitKind::Read, at };
    while !ready!(stream.reading().poll(purpose, cx, |seen| gulp(stream, seen, into)))? {}
    Poll::Ready(Ok(()))
}

/// The most that is taken at once by what reads to the end: a pipe's usual capacity.
const GULP: u64 = 64 << 10;

/// Takes a gulp; true at the end of the stream. What was taken is in the vector, whatever is returned.
fn gulp<S: Reads>(stream: &S, seen: Seen, into: &mut Vec<u8>) -> io::Result<bool> {
    let count = Tries { stream, seen }.take(GULP).read_to_end(into)?;
    Ok((count as u64) < GULP)
}

/// A stream as std reads it: an empty one says `WouldBlock`.
struct Tries<'a, S> {
    stream: &'a S,
    /// The readiness in which it is tried.
    seen: Seen,
}

impl<S: Reads> io::Read for Tries<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.recv(buf, self.seen)
    }
}

/// Future of `read_vectored`.
///
/// # Cancellation
/// **Strict.** Data is taken only by the poll that returns it.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadVectored<'a, 'b, S: Reads> {
    /// Where, and the place in line.
    waiter: Reading<'a, S>,
    /// Where to put it, first buffer first.
    bufs: &'a mut [IoSliceMut<'b>],
}

impl<'a, 'b, S: Reads> ReadVectored<'a, 'b, S> {
    pub(crate) fn new(stream: &'a S, bufs: &'a mut [IoSliceMut<'b>], at: &'static Location<'static>) -> Self {
        Self { waiter: Reading::new(stream, at), bufs }
    }
}

impl<S: Reads> Future for ReadVectored<'_, '_, S> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { waiter, bufs } = self.get_mut();
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        waiter.poll(cx, |stream, seen| stream.recv_vectored(bufs, seen))
    }
}

/// Future of `write`.
///
/// # Cancellation
/// **Strict.** Data is given away only by the poll that says so.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Write<'a, S: Writes> {
    /// Where, and the place in line.
    waiter: Writing<'a, S>,
    /// What to write.
    buf: &'a [u8],
}

impl<'a, S: Writes> Write<'a, S> {
    pub(crate) fn new(stream: &'a S, buf: &'a [u8], at: &'static Location<'static>) -> Self {
        Self { waiter: Writing::new(stream, at), buf }
    }
}

impl<S: Writes> Future for Write<'_, S> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { waiter, buf } = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(waiter.stream.send_nothing());
        }
        waiter.poll(cx, |stream, seen| stream.send(buf, seen))
    }
}

/// Future of `write_all`.
///
/// # Cancellation
/// **Lossy.** A part may have been written, and nobody says how much.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WriteAll<'a, S: Writes> {
    /// Where, and the place in line, for one write after the other.
    waiter: Writing<'a, S>,
    /// What is left to write.
    left: &'a [u8],
}

impl<'a, S: Writes> WriteAll<'a, S> {
    pub(crate) fn new(stream: &'a S, buf: &'a [u8], at: &'static Location<'static>) -> Self {
        Self { waiter: Writing::new(stream, at), left: buf }
    }
}

impl<S: Writes> Future for WriteAll<'_, S> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { waiter, left } = self.get_mut();
        while !left.is_empty() {
            match ready!(waiter.poll(cx, |stream, seen| stream.send(left, seen)))? {
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
pub struct WriteVectored<'a, 'b, S: Writes> {
    /// Where, and the place in line.
    waiter: Writing<'a, S>,
    /// What to write, first buffer first.
    bufs: &'a [IoSlice<'b>],
}

impl<'a, 'b, S: Writes> WriteVectored<'a, 'b, S> {
    pub(crate) fn new(stream: &'a S, bufs: &'a [IoSlice<'b>], at: &'static Location<'static>) -> Self {
        Self { waiter: Writing::new(stream, at), bufs }
    }
}

impl<S: Writes> Future for WriteVectored<'_, '_, S> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { waiter, bufs } = self.get_mut();
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(waiter.stream.send_nothing());
        }
        waiter.poll(cx, |stream, seen| stream.send_vectored(bufs, seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::TcpStream;

    #[test]
    fn a_read_and_a_write_are_five_words_since_each_idle_connection_holds_one() {
        assert_eq!(size_of::<Read<'_, TcpStream>>(), 40);
        assert_eq!(size_of::<WriteAll<'_, TcpStream>>(), 40);
    }
}
