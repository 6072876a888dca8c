//! What all ends of a channel share.

use super::super::closing::{self, Closable};
use super::super::wait_list::{Locked, WaitList};
use super::error::{SendError, TryRecvError};
use super::kept::{Kept, Next};
use super::receiver;
use crate::base::atomic::{AtomicU64, Ordering};
use std::fmt;
use std::panic::RefUnwindSafe;
use std::sync::Arc;

/// What all ends share.
pub struct Shared<T> {
    /// The messages and who is there, and the line of receivers who have had everything.
    pub(super) list: WaitList<State<T>, receiver::Ticket>,
    /// How many were sent: changed under the lock, read by anybody.
    sent: AtomicU64,
    /// Who waits for the last receiver to go.
    pub(super) closings: WaitList<(), closing::Ticket>,
}

/// What the lock protects.
pub struct State<T> {
    kept: Kept<T>,
    receivers: usize,
    senders: usize,
    weak_senders: usize,
}

// No code of a user's runs under the lock (B3), so no panic leaves the state half changed.
impl<T> RefUnwindSafe for Shared<T> {}

/// Who comes and goes.
#[derive(Clone, Copy)]
pub(super) enum End {
    Sender,
    WeakSender,
}

impl<T> State<T> {
    fn count(&mut self, end: End) -> &mut usize {
        match end {
            End::Sender => &mut self.senders,
            End::WeakSender => &mut self.weak_senders,
        }
    }

    /// What a receiver at this number can be told now.
    pub(super) fn has_news(&self, at: u64) -> bool {
        at != self.kept.end() || self.senders == 0
    }
}

impl<T> Shared<T> {
    /// For one sender.
    #[track_caller]
    pub(super) fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a broadcast channel must keep at least one message: its capacity cannot be 0");
        assert!(capacity <= usize::MAX / 2, "a broadcast channel keeps at most `usize::MAX / 2` messages");
        let state = State { kept: Kept::new(capacity), receivers: 0, senders: 1, weak_senders: 0 };
        Self { list: WaitList::new(state), sent: AtomicU64::new(0), closings: WaitList::new(()) }
    }

    /// How many were sent.
    pub(super) fn sent(&self) -> u64 {
        // ORDER: Acquire, pairs with the Release in `send`: who finds more than he has had finds it under the lock as well.
        self.sent.load(Ordering::Acquire)
    }

    /// Sends to all, and says to how many.
    pub(super) fn send(&self, value: T) -> Result<usize, SendError<T>> {
        let value = Arc::new(value);
        let mut locked = self.list.lock();
        let receivers = locked.receivers;
        if receivers == 0 {
            drop(locked);
            return Err(SendError(Arc::into_inner(value).expect("nobody else has had it")));
        }
        let gone = locked.kept.push(value, receivers);
        // ORDER: Release, pairs with the Acquire in `sent`. No other thread writes, for it is written under the lock alone.
        self.sent.store(locked.kept.end(), Ordering::Release);
        locked.grant_all(receiver::Ticket::Woken); // B4
        drop(locked);
        drop(gone);
        Ok(receivers)
    }

    /// What there is for a receiver at this number.
    pub(super) fn next(&self, at: &mut u64) -> Result<Arc<T>, TryRecvError> {
        let mut locked = self.list.lock();
        let next = locked.kept.next(at);
        locked.kept.give_room_back();
        let senders = locked.senders;
        drop(locked);
        match next {
            Next::Message(value) => Ok(value),
            Next::Lagged(missed) => Err(TryRecvError::Lagged(missed)),
            Next::Nothing if senders == 0 => Err(TryRecvError::Closed),
            Next::Nothing => Err(TryRecvError::Empty),
        }
    }

    /// A receiver comes; gives the number of the first message that it will have.
    pub(super) fn receiver_comes(&self) -> u64 {
        let mut locked = self.list.lock();
        locked.receivers += 1;
        locked.kept.end()
    }

    pub(super) fn receiver_goes(&self, at: u64) {
        let mut closing = self.closings.lock();
        let mut locked = self.list.lock();
        locked.receivers -= 1;
        let is_last = locked.receivers == 0;
        let gone = locked.kept.leave(at);
        locked.kept.give_room_back();
        drop(locked);
        if is_last {
            closing.grant_all(closing::Ticket::Closed);
        }
        drop(closing);
        drop(gone);
    }

    /// A sender comes; false if it is by a weak one, and there are none any more.
    pub(super) fn comes(&self, end: End, needs_senders: bool) -> bool {
        let mut locked = self.list.lock();
        let may_come = !needs_senders || locked.senders > 0;
        *locked.count(end) += usize::from(may_come);
        may_come
    }

    pub(super) fn goes(&self, end: End) {
        let mut locked = self.list.lock();
        *locked.count(end) -= 1;
        if locked.senders == 0 {
            locked.grant_all(receiver::Ticket::Woken);
        }
    }

    pub(super) fn counted(&self, end: End) -> usize {
        *self.list.lock().count(end)
    }

    pub(super) fn receivers(&self) -> usize {
        self.list.lock().receivers
    }

    /// How many messages somebody has yet to have.
    pub(super) fn len(&self) -> usize {
        self.list.lock().kept.len()
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locked: Locked<'_, State<T>, _> = self.list.lock();
        let (kept, sent, waiters) = (locked.kept.len(), locked.kept.end(), locked.waiters());
        let (receivers, senders) = (locked.receivers, locked.senders);
        drop(locked);
        let mut shown = f.debug_struct("Broadcast");
        shown.field("kept", &kept).field("sent", &sent).field("receivers", &receivers);
        shown.field("senders", &senders).field("waiters", &waiters).finish()
    }
}

impl<T> Closable for Shared<T> {
    fn closings(&self) -> &WaitList<(), closing::Ticket> {
        &self.closings
    }

    fn receivers(&self) -> usize {
        self.receivers()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::kit::wait_for;
    use super::super::channel;
    use super::super::error::RecvError;
    use crate::base::atomic::{model, model_thread};
    use std::sync::Arc;

    #[test]
    fn model_no_message_is_slept_through_and_neither_is_the_end() {
        model(|| {
            let (sender, mut receiver) = channel(2);
            let thread = model_thread::spawn(move || {
                assert_eq!(sender.send(1), Ok(1));
                assert_eq!(sender.send(2), Ok(1));
            });
            assert_eq!(wait_for(receiver.recv()), Ok(1));
            assert_eq!(wait_for(receiver.recv()), Ok(2));
            assert_eq!(wait_for(receiver.recv()), Err(RecvError::Closed));
            thread.join().expect("no panic");
        });
    }

    #[test]
    fn model_syn_05_each_receiver_has_each_message_or_has_lagged_and_each_is_dropped_once() {
        model(|| {
            let alive = Arc::new(());
            let (sender, mut receiver) = channel(1);
            let mut other = receiver.resubscribe();
            let thread = model_thread::spawn(move || wait_for(other.recv()).is_ok());
            let mut count = 0;
            assert!(sender.send(alive.clone()).is_ok());
            count += u64::from(receiver.try_recv().is_ok());
            assert!(sender.send(alive.clone()).is_ok());
            drop(sender);
            loop {
                match wait_for(receiver.recv()) {
                    Ok(_) => count += 1,
                    Err(RecvError::Lagged(missed)) => count += missed,
                    Err(RecvError::Closed) => break,
                }
            }
            assert_eq!(count, 2, "B1");
            thread.join().expect("no panic");
            drop(receiver);
            assert_eq!(Arc::strong_count(&alive), 1, "B2");
        });
    }

    #[test]
    fn model_a_receiver_goes_while_another_takes_and_a_sender_that_waits_hears_of_the_last() {
        model(|| {
            let alive = Arc::new(());
            let (sender, mut receiver) = channel(2);
            let other = receiver.resubscribe();
            assert!(sender.send(alive.clone()).is_ok());
            let thread = model_thread::spawn(move || drop(other));
            assert!(receiver.try_recv().is_ok());
            drop(receiver);
            wait_for(sender.closed());
            thread.join().expect("no panic");
            assert_eq!((sender.len(), Arc::strong_count(&alive)), (0, 1), "B2");
        });
    }
}
