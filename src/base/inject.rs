//! The inbox: any thread pushes, the owner (or a thief) takes the whole load at once.
//!
//! A mutex around a deque, and beside it the length, so that a worker with nothing to fetch pays one plain
//! load. Taking swaps the deque against an empty one that the taker brings along: the lock is held for three
//! moves however long the queue is, and in the calm case nobody allocates.
//!
//! - **Q1** An entry that was pushed is in exactly one `take`.
//! - **Q2** After `close` returned true nothing is inside and every push gives its entry back.
//! - **Q3** The length is a hint. A reader that must not miss a push learns of it by the wake-up that follows
//!   the push (`driver::parker`), never by polling the length.
//!
//! INSTEAD OF a lock-free stack of linked entries: it saves the lock but needs a link in every task header,
//! eight bytes a task, and unsafe code here. What is unbounded here is bounded by the live tasks, since a task
//! is queued at most once; a burst's buffer is given back.

use super::atomic::{AtomicUsize, Mutex, Ordering};
use std::collections::VecDeque;
use std::mem;

/// A buffer longer than this is not kept once it is empty: 1,024 entries are 8 KiB.
const KEPT_CAPACITY: usize = 1_024;

/// Many push, one takes all. On cache lines of its own (two, since processors fetch them in pairs): pushers write here all
/// the time, and what stands beside it is mostly some worker's.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Inject<T> {
    /// Waiting entries, oldest first, and whether more may come.
    queue: Mutex<Queue<T>>,
    /// How many are waiting: written under the lock, read by anybody.
    len: AtomicUsize,
}

#[derive(Debug)]
struct Queue<T> {
    entries: VecDeque<T>,
    closed: bool,
}

impl<T> Inject<T> {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::new(Queue { entries: VecDeque::new(), closed: false }), len: AtomicUsize::new(0) }
    }

    /// Puts one entry at the end; gives it back if the inbox is closed.
    pub(crate) fn push(&self, entry: T) -> Result<(), T> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(entry);
        }
        queue.entries.push_back(entry);
        self.publish_len(&queue);
        Ok(())
    }

    /// Puts many entries at the end under one lock. The caller knows that the inbox is open.
    pub(crate) fn push_all(&self, entries: Vec<T>) {
        let mut queue = self.queue.lock();
        assert!(!queue.closed, "only the runtime's own workers push batches, and they close it last");
        queue.entries.extend(entries);
        self.publish_len(&queue);
    }

    /// A hint: is anything waiting?
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A hint: how many are waiting?
    #[inline]
    pub(crate) fn len(&self) -> usize {
        // ORDER: Relaxed, a hint (Q3); whoever acts on it takes the lock, which is what orders the entries.
        self.len.load(Ordering::Relaxed)
    }

    /// Takes everything, oldest first, leaving `buffer` (which must be empty) in its place.
    pub(crate) fn take_all(&self, buffer: &mut VecDeque<T>) {
        debug_assert!(buffer.is_empty(), "entries in the buffer would be pushed back");
        let mut queue = self.queue.lock();
        mem::swap(&mut queue.entries, buffer);
        self.publish_len(&queue);
    }

    /// Takes up to `max` of the oldest entries into `buffer`, for a taker that shares with others.
    pub(crate) fn take_some(&self, max: usize, buffer: &mut VecDeque<T>) {
        let mut queue = self.queue.lock();
        for _ in 0..max.min(queue.entries.len()) {
            buffer.extend(queue.entries.pop_front());
        }
        if queue.entries.is_empty() && queue.entries.capacity() > KEPT_CAPACITY {
            queue.entries = VecDeque::new();
        }
        self.publish_len(&queue);
    }

    /// Closes the inbox if nothing is inside; false if something is, and then it stays open.
    pub(crate) fn close_if_empty(&self) -> bool {
        let mut queue = self.queue.lock();
        queue.closed |= queue.entries.is_empty();
        queue.closed
    }

    fn publish_len(&self, queue: &Queue<T>) {
        // ORDER: Relaxed, pairs with the hint in `len`.
        self.len.store(queue.entries.len(), Ordering::Relaxed);
    }
}

/// Gives a burst's buffer back: call it with the emptied vector before handing it to `take_all` again.
pub(crate) fn trim<T>(buffer: &mut VecDeque<T>) {
    debug_assert!(buffer.is_empty());
    if buffer.capacity() > KEPT_CAPACITY {
        *buffer = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::atomic::{model, model_thread};
    use std::sync::Arc;

    #[test]
    fn model_two_pushers_against_take_and_close_lose_nothing() {
        model(|| {
            let inbox = Arc::new(Inject::new());
            let pusher = |n: u32| {
                let inbox = inbox.clone();
                model_thread::spawn(move || inbox.push(n).err())
            };
            let (one, two) = (pusher(1), pusher(2));
            let mut taken = VecDeque::new();
            inbox.take_all(&mut taken);
            let closed = inbox.close_if_empty();
            let returned = [one.join().expect("no panic"), two.join().expect("no panic")];
            let mut rest = VecDeque::new();
            inbox.take_all(&mut rest);
            assert!(rest.is_empty() || !closed, "Q2: nothing arrives behind a close");
            let mut all: Vec<u32> = taken.into_iter().chain(rest).chain(returned.into_iter().flatten()).collect();
            all.sort_unstable();
            assert_eq!(all, [1, 2], "Q1");
        });
    }
}
