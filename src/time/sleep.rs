//! Waiting until an instant: the one leaf of this door, from which the others are made.
//!
//! A [`Sleep`] is an instant until it is polled; only then it becomes a timer, in the wheel of the worker that polls
//! it (K3). So a future that is ready at once never touches the wheel, and the timer is where its task runs.
//!
//! It holds its timer by key, not by address: it may be moved at any time, and needs no unsafe code.

use super::Instant;
use crate::base::context;
use crate::base::sys::fork;
use crate::driver::{self, Driver, Timer};
use crate::task::budget;
use crate::task::wait::{self, Wait, WaitKind};
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// 100 ms, longer than any poll should take. The worker's coarse clock lags behind the true one by no more than the
/// present poll, so a deadline further away than this is not worth 23 ns for the true clock. A task that did hold up
/// its worker for longer finds a deadline it missed so at the next turn instead of at once.
const CLOSE_NS: u64 = 100_000_000;

/// Waits until `duration` has passed.
///
/// For a pause, or to do something later. To bound something else there is [`timeout`](super::timeout()), and for what
/// is done again and again [`interval`](super::interval()), which does not drift.
///
/// The wait may take longer if the task has to wait for its turn, never less. On Linux it is exact to some 50 us, and
/// to some 150 where timers follow each other closely and are fired together; in a simulation to the nanosecond. A
/// duration too long to be represented never passes.
///
/// # Cancellation
/// **Strict.** Dropping this future removes the timer.
///
/// # Panics
/// If called outside of a runtime.
///
/// # Examples
/// ```
/// use mainspring::time::{Duration, Instant, sleep};
///
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// runtime.block_on(async {
///     let start = Instant::now();
///     sleep(Duration::from_millis(100)).await;
///     assert_eq!(start.elapsed(), Duration::from_millis(100));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[inline]
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    // Asked once for both: whether there is a runtime, and what its clock says.
    let Some(now) = driver::with_current(|driver| driver.map(|driver| driver.now())) else { panic_outside("sleep") };
    Sleep::new(Instant::from_std(now).saturating_add(duration), Location::caller())
}

/// Waits until `deadline`. One in the past is over at the first poll.
///
/// For a moment that is known beforehand, as when several waits are to end together.
///
/// # Cancellation
/// **Strict.** Dropping this future removes the timer.
///
/// # Panics
/// If called outside of a runtime.
///
/// # Examples
/// ```
/// use mainspring::time::{Duration, Instant, sleep_until};
///
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// runtime.block_on(async {
///     let deadline = Instant::now() + Duration::from_secs(1);
///     sleep_until(deadline).await;
///     assert_eq!(Instant::now(), deadline);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    require_runtime("sleep_until");
    Sleep::new(deadline, Location::caller())
}

/// The future of [`sleep`] and [`sleep_until`].
///
/// Polled again after it is over, it is over still; [`reset`](Self::reset) starts it anew. Keep one and reset it where
/// a deadline moves often, as that of an idle connection does: it costs less than a new one each time.
///
/// # Cancellation
/// **Strict.** Dropping it removes the timer.
///
/// # Panics
/// Polling it panics if there is no runtime to wait in: it is polled outside of every runtime for the first time, or
/// the runtime it is polled in has shut down. Once it waits it may be polled from anywhere; polled inside of another
/// runtime, it waits there from then on.
#[must_use = "a future does nothing until it is awaited"]
pub struct Sleep {
    /// When it is over.
    deadline: Instant,
    /// The timer that will wake us: there from the first poll that has to wait until the one that finds it fired.
    timer: Option<Timer>,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

impl Sleep {
    #[inline]
    pub(super) fn new(deadline: Instant, at: &'static Location<'static>) -> Self {
        Self { deadline, timer: None, at }
    }

    /// When it is over.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::{Duration, Instant, sleep};
    ///
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// runtime.block_on(async {
    ///     let nap = sleep(Duration::from_secs(5));
    ///     assert_eq!(nap.deadline() - Instant::now(), Duration::from_secs(5));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the deadline has come, whether or not somebody has polled since.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::{Instant, sleep_until};
    ///
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// runtime.block_on(async {
    ///     assert!(sleep_until(Instant::now()).is_elapsed());
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        match &self.timer {
            Some(Timer { driver, .. }) => driver.now_ns() >= driver.ns_of(self.deadline.into_std()),
            None => Instant::now() >= self.deadline,
        }
    }

    /// Moves the deadline, in place: a timer that is set stays set, for whoever polled last. After it was over it
    /// waits again, from the next poll on.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::{Duration, Instant, sleep};
    /// use std::pin::pin;
    ///
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// runtime.block_on(async {
    ///     let start = Instant::now();
    ///     let mut nap = pin!(sleep(Duration::from_secs(5)));
    ///     nap.as_mut().reset(start + Duration::from_secs(1));
    ///     nap.await;
    ///     assert_eq!(start.elapsed(), Duration::from_secs(1));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.deadline = deadline;
        if let Some(Timer { driver, key }) = &self.timer
            && !driver.timer_reset(*key, driver.ns_of(deadline.into_std()))
        {
            // It has fired, and its wake-up is on the way: the next poll sets another one.
            self.timer = None;
        }
    }

    /// The line that shows up in reports from now on.
    pub(super) fn set_place(&mut self, at: &'static Location<'static>) {
        self.at = at;
    }

    /// Polls without charging the budget and without noting what the task waits for, as parts of others are polled.
    pub(crate) fn poll_elapsed(&mut self, waker: &Waker) -> Poll<()> {
        if self.still_waits(waker) {
            return Poll::Pending;
        }
        // It has fired, or stood elsewhere, or was never set. The clock it was set by is asked first: it has just been read
        // in the turn that fired it, and in a simulation no other will do.
        if self.timer.take().is_some_and(|timer| still_ahead(&timer.driver, self.deadline).is_none()) {
            return Poll::Ready(());
        }
        self.set(waker)
    }

    /// Sets the timer, or finds that there is no need. A waker is user code, and none may run where the driver is looked at:
    /// it is cloned before, and one that was not used is dropped behind.
    #[inline]
    fn set(&mut self, waker: &Waker) -> Poll<()> {
        let mut waker = Some(waker.clone());
        let set = driver::with_current(|driver| {
            let Some(driver) = driver else { return Set::Nowhere };
            let Some(deadline_ns) = still_ahead(driver, self.deadline) else { return Set::Over };
            driver.timer_set(deadline_ns, &mut waker).map_or(Set::TooLate, Set::Waits)
        });
        match set {
            Set::Waits(timer) => self.timer = Some(timer),
            Set::Over => return Poll::Ready(()),
            Set::Nowhere => self.panic_without_runtime(),
            Set::TooLate => self.panic_after_shutdown(),
        }
        Poll::Pending
    }

    /// Whether the timer is set where it belongs (K3), and wakes `waker` now. If it is set elsewhere it is taken out
    /// there: that wheel may be one that nobody turns any more, or of another clock.
    fn still_waits(&self, waker: &Waker) -> bool {
        let Some(Timer { driver, key }) = &self.timer else { return false };
        let belongs = driver::with_current(|current| current.is_none_or(|current| Arc::ptr_eq(current, driver)));
        if driver.is_inherited() {
            if belongs {
                fork::refuse("sleep");
            }
            return false; // what is there is not ours to take out
        }
        if belongs {
            return driver.timer_update(*key, waker);
        }
        driver.timer_remove(*key);
        false
    }

    #[cold]
    fn panic_without_runtime(&self) -> ! {
        if context::is_cut_off() {
            fork::refuse("sleep");
        }
        let cure = "await it inside `Runtime::block_on`, a task, or under `Handle::enter`";
        panic!("the `sleep` made at {} needs a runtime: {cure}", self.at);
    }

    #[cold]
    fn panic_after_shutdown(&self) -> ! {
        panic!("the `sleep` made at {} cannot wait: its runtime has shut down", self.at);
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_elapsed(cx.waker()).is_pending() {
            wait::note(Wait { kind: WaitKind::Sleep, object: 0, at: self.at });
            return Poll::Pending;
        }
        // Only a wait that is over is charged (K4). Charged for waiting, the 129th of a thousand sleeps in a `join_all`
        // would find the budget used up, at this poll and at every later one.
        ready!(budget::poll_proceed(cx));
        Poll::Ready(())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .field("is_elapsed", &self.is_elapsed())
            .field("is_set", &self.timer.is_some())
            .field("at", &format_args!("{}", self.at))
            .finish()
    }
}

/// What became of an attempt to set a timer.
enum Set {
    Waits(Timer),
    /// The deadline has come.
    Over,
    /// There is no runtime here.
    Nowhere,
    /// The runtime has shut down.
    TooLate,
}

/// The deadline on the driver's clock; `None` if that has come to it.
#[inline]
fn still_ahead(driver: &Driver, deadline: Instant) -> Option<u64> {
    let deadline_ns = driver.ns_of(deadline.into_std());
    let left_ns = deadline_ns.saturating_sub(driver.coarse_ns());
    let reached = left_ns == 0 || (left_ns < CLOSE_NS && driver.now_ns() >= deadline_ns);
    (!reached).then_some(deadline_ns)
}

/// Panics on the caller's line unless this thread is in a runtime. At the first poll it would be too late to say whose
/// mistake it was; and the real clock, which is all there is out here, must not get into a simulation.
#[track_caller]
pub(super) fn require_runtime(what: &'static str) {
    if driver::with_current(|current| current.is_none()) {
        panic_outside(what);
    }
}

#[cold]
#[track_caller]
fn panic_outside(what: &'static str) -> ! {
    drop(driver::current(what)); // It counts a reference, so it is not asked before.
    unreachable!("there was no runtime a moment ago");
}
