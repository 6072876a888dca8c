//! `retry`: once more, a little later.

use super::super::deadline::{deadline, token};
use crate::macros::support::draw_for;
use crate::task::wait;
use crate::time::{Duration, Instant, sleep};
use std::future::poll_fn;
use std::panic::Location;
use std::pin::pin;
use std::task::Poll;

/// How often a [`retry`] tries, and how long it waits in between.
///
/// Before attempt `n` (the first is 0) it waits some time between nothing and `base * 2^(n-1)`, or the [`delay_max`](Self::delay_max) if that is
/// less: *exponential backoff with full jitter*, so that many clients that were refused together do not come back together. (Marc
/// Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.) The time is drawn by chance, or from a simulation's seed, and so is the
/// same in a replay.
///
/// # Examples
/// ```
/// use mainspring::group::Backoff;
/// use mainspring::time::Duration;
/// let backoff = Backoff::new().attempts(5).base(Duration::from_millis(10)).delay_max(Duration::from_millis(30));
/// let longest: Vec<_> = (1..5).map(|attempt| backoff.longest_delay(attempt).as_millis()).collect();
/// assert_eq!(longest, [10, 20, 30, 30]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it only says how: give it to `retry`"]
pub struct Backoff {
    attempts_max: u32,
    base: Duration,
    delay_max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl Backoff {
    /// Three attempts, a base of 100 ms, no wait longer than 20 s.
    pub fn new() -> Self {
        Self { attempts_max: 3, base: Duration::from_millis(100), delay_max: Duration::from_secs(20) }
    }

    /// So many attempts, the first one included.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn attempts(mut self, attempts: u32) -> Self {
        assert!(attempts > 0, "a retry of 0 attempts would try nothing: it takes at least 1");
        self.attempts_max = attempts;
        self
    }

    /// The longest wait before the second attempt; it doubles with each attempt.
    pub fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// No wait is longer.
    pub fn delay_max(mut self, delay: Duration) -> Self {
        self.delay_max = delay;
        self
    }

    /// How long the wait before this attempt is at most.
    #[must_use]
    pub fn longest_delay(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1);
        let factor = if doublings < u32::BITS { 1 << doublings } else { u32::MAX };
        self.base.saturating_mul(factor).min(self.delay_max)
    }

    /// The wait before this attempt: anything up to the longest.
    fn draw_delay(&self, attempt: u32) -> Duration {
        let longest = usize::try_from(self.longest_delay(attempt).as_nanos()).unwrap_or(usize::MAX);
        Duration::from_nanos(draw_for("delay of a retry", longest.saturating_add(1)) as u64)
    }
}

/// Does the work again when it fails, as often and as late as [`Backoff`] says; gives the first success, or the last error.
///
/// Every error is worth another attempt; where not every one is, take [`retry_if`]. One attempt runs at a time, in this task, and may borrow. What
/// bounds the time of all attempts is the nearest [`deadline`](deadline()) around: the attempt under way is cancelled by it, as everything is,
/// and a wait that would last until then is not begun. Nor is one in a scope that was asked to end. Then the error that is there is given at once.
/// What bounds one attempt is a [`timeout`](super::super::timeout()) inside.
///
/// # Cancellation
/// That of the work. Dropped between two attempts nothing is lost but the attempts.
///
/// # Errors
/// That of the last attempt.
///
/// # Panics
/// If the work does: it is not tried again. Polled outside a runtime when there is something to wait for.
///
/// # Examples
/// ```
/// use mainspring::group::{Backoff, retry};
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// let mut attempts = 0;
/// let result = runtime.block_on(retry(Backoff::new().attempts(4), || {
///     attempts += 1;
///     let is_busy = attempts < 3;
///     async move { if is_busy { Err("busy") } else { Ok("done") } }
/// }));
/// assert_eq!((result, attempts), (Ok("done"), 3));
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn retry<W, F, T, E>(backoff: Backoff, work: W) -> impl Future<Output = Result<T, E>>
where
    W: FnMut() -> F,
    F: Future<Output = Result<T, E>>,
{
    try_again(backoff, |_: &E| true, work, Location::caller())
}

/// As [`retry`], for errors that are worth it: where `is_worth_it` says no, the error is given at once.
///
/// # Cancellation
/// That of the work.
///
/// # Errors
/// That of the last attempt.
///
/// # Panics
/// As [`retry`].
///
/// # Examples
/// ```
/// use mainspring::group::{Backoff, retry_if};
/// use std::io::{self, ErrorKind};
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// let mut attempts = 0;
/// let is_passing = |error: &io::Error| error.kind() == ErrorKind::ConnectionRefused;
/// let result: io::Result<()> = runtime.block_on(retry_if(Backoff::new().attempts(9), is_passing, || {
///     attempts += 1;
///     let kind = if attempts < 3 { ErrorKind::ConnectionRefused } else { ErrorKind::PermissionDenied };
///     async move { Err(kind.into()) }
/// }));
/// assert_eq!((result.unwrap_err().kind(), attempts), (ErrorKind::PermissionDenied, 3));
/// # Ok::<(), io::Error>(())
/// ```
#[track_caller]
pub fn retry_if<W, F, P, T, E>(backoff: Backoff, is_worth_it: P, work: W) -> impl Future<Output = Result<T, E>>
where
    W: FnMut() -> F,
    F: Future<Output = Result<T, E>>,
    P: FnMut(&E) -> bool,
{
    try_again(backoff, is_worth_it, work, Location::caller())
}

// INSTEAD OF `AsyncFnMut`, whose futures may borrow from the closure: what awaits one of these is not `Send` to today's compiler if
// the closure borrows, so that no `retry` could stand in a spawned task.
async fn try_again<W, F, P, T, E>(
    backoff: Backoff,
    mut is_worth_it: P,
    mut work: W,
    at: &'static Location<'static>,
) -> Result<T, E>
where
    W: FnMut() -> F,
    F: Future<Output = Result<T, E>>,
    P: FnMut(&E) -> bool,
{
    let mut attempt = 0;
    loop {
        let error = match work().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        attempt += 1;
        if attempt >= backoff.attempts_max || !is_worth_it(&error) {
            return Err(error);
        }
        let delay = backoff.draw_delay(attempt);
        if !has_time_for(delay) || !pause(delay, at).await {
            return Err(error);
        }
    }
}

/// Is there anything left after this wait?
fn has_time_for(delay: Duration) -> bool {
    deadline().is_none_or(|deadline| Instant::now().checked_add(delay).is_some_and(|end| end < deadline))
}

/// Waits; false if the scope around is asked to end before the time is up.
async fn pause(delay: Duration, at: &'static Location<'static>) -> bool {
    let mut asked = pin!(token().cancelled_owned());
    let mut end = pin!(sleep(delay));
    poll_fn(|cx| {
        if asked.as_mut().poll(cx).is_ready() {
            return Poll::Ready(false);
        }
        let polled = end.as_mut().poll(cx);
        if polled.is_pending() {
            wait::place(at);
        }
        polled.map(|()| true)
    })
    .await
}
