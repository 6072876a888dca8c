//! A moment, as told by the runtime's clock.
//!
//! A type of its own, although it holds nothing but std's: asking *this* one what time it is asks the driver, which
//! in a simulation has a time of its own making. Code that reads std's clock instead cannot be replayed.

use crate::driver;
use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

/// Where a sum too large for the platform ends up: the first of these it can represent. The first one is beyond the
/// 584 years that a driver counts, so it never comes, not even in a simulation that leaps there; the second is what
/// every platform has.
const FAR: [Duration; 2] = [years(1_000), years(30)];

const fn years(count: u64) -> Duration {
    Duration::from_secs(count * 365 * 24 * 3600)
}

/// A moment of the runtime's monotonic clock.
///
/// Use it instead of std's wherever time is measured inside of tasks: code that asks std cannot be simulated.
///
/// In a simulation the clock is virtual: it moves only while every task waits, and then leaps to the next deadline.
/// Outside of a runtime [`now`](Self::now) reads the real clock. Arithmetic is that of [`std::time::Instant`].
///
/// # Examples
/// ```
/// use mainspring::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let later = start + Duration::from_millis(5);
/// assert_eq!(later - start, Duration::from_millis(5));
/// assert_eq!(start.checked_add(Duration::MAX), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    /// The same moment on std's scale. A simulation's virtual nanoseconds are counted from when it was built.
    std: std::time::Instant,
}

impl Instant {
    /// This moment.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::Instant;
    ///
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// let (first, second) = runtime.block_on(async { (Instant::now(), Instant::now()) });
    /// assert_eq!(first, second, "virtual time stands still while a task runs");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn now() -> Self {
        let std = driver::with_current(|driver| {
            driver.map_or_else(driver::clock::real_now, |driver| driver.instant_of(driver.now_ns()))
        });
        Self { std }
    }

    /// The moment that std calls so.
    ///
    /// For deadlines that come from code which knows nothing of this crate. In a simulation std's clock has nothing to
    /// do with the virtual one.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::{Duration, Instant};
    ///
    /// let now = Instant::now();
    /// let later = now.into_std() + Duration::from_secs(1);
    /// assert_eq!(Instant::from_std(later) - now, Duration::from_secs(1));
    /// ```
    #[must_use]
    pub const fn from_std(std: std::time::Instant) -> Self {
        Self { std }
    }

    /// What std calls this moment.
    #[must_use]
    pub const fn into_std(self) -> std::time::Instant {
        self.std
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::{Duration, Instant};
    ///
    /// let (start, second) = (Instant::now(), Duration::from_secs(1));
    /// assert_eq!((start + second).duration_since(start), second);
    /// assert_eq!(start.duration_since(start + second), Duration::ZERO);
    /// ```
    #[must_use]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.std.saturating_duration_since(earlier.std)
    }

    /// The time from `earlier` to this moment; `None` if `earlier` is later.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.std.checked_duration_since(earlier.std)
    }

    /// As [`duration_since`](Self::duration_since), under the name that std has for it.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.std.saturating_duration_since(earlier.std)
    }

    /// The time from this moment until now; zero if it is still to come.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::{Duration, Instant, sleep};
    ///
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// runtime.block_on(async {
    ///     let start = Instant::now();
    ///     sleep(Duration::from_millis(5)).await;
    ///     assert_eq!(start.elapsed(), Duration::from_millis(5));
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// The moment `duration` later; `None` if the platform cannot represent it.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.std.checked_add(duration).map(Self::from_std)
    }

    /// The moment `duration` earlier; `None` if the platform cannot represent it.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.std.checked_sub(duration).map(Self::from_std)
    }

    /// The moment `duration` later, or one that nobody will live to see.
    #[inline]
    pub(crate) fn saturating_add(self, duration: Duration) -> Self {
        let far = || FAR.iter().find_map(|&far| self.checked_add(far));
        self.checked_add(duration).or_else(far).unwrap_or(self)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(f)
    }
}

impl From<std::time::Instant> for Instant {
    fn from(std: std::time::Instant) -> Self {
        Self::from_std(std)
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> Self {
        instant.std
    }
}

/// Panics if the sum cannot be represented, as std's does.
impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self { std: self.std + duration }
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        self.std += duration;
    }
}

/// Panics if the difference cannot be represented, as std's does.
impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self { std: self.std - duration }
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        self.std -= duration;
    }
}

/// Zero if `earlier` is later.
impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}
