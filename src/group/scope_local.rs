//! `scope_local` and `scope_send`: children that may borrow, and that stay where their scope is.
//!
//! The first is for futures that stay on their thread, the second for those that move between threads with their task. Both are a [`Nest`], and
//! differ in one word: whether the boxes of the children are `Send`.

use super::local_child::LocalChild;
use super::nest::{Nest, Nested};
use super::scope::Builder;
use std::convert::Infallible;
use std::panic::Location;

/// A child as a [`LocalScope`] stores it.
type Stored<'env> = dyn Future<Output = ()> + 'env;

/// A child as a [`SendScope`] stores it.
type StoredSend<'env> = dyn Future<Output = ()> + Send + 'env;

/// The inside of a [`scope_local`]: spawns children that may borrow for `'env`. Clones are one scope, and may be given to children.
pub type LocalScope<'env, E = Infallible> = Nest<Stored<'env>, E>;

/// The inside of a [`scope_send`]: spawns children that may borrow for `'env`, and are [`Send`]. Clones are one scope, and may be given to
/// children, and to other threads that end before `'env` does.
pub type SendScope<'env, E = Infallible> = Nest<StoredSend<'env>, E>;

/// The future of [`scope_local`].
pub type ScopeLocal<'env, B, F, R, E> = Nested<B, F, R, E, Stored<'env>>;

/// The future of [`scope_send`].
pub type ScopeSend<'env, B, F, R, E> = Nested<B, F, R, E, StoredSend<'env>>;

/// Runs a body whose children may borrow from what is around, and need not be `Send`. They are polled in turn by the task that awaits the scope.
///
/// For waiting for many things at once, which is most of what children do. For computing in parallel there is
/// [`scope`](super::scope), and from a thread [`block_on_scope`](super::block_on_scope). In a task that is spawned, and so
/// may move from worker to worker, it takes [`scope_send`]. The rules are theirs: the first error or panic
/// cancels the others, the body included, and all errors are kept.
///
/// # Cancellation
/// **Strict**, as far as the scope is concerned: dropping this future drops the children, at once. What each of them loses by it is its own affair.
///
/// # Errors
/// [`GroupError`](super::GroupError), if anything went wrong, or if the scope was cancelled from around it.
///
/// # Panics
/// Polled outside a runtime.
///
/// # Examples
/// ```
/// use mainspring::{group::scope_local, time::{Duration, sleep}};
/// use std::cell::RefCell;
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// let log = RefCell::new(Vec::new()); // neither `Arc` nor `Mutex`
/// let result = runtime.block_on(scope_local(async |scope| {
///     for ms in [30, 10, 20] {
///         let log = &log;
///         drop(scope.spawn(async move {
///             sleep(Duration::from_millis(ms)).await;
///             log.borrow_mut().push(ms);
///             Ok::<_, std::io::Error>(())
///         }));
///     }
///     Ok(())
/// }));
/// assert!(result.is_ok());
/// assert_eq!(log.into_inner(), [10, 20, 30]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn scope_local<'env, B, F, R, E>(body: B) -> ScopeLocal<'env, B, F, R, E>
where
    B: FnOnce(LocalScope<'env, E>) -> F,
    F: Future<Output = Result<R, E>>,
{
    Builder::new().scope_local(body)
}

/// As [`scope_local`], for a task that is spawned: the children are [`Send`], and so is the scope's future, which goes from worker to worker with its
/// task and takes them along.
///
/// # Cancellation
/// **Strict**, as far as the scope is concerned: dropping this future drops the children, at once. What each of them loses by it is its own affair.
///
/// # Errors
/// [`GroupError`](super::GroupError), if anything went wrong, or if the scope was cancelled from around it.
///
/// # Panics
/// Polled outside a runtime.
///
/// # Examples
/// ```
/// use mainspring::{group::scope_send, task::yield_now};
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// let runtime = mainspring::runtime::Builder::new_multi_thread().workers(2).build()?;
/// let task = runtime.spawn(async {
///     let words = ["borrowed", "by", "children", "in", "a", "task"];
///     let letters = AtomicUsize::new(0);
///     let result = scope_send(async |scope| {
///         for word in &words {
///             drop(scope.spawn(async {
///                 yield_now().await;
///                 letters.fetch_add(word.len(), Ordering::Relaxed);
///                 Ok::<_, std::io::Error>(())
///             }));
///         }
///         Ok(())
///     });
///     result.await.map(|()| letters.into_inner())
/// });
/// assert_eq!(runtime.block_on(task).unwrap()?, 25);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn scope_send<'env, B, F, R, E>(body: B) -> ScopeSend<'env, B, F, R, E>
where
    B: FnOnce(SendScope<'env, E>) -> F,
    F: Future<Output = Result<R, E>>,
{
    Builder::new().scope_send(body)
}

impl Builder {
    /// As [`scope_local`](super::scope_local()), with this builder's limit, deadline and grace.
    #[track_caller]
    pub fn scope_local<'env, B, F, R, E>(self, body: B) -> ScopeLocal<'env, B, F, R, E>
    where
        B: FnOnce(LocalScope<'env, E>) -> F,
        F: Future<Output = Result<R, E>>,
    {
        Nested::new(body, self, Location::caller())
    }

    /// As [`scope_send`](super::scope_send()), with this builder's limit, deadline and grace.
    #[track_caller]
    pub fn scope_send<'env, B, F, R, E>(self, body: B) -> ScopeSend<'env, B, F, R, E>
    where
        B: FnOnce(SendScope<'env, E>) -> F,
        F: Future<Output = Result<R, E>>,
    {
        Nested::new(body, self, Location::caller())
    }
}

impl<'env, E: 'env> LocalScope<'env, E> {
    /// Spawns a child, as [`TaskGroup::spawn`](super::TaskGroup::spawn) does.
    #[track_caller]
    pub fn spawn<T, F>(&self, future: F) -> LocalChild<T>
    where
        F: Future<Output = Result<T, E>> + 'env,
        T: 'env,
    {
        let (child, entered) = self.enter(future, Location::caller());
        if let Some((member, told)) = entered {
            self.add(Box::pin(async move { told.end(member.await) }));
        }
        child
    }
}

impl<'env, E: Send + 'env> SendScope<'env, E> {
    /// Spawns a child, as [`TaskGroup::spawn`](super::TaskGroup::spawn) does.
    #[track_caller]
    pub fn spawn<T, F>(&self, future: F) -> LocalChild<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'env,
        T: Send + 'env,
    {
        let (child, entered) = self.enter(future, Location::caller());
        if let Some((member, told)) = entered {
            self.add(Box::pin(async move { told.end(member.await) }));
        }
        child
    }
}
