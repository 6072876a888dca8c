//! The operations of a file, as futures.
//!
//! An empty buffer is done at once, as in std. Each future below borrows the file and the user's buffer, and a
//! [`Mover`](super::transfer::Mover) does the rest.

use super::file::Inner;
use super::inline;
use crate::io::Job;
use super::line::{Place, Turn};
use super::transfer::{Extent, Mover};
use crate::task::budget;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

type Caller = &'static Location<'static>;

/// Future of [`File::read`](super::File::read) and [`File::read_at`](super::File::read_at).
///
/// # Cancellation
/// **Strict** where there is a cursor: what a job has read meanwhile is read again by the next operation. On a pipe or a
/// terminal **Lossy**: what that job has read is gone.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Read<'a> {
    mover: Mover<'a>,
    /// Where to put it.
    buf: &'a mut [u8],
}

impl<'a> Read<'a> {
    pub(super) fn new(file: &'a Arc<Inner>, buf: &'a mut [u8], offset: Option<u64>, at: Caller) -> Self {
        Self { mover: Mover::new(file, offset, at), buf }
    }
}

impl Future for Read<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { mover, buf } = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        mover.poll_read(cx, &mut [IoSliceMut::new(buf)], Extent::Some)
    }
}

/// Future of [`File::read_vectored`](super::File::read_vectored).
///
/// # Cancellation
/// As that of [`Read`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadVectored<'a, 'b> {
    mover: Mover<'a>,
    /// Where to put it, first buffer first.
    bufs: &'a mut [IoSliceMut<'b>],
}

impl<'a, 'b> ReadVectored<'a, 'b> {
    pub(super) fn new(file: &'a Arc<Inner>, bufs: &'a mut [IoSliceMut<'b>], at: Caller) -> Self {
        Self { mover: Mover::new(file, None, at), bufs }
    }
}

impl Future for ReadVectored<'_, '_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { mover, bufs } = self.get_mut();
        // Empty ones in front would make a short read look like the end.
        let Some(first) = bufs.iter().position(|buf| !buf.is_empty()) else { return Poll::Ready(Ok(0)) };
        mover.poll_read(cx, &mut bufs[first..], Extent::Some)
    }
}

/// Future of [`File::read_exact`](super::File::read_exact).
///
/// # Cancellation
/// **Lossy.** What was read before is in the buffer, and the cursor is behind it, but how much it was is lost.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadExact<'a> {
    mover: Mover<'a>,
    /// What is to be filled.
    buf: &'a mut [u8],
    /// How much of it has been.
    filled: usize,
}

impl<'a> ReadExact<'a> {
    pub(super) fn new(file: &'a Arc<Inner>, buf: &'a mut [u8], at: Caller) -> Self {
        Self { mover: Mover::new(file, None, at), buf, filled: 0 }
    }
}

impl Future for ReadExact<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { mover, buf, filled } = self.get_mut();
        while *filled < buf.len() {
            let mut left = [IoSliceMut::new(&mut buf[*filled..])];
            match ready!(mover.poll_read(cx, &mut left, Extent::All))? {
                0 => {
                    let text = format!("the file ended after {filled} of {} bytes", buf.len());
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
                }
                count => *filled += count,
            }
        }
        Poll::Ready(Ok(*filled))
    }
}

/// Future of [`File::read_to_end`](super::File::read_to_end).
///
/// # Cancellation
/// **Lossy.** What was read before is in the vector, whose length tells how much it was, and the cursor is behind it.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadToEnd<'a> {
    mover: Mover<'a>,
    /// Where to put it.
    to: &'a mut Vec<u8>,
    /// How much there is by now.
    count: usize,
}

impl<'a> ReadToEnd<'a> {
    pub(super) fn new(file: &'a Arc<Inner>, to: &'a mut Vec<u8>, at: Caller) -> Self {
        Self { mover: Mover::new(file, None, at), to, count: 0 }
    }
}

impl Future for ReadToEnd<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { mover, to, count } = self.get_mut();
        loop {
            // Doubles as it grows; the pool's job looks at the file's length itself.
            if to.len() == to.capacity() {
                to.try_reserve(8 * 1024)?;
            }
            let (more, is_end) = ready!(mover.poll_append(cx, to))?;
            *count += more;
            if is_end {
                return Poll::Ready(Ok(*count));
            }
        }
    }
}

/// Future of [`File::write`](super::File::write) and [`File::write_at`](super::File::write_at).
///
/// # Cancellation
/// **Detached.** A job that has begun writes on, with a copy of its own of the data; the next operation at the cursor waits
/// for it. An error that it meets is given to the next write or sync.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Write<'a> {
    mover: Mover<'a>,
    /// What to write.
    buf: &'a [u8],
}

impl<'a> Write<'a> {
    pub(super) fn new(file: &'a Arc<Inner>, buf: &'a [u8], offset: Option<u64>, at: Caller) -> Self {
        Self { mover: Mover::new(file, offset, at), buf }
    }
}

impl Future for Write<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { mover, buf } = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        mover.poll_write(cx, &[IoSlice::new(buf)], Extent::Some)
    }
}

/// Future of [`File::write_vectored`](super::File::write_vectored).
///
/// # Cancellation
/// As that of [`Write`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WriteVectored<'a, 'b> {
    mover: Mover<'a>,
    /// What to write, first buffer first.
    bufs: &'a [IoSlice<'b>],
}

impl<'a, 'b> WriteVectored<'a, 'b> {
    pub(super) fn new(file: &'a Arc<Inner>, bufs: &'a [IoSlice<'b>], at: Caller) -> Self {
        Self { mover: Mover::new(file, None, at), bufs }
    }
}

impl Future for WriteVectored<'_, '_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { mover, bufs } = self.get_mut();
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        mover.poll_write(cx, bufs, Extent::Some)
    }
}

/// Future of [`File::write_all`](super::File::write_all) and [`File::write_all_at`](super::File::write_all_at).
///
/// # Cancellation
/// **Detached**, piece by piece. Up to 256 KiB are one job, which writes on if it has begun; what comes after it is not
/// written, and nobody says where that is.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WriteAll<'a> {
    mover: Mover<'a>,
    /// What is left to write.
    left: &'a [u8],
}

impl<'a> WriteAll<'a> {
    pub(super) fn new(file: &'a Arc<Inner>, buf: &'a [u8], offset: Option<u64>, at: Caller) -> Self {
        Self { mover: Mover::new(file, offset, at), left: buf }
    }
}

impl Future for WriteAll<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { mover, left } = self.get_mut();
        while !left.is_empty() {
            match ready!(mover.poll_write(cx, &[IoSlice::new(left)], Extent::All))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => {
                    mover.advance(count);
                    *left = &left[count..];
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Where an [`Act`] is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// By the pool.
    Pool,
    /// By the pool, and it is a sync: what it finds out is told to whoever takes its result. If nobody does, the next sync
    /// or write tells it, since the system tells of a disk's error once.
    Sync,
    /// On the spot, if the file is one that is read on the spot: its system has the answer in memory.
    Here,
}

type Work<T> = Box<dyn FnOnce(&Inner) -> io::Result<T> + Send>;

/// Future of what is done to a file as a whole: seek, sync, length, metadata.
///
/// It takes its turn among the operations at the cursor, so a sync covers every write begun before it.
///
/// # Cancellation
/// **Detached.** A job that has begun runs to its end; the next operation at the cursor waits for it.
#[must_use = "futures do nothing unless awaited"]
pub struct Act<'a, T> {
    file: &'a Arc<Inner>,
    /// The user's line, for reports.
    at: Caller,
    place: Place<'a>,
    place_of_work: Where,
    /// None once it is done or the pool has it.
    work: Option<Work<T>>,
    job: Option<Job<(io::Result<T>, Turn)>>,
}

impl<'a, T: Send + 'static> Act<'a, T> {
    pub(super) fn new(
        file: &'a Arc<Inner>,
        at: Caller,
        place_of_work: Where,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> Self {
        let work: Work<T> = Box::new(work);
        Self { file, at, place: Place::new(&file.line, at), place_of_work, work: Some(work), job: None }
    }

    fn start(&mut self, turn: Turn, work: Work<T>) {
        let file = self.file.clone();
        self.job = Some(Job::start(self.at, move || (work(&file), turn)));
    }
}

impl<T> Unpin for Act<'_, T> {}

impl<T: Send + 'static> Future for Act<'_, T> {
    type Output = io::Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.job.is_none() {
            ready!(budget::poll_proceed(cx));
            let Poll::Ready(turn) = this.place.poll(cx) else {
                budget::refund();
                return Poll::Pending;
            };
            this.file.settle(&turn);
            let work = this.work.take().expect("a file operation was polled after it was ready");
            if this.place_of_work == Where::Here && this.file.inline && inline::may_try() {
                return Poll::Ready(work(this.file));
            }
            this.start(turn, work);
        }
        let job = this.job.as_mut().expect("started just now, or before");
        let result = ready!(job.poll(cx));
        this.job = None;
        let result = result.and_then(|(result, _turn)| result);
        if this.place_of_work == Where::Sync {
            this.file.line.tell_missed()?;
        }
        Poll::Ready(result)
    }
}

impl<T> fmt::Debug for Act<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Act").field("file", self.file).field("begun", &self.work.is_none()).finish()
    }
}
