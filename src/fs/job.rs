//! The future of an operation that is one job of the pool and nothing else.

use crate::io::Job;
use crate::task::budget;
use std::fmt;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

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

pub(super) type Work<T> = Box<dyn FnOnce() -> io::Result<T> + Send>;
type Try<T> = Box<dyn FnOnce() -> Result<T, Work<T>> + Send>;

/// How far it is.
enum Stage<T> {
    /// Not polled yet. The system's cache may have the answer; else it is work.
    Try(Try<T>, &'static Location<'static>),
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

    /// With a try on the caller's thread, which gives the work if it fails.
    pub(super) fn tried(
        at: &'static Location<'static>,
        answer: impl FnOnce() -> Result<T, Work<T>> + Send + 'static,
    ) -> Self {
        Self(Stage::Try(Box::new(answer), at))
    }

    /// One step on. Ready if the try has answered.
    fn begin(&mut self) -> Poll<T> {
        self.0 = match std::mem::replace(&mut self.0, Stage::Over) {
            Stage::Try(answer, at) => match answer() {
                Ok(answer) => return Poll::Ready(answer),
                Err(work) => Stage::Running(Job::start(at, work)),
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
            Stage::Try(_, at) | Stage::New(_, at) => write!(f, "Operation(new, at {at})"),
            Stage::Running(job) => write!(f, "Operation({job:?})"),
            Stage::Over => f.write_str("Operation(over)"),
        }
    }
}
