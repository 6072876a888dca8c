//! Pipes: bytes in one direction, between processes or within one.
//!
//! A pipe without a name comes as two ends, by [`pipe`]. One with a name (a FIFO, made by `mkfifo`) is opened at either end by
//! [`OpenOptions`], without waiting for the other.
//!
//! The end of a pipe is not for ever: another may open the other end of a FIFO again. So it is no lasting readiness, or a loop
//! of `readable` and `try_read` would spin from the first writer's leaving on.
//!
//! Writing to a pipe that nobody reads is an error, but the system first raises SIGPIPE. Rust programs ignore it from their
//! start; one that has restored the default dies of it, since for pipes there is no way to ask for the error alone.
//!
//! Cases of the catalogue: NET-10, NET-13.

use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use mio::Interest;
use socket2::SockRef;

use crate::base::sys;
use crate::driver::source::{Passing, Seen, SourceHandle};
use crate::net::sock::{Sock, refuse_in_a_simulation};
use crate::io::stream::{Reads, Writes, reading, writing};
use crate::io::{async_read, async_write};

/// A new pipe: what is written to the sender is read from the receiver.
///
/// For talking to a child process, or to a thread that knows nothing of async, by the blocking descriptor of one end.
///
/// # Errors
/// If there are no descriptors left, and in a simulated runtime.
///
/// # Examples
/// ```
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// use mainspring::net::unix::pipe;
///
/// let (sender, receiver) = pipe::pipe()?;
/// sender.write_all(b"through").await?;
/// drop(sender);
///
/// let mut buf = [0; 16];
/// assert_eq!(receiver.read(&mut buf).await?, 7);
/// assert_eq!(receiver.read(&mut buf).await?, 0);
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    refuse_in_a_simulation()?;
    let (receiver, sender) = io::pipe()?;
    Ok((Sender::from_owned_fd(sender.into())?, Receiver::from_owned_fd(receiver.into())?))
}

/// The writing end of a pipe. Dropping it ends the stream for the reader, when it is the last.
pub struct Sender {
    /// The descriptor.
    sock: Sock<File>,
}

/// The reading end of a pipe. When the last is dropped, writing is an error.
pub struct Receiver {
    /// The descriptor.
    sock: Sock<File>,
}

/// Where the two ends come from, and how they go: the same for both.
macro_rules! end {
    ($end:ident, $interest:expr) => {
        impl $end {
            /// Takes a descriptor and makes it non-blocking, for all who share it.
            ///
            /// # Errors
            /// If it is no pipe, and in a simulated runtime.
            pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Self> {
                Self::from_file(fd.into())
            }

            /// As [`from_owned_fd`](Self::from_owned_fd), from a file that was opened.
            ///
            /// # Errors
            /// If it is no pipe, and in a simulated runtime.
            pub fn from_file(file: File) -> io::Result<Self> {
                expect_pipe(&file)?;
                Self::from_any_file(file)
            }

            fn from_any_file(file: File) -> io::Result<Self> {
                refuse_in_a_simulation()?;
                SockRef::from(&file).set_nonblocking(true)?; // of any descriptor, in spite of its name
                Ok(Self { sock: Sock::with_passing(Passing::Ends, file, $interest) })
            }

            /// Gives the descriptor back, blocking: for a child process, or a thread that blocks.
            ///
            /// # Errors
            /// What the system says.
            pub fn into_blocking_fd(self) -> io::Result<OwnedFd> {
                let fd = self.into_nonblocking_fd()?;
                SockRef::from(&fd).set_nonblocking(false)?;
                Ok(fd)
            }

            /// Gives the descriptor back as it is.
            ///
            /// # Errors
            /// Only in a simulated runtime.
            pub fn into_nonblocking_fd(self) -> io::Result<OwnedFd> {
                Ok(self.sock.into_io().into())
            }

            /// The descriptor; none in a simulated runtime. For system calls that are not offered here.
            pub fn try_as_fd(&self) -> Option<BorrowedFd<'_>> {
                self.sock.try_as_fd()
            }

            fn whole(&self) -> &Self {
                self
            }
        }

        impl fmt::Debug for $end {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($end)).field("sock", &self.sock).finish()
            }
        }
    };
}

end!(Sender, Interest::WRITABLE);
end!(Receiver, Interest::READABLE);

/// Writing.
impl Sender {
    writing!(Sender);
}

/// Reading.
impl Receiver {
    reading!(Receiver);
}

async_read!([] Receiver);
async_write!([] Sender);

impl Writes for Sender {
    fn writing(&self) -> &SourceHandle {
        self.sock.source()
    }

    fn send(&self, buf: &[u8], _seen: Seen) -> io::Result<usize> {
        self.sock.io().write(buf)
    }

    fn send_vectored(&self, bufs: &[IoSlice<'_>], _seen: Seen) -> io::Result<usize> {
        self.sock.io().write_vectored(bufs)
    }

    fn send_nothing(&self) -> io::Result<usize> {
        self.sock.io().write(&[])
    }
}

impl Reads for Receiver {
    fn reading(&self) -> &SourceHandle {
        self.sock.source()
    }

    fn recv(&self, buf: &mut [u8], _seen: Seen) -> io::Result<usize> {
        self.sock.io().read(buf)
    }

    fn recv_vectored(&self, bufs: &mut [IoSliceMut<'_>], _seen: Seen) -> io::Result<usize> {
        self.sock.io().read_vectored(bufs)
    }

    fn origin(&self) -> Option<BorrowedFd<'_>> {
        Some(self.sock.io().as_fd())
    }
}

/// How a pipe with a name is opened.
///
/// # Examples
/// ```
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// use mainspring::net::unix::pipe;
///
/// # let path = std::env::temp_dir().join(format!("mainspring-fifo-{}", std::process::id()));
/// # assert!(std::process::Command::new("mkfifo").arg(&path).status()?.success());
/// let receiver = pipe::OpenOptions::new().open_receiver(&path)?;
/// let sender = pipe::OpenOptions::new().open_sender(&path)?;
/// sender.write_all(b"by name").await?;
/// assert_eq!(receiver.read(&mut [0; 16]).await?, 7);
/// std::fs::remove_file(&path)?;
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Opens both directions, whichever end is asked for.
    read_write: bool,
    /// Takes whatever the file is.
    unchecked: bool,
}

impl OpenOptions {
    /// Opens one direction, of what must be a pipe.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens both directions (Linux allows it): a sender then needs no reader to be there, and a receiver never finds the end.
    ///
    /// For a service that reads from its pipe for ever, whoever comes and goes at the other end.
    pub fn read_write(&mut self, value: bool) -> &mut Self {
        self.read_write = value;
        self
    }

    /// Does not look whether the file is a pipe.
    pub fn unchecked(&mut self, value: bool) -> &mut Self {
        self.unchecked = value;
        self
    }

    /// Opens the reading end, at once: while nobody writes, a read finds the end of the stream.
    ///
    /// # Errors
    /// `InvalidInput` if it is no pipe; otherwise what the system says; and in a simulated runtime.
    pub fn open_receiver<P: AsRef<Path>>(&self, path: P) -> io::Result<Receiver> {
        Receiver::from_any_file(self.open(path.as_ref(), true)?)
    }

    /// Opens the writing end, at once.
    ///
    /// # Errors
    /// `ENXIO` if nobody has opened the reading end; `InvalidInput` if it is no pipe; otherwise what the system says; and in a
    /// simulated runtime.
    pub fn open_sender<P: AsRef<Path>>(&self, path: P) -> io::Result<Sender> {
        Sender::from_any_file(self.open(path.as_ref(), false)?)
    }

    fn open(&self, path: &Path, to_read: bool) -> io::Result<File> {
        refuse_in_a_simulation()?;
        let mut options = File::options();
        options.read(to_read || self.read_write).write(!to_read || self.read_write);
        let file = options.custom_flags(sys::OPEN_NONBLOCKING).open(path)?;
        if !self.unchecked {
            expect_pipe(&file)?;
        }
        Ok(file)
    }
}

/// A descriptor can be anything.
fn expect_pipe(file: &File) -> io::Result<()> {
    if file.metadata()?.file_type().is_fifo() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the descriptor is not a pipe"))
}
