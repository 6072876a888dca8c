//! The futures of one combinator: polled in the task that awaits it, cancelled together, gone before it resolves.
//!
//! ```text
//!     ┌────────── the combinator's own future ───────────┐
//!     │ future   future   future      a box each         │
//!     │   │        │        │                            │
//!     │  bell     bell     bell ──wake──> ready: 2, 0 ───┼──> polled in turn
//!     └──────────────────────────────────────────────────┘
//! ```
//!
//! The bells are those of [`scope_local`](super::super::scope_local()), so that only those who were woken are polled. What is
//! different: all futures have one type, known to the compiler, so that the crew is `Send` if they are; and they say what they end
//! with to the combinator, not to handles.

use super::super::cancel::{HARD, SOFT};
use super::super::ready::{Bell, Ready};
use super::super::region::Region;
use crate::base::quiet::{bury, drop_quietly};
use crate::task::wait::{self, Wait, WaitKind};
use crate::task::{CancelCause, budget, panic_message};
use crate::time::{Duration, Instant, Sleep, sleep_until};
use slab::Slab;
use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::{mem, thread};

/// The futures of one combinator.
pub struct Crew<F> {
    members: Slab<Member<F>>,
    /// Who was woken, by the place in `members`.
    ready: Arc<Ready>,
    /// So many may be polled yet in the present poll.
    turns: usize,
    /// The group's: its token is below the one around, and heard by every member.
    region: Region,
    /// Set when the rest was told to go (C3).
    ending: Option<Ending>,
    /// How long the rest may go on then.
    grace: Duration,
    /// What the task waits for meanwhile, for reports.
    kind: WaitKind,
    /// The user's line.
    pub(super) at: &'static Location<'static>,
}

struct Member<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
    /// Counts the scopes that are open in it (P1).
    region: Region,
    /// Which of the combinator's futures it is.
    number: usize,
}

/// The rest is on its way out.
struct Ending {
    /// The end of the grace; `None` when it is over, and if it never is.
    timer: Option<Sleep>,
    cause: CancelCause,
}

/// How one of them ended.
pub(super) enum End<T> {
    Output(T),
    Panicked(Box<dyn Any + Send>),
    /// It was dropped, since its time was over.
    Gone,
}

impl<F: Future> Crew<F> {
    /// Begins where it is polled: below what is around.
    pub(super) fn begin(grace: Duration, kind: WaitKind, at: &'static Location<'static>) -> Self {
        let (members, ready) = (Slab::new(), Arc::new(Ready::new()));
        Self { members, ready, turns: 0, region: Region::branch(), ending: None, grace, kind, at }
    }

    pub(super) fn add(&mut self, number: usize, future: F) {
        let place = self.members.vacant_entry();
        let bell = Arc::new(Bell::new(place.key(), self.ready.clone()));
        bell.ring();
        place.insert(Member { future: Box::pin(future), bell, region: self.region.one_of(), number });
        // A new one is polled in this very poll, or a limit of 1 would cost a trip through the run queue for each of many.
        self.turns += 1;
    }

    /// How many have not ended.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// A poll of the combinator begins. C4: whoever is ready now has a turn; who rings meanwhile has it after the other tasks.
    pub(super) fn begin_poll(&mut self) {
        self.turns = self.ready.len();
    }

    /// Polls those who are ready until one of them ends. `None`: nobody is left.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, End<F::Output>)>> {
        self.poll_grace(cx);
        loop {
            if self.members.is_empty() {
                return Poll::Ready(None);
            }
            if self.turns == 0 {
                return self.wait(cx);
            }
            if budget::poll_proceed(cx).is_pending() {
                return Poll::Pending;
            }
            self.turns -= 1;
            let Some(place) = self.ready.take() else { continue };
            if let Some(end) = self.poll_member(place) {
                return Poll::Ready(Some(end));
            }
        }
    }

    fn wait<T>(&self, cx: &mut Context<'_>) -> Poll<T> {
        if self.ready.is_empty_or_listen(cx.waker()) {
            let kind = if self.ending.is_some() { WaitKind::Children } else { self.kind };
            wait::note(Wait { kind, object: self.members.len() as u64, at: self.at });
        } else {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Polls the one in that place, if there still is one; says how it ended if it did.
    fn poll_member(&mut self, place: usize) -> Option<(usize, End<F::Output>)> {
        let is_hard = self.ending.is_some() && self.region.token.level() == HARD;
        let member = self.members.get_mut(place)?;
        let waker = Waker::from(member.bell.clone());
        let must_go = |member: &Member<F>| is_hard && member.region.may_go(&waker);
        if must_go(member) {
            return Some(self.remove(place, End::Gone));
        }
        member.bell.quiet();
        let mut cx = Context::from_waker(&waker);
        match catch_unwind(AssertUnwindSafe(|| member.region.poll(member.future.as_mut(), &mut cx))) {
            // What was open inside may have ended in this very poll, and then nobody else would say so.
            Ok(Poll::Pending) if must_go(member) => Some(self.remove(place, End::Gone)),
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(output)) => Some(self.remove(place, End::Output(output))),
            Err(payload) => Some(self.remove(place, End::Panicked(payload))),
        }
    }

    /// C1: the future is gone before its end is told. A panic in its destructor is its end, then.
    fn remove(&mut self, place: usize, end: End<F::Output>) -> (usize, End<F::Output>) {
        let Member { future, number, .. } = self.members.remove(place);
        let end = match (catch_unwind(AssertUnwindSafe(|| drop(future))), end) {
            (Ok(()), end) => end,
            (Err(second), End::Panicked(first)) => {
                say_lost(second, self.at);
                End::Panicked(first)
            }
            (Err(payload), end) => {
                drop_quietly(end);
                End::Panicked(payload)
            }
        };
        (number, end)
    }

    /// C3: the rest is asked to go, and dropped when the grace is over.
    pub(super) fn dismiss(&mut self, cause: CancelCause) {
        if self.ending.is_some() || self.members.is_empty() {
            return;
        }
        self.region.token.raise(SOFT, cause.clone());
        if self.grace.is_zero() {
            self.ending = Some(Ending { timer: None, cause });
            return self.end_grace();
        }
        let timer = Instant::now().checked_add(self.grace).map(sleep_until);
        self.ending = Some(Ending { timer, cause });
    }

    fn poll_grace(&mut self, cx: &mut Context<'_>) {
        let Some(timer) = self.ending.as_mut().and_then(|ending| ending.timer.as_mut()) else { return };
        if timer.poll_elapsed(cx.waker()).is_ready() {
            self.end_grace();
        }
    }

    /// Everybody looks up, and goes as soon as nothing is open in it.
    fn end_grace(&mut self) {
        let Some(ending) = &mut self.ending else { return };
        ending.timer = None;
        self.region.token.abort(ending.cause.clone());
        self.members.iter().for_each(|(_, member)| member.bell.ring());
        self.turns = self.ready.len();
    }
}

/// One panic goes on, if anybody awaits it; of any other it is said that there was one.
pub(super) fn say_lost(payload: Box<dyn Any + Send>, at: &'static Location<'static>) {
    let message = panic_message(&*payload);
    eprintln!("mainspring: a panic among the futures at {at} that goes no further: {message}");
    bury(payload);
}

impl<F> Drop for Crew<F> {
    /// It was dropped before its end: so are the futures, each of them whatever the others' destructors do.
    fn drop(&mut self) {
        let mut first = None;
        for (_, member) in mem::take(&mut self.members) {
            match catch_unwind(AssertUnwindSafe(|| drop(member))) {
                Err(payload) if first.is_none() && !thread::panicking() => first = Some(payload),
                Err(payload) => say_lost(payload, self.at),
                Ok(()) => {}
            }
        }
        if let Some(payload) = first {
            resume_unwind(payload);
        }
    }
}
