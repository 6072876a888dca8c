//! Dedicated threads: one closure each, for as long as it likes, with a token that asks it to stop.
//!
//! What runs for minutes has no place in the pool, where it would hold a thread that jobs wait for. A dedicated thread is the
//! same kind of task as a job of the pool (one cell, one poll, the same handle), and it can be asked to end: by whoever
//! holds its [`Stop`], and by the runtime's shutdown.
//!
//! - **V1** Every thread is a member from before it is made until its closure has returned, so a shutdown asks each, and
//!   names those that do not end. (It waits for them as for all threads, see `crew`.)
//! - **V2** After `close` none is made.
//!
//! Cases of the catalogue: BLK-04, BLK-07 to BLK-09.

use super::blocking::{Running, refuse, refuse_for_want_of_thread, run};
use super::report::TaskInfo;
use super::shared::Shared;
use super::worker::or_abort;
use crate::base::atomic::{Condvar, Mutex};
use crate::driver::clock::real_now;
use crate::task::{Birth, JoinHandle, Queued};
use slab::Slab;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Asks a thread to end, and lets it know: a flag that can be slept on.
///
/// A thread that works in rounds asks [`is_requested`](Self::is_requested) in each; one that waits between them waits
/// with [`wait`](Self::wait), which a request ends. Clones are the same token.
///
/// # Examples
/// ```
/// use mainspring::thread::Stop;
/// use std::time::Duration;
/// let stop = Stop::new();
/// assert!(!stop.wait(Duration::from_millis(1)));
/// stop.request();
/// assert!(stop.wait(Duration::MAX), "and at once");
/// ```
#[derive(Clone, Debug)]
pub struct Stop {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// A token that nobody has asked anything of.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::new((Mutex::new(false), Condvar::new())) }
    }

    /// Asks to end. From any thread; asking twice is asking once.
    pub fn request(&self) {
        *self.shared.0.lock() = true;
        self.shared.1.notify_all();
    }

    /// Has anybody asked?
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.shared.0.lock()
    }

    /// Blocks this thread until somebody asks, or for that long: true if asked.
    #[must_use = "true means that it is time to end"]
    pub fn wait(&self, timeout: Duration) -> bool {
        let started = real_now();
        let mut requested = self.shared.0.lock();
        while !*requested {
            // Bounded, since a condition variable adds it to the clock: half a year is as good as for ever in a loop.
            let left = timeout.saturating_sub(started.elapsed()).min(Duration::from_secs(1 << 24));
            if left.is_zero() {
                return false;
            }
            (requested, _) = self.shared.1.wait_for(requested, left);
        }
        true
    }
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

/// The dedicated threads of one runtime.
pub(crate) struct Dedicated {
    locked: Mutex<Members>,
}

struct Members {
    /// Who is there, and how to ask it to end.
    members: Slab<(Running, Stop)>,
    /// V2.
    closed: bool,
}

/// How a thread is to be made.
pub(crate) struct Plan {
    pub(crate) stack_size: Option<usize>,
    pub(crate) stop: Stop,
}

impl Shared {
    /// Runs a closure on a thread of its own, which has the task's name or else the runtime's.
    pub(crate) fn spawn_dedicated<F, R>(self: &Arc<Self>, job: F, birth: Birth, plan: Plan) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let name = birth.name().map_or_else(|| format!("{}-dedicated", self.config.thread_name), str::to_owned);
        let (task, handle) = self.make_job(job, birth);
        match self.dedicated.enter(Running::of(task.header()), plan.stop) {
            Some(place) => self.start(task, place, name, plan.stack_size).map(|()| handle),
            None => {
                refuse(self, task);
                Ok(handle)
            }
        }
    }

    fn start(self: &Arc<Self>, task: Queued, place: usize, name: String, stack: Option<usize>) -> io::Result<()> {
        // Shared with the thread, so that the task is still here if there will be none.
        let task = Arc::new(Mutex::new(Some(task)));
        let taken = task.clone();
        let live = move |shared: &Arc<Self>| {
            let task = taken.lock().take().expect("taken back only if no thread was made");
            or_abort(|| run(shared, task));
            shared.dedicated.leave(place);
        };
        let made = self.start_thread(name, stack.or(self.config.thread_stack_size), || (), live);
        if made.is_err() {
            self.dedicated.leave(place);
            let task = task.lock().take().expect("no thread was made, so none has taken it");
            refuse_for_want_of_thread(self, task);
        }
        made
    }
}

impl Dedicated {
    pub(crate) fn new() -> Self {
        Self { locked: Mutex::new(Members { members: Slab::new(), closed: false }) }
    }

    /// V1; `None` after `close`.
    fn enter(&self, who: Running, stop: Stop) -> Option<usize> {
        let mut all = self.locked.lock();
        if all.closed { None } else { Some(all.members.insert((who, stop))) }
    }

    fn leave(&self, place: usize) {
        let gone = self.locked.lock().members.remove(place);
        drop(gone); // after the lock
    }

    /// Asks everybody to end, and takes nobody any more.
    pub(crate) fn close(&self) {
        let mut all = self.locked.lock();
        all.closed = true;
        all.members.iter().for_each(|(_, (_, stop))| stop.request());
    }

    /// Who has not ended.
    pub(super) fn running(&self, now_ms: u32, into: &mut Vec<TaskInfo>) {
        for (_, (who, _)) in &self.locked.lock().members {
            into.push(TaskInfo::of_job(who, now_ms));
        }
    }
}
