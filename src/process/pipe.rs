//! Our ends of a child's pipes.
//!
//! An end is std's anonymous pipe, made non-blocking, beside its source. The two ends of a pipe are two open files, so the
//! child's end stays as it is. A pipe is empty (or full) only when it says so: a short read proves nothing.

use std::fmt;
use std::future::Future;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::Location;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};

use mio::Interest;
use mio::unix::pipe;

use crate::driver::source::{Direction, Purpose, SourceHandle, Waiter};
use crate::task::wait::WaitKind;

/// The most that is taken by one poll of what reads to the end: a pipe's usual capacity.
const GULP: u64 = 64 << 10;

/// An end to read from.
pub(super) struct ReadEnd {
    /// Dropped before the descriptor is closed.
    source: SourceHandle,
    /// Non-blocking.
    io: PipeReader,
}

/// An end to write to.
pub(super) struct WriteEnd {
    /// Dropped before the descriptor is closed.
    source: SourceHandle,
    /// Non-blocking.
    io: PipeWriter,
}

impl ReadEnd {
    fn new(receiver: pipe::Receiver) -> io::Result<Self> {
        receiver.set_nonblocking(true)?;
        let io = PipeReader::from(OwnedFd::from(receiver));
        Ok(Self { source: SourceHandle::new(io.as_raw_fd(), Interest::READABLE), io })
    }

    fn waiter(&self, kind: WaitKind, at: &'static Location<'static>) -> Waiter<'_> {
        self.source.waiter(Purpose { kind, at })
    }

    /// Takes a gulp; true at the end of the stream. What was taken is in the vector, whatever is returned.
    fn gulp(&self, into: &mut Vec<u8>) -> io::Result<bool> {
        match (&self.io).take(GULP).read_to_end(into) {
            Ok(count) => Ok((count as u64) < GULP),
            Err(error) => Err(error),
        }
    }

    /// Appends to a vector until the end of the stream, without a place in line of its own.
    pub(super) fn poll_to_end(
        &self,
        at: &'static Location<'static>,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
    ) -> Poll<io::Result<()>> {
        let purpose = Purpose { kind: WaitKind::Read, at };
        while !ready!(self.source.poll(purpose, cx, |_| self.gulp(into)))? {}
        Poll::Ready(Ok(()))
    }
}

impl WriteEnd {
    fn new(sender: pipe::Sender) -> io::Result<Self> {
        sender.set_nonblocking(true)?;
        let io = PipeWriter::from(OwnedFd::from(sender));
        Ok(Self { source: SourceHandle::new(io.as_raw_fd(), Interest::WRITABLE), io })
    }

    fn waiter(&self, kind: WaitKind, at: &'static Location<'static>) -> Waiter<'_> {
        self.source.waiter(Purpose { kind, at })
    }
}

/// The blocking descriptor again; the registration ends here.
fn give_back(source: SourceHandle, io: impl Into<OwnedFd>) -> io::Result<OwnedFd> {
    drop(source);
    let io = io.into();
    socket2::SockRef::from(&io).set_nonblocking(false)?;
    Ok(io)
}

/// What the two readers have in common: they differ in name alone, as in std.
macro_rules! reader {
    ($name:ident, $which:literal) => {
        #[doc = concat!("Our end of a child's standard ", $which, ".")]
        ///
        /// All operations take `&self`. Dropping it closes the pipe: a child that goes on writing gets SIGPIPE, or an error.
        pub struct $name(pub(super) ReadEnd);

        impl $name {
            pub(super) fn from_std(pipe: std::process::$name) -> io::Result<Self> {
                ReadEnd::new(pipe.into()).map(Self)
            }

            /// Reads what is there, at least one byte; 0 means that everybody has closed the other end, or that `buf` is
            /// empty.
            ///
            /// # Cancellation
            /// **Strict.** Data is taken only by the poll that returns it.
            ///
            /// # Errors
            /// What the system says, and after the end of the runtime it was used in.
            ///
            /// # Panics
            /// The future panics if it has to wait and there is no runtime.
            #[track_caller]
            pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> Read<'a> {
                Read { end: &self.0, waiter: self.0.waiter(WaitKind::Read, Location::caller()), buf }
            }

            /// Fills the whole buffer.
            ///
            /// # Cancellation
            /// **Lossy.** What was read before is gone from the pipe, and how much it was is lost.
            ///
            /// # Errors
            /// `UnexpectedEof` if the stream ends before; otherwise as [`read`](Self::read).
            ///
            /// # Panics
            /// As [`read`](Self::read).
            #[track_caller]
            pub fn read_exact<'a>(&'a self, buf: &'a mut [u8]) -> ReadExact<'a> {
                ReadExact { end: &self.0, waiter: self.0.waiter(WaitKind::Read, Location::caller()), buf, filled: 0 }
            }

            /// Appends all there is until the other end is closed by everybody who holds it, and says how much it was.
            ///
            /// # Cancellation
            /// **Strict.** What was read is in the vector, and a new call goes on from there.
            ///
            /// # Errors
            /// As [`read`](Self::read).
            ///
            /// # Panics
            /// As [`read`](Self::read).
            #[track_caller]
            pub fn read_to_end<'a>(&'a self, into: &'a mut Vec<u8>) -> ReadToEnd<'a> {
                let before = into.len();
                ReadToEnd { end: &self.0, waiter: self.0.waiter(WaitKind::Read, Location::caller()), into, before }
            }

            /// Waits until there is something to read, or the end.
            ///
            /// # Cancellation
            /// **Strict.** It only looks.
            ///
            /// # Errors
            /// As [`read`](Self::read).
            ///
            /// # Panics
            /// As [`read`](Self::read).
            #[track_caller]
            pub fn readable(&self) -> Readable<'_> {
                Readable(self.0.waiter(WaitKind::Readable, Location::caller()))
            }

            /// Reads now or never.
            ///
            /// # Errors
            /// `WouldBlock` if there is nothing; otherwise as [`read`](Self::read).
            pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.0.source.attempt(Direction::Read, |_| (&self.0.io).read(buf))
            }

            /// As [`read`](Self::read), for futures written by hand: the task that called last is woken.
            ///
            /// # Errors
            /// As [`read`](Self::read).
            ///
            /// # Panics
            /// As [`read`](Self::read).
            #[track_caller]
            pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
                if buf.is_empty() {
                    return Poll::Ready(Ok(0));
                }
                self.0.source.poll(Purpose::here(WaitKind::Read), cx, |_| (&self.0.io).read(buf))
            }

            /// The descriptor, blocking again: for the input of another child, say.
            ///
            /// # Errors
            /// What the system says.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                give_back(self.0.source, self.0.io)
            }
        }

        common!($name, 0);
    };
}

/// What all ends have in common. The number is that of the waiters to show.
macro_rules! common {
    ($name:ident, $direction:tt) => {
        impl AsFd for $name {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.io.as_fd()
            }
        }

        impl TryFrom<$name> for Stdio {
            type Error = io::Error;

            fn try_from(pipe: $name) -> io::Result<Self> {
                pipe.into_owned_fd().map(Self::from)
            }
        }

        /// Shows the descriptor and how many wait at this moment.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("fd", &self.0.io.as_raw_fd())
                    .field("waiting", &self.0.source.waiting().$direction)
                    .finish()
            }
        }
    };
}

reader!(ChildStdout, "output");
reader!(ChildStderr, "error stream");
common!(ChildStdin, 1);

/// Our end of a child's standard input.
///
/// All operations take `&self`. Nothing is kept back: what a write has taken is in the pipe. Dropping it closes the pipe, and
/// the child reads to the end.
pub struct ChildStdin(pub(super) WriteEnd);

impl ChildStdin {
    pub(super) fn from_std(pipe: std::process::ChildStdin) -> io::Result<Self> {
        WriteEnd::new(pipe.into()).map(Self)
    }

    /// Writes a part of the buffer, at least one byte of one that is not empty, and says how much.
    ///
    /// # Cancellation
    /// **Strict.** Data is given away only by the poll that says so.
    ///
    /// # Errors
    /// `BrokenPipe` when nobody holds the other end any more; what else the system says; and after the end of the runtime it
    /// was used in.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn write<'a>(&'a self, buf: &'a [u8]) -> Write<'a> {
        Write { end: &self.0, waiter: self.0.waiter(WaitKind::Write, Location::caller()), buf }
    }

    /// Writes the whole buffer.
    ///
    /// # Cancellation
    /// **Lossy.** A part may have been written, and nobody says how much.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Panics
    /// As [`write`](Self::write).
    #[track_caller]
    pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> WriteAll<'a> {
        WriteAll { end: &self.0, waiter: self.0.waiter(WaitKind::Write, Location::caller()), left: buf }
    }

    /// Waits until there is room, or nobody who reads.
    ///
    /// # Cancellation
    /// **Strict.** It only looks.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Panics
    /// As [`write`](Self::write).
    #[track_caller]
    pub fn writable(&self) -> Writable<'_> {
        Writable(self.0.waiter(WaitKind::Writable, Location::caller()))
    }

    /// Writes now or never.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room; otherwise as [`write`](Self::write).
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.0.source.attempt(Direction::Write, |_| (&self.0.io).write(buf))
    }

    /// As [`write`](Self::write), for futures written by hand: the task that called last is woken.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Panics
    /// As [`write`](Self::write).
    #[track_caller]
    pub fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.source.poll(Purpose::here(WaitKind::Write), cx, |_| (&self.0.io).write(buf))
    }

    /// The descriptor, blocking again: for the output of another child, say.
    ///
    /// # Errors
    /// What the system says.
    pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
        give_back(self.0.source, self.0.io)
    }
}

/// Future of `read`.
///
/// # Cancellation
/// **Strict.** Data is taken only by the poll that returns it.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Read<'a> {
    /// Where to read from.
    end: &'a ReadEnd,
    /// The place in line.
    waiter: Waiter<'a>,
    /// Where to put it.
    buf: &'a mut [u8],
}

impl Future for Read<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { end, waiter, buf } = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        waiter.poll(cx, |_| (&end.io).read(buf))
    }
}

/// Future of `read_exact`.
///
/// # Cancellation
/// **Lossy.** What was read before is gone from the pipe, and how much it was is lost.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadExact<'a> {
    /// Where to read from.
    end: &'a ReadEnd,
    /// The place in line, for one read after the other.
    waiter: Waiter<'a>,
    /// What is to be filled.
    buf: &'a mut [u8],
    /// How much of it has been.
    filled: usize,
}

impl Future for ReadExact<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { end, waiter, buf, filled } = self.get_mut();
        while *filled < buf.len() {
            match ready!(waiter.poll(cx, |_| (&end.io).read(&mut buf[*filled..])))? {
                0 => {
                    let text = format!("the stream ended after {filled} of {} bytes", buf.len());
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)));
                }
                count => *filled += count,
            }
        }
        Poll::Ready(Ok(*filled))
    }
}

/// Future of `read_to_end`.
///
/// # Cancellation
/// **Strict.** What was read is in the vector.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct ReadToEnd<'a> {
    /// Where to read from.
    end: &'a ReadEnd,
    /// The place in line, for one gulp after the other.
    waiter: Waiter<'a>,
    /// Where to append it.
    into: &'a mut Vec<u8>,
    /// How long that was before.
    before: usize,
}

impl Future for ReadToEnd<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { end, waiter, into, before } = self.get_mut();
        while !ready!(waiter.poll(cx, |_| end.gulp(into)))? {}
        Poll::Ready(Ok(into.len() - *before))
    }
}

/// Future of `readable`.
///
/// # Cancellation
/// **Strict.** It only looks.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Readable<'a>(Waiter<'a>);

impl Future for Readable<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.poll_ready(cx).map_ok(drop)
    }
}

/// Future of [`ChildStdin::write`].
///
/// # Cancellation
/// **Strict.** Data is given away only by the poll that says so.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Write<'a> {
    /// Where to write to.
    end: &'a WriteEnd,
    /// The place in line.
    waiter: Waiter<'a>,
    /// What to write.
    buf: &'a [u8],
}

impl Future for Write<'_> {
    type Output = io::Result<usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { end, waiter, buf } = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready((&end.io).write(buf)); // never waits
        }
        waiter.poll(cx, |_| (&end.io).write(buf))
    }
}

/// Future of [`ChildStdin::write_all`].
///
/// # Cancellation
/// **Lossy.** A part may have been written, and nobody says how much.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct WriteAll<'a> {
    /// Where to write to.
    end: &'a WriteEnd,
    /// The place in line, for one write after the other.
    waiter: Waiter<'a>,
    /// What is left to write.
    left: &'a [u8],
}

impl Future for WriteAll<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { end, waiter, left } = self.get_mut();
        while !left.is_empty() {
            match ready!(waiter.poll(cx, |_| (&end.io).write(left)))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => *left = &left[count..],
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Future of [`ChildStdin::writable`].
///
/// # Cancellation
/// **Strict.** It only looks.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Writable<'a>(Waiter<'a>);

impl Future for Writable<'_> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.poll_ready(cx).map_ok(drop)
    }
}

impl fmt::Debug for ReadEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadEnd").field("fd", &self.io.as_raw_fd()).finish_non_exhaustive()
    }
}

impl fmt::Debug for WriteEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteEnd").field("fd", &self.io.as_raw_fd()).finish_non_exhaustive()
    }
}
