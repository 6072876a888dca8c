//! From a stream to a stream, by the kernel alone where it can.
//!
//! `splice(2)` hands pages from a socket to a pipe and from a pipe to a socket, and copies nothing. That pays when there is much to
//! move, and costs two descriptors. So bytes are copied through a small buffer until one read fills it, and again when little comes:
//!
//! ```text
//!             ┌───────── copy: read up to 8 KiB, write them ──┐
//!             v   the buffer was filled                       │ less than a buffer came
//!           splice: into the pipe up to 1 MiB, out of it ─────┘
//! ```
//!
//! 1. The pipe and the buffer are never filled at the same time, and neither is filled before it is empty. So the order holds, and a
//!    `WouldBlock` of the call that fills the pipe speaks of the stream.
//! 2. Nothing is held back while the reader waits: then both are empty.
//! 3. Splicing never gets past an urgent byte, and says `WouldBlock` there, or that this is the end; reading does. So neither is believed
//!    unless a read into the buffer, in the same try, says so as well.
//! 4. Where a pipe cannot be had (descriptors), bytes are copied, and it is asked for again later. Where the kernel knows no such way
//!    between the two, what is in the pipe already is read out of it, and all the rest is copied.
//!
//! A proxy of bulk on loopback takes half of what one takes that copies by 64 KiB, and a third of one by 8 KiB; with a pipe of the usual
//! 64 KiB it would be .7.
//!
//! Cases of the catalogue: NET-08, NET-14.

#![allow(private_bounds, reason = "which streams there are is for this crate to say")]

use std::fmt;
use std::future::Future;
use std::io::{self, PipeReader, PipeWriter, Read as _};
use std::os::fd::AsFd as _;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::copy::poll_both;
use super::stream::{Reading, Reads, Writes, Writing};
use crate::base::sys;
use crate::task::budget;

/// What is copied at once, and what has to come at once to be spliced.
const BUFFER: usize = 8 * 1024;

/// The size of a pipe, if the system grants it, and what is spliced at once: what any user may ask for.
const PIPE: i32 = 1 << 20;

/// Moves all there is until the reader's end, and says how much it was. The writer is not closed.
///
/// For bulk from one socket, pipe or child to a TCP or Unix stream: where both ends allow it, the bytes do not pass through this
/// process. Other pairs are copied, as [`copy`](super::copy) does for whatever can be read and written.
///
/// # Cancellation
/// **Lossy.** Up to 1 MiB was read and not written.
///
/// # Errors
/// Those of reading and of writing. What was read before an error of the writer is lost. Where the peer is gone the system raises
/// SIGPIPE as well, which Rust programs ignore from their start; one that has restored the default dies of it.
///
/// # Panics
/// The future panics if it has to wait and there is no runtime.
///
/// # Examples
/// ```
/// use mainspring::{io, net::UnixStream};
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let (source, from) = UnixStream::pair()?;
/// let (to, target) = UnixStream::pair()?;
/// source.write_all(b"all of it").await?;
/// drop(source);
/// assert_eq!(io::splice(&from, &to).await?, 9);
/// drop(to);
/// let mut text = Vec::new();
/// target.read_to_end(&mut text).await?;
/// assert_eq!(text, b"all of it");
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn splice<'a, R: Reads, W: Writes>(from: &'a R, to: &'a W) -> Splice<'a, R, W> {
    let at = Location::caller();
    Splice { from: Reading::new(from, at), to: Writing::new(to, at), belt: Belt::default() }
}

/// [`splice`] in both directions at once. When one side ends, the other's writing end is closed, and the opposite direction goes
/// on; says how much went from `a` to `b` and from `b` to `a`.
///
/// For a proxy: it is done when both have said all.
///
/// # Cancellation
/// **Lossy.** Up to 1 MiB a direction was read and not written.
///
/// # Errors
/// The first error of either; then both directions stop.
///
/// # Panics
/// The future panics if it has to wait and there is no runtime.
///
/// # Examples
/// ```
/// use mainspring::{io, net::UnixStream};
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let (client, near) = UnixStream::pair()?;
/// let (far, server) = UnixStream::pair()?;
/// let proxy = mainspring::spawn(async move { io::splice_bidirectional(&near, &far).await });
/// client.write_all(b"question").await?;
/// client.shutdown(std::net::Shutdown::Write)?;
/// let mut question = Vec::new();
/// server.read_to_end(&mut question).await?;
/// server.write_all(b"yes").await?;
/// drop(server);
/// assert_eq!(proxy.await.expect("no panic")?, (8, 3));
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
#[track_caller]
pub fn splice_bidirectional<'a, A, B>(a: &'a A, b: &'a B) -> SpliceBidirectional<'a, A, B>
where
    A: Reads + Writes,
    B: Reads + Writes,
{
    SpliceBidirectional { there: Way::Moves(splice(a, b)), back: Way::Moves(splice(b, a)), back_is_first: false }
}

/// Future of [`splice`].
///
/// # Cancellation
/// **Lossy.** Up to 1 MiB was read and not written.
#[must_use = "futures do nothing unless awaited"]
pub struct Splice<'a, R: Reads, W: Writes> {
    /// The place in line for bytes, for one piece after the other.
    from: Reading<'a, R>,
    /// The same for room.
    to: Writing<'a, W>,
    belt: Belt,
}

/// What is between the two.
#[derive(Default)]
struct Belt {
    /// Made at the first read.
    buffer: Vec<u8>,
    /// What in it is read and not written: from here,
    start: usize,
    /// to here.
    end: usize,
    /// Made when there is much to move, and kept.
    pipe: Option<(PipeReader, PipeWriter)>,
    /// How much is in it.
    in_pipe: usize,
    /// The last read gave as much as was asked for.
    is_bulk: bool,
    /// The kernel has no way between these two.
    copies: bool,
    /// The reader is at its end.
    read_all: bool,
    /// What was written.
    count: u64,
}

impl<R: Reads, W: Writes> Future for Splice<'_, R, W> {
    type Output = io::Result<u64>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            if this.belt.start < this.belt.end {
                ready!(this.poll_write(cx))?;
            } else if this.belt.in_pipe > 0 {
                ready!(this.poll_out(cx))?;
            } else if this.belt.read_all {
                return Poll::Ready(Ok(this.belt.count));
            } else {
                ready!(this.poll_in(cx))?;
            }
        }
    }
}

impl<R: Reads, W: Writes> Splice<'_, R, W> {
    /// Is it worth it, is there a way, and is there a pipe?
    fn can_splice(&mut self) -> bool {
        let belt = &mut self.belt;
        belt.copies |= self.from.stream().origin().is_none() || self.to.stream().sink().is_none();
        if !belt.is_bulk || belt.copies {
            return false;
        }
        if belt.pipe.is_none() {
            belt.pipe = io::pipe().ok();
            if let Some((_, end)) = &belt.pipe {
                sys::widen(end, PIPE);
            }
        }
        belt.pipe.is_some()
    }

    /// Fills the pipe, or else the buffer. Whatever splicing says but that so much was moved, reading has the last word (3).
    fn poll_in(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let can_splice = self.can_splice();
        let Self { from, belt, .. } = self;
        belt.buffer.resize(BUFFER, 0);
        let count = ready!(from.poll(cx, |stream, seen| {
            if can_splice && let Some(count) = belt.splice_in(stream)? {
                return Ok(count);
            }
            let count = stream.recv(&mut belt.buffer, seen)?;
            (belt.start, belt.end) = (0, count);
            belt.read_all = count == 0;
            Ok(count)
        }))?;
        belt.is_bulk = count >= BUFFER;
        budget::charge_bytes(belt.in_pipe);
        Poll::Ready(Ok(()))
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { to, belt, .. } = self;
        let (pipe, _) = belt.pipe.as_ref().expect("there is something in it");
        let moved = ready!(to.poll(cx, |stream, _| {
            let sink = stream.sink().expect("it had one when the pipe was filled");
            sys::splice(pipe.as_fd(), sink, belt.in_pipe)
        }));
        match moved {
            Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                belt.in_pipe -= count;
                belt.count += count as u64;
            }
            Err(error) if sys::is_no_way_to_send(&error) => belt.take_out_of_pipe()?,
            Err(error) => return Poll::Ready(Err(error)),
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { to, belt, .. } = self;
        let left = &belt.buffer[belt.start..belt.end];
        match ready!(to.poll(cx, |stream, seen| stream.send(left, seen)))? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            count => {
                belt.start += count;
                belt.count += count as u64;
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl Belt {
    /// Fills the pipe. None if nothing has come, or there is no such way: then the pipe is given up.
    fn splice_in(&mut self, from: &impl Reads) -> io::Result<Option<usize>> {
        let (Some((_, pipe)), Some(origin)) = (&self.pipe, from.origin()) else { return Ok(None) };
        match sys::splice(origin, pipe.as_fd(), PIPE as usize) {
            Ok(count @ 1..) => {
                self.in_pipe = count;
                Ok(Some(count))
            }
            Ok(0) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if sys::is_no_way_to_send(&error) => {
                self.give_up_pipe();
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// From here on bytes are copied; those in the pipe are the next ones.
    fn take_out_of_pipe(&mut self) -> io::Result<()> {
        let (pipe, _) = self.pipe.as_mut().expect("there is something in it");
        self.buffer.resize(self.in_pipe, 0);
        // So much is there: it does not wait.
        pipe.read_exact(&mut self.buffer)?;
        (self.start, self.end) = (0, self.in_pipe);
        self.in_pipe = 0;
        self.give_up_pipe();
        Ok(())
    }

    /// It is empty, and will not be filled again.
    fn give_up_pipe(&mut self) {
        (self.pipe, self.copies) = (None, true);
    }
}

/// One direction of two.
enum Way<'a, R: Reads, W: Writes> {
    Moves(Splice<'a, R, W>),
    /// All of it was moved, so much, and the end of the stream was handed on.
    Closed(u64),
}

impl<R: Reads, W: Writes> Way<'_, R, W> {
    /// Ready when the writer is closed behind the last byte.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        if let Self::Moves(splice) = self {
            let count = ready!(Pin::new(&mut *splice).poll(cx))?;
            splice.to.stream().close()?;
            *self = Self::Closed(count);
        }
        match self {
            Self::Closed(count) => Poll::Ready(Ok(*count)),
            Self::Moves(_) => unreachable!("it was closed just now"),
        }
    }
}

/// Future of [`splice_bidirectional`].
///
/// # Cancellation
/// **Lossy.** Up to 1 MiB a direction was read and not written.
#[must_use = "futures do nothing unless awaited"]
pub struct SpliceBidirectional<'a, A: Reads + Writes, B: Reads + Writes> {
    /// From a to b.
    there: Way<'a, A, B>,
    /// From b to a.
    back: Way<'a, B, A>,
    /// See [`poll_both`].
    back_is_first: bool,
}

impl<A: Reads + Writes, B: Reads + Writes> Future for SpliceBidirectional<'_, A, B> {
    type Output = io::Result<(u64, u64)>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { there, back, back_is_first } = self.get_mut();
        poll_both(back_is_first, cx, &mut (there, back), |(there, _), cx| there.poll(cx), |(_, back), cx| back.poll(cx))
    }
}

impl<R: Reads, W: Writes> fmt::Debug for Splice<'_, R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Belt { count, copies, in_pipe, .. } = &self.belt;
        f.debug_struct("Splice").field("count", count).field("copies", copies).field("in_pipe", in_pipe).finish_non_exhaustive()
    }
}

impl<A: Reads + Writes, B: Reads + Writes> fmt::Debug for SpliceBidirectional<'_, A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpliceBidirectional").finish_non_exhaustive()
    }
}
