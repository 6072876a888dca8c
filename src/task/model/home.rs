#![allow(unsafe_code, reason = "is a home for tasks, which is an `unsafe impl Schedule`")]
//! What the models are made of: a home with one queue, a future and an output that are counted, and a bell.
//!
//! The counters are plain std atomics, on which loom does not branch.

use super::super::{Birth, Dead, Header, JoinError, JoinHandle, Queued, Ran, Schedule, spawn_cell};
use crate::base::atomic::{AtomicUsize, Mutex, Ordering};
use std::any::Any;
use std::collections::VecDeque;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Count;
use std::task::{Context, Poll, Wake, Waker};

/// A home with one queue, which any thread may empty.
pub(super) struct Home {
    queue: Mutex<VecDeque<Queued>>,
    /// Pushes, the one at birth included.
    pushes: Count,
    /// Panics that nobody joined.
    unhandled: Count,
    /// For a model of its end: 1 when the home is gone. One of loom's own, so that it tries both orders of end and push.
    end: Option<Arc<AtomicUsize>>,
}

impl Drop for Home {
    fn drop(&mut self) {
        self.end.iter().for_each(|end| end.store(1, Ordering::Relaxed));
    }
}

// SAFETY: each cell holds a strong count of its home from its birth until it was freed.
unsafe impl Schedule for Home {
    fn schedule(&self, task: Queued) {
        let end = self.end.clone();
        self.push(task);
        if let Some(end) = end {
            // Here a worker's own `schedule` notifies the driver.
            assert_eq!(end.load(Ordering::Relaxed), 0, "T7: the home is alive until the push is over");
        }
    }

    fn unhandled_panic(&self, _task: &Header, _payload: &(dyn Any + Send)) {
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
    pub(super) fn new() -> Arc<Self> {
        let queue = Mutex::new(VecDeque::new());
        Arc::new(Self { queue, pushes: Count::new(0), unhandled: Count::new(0), end: None })
    }

    pub(super) fn watching_its_end() -> Arc<Self> {
        let end = Some(Arc::new(AtomicUsize::new(0)));
        let queue = Mutex::new(VecDeque::new());
        Arc::new(Self { queue, pushes: Count::new(0), unhandled: Count::new(0), end })
    }

    fn push(&self, task: Queued) {
        self.pushes.fetch_add(1, Ordering::Relaxed);
        self.queue.lock().push_back(task);
    }

    pub(super) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let spawned_at = Location::caller();
        let birth = Birth { id: 1, ..Birth::at(spawned_at) };
        let (task, handle) = spawn_cell(future, self, birth);
        self.push(task);
        handle
    }

    /// Runs what is queued until nothing is.
    pub(super) fn run(&self) {
        while let Some(task) = self.take() {
            match task.run() {
                Ran::Idle(_) => {}
                Ran::Again(task) => self.push(task),
                Ran::Finished(finished) => finished.complete(),
            }
        }
    }

    /// As `run` on a thread that is not the registry's: what has finished is sent home.
    pub(super) fn run_away(&self, home: &Mutex<Vec<Dead>>) {
        while let Some(task) = self.take() {
            match task.run() {
                Ran::Idle(_) => {}
                Ran::Again(task) => self.push(task),
                Ran::Finished(finished) => home.lock().push(finished.complete_away()),
            }
        }
    }

    pub(super) fn take(&self) -> Option<Queued> {
        self.queue.lock().pop_front()
    }

    pub(super) fn pushes(&self) -> usize {
        self.pushes.load(Ordering::Relaxed)
    }

    /// All threads are joined: nothing is queued, no cell is left, and nobody's panic got lost.
    pub(super) fn assert_empty(self: Arc<Self>) {
        assert!(self.take().is_none(), "T1: nothing is queued behind the end");
        assert_eq!(Arc::strong_count(&self), 1, "T3: every cell is freed, once");
        assert_eq!(self.unhandled.load(Ordering::Relaxed), 0);
    }
}

/// What the models count.
#[derive(Default)]
pub(super) struct Counts {
    polls: Count,
    futures_dropped: Count,
    outputs_dropped: Count,
}

impl Counts {
    pub(super) fn read(&self) -> (usize, usize, usize) {
        let read = |count: &Count| count.load(Ordering::Relaxed);
        (read(&self.polls), read(&self.futures_dropped), read(&self.outputs_dropped))
    }
}

/// An output that counts its end.
pub(super) struct Output(pub(super) Arc<Counts>);

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
pub(super) fn waiting(home: &Home, ready_at: usize) -> (JoinHandle<Output>, Waker, Arc<Counts>) {
    let task = Task::new(ready_at);
    let (counts, slot) = (task.counts.clone(), task.waker.clone());
    let handle = home.spawn(task);
    home.run();
    let waker = slot.lock().expect("not poisoned").take().expect("it was polled");
    (handle, waker, counts)
}

/// Counts its wake-ups.
#[derive(Default)]
pub(super) struct Bell(Count);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    pub(super) fn rings(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Polls a handle once.
pub(super) fn look<T>(handle: &mut JoinHandle<T>, waker: &Waker) -> Poll<Result<T, JoinError>> {
    Pin::new(handle).poll(&mut Context::from_waker(waker))
}

/// The result of a task that has ended.
pub(super) fn result<T>(mut handle: JoinHandle<T>) -> Result<T, JoinError> {
    match look(&mut handle, Waker::noop()) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("the task has not ended"),
    }
}
