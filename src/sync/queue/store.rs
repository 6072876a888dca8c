//! Where the items lie, and in which order they come out.

use super::super::desk::Desk;
use super::super::spare;
use super::heap::Heap;
use crate::base::atomic::Mutex;
use std::collections::VecDeque;
use std::mem;

/// Who comes out first.
pub(super) enum Order<T> {
    /// The one that has been in the queue longest.
    Fifo,
    /// The one that came last.
    Lifo,
    /// The least, and of equals the one that came first.
    Priority(Desk<Heap<T>>),
}

/// The items.
pub(super) struct Store<T> {
    /// Held for a few instructions at a time, and never over anything of the user's (Q3).
    held: Mutex<Held<T>>,
    order: Order<T>,
}

struct Held<T> {
    /// In the order in which they came. In a queue with priorities, those which are not in the heap yet.
    items: VecDeque<T>,
    /// How many lie in the heap.
    in_heap: usize,
    /// Nothing is put any more.
    is_closed: bool,
}

impl<T> Store<T> {
    pub(super) fn new() -> Self {
        let held = Held { items: VecDeque::new(), in_heap: 0, is_closed: false };
        Self { held: Mutex::new(held), order: Order::Fifo }
    }

    /// The same items, in another order.
    pub(super) fn with_order(self, order: Order<T>) -> Self {
        if let Order::Priority(desk) = self.order {
            let mut held = self.held.lock();
            held.in_heap = 0;
            let fresh = mem::take(&mut held.items);
            held.items.extend(desk.into_inner().into_items().chain(fresh));
        }
        Self { held: self.held, order }
    }

    pub(super) fn order_name(&self) -> &'static str {
        match self.order {
            Order::Fifo => "first in, first out",
            Order::Lifo => "last in, first out",
            Order::Priority(_) => "by priority",
        }
    }

    pub(super) fn len(&self) -> usize {
        let held = self.held.lock();
        held.items.len() + held.in_heap
    }

    pub(super) fn is_closed(&self) -> bool {
        self.held.lock().is_closed
    }

    pub(super) fn close(&self) {
        self.held.lock().is_closed = true;
    }

    /// Puts an item in, unless it is closed; `before` is told just before others may find it. Compares nothing.
    pub(super) fn push(&self, item: T, before: impl FnOnce()) -> Result<(), T> {
        let mut held = self.held.lock();
        if held.is_closed {
            return Err(item);
        }
        before();
        held.items.push_back(item);
        Ok(())
    }

    /// Takes the first one out, if there is one.
    pub(super) fn pop(&self) -> Option<T> {
        if let Order::Priority(desk) = &self.order {
            return self.pop_least(desk);
        }
        let mut held = self.held.lock();
        let item = if matches!(self.order, Order::Lifo) { held.items.pop_back() } else { held.items.pop_front() };
        held.give_room_back();
        item
    }

    /// The user's comparisons are made at the desk, and without the lock: who puts never waits for them.
    fn pop_least(&self, desk: &Desk<Heap<T>>) -> Option<T> {
        let mut heap = desk.sit("get", "a comparison of items of the queue");
        let mut held = self.held.lock();
        held.in_heap += held.items.len();
        held.items.drain(..).for_each(|item| heap.add(item));
        drop(held);
        let item = heap.pop()?;
        let mut held = self.held.lock();
        held.in_heap -= 1;
        held.give_room_back();
        drop(held);
        heap.give_room_back();
        Some(item)
    }
}

impl<T> Held<T> {
    /// Under the lock, as making room is; the items are moved at most, and none of their code is run.
    fn give_room_back(&mut self) {
        if let Some(room) = spare::to_cut_to(self.items.len(), self.items.capacity()) {
            self.items.shrink_to(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_each_kind() -> [Store<usize>; 3] {
        [Order::Fifo, Order::Lifo, Order::Priority(Desk::new(Heap::new()))].map(|order| Store::new().with_order(order))
    }

    /// How many items there is room for.
    fn room(store: &Store<usize>) -> usize {
        let fresh = store.held.lock().items.capacity();
        let Order::Priority(desk) = &store.order else { return fresh };
        fresh + desk.try_sit().expect("nobody is at it").room()
    }

    fn put(store: &Store<usize>, items: impl Iterator<Item = usize>) {
        items.for_each(|item| assert!(store.push(item, || ()).is_ok()));
    }

    #[test]
    fn syn_12_a_store_that_is_never_empty_gives_the_room_of_a_burst_back() {
        const BURST: usize = 10_000;
        for store in of_each_kind() {
            let name = store.order_name();
            let (mut got, mut most) = (Vec::new(), 0);
            put(&store, 0..BURST);
            for left in (3..BURST).rev() {
                got.extend(store.pop());
                let room = room(&store);
                most = most.max(room);
                // In a queue with priorities there are two lists, of which each keeps a little.
                assert!(room <= 2 * spare::KEPT + 4 * left, "{name}: room for {room}, and {left} are left");
            }
            assert!(most >= BURST - 1, "{name}: the test sees the burst");
            let is_lifo = matches!(store.order, Order::Lifo);
            assert!(if is_lifo { got.is_sorted_by(|a, b| a > b) } else { got.is_sorted() }, "{name}");
            assert_eq!((got.len(), store.len()), (BURST - 3, 3), "{name}");
        }
    }

    #[test]
    fn syn_12_room_is_not_given_back_only_to_be_asked_for_again() {
        for store in of_each_kind() {
            let (mut changes, mut last) = (0, room(&store));
            let mut look = || changes += usize::from(room(&store) != mem::replace(&mut last, room(&store)));
            put(&store, 0..4_096);
            while store.pop().is_some() {
                look();
                for item in 0..3 {
                    put(&store, item..item + 1);
                    look();
                    assert!(store.pop().is_some());
                    look();
                }
            }
            // From room for 4,096 down to 64, by halves; and of the list of those which are not in the heap yet.
            assert!(changes <= 24, "{}: {changes} times", store.order_name());
            assert!((1..=2 * spare::KEPT).contains(&room(&store)), "a little is kept");
        }
    }
}
