#![allow(unsafe_code, reason = "recycles memory")]
//! Task cells are recycled: a list of free blocks a size class, owned by the core and reached through the context.
//!
//! A spawn and a join of an empty task cost 110 ns through glibc and 30 through this list; 43 of the difference were
//! glibc giving pages back to the kernel and faulting them in again. Classes are 16 bytes apart and 8 short of a
//! multiple of 16, which is what fits glibc's chunks without waste.
//!
//! - **P1** A block in list *c* was allocated with `layout(c)` and nobody points at it.
//! - **P2** At most [`KEPT_BYTES`] stand in all lists together, so a burst's memory goes back to the allocator.
//! - **P3** A pool whose worker sleeps now and then shrinks to [`RESTING_BYTES`]. Cells that are born on one core and freed on another
//!   are missing here and too many there, and each imbalance leaves its blocks behind: ten minutes of a mixed load let two pools
//!   grow by a megabyte, and would have gone on to the bound.
//!
//! Cases of the catalogue: TSK-21.

use crate::base::context::{Claim, Index, Slot};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, UnsafeCell};
use std::ptr::NonNull;

/// The current core's pool.
pub(crate) static POOL: Slot<CellPool> = Slot::of::<1>();

impl Claim for Index<1> {
    type Lent = CellPool;
}

/// Cells up to 1,016 bytes are pooled; above that the allocator's share of a spawn is small.
const CLASSES: usize = 64;
/// 4 MiB: the cells of 20,000 small tasks, so that a batch of 10,000 never reaches the allocator.
const KEPT_BYTES: usize = 4 << 20;
/// 256 KiB: the cells of a thousand small tasks.
const RESTING_BYTES: usize = 256 << 10;
/// So much goes back at a time, which takes some ten microseconds, and so often.
const EBB_BYTES: usize = 64 << 10;
const EBB_NS: u64 = 10_000_000;
/// What glibc aligns to anyway.
const ALIGN: usize = 16;

/// The free cells of one core.
///
/// INSTEAD OF linking the blocks through their own first word: then each allocation waits for the block's memory to come
/// from the outer cache before it knows the next one (44 ns a spawn and join; 42 with a vector of addresses, which asks
/// nothing of the block).
pub(crate) struct CellPool {
    /// The free blocks of each class.
    lists: [UnsafeCell<Vec<NonNull<u8>>>; CLASSES],
    /// What stands in all lists together, in bytes.
    kept: Cell<usize>,
    /// The class that was asked for in vain last; none so far: [`CLASSES`].
    missed: Cell<usize>,
    /// When blocks went back last, and where the next ones come from.
    ebbed_ns: Cell<u64>,
    ebbs_at: Cell<usize>,
}

// SAFETY: P1: the blocks in the lists belong to the pool alone, and memory belongs to no thread.
unsafe impl Send for CellPool {}

impl CellPool {
    pub(crate) const fn new() -> Self {
        Self {
            lists: [const { UnsafeCell::new(Vec::new()) }; CLASSES],
            kept: Cell::new(0),
            missed: Cell::new(CLASSES),
            ebbed_ns: Cell::new(0),
            ebbs_at: Cell::new(0),
        }
    }

    /// Its worker is about to sleep: gives a part of the surplus back (P3).
    #[inline]
    pub(crate) fn ebb(&self, now_ns: u64) {
        if self.kept.get() > RESTING_BYTES && now_ns >= self.ebbed_ns.get().saturating_add(EBB_NS) {
            self.ebbed_ns.set(now_ns);
            self.shrink_to(RESTING_BYTES.max(self.kept.get().saturating_sub(EBB_BYTES)));
        }
    }

    /// One block of each class in turn, so that no size of task has to give all.
    #[cold]
    fn shrink_to(&self, kept: usize) {
        let missed = self.missed.get();
        while self.kept.get() > kept {
            let class = self.ebbs_at.get();
            self.ebbs_at.set((class + 1) % CLASSES);
            if let Some(block) = self.take(class) {
                // SAFETY: by P1 it was allocated with this layout, and `take` made it ours.
                unsafe { dealloc(block.as_ptr(), layout_of(class)) };
            }
        }
        self.missed.set(missed);
    }

    #[inline]
    fn take(&self, class: usize) -> Option<NonNull<u8>> {
        // SAFETY: the pool is not Sync, and no list is lent beyond one line of this file: nobody else looks.
        let list = unsafe { &mut *self.lists[class].get() };
        let Some(block) = list.pop() else {
            self.missed.set(class);
            return None;
        };
        self.kept.set(self.kept.get() - layout_of(class).size());
        Some(block)
    }

    /// False if the pool is full; the caller still has the block then.
    #[inline]
    fn give(&self, class: usize, block: NonNull<u8>) -> bool {
        let kept = self.kept.get() + layout_of(class).size();
        if kept > KEPT_BYTES {
            return false;
        }
        // SAFETY: as in `take`.
        unsafe { &mut *self.lists[class].get() }.push(block);
        self.kept.set(kept);
        true
    }

    /// Takes blocks over from another pool, of the class that was missing here last, until there are `count` of it. For the
    /// pool of those who only spawn: what they take is freed on workers.
    pub(crate) fn top_up(&self, count: usize, from: &CellPool) {
        let class = self.missed.get();
        let Some(list) = self.lists.get(class) else { return };
        // Never more than an eighth of what may be kept, so that tasks of another size find room when their time comes.
        let count = count.min(KEPT_BYTES / 8 / layout_of(class).size());
        // SAFETY: as in `take`.
        let missing = count.saturating_sub(unsafe { &*list.get() }.len());
        for _ in 0..missing {
            let Some(block) = from.take(class) else { return };
            if !self.give(class, block) {
                let given_back = from.give(class, block);
                assert!(given_back, "there is room for it where it was just taken");
                return;
            }
        }
    }
}

impl Drop for CellPool {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

/// Memory for a cell, from the current core's pool if it has some.
#[inline]
pub(super) fn allocate(layout: Layout) -> NonNull<u8> {
    let class = class_of(layout);
    let recycled = class.and_then(|class| POOL.with(|pool| pool.and_then(|pool| pool.take(class))));
    recycled.unwrap_or_else(|| allocate_fresh(class.map_or(layout, layout_of)))
}

#[cold]
fn allocate_fresh(layout: Layout) -> NonNull<u8> {
    // SAFETY: a cell holds at least a header, so the size is not zero.
    let block = unsafe { alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives a cell's memory back.
///
/// # Safety
/// `block` came from [`allocate`] with the same layout, and nobody points at it any more.
#[inline]
pub(super) unsafe fn release(block: NonNull<u8>, layout: Layout) {
    let class = class_of(layout);
    let kept = class.is_some_and(|class| POOL.with(|pool| pool.is_some_and(|pool| pool.give(class, block))));
    if !kept {
        // SAFETY: the caller's promise; `allocate` used this very layout.
        unsafe { dealloc(block.as_ptr(), class.map_or(layout, layout_of)) };
    }
}

/// The class a cell falls into; none for large or strangely aligned ones.
#[inline]
fn class_of(layout: Layout) -> Option<usize> {
    let class = (layout.size() + 7) / 16;
    (layout.align() <= ALIGN && class < CLASSES).then_some(class)
}

/// What is allocated for a class.
#[inline]
fn layout_of(class: usize) -> Layout {
    Layout::from_size_align(class * 16 + 8, ALIGN).expect("a small size and a power of two")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_block_is_taken_again_and_the_bound_holds() {
        let pool = CellPool::new();
        let layout = Layout::from_size_align(200, 8).expect("a layout");
        POOL.scope(&pool, || {
            let first = allocate(layout);
            // SAFETY: just allocated, and nothing points at it.
            unsafe { release(first, layout) };
            assert_eq!(allocate(layout), first);
            // SAFETY: as above.
            unsafe { release(first, layout) };
            let many: Vec<_> = (0..KEPT_BYTES / 200 + 1_000).map(|_| allocate(layout)).collect();
            for block in many {
                // SAFETY: as above.
                unsafe { release(block, layout) };
            }
            assert!(pool.kept.get() <= KEPT_BYTES);
            assert!(pool.kept.get() > KEPT_BYTES - 216);
        });
    }

    #[test]
    fn a_pool_is_topped_up_with_what_was_missing_there_and_with_nothing_else() {
        let (full, poor) = (CellPool::new(), CellPool::new());
        let layout = Layout::from_size_align(200, 8).expect("a layout");
        let class = class_of(layout).expect("a small one");
        POOL.scope(&full, || {
            let blocks: Vec<_> = (0..10).map(|_| allocate(layout)).collect();
            for block in blocks {
                // SAFETY: just allocated, and nothing points at it.
                unsafe { release(block, layout) };
            }
        });
        poor.top_up(4, &full);
        assert_eq!(poor.kept.get(), 0, "nothing was ever missing");
        assert!(poor.take(class).is_none());
        poor.top_up(4, &full);
        poor.top_up(4, &full);
        let of = |pool: &CellPool| pool.kept.get() / layout_of(class).size();
        assert_eq!((of(&poor), of(&full)), (4, 6));
        poor.top_up(100, &full);
        assert_eq!((of(&poor), of(&full)), (10, 0), "as many as there are");
    }

    #[test]
    fn a_pool_gives_its_surplus_back_in_slices_and_of_every_size() {
        let pool = CellPool::new();
        let (small, large) =
            (Layout::from_size_align(200, 8).expect("a layout"), Layout::from_size_align(800, 8).expect("a layout"));
        POOL.scope(&pool, || {
            for layout in [small, large] {
                let many: Vec<_> = (0..RESTING_BYTES / layout.size()).map(|_| allocate(layout)).collect();
                // SAFETY: just allocated, and nothing points at it.
                many.into_iter().for_each(|block| unsafe { release(block, layout) });
            }
        });
        let full = pool.kept.get();
        assert!(full > RESTING_BYTES + 2 * EBB_BYTES);
        pool.ebb(EBB_NS);
        let after = pool.kept.get();
        assert!(after < full && after + EBB_BYTES + 1_024 > full, "a slice of it: {full} {after}");
        pool.ebb(2 * EBB_NS - 1);
        assert_eq!(pool.kept.get(), after, "not so soon");
        (2..100).for_each(|time| pool.ebb(time * EBB_NS));
        assert!(pool.kept.get() <= RESTING_BYTES && pool.kept.get() + 1_024 > RESTING_BYTES);
        for layout in [small, large] {
            let class = class_of(layout).expect("it is pooled");
            assert!(pool.take(class).is_some_and(|block| pool.give(class, block)), "there are some of each left");
        }
    }

    #[test]
    fn tsk_21_sizes_and_alignments_keep_to_their_class() {
        for size in 137..2_000 {
            let layout = Layout::from_size_align(size, 8).expect("a layout");
            if let Some(class) = class_of(layout) {
                assert!(layout_of(class).size() >= size);
                assert!(layout_of(class).size() < size + 16);
            }
        }
        assert_eq!(class_of(Layout::from_size_align(200, 4_096).expect("a layout")), None);
    }
}
