//! `scope`: a block that ends after its children.
//!
//! ```text
//!            ┌─────────── the scope's own future, polled where it is awaited ────────────┐
//!            │ body ── spawn ──> child ┐                                                 │
//!            │   │               child ├─ tasks of their own, on any worker              │
//!            │   │               child ┘   (each may spawn siblings)                     │
//!            │   v                 │                                                     │
//!            │ value               v  the last one leaves the book                       │
//!            │   └───────> wait ───┴───> Ok(value), or all that went wrong               │
//!            └───────────────────────────────────────────────────────────────────────────┘
//!    a failure, a deadline, a cancel from around ──> soft: all are asked ── grace ──> hard: what is left is dropped
//! ```
//!
//! **Why this form is sound.** Children are `'static`, so nothing they hold can be borrowed from the scope, and whatever happens to
//! the scope's future they stay valid tasks. What is promised beyond that:
//!
//! - *The future is awaited to its end*: by G3 and M1 every child's future was dropped before it is ready.
//! - *It is dropped before* (its task is aborted, a `select!` chose another): dropping cannot wait, so it cannot keep the promise. All
//!   children are told to go at once, the runtime drops each where it would have run next, and until then each is listed in the
//!   shutdown report like every other task. Where the promise must hold, cancel the scope around it instead of dropping: that waits
//!   (P1), leaf by leaf.
//! - *It is leaked*: the children run on as tasks do, and its group stays open. Nothing dangles, since nothing is borrowed.

use super::book::Phase;
use super::cancel::{HARD, Place, SOFT};
use super::error::{Failure, GroupError};
use super::region::{Opened, Region};
use super::shared::{Shared, tell_of_lost};
use super::task_group::TaskGroup;
use crate::runtime::Handle;
use crate::task::wait::{self, Wait, WaitKind};
use crate::task::{CancelCause, try_id};
use crate::time::{Duration, Instant, Sleep, sleep_until};
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// So long after everybody was told to go a scope that still waits says so.
const LONG: Duration = Duration::from_secs(10);

/// Runs a body that spawns children, and ends after the last of them.
///
/// The body gets a [`TaskGroup`]. Its children are tasks of their own and run in parallel. When the body has given its value and every
/// child has ended, the scope gives that value. When the body or a child returns an error or panics, everybody else is cancelled,
/// the body included, and awaited; then the scope gives the first failure with the others attached.
///
/// A limit, a deadline or a grace period comes from a [`Builder`].
///
/// Leaking leaks: if this future is leaked half-way ([`mem::forget`](std::mem::forget)) its children run on as tasks, and what it stands in, a child
/// of another scope for one, never looks done: a cancel around it waits until the runtime ends, whose report names that child.
///
/// A child has ended when its future is gone. A value that nobody asked for may be dropped a moment after the scope has ended.
///
/// # Cancellation
/// **Detached**, as far as the children go: dropping this future cancels them, but cannot wait for their end. They end soon
/// after. A cancel or a deadline of the scope around waits.
///
/// # Errors
/// [`GroupError`], if anything went wrong, or if the scope was cancelled from around it.
///
/// # Panics
/// Polled outside a runtime. A panic in body or child is an error here, with its payload.
///
/// # Examples
/// ```
/// use mainspring::group::scope;
/// use std::io;
///
/// async fn length(path: &'static str) -> io::Result<usize> {
///     Ok(mainspring::fs::read(path).await?.len())
/// }
///
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let total = runtime.block_on(scope(async |group| {
///     let (one, other) = (group.spawn(length("Cargo.toml")), group.spawn(length("README.md")));
///     Ok(one.await? + other.await?)
/// }));
/// assert!(total.unwrap() > 0);
///
/// let missing = runtime.block_on(scope(async |group| {
///     drop(group.spawn(length("not/there")));
///     std::future::pending::<io::Result<()>>().await // is cancelled, since a child has failed
/// }));
/// assert_eq!(missing.unwrap_err().into_first().into_error().unwrap().kind(), io::ErrorKind::NotFound);
/// # Ok::<(), io::Error>(())
/// ```
#[track_caller]
pub fn scope<B, F, R, E>(body: B) -> Scope<B, F, R, E>
where
    B: FnOnce(TaskGroup<E>) -> F,
    F: Future<Output = Result<R, E>>,
{
    Builder::new().scope(body)
}

/// Gives a scope what [`scope`] does not: a limit, a deadline, a grace period.
///
/// # Examples
/// ```
/// use mainspring::group::{Builder, TaskGroup};
/// use mainspring::task::CancelCause;
/// use mainspring::time::Duration;
/// let runtime = mainspring::runtime::Builder::new_simulated(1).build()?;
/// let scope = Builder::new().timeout(Duration::from_secs(5)).scope(async |group: TaskGroup| {
///     drop(group.spawn(std::future::pending::<Result<(), _>>()));
///     Ok(())
/// });
/// let error = runtime.block_on(scope).unwrap_err();
/// assert_eq!(error.to_string(), "the scope was cancelled by its deadline");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it makes a scope"]
pub struct Builder {
    pub(super) running_max: usize,
    deadline: Option<Instant>,
    /// Counted from the scope's first poll.
    timeout: Option<Duration>,
    pub(super) grace: Duration,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// No limit, no deadline and no grace.
    pub fn new() -> Self {
        Self { running_max: usize::MAX, deadline: None, timeout: None, grace: Duration::ZERO }
    }

    /// So many children run at once, at most; one that waits for something runs, too. A child spawned beyond that stands in line until there is
    /// room for it, and is a task with all that it captured meanwhile; [`spawn_wait`](TaskGroup::spawn_wait) waits before it spawns, so that who
    /// makes many children does not fill the memory with them. A child that waits for one that stands behind it in this line waits for ever.
    ///
    /// # Panics
    /// If it is 0: no child would ever run.
    #[track_caller]
    pub fn limit(mut self, children: usize) -> Self {
        assert!(children > 0, "a limit of 0 children lets none run: it must be at least 1");
        self.running_max = children;
        self
    }

    /// The scope is cancelled when this time has come. The nearest deadline counts, be it this one or one around the scope;
    /// [`deadline`](super::deadline()) says which that is.
    pub fn deadline(mut self, at: Instant) -> Self {
        self.deadline = Some(self.deadline.map_or(at, |other| other.min(at)));
        self
    }

    /// As [`deadline`](Self::deadline), so much time after the scope's first poll.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = Some(self.timeout.map_or(time, |other| other.min(time)));
        self
    }

    /// How long body and children may go on after a cancel before they are dropped; no time at all without this call. Whoever
    /// wants to use it listens to [`cancelled`](super::cancelled).
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// The scope; see [`scope`].
    ///
    /// # Cancellation
    /// **Detached**, as far as the children go; see [`scope`].
    #[track_caller]
    pub fn scope<B, F, R, E>(self, body: B) -> Scope<B, F, R, E>
    where
        B: FnOnce(TaskGroup<E>) -> F,
        F: Future<Output = Result<R, E>>,
    {
        self.scope_at(body, Location::caller())
    }

    /// The scope of somebody whose line is known.
    pub(super) fn scope_at<B, F, R, E>(self, body: B, at: &'static Location<'static>) -> Scope<B, F, R, E>
    where
        B: FnOnce(TaskGroup<E>) -> F,
        F: Future<Output = Result<R, E>>,
    {
        Scope { stage: Stage::New(body), options: self, at }
    }

    /// The deadline that a scope has of its own, now that it begins.
    pub(super) fn own_deadline(&self) -> Option<Instant> {
        let timeout = self.timeout.map(|time| Instant::now().saturating_add(time));
        [self.deadline, timeout].into_iter().flatten().min()
    }
}

/// The future of [`scope`].
#[must_use = "a future does nothing until it is awaited"]
pub struct Scope<B, F, R, E> {
    stage: Stage<B, F, R, E>,
    options: Builder,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

enum Stage<B, F, R, E> {
    New(B),
    Running(Running<F, R, E>),
    Over,
}

struct Running<F, R, E> {
    group: TaskGroup<E>,
    /// `None` once it is over.
    body: Option<Pin<Box<F>>>,
    /// What the body gave.
    value: Option<R>,
    /// The body's.
    region: Region,
    closing: Closing,
    /// Until this is dropped, the region around is not dropped for a cancel's sake (P1).
    _opened: Opened,
}

/// When a scope ends before its time: it listens to its token, and to the clock.
pub(super) struct Closing {
    place: Place,
    /// The own deadline, then the end of the grace, then a moment at which a word is due about who still has not ended.
    timer: Option<Sleep>,
    grace: Duration,
    /// The cancel was seen, and the timer runs for the grace.
    is_soft: bool,
    /// Everybody was told that the grace is over.
    is_hard: bool,
}

/// The body is boxed, and nothing else is pinned.
impl<B, F, R, E> Unpin for Scope<B, F, R, E> {}

impl<B, F, R, E> Future for Scope<B, F, R, E>
where
    B: FnOnce(TaskGroup<E>) -> F,
    F: Future<Output = Result<R, E>>,
{
    type Output = Result<R, GroupError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if matches!(this.stage, Stage::New(_)) {
            this.begin();
        }
        let Stage::Running(running) = &mut this.stage else { panic!("this `Scope` was awaited to its end already") };
        let result = ready!(running.poll(this.at, cx));
        this.stage = Stage::Over;
        Poll::Ready(result)
    }
}

impl<B, F, R, E> Scope<B, F, R, E>
where
    B: FnOnce(TaskGroup<E>) -> F,
    F: Future<Output = Result<R, E>>,
{
    fn begin(&mut self) {
        let Stage::New(body) = std::mem::replace(&mut self.stage, Stage::Over) else {
            unreachable!("looked at by the caller")
        };
        let own = self.options.own_deadline();
        let (region, opened) = Region::of_scope(own);
        let running_max = self.options.running_max;
        let shared = Shared::new(region.token.clone(), region.deadline, Handle::current(), running_max);
        let group = TaskGroup { shared };
        let closing = Closing::new(own.filter(|own| region.deadline == Some(*own)), self.options.grace);
        // It may spawn before it makes its future, and then panic: that is a failure like any other.
        let made = catch_unwind(AssertUnwindSafe(|| body(group.clone())));
        let body = made.map_err(|payload| group.shared.fail_by_panic(payload)).ok().map(Box::pin);
        self.stage = Stage::Running(Running { group, body, value: None, region, closing, _opened: opened });
    }
}

impl<F, R, E> Running<F, R, E>
where
    F: Future<Output = Result<R, E>>,
{
    fn poll(&mut self, at: &'static Location<'static>, cx: &mut Context<'_>) -> Poll<Result<R, GroupError<E>>> {
        self.closing.poll(&self.group.shared, at, cx);
        self.poll_body(cx);
        if self.body.is_some() {
            return Poll::Pending;
        }
        let book = &self.group.shared.book;
        if book.poll_closed(cx.waker()).is_pending() {
            wait::note(Wait { kind: WaitKind::Children, object: book.len() as u64, at });
            return Poll::Pending;
        }
        self.closing.end(&self.group.shared);
        Poll::Ready(self.group.shared.result(self.value.take()))
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) {
        let Some(body) = &mut self.body else { return };
        if self.group.shared.is_hard() && self.region.may_go(cx.waker()) {
            return self.drop_body();
        }
        match catch_unwind(AssertUnwindSafe(|| self.region.poll(body.as_mut(), cx))) {
            Ok(Poll::Pending) => {
                // What was open inside may have ended in this very poll, and then nobody else would say so.
                if self.group.shared.is_hard() && self.region.may_go(cx.waker()) {
                    self.drop_body();
                }
                return;
            }
            Ok(Poll::Ready(Ok(value))) => self.value = Some(value),
            Ok(Poll::Ready(Err(error))) => self.group.shared.fail(Failure::Error(error), try_id()),
            Err(payload) => self.group.shared.fail_by_panic(payload),
        }
        self.drop_body();
    }

    /// The body goes before its children are awaited: it may hold what they wait for.
    fn drop_body(&mut self) {
        let body = self.body.take();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(body))) {
            self.group.shared.fail_by_panic(payload);
        }
    }
}

impl Closing {
    pub(super) fn new(own_deadline: Option<Instant>, grace: Duration) -> Self {
        Self { place: Place::new(), timer: own_deadline.map(sleep_until), grace, is_soft: false, is_hard: false }
    }

    /// Listens to the token and to the clock, and does what they say. Whatever it cancels wakes this very future again, so each
    /// step is one poll. True when everybody was told just now that the grace is over.
    pub(super) fn poll<E>(&mut self, shared: &Shared<E>, at: &'static Location<'static>, cx: &mut Context<'_>) -> bool {
        if shared.runtime.is_stopping() {
            // Timers would not fire any more, and the children are being dropped.
            shared.token.abort(CancelCause::Shutdown);
        }
        let wanted = if self.is_soft { HARD } else { SOFT };
        let heard = self.place.poll(&shared.token, wanted, cx.waker()).is_ready();
        if heard && !self.is_soft {
            self.is_soft = true;
            shared.book.close();
            self.timer = Instant::now().checked_add(self.grace).map(sleep_until);
            if self.grace.is_zero() && !shared.is_hard() {
                self.timer = None;
                shared.token.abort(shared.cause());
            }
            // From here on it is the end of the grace that is listened for.
            let _ = self.place.poll(&shared.token, HARD, cx.waker());
        }
        let is_news = shared.is_hard() && !self.is_hard;
        if is_news {
            self.is_hard = true;
            // Not in a runtime that ends: its timers have ended, and its own report names who is left.
            let lasts = !shared.runtime.is_stopping();
            self.timer = if lasts { Some(sleep_until(Instant::now().saturating_add(LONG))) } else { None };
            shared.end_grace(shared.cause());
        }
        if self.timer.as_mut().is_some_and(|timer| timer.poll_elapsed(cx.waker()).is_ready()) {
            self.timer = None;
            match (self.is_soft, self.is_hard) {
                (_, true) => say_who_waits(shared, at),
                (is_soft, false) => {
                    shared.token.raise(if is_soft { HARD } else { SOFT }, CancelCause::Deadline);
                }
            }
        }
        is_news
    }

    pub(super) fn end<E>(&mut self, shared: &Shared<E>) {
        self.place.leave(&shared.token);
    }
}

/// A child that is told to go and does not is stuck in its poll: nobody can stop it, but it can be said.
fn say_who_waits<E>(shared: &Shared<E>, at: &'static Location<'static>) {
    let (children, seconds) = (shared.book.len(), LONG.as_secs());
    eprintln!("mainspring: the scope at {at} was {}, and {seconds} s later {children} children block", shared.cause());
}

impl<F, R, E> Drop for Running<F, R, E> {
    /// Over, or dropped before: then the children are told to go.
    fn drop(&mut self) {
        let shared = &self.group.shared;
        self.closing.end(shared);
        if shared.book.phase() == Phase::Closed {
            return;
        }
        let failures = shared.orphan();
        shared.end_grace(CancelCause::ScopeEnded);
        failures.into_iter().for_each(tell_of_lost);
    }
}

impl<B, F, R, E> fmt::Debug for Scope<B, F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stage {
            Stage::New(_) => f.write_str("Scope(new)"),
            Stage::Running(running) => f.debug_tuple("Scope").field(&running.group).finish(),
            Stage::Over => f.write_str("Scope(over)"),
        }
    }
}
