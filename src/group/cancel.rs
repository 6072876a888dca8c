//! The cancel: a word that goes down a tree, and a cause that goes with it.
//!
//! ```text
//!            token ── cancel("stop") ──> soft        asks: `cancelled()` resolves, whoever listens cleans up
//!            /   \                         │
//!        child    child                 abort (the grace is over: for scopes alone)
//!          │                               v
//!        child                           hard        what is left is dropped where it stands
//! ```
//!
//! - **X1** A token's level only rises, and its cause is set once, in the same critical section as the first rise.
//! - **X2** When `raise` has returned, every token below has at least that level; a token made meanwhile is born with it,
//!   since parent and child meet under the parent's lock.
//! - **X3** A waiter that was registered at a lower level is woken by each rise; it looks again and registers anew. Wakers
//!   are user code: they are cloned before a lock is taken, and woken and dropped after it is released.
//! - **X4** A parent knows its children weakly, a child its parent strongly. Who drops the last handle of a child takes it out
//!   of its parent's list, so a long-lived token does not remember the dead.

use crate::base::atomic::{AtomicU32, Mutex, Ordering};
use crate::base::quiet::drop_quietly;
use crate::base::wakers::Wakers;
use crate::task::wait::{self, Wait, WaitKind};
use crate::task::{CancelCause, budget, try_id};
use slab::Slab;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};

/// Nobody has cancelled.
const LIVE: u32 = 0;
/// Whoever listens is asked to end.
pub(super) const SOFT: u32 = 1;
/// The time for ending is over.
pub(super) const HARD: u32 = 2;

/// Says to any number of listeners that they should end, and why. Clones are one token; a [child](Self::child_token) hears its
/// parent, and its parent does not hear it.
///
/// Every scope has one, and a scope inside another has a child of the other's. Without a scope it serves as a switch for
/// parts of a program that end together.
///
/// # Examples
/// ```
/// use mainspring::{group::CancellationToken, task::CancelCause};
/// let runtime = mainspring::runtime::Runtime::new()?;
/// let token = CancellationToken::new();
/// let listener = token.child_token();
/// let cause = runtime.block_on(async {
///     let task = mainspring::spawn(async move { listener.cancelled().await });
///     token.cancel_with("the door is closing");
///     task.await.unwrap()
/// });
/// assert!(matches!(cause, CancelCause::Asked { message: Some(why), .. } if &*why == "the door is closing"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct CancellationToken {
    node: Arc<Node>,
}

struct Node {
    /// LIVE, SOFT or HARD: written under the lock, read without it.
    level: AtomicU32,
    state: Mutex<State>,
    /// It hears only the hard word of its parent (a shield's).
    is_deaf: bool,
    /// Whom it hears, and its place in the list there.
    parent: Option<(CancellationToken, usize)>,
}

struct State {
    /// Set with the first rise (X1).
    cause: Option<CancelCause>,
    children: Slab<Weak<Node>>,
    /// `None`: woken, and not back yet.
    waiters: Slab<Option<Waker>>,
}

// A waker that panics does so outside the lock (X3).
impl UnwindSafe for CancellationToken {}
impl RefUnwindSafe for CancellationToken {}

impl CancellationToken {
    /// A token that nobody has cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::born(LIVE, None, false, None)
    }

    fn born(level: u32, cause: Option<CancelCause>, is_deaf: bool, parent: Option<(Self, usize)>) -> Self {
        let state = Mutex::new(State { cause, children: Slab::new(), waiters: Slab::new() });
        Self { node: Arc::new(Node { level: AtomicU32::new(level), state, is_deaf, parent }) }
    }

    /// A token that is cancelled when this one is, with the same cause, and that may be cancelled alone.
    ///
    /// # Examples
    /// ```
    /// use mainspring::group::CancellationToken;
    /// let parent = CancellationToken::new();
    /// let (one, other) = (parent.child_token(), parent.child_token());
    /// one.cancel();
    /// assert!(!parent.is_cancelled() && !other.is_cancelled());
    /// parent.cancel();
    /// assert!(other.is_cancelled());
    /// ```
    #[must_use]
    pub fn child_token(&self) -> Self {
        self.child(false)
    }

    /// A child that hears only when the grace is over.
    pub(super) fn deaf_child(&self) -> Self {
        self.child(true)
    }

    fn child(&self, is_deaf: bool) -> Self {
        let mut state = self.node.state.lock();
        // X2: under the parent's lock, so that a rise finds the child in the list or the child has seen the rise.
        let level = self.level();
        let (level, cause) = if is_deaf && level < HARD { (LIVE, None) } else { (level, state.cause.clone()) };
        let place = state.children.vacant_entry();
        let child = Self::born(level, cause, is_deaf, Some((self.clone(), place.key())));
        place.insert(Arc::downgrade(&child.node));
        child
    }

    /// Asks whoever listens to this token, or to one below it, to end. The first call counts; later ones change nothing.
    pub fn cancel(&self) {
        self.raise(SOFT, CancelCause::Asked { by: try_id(), message: None });
    }

    /// As [`cancel`](Self::cancel), with a message for whoever reads the cause.
    pub fn cancel_with(&self, message: impl Into<Arc<str>>) {
        self.raise(SOFT, CancelCause::Asked { by: try_id(), message: Some(message.into()) });
    }

    /// Has somebody cancelled it, or a token above it?
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.level() >= SOFT
    }

    /// By whom and why, if it was cancelled.
    #[must_use]
    pub fn cause(&self) -> Option<CancelCause> {
        self.node.state.lock().cause.clone()
    }

    /// Waits for the cancel; gives its cause.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future has no effect.
    #[track_caller]
    pub fn cancelled(&self) -> Cancelled<'_> {
        Cancelled { token: self, place: Place::new(), at: Location::caller() }
    }

    /// As [`cancelled`](Self::cancelled), with a token of its own.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future has no effect.
    ///
    /// # Examples
    /// ```
    /// use mainspring::group::CancellationToken;
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// let token = CancellationToken::new();
    /// let heard = runtime.spawn(token.clone().cancelled_owned());
    /// token.cancel();
    /// assert!(runtime.block_on(heard).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn cancelled_owned(self) -> CancelledOwned {
        CancelledOwned { token: self, place: Place::new(), at: Location::caller() }
    }

    /// Cancels when the guard is dropped.
    ///
    /// # Examples
    /// ```
    /// use mainspring::group::CancellationToken;
    /// let token = CancellationToken::new();
    /// drop(token.clone().drop_guard());
    /// assert!(token.is_cancelled());
    /// let kept = CancellationToken::new().drop_guard().disarm();
    /// assert!(!kept.is_cancelled());
    /// ```
    pub fn drop_guard(self) -> DropGuard {
        DropGuard { token: Some(self) }
    }

    pub(super) fn level(&self) -> u32 {
        // ORDER: Acquire, pairs with the Release in `rise`: what was done before the cancel is seen by who hears of it.
        self.node.level.load(Ordering::Acquire)
    }

    /// Was this very token asked, and not one above it?
    pub(super) fn was_asked_alone(&self) -> bool {
        let from_above = self.node.parent.as_ref().is_some_and(|(parent, _)| parent.is_cancelled());
        !from_above && matches!(self.cause(), Some(CancelCause::Asked { .. }))
    }

    /// The grace is over: what is left is dropped where it stands. With the cause that stands, or this one.
    pub(super) fn abort(&self, cause: CancelCause) {
        self.raise(HARD, cause);
    }

    /// Raises this token and all below it; true if this one was live. A list instead of recursion: a tree may be deep.
    pub(super) fn raise(&self, level: u32, cause: CancelCause) -> bool {
        let mut woken = Wakers::new();
        let mut first = None;
        let mut todo = vec![self.clone()];
        while let Some(token) = todo.pop() {
            if first.is_some() && level < HARD && token.node.is_deaf {
                continue;
            }
            let before = token.node.rise(level, &cause, &mut todo, &mut woken);
            first.get_or_insert(before);
        }
        woken.wake_all();
        first == Some(LIVE)
    }
}

impl Node {
    /// Raises this one; what hangs below goes to `todo`. Gives the level before.
    fn rise(&self, level: u32, cause: &CancelCause, todo: &mut Vec<CancellationToken>, woken: &mut Wakers) -> u32 {
        let mut state = self.state.lock();
        // ORDER: Relaxed, it is written under the lock that we hold.
        let before = self.level.load(Ordering::Relaxed);
        if before >= level {
            return before;
        }
        state.cause.get_or_insert_with(|| cause.clone());
        // ORDER: Release, pairs with the Acquire in `level`.
        self.level.store(level, Ordering::Release);
        let children = state.children.iter().filter_map(|(_, child)| child.upgrade());
        todo.extend(children.map(|node| CancellationToken { node }));
        for (_, waiter) in &mut state.waiters {
            waiter.take().into_iter().for_each(|waker| woken.push(waker));
        }
        before
    }
}

impl Drop for Node {
    /// X4. Each parent of which this was the last handle goes in the same loop: a chain may be long.
    fn drop(&mut self) {
        let mut parent = self.parent.take();
        while let Some((token, key)) = parent {
            let gone = token.node.state.lock().children.remove(key);
            drop(gone);
            parent = Arc::into_inner(token.node).and_then(|mut last| last.parent.take());
        }
    }
}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken").field("cause", &self.cause()).finish()
    }
}

/// A waiter's place in a token's list.
pub(super) struct Place(Option<usize>);

impl Place {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// Ready with the cause once the token has this level; until then `waker` is woken by every rise.
    pub(super) fn poll(&mut self, token: &CancellationToken, level: u32, waker: &Waker) -> Poll<CancelCause> {
        if token.level() < level && self.is_registered(token, waker) {
            return Poll::Pending;
        }
        let mut left = if token.level() < level { Some(waker.clone()) } else { None };
        let mut state = token.node.state.lock();
        let result = if token.level() >= level {
            left = left.or(self.0.take().and_then(|key| state.waiters.remove(key)));
            Poll::Ready(state.cause.clone().expect("X1: set with the first rise"))
        } else {
            match self.0 {
                Some(key) => left = std::mem::replace(&mut state.waiters[key], left.take()),
                None => self.0 = Some(state.waiters.insert(left.take())),
            }
            Poll::Pending
        };
        drop(state);
        if left.is_some() {
            drop_quietly(left);
        }
        result
    }

    /// Does this waker stand there already?
    fn is_registered(&self, token: &CancellationToken, waker: &Waker) -> bool {
        let Some(key) = self.0 else { return false };
        let state = token.node.state.lock();
        // `will_wake` compares two addresses, which is no call of anybody's.
        token.level() < SOFT && state.waiters[key].as_ref().is_some_and(|old| old.will_wake(waker))
    }

    /// Gives the place back.
    pub(super) fn leave(&mut self, token: &CancellationToken) {
        if let Some(key) = self.0.take() {
            let waker = token.node.state.lock().waiters.remove(key);
            drop_quietly(waker);
        }
    }
}

/// The future of [`CancellationToken::cancelled`].
#[must_use = "a future does nothing until it is awaited"]
pub struct Cancelled<'a> {
    token: &'a CancellationToken,
    place: Place,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

/// The future of [`CancellationToken::cancelled_owned`].
#[must_use = "a future does nothing until it is awaited"]
pub struct CancelledOwned {
    token: CancellationToken,
    place: Place,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

impl Future for Cancelled<'_> {
    type Output = CancelCause;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CancelCause> {
        let (token, at) = (self.token, self.at);
        poll_cancelled(&mut self.place, token, at, cx)
    }
}

impl Future for CancelledOwned {
    type Output = CancelCause;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CancelCause> {
        let this = self.get_mut();
        poll_cancelled(&mut this.place, &this.token, this.at, cx)
    }
}

fn poll_cancelled(
    place: &mut Place,
    token: &CancellationToken,
    at: &'static Location<'static>,
    cx: &mut Context<'_>,
) -> Poll<CancelCause> {
    if !token.is_cancelled() && place.poll(token, SOFT, cx.waker()).is_pending() {
        wait::note(Wait { kind: WaitKind::Cancel, object: 0, at });
        return Poll::Pending;
    }
    ready!(budget::poll_proceed(cx));
    Poll::Ready(token.cause().expect("X1: set with the first rise"))
}

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        self.place.leave(self.token);
    }
}

impl Drop for CancelledOwned {
    fn drop(&mut self) {
        self.place.leave(&self.token);
    }
}

impl fmt::Debug for Cancelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancelled").field(self.token).finish()
    }
}

impl fmt::Debug for CancelledOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelledOwned").field(&self.token).finish()
    }
}

/// Cancels its token when it is dropped; see [`CancellationToken::drop_guard`].
#[derive(Debug)]
#[must_use = "dropped at once it cancels at once"]
pub struct DropGuard {
    /// `None` once it is disarmed.
    token: Option<CancellationToken>,
}

impl DropGuard {
    /// Gives the token back, which is not cancelled then.
    #[must_use]
    pub fn disarm(mut self) -> CancellationToken {
        match self.token.take() {
            Some(token) => token,
            None => unreachable!("a guard has its token until this call"),
        }
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        self.token.iter().for_each(CancellationToken::cancel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::atomic::{model, model_thread};
    use std::task::Wake;

    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    #[test]
    fn model_a_cancel_reaches_a_child_made_and_a_waiter_registered_meanwhile() {
        model(|| {
            let token = CancellationToken::new();
            let canceller = {
                let token = token.clone();
                model_thread::spawn(move || token.cancel())
            };
            let count = Arc::new(Count(AtomicU32::new(0)));
            let (child, mut place) = (token.child_token(), Place::new());
            let waits = place.poll(&child, SOFT, &Waker::from(count.clone())).is_pending();
            canceller.join().expect("no panic");
            assert!(child.is_cancelled() && child.cause().is_some(), "X1, X2");
            assert_eq!(count.0.load(Ordering::Acquire) == 1, waits, "X3: woken if and only if it waited");
            place.leave(&child);
        });
    }

    #[test]
    fn model_the_first_of_two_causes_stands_and_one_rise_is_the_first() {
        model(|| {
            let token = CancellationToken::new();
            let child = token.child_token();
            let other = {
                let child = child.clone();
                model_thread::spawn(move || child.raise(SOFT, CancelCause::Deadline))
            };
            token.abort(CancelCause::ScopeEnded);
            let first = other.join().expect("no panic");
            assert_eq!((token.level(), child.level()), (HARD, HARD));
            let expected = if first { CancelCause::Deadline } else { CancelCause::ScopeEnded };
            assert_eq!(child.cause(), Some(expected), "X1");
        });
    }

    #[test]
    fn a_dead_child_is_forgotten_and_a_long_chain_ends_without_recursion() {
        let root = CancellationToken::new();
        let mut last = root.child_token();
        for _ in 0..100_000 {
            last = last.child_token();
        }
        root.cancel();
        assert!(last.is_cancelled());
        drop(last);
        assert!(root.node.state.lock().children.is_empty(), "X4");
    }
}
