//! A source: one descriptor that tasks wait for.
//!
//! ```text
//!   door (TcpStream, ...)            worker's reactor
//!        |  owns                          |  slab, while registered
//!        v                                v
//!   SourceHandle ------ Arc --------> Source
//!        drop: deregister             +-- readiness   word and waiters; see `readiness`
//!                                     +-- fd, interest
//!                                     +-- home        the driver it is registered with, if any
//! ```
//!
//! An operation is tried at once, and only the first `WouldBlock` registers the descriptor: with the worker
//! that polls the operation, so that readiness brings the task back to it, and so that a short connection that
//! never has to wait costs no `epoll_ctl`. Until then the word holds a guess ("a try may succeed"). Registration
//! is edge-triggered and made once: epoll's ADD reports what is ready at that moment, so no edge is lost by
//! coming late. A task that goes on elsewhere takes the source with it after a few waits, since every wake-up
//! from a foreign reactor is a wake-up across threads.
//!
//! - **S1** A registered source is in exactly one slab, and `home` says in which.
//! - **S2** The descriptor is open as long as the source is registered: its owner drops the handle first.
//! - **S3** Locks are taken in the order home, slab, waiters.

mod readiness;
mod waiters;

use std::io;
use std::os::fd::RawFd;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mio::{Interest, Token};

pub(crate) use self::readiness::{Bits, Direction, Seen};
use self::readiness::{Readiness, Waited};
use self::waiters::Key;
use crate::base::atomic::{AtomicU8, Mutex, Ordering};
use crate::base::context;
use crate::base::sys::{self, fork::inherited};
use crate::base::wakers::Wakers;
use crate::driver::{self, Driver};
use crate::task::budget;
use crate::task::wait::{self, Wait, WaitKind};

/// What the door and the reactor share about one descriptor. With its `Arc` it takes 104 bytes, which a test holds it to: with
/// the allocator's word that is seven of its steps of 16, and ten thousand idle connections pay for every byte.
#[derive(Debug)]
pub(crate) struct Source {
    /// What is known about the descriptor, and who waits to know more.
    readiness: Readiness,
    /// Where it is registered. The lock is held across a registration, never across anything slower.
    home: Mutex<Option<Home>>,
    /// The descriptor, owned by the door (S2).
    fd: RawFd,
    /// What to ask epoll for.
    interest: Interest,
    /// Which of its troubles pass.
    passing: Passing,
    /// How many waits in a row were begun on another worker. Touched under `home`'s lock alone, and an atomic only because
    /// here, beside the descriptor, it costs no room: in there it was 8 bytes.
    strayed: AtomicU8,
}

// No user code is called while a source is in between two states: wakers are taken out first, and woken after.
impl UnwindSafe for Source {}
impl RefUnwindSafe for Source {}

/// Which troubles of a descriptor are news of one moment, after which it goes on. Their event only makes a try worth while; of
/// the others the bit stays (R2).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Passing {
    /// None: an error or an end of a stream is for ever.
    Nothing,
    /// Errors, as of a datagram that found nobody. mio calls an error that comes alone an end of writing, so that bit passes
    /// too: whoever writes after a real end is told by the try. The end of reading stays.
    Errors,
    /// Ends too: of a pipe with a name whose other end is opened again.
    Ends,
}

/// Where a source is registered.
#[derive(Debug)]
struct Home {
    /// Whose reactor it is.
    driver: Arc<Driver>,
    /// Its place in that reactor's slab.
    token: Token,
}

/// After so many waits in a row on one other worker's thread, the source moves there. A move is two system calls;
/// a task that alternates between two workers should not make them at every wait.
const MOVES_AFTER: u8 = 8;

/// What somebody waits for: it decides the direction, and goes into the wait reason with the user's line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    /// One of the kinds that concern descriptors.
    pub(crate) kind: WaitKind,
    /// Where the user asked for it.
    pub(crate) at: &'static Location<'static>,
}

impl Purpose {
    /// The caller's own line.
    #[track_caller]
    pub(crate) fn here(kind: WaitKind) -> Self {
        Self { kind, at: Location::caller() }
    }

    pub(crate) fn direction(self) -> Direction {
        match self.kind {
            WaitKind::Write | WaitKind::Writable | WaitKind::Connect => Direction::Write,
            _ => Direction::Read,
        }
    }

    /// What to say where no runtime is: an error in a forked process, where there was one until the fork, and else a panic.
    fn refused(self) -> io::Error {
        if context::is_cut_off() {
            return inherited();
        }
        let (operation, at) = (self.operation(), self.at);
        let cure = "await it inside `Runtime::block_on`, a task, or under `Handle::enter`";
        panic!("the `{operation}` made at {at} needs a runtime: {cure}")
    }

    /// For the panic that says what needs a runtime.
    fn operation(self) -> &'static str {
        match self.kind {
            WaitKind::Accept => "accept",
            WaitKind::Connect => "connect",
            WaitKind::Write => "write",
            WaitKind::Readable => "readable",
            WaitKind::Writable => "writable",
            WaitKind::Signal => "recv",
            WaitKind::Exit => "wait",
            _ => "read",
        }
    }
}

/// The owner's end of a source: dropping it ends the registration. Its owner declares it before the descriptor,
/// so that it is dropped first (S2).
#[derive(Debug)]
pub(crate) struct SourceHandle {
    /// Shared with the reactor's slab.
    source: Arc<Source>,
}

impl SourceHandle {
    /// For a descriptor on which an operation may succeed right away.
    pub(crate) fn new(fd: RawFd, interest: Interest) -> Self {
        Self::assuming(Bits::READABLE.and(Bits::WRITABLE), fd, interest, Passing::Nothing)
    }

    /// The same, for a descriptor that outlives its troubles.
    pub(crate) fn with_passing(passing: Passing, fd: RawFd, interest: Interest) -> Self {
        Self::assuming(Bits::READABLE.and(Bits::WRITABLE), fd, interest, passing)
    }

    /// For a connection in progress, on which a try would be in vain until the kernel says so.
    pub(crate) fn connecting(fd: RawFd, interest: Interest) -> Self {
        Self::assuming(Bits::NONE, fd, interest, Passing::Nothing)
    }

    /// For a descriptor of whatever kind that is registered at once: nothing is assumed, for the registration reports what is
    /// so, and nothing is for ever, since another may open the other end again.
    pub(crate) fn watched(fd: RawFd, interest: Interest) -> Self {
        Self::assuming(Bits::NONE, fd, interest, Passing::Ends)
    }

    fn assuming(assumed: Bits, fd: RawFd, interest: Interest, passing: Passing) -> Self {
        let readiness = Readiness::new(assumed);
        Self {
            source: Arc::new(Source {
                readiness,
                home: Mutex::new(None),
                fd,
                interest,
                passing,
                strayed: AtomicU8::new(0),
            }),
        }
    }

    /// Begins an operation: a future holds the waiter and polls through it.
    pub(crate) fn waiter(&self, purpose: Purpose) -> Waiter<'_> {
        Waiter { source: &self.source, purpose, key: None }
    }

    /// As [`Waiter::poll`], for a future that reaches this handle by another way, and so need not hold a pointer to it.
    #[inline]
    pub(crate) fn poll_in_place<R>(
        &self,
        purpose: Purpose,
        place: &mut Place,
        cx: &mut Context<'_>,
        attempt: impl FnMut(Seen) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.source.poll(purpose, &mut place.0, cx, attempt)
    }

    /// Gives a place up. Whoever has one calls this when it is dropped.
    #[inline]
    pub(crate) fn leave(&self, direction: Direction, place: &Place) {
        if let Some(key) = place.0 {
            self.source.readiness.forget(direction, key);
        }
    }

    /// As [`Waiter::poll`], for operations without a future of their own. All calls for one direction share one
    /// place in line, so only the task that called last is woken.
    pub(crate) fn poll<R>(
        &self,
        purpose: Purpose,
        cx: &mut Context<'_>,
        attempt: impl FnMut(Seen) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.source.poll(purpose, &mut Some(Readiness::SHARED_KEY), cx, attempt)
    }

    /// As [`Waiter::poll_ready`], in the shared place in line.
    pub(crate) fn poll_ready(&self, purpose: Purpose, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.poll_ready(purpose, &mut Some(Readiness::SHARED_KEY), cx).map_ok(drop)
    }

    /// As [`poll`](Self::poll), but every task that calls has a place of its own, so that all of them are woken.
    pub(crate) fn poll_as_visitor<R>(
        &self,
        purpose: Purpose,
        cx: &mut Context<'_>,
        attempt: impl FnMut(Seen) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.source.poll(purpose, &mut Some(Readiness::VISITOR_KEY), cx, attempt)
    }

    /// As [`poll_ready`](Self::poll_ready), but every task that calls has a place of its own; it says what was seen.
    pub(crate) fn poll_ready_as_visitor(&self, purpose: Purpose, cx: &mut Context<'_>) -> Poll<io::Result<Seen>> {
        self.source.poll_ready(purpose, &mut Some(Readiness::VISITOR_KEY), cx)
    }

    /// Registers with the current worker now, and not at the first wait, for whoever must know whether it can be.
    pub(crate) fn register(&self, purpose: Purpose) -> io::Result<()> {
        self.source.settle(purpose)
    }

    /// A try that followed `seen`, by somebody who is none of ours, said `WouldBlock`.
    pub(crate) fn would_block(&self, direction: Direction, seen: Seen) {
        self.source.readiness.clear(direction, seen);
    }

    /// One try, now or never. `WouldBlock` without a system call if the reactor knows that a try is in vain.
    pub(crate) fn attempt<R>(
        &self,
        direction: Direction,
        mut attempt: impl FnMut(Seen) -> io::Result<R>,
    ) -> io::Result<R> {
        let readiness = &self.source.readiness;
        let seen = readiness.look();
        if seen.is_shut_down() {
            return Err(runtime_is_gone());
        }
        if seen.is_registered() && !seen.is_ready(direction) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let outcome = attempt(seen);
        // Without a registration no event would ever set the bit again.
        if seen.is_registered() && would_block(&outcome) {
            readiness.clear(direction, seen);
        }
        outcome
    }

    /// An operation on a TCP stream moved less than it could have, so the socket is empty (full) now, and the
    /// next try would only say `WouldBlock`. Saves that system call: half of all reads of a request-response
    /// server. No other kind of descriptor may call this: a read from a Unix stream stops short at a passed
    /// descriptor, with more behind it.
    pub(crate) fn fell_short(&self, direction: Direction, seen: Seen) {
        if sys::SHORT_READ_DRAINS && seen.allows_short_cut() {
            self.source.readiness.clear(direction, seen);
        }
    }

    /// How many wait, for reading and for writing.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        self.source.readiness.waiting()
    }
}

#[cfg(test)]
impl SourceHandle {
    /// The reactor's view of it.
    pub(super) fn source(&self) -> &Arc<Source> {
        &self.source
    }
}

#[cfg(test)]
impl Source {
    /// The word, as it is now.
    pub(super) fn look(&self) -> Seen {
        self.readiness.look()
    }
}

impl Drop for SourceHandle {
    fn drop(&mut self) {
        let home = self.source.home.lock().take();
        drop(home.and_then(|home| home.leave(self.source.fd)));
    }
}

/// A place in line, alone; none before the first `Pending`. See [`SourceHandle::poll_in_place`].
#[derive(Debug, Default)]
pub(crate) struct Place(Option<Key>);

/// One operation's place in line. Dropping it gives the place up.
#[derive(Debug)]
pub(crate) struct Waiter<'a> {
    /// What is waited for.
    source: &'a Arc<Source>,
    /// Why.
    purpose: Purpose,
    /// The place in line; none before the first `Pending`.
    key: Option<Key>,
}

impl Waiter<'_> {
    /// Why it waits.
    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Runs `attempt` as often as it may succeed; while it says `WouldBlock`, waits for news.
    pub(crate) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: impl FnMut(Seen) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.source.poll(self.purpose, &mut self.key, cx, attempt)
    }

    /// Waits until the reactor, and not our guess, says that a try may succeed; tells what it said.
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Seen>> {
        self.source.poll_ready(self.purpose, &mut self.key, cx)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.source.readiness.forget(self.purpose.direction(), key);
        }
    }
}

impl Source {
    /// The way of every read, write, accept and connect. On the happy path it is one load before the system
    /// call and nothing after it; locks are taken only to wait.
    fn poll<R>(
        self: &Arc<Self>,
        purpose: Purpose,
        key: &mut Option<Key>,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut(Seen) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        ready!(budget::poll_proceed(cx));
        loop {
            let seen = self.readiness.look();
            if seen.is_shut_down() {
                return Poll::Ready(Err(runtime_is_gone()));
            }
            if seen.is_ready(purpose.direction()) {
                match attempt(seen) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    outcome if would_block(&outcome) => self.readiness.clear(purpose.direction(), seen),
                    outcome => return Poll::Ready(outcome),
                }
            }
            ready!(self.wait(purpose, key, cx, seen))?;
        }
    }

    fn poll_ready(
        self: &Arc<Self>,
        purpose: Purpose,
        key: &mut Option<Key>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Seen>> {
        ready!(budget::poll_proceed(cx));
        loop {
            let seen = self.readiness.look();
            if seen.is_shut_down() {
                return Poll::Ready(Err(runtime_is_gone()));
            }
            if seen.is_registered() && seen.is_ready(purpose.direction()) {
                return Poll::Ready(Ok(seen));
            }
            ready!(self.wait(purpose, key, cx, seen))?;
        }
    }

    /// Ready when the word is no longer what was seen; otherwise the task is in line.
    fn wait(
        self: &Arc<Self>,
        purpose: Purpose,
        key: &mut Option<Key>,
        cx: &mut Context<'_>,
        seen: Seen,
    ) -> Poll<io::Result<()>> {
        self.settle(purpose)?;
        match self.readiness.wait(purpose.direction(), key, seen, cx.waker()) {
            Waited::Changed => Poll::Ready(Ok(())),
            Waited::Queued => {
                let object = u64::try_from(self.fd).unwrap_or_default();
                budget::refund();
                wait::note(Wait { kind: purpose.kind, object, at: purpose.at });
                Poll::Pending
            }
        }
    }

    /// Sees to it that the source is registered, and with the worker on which its task lives now.
    fn settle(self: &Arc<Self>, purpose: Purpose) -> io::Result<()> {
        let mut home = self.home.lock();
        if let Some(home) = home.as_ref().filter(|home| !self.is_left_behind(home)) {
            return if home.driver.is_inherited() { Err(inherited()) } else { Ok(()) };
        }
        if self.readiness.look().is_shut_down() {
            return Ok(()); // the next look at the word tells of it
        }
        let slabs = home.take().and_then(|home| home.leave(self.fd));
        drop(slabs); // one of several references: ours is alive
        let entered = self.enter(purpose);
        if let Ok(new) = entered {
            *home = Some(new);
            return Ok(());
        }
        // Registered nowhere now. Whoever else waits is woken, and registers it where that task lives.
        drop(home);
        let mut woken = Wakers::new();
        self.readiness.set(Bits::READABLE.and(Bits::WRITABLE), &mut woken);
        woken.wake_all();
        entered.map(drop)
    }

    /// Registers with the current worker's reactor. The word changes first: from then on it holds news only.
    fn enter(self: &Arc<Self>, purpose: Purpose) -> io::Result<Home> {
        let Some(driver) = driver::try_current() else { return Err(purpose.refused()) };
        let reactor = driver.reactor().ok_or_else(not_in_a_simulation)?;
        self.readiness.set_registered(purpose.direction());
        match reactor.register(self, self.fd, self.interest) {
            Ok(token) => Ok(Home { token, driver: driver.clone() }),
            Err(error) => {
                self.readiness.set_unregistered();
                Err(error)
            }
        }
    }

    /// Counts the waits begun elsewhere, and says when the source should go there. The caller holds `home`.
    fn is_left_behind(&self, home: &Home) -> bool {
        let elsewhere = |current: &&Arc<Driver>| !Arc::ptr_eq(current, &home.driver) && current.reactor().is_some();
        let (elsewhere, foreign) = driver::with_current(|current| {
            let current = current.filter(elsewhere);
            (current.is_some(), current.is_some_and(|current| !current.is_of_the_runtime_of(&home.driver)))
        });
        // ORDER: Relaxed, the lock orders it.
        let strayed = if elsewhere { self.strayed.load(Ordering::Relaxed) + 1 } else { 0 };
        // The other runtime may be one that nobody drives; within one, a stray wait or two cost less than a move.
        let moves = foreign || strayed >= MOVES_AFTER;
        // ORDER: Relaxed, as above.
        self.strayed.store(if moves { 0 } else { strayed }, Ordering::Relaxed);
        moves
    }

    /// An event, or the reactor's end. Called under the slab's lock (S3).
    pub(super) fn set(&self, news: Bits, woken: &mut Wakers) {
        let news = match self.passing {
            Passing::Nothing => news,
            Passing::Errors => news.passing(Bits::ERROR.and(Bits::WRITE_CLOSED)),
            Passing::Ends => news.passing(Bits::ERROR.and(Bits::READ_CLOSED).and(Bits::WRITE_CLOSED)),
        };
        self.readiness.set(news, woken);
    }

    /// The reactor has closed and its slab no longer holds the source, so the way to the driver is of no more use;
    /// the caller drops it outside every lock.
    pub(super) fn leave_home(&self) -> Option<Arc<Driver>> {
        self.home.lock().take().map(|home| home.driver)
    }
}

impl Home {
    /// Ends the registration, and gives back the slab's reference.
    fn leave(self, fd: RawFd) -> Option<Arc<Source>> {
        self.driver.reactor()?.deregister(self.token, fd)
    }
}

fn would_block<R>(outcome: &io::Result<R>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// What every operation says after the end of the runtime that watched its socket.
pub(crate) fn runtime_is_gone() -> io::Error {
    io::Error::other("the runtime this socket was registered with has shut down")
}

/// What whoever asks a simulated runtime for a real socket is told.
pub(crate) fn not_in_a_simulation() -> io::Error {
    let text = "a simulated runtime has no real sockets, and its simulated network comes with a later version";
    io::Error::new(io::ErrorKind::Unsupported, text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::task::Waker;

    use super::*;
    use crate::driver::DRIVER;

    /// One wait on that driver's worker, by a waiter of its own.
    fn wait_on(driver: &Arc<Driver>, handle: &SourceHandle) {
        DRIVER.scope(driver, || {
            let mut waiter = handle.waiter(Purpose::here(WaitKind::Read));
            let nothing = |_| Err::<(), _>(io::ErrorKind::WouldBlock.into());
            assert!(waiter.poll(&mut Context::from_waker(Waker::noop()), nothing).is_pending());
        });
    }

    #[test]
    fn a_source_follows_its_task_after_eight_waits_in_a_row_and_not_before() {
        let clock = Arc::new(driver::Clock::new());
        let drivers = [(); 2].map(|()| Driver::real(&clock, 16).expect("descriptors are to be had"));
        let at = |n: usize| !drivers[n].reactor().expect("a real driver").is_empty();
        let (near, mut far) = std::os::unix::net::UnixStream::pair().expect("descriptors are to be had");
        let handle = SourceHandle::new(near.as_raw_fd(), Interest::READABLE);
        wait_on(&drivers[0], &handle);
        for _ in 0..5 {
            (1..MOVES_AFTER).for_each(|_| wait_on(&drivers[1], &handle));
            wait_on(&drivers[0], &handle); // back home: the count begins anew
        }
        assert!(at(0) && !at(1));
        (0..MOVES_AFTER).for_each(|_| wait_on(&drivers[1], &handle));
        assert!(!at(0) && at(1));
        far.write_all(b"x").expect("the other end is open");
        let mut woken = Wakers::new();
        assert!(drivers[1].turn_for_owner(&mut woken));
        assert!(handle.source.readiness.look().is_ready(Direction::Read), "the news comes from where it is now");
        drop(handle);
        assert!(!at(1));
    }

    #[test]
    fn an_idle_source_takes_104_bytes_with_its_counts_and_one_that_waits_no_more() {
        assert!(size_of::<Source>() + 2 * size_of::<usize>() <= 104, "{}", size_of::<Source>());
    }
}
