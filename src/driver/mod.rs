//! The driver: where a worker learns what happened outside, and the only place where it sleeps.
//!
//! ```text
//!      worker ──turn──> ┌──────────── Driver ────────────┐
//!                       │ clock   now, true and coarse   │
//!                       │ wheel   timers, by deadline    │──> wakers, in one batch, outside every lock
//!                       │ parker  sleep and notify       │
//!                       │ ┌────────────────────────────┐ │
//!                       │ │ reactor │ or │ sim         │ │   chosen when the runtime starts
//!                       │ └────────────────────────────┘ │
//!                       └────────────────────────────────┘
//! ```
//!
//! One driver a worker. Its owner turns it; anybody may add timers and sources, notify it, or ask it for the time; a
//! sibling may turn it while the owner is stuck in a task.
//!
//! - **D1** No lock of the driver is held while a waker is cloned from outside, woken or dropped.
//! - **D2** A timer never fires early: due is what the true clock has passed.
//! - **D3** Nobody sleeps over a timer: a sleeper has published until when it sleeps, under the wheel's lock, and who adds
//!   an earlier one notifies it.
//! - **D4** After `shut_down` there are neither timers nor waiting sources; those who waited were woken and find out.

pub(crate) mod clock;
pub(crate) mod parker;
pub(crate) mod reactor;
pub(crate) mod sim;
pub(crate) mod source;
pub(crate) mod wheel;

mod alarm;
mod timers;

use crate::base::atomic::{AtomicU64, Ordering};
use crate::base::context::{self, Claim, Index, Slot};
use crate::base::sys::fork;
use crate::base::wakers::Wakers;
use crate::world::Event;
pub(crate) use clock::Clock;
use parker::Parker;
use reactor::Reactor;
use sim::Sim;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};
pub(crate) use timers::Timer;
use timers::Timers;
use wheel::Crowd;

/// A driver of the runtime that this thread works for or has entered last.
pub(crate) static DRIVER: Slot<Arc<Driver>> = Slot::of::<3>();

impl Claim for Index<3> {
    type Lent = Arc<Driver>;
}

/// The driver of the core that this thread holds.
pub(crate) static TURNING: Slot<Arc<Driver>> = Slot::of::<7>();

impl Claim for Index<7> {
    type Lent = Arc<Driver>;
}

/// Timers fired in one turn after a sleep; the rest come in the next, after the tasks have had their turn (TIM-06).
const TIMERS_PER_TURN: usize = 1_024;
/// Timers fired by a look in passing: about as many as tasks are run between two looks. With more, a million timers of one
/// deadline fill the queue faster than it empties, and who stands in it waits for all of them.
const TIMERS_PER_LOOK: usize = 64;

/// One worker's way to the outside.
#[derive(Debug)]
pub(crate) struct Driver {
    kind: Kind,
    clock: Arc<Clock>,
    /// The owner's last reading of the clock.
    coarse_ns: AtomicU64,
    timers: Timers,
    /// The owner sleeps by it.
    pub(crate) parker: Parker,
}

#[derive(Debug)]
enum Kind {
    Real(Box<Reactor>),
    Sim(Sim),
}

/// How long a turn may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nap {
    /// Not at all: a look in passing.
    Look,
    /// Until something happens.
    Long,
    /// Until something happens, but no longer than this.
    Capped(Duration),
}

/// What a turn found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Turned {
    Fine,
    /// Simulated only: everything sleeps and no timer is armed, so nothing can ever happen again.
    Stalled,
}

// User code is never called under a lock of the driver (D1), so a panic in it interrupts nothing here.
impl UnwindSafe for Driver {}
impl RefUnwindSafe for Driver {}

impl Driver {
    /// All drivers of one runtime share its clock, by which they also know each other.
    pub(crate) fn real(clock: &Arc<Clock>, events_capacity: usize) -> io::Result<Arc<Self>> {
        Ok(Self::new(clock, Kind::Real(Box::new(Reactor::new(events_capacity, clock)?))))
    }

    pub(crate) fn simulated(clock: &Arc<Clock>, seed: u64) -> Arc<Self> {
        Self::new(clock, Kind::Sim(Sim::new(seed)))
    }

    fn new(clock: &Arc<Clock>, kind: Kind) -> Arc<Self> {
        let (clock, coarse_ns) = (clock.clone(), AtomicU64::new(0));
        Arc::new(Self { kind, clock, coarse_ns, timers: Timers::new(), parker: Parker::new() })
    }

    #[inline]
    pub(crate) fn is_of_the_runtime_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.clock, &other.clock)
    }

    /// Owner only, first half of a turn: takes in what happened, sleeping for it if told to. Wakes nobody yet, so that a
    /// sleeper can first say that it is awake.
    pub(crate) fn wait(&self, nap: Nap, woken: &mut Wakers) -> Turned {
        match &self.kind {
            Kind::Real(reactor) => self.wait_real(reactor, nap, woken),
            Kind::Sim(_) if nap == Nap::Look => Turned::Fine,
            Kind::Sim(sim) if sim.leap(self.timers.next_deadline()) => Turned::Fine,
            Kind::Sim(_) => Turned::Stalled,
        }
    }

    /// Owner only, second half: wakes whoever waited for what the first half took in, and whose timers are due.
    pub(crate) fn deliver(&self, nap: Nap, woken: &mut Wakers) {
        self.fire_due(if nap == Nap::Look { TIMERS_PER_LOOK } else { TIMERS_PER_TURN }, woken);
        if !woken.is_empty() {
            self.record(Event::Deliver, woken.len() as u64);
        }
        woken.wake_all();
    }

    fn wait_real(&self, reactor: &Reactor, nap: Nap, woken: &mut Wakers) -> Turned {
        let now = if nap == Nap::Look { self.refresh() } else { self.coarse_ns() };
        let (until, cap) = match nap {
            // A look needs the kernel only if there is something it could know.
            Nap::Look if reactor.is_empty() => return Turned::Fine,
            Nap::Look => (Some(Crowd::of_one(now)), None),
            // Who sleeps has just read the clock.
            Nap::Long => (self.timers.fall_asleep(), None),
            Nap::Capped(cap) => (self.timers.fall_asleep(), Some(cap)),
        };
        let waited = reactor.wait(now, until, cap, woken);
        if nap != Nap::Look {
            self.timers.awake();
            self.refresh();
        }
        // An epoll that fails in any way but EINTR is one that this process has broken (closed its descriptor): there is
        // no event loop to go on with, and spinning silently would be worse.
        waited.expect("the reactor's epoll descriptor was closed behind its back");
        Turned::Fine
    }

    /// A sibling's guard: turns this driver for an owner that is stuck. False if the owner is inside after all.
    pub(crate) fn turn_for_owner(&self, woken: &mut Wakers) -> bool {
        let Kind::Real(reactor) = &self.kind else { return false };
        // Errors are the owner's to report.
        let turned = reactor.try_turn(woken).unwrap_or(false);
        if turned {
            // The owner's reading is made fresh for it: by a stale one, who is woken here would go back to sleep.
            let now = self.refresh();
            self.timers.advance(now, woken, TIMERS_PER_TURN);
            woken.wake_all();
        }
        turned
    }

    fn fire_due(&self, max: usize, woken: &mut Wakers) {
        let coarse = match &self.kind {
            Kind::Real(_) => self.coarse_ns(),
            Kind::Sim(sim) => self.set_coarse(sim.now_ns()),
        };
        if self.timers.next_hint() <= coarse {
            self.timers.advance(coarse, woken, max);
        }
    }

    /// Wakes the owner if it sleeps, and says whether it slept; it will look for work (see `parker`). Any thread.
    pub(crate) fn notify(&self) -> bool {
        let slept = self.parker.notify().is_some();
        if slept {
            self.interrupt();
        }
        slept
    }

    /// Ends the owner's sleep: the system call behind `notify`.
    fn interrupt(&self) {
        if let Kind::Real(reactor) = &self.kind {
            reactor.wake();
        }
    }

    /// Makes a sleeping owner come back within this time, without waking it now. Any thread.
    pub(crate) fn arm_within(&self, within: Duration) {
        if let Kind::Real(reactor) = &self.kind {
            reactor.arm_within(self.now_ns(), u64::try_from(within.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// The end (D4): everybody who waits is woken and finds that the runtime is gone.
    pub(crate) fn shut_down(&self) {
        let mut woken = Wakers::new();
        self.timers.shut_down(&mut woken);
        if let Kind::Real(reactor) = &self.kind {
            reactor.shut_down(&mut woken);
        }
        woken.wake_all();
    }

    /// The time, true or virtual.
    pub(crate) fn now_ns(&self) -> u64 {
        match &self.kind {
            Kind::Real(_) => self.clock.now_ns(),
            Kind::Sim(sim) => sim.now_ns(),
        }
    }

    /// The same as a moment on std's scale.
    pub(crate) fn now(&self) -> Instant {
        match &self.kind {
            Kind::Real(_) => clock::real_now(),
            Kind::Sim(sim) => self.instant_of(sim.now_ns()),
        }
    }

    /// The owner's last reading: never ahead of the time.
    #[inline]
    pub(crate) fn coarse_ns(&self) -> u64 {
        // ORDER: Relaxed, one number that says nothing about other memory.
        self.coarse_ns.load(Ordering::Relaxed)
    }

    /// Reads the true clock, for all who use the coarse one. The owner's duty, and its guard's while it is stuck.
    pub(crate) fn refresh(&self) -> u64 {
        self.set_coarse(self.now_ns())
    }

    fn set_coarse(&self, now: u64) -> u64 {
        // ORDER: Relaxed, as in `coarse_ns`.
        self.coarse_ns.store(now, Ordering::Relaxed);
        now
    }

    pub(crate) fn ns_of(&self, instant: Instant) -> u64 {
        self.clock.ns_of(instant)
    }

    pub(crate) fn instant_of(&self, ns: u64) -> Instant {
        self.clock.instant_of(ns)
    }

    /// Is it that of a runtime of the process that this one was forked from? Then nobody turns it here.
    #[inline]
    pub(crate) fn is_inherited(&self) -> bool {
        matches!(&self.kind, Kind::Real(reactor) if reactor.is_inherited())
    }

    /// What the kernel is reached by; `None` in a simulation.
    pub(crate) fn reactor(&self) -> Option<&Reactor> {
        match &self.kind {
            Kind::Real(reactor) => Some(reactor),
            Kind::Sim(_) => None,
        }
    }

    pub(crate) fn is_simulated(&self) -> bool {
        matches!(self.kind, Kind::Sim(_))
    }

    /// One of `0..n`: drawn from the seed in a simulation, and 0, the calm one, on the real loop.
    pub(crate) fn choose(&self, key: &'static str, n: usize) -> usize {
        match &self.kind {
            Kind::Real(_) => 0,
            Kind::Sim(sim) => sim.choose(key, n),
        }
    }

    /// Folds an event into the simulation's hash. Kept out of its callers, which are many and mostly not simulated.
    #[cold]
    #[inline(never)]
    pub(crate) fn record(&self, event: Event, number: u64) {
        if let Kind::Sim(sim) = &self.kind {
            sim.record(event, number);
        }
    }

    /// The hash of all events so far; `None` on the real loop.
    pub(crate) fn event_hash(&self) -> Option<u64> {
        match &self.kind {
            Kind::Real(_) => None,
            Kind::Sim(sim) => Some(sim.hash()),
        }
    }
}

/// The current driver, for a door that needs one.
#[track_caller]
pub(crate) fn current(what: &'static str) -> Arc<Driver> {
    match try_current() {
        Some(driver) => driver,
        None if context::is_cut_off() => fork::refuse(what),
        None => panic!(
            "`{what}` needs a runtime: call it inside `Runtime::block_on`, inside a task, or under `Handle::enter`"
        ),
    }
}

/// The current driver, if this thread is inside a runtime.
pub(crate) fn try_current() -> Option<Arc<Driver>> {
    with_current(|driver| driver.cloned())
}

/// A look at the current driver without counting a reference: that of the core in hand, if it is one of the runtime that
/// was entered last. `body` runs no user code (C4).
#[inline]
pub(crate) fn with_current<R>(body: impl FnOnce(Option<&Arc<Driver>>) -> R) -> R {
    DRIVER.with(|entered| {
        TURNING.with(|turning| match (entered, turning) {
            (Some(entered), Some(turning)) if turning.is_of_the_runtime_of(entered) => body(Some(turning)),
            (entered, _) => body(entered),
        })
    })
}
