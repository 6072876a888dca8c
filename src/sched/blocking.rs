//! Blocking jobs: threads for what would hold up a worker.
//!
//! A job is a task whose one poll is the whole work. It has the same cell, state machine and handle as any other, stands
//! in this pool's queue instead of a worker's, and is never woken: it runs once.
//!
//! ```text
//!                        ┌──────────── Book, under one lock ───────────┐
//!   spawn_blocking ─────>│ queue    running (for the shutdown's report)│
//!                        │ threads = idle + called + hiring + busy     │
//!                        └─────────────────────────────────────────────┘
//!      called: notified, hiring: just being made; either looks at the queue when it comes, and there is one at a time
//! ```
//!
//! 1. *Call.* Who pushes calls a thread, unless one is called already: an idle one, or else a new one, up to the limit.
//! 2. *Chain.* A thread that takes a job and leaves others behind makes the next call. So a burst of short jobs is done by a
//!    few threads with a few system calls, and a burst of long ones has a thread each after some 30 us a thread.
//! 3. *Look again.* A busy thread looks at the queue when its job is done, before it is idle.
//! 4. *Retire.* A thread that was idle for [`Limits::keep_alive`] leaves, under the lock, if nobody has called it.
//!
//! - **B1** While a job waits, a thread is called or busy. By 1 at the push; by 2 and 3 later; by 4 nobody leaves then.
//! - **B2** A thread that cannot be made never strands a job: if any thread is alive it will look (3), or is called instead;
//!   if none is, every waiting job is cancelled, and its handle says so.
//! - **B3** After `close` nothing is queued, and nothing can be.
//! - **B4** Whoever takes a job out of the queue, or gives up a place that was kept, gives it to the first who waits for one
//!   (`places`); and where all jobs are given up, to as many as there were.
//!
//! Cases of the catalogue: BLK-01 to BLK-04, BLK-07 to BLK-09.

use super::places::{Look, Places};
use super::report::TaskInfo;
use super::shared::{Flavour, Shared, coarse_ms, reject};
use super::worker::or_abort;
use crate::base::atomic::{Condvar, Mutex};
use crate::base::quiet::quietly;
use crate::base::sys::fork;
use crate::task::budget;
use crate::task::{Birth, Flags, Header, JoinHandle, Queued, Ran, spawn_cell};
use slab::Slab;
use std::collections::VecDeque;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How far the pool may go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// So many threads at most.
    pub(crate) threads_max: usize,
    /// So many jobs may wait; `try_spawn_blocking` says that it is full beyond that.
    pub(crate) queue_max: usize,
    /// How long a thread waits for a job before it leaves.
    pub(crate) keep_alive: Duration,
}

/// The pool of one runtime. It has no thread until the first job.
pub(crate) struct Blocking {
    locked: Mutex<Book<Queued>>,
    /// Idle threads sleep here.
    work: Condvar,
}

/// Who is there and what waits. It knows neither threads nor tasks, so that a model can have it alone.
struct Book<T> {
    queue: VecDeque<T>,
    /// Alive: idle, called, being made, or busy.
    threads: usize,
    /// Asleep, and not called.
    idle: usize,
    /// An idle one was notified and has not looked up yet; whoever of the idle comes first answers.
    called: bool,
    /// One is being made. Only that one answers: it was never idle.
    hiring: bool,
    /// How many were ever hired, for their names.
    hired: usize,
    threads_max: usize,
    /// Places in the queue, kept and waited for.
    places: Places,
    /// B3.
    closed: bool,
    /// What each busy thread runs, for the report.
    running: Slab<Running>,
}

/// A job under way, as a report needs it.
pub(super) struct Running {
    pub(super) id: u64,
    pub(super) name: Option<String>,
    pub(super) spawned_at: &'static Location<'static>,
    pub(super) born_ms: u32,
}

/// Where a job comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the end, however long the queue is.
    Any,
    /// In a place that was kept for it.
    Reserved,
}

/// What whoever called owes, once the lock is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a thread that is called must hear of it"]
enum Call {
    Nobody,
    /// Notify an idle thread.
    Wake,
    /// Make a thread, the so manieth.
    Hire(usize),
}

/// The closure, dressed as a future that is ready at its first poll.
struct Job<F>(Option<F>);

impl<F> Unpin for Job<F> {}

impl<F: FnOnce() -> R, R> Future for Job<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        budget::lift();
        let job = self.0.take().expect("a job is polled once: its one poll is never pending");
        Poll::Ready(job())
    }
}

impl Shared {
    /// Runs a closure on a thread of the pool; in a simulation as a task among the others, since there a second thread would
    /// be one that the seed knows nothing of.
    #[track_caller]
    pub(crate) fn spawn_blocking<F, R>(self: &Arc<Self>, job: F, mut birth: Birth, place: Place) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        if self.config.flavour == Flavour::Simulated {
            birth.becomes_job();
            // There is no queue: the place is free again.
            if place == Place::Reserved {
                self.release_place_for_job();
            }
            return self.spawn(Job(Some(job)), birth);
        }
        let (task, handle) = self.make_job(job, birth);
        self.blocking.push(self, task, place);
        handle
    }

    /// A task of a closure, numbered, dated and counted, for whichever thread will run it.
    #[track_caller]
    pub(super) fn make_job<F, R>(&self, job: F, mut birth: Birth) -> (Queued, JoinHandle<R>)
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.origin.require("spawn_blocking");
        birth.becomes_job();
        birth.id = self.outside.take_ids(1);
        birth.born_ms = coarse_ms(&self.workers[0].driver);
        if !birth.daemon {
            self.count_spawned_outside();
        }
        // Its home is a worker only for the cell's count and the panic hook: a job is never woken.
        spawn_cell(Job(Some(job)), &*self.workers[0], birth)
    }

    /// Keeps a place in the queue of jobs for the caller's next one; false if there is none.
    pub(crate) fn reserve_place_for_job(&self) -> bool {
        self.blocking.locked.lock().reserve()
    }

    /// Keeps a place for the caller, who waits in line until there is one; at once if there will be no jobs any more.
    pub(crate) fn poll_place_for_job(&self, number: &mut Option<u64>, waker: &Waker) -> Poll<()> {
        let waker = waker.clone(); // user code, before the lock
        let look = self.blocking.locked.lock().look(*number, waker);
        *number = None;
        match look {
            Look::Kept => Poll::Ready(()),
            Look::Waiting(place, _displaced) => {
                *number = Some(place);
                Poll::Pending
            }
        }
    }

    /// A place that was kept is not needed.
    pub(crate) fn release_place_for_job(&self) {
        self.blocking.change_places(|places| {
            places.release();
            None
        });
    }

    /// Whoever stood in line under this number goes away.
    pub(crate) fn leave_line_for_job(&self, number: u64) {
        self.blocking.change_places(|places| places.leave(number));
    }
}

impl Blocking {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { locked: Mutex::new(Book::new(limits.threads_max, limits.queue_max)), work: Condvar::new() }
    }

    /// B4. What `change` gives back is a waker to be dropped.
    fn change_places(&self, change: impl FnOnce(&mut Places) -> Option<Waker>) {
        let (dropped, woken) = {
            let mut book = self.locked.lock();
            (change(&mut book.places), book.give_place())
        };
        quietly(|| drop(dropped));
        wake(woken);
    }

    fn push(&self, shared: &Arc<Shared>, task: Queued, place: Place) {
        let pushed = self.locked.lock().push(task, place);
        match pushed {
            Ok(call) => self.make(shared, call),
            Err(task) => refuse(shared, task),
        }
    }

    /// Does what a call owes.
    fn make(&self, shared: &Arc<Shared>, call: Call) {
        match call {
            Call::Nobody => {}
            Call::Wake => self.work.notify_one(),
            Call::Hire(number) => self.hire(shared, number),
        }
    }

    fn hire(&self, shared: &Arc<Shared>, number: usize) {
        let name = format!("{}-blocking-{number}", shared.config.thread_name);
        let (stack, owned) = (shared.config.thread_stack_size, shared.clone());
        // It comes before the user's hook runs, which may take its time, or wait for a job.
        let come = move || owned.blocking.locked.lock().come();
        let live = |shared: &Arc<Shared>| or_abort(|| shared.blocking.run_thread(shared));
        if shared.start_thread(name, stack, come, live).is_ok() {
            return;
        }
        let (stranded, call, waits) = {
            let mut book = self.locked.lock();
            let (stranded, call) = book.hire_failed();
            (stranded, call, book.give_places())
        };
        self.make(shared, call);
        stranded.into_iter().for_each(|task| refuse_for_want_of_thread(shared, task));
        waits.into_iter().for_each(|waker| wake(Some(waker)));
    }

    /// The life of a thread of the pool.
    fn run_thread(&self, shared: &Arc<Shared>) {
        let mut book = self.locked.lock();
        loop {
            while let Some((task, call)) = book.take() {
                let place = book.running.insert(Running::of(task.header()));
                let waits = book.give_place();
                drop(book);
                self.make(shared, call);
                wake(waits);
                run(shared, task);
                book = self.locked.lock();
                book.running.remove(place);
            }
            book.fall_idle();
            let mut next = book.wake_up(false);
            while next == Next::Sleep {
                let (again, timed_out) = self.work.wait_for(book, shared.config.limits.keep_alive);
                book = again;
                next = book.wake_up(timed_out);
            }
            if next == Next::Leave {
                return;
            }
        }
    }

    /// B3: waiting jobs are cancelled, idle threads leave. Busy ones leave when their job is done.
    pub(crate) fn close(&self, shared: &Arc<Shared>) {
        let (waiting, in_line) = {
            let mut book = self.locked.lock();
            (book.close(), book.places.close())
        };
        self.work.notify_all();
        in_line.into_iter().for_each(|(_, waker)| wake(Some(waker)));
        waiting.into_iter().for_each(|task| refuse(shared, task));
    }

    /// Adds the jobs that have started and not ended.
    pub(super) fn running(&self, now_ms: u32, into: &mut Vec<TaskInfo>) {
        for (_, job) in &self.locked.lock().running {
            into.push(TaskInfo::of_job(job, now_ms));
        }
    }
}

/// What an idle thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
enum Next {
    /// At the queue: somebody called.
    Look,
    Sleep,
    Leave,
}

/// User code, outside the lock.
fn wake(waits: Option<Waker>) {
    if let Some(waker) = waits {
        quietly(|| waker.wake());
    }
}

impl<T> Book<T> {
    fn new(threads_max: usize, queue_max: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            threads: 0,
            idle: 0,
            called: false,
            hiring: false,
            hired: 0,
            threads_max,
            places: Places::new(queue_max),
            closed: false,
            running: Slab::new(),
        }
    }

    /// Keeps a place for a job, if one is free.
    fn reserve(&mut self) -> bool {
        self.places.take(self.queue.len())
    }

    /// The same, for one who waits until there is one. After `close` there is no queue, and everybody may try.
    fn look(&mut self, number: Option<u64>, waker: Waker) -> Look {
        if self.closed {
            self.places.enter_closed(number);
            return Look::Kept;
        }
        self.places.look(self.queue.len(), number, waker)
    }

    /// B4: gives the first in line a place, if one is free. The caller wakes it, after the lock.
    fn give_place(&mut self) -> Option<Waker> {
        self.places.give(self.queue.len())
    }

    /// As often as there is one, where more than one place may have become free.
    fn give_places(&mut self) -> Vec<Waker> {
        std::iter::from_fn(|| self.give_place()).collect()
    }

    /// Rule 1. Gives the job back after `close`.
    fn push(&mut self, job: T, place: Place) -> Result<Call, T> {
        if place == Place::Reserved {
            self.places.release();
        }
        if self.closed {
            return Err(job);
        }
        self.queue.push_back(job);
        Ok(self.call(self.threads_max))
    }

    /// Calls a thread if one is wanted and none is called.
    fn call(&mut self, threads_max: usize) -> Call {
        if self.queue.is_empty() || self.called || self.hiring {
            return Call::Nobody;
        }
        if self.idle > 0 {
            self.idle -= 1;
            self.called = true;
            return Call::Wake;
        }
        if self.threads >= threads_max {
            return Call::Nobody;
        }
        self.threads += 1;
        self.hiring = true;
        self.hired += 1;
        Call::Hire(self.hired)
    }

    /// B2: there is no thread for the call after all. Who is idle is called instead; if nobody is there at all, the jobs are
    /// given up. Nobody else is hired now: whoever is busy does that when it looks (3).
    fn hire_failed(&mut self) -> (VecDeque<T>, Call) {
        self.hiring = false;
        self.threads -= 1;
        let stranded = if self.threads == 0 { mem::take(&mut self.queue) } else { VecDeque::new() };
        (stranded, self.call(0))
    }

    /// A new thread is there.
    fn come(&mut self) {
        self.hiring = false;
    }

    /// Rules 2 and 3: the next job, and the call that goes with leaving others behind.
    fn take(&mut self) -> Option<(T, Call)> {
        let job = self.queue.pop_front()?;
        Some((job, self.call(self.threads_max)))
    }

    /// The queue was empty.
    fn fall_idle(&mut self) {
        self.idle += 1;
    }

    /// An idle thread looks up. Whoever comes first answers a call, be it the one that was notified or not: the caller has
    /// taken one off `idle`, and all who are idle are alike. (A hire is no such call: answered by an idle thread it was
    /// counted twice, and the new one found the count at odds.)
    fn wake_up(&mut self, timed_out: bool) -> Next {
        if self.called {
            self.called = false;
            return Next::Look;
        }
        if !timed_out && !self.closed {
            return Next::Sleep;
        }
        self.idle -= 1;
        self.threads -= 1;
        Next::Leave
    }

    fn close(&mut self) -> VecDeque<T> {
        self.closed = true;
        mem::take(&mut self.queue)
    }
}

impl Running {
    pub(super) fn of(task: &Header) -> Self {
        let name = task.name().map(str::to_owned);
        Self { id: task.id, name, spawned_at: task.spawned_at, born_ms: task.born_ms }
    }
}

/// Runs one job. User code runs here.
pub(super) fn run(shared: &Arc<Shared>, task: Queued) {
    let spawned_at = task.header().spawned_at;
    let ran = task.run();
    if !shared.origin.is_here() {
        fork::end_child(Some(spawned_at));
    }
    match ran {
        Ran::Finished(finished) => {
            let counted = !finished.header().flags.get().daemon;
            finished.complete();
            if counted {
                finish(shared);
            }
        }
        Ran::Idle(_) | Ran::Again(_) => unreachable!("a job's one poll is never pending"),
    }
}

/// Cancels a job that will not run.
pub(super) fn refuse(shared: &Arc<Shared>, task: Queued) {
    let counted = !task.header().flags.get().daemon;
    // What it drops may look for its runtime.
    shared.inside(|| reject(task));
    if counted {
        finish(shared);
    }
}

/// The same, and the reason is that the system gives no thread.
pub(super) fn refuse_for_want_of_thread(shared: &Arc<Shared>, task: Queued) {
    let header = task.header();
    header.flags.set(Flags { no_thread: true, ..header.flags.get() });
    refuse(shared, task);
}

fn finish(shared: &Arc<Shared>) {
    shared.count_finished_outside();
    // Always, and not only if a look says that somebody waits: nobody else would make up for a look that came too early.
    shared.tell_quiet();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::atomic::{AtomicU32, Ordering, model, model_thread};

    /// The pool's protocol without the pool: jobs are numbers, and running one adds it up.
    struct Pool {
        book: Mutex<Book<u32>>,
        work: Condvar,
        left: Condvar,
        sum: AtomicU32,
        /// Threads leave as soon as they are idle: every keep-alive runs out at once.
        hasty: bool,
    }

    impl Pool {
        fn new(threads_max: usize, hasty: bool) -> Arc<Self> {
            let book = Mutex::new(Book::new(threads_max, usize::MAX));
            Arc::new(Self { book, work: Condvar::new(), left: Condvar::new(), sum: AtomicU32::new(0), hasty })
        }

        fn push(self: &Arc<Self>, job: u32) {
            let call = self.book.lock().push(job, Place::Any).expect("open");
            self.make(call);
        }

        fn make(self: &Arc<Self>, call: Call) {
            match call {
                Call::Nobody => {}
                Call::Wake => self.work.notify_one(),
                Call::Hire(_) => {
                    let pool = self.clone();
                    drop(model_thread::spawn(move || pool.live()));
                }
            }
        }

        fn live(self: &Arc<Self>) {
            let mut book = self.book.lock();
            book.come();
            loop {
                while let Some((job, call)) = book.take() {
                    drop(book);
                    self.make(call);
                    self.sum.fetch_add(job, Ordering::AcqRel);
                    book = self.book.lock();
                }
                book.fall_idle();
                let mut next = book.wake_up(self.hasty);
                while next == Next::Sleep {
                    book = self.work.wait_for(book, Duration::from_secs(60)).0;
                    next = book.wake_up(false);
                }
                if next == Next::Leave {
                    drop(book);
                    self.left.notify_all();
                    return;
                }
            }
        }

        fn wait_for_threads(&self) {
            let mut book = self.book.lock();
            while book.threads > 0 {
                book = self.left.wait_for(book, Duration::from_secs(60)).0;
            }
            assert_eq!((book.idle, book.called, book.queue.len()), (0, false, 0), "B1: nothing is left behind");
        }
    }

    #[test]
    fn model_blk_02_a_job_pushed_while_the_last_thread_leaves_is_run() {
        model(|| {
            let pool = Pool::new(1, true);
            let other = pool.clone();
            let pusher = model_thread::spawn(move || other.push(1));
            pool.push(2);
            pusher.join().expect("no panic");
            pool.wait_for_threads();
            assert_eq!(pool.sum.load(Ordering::Acquire), 3);
        });
    }

    #[test]
    fn model_blk_02_jobs_pushed_to_sleeping_threads_are_run_before_the_pool_closes() {
        model(|| {
            let pool = Pool::new(2, false);
            pool.push(1);
            pool.push(2);
            let left = pool.book.lock().close();
            pool.work.notify_all();
            pool.wait_for_threads();
            let left: u32 = left.into_iter().sum();
            assert_eq!(pool.sum.load(Ordering::Acquire) + left, 3, "each was run or given back");
        });
    }

    #[test]
    fn blk_04_places_of_jobs_that_are_given_up_go_to_as_many_who_wait() {
        let mut book = Book::new(8, 2);
        assert!(book.reserve() && book.reserve());
        let wait = |book: &mut Book<char>| match book.look(None, Waker::noop().clone()) {
            Look::Waiting(number, _) => number,
            Look::Kept => panic!("there is none"),
        };
        let waiting = [(); 3].map(|()| wait(&mut book));
        assert_eq!(book.push('a', Place::Reserved), Ok(Call::Hire(1)));
        assert_eq!(book.push('b', Place::Reserved), Ok(Call::Nobody));
        assert!(book.give_places().is_empty());
        let (stranded, call) = book.hire_failed();
        assert_eq!((stranded.len(), call, book.give_places().len()), (2, Call::Nobody, 2), "B4");
        let looks = waiting.map(|number| matches!(book.look(Some(number), Waker::noop().clone()), Look::Kept));
        assert_eq!(looks, [true, true, false]);
        assert!(!book.reserve(), "the third one is before");
    }

    #[test]
    fn blk_04_who_is_idle_is_called_when_nobody_can_be_hired_and_nothing_is_stranded() {
        let mut book = Book::new(8, usize::MAX);
        assert_eq!(book.push('a', Place::Any), Ok(Call::Hire(1)));
        let (stranded, call) = book.hire_failed();
        assert_eq!(
            (stranded.len(), call, book.threads),
            (1, Call::Nobody, 0),
            "nobody is there: given up, and said so"
        );
        assert_eq!(book.push('b', Place::Any), Ok(Call::Hire(2)));
        book.come();
        assert_eq!(book.take(), Some(('b', Call::Nobody)));
        assert_eq!(book.push('c', Place::Any), Ok(Call::Hire(3)));
        assert_eq!(book.push('d', Place::Any), Ok(Call::Nobody), "one is called already");
        // The busy one is done before the new one is there.
        assert_eq!(book.take(), Some(('c', Call::Nobody)));
        assert_eq!(book.take(), Some(('d', Call::Nobody)));
        book.fall_idle();
        assert_eq!(book.wake_up(false), Next::Sleep, "a hire is not for those who are idle");
        assert_eq!(book.push('e', Place::Any), Ok(Call::Nobody));
        let (stranded, call) = book.hire_failed();
        assert_eq!((stranded.len(), call), (0, Call::Wake), "B2: the idle one is called instead");
        assert_eq!((book.wake_up(false), book.take()), (Next::Look, Some(('e', Call::Nobody))));
    }
}
