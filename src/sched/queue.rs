#![allow(unsafe_code, reason = "turns the ring's plain pointers back into tokens")]
//! Run queues as a core sees them: a plain deque where nobody can steal, ring and next-slot where siblings can.
//!
//! - **U1** A pointer in a ring or in a next-slot was made from a [`Queued`] and is turned back exactly once, by whoever
//!   took it out.
//! - **U2** Each ring has one [`Owner`], which is not `Clone` and lives in the core: so "owner only" holds by type.

use crate::base::atomic::{AtomicPtr, Ordering};
use crate::base::deque::Ring;
use crate::task::{Header, Queued};
use std::ptr;
use std::sync::Arc;

/// What siblings can take from.
pub(crate) struct Stealable {
    /// First in, first out.
    ring: Ring<Header>,
    /// The task woken last by the task that runs: it goes first, while its data is in the cache. Null if none.
    next: AtomicPtr<Header>,
}

/// The owner's end.
pub(crate) struct Owner(Arc<Stealable>);

/// A ring and its owner's end.
pub(crate) fn stealable() -> (Arc<Stealable>, Owner) {
    let shared = Arc::new(Stealable { ring: Ring::new(), next: AtomicPtr::new(ptr::null_mut()) });
    (shared.clone(), Owner(shared))
}

impl Stealable {
    /// A hint: is there anything in the ring?
    pub(crate) fn is_empty(&self) -> bool {
        self.ring.len() == 0
    }

    /// A hint: does a task stand in the next-slot?
    #[inline]
    pub(crate) fn has_next(&self) -> bool {
        // ORDER: Relaxed, a hint; asked by the owner, who alone fills the slot.
        !self.next.load(Ordering::Relaxed).is_null()
    }

    /// A sibling takes the next-slot's task: only when its owner is stuck, for otherwise the owner is about to run it.
    pub(crate) fn steal_next(&self) -> Option<Queued> {
        take(&self.next)
    }
}

impl Owner {
    /// A hint: how many wait in the ring?
    pub(crate) fn len(&self) -> usize {
        self.0.ring.len()
    }

    /// Puts a task at the back; gives it back if the ring is full.
    #[inline]
    pub(crate) fn push(&self, task: Queued) -> Result<(), Queued> {
        // SAFETY: U1: the ring gave the very pointer back.
        self.0.ring.push(task.into_ptr()).map_err(|task| unsafe { Queued::from_ptr(task) })
    }

    /// Takes the oldest task.
    #[inline]
    pub(crate) fn pop(&self) -> Option<Queued> {
        // SAFETY: U1: the ring gives each pointer once.
        self.0.ring.pop().map(|task| unsafe { Queued::from_ptr(task) })
    }

    /// Puts a task where it runs next, and gives the one that stood there.
    #[inline]
    pub(crate) fn push_next(&self, task: Queued) -> Option<Queued> {
        // ORDER: AcqRel, pairs with `take`: the task's cell is the taker's.
        let before = self.0.next.swap(task.into_ptr(), Ordering::AcqRel);
        // SAFETY: U1: whoever swaps a pointer out of the slot owns it.
        (!before.is_null()).then(|| unsafe { Queued::from_ptr(before) })
    }

    /// Takes the task that runs next.
    #[inline]
    pub(crate) fn pop_next(&self) -> Option<Queued> {
        take(&self.0.next)
    }

    /// Takes half of a sibling's ring into this one, as far as there is room; gives one more task to run at once.
    pub(crate) fn steal_from(&self, sibling: &Stealable) -> Option<Queued> {
        // SAFETY: U1: the steal moved each pointer once.
        sibling.ring.steal_into(&self.0.ring).map(|task| unsafe { Queued::from_ptr(task) })
    }
}

#[inline]
fn take(slot: &AtomicPtr<Header>) -> Option<Queued> {
    // ORDER: Relaxed, a look that saves the swap when there is nothing.
    if slot.load(Ordering::Relaxed).is_null() {
        return None;
    }
    // ORDER: AcqRel, pairs with `push_next`.
    let task = slot.swap(ptr::null_mut(), Ordering::AcqRel);
    // SAFETY: U1: whoever swaps a pointer out of the slot owns it.
    (!task.is_null()).then(|| unsafe { Queued::from_ptr(task) })
}
