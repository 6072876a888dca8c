//! What the end of a runtime, a panic nobody joins, and a stalled simulation have to say.

use super::blocking::Running;
use super::core::Core;
use super::shared::{Shared, coarse_ms};
use crate::base::atomic::{Mutex, Ordering};
use crate::task::{Header, Id, Queued, panic_message, wait};
use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::mem;
use std::panic::Location;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// So many tasks are described one by one; of the rest only the number is kept.
const DESCRIBED_MAX: usize = 100;

/// A panic in a task whose output nobody will read, as the runtime's hook sees it.
pub struct UnhandledPanic<'a> {
    task: &'a Header,
    payload: &'a (dyn Any + Send),
}

impl<'a> UnhandledPanic<'a> {
    pub(crate) fn new(task: &'a Header, payload: &'a (dyn Any + Send)) -> Self {
        Self { task, payload }
    }

    /// The task that panicked.
    #[must_use]
    pub fn id(&self) -> Id {
        self.task.public_id()
    }

    /// Its name, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.task.name()
    }

    /// Where it was spawned.
    #[must_use]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.task.spawned_at
    }

    /// What the panic said, if it said it in words.
    #[must_use]
    pub fn message(&self) -> &str {
        panic_message(self.payload)
    }

    /// The panic's payload.
    #[must_use]
    pub fn payload(&self) -> &(dyn Any + Send) {
        self.payload
    }
}

impl fmt::Display for UnhandledPanic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id())?;
        if let Some(name) = self.name() {
            write!(f, " \"{name}\"")?;
        }
        write!(f, ", spawned at {}, panicked and nobody joins it: {}", self.spawned_at(), self.message())
    }
}

impl fmt::Debug for UnhandledPanic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnhandledPanic({self})")
    }
}

/// One task, as a report shows it.
#[derive(Clone, Debug)]
pub struct TaskInfo {
    id: Id,
    name: Option<String>,
    spawned_at: Option<&'static Location<'static>>,
    waiting_for: String,
    age: Option<Duration>,
}

impl TaskInfo {
    fn of(header: &Header, now_ms: u32) -> Self {
        let waiting_for = match (header.has_started(), header.is_being_polled()) {
            (false, _) => "its first poll".to_owned(),
            (true, true) => "nothing: it is being polled".to_owned(),
            (true, false) => wait::of(header).to_string(),
        };
        Self {
            id: header.public_id(),
            name: header.name().map(str::to_owned),
            spawned_at: Some(header.spawned_at),
            waiting_for,
            age: Some(age(header.born_ms, now_ms)),
        }
    }

    /// A blocking job under way.
    pub(super) fn of_job(job: &Running, now_ms: u32) -> Self {
        Self {
            id: Id::from_u64(job.id).expect("ids start at 1"),
            name: job.name.clone(),
            spawned_at: Some(job.spawned_at),
            waiting_for: "nothing: it is a blocking job, a thread, or a task that blocks in place; it has not returned, and cannot be stopped"
                .to_owned(),
            age: Some(age(job.born_ms, now_ms)),
        }
    }

    /// The task's number.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// Its name, if it has one that could be read.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was spawned.
    #[must_use]
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        self.spawned_at
    }

    /// What it waited for last, in words, with the source line.
    #[must_use]
    pub fn waiting_for(&self) -> &str {
        &self.waiting_for
    }

    /// How long ago it was spawned, to about a millisecond (it wraps after 52 days). `None` for a task that is stuck in a
    /// poll: another thread cannot read its birth.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.age
    }
}

/// The header's clock counts units of 2^20 ns.
fn age(born_ms: u32, now_ms: u32) -> Duration {
    Duration::from_nanos(u64::from(now_ms.wrapping_sub(born_ms)) << 20)
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.id)?;
        if let Some(name) = &self.name {
            write!(f, " \"{name}\"")?;
        }
        if let Some(at) = self.spawned_at {
            write!(f, ", spawned at {at}")?;
        }
        if let Some(age) = self.age {
            write!(f, " {}.{:03} s ago", age.as_secs(), age.subsec_millis())?;
        }
        write!(f, ", waits for {}", self.waiting_for)
    }
}

/// How a runtime ended: which tasks were still alive when it was shut down, and which could not be ended in time.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// let runtime = mainspring::runtime::Runtime::new()?;
/// drop(runtime.spawn(std::future::pending::<()>()));
/// let report = runtime.shutdown_timeout(Duration::from_secs(10));
/// assert!(report.is_complete());
/// assert_eq!(report.cancelled_count(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a report says what was cancelled and what is stuck"]
pub struct ShutdownReport {
    cancelled: Vec<TaskInfo>,
    cancelled_count: usize,
    stuck: Vec<TaskInfo>,
    complete: bool,
}

impl ShutdownReport {
    /// Did every task end and every worker stop in time?
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The first hundred of the tasks that were alive when the shutdown began and were cancelled by it.
    #[must_use]
    pub fn cancelled(&self) -> &[TaskInfo] {
        &self.cancelled
    }

    /// How many were cancelled in all.
    #[must_use]
    pub fn cancelled_count(&self) -> usize {
        self.cancelled_count
    }

    /// The tasks whose poll or drop did not return in time. Each still holds its thread.
    #[must_use]
    pub fn stuck(&self) -> &[TaskInfo] {
        &self.stuck
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.complete { "everything has ended" } else { "not everything has ended" };
        write!(f, "shutdown: {how}; {} tasks cancelled, {} stuck", self.cancelled_count, self.stuck.len())?;
        self.stuck.iter().try_for_each(|task| write!(f, "\n  stuck: {task}"))?;
        self.cancelled.iter().try_for_each(|task| write!(f, "\n  cancelled: {task}"))?;
        match self.cancelled_count.saturating_sub(self.cancelled.len()) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// What the workers have noted on their way out.
///
/// Each notes the tasks of its own registry before it cancels the first. But a sibling that is done with its own goes on with what
/// it steals, and would cancel a task whose home is still in a long poll, and has noted nothing yet. So whoever cancels a task of
/// another's notes it first, if its home has not; and the home leaves those out. Both do so under the lock, so each task is noted once.
pub(crate) struct Report {
    locked: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    report: ShutdownReport,
    /// The workers that have noted their tasks, by index.
    noted: Vec<usize>,
    /// The numbers of the tasks that a sibling has noted before their home did.
    ahead: BTreeSet<u64>,
}

impl Notes {
    fn note(&mut self, task: &Header, now_ms: u32) {
        self.report.cancelled_count += 1;
        if self.report.cancelled.len() < DESCRIBED_MAX {
            self.report.cancelled.push(TaskInfo::of(task, now_ms));
        }
    }
}

impl Report {
    pub(super) fn new() -> Self {
        Self { locked: Mutex::new(Notes::default()) }
    }

    /// A worker is about to cancel its tasks: notes who they are.
    pub(super) fn take_down(&self, core: &Core) {
        core.worker().driver.refresh();
        let now_ms = coarse_ms(&core.worker().driver);
        let mut notes = self.locked.lock();
        notes.noted.push(core.index);
        core.owned.for_each(|task| {
            if !notes.ahead.contains(&task.id) {
                notes.note(task, now_ms);
            }
        });
    }

    /// A worker that has noted its own tasks is about to cancel this one, which it found in some queue.
    pub(super) fn take_down_one(&self, core: &Core, task: &Queued) {
        let task = task.header();
        if core.owned.holds(task) {
            return;
        }
        let mut notes = self.locked.lock();
        // One that no worker has seen yet becomes this one's, and is in nobody's notes.
        if task.flags.get().linked {
            let home = core.shared.workers.iter().position(|worker| ptr::eq(task.home(), Arc::as_ptr(worker).cast()));
            if home.is_some_and(|home| notes.noted.contains(&home)) {
                return;
            }
            notes.ahead.insert(task.id);
        }
        notes.note(task, coarse_ms(&core.worker().driver));
    }

    /// The report as it stands, with the workers that have not left and what they are stuck in.
    pub(crate) fn finish(&self, shared: &Shared, complete: bool) -> ShutdownReport {
        let mut report = mem::take(&mut self.locked.lock().report);
        report.complete = complete;
        if !complete {
            for worker in &shared.workers {
                report.stuck.extend(stuck_in(worker));
            }
            let now_ms = coarse_ms(&shared.workers[0].driver);
            shared.blocking.running(now_ms, &mut report.stuck);
            shared.dedicated.running(now_ms, &mut report.stuck);
            shared.in_place.running(now_ms, &mut report.stuck);
        }
        report
    }
}

/// The tasks of a core, for its holder; the youngest first.
pub(crate) fn describe(core: &Core) -> Vec<TaskInfo> {
    let now_ms = coarse_ms(&core.worker().driver);
    let mut tasks = Vec::new();
    core.owned.for_each(|header| {
        if tasks.len() < DESCRIBED_MAX {
            tasks.push(TaskInfo::of(header, now_ms));
        }
    });
    tasks
}

/// One task of the caller's own.
pub(crate) fn describe_one(header: &Header, now_ms: u32) -> TaskInfo {
    TaskInfo::of(header, now_ms)
}

/// The task that a worker is polling, read from outside.
fn stuck_in(worker: &super::shared::Worker) -> Option<TaskInfo> {
    // ORDER: Relaxed, two words for people; they may be of two polls.
    let id = Id::from_u64(worker.polling_id.load(Ordering::Relaxed))?;
    Some(TaskInfo {
        id,
        name: None,
        spawned_at: worker.polling_place(),
        waiting_for: "nothing: it has not returned from its poll".to_owned(),
        age: None,
    })
}
