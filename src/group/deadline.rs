//! Parts with rules of their own: a deadline that nests, and a shield that a cancel does not get through.

use super::cancel::{CancellationToken, CancelledOwned};
use super::region::Region;
use crate::task::CancelCause;
use crate::time::{Duration, Elapsed, Instant, Sleep, sleep_until};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// When the code that runs now will be cancelled, if ever: the nearest of all deadlines around it, of scopes and of
/// [`timeout`]s. A child has those of its scope. A request to somebody else is best sent with what is left of it.
///
/// # Examples
/// ```
/// use mainspring::group::{deadline, timeout};
/// use mainspring::time::{Duration, Instant};
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// let left = runtime.block_on(timeout(Duration::from_secs(3), async {
///     timeout(Duration::from_secs(60), async { deadline().unwrap() - Instant::now() }).await
/// }));
/// assert_eq!(left, Ok(Ok(Duration::from_secs(3))));
/// assert_eq!(deadline(), None);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn deadline() -> Option<Instant> {
    Region::with(|region| region.and_then(|region| region.deadline))
}

/// The token that the code that runs now should listen to: that of the scope it belongs to. Outside every scope it is one that
/// nobody cancels.
#[must_use]
pub fn token() -> CancellationToken {
    Region::with(|region| region.map(|region| region.token.clone())).unwrap_or_default()
}

/// Waits until the scope that the code belongs to is asked to end, and gives the cause. Outside every scope, and under a
/// [`shield`], it waits for ever.
///
/// # Cancellation
/// **Strict.** Dropping this future has no effect.
///
/// # Examples
/// ```
/// use mainspring::group::{Builder, TaskGroup, cancelled};
/// use mainspring::time::Duration;
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// let scope = Builder::new().grace(Duration::from_secs(1)).scope(async |group: TaskGroup| {
///     let child = group.spawn(async { Ok(cancelled().await.to_string()) });
///     group.cancel_with("enough");
///     Ok(child.await.unwrap())
/// });
/// assert!(runtime.block_on(scope).unwrap().ends_with("enough"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn cancelled() -> CancelledOwned {
    token().cancelled_owned()
}

/// Runs a part with a deadline of its own. As [`time::timeout`](crate::time::timeout()), and beyond that what is inside knows the
/// deadline ([`deadline`]), and scopes inside are cancelled and awaited before the part is dropped.
///
/// # Cancellation
/// That of `future`.
///
/// # Errors
/// [`Elapsed`], if the time was up first.
///
/// # Panics
/// Polled outside a runtime.
///
/// # Examples
/// ```
/// use mainspring::group::{TaskGroup, scope, timeout};
/// use mainspring::time::Duration;
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// let late = runtime.block_on(timeout(Duration::from_secs(1), scope(async |group: TaskGroup| {
///     group.spawn(std::future::pending::<Result<(), _>>()).await.unwrap();
///     Ok(())
/// })));
/// assert!(late.is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn timeout<F: IntoFuture>(time: Duration, future: F) -> Within<F::IntoFuture> {
    Within::new(future.into_future(), Until::In(time))
}

/// As [`timeout`], with a moment instead of a duration.
///
/// # Cancellation
/// That of `future`.
///
/// # Errors
/// [`Elapsed`], if the time was up first.
///
/// # Panics
/// Polled outside a runtime.
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Within<F::IntoFuture> {
    Within::new(future.into_future(), Until::At(deadline))
}

/// The future of [`timeout`] and [`timeout_at`].
#[must_use = "a future does nothing until it is awaited"]
pub struct Within<F> {
    /// `None` once it is over.
    future: Option<Pin<Box<F>>>,
    until: Until,
    /// Set by the first poll.
    begun: Option<Begun>,
    /// The time was up: what is open inside is being ended.
    is_late: bool,
}

#[derive(Clone, Copy, Debug)]
enum Until {
    In(Duration),
    At(Instant),
}

struct Begun {
    region: Region,
    timer: Sleep,
}

impl<F> Within<F> {
    fn new(future: F, until: Until) -> Self {
        Self { future: Some(Box::pin(future)), until, begun: None, is_late: false }
    }
}

impl Begun {
    fn now(until: Until) -> Self {
        let deadline = match until {
            Until::In(time) => Instant::now().saturating_add(time),
            Until::At(deadline) => deadline,
        };
        Self { region: Region::part(deadline), timer: sleep_until(deadline) }
    }
}

impl<F: Future> Future for Within<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let begun = this.begun.get_or_insert_with(|| Begun::now(this.until));
        let future = this.future.as_mut().expect("this `Within` was awaited to its end already");
        // First the future: what is ready when the time is up counts.
        let polled = begun.region.poll(future.as_mut(), cx);
        if !this.is_late && polled.is_pending() && begun.timer.poll_elapsed(cx.waker()).is_ready() {
            this.is_late = true;
            begun.region.token.abort(CancelCause::Deadline);
            // A scope inside hears of it, and whoever waits for it is woken when it has ended.
        }
        match polled {
            Poll::Ready(output) if !this.is_late => {
                this.future = None;
                Poll::Ready(Ok(output))
            }
            Poll::Pending if !this.is_late || !begun.region.may_go(cx.waker()) => Poll::Pending,
            Poll::Ready(_) | Poll::Pending => {
                this.future = None;
                Poll::Ready(Err(Elapsed::new()))
            }
        }
    }
}

impl<F> fmt::Debug for Within<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = self.future.is_none();
        f.debug_struct("Within").field("until", &self.until).field("is_late", &self.is_late).field("over", &over).finish()
    }
}

/// Runs a part that a cancel does not reach until it is done: inside, [`cancelled`] and [`token`] say nothing of what is around, no
/// deadline is known, and scopes opened inside go on. For the last words of a cleanup.
///
/// It holds for as long as the [grace](super::Builder::grace) of the scope around does: when that is over, what is inside is dropped
/// like everything else. A scope without grace leaves a shield no time.
///
/// # Cancellation
/// That of `future`.
///
/// # Examples
/// ```
/// use mainspring::group::{Builder, TaskGroup, cancelled, shield};
/// use mainspring::time::{Duration, sleep};
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// let scope = Builder::new().grace(Duration::from_secs(9)).scope(async |group: TaskGroup| {
///     let child = group.spawn(async {
///         let saved = shield(async {
///             let interrupted = mainspring::time::timeout(Duration::from_secs(1), cancelled()).await;
///             interrupted.is_err()
///         });
///         Ok(saved.await)
///     });
///     group.cancel();
///     Ok(child.await.unwrap())
/// });
/// assert!(runtime.block_on(scope).unwrap());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn shield<F: IntoFuture>(future: F) -> Shield<F::IntoFuture> {
    Shield { future: Box::pin(future.into_future()), region: None }
}

/// The future of [`shield`].
#[must_use = "a future does nothing until it is awaited"]
pub struct Shield<F> {
    future: Pin<Box<F>>,
    /// Set by the first poll.
    region: Option<Region>,
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.region.get_or_insert_with(Region::shielded).poll(this.future.as_mut(), cx)
    }
}

impl<F> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").field("begun", &self.region.is_some()).finish_non_exhaustive()
    }
}
