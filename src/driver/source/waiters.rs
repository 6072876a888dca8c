//! Who waits for a source, in order of arrival.
//!
//! Nearly every socket has one task waiting, or one in each direction, and ten thousand idle ones should cost little. So the
//! oldest waiter lies inline, whatever it waits for, and only the others are on the heap: 32 bytes for both directions.
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

/// A direction's line: a bit of the keys of all who stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line(u64);

impl Line {
    pub(super) const READ: Self = Self(0);
    pub(super) const WRITE: Self = Self(1 << 62);

    /// The key by which a waiter stands in this line.
    pub(super) fn key(self, key: Key) -> Key {
        key | self.0
    }

    fn of(key: Key) -> Self {
        Self(key.get() & Self::WRITE.0)
    }
}

/// So many of them at first, for a task that has gone away is found out only by the next event. Each time one must make room
/// there is room for twice as many: with a fixed bound, one task more than that, or one whose waker is another at each poll,
/// crowds out itself for ever, and spins. What was grown is given back with the next event.
const VISITORS_MIN: usize = 32;

/// The waiters of both directions.
///
/// INSTEAD OF a list for each, the second one boxed: 8 bytes more in every source, and a writer that waits alone allocates.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// Who has waited longest.
    first: Option<(Key, Waker)>,
    /// All that came later, oldest first. Boxed, because it is nearly always absent. Kept until nobody waits: a reader that
    /// comes and goes beside a writer that waits would make it anew each time.
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

    /// Does this task visit that line already?
    pub(super) fn has_visitor(&self, line: Line, waker: &Waker) -> bool {
        self.visitors(line).any(|(_, held)| held.will_wake(waker))
    }

    /// Puts a visitor at the end of its line. If there are too many, the oldest goes, and the caller wakes it.
    pub(super) fn put_visitor(&mut self, key: Key, waker: Waker) -> Option<Waker> {
        let room = self.others.as_ref().map_or(0, |others| others.capacity()).max(VISITORS_MIN);
        let mut visitors = self.visitors(Line::of(key)).map(|(key, _)| *key);
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
        let gone = if self.first.as_ref().is_some_and(|(held, _)| *held == key) {
            self.first.take()
        } else {
            let others = self.others.as_mut()?;
            let at = others.iter().position(|(held, _)| *held == key)?;
            Some(others.remove(at))
        };
        self.move_up();
        gone.map(|(_, waker)| waker)
    }

    /// Takes a whole line out, in order of arrival.
    pub(super) fn take_all(&mut self, line: Line, into: &mut Wakers) {
        if let Some((_, waker)) = self.first.take_if(|(key, _)| Line::of(*key) == line) {
            into.push(waker);
        }
        if let Some(others) = &mut self.others {
            for (_, waker) in others.extract_if(.., |(key, _)| Line::of(*key) == line) {
                into.push(waker);
            }
            others.shrink_to(VISITORS_MIN);
        }
        self.move_up();
    }

    pub(super) fn len(&self, line: Line) -> usize {
        self.iter().filter(|(key, _)| Line::of(*key) == line).count()
    }

    fn iter(&self) -> impl Iterator<Item = &(Key, Waker)> {
        self.first.iter().chain(self.others.iter().flat_map(|others| others.iter()))
    }

    fn visitors(&self, line: Line) -> impl Iterator<Item = &(Key, Waker)> {
        self.iter().filter(move |(key, _)| key.get() & VISITOR != 0 && Line::of(*key) == line)
    }

    /// Somebody has left. The oldest of the others takes the first place if that is free (W1); with the last of all the list
    /// goes. It is empty then, so nothing foreign is dropped.
    fn move_up(&mut self) {
        if self.first.is_some() {
            return;
        }
        match &mut self.others {
            Some(others) if !others.is_empty() => self.first = Some(others.remove(0)),
            _ => self.others = None,
        }
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
        assert!(!waiters.has_visitor(Line::READ, &first));
        assert!(waiters.put_visitor(key(2), first.clone()).is_none());
        assert!(waiters.has_visitor(Line::READ, &first));
        assert!(!waiters.has_visitor(Line::WRITE, &first), "each line has visitors of its own");
        for name in 3..VISITORS_MIN + 2 {
            assert!(waiters.put_visitor(key(name), bell(3, &order)).is_none(), "{name}");
        }
        let crowded_out = waiters.put_visitor(key(99), bell(4, &order)).expect("it is full");
        assert!(crowded_out.will_wake(&first));
        assert_eq!(
            waiters.len(Line::READ),
            VISITORS_MIN + 1,
            "who waits with a future is not counted, and not crowded out"
        );
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
        assert_eq!(waiters.len(Line::READ), 4);
        let mut woken = Wakers::new();
        waiters.take_all(Line::READ, &mut woken);
        woken.wake_all();
        // ORDER: Relaxed, one thread.
        assert_eq!(order.load(Ordering::Relaxed), 9356);
        assert_eq!(waiters.len(Line::READ), 0);
    }

    #[test]
    fn two_lines_in_one_list_are_woken_apart_and_the_list_goes_with_the_last_of_both() {
        let order = Arc::new(AtomicUsize::new(0));
        let mut waiters = Waiters::default();
        for name in 1..=6 {
            let line = if name % 2 == 0 { Line::WRITE } else { Line::READ };
            assert!(waiters.put(line.key(key(name)), bell(name, &order)).is_none());
        }
        assert!(waiters.remove(key(2)).is_none(), "2 wants to write");
        assert_eq!((waiters.len(Line::READ), waiters.len(Line::WRITE)), (3, 3));
        let mut woken = Wakers::new();
        waiters.take_all(Line::READ, &mut woken);
        assert_eq!((waiters.len(Line::READ), waiters.len(Line::WRITE)), (0, 3));
        assert!(waiters.first.is_some(), "W1");
        waiters.take_all(Line::READ, &mut woken);
        waiters.take_all(Line::WRITE, &mut woken);
        assert!(waiters.first.is_none() && waiters.others.is_none());
        woken.wake_all();
        // ORDER: Relaxed, one thread.
        assert_eq!(order.load(Ordering::Relaxed), 135_246);
    }
}
