//! A scope whose children are stored in its own future: what `scope_local` and `scope_send` have in common.
//!
//! ```text
//!    ┌───────────────────────── the scope's own future ─────────────────────────┐
//!    │ body   child   child   child      each in a box that this future owns    │
//!    │  │       │       │       │                                               │
//!    │  bell   bell    bell    bell ──wake──> ready: 2, 0, 3 ──> polled in turn │
//!    └──────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The children are no tasks. They take turns within the scope's task and run in parallel with nothing, as the arms of a `join!` do; but there may
//! be any number, made at any time, and only those that were woken are polled. Each has a waker of its own, a *bell*, that puts its
//! number into the queue of those who are ready and wakes the task. (The idea is that of `FuturesUnordered` in the futures crate.)
//!
//! **Why this form is sound.** There is no unsafe code in it. The scope's future owns its children as it owns every other local of
//! the function that awaits it, and nobody else has a pointer to one: bells and queue hold numbers, and a handle that is kept elsewhere
//! holds the place where children are put, which is empty once the scope is over. So the compiler sees to it that
//! what they borrow outlives the future, and leaking the future leaks the children with it. Nothing is ever put into a run queue.
//!
//! **Why it may move between threads** if its children may (`D` is then `dyn Future + Send`). The scope's future goes from worker to worker with the
//! task that awaits it, and its children go along; each poll of a child comes after the last one, since the task's polls do. Handles may be
//! used from other threads at the same time, to spawn: what they reach is behind a lock, which is never held while a child is polled or
//! dropped. That all of this holds is not our word but the compiler's: no `unsafe impl` says `Send` here, it follows from the fields.
//!
//! - **L1** A child is polled and dropped by the scope's future alone; but one that is added when the scope is over is dropped by who adds
//!   it, at once. While a child is polled it is out of its place, so that it may spawn.
//! - **L2** A bell that rings puts its number into the queue once until that child is polled next; its ring is taken back *before* the
//!   poll, so that one that comes during the poll counts.
//! - **L3** In one poll of the scope a child is polled as often as it stood in the queue at the beginning, and each poll is charged to
//!   the budget: neither the siblings nor the other tasks starve.
//! - **L4** A handle hears how its child ended, whatever the way: also that it was dropped with the scope.

use super::book::{Phase, Room};
use super::error::{Failure, GroupError};
use super::local_child::{LocalChild, Told, told};
use super::member::Member;
use super::ready::{Bell, Ready};
use super::region::{Opened, Region};
use super::scope::{Builder, Closing};
use super::shared::{Shared, tell_of_lost};
use crate::base::atomic::Mutex;
use crate::runtime::Handle;
use crate::task::wait::{self, Wait, WaitKind};
use crate::task::{CancelCause, budget, try_id};
use slab::Slab;
use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The number of the body in the queue: no child gets as far.
const BODY: usize = usize::MAX;

/// The inside of a [`scope_local`](super::scope_local()) ([`LocalScope`](super::LocalScope)) or a [`scope_send`](super::scope_send())
/// ([`SendScope`](super::SendScope)): spawns children that may borrow for as long as `D` says. Clones are one scope, and may be given to children.
pub struct Nest<D: ?Sized, E = Infallible> {
    inner: Arc<Inner<D, E>>,
}

struct Inner<D: ?Sized, E> {
    shared: Arc<Shared<E>>,
    children: Mutex<Children<D>>,
    /// The numbers of those who were woken.
    ready: Arc<Ready>,
}

struct Children<D: ?Sized> {
    slots: Slab<Slot<D>>,
    /// The scope's future is gone: nobody would poll one that is put here (L1).
    is_over: bool,
}

/// A child's place.
struct Slot<D: ?Sized> {
    /// `None` while it is being polled (L1).
    future: Option<Pin<Box<D>>>,
    bell: Arc<Bell>,
}

/// A child that has a place in the book, and what tells its handle of its end.
type Entered<F, T, E> = (Member<F, E>, Told<T>);

impl<D: ?Sized, E> Clone for Nest<D, E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<D: ?Sized, E> Nest<D, E> {
    /// A place in the book for a future, its handle, and the word about its end; the future is dropped if the scope is closing.
    pub(super) fn enter<T, F>(
        &self,
        future: F,
        at: &'static Location<'static>,
    ) -> (LocalChild<T>, Option<Entered<F, T, E>>) {
        let (told, child) = told();
        let shared = &self.inner.shared;
        let mut room = Room::New;
        let Some(entry) = shared.enter(&mut room) else {
            told.refuse(shared.cause());
            return (child, None);
        };
        (child, Some((Member::new(future, shared.clone(), entry, room, at), told)))
    }

    /// Puts a child in its place, to be polled soon.
    pub(super) fn add(&self, future: Pin<Box<D>>) {
        let inner = &*self.inner;
        let mut children = inner.children.lock();
        if children.is_over {
            drop(children);
            return drop(future);
        }
        let place = children.slots.vacant_entry();
        let bell = Arc::new(Bell::new(place.key(), inner.ready.clone()));
        place.insert(Slot { future: Some(future), bell: bell.clone() });
        drop(children);
        bell.ring();
    }

    /// Asks body and children to end, as [`TaskGroup::cancel`](super::TaskGroup::cancel) does.
    pub fn cancel(&self) {
        self.inner.shared.ask(None);
    }

    /// As [`cancel`](Self::cancel), with a message for whoever reads the cause.
    pub fn cancel_with(&self, message: impl Into<Arc<str>>) {
        self.inner.shared.ask(Some(message.into()));
    }

    /// May children be spawned?
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.inner.shared.token.is_cancelled() && self.inner.shared.book.phase() == Phase::Open
    }

    /// How many children are alive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.shared.book.len()
    }

    /// Is no child alive?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<D: Future<Output = ()> + ?Sized, E> Inner<D, E> {
    /// Polls the child of that number, if there is one.
    fn poll_child(&self, number: usize) {
        let taken = self.children.lock().slots.get_mut(number).and_then(|slot| Some((slot.future.take()?, slot.bell.clone())));
        let Some((mut future, bell)) = taken else { return };
        bell.quiet();
        let waker = Waker::from(bell);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        if let Ok(Poll::Pending) = polled {
            // Its place is its own while it is taken out, for nobody else removes it.
            self.children.lock().slots[number].future = Some(future);
            return;
        }
        let slot = self.children.lock().slots.remove(number);
        drop((future, slot));
        // The member has caught what the child's own code raised; left is the destructor of a value that nobody wants.
        polled.map(drop).unwrap_or_else(|payload| self.shared.fail_by_panic(payload));
    }

    /// Everybody looks up.
    fn ring_all(&self) {
        let bells: Vec<_> = self.children.lock().slots.iter().map(|(_, slot)| slot.bell.clone()).collect();
        bells.iter().for_each(|bell| bell.ring());
    }
}

impl<D: ?Sized, E> fmt::Debug for Nest<D, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nest").field("children", &self.inner.shared.book.len()).finish()
    }
}

/// The future of [`scope_local`](super::scope_local()) and [`scope_send`](super::scope_send()).
#[must_use = "a future does nothing until it is awaited"]
pub struct Nested<B, F, R, E, D: ?Sized> {
    stage: Stage<B, F, R, E, D>,
    options: Builder,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

enum Stage<B, F, R, E, D: ?Sized> {
    New(B),
    Running(Running<F, R, E, D>),
    Over,
}

struct Running<F, R, E, D: ?Sized> {
    /// `None` once it is over.
    body: Option<Pin<Box<F>>>,
    body_bell: Arc<Bell>,
    /// What the body gave.
    value: Option<R>,
    /// The body's.
    region: Region,
    closing: Closing,
    scope: Nest<D, E>,
    /// Until this is dropped, the region around is not dropped for a cancel's sake (P1).
    _opened: Opened,
}

/// Body and children are boxed, and nothing else is pinned.
impl<B, F, R, E, D: ?Sized> Unpin for Nested<B, F, R, E, D> {}

impl<B, F, R, E, D: ?Sized> Nested<B, F, R, E, D> {
    pub(super) fn new(body: B, options: Builder, at: &'static Location<'static>) -> Self {
        Self { stage: Stage::New(body), options, at }
    }
}

impl<B, F, R, E, D> Future for Nested<B, F, R, E, D>
where
    B: FnOnce(Nest<D, E>) -> F,
    F: Future<Output = Result<R, E>>,
    D: Future<Output = ()> + ?Sized,
{
    type Output = Result<R, GroupError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Stage::New(_) = this.stage {
            let Stage::New(body) = mem::replace(&mut this.stage, Stage::Over) else { unreachable!("looked at above") };
            this.stage = Stage::Running(Running::begin(body, &this.options));
        }
        let Stage::Running(running) = &mut this.stage else { panic!("this scope was awaited to its end already") };
        if running.poll(this.at, cx).is_pending() {
            return Poll::Pending;
        }
        running.closing.end(&running.scope.inner.shared);
        let result = running.scope.inner.shared.result(running.value.take());
        this.stage = Stage::Over;
        Poll::Ready(result)
    }
}

impl<F, R, E, D> Running<F, R, E, D>
where
    F: Future<Output = Result<R, E>>,
    D: Future<Output = ()> + ?Sized,
{
    fn begin<B>(body: B, options: &Builder) -> Self
    where
        B: FnOnce(Nest<D, E>) -> F,
    {
        let own = options.own_deadline();
        let (region, opened) = Region::of_scope(own);
        let shared = Shared::new(region.token.clone(), region.deadline, Handle::current(), options.running_max);
        let ready = Arc::new(Ready::new());
        let body_bell = Arc::new(Bell::new(BODY, ready.clone()));
        body_bell.ring();
        let closing = Closing::new(own.filter(|own| region.deadline == Some(*own)), options.grace);
        let children = Mutex::new(Children { slots: Slab::new(), is_over: false });
        let scope = Nest { inner: Arc::new(Inner { shared, children, ready }) };
        let made = catch_unwind(AssertUnwindSafe(|| body(scope.clone())));
        let body = made.map_err(|payload| scope.inner.shared.fail_by_panic(payload)).ok().map(Box::pin);
        Self { body, body_bell, value: None, region, closing, scope, _opened: opened }
    }

    fn poll(&mut self, at: &'static Location<'static>, cx: &mut Context<'_>) -> Poll<()> {
        let inner = self.scope.inner.clone();
        if self.closing.poll(&inner.shared, at, cx) {
            self.body_bell.ring();
            inner.ring_all();
        }
        // L3: those who are ready now. Whoever rings meanwhile has his turn in the next poll, after the other tasks.
        let mut turns = inner.ready.len();
        while turns > 0 && budget::poll_proceed(cx).is_ready() {
            turns -= 1;
            match inner.ready.take() {
                Some(BODY) => self.poll_body(),
                Some(number) => inner.poll_child(number),
                None => break,
            }
        }
        if turns > 0 {
            return Poll::Pending; // the budget is used up, and has woken the task
        }
        if self.body.is_none() && inner.shared.book.poll_closed(cx.waker()).is_ready() {
            return Poll::Ready(());
        }
        if inner.ready.is_empty_or_listen(cx.waker()) {
            let object = inner.shared.book.len() as u64;
            wait::note(Wait { kind: WaitKind::Children, object, at });
        } else {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn poll_body(&mut self) {
        let Some(body) = &mut self.body else { return };
        let shared = &self.scope.inner.shared;
        let waker = Waker::from(self.body_bell.clone());
        let must_go = || shared.is_hard() && self.region.may_go(&waker);
        if must_go() {
            return self.drop_body();
        }
        self.body_bell.quiet();
        let polled = catch_unwind(AssertUnwindSafe(|| self.region.poll(body.as_mut(), &mut Context::from_waker(&waker))));
        match polled {
            // What was open inside may have ended in this very poll, and then nobody else would say so.
            Ok(Poll::Pending) if must_go() => {}
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(Ok(value))) => self.value = Some(value),
            Ok(Poll::Ready(Err(error))) => shared.fail(Failure::Error(error), try_id()),
            Err(payload) => shared.fail_by_panic(payload),
        }
        self.drop_body();
    }

    /// The body goes before its children are awaited: it may hold what they wait for.
    fn drop_body(&mut self) {
        let body = self.body.take();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(body))) {
            self.scope.inner.shared.fail_by_panic(payload);
        }
    }
}

impl<F, R, E, D: ?Sized> Drop for Running<F, R, E, D> {
    /// Over, or dropped before: then the children go with it, now. Clones of the scope that are kept elsewhere find it closed.
    fn drop(&mut self) {
        let inner = &self.scope.inner;
        self.closing.end(&inner.shared);
        if inner.shared.book.phase() == Phase::Closed {
            return;
        }
        let failures = inner.shared.orphan();
        inner.shared.end_grace(CancelCause::ScopeEnded);
        let mut children = inner.children.lock();
        children.is_over = true;
        let slots = mem::take(&mut children.slots);
        drop(children);
        // Not under the lock: what a child's destructor does may come back here. Members catch its panics (M2).
        drop(slots);
        // Last: an error's destructor may panic.
        failures.into_iter().for_each(tell_of_lost);
    }
}

impl<B, F, R, E, D: ?Sized> fmt::Debug for Nested<B, F, R, E, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stage {
            Stage::New(_) => f.write_str("Nested(new)"),
            Stage::Running(running) => f.debug_tuple("Nested").field(&running.scope).finish(),
            Stage::Over => f.write_str("Nested(over)"),
        }
    }
}
