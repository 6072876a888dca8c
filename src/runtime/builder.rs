//! Deciding what a runtime is like.

use super::handle::{Handle, Runtime};
use crate::base::sys;
use crate::driver::{Clock, Driver};
use crate::sched::blocking::Limits;
use crate::sched::report::UnhandledPanic;
use crate::sched::shared::{Config, Flavour, Shared};
use crate::sched::worker;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// More workers than this are refused: each has an epoll descriptor, a wheel and a ring of its own.
const WORKERS_MAX: usize = 1_024;
/// A worker's stack below this overflows in the standard library's own frames.
const STACK_MIN: usize = 16 << 10;
/// Events taken from the kernel in one turn; the rest are taken in the next. 1,024 entries are 12 KiB.
const EVENTS_PER_TURN: usize = 1_024;

/// Builds a [`Runtime`].
///
/// # Examples
/// ```
/// use mainspring::runtime::Builder;
/// let runtime = Builder::new_multi_thread().workers(2).thread_name("app").build()?;
/// assert_eq!(runtime.block_on(async { 1 + 1 }), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Builder {
    flavour: Flavour,
    /// `None`: one for each processor this process may use.
    workers: Option<usize>,
    thread_name: String,
    thread_stack_size: Option<usize>,
    on_thread_start: Arc<dyn Fn() + Send + Sync>,
    on_thread_stop: Arc<dyn Fn() + Send + Sync>,
    limits: Limits,
    shutdown_timeout: Duration,
    on_unhandled_panic: Arc<dyn Fn(&UnhandledPanic<'_>) + Send + Sync>,
    seed: u64,
}

impl Builder {
    fn new(flavour: Flavour, seed: u64) -> Self {
        Self {
            flavour,
            workers: if flavour == Flavour::MultiThread { None } else { Some(1) },
            thread_name: "mainspring-worker".to_owned(),
            thread_stack_size: None,
            on_thread_start: Arc::new(|| ()),
            on_thread_stop: Arc::new(|| ()),
            limits: Limits { threads_max: 512, queue_max: 65_536, keep_alive: Duration::from_secs(10) },
            shutdown_timeout: Duration::from_secs(10),
            on_unhandled_panic: Arc::new(|panic| eprintln!("mainspring: {panic}")),
            seed,
        }
    }

    /// One worker and no thread of its own: tasks run on whatever thread is inside `block_on`, and only then.
    #[must_use]
    pub fn new_current_thread() -> Self {
        Self::new(Flavour::CurrentThread, 0)
    }

    /// As many workers as [`workers`](Self::workers) says, each with a thread, so that tasks make progress even while
    /// nobody is inside `block_on`.
    #[must_use]
    pub fn new_multi_thread() -> Self {
        Self::new(Flavour::MultiThread, 0)
    }

    /// The same tasks and timers in a simulated world: one thread, and a clock that leaps to the next timer whenever
    /// everything is idle. Which ready task runs next is drawn from the seed. The same seed gives the same run, which
    /// [`Runtime::event_hash`] can prove.
    ///
    /// Sockets are not simulated yet: making one gives [`io::ErrorKind::Unsupported`].
    ///
    /// # Examples
    /// ```
    /// use mainspring::{runtime::Builder, time};
    /// let run = |seed| {
    ///     let runtime = Builder::new_simulated(seed).build().unwrap();
    ///     let slept = runtime.block_on(async {
    ///         let start = time::Instant::now();
    ///         time::sleep(time::Duration::from_secs(86_400)).await;
    ///         start.elapsed()
    ///     });
    ///     (slept, runtime.event_hash())
    /// };
    /// assert_eq!(run(7), run(7));
    /// assert_eq!(run(7).0.as_secs(), 86_400);
    /// ```
    #[must_use]
    pub fn new_simulated(seed: u64) -> Self {
        Self::new(Flavour::Simulated, seed)
    }

    /// How many workers the multi-thread flavour has; without this call, one for each processor. The other flavours have
    /// one, and [`build`](Self::build) refuses another number.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// What the workers' threads are called; a number is added.
    #[must_use]
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        self
    }

    /// The workers' stack size in bytes; without this call, the standard library's.
    #[must_use]
    pub fn thread_stack_size(mut self, bytes: usize) -> Self {
        self.thread_stack_size = Some(bytes);
        self
    }

    /// Called on each thread of the runtime's own, workers and the pool's, before it does anything else. A panic in it is
    /// swallowed.
    ///
    /// # Examples
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
    /// let started = Arc::new(AtomicUsize::new(0));
    /// let count = started.clone();
    /// let runtime = mainspring::runtime::Builder::new_current_thread()
    ///     .on_thread_start(move || drop(count.fetch_add(1, Ordering::Relaxed)))
    ///     .build()?;
    /// runtime.block_on(runtime.handle().spawn_blocking(|| ())).unwrap();
    /// assert_eq!(started.load(Ordering::Relaxed), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn on_thread_start(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_thread_start = Arc::new(hook);
        self
    }

    /// As [`on_thread_start`](Self::on_thread_start), at the end of each thread.
    #[must_use]
    pub fn on_thread_stop(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_thread_stop = Arc::new(hook);
        self
    }

    /// How many threads blocking jobs may have, beside the workers; 512 without this call. A job that waits for another
    /// holds its thread meanwhile, so a limit below the depth of such nesting is a deadlock.
    #[must_use]
    pub fn max_blocking_threads(mut self, threads: usize) -> Self {
        self.limits.threads_max = threads;
        self
    }

    /// How many blocking jobs may wait before [`try_spawn_blocking`](crate::task::try_spawn_blocking) refuses more; 65,536
    /// without this call. `spawn_blocking` refuses none: like a task, each is held by whoever spawned it.
    #[must_use]
    pub fn max_blocking_queue(mut self, jobs: usize) -> Self {
        self.limits.queue_max = jobs;
        self
    }

    /// How long a thread of the pool waits for the next job before it ends; 10 seconds without this call.
    #[must_use]
    pub fn thread_keep_alive(mut self, time: Duration) -> Self {
        self.limits.keep_alive = time;
        self
    }

    /// How long dropping the runtime waits for a task that does not return; 10 seconds without this call. What is stuck
    /// then is named on stderr.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Called for a panic in a task whose output nobody will read; without this call it is written to stderr. A panic in
    /// the hook itself is swallowed.
    ///
    /// # Examples
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// let seen = Arc::new(Mutex::new(String::new()));
    /// let log = seen.clone();
    /// let runtime = mainspring::runtime::Builder::new_current_thread()
    ///     .on_unhandled_panic(move |panic| *log.lock().unwrap() = panic.message().to_owned())
    ///     .build()?;
    /// runtime.block_on(async {
    ///     drop(mainspring::spawn(async { panic!("nobody looks") }));
    ///     mainspring::task::yield_now().await;
    /// });
    /// assert_eq!(*seen.lock().unwrap(), "nobody looks");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn on_unhandled_panic(mut self, hook: impl Fn(&UnhandledPanic<'_>) + Send + Sync + 'static) -> Self {
        self.on_unhandled_panic = Arc::new(hook);
        self
    }

    /// Makes the runtime, and starts its threads.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a number of workers, a stack size or a thread name that cannot be; else what
    /// the kernel says when it gives no descriptor or no thread. Nothing is left behind then.
    pub fn build(self) -> io::Result<Runtime> {
        let workers = self.checked_workers()?;
        self.check_threads()?;
        let clock = Arc::new(Clock::new());
        let mut drivers = Vec::with_capacity(workers);
        for _ in 0..workers {
            drivers.push(self.driver(&clock)?);
        }
        let timeout = self.shutdown_timeout;
        let config = Config {
            flavour: self.flavour,
            workers,
            is_crowded: workers > sys::parallelism(),
            thread_name: self.thread_name,
            thread_stack_size: self.thread_stack_size,
            on_thread_start: self.on_thread_start,
            on_thread_stop: self.on_thread_stop,
            limits: self.limits,
            on_unhandled_panic: self.on_unhandled_panic,
            seed: self.seed,
        };
        let shared = Shared::new(config, drivers);
        // From here on dropping the runtime stops what was started.
        let runtime = Runtime::new_with(Handle::of(shared.clone()), timeout);
        if shared.config.flavour == Flavour::MultiThread {
            (0..workers).try_for_each(|index| start_thread(&shared, index))?;
        }
        Ok(runtime)
    }

    fn driver(&self, clock: &Arc<Clock>) -> io::Result<Arc<Driver>> {
        match self.flavour {
            Flavour::Simulated => Ok(Driver::simulated(clock, self.seed)),
            Flavour::CurrentThread | Flavour::MultiThread => Driver::real(clock, EVENTS_PER_TURN),
        }
    }

    fn checked_workers(&self) -> io::Result<usize> {
        let workers = self.workers.unwrap_or_else(sys::parallelism);
        match self.flavour {
            Flavour::MultiThread if (1..=WORKERS_MAX).contains(&workers) => Ok(workers),
            Flavour::MultiThread => refuse(format!("`workers` must be between 1 and {WORKERS_MAX}, not {workers}")),
            _ if workers == 1 => Ok(1),
            _ => refuse(format!("this flavour has one worker, not {workers}: use `Builder::new_multi_thread` for more")),
        }
    }

    fn check_threads(&self) -> io::Result<()> {
        if self.thread_name.contains('\0') {
            return refuse("`thread_name` must not contain a NUL byte".to_owned());
        }
        if self.limits.threads_max == 0 {
            return refuse("`max_blocking_threads` must be at least 1, or no blocking job would ever run".to_owned());
        }
        match self.thread_stack_size {
            Some(bytes) if bytes < STACK_MIN => {
                refuse(format!("`thread_stack_size` must be at least {STACK_MIN} bytes, not {bytes}"))
            }
            _ => Ok(()),
        }
    }
}

fn refuse<T>(why: String) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

fn start_thread(shared: &Arc<Shared>, index: usize) -> io::Result<()> {
    let name = format!("{}-{index}", shared.config.thread_name);
    shared.start_thread(name, shared.config.thread_stack_size, || (), worker::run_thread)
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("flavour", &self.flavour)
            .field("workers", &self.workers)
            .field("thread_name", &self.thread_name)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
