//! What all ends of a channel share, and the borrow of a value.

use super::super::closing::{self, Closable};
use super::super::desk::{Desk, Seated};
use super::super::wait_list::WaitList;
use super::receiver;
use crate::base::atomic::{AtomicU64, AtomicUsize, Condvar, Ordering};
use crate::base::context;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::RefUnwindSafe;
use std::sync::{Arc, MutexGuard as KeepsThread};
use std::{fmt, mem};

/// What all ends share.
pub struct Shared<T> {
    desk: Desk<Value<T>>,
    /// Notified when the present value is borrowed no more, and when nobody wants it for himself any more.
    turns: Condvar,
    /// That of the value: written at the desk alone, read by anybody.
    version: AtomicU64,
    /// Who waits for a change, or for the last sender to go.
    pub(super) changes: WaitList<(), receiver::Ticket>,
    /// Who waits for the last receiver to go.
    pub(super) closings: WaitList<(), closing::Ticket>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

/// What lies on the desk.
struct Value<T> {
    /// Its count is 1 and one more for each entry in `borrows`.
    now: Arc<T>,
    /// The threads that have a [`Ref`] of it, each as often as it has one.
    borrows: Vec<usize>,
    /// How many sleep until it is borrowed no more. New borrowers let them go first, or they would never have their turn.
    wishes: usize,
}

// A panic in a user's closure leaves the user's value as the closure left it, and everything else whole.
impl<T> RefUnwindSafe for Shared<T> {}

const CLOSURE: &str = "a closure of `send_modify` or `send_if_modified`";

impl<T> Shared<T> {
    /// For one sender and no receiver.
    pub(super) fn new(value: T) -> Self {
        Self {
            desk: Desk::new(Value { now: Arc::new(value), borrows: Vec::new(), wishes: 0 }),
            turns: Condvar::new(),
            version: AtomicU64::new(0),
            changes: WaitList::new(()),
            closings: WaitList::new(()),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(0),
        }
    }

    pub(super) fn version(&self) -> u64 {
        // ORDER: Acquire, pairs with the Release in `changed`: who sees the version finds what was done before the change.
        self.version.load(Ordering::Acquire)
    }

    pub(super) fn senders(&self) -> usize {
        // ORDER: Acquire, pairs with the AcqRel in `sender_goes`: what the last one sent is seen after this.
        self.senders.load(Ordering::Acquire)
    }

    pub(super) fn receivers(&self) -> usize {
        // ORDER: Acquire, pairs with the AcqRel in `receiver_goes`.
        self.receivers.load(Ordering::Acquire)
    }

    pub(super) fn sender_comes(&self) {
        // ORDER: Relaxed, as an `Arc`'s count: there is one already.
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sender_goes(&self) {
        // ORDER: AcqRel, pairs with the Acquire in `senders`, and with itself: the last one follows all the others.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.changes.lock().grant_all(receiver::Ticket::Woken);
        }
    }

    pub(super) fn receiver_comes(&self) {
        // ORDER: Relaxed: it publishes nothing.
        self.receivers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn receiver_goes(&self) {
        let mut waiting = self.closings.lock();
        // ORDER: AcqRel, pairs with the Acquire in `receivers`, and with itself.
        if self.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            waiting.grant_all(closing::Ticket::Closed);
        }
    }

    /// Borrows the present value, with its version.
    #[track_caller]
    pub(super) fn borrow(&self, seen: impl FnOnce(u64) -> bool) -> Ref<'_, T> {
        let mut desk = self.desk.sit("borrow", CLOSURE);
        let me = context::thread();
        while desk.wishes > 0 && !desk.borrows.contains(&me) {
            desk = desk.wait(&self.turns);
        }
        self.lend(desk, me, seen)
    }

    fn lend(&self, mut desk: Seated<'_, Value<T>>, me: usize, seen: impl FnOnce(u64) -> bool) -> Ref<'_, T> {
        desk.borrows.push(me);
        let value = Some(desk.now.clone());
        let version = self.version();
        drop(desk);
        Ref { value, has_changed: !seen(version), version, shared: self, _keeps_thread: PhantomData }
    }

    /// Puts another value in the place of the present one, which lives on in the hands of those who have borrowed it.
    #[track_caller]
    pub(super) fn replace(&self, value: T) {
        let mut desk = self.desk.sit("send", CLOSURE);
        let old = match Arc::get_mut(&mut desk.now) {
            Some(now) => Ok(mem::replace(now, value)),
            None => {
                desk.borrows.clear();
                self.turns.notify_all();
                Err(mem::replace(&mut desk.now, Arc::new(value)))
            }
        };
        self.changed(desk);
        drop(old); // W6
    }

    /// Lets the closure change the value in its place; true if it says that it did.
    #[track_caller]
    pub(super) fn modify(&self, call: &str, modify: impl FnOnce(&mut T) -> bool) -> bool {
        let mut desk = self.desk.sit(call, CLOSURE);
        let is_mine = desk.borrows.contains(&context::thread());
        assert!(!is_mine, "`{call}` waits until nobody borrows the value, and this thread does: drop its `Ref` first");
        if !desk.borrows.is_empty() {
            desk = self.turn(desk);
        }
        let now = Arc::get_mut(&mut desk.now).expect("nobody has borrowed it");
        let is_changed = modify(now);
        if is_changed {
            self.changed(desk);
        }
        is_changed
    }

    /// Sleeps until nobody borrows the present value.
    #[cold]
    fn turn<'a>(&self, mut desk: Seated<'a, Value<T>>) -> Seated<'a, Value<T>> {
        desk.wishes += 1;
        while !desk.borrows.is_empty() {
            desk = desk.wait(&self.turns);
        }
        desk.wishes -= 1;
        self.turns.notify_all();
        desk
    }

    /// The value at the desk is another one: tells everybody who waits, and leaves the desk.
    fn changed(&self, desk: Seated<'_, Value<T>>) {
        let mut waiting = self.changes.lock();
        // ORDER: Release, pairs with the Acquire in `version`. No other thread writes, for it is written at the desk alone.
        self.version.fetch_add(1, Ordering::Release);
        waiting.grant_all(receiver::Ticket::Woken);
        drop(desk); // the wakers are woken after it (D3)
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiters = self.changes.lock().waiters();
        let value = self.desk.try_sit().map(|desk| self.lend(desk, context::thread(), |_| true));
        let mut shown = f.debug_struct("Watch");
        match &value {
            Some(value) => shown.field("value", value),
            None => shown.field("value", &format_args!("<in use>")),
        };
        shown.field("version", &self.version()).field("senders", &self.senders());
        shown.field("receivers", &self.receivers()).field("waiters", &waiters).finish()
    }
}

/// A borrowed value: the one that was the latest when it was borrowed.
///
/// It holds no lock and stops no [`send`](super::Sender::send). `send_modify`, `send_if_modified` and `send_replace` wait for it,
/// so do not keep it for long; it cannot go to another thread, and a task that is spawned cannot keep it over an `await`.
#[must_use = "it is for looking at"]
pub struct Ref<'a, T> {
    /// There until it is dropped.
    value: Option<Arc<T>>,
    has_changed: bool,
    /// The value's, when it was borrowed.
    version: u64,
    shared: &'a Shared<T>,
    /// The desk knows a borrow by its thread (W4): may be shared, and not sent, as a lock's guard.
    _keeps_thread: PhantomData<KeepsThread<'a, ()>>,
}

impl<T> Ref<'_, T> {
    /// Had the receiver not yet seen this value when it borrowed it? For a sender's borrow this is false.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("there until it is dropped")
    }
}

impl<T> Drop for Ref<'_, T> {
    fn drop(&mut self) {
        let value = self.value.take();
        // As long as the present value is borrowed its version stays, so another one means that this is an old value.
        if self.version != self.shared.version() {
            return;
        }
        let mut desk = self.shared.desk.sit("drop", CLOSURE);
        if !value.as_ref().is_some_and(|value| Arc::ptr_eq(value, &desk.now)) {
            return drop(desk); // replaced just now; the value goes after the desk
        }
        let me = context::thread();
        let mine = desk.borrows.iter().rposition(|&thread| thread == me).expect("entered when it was borrowed");
        desk.borrows.swap_remove(mine);
        drop(value); // not the last: the desk has one
        if desk.borrows.is_empty() {
            self.shared.turns.notify_all();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
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
    use super::super::super::kit::{Owned, wait_for};
    use super::super::channel;
    use crate::base::atomic::{model, model_thread};

    #[test]
    fn model_no_change_is_slept_through_and_neither_is_the_end() {
        model(|| {
            let (sender, mut receiver) = channel(0);
            let thread = model_thread::spawn(move || {
                assert!(sender.send(1).is_ok());
                sender.send_modify(|value| *value += 1);
            });
            let mut last = 0;
            while wait_for(receiver.changed()).is_ok() {
                let now = *receiver.borrow_and_update();
                assert!(now > last, "W1");
                last = now;
            }
            assert_eq!(last, 2);
            thread.join().expect("no panic");
        });
    }

    #[test]
    fn model_a_borrow_and_a_closure_exclude_each_other_and_each_has_its_turn() {
        model(|| {
            let (sender, receiver) = channel(Owned::new());
            let thread = model_thread::spawn(move || sender.send_modify(|value| assert_eq!(value.count(), 1)));
            let borrowed = receiver.borrow();
            assert!(borrowed.read() < 2);
            drop(borrowed);
            thread.join().expect("no panic");
            assert_eq!(receiver.borrow().read(), 1);
        });
    }

    #[test]
    fn model_a_borrow_keeps_its_value_and_stops_no_send_and_who_wants_the_value_has_it_then() {
        model(|| {
            let (sender, receiver) = channel(1);
            let other = sender.clone();
            let borrowed = receiver.borrow();
            let thread = model_thread::spawn(move || other.send_replace(3));
            assert!(sender.send(2).is_ok(), "W3");
            let replaced = thread.join().expect("no panic");
            assert_eq!((*borrowed, replaced, *receiver.borrow()), (1, 2, 3));
        });
    }

    #[test]
    fn model_a_sender_that_waits_hears_of_the_last_receiver() {
        model(|| {
            let (sender, receiver) = channel(0);
            let other = receiver.clone();
            let thread = model_thread::spawn(move || drop(other));
            drop(receiver);
            wait_for(sender.closed());
            assert_eq!(sender.receiver_count(), 0);
            thread.join().expect("no panic");
        });
    }
}
