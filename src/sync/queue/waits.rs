//! What is waited for at a queue: room, an item, the end of the work.

use super::super::bringing::{Bringing, Takes, Value};
use super::super::semaphore::{Semaphore, Ticket as Permit};
use super::super::wait_list::{Entered, Locked, Operation, Wait, WaitList};
use super::error::{GetError, PutError};
use super::{Item, Queue};
use crate::base::atomic::{AtomicUsize, Ordering};
use crate::task::wait::{self, WaitKind};
use std::panic::Location;

/// The future of [`Queue::put`].
pub type Put<'a, T> = Wait<Bringing<&'a Queue<T>, Value>, Putting>;

/// The future of [`Queue::get`].
pub type Get<'a, T> = Wait<&'a Queue<T>, Getting>;

/// The future of [`Queue::get_item`].
pub type GetItem<'a, T> = Wait<&'a Queue<T>, GettingItem>;

/// The future of [`Queue::join`].
pub type Join<'a, T> = Wait<&'a Queue<T>, Joining>;

/// One permit, if it is to be had at once or never.
fn permit_now(semaphore: &Semaphore) -> Option<Permit> {
    use super::super::semaphore::TryAcquireError::{Closed, NoPermits};
    match semaphore.try_take(1) {
        Ok(()) => Some(Permit::Granted),
        Err(Closed) => Some(Permit::Closed),
        Err(NoPermits) => None,
    }
}

/// What is common to waiting for a permit of one of the two semaphores.
macro_rules! waits_for_permit {
    ($semaphore:ident, $kind:ident, $handle:ty) => {
        type State = ();
        type Ticket = Permit;

        fn list(queue: &Queue<T>) -> &WaitList<(), Permit> {
            queue.$semaphore.list()
        }

        fn note(&self, object: u64, at: &'static Location<'static>) {
            wait::note(wait::Wait { kind: WaitKind::$kind, object, at });
        }

        fn try_now(&mut self, queue: &mut $handle) -> Option<Permit> {
            permit_now(&queue.$semaphore)
        }

        fn enter(&mut self, queue: &$handle, _: &mut Locked<'_, (), Permit>) -> Entered<Permit> {
            queue.$semaphore.enter(1)
        }

        fn give_back(&mut self, queue: &$handle, ticket: Permit) {
            if ticket == Permit::Granted {
                queue.$semaphore.release(1);
            }
        }

        fn left(&mut self, queue: &$handle, locked: &mut Locked<'_, (), Permit>) {
            queue.$semaphore.distribute(locked);
        }
    };
}

impl<T> Takes<Value> for Queue<T> {
    type Item = T;
}

/// Waiting for room, with an item.
pub struct Putting(pub(super) ());

impl<'a, T> Operation<Bringing<&'a Queue<T>, Value>> for Putting {
    type Output = Result<(), PutError<T>>;

    const NAME: &'static str = "Put";

    waits_for_permit!(room, Send, Bringing<&'a Queue<T>, Value>);

    fn finish(
        &mut self,
        bringing: Bringing<&'a Queue<T>, Value>,
        ticket: Permit,
        _: &'static Location<'static>,
    ) -> Self::Output {
        let (queue, item) = bringing.into_parts();
        if ticket == Permit::Granted { queue.push(item).map_err(PutError) } else { Err(PutError(item)) }
    }
}

/// Waiting for an item.
pub struct Getting(pub(super) ());

impl<'a, T> Operation<&'a Queue<T>> for Getting {
    type Output = Result<T, GetError>;

    const NAME: &'static str = "Get";

    waits_for_permit!(items, Receive, &'a Queue<T>);

    fn finish(&mut self, queue: &'a Queue<T>, ticket: Permit, _: &'static Location<'static>) -> Self::Output {
        queue.pop(ticket).ok_or(GetError(()))
    }
}

/// Waiting for an item that marks itself as done.
pub struct GettingItem(pub(super) ());

impl<'a, T> Operation<&'a Queue<T>> for GettingItem {
    type Output = Result<Item<'a, T>, GetError>;

    const NAME: &'static str = "GetItem";

    waits_for_permit!(items, Receive, &'a Queue<T>);

    fn finish(&mut self, queue: &'a Queue<T>, ticket: Permit, _: &'static Location<'static>) -> Self::Output {
        queue.pop(ticket).map(|item| Item::new(queue, item)).ok_or(GetError(()))
    }
}

/// How many items were put and are not marked as done, and who waits for the last of them.
pub(super) struct Unfinished {
    /// Goes to 0 under the list's lock alone, so that whoever has found something unfinished under it is told.
    count: AtomicUsize,
    list: WaitList<(), Ticket>,
}

impl Unfinished {
    pub(super) fn new() -> Self {
        Self { count: AtomicUsize::new(0), list: WaitList::new(()) }
    }

    pub(super) fn count(&self) -> usize {
        // ORDER: Acquire, pairs with the AcqRel in `end`: who finds all done finds what was done.
        self.count.load(Ordering::Acquire)
    }

    pub(super) fn begin(&self) {
        // ORDER: Relaxed: the store's lock hands the item on, and with it this.
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// One is done; false if there was none.
    pub(super) fn end(&self) -> bool {
        // ORDER: Relaxed, a look before the compare-exchange.
        let mut count = self.count.load(Ordering::Relaxed);
        while count > 1 {
            // ORDER: AcqRel, pairs with itself and with `count`: the last one follows all the others.
            match self.count.compare_exchange_weak(count, count - 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => count = now,
            }
        }
        self.end_last()
    }

    /// As `end`, for what may be the last one.
    fn end_last(&self) -> bool {
        let mut locked = self.list.lock();
        // ORDER: AcqRel, as in `end`.
        let end = self.count.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |count| count.checked_sub(1));
        if end == Ok(1) {
            locked.grant_all(Ticket::Done);
        }
        end.is_ok()
    }

    pub(super) fn waiters(&self) -> impl std::fmt::Debug + use<> {
        self.list.lock().waiters()
    }
}

/// Waiting for all items to be marked as done.
pub struct Joining(pub(super) ());

/// What a waiter has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    Waits,
    /// The last one was done.
    Done,
}

impl<'a, T> Operation<&'a Queue<T>> for Joining {
    type State = ();
    type Ticket = Ticket;
    type Output = ();

    const NAME: &'static str = "Join";

    fn list(queue: &Queue<T>) -> &WaitList<(), Ticket> {
        &queue.unfinished.list
    }

    fn note(&self, object: u64, at: &'static Location<'static>) {
        wait::note(wait::Wait { kind: WaitKind::QueueJoin, object, at });
    }

    fn enter(&mut self, queue: &&'a Queue<T>, _: &mut Locked<'_, (), Ticket>) -> Entered<Ticket> {
        if queue.unfinished.count() == 0 { Entered::Granted(Ticket::Done) } else { Entered::Waits(Ticket::Waits) }
    }

    fn finish(&mut self, _: &'a Queue<T>, _: Ticket, _: &'static Location<'static>) {}

    /// Others that wait were told, too.
    fn give_back(&mut self, _: &&'a Queue<T>, _: Ticket) {}
}

#[cfg(test)]
mod tests {
    use super::super::super::kit::{poll, wait_for};
    use super::Queue;
    use crate::base::atomic::{model, model_thread};
    use std::sync::Arc;
    use std::task::Waker;

    #[test]
    fn model_items_go_through_one_place_and_the_end_of_the_work_is_heard() {
        model(|| {
            let queue = Arc::new(Queue::bounded(1));
            let other = queue.clone();
            let worker = model_thread::spawn(move || {
                assert_eq!(wait_for(other.get()), Ok(1));
                other.task_done();
                assert_eq!(wait_for(other.get_item()).ok().map(|item| *item), Some(2));
            });
            assert!(wait_for(queue.put(1)).is_ok());
            assert!(wait_for(queue.put(2)).is_ok());
            wait_for(queue.join());
            assert_eq!((queue.unfinished(), queue.len()), (0, 0), "Q5");
            worker.join().expect("no panic");
        });
    }

    #[test]
    fn model_syn_05_what_is_put_while_it_is_closed_is_got_or_comes_back() {
        model(|| {
            let queue = Arc::new(Queue::bounded(1));
            let (putter, getter) = (queue.clone(), queue.clone());
            let putter = model_thread::spawn(move || wait_for(putter.put(1)).is_ok());
            let getter = model_thread::spawn(move || wait_for(getter.get()).is_ok());
            queue.close();
            let (is_put, is_got) = (putter.join().expect("no panic"), getter.join().expect("no panic"));
            let is_left = queue.try_get().is_ok();
            assert_eq!(u32::from(is_put), u32::from(is_got) + u32::from(is_left), "Q2");
        });
    }

    #[test]
    fn model_syn_03_a_getter_that_leaves_loses_nothing_and_priorities_are_kept() {
        model(|| {
            let queue = Arc::new(Queue::unbounded().priority());
            let other = queue.clone();
            let mut leaves = Box::pin(queue.get());
            assert!(poll(&mut leaves, Waker::noop()).is_pending());
            let putter = model_thread::spawn(move || {
                assert!(other.try_put(2).is_ok() && other.try_put(1).is_ok());
            });
            drop(leaves);
            let first = wait_for(queue.get());
            putter.join().expect("no panic");
            let second = wait_for(queue.get());
            assert!(matches!((first, second), (Ok(1), Ok(2)) | (Ok(2), Ok(1))), "Q1");
            assert!(queue.try_get().is_err() && queue.is_empty());
        });
    }
}
