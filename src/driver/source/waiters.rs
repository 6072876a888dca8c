//! Who waits for one direction of a source, in order of arrival.
//!
//! Nearly every socket has at most one task waiting in each direction, and ten thousand idle ones should cost
//! little, so the oldest waiter lies inline and only the others are on the heap: 32 bytes a line.
//!
//! - **W1** `others` is empty while `first` is, so that "first, then the others" is the order of arrival.
//! - **W2** No key occurs twice.

use std::num::NonZeroU64;
use std::task::Waker;

use crate::base::wakers::Wakers;

/// Names one waiter of a source, never given out again. Never 0, so that each future holds a word for it and not two.
pub(super) type Key = NonZeroU64;

/// Set in the keys of visitors: tasks that stand in line without a future that could take them out of it.
const VISITOR: u64 = 1 << 63;

/// So many of them at first, for a task that has gone away is found out only by the next event. Each time one must make room
/// there is room for twice as many: with a fixed bound, one task more than that, or one whose waker is another at each poll,
/// crowds out itself for ever, and spins. What was grown is given back with the next event.
const VISITORS_MIN: usize = 32;

/// The waiters of one direction.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// Who has waited longest.
    first: Option<(Key, Waker)>,
    /// All that came later, oldest first. Boxed, because it is nearly always absent.
    #[expect(clippy::box_collection, reason = "8 bytes in every source instead of 24")]
    others: Option<Box<Vec<(Key, Waker)>>>,
}

impl Waiters {
    /// The waker that `key` waits with, if it is still waiting.
    pub(super) fn get(&self, key: Key) -> Option<&Waker> {
        self.iter().find(|(held, _)| *held == key).map(|(_, waker)| waker)
    }

    /// Puts a waiter at the end; one that is there already keeps its place and gives back its old waker, which
    /// the caller drops after its lock.
    pub(super) fn put(&mut self, key: Key, waker: Waker) -> Option<Waker> {
        let held = self.first.iter_mut().chain(self.others.iter_mut().flat_map(|others| others.iter_mut()));
        if let Some((_, old)) = held.into_iter().find(|(held, _)| *held == key) {
            return Some(std::mem::replace(old, waker));
        }
        match self.first {
            None => self.first = Some((key, waker)),
            Some(_) => self.others.get_or_insert_default().push((key, waker)),
        }
        None
    }

    /// Does this task visit already?
    pub(super) fn has_visitor(&self, waker: &Waker) -> bool {
        self.iter().any(|(key, held)| key.get() & VISITOR != 0 && held.will_wake(waker))
    }

    /// Puts a visitor at the end. If there are too many, the oldest goes, and the caller wakes it.
    pub(super) fn put_visitor(&mut self, key: Key, waker: Waker) -> Option<Waker> {
        let room = self.others.as_ref().map_or(0, |others| others.capacity()).max(VISITORS_MIN);
        let mut visitors = self.iter().map(|(key, _)| *key).filter(|key| key.get() & VISITOR != 0);
        let oldest = visitors.next().filter(|_| visitors.count() >= room - 1);
        let crowded_out = oldest.and_then(|oldest| self.remove(oldest));
        let displaced = self.put(key | VISITOR, waker);
        debug_assert!(displaced.is_none(), "the key is new (W2)");
        if let (Some(others), Some(_)) = (&mut self.others, &crowded_out) {
            others.reserve(room); // `take_all` gives it back
        }
        crowded_out
    }

    /// Takes one waiter out, wherever it stands.
    pub(super) fn remove(&mut self, key: Key) -> Option<Waker> {
        if self.first.as_ref().is_some_and(|(held, _)| *held == key) {
            let gone = self.first.take();
            self.first = self.take_second();
            return gone.map(|(_, waker)| waker);
        }
        let others = self.others.as_mut()?;
        let at = others.iter().position(|(held, _)| *held == key)?;
        Some(others.remove(at).1)
    }

    /// Takes everybody out, in order of arrival.
    pub(super) fn take_all(&mut self, into: &mut Wakers) {
        let Some((_, waker)) = self.first.take() else { return };
        into.push(waker);
        let Some(others) = self.others.take() else { return };
        for (_, waker) in *others {
            into.push(waker);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }

    fn iter(&self) -> impl Iterator<Item = &(Key, Waker)> {
        self.first.iter().chain(self.others.iter().flat_map(|others| others.iter()))
    }

    /// The oldest of the others, who moves up when the first one leaves (W1).
    fn take_second(&mut self) -> Option<(Key, Waker)> {
        let others = self.others.as_mut()?;
        if others.is_empty() { None } else { Some(others.remove(0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Writes down the order in which such wakers are woken.
    struct Bell {
        /// Which waker this is.
        name: usize,
        /// The names so far, as digits of one number.
        order: Arc<AtomicUsize>,
    }

    impl futures_task::ArcWake for Bell {
        fn wake_by_ref(bell: &Arc<Self>) {
            // ORDER: Relaxed, one thread.
            let _ = bell.order.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| Some(n * 10 + bell.name));
        }
    }

    fn key(name: usize) -> Key {
        Key::new(name as u64).expect("tests count from 1")
    }

    fn bell(name: usize, order: &Arc<AtomicUsize>) -> Waker {
        futures_task::waker(Arc::new(Bell { name, order: order.clone() }))
    }

    #[test]
    fn visitors_have_one_place_each_and_the_oldest_makes_room() {
        let order = Arc::new(AtomicUsize::new(0));
        let mut waiters = Waiters::default();
        assert!(waiters.put(key(1), bell(1, &order)).is_none());
        let first = bell(2, &order);
        assert!(!waiters.has_visitor(&first));
        assert!(waiters.put_visitor(key(2), first.clone()).is_none());
        assert!(waiters.has_visitor(&first));
        for name in 3..VISITORS_MIN + 2 {
            assert!(waiters.put_visitor(key(name), bell(3, &order)).is_none(), "{name}");
        }
        let crowded_out = waiters.put_visitor(key(99), bell(4, &order)).expect("it is full");
        assert!(crowded_out.will_wake(&first));
        assert_eq!(waiters.len(), VISITORS_MIN + 1, "who waits with a future is not counted, and not crowded out");
        assert!(waiters.get(key(1)).is_some());
        for name in 100..100 + VISITORS_MIN {
            assert!(waiters.put_visitor(key(name), bell(5, &order)).is_none(), "{name}: there is room for more now");
        }
    }

    #[test]
    fn waiters_are_woken_in_order_of_arrival_and_leave_from_any_place() {
        let order = Arc::new(AtomicUsize::new(0));
        let mut waiters = Waiters::default();
        for name in 1..=6 {
            assert!(waiters.put(key(name), bell(name, &order)).is_none());
        }
        assert!(waiters.remove(key(1)).is_some());
        assert!(waiters.remove(key(4)).is_some());
        assert!(waiters.remove(key(4)).is_none());
        // A replaced waker keeps its place in the line.
        assert!(waiters.put(key(2), bell(9, &order)).is_some());
        assert!(waiters.get(key(2)).expect("2 still waits").will_wake(waiters.get(key(2)).expect("2 still waits")));
        assert_eq!(waiters.len(), 4);
        let mut woken = Wakers::new();
        waiters.take_all(&mut woken);
        woken.wake_all();
        // ORDER: Relaxed, one thread.
        assert_eq!(order.load(Ordering::Relaxed), 9356);
        assert_eq!(waiters.len(), 0);
    }
}
