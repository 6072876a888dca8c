//! The core: all that a worker needs to run tasks, in plain memory, held by one thread at a time (S1).

use super::idle::GUARD_NAP;
use super::local::Local;
use super::owned::{Owned, Share};
use super::queue::Owner;
use super::rescue::Watch;
use super::shared::{Flavour, Shared, Worker, coarse_ms, reject};
use crate::base::atomic::{AtomicU64, Ordering};
use crate::base::context::{Claim, Index, Slot};
use crate::base::inject::trim;
use crate::base::rng::Rng;
use crate::base::wakers::Wakers;
use crate::driver::TURNING;
use crate::task::budget::{TIME_SLICE, TimeSlice};
use crate::task::wait::Objects;
use crate::task::{Birth, CURRENT, CellPool, Dead, Finished, Header, JoinHandle, POOL, Queued, Ran, spawn_cell};
use crate::world::Event;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr;
use std::sync::Arc;

/// The core that this thread holds.
pub(crate) static CORE: Slot<Core> = Slot::of::<5>();

impl Claim for Index<5> {
    type Lent = Core;
}

/// 61: prime, so it never falls in step with a batch of 64. So many polls, at most, between two looks at the outside.
pub(super) const POLLS_PER_LOOK: u32 = 61;
/// A woken task may jump the queue so often in a row; then the ring has its turn (SCH-01).
const NEXT_STREAK_MAX: u32 = 3;
/// A batch is cut shorter when it takes longer than this: sockets and timers are looked at between batches.
pub(super) const BATCH_NS: u64 = 1_000_000;
/// A task whose turn lasts longer than this yields at its next leaf operation.
const SLICE_NS: u64 = 5_000_000;
/// Waking a sibling, and its going back to sleep, costs about so much of a processor. For less work than that no help is
/// called when the driver delivers wake-ups; what a task spawns or wakes is of unknown length and always worth a helper.
const HELP_NS: u64 = 20_000;
/// Task numbers are taken from the runtime in blocks, so that a spawn needs no atomic.
const IDS_PER_BLOCK: u64 = 256;
/// So many tasks at once come from the injector, or go there when the ring is full.
const INJECTOR_BATCH: usize = 256;

/// One core.
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    /// Which worker this is the private half of.
    pub(crate) index: usize,
    worker: Arc<Worker>,
    /// In a simulation choices are drawn and events recorded.
    pub(super) is_simulated: bool,
    queue: RunQueue,
    /// Every live task that calls this worker home.
    pub(crate) owned: Owned,
    /// Free cells for spawns on this core.
    pub(super) pool: CellPool,
    /// Cells born less cells freed on this core.
    pub(crate) cells: Share,
    /// For victims and for nothing that a simulation could see.
    rng: Rng,
    /// The next task number, and the end of the block.
    ids: Cell<(u64, u64)>,
    /// Tasks run since the core began.
    ticks: Cell<u32>,
    /// How often in a row the next-slot went first.
    next_streak: Cell<u32>,
    /// Polls until the next look; adapted so that a batch lasts about [`BATCH_NS`] at most.
    pub(super) batch: Cell<u32>,
    /// How many polls there were since the batch was last adapted.
    pub(super) ran: Cell<u32>,
    /// What a poll takes, on the average of the last batches.
    pub(super) poll_ns: Cell<u64>,
    /// Tasks from outside are being handed out: help is called once, at the end, if it is worth it.
    delivering: Cell<bool>,
    /// Woke without news, so that nobody was named to stand guard.
    pub(super) unguarded: Cell<bool>,
    /// Woken to help, and nothing found yet.
    pub(super) searching: Cell<bool>,
    /// Has taken work from a sibling since it last fell asleep: there may be more.
    pub(super) has_helped: Cell<bool>,
    /// Which siblings stand still, and when this worker last looked.
    watch: Watch,
    rescued_ns: Cell<u64>,
    /// A buffer for the driver.
    pub(super) woken: RefCell<Wakers>,
    /// Buffers for taking inboxes.
    taken: RefCell<VecDeque<Queued>>,
    dead: RefCell<VecDeque<Dead>>,
    /// Says whether the turn has lasted too long.
    slice: TimeSlice,
}

/// Where tasks wait that are ready to run.
enum RunQueue {
    /// Nobody can steal: a plain deque.
    Own(RefCell<VecDeque<Queued>>),
    /// Siblings can.
    Stealable(Owner),
}

impl Core {
    pub(super) fn new(shared: Arc<Shared>, index: usize, owner: Option<Owner>) -> Self {
        let worker = shared.workers[index].clone();
        let driver = worker.driver.clone();
        let is_over = move || !driver.is_simulated() && driver.now_ns().saturating_sub(driver.coarse_ns()) > SLICE_NS;
        let objects = Objects::of_core(index, shared.workers.len());
        let slice = TimeSlice::new(is_over, objects, worker.late.clone(), Arc::as_ptr(&shared).addr());
        Self {
            index,
            queue: owner.map_or_else(|| RunQueue::Own(RefCell::new(VecDeque::new())), RunQueue::Stealable),
            owned: Owned::new(&*worker),
            worker,
            is_simulated: shared.config.flavour == Flavour::Simulated,
            pool: CellPool::new(),
            cells: Share::new(),
            rng: Rng::new(shared.config.seed ^ index as u64),
            ids: Cell::new((0, 0)),
            ticks: Cell::new(0),
            next_streak: Cell::new(0),
            batch: Cell::new(POLLS_PER_LOOK),
            ran: Cell::new(0),
            poll_ns: Cell::new(HELP_NS),
            delivering: Cell::new(false),
            unguarded: Cell::new(false),
            searching: Cell::new(false),
            has_helped: Cell::new(false),
            watch: Watch::new(shared.workers.len()),
            rescued_ns: Cell::new(0),
            woken: RefCell::new(Wakers::new()),
            taken: RefCell::new(VecDeque::new()),
            dead: RefCell::new(VecDeque::new()),
            slice,
            shared,
        }
    }

    #[inline]
    pub(crate) fn worker(&self) -> &Worker {
        &self.worker
    }

    /// Makes this the thread's core for the time of `body`.
    pub(super) fn hold<R>(&self, body: impl FnOnce() -> R) -> R {
        let driver = &self.worker().driver;
        CORE.scope(self, || POOL.scope(&self.pool, || TURNING.scope(driver, || TIME_SLICE.scope(&self.slice, body))))
    }

    /// Spawns on this core: one allocation from the pool, two links, one push.
    #[inline]
    pub(crate) fn spawn<F>(&self, future: F, mut birth: Birth) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.register_birth(&mut birth);
        let (task, handle) = spawn_cell(future, self.worker(), birth);
        if self.shared.is_stopping() {
            self.count_finished(&task);
            reject(task);
        } else {
            self.owned.link(&task);
            self.push_back(task);
        }
        handle
    }

    /// Numbers a task, dates it, and counts it.
    #[inline]
    pub(super) fn register_birth(&self, birth: &mut Birth) {
        let (mut id, mut end) = self.ids.get();
        if id == end {
            id = self.shared.outside.take_ids(IDS_PER_BLOCK);
            end = id + IDS_PER_BLOCK;
        }
        self.ids.set((id + 1, end));
        birth.id = id;
        birth.born_ms = coarse_ms(&self.worker().driver);
        if !birth.daemon {
            grow(&self.worker().spawned);
        }
        self.record(Event::Spawn, id);
    }

    /// A task was woken by this thread. If the running task did it, the woken one goes first, for what it was woken by is
    /// in the cache; if the driver did it, in the order of the events.
    #[inline]
    pub(super) fn push_woken(&self, task: Queued) {
        self.record(Event::Wake, task.header().id);
        let RunQueue::Stealable(owner) = &self.queue else { return self.push_back(task) };
        if CURRENT.as_ptr().is_null() {
            return self.push_back(task);
        }
        if let Some(displaced) = owner.push_next(task) {
            self.push_back(displaced);
        }
    }

    /// Puts a task at the back, and calls a helper if one could help.
    #[inline]
    pub(super) fn push_back(&self, task: Queued) {
        match &self.queue {
            RunQueue::Own(queue) => queue.borrow_mut().push_back(task),
            RunQueue::Stealable(owner) => {
                if let Err(task) = owner.push(task) {
                    self.overflow(owner, task);
                }
                if self.shared.idle.may_help() && !self.delivering.get() {
                    self.shared.wake_helper();
                }
            }
        }
    }

    /// Calls no helper for what `body` puts into the queue, but at the end one if there is more work than a helper costs,
    /// beyond the task that this worker runs next. For a single task from outside, a helper called first was a system call
    /// on its way (10.2 → 4.9 us from spawn to run on two sleeping workers, 9.6 → 5.8 us from wake to poll). Who pushes
    /// several has called one already (`Worker::push_from_outside`).
    pub(super) fn hand_out(&self, body: impl FnOnce()) {
        self.delivering.set(true);
        body();
        self.delivering.set(false);
        if let RunQueue::Stealable(owner) = &self.queue
            && self.shared.idle.may_help()
            && owner.len().saturating_sub(1) as u64 * self.poll_ns.get() > HELP_NS
        {
            self.shared.wake_helper();
        }
    }

    /// The ring is full: a batch of its oldest goes to the injector, and the new task behind them.
    #[cold]
    fn overflow(&self, owner: &Owner, task: Queued) {
        let mut batch = Vec::new();
        for task in std::iter::from_fn(|| owner.pop()).take(INJECTOR_BATCH) {
            batch.push(task);
        }
        batch.push(task);
        self.shared.injector.push_all(batch);
    }

    /// The next task to run.
    #[inline]
    pub(super) fn next_task(&self) -> Option<Queued> {
        let owner = match &self.queue {
            RunQueue::Own(queue) => return self.next_own(&mut queue.borrow_mut()),
            RunQueue::Stealable(owner) => owner,
        };
        let tick = self.ticks.get().wrapping_add(1);
        self.ticks.set(tick);
        if tick.is_multiple_of(POLLS_PER_LOOK) {
            // The injector must not starve behind a ring that never empties.
            if let Some(task) = self.take_injected(1) {
                return Some(task);
            }
        }
        let jumps = self.next_streak.get() < NEXT_STREAK_MAX;
        if let Some(task) = jumps.then(|| owner.pop_next()).flatten() {
            self.next_streak.set(self.next_streak.get() + 1);
            return Some(task);
        }
        self.next_streak.set(0);
        owner.pop().or_else(|| owner.pop_next()).or_else(|| self.take_injected(INJECTOR_BATCH))
    }

    #[inline]
    fn next_own(&self, queue: &mut VecDeque<Queued>) -> Option<Queued> {
        if self.is_simulated { self.choose_from("next task", queue) } else { queue.pop_front() }
    }

    /// In a simulation any ready task may be next; 0 is the calm choice, first in, first out.
    #[cold]
    pub(super) fn choose_from(&self, key: &'static str, queue: &mut VecDeque<Queued>) -> Option<Queued> {
        let chosen = self.worker.driver.choose(key, queue.len());
        queue.remove(chosen)
    }

    /// Some of the injector's tasks: the first to run at once, the others into the ring.
    fn take_injected(&self, max: usize) -> Option<Queued> {
        let injector = &self.shared.injector;
        if injector.is_empty() {
            return None;
        }
        let fair = injector.len() / self.shared.workers.len() + 1;
        injector.take_some(max.min(fair), &mut self.taken.borrow_mut());
        self.spread_taken(true)
    }

    /// Empties the buffer into the back of the queue, in order; the first may be kept out to be run at once.
    fn spread_taken(&self, keep_first: bool) -> Option<Queued> {
        let mut taken = self.taken.take();
        let first = if keep_first { taken.pop_front() } else { None };
        while let Some(task) = taken.pop_front() {
            self.push_back(task);
        }
        trim(&mut taken);
        *self.taken.borrow_mut() = taken;
        first
    }

    /// Is there anything to run here?
    pub(super) fn is_busy(&self) -> bool {
        match &self.queue {
            RunQueue::Own(queue) => !queue.borrow().is_empty(),
            RunQueue::Stealable(owner) => {
                owner.len() > 0
                    || self.worker().stealable.as_ref().is_some_and(|s| s.has_next())
                    || !self.shared.injector.is_empty()
            }
        }
    }

    /// Runs one task and sees to what follows. User code runs here. False if it has given this core away: then nothing of it
    /// is touched any more.
    #[inline]
    #[must_use]
    pub(super) fn run(&self, task: Queued) -> bool {
        let worker = self.worker();
        self.adopt(&task);
        let header = task.header();
        self.record(Event::Poll, header.id);
        worker.publish_poll(header.id, header.spawned_at);
        let ran = task.run();
        if !self.is_held() {
            self.shared.end_poll_away(ran, worker);
            return false;
        }
        match ran {
            Ran::Idle(waits_for) => self.record(Event::Wait, waits_for),
            Ran::Again(task) => {
                self.record(Event::Wake, task.header().id);
                self.push_back(task);
            }
            Ran::Finished(finished) => self.finish(finished),
        }
        true
    }

    /// A task that was spawned from outside lives where it is seen first.
    #[inline]
    pub(super) fn adopt(&self, task: &Queued) {
        if !task.header().flags.get().linked {
            self.owned.link(task);
        }
    }

    /// A task of this runtime ended on this core.
    #[inline]
    fn finish(&self, task: Finished) {
        let header = task.header();
        if !header.flags.get().daemon {
            grow(&self.worker().finished);
            if self.shared.is_waited_for() {
                self.shared.tell_quiet();
            }
        }
        self.record(Event::Finish, header.id);
        if self.owned.holds(header) {
            self.owned.unlink(&task);
            task.complete();
        } else {
            self.shared.send_home(task);
        }
    }

    /// A task that was never linked is about to be cancelled.
    #[cold]
    fn count_finished(&self, task: &Queued) {
        if !task.header().flags.get().daemon {
            grow(&self.worker().finished);
        }
    }

    /// Takes in what other threads have left: notifications, tasks, the dead.
    pub(super) fn take_in(&self) {
        let worker = self.worker();
        worker.driver.parker.take();
        if !worker.dead.is_empty() {
            let mut dead = self.dead.take();
            worker.dead.take_all(&mut dead);
            std::iter::from_fn(|| dead.pop_front()).for_each(|dead| self.owned.bury(dead));
            trim(&mut dead);
            *self.dead.borrow_mut() = dead;
        }
        if !worker.inbox.is_empty() {
            worker.inbox.take_all(&mut self.taken.borrow_mut());
            // What these tasks took from the allocator, and more, will be freed on this thread.
            self.shared.outside.bring_cells(self.taken.borrow().len(), &self.pool);
            self.hand_out(|| _ = self.spread_taken(false));
        }
    }

    /// Looks for work at the siblings', from a random one on. True if there is something to run now.
    pub(super) fn steal(&self) -> bool {
        let RunQueue::Stealable(owner) = &self.queue else { return false };
        let n = self.shared.workers.len();
        let start = self.rng.below(n);
        let siblings = (0..n).map(|i| (start + i) % n).filter(|&i| i != self.index);
        let stolen = siblings.map(|i| &self.shared.workers[i]).find_map(|sibling| {
            let ring = sibling.stealable.as_ref().and_then(|ring| owner.steal_from(ring));
            ring.or_else(|| self.take_from_inbox(sibling))
        });
        let found = stolen.or_else(|| self.take_injected(INJECTOR_BATCH));
        let any = found.is_some();
        if let Some(task) = found {
            self.has_helped.set(true);
            if self.searching.take() {
                self.shared.idle.found_work();
            }
            // In front: it was stolen to be run at once. Nothing can stand there, for this worker had nothing.
            if let Some(displaced) = owner.push_next(task) {
                self.push_back(displaced);
            }
            if owner.len() > 0 && self.shared.idle.may_help() {
                self.shared.wake_helper();
            }
        }
        any
    }

    /// Half of what waits in the inbox of a sibling that is busy.
    fn take_from_inbox(&self, sibling: &Worker) -> Option<Queued> {
        let waiting = sibling.inbox.len();
        if waiting == 0 || sibling.driver.parker.is_asleep() {
            return None;
        }
        sibling.inbox.take_some(waiting / 2 + 1, &mut self.taken.borrow_mut());
        self.spread_taken(true)
    }

    /// Looks after siblings that are stuck (see `rescue`).
    pub(super) fn rescue_stuck_siblings(&self) {
        self.rescued_ns.set(self.worker.driver.coarse_ns());
        self.watch.for_each_stuck(&self.shared, Some(self.index), |sibling| {
            if let (RunQueue::Stealable(owner), Some(ring)) = (&self.queue, &sibling.stealable) {
                let tasks = [owner.steal_from(ring), ring.steal_next(), self.take_from_inbox(sibling)];
                tasks.into_iter().flatten().for_each(|task| self.push_back(task));
            }
            sibling.late.wake_all();
            sibling.driver.turn_for_owner(&mut self.woken.borrow_mut());
        });
    }

    /// As above, if nobody sleeps to stand guard, and not too often.
    pub(super) fn rescue_when_due(&self) {
        let since = self.worker.driver.coarse_ns().saturating_sub(self.rescued_ns.get());
        if since > GUARD_NAP.as_nanos() as u64 && self.shared.signs_idle_book() {
            self.rescue_stuck_siblings();
        }
    }

    /// Is there something to steal somewhere? Asked once more by a worker that is about to sleep.
    pub(super) fn sees_work_elsewhere(&self) -> bool {
        let ring = |worker: &Worker| worker.stealable.as_ref().is_some_and(|ring| !ring.is_empty());
        let others = self.shared.workers.iter().enumerate().filter(|&(i, _)| i != self.index);
        !self.shared.injector.is_empty() || others.into_iter().any(|(_, worker)| ring(worker))
    }

    /// Asks every task of the registry to go; each is dropped when it is dequeued.
    pub(super) fn cancel_owned(&self) {
        self.owned.for_each(|header| crate::task::abort(header, true));
    }

    /// Folds an event into the simulation's hash.
    #[inline]
    pub(super) fn record(&self, event: Event, number: u64) {
        if self.is_simulated {
            self.worker.driver.record(event, number);
        }
    }

    /// A task of the thread's own is about to be polled.
    #[inline]
    pub(super) fn note_local_poll(&self, task: &Header) {
        self.record(Event::Poll, task.id);
        self.worker().publish_poll(task.id, task.spawned_at);
    }

    /// A task of the thread's own that `run` waits for has ended.
    pub(super) fn count_local_finish(&self) {
        grow(&self.worker().finished);
        if self.shared.is_waited_for() {
            self.shared.tell_quiet();
        }
    }

    /// Does this core belong to the runtime of that thread's local tasks?
    pub(super) fn serves(&self, local: &Local) -> bool {
        ptr::eq(Arc::as_ptr(&self.shared), local.shared_ptr())
    }
}

impl Drop for Core {
    #[cold]
    fn drop(&mut self) {
        self.shared.settle(&self.cells);
    }
}

/// Adds one to a count that only the holder of the core writes.
#[inline]
fn grow(count: &AtomicU64) {
    // ORDER: Relaxed, one writer.
    let now = count.load(Ordering::Relaxed);
    // ORDER: Release, pairs with the Acquire in `Shared::is_quiet`.
    count.store(now + 1, Ordering::Release);
}
