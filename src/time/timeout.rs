#![allow(unsafe_code, reason = "pins a field of a pinned struct")]
//! Waiting for something else, but not for ever.

use super::sleep::require_runtime;
use super::{Instant, Sleep};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

/// Waits for `future`, for at most `duration`.
///
/// For everything that depends on somebody else: a peer, a lock, a task. If several steps share one limit, use
/// [`timeout_at`] for each, or put the steps into one future.
///
/// The future is polled first: if it is ready when the time is up, its output counts. When the time is up the future
/// is not polled again; it is dropped along with this one, or can be had from [`Timeout::into_inner`].
///
/// A future that never returns from its poll cannot be timed out by anybody. One that loops over operations of this
/// crate can, even if every one of them is ready at once: the poll budget makes it pause.
///
/// # Cancellation
/// That of `future`. Running out of time is a cancellation of it too.
///
/// # Errors
/// [`Elapsed`], if the time is up.
///
/// # Panics
/// If called outside of a runtime.
///
/// # Examples
/// ```
/// use mainspring::time::{Duration, sleep, timeout};
///
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// runtime.block_on(async {
///     let minute = Duration::from_secs(60);
///     assert_eq!(timeout(minute, async { 7 }).await, Ok(7));
///     assert!(timeout(minute, sleep(2 * minute)).await.is_err());
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    require_runtime("timeout");
    let delay = Sleep::new(Instant::now().saturating_add(duration), Location::caller());
    Timeout { value: future.into_future(), delay }
}

/// Waits for `future`, until `deadline` at most. See [`timeout`].
///
/// For several steps that have one deadline together.
///
/// # Cancellation
/// That of `future`. Running out of time is a cancellation of it too.
///
/// # Errors
/// [`Elapsed`], if the time is up.
///
/// # Panics
/// If called outside of a runtime.
///
/// # Examples
/// ```
/// use mainspring::time::{Duration, Instant, timeout_at};
///
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// runtime.block_on(async {
///     let deadline = Instant::now() + Duration::from_secs(1);
///     assert!(timeout_at(deadline, std::future::pending::<()>()).await.is_err());
///     assert_eq!(Instant::now(), deadline);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    require_runtime("timeout_at");
    Timeout { value: future.into_future(), delay: Sleep::new(deadline, Location::caller()) }
}

/// The future of [`timeout`] and [`timeout_at`].
///
/// # Cancellation
/// That of the future inside, which is dropped along with it; [`into_inner`](Self::into_inner) saves it.
///
/// # Panics
/// Polling it panics where the future inside does, and where a [`Sleep`] does.
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Timeout<F> {
    /// What is waited for. Pinned whenever the whole is: only `value_and_delay` gives it out of a pinned `Timeout`.
    value: F,
    /// Until when.
    delay: Sleep,
}

impl<F> Timeout<F> {
    /// What is waited for, to look at.
    #[must_use]
    pub fn get_ref(&self) -> &F {
        &self.value
    }

    /// What is waited for, to change it or to poll it past the deadline.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.value
    }

    /// Gives the future back; it goes on without a deadline.
    ///
    /// For what is too costly to be begun again, after the first complaint that it takes long.
    ///
    /// # Examples
    /// ```
    /// use mainspring::time::{Duration, timeout};
    ///
    /// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
    /// let output = runtime.block_on(async { timeout(Duration::ZERO, async { 7 }).into_inner().await });
    /// assert_eq!(output, 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn into_inner(self) -> F {
        self.value
    }

    fn value_and_delay(self: Pin<&mut Self>) -> (Pin<&mut F>, &mut Sleep) {
        // SAFETY: nothing is moved out of `this`: `delay` is `Unpin`, and `value` is pinned again in the next line.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: `value` cannot move while the whole is pinned: there is no `Drop` to move it, `Timeout` is `Unpin`
        // only if `F` is, and whoever gets at it otherwise needs a `&mut Timeout` or the `Timeout` itself.
        (unsafe { Pin::new_unchecked(&mut this.value) }, &mut this.delay)
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (value, delay) = self.value_and_delay();
        if let Poll::Ready(output) = value.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // Not charged to the budget, for that may be just what has made `value` pause: a loop over operations that are
        // always ready uses it up at every poll, and the deadline would never be looked at. And not noted either: what
        // the task waits for is what `value` waits for.
        delay.poll_elapsed(cx.waker()).map(|()| Err(Elapsed(())))
    }
}

/// The time was up before the future was ready.
///
/// Its effects up to then stand; what is lost by dropping it says its own documentation. It turns into an
/// [`io::Error`] of the kind [`TimedOut`](io::ErrorKind::TimedOut), so that `?` works among operations on sockets.
///
/// # Examples
/// ```
/// use mainspring::time::{Duration, timeout};
/// use std::io;
///
/// async fn never() -> io::Result<()> {
///     timeout(Duration::from_secs(1), std::future::pending()).await?
/// }
///
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// assert_eq!(runtime.block_on(never()).unwrap_err().kind(), io::ErrorKind::TimedOut);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl Elapsed {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deadline has elapsed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}
