//! Who of many has something to say: numbers in the order in which they were put in.
//!
//! Any thread puts one in, one listener takes them out. What the numbers mean is the listener's affair; one that means nothing any
//! more is passed over there.
//!
//! - **Y1** A number that was put in is in exactly one `take`, and whoever listens when it is put in is woken, outside the lock.

use crate::base::atomic::Mutex;
use crate::base::quiet::{drop_quietly, quietly};
use std::collections::VecDeque;
use std::task::Waker;

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

    pub(super) fn len(&self) -> usize {
        self.inner.lock().numbers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::atomic::{AtomicU32, Ordering, model, model_thread};
    use std::sync::Arc;
    use std::task::Wake;

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
}
