//! The end, in phases: stop, cancel, wait with a deadline, report.
//!
//! 1. *Stop.* From now on whatever is spawned is cancelled at once, and so is every blocking job that has not begun. Every
//!    worker is notified.
//! 2. *Cancel.* Each worker, when the poll it is in returns, notes who is alive, asks every task of its registry to go, and
//!    runs them (which drops them) until the registry is empty and its inbox closed (S3). Cores that rest are drained here.
//! 3. *Wait.* Until all cores and all threads are gone, or the time is up. A thread that is stuck in a task keeps its core
//!    and goes through phase 2 by itself when the task returns.
//! 4. *Report.* Who was cancelled, and what is stuck in which task.

use crate::driver::clock::real_now;
use crate::sched::crew::CREW;
use crate::sched::local::{LOCAL, Local};
use crate::sched::report::ShutdownReport;
use crate::sched::shared::Shared;
use crate::sched::{core::CORE, worker};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Does this thread run the runtime's tasks right now? Then it drains its core when it is back in its loop.
pub(super) fn runs_tasks_of(shared: &Arc<Shared>) -> bool {
    let holds_core = CORE.with(|core| core.is_some_and(|core| Arc::ptr_eq(&core.shared, shared)));
    holds_core || LOCAL.with(|local| local.is_some_and(|local| Arc::ptr_eq(local.shared(), shared)))
}

/// Would waiting for the runtime be waiting for this thread itself? Also if it is in another runtime's `block_on`.
pub(super) fn is_inside(shared: &Arc<Shared>) -> bool {
    runs_tasks_of(shared) || CREW.with(|made_for| made_for.is_some_and(|made_for| Arc::ptr_eq(made_for, shared)))
}

/// All four phases.
pub(super) fn shut_down(shared: &Arc<Shared>, timeout: Duration) -> ShutdownReport {
    begin(shared);
    let started = real_now();
    let cores_gone = wait_for_the_end(shared, timeout);
    // Asked even if the time is up: what has ended is not to be called stuck.
    let threads_gone = shared.crew.wait_until_left(timeout.saturating_sub(started.elapsed()));
    let complete = cores_gone && threads_gone;
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
    while let Some(core) = shared.take_to_drain() {
        // What is dropped may look for its runtime and spawn local tasks, which are cancelled at once.
        let local = Local::new(shared.clone());
        // The thread may be inside another runtime; its own place is kept.
        local.inside(|| worker::close_with(core, &local).into_iter().for_each(worker::end));
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
