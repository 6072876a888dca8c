//! What moves bytes between a file and a user's buffer.
//!
//! ```text
//!   poll ──> turn at the cursor ──> try inline ──> done                 (reading; an answer from memory)
//!                                       └──> Job: file, Turn, own buffer ──> Back ──> copied, done
//! ```
//!
//! A job cannot borrow the user's buffer, since the future that does may be dropped at any time. So it has a buffer of its
//! own, which comes back with the result, is copied from, and lies in the `Line` until the next job.
//!
//! - **M1** A result nobody takes is not lost silently: [`Back`] undoes a read, by moving the cursor back over what it read,
//!   and leaves the error of a write where the next write or sync finds it.
//! - **M2** A job has the turn until its `Back` is taken or dropped, so the undoing, too, has the cursor for itself.
//! - **M3** At most [`BYTES_PER_POLL`] bytes go in one step, be they copied from the cache or to and from a job.
//!
//! Cases of the catalogue: FSX-02, FSX-04.

use super::file::Inner;
use super::inline;
use crate::io::Job;
use super::line::{Place, Turn};
use crate::task::budget::{self, BYTES_PER_POLL};
use std::io::{self, IoSlice, IoSliceMut, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// What a job does, and what is undone if nobody takes its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// Is one transfer enough, or shall the job go on until the buffer is through?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Some,
    All,
}

/// One user of a file's bytes: its place in line, its turn, its job.
#[derive(Debug)]
pub(super) struct Mover<'a> {
    file: &'a Arc<Inner>,
    /// The user's line, for reports.
    at: &'static Location<'static>,
    /// Where in the file; `None` is the cursor, for which there is a line.
    offset: Option<u64>,
    place: Place<'a>,
    /// Kept until the whole operation is over, so that two of several steps each do not mix.
    turn: Option<Turn>,
    job: Option<Job<Back>>,
    /// How far the end of the file was from the cursor when an append began, less what was read since.
    left: Option<u64>,
    /// How much an append has found unread, and not said yet.
    found: usize,
}

/// What a job brings back.
#[derive(Debug)]
struct Back {
    file: Arc<Inner>,
    way: Way,
    /// What was read, or what was written.
    buf: Vec<u8>,
    /// None once it was taken.
    result: Option<io::Result<usize>>,
    /// Dropped last (M2). None where there is no cursor.
    turn: Option<Turn>,
}

impl<'a> Mover<'a> {
    pub(super) fn new(file: &'a Arc<Inner>, offset: Option<u64>, at: &'static Location<'static>) -> Self {
        Self { file, at, offset, place: Place::new(&file.line, at), turn: None, job: None, left: None, found: 0 }
    }

    /// So many bytes are through: the next step begins behind them.
    pub(super) fn advance(&mut self, count: usize) {
        self.offset = self.offset.map(|offset| offset.saturating_add(count as u64));
    }

    /// Reads once, or as much as one job may; nothing at the end of the file.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        extent: Extent,
    ) -> Poll<io::Result<usize>> {
        if self.job.is_none() {
            ready!(self.poll_begin(cx));
            if let Some(count) = self.turn.as_ref().and_then(|turn| self.file.take_unread(turn, bufs)) {
                return Poll::Ready(Ok(count));
            }
            if self.file.inline
                && let Some(count) = inline::read(&self.file.std, bufs, self.offset)
            {
                budget::charge_bytes(count);
                return Poll::Ready(Ok(count));
            }
            let wanted = bufs.iter().map(|buf| buf.len()).fold(0, usize::saturating_add).min(BYTES_PER_POLL);
            self.start_read(wanted, extent);
        }
        let (count, buf) = ready!(self.poll_job(cx))?;
        scatter(&buf[..count], bufs);
        budget::charge_bytes(count);
        self.file.line.give_spare(buf);
        Poll::Ready(Ok(count))
    }

    /// Reads behind what is in the vector, which has room: a piece from memory, or in one job all that is left. Also says
    /// whether that was the end.
    pub(super) fn poll_append(&mut self, cx: &mut Context<'_>, to: &mut Vec<u8>) -> Poll<io::Result<(usize, bool)>> {
        if self.job.is_none() {
            ready!(self.poll_begin(cx));
            if self.turn.as_ref().is_some_and(|turn| turn.finds_unread) {
                let mut unread = self.file.line.take_unread();
                self.found = unread.len();
                to.append(&mut unread);
            }
            if self.file.inline
                && let Some((count, is_end)) = self.append_inline(to)?
            {
                budget::charge_bytes(count);
                return Poll::Ready(Ok((count + std::mem::take(&mut self.found), is_end)));
            }
            self.start(Way::In, Vec::new(), |file, _, buf| (&file.std).read_to_end(buf));
        }
        let (count, mut buf) = ready!(self.poll_job(cx))?;
        if to.is_empty() { *to = buf } else { to.append(&mut buf) }
        Poll::Ready(Ok((count + std::mem::take(&mut self.found), true)))
    }

    /// A piece from memory, and whether it was the last. The vector grows once, to one byte more than is left of the file; and a
    /// read that stops short, where the file ended a moment ago, is the end. To find that by reading nothing there takes one
    /// read more, and a second opinion (`inline::read` says why): three calls, where the two that ask for what is left are two.
    /// Of a small file that was looked at when it was opened, all is left until a read says otherwise: one call, for most files.
    fn append_inline(&mut self, to: &mut Vec<u8>) -> io::Result<Option<(usize, bool)>> {
        let (file, all) = (&self.file.std, self.file.seen_len.filter(|&len| len < BYTES_PER_POLL as u64));
        if self.left.is_none() && all.is_none() {
            self.left = inline::left(file);
        }
        let wanted = all.or(self.left).unwrap_or(0).saturating_add(1);
        to.try_reserve(usize::try_from(wanted).unwrap_or(usize::MAX))?;
        let room = (to.capacity() - to.len()).min(BYTES_PER_POLL);
        let Some(count) = inline::append(file, to) else { return Ok(None) };
        let is_end = match all {
            Some(len) => count < room && count as u64 == len && inline::is_whole_from_anywhere(file, len, count),
            None => {
                self.left = self.left.map(|left| left.saturating_sub(count as u64));
                self.left == Some(0)
            }
        };
        Ok(Some((count, count == 0 || (count < room && is_end))))
    }

    /// Writes once, or as much as one job may.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        extent: Extent,
    ) -> Poll<io::Result<usize>> {
        if self.job.is_none() {
            ready!(self.poll_begin(cx));
            self.file.line.tell_missed()?;
            let mut buf = self.file.line.take_spare();
            gather(bufs, &mut buf);
            budget::charge_bytes(buf.len());
            self.start(Way::Out, buf, move |file, offset, buf| match offset {
                // An error after a part is told to whoever writes or syncs next, be it that this future is polled again or that
                // it was dropped: then nobody else would ever hear that the rest is not there.
                None => step_by_step(extent, buf.len(), |done| (&file.std).write(&buf[done..]), |late| file.line.miss(late)),
                Some(offset) => {
                    let write = |done| file.std.write_at(&buf[done..], offset + done as u64);
                    step_by_step(extent, buf.len(), write, |late| file.line.miss(late))
                }
            });
        }
        let (count, buf) = ready!(self.poll_job(cx))?;
        self.file.line.give_spare(buf);
        Poll::Ready(Ok(count))
    }

    /// Waits for the turn, if there is a cursor, and charges the budget for what comes then.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.offset.is_none() && self.turn.is_none() {
            let turn = ready!(self.place.poll(cx));
            self.file.settle(&turn);
            self.turn = Some(turn);
        }
        budget::poll_proceed(cx)
    }

    fn start_read(&mut self, wanted: usize, extent: Extent) {
        let buf = self.file.line.take_spare();
        self.start(Way::In, buf, move |file, offset, buf| {
            // Here, and not on the worker: the first use of a buffer is where its pages come from.
            buf.resize(wanted.max(buf.len()), 0);
            let buf = &mut buf[..wanted];
            match offset {
                None => step_by_step(extent, wanted, |done| (&file.std).read(&mut buf[done..]), drop),
                Some(offset) => {
                    step_by_step(extent, wanted, |done| file.std.read_at(&mut buf[done..], offset + done as u64), drop)
                }
            }
        });
    }

    fn start(
        &mut self,
        way: Way,
        mut buf: Vec<u8>,
        work: impl FnOnce(&Inner, Option<u64>, &mut Vec<u8>) -> io::Result<usize> + Send + 'static,
    ) {
        let (file, turn, offset) = (self.file.clone(), self.turn.take(), self.offset);
        self.job = Some(Job::start(self.at, move || {
            let result = work(&file, offset, &mut buf);
            Back { file, way, buf, result: Some(result), turn }
        }));
    }

    fn poll_job(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(usize, Vec<u8>)>> {
        let job = self.job.as_mut().expect("the caller has started it, or seen it");
        let back = ready!(job.poll(cx));
        self.job = None;
        let mut back = back?;
        self.turn = back.turn.take();
        let result = back.result.take().expect("it is taken here alone");
        Poll::Ready(result.map(|count| (count, std::mem::take(&mut back.buf))))
    }
}

impl Drop for Back {
    /// M1.
    fn drop(&mut self) {
        match (self.way, self.result.take()) {
            (Way::In, Some(Ok(count))) if count > 0 && self.turn.is_some() => {
                // What has no cursor, a pipe or a terminal, cannot take it back: what was read is lost there.
                let back = i64::try_from(count).expect("no buffer is larger");
                let _ = (&self.file.std).seek(SeekFrom::Current(-back));
            }
            (Way::Out, Some(Err(error))) => self.file.line.miss(error),
            _ => {}
        }
    }
}

/// Calls until something, or all of it, is through; an interruption is no answer. What went through before an error counts,
/// and the error is `late`.
fn step_by_step(
    extent: Extent,
    len: usize,
    mut step: impl FnMut(usize) -> io::Result<usize>,
    late: impl FnOnce(io::Error),
) -> io::Result<usize> {
    let mut done = 0;
    loop {
        match step(done) {
            Ok(0) => return Ok(done),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if done == 0 => return Err(error),
            Err(error) => {
                late(error);
                return Ok(done);
            }
        }
        if extent == Extent::Some || done == len {
            return Ok(done);
        }
    }
}

/// One buffer into several, as far as there is room; says how much that was.
pub(super) fn scatter(from: &[u8], to: &mut [IoSliceMut<'_>]) -> usize {
    let mut left = from;
    for buf in to {
        let (now, later) = left.split_at(left.len().min(buf.len()));
        buf[..now.len()].copy_from_slice(now);
        left = later;
    }
    from.len() - left.len()
}

/// Several buffers into one, as far as M3 allows.
pub(super) fn gather(from: &[IoSlice<'_>], to: &mut Vec<u8>) {
    to.clear();
    for buf in from {
        let room = BYTES_PER_POLL - to.len();
        to.extend_from_slice(&buf[..buf.len().min(room)]);
    }
}
