//! The traits of futures-io for a file: operations that are polls, and not futures.
//!
//! A poll borrows its buffer for the time of the call, and nobody says whether the next one comes at all, with which buffer, or for
//! which operation. So what is under way belongs to the file:
//!
//! ```text
//!   poll_read    turn ──> unread? inline? ──> done
//!                  └──> Job: Turn, own buffer ──> what it read lies in the `Line`, unread, and the turn goes on
//!   poll_write   turn ──> Job: Turn, copy of the buffer ──> done when the job is
//! ```
//!
//! - **P1** A write that is ready is with the kernel. A job brings back what it has written: if the next poll has the same bytes, it is
//!   the write that the job was for; if not, that one was given up, has been done, and its error is the answer of the next write,
//!   flush or close. (Who gives up a write and begins another of the same bytes is told of the first: the other has not happened
//!   then, which is what he may believe of the one he gave up.)
//! - **P2** What a job has read and nobody has taken stands before the cursor, as far as anybody can see: the next operation, of
//!   whatever kind, takes it or moves the cursor back over it ([`Inner::settle`]). On a pipe, where nobody can go back, the next read
//!   takes it.
//! - **P3** A job keeps its turn until it has ended, and not until somebody polls: a poll that never comes holds up nobody.
//!
//! Cases of the catalogue: FSX-01, FSX-02, FSX-04.

use super::File;
use super::file::Inner;
use super::inline;
use super::line::{Line, Place, Turn};
use super::transfer::{gather, scatter};
use crate::io::{Job, uninterrupted};
use crate::task::budget::{self, BYTES_PER_POLL};
use futures_io::{AsyncRead, AsyncSeek, AsyncWrite};
use std::io::{self, IoSlice, IoSliceMut, Read as _, Seek as _, SeekFrom, Write as _};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The user's line.
type Caller = &'static Location<'static>;

/// What the polls of one file have under way.
#[derive(Debug)]
pub(super) struct Polled {
    /// The file's.
    line: Arc<Line>,
    /// The place in line, while it waits for its turn.
    number: Option<u64>,
    /// What the turn was used for.
    job: Under,
}

/// A job, and what it is for.
#[derive(Debug)]
enum Under {
    Nothing,
    /// How much it has read, in which turn.
    Read(Job<io::Result<usize>>, u64),
    /// How much it has written, and what it was to write. None if that has failed: the `Line` knows why, before the turn goes on.
    Write(Job<(Option<usize>, Vec<u8>)>),
    Seek(Job<io::Result<u64>>, SeekFrom),
}

/// How much was written, and out of what.
type Written = (usize, Vec<u8>);

impl Polled {
    /// The turn. What another operation has under way was given up: it goes on without us if it has begun, and has the turn then.
    fn poll_turn(&mut self, at: Caller, cx: &mut Context<'_>) -> Poll<Turn> {
        self.job = Under::Nothing;
        ready!(budget::poll_proceed(cx));
        let mut place = Place::again(&self.line, at, self.number.take());
        let turn = place.poll(cx);
        self.number = place.leave();
        if turn.is_pending() {
            budget::refund();
        }
        turn
    }

    fn poll_read(
        &mut self,
        file: &Arc<Inner>,
        at: Caller,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Under::Read(job, number) = &mut self.job {
                let (outcome, number) = (ready!(job.poll(cx)), *number);
                self.job = Under::Nothing;
                // The end, or an error, is told only if nobody has moved the cursor since.
                match outcome? {
                    Ok(0) | Err(_) if !self.line.is_last(number) => {}
                    Ok(1..) => {}
                    end => return Poll::Ready(end),
                }
            }
            let turn = ready!(self.poll_turn(at, cx));
            if let Some(count) = file.take_unread(&turn, bufs) {
                return Poll::Ready(Ok(count));
            }
            if file.inline
                && let Some(count) = inline::read(&file.std, bufs, None)
            {
                budget::charge_bytes(count);
                return Poll::Ready(Ok(count));
            }
            self.start_read(file, turn, at, bufs);
        }
    }

    fn start_read(&mut self, file: &Arc<Inner>, turn: Turn, at: Caller, bufs: &[IoSliceMut<'_>]) {
        let wanted = bufs.iter().map(|buf| buf.len()).fold(0, usize::saturating_add).min(BYTES_PER_POLL);
        let (file, number, mut buf) = (file.clone(), turn.number, self.line.take_spare());
        let job = Job::start(at, move || {
            buf.resize(wanted, 0);
            let count = uninterrupted(|| (&file.std).read(&mut buf))?;
            buf.truncate(count);
            file.line.put_unread(buf);
            drop(turn); // P3
            Ok(count)
        });
        self.job = Under::Read(job, number);
    }

    fn poll_write(
        &mut self,
        file: &Arc<Inner>,
        at: Caller,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some((count, buf)) = ready!(self.poll_written(cx))?
                && begins_with(bufs, &buf)
            {
                self.line.give_spare(buf);
                return Poll::Ready(Ok(count));
            }
            let turn = ready!(self.poll_turn(at, cx));
            self.line.tell_missed()?;
            file.settle(&turn);
            let (file, mut buf) = (file.clone(), self.line.take_spare());
            gather(bufs, &mut buf);
            budget::charge_bytes(buf.len());
            self.job = Under::Write(Job::start(at, move || {
                let count = uninterrupted(|| (&file.std).write(&buf)).map_err(|error| file.line.miss(error)).ok();
                drop(turn); // P3
                (count, buf)
            }));
        }
    }

    /// What a job has written, and out of what; none if there is no job.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Written>>> {
        let Under::Write(job) = &mut self.job else { return Poll::Ready(Ok(None)) };
        let outcome = ready!(job.poll(cx));
        self.job = Under::Nothing;
        let (count, buf) = outcome?;
        let Some(count) = count else {
            self.line.tell_missed()?;
            return Poll::Ready(Err(io::Error::other("a write has failed, and another operation was told why")));
        };
        Poll::Ready(Ok(Some((count, buf))))
    }

    /// Waits for a write that was given up.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_written(cx))?;
        Poll::Ready(self.line.tell_missed())
    }

    fn poll_seek(
        &mut self,
        file: &Arc<Inner>,
        at: Caller,
        cx: &mut Context<'_>,
        to: SeekFrom,
    ) -> Poll<io::Result<u64>> {
        loop {
            if let Under::Seek(job, same) = &mut self.job
                && *same == to
            {
                let outcome = ready!(job.poll(cx));
                self.job = Under::Nothing;
                return Poll::Ready(outcome.flatten());
            }
            let turn = ready!(self.poll_turn(at, cx));
            file.settle(&turn);
            if file.inline && inline::may_try() {
                return Poll::Ready((&file.std).seek(to));
            }
            let file = file.clone();
            let job = Job::start(at, move || {
                let place = (&file.std).seek(to);
                drop(turn); // P3
                place
            });
            self.job = Under::Seek(job, to);
        }
    }
}

impl Drop for Polled {
    /// Out of the line.
    fn drop(&mut self) {
        drop(Place::again(&self.line, Location::caller(), self.number.take()));
    }
}

impl Inner {
    /// Whoever has the turn finds the cursor where the last operation has left it (P2).
    pub(super) fn settle(&self, turn: &Turn) {
        if !turn.finds_unread {
            return;
        }
        let unread = self.line.take_unread();
        let back = i64::try_from(unread.len()).expect("no buffer is larger");
        if (&self.std).seek(SeekFrom::Current(-back)).is_err() {
            self.line.put_unread(unread);
        }
    }

    /// What is unread goes to whoever has the turn and reads.
    pub(super) fn take_unread(&self, turn: &Turn, bufs: &mut [IoSliceMut<'_>]) -> Option<usize> {
        if !turn.finds_unread {
            return None;
        }
        let mut unread = self.line.take_unread();
        let count = scatter(&unread, bufs);
        budget::charge_bytes(count);
        unread.drain(..count);
        if !unread.is_empty() {
            self.line.put_unread(unread);
        }
        (count > 0).then_some(count)
    }
}

impl File {
    fn polled(&mut self) -> (&Arc<Inner>, &mut Polled) {
        let (inner, polled) = self.parts();
        let make = || Box::new(Polled { line: inner.line.clone(), number: None, job: Under::Nothing });
        (inner, polled.get_or_insert_with(make))
    }
}

/// What a job has read for a poll that never came again is read by the next operation.
impl AsyncRead for File {
    #[track_caller]
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.as_mut().poll_read_vectored(cx, &mut [IoSliceMut::new(buf)])
    }

    #[track_caller]
    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(first) = bufs.iter().position(|buf| !buf.is_empty()) else { return Poll::Ready(Ok(0)) };
        let (file, polled) = self.polled();
        polled.poll_read(file, Location::caller(), cx, &mut bufs[first..])
    }
}

/// A write that is ready is with the kernel: nothing is kept back. A write that was given up may go on; `flush` and `close` wait for
/// it, and tell its error. Neither is needed for what was written, and neither is a sync: see [`sync_all`](File::sync_all).
impl AsyncWrite for File {
    #[track_caller]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.as_mut().poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    #[track_caller]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        let (file, polled) = self.polled();
        polled.poll_write(file, Location::caller(), cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.polled().1.poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for File {
    #[track_caller]
    fn poll_seek(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: SeekFrom) -> Poll<io::Result<u64>> {
        let (file, polled) = self.polled();
        polled.poll_seek(file, Location::caller(), cx, to)
    }
}

/// Do these buffers begin with these bytes?
fn begins_with(bufs: &[IoSlice<'_>], mut bytes: &[u8]) -> bool {
    bufs.iter().all(|buf| {
        let (now, later) = bytes.split_at(buf.len().min(bytes.len()));
        bytes = later;
        buf.starts_with(now)
    }) && bytes.is_empty()
}
