//! Copying from a reader to a writer.
//!
//! A buffer of 8 KiB goes between them, made at the first poll. It is read into whenever there is room at its end, and what is in it
//! is written before more is read; while the reader waits, the writer is flushed, so that what has come so far is not held back by
//! a writer that collects.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

use super::ext::{Caller, at, believed, taken};
use crate::task::budget;

/// What is moved at once. Larger ones measure no better on loopback sockets, and every copy under way has one.
const BUFFER: usize = 8 * 1024;

/// Copies all there is until the reader's end, flushes, and says how much it was. The writer is not closed.
///
/// # Cancellation
/// **Lossy.** Up to 8 KiB were read and not written.
///
/// # Errors
/// Those of the reader and of the writer; `WriteZero` if the writer takes nothing.
///
/// # Panics
/// If the reader says to have read more than there was room for, or the writer to have taken more than it was given.
///
/// # Examples
/// ```
/// use mainspring::io::{AsyncReadExt, AsyncWriteExt, copy, duplex};
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let (mut source, mut from) = duplex(64);
/// let (mut to, mut target) = duplex(64);
/// source.write_all(b"all of it").await?;
/// drop(source);
/// assert_eq!(copy(&mut from, &mut to).await?, 9);
/// drop(to);
/// let mut text = String::new();
/// target.read_to_string(&mut text).await?;
/// assert_eq!(text, "all of it");
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn copy<'a, R, W>(reader: &'a mut R, writer: &'a mut W) -> Copy<'a, R, W>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    Copy { reader, writer, transfer: Transfer::default(), at: Location::caller() }
}

/// Copies in both directions at once. When one side ends, the other's writing end is closed, and the opposite direction goes on; says
/// how much went from `a` to `b` and from `b` to `a`.
///
/// For a proxy: it is done when both have said all.
///
/// # Cancellation
/// **Lossy.** Up to 8 KiB a direction were read and not written.
///
/// # Errors
/// The first error of either; then both directions stop.
///
/// # Panics
/// If a reader says to have read more than there was room for, or a writer to have taken more than it was given.
///
/// # Examples
/// ```
/// use mainspring::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional, duplex};
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let (mut client, mut near) = duplex(64);
/// let (mut far, mut server) = duplex(64);
/// let proxy = mainspring::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
/// client.write_all(b"question").await?;
/// client.close().await?;
/// let mut question = Vec::new();
/// server.read_to_end(&mut question).await?;
/// server.write_all(b"yes").await?;
/// drop(server);
/// assert_eq!(proxy.await.expect("no panic")?, (8, 3));
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn copy_bidirectional<'a, A, B>(a: &'a mut A, b: &'a mut B) -> CopyBidirectional<'a, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    CopyBidirectional { a, b, there: Way::default(), back: Way::default(), back_is_first: false, at: Location::caller() }
}

/// One direction of a copy.
#[derive(Debug, Default)]
struct Transfer {
    /// Made at the first poll.
    buffer: Vec<u8>,
    /// What is read and not written: from here,
    start: usize,
    /// to here.
    end: usize,
    /// The reader is at its end.
    read_all: bool,
    /// Something was written since the last flush.
    unflushed: bool,
    /// What was written.
    count: u64,
}

impl Transfer {
    /// Ready when all was read, written and flushed.
    fn poll<R, W>(&mut self, reader: &mut R, writer: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        self.buffer.resize(BUFFER, 0);
        loop {
            // Neither of the two need be one of ours, and both may always be ready.
            ready!(budget::poll_proceed(cx));
            if self.start == self.end && !self.read_all && self.poll_fill(reader, cx)?.is_pending() {
                budget::refund();
                if self.unflushed {
                    ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return Poll::Pending;
            }
            if self.start == self.end {
                ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                return Poll::Ready(Ok(self.count));
            }
            let Poll::Ready(written) = Pin::new(&mut *writer).poll_write(cx, &self.buffer[self.start..self.end])? else {
                budget::refund();
                return Poll::Pending;
            };
            self.written(written)?;
        }
    }

    fn poll_fill<R: AsyncRead + Unpin + ?Sized>(&mut self, reader: &mut R, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let count = believed(ready!(Pin::new(reader).poll_read(cx, &mut self.buffer))?, BUFFER);
        (self.start, self.end) = (0, count);
        self.read_all = count == 0;
        Poll::Ready(Ok(()))
    }

    fn written(&mut self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.start += taken(count, self.end - self.start);
        self.count += count as u64;
        self.unflushed = true;
        Ok(())
    }
}

/// Future of [`copy`].
///
/// # Cancellation
/// As there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Copy<'a, R: ?Sized, W: ?Sized> {
    reader: &'a mut R,
    writer: &'a mut W,
    transfer: Transfer,
    /// The user's line.
    at: Caller,
}

impl<R, W> Future for Copy<'_, R, W>
where
    R: AsyncRead + Unpin + ?Sized,
    W: AsyncWrite + Unpin + ?Sized,
{
    type Output = io::Result<u64>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { reader, writer, transfer, at: here } = self.get_mut();
        at(here, transfer.poll(&mut **reader, &mut **writer, cx))
    }
}

/// One direction of two: a copy, and then the end of the stream is handed on.
#[derive(Debug, Default)]
struct Way {
    transfer: Transfer,
    /// How much it was, once all of it was written.
    copied: Option<u64>,
    /// The writer is closed.
    closed: bool,
}

impl Way {
    /// Ready when the writer is closed behind the last byte.
    fn poll<R, W>(&mut self, reader: &mut R, writer: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<u64>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        let count = match self.copied {
            Some(count) => count,
            None => ready!(self.transfer.poll(reader, writer, cx))?,
        };
        self.copied = Some(count);
        if !self.closed {
            ready!(Pin::new(writer).poll_close(cx))?;
            self.closed = true;
        }
        Poll::Ready(Ok(count))
    }
}

/// Future of [`copy_bidirectional`].
///
/// # Cancellation
/// As there.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct CopyBidirectional<'a, A: ?Sized, B: ?Sized> {
    a: &'a mut A,
    b: &'a mut B,
    /// From a to b.
    there: Way,
    /// From b to a.
    back: Way,
    /// See [`poll_both`].
    back_is_first: bool,
    /// The user's line.
    at: Caller,
}

impl<A, B> Future for CopyBidirectional<'_, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    type Output = io::Result<(u64, u64)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { a, b, there, back, back_is_first, at: here } = self.get_mut();
        let there = |(a, b): &mut (&mut A, &mut B), cx: &mut Context<'_>| there.poll(&mut **a, &mut **b, cx);
        let back = |(a, b): &mut (&mut A, &mut B), cx: &mut Context<'_>| back.poll(&mut **b, &mut **a, cx);
        at(here, poll_both(back_is_first, cx, &mut (&mut **a, &mut **b), there, back))
    }
}

/// Polls two directions, another one first at each poll: bulk uses up all that a poll may move, and would leave the direction behind
/// it nothing, poll after poll. Both use what is `between` them.
pub(super) fn poll_both<X, T>(
    back_is_first: &mut bool,
    cx: &mut Context<'_>,
    between: &mut X,
    there: impl FnOnce(&mut X, &mut Context<'_>) -> Poll<io::Result<T>>,
    back: impl FnOnce(&mut X, &mut Context<'_>) -> Poll<io::Result<T>>,
) -> Poll<io::Result<(T, T)>> {
    *back_is_first = !*back_is_first;
    let (there, back) = if *back_is_first {
        let back = back(between, cx)?;
        (there(between, cx)?, back)
    } else {
        (there(between, cx)?, back(between, cx)?)
    };
    match (there, back) {
        (Poll::Ready(there), Poll::Ready(back)) => Poll::Ready(Ok((there, back))),
        _ => Poll::Pending,
    }
}
