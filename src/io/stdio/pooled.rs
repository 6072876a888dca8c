//! Standard streams that are files, by jobs of the pool.
//!
//! A poll cannot lend its buffer to a job, and the next poll may come with another one. What a job has read is therefore kept in the
//! handle until somebody reads it (O4). A job that writes brings back what it has written: if the next poll has the same bytes, it is
//! the write that the job was for, and is told so; if not, that write was dropped, and has been done, and the new one begins.
//! (Somebody who drops a write and begins another of the same bytes is told of the first: the other has not happened then, which
//! is what he may believe of the one he dropped.)

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::base::sys;
use crate::io::{Job, uninterrupted};
use crate::task::budget::{self, BYTES_PER_POLL};

/// The user's line.
type Caller = &'static Location<'static>;

/// What a job brings back: how much was moved, and its buffer.
type Back = (io::Result<usize>, Vec<u8>);

/// A write that was done: how much of which bytes.
type Done = (usize, Vec<u8>);

/// What was read and not yet taken, and the job that reads more.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// What a job has read; empty if it has all been taken.
    read: Vec<u8>,
    /// How much of it was taken.
    taken: usize,
    /// There is one only while nothing is left to take.
    job: Option<Job<Back>>,
}

impl Ahead {
    pub(super) fn poll_read(
        &mut self,
        file: &Arc<File>,
        at: Caller,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.job.is_none() {
            ready!(budget::poll_proceed(cx));
            if self.taken == self.read.len() {
                if let Some(count) = read_from_memory(file, bufs) {
                    budget::charge_bytes(count);
                    return Poll::Ready(Ok(count));
                }
                self.start(file, at, bufs);
            }
        }
        if let Some(job) = &mut self.job {
            let outcome = ready!(job.poll(cx));
            self.job = None;
            let (result, mut read) = outcome?;
            read.truncate(result?);
            (self.read, self.taken) = (read, 0);
        }
        Poll::Ready(Ok(self.take(bufs)))
    }

    fn start(&mut self, file: &Arc<File>, at: Caller, bufs: &[IoSliceMut<'_>]) {
        let wanted = bufs.iter().map(|buf| buf.len()).fold(0, usize::saturating_add).min(BYTES_PER_POLL);
        let (file, mut buf) = (file.clone(), std::mem::take(&mut self.read));
        self.taken = 0;
        self.job = Some(Job::start(at, move || {
            buf.resize(wanted, 0);
            (uninterrupted(|| (&*file).read(&mut buf)), buf)
        }));
    }

    fn take(&mut self, bufs: &mut [IoSliceMut<'_>]) -> usize {
        let mut count = 0;
        for buf in bufs {
            let left = &self.read[self.taken..];
            let now = left.len().min(buf.len());
            buf[..now].copy_from_slice(&left[..now]);
            self.taken += now;
            count += now;
        }
        budget::charge_bytes(count);
        count
    }
}

/// What is in the system's memory, if that is more than nothing; the end of the file is the pool's to find (some kernels say "nothing"
/// where they mean "not now").
fn read_from_memory(file: &File, bufs: &mut [IoSliceMut<'_>]) -> Option<usize> {
    let first = bufs.iter_mut().find(|buf| !buf.is_empty())?;
    let room = first.len().min(BYTES_PER_POLL);
    sys::read_cached(file.as_fd(), &mut [IoSliceMut::new(&mut first[..room])], None).ok().filter(|&count| count > 0)
}

/// The job of a write.
#[derive(Debug, Default)]
pub(super) struct Behind {
    job: Option<Job<Back>>,
}

impl Behind {
    pub(super) fn poll_write(
        &mut self,
        file: &Arc<File>,
        at: Caller,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some((count, written)) = ready!(self.poll_job(cx))?
                && begins_with(bufs, &written)
            {
                return Poll::Ready(Ok(count));
            }
            ready!(budget::poll_proceed(cx));
            let buf = gather(bufs);
            budget::charge_bytes(buf.len());
            let file = file.clone();
            self.job = Some(Job::start(at, move || (write(&file, &buf), buf)));
        }
    }

    /// Waits for a write that was dropped.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_job(cx).map_ok(drop)
    }

    /// How much the job has written, and what it was to write; none if there is no job.
    fn poll_job(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Done>>> {
        let Some(job) = &mut self.job else { return Poll::Ready(Ok(None)) };
        let outcome = ready!(job.poll(cx));
        self.job = None;
        let (result, written) = outcome?;
        Poll::Ready(result.map(|count| Some((count, written))))
    }
}

/// Blocks, also on a descriptor that somebody has made non-blocking: there is a thread for it.
fn write(mut file: &File, buf: &[u8]) -> io::Result<usize> {
    loop {
        match uninterrupted(|| file.write(buf)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                uninterrupted(|| sys::await_room(file.as_fd()))?;
            }
            outcome => return outcome,
        }
    }
}

/// Several buffers in one, as much as one job moves.
fn gather(bufs: &[IoSlice<'_>]) -> Vec<u8> {
    let mut all = Vec::new();
    for buf in bufs {
        let room = BYTES_PER_POLL - all.len();
        all.extend_from_slice(&buf[..buf.len().min(room)]);
    }
    all
}

/// Are these the first bytes of what stands in the buffers?
fn begins_with(bufs: &[IoSlice<'_>], mut bytes: &[u8]) -> bool {
    for buf in bufs {
        let count = buf.len().min(bytes.len());
        let (now, later) = bytes.split_at(count);
        if now != &buf[..count] {
            return false;
        }
        bytes = later;
    }
    bytes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_known_by_its_bytes() {
        let bufs = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cd")];
        assert_eq!(gather(&bufs), b"abcd");
        for (bytes, known) in [(&b""[..], true), (b"abc", true), (b"abcd", true), (b"abcde", false), (b"ax", false)] {
            assert_eq!(begins_with(&bufs, bytes), known, "{bytes:?}");
        }
    }
}
