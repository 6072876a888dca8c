//! A blocking job of a group: a closure on a thread of the pool, for which the scope waits.
//!
//! ```text
//!    task:  room? ──> hand the job to the pool ──────────────────> its result is the child's
//!             │ cancelled: the job is dropped    │ cancelled: abort, which drops one that has not begun
//!    pool:                                       v
//!                                    run ── failure noted ──> leave
//! ```
//!
//! The place in the book goes with the closure, and `member`'s M1 holds for it. So the scope does not end before a job that has begun, which
//! nobody can stop; and it does not matter what becomes of the task that waits for it.

use super::book::{Entry, Room};
use super::error::{ChildError, Failure};
use super::member::{Inside, Polled};
use super::shared::{Label, Shared};
use crate::task::{CancelCause, JoinHandle, wait};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

/// The task that waits for room, and then for the job.
pub(super) struct Job<J, T, E> {
    stage: Stage<J, T, E>,
    group: Arc<Shared<E>>,
    label: Label,
    /// `None` once nobody wants the job any more.
    wanted: Option<Arc<()>>,
}

enum Stage<J, T, E> {
    Waiting(Work<J, E>),
    Running(JoinHandle<Result<T, ChildError>>),
    Over,
}

/// The closure, with its place in the group.
struct Work<J, E> {
    /// `None` once it runs.
    job: Option<J>,
    inside: Inside<E>,
    /// Dead once nobody wants the job any more.
    wanted: Weak<()>,
}

impl<J, T, E> Job<J, T, E> {
    pub(super) fn new(job: J, group: Arc<Shared<E>>, (entry, room): (Entry, Room), label: Label) -> Self {
        let wanted = Arc::new(());
        let inside = Inside::new(group.clone(), entry, room, label.at);
        let work = Work { job: Some(job), inside, wanted: Arc::downgrade(&wanted) };
        Self { stage: Stage::Waiting(work), group, label, wanted: Some(wanted) }
    }
}

/// The closure is not run here.
impl<J, T, E> Unpin for Job<J, T, E> {}

impl<J, T, E> Future for Job<J, T, E>
where
    J: FnOnce() -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Output = Result<T, ChildError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Stage::Waiting(work) = &mut this.stage
            && !this.group.is_hard()
            && !work.inside.poll_room(cx)
        {
            return Poll::Pending;
        }
        if matches!(this.stage, Stage::Waiting(_))
            && let Stage::Waiting(work) = mem::replace(&mut this.stage, Stage::Over)
        {
            if this.group.is_hard() {
                drop(work);
                return Poll::Ready(Err(ChildError::Cancelled(this.group.cause())));
            }
            let Label { name, at } = this.label.clone();
            let job = this.group.runtime.spawn_blocking_at(move || work.run(), name, at);
            this.stage = Stage::Running(job);
        }
        this.poll_job(cx)
    }
}

impl<J, T, E> Job<J, T, E> {
    fn poll_job(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, ChildError>> {
        let Stage::Running(job) = &mut self.stage else { panic!("this job was awaited to its end already") };
        if self.group.is_hard() {
            job.abort(); // one that has begun goes on
        }
        match Pin::new(job).poll(cx) {
            Poll::Ready(ended) => {
                self.stage = Stage::Over;
                Poll::Ready(ended.map_err(ChildError::from).flatten())
            }
            Poll::Pending => {
                wait::place(self.label.at);
                Poll::Pending
            }
        }
    }
}

impl<J, T, E> Drop for Job<J, T, E> {
    /// Before its end: one that has begun goes on, and the scope waits for it.
    fn drop(&mut self) {
        self.wanted = None;
        if let Stage::Running(job) = &self.stage {
            job.abort();
        }
    }
}

impl<J, E> Work<J, E> {
    /// On a thread of the pool.
    fn run<T>(mut self) -> Result<T, ChildError>
    where
        J: FnOnce() -> Result<T, E>,
    {
        let job = if self.inside.group.is_hard() { None } else { self.job.take() };
        let Some(job) = job else {
            return Err(ChildError::Cancelled(self.inside.group.cause())); // and `drop` leaves
        };
        let polled = match catch_unwind(AssertUnwindSafe(|| self.inside.region.lend(job))) {
            Ok(result) => Polled::Done(result),
            Err(payload) => Polled::Panicked(payload),
        };
        self.inside.end(polled)
    }
}

impl<J, E> Drop for Work<J, E> {
    /// If it has not run, it never will; and if that was nobody's wish, it is a failure.
    fn drop(&mut self) {
        if self.inside.has_left() {
            return;
        }
        let job = self.job.take();
        self.inside.note_panic(catch_unwind(AssertUnwindSafe(|| drop(job))));
        let group = &self.inside.group;
        if group.runtime.is_stopping() {
            group.fail(Failure::Cancelled(CancelCause::Shutdown), None);
        } else if self.wanted.strong_count() > 0 && !self.inside.group.is_hard() {
            group.fail(Failure::Cancelled(CancelCause::NoThread), None);
        }
        self.inside.leave();
    }
}
