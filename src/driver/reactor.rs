//! The reactor: one epoll set, and the sources that are registered with it.
//!
//! ```text
//!   wait (the owner) ---+                        +--> ALARMS   one of them went off
//!                       +--> epoll_wait --event--+--> WAKE     somebody wants the owner awake
//!   try_turn (a guard) -+                        +--> index | generation --> slab --> Source::set
//!                                                                                       |
//!                              wakers, in the order of the events, for the caller <-----+
//! ```
//!
//! A worker owns a reactor and sleeps in it; a sibling that guards a busy worker may turn it too. Both stand under
//! one lock, which the owner keeps while it sleeps: to a guard that says "somebody is inside, nothing to do".
//!
//! - **X1** A token names a slot *and* the registration that made it, so an event of a source that is gone finds
//!   nobody, even in the batch in which its slot was given away (RCT-06).
//! - **X2** What wakes the owner is never swallowed: a guard that meets it passes it on.
//! - **X3** Locks are taken in the order turn, slab, alarms, and nothing here is woken or dropped under any of them.
//! - **X4** In a process that was forked off, a reactor of its parent's does nothing: the epoll set, the eventfd and the alarms are
//!   the parent's own. Registering is an error there, and all else is silent.
//!
//! Cases of the catalogue: RCT-06, RCT-14, SHD-05, PRC-10.

use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use slab::Slab;

use super::Clock;
use super::alarm::Alarms;
use super::source::{Bits, Source, runtime_is_gone};
use super::wheel::Crowd;
use crate::base::atomic::Mutex;
use crate::base::sys::Origin;
use crate::base::sys::fork::inherited;
use crate::base::wakers::Wakers;

/// The owner is wanted awake.
const WAKE: Token = Token(usize::MAX);
/// An alarm went off.
const ALARMS: [Token; 2] = [Token(usize::MAX - 1), Token(usize::MAX - 2)];
/// Where the generation begins in a token. On 32-bit machines that leaves 65,000 sources a worker.
const GENERATION_SHIFT: u32 = usize::BITS / 2;
/// The part of a token that is the slot. Its highest values are left to [`WAKE`] and [`ALARMS`].
const INDEX_MASK: usize = (1 << GENERATION_SHIFT) - 1;

/// See the chapter above.
#[derive(Debug)]
pub(crate) struct Reactor {
    /// Who holds this is in `epoll_wait`, or about to be.
    turn: Mutex<Turn>,
    /// The same epoll set, for whoever registers while the owner sleeps.
    registry: Registry,
    /// An eventfd in the set.
    waker: mio::Waker,
    /// Everything registered. Held for a batch of events or one registration, never across a wait.
    sources: Mutex<Sources>,
    /// They wake the owner in time for a deadline.
    alarms: Alarms,
    /// Whose descriptors these are (X4).
    origin: Origin,
}

/// What a turn needs for itself.
#[derive(Debug)]
struct Turn {
    /// The epoll set.
    poll: Poll,
    /// The latest batch; kept for its buffer.
    events: Events,
}

/// The slab of sources.
#[derive(Debug)]
struct Sources {
    /// Each with the generation that its token carries.
    slab: Slab<(usize, Arc<Source>)>,
    /// For the next registration. It wraps; a token would have to stay in one batch of events for 2^32
    /// registrations to be taken for another.
    generation: usize,
    /// After [`Reactor::shut_down`] nobody enters any more.
    closed: bool,
}

impl Reactor {
    /// A reactor that takes up to `events_capacity` events a turn; what is left over comes with the next.
    pub(crate) fn new(events_capacity: usize, clock: &Arc<Clock>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = mio::Waker::new(&registry, WAKE)?;
        let alarms = Alarms::new(&registry, ALARMS, clock)?;
        Ok(Self {
            turn: Mutex::new(Turn { poll, events: Events::with_capacity(events_capacity) }),
            registry,
            waker,
            sources: Mutex::new(Sources { slab: Slab::new(), generation: 0, closed: false }),
            alarms,
            origin: Origin::here(),
        })
    }

    /// X4.
    #[inline]
    pub(super) fn is_inherited(&self) -> bool {
        !self.origin.is_here()
    }

    /// The owner's turn, and the only line of a worker that blocks. Sleeps until an event, until the deadlines of
    /// `until`, or for `cap`, whichever comes first; a first deadline that has passed lets it not sleep at all.
    /// An interrupted sleep is a short one.
    pub(crate) fn wait(
        &self,
        now_ns: u64,
        until: Option<Crowd>,
        cap: Option<Duration>,
        woken: &mut Wakers,
    ) -> io::Result<()> {
        let mut turn = self.turn.lock();
        // Under the lock: a guard cannot come between and see the timer go off in our stead.
        let timeout = self.plan_sleep(now_ns, until, cap);
        self.run(&mut turn, timeout, woken)?;
        Ok(())
    }

    /// A guard's turn: takes what has happened, and does not wait. False if somebody is inside already.
    pub(crate) fn try_turn(&self, woken: &mut Wakers) -> io::Result<bool> {
        let Some(mut turn) = self.turn.try_lock() else { return Ok(false) };
        if self.run(&mut turn, Some(Duration::ZERO), woken)? {
            self.wake(); // it was meant for the owner (X2)
        }
        Ok(true)
    }

    /// Makes the owner's present sleep, or else its next one, end.
    pub(crate) fn wake(&self) {
        while !self.is_inherited() {
            match self.waker.wake() {
                Ok(()) => return,
                // A wake-up that is lost is lost for good: the owner counts as notified already (RCT-12).
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // mio empties a full eventfd itself, so this descriptor was closed by somebody else. Whoever wakes is in the
                // middle of anything, a panic might be swallowed there, and the runtime would hang silently.
                Err(error) => {
                    eprintln!("mainspring: the descriptor that wakes a worker was closed behind its back: {error}");
                    process::abort();
                }
            }
        }
    }

    /// From any thread: makes a sleeping owner come back within `in_ns`.
    pub(crate) fn arm_within(&self, now_ns: u64, in_ns: u64) {
        if self.is_inherited() {
            return;
        }
        if self.alarms.exist() {
            self.alarms.arm(Crowd::of_one(now_ns.saturating_add(in_ns)));
        } else {
            self.wake();
        }
    }

    /// Is nothing registered, so that a look without sleeping could find nothing but the owner's own wake-up?
    pub(crate) fn is_empty(&self) -> bool {
        self.sources.lock().slab.is_empty()
    }

    /// Registers a descriptor, for edges. What is ready at this moment is reported too, by epoll's ADD.
    pub(crate) fn register(&self, source: &Arc<Source>, fd: RawFd, interest: Interest) -> io::Result<Token> {
        if self.is_inherited() {
            return Err(inherited());
        }
        let token = self.sources.lock().insert(source)?;
        match self.registry.register(&mut SourceFd(&fd), token, interest) {
            Ok(()) => Ok(token),
            Err(error) => {
                let slabs = self.sources.lock().remove(token);
                drop(slabs); // after the lock
                Err(error)
            }
        }
    }

    /// Ends a registration and gives back the slab's reference, if the token is still good.
    pub(crate) fn deregister(&self, token: Token, fd: RawFd) -> Option<Arc<Source>> {
        if self.is_inherited() {
            return None;
        }
        let slabs = self.sources.lock().remove(token);
        // An error means that the user closed the descriptor behind our back, which took it out of the set (RCT-09).
        let _ = self.registry.deregister(&mut SourceFd(&fd));
        slabs
    }

    /// The runtime ends: every source hears it once and for all, and whoever waits is moved to `woken`.
    pub(crate) fn shut_down(&self, woken: &mut Wakers) {
        let mut sources = self.sources.lock();
        sources.closed = true;
        let leaving = mem::take(&mut sources.slab);
        drop(sources);
        for (_, (_, source)) in leaving {
            source.set(Bits::SHUTDOWN, woken);
            drop(source.leave_home());
        }
    }

    /// How long to sleep in `epoll_wait`, None being for ever. Arms the timer if that is to end the sleep.
    fn plan_sleep(&self, now_ns: u64, until: Option<Crowd>, cap: Option<Duration>) -> Option<Duration> {
        let Some(crowd) = until else { return cap };
        let left = Duration::from_nanos(crowd.first_ns.saturating_sub(now_ns));
        if cap.is_some_and(|cap| cap <= left) {
            return cap;
        }
        if left.is_zero() || !self.alarms.exist() {
            return Some(left); // mio rounds up to a millisecond, and never to a zero
        }
        self.alarms.arm(crowd);
        cap
    }

    /// One `epoll_wait` and what it brought. True if some of it was meant for the owner itself.
    fn run(&self, turn: &mut Turn, timeout: Option<Duration>, woken: &mut Wakers) -> io::Result<bool> {
        match turn.poll.poll(&mut turn.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(false),
            outcome => outcome?,
        }
        let mut for_owner = false;
        let sources = self.sources.lock();
        for event in &turn.events {
            match event.token() {
                WAKE => for_owner = true,
                token if let Some(which) = ALARMS.iter().position(|&alarm| alarm == token) => {
                    self.alarms.went_off(which);
                    for_owner = true;
                }
                token => sources.deliver(token, bits_of(event), woken),
            }
        }
        Ok(for_owner)
    }
}

impl Sources {
    fn insert(&mut self, source: &Arc<Source>) -> io::Result<Token> {
        if self.closed {
            return Err(runtime_is_gone());
        }
        let generation = self.generation;
        let index = self.slab.insert((generation, source.clone()));
        assert!(index < INDEX_MASK - 2, "more sources than tokens can name");
        self.generation = (generation + 1) & INDEX_MASK;
        Ok(Token(index | generation << GENERATION_SHIFT))
    }

    /// The source that a token was made for, unless that is gone (X1).
    fn find(&self, token: Token) -> Option<&Arc<Source>> {
        let (generation, source) = self.slab.get(token.0 & INDEX_MASK)?;
        (*generation == token.0 >> GENERATION_SHIFT).then_some(source)
    }

    fn remove(&mut self, token: Token) -> Option<Arc<Source>> {
        self.find(token)?;
        Some(self.slab.remove(token.0 & INDEX_MASK).1)
    }

    fn deliver(&self, token: Token, news: Bits, woken: &mut Wakers) {
        if let Some(source) = self.find(token) {
            source.set(news, woken);
        }
    }
}

/// An event in the words of a source.
fn bits_of(event: &Event) -> Bits {
    Bits::READABLE
        .when(event.is_readable())
        .and(Bits::WRITABLE.when(event.is_writable()))
        .and(Bits::READ_CLOSED.when(event.is_read_closed()))
        .and(Bits::WRITE_CLOSED.when(event.is_write_closed()))
        .and(Bits::ERROR.when(event.is_error()))
        .and(Bits::PRIORITY.when(event.is_priority()))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::driver::source::{Purpose, SourceHandle};
    use crate::task::wait::WaitKind;

    const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

    fn reactor() -> Reactor {
        Reactor::new(16, &Arc::new(Clock::new())).expect("descriptors are to be had")
    }

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is up");
        let near = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
        (near, listener.accept().expect("one has connected").0)
    }

    fn wait(reactor: &Reactor, until_ns: Option<u64>, cap: Option<Duration>) {
        let mut woken = Wakers::new();
        reactor.wait(0, until_ns.map(Crowd::of_one), cap, &mut woken).expect("nothing fails here");
        woken.wake_all();
    }

    fn is_readable(handle: &SourceHandle) -> bool {
        let purpose = Purpose::here(WaitKind::Readable);
        matches!(handle.poll_ready(purpose, &mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())))
    }

    #[test]
    fn rct_06_an_event_with_a_stale_token_reaches_nobody() {
        let reactor = reactor();
        let (near, far) = pair();
        let old = SourceHandle::connecting(near.as_raw_fd(), BOTH);
        let new = SourceHandle::connecting(far.as_raw_fd(), BOTH);
        let stale = reactor.register(old.source(), near.as_raw_fd(), BOTH).expect("a socket can be watched");
        assert!(reactor.deregister(stale, near.as_raw_fd()).is_some());
        assert!(reactor.deregister(stale, near.as_raw_fd()).is_none());
        let token = reactor.register(new.source(), far.as_raw_fd(), BOTH).expect("a socket can be watched");
        assert_eq!(stale.0 & INDEX_MASK, token.0 & INDEX_MASK, "the slot is used again");
        let mut woken = Wakers::new();
        reactor.sources.lock().deliver(stale, Bits::READABLE, &mut woken);
        assert!(!new.source().look().is_ready(crate::driver::source::Direction::Read));
        reactor.sources.lock().deliver(token, Bits::READABLE, &mut woken);
        assert!(new.source().look().is_ready(crate::driver::source::Direction::Read));
    }

    #[test]
    fn rct_14_a_descriptor_that_cannot_be_watched_is_an_error_and_leaves_no_slot() {
        let reactor = reactor();
        let file = std::fs::File::open("Cargo.toml").expect("tests run beside it");
        for fd in [-1, file.as_raw_fd()] {
            let handle = SourceHandle::new(fd, BOTH);
            assert!(reactor.register(handle.source(), fd, BOTH).is_err());
        }
        assert!(reactor.is_empty());
    }

    #[test]
    fn a_deadline_ends_the_sleep_and_a_cap_that_comes_first_does_too() {
        let reactor = reactor();
        wait(&reactor, Some(0), None); // has passed: does not sleep
        wait(&reactor, Some(1_000_000), None);
        wait(&reactor, Some(3_600_000_000_000), Some(Duration::from_millis(1)));
    }

    #[test]
    fn a_guard_passes_on_what_was_meant_for_the_owner() {
        let reactor = reactor();
        let mut woken = Wakers::new();
        reactor.wake();
        assert!(reactor.try_turn(&mut woken).expect("nothing fails here"));
        wait(&reactor, None, None); // would hang if the guard had swallowed it
        reactor.arm_within(0, 1);
        wait(&reactor, None, None);
        let inside = reactor.turn.lock();
        assert!(!reactor.try_turn(&mut woken).expect("nothing fails here"));
        drop(inside);
    }

    #[test]
    fn shd_05_a_shutdown_reaches_every_source_and_refuses_new_ones() {
        let reactor = reactor();
        let (near, _far) = pair();
        let handle = SourceHandle::new(near.as_raw_fd(), BOTH);
        reactor.register(handle.source(), near.as_raw_fd(), BOTH).expect("a socket can be watched");
        let mut woken = Wakers::new();
        reactor.shut_down(&mut woken);
        assert!(handle.source().look().is_shut_down());
        assert!(!is_readable(&handle));
        let error = reactor.register(handle.source(), near.as_raw_fd(), BOTH).expect_err("it is closed");
        assert_eq!(error.to_string(), runtime_is_gone().to_string());
    }
}
