//! `Runtime` and `Handle`.

use super::enter::{EnterGuard, block_on, run};
use super::shutdown;
use super::spawn::Builder as TaskBuilder;
use crate::base::sys::fork;
use crate::sched::report::ShutdownReport;
use crate::sched::shared::{RUNTIME, Shared};
use crate::task::{Birth, Id, JoinHandle};
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;
use std::{error, fmt, io};

/// A runtime: tasks, timers and sockets, and the threads that drive them.
///
/// Dropping it shuts it down: every task is cancelled and dropped, and the call waits until that is done, ten seconds at
/// the most (see [`Builder::shutdown_timeout`](super::Builder::shutdown_timeout)); what is stuck then is named on stderr.
/// Dropped inside one of its own tasks it cannot wait, and the shutdown goes on behind it. Dropped in a process that was forked from
/// its own it does nothing, and says so on stderr.
///
/// # Examples
/// ```
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let answer = runtime.block_on(async { mainspring::spawn(async { 42 }).await });
/// assert_eq!(answer.unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Runtime {
    handle: Handle,
    /// How long dropping waits.
    shutdown_timeout: Duration,
    /// Shutdown was begun already, by a call.
    ended: bool,
}

/// A reference to a runtime, for any thread. It does not keep the runtime running.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// There is no runtime on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TryCurrentError;

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this thread is in no runtime: call it inside `Runtime::block_on`, a task, or under `Handle::enter`")
    }
}

impl error::Error for TryCurrentError {}

impl Runtime {
    /// A multi-thread runtime with one worker for each processor.
    ///
    /// # Errors
    /// As [`Builder::build`](super::Builder::build).
    pub fn new() -> io::Result<Self> {
        super::Builder::new_multi_thread().build()
    }

    pub(super) fn new_with(handle: Handle, shutdown_timeout: Duration) -> Self {
        Self { handle, shutdown_timeout, ended: false }
    }

    /// A handle, to be kept and cloned anywhere.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Runs a future to its end on this thread, which becomes a worker meanwhile: it takes the core of a worker that
    /// sleeps, so that the main future and what it spawns need no wake-up across threads. If every worker is busy, the
    /// future alone runs here until one is free. When it is done the call returns; spawned tasks stay. Tasks of
    /// [`spawn_local`](crate::spawn_local) end with the call.
    ///
    /// # Panics
    /// With the future's panic, if it panics. Inside a task or another `block_on`, where it would block a worker: the
    /// message says what to do. In a simulation, when everything sleeps and no timer is armed: the message lists the tasks
    /// and what each waits for. In a process that was forked from the runtime's (see the [module](crate::runtime)).
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    /// As [`block_on`](Self::block_on), but then waits until every task that is no daemon has ended, so that nothing
    /// spawned is cut off. Daemon tasks come from [`task::Builder::daemon`](crate::task::Builder::daemon).
    ///
    /// # Panics
    /// As `block_on`.
    ///
    /// # Examples
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// static DONE: AtomicBool = AtomicBool::new(false);
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// runtime.run(async {
    ///     drop(mainspring::spawn(async {
    ///         mainspring::task::yield_now().await;
    ///         DONE.store(true, Ordering::Relaxed);
    ///     }));
    /// });
    /// assert!(DONE.load(Ordering::Relaxed));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        run(&self.handle.shared, future)
    }

    /// Spawns a task from any thread; see [`Handle::spawn`].
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// See [`Handle::enter`].
    #[track_caller]
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Shuts down: no task is spawned any more, every task is cancelled and dropped on a worker's thread, timers and sockets
    /// wake whoever waits for them elsewhere. Waits at most this long, and says what was cancelled and what is stuck.
    ///
    /// With the current-thread flavour the tasks are dropped by this call itself, and a `Drop` that blocks is waited for.
    ///
    /// # Panics
    /// Inside a task of the runtime itself, which would wait for its own end; drop the runtime there instead. In a process that
    /// was forked from the runtime's.
    #[track_caller]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> ShutdownReport {
        self.handle.shared.origin.require("shutdown_timeout");
        assert!(
            !shutdown::is_inside(&self.handle.shared),
            "`shutdown_timeout` inside a task of the same runtime would wait for itself: call it outside, or drop the runtime"
        );
        self.ended = true;
        shutdown::shut_down(&self.handle.shared, timeout)
    }

    /// Begins to shut down and does not wait for the workers. With the current-thread flavour, which has none, the tasks are
    /// dropped by this call.
    pub fn shutdown_background(mut self) {
        if self.is_left_to_its_process() {
            return;
        }
        self.ended = true;
        shutdown::begin(&self.handle.shared);
    }

    /// In a process that was forked off, a runtime of its parent's is let go of and nothing else: its threads are not there to end,
    /// and what its tasks would do when they are dropped, the parent's do when their time comes. True if so.
    fn is_left_to_its_process(&self) -> bool {
        let is_inherited = !self.handle.shared.origin.is_here();
        if is_inherited {
            fork::say(
                "mainspring: a runtime was dropped in a process forked from its own; here its memory and descriptors are left as \
                 they are, and it runs on in the parent",
            );
        }
        is_inherited
    }

    /// The hash of everything that has happened in a simulation so far: equal for equal seeds and programs. `None` for the
    /// flavours that run on the real loop.
    #[must_use]
    pub fn event_hash(&self) -> Option<u64> {
        self.handle.shared.workers[0].driver.event_hash()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.ended || self.is_left_to_its_process() {
            return;
        }
        if shutdown::is_inside(&self.handle.shared) {
            if shutdown::runs_tasks_of(&self.handle.shared) {
                shutdown::stop(&self.handle.shared); // the thread drains its core when it is back in its loop
            } else {
                shutdown::begin(&self.handle.shared); // a job: if nobody has a core, nobody else would drain it
            }
            return;
        }
        let report = shutdown::shut_down(&self.handle.shared, self.shutdown_timeout);
        if !report.is_complete() {
            let (s, ms) = (self.shutdown_timeout.as_secs(), self.shutdown_timeout.subsec_millis());
            eprintln!("mainspring: the runtime was dropped, but after {s}.{ms:03} s not all has ended\n{report}");
        }
    }
}

impl Handle {
    pub(super) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// As `spawn`, of a task whose place is known already.
    #[track_caller]
    pub(crate) fn spawn_at<F>(&self, future: F, at: &'static Location<'static>) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.shared.spawn(future, Birth::at(at))
    }

    /// As `spawn_at`, with a name if there is one.
    #[track_caller]
    pub(crate) fn spawn_named<F>(
        &self,
        future: F,
        name: Option<String>,
        at: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.shared.spawn(future, Birth::at(at).named(name))
    }

    /// A number for an event that has no task.
    pub(crate) fn unused_id(&self) -> Id {
        self.shared.unused_id()
    }

    /// Has the shutdown begun?
    pub(crate) fn is_stopping(&self) -> bool {
        self.shared.is_stopping()
    }

    /// The runtime this thread is in.
    ///
    /// # Panics
    /// Outside a runtime; [`try_current`](Self::try_current) asks instead.
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        match Self::try_current() {
            Ok(handle) => handle,
            Err(_) => super::spawn::needs_a_runtime("Handle::current"),
        }
    }

    /// The runtime this thread is in.
    ///
    /// # Errors
    /// [`TryCurrentError`] outside a runtime.
    ///
    /// # Examples
    /// ```
    /// use mainspring::runtime::{Handle, Runtime};
    /// assert!(Handle::try_current().is_err());
    /// let runtime = Runtime::new()?;
    /// let _inside = runtime.enter();
    /// assert!(Handle::try_current().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_current() -> Result<Self, TryCurrentError> {
        RUNTIME.with(|shared| shared.cloned()).map(Self::of).ok_or(TryCurrentError)
    }

    /// Spawns a task from any thread. On a worker of this runtime it goes into that worker's queue, from elsewhere into an
    /// inbox. After shutdown began, the task is cancelled before its first poll.
    ///
    /// # Panics
    /// In a process that was forked from the runtime's.
    ///
    /// # Examples
    /// ```
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// let handle = runtime.handle().clone();
    /// let task = std::thread::spawn(move || handle.spawn(async { "from outside" })).join().unwrap();
    /// assert_eq!(runtime.block_on(task).unwrap(), "from outside");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        TaskBuilder::new().spawn_on(future, self)
    }

    /// As [`Runtime::block_on`]. It does not keep the runtime running: after a shutdown the future alone is polled on, and
    /// what it asks of the runtime fails.
    ///
    /// # Panics
    /// As [`Runtime::block_on`].
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on(&self.shared, future)
    }

    /// Makes this the current runtime of this thread until the guard is dropped, so that `spawn`, timers and sockets can be
    /// made outside a task. Guards are dropped in the reverse order of their making.
    ///
    /// # Panics
    /// The guard panics when it is dropped out of order. The call does in a process that was forked from the runtime's.
    #[track_caller]
    pub fn enter(&self) -> EnterGuard<'_> {
        self.shared.origin.require("enter");
        EnterGuard::new(&self.shared)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("flavour", &self.shared.config.flavour)
            .field("workers", &self.shared.config.workers)
            .field("stopping", &self.shared.is_stopping())
            .finish()
    }
}

impl futures_task::Spawn for Handle {
    #[track_caller]
    fn spawn_obj(&self, future: futures_task::FutureObj<'static, ()>) -> Result<(), futures_task::SpawnError> {
        self.status()?;
        drop(self.spawn(future));
        Ok(())
    }

    fn status(&self) -> Result<(), futures_task::SpawnError> {
        if self.shared.is_stopping() { Err(futures_task::SpawnError::shutdown()) } else { Ok(()) }
    }
}
