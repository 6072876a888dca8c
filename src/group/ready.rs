//! Who of many has something to say: numbers in the order in which they were put in.
//!
//! Any thread puts one in, one listener takes them out. What the numbers mean is the listener's affair; one that means nothing any
//! more is passed over there.
//!
//! A [`Bell`] is a waker that puts a number in, for those who poll many futures and want to know which one was woken.
//!
//! - **Y1** A number that was put in is in exactly one `take`, and whoever listens when it is put in is woken, outside the lock.
//! - **Y2** A bell that was rung puts its number in once until it is quiet again. `quiet` comes before the poll: what was written before a
//!   ring is seen by the poll that follows, also if that ring found the number put in already, since all of it is read-modify-writes on
//!   one word, whose release sequence `quiet` acquires.

use crate::base::atomic::{AtomicU32, Mutex, Ordering};
use crate::base::quiet::{drop_quietly, quietly};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// The queue, shared by those who put in and the one who takes out.
pub(super) struct Ready {
    inner: Mutex<Inner>,
}

struct Inner {
    numbers: VecDeque<usize>,
    /// Who waits for the next number.
    listener: Option<Waker>,
}

impl Ready {
    pub(super) fn new() -> Self {
        Self { inner: Mutex::new(Inner { numbers: VecDeque::new(), listener: None }) }
    }

    pub(super) fn put(&self, number: usize) {
        let mut inner = self.inner.lock();
        inner.numbers.push_back(number);
        let listener = inner.listener.take();
        drop(inner);
        listener.into_iter().for_each(|waker| quietly(|| waker.wake()));
    }

    /// The oldest number.
    pub(super) fn take(&self) -> Option<usize> {
        self.inner.lock().numbers.pop_front()
    }

    /// The oldest number; if there is none, `waker` is woken by the next one.
    pub(super) fn take_or_listen(&self, waker: &Waker) -> Option<usize> {
        if let Some(number) = self.take() {
            return Some(number);
        }
        let new = waker.clone();
        let mut inner = self.inner.lock();
        let number = inner.numbers.pop_front();
        let unused = if number.is_none() { inner.listener.replace(new) } else { Some(new) };
        drop(inner);
        drop_quietly(unused);
        number
    }

    /// Is there none? Then `waker` is woken by the next one.
    pub(super) fn is_empty_or_listen(&self, waker: &Waker) -> bool {
        let new = waker.clone();
        let mut inner = self.inner.lock();
        let is_empty = inner.numbers.is_empty();
        let unused = if is_empty { inner.listener.replace(new) } else { Some(new) };
        drop(inner);
        drop_quietly(unused);
        is_empty
    }

    /// Takes out a number that means nothing any more.
    pub(super) fn forget(&self, number: usize) {
        self.inner.lock().numbers.retain(|other| *other != number);
    }

    pub(super) fn len(&self) -> usize {
        self.inner.lock().numbers.len()
    }
}

/// A waker that puts a number into a queue.
pub(super) struct Bell {
    number: usize,
    ready: Arc<Ready>,
    /// 1 from the first ring until `quiet`.
    rings: AtomicU32,
}

impl Bell {
    pub(super) fn new(number: usize, ready: Arc<Ready>) -> Self {
        Self { number, ready, rings: AtomicU32::new(0) }
    }

    pub(super) fn ring(&self) {
        // ORDER: AcqRel, pairs with `quiet` (Y2).
        if self.rings.swap(1, Ordering::AcqRel) == 0 {
            self.ready.put(self.number);
        }
    }

    /// Its number was taken out, and what it stands for is about to be polled.
    pub(super) fn quiet(&self) {
        // ORDER: AcqRel, pairs with `ring` (Y2).
        self.rings.swap(0, Ordering::AcqRel);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::atomic::{model, model_thread};

    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    #[test]
    fn model_a_number_is_taken_or_heard_of() {
        model(|| {
            let ready = Arc::new(Ready::new());
            let putter = {
                let ready = ready.clone();
                model_thread::spawn(move || ready.put(7))
            };
            let count = Arc::new(Count(AtomicU32::new(0)));
            let taken = ready.take_or_listen(&Waker::from(count.clone()));
            putter.join().expect("no panic");
            assert_eq!(count.0.load(Ordering::Acquire) == 1, taken.is_none(), "Y1");
            assert_eq!(taken.or(ready.take()), Some(7), "Y1");
            assert_eq!(ready.len(), 0);
        });
    }

    #[test]
    fn model_a_ring_is_seen_by_the_poll_that_follows_and_its_number_is_put_in_once() {
        model(|| {
            let ready = Arc::new(Ready::new());
            let bell = Arc::new(Bell::new(7, ready.clone()));
            let written = Arc::new(AtomicU32::new(0));
            bell.ring();
            let ringer = {
                let (bell, written) = (bell.clone(), written.clone());
                model_thread::spawn(move || {
                    written.store(1, Ordering::Relaxed);
                    bell.ring();
                })
            };
            let mut seen = 0;
            let mut polls = 0;
            let mut poll = || {
                while ready.take().is_some() {
                    bell.quiet();
                    seen = written.load(Ordering::Relaxed);
                    polls += 1;
                }
            };
            poll();
            ringer.join().expect("no panic");
            poll();
            assert_eq!(seen, 1, "Y2: the last poll has seen what was written before the last ring");
            assert!(polls <= 2, "Y2");
        });
    }
}
