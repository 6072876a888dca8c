//! Waiting again and again, in step.
//!
//! An [`Interval`] is a [`Sleep`] that is moved on by one period each time it is over, from when it *should* have been
//! over, not from when somebody came to look: so the ticks do not drift. What becomes of ticks that nobody came for
//! in time is the one choice there is: [`MissedTickBehavior`].

use super::sleep::require_runtime;
use super::{Instant, Sleep};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How late a tick may be taken without counting as missed. As in tokio, so that programs behave alike.
const LATE: Duration = Duration::from_millis(5);

/// Ticks at once, and then every `period`.
///
/// For what is done again and again. Unlike a loop that sleeps, it counts from when a tick was due, not from when the
/// work on it was done, so it does not drift.
///
/// # Panics
/// If `period` is zero, or if called outside of a runtime.
///
/// # Examples
/// ```
/// use mainspring::time::{Duration, Instant, interval};
///
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// runtime.block_on(async {
///     let start = Instant::now();
///     let mut ticks = interval(Duration::from_millis(10));
///     for _ in 0..3 {
///         ticks.tick().await;
///     }
///     assert_eq!(start.elapsed(), Duration::from_millis(20));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    require_runtime("interval");
    Interval::new(Instant::now(), period, Location::caller())
}

/// Ticks at `start`, and then every `period`.
///
/// For intervals that are not to tick at once, or that are to tick in step with each other.
///
/// # Panics
/// If `period` is zero, or if called outside of a runtime.
///
/// # Examples
/// ```
/// use mainspring::time::{Duration, Instant, interval_at};
///
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// runtime.block_on(async {
///     let start = Instant::now() + Duration::from_secs(1);
///     let mut ticks = interval_at(start, Duration::from_millis(10));
///     assert_eq!(ticks.tick().await, start);
///     assert_eq!(ticks.tick().await, start + Duration::from_millis(10));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    require_runtime("interval_at");
    Interval::new(start, period, Location::caller())
}

/// What becomes of the ticks that nobody came for in time. A tick is missed if it is taken more than 5 ms late.
///
/// With a period of 10 ms and somebody who stays away from 10 to 35:
/// ```text
///    due      10        20        30        40        50        60
///    Burst    |                        ||   |         |         |
///    Delay    |                        |         |         |
///    Skip     |                        |    |         |         |
/// ```
///
/// # Examples
/// ```
/// use mainspring::time::{Duration, Instant, MissedTickBehavior, interval, sleep};
///
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// runtime.block_on(async {
///     let start = Instant::now();
///     let mut ticks = interval(Duration::from_millis(10));
///     ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
///     ticks.tick().await;
///     sleep(Duration::from_millis(35)).await;
///     ticks.tick().await; // The one that was due at 10.
///     assert_eq!(ticks.tick().await - start, Duration::from_millis(40));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// They come at once, one after the other, until all are made up for: the count is right, the pace is not.
    #[default]
    Burst,
    /// They are dropped, and the next one is due a period from now: two ticks are never closer than a period.
    Delay,
    /// They are dropped, and the next one is due when it would have been anyway: all ticks stay in step with the first.
    Skip,
}

impl MissedTickBehavior {
    /// When the tick after the one that was due at `due`, and was taken at `now`, is due.
    fn next(self, due: Instant, now: Instant, period: Duration) -> Instant {
        match self {
            Self::Burst => due.saturating_add(period),
            Self::Delay => now.saturating_add(period),
            Self::Skip => {
                let past_last_ns = now.duration_since(due).as_nanos() % period.as_nanos();
                now.saturating_add(period - Duration::from_nanos_u128(past_last_ns))
            }
        }
    }
}

/// Ticks, in step. Made by [`interval`] and [`interval_at`].
///
/// # Examples
/// ```
/// use mainspring::time::{Duration, Instant, interval, sleep};
///
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// runtime.block_on(async {
///     let start = Instant::now();
///     let mut ticks = interval(Duration::from_millis(100));
///     for _ in 0..10 {
///         ticks.tick().await;
///         sleep(Duration::from_millis(30)).await; // the work
///     }
///     assert_eq!(start.elapsed(), Duration::from_millis(930));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Interval {
    /// Over at the next tick.
    delay: Sleep,
    /// From one tick to the next; never zero.
    period: Duration,
    /// What to do about missed ticks.
    missed_tick_behavior: MissedTickBehavior,
}

impl Interval {
    #[track_caller]
    fn new(start: Instant, period: Duration, at: &'static Location<'static>) -> Self {
        assert!(!period.is_zero(), "`period` must not be zero: to run without a pause, await `task::yield_now`");
        Self { delay: Sleep::new(start, at), period, missed_tick_behavior: MissedTickBehavior::default() }
    }

    /// Waits for the next tick, and says when it was due.
    ///
    /// # Cancellation
    /// **Strict.** A tick is taken only by the call that returns it.
    ///
    /// # Panics
    /// The future panics where a [`Sleep`] does: if it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::{Duration, Instant, interval};
    ///
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// runtime.block_on(async {
    ///     let mut ticks = interval(Duration::from_millis(10));
    ///     let first = ticks.tick().await;
    ///     assert_eq!(ticks.tick().await, first + Duration::from_millis(10));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn tick(&mut self) -> Tick<'_> {
        self.delay.set_place(Location::caller());
        Tick { interval: self }
    }

    /// Polls for the next tick, and says when it was due.
    ///
    /// For those who write futures by hand; only who polled last is woken.
    ///
    /// # Panics
    /// If it has to wait and there is no runtime.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::{Duration, Instant, interval};
    /// use std::future::poll_fn;
    ///
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// runtime.block_on(async {
    ///     let start = Instant::now();
    ///     let mut ticks = interval(Duration::from_millis(10));
    ///     assert_eq!(poll_fn(|cx| ticks.poll_tick(cx)).await, start);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.delay).poll(cx));
        let due = self.delay.deadline();
        let now = Instant::now();
        let is_missed = now.duration_since(due) > LATE;
        // A tick that was not missed is followed by the next one in step, whatever is to be done about others.
        let behavior = if is_missed { self.missed_tick_behavior } else { MissedTickBehavior::Burst };
        Pin::new(&mut self.delay).reset(behavior.next(due, now, self.period));
        Poll::Ready(due)
    }

    /// Makes the next tick due a period from now. Missed ones are dropped.
    ///
    /// For what is due after a period of silence: every sign of life resets it.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::{Duration, Instant, interval, sleep};
    ///
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// runtime.block_on(async {
    ///     let start = Instant::now();
    ///     let mut ticks = interval(Duration::from_millis(100));
    ///     ticks.tick().await;
    ///     sleep(Duration::from_millis(50)).await;
    ///     ticks.reset();
    ///     ticks.tick().await;
    ///     assert_eq!(start.elapsed(), Duration::from_millis(150));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Makes the next tick due now. Missed ones are dropped.
    ///
    /// For work that is wanted before its time; the ticks after it follow every period from now.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::{Duration, Instant, interval, sleep};
    ///
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// runtime.block_on(async {
    ///     let mut ticks = interval(Duration::from_millis(100));
    ///     ticks.tick().await;
    ///     sleep(Duration::from_millis(30)).await;
    ///     ticks.reset_immediately();
    ///     let now = Instant::now();
    ///     assert_eq!(ticks.tick().await, now);
    ///     assert_eq!(ticks.tick().await, now + Duration::from_millis(100));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reset_immediately(&mut self) {
        self.reset_after(Duration::ZERO);
    }

    /// Makes the next tick due `after` from now. Missed ones are dropped.
    ///
    /// For one longer or shorter pause, as after a failure.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::{Duration, Instant, interval};
    ///
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// runtime.block_on(async {
    ///     let mut ticks = interval(Duration::from_millis(100));
    ///     let first = ticks.tick().await;
    ///     ticks.reset_after(Duration::from_secs(5));
    ///     assert_eq!(ticks.tick().await - first, Duration::from_millis(5_000));
    ///     assert_eq!(ticks.tick().await - first, Duration::from_millis(5_100));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::now().saturating_add(after));
    }

    /// Makes the next tick due at `deadline`, however far away; those after it follow every period.
    ///
    /// If it is in the past, the ticks since then are missed ones.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::{Duration, Instant, interval};
    ///
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// runtime.block_on(async {
    ///     let mut ticks = interval(Duration::from_millis(100));
    ///     ticks.tick().await;
    ///     let deadline = Instant::now() + Duration::from_secs(1);
    ///     ticks.reset_at(deadline);
    ///     assert_eq!(ticks.tick().await, deadline);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reset_at(&mut self, deadline: Instant) {
        Pin::new(&mut self.delay).reset(deadline);
    }

    /// What becomes of missed ticks.
    #[must_use]
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed_tick_behavior
    }

    /// Decides what becomes of missed ticks; at first they [`Burst`](MissedTickBehavior::Burst).
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed_tick_behavior = behavior;
    }

    /// The time from one tick to the next.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}

/// The future of [`Interval::tick`].
///
/// # Cancellation
/// **Strict.** A tick is taken only by the poll that returns it.
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Tick<'a> {
    /// Whose tick it is.
    interval: &'a mut Interval,
}

impl Future for Tick<'_> {
    type Output = Instant;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        self.interval.poll_tick(cx)
    }
}
