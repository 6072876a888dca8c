//! Standard input, output and error stream, without blocking a worker and without making anything non-blocking.
//!
//! These descriptors are inherited, and the open file behind one is the shell's and the siblings' too: `O_NONBLOCK` set on it
//! would be set for all of them, and a shell that finds it so stops working. So:
//!
//! ```text
//!   a pipe, a socket, a device   each call says that it must not wait (RWF_NOWAIT), and epoll tells when to try again    Told
//!   a terminal                   the same terminal opened once more, and that file is non-blocking: it is ours alone      Own
//!   where that is refused        poll(2) just before the call, which moves no more than a ready descriptor takes          Asked
//!   a file, a disk, /dev/null    epoll knows no readiness of them (EPERM): a job of the pool                              Pooled
//! ```
//!
//! - **O1** The flags of an inherited descriptor are never changed.
//! - **O2** A handle has a duplicate of the descriptor and a registration of its own. So several handles, in several runtimes, need
//!   no rule but the system's: what is read goes to one of them, and what is written is not mixed as long as a write is at most
//!   `PIPE_BUF` bytes (4,096 on Linux) and goes to a pipe.
//! - **O3** Nothing is kept back. A write is in the pipe, or in the file, when its future is ready; so there is nothing to flush,
//!   nothing is lost when a handle is dropped or the process ends, and an error has somebody to go to.
//! - **O4** What a job of the pool has read for a read that was dropped is there for the next read of this handle.
//! - **O5** A pending read waits in epoll and not in a thread, so it hangs no shutdown. Jobs are for files alone, which do not
//!   wait for anybody's key.
//!
//! What is left: between the question and the call of `Asked` (named pipes, and all pipes before Linux 6.4) another process that reads
//! from the same pipe, or writes to it, can be faster, and then the worker waits for the next data, or for room. The kernel knows no
//! call that does both at once there.
//!
//! std's own `stdin`, `print!` and so on have buffers of their own, of which these handles know nothing. `println!` hands on whole
//! lines at once, so its lines and ours are in order if they are made in order; but it blocks the worker while a pipe is full.
//!
//! Cases of the catalogue: SHD-04, NET-13, MIS-11.

mod end;
mod pooled;

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use mio::Interest;

use self::end::{End, way_of};
use self::pooled::{Ahead, Behind};

/// The standard input, from [`stdin`].
///
/// It is read through the traits of this module: [`AsyncRead`], and what stands on it. There is no buffer in it; put a `BufReader`
/// around it for lines.
///
/// # Cancellation
/// **Strict.** A read that is dropped takes nothing. If the input is a file, what was read for it goes to the next read of this
/// handle; dropping the handle itself with such a read under way loses that.
///
/// # Errors
/// A descriptor that was closed reads as an empty one, as in std. In a simulated runtime every read is an error: what a person or
/// another process sends is in no seed.
pub struct Stdin {
    end: End,
    /// For files.
    ahead: Ahead,
}

/// The standard output, from [`stdout`].
///
/// It is written through the traits of this module: [`AsyncWrite`], and what stands on it. Nothing is kept back, so every small write
/// is a system call; put a `BufWriter` around it, and flush it, for many.
///
/// # Cancellation
/// **Strict.** Data is given away only by the poll that says so. If the output is a file, **Detached**: a write that has begun is done,
/// and the next one of this handle waits for it and is told if it failed.
///
/// # Errors
/// `BrokenPipe` if nobody reads any more (unless SIGPIPE was given its default back; then the process dies, as is usual in a
/// pipeline). What is written to a descriptor that was closed is gone, as in std.
pub struct Stdout {
    end: End,
    /// For files, and in a simulation.
    behind: Behind,
}

/// The standard error stream, from [`stderr`]. As [`Stdout`].
pub struct Stderr(Stdout);

/// The standard input of this process.
///
/// Each call makes a handle of its own, with its own duplicate of the descriptor; what is read goes to one of them. An input that
/// never comes does not hold up the runtime's shutdown.
///
/// # Examples
/// ```
/// use futures_io::AsyncRead;
/// use mainspring::{io, time};
/// use std::pin::Pin;
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let (mut input, mut buf) = (io::stdin(), [0; 64]);
/// let read = std::future::poll_fn(|cx| Pin::new(&mut input).poll_read(cx, &mut buf));
/// // Whoever waits for a person should not wait for ever.
/// if let Ok(read) = time::timeout(time::Duration::from_millis(10), read).await {
///     assert!(read? <= 64);
/// }
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn stdin() -> Stdin {
    Stdin { end: End::new(io::stdin().as_fd(), Interest::READABLE), ahead: Ahead::default() }
}

/// The standard output of this process.
///
/// Each call makes a handle of its own, with its own duplicate of the descriptor. A full pipe makes the writer wait, and nobody else.
///
/// # Examples
/// ```
/// use futures_io::AsyncWrite;
/// use mainspring::io;
/// use std::pin::Pin;
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let mut output = io::stdout();
/// let line = b"hello\n";
/// let count = std::future::poll_fn(|cx| Pin::new(&mut output).poll_write(cx, line)).await?;
/// assert_eq!(count, 6);
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn stdout() -> Stdout {
    Stdout::of(io::stdout().as_fd())
}

/// The standard error stream of this process; see [`stdout`].
///
/// # Examples
/// ```
/// use futures_io::AsyncWrite;
/// use mainspring::io;
/// use std::pin::Pin;
///
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// let mut errors = io::stderr();
/// let line = b"something is wrong\n";
/// let count = std::future::poll_fn(|cx| Pin::new(&mut errors).poll_write(cx, line)).await?;
/// assert_eq!(count, line.len());
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn stderr() -> Stderr {
    Stderr(Stdout::of(io::stderr().as_fd()))
}

impl Stdout {
    fn of(fd: std::os::fd::BorrowedFd<'_>) -> Self {
        Self { end: End::new(fd, Interest::WRITABLE), behind: Behind::default() }
    }
}

impl AsyncRead for Stdin {
    #[track_caller]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_read_vectored(cx, &mut [IoSliceMut::new(buf)])
    }

    #[track_caller]
    fn poll_read_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { end, ahead } = self.get_mut();
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        end::refuse_in_a_simulation()?;
        end.poll_read(ahead, cx, bufs)
    }
}

impl AsyncWrite for Stdout {
    #[track_caller]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    #[track_caller]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { end, behind } = self.get_mut();
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        end.poll_write(behind, cx, bufs)
    }

    /// Waits for the job of a write that was dropped, if there is one, and tells if it failed.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().behind.poll_over(cx)
    }

    /// As `poll_flush`: the stream is not this handle's to close.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncWrite for Stderr {
    #[track_caller]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    #[track_caller]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_close(cx)
    }
}

/// Shows how the descriptor is used, and whether somebody waits.
impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        way_of(&self.end, f.debug_struct("Stdin")).finish()
    }
}

/// Shows how the descriptor is used, and whether somebody waits.
impl fmt::Debug for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        way_of(&self.end, f.debug_struct("Stdout")).finish()
    }
}

/// Shows how the descriptor is used, and whether somebody waits.
impl fmt::Debug for Stderr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        way_of(&self.0.end, f.debug_struct("Stderr")).finish()
    }
}
