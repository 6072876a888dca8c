//! What the ends of a channel share: the queue, the slots, and who waits.

use super::super::holder::Place;
use super::super::wait_list::{Entered, Locked, WaitList};
use super::queue::{Chunk, Queue, Spent};
use crate::base::atomic::{AtomicUsize, Ordering};
use crate::base::quiet::drop_quietly;
use crate::task::wait::{self, WaitKind};
use crate::task::{self, is_our_waker};
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Somebody stands in line for slots.
const WAITERS: usize = 1;
/// The receiver has closed, or is gone.
const CLOSED: usize = 2;
const MARKS: usize = WAITERS | CLOSED;
/// One slot.
const ONE: usize = 4;

/// The most slots that a channel can have.
pub(super) const SLOTS_MAX: usize = usize::MAX >> 3;

/// Both ends' half of a channel. In this order, since a sender touches the first two at every value, and nothing else.
#[repr(C)]
pub struct Shared<T> {
    /// The queue and what belongs to it, and the line of those who want slots.
    list: WaitList<State<T>, Ticket>,
    /// How many slots there are, in units of [`ONE`]; 0 where nobody counts them.
    limit: usize,
    /// How often a slot has come back since the beginning, in units of [`ONE`] and around the end of the numbers; and the
    /// marks. The receiver adds to it at every value, so it keeps away from what the senders touch.
    freed: Apart<AtomicUsize>,
    /// How many senders there are.
    senders: AtomicUsize,
    /// How many weak ones.
    weak_senders: AtomicUsize,
    /// Who waits for the receiver to close or go; whether it has.
    closing: WaitList<bool, ()>,
}

/// On a cache line of its own.
#[repr(align(64))]
struct Apart<T>(T);

/// What the list's lock protects.
pub struct State<T> {
    queue: Queue<T>,
    /// How often a slot was given out since the beginning, in units of [`ONE`] and around the end of the numbers.
    taken: usize,
    /// `freed` when it was last looked at.
    freed_seen: usize,
    /// The receiver has closed, or is gone.
    is_closed: bool,
    /// The receiver is gone.
    receiver_is_gone: bool,
    /// The last sender is gone.
    senders_are_gone: bool,
    /// The receiver, if it waits.
    parked: Option<Parked>,
}

/// A receiver that waits for a value.
struct Parked {
    waker: Waker,
    /// Who and where.
    place: Place,
}

/// What a sender in line has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    /// So many slots are wanted.
    Wants(usize),
    /// They are his.
    Granted,
    /// There was a slot at once, and his value is in the queue.
    Sent,
    /// There will be none any more.
    Closed,
}

// No code of a user's runs under the locks (Q5), so no panic leaves anything half changed.
impl<T> UnwindSafe for Shared<T> {}
impl<T> RefUnwindSafe for Shared<T> {}

impl<T> Shared<T> {
    /// With one sender. 0 slots are as many as anybody wants.
    pub(super) fn new(slots: usize) -> Arc<Self> {
        let state = State {
            queue: Queue::new(),
            taken: 0,
            freed_seen: 0,
            is_closed: false,
            receiver_is_gone: false,
            senders_are_gone: false,
            parked: None,
        };
        Arc::new(Self {
            list: WaitList::new(state),
            limit: slots * ONE,
            freed: Apart(AtomicUsize::new(0)),
            senders: AtomicUsize::new(1),
            weak_senders: AtomicUsize::new(0),
            closing: WaitList::new(false),
        })
    }

    pub(super) fn slots(&self) -> usize {
        self.limit / ONE
    }

    /// Where senders stand in line.
    pub(super) fn list(&self) -> &WaitList<State<T>, Ticket> {
        &self.list
    }

    /// Where those stand who wait for the end.
    pub(super) fn closing(&self) -> &WaitList<bool, ()> {
        &self.closing
    }

    /// The channel's number in wait reasons.
    pub(super) fn number(&self) -> u64 {
        self.list.lock().number()
    }

    /// Has the receiver closed, or gone?
    pub(super) fn is_closed(&self) -> bool {
        // ORDER: Acquire, pairs with the AcqRel in `close`: what was done before it is seen.
        self.freed.0.load(Ordering::Acquire) & CLOSED != 0
    }
}

/// The senders' side.
impl<T> Shared<T> {
    /// Sends at once if there is a slot and nobody waits for one; the value is taken out of its place then.
    #[inline]
    pub(super) fn send_now(&self, value: &mut Option<T>) -> Result<(), NoSlot> {
        let mut locked = self.list.lock();
        self.take_now(&mut locked, 1)?;
        locked.push(value.take().expect("it is sent once"));
        Ok(())
    }

    /// So many slots, if there are as many and nobody waits.
    pub(super) fn reserve_now(&self, count: usize) -> Result<(), NoSlot> {
        self.take_now(&mut self.list.lock(), count)
    }

    #[inline]
    fn take_now(&self, locked: &mut Locked<'_, State<T>, Ticket>, count: usize) -> Result<(), NoSlot> {
        if locked.is_closed {
            return Err(NoSlot::Closed);
        }
        // None at all are always to be had.
        if count > 0 && !(locked.is_empty() && self.take_slots(locked, count)) {
            return Err(NoSlot::Full);
        }
        Ok(())
    }

    /// Sends where slots are not counted. The value comes back if nobody wants it.
    pub(super) fn send_uncounted(&self, value: T) -> Result<(), T> {
        let mut locked = self.list.lock();
        if locked.is_closed {
            return Err(value);
        }
        locked.push(value);
        Ok(())
    }

    /// Sends in a slot that was reserved. The value comes back if the receiver is gone; one that has only closed still gets it.
    pub(super) fn send_reserved(&self, value: T) -> Result<(), T> {
        let mut locked = self.list.lock();
        if locked.receiver_is_gone {
            drop(locked);
            self.free(1);
            return Err(value);
        }
        locked.push(value);
        Ok(())
    }

    /// Under the lock: slots at once, or the mark that makes the receiver look for whoever waits.
    pub(super) fn enter(&self, locked: &mut Locked<'_, State<T>, Ticket>, count: usize) -> Entered<Ticket> {
        match self.take_now(locked, count) {
            Ok(()) => return Entered::Granted(Ticket::Granted),
            Err(NoSlot::Closed) => return Entered::Granted(Ticket::Closed),
            Err(NoSlot::Full) => {}
        }
        // The first in line has set it for all.
        if locked.is_empty() {
            // ORDER: AcqRel, pairs with the addition in `come_back`: either that one is seen here, or it sees the mark.
            self.freed.0.fetch_or(WAITERS, Ordering::AcqRel);
        }
        if self.take_now(locked, count).is_ok() {
            self.settle(locked);
            return Entered::Granted(Ticket::Granted);
        }
        Entered::Waits(Ticket::Wants(count))
    }

    /// Takes slots if there are so many.
    #[inline]
    fn take_slots(&self, state: &mut State<T>, count: usize) -> bool {
        // At most `limit` is taken, and `count` is no more than that: nothing overflows.
        let fits = |state: &State<T>| state.taken.wrapping_sub(state.freed_seen) + count * ONE <= self.limit;
        if !fits(state) {
            state.freed_seen = self.freed_now();
            if !fits(state) {
                return false;
            }
        }
        state.taken = state.taken.wrapping_add(count * ONE);
        true
    }

    fn freed_now(&self) -> usize {
        // ORDER: Acquire, pairs with the Release in `come_back`: what was done with a value before its slot came back is seen.
        self.freed.0.load(Ordering::Acquire) & !MARKS
    }

    /// How many slots are out, under the lock.
    fn used(&self, state: &State<T>) -> usize {
        state.taken.wrapping_sub(self.freed_now()) / ONE
    }

    /// How many slots are free.
    pub(super) fn free_slots(&self) -> usize {
        let locked = self.list.lock();
        self.slots() - self.used(&locked)
    }

    /// So many slots come back unused from whoever had reserved them.
    pub(super) fn free(&self, count: usize) {
        self.come_back(count, MARKS);
    }

    /// So many slots come back with values that were received. Who receives does not wait, so he need not be told of the last.
    #[inline]
    pub(super) fn free_received(&self, count: usize) {
        self.come_back(count, WAITERS);
    }

    #[inline]
    fn come_back(&self, count: usize, marks: usize) {
        // ORDER: Release, pairs with the Acquire in `freed_now`, and with the marks: see `enter` and `close_and`.
        let before = self.freed.0.fetch_add(count * ONE, Ordering::Release);
        if before & marks != 0 {
            self.settle(&mut self.list.lock());
        }
    }

    /// After slots have come back, or somebody has left the line: whoever is first gets what he wants, as long as it is there,
    /// and a receiver that waits for the last slots of a closed channel hears of it.
    #[cold]
    pub(super) fn settle(&self, locked: &mut Locked<'_, State<T>, Ticket>) {
        if locked.is_closed && self.used(locked) == 0 {
            locked.wake_receiver();
        }
        while let Some(Ticket::Wants(count)) = locked.first() {
            if !self.take_slots(locked, count) {
                return;
            }
            locked.grant_first(Ticket::Granted);
        }
        // ORDER: Relaxed, the mark changes under the lock alone.
        self.freed.0.fetch_and(!WAITERS, Ordering::Relaxed);
    }
}

/// Why there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSlot {
    Full,
    Closed,
}

/// The receiver's side.
impl<T> Shared<T> {
    /// Fills the empty batch with the oldest values. Otherwise pending, and the receiver is woken when that changes; or false: none
    /// will ever come.
    pub(super) fn poll_take(
        &self,
        cx: &Context<'_>,
        batch: &mut Chunk<T>,
        at: &'static Location<'static>,
    ) -> Poll<bool> {
        let (mut fresh, mut spent) = (None, Spent::new());
        loop {
            let mut locked = self.list.lock();
            let is_filled = locked.queue.take(batch, &mut spent);
            if is_filled || self.is_over(&locked) {
                drop(locked);
                drop_any_quietly(fresh);
                return Poll::Ready(is_filled);
            }
            let known = locked.parked.as_ref().is_some_and(|parked| parked.waker.will_wake(cx.waker()));
            if known || fresh.is_some() || is_our_waker(cx.waker()) {
                let new = if known { None } else { fresh.take().or_else(|| Some(cx.waker().clone())) };
                let old = locked.park(new, at);
                let object = locked.number();
                drop(locked);
                drop_any_quietly(old);
                drop_any_quietly(fresh);
                wait::note(wait::Wait { kind: WaitKind::Receive, object, at });
                return Poll::Pending;
            }
            // Q5: a stranger's is cloned without the lock; then everything is looked at again.
            drop(locked);
            fresh = Some(cx.waker().clone());
        }
    }

    /// The same for a receiver that does not wait. `None` if a value may still come.
    pub(super) fn take_now_into(&self, batch: &mut Chunk<T>) -> Option<bool> {
        let mut spent = Spent::new();
        let mut locked = self.list.lock();
        let is_filled = locked.queue.take(batch, &mut spent);
        (is_filled || self.is_over(&locked)).then_some(is_filled)
    }

    /// The queue is empty; will it stay so?
    fn is_over(&self, state: &State<T>) -> bool {
        state.senders_are_gone || (state.is_closed && self.used(state) == 0)
    }

    /// How many values nobody has taken.
    pub(super) fn queue_len(&self) -> usize {
        self.list.lock().queue.len()
    }

    /// Is no value to come but what is here, or in reserved slots?
    pub(super) fn is_ending(&self) -> bool {
        let locked = self.list.lock();
        locked.is_closed || locked.senders_are_gone
    }

    /// The receiver wants no more than what is sent, and what slots are reserved for.
    pub(super) fn close(&self) {
        self.close_and(|_| ());
    }

    /// The receiver goes. What nobody has received is given back, to be dropped.
    pub(super) fn leave(&self) -> Queue<T> {
        let (queue, parked) = self.close_and(|state| {
            state.receiver_is_gone = true;
            (std::mem::replace(&mut state.queue, Queue::new()), state.parked.take())
        });
        drop_quietly(parked);
        queue
    }

    fn close_and<R>(&self, act: impl FnOnce(&mut State<T>) -> R) -> R {
        let mut locked = self.list.lock();
        locked.is_closed = true;
        let result = act(&mut locked);
        // ORDER: AcqRel, pairs with `is_closed`, and with the addition in `come_back`: that one is seen, or sees the mark.
        self.freed.0.fetch_or(CLOSED, Ordering::AcqRel);
        locked.grant_all(Ticket::Closed);
        self.settle(&mut locked);
        drop(locked);
        let mut closing = self.closing.lock();
        *closing = true;
        closing.grant_all(());
        result
    }
}

/// Somebody's waker that is not wanted, if it is one.
#[inline]
fn drop_any_quietly(waker: Option<Waker>) {
    if let Some(waker) = waker {
        drop_quietly(waker);
    }
}

/// Counting senders.
impl<T> Shared<T> {
    pub(super) fn add_sender(&self) {
        // ORDER: Relaxed, whoever adds one has one.
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    /// One more, if there is any.
    pub(super) fn revive_sender(&self) -> bool {
        let add = |count: usize| (count > 0).then_some(count + 1);
        // ORDER: Acquire, pairs with the Release in `remove_sender`; nothing else is published by a count.
        self.senders.fetch_update(Ordering::Acquire, Ordering::Relaxed, add).is_ok()
    }

    /// The last one tells the receiver.
    pub(super) fn remove_sender(&self) {
        // ORDER: AcqRel, the last one has seen what the others did; the lock publishes it.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut locked = self.list.lock();
            locked.senders_are_gone = true;
            locked.wake_receiver();
        }
    }

    pub(super) fn count_senders(&self) -> usize {
        // ORDER: Acquire, pairs with the AcqRel in `remove_sender`: what was done with those that are gone is seen.
        self.senders.load(Ordering::Acquire)
    }

    pub(super) fn add_weak(&self) {
        // ORDER: Relaxed, a number for people.
        self.weak_senders.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_weak(&self) {
        // ORDER: Relaxed, as above.
        self.weak_senders.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn count_weak(&self) -> usize {
        // ORDER: Relaxed, as above.
        self.weak_senders.load(Ordering::Relaxed)
    }
}

impl<T> State<T> {
    /// The receiver waits. Without a new waker the old one stays; the one that has to go is given back.
    fn park(&mut self, waker: Option<Waker>, at: &'static Location<'static>) -> Option<Waker> {
        let place = Place { task: task::try_id().map_or(0, task::Id::as_u64), at };
        match (&mut self.parked, waker) {
            (Some(parked), None) => {
                parked.place = place;
                None
            }
            (Some(parked), Some(waker)) => {
                parked.place = place;
                Some(std::mem::replace(&mut parked.waker, waker))
            }
            (parked, waker) => {
                *parked = waker.map(|waker| Parked { waker, place });
                None
            }
        }
    }
}

impl<T> Locked<'_, State<T>, Ticket> {
    /// A value goes into the queue; a receiver that waits is woken when the lock is released.
    #[inline]
    fn push(&mut self, value: T) {
        self.queue.push(value);
        self.wake_receiver();
    }

    #[inline]
    fn wake_receiver(&mut self) {
        if let Some(parked) = self.parked.take() {
            self.wake_later(parked.waker);
        }
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let locked = self.list.lock();
        let (len, free) = (locked.queue.len(), self.slots() - self.used(&locked));
        let (is_closed, receiver) = (locked.is_closed, locked.parked.as_ref().map(|parked| parked.place));
        let waiters = locked.waiters();
        drop(locked);
        let mut shown = f.debug_struct("Channel");
        shown.field("not_taken", &len);
        if self.limit > 0 {
            shown.field("capacity", &free).field("max_capacity", &self.slots());
        }
        shown.field("closed", &is_closed).field("senders", &self.count_senders());
        shown.field("receiver_to_wake", &receiver).field("senders_wait", &waiters).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::kit::{Bell, poll, wait_for};
    use super::super::{Receiver, Sender, channel, unbounded_channel};
    use super::*;
    use crate::base::atomic::{model, model_thread};

    /// All that is still to come.
    fn drain<T>(receiver: &mut Receiver<T>) -> usize {
        let mut count = 0;
        while wait_for(receiver.recv()).is_some() {
            count += 1;
        }
        count
    }

    /// For a thread: was it sent?
    fn sends<T: Send + 'static>(sender: Sender<T>, value: T) -> impl FnOnce() -> bool + Send + 'static {
        move || wait_for(sender.send(value)).is_ok()
    }

    #[test]
    fn model_syn_05_a_value_is_received_or_returned_whoever_comes_first() {
        model(|| {
            let (sender, mut receiver) = channel(1);
            let value = Arc::new(());
            let thread = model_thread::spawn(sends(sender, value.clone()));
            receiver.close();
            let received = drain(&mut receiver);
            assert_eq!(received, usize::from(thread.join().expect("no panic")), "Q1");
            assert_eq!(Arc::strong_count(&value), 1);
        });
    }

    #[test]
    fn model_syn_05_both_ends_go_at_once_and_the_values_go_with_them() {
        model(|| {
            let (sender, receiver) = channel(1);
            let value = Arc::new(());
            assert!(sender.try_send(value.clone()).is_ok());
            let thread = model_thread::spawn(sends(sender, value.clone()));
            drop(receiver);
            assert!(!thread.join().expect("no panic"), "there was no room, and then nobody");
            assert_eq!(Arc::strong_count(&value), 1, "Q1");
        });
    }

    #[test]
    fn model_whoever_waits_for_a_slot_gets_the_one_that_comes_back() {
        model(|| {
            let (sender, mut receiver) = channel(1);
            let threads = [1, 2].map(|value| model_thread::spawn(sends(sender.clone(), value)));
            drop(sender);
            assert_eq!(drain(&mut receiver), 2, "Q4");
            assert!(threads.into_iter().all(|thread| thread.join().expect("no panic")));
            assert_eq!((receiver.capacity(), receiver.len()), (1, 0), "Q2");
        });
    }

    #[test]
    fn model_the_last_sender_goes_and_a_receiver_that_waits_hears_of_it() {
        model(|| {
            let (sender, mut receiver) = unbounded_channel();
            let other = sender.clone();
            let thread = model_thread::spawn(move || other.send(7).is_ok());
            drop(sender);
            assert_eq!((wait_for(receiver.recv()), wait_for(receiver.recv())), (Some(7), None), "Q4");
            assert!(thread.join().expect("no panic"));
        });
    }

    #[test]
    fn model_syn_03_whoever_was_granted_a_slot_and_leaves_passes_it_on() {
        model(|| {
            let (sender, mut receiver) = channel(1);
            assert!(sender.try_send(1).is_ok());
            let bells = [Bell::new(), Bell::new()];
            let wakers = bells.clone().map(Waker::from);
            let mut waiting = [(); 2].map(|()| Box::pin(sender.clone().reserve_owned()));
            for (future, waker) in waiting.iter_mut().zip(&wakers) {
                assert!(poll(future, waker).is_pending());
            }
            let [first, mut second] = waiting;
            let leaver = model_thread::spawn(move || drop(first));
            assert_eq!(receiver.try_recv(), Ok(1));
            leaver.join().expect("no panic");
            assert_eq!(bells[1].rings(), 1, "Q3: woken once, by the receiver or by the one who left");
            let Poll::Ready(Ok(permit)) = poll(&mut second, &wakers[1]) else { panic!("Q3: the slot is his") };
            drop(permit);
            assert_eq!(sender.capacity(), 1, "Q2");
        });
    }

    #[test]
    fn model_a_receiver_that_has_closed_waits_for_the_slots_that_are_out_and_no_longer() {
        for uses in [true, false] {
            model(move || {
                let (sender, mut receiver) = channel(1);
                let permit = sender.clone().try_reserve_owned().expect("it is empty");
                let thread = model_thread::spawn(move || if uses { permit.send(7) } else { permit.release() });
                receiver.close();
                assert_eq!(drain(&mut receiver), usize::from(uses), "the last of the marks");
                drop(thread.join().expect("no panic"));
                assert_eq!(sender.capacity(), 1, "Q2");
            });
        }
    }

    #[test]
    fn model_a_weak_sender_is_revived_or_the_channel_is_over() {
        model(|| {
            let (sender, mut receiver) = unbounded_channel();
            let weak = sender.downgrade();
            let thread = model_thread::spawn(move || drop(sender));
            let revived = weak.upgrade();
            let is_revived = revived.is_some_and(|sender| sender.send(7).is_ok());
            assert_eq!(wait_for(receiver.recv()).is_some(), is_revived);
            thread.join().expect("no panic");
            assert_eq!(wait_for(receiver.recv()), None);
            assert!(weak.upgrade().is_none());
        });
    }

    #[test]
    fn model_whoever_waits_for_the_end_hears_of_it() {
        model(|| {
            let (sender, receiver) = channel::<u8>(1);
            let thread = model_thread::spawn(move || drop(receiver));
            wait_for(sender.closed());
            assert!(sender.is_closed());
            thread.join().expect("no panic");
        });
    }

    #[test]
    fn model_slots_are_counted_around_the_end_of_the_numbers() {
        model(around_the_end);
    }

    fn around_the_end() {
        let (sender, mut receiver) = channel(3);
        let near_the_end = usize::MAX - 2 * ONE - MARKS;
        let shared = sender.shared();
        // ORDER: Relaxed, there is one thread.
        shared.freed.0.store(near_the_end, Ordering::Relaxed);
        let mut locked = shared.list.lock();
        (locked.taken, locked.freed_seen) = (near_the_end, near_the_end);
        drop(locked);
        for n in 0..20 {
            let free = 3 - (0..3).filter(|more| sender.try_send(n + more).is_ok()).count();
            assert_eq!((free, sender.capacity(), sender.try_send(0).is_err()), (0, 0, true));
            assert_eq!([(); 3].map(|()| receiver.try_recv().expect("it is full")), [n, n + 1, n + 2]);
            assert_eq!((sender.capacity(), receiver.len()), (3, 0));
        }
    }
}
