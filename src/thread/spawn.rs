//! Starting a thread of its own.

use crate::runtime::current;
use crate::sched::dedicated::{Plan, Stop};
use crate::task::{Birth, JoinHandle};
use std::io;
use std::panic::Location;

/// Runs a closure on a thread of its own; [`Builder`] gives it a name, a stack and a token that asks it to stop.
///
/// # Cancellation
/// **Detached.** A thread cannot be stopped from outside, only asked. Aborting the handle does nothing once it runs; a
/// shutdown asks through the token that [`Builder::spawn`] gives, waits, and names the thread if it does not end.
///
/// # Errors
/// What the system says when it gives no thread; in a simulation [`io::ErrorKind::Unsupported`], since a second thread would
/// be one that the seed knows nothing of.
///
/// # Panics
/// Outside a runtime.
///
/// # Examples
/// ```
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let answer = runtime.block_on(async { mainspring::thread::spawn(|| 6 * 7)?.await.map_err(Into::into) });
/// assert_eq!(answer.map_err(|error: std::io::Error| error.kind()), Ok(42));
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn spawn<F, R>(body: F) -> io::Result<JoinHandle<R>>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    Builder::new().spawn(|_| body())
}

/// Says what a thread is like.
///
/// # Examples
/// ```
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let _inside = runtime.enter();
/// let name = mainspring::thread::Builder::new()
///     .name("scribe")
///     .stack_size(256 << 10)
///     .spawn(|_| std::thread::current().name().map(str::to_owned))?;
/// assert_eq!(runtime.block_on(name).unwrap().as_deref(), Some("scribe"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder {
    name: Option<String>,
    stack_size: Option<usize>,
    daemon: bool,
    stop: Stop,
}

impl Builder {
    /// No name, the runtime's stack size, not a daemon.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name that the system, reports and panics show.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The stack's size in bytes; without this call, that of the runtime's other threads.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// [`Runtime::run`](crate::runtime::Runtime::run) does not wait for a daemon. A shutdown asks it to stop like any other.
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.daemon = daemon;
        self
    }

    /// The token that the thread will be given, to be kept by whoever asks it to stop.
    #[must_use]
    pub fn stop_token(&self) -> Stop {
        self.stop.clone()
    }

    /// Starts the thread; see [`spawn`].
    ///
    /// # Errors
    /// As [`spawn`], and [`io::ErrorKind::InvalidInput`] for a name with a NUL byte.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F, R>(self, body: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce(Stop) -> R + Send + 'static,
        R: Send + 'static,
    {
        let shared = current("thread::spawn");
        if self.name.as_ref().is_some_and(|name| name.contains('\0')) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a thread's name must not contain a NUL byte"));
        }
        if shared.workers[0].driver.is_simulated() {
            let why = "a simulation has one thread: use `task::spawn_blocking`, which runs as a task there";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        let birth = Birth { daemon: self.daemon, ..Birth::at(Location::caller()) }.named(self.name);
        let stop = self.stop.clone();
        shared.spawn_dedicated(move || body(stop), birth, Plan { stack_size: self.stack_size, stop: self.stop })
    }
}
