#![allow(unsafe_code, reason = "shares the header between threads, field by field, as the fields' lines say")]
//! What every task carries, whatever its future: 128 bytes, two cache lines, always on.
//!
//! Designed once for all that comes later. The first line is what running and waking touch; the second is what
//! people ask about: who are you, where do you come from, what do you wait for.

use super::Id;
use super::cell::VTable;
use super::extra::Extra;
use super::state::State;
use crate::base::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, UNDER_LOOM, UnsafeCell};
use crate::base::context::{Claim, Index, Slot};
use std::cell::Cell;
use std::panic::Location;
use std::ptr;
use std::task::Waker;

/// The header of the task that this thread is polling or dropping.
pub(crate) static CURRENT: Slot<Header> = Slot::of::<0>();

impl Claim for Index<0> {
    type Lent = Header;
}

/// The task that blocks its thread in place (`sched::in_place`).
pub(crate) static IN_PLACE: Slot<Header> = Slot::of::<11>();

impl Claim for Index<11> {
    type Lent = Header;
}

/// May the code that runs on this thread block it? A job has a thread to itself, a task in place has given its core away, and
/// whoever is no task at all holds up nobody of ours.
pub(crate) fn may_block() -> bool {
    CURRENT.with(|task| task.is_none_or(|task| task.flags.get().is_job || ptr::eq(IN_PLACE.as_ptr(), task)))
}

/// What every task carries. The first 64 bytes are all that spawning, running and ending touch; people ask about the rest.
#[repr(C)]
pub(crate) struct Header {
    /// The one word; see `state`.
    pub(super) state: State,
    /// What depends on the future's type.
    pub(super) vtable: &'static VTable,
    /// The scheduler part this task belongs to: set at birth, and once more by the worker that links it, which
    /// holds RUNNING or QUEUED and by that excludes every reader.
    pub(super) home: AtomicPtr<()>,
    /// The registry's links; touched by the holder of the home's registry alone.
    pub(crate) links: Links,
    /// Unique within the runtime, never reused, never 0.
    pub(crate) id: u64,
    /// Where the user's code called spawn.
    pub(crate) spawned_at: &'static Location<'static>,
    /// How often it was polled. Wraps; it is for people. One writer: the holder of RUNNING.
    pub(super) polls: AtomicU32,
    /// Daemon, linked.
    pub(crate) flags: Cell<Flags>,

    /// The worker's coarse clock at spawn, in units of 2^20 ns since the runtime began; wraps after 52 days.
    pub(crate) born_ms: u32,
    /// How often a wake put it into a queue.
    pub(crate) wakes: AtomicU32,
    /// The joiner's waker; T5 says who may touch it.
    pub(super) join_waker: UnsafeCell<Option<Waker>>,
    /// A name and inherited values: hardly any task has them.
    pub(super) extra: Option<Box<Extra>>,
    /// The task that spawned this one, or 0.
    pub(crate) parent: u64,
    /// The source line this task waits at, as far as `wait_for` says that it does. Written by whoever polls it.
    pub(super) wait_at: AtomicPtr<Location<'static>>,
    /// What it waits for: the kind in the low byte, the object's number above it; 0 if the last poll did not say.
    pub(super) wait_for: AtomicU64,
    /// The task whose poll woke this one last, or 0.
    pub(crate) woken_by: AtomicU64,
}

/// Facts of a byte each. Plain memory: written by the holder of QUEUED or RUNNING alone.
#[derive(Clone, Copy)]
pub(crate) struct Flags {
    /// `run` does not wait for it.
    pub(crate) daemon: bool,
    /// It stands in its home's registry.
    pub(crate) linked: bool,
    /// It is a blocking job: it has a thread to itself.
    pub(crate) is_job: bool,
    /// It is a job for which no thread could be made.
    pub(crate) no_thread: bool,
}

/// The registry's links, and nobody else's business.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) previous: Cell<*const Header>,
    pub(crate) next: Cell<*const Header>,
}

impl Links {
    pub(super) const fn new() -> Self {
        Self { previous: Cell::new(ptr::null()), next: Cell::new(ptr::null()) }
    }
}

// SAFETY: the fields are atomics, or immutable after birth, or plain cells whose lines above name the one who may touch
// them: `links` and `flags` are reached by the registry's holder and by the holder of QUEUED or RUNNING only (T2, T3),
// and `join_waker` by T5.
unsafe impl Sync for Header {}
// SAFETY: as above; nothing in a header belongs to a thread.
unsafe impl Send for Header {}

#[cfg(target_pointer_width = "64")]
const _: () =
    assert!(UNDER_LOOM || size_of::<Header>() == 128, "two cache lines: a million idle tasks pay for every byte");

impl Header {
    /// One poll begins. What an earlier one waited for is over, and the note of it goes.
    #[inline]
    pub(super) fn count_poll(&self) {
        // ORDER: Relaxed, a statistic with one writer: the holder of RUNNING.
        let polls = self.polls.load(Ordering::Relaxed);
        // ORDER: Relaxed, as above.
        self.polls.store(polls.wrapping_add(1), Ordering::Relaxed);
        // ORDER: Relaxed, as in `wait::note`.
        self.wait_for.store(0, Ordering::Relaxed);
    }

    /// A wake put the task into a queue. One writer: whoever turned QUEUED on (T1), or the runner that found it on.
    #[inline]
    pub(super) fn count_wake(&self) {
        // ORDER: Relaxed, a statistic; the right to write it passes on with QUEUED, which `state` orders.
        let wakes = self.wakes.load(Ordering::Relaxed);
        // ORDER: Relaxed, as above.
        self.wakes.store(wakes.wrapping_add(1), Ordering::Relaxed);
    }

    /// The task that this thread is polling, if any, woke or aborted this one.
    #[inline]
    pub(super) fn note_waker(&self) {
        // ORDER: Relaxed, for people and for the cause of a cancel; two at once may hide one another.
        self.woken_by.store(current_id(), Ordering::Relaxed);
    }

    /// The number as users see it.
    pub(crate) fn public_id(&self) -> Id {
        Id::from_u64(self.id).expect("ids start at 1")
    }

    /// Has it ever been polled?
    #[inline]
    pub(crate) fn has_started(&self) -> bool {
        // ORDER: Relaxed, asked by the holder of RUNNING, the counter's one writer, or for a human's eyes.
        self.polls.load(Ordering::Relaxed) > 0
    }

    /// Is it in a poll at this moment? By the time it is read that may be over.
    pub(crate) fn is_being_polled(&self) -> bool {
        self.has_started() && self.state.is_running()
    }

    /// The address of the scheduler part this task belongs to.
    #[inline]
    pub(crate) fn home(&self) -> *const () {
        // ORDER: Relaxed, it changes only while QUEUED is set and never after the first poll; `state` orders it.
        self.home.load(Ordering::Relaxed)
    }

    /// Moves a task that no registry knows yet to the worker that dequeued it.
    pub(crate) fn set_home(&self, home: *const ()) {
        // ORDER: Relaxed, as in `home`.
        self.home.store(home.cast_mut(), Ordering::Relaxed);
    }
}

/// The id of the task this thread is polling, or 0.
#[inline]
pub(crate) fn current_id() -> u64 {
    CURRENT.with(|header| header.map_or(0, |header| header.id))
}

/// A source line out of the word that `wait::note` filled.
pub(super) fn location(at: *mut Location<'static>) -> Option<&'static Location<'static>> {
    // SAFETY: null, or written by `wait::note` from a `&'static Location`.
    unsafe { at.as_ref() }
}
