//! A worker's run queue that others may steal from: a bounded ring, the owner at both ends, thieves at the front.
//!
//! ```text
//!        head                      tail
//!         v                         v
//!    ┌──┬──┬──┬──┬──┬──┬──┬──┬──┬──┬──┬──┐     indices are 64 bits and only grow: no index comes back, so a
//!    │  │ a│ b│ c│ d│ e│ f│ g│ h│ i│  │  │     compare-exchange on `head` that succeeds proves that nothing
//!    └──┴──┴──┴──┴──┴──┴──┴──┴──┴──┴──┴──┘     before it moved (no ABA); a slot is `index % CAPACITY`
//! ```
//!
//! Protocol. Only the owner writes `tail` and the slots; anybody moves `head`, always by compare-exchange.
//!
//! 1. *push* (owner): read `head`; if the ring is not full, write the slot at `tail`, then publish `tail + 1`.
//! 2. *pop* (owner): read `head` and the slot there, then compare-exchange `head` to `head + 1`.
//! 3. *steal* (others): read `head`, read `tail`, read the first half of the slots, then compare-exchange `head`
//!    past them. On failure everything that was read is thrown away.
//!
//! Proof sketch.
//! - *No entry twice.* `head` moves over every index once, by one successful compare-exchange, and whoever made it
//!   owns the entries it moved over.
//! - *No entry torn or stale.* Slots are atomic pointers, so a thief that loses the race has read a pointer it will
//!   not use, which is no data race. One that wins read slots between the `head` it read and the `tail` it acquired:
//!   they were written before that `tail` was published (1), and the owner overwrites a slot only after it saw
//!   `head` past it, which would have made the compare-exchange fail.
//! - *No entry lost.* The owner pushes only where `tail - head < CAPACITY` for a `head` it read; `head` only grows.
//!
//! After Chase and Lev, "Dynamic circular work-stealing deque" (SPAA 2005), turned first in, first out, with the
//! batch steal of Go's scheduler. Entries are plain pointers, so that the ring needs no unsafe code.
//!
//! Cases of the catalogue: SCH-08.

use super::atomic::{AtomicPtr, AtomicU64, Ordering, UNDER_LOOM};
use std::ptr;

/// 1,024 entries are 8 KiB a worker. With 256, a task that spawns 10,000 others spills four times as often.
/// A model's ring is small, so that it fills.
const CAPACITY: u64 = if UNDER_LOOM { 4 } else { 1_024 };

/// The ring. `T` is what the pointers point at; the ring never looks there and frees nothing.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    /// The oldest entry's index. Moved by compare-exchange, by anybody.
    head: AtomicU64,
    /// One past the youngest entry's index. Written by the owner alone.
    tail: AtomicU64,
    /// Entries at `index % CAPACITY`; written by the owner alone.
    slots: Box<[AtomicPtr<T>]>,
}

impl<T> Ring<T> {
    pub(crate) fn new() -> Self {
        let slots = (0..CAPACITY).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        Self { head: AtomicU64::new(0), tail: AtomicU64::new(0), slots }
    }

    /// A hint: how many entries are inside?
    #[inline]
    pub(crate) fn len(&self) -> usize {
        // ORDER: Relaxed, a hint; whoever acts on it steals, which has its own orders.
        let head = self.head.load(Ordering::Relaxed);
        // ORDER: Relaxed, as above.
        let tail = self.tail.load(Ordering::Relaxed);
        usize::try_from(tail.saturating_sub(head)).unwrap_or(usize::MAX)
    }

    /// Owner only: puts an entry at the back; gives it back if the ring is full.
    #[inline]
    pub(crate) fn push(&self, entry: *mut T) -> Result<(), *mut T> {
        // ORDER: Relaxed, the owner alone writes `tail`.
        let tail = self.tail.load(Ordering::Relaxed);
        // ORDER: Acquire, pairs with the thieves' AcqRel on `head`: their reads of the slot came before this write.
        let head = self.head.load(Ordering::Acquire);
        if tail - head >= CAPACITY {
            return Err(entry);
        }
        // ORDER: Relaxed, published by `tail` just below.
        self.slot(tail).store(entry, Ordering::Relaxed);
        // ORDER: Release, pairs with the Acquire of `tail` in `steal`; publishes the slot.
        self.tail.store(tail + 1, Ordering::Release);
        Ok(())
    }

    /// Owner only: takes the oldest entry.
    #[inline]
    pub(crate) fn pop(&self) -> Option<*mut T> {
        // ORDER: Relaxed, the owner alone writes `tail`.
        let tail = self.tail.load(Ordering::Relaxed);
        // ORDER: Relaxed, the compare-exchange below checks it.
        let mut head = self.head.load(Ordering::Relaxed);
        while head < tail {
            // ORDER: Relaxed, the owner wrote it itself.
            let entry = self.slot(head).load(Ordering::Relaxed);
            // ORDER: AcqRel, pairs with the thieves' compare-exchange on the same word; Relaxed when it fails.
            match self.head.compare_exchange_weak(head, head + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(entry),
                Err(moved) => head = moved,
            }
        }
        None
    }

    /// Anybody: moves the older half of this ring, rounded up, into `thief` and gives one more entry to run at
    /// once; less if `thief`, which the caller owns, has less room.
    pub(crate) fn steal_into(&self, thief: &Ring<T>) -> Option<*mut T> {
        // ORDER: Relaxed, the caller alone writes its own ring's tail.
        let to = thief.tail.load(Ordering::Relaxed);
        // ORDER: Acquire, pairs with the AcqRel on `head` of those who stole from the thief: their reads are over.
        let room = CAPACITY - (to - thief.head.load(Ordering::Acquire));
        loop {
            // ORDER: Acquire, so that `tail` below is not older than this `head`: a head beyond the tail cannot be seen.
            let head = self.head.load(Ordering::Acquire);
            // ORDER: Acquire, pairs with the Release in `push`; makes the slots visible.
            let tail = self.tail.load(Ordering::Acquire);
            let available = tail.saturating_sub(head);
            let n = (available - available / 2).min(room + 1);
            if n == 0 {
                return None;
            }
            let first = self.copy_out(head, n, thief, to);
            // ORDER: AcqRel, pairs with every other move of `head`; Relaxed when it fails, for all that was read is dropped.
            if self.head.compare_exchange(head, head + n, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                // ORDER: Release, pairs with the Acquire of `tail` in `steal_into`; publishes the copied slots.
                thief.tail.store(to + n - 1, Ordering::Release);
                return Some(first);
            }
        }
    }

    /// Copies `n` entries from `head` on: the first is returned, the others go behind the thief's tail, where
    /// nobody looks until the thief publishes it.
    fn copy_out(&self, head: u64, n: u64, thief: &Ring<T>, to: u64) -> *mut T {
        for i in 1..n {
            // ORDER: Relaxed, valid only if the caller's compare-exchange succeeds (see the protocol).
            let entry = self.slot(head + i).load(Ordering::Relaxed);
            // ORDER: Relaxed, published by the thief's tail.
            thief.slot(to + i - 1).store(entry, Ordering::Relaxed);
        }
        // ORDER: Relaxed, as above.
        self.slot(head).load(Ordering::Relaxed)
    }

    #[inline]
    fn slot(&self, index: u64) -> &AtomicPtr<T> {
        &self.slots[(index % CAPACITY) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::atomic::{model, model_thread};
    use std::sync::Arc;

    /// Small numbers dressed as pointers: the ring never follows them.
    fn entry(n: usize) -> *mut u8 {
        ptr::without_provenance_mut(n)
    }

    fn drain(ring: &Ring<u8>, seen: &mut Vec<usize>) {
        seen.extend(std::iter::from_fn(|| ring.pop()).map(|p| p.addr()));
    }

    #[test]
    fn a_full_ring_gives_the_entry_back_and_a_popped_place_is_free_again() {
        let ring = Ring::new();
        (1..=CAPACITY as usize).for_each(|n| ring.push(entry(n)).expect("room"));
        assert_eq!(ring.push(entry(9)), Err(entry(9)));
        assert_eq!(ring.pop(), Some(entry(1)));
        ring.push(entry(9)).expect("one place is free");
        assert_eq!(ring.len(), CAPACITY as usize);
    }

    #[test]
    fn model_sch_08_the_owner_and_two_thieves_see_every_entry_once() {
        model(|| {
            let ring = Arc::new(Ring::new());
            (1..=2).for_each(|n| ring.push(entry(n)).expect("room"));
            let thief = |ring: Arc<Ring<u8>>| {
                model_thread::spawn(move || {
                    let mine = Ring::new();
                    let mut seen: Vec<usize> = ring.steal_into(&mine).map(|p| p.addr()).into_iter().collect();
                    drain(&mine, &mut seen);
                    seen
                })
            };
            let (one, two) = (thief(ring.clone()), thief(ring.clone()));
            let mut all = Vec::new();
            for n in 3..=5 {
                if ring.push(entry(n)).is_err() {
                    all.push(n);
                }
            }
            all.extend(ring.pop().map(|p| p.addr()));
            all.extend(one.join().expect("no panic"));
            all.extend(two.join().expect("no panic"));
            drain(&ring, &mut all);
            all.sort_unstable();
            assert_eq!(all, [1, 2, 3, 4, 5]);
        });
    }
}
