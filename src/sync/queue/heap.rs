//! A heap that bears comparisons which panic: the items are the user's, and so is their order.
//!
//! The first `ordered` entries are a heap, the others have only been laid down. Before the first comparison `ordered` is set to 0, and
//! to what it is again after the last one: if one of them panics all items are there, in some order, and the next call
//! puts them in order from the start. Items change places by swaps only, so at no moment is one in two places or in none.

use super::super::spare;
use std::cmp::Ordering;
use std::mem;

/// Where the least comes first, and of equals the one that was added first.
pub(super) struct Heap<T> {
    entries: Vec<Entry<T>>,
    /// So many of them, from the front, are a heap.
    ordered: usize,
    /// The number of the next entry.
    next: u64,
    compare: fn(&T, &T) -> Ordering,
}

struct Entry<T> {
    item: T,
    /// Grows with every entry: equals come in the order of their numbers.
    number: u64,
}

impl<T: Ord> Heap<T> {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), ordered: 0, next: 0, compare: T::cmp }
    }
}

impl<T> Heap<T> {
    /// Lays one down. Compares nothing.
    pub(super) fn add(&mut self, item: T) {
        self.entries.push(Entry { item, number: self.next });
        self.next += 1;
    }

    /// Puts all in order and takes the least.
    pub(super) fn pop(&mut self) -> Option<T> {
        let last = self.entries.len().checked_sub(1)?;
        let ordered = mem::take(&mut self.ordered);
        (ordered..=last).for_each(|index| self.rise(index));
        // Sunk before it is taken out: if that panics, the least is still there.
        self.entries.swap(0, last);
        self.sink(last);
        self.ordered = last;
        self.entries.pop().map(|entry| entry.item)
    }

    /// All items, in the order in which they were added.
    pub(super) fn into_items(mut self) -> impl Iterator<Item = T> {
        self.entries.sort_unstable_by_key(|entry| entry.number);
        self.entries.into_iter().map(|entry| entry.item)
    }

    /// Room that is much more than what is needed.
    pub(super) fn give_room_back(&mut self) {
        if let Some(room) = spare::to_cut_to(self.entries.len(), self.entries.capacity()) {
            self.entries.shrink_to(room);
        }
    }

    /// How many there is room for.
    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.entries.capacity()
    }

    fn is_before(&self, one: usize, other: usize) -> bool {
        let (one, other) = (&self.entries[one], &self.entries[other]);
        (self.compare)(&one.item, &other.item).then(one.number.cmp(&other.number)) == Ordering::Less
    }

    /// Moves an entry up to its place among those before it.
    fn rise(&mut self, mut index: usize) {
        while index > 0 {
            let parent = (index - 1) / 2;
            if !self.is_before(index, parent) {
                return;
            }
            self.entries.swap(index, parent);
            index = parent;
        }
    }

    /// Moves the first entry down to its place among the first `len`.
    fn sink(&mut self, len: usize) {
        let mut index = 0;
        loop {
            let (left, right) = (2 * index + 1, 2 * index + 2);
            if left >= len {
                return;
            }
            let child = if right < len && self.is_before(right, left) { right } else { left };
            if !self.is_before(child, index) {
                return;
            }
            self.entries.swap(index, child);
            index = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    /// Compares its first field, and panics when the count runs out.
    struct Shy(usize, usize, Rc<Cell<u32>>);

    impl PartialEq for Shy {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other).is_eq()
        }
    }

    impl Eq for Shy {}

    impl PartialOrd for Shy {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for Shy {
        fn cmp(&self, other: &Self) -> Ordering {
            let left = self.2.get();
            if left == 0 {
                std::panic::resume_unwind(Box::new("shy"));
            }
            self.2.set(left - 1);
            self.0.cmp(&other.0)
        }
    }

    #[test]
    fn snd_04_every_item_comes_out_once_and_in_order_though_comparisons_panic() {
        for round in 0..300 {
            let (rng, patience) = (Rng::new(round), Rc::new(Cell::new(u32::MAX)));
            let mut heap = Heap::new();
            let mut plain: Vec<(usize, usize)> = Vec::new();
            for number in 0..60 {
                let key = rng.below(6);
                heap.add(Shy(key, number, patience.clone()));
                plain.push((key, number));
                if rng.below(3) == 0 {
                    // Panics somewhere in the middle, or not at all.
                    patience.set(rng.below(20) as u32);
                    let popped = catch_unwind(AssertUnwindSafe(|| heap.pop().map(|item| (item.0, item.1))));
                    patience.set(u32::MAX);
                    let popped = popped.unwrap_or_else(|_| heap.pop().map(|item| (item.0, item.1)));
                    let least = plain.iter().copied().min();
                    plain.retain(|&item| Some(item) != least);
                    assert_eq!(popped, least, "of equals the first one");
                }
            }
            assert_eq!(heap.entries.len(), plain.len());
            if round % 2 == 0 {
                assert!(heap.into_items().map(|item| (item.0, item.1)).eq(plain));
                continue;
            }
            plain.sort_unstable();
            assert!(plain.into_iter().eq(std::iter::from_fn(|| { heap.pop().map(|item| (item.0, item.1)) })));
        }
    }
}
