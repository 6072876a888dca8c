//! A child as its spawner holds it.

use super::error::ChildError;
use crate::task::{CancelCause, Id, JoinHandle, budget};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A child of a [`scope`](super::scope): awaited, it gives the child's value. Dropping it changes nothing for the child, which its
/// scope waits for in any case: unlike a [`JoinHandle`]'s task it is not let go by that, nor stopped.
///
/// # Cancellation
/// **Strict.** Awaiting it by reference (`(&mut child).await`) and giving up loses nothing.
///
/// # Errors
/// [`ChildError`], if the child has no value; what went wrong in detail the scope says. Mostly nobody sees it, for a failure cancels
/// the others, and whoever awaits a sibling is one of them.
///
/// # Panics
/// Polling it again after it was ready.
#[must_use = "say with `drop` or `let _ =` that the child's value is not wanted"]
pub struct Child<T> {
    task: Task<T>,
}

enum Task<T> {
    Spawned(JoinHandle<Result<T, ChildError>>),
    /// It came too late: its future was dropped.
    Refused(CancelCause),
}

impl<T> UnwindSafe for Child<T> {}
impl<T> RefUnwindSafe for Child<T> {}

impl<T> Child<T> {
    pub(super) fn of(task: JoinHandle<Result<T, ChildError>>) -> Self {
        Self { task: Task::Spawned(task) }
    }

    pub(super) fn refused(cause: CancelCause) -> Self {
        Self { task: Task::Refused(cause) }
    }

    /// Stops this child alone, as [`JoinHandle::abort`] does: without grace, and without harm to its siblings. A
    /// [blocking job](super::TaskGroup::spawn_blocking) that has begun goes on, and its scope waits for it.
    ///
    /// # Panics
    /// If its value was taken already.
    pub fn abort(&self) {
        if let Task::Spawned(task) = &self.task {
            task.abort();
        }
    }

    /// Has it ended?
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match &self.task {
            Task::Spawned(task) => task.is_finished(),
            Task::Refused(_) => true,
        }
    }

    /// Its name, if [`build_task`](super::TaskGroup::build_task) gave it one.
    ///
    /// # Panics
    /// If its value was taken already.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.task {
            Task::Spawned(task) => task.name(),
            Task::Refused(_) => None,
        }
    }

    /// Its task's number; `None` if it came to a scope that was closing.
    ///
    /// # Panics
    /// If its value was taken already.
    #[must_use]
    pub fn id(&self) -> Option<Id> {
        match &self.task {
            Task::Spawned(task) => Some(task.id()),
            Task::Refused(_) => None,
        }
    }
}

impl<T> Future for Child<T> {
    type Output = Result<T, ChildError>;

    /// `#[track_caller]` as for [`JoinHandle`].
    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.task {
            Task::Spawned(task) => Pin::new(task).poll(cx).map(|joined| joined.map_err(ChildError::from).flatten()),
            Task::Refused(cause) => {
                // Or a loop over spawns that are refused would never let go of its worker (SCH-02).
                ready!(budget::poll_proceed(cx));
                Poll::Ready(Err(ChildError::Cancelled(cause.clone())))
            }
        }
    }
}

impl<T> fmt::Debug for Child<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.task {
            Task::Spawned(task) => f.debug_tuple("Child").field(task).finish(),
            Task::Refused(cause) => write!(f, "Child({cause})"),
        }
    }
}
