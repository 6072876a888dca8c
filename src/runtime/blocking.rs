//! Spawning what blocks: a closure instead of a future, on a thread of its own instead of a worker.

use super::handle::Handle;
use super::spawn::{Builder, current};
use crate::sched::blocking::Place;
use crate::sched::in_place;
use crate::task::{Birth, JoinHandle};
use std::panic::Location;
use std::{error, fmt};

/// Runs a closure that blocks (a computation of milliseconds, a system call, a library that knows nothing of async) on a
/// thread of the runtime's pool, and gives the same handle as a task has.
///
/// The pool makes threads as jobs wait, up to [`max_blocking_threads`](crate::runtime::Builder::max_blocking_threads), and
/// beyond that they queue. A job is inside the runtime: it may spawn, and unlike a task it may call
/// [`Handle::block_on`]. In a simulation a job runs as a task among the others, so it must not
/// wait for one of them by blocking.
///
/// # Cancellation
/// **Detached.** A job that has started cannot be stopped: aborting it does nothing, and a shutdown waits for it and then
/// names it in its report. One that still waits is dropped without having run.
///
/// # Errors
/// The handle gives a [`JoinError`](crate::task::JoinError) if the closure panics, or if it was cancelled before it began: by
/// an abort, by the runtime's shutdown, or because the system gives no thread at all.
///
/// # Panics
/// Outside a runtime; [`Handle::spawn_blocking`] works anywhere.
///
/// # Examples
/// ```
/// use mainspring::task::spawn_blocking;
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let sum = runtime.block_on(async { spawn_blocking(|| (1..=1_000_000u64).sum::<u64>()).await });
/// assert_eq!(sum.unwrap(), 500_000_500_000);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn spawn_blocking<F, R>(job: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    Builder::new().spawn_blocking(job)
}

/// As [`spawn_blocking`], unless as many jobs wait already as
/// [`max_blocking_queue`](crate::runtime::Builder::max_blocking_queue) allows: for a server that would rather refuse a
/// request than let a queue grow.
///
/// # Errors
/// [`QueueFull`], with the closure, if the queue is full.
///
/// # Panics
/// Outside a runtime.
///
/// # Examples
/// ```
/// use mainspring::task::try_spawn_blocking;
/// let runtime = mainspring::runtime::Builder::new_current_thread().max_blocking_queue(0).build()?;
/// let _inside = runtime.enter();
/// let refused = try_spawn_blocking(|| 42).unwrap_err();
/// assert_eq!((refused.0)(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn try_spawn_blocking<F, R>(job: F) -> Result<JoinHandle<R>, QueueFull<F>>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let shared = current("try_spawn_blocking");
    if !shared.reserve_place_for_job() {
        return Err(QueueFull(job));
    }
    Ok(shared.spawn_blocking(job, Builder::new().birth(Location::caller()), Place::Reserved))
}

/// Runs a closure that blocks on this thread, and lets the worker go on without it: the core, with all tasks that may run on
/// any thread, passes to another thread first.
///
/// For a call that blocks and cannot be moved into a [`spawn_blocking`] because it borrows. It costs the change of threads,
/// and the rest of the poll runs without a core, so where both will do `spawn_blocking` is the better one. What stays on
/// this thread waits for the closure: whatever else the same task does (the other branches of a `join!` or `select!`), and the
/// tasks of [`spawn_local`] that belong to this thread.
///
/// Inside the closure [`Handle::block_on`] is allowed. Outside a task, in a blocking job and in a dedicated thread
/// the closure just runs; so it does in a simulation, where it must not wait for another task by blocking. If the system gives
/// no further thread, or as many stand in for others already as
/// [`max_blocking_threads`](crate::runtime::Builder::max_blocking_threads) allows, it runs and holds its worker up; the others
/// look after that one's sockets, timers and tasks.
///
/// An abort takes effect when the closure has returned and the task waits next. A shutdown waits for it, and names it.
///
/// # Panics
/// In a task of the current-thread flavour, which has no other worker. With the closure's own panic.
///
/// # Examples
/// ```
/// use mainspring::task::block_in_place;
/// let runtime = mainspring::runtime::Builder::new_multi_thread().workers(1).build()?;
/// let (send, receive) = std::sync::mpsc::channel();
/// let sum = runtime.block_on(async {
///     drop(mainspring::spawn(async move { send.send(42) }));
///     block_in_place(|| receive.recv()) // the only worker would never run the task that sends
/// });
/// assert_eq!(sum.unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// [`spawn_local`]: crate::task::spawn_local
#[track_caller]
pub fn block_in_place<F: FnOnce() -> R, R>(body: F) -> R {
    in_place::block_in_place(body)
}

/// As many blocking jobs wait as the runtime allows; here is the closure back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueFull<F>(pub F);

impl<F> fmt::Debug for QueueFull<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueFull(..)")
    }
}

impl<F> fmt::Display for QueueFull<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("as many blocking jobs wait already as `max_blocking_queue` allows: try again when some have ended")
    }
}

impl<F> error::Error for QueueFull<F> {}

impl Builder {
    /// Spawns a blocking job on the current runtime; see [`spawn_blocking`].
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, job: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let birth = self.birth(Location::caller());
        current("spawn_blocking").spawn_blocking(job, birth, Place::Any)
    }
}

impl Handle {
    /// Spawns a blocking job from any thread; see [`task::spawn_blocking`](crate::task::spawn_blocking). After shutdown began
    /// the closure is dropped, and the handle says that it was cancelled.
    ///
    /// # Panics
    /// In a process that was forked from the runtime's.
    ///
    /// # Examples
    /// ```
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// let job = runtime.handle().spawn_blocking(|| std::thread::current().name().unwrap().to_owned());
    /// assert_eq!(runtime.block_on(job).unwrap(), "mainspring-worker-blocking-1");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, job: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let birth = Builder::new().birth(Location::caller());
        self.shared().spawn_blocking(job, birth, Place::Any)
    }

    /// As `spawn_blocking`, of a job whose name and place are known already.
    pub(crate) fn spawn_blocking_at<F, R>(
        &self,
        job: F,
        name: Option<String>,
        at: &'static Location<'static>,
    ) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.shared().spawn_blocking(job, Birth::at(at).named(name), Place::Any)
    }
}
