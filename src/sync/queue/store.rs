//! Where the items lie, and in which order they come out.

use super::super::desk::Desk;
use super::heap::Heap;
use crate::base::atomic::Mutex;
use std::collections::VecDeque;
use std::mem;

/// Room for so many items is not given back when the queue is empty: it would be asked for again at once.
const ROOM_KEPT: usize = 64;

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
        let is_spare = held.items.is_empty() && held.items.capacity() > ROOM_KEPT;
        let spare = is_spare.then(|| mem::take(&mut held.items));
        drop(held);
        drop(spare);
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
        let is_spare = held.items.is_empty() && held.items.capacity() > ROOM_KEPT;
        let spare = (is_spare.then(|| mem::take(&mut held.items)), heap.spare_room(ROOM_KEPT));
        drop(held);
        drop(heap);
        drop(spare);
        Some(item)
    }
}
