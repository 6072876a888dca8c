//! Spawning: the free functions, and the builder that gives a task a name.

use super::handle::Handle;
use crate::base::context;
use crate::base::sys::fork;
use crate::sched::core::CORE;
use crate::sched::local::LOCAL;
use crate::sched::shared::{RUNTIME, Shared};
use crate::task::{Birth, JoinHandle};
use std::panic::Location;
use std::sync::Arc;
use std::{error, fmt};

/// Spawns a task on the current runtime. It runs whether or not the handle is kept.
///
/// The future is moved into its cell over this thread's stack: one of megabytes belongs into a `Box::pin` first (TSK-20).
///
/// # Panics
/// Outside a runtime; [`Handle::spawn`](crate::runtime::Handle::spawn) works anywhere.
///
/// # Examples
/// ```
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let sum = runtime.block_on(async {
///     let tasks: Vec<_> = (1..=10).map(|n| mainspring::spawn(async move { n * n })).collect();
///     let mut sum = 0;
///     for task in tasks {
///         sum += task.await.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 385);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    Builder::new().spawn(future)
}

/// Spawns a task that stays on this thread, so that its future need not be `Send`. It is polled and dropped here only.
///
/// It ends with the `block_on` that this thread is in; on a worker's own thread, with the runtime.
///
/// # Panics
/// On a thread that is neither inside `block_on` nor a worker.
///
/// # Examples
/// ```
/// use std::{cell::Cell, rc::Rc};
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let shared = Rc::new(Cell::new(0));
/// let count = shared.clone();
/// runtime.block_on(async move {
///     let task = mainspring::spawn_local(async move { count.set(count.get() + 1) });
///     task.await.unwrap();
/// });
/// assert_eq!(shared.get(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: 'static> + 'static,
{
    match Builder::new().spawn_local(future) {
        Ok(handle) => handle,
        Err(_) if context::is_cut_off() => fork::refuse("spawn_local"),
        Err(error) => panic!("{error}"),
    }
}

/// The runtime that this thread is in, for a door that needs one.
#[track_caller]
pub(crate) fn current(what: &str) -> Arc<Shared> {
    match RUNTIME.with(|shared| shared.cloned()) {
        Some(shared) => shared,
        None => needs_a_runtime(what),
    }
}

#[cold]
#[track_caller]
pub(super) fn needs_a_runtime(what: &str) -> ! {
    if context::is_cut_off() {
        fork::refuse(what);
    }
    panic!("`{what}` needs a runtime: call it inside `Runtime::block_on`, inside a task, or under `Handle::enter`")
}

/// Gives a task what `spawn` does not: a name, and whether [`Runtime::run`](crate::runtime::Runtime::run) waits for it.
///
/// # Examples
/// ```
/// let runtime = mainspring::runtime::Runtime::new()?;
/// runtime.block_on(async {
///     let task = mainspring::task::Builder::new().name("adder").spawn(async { 1 + 1 });
///     assert_eq!(task.name(), Some("adder"));
///     assert_eq!(task.await.unwrap(), 2);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder {
    name: Option<String>,
    daemon: bool,
}

/// There is nowhere on this thread to put a local task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpawnLocalError;

impl fmt::Display for SpawnLocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "`spawn_local` needs a thread that runs tasks: call it inside `Runtime::block_on` or inside a task; under \
             `Handle::enter` alone nobody would poll it",
        )
    }
}

impl error::Error for SpawnLocalError {}

impl Builder {
    /// No name, and not a daemon.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name that reports, panics and [`JoinHandle::name`] show.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A daemon is work that may be cut off: `run` does not wait for it.
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.daemon = daemon;
        self
    }

    /// Spawns on the current runtime.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let birth = self.birth(Location::caller());
        // The runtime that counts is the one entered last, which need not be the one whose core this thread holds.
        let here = RUNTIME.with(|entered| CORE.with(|core| Some(Arc::ptr_eq(entered?, &core?.shared))));
        if here == Some(true) {
            return CORE.with(|core| core.expect("looked at just now").spawn(future, birth));
        }
        current("spawn").spawn_outside(future, birth)
    }

    /// Spawns on the runtime of this handle, from any thread.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let birth = self.birth(Location::caller());
        handle.shared().spawn(future, birth)
    }

    /// Spawns a task that stays on this thread.
    ///
    /// # Errors
    /// [`SpawnLocalError`] on a thread that is neither inside `block_on` nor a worker.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> Result<JoinHandle<F::Output>, SpawnLocalError>
    where
        F: Future<Output: 'static> + 'static,
    {
        let birth = self.birth(Location::caller());
        LOCAL.with(|local| local.map(|local| local.spawn(future, birth)).ok_or(SpawnLocalError))
    }

    #[inline(always)]
    pub(super) fn birth(self, spawned_at: &'static Location<'static>) -> Birth {
        Birth { daemon: self.daemon, ..Birth::at(spawned_at) }.named(self.name)
    }
}
