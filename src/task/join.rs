#![allow(unsafe_code, reason = "takes the output out of the cell and shares the join-waker slot by T4 and T5")]
//! Handles: waiting for a task, and stopping it.

use super::cell::{TaskRef, push};
use super::error::JoinError;
use super::header::Header;
use super::state::{AfterWake, Joining};
use super::wait::{self, Wait, WaitKind};
use super::{Id, budget};
use crate::base::quiet::drop_quietly;
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker, ready};

/// A task's result, once it has one. Dropping the handle detaches the task: it runs on, unseen, and if it panics then the
/// runtime's panic hook is told.
///
/// # Cancellation
/// **Strict.** Awaiting it by reference (`(&mut handle).await`) and giving up loses nothing.
///
/// # Errors
/// The output is a [`JoinError`] if the task panicked or was cancelled.
///
/// # Panics
/// Polling it again after it was ready.
///
/// # Examples
/// ```
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let answer = runtime.block_on(async {
///     let handle = mainspring::spawn(async { 6 * 7 });
///     handle.await
/// });
/// assert_eq!(answer.unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a dropped handle detaches its task; say so with `drop` or `let _ =`"]
pub struct JoinHandle<T> {
    /// `None` once the output was taken.
    task: Option<TaskRef>,
    output: PhantomData<fn() -> T>,
}

// SAFETY: the handle gives the output away on whatever thread it is on, so `T` must be Send; all else is the header's.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: a shared handle gives no access to the output at all; aborting and asking go through atomics.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> Unpin for JoinHandle<T> {}
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

/// Stops a task from anywhere, and keeps nothing of it but its cell.
#[derive(Clone)]
pub struct AbortHandle(TaskRef);

impl<T> JoinHandle<T> {
    pub(super) fn new(task: TaskRef) -> Self {
        Self { task: Some(task), output: PhantomData }
    }

    fn task(&self) -> &TaskRef {
        self.task.as_ref().expect("this `JoinHandle` was awaited to its end already: its task and output are gone")
    }

    /// Asks the task to stop. Its future is dropped where it would have run next, and the handle then gives a cancelled
    /// [`JoinError`]. A poll under way ends first; a task that is done already keeps its output.
    ///
    /// # Panics
    /// If the output was taken already.
    ///
    /// # Examples
    /// ```
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// let error = runtime.block_on(async {
    ///     let handle = mainspring::spawn(std::future::pending::<()>());
    ///     handle.abort();
    ///     handle.await.unwrap_err()
    /// });
    /// assert!(error.is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn abort(&self) {
        self.task().abort();
    }

    /// A handle that can only abort, to be kept elsewhere.
    ///
    /// # Panics
    /// If the output was taken already.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle(self.task().clone())
    }

    /// Has the task ended? Also true when the output was taken already.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.as_ref().is_none_or(|task| task.header().state.is_done())
    }

    /// The task's number.
    ///
    /// # Panics
    /// If the output was taken already.
    #[must_use]
    pub fn id(&self) -> Id {
        self.task().header().public_id()
    }

    /// The task's name, if [`Builder::name`](super::Builder::name) gave it one.
    ///
    /// # Panics
    /// If the output was taken already.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.task().header().name()
    }

    /// Leaves a waker for the completer; false if the task was done meanwhile.
    fn register(task: &TaskRef, waker: &Waker) -> bool {
        let header = task.header();
        match header.state.joining() {
            Joining::Done => return false,
            // Off first: while the bit is on, the completer may take the waker at any moment.
            Joining::SlotSet if !header.state.withdraw_join_waker() => return false,
            Joining::SlotSet | Joining::SlotFree => {}
        }
        // SAFETY: JOIN_WAKER is off and DONE was off when it was, so by T5 the slot is ours.
        let same = header.join_waker.with(|slot| unsafe { (*slot).as_ref() }.is_some_and(|old| old.will_wake(waker)));
        let old = if same { None } else { Self::replace(header, waker.clone()) };
        let published = header.state.publish_join_waker();
        if !published {
            // SAFETY: the completer saw JOIN_WAKER off, so the slot stayed ours.
            let unused = header.join_waker.with_mut(|slot| unsafe { (*slot).take() });
            drop_quietly(unused);
        }
        // Somebody else's waker may panic when it is dropped; this poll must not suffer from it (TSK-16).
        if old.is_some() {
            drop_quietly(old);
        }
        published
    }

    /// Puts a waker into the slot, which is the caller's (T5), and gives what was there.
    fn replace(header: &Header, waker: Waker) -> Option<Waker> {
        // SAFETY: the caller has looked: JOIN_WAKER is off and DONE was off when it was.
        header.join_waker.with_mut(|slot| unsafe { (*slot).replace(waker) })
    }

    /// Moves the output out and gives the handle's reference back.
    #[inline]
    fn take(task: TaskRef) -> Result<T, JoinError> {
        let mut output = MaybeUninit::<Result<T, JoinError>>::uninit();
        let take_output = task.header().vtable.take_output;
        // SAFETY: DONE is on with JOIN, so by T4 the output is ours, once: the caller has taken the reference out of the
        // handle. `T` is the cell's own output type, because `spawn_cell_local` made this handle.
        unsafe { take_output(task.as_non_null(), NonNull::from(&mut output).cast()) };
        task.release_last();
        // SAFETY: `take_output` has written it.
        unsafe { output.assume_init() }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// `#[track_caller]`: a handle has no call to be tracked, only its `.await`, which is where this poll is called from. Through
    /// a box or a combinator that is a line of theirs.
    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let task = self.task();
        if task.header().state.joining() != Joining::Done && Self::register(task, cx.waker()) {
            wait::note(Wait { kind: WaitKind::Join, object: task.header().id, at: Location::caller() });
            return Poll::Pending;
        }
        // A task that joins many finished ones is held to its budget, too.
        ready!(budget::poll_proceed(cx));
        let task = self.task.take().expect("looked at above");
        Poll::Ready(Self::take(task))
    }
}

impl<T> Drop for JoinHandle<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            detach(task);
        }
    }
}

/// A handle goes before it was joined.
fn detach(task: TaskRef) {
    let header = task.header();
    if header.state.joining() == Joining::SlotSet && header.state.withdraw_join_waker() {
        // SAFETY: JOIN_WAKER is off and DONE was off when it was, so by T5 the slot is ours.
        let waker = header.join_waker.with_mut(|slot| unsafe { (*slot).take() });
        drop_quietly(waker);
    }
    if header.state.detach() {
        let _ = task.into_non_null(); // its reference went in the same step
        return;
    }
    // SAFETY: DONE is on with JOIN, so by T4 the output is ours, and the handle is going.
    unsafe { (header.vtable.discard_output)(task.as_non_null()) };
}

impl AbortHandle {
    /// Has the task polled once more, as a waker would.
    pub(crate) fn wake(&self) {
        if self.0.header().state.wake() == AfterWake::Push {
            push(self.0.as_non_null());
        }
    }

    /// As [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.0.abort();
    }

    /// As [`JoinHandle::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.header().state.is_done()
    }

    /// As [`JoinHandle::id`].
    #[must_use]
    pub fn id(&self) -> Id {
        self.0.header().public_id()
    }
}

fn describe(task: &TaskRef, f: &mut fmt::Formatter<'_>, kind: &str) -> fmt::Result {
    let header = task.header();
    let mut shown = f.debug_struct(kind);
    shown.field("id", &header.id);
    if let Some(name) = header.name() {
        shown.field("name", &name);
    }
    shown.field("state", &header.state).field("spawned_at", &format_args!("{}", header.spawned_at)).finish()
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.task {
            Some(task) => describe(task, f, "JoinHandle"),
            None => f.write_str("JoinHandle(taken)"),
        }
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe(&self.0, f, "AbortHandle")
    }
}
