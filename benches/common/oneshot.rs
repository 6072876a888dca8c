//! A oneshot channel that belongs to no runtime, so that `ping_pong` asks each the same question.
//!
//! Measured with its own crate's channel, a runtime would win or lose the row by the channel. This one is a
//! slot under a mutex: an `Arc`, one lock a side, one waker clone. It is not meant to be the fastest, only the
//! same for everybody; the row with tokio's own channel stands beside it.

use parking_lot::Mutex;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// What the two ends share.
enum Slot<T> {
    /// Nothing sent, nobody waiting.
    Empty,
    /// The receiver has been polled and wants to be woken.
    Waiting(Waker),
    /// Sent, not yet received.
    Full(T),
    /// Received, or the sender went away without sending.
    Closed,
}

/// The end that sends, once. `None` after that.
pub(crate) struct Sender<T>(Option<Arc<Mutex<Slot<T>>>>);

/// The end that waits: resolves to `None` if the sender is dropped first.
#[must_use]
pub(crate) struct Receiver<T>(Arc<Mutex<Slot<T>>>);

/// Two ends of one slot.
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let slot = Arc::new(Mutex::new(Slot::Empty));
    (Sender(Some(Arc::clone(&slot))), Receiver(slot))
}

impl<T> Sender<T> {
    /// Fills the slot and wakes whoever waits for it.
    pub(crate) fn send(mut self, value: T) {
        self.leave(Slot::Full(value));
    }

    /// Puts the first and last word into the slot; the waker is called outside the lock.
    fn leave(&mut self, word: Slot<T>) {
        let Some(slot) = self.0.take() else { return };
        let before = mem::replace(&mut *slot.lock(), word);
        if let Slot::Waiting(waker) = before {
            waker.wake();
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.leave(Slot::Closed);
    }
}

impl<T> Future for Receiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slot = self.0.lock();
        match mem::replace(&mut *slot, Slot::Closed) {
            Slot::Full(value) => Poll::Ready(Some(value)),
            Slot::Closed => Poll::Ready(None),
            Slot::Waiting(waker) if waker.will_wake(cx.waker()) => {
                *slot = Slot::Waiting(waker);
                Poll::Pending
            }
            Slot::Empty | Slot::Waiting(_) => {
                *slot = Slot::Waiting(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
