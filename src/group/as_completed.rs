//! `as_completed`: children in the order in which they end.

use super::child::Child;
use super::error::ChildError;
use super::ready::{Bell, Ready};
use crate::task::Id;
use crate::task::wait::{self, Wait, WaitKind};
use futures_core::Stream;
use slab::Slab;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// Gives the results of these children in the order in which they end; asyncio's function of this name, for the children of a
/// [`scope`](super::scope()). More can be [added](AsCompleted::push) at any time.
///
/// For results in the order of the children, await one after the other.
///
/// # Examples
/// ```
/// use mainspring::group::{TaskGroup, as_completed, scope};
/// use mainspring::time::{Duration, sleep};
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// let order = runtime.block_on(scope(async |group: TaskGroup| {
///     let mut children = as_completed([30, 10, 20].map(|ms| {
///         group.spawn(async move {
///             sleep(Duration::from_millis(ms)).await;
///             Ok(ms)
///         })
///     }));
///     let mut order = Vec::new();
///     while let Some(result) = children.next().await {
///         let ms = result.expect("nothing fails here");
///         order.push(ms);
///         if ms == 10 {
///             children.push(group.spawn(async { Ok(11) }));
///         }
///     }
///     Ok(order)
/// }));
/// assert_eq!(order.unwrap(), [10, 11, 20, 30]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn as_completed<T>(children: impl IntoIterator<Item = Child<T>>) -> AsCompleted<T> {
    let mut all = AsCompleted::new();
    children.into_iter().for_each(|child| all.push(child));
    all
}

/// Children, to be taken in the order in which they end; see [`as_completed`]. It is a stream, too. Dropping it changes nothing for the children.
pub struct AsCompleted<T> {
    waiting: Slab<Waiting<T>>,
    /// The places of those that were woken.
    ready: Arc<Ready>,
}

struct Waiting<T> {
    child: Child<T>,
    bell: Arc<Bell>,
}

// What a panic interrupts is one of the children, which ends by it.
impl<T> UnwindSafe for AsCompleted<T> {}
impl<T> RefUnwindSafe for AsCompleted<T> {}

impl<T> AsCompleted<T> {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { waiting: Slab::new(), ready: Arc::new(Ready::new()) }
    }

    /// One more.
    pub fn push(&mut self, child: Child<T>) {
        let place = self.waiting.vacant_entry();
        let bell = Arc::new(Bell::new(place.key(), self.ready.clone()));
        bell.ring(); // so that it is asked for the first time
        place.insert(Waiting { child, bell });
    }

    /// How many have not been taken yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Waits for the next child to end; `None` if there is none left.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future takes nothing.
    ///
    /// # Errors
    /// A [`ChildError`] inside, if that child has no value.
    ///
    /// # Panics
    /// If the value of one of them was taken before it was pushed. That one is let go, and the others can be taken after this.
    #[track_caller]
    #[allow(clippy::should_implement_trait, reason = "the name that streams and channels have for it, and it awaits")]
    pub fn next(&mut self) -> NextCompleted<'_, T> {
        NextCompleted { of: self, at: Location::caller() }
    }

    /// As [`next`](Self::next), with the child's number: that of its task, or `None` if it came to a scope that was closing and never had one.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future takes nothing.
    ///
    /// # Errors
    /// A [`ChildError`] inside, if that child has no value.
    ///
    /// # Panics
    /// As [`next`](Self::next).
    ///
    /// # Examples
    /// ```
    /// use mainspring::group::{TaskGroup, as_completed, scope};
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// let ended = runtime.block_on(scope(async |group: TaskGroup| {
    ///     let child = group.spawn(async { Ok("value") });
    ///     let id = child.id();
    ///     let (ended, result) = as_completed([child]).next_with_id().await.expect("there is one");
    ///     Ok(ended == id && result == Ok("value"))
    /// }));
    /// assert!(ended.unwrap());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn next_with_id(&mut self) -> NextCompletedWithId<'_, T> {
        NextCompletedWithId { of: self, at: Location::caller() }
    }

    fn poll_at(&mut self, at: &'static Location<'static>, cx: &mut Context<'_>) -> Poll<Option<Ended<T>>> {
        // Whoever is woken meanwhile is asked in the next poll, after the other tasks.
        for _ in 0..self.ready.len() {
            let Some(place) = self.ready.take() else { break };
            let Some(Waiting { child, bell }) = self.waiting.get_mut(place) else { continue };
            bell.quiet();
            let waker = Waker::from(bell.clone());
            let asked = catch_unwind(AssertUnwindSafe(|| {
                let id = child.id();
                Pin::new(child).poll(&mut Context::from_waker(&waker)).map(|result| (id, result))
            }));
            match asked {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(ended)) => {
                    self.waiting.remove(place);
                    return Poll::Ready(Some(ended));
                }
                Err(panic) => {
                    // Or whoever goes on after this panic would wait for a child that nothing wakes any more.
                    self.waiting.remove(place);
                    resume_unwind(panic);
                }
            }
        }
        if self.waiting.is_empty() {
            return Poll::Ready(None);
        }
        if self.ready.is_empty_or_listen(cx.waker()) {
            wait::note(Wait { kind: WaitKind::Children, object: self.waiting.len() as u64, at });
        } else {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// How a child ended, and its number.
type Ended<T> = (Option<Id>, Result<T, ChildError>);

impl<T> Default for AsCompleted<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Extend<Child<T>> for AsCompleted<T> {
    fn extend<I: IntoIterator<Item = Child<T>>>(&mut self, children: I) {
        children.into_iter().for_each(|child| self.push(child));
    }
}

impl<T> Stream for AsCompleted<T> {
    type Item = Result<T, ChildError>;

    #[track_caller]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_at(Location::caller(), cx).map(|ended| ended.map(|(_, result)| result))
    }
}

impl<T> fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The future of [`AsCompleted::next`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct NextCompleted<'a, T> {
    of: &'a mut AsCompleted<T>,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

/// The future of [`AsCompleted::next_with_id`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct NextCompletedWithId<'a, T> {
    of: &'a mut AsCompleted<T>,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

impl<T> Future for NextCompleted<'_, T> {
    type Output = Option<Result<T, ChildError>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let at = self.at;
        let ended = ready!(self.of.poll_at(at, cx));
        Poll::Ready(ended.map(|(_, result)| result))
    }
}

impl<T> Future for NextCompletedWithId<'_, T> {
    type Output = Option<Ended<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let at = self.at;
        self.of.poll_at(at, cx)
    }
}
