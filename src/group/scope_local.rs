//! `scope_local`: children that may borrow, and that stay where their scope is.
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
//! the function that awaits it, and nobody else has a pointer to one: bells and queue hold numbers. So the compiler sees to it that
//! what they borrow outlives the future, and leaking the future leaks the children with it. Nothing is ever put into a run queue.
//!
//! - **L1** A child is polled and dropped by the scope's future alone. While it is polled it is out of its place, so that it may spawn.
//! - **L2** A bell that rings puts its number into the queue once until that child is polled next; its ring is taken back *before* the
//!   poll, so that one that comes during the poll counts.
//! - **L3** In one poll of the scope a child is polled as often as it stood in the queue at the beginning, and each poll is charged to
//!   the budget: neither the siblings nor the other tasks starve.

use super::book::{Phase, Room};
use super::error::{ChildError, Failure, GroupError};
use super::member::Member;
use super::ready::{Bell, Ready};
use super::region::{Opened, Region};
use super::scope::{Builder, Closing};
use super::shared::{Shared, tell_of_lost};
use crate::base::quiet::{drop_quietly, quietly};
use crate::runtime::Handle;
use crate::task::wait::{self, Wait, WaitKind};
use crate::task::{CancelCause, budget, try_id};
use slab::Slab;
use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The number of the body in the queue: no child gets as far.
const BODY: usize = usize::MAX;

/// Runs a body whose children may borrow from what is around, and need not be `Send`. They are polled in turn by the task that awaits the scope.
///
/// For waiting for many things at once, which is most of what children do. For computing in parallel there is
/// [`scope`](super::scope), and from a thread [`block_on_scope`](super::block_on_scope). The rules are theirs: the first error or panic
/// cancels the others, the body included, and all errors are kept.
///
/// # Cancellation
/// **Strict**, as far as the scope is concerned: dropping this future drops the children, at once. What each of them loses by it is its own affair.
///
/// # Errors
/// [`GroupError`], if anything went wrong, or if the scope was cancelled from around it.
///
/// # Panics
/// Polled outside a runtime.
///
/// # Examples
/// ```
/// use mainspring::{group::scope_local, time::{Duration, sleep}};
/// use std::cell::RefCell;
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// let log = RefCell::new(Vec::new()); // neither `Arc` nor `Mutex`
/// let result = runtime.block_on(scope_local(async |scope| {
///     for ms in [30, 10, 20] {
///         let log = &log;
///         drop(scope.spawn(async move {
///             sleep(Duration::from_millis(ms)).await;
///             log.borrow_mut().push(ms);
///             Ok::<_, std::io::Error>(())
///         }));
///     }
///     Ok(())
/// }));
/// assert!(result.is_ok());
/// assert_eq!(log.into_inner(), [10, 20, 30]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn scope_local<'env, B, F, R, E>(body: B) -> ScopeLocal<'env, B, F, R, E>
where
    B: FnOnce(LocalScope<'env, E>) -> F,
    F: Future<Output = Result<R, E>>,
{
    Builder::new().scope_local(body)
}

impl Builder {
    /// As [`scope_local`](super::scope_local()), with this builder's limit, deadline and grace.
    #[track_caller]
    pub fn scope_local<'env, B, F, R, E>(self, body: B) -> ScopeLocal<'env, B, F, R, E>
    where
        B: FnOnce(LocalScope<'env, E>) -> F,
        F: Future<Output = Result<R, E>>,
    {
        ScopeLocal { stage: Stage::New(body), options: self, at: Location::caller() }
    }
}

/// The inside of a [`scope_local`]: spawns children that may borrow for `'env`. Clones are one scope, and may be given to children.
pub struct LocalScope<'env, E = Infallible> {
    inner: Rc<Inner<'env, E>>,
}

struct Inner<'env, E> {
    shared: Arc<Shared<E>>,
    children: RefCell<Slab<Slot<'env>>>,
    /// The numbers of those who were woken.
    ready: Arc<Ready>,
}

/// A child's place.
struct Slot<'env> {
    /// `None` while it is being polled (L1).
    future: Option<BoxedChild<'env>>,
    bell: Arc<Bell>,
}

type BoxedChild<'env> = Pin<Box<dyn Future<Output = ()> + 'env>>;

impl<E> Clone for LocalScope<'_, E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<'env, E: 'env> LocalScope<'env, E> {
    /// Spawns a child, as [`TaskGroup::spawn`](super::TaskGroup::spawn) does.
    #[track_caller]
    pub fn spawn<T, F>(&self, future: F) -> LocalChild<T>
    where
        F: Future<Output = Result<T, E>> + 'env,
        T: 'env,
    {
        let packet = Rc::new(Packet { ended: RefCell::new(None), joiner: RefCell::new(None) });
        let child = LocalChild { packet: packet.clone() };
        let shared = &self.inner.shared;
        let entry = if shared.token.is_cancelled() { None } else { shared.book.enter() };
        let Some(entry) = entry else {
            packet.end(Err(ChildError::Cancelled(shared.cause())));
            return child;
        };
        let member = Member::new(future, shared.clone(), entry, Room::New, Location::caller());
        self.inner.add(Box::pin(async move { packet.end(member.await) }));
        child
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

impl<'env, E> Inner<'env, E> {
    fn add(&self, future: BoxedChild<'env>) {
        let mut children = self.children.borrow_mut();
        let place = children.vacant_entry();
        let bell = Arc::new(Bell::new(place.key(), self.ready.clone()));
        place.insert(Slot { future: Some(future), bell: bell.clone() });
        drop(children);
        bell.ring();
    }

    /// Polls the child of that number, if there is one.
    fn poll_child(&self, number: usize) {
        let taken = self.children.borrow_mut().get_mut(number).and_then(|slot| Some((slot.future.take()?, slot.bell.clone())));
        let Some((mut future, bell)) = taken else { return };
        bell.quiet();
        let waker = Waker::from(bell);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        if let Ok(Poll::Pending) = polled {
            // Its place is its own while it is taken out, for nobody else removes it.
            self.children.borrow_mut()[number].future = Some(future);
            return;
        }
        let slot = self.children.borrow_mut().remove(number);
        drop((future, slot));
        // The member has caught what the child's own code raised; left is the destructor of a value that nobody wants.
        polled.map(drop).unwrap_or_else(|payload| self.shared.fail_by_panic(payload));
    }

    /// Everybody looks up.
    fn ring_all(&self) {
        self.children.borrow().iter().for_each(|(_, slot)| slot.bell.ring());
    }
}

impl<E> fmt::Debug for LocalScope<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalScope").field("children", &self.inner.shared.book.len()).finish()
    }
}

/// The future of [`scope_local`].
#[must_use = "a future does nothing until it is awaited"]
pub struct ScopeLocal<'env, B, F, R, E> {
    stage: Stage<'env, B, F, R, E>,
    options: Builder,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

enum Stage<'env, B, F, R, E> {
    New(B),
    Running(Running<'env, F, R, E>),
    Over,
}

struct Running<'env, F, R, E> {
    /// `None` once it is over.
    body: Option<Pin<Box<F>>>,
    body_bell: Arc<Bell>,
    /// What the body gave.
    value: Option<R>,
    /// The body's.
    region: Region,
    closing: Closing,
    scope: LocalScope<'env, E>,
    /// Until this is dropped, the region around is not dropped for a cancel's sake (P1).
    _opened: Opened,
}

/// Body and children are boxed, and nothing else is pinned.
impl<B, F, R, E> Unpin for ScopeLocal<'_, B, F, R, E> {}

impl<'env, B, F, R, E> Future for ScopeLocal<'env, B, F, R, E>
where
    B: FnOnce(LocalScope<'env, E>) -> F,
    F: Future<Output = Result<R, E>>,
{
    type Output = Result<R, GroupError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Stage::New(_) = this.stage {
            let Stage::New(body) = mem::replace(&mut this.stage, Stage::Over) else { unreachable!("looked at above") };
            this.stage = Stage::Running(Running::begin(body, &this.options));
        }
        let Stage::Running(running) = &mut this.stage else { panic!("this `ScopeLocal` was awaited to its end already") };
        if running.poll(this.at, cx).is_pending() {
            return Poll::Pending;
        }
        running.closing.end(&running.scope.inner.shared);
        let result = running.scope.inner.shared.result(running.value.take());
        this.stage = Stage::Over;
        Poll::Ready(result)
    }
}

impl<'env, F, R, E> Running<'env, F, R, E>
where
    F: Future<Output = Result<R, E>>,
{
    fn begin<B>(body: B, options: &Builder) -> Self
    where
        B: FnOnce(LocalScope<'env, E>) -> F,
    {
        let own = options.own_deadline();
        let (region, opened) = Region::of_scope(own);
        let shared = Shared::new(region.token.clone(), region.deadline, Handle::current(), options.running_max);
        let ready = Arc::new(Ready::new());
        let body_bell = Arc::new(Bell::new(BODY, ready.clone()));
        body_bell.ring();
        let closing = Closing::new(own.filter(|own| region.deadline == Some(*own)), options.grace);
        let scope = LocalScope { inner: Rc::new(Inner { shared, children: RefCell::new(Slab::new()), ready }) };
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
        let must_go = || shared.is_hard() && self.region.may_go();
        if must_go() {
            return self.drop_body();
        }
        self.body_bell.quiet();
        let waker = Waker::from(self.body_bell.clone());
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

impl<F, R, E> Drop for Running<'_, F, R, E> {
    /// Over, or dropped before: then the children go with it, now. Clones of the scope that are kept elsewhere find it closed.
    fn drop(&mut self) {
        let inner = &self.scope.inner;
        self.closing.end(&inner.shared);
        if inner.shared.book.phase() == Phase::Closed {
            return;
        }
        let failures = inner.shared.orphan();
        inner.shared.end_grace(CancelCause::ScopeEnded);
        failures.into_iter().for_each(tell_of_lost);
        // Out of the cell first: what a child's destructor does may come back here. Members catch its panics (M2).
        let children = mem::take(&mut *inner.children.borrow_mut());
        drop(children);
    }
}

impl<B, F, R, E> fmt::Debug for ScopeLocal<'_, B, F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stage {
            Stage::New(_) => f.write_str("ScopeLocal(new)"),
            Stage::Running(running) => f.debug_tuple("ScopeLocal").field(&running.scope).finish(),
            Stage::Over => f.write_str("ScopeLocal(over)"),
        }
    }
}

/// How a child ended, on its way to its handle.
struct Packet<T> {
    ended: RefCell<Option<Result<T, ChildError>>>,
    joiner: RefCell<Option<Waker>>,
}

impl<T> Packet<T> {
    fn end(&self, result: Result<T, ChildError>) {
        *self.ended.borrow_mut() = Some(result);
        let joiner = self.joiner.borrow_mut().take();
        joiner.into_iter().for_each(|waker| quietly(|| waker.wake()));
    }
}

/// A child of a [`scope_local`]: awaited, it gives the child's value. Dropping it changes nothing for the child.
///
/// # Cancellation
/// **Strict.** Awaiting it by reference (`(&mut child).await`) and giving up loses nothing.
///
/// # Errors
/// [`ChildError`], if the child has no value.
///
/// # Panics
/// Polling it again after it was ready does not panic: it waits for ever.
#[must_use = "say with `drop` or `let _ =` that the child's value is not wanted"]
pub struct LocalChild<T> {
    packet: Rc<Packet<T>>,
}

impl<T> LocalChild<T> {
    /// Has it ended, with its value not taken yet?
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.packet.ended.borrow().is_some()
    }
}

impl<T> Future for LocalChild<T> {
    type Output = Result<T, ChildError>;

    /// `#[track_caller]` as for [`JoinHandle`](crate::task::JoinHandle).
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(ended) = self.packet.ended.borrow_mut().take() {
            return Poll::Ready(ended);
        }
        let waker = cx.waker().clone();
        let old = self.packet.joiner.borrow_mut().replace(waker);
        drop_quietly(old);
        wait::note(Wait { kind: WaitKind::Children, object: 1, at: Location::caller() });
        Poll::Pending
    }
}

impl<T> fmt::Debug for LocalChild<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalChild").field("is_finished", &self.is_finished()).finish()
    }
}
