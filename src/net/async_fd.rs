//! Any other descriptor that the system can wait for: a device, an inotify or event descriptor, another library's socket.
//!
//! The owner makes the system calls, and says when one was in vain; only the waiting is ours. An event says that a try may
//! succeed, once: who tries and gets `WouldBlock` must clear the readiness, or it waits for nothing from then on. The guard
//! remembers what was seen, so that a clear takes back no event that came after.
//!
//! Unlike sockets, which register at their first wait, this registers at once: whether the system can wait for a descriptor
//! at all is what one wants to know first.
//!
//! What is watched is a duplicate of the descriptor, which belongs to this alone. The owner may then do with its own what it
//! likes: close it, or have another put in its place. To end a registration is to name a number, and by then the owner's number
//! might be that of somebody else's socket, which would hear nothing from then on. And one descriptor may be watched any number
//! of times, on one worker too, which under one number an epoll set refuses.
//!
//! Cases of the catalogue: MIS-05, RCT-04, RCT-07, RCT-14.

use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Add;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;

use super::sock::refuse_in_a_simulation;
use crate::driver::source::{Direction, Purpose, Seen, SourceHandle, Waiter};
use crate::task::wait::WaitKind;

/// For what a descriptor is to be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest(mio::Interest);

impl Interest {
    /// For what can be read.
    pub const READABLE: Self = Self(mio::Interest::READABLE);
    /// For room to write.
    pub const WRITABLE: Self = Self(mio::Interest::WRITABLE);

    /// Does it include reading?
    pub const fn is_readable(self) -> bool {
        self.0.is_readable()
    }

    /// Does it include writing?
    pub const fn is_writable(self) -> bool {
        self.0.is_writable()
    }
}

impl Add for Interest {
    type Output = Self;

    /// Both.
    fn add(self, other: Self) -> Self {
        Self(self.0.add(other.0))
    }
}

/// Waits for a descriptor that something else owns and uses.
///
/// For whatever is not offered here. The descriptor must be non-blocking, or a try that is in vain stops the thread.
///
/// # Examples
/// ```
/// # mainspring::runtime::Runtime::new()?.block_on(async {
/// use mainspring::net::{AsyncFd, Interest};
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// let (near, mut far) = UnixStream::pair()?;
/// near.set_nonblocking(true)?;
/// let near = AsyncFd::new(near)?;
///
/// far.write_all(b"news")?;
/// let mut buf = [0; 16];
/// let count = near.async_io(Interest::READABLE, |mut near| near.read(&mut buf)).await?;
/// assert_eq!(&buf[..count], b"news");
/// # std::io::Result::Ok(()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct AsyncFd<T: AsFd> {
    /// Its readiness. Declared first, because it must be dropped before the descriptor is closed.
    source: SourceHandle,
    /// What is watched: the same open file under a number of our own.
    _watched: OwnedFd,
    /// Who owns the descriptor.
    inner: T,
}

impl<T: AsFd> AsyncFd<T> {
    /// Watches a descriptor for reading and writing.
    ///
    /// # Errors
    /// As [`with_interest`](Self::with_interest).
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn new(inner: T) -> io::Result<Self> {
        Self::with_interest(inner, Interest::READABLE + Interest::WRITABLE)
    }

    /// Watches a descriptor for this alone.
    ///
    /// # Errors
    /// `PermissionDenied` if the system cannot wait for it (files and directories are always "ready"); `InvalidInput` if it is
    /// blocking; what the system says otherwise, as when there are no descriptors left (it takes one of its own); and in a
    /// simulated runtime.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn with_interest(inner: T, interest: Interest) -> io::Result<Self> {
        refuse_in_a_simulation()?;
        let fd = inner.as_fd();
        if !SockRef::from(&fd).nonblocking()? {
            let text = "the descriptor is blocking, so a try could stop the thread: set O_NONBLOCK on it before";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let watched = fd.try_clone_to_owned()?;
        let source = SourceHandle::watched(watched.as_raw_fd(), interest.0);
        let kind = if interest.is_readable() { WaitKind::Readable } else { WaitKind::Writable };
        source.register(Purpose::here(kind)).map_err(explained)?;
        Ok(Self { source, _watched: watched, inner })
    }

    /// The owner.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The owner. To put another descriptor in its place is to wait for the one that was there, which then stays open as long
    /// as this.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Gives the owner back; the descriptor is no longer watched.
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// Waits until a read may succeed. The guard is for saying that it did not.
    ///
    /// # Cancellation
    /// **Strict.** It only looks.
    ///
    /// # Errors
    /// If the descriptor cannot be watched any more, and after the end of the runtime that it was used in.
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn readable(&self) -> FdReady<'_, T> {
        self.ready(WaitKind::Readable, Location::caller())
    }

    /// Waits until a write may succeed; see [`readable`](Self::readable).
    ///
    /// # Cancellation
    /// **Strict.** It only looks.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn writable(&self) -> FdReady<'_, T> {
        self.ready(WaitKind::Writable, Location::caller())
    }

    fn ready(&self, kind: WaitKind, at: &'static Location<'static>) -> FdReady<'_, T> {
        FdReady { fd: self, waiter: self.source.waiter(Purpose { kind, at }) }
    }

    /// As [`readable`](Self::readable), for futures written by hand. Several tasks may poll, and all of them are woken.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyGuard<'_, T>>> {
        self.poll_as_visitor(Purpose::here(WaitKind::Readable), cx)
    }

    /// As [`writable`](Self::writable), for futures written by hand. Several tasks may poll, and all of them are woken.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    #[track_caller]
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<ReadyGuard<'_, T>>> {
        self.poll_as_visitor(Purpose::here(WaitKind::Writable), cx)
    }

    fn poll_as_visitor(&self, purpose: Purpose, cx: &mut Context<'_>) -> Poll<io::Result<ReadyGuard<'_, T>>> {
        let guard = |seen| ReadyGuard { fd: self, direction: purpose.direction(), seen };
        self.source.poll_ready_as_visitor(purpose, cx).map_ok(guard)
    }

    /// Runs this once, if it may succeed, and notes a `WouldBlock`.
    ///
    /// # Errors
    /// `WouldBlock` if it is known to be in vain; otherwise what the closure says.
    pub fn try_io<R>(&self, interest: Interest, mut io: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.source.attempt(kind_of(interest).1, |_| io(&self.inner))
    }

    /// Runs this as often as it takes until it says something else than `WouldBlock`, and waits in between. If the interest is
    /// in both directions, it waits for what can be read.
    ///
    /// # Cancellation
    /// **Strict**, if the closure does all or nothing.
    ///
    /// # Errors
    /// What the closure says, and as [`readable`](Self::readable).
    ///
    /// # Panics
    /// The future panics if it has to wait and there is no runtime.
    #[track_caller]
    pub fn async_io<R>(
        &self,
        interest: Interest,
        mut io: impl FnMut(&T) -> io::Result<R>,
    ) -> impl Future<Output = io::Result<R>> {
        let mut waiter = self.source.waiter(Purpose::here(kind_of(interest).0));
        std::future::poll_fn(move |cx| waiter.poll(cx, |_| io(&self.inner)))
    }
}

/// The only type here that lends its descriptor unasked: it is real in any case.
impl<T: AsFd> AsFd for AsyncFd<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for AsyncFd<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reading, writing) = self.source.waiting();
        f.debug_struct("AsyncFd")
            .field("inner", &self.inner)
            .field("waiting_to_read", &reading)
            .field("waiting_to_write", &writing)
            .finish()
    }
}

/// Which operation stands for an interest, and its direction.
fn kind_of(interest: Interest) -> (WaitKind, Direction) {
    if interest.is_readable() { (WaitKind::Read, Direction::Read) } else { (WaitKind::Write, Direction::Write) }
}

/// The system's one word for it explains nothing.
fn explained(error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error;
    }
    let text = "the system cannot wait for this kind of descriptor, such as a file or a directory, which is always ready";
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

/// Future of [`AsyncFd::readable`] and [`AsyncFd::writable`].
///
/// # Cancellation
/// **Strict.** It only looks.
#[must_use = "futures do nothing unless awaited"]
pub struct FdReady<'a, T: AsFd> {
    /// What is waited for.
    fd: &'a AsyncFd<T>,
    /// The place in line.
    waiter: Waiter<'a>,
}

impl<T: AsFd> fmt::Debug for FdReady<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdReady").field("waiter", &self.waiter).finish()
    }
}

impl<'a, T: AsFd> Future for FdReady<'a, T> {
    type Output = io::Result<ReadyGuard<'a, T>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { fd, waiter } = self.get_mut();
        let (fd, direction) = (*fd, waiter.purpose().direction());
        waiter.poll_ready(cx).map_ok(|seen| ReadyGuard { fd, direction, seen })
    }
}

/// A try may succeed. Whoever finds that it does not says so by [`clear_ready`](Self::clear_ready), or lets
/// [`try_io`](Self::try_io) see to it; otherwise the next wait ends at once.
#[must_use = "a try that is in vain must clear the readiness"]
pub struct ReadyGuard<'a, T: AsFd> {
    /// What is ready.
    fd: &'a AsyncFd<T>,
    /// For what.
    direction: Direction,
    /// The readiness that was seen: a clear does nothing to a later one.
    seen: Seen,
}

impl<'a, T: AsFd> ReadyGuard<'a, T> {
    /// A try was in vain: the next wait is for news.
    pub fn clear_ready(&mut self) {
        self.fd.source.would_block(self.direction, self.seen);
    }

    /// Runs this once, and clears the readiness if it says `WouldBlock`.
    ///
    /// # Errors
    /// [`TryIoError`] if it would block: wait again. The inner result is the closure's own.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// use mainspring::net::AsyncFd;
    /// use std::io::{Read, Write};
    ///
    /// let (near, mut far) = std::os::unix::net::UnixStream::pair()?;
    /// near.set_nonblocking(true)?;
    /// let near = AsyncFd::new(near)?;
    /// far.write_all(b"x")?;
    /// let count = loop {
    ///     let mut guard = near.readable().await?;
    ///     match guard.try_io(|near| near.get_ref().read(&mut [0; 8])) {
    ///         Ok(outcome) => break outcome?,
    ///         Err(_would_block) => continue,
    ///     }
    /// };
    /// assert_eq!(count, 1);
    /// # std::io::Result::Ok(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_io<R>(
        &mut self,
        io: impl FnOnce(&'a AsyncFd<T>) -> io::Result<R>,
    ) -> Result<io::Result<R>, TryIoError> {
        match io(self.fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.clear_ready();
                Err(TryIoError(()))
            }
            outcome => Ok(outcome),
        }
    }

    /// What is ready.
    pub fn get_ref(&self) -> &'a AsyncFd<T> {
        self.fd
    }

    /// Its owner.
    pub fn get_inner(&self) -> &'a T {
        &self.fd.inner
    }
}

impl<T: AsFd> fmt::Debug for ReadyGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyGuard").field("direction", &self.direction).finish_non_exhaustive()
    }
}

/// The try would have blocked, and the readiness is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TryIoError(());

impl fmt::Display for TryIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the try would have blocked: wait for readiness again")
    }
}

impl std::error::Error for TryIoError {}
