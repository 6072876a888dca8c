#![allow(unsafe_code, reason = "makes tasks of futures that borrow from the stack of the thread that waits for them")]
//! `block_on_scope`: from a thread, in parallel, and borrowing.
//!
//! ```text
//!    this thread's stack                                a worker's
//!    ┌ data ─────────────────┐ <───── borrows ────┐
//!    │ BlockScope            │ <───── borrows ──┐ │
//!    │ block_on_scope        │                ┌─┴─┴── child ──┐
//!    │   block_on(body)      │ ── spawn ────> │ future, value │
//!    │   wait until closed   │ <── leave ──── └───────────────┘ both gone: only then
//!    └ returns or unwinds ───┘
//! ```
//!
//! **Why this is sound.** One lie is told: a child's future that lives for `'scope` is handed to the runtime as `'static`. It does no
//! harm if nothing of it is touched when this call has returned or unwound. What there is of a child, and why it is gone then:
//!
//! - *Its future.* It is a member, so by M1 it was dropped, destructors included, before it left the book; and by G1 it leaves on every
//!   way: it ended, it panicked, it was aborted, its runtime was shut down (by whatever thread), or the runtime refused it at spawn.
//! - *Its value.* It never gets into the task's cell, where a worker would drop an unread one *after* the future and so after the leave.
//!   It goes into a packet that the future and the handle own together. Either the handle has it: a [`ScopedChild`] cannot outlive
//!   `'scope`, which no value that leaves the body can name; one that is leaked is never touched again. Or the future drops it.
//! - *What is left in the cell* is a husk (`None`), a `()` or a cause, and the header. Wakers, abort and join handles that are kept, here or
//!   on other threads, reach the header and no more. Errors and panic payloads are `'static`.
//! - *The body* may hold handles and borrows. It is a field of the scope's future, which `block_on` drops before it returns or unwinds.
//!
//! - **U1** After `block_on` has returned or unwound, nothing happens on this thread before the book is closed (G3). If the scope's future
//!   gave its value it has closed it. Else it was dropped (a stalled simulation panics, for one), so everybody was told to go, and
//!   `wait_for_the_last` drives the runtime until they have gone. It ends for nothing else, and if it should panic the process is
//!   aborted: to unwind would be to free what children still use.
//! - **U2** No deadline, cancel or shutdown ends that wait early. A child that does not end is named by the shutdown's report, and the
//!   scope itself says on stderr after a while that it waits.
//! - **U3** Only one thing is built on leaking being impossible: that `block_on` drops the scope's future. It is ours, and no user's code
//!   gets hold of it.

use super::book::{Phase, Room};
use super::child::Child;
use super::error::{ChildError, GroupError};
use super::scope::Builder;
use super::shared::{Label, Shared};
use super::task_group::TaskGroup;
use crate::base::atomic::Mutex;
use crate::base::quiet::bury;
use crate::runtime::Handle;
use crate::task::CancelCause;
use crate::time::Instant;
use std::convert::Infallible;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::{fmt, thread};

/// Runs a body on this thread whose children run on a runtime's workers and may borrow what this thread owns. As
/// [`std::thread::scope`], with tasks: it returns when all of them have ended.
///
/// Otherwise it is a [`scope`](super::scope): the first error or panic cancels the others, and all errors are kept. With a
/// multi-thread runtime the children run in parallel.
///
/// Nothing ends the wait early, be it a deadline, a cancel or the runtime's shutdown: each makes the children end, and their end
/// is waited for. If one does not (it blocks its thread), this call does not return.
///
/// Leave the body's argument without a type (`async |scope|`), and let the error own what it says: with `|scope: &BlockScope<'_, '_>|`,
/// or with an error such as `&'static str`, today's compiler wants every borrow in the body to be `'static`.
///
/// # Errors
/// [`GroupError`], if anything went wrong.
///
/// # Panics
/// As [`Handle::block_on`]: inside a task or another `block_on`, and in a simulation in which everything sleeps for ever. A panic in
/// body or child is an error here, with its payload.
///
/// # Examples
/// ```
/// use mainspring::group::block_on_scope;
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let numbers: Vec<u64> = (1..=1_000).collect();
/// let sum = block_on_scope(runtime.handle(), async |scope| {
///     let halves: Vec<_> =
///         numbers.chunks(500).map(|half| scope.spawn(async move { Ok(half.iter().sum::<u64>()) })).collect();
///     let mut sum = 0;
///     for half in halves {
///         sum += half.await?;
///     }
///     Ok::<_, std::io::Error>(sum)
/// });
/// assert_eq!(sum.unwrap(), 500_500);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn block_on_scope<'env, B, R, E>(handle: &Handle, body: B) -> Result<R, GroupError<E>>
where
    B: for<'scope> AsyncFnOnce(&'scope BlockScope<'scope, 'env, E>) -> Result<R, E>,
    E: Send + 'static,
{
    Builder::new().block_on_scope(handle, body)
}

impl Builder {
    /// As [`block_on_scope`](super::block_on_scope()), with this builder's limit, deadline and grace.
    ///
    /// # Errors
    /// [`GroupError`], if anything went wrong.
    ///
    /// # Panics
    /// As [`block_on_scope`](super::block_on_scope()).
    #[track_caller]
    pub fn block_on_scope<'env, B, R, E>(self, handle: &Handle, body: B) -> Result<R, GroupError<E>>
    where
        B: for<'scope> AsyncFnOnce(&'scope BlockScope<'scope, 'env, E>) -> Result<R, E>,
        E: Send + 'static,
    {
        let scope = BlockScope { shared: OnceLock::new(), scope: PhantomData, env: PhantomData };
        let future = self.scope(|group: TaskGroup<E>| {
            let _ = scope.shared.set(group.shared.clone());
            body(&scope)
        });
        // From the first spawn on, U1: no way leads out of here but through the wait.
        let outcome = catch_unwind(AssertUnwindSafe(|| handle.block_on(future)));
        if let Some(shared) = scope.shared.get() {
            wait_for_the_last(shared, handle);
        }
        outcome.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

/// U1: returns when the book is closed. It costs one look if the scope's future was awaited to its end.
fn wait_for_the_last<E>(shared: &Shared<E>, handle: &Handle) {
    let unwinding_would_free_what_is_in_use = AbortOnUnwind;
    while shared.book.phase() != Phase::Closed {
        shared.end_grace(CancelCause::ScopeEnded);
        let closed = poll_fn(|cx| shared.book.poll_closed(cx.waker()));
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| handle.block_on(closed))) {
            // A simulation that stalls again, say, because a child blocks on a thread of its own.
            bury(payload);
            thread::yield_now();
        }
    }
    mem::forget(unwinding_would_free_what_is_in_use);
}

struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        eprintln!("mainspring: the panic above came while children that borrow were waited for; the process cannot go on");
        std::process::abort();
    }
}

/// The inside of a [`block_on_scope`]: spawns children that may borrow for `'scope`, which includes all that lives for `'env` and this very
/// scope, so that children can spawn siblings.
pub struct BlockScope<'scope, 'env: 'scope, E = Infallible> {
    /// Set before the body begins.
    shared: OnceLock<Arc<Shared<E>>>,
    /// Invariant: a shorter scope must not be taken for a longer one.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl<E> UnwindSafe for BlockScope<'_, '_, E> {}
impl<E> RefUnwindSafe for BlockScope<'_, '_, E> {}

/// A child's future; as the runtime gets it, it lives for `'static`.
type Boxed<'a, E> = Pin<Box<dyn Future<Output = Result<(), E>> + Send + 'a>>;

impl<'scope, E: Send + 'static> BlockScope<'scope, '_, E> {
    fn shared(&self) -> &Arc<Shared<E>> {
        self.shared.get().expect("the body has begun, for it has lent us this scope")
    }

    /// Spawns a child, as [`TaskGroup::spawn`](super::TaskGroup::spawn) does.
    ///
    /// # Examples
    /// ```
    /// use mainspring::group::block_on_scope;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// let count = AtomicU32::new(0); // no `Arc`
    /// block_on_scope(runtime.handle(), async |scope| {
    ///     drop(scope.spawn(async {
    ///         count.fetch_add(1, Ordering::Relaxed);
    ///         drop(scope.spawn(async { Ok(count.fetch_add(1, Ordering::Relaxed)) }));
    ///         Ok(())
    ///     }));
    ///     Ok::<_, std::io::Error>(())
    /// })
    /// .unwrap();
    /// assert_eq!(count.into_inner(), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<T, F>(&'scope self, future: F) -> ScopedChild<'scope, T>
    where
        F: Future<Output = Result<T, E>> + Send + 'scope,
        T: Send + 'scope,
    {
        let packet = Arc::new(Packet(Mutex::new(None)));
        let to = packet.clone();
        let child: Boxed<'scope, E> = Box::pin(async move {
            let value = future.await?;
            // The future is gone by now, and if the handle is gone, too, then the value goes with `to` at the end of this block.
            *to.0.lock() = Some(value);
            Ok(())
        });
        // SAFETY: only the lifetime changes. The box becomes the future of a member and nothing else, so by M1 it is dropped before the
        // book closes; and by U1 nothing borrowed for `'scope` ends before that, since this scope is borrowed for as long.
        let child = unsafe { mem::transmute::<Boxed<'scope, E>, Boxed<'static, E>>(child) };
        let task = match self.shared().spawn_member(child, Room::New, Label::at(Location::caller())) {
            Some(task) => Child::of(task),
            None => Child::refused(self.shared().cause()),
        };
        ScopedChild { task, packet, scope: PhantomData }
    }

    /// Asks body and children to end, as [`TaskGroup::cancel`](super::TaskGroup::cancel) does.
    pub fn cancel(&self) {
        self.shared().ask(None);
    }

    /// As [`cancel`](Self::cancel), with a message for whoever reads the cause.
    pub fn cancel_with(&self, message: impl Into<Arc<str>>) {
        self.shared().ask(Some(message.into()));
    }

    /// When the scope will be cancelled.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.shared().deadline
    }

    /// How many children are alive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared().book.len()
    }

    /// Is no child alive?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<E> fmt::Debug for BlockScope<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let children = self.shared.get().map(|shared| shared.book.len());
        f.debug_struct("BlockScope").field("children", &children).finish()
    }
}

/// A value on its way from a child to its handle.
struct Packet<T>(Mutex<Option<T>>);

/// A child of a [`block_on_scope`]: awaited, it gives the child's value. It cannot leave the scope.
///
/// # Cancellation
/// **Strict.** Awaiting it by reference (`(&mut child).await`) and giving up loses nothing.
///
/// # Errors
/// [`ChildError`], if the child has no value.
///
/// # Panics
/// Polling it again after it was ready.
#[must_use = "say with `drop` or `let _ =` that the child's value is not wanted"]
pub struct ScopedChild<'scope, T> {
    task: Child<()>,
    packet: Arc<Packet<T>>,
    scope: PhantomData<&'scope ()>,
}

impl<T> UnwindSafe for ScopedChild<'_, T> {}
impl<T> RefUnwindSafe for ScopedChild<'_, T> {}

impl<T> ScopedChild<'_, T> {
    /// Stops this child alone; see [`Child::abort`](super::Child::abort).
    ///
    /// # Panics
    /// If its value was taken already.
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Has it ended?
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl<T> Future for ScopedChild<'_, T> {
    type Output = Result<T, ChildError>;

    /// `#[track_caller]` as for [`JoinHandle`](crate::task::JoinHandle).
    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(Pin::new(&mut self.task).poll(cx));
        let value = self.packet.0.lock().take();
        Poll::Ready(ended.map(|()| value.expect("a child that ended well has put its value into the packet")))
    }
}

impl<T> fmt::Debug for ScopedChild<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedChild").field(&self.task).finish()
    }
}
