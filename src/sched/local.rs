#![allow(unsafe_code, reason = "runs futures that are not Send, and a main future that is not 'static")]
//! A thread's own part: its tasks that are not Send, the main future of `block_on`, and where the thread sleeps.
//!
//! Local tasks belong to the thread, never to the core it happens to hold. Their home is a [`LocalHome`]: a wake from the
//! thread itself goes into a plain queue, one from elsewhere into an inbox that this thread alone empties.
//!
//! - **N1** A local task is polled and dropped on its thread only (SCH-15): its token is in the thread's queue or in the
//!   inbox, and [`Local`] is neither Send nor Sync.
//! - **N2** When `close` has returned, no task of this thread is alive and the inbox takes no more. Whoever made the
//!   `Local` calls it on every way out. So a main future that is borrowed from the stack is not touched after it.
//! - **N3** The thread sleeps at one of two places, and its parker says which: alone, or in the driver of its core.

use super::core::CORE;
use super::in_place::Grip;
use super::owned::{Census, Owned, Share};
use super::shared::{Shared, reject};
use crate::base::atomic::{AtomicPtr, Mutex, Ordering};
use crate::base::context::{Claim, Index, Slot};
use crate::base::inject::{Inject, trim};
use crate::base::sys::{Origin, fork};
use crate::driver::parker::Parker;
use crate::task::{Birth, Finished, Header, JoinHandle, Queued, Ran, Schedule, abort, spawn_cell_local};
use crate::world::Event;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::Duration;

/// This thread's own part.
pub(crate) static LOCAL: Slot<Local> = Slot::of::<6>();

impl Claim for Index<6> {
    type Lent = Local;
}

/// The place where a thread without a core sleeps; the driver of core `i` is place `i + 1`.
const ALONE: usize = 0;

/// One thread's tasks. Neither Send nor Sync: its fields see to that.
pub(crate) struct Local {
    home: Arc<LocalHome>,
    /// Tasks that are ready to run.
    queue: RefCell<VecDeque<Queued>>,
    owned: Owned,
    /// Cells born less cells freed on this thread.
    cells: Share,
    /// A buffer for taking the inbox.
    taken: RefCell<VecDeque<Queued>>,
    /// How far `close` has come.
    phase: Cell<Phase>,
    /// The thread's core while its loop runs, for a task that gives it away (G2).
    grip: Cell<Option<Grip>>,
    /// The process that this thread was made in.
    origin: Origin,
    /// N1: a `Local` stays on its thread, whatever its other fields would allow.
    stays: PhantomData<*const ()>,
}

/// The life of a `Local`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Every task is being asked to go.
    Closing,
    /// No task is alive, and none can be made.
    Closed,
}

/// The part that other threads see: it outlives the thread for as long as cells point at it.
pub(crate) struct LocalHome {
    shared: Arc<Shared>,
    thread: Thread,
    parker: Parker,
    inbox: Inject<Queued>,
    census: Census,
    /// A core that somebody has handed over.
    gift: Mutex<Option<Grip>>,
    /// The strong count that belongs to all cells together, as `into_raw` gave it; set before any thread sees the home.
    cells_count: AtomicPtr<LocalHome>,
}

impl Local {
    /// For this thread.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let home = Arc::new(LocalHome {
            shared,
            thread: thread::current(),
            parker: Parker::new(),
            inbox: Inject::new(),
            census: Census::new(1),
            gift: Mutex::new(None),
            cells_count: AtomicPtr::new(ptr::null_mut()),
        });
        // ORDER: Relaxed, no other thread knows the home yet.
        home.cells_count.store(Arc::into_raw(home.clone()).cast_mut(), Ordering::Relaxed);
        Self {
            owned: Owned::new(&*home),
            origin: home.shared.origin,
            home,
            queue: RefCell::new(VecDeque::new()),
            cells: Share::new(),
            taken: RefCell::new(VecDeque::new()),
            phase: Cell::new(Phase::Open),
            grip: Cell::new(None),
            stays: PhantomData,
        }
    }

    /// Makes this the thread's own part, and its runtime the current one, for the time of `body`. A timer or socket that is
    /// first touched while the thread has no core goes to the first worker's driver.
    pub(crate) fn inside<R>(&self, body: impl FnOnce() -> R) -> R {
        let shared = &self.home.shared;
        shared.inside(|| LOCAL.scope(self, body))
    }

    pub(crate) fn home(&self) -> &Arc<LocalHome> {
        &self.home
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.home.shared
    }

    /// Puts the thread's core within reach.
    pub(super) fn put_grip(&self, grip: Grip) {
        self.grip.set(Some(grip));
    }

    /// Takes the thread's core, if it has one.
    pub(super) fn take_grip(&self) -> Option<Grip> {
        self.grip.take()
    }

    /// Is no task alive on this thread?
    pub(crate) fn is_empty(&self) -> bool {
        self.owned.is_empty()
    }

    /// How many tasks are ready.
    pub(super) fn ready_len(&self) -> usize {
        self.queue.borrow().len()
    }

    /// Is there anything to run?
    pub(crate) fn is_busy(&self) -> bool {
        !self.queue.borrow().is_empty() || !self.home.inbox.is_empty()
    }

    /// Spawns a task that stays on this thread.
    pub(crate) fn spawn<F: Future + 'static>(&self, future: F, mut birth: Birth) -> JoinHandle<F::Output> {
        let counted = !birth.daemon;
        CORE.with(|core| match core.filter(|core| core.serves(self)) {
            Some(core) => core.register_birth(&mut birth),
            None => {
                birth.id = self.home.shared.outside.take_ids(1);
                if counted {
                    self.home.shared.count_spawned_outside();
                }
            }
        });
        // SAFETY: N1: `LocalHome::schedule` hands tasks to this thread alone.
        let (task, handle) = unsafe { spawn_cell_local(future, &*self.home, birth) };
        if self.phase.get() == Phase::Closed {
            // Spawned by something that is dropped after the end: nobody will run it, so it goes at once.
            self.count_finish(counted);
            reject(task);
            return handle;
        }
        self.owned.link(&task);
        if self.phase.get() == Phase::Closing {
            abort(task.header(), self.home.shared.is_stopping());
        }
        self.queue.borrow_mut().push_back(task);
        handle
    }

    /// Spawns the main future of a `block_on`, which is borrowed from its stack.
    ///
    /// # Safety
    /// The caller calls `close` before `future` goes, on every way out (N2).
    pub(crate) unsafe fn spawn_main(
        &self,
        future: Pin<&mut (dyn Future<Output = ()> + '_)>,
        birth: Birth,
    ) -> JoinHandle<()> {
        // SAFETY: only the lifetime changes, and by the caller's promise the task is gone before the future is.
        let future: Pin<&'static mut (dyn Future<Output = ()> + 'static)> = unsafe { mem::transmute(future) };
        self.spawn(future, birth)
    }

    /// Takes in what other threads have left.
    pub(super) fn take_in(&self) {
        self.home.parker.take();
        if self.home.inbox.is_empty() {
            return;
        }
        let mut taken = self.taken.take();
        self.home.inbox.take_all(&mut taken);
        let mut queue = self.queue.borrow_mut();
        while let Some(task) = taken.pop_front() {
            queue.push_back(task);
        }
        drop(queue);
        trim(&mut taken);
        *self.taken.borrow_mut() = taken;
    }

    /// Runs one task, if one is ready. User code runs here.
    #[inline]
    pub(super) fn run_one(&self) -> bool {
        let Some(task) = self.next_task() else { return false };
        CORE.with(|core| {
            if let Some(core) = core {
                core.note_local_poll(task.header());
            }
        });
        let ran = task.run();
        if !self.origin.is_here() {
            // With a core in hand the place was published; it is not carried along for this.
            fork::end_child(self.take_grip().and_then(|core| core.worker().polling_place()));
        }
        match ran {
            Ran::Idle(waits_for) => record(Event::Wait, waits_for),
            Ran::Again(task) => self.push_woken(task),
            Ran::Finished(finished) => self.finish(finished),
        }
        true
    }

    #[inline]
    fn next_task(&self) -> Option<Queued> {
        let mut queue = self.queue.borrow_mut();
        if queue.len() < 2 {
            return queue.pop_front();
        }
        CORE.with(|core| match core.filter(|core| core.is_simulated) {
            Some(core) => core.choose_from("next local task", &mut queue),
            None => queue.pop_front(),
        })
    }

    fn push_woken(&self, task: Queued) {
        record(Event::Wake, task.header().id);
        self.queue.borrow_mut().push_back(task);
    }

    fn finish(&self, task: Finished) {
        record(Event::Finish, task.header().id);
        self.count_finish(!task.header().flags.get().daemon);
        self.owned.unlink(&task);
        task.complete();
    }

    fn count_finish(&self, counted: bool) {
        if counted {
            CORE.with(|core| match core.filter(|core| core.serves(self)) {
                Some(core) => core.count_local_finish(),
                None => self.home.shared.count_finished_outside(),
            });
        }
    }

    /// About to sleep at core `index`'s driver (or alone, if none). False if somebody notified first.
    #[must_use]
    pub(super) fn prepare_sleep(&self, core: Option<usize>) -> bool {
        self.home.parker.prepare(core.map_or(ALONE, |index| index + 1))
    }

    /// Awake again; true if somebody notified.
    pub(super) fn wake_up(&self) -> bool {
        self.home.parker.wake_up()
    }

    /// Sleeps without a core until somebody notifies, or for the time given.
    #[inline(never)] // it has many callers, and none where a call would count: 3 kB of a program for three such functions
    pub(crate) fn sleep_alone(&self, at_most: Option<Duration>) {
        if !self.prepare_sleep(None) {
            return;
        }
        match at_most {
            None => thread::park(),
            Some(time) => thread::park_timeout(time),
        }
        self.wake_up();
    }

    /// The end of this thread's tasks (N2): asks each to go, runs them until none is left, and closes the inbox. A task
    /// whose push from elsewhere is under way is waited for.
    pub(crate) fn close(&self) {
        // From here on whoever spawns gets a task that is asked to go: a destructor that spawns a clean-up cannot keep this
        // loop alive.
        self.phase.set(Phase::Closing);
        self.owned.for_each(|header| abort(header, self.home.shared.is_stopping()));
        loop {
            self.take_in();
            if self.run_one() {
                continue;
            }
            if self.owned.is_empty() && self.home.inbox.close_if_empty() {
                self.phase.set(Phase::Closed);
                return;
            }
            self.sleep_alone(Some(Duration::from_millis(1)));
        }
    }

    /// Describes every task of this thread.
    pub(crate) fn describe<R>(&self, mut with: impl FnMut(&Header) -> R) -> Vec<R> {
        let mut all = Vec::new();
        self.owned.for_each(|header| all.push(with(header)));
        all
    }

    pub(super) fn shared_ptr(&self) -> *const Shared {
        Arc::as_ptr(&self.home.shared)
    }
}

/// A simulated world hears of a thread's own tasks what it hears of all others. (A thread that has lost its core is not in
/// one.)
#[inline]
fn record(event: Event, number: u64) {
    CORE.with(|core| {
        if let Some(core) = core {
            core.record(event, number);
        }
    });
}

impl Drop for Local {
    fn drop(&mut self) {
        if self.home.census.close(&self.cells) {
            // SAFETY: the census says "last" once, and this `Local` holds a count of its own.
            unsafe { Arc::decrement_strong_count(self.home.cells_count()) };
        }
    }
}

impl LocalHome {
    /// Wakes the thread wherever it sleeps (N3); it will look for work.
    pub(crate) fn notify(&self) {
        match self.parker.notify() {
            Some(ALONE) => self.thread.unpark(),
            Some(place) => {
                self.shared.workers[place - 1].driver.notify();
            }
            None => {}
        }
    }

    pub(super) fn place_gift(&self, core: Grip) {
        let before = self.gift.lock().replace(core);
        assert!(before.is_none(), "one gift at a time: the line was left when the first came (L1)");
    }

    pub(crate) fn take_gift(&self) -> Option<Grip> {
        self.gift.lock().take()
    }

    /// The strong count that goes with the last cell.
    fn cells_count(&self) -> *const LocalHome {
        // ORDER: Relaxed, it was set before any thread saw the home.
        self.cells_count.load(Ordering::Relaxed)
    }

    /// Shows this thread's `Local`, if this is the thread it belongs to.
    #[inline]
    fn with_local<R>(&self, body: impl FnOnce(Option<&Local>) -> R) -> R {
        LOCAL.with(|local| body(local.filter(|local| ptr::eq(&*local.home, self))))
    }
}

// SAFETY: one strong count is held until the census is zero: the `Local` is gone and every cell born was freed.
unsafe impl Schedule for LocalHome {
    #[inline]
    fn schedule(&self, task: Queued) {
        let mut task = Some(task);
        self.with_local(|local| {
            if let Some(local) = local {
                local.push_woken(task.take().expect("taken once"));
            }
        });
        if let Some(task) = task {
            if !self.shared.origin.is_here() {
                return; // as in `Worker::push_from_outside`
            }
            // A closed inbox means that no task of this thread is alive (N2), so none can be woken.
            self.inbox.push(task).expect("a live task's home is open");
            self.notify();
        }
    }

    fn unhandled_panic(&self, task: &Header, payload: &(dyn Any + Send)) {
        self.shared.unhandled_panic(task, payload);
    }

    #[inline]
    fn cell_born(&self) {
        self.with_local(|local| local.expect("local tasks are born on their thread").cells.add(1));
    }

    #[inline]
    unsafe fn cell_freed(home: NonNull<Self>) {
        // SAFETY: this cell still counts, so the home is alive until the line that takes it off.
        let home = unsafe { home.as_ref() };
        let cells_count = home.cells_count();
        let last = home.with_local(|local| match local {
            Some(local) => {
                local.cells.add(-1);
                false
            }
            None => home.census.add(-1),
        });
        if last {
            // SAFETY: the census says "last" once; the home is not touched any more, for it may go with this.
            unsafe { Arc::decrement_strong_count(cells_count) };
        }
    }
}
