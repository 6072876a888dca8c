//! Wake-ups in batches: collected under a lock, made after it is released.
//!
//! A waker is user code: it may lock, allocate, panic or drop the last reference to something that comes back
//! to us. So no lock of ours is ever held across one. [`Wakers`] is the bag in which a critical section puts
//! what it wants woken, and `wake_all` is what its caller does next.

use super::quiet::quietly;
use std::task::Waker;

/// Wakers taken out of wait lists and not woken yet. Dropping the bag without waking would lose wake-ups, so
/// its owner always calls [`wake_all`](Self::wake_all), and the buffer is kept for the next turn.
#[derive(Debug, Default)]
pub(crate) struct Wakers {
    /// In the order in which they were collected, which is the order in which they are woken.
    bag: Vec<Waker>,
}

impl Wakers {
    /// An empty bag; allocates nothing until the first waker.
    pub(crate) const fn new() -> Self {
        Self { bag: Vec::new() }
    }

    pub(crate) fn push(&mut self, waker: Waker) {
        self.bag.push(waker);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bag.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.bag.len()
    }

    /// Wakes everybody, in order. A waker that panics does not cost the others their wake-up: the panic is
    /// swallowed here, because the task that owns that waker is the one to suffer from it, not the event loop.
    pub(crate) fn wake_all(&mut self) {
        for waker in self.bag.drain(..) {
            // A panicking `wake` is the waker's own bug; TSK-16 asks that nobody else notices.
            quietly(|| waker.wake());
        }
    }
}
