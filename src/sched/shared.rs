#![allow(unsafe_code, reason = "finds the runtime from one of its workers, and keeps it alive for its cells")]
//! What all threads see of a runtime: its workers' public halves, and where cores rest.

use super::blocking::{Blocking, Limits};
use super::core::{CORE, Core};
use super::crew::Crew;
use super::dedicated::Dedicated;
use super::idle::Idle;
use super::in_place::{Grip, InPlace};
use super::lend::Resting;
use super::local::LocalHome;
use super::outside::Outside;
use super::queue::{Stealable, stealable};
use super::report::{Report, UnhandledPanic};
use crate::base::atomic::{AtomicPtr, AtomicU32, AtomicU64, Mutex, Ordering};
use crate::base::context::{Claim, Index, Slot};
use crate::base::inject::Inject;
use crate::base::sys::Origin;
use crate::driver::Driver;
use crate::task::budget::TIME_SLICE;
use crate::task::late::Late;
use crate::task::{Birth, Dead, Finished, Header, Id, JoinHandle, Queued, Ran, Schedule};
use std::any::Any;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// The runtime that this thread works for or has entered.
pub(crate) static RUNTIME: Slot<Arc<Shared>> = Slot::of::<4>();

impl Claim for Index<4> {
    type Lent = Arc<Shared>;
}

/// How a runtime's cores are driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// One core, run by whoever calls `block_on`.
    CurrentThread,
    /// Some cores, each with a thread of the runtime's own.
    MultiThread,
    /// As `CurrentThread`, in a simulated world.
    Simulated,
}

/// What the builder decided.
pub(crate) struct Config {
    pub(crate) flavour: Flavour,
    pub(crate) workers: usize,
    /// There are more workers than processors for them.
    pub(crate) is_crowded: bool,
    pub(crate) thread_name: String,
    pub(crate) thread_stack_size: Option<usize>,
    /// Called by each thread of the runtime's own when it begins and when it ends.
    pub(crate) on_thread_start: Arc<dyn Fn() + Send + Sync>,
    pub(crate) on_thread_stop: Arc<dyn Fn() + Send + Sync>,
    /// Of the pool for blocking jobs.
    pub(crate) limits: Limits,
    pub(crate) on_unhandled_panic: Arc<dyn Fn(&UnhandledPanic<'_>) + Send + Sync>,
    pub(crate) seed: u64,
}

/// One runtime.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// Each in an allocation of its own, so that a core reaches its half in one step.
    pub(crate) workers: Box<[Arc<Worker>]>,
    /// What did not fit into a ring; any worker takes from it.
    pub(crate) injector: Inject<Queued>,
    pub(crate) idle: Idle,
    pub(crate) resting: Resting,
    /// All threads of the runtime's own.
    pub(crate) crew: Crew,
    /// The threads for what blocks.
    pub(crate) blocking: Blocking,
    /// The threads of one closure each.
    pub(crate) dedicated: Dedicated,
    /// The tasks that block in place.
    pub(crate) in_place: InPlace,
    /// What the end of the runtime has found out so far.
    pub(crate) report: Report,
    /// RUNNING, then STOPPING for good.
    phase: AtomicU32,
    /// Threads in `run` whose main future has ended.
    quiet_waiters: Mutex<Vec<Arc<LocalHome>>>,
    /// How many there are: a hint for those who finish a task, written under the lock.
    quiet_waiting: AtomicU32,
    /// What threads without a core write.
    pub(super) outside: Outside,
    /// The process in which its threads are.
    pub(crate) origin: Origin,
}

// A panic in user code is caught where that is called, before it reaches anything here.
impl UnwindSafe for Shared {}
impl RefUnwindSafe for Shared {}

const RUNNING: u32 = 0;
const STOPPING: u32 = 1;

/// The public half of a worker: any thread may touch it.
pub(crate) struct Worker {
    /// The runtime that this worker is a part of; set before any thread sees it.
    shared: AtomicPtr<Shared>,
    pub(crate) driver: Arc<Driver>,
    /// Tasks pushed by threads that hold no core of this runtime.
    pub(crate) inbox: Inject<Queued>,
    /// Tasks of this worker's registry that were finished elsewhere.
    pub(crate) dead: Inject<Dead>,
    /// What siblings may steal; `None` where nobody can.
    pub(crate) stealable: Option<Arc<Stealable>>,
    /// The task being polled, for reports: its number (0 between polls) and where it was spawned.
    pub(crate) polling_id: AtomicU64,
    pub(crate) polling_at: AtomicPtr<Location<'static>>,
    /// The batches of polls, and who is woken after each. A guard that sees the number stand still knows that the owner is stuck.
    pub(crate) late: Arc<Late>,
    /// Tasks that `run` waits for: spawned and finished by the holder of this core. Each only grows.
    pub(crate) spawned: AtomicU64,
    pub(crate) finished: AtomicU64,
}

impl Shared {
    /// A runtime and its cores, which rest.
    pub(crate) fn new(config: Config, drivers: Vec<Arc<Driver>>) -> Arc<Self> {
        let count = drivers.len();
        let (mut workers, mut owners) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for driver in drivers {
            let (worker, owner) = Worker::new(&config, workers.len(), driver);
            workers.push(Arc::new(worker));
            owners.push(owner);
        }
        let shared = Arc::new(Self {
            crew: Crew::new(),
            blocking: Blocking::new(&config.limits),
            dedicated: Dedicated::new(),
            in_place: InPlace::new(),
            config,
            workers: workers.into_boxed_slice(),
            injector: Inject::new(),
            idle: Idle::new(count),
            resting: Resting::new(count),
            report: Report::new(),
            phase: AtomicU32::new(RUNNING),
            quiet_waiters: Mutex::new(Vec::new()),
            quiet_waiting: AtomicU32::new(0),
            outside: Outside::new(count),
            origin: Origin::here(),
        });
        // One strong count belongs to all cells together; `let_go` gives it back with the last one.
        let raw = Arc::into_raw(shared.clone()).cast_mut();
        for worker in &shared.workers {
            // ORDER: Relaxed, no other thread knows the runtime yet.
            worker.shared.store(raw, Ordering::Relaxed);
        }
        for (index, owner) in owners.into_iter().enumerate() {
            shared.resting.put(Grip::new(Core::new(shared.clone(), index, owner)));
        }
        shared
    }

    pub(crate) fn is_stopping(&self) -> bool {
        // ORDER: Acquire, pairs with `stop`.
        self.phase.load(Ordering::Acquire) == STOPPING
    }

    /// Shutdown begins: from here on spawning gives cancelled tasks, and every worker drains and leaves.
    pub(crate) fn stop(&self) {
        // ORDER: Release, pairs with `is_stopping`; each worker is notified afterwards, so none sleeps over it.
        self.phase.store(STOPPING, Ordering::Release);
        self.notify_all();
    }

    pub(crate) fn notify_all(&self) {
        for worker in &self.workers {
            worker.driver.notify();
        }
        self.resting.wake_everybody();
    }

    /// Do workers tell each other when they sleep? Where there is one thread there is nobody to tell.
    pub(crate) fn signs_idle_book(&self) -> bool {
        self.config.flavour == Flavour::MultiThread
    }

    /// Is this task one of ours that `run` waits for?
    pub(crate) fn waits_for(&self, task: &Header) -> bool {
        let ours = self.workers.iter().any(|worker| ptr::eq(Arc::as_ptr(worker).cast(), task.home()));
        ours && !task.flags.get().daemon
    }

    /// The worker whose address a task's header names.
    pub(crate) fn worker_at(&self, home: *const ()) -> &Worker {
        let named = |worker: &&Arc<Worker>| ptr::eq(Arc::as_ptr(worker).cast(), home);
        self.workers.iter().find(named).expect("a task of this runtime calls one of its workers home")
    }

    /// The task's registry is another worker's: it must do the unlinking.
    pub(super) fn send_home(&self, task: Finished) {
        let home = self.worker_at(task.header().home());
        let dead = task.complete_away();
        home.dead.push(dead).expect("a worker with registered tasks keeps its doors open (S3)");
        // A sleeping home is not woken for one burial, but neither may the dead pile up (a prime, to fall out of step).
        if home.dead.len().is_multiple_of(1_021) || self.is_stopping() {
            home.driver.notify();
        }
    }

    /// A core that rests and has nobody else to drain it (G3).
    pub(crate) fn take_to_drain(&self) -> Option<Grip> {
        if self.in_place.is_any() { None } else { self.resting.take() }
    }

    /// On this thread's core if it is one of this runtime, else through an inbox.
    #[inline]
    #[track_caller]
    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F, birth: Birth) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.origin.require("spawn");
        CORE.with(|core| match core.filter(|core| Arc::ptr_eq(&core.shared, self)) {
            Some(core) => core.spawn(future, birth),
            None => self.spawn_outside(future, birth),
        })
    }

    /// A number that no task has, nor will have.
    pub(crate) fn unused_id(&self) -> Id {
        Id::from_u64(self.outside.take_ids(1)).expect("numbers start at 1")
    }

    /// Spawns from a thread that holds no core of this runtime: into the inbox of a worker, in turn.
    pub(crate) fn spawn_outside<F>(&self, future: F, mut birth: Birth) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let worker = self.register_birth_outside(&mut birth);
        let (task, handle) = self.outside.make(future, worker, birth);
        self.hand_in(task, worker);
        handle
    }

    /// Numbers a task, dates it, counts it, and chooses a worker for it.
    fn register_birth_outside(&self, birth: &mut Birth) -> &Worker {
        birth.id = self.outside.take_ids(1);
        birth.born_ms = coarse_ms(&self.workers[0].driver);
        if !birth.daemon {
            // Before the task can finish.
            self.count_spawned_outside();
        }
        let target = self.idle.any_sleeper().unwrap_or(birth.id as usize % self.workers.len());
        &self.workers[target]
    }

    /// The other half of `spawn_outside` that is the same for every type of future.
    fn hand_in(&self, task: Queued, worker: &Worker) {
        let counted = !task.header().flags.get().daemon;
        // The second look is the inbox's own: the worker may have left since the first.
        let refused = if self.is_stopping() { Some(task) } else { worker.push_from_outside(task).err() };
        if let Some(task) = refused {
            if counted {
                self.count_finished_outside();
            }
            reject(task);
        }
    }

    /// A task that stood in no registry was finished by a thread without a core.
    pub(crate) fn count_finished_outside(&self) {
        // ORDER: Release, pairs with the Acquire in `is_quiet`.
        self.outside.finished.fetch_add(1, Ordering::Release);
    }

    /// A local task was spawned by a thread without a core.
    pub(crate) fn count_spawned_outside(&self) {
        // ORDER: Release, pairs with the Acquire in `is_quiet`.
        self.outside.spawned.fetch_add(1, Ordering::Release);
    }

    /// Were all tasks that are not daemons finished at some moment between the two sums? Each counter only grows, and
    /// what was finished is read first: if the sum of what was spawned by then, or later, is the same, then at the moment
    /// between nobody was alive, and without the living nothing is spawned but from outside (Mattern, "Algorithms for
    /// distributed termination detection", 1987).
    #[inline(never)] // as `Local::sleep_alone`
    pub(crate) fn is_quiet(&self) -> bool {
        // ORDER: Acquire, pairs with the Release of each count: a finish that is seen brings the spawn before it.
        let sum = |which: fn(&Worker) -> &AtomicU64, outside: &AtomicU64| {
            // ORDER: Acquire, as above.
            let inside: u64 = self.workers.iter().map(|worker| which(worker).load(Ordering::Acquire)).sum();
            // ORDER: Acquire, as above.
            inside + outside.load(Ordering::Acquire)
        };
        let finished = sum(|worker| &worker.finished, &self.outside.finished);
        finished == sum(|worker| &worker.spawned, &self.outside.spawned)
    }

    /// `run` waits on this thread until all is quiet.
    pub(crate) fn wait_for_quiet(&self, home: &Arc<LocalHome>) {
        let mut waiters = self.quiet_waiters.lock();
        waiters.push(home.clone());
        self.publish_waiting(&waiters);
    }

    /// The wait is over, or was none.
    pub(crate) fn stop_waiting_for_quiet(&self, home: &Arc<LocalHome>) {
        let mut waiters = self.quiet_waiters.lock();
        waiters.retain(|waiting| !Arc::ptr_eq(waiting, home));
        self.publish_waiting(&waiters);
    }

    fn publish_waiting(&self, waiters: &[Arc<LocalHome>]) {
        // ORDER: Relaxed, pairs with the hint in `is_waited_for`.
        self.quiet_waiting.store(waiters.len() as u32, Ordering::Relaxed);
    }

    /// A hint for who has just finished a task: does anybody wait for the last one? A stale answer is made good when this
    /// worker falls asleep, or by the guard's naps while it does not.
    #[inline]
    pub(super) fn is_waited_for(&self) -> bool {
        // ORDER: Relaxed, a hint.
        self.quiet_waiting.load(Ordering::Relaxed) > 0
    }

    /// If all is quiet, those who wait for that are told. Asked by workers that have nothing to do; the lock orders the two:
    /// either this worker's counts are seen by the thread that registers after it, or the thread is seen here.
    pub(super) fn tell_quiet(&self) {
        let waiters = self.quiet_waiters.lock();
        if !waiters.is_empty() && self.is_quiet() {
            waiters.iter().for_each(|home| home.notify());
        }
    }

    /// Tells the hook of a panic that nobody will join.
    pub(crate) fn unhandled_panic(&self, task: &Header, payload: &(dyn Any + Send)) {
        (self.config.on_unhandled_panic)(&UnhandledPanic::new(task, payload));
    }

    /// A core is gone for good: what it counted comes in.
    pub(super) fn settle(&self, share: &super::owned::Share) {
        if self.outside.census.close(share) {
            self.workers[0].let_go();
        }
    }
}

/// A driver's coarse clock in units of 2^20 ns, which is near enough to a millisecond and costs a shift.
#[inline]
pub(crate) fn coarse_ms(driver: &Driver) -> u32 {
    (driver.coarse_ns() >> 20) as u32
}

impl Worker {
    fn new(config: &Config, index: usize, driver: Arc<Driver>) -> (Self, Option<super::queue::Owner>) {
        let (stealable, owner) = if config.workers > 1 { Some(stealable()).unzip() } else { (None, None) };
        let worker = Self {
            shared: AtomicPtr::new(ptr::null_mut()),
            driver,
            inbox: Inject::new(),
            dead: Inject::new(),
            stealable,
            polling_id: AtomicU64::new(0),
            polling_at: AtomicPtr::new(ptr::null_mut()),
            late: Arc::new(Late::new(index)),
            spawned: AtomicU64::new(0),
            finished: AtomicU64::new(0),
        };
        (worker, owner)
    }

    /// The last cell is gone, and so are all cores: gives the cells' strong count back. The worker may be gone with it.
    fn let_go(&self) {
        // ORDER: Relaxed, as in `shared`.
        let shared = self.shared.load(Ordering::Relaxed);
        // SAFETY: the pointer came from `into_raw` in `Shared::new`, which left one strong count for this moment, and the
        // census says "last" once.
        unsafe { Arc::decrement_strong_count(shared) };
    }

    /// The runtime that this worker is a part of.
    #[inline]
    pub(crate) fn shared(&self) -> &Shared {
        // ORDER: Relaxed, it was set before any thread saw the worker.
        let shared = self.shared.load(Ordering::Relaxed);
        // SAFETY: workers are reached through their `Shared`, through its cores, and from its cells (T7), each of which
        // keeps it alive.
        unsafe { &*shared }
    }

    /// For reports: this task is being polled.
    #[inline]
    pub(super) fn publish_poll(&self, id: u64, at: &'static Location<'static>) {
        // ORDER: Relaxed, one writer, the core's holder; read for reports, which need no order.
        self.polling_at.store(ptr::from_ref(at).cast_mut(), Ordering::Relaxed);
        // ORDER: Relaxed, as above.
        self.polling_id.store(id, Ordering::Relaxed);
    }

    /// The batch is over: no task is being polled, the guard may see that the owner is not stuck, and late wakes are made.
    pub(super) fn end_batch(&self) {
        // ORDER: Relaxed, as in `publish_poll`.
        self.polling_id.store(0, Ordering::Relaxed);
        self.late.end_batch();
    }

    /// The core that this thread holds will run nothing more: the last late wakes are made, and from here on all are made at once.
    pub(super) fn end_late(&self) {
        TIME_SLICE.withdraw();
        self.end_batch();
    }

    /// Where the task being polled was spawned, for reports.
    pub(super) fn polling_place(&self) -> Option<&'static Location<'static>> {
        // ORDER: Relaxed, for people.
        let at = self.polling_at.load(Ordering::Relaxed);
        // SAFETY: null, or written by `publish_poll` from a `&'static Location`.
        unsafe { at.as_ref() }
    }

    /// Does this thread hold a core of this worker's runtime?
    #[inline]
    fn with_core<R>(&self, body: impl FnOnce(Option<&Core>) -> R) -> R {
        // ORDER: Relaxed, as in `shared`; only the address matters.
        let shared = self.shared.load(Ordering::Relaxed);
        CORE.with(|core| body(core.filter(|core| ptr::eq(Arc::as_ptr(&core.shared), shared))))
    }

    /// From a thread that holds no core of this runtime: inbox first, then the wake-up (see `driver::parker`). Gives the
    /// task back if the worker has left, which by S3 can only happen to a task that was just spawned.
    ///
    /// In a forked process the task is left alone: it runs in the parent, and the inbox may be locked here for ever.
    pub(crate) fn push_from_outside(&self, task: Queued) -> Result<(), Queued> {
        let shared = self.shared();
        if !shared.origin.is_here() {
            return Ok(());
        }
        self.inbox.push(task)?;
        let slept = self.driver.notify();
        if !slept && shared.idle.may_help() {
            // This worker is busy: somebody who is not may take the task.
            shared.wake_helper();
        }
        Ok(())
    }
}

impl Shared {
    /// Wakes one sleeper to look for work, if one sleeps and none is on its way.
    #[inline(never)] // as `Local::sleep_alone`
    pub(crate) fn wake_helper(&self) {
        if let Some(helper) = self.idle.pick_helper() {
            self.workers[helper].driver.notify();
        }
    }
}

/// The runtime is stopping: a task that no registry knows yet is cancelled on the spot.
#[cold]
pub(crate) fn reject(task: Queued) {
    task.cancel_for_shutdown();
    match task.run() {
        Ran::Finished(finished) => finished.complete(),
        Ran::Idle(_) | Ran::Again(_) => unreachable!("a cancelled task finishes when it is run"),
    }
}

// SAFETY: a worker is owned by its `Shared`, of which one strong count is held until the census is zero: every core is
// gone and every cell born was freed.
unsafe impl Schedule for Worker {
    #[inline]
    fn schedule(&self, task: Queued) {
        let mut task = Some(task);
        self.with_core(|core| {
            if let Some(core) = core {
                core.push_woken(task.take().expect("taken once"));
            }
        });
        if let Some(task) = task {
            // By S3 a worker with a live registered task keeps its inbox open.
            self.push_from_outside(task).expect("a live task's home is open");
        }
    }

    fn unhandled_panic(&self, task: &Header, payload: &(dyn Any + Send)) {
        self.shared().unhandled_panic(task, payload);
    }

    #[inline]
    fn cell_born(&self) {
        self.with_core(|core| match core {
            Some(core) => core.cells.add(1),
            None => {
                if self.shared().outside.census.born_outside() {
                    // ORDER: Relaxed, as in `shared`.
                    let shared = self.shared.load(Ordering::Relaxed);
                    // SAFETY: the pointer came from `into_raw`, and the caller holds a strong count of its own, since it
                    // spawns through a handle.
                    unsafe { Arc::increment_strong_count(shared) };
                }
            }
        });
    }

    #[inline]
    unsafe fn cell_freed(home: NonNull<Self>) {
        // SAFETY: this cell still counts, so the home is alive until the line that takes it off.
        let worker = unsafe { home.as_ref() };
        // ORDER: Relaxed, as in `shared`.
        let shared = worker.shared.load(Ordering::Relaxed);
        let last = worker.with_core(|core| match core {
            Some(core) => {
                core.cells.add(-1);
                false
            }
            None => worker.shared().outside.census.add(-1),
        });
        if last {
            // SAFETY: as in `let_go`; the worker is not touched any more, for it may go with this.
            unsafe { Arc::decrement_strong_count(shared) };
        }
    }
}
