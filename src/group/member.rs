#![allow(unsafe_code, reason = "pins the child's future as a field of its member")]
//! A child as its task runs it: the future, and around it the promise that the group hears of its end.
//!
//! No list is searched for who has ended and nothing is allocated beside the task's cell: the future is wrapped, and the wrapper
//! leaves the book when the future is gone, whatever the way.
//!
//! ```text
//!    poll ── room? ── hard cancel, nothing open inside? ──> future dropped ──┐
//!             │ no            │ no                                           │
//!             v               v              Ready, Err or panic             v
//!          Pending      poll the future ────────────────────> dropped ──> failure noted ──> leave
//!                                                                            ^
//!    Drop (aborted, shut down, never polled) ────────────────────────────────┘
//! ```
//!
//! - **M1** `leave` comes after the future was dropped and after its failure was noted, exactly once. Whatever the future borrowed or
//!   owned is gone by then, its destructors included, even if one of them panicked. (`block_on_scope` stands on this.)
//! - **M2** User code (poll, drop) runs inside a `catch_unwind`, so no panic gets between the future and the leave.

use super::book::{Entry, Room};
use super::cancel::HARD;
use super::error::{ChildError, Failure};
use super::region::Region;
use super::shared::Shared;
use crate::task::wait::{self, Wait, WaitKind};
use crate::task::{CancelCause, try_id};
use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A future in a group.
pub(super) struct Member<F, E> {
    /// Pinned with the whole. `None` once it is over.
    future: Option<F>,
    inside: Inside<E>,
}

/// What goes with the future, or with a job's closure.
pub(super) struct Inside<E> {
    pub(super) group: Arc<Shared<E>>,
    /// `None` once it has left (M1).
    entry: Option<Entry>,
    /// Whether it may run yet.
    room: Room,
    pub(super) region: Region,
    /// Where it was spawned.
    at: &'static Location<'static>,
}

/// How a poll of the future went, or that there was none.
pub(super) enum Polled<T, E> {
    Waits,
    Done(Result<T, E>),
    Panicked(Box<dyn Any + Send>),
    /// It must go, and may.
    Cancelled,
}

impl<F, E> Member<F, E> {
    pub(super) fn new(
        future: F,
        group: Arc<Shared<E>>,
        entry: Entry,
        room: Room,
        at: &'static Location<'static>,
    ) -> Self {
        Self { future: Some(future), inside: Inside::new(group, entry, room, at) }
    }

    fn parts(self: Pin<&mut Self>) -> (Pin<&mut Option<F>>, &mut Inside<E>) {
        // SAFETY: nothing is moved out of `this`: `inside` is not pinned, and `future` is pinned again in the next line.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: `future` never moves while the whole is pinned: it is dropped in its place, here and in `Drop`.
        (unsafe { Pin::new_unchecked(&mut this.future) }, &mut this.inside)
    }
}

impl<F, T, E> Future for Member<F, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, ChildError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (mut future, inside) = self.parts();
        let polled = inside.poll(future.as_mut(), cx);
        if matches!(polled, Polled::Waits) {
            return Poll::Pending;
        }
        inside.note_panic(catch_unwind(AssertUnwindSafe(|| future.set(None))));
        Poll::Ready(inside.end(polled))
    }
}

impl<E> Inside<E> {
    pub(super) fn new(group: Arc<Shared<E>>, entry: Entry, room: Room, at: &'static Location<'static>) -> Self {
        let region = Region::new(group.token.clone(), group.deadline);
        Self { group, entry: Some(entry), room, region, at }
    }

    fn poll<F, T>(&mut self, future: Pin<&mut Option<F>>, cx: &mut Context<'_>) -> Polled<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        if self.must_go(cx) {
            return Polled::Cancelled;
        }
        if !self.poll_room(cx) {
            return Polled::Waits;
        }
        let future = future.as_pin_mut().expect("a member is not polled after its end");
        match catch_unwind(AssertUnwindSafe(|| self.region.poll(future, cx))) {
            Ok(Poll::Ready(result)) => Polled::Done(result),
            Err(payload) => Polled::Panicked(payload),
            // What was open inside may have ended in this very poll, and then nobody else would say so.
            Ok(Poll::Pending) if self.must_go(cx) => Polled::Cancelled,
            Ok(Poll::Pending) => Polled::Waits,
        }
    }

    /// May it run? If not, the task is woken when it is its turn.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> bool {
        if self.group.has_limit && !self.group.book.poll_room(&mut self.room, cx.waker()) {
            wait::note(Wait { kind: WaitKind::Room, object: 0, at: self.at });
            return false;
        }
        true
    }

    pub(super) fn has_left(&self) -> bool {
        self.entry.is_none()
    }

    /// The time for ending is over, and nothing inside is open (P1).
    fn must_go(&self, cx: &Context<'_>) -> bool {
        self.group.token.level() == HARD && self.region.may_go(cx.waker())
    }

    /// The future is gone: notes what went wrong, and leaves (M1).
    pub(super) fn end<T>(&mut self, polled: Polled<T, E>) -> Result<T, ChildError> {
        let result = match polled {
            Polled::Done(Ok(value)) => Ok(value),
            Polled::Done(Err(error)) => {
                self.group.fail(Failure::Error(error), try_id());
                Err(ChildError::Failed)
            }
            Polled::Panicked(payload) => self.panicked(payload),
            Polled::Cancelled | Polled::Waits => Err(ChildError::Cancelled(self.group.cause())),
        };
        self.leave();
        result
    }

    fn panicked<T>(&mut self, payload: Box<dyn Any + Send>) -> Result<T, ChildError> {
        if self.group.is_orphaned() {
            // Nobody will read the group's failures any more: the task panics itself, which its handle or the hook hears of.
            self.leave();
            resume_unwind(payload);
        }
        self.note_panic(Err(payload));
        Err(ChildError::Panicked)
    }

    pub(super) fn note_panic(&self, outcome: Result<(), Box<dyn Any + Send>>) {
        if let Err(payload) = outcome {
            self.group.fail_by_panic(payload);
        }
    }

    pub(super) fn leave(&mut self) {
        if let Some(entry) = self.entry.take() {
            self.group.book.leave(entry, std::mem::replace(&mut self.room, Room::New));
        }
    }
}

impl<F, E> Drop for Member<F, E> {
    fn drop(&mut self) {
        if self.inside.entry.is_none() {
            return;
        }
        let Self { future, inside } = self;
        // In its place: it may be pinned.
        inside.note_panic(catch_unwind(AssertUnwindSafe(|| *future = None)));
        if inside.group.runtime.is_stopping() {
            inside.group.fail(Failure::Cancelled(CancelCause::Shutdown), None);
        }
        inside.leave();
    }
}
