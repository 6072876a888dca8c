//! The hop: work that blocks, on a thread of the pool, and the future of an operation that is nothing but that.

use crate::sched::blocking::Place;
use crate::sched::shared::RUNTIME;
use crate::task::budget;
use crate::task::wait::{self, Wait, WaitKind};
use crate::task::{Birth, JoinHandle};
use std::fmt;
use std::io;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A job of the pool under way. Dropping it takes it back if it has not begun; one that has runs to its end, and what it
/// gives is dropped there.
pub(super) struct Job<T> {
    /// None once the result was taken.
    handle: Option<JoinHandle<T>>,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

impl<T: Send + 'static> Job<T> {
    /// Hands the work to the pool of the runtime that this thread is in.
    pub(super) fn start(at: &'static Location<'static>, work: impl FnOnce() -> T + Send + 'static) -> Self {
        let Some(shared) = RUNTIME.with(|shared| shared.cloned()) else {
            panic!("a file at {at} needs a runtime: use it inside `Runtime::block_on`, a task, or `Handle::enter`")
        };
        Self { handle: Some(shared.spawn_blocking(work, Birth::at(at), Place::Any)), at }
    }

    /// An error means that the job did not run: the runtime is shut down, or has no thread for it. A panic goes on here.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let handle = self.handle.as_mut().expect("a job is not polled again when it has given its result");
        let object = handle.id().as_u64();
        let Poll::Ready(result) = Pin::new(handle).poll(cx) else {
            wait::note(Wait { kind: WaitKind::Files, object, at: self.at });
            return Poll::Pending;
        };
        self.handle = None;
        Poll::Ready(result.map_err(|error| match error.try_into_panic() {
            Ok(payload) => resume_unwind(payload),
            Err(cancelled) => cancelled.into(),
        }))
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.abort();
        }
    }
}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&self.handle).finish()
    }
}

/// Future of an operation that is one job of the pool, from beginning to end.
///
/// The job is handed over at the first poll, and takes its arguments along; nothing is borrowed.
///
/// # Cancellation
/// **Detached.** A job that has begun runs to its end, and its result is dropped. One that has not never does, and no part
/// of the operation happens.
///
/// # Errors
/// Those of std's function of the same name. Beside these, an error of the kind [`Other`](io::ErrorKind::Other) says that the
/// operation was not begun, since the runtime is shut down or the system has no thread for it.
///
/// # Panics
/// When it is polled outside a runtime, or again after it was ready.
#[must_use = "futures do nothing unless awaited"]
pub struct Operation<T>(Stage<T>);

type Work<T> = Box<dyn FnOnce() -> io::Result<T> + Send>;
type Try<T> = Box<dyn FnOnce() -> Option<T> + Send>;

/// How far it is.
enum Stage<T> {
    /// Not polled yet. The system's cache may have the answer; then the work is dropped.
    Try(Try<T>, Work<T>, &'static Location<'static>),
    /// To be handed to the pool.
    New(Work<T>, &'static Location<'static>),
    /// The pool has it.
    Running(Job<io::Result<T>>),
    /// The result was taken.
    Over,
}

impl<T: Send + 'static> Operation<T> {
    pub(super) fn new(at: &'static Location<'static>, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Self {
        Self(Stage::New(Box::new(work), at))
    }

    /// With a try on the caller's thread before it.
    pub(super) fn after_a_try(self, answer: impl FnOnce() -> Option<T> + Send + 'static) -> Self {
        match self.0 {
            Stage::New(work, at) => Self(Stage::Try(Box::new(answer), work, at)),
            other => Self(other),
        }
    }

    /// One step on. Ready if the try has answered.
    fn begin(&mut self) -> Poll<T> {
        self.0 = match std::mem::replace(&mut self.0, Stage::Over) {
            Stage::Try(answer, work, at) => match answer() {
                Some(answer) => return Poll::Ready(answer),
                None => Stage::Running(Job::start(at, work)),
            },
            Stage::New(work, at) => Stage::Running(Job::start(at, work)),
            other => other,
        };
        Poll::Pending
    }
}

impl<T> Unpin for Operation<T> {}

impl<T: Send + 'static> Future for Operation<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Stage::Try(..) = self.0 {
            ready!(budget::poll_proceed(cx));
        }
        if let Poll::Ready(answer) = self.begin() {
            return Poll::Ready(Ok(answer));
        }
        let Stage::Running(job) = &mut self.0 else { panic!("a file operation was polled after it was ready") };
        let result = ready!(job.poll(cx));
        self.0 = Stage::Over;
        Poll::Ready(result.flatten())
    }
}

impl<T> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Stage::Try(_, _, at) | Stage::New(_, at) => write!(f, "Operation(new, at {at})"),
            Stage::Running(job) => write!(f, "Operation({job:?})"),
            Stage::Over => f.write_str("Operation(over)"),
        }
    }
}
