//! The end, in phases: stop, cancel, wait with a deadline, report.
//!
//! 1. *Stop.* From now on whatever is spawned is cancelled at once, and so is every blocking job that has not begun. Every
//!    worker is notified.
//! 2. *Cancel.* Each worker, when the poll it is in returns, notes who is alive, asks every task of its registry to go, and
//!    runs them (which drops them) until the registry is empty and its inbox closed (S3). Cores that rest are drained here.
//! 3. *Wait.* Until all cores and the pool's threads are gone, or the time is up. A thread that is stuck in a task keeps its core and goes through
//!    phase 2 by itself when the task returns.
//! 4. *Report.* Who was cancelled, and what is stuck in which task.

use crate::driver::clock::real_now;
use crate::sched::local::{LOCAL, Local};
use crate::sched::report::ShutdownReport;
use crate::sched::shared::Shared;
use crate::task::CURRENT;
use crate::sched::{core::CORE, worker};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Is this thread one of the runtime's own right now, so that waiting for the runtime would be waiting for itself?
pub(super) fn is_inside(shared: &Arc<Shared>) -> bool {
    let holds_core = CORE.with(|core| core.is_some_and(|core| Arc::ptr_eq(&core.shared, shared)));
    // A blocking job of the runtime is waited for, too.
    let is_job = CURRENT.with(|task| task.is_some_and(|task| shared.is_home_of(task)));
    holds_core || is_job || LOCAL.with(|local| local.is_some_and(|local| Arc::ptr_eq(local.shared(), shared)))
}

/// All four phases.
pub(super) fn shut_down(shared: &Arc<Shared>, timeout: Duration) -> ShutdownReport {
    begin(shared);
    let started = real_now();
    let cores_gone = wait_for_the_end(shared, timeout);
    let left = || timeout.saturating_sub(started.elapsed());
    // Each is asked, even if the time is up: what has ended is not to be called stuck.
    let jobs_gone = shared.blocking.wait_until_left(left());
    let threads_gone = shared.dedicated.wait_until_left(left());
    let complete = cores_gone && jobs_gone && threads_gone;
    shared.report.finish(shared, complete)
}

/// Phases 1 and 2, without waiting for threads that hold a core: they go through phase 2 by themselves.
pub(super) fn begin(shared: &Arc<Shared>) {
    stop(shared);
    drain_resting(shared);
}

/// Phase 1.
pub(super) fn stop(shared: &Arc<Shared>) {
    shared.stop();
    shared.blocking.close(shared);
    shared.dedicated.close();
}

/// Cores that no thread holds are drained on this one.
fn drain_resting(shared: &Arc<Shared>) {
    while let Some(core) = shared.resting.take() {
        // What is dropped may look for its runtime and spawn local tasks, which are cancelled at once.
        let local = Local::new(shared.clone());
        // The thread may be inside another runtime; its own place is kept.
        local.inside(|| {
            core.close_local(&local);
            worker::end(core);
        });
    }
}

/// True when all cores are gone in time.
fn wait_for_the_end(shared: &Arc<Shared>, timeout: Duration) -> bool {
    let started = real_now();
    while !shared.resting.is_over_or_unpark(thread::current()) {
        // A core that came to rest before this thread was registered; one that comes later unparks it.
        drain_resting(shared);
        let left = timeout.saturating_sub(started.elapsed());
        if shared.resting.is_over() {
            break;
        }
        if left.is_zero() {
            return false;
        }
        thread::park_timeout(left);
    }
    true
}
