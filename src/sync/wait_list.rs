#![allow(unsafe_code, reason = "links waiters that live inside pinned futures, by the proof below")]
//! The wait list: who waits for a lock, a permit, room or news, first come first served.
//!
//! ```text
//!    WaitList ─ lock ─ Line ── first ──> Node ⇄ Node ⇄ Node <── last
//!               │                        │      each lies in the pinned future of whoever waits:
//!               └ the primitive's state  └ ticket, waker, task, line of the user's code
//! ```
//!
//! A waiter costs no allocation: its node lies in its future. A *ticket* is a small plain value. Whoever stands in line has
//! left one that says what it wants; whoever grants replaces it by one that says what was given. So a grant is never lost:
//! it stands in the node, and a future that is dropped with a grant in its node gives the grant back
//! ([`Operation::give_back`]).
//!
//! The life of a node. One word, `stage`, says who may touch the rest of it:
//!
//! ```text
//!             link (owner, under the lock)          grant (anybody, under the lock)
//!     IDLE ───────────────────────────────> WAITING ───────────────────────────────> GRANTED
//!      ^  └────────────────────────────────────────────────────────────────────────────^  │
//!      │        unlink (owner, under the lock)         at once, never linked (owner)      │ the future is ready,
//!      └────────────────────────────────────┘                                             v or dropped
//! ```
//!
//! - **W1** A node that is IDLE or GRANTED is in no list, and its future alone touches it. One that is WAITING is in the list
//!   to which its future points, and is touched under that list's lock alone.
//! - **W2** The move to GRANTED is the last thing a granter does to a node; the waker has been taken out before.
//! - **W3** A future stays where it is from its first poll to its end ([`Pin`]), and its end takes a WAITING node out of the
//!   list. One that is forgotten is never freed (that, too, is what `Pin` promises), so its node stays good memory for its
//!   neighbours. It keeps its place, and what is granted to it is leaked like itself.
//! - **W4** A future owns a handle to the primitive, `&X` or `Arc<X>`, until it is no longer in line: the list outlives what is
//!   linked into it. A list that dies with forgotten nodes in it does not touch them.
//! - **W5** No code of a user's runs under the lock: wakers are cloned before it, woken and dropped after it, and tickets are
//!   `Copy`. A waker that panics costs nobody else his wake-up.
//! - **W6** Whoever is granted was first in line at that moment.
//!
//! Proof sketch. By the lock and W1 all changes of links are made one after the other, so what `first` and the neighbours point
//! at is a WAITING node, which by W3 lives. A granter and the owner meet in `stage`: the granter's Release store (W2) pairs with
//! the owner's Acquire load, so an owner that sees GRANTED sees the ticket, and nobody else will come back to the node. An owner
//! that sees WAITING takes the lock and looks again; under the lock it cannot change. No wake-up is lost: the waker is in the
//! node before the lock is released under which it was linked, and every change of the waker is made under the lock.
//!
//! How to build on it: give a primitive a [`WaitList`] whose state is what the lock protects; implement [`Operation`] for a small
//! struct that says what is waited for; the future is [`Wait`]. Whatever makes others happy locks the list, changes the state and
//! grants to the [`first`](Locked::first) as long as what they want is there. A primitive may keep a fast path in an atomic of
//! its own; then whoever waits must leave a mark in that atomic, under the lock, before it stands in line (see `mutex`).
//!
//! Cases of the catalogue: SYN-03, SYN-04, TSK-16, MIS-04, MIS-11.

use super::batch::Batch;
use super::bringing::{Bringing, Takes};
use super::holder::{Place as Who, Waiters};
use crate::base::atomic::{AtomicU32, Mutex, MutexGuard, Ordering, UnsafeCell, const_outside_models};
use crate::base::quiet::drop_quietly;
use crate::task::{self, budget, late, wait};
use std::fmt;
use std::marker::PhantomPinned;
use std::mem::{self, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

const IDLE: u32 = 0;
const WAITING: u32 = 1;
const GRANTED: u32 = 2;

/// No runtime's number.
const WAS_CALLED: usize = usize::MAX;

/// A place in line.
struct Node<T> {
    /// IDLE, WAITING or GRANTED: who may touch the rest (W1).
    stage: AtomicU32,
    /// Not written yet while IDLE. Holds nothing that must be dropped, save the waker while WAITING.
    place: UnsafeCell<MaybeUninit<Place<T>>>,
}

struct Place<T> {
    previous: *const Node<T>,
    next: *const Node<T>,
    /// What is wanted, or what was given.
    ticket: T,
    /// None once it was taken out to be woken, or if nobody has polled yet.
    waker: Option<Waker>,
    /// By whose workers it may be woken without a grant (`task::late`, `passing`), 0 being nobody's; [`WAS_CALLED`] once it was.
    callers: usize,
    /// Who waits: the task's number, or 0 for a plain thread or a stranger's executor.
    task: u64,
    /// Where.
    at: &'static Location<'static>,
}

impl<T> Place<T> {
    /// See [`Locked::call_first`].
    fn call(&mut self) -> Option<Waker> {
        late::is_home(mem::replace(&mut self.callers, WAS_CALLED)).then(|| self.waker.take())?
    }

    /// Gives the one before.
    fn change_waker(&mut self, waker: Option<Waker>) -> Option<Waker> {
        if self.callers != WAS_CALLED {
            self.callers = waker.as_ref().map_or(0, late::home_of);
        }
        mem::replace(&mut self.waker, waker)
    }
}

impl<T: Copy> Node<T> {
    fn new() -> Self {
        Self { stage: AtomicU32::new(IDLE), place: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    #[inline]
    fn stage(&self) -> u32 {
        // ORDER: Acquire, pairs with the Release in `grant`: an owner that sees GRANTED sees the ticket.
        self.stage.load(Ordering::Acquire)
    }

    fn set_stage(&self, stage: u32) {
        // ORDER: Release, pairs with the Acquire in `stage`; the last touch of a granter (W2).
        self.stage.store(stage, Ordering::Release);
    }

    /// # Safety
    /// The caller may touch the node (W1), and nothing else of this thread does meanwhile.
    unsafe fn write(&self, place: Place<T>) {
        // SAFETY: the caller's promise.
        self.place.with_mut(|p| unsafe { p.write(MaybeUninit::new(place)) });
    }

    /// # Safety
    /// As for `write`, and the node is not IDLE: it has been written.
    #[inline]
    unsafe fn with<R>(&self, body: impl FnOnce(&mut Place<T>) -> R) -> R {
        self.place.with_mut(|place| {
            // SAFETY: the caller's promise.
            let place = unsafe { &mut *place };
            // SAFETY: the caller's promise: it has been written.
            body(unsafe { place.assume_init_mut() })
        })
    }
}

/// What a primitive's lock protects: its state, and the line of those who wait for a change of it.
pub struct WaitList<S, T> {
    /// Held for a few instructions at a time, and never over anything of the user's (W5).
    line: Mutex<Line<S, T>>,
}

struct Line<S, T> {
    state: S,
    /// Null if nobody waits; so is `last`.
    first: *const Node<T>,
    last: *const Node<T>,
    len: usize,
    /// The primitive's number in wait reasons: 0 until a task has waited.
    number: u64,
}

// SAFETY: the nodes that the pointers lead to are touched under the lock alone (W1), by whatever thread has it; what is moved
// between threads by that are tickets, wakers (which are Send) and the state.
unsafe impl<S: Send, T: Send> Send for Line<S, T> {}

// No code of a user's runs under the lock (W5), so no panic leaves the line half changed.
impl<S, T> UnwindSafe for WaitList<S, T> {}
impl<S, T> RefUnwindSafe for WaitList<S, T> {}

impl<S, T: Copy> WaitList<S, T> {
    const_outside_models! {
        /// Nobody waits.
        pub(crate) const fn new(state: S) -> Self {
            Self { line: Mutex::new(Line { state, first: ptr::null(), last: ptr::null(), len: 0, number: 0 }) }
        }
    }

    /// For a look or a change. What is granted meanwhile is woken when the guard is dropped, after the lock is released.
    pub(crate) fn lock(&self) -> Locked<'_, S, T> {
        Locked { line: self.line.lock(), woken: Batch::new() }
    }
}

/// A locked list. It gives the state, by `Deref`. The order of the fields matters: the lock goes first, then the wakers are woken.
pub struct Locked<'a, S, T> {
    line: MutexGuard<'a, Line<S, T>>,
    /// Who was granted something since.
    woken: Batch,
}

impl<S, T> Deref for Locked<'_, S, T> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.line.state
    }
}

impl<S, T> DerefMut for Locked<'_, S, T> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.line.state
    }
}

impl<S, T: Copy> Locked<'_, S, T> {
    /// Does nobody wait?
    pub(crate) fn is_empty(&self) -> bool {
        self.line.len == 0
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.line.len
    }

    /// What the first in line wants.
    pub(crate) fn first(&self) -> Option<T> {
        // SAFETY: null, or WAITING and in this list, so it lives and is ours to touch (W1, W3).
        let first = unsafe { self.line.first.as_ref() }?;
        // SAFETY: as above.
        Some(unsafe { first.with(|place| place.ticket) })
    }

    /// The waker of the first in line, to be woken late and without a grant, if it may be; each is called once at most.
    pub(crate) fn call_first(&mut self) -> Option<Waker> {
        // SAFETY: as in `first`.
        let first = unsafe { self.line.first.as_ref() }?;
        // SAFETY: as in `first`.
        unsafe { first.with(Place::call) }
    }

    /// Wakes somebody who waits outside of the line, when the lock has been released.
    pub(crate) fn wake_later(&mut self, waker: Waker) {
        self.woken.extend(Some(waker));
    }

    /// Takes the first out of the line, with this in its hands; it is woken when the lock has been released. False if nobody
    /// waits.
    pub(crate) fn grant_first(&mut self, ticket: T) -> bool {
        self.grant(self.line.first, ticket)
    }

    /// The same for the one who came last.
    pub(crate) fn grant_last(&mut self, ticket: T) -> bool {
        self.grant(self.line.last, ticket)
    }

    /// The same for everybody.
    pub(crate) fn grant_all(&mut self, ticket: T) {
        while self.grant_first(ticket) {}
    }

    fn grant(&mut self, node: *const Node<T>, ticket: T) -> bool {
        // SAFETY: null, or WAITING and in this list, so it lives and is ours to touch (W1, W3).
        let Some(node) = (unsafe { node.as_ref() }) else { return false };
        let waker = self.unlink(node);
        // SAFETY: we have the lock, and it is still WAITING.
        unsafe { node.with(|place| place.ticket = ticket) };
        self.woken.extend(waker);
        // W2: from here on the node is its owner's, who may free it at once.
        node.set_stage(GRANTED);
        true
    }

    /// Puts a node at the end of the line. It must be IDLE and the caller's own.
    fn link(&mut self, node: &Node<T>, ticket: T, waker: Option<Waker>, at: &'static Location<'static>) {
        let task = task::try_id().map_or(0, task::Id::as_u64);
        let (last, callers) = (self.line.last, waker.as_ref().map_or(0, late::home_of));
        // SAFETY: an IDLE node is its owner's, which is the caller (W1).
        unsafe { node.write(Place { previous: last, next: ptr::null(), ticket, waker, callers, task, at }) };
        // SAFETY: null, or WAITING and in this list (W1, W3).
        match unsafe { last.as_ref() } {
            // SAFETY: as above.
            Some(last) => unsafe { last.with(|place| place.next = node) },
            None => self.line.first = node,
        }
        self.line.last = node;
        self.line.len += 1;
        node.set_stage(WAITING);
    }

    /// Takes a node out of the line, wherever it stands, and gives its waker. The caller sets its next stage.
    fn unlink(&mut self, node: &Node<T>) -> Option<Waker> {
        // SAFETY: WAITING and in this list, as both callers have made sure (W1).
        let (previous, next, waker) = unsafe { node.with(|place| (place.previous, place.next, place.waker.take())) };
        // SAFETY: null, or a neighbour, which is WAITING and in this list (W1, W3).
        match unsafe { previous.as_ref() } {
            // SAFETY: as above.
            Some(previous) => unsafe { previous.with(|place| place.next = next) },
            None => self.line.first = next,
        }
        // SAFETY: as above.
        match unsafe { next.as_ref() } {
            // SAFETY: as above.
            Some(next) => unsafe { next.with(|place| place.previous = previous) },
            None => self.line.last = previous,
        }
        self.line.len -= 1;
        waker
    }

    /// The primitive's number in wait reasons; it gets one if it has none.
    pub(crate) fn number(&mut self) -> u64 {
        if self.line.number == 0 {
            self.line.number = wait::next_object();
        }
        self.line.number
    }

    /// The first few who wait, for people.
    pub(crate) fn waiters(&self) -> Waiters {
        let (mut shown, mut next) = (Vec::new(), self.line.first);
        // SAFETY: null, or WAITING and in this list (W1, W3).
        while let Some(node) = unsafe { next.as_ref() }.filter(|_| shown.len() < Waiters::SHOWN_MAX) {
            // SAFETY: as above.
            unsafe {
                node.with(|place| {
                    shown.push(Who { task: place.task, at: place.at });
                    next = place.next;
                });
            }
        }
        Waiters { shown, count: self.line.len }
    }
}

/// How a future refers to its primitive.
///
/// # Safety
/// For as long as the handle exists, moved about or not, `deref` gives the same reference, and what it refers to lives and stays
/// where it is.
pub unsafe trait Handle: Deref {}

// SAFETY: a shared reference is what it derefs to.
unsafe impl<X: ?Sized> Handle for &X {}
// SAFETY: an `Arc` keeps its contents alive and in their place on the heap.
unsafe impl<X: ?Sized> Handle for Arc<X> {}

// SAFETY: it derefs to what the handle in it derefs to, which stays there as long as this exists.
unsafe impl<H: Handle<Target: Takes<Role>>, Role> Handle for Bringing<H, Role> {}

/// What somebody waits for: how it is tried, what stands on the ticket, and what becomes of a grant.
///
/// `try_now` is asked first, without the lock; then `enter`, under it. Both may be asked again after they have said no, by polls
/// that come before the future stands in line. After either has given a ticket, or the ticket has come by way of the line, exactly
/// one of `finish` and `give_back` is called.
pub trait Operation<P: Handle> {
    /// What the list's lock protects.
    type State;
    /// What a waiter leaves, and gets.
    type Ticket: Copy;
    /// What the future gives.
    type Output;

    /// The future's name.
    const NAME: &'static str;

    /// The list that this waits in.
    fn list(primitive: &P::Target) -> &WaitList<Self::State, Self::Ticket>;

    /// Writes into the task's header what it waits for; the number is the primitive's.
    fn note(&self, number: u64, at: &'static Location<'static>);

    /// Is it to be had without the list's lock? The handle may be changed, since nothing refers to its list yet.
    #[inline]
    fn try_now(&mut self, primitive: &mut P) -> Option<Self::Ticket> {
        let _ = primitive;
        None
    }

    /// Is it to be had now, under the lock? Otherwise says what to leave in line.
    fn enter(&mut self, primitive: &P, locked: &mut Locked<'_, Self::State, Self::Ticket>) -> Entered<Self::Ticket>;

    /// A poll finds the future first in line: may it have what it wants? Only asked so that whoever wakes the first without a grant
    /// (see `passing`) is heard; those behind it are served next, by `left`.
    #[inline]
    fn called(&mut self, primitive: &P, locked: &mut Locked<'_, Self::State, Self::Ticket>) -> Option<Self::Ticket> {
        let _ = (primitive, locked);
        None
    }

    /// It is granted. No lock is held, and the user's values may be touched.
    fn finish(&mut self, primitive: P, ticket: Self::Ticket, at: &'static Location<'static>) -> Self::Output;

    /// The future is dropped with a grant that it has not used: passes it on. No lock is held.
    fn give_back(&mut self, primitive: &P, ticket: Self::Ticket);

    /// The future was dropped while it stood in line, and has just been taken out of it: those behind it may go now.
    fn left(&mut self, primitive: &P, locked: &mut Locked<'_, Self::State, Self::Ticket>) {
        let _ = (primitive, locked);
    }
}

/// What [`Operation::enter`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered<T> {
    /// It is granted, and this is the grant.
    Granted(T),
    /// It is not to be had now; this is left in line.
    Waits(T),
}

/// The one future of this module: waiting for something, in line with others. Which something, its type's second parameter says;
/// users know each by a name of its own, such as [`Lock`](super::Lock).
#[must_use = "a future does nothing until it is awaited"]
pub struct Wait<P: Handle, O: Operation<P>> {
    /// The primitive; none once the future was ready.
    primitive: Option<P>,
    operation: O,
    /// The list in which the node stands; written before it is linked.
    list: Option<NonNull<WaitList<O::State, O::Ticket>>>,
    /// The user's line.
    at: &'static Location<'static>,
    node: Node<O::Ticket>,
    /// W3.
    _pinned: PhantomPinned,
}

// SAFETY: the future is its handle, its operation and a node. The node's contents are tickets and a waker, and whoever else
// touches them has the list's lock (W1); `list` is only another way to what the handle refers to.
unsafe impl<P: Handle + Send, O: Operation<P, Ticket: Send> + Send> Send for Wait<P, O> {}
// SAFETY: a shared future shows its name and stage, and its operation to nobody.
unsafe impl<P: Handle + Sync, O: Operation<P> + Sync> Sync for Wait<P, O> {}

// Whatever a poll of ours does, it finishes: the only code of users' in it are wakers, called with nothing half done.
impl<P: Handle + UnwindSafe, O: Operation<P> + UnwindSafe> UnwindSafe for Wait<P, O> {}
impl<P: Handle + RefUnwindSafe, O: Operation<P> + RefUnwindSafe> RefUnwindSafe for Wait<P, O> {}

impl<P: Handle, O: Operation<P>> Wait<P, O> {
    #[inline]
    pub(crate) fn new(primitive: P, operation: O, at: &'static Location<'static>) -> Self {
        Self { primitive: Some(primitive), operation, list: None, at, node: Node::new(), _pinned: PhantomPinned }
    }

    /// Stands in line without being polled, with no waker yet; true if it is granted already. For `enable` functions.
    pub(crate) fn stand_in_line(self: Pin<&mut Self>) -> bool {
        // SAFETY: nothing is moved out of it.
        let this = unsafe { self.get_unchecked_mut() };
        match this.node.stage() {
            IDLE if this.primitive.is_some() => this.enter(None).is_some_and(|ticket| {
                this.keep(ticket);
                true
            }),
            stage => stage != WAITING || this.look_again(None).is_some(),
        }
    }

    /// A grant that was to be had at once stays in the node, as if it had come by way of the line.
    fn keep(&mut self, ticket: O::Ticket) {
        let (previous, next) = (ptr::null(), ptr::null());
        // SAFETY: an IDLE node is its owner's (W1).
        unsafe { self.node.write(Place { previous, next, ticket, waker: None, callers: 0, task: 0, at: self.at }) };
        self.node.set_stage(GRANTED);
    }

    /// A first poll, with the lock: a grant at once, or a place in line.
    fn enter(&mut self, waker: Option<Waker>) -> Option<O::Ticket> {
        let primitive = self.primitive.as_ref().expect("asked by the caller");
        let list = O::list(primitive);
        self.list = Some(NonNull::from(list));
        let mut locked = list.lock();
        match self.operation.enter(primitive, &mut locked) {
            Entered::Granted(ticket) => {
                drop(locked);
                drop_quietly(waker);
                Some(ticket)
            }
            Entered::Waits(ticket) => {
                locked.link(&self.node, ticket, waker, self.at);
                let number = locked.number();
                drop(locked);
                self.operation.note(number, self.at);
                None
            }
        }
    }

    /// A later poll: the grant, if it has come; otherwise the waker is seen to.
    fn look_again(&mut self, waker: Option<&Waker>) -> Option<O::Ticket> {
        let mut fresh = None;
        let list = self.list.expect("written before the node is linked");
        loop {
            // SAFETY: it was reached through the handle, which is still there and gives the same reference still (W4).
            let mut locked = unsafe { list.as_ref() }.lock();
            if self.node.stage() == GRANTED {
                drop(locked);
                drop_quietly(fresh);
                return Some(self.granted());
            }
            if let Some(waker) = self.answer_call(&mut locked) {
                drop(locked);
                drop_quietly((waker, fresh));
                return Some(self.granted());
            }
            // SAFETY: we have the lock, and under it the node is WAITING.
            let known = unsafe { self.node.with(|place| same_waker(place.waker.as_ref(), waker)) };
            if known || fresh.is_some() {
                // SAFETY: as above.
                let old =
                    unsafe { self.node.with(|place| if known { None } else { place.change_waker(fresh.take()) }) };
                let number = locked.number();
                drop(locked);
                drop_quietly((old, fresh));
                self.operation.note(number, self.at);
                return None;
            }
            // W5: a stranger's waker is cloned outside the lock; then everything is looked at again.
            drop(locked);
            fresh = waker.cloned();
        }
    }

    /// With the lock, in line: if it is first, and was called, it may take what is there. Gives the waker that it had.
    fn answer_call(&mut self, locked: &mut Locked<'_, O::State, O::Ticket>) -> Option<Option<Waker>> {
        if !ptr::eq(locked.line.first, &self.node) {
            return None;
        }
        let primitive = self.primitive.as_ref().expect("it stands in line");
        let ticket = self.operation.called(primitive, locked)?;
        let waker = locked.unlink(&self.node);
        // SAFETY: we have the lock, and it is still WAITING.
        unsafe { self.node.with(|place| place.ticket = ticket) };
        self.node.set_stage(GRANTED);
        self.operation.left(primitive, locked);
        Some(waker)
    }

    /// The ticket of a node that is GRANTED.
    fn granted(&self) -> O::Ticket {
        // SAFETY: a GRANTED node is its owner's, and was written before (W1, W2).
        unsafe { self.node.with(|place| place.ticket) }
    }

    /// The future is ready.
    #[inline]
    fn finish(&mut self, ticket: O::Ticket) -> O::Output {
        let primitive = self.primitive.take().expect("a grant is used once");
        self.operation.finish(primitive, ticket, self.at)
    }
}

impl<P: Handle, O: Operation<P>> Future for Wait<P, O> {
    type Output = O::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Output> {
        // SAFETY: nothing that is pinned is moved out of it.
        let this = unsafe { self.get_unchecked_mut() };
        let Some(primitive) = &mut this.primitive else {
            panic!("a `{}` was polled after it was ready: await it once", O::NAME)
        };
        if this.node.stage() != IDLE {
            return this.poll_in_line(cx);
        }
        ready!(budget::poll_proceed(cx));
        match this.operation.try_now(primitive) {
            Some(ticket) => Poll::Ready(this.finish(ticket)),
            None => this.poll_first(cx),
        }
    }
}

impl<P: Handle, O: Operation<P>> Wait<P, O> {
    /// It was not to be had without the lock.
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<O::Output> {
        // Cloned before the lock (W5).
        match self.enter(Some(cx.waker().clone())) {
            Some(ticket) => Poll::Ready(self.finish(ticket)),
            None => {
                budget::refund();
                Poll::Pending
            }
        }
    }

    /// Polled again, in line or after it.
    fn poll_in_line(&mut self, cx: &mut Context<'_>) -> Poll<O::Output> {
        let ticket = match self.node.stage() {
            GRANTED => Some(self.granted()),
            _ => self.look_again(Some(cx.waker())),
        };
        let Some(ticket) = ticket else { return Poll::Pending };
        ready!(budget::poll_proceed(cx));
        Poll::Ready(self.finish(ticket))
    }

    /// The future is dropped before it was ready: out of the line, and what was granted goes to others.
    #[cold]
    fn give_up(&mut self, primitive: &P) {
        let list = self.list.expect("written before the node is linked");
        // SAFETY: as in `look_again`; the handle is on its way out, but here it still is.
        let mut locked = unsafe { list.as_ref() }.lock();
        if self.node.stage() == GRANTED {
            drop(locked);
            let ticket = self.granted();
            return self.operation.give_back(primitive, ticket);
        }
        let waker = locked.unlink(&self.node);
        self.node.set_stage(IDLE);
        self.operation.left(primitive, &mut locked);
        drop(locked);
        drop_quietly(waker);
    }
}

impl<P: Handle, O: Operation<P>> Drop for Wait<P, O> {
    #[inline]
    fn drop(&mut self) {
        // Ready, or never in line: there is nothing to undo.
        let Some(primitive) = self.primitive.take() else { return };
        match self.node.stage() {
            IDLE => {}
            GRANTED => self.operation.give_back(&primitive, self.granted()),
            _ => self.give_up(&primitive),
        }
    }
}

impl<P: Handle, O: Operation<P>> fmt::Debug for Wait<P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.node.stage() {
            _ if self.primitive.is_none() => "ready",
            IDLE => "not polled",
            WAITING => "in line",
            _ => "granted",
        };
        f.debug_struct(O::NAME)
            .field("stage", &format_args!("{stage}"))
            .field("at", &format_args!("{}", self.at))
            .finish()
    }
}

/// Would waking the one wake the other? With no new waker there is nothing to change.
fn same_waker(known: Option<&Waker>, new: Option<&Waker>) -> bool {
    new.is_none_or(|new| known.is_some_and(|known| known.will_wake(new)))
}

#[cfg(test)]
mod tests {
    use super::super::kit::{Bell, Owned, poll, wait_for};
    use super::*;
    use crate::base::atomic::{model, model_thread};

    /// The smallest primitive there is: a token that one has, everything under the lock.
    struct Token(WaitList<bool, bool>);

    /// Waiting for the token. A ticket says whether one has it.
    struct Taking;

    impl Token {
        fn new() -> Arc<Self> {
            Arc::new(Self(WaitList::new(true)))
        }

        fn take(self: &Arc<Self>) -> Pin<Box<Wait<Arc<Self>, Taking>>> {
            Box::pin(Wait::new(self.clone(), Taking, Location::caller()))
        }

        fn put_back(&self) {
            let mut locked = self.0.lock();
            let is_free = !locked.grant_first(true);
            assert!(!*locked, "one token, and it was out");
            *locked = is_free;
        }
    }

    impl Operation<Arc<Token>> for Taking {
        type State = bool;
        type Ticket = bool;
        type Output = Arc<Token>;

        const NAME: &'static str = "Take";

        fn list(token: &Token) -> &WaitList<bool, bool> {
            &token.0
        }

        fn note(&self, _: u64, _: &'static Location<'static>) {}

        fn enter(&mut self, _: &Arc<Token>, locked: &mut Locked<'_, bool, bool>) -> Entered<bool> {
            if mem::take(&mut **locked) { Entered::Granted(true) } else { Entered::Waits(false) }
        }

        fn finish(&mut self, token: Arc<Token>, ticket: bool, _: &'static Location<'static>) -> Arc<Token> {
            assert!(ticket, "W2: the ticket is seen with the grant");
            token
        }

        fn give_back(&mut self, token: &Arc<Token>, ticket: bool) {
            assert!(ticket);
            token.put_back();
        }
    }

    #[test]
    fn model_three_threads_have_the_token_in_turn_and_no_wake_up_is_lost() {
        model(|| {
            let token = Token::new();
            let owned = Owned::new();
            let threads = [(); 2].map(|()| {
                let (token, owned) = (token.clone(), owned.clone());
                model_thread::spawn(move || {
                    let token = wait_for(token.take());
                    owned.count();
                    token.put_back();
                })
            });
            let mine = wait_for(token.take());
            owned.count();
            mine.put_back();
            threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
            let mine = wait_for(token.take());
            assert_eq!(owned.count(), 4);
            assert!(!*mine.0.lock());
        });
    }

    #[test]
    fn model_syn_03_a_waiter_that_goes_away_loses_nothing_whether_or_not_it_was_granted() {
        model(|| {
            let token = Token::new();
            let mine = wait_for(token.take());
            let bells = [Bell::new(), Bell::new()];
            let wakers = bells.clone().map(Waker::from);
            let mut first = token.take();
            let mut second = token.take();
            assert!(poll(&mut first, &wakers[0]).is_pending());
            assert!(poll(&mut second, &wakers[1]).is_pending());
            let leaver = model_thread::spawn(move || drop(first));
            mine.put_back();
            leaver.join().expect("no panic");
            assert_eq!(bells[1].rings(), 1, "woken once, by the token or by the one who left");
            assert!(poll(&mut second, &wakers[1]).is_ready());
        });
    }

    #[test]
    fn model_a_new_waker_is_the_one_that_is_woken_or_the_poll_that_brought_it_sees_the_grant() {
        model(|| {
            let token = Token::new();
            let mine = wait_for(token.take());
            let bells = [Bell::new(), Bell::new()];
            let wakers = bells.clone().map(Waker::from);
            let mut waiting = token.take();
            assert!(poll(&mut waiting, &wakers[0]).is_pending());
            let giver = model_thread::spawn(move || mine.put_back());
            let is_ready = poll(&mut waiting, &wakers[1]).is_ready();
            giver.join().expect("no panic");
            let rings = bells.each_ref().map(|bell| bell.rings());
            assert!(if is_ready { rings == [1, 0] } else { rings == [0, 1] }, "{is_ready} {rings:?}");
        });
    }

    #[test]
    fn model_mis_11_a_forgotten_waiter_keeps_its_place_and_harms_nobody() {
        model(|| {
            let token = Token::new();
            let mine = wait_for(token.take());
            let mut waiting = [token.take(), token.take(), token.take()];
            for future in &mut waiting {
                assert!(poll(future, Waker::noop()).is_pending());
            }
            let [first, forgotten, last] = waiting;
            let leaver = model_thread::spawn(move || drop(first));
            let other = model_thread::spawn(move || drop(last));
            mem::forget(forgotten);
            mine.put_back();
            leaver.join().expect("no panic");
            other.join().expect("no panic");
            let locked = token.0.lock();
            assert!(!*locked && locked.line.len == 0, "the token went to whom nobody will ask for it");
        });
    }

    #[test]
    fn the_line_is_first_come_first_served_and_can_be_left_anywhere() {
        for leaves in 0..5 {
            let token = Token::new();
            let mut mine = wait_for(token.take());
            let mut waiting: Vec<_> = (0..5).map(|n| (n, token.take())).collect();
            for (_, future) in &mut waiting {
                assert!(poll(future, Waker::noop()).is_pending());
            }
            assert!(
                format!("{:?}", mine.0.lock().waiters()).starts_with("[no task of ours, at src/sync/wait_list.rs:")
            );
            drop(waiting.remove(leaves));
            for (_, mut future) in waiting {
                assert!(poll(&mut future, Waker::noop()).is_pending());
                mine.put_back();
                let Poll::Ready(next) = poll(&mut future, Waker::noop()) else { panic!("it was first in line") };
                mine = next;
            }
            mine.put_back();
            assert!(*token.0.lock());
        }
    }

    #[test]
    fn a_crowd_is_woken_without_a_word_under_the_lock() {
        let token = Token::new();
        let mine = wait_for(token.take());
        let bell = Bell::new();
        let waker = Waker::from(bell.clone());
        let mut crowd: Vec<_> = (0..100).map(|_| token.take()).collect();
        crowd.iter_mut().for_each(|future| assert!(poll(future, &waker).is_pending()));
        let mut locked = mine.0.lock();
        locked.grant_all(false);
        assert_eq!(bell.rings(), 0, "W5");
        drop(locked);
        assert_eq!(bell.rings(), 100);
        crowd.into_iter().for_each(mem::forget);
    }
}
