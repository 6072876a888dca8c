#![allow(unsafe_code, reason = "is a home for tasks, which is an `unsafe impl Schedule`")]
//! Models of a task among threads: every way in which a wake, a run, an abort and a handle can meet.
//!
//! ```text
//!    thread A: wake, abort, drop or poll a handle ──┐
//!    thread B: the same, or another of these        ├──> one cell, whose home is a queue and two counters
//!    this thread: runs what is queued ──────────────┘
//! ```
//!
//! Each model races them, then joins the threads, runs what is left, and counts: polls, drops of future and output,
//! pushes, and what still points at the home. The counters are plain std atomics, which loom does not branch on; what
//! it explores is the state word, the join-waker slot, the cell's stage, and the home's queue.

use super::{Birth, Dead, Header, JoinError, JoinHandle, Queued, Ran, Schedule, spawn_cell};
use crate::base::atomic::{AtomicUsize, Mutex, Ordering, model, model_thread};
use std::any::Any;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Count;
use std::task::{Context, Poll, Wake, Waker};

/// A home with one queue, which any thread may empty.
struct Home {
    queue: Mutex<VecDeque<Queued>>,
    /// Pushes, the one at birth included.
    pushes: Count,
    /// Panics that nobody joined.
    unhandled: Count,
}

// SAFETY: each cell holds a strong count of its home from its birth until it was freed.
unsafe impl Schedule for Home {
    fn schedule(&self, task: Queued) {
        self.push(task);
    }

    fn unhandled_panic(&self, _task: &Header, _payload: Box<dyn Any + Send>) {
        self.unhandled.fetch_add(1, Ordering::Relaxed);
    }

    fn cell_born(&self) {
        // SAFETY: every `Home` is made by `Home::new`, inside an `Arc`.
        unsafe { Arc::increment_strong_count(ptr::from_ref(self)) };
    }

    unsafe fn cell_freed(home: NonNull<Self>) {
        // SAFETY: gives back what `cell_born` took.
        unsafe { Arc::decrement_strong_count(home.as_ptr()) };
    }
}

impl Home {
    fn new() -> Arc<Self> {
        let queue = Mutex::new(VecDeque::new());
        Arc::new(Self { queue, pushes: Count::new(0), unhandled: Count::new(0) })
    }

    fn push(&self, task: Queued) {
        self.pushes.fetch_add(1, Ordering::Relaxed);
        self.queue.lock().push_back(task);
    }

    fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let spawned_at = Location::caller();
        let birth = Birth { id: 1, parent: 0, spawned_at, name: None, born_ms: 0, daemon: false };
        let (task, handle) = spawn_cell(future, self, birth);
        self.push(task);
        handle
    }

    /// Runs what is queued until nothing is.
    fn run(&self) {
        while let Some(task) = self.take() {
            match task.run() {
                Ran::Idle => {}
                Ran::Again(task) => self.push(task),
                Ran::Finished(finished) => finished.complete(),
            }
        }
    }

    /// As `run` on a thread that is not the registry's: what has finished is sent home.
    fn run_away(&self, home: &Mutex<Vec<Dead>>) {
        while let Some(task) = self.take() {
            match task.run() {
                Ran::Idle => {}
                Ran::Again(task) => self.push(task),
                Ran::Finished(finished) => home.lock().push(finished.complete_away()),
            }
        }
    }

    fn take(&self) -> Option<Queued> {
        self.queue.lock().pop_front()
    }

    fn pushes(&self) -> usize {
        self.pushes.load(Ordering::Relaxed)
    }

    /// All threads are joined: nothing is queued, no cell is left, and nobody's panic got lost.
    fn assert_empty(self: Arc<Self>) {
        assert!(self.take().is_none(), "T1: nothing is queued behind the end");
        assert_eq!(Arc::strong_count(&self), 1, "T3: every cell is freed, once");
        assert_eq!(self.unhandled.load(Ordering::Relaxed), 0);
    }
}

/// What the models count.
#[derive(Default)]
struct Counts {
    polls: Count,
    futures_dropped: Count,
    outputs_dropped: Count,
}

impl Counts {
    fn read(&self) -> (usize, usize, usize) {
        let read = |count: &Count| count.load(Ordering::Relaxed);
        (read(&self.polls), read(&self.futures_dropped), read(&self.outputs_dropped))
    }
}

/// An output that counts its end.
struct Output(Arc<Counts>);

impl Drop for Output {
    fn drop(&mut self) {
        self.0.outputs_dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// A future that counts its polls and its end: ready at the poll with this number, the first being 1.
struct Task {
    counts: Arc<Counts>,
    ready_at: usize,
    /// The waker of the first poll is left here.
    waker: Arc<std::sync::Mutex<Option<Waker>>>,
}

impl Task {
    fn new(ready_at: usize) -> Self {
        Self { counts: Arc::default(), ready_at, waker: Arc::default() }
    }
}

impl Future for Task {
    type Output = Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        let poll = self.counts.polls.fetch_add(1, Ordering::Relaxed) + 1;
        if poll == self.ready_at {
            return Poll::Ready(Output(self.counts.clone()));
        }
        self.waker.lock().expect("not poisoned").get_or_insert_with(|| cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.counts.futures_dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// A task that has been polled once and waits, with its one waker.
fn waiting(home: &Home, ready_at: usize) -> (JoinHandle<Output>, Waker, Arc<Counts>) {
    let task = Task::new(ready_at);
    let (counts, slot) = (task.counts.clone(), task.waker.clone());
    let handle = home.spawn(task);
    home.run();
    let waker = slot.lock().expect("not poisoned").take().expect("it was polled");
    (handle, waker, counts)
}

/// Counts its wake-ups.
#[derive(Default)]
struct Bell(Count);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn rings(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Polls a handle once.
fn look<T>(handle: &mut JoinHandle<T>, waker: &Waker) -> Poll<Result<T, JoinError>> {
    Pin::new(handle).poll(&mut Context::from_waker(waker))
}

/// The result of a task that has ended.
fn result<T>(mut handle: JoinHandle<T>) -> Result<T, JoinError> {
    match look(&mut handle, Waker::noop()) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the task has not ended"),
    }
}

#[test]
fn model_tsk_01_three_wakes_are_four_pushes_and_four_polls() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 4);
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(home.pushes(), 2, "a task that is queued is not queued again");
        home.run();
        waker.wake_by_ref();
        home.run();
        waker.wake();
        home.run();
        assert_eq!((home.pushes(), counts.read()), (4, (4, 1, 0)));
        drop(result(handle));
        assert_eq!(counts.read(), (4, 1, 1));
        home.assert_empty();
    });
}

#[test]
fn model_tsk_01_a_task_that_wakes_itself_is_pushed_once_a_poll_and_polled_as_often() {
    model(|| {
        let home = Home::new();
        let mut left = 3;
        let handle = home.spawn(poll_fn(move |cx| {
            left -= 1;
            if left == 0 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            cx.waker().clone().wake();
            Poll::Pending
        }));
        home.run();
        assert_eq!(home.pushes(), 3);
        assert!(result(handle).is_ok());
        home.assert_empty();
    });
}

#[test]
fn model_tsk_12_a_poll_sees_what_was_written_before_the_wake_even_if_it_was_queued_already() {
    for by_value in [false, true] {
        model(move || {
            let home = Home::new();
            let (data, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Count::new(0)));
            let slot = Arc::new(std::sync::Mutex::new(None));
            let handle = {
                let (data, seen, slot) = (data.clone(), seen.clone(), slot.clone());
                home.spawn(poll_fn(move |cx| {
                    // ORDER: Relaxed, the wake itself must do the ordering.
                    seen.store(data.load(Ordering::Relaxed), Ordering::Relaxed);
                    slot.lock().expect("not poisoned").get_or_insert_with(|| cx.waker().clone());
                    Poll::<()>::Pending
                }))
            };
            home.run();
            let waker = slot.lock().expect("not poisoned").clone().expect("it was polled");
            let other = waker.clone();
            let writer = model_thread::spawn(move || {
                // ORDER: Relaxed, as above.
                data.store(1, Ordering::Relaxed);
                if by_value { waker.wake() } else { waker.wake_by_ref() }
            });
            let other = model_thread::spawn(move || other.wake_by_ref());
            home.run();
            writer.join().expect("no panic");
            other.join().expect("no panic");
            home.run();
            assert_eq!(seen.load(Ordering::Relaxed), 1, "the last poll came after the write");
            assert!((2..=3).contains(&home.pushes()), "a wake is a push, or finds one under way");
            handle.abort();
            home.run();
            assert!(result(handle).is_err_and(|error| error.is_cancelled()));
            slot.lock().expect("not poisoned").take();
            home.assert_empty();
        });
    }
}

#[test]
fn model_tsk_12_a_task_that_changes_threads_takes_along_what_its_last_poll_wrote() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 4);
        let wakers = [waker.clone(), waker].map(|waker| model_thread::spawn(move || waker.wake()));
        let other = home.clone();
        let runner = model_thread::spawn(move || other.run());
        home.run();
        wakers.into_iter().for_each(|thread| thread.join().expect("no panic"));
        runner.join().expect("no panic");
        home.run();
        assert!((2..=3).contains(&counts.read().0), "a poll for one of the wakes, or for each");
        handle.abort();
        home.run();
        assert!(result(handle).is_err_and(|error| error.is_cancelled()));
        home.assert_empty();
    });
}

#[test]
fn model_tsk_08_wakes_that_meet_the_last_poll_and_the_end_do_nothing() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 2);
        waker.wake_by_ref();
        let wakers: Vec<_> = [false, true]
            .into_iter()
            .map(|by_value| {
                let waker = waker.clone();
                model_thread::spawn(move || if by_value { waker.wake() } else { waker.wake_by_ref() })
            })
            .collect();
        drop(waker);
        home.run();
        wakers.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert!(home.take().is_none(), "a task that is done is not queued");
        drop(result(handle));
        assert_eq!((home.pushes(), counts.read()), (2, (2, 1, 1)));
        home.assert_empty();
    });
}

#[test]
fn model_tsk_08_a_wake_by_value_with_the_last_reference_frees_the_cell_once() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 2);
        drop(handle);
        // Queued already: the wake by value has nothing to push, and may give up the last reference but the queue's.
        waker.wake_by_ref();
        let last = model_thread::spawn(move || waker.wake());
        home.run();
        last.join().expect("no panic");
        assert_eq!(counts.read(), (2, 1, 1));
        home.assert_empty();
    });
}

#[test]
fn model_tsk_09_the_last_waker_is_dropped_while_the_task_is_aborted() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 2);
        let dropper = model_thread::spawn(move || drop(waker));
        let abort = handle.abort_handle();
        drop(handle);
        let aborter = model_thread::spawn(move || abort.abort());
        home.run();
        dropper.join().expect("no panic");
        aborter.join().expect("no panic");
        home.run();
        assert_eq!(counts.read(), (1, 1, 0));
        home.assert_empty();
    });
}

#[test]
fn model_tsk_06_two_aborts_at_once_are_one_end() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 2);
        drop(waker);
        let aborters: Vec<_> = (0..2)
            .map(|_| {
                let abort = handle.abort_handle();
                model_thread::spawn(move || abort.abort())
            })
            .collect();
        home.run();
        aborters.into_iter().for_each(|thread| thread.join().expect("no panic"));
        home.run();
        assert!(result(handle).is_err_and(|error| error.is_cancelled()));
        assert_eq!((home.pushes(), counts.read()), (2, (1, 1, 0)), "T1: one of the two pushes");
        home.assert_empty();
    });
}

#[test]
fn model_tsk_07_an_abort_that_meets_the_last_poll_leaves_an_output_or_a_cancel() {
    model(|| {
        let home = Home::new();
        let (handle, waker, counts) = waiting(&home, 2);
        let abort = handle.abort_handle();
        let waker = model_thread::spawn(move || waker.wake());
        let aborter = model_thread::spawn(move || abort.abort());
        home.run();
        waker.join().expect("no panic");
        aborter.join().expect("no panic");
        home.run();
        let outputs = match result(handle) {
            Ok(output) => usize::from(Arc::ptr_eq(&output.0, &counts)),
            Err(error) => usize::from(!error.is_cancelled()),
        };
        assert_eq!(counts.read(), (1 + outputs, 1, outputs));
        home.assert_empty();
    });
}

#[test]
fn model_tsk_03_a_handle_dropped_while_the_task_ends_drops_the_output_once() {
    for polled in [false, true] {
        model(move || {
            let home = Home::new();
            let (mut handle, waker, counts) = waiting(&home, 2);
            let bell = Arc::new(Bell::default());
            if polled {
                assert!(look(&mut handle, &bell.clone().into()).is_pending());
            }
            waker.wake();
            let dropper = model_thread::spawn(move || drop(handle));
            home.run();
            dropper.join().expect("no panic");
            assert_eq!(counts.read(), (2, 1, 1));
            assert!(bell.rings() <= usize::from(polled), "T5: the waker is woken or dropped, not both");
            assert_eq!(Arc::strong_count(&bell), 1, "T5: and it is one of the two");
            home.assert_empty();
        });
    }
}

#[test]
fn model_tsk_03_a_handle_polled_while_the_task_ends_is_ready_or_woken() {
    // The waker of the poll before: none, another one, the same one.
    for before in [None, Some(0), Some(1)] {
        model(move || {
            let home = Home::new();
            let (mut handle, waker, counts) = waiting(&home, 2);
            let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
            if let Some(before) = before {
                assert!(look(&mut handle, &bells[before].clone().into()).is_pending());
            }
            waker.wake();
            let last = bells[1].clone();
            let joiner = model_thread::spawn(move || match look(&mut handle, &last.into()) {
                Poll::Ready(result) => Err(result),
                Poll::Pending => Ok(handle),
            });
            home.run();
            match joiner.join().expect("no panic") {
                Err(early) => assert!(early.is_ok()),
                Ok(handle) => {
                    assert_eq!(bells[1].rings(), 1, "who was told to wait is woken");
                    assert!(result(handle).is_ok());
                }
            }
            assert_eq!(counts.read(), (2, 1, 1));
            assert!(bells.iter().all(|bell| Arc::strong_count(bell) == 1 && bell.rings() <= 1));
            home.assert_empty();
        });
    }
}

#[test]
fn model_tsk_03_a_task_that_ends_away_from_home_is_buried_while_its_handle_is_dropped() {
    model(|| {
        let home = Home::new();
        let (mut handle, waker, counts) = waiting(&home, 2);
        let bell = Arc::new(Bell::default());
        assert!(look(&mut handle, &bell.clone().into()).is_pending());
        waker.wake();
        let dead = Arc::new(Mutex::new(Vec::new()));
        let away = {
            let (home, dead) = (home.clone(), dead.clone());
            model_thread::spawn(move || home.run_away(&dead))
        };
        let dropper = model_thread::spawn(move || drop(handle));
        let bury = |dead: &Mutex<Vec<Dead>>| {
            let dead = dead.lock().pop();
            dead.into_iter().for_each(Dead::bury);
        };
        bury(&dead);
        away.join().expect("no panic");
        dropper.join().expect("no panic");
        bury(&dead);
        assert_eq!(counts.read(), (2, 1, 1));
        assert!(bell.rings() <= 1);
        assert_eq!(Arc::strong_count(&bell), 1);
        home.assert_empty();
    });
}
