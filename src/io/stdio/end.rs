//! Our end of a standard stream: which way it is used, and one call at a time.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, IsTerminal as _, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mio::Interest;

use super::pooled::{Ahead, Behind};
use crate::base::sys::{self, Refusal};
use crate::driver;
use crate::driver::source::{Passing, Purpose, SourceHandle};
use crate::task::wait::WaitKind;

/// A duplicate of a standard descriptor.
pub(super) enum End {
    Open(Open),
    /// There was no descriptor. It reads as an empty stream and swallows what is written, as std has it.
    Closed,
    /// It could not be duplicated; the system's number for why.
    Failed(Option<i32>),
}

/// The duplicate, and its registration.
pub(super) struct Open {
    /// Dropped before the descriptor is closed.
    source: SourceHandle,
    /// Shared with the jobs of the pool that use it.
    file: Arc<File>,
    way: Way,
}

/// See the chapter: how a call is kept from waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It is told not to wait.
    Told,
    /// The file is our own, and non-blocking.
    Own,
    /// Asked just before whether it would wait; and then it moves so many bytes at the most.
    Asked(usize),
    /// By the pool.
    Pooled,
}

impl End {
    pub(super) fn new(inherited: BorrowedFd<'_>, interest: Interest) -> Self {
        match Open::new(inherited, interest) {
            Ok(open) => Self::Open(open),
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => Self::Closed,
            Err(error) => Self::Failed(error.raw_os_error()),
        }
    }

    #[track_caller]
    pub(super) fn poll_read(
        &mut self,
        ahead: &mut Ahead,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let purpose = Purpose::here(WaitKind::Read);
        let open = match self {
            Self::Open(open) => open,
            Self::Closed => return Poll::Ready(Ok(0)),
            Self::Failed(number) => return Poll::Ready(Err(again(*number))),
        };
        while open.way != Way::Pooled {
            let Open { source, file, way } = &*open;
            match ready!(source.poll(purpose, cx, |_| read_now(file, *way, bufs))) {
                Err(error) if open.is_refused(&error) => open.take_another_way(purpose),
                outcome => return Poll::Ready(outcome),
            }
        }
        ahead.poll_read(&open.file, purpose.at, cx, bufs)
    }

    #[track_caller]
    pub(super) fn poll_write(
        &mut self,
        behind: &mut Behind,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let purpose = Purpose::here(WaitKind::Write);
        let open = match self {
            Self::Open(open) => open,
            Self::Closed => return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum())),
            Self::Failed(number) => return Poll::Ready(Err(again(*number))),
        };
        // In a simulation there is no readiness to wait for; a job is a task there, and has all the time.
        while open.way != Way::Pooled && !is_simulated() {
            let Open { source, file, way } = &*open;
            match ready!(source.poll(purpose, cx, |_| write_now(file, *way, bufs))) {
                Err(error) if open.is_refused(&error) => open.take_another_way(purpose),
                outcome => return Poll::Ready(outcome),
            }
        }
        behind.poll_write(&open.file, purpose.at, cx, bufs)
    }
}

impl Open {
    fn new(inherited: BorrowedFd<'_>, interest: Interest) -> io::Result<Self> {
        let file = File::from(inherited.try_clone_to_owned()?);
        let (file, way) = way_for(file)?;
        Ok(Self { source: SourceHandle::with_passing(Passing::Ends, file.as_raw_fd(), interest), file: Arc::new(file), way })
    }

    /// Does this error speak of the way, and not of the stream?
    fn is_refused(&self, error: &io::Error) -> bool {
        match self.way {
            Way::Told => sys::refusal(error) != Refusal::Once,
            // From epoll, which knows no readiness of this descriptor.
            _ => error.raw_os_error() == Some(libc::EPERM),
        }
    }

    /// What was refused is not tried again. poll(2) says of everything that epoll refuses that it is ready, so it is asked only about
    /// what epoll accepts.
    fn take_another_way(&mut self, purpose: Purpose) {
        let next = if self.way == Way::Told && self.source.register(purpose).is_ok() { Way::Asked(sys::PIECE) } else { Way::Pooled };
        self.way = next;
    }
}

/// The way to use this descriptor, as far as its kind says; a terminal becomes a file of our own.
fn way_for(file: File) -> io::Result<(File, Way)> {
    // A look that asks no server, for files, whose server may be slow.
    if sys::glance(file.as_fd()).is_ok_and(|seen| seen.is_file) {
        return Ok((file, Way::Pooled));
    }
    let about = file.metadata()?;
    let kind = about.file_type();
    if kind.is_fifo() || kind.is_socket() {
        return Ok((file, Way::Told));
    }
    if !kind.is_char_device() {
        return Ok((file, Way::Pooled));
    }
    if !file.is_terminal() {
        return Ok((file, Way::Told));
    }
    Ok(match sys::reopen_terminal(&file, about.rdev()) {
        Ok(own) => (own, Way::Own),
        // It is another user's, say. A terminal that can be written promises room for one byte and no more.
        Err(_) => (file, Way::Asked(1)),
    })
}

fn read_now(mut file: &File, way: Way, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    match way {
        Way::Told => sys::read_cached(file.as_fd(), bufs, None),
        Way::Asked(_) if !sys::can_read(file.as_fd())? => Err(io::ErrorKind::WouldBlock.into()),
        // However large the buffers are: a read waits for the first byte alone.
        _ => file.read_vectored(bufs),
    }
}

fn write_now(mut file: &File, way: Way, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    match way {
        Way::Told => sys::write_now(file.as_fd(), bufs),
        Way::Asked(_) if !sys::can_write(file.as_fd())? => Err(io::ErrorKind::WouldBlock.into()),
        Way::Asked(most) => {
            let first = bufs.iter().find(|buf| !buf.is_empty()).expect("the caller has seen to it");
            file.write(&first[..first.len().min(most)])
        }
        _ => file.write_vectored(bufs),
    }
}

fn is_simulated() -> bool {
    driver::with_current(|driver| driver.is_some_and(|driver| driver.is_simulated()))
}

/// What comes from outside is in no seed.
pub(super) fn refuse_in_a_simulation() -> io::Result<()> {
    if !is_simulated() {
        return Ok(());
    }
    let text = "a simulated runtime does not read the standard input, which no seed could repeat";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

fn again(number: Option<i32>) -> io::Error {
    number.map_or_else(|| io::ErrorKind::Other.into(), io::Error::from_raw_os_error)
}

/// Adds what an end can say about itself.
pub(super) fn way_of<'a, 'b>(end: &End, mut shown: fmt::DebugStruct<'a, 'b>) -> fmt::DebugStruct<'a, 'b> {
    match end {
        End::Open(Open { source, file, way }) => {
            let (reading, writing) = source.waiting();
            shown.field("fd", &file.as_raw_fd()).field("way", way).field("waiting", &(reading + writing));
        }
        End::Closed => drop(shown.field("way", &"closed")),
        End::Failed(number) => drop(shown.field("way", &again(*number))),
    }
    shown
}
