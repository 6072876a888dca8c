//! Our ends of a child's pipes.
//!
//! An end is std's anonymous pipe, made non-blocking, beside its source. The two ends of a pipe are two open files, so the
//! child's end stays as it is. A pipe is empty (or full) only when it says so: a short read proves nothing.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::process::Stdio;

use mio::Interest;
use mio::unix::pipe;

use crate::driver::source::{Seen, SourceHandle};
use crate::io::stream::{Reads, Writes, reading, writing};
use crate::io::{async_read, async_write};

/// An end: std's anonymous pipe, non-blocking, and its source.
struct End<P> {
    /// Dropped before the descriptor is closed.
    source: SourceHandle,
    /// Non-blocking.
    io: P,
}

impl<P: From<OwnedFd> + Into<OwnedFd> + AsRawFd> End<P> {
    fn new(pipe: impl Into<OwnedFd>, interest: Interest) -> Self {
        let io = P::from(pipe.into());
        Self { source: SourceHandle::new(io.as_raw_fd(), interest), io }
    }

    /// The blocking descriptor again; the registration ends here.
    fn give_back(self) -> io::Result<OwnedFd> {
        drop(self.source);
        let io = self.io.into();
        socket2::SockRef::from(&io).set_nonblocking(false)?;
        Ok(io)
    }
}

/// What the two readers have in common: they differ in name alone, as in std.
macro_rules! reader {
    ($name:ident, $which:literal) => {
        #[doc = concat!("Our end of a child's standard ", $which, ".")]
        ///
        /// All operations take `&self`. Dropping it closes the pipe: a child that goes on writing gets SIGPIPE, or an error.
        pub struct $name(End<PipeReader>);

        impl $name {
            pub(super) fn from_std(pipe: std::process::$name) -> io::Result<Self> {
                let receiver = pipe::Receiver::from(pipe);
                receiver.set_nonblocking(true)?;
                Ok(Self(End::new(receiver, Interest::READABLE)))
            }

            reading!($name);
        }

        impl Reads for $name {
            fn reading(&self) -> &SourceHandle {
                &self.0.source
            }

            fn recv(&self, buf: &mut [u8], _seen: Seen) -> io::Result<usize> {
                (&self.0.io).read(buf)
            }

            fn recv_vectored(&self, bufs: &mut [IoSliceMut<'_>], _seen: Seen) -> io::Result<usize> {
                (&self.0.io).read_vectored(bufs)
            }

            fn origin(&self) -> Option<BorrowedFd<'_>> {
                Some(self.0.io.as_fd())
            }
        }

        common!($name, 0);
    };
}

/// What all ends have in common. The number is that of the waiters to show.
macro_rules! common {
    ($name:ident, $direction:tt) => {
        impl $name {
            /// The descriptor, blocking again: for a stream of another child, say.
            ///
            /// # Errors
            /// What the system says.
            pub fn into_owned_fd(self) -> io::Result<OwnedFd> {
                self.0.give_back()
            }

            fn whole(&self) -> &Self {
                self
            }
        }

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

async_read!([] ChildStdout);
async_read!([] ChildStderr);
async_write!([] ChildStdin);

reader!(ChildStdout, "output");
reader!(ChildStderr, "error stream");
common!(ChildStdin, 1);

/// Our end of a child's standard input.
///
/// All operations take `&self`. Nothing is kept back: what a write has taken is in the pipe. Dropping it closes the pipe, and
/// the child reads to the end.
pub struct ChildStdin(End<PipeWriter>);

impl ChildStdin {
    pub(super) fn from_std(pipe: std::process::ChildStdin) -> io::Result<Self> {
        let sender = pipe::Sender::from(pipe);
        sender.set_nonblocking(true)?;
        Ok(Self(End::new(sender, Interest::WRITABLE)))
    }

    writing!(ChildStdin);
}

impl Writes for ChildStdin {
    fn writing(&self) -> &SourceHandle {
        &self.0.source
    }

    fn send(&self, buf: &[u8], _seen: Seen) -> io::Result<usize> {
        (&self.0.io).write(buf)
    }

    fn send_vectored(&self, bufs: &[IoSlice<'_>], _seen: Seen) -> io::Result<usize> {
        (&self.0.io).write_vectored(bufs)
    }

    fn send_nothing(&self) -> io::Result<usize> {
        (&self.0.io).write(&[])
    }
}
