//! The hop: work that blocks, on a thread of the pool, for whoever cannot do without.

use std::fmt;
use std::io;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::sched::blocking::Place;
use crate::sched::shared::RUNTIME;
use crate::task::wait::{self, Wait, WaitKind};
use crate::task::{Birth, JoinHandle};

/// A job of the pool under way. Dropping it takes it back if it has not begun; one that has runs to its end, and what it
/// gives is dropped there.
pub(crate) struct Job<T> {
    /// None once the result was taken.
    handle: Option<JoinHandle<T>>,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

impl<T: Send + 'static> Job<T> {
    /// Hands the work to the pool of the runtime that this thread is in.
    pub(crate) fn start(at: &'static Location<'static>, work: impl FnOnce() -> T + Send + 'static) -> Self {
        let Some(shared) = RUNTIME.with(|shared| shared.cloned()) else {
            panic!("a file at {at} needs a runtime: use it inside `Runtime::block_on`, a task, or `Handle::enter`")
        };
        Self { handle: Some(shared.spawn_blocking(work, Birth::at(at), Place::Any)), at }
    }

    /// An error means that the job did not run: the runtime is shut down, or has no thread for it. A panic goes on here.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
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

/// Calls until it is not interrupted: a signal that comes meanwhile is no answer.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
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
