#![allow(unsafe_code, reason = "a core passes to another thread while frames of the first still hold references to it")]
//! Blocking in place: a task that blocks its thread gives the core away first.
//!
//! ```text
//!   thread A   poll ── block_in_place ─┬──────── the closure blocks ────────┬── rest of the poll ──> in line for a core
//!   core       held by A               └─> next in line, or a spare thread, runs it from here on
//! ```
//!
//! This is the one way in which a core leaves a thread in the midst of a poll, for here the thread itself gives it up (S1).
//! What is not Send stays: the thread's own tasks, its queue and its parker. The task that blocks stays registered with
//! the core's worker, and ends like one that was finished elsewhere.
//!
//! 1. *Give.* The core goes to whoever is first in line. If nobody is, a spare thread is made for it, and until that has come
//!    the core rests. If no thread can be made, or as many were made as the pool may have threads, the core stays,
//!    and the closure holds up its worker like any other code that blocks: the guard looks after it (`rescue`).
//! 2. *Go on.* After the closure the poll goes on without a core, as on any thread outside.
//! 3. *Leave.* When it is over, the frames below see that the core is not theirs any more ([`Core::is_held`]), and go back
//!    to the line without touching it.
//! 4. *Retire.* A thread that has stood in line for the pool's keep-alive leaves, if there are more than the workers and
//!    those in place. So each core has a thread, whichever that is.
//!
//! - **G1** There is one [`Grip`] for each core, and who has it is the holder. The `Arc` that a working thread keeps beside it
//!   only keeps the memory, for the references in its frames; it is read again only while the grip is with its thread.
//! - **G2** A grip is given away only inside the poll of a task that the loop runs, or `Local::close`: nobody below is in the
//!   midst of anything then. (`work` and `close_with` put the grip within reach, and only while their loops run.)
//! - **G3** A core at rest while a task is in place has a thread on its way: the spare made for it, or the one in place.
//!
//! Cases of the catalogue: SCH-12, SHD-02, MIS-02.

use super::blocking::Running;
use super::core::{CORE, Core};
use super::local::{LOCAL, Local};
use super::report::TaskInfo;
use super::shared::{Flavour, Shared, Worker};
use super::worker;
use crate::base::atomic::Mutex;
use crate::base::context;
use crate::base::sys::fork;
use crate::driver::TURNING;
use crate::task::budget::TIME_SLICE;
use crate::task::{CURRENT, IN_PLACE, POOL, Ran};
use slab::Slab;
use std::ops::Deref;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// The right to run a core (G1).
pub(crate) struct Grip(Arc<Core>);

// SAFETY: by G1 the thread that has the grip is the only one that reads or writes the core; a thread that gave it away keeps
// memory alive and nothing else. The reference count orders what one did before the drop on another.
unsafe impl Send for Grip {}

impl Grip {
    #[allow(clippy::arc_with_non_send_sync, reason = "it is no Arc for sharing: see G1")]
    pub(super) fn new(core: Core) -> Self {
        Self(Arc::new(core))
    }

    /// The core's memory, for frames that may lose the grip.
    pub(super) fn memory(&self) -> Arc<Core> {
        self.0.clone()
    }
}

impl Deref for Grip {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.0
    }
}

/// The tasks in place, and the threads that stand in for theirs.
pub(crate) struct InPlace {
    locked: Mutex<Members>,
}

struct Members {
    /// What each of them is, for the report.
    running: Slab<Running>,
    /// How many threads there are, or are being made, beyond one for each worker.
    extra: usize,
    /// How many were ever made, for their names.
    hired: usize,
}

impl InPlace {
    pub(crate) fn new() -> Self {
        Self { locked: Mutex::new(Members { running: Slab::new(), extra: 0, hired: 0 }) }
    }

    /// Is anybody in place?
    pub(crate) fn is_any(&self) -> bool {
        !self.locked.lock().running.is_empty()
    }

    /// Adds the tasks in place.
    pub(super) fn running(&self, now_ms: u32, into: &mut Vec<TaskInfo>) {
        for (_, task) in &self.locked.lock().running {
            into.push(TaskInfo::of_job(task, now_ms));
        }
    }

    /// How long a thread may stand in line before it asks whether it is one too many; `None` while there is no spare.
    pub(super) fn keep_alive(&self, time: Duration) -> Option<Duration> {
        (self.locked.lock().extra > 0).then_some(time)
    }

    /// 4. True if the caller is to leave.
    pub(super) fn retire(&self) -> bool {
        let mut members = self.locked.lock();
        let surplus = members.extra > members.running.len();
        members.extra -= usize::from(surplus);
        surplus
    }

    /// One that was to leave has been given a core.
    pub(super) fn stay(&self) {
        self.locked.lock().extra += 1;
    }
}

/// Is the task being polled on this thread in place? Then it may block.
pub(crate) fn is_in_place() -> bool {
    let task = IN_PLACE.as_ptr();
    !task.is_null() && ptr::eq(task, CURRENT.as_ptr())
}

/// Is a task in place further down on this thread's stack?
pub(crate) fn is_below() -> bool {
    !IN_PLACE.as_ptr().is_null()
}

/// Runs a closure that blocks, on this thread, without holding up a worker. User code runs here.
#[track_caller]
pub(crate) fn block_in_place<R>(body: impl FnOnce() -> R) -> R {
    let is_plain = CURRENT.with(|task| task.is_none_or(|task| task.flags.get().is_job));
    let Some(shared) = LOCAL.with(|local| local.map(|local| local.shared().clone())) else { return body() };
    if is_plain || is_in_place() || shared.config.flavour == Flavour::Simulated {
        return body();
    }
    assert!(
        shared.config.flavour == Flavour::MultiThread,
        "`block_in_place` needs another worker that takes over, and the current-thread flavour has none: use \
         `spawn_blocking(..).await`, or `Builder::new_multi_thread`"
    );
    let _place = Taken::new(&shared);
    hand_over(&shared);
    let _budget = context::pause();
    CURRENT.with(|task| IN_PLACE.scope(task.expect("looked at above"), body))
}

/// An entry among those in place, until it is dropped.
struct Taken<'a> {
    shared: &'a Shared,
    place: usize,
}

impl<'a> Taken<'a> {
    fn new(shared: &'a Shared) -> Self {
        let task = CURRENT.with(|task| Running::of(task.expect("a task is in place")));
        Self { shared, place: shared.in_place.locked.lock().running.insert(task) }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let gone = self.shared.in_place.locked.lock().running.remove(self.place);
        drop(gone); // after the lock
    }
}

/// Step 1. Not while the runtime ends: then it is the core's holder that waits for the task. A thread without a core has nothing to
/// give, and stands in no line (L3).
fn hand_over(shared: &Arc<Shared>) {
    if shared.is_stopping() {
        return;
    }
    let Some(grip) = LOCAL.with(|local| local.and_then(Local::take_grip)) else { return };
    grip.worker().end_batch();
    match shared.resting.give(grip) {
        Ok(()) => withdraw(),
        Err(grip) if shared.hire_spare() => {
            withdraw();
            shared.resting.put(grip);
        }
        Err(grip) => LOCAL.with(|local| local.expect("it was there").put_grip(grip)),
    }
}

/// The task in place calls `block_on`, which needs a core if one is to be had: its own, if that could not be handed over, rests
/// until somebody takes it, and `block_on` does so next.
pub(crate) fn let_go() {
    let grip = LOCAL.with(|local| local.filter(|_| is_in_place()).and_then(Local::take_grip));
    if let Some(grip) = grip {
        withdraw();
        let shared = grip.shared.clone();
        shared.resting.put(grip);
    }
}

/// Nothing of the core is lent on this thread any more.
fn withdraw() {
    CORE.withdraw();
    POOL.withdraw();
    TURNING.withdraw();
    TIME_SLICE.withdraw();
}

impl Core {
    /// Does this thread hold it still (3)? Asked after each poll, so it must cost next to nothing; it reads nothing of the core.
    #[inline]
    pub(super) fn is_held(&self) -> bool {
        ptr::eq(CORE.as_ptr(), self)
    }
}

impl Shared {
    /// Makes a thread that takes the next core. False if there are too many, or the system gives none.
    fn hire_spare(self: &Arc<Self>) -> bool {
        let number = {
            let mut members = self.in_place.locked.lock();
            if members.extra >= self.config.limits.threads_max {
                return false;
            }
            members.extra += 1;
            members.hired += 1;
            members.hired
        };
        let name = format!("{}-spare-{number}", self.config.thread_name);
        let made = self.start_thread(name, self.config.thread_stack_size, || (), worker::run_thread).is_ok();
        if !made {
            self.in_place.locked.lock().extra -= 1;
        }
        made
    }

    /// The poll of a task of a core's is over, and the core is not this thread's any more: it was given away meanwhile (3), or left
    /// behind by a fork.
    #[cold]
    pub(super) fn end_poll_away(&self, ran: Ran, worker: &Worker) {
        if !self.origin.is_here() {
            // If the core was given away before the fork, the place is that of whatever another thread ran with it.
            let is_ours = self.in_place.locked.try_lock().is_some_and(|members| members.running.is_empty());
            fork::end_child(worker.polling_place().filter(|_| is_ours));
        }
        match ran {
            Ran::Idle(_) => {}
            Ran::Again(task) => {
                let home = self.worker_at(task.header().home());
                home.push_from_outside(task).expect("a live task's home is open (S3)");
            }
            Ran::Finished(finished) => {
                let counted = !finished.header().flags.get().daemon;
                self.send_home(finished);
                if counted {
                    self.count_finished_outside();
                    self.tell_quiet();
                }
            }
        }
    }
}
