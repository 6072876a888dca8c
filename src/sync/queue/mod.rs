//! Work for many: who puts and who gets need not know each other, and all can wait until everything is done.
//!
//! ```text
//!    put ──> room: permits ──> store [ item │ item │ item ] ──> items: permits ──> get
//!            so many are free        in its order               so many are there
//!                                          │
//!                                          └ unfinished: put, and not marked as done ──> join
//! ```
//!
//! - **Q1** Each item in the store has a permit in `items`, or the permit is in the hands of somebody who will take one; each place
//!   in the store has a permit in `room`, or an item, or somebody who will put one. So whoever has a permit finds an item or a
//!   place, and what is true of a [`Semaphore`] is true here: first come first served, nobody overtakes, and a permit in
//!   the hands of somebody who goes away goes to the next.
//! - **Q2** A closed queue takes nothing any more, by a word that stands beside the items under the same lock. Then permits mean
//!   nothing: whoever gets takes what is left, and has nothing only if there is nothing left.
//! - **Q3** No lock is held over a user's code. Those who put compare nothing; those who get put in order what came since, at a
//!   desk (`sync::desk`). So a getter may wait on its thread while another compares, and nobody else waits for that.
//! - **Q4** A comparison that panics costs nothing but that call: the items are all there, the permit goes back, and the next one to
//!   get puts them in order anew.
//! - **Q5** An item counts as unfinished from just before others can get it until it is marked as done, once.
//!
//! The idea is that of Python's `asyncio.Queue`, `LifoQueue` and `PriorityQueue`, with `close` as its `shutdown`.
//!
//! Cases of the catalogue: SYN-01, SYN-03, SYN-04, SYN-05, SYN-06, SYN-07, SYN-11, MIS-08, SND-04, TSK-16.

mod heap;
mod item;
mod store;
mod waits;

pub mod error;

pub use item::Item;
pub use waits::{Get, GetItem, Join, Put};

use super::blocking;
use super::bringing::Bringing;
use super::desk::Desk;
use super::semaphore::{Semaphore, Ticket as Permit, TryAcquireError};
use super::wait_list::Wait;
use error::{GetError, PutError, TryGetError, TryPutError};
use heap::Heap;
use std::fmt;
use std::mem;
use std::panic::{Location, RefUnwindSafe};
use store::{Order, Store};
use waits::{Getting, GettingItem, Joining, Putting, Unfinished};

/// Items put by some and got by others, each by one.
///
/// It is shared by reference or in an `Arc`. For one consumer [`mpsc`](super::mpsc) is the quicker tool.
///
/// # Examples
/// ```
/// use mainspring::sync::queue::Queue;
/// use std::sync::Arc;
///
/// mainspring::runtime::Runtime::new()?.block_on(async {
///     let queue = Arc::new(Queue::bounded(4));
///     let work = |_| {
///         let queue = queue.clone();
///         mainspring::spawn(async move {
///             let mut sum = 0;
///             // Each item is marked as done when its guard goes, at the end of a turn.
///             while let Ok(item) = queue.get_item().await {
///                 sum += *item;
///             }
///             sum
///         })
///     };
///     let workers: Vec<_> = (0..3).map(work).collect();
///     for n in 1..=10 {
///         queue.put(n).await.unwrap();
///     }
///     queue.join().await; // all ten are done
///     queue.close();
///     let mut sum = 0;
///     for worker in workers {
///         sum += worker.await.unwrap();
///     }
///     assert_eq!(sum, 55);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Queue<T> {
    store: Store<T>,
    /// A permit for each item that nobody has a right to.
    items: Semaphore,
    /// A permit for each free place that nobody has a right to.
    room: Semaphore,
    /// How many places there are; none if there is no bound.
    capacity: Option<usize>,
    unfinished: Unfinished,
}

// A panic in a user's comparison leaves all items there (Q4).
impl<T> RefUnwindSafe for Queue<T> {}

impl<T> Queue<T> {
    /// With room for so many items; first in, first out.
    ///
    /// # Panics
    /// If the capacity is 0, or more than [`Semaphore::MAX_PERMITS`].
    ///
    /// # Examples
    /// ```
    /// let queue = mainspring::sync::queue::Queue::bounded(2);
    /// assert!(queue.try_put("a").is_ok() && queue.try_put("b").is_ok());
    /// assert!(queue.is_full() && queue.try_put("c").is_err());
    /// assert_eq!((queue.try_get(), queue.try_get()), (Ok("a"), Ok("b")));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn bounded(capacity: usize) -> Self {
        assert!(
            capacity > 0,
            "a queue must have room for at least one item: use `Queue::unbounded` for one without a bound"
        );
        assert!(capacity <= Semaphore::MAX_PERMITS, "a queue has room for at most `Semaphore::MAX_PERMITS` items");
        Self::new(Some(capacity))
    }

    /// With room for all that is put; first in, first out. A bound is the better choice wherever those who put can wait.
    ///
    /// # Examples
    /// ```
    /// let queue = mainspring::sync::queue::Queue::unbounded();
    /// assert!((0..1000).all(|n| queue.try_put(n).is_ok()));
    /// assert_eq!((queue.len(), queue.capacity(), queue.try_get()), (1000, None, Ok(0)));
    /// ```
    #[must_use]
    pub fn unbounded() -> Self {
        Self::new(None)
    }

    fn new(capacity: Option<usize>) -> Self {
        let room = Semaphore::new(capacity.unwrap_or(Semaphore::MAX_PERMITS));
        Self { store: Store::new(), items: Semaphore::new(0), room, capacity, unfinished: Unfinished::new() }
    }

    /// The same queue, last in, first out.
    ///
    /// # Examples
    /// ```
    /// let queue = mainspring::sync::queue::Queue::unbounded().lifo();
    /// (1..=3).for_each(|n| assert!(queue.try_put(n).is_ok()));
    /// assert_eq!((queue.try_get(), queue.try_get()), (Ok(3), Ok(2)));
    /// ```
    #[must_use]
    pub fn lifo(self) -> Self {
        Self { store: self.store.with_order(Order::Lifo), ..self }
    }

    /// The same queue, the least first; of those that are equal, the one that was put first. [`Reverse`](std::cmp::Reverse) turns
    /// it round.
    ///
    /// The comparisons are made by those who get, on their threads. One that panics makes that call panic and costs no item; one
    /// that uses this queue is told so by a panic.
    ///
    /// # Examples
    /// ```
    /// let queue = mainspring::sync::queue::Queue::unbounded().priority();
    /// for item in [(2, "b"), (1, "c"), (2, "a")] {
    ///     assert!(queue.try_put(item).is_ok());
    /// }
    /// assert_eq!((queue.try_get(), queue.try_get()), (Ok((1, "c")), Ok((2, "a"))));
    /// ```
    #[must_use]
    pub fn priority(self) -> Self
    where
        T: Ord,
    {
        Self { store: self.store.with_order(Order::Priority(Desk::new(Heap::new()))), ..self }
    }

    /// Puts an item in; waits while there is no room.
    ///
    /// # Cancellation
    /// **Lossy.** Dropping this future before it is ready drops the item with it; nothing was put.
    ///
    /// # Errors
    /// If the queue is closed, or is closed meanwhile. The item comes back.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::queue::Queue;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let queue = Queue::bounded(1);
    /// queue.put(1).await.unwrap();
    /// queue.close();
    /// assert_eq!(queue.put(2).await.unwrap_err().0, 2);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn put(&self, item: T) -> Put<'_, T> {
        Wait::new(Bringing::new(self, item), Putting(()), Location::caller())
    }

    /// Puts an item in, if there is room and nobody waits for it.
    ///
    /// # Errors
    /// If there is not, or if the queue is closed. The item comes back.
    ///
    /// # Examples
    /// ```
    /// use mainspring::sync::queue::{Queue, error::TryPutError};
    ///
    /// let queue = Queue::bounded(1);
    /// assert_eq!(queue.try_put(1), Ok(()));
    /// assert_eq!(queue.try_put(2), Err(TryPutError::Full(2)));
    /// queue.close();
    /// assert_eq!(queue.try_put(3), Err(TryPutError::Closed(3)));
    /// ```
    pub fn try_put(&self, item: T) -> Result<(), TryPutError<T>> {
        match self.room.try_take(1) {
            Ok(()) => self.push(item).map_err(TryPutError::Closed),
            Err(TryAcquireError::NoPermits) => Err(TryPutError::Full(item)),
            Err(TryAcquireError::Closed) => Err(TryPutError::Closed(item)),
        }
    }

    /// As [`put`](Self::put), for a thread that is no task.
    ///
    /// # Errors
    /// If the queue is closed, or is closed meanwhile. The item comes back.
    ///
    /// # Panics
    /// Inside an async task; await `put` there.
    ///
    /// # Examples
    /// ```
    /// let queue = mainspring::sync::queue::Queue::bounded(1);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| (0..9).for_each(|n| queue.blocking_put(n).unwrap()));
    ///     assert!((0..9).all(|n| queue.blocking_get() == Ok(n)));
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_put(&self, item: T) -> Result<(), PutError<T>> {
        blocking::wait("blocking_put", self.put(item))
    }

    /// Takes an item out; waits while there is none. Who gets it owes a call of [`task_done`](Self::task_done) if somebody uses
    /// [`join`](Self::join); [`get_item`](Self::get_item) gives a guard that cannot forget it.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future gives up the place in line; no item is lost.
    ///
    /// # Errors
    /// If the queue is closed and nothing is left in it.
    ///
    /// # Panics
    /// If the queue is one with priorities, and a comparison panics.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::queue::Queue;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let queue = Queue::bounded(4);
    /// queue.put("last").await.unwrap();
    /// queue.close();
    /// assert_eq!(queue.get().await, Ok("last"));
    /// assert!(queue.get().await.is_err());
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn get(&self) -> Get<'_, T> {
        Wait::new(self, Getting(()), Location::caller())
    }

    /// Takes an item out, if there is one and nobody waits for it. Who gets it owes a call of [`task_done`](Self::task_done), as with
    /// [`get`](Self::get).
    ///
    /// # Errors
    /// If there is none.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    ///
    /// # Examples
    /// ```
    /// use mainspring::sync::queue::{Queue, error::TryGetError};
    ///
    /// let queue = Queue::bounded(4);
    /// assert_eq!(queue.try_get(), Err(TryGetError::Empty));
    /// assert_eq!(queue.try_put(1), Ok(()));
    /// queue.close();
    /// assert_eq!((queue.try_get(), queue.try_get()), (Ok(1), Err(TryGetError::Closed)));
    /// ```
    pub fn try_get(&self) -> Result<T, TryGetError> {
        let permit = match self.items.try_take(1) {
            Ok(()) => Permit::Granted,
            Err(TryAcquireError::NoPermits) => return Err(TryGetError::Empty),
            Err(TryAcquireError::Closed) => Permit::Closed,
        };
        self.pop(permit).ok_or(TryGetError::Closed)
    }

    /// As [`get`](Self::get), for a thread that is no task.
    ///
    /// # Errors
    /// If the queue is closed and nothing is left in it.
    ///
    /// # Panics
    /// Inside an async task; await `get` there. And as [`get`](Self::get).
    ///
    /// # Examples
    /// ```
    /// let queue = mainspring::sync::queue::Queue::unbounded();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| assert_eq!(queue.blocking_get(), Ok(7)));
    ///     assert_eq!(queue.try_put(7), Ok(()));
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_get(&self) -> Result<T, GetError> {
        blocking::wait("blocking_get", self.get())
    }

    /// As [`get`](Self::get), for an item that marks itself as done when its guard is dropped: after an error, a panic and a cancel,
    /// too, so that [`join`](Self::join) does not wait for ever.
    ///
    /// # Cancellation
    /// **Strict.** As for [`get`](Self::get).
    ///
    /// # Errors
    /// If the queue is closed and nothing is left in it.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::queue::Queue;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let queue = Queue::bounded(4);
    /// queue.put(7).await.unwrap();
    /// let item = queue.get_item().await.unwrap();
    /// assert_eq!((*item, queue.unfinished()), (7, 1));
    /// drop(item);
    /// assert_eq!(queue.unfinished(), 0);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn get_item(&self) -> GetItem<'_, T> {
        Wait::new(self, GettingItem(()), Location::caller())
    }

    /// As [`try_get`](Self::try_get), for an item that marks itself as done.
    ///
    /// # Errors
    /// If there is none.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    ///
    /// # Examples
    /// ```
    /// let queue = mainspring::sync::queue::Queue::bounded(4);
    /// assert_eq!(queue.try_put(7), Ok(()));
    /// assert_eq!(queue.try_get_item().unwrap().into_inner(), 7);
    /// assert_eq!(queue.unfinished(), 0);
    /// ```
    pub fn try_get_item(&self) -> Result<Item<'_, T>, TryGetError> {
        self.try_get().map(|item| Item::new(self, item))
    }

    /// As [`get_item`](Self::get_item), for a thread that is no task.
    ///
    /// # Errors
    /// If the queue is closed and nothing is left in it.
    ///
    /// # Panics
    /// Inside an async task; await `get_item` there. And as [`get`](Self::get).
    ///
    /// # Examples
    /// ```
    /// let queue = mainspring::sync::queue::Queue::bounded(4);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| assert_eq!(*queue.blocking_get_item().unwrap(), 7));
    ///     assert_eq!(queue.try_put(7), Ok(()));
    /// });
    /// queue.blocking_join();
    /// ```
    #[track_caller]
    pub fn blocking_get_item(&self) -> Result<Item<'_, T>, GetError> {
        blocking::wait("blocking_get_item", self.get_item())
    }
}

impl<T> Queue<T> {
    /// An item that was got is done with.
    ///
    /// # Panics
    /// If it is called more often than items were put.
    ///
    /// # Examples
    /// ```
    /// let queue = mainspring::sync::queue::Queue::bounded(4);
    /// assert_eq!((queue.try_put(7), queue.try_get()), (Ok(()), Ok(7)));
    /// queue.task_done();
    /// assert_eq!(queue.unfinished(), 0);
    /// ```
    #[track_caller]
    pub fn task_done(&self) {
        assert!(self.unfinished.end(), "`task_done` was called more often than items were put");
    }

    /// How many items were put and are not marked as done, got or not.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.unfinished.count()
    }

    /// Waits until every item that was put is marked as done; there may be others after that. What a closed queue still holds counts
    /// as well: somebody must get it.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future has no effect.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::queue::Queue;
    /// # use std::sync::Arc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let queue = Arc::new(Queue::bounded(4));
    /// queue.put(7).await.unwrap();
    /// let worker = queue.clone();
    /// mainspring::spawn(async move {
    ///     assert_eq!(worker.get().await, Ok(7));
    ///     worker.task_done();
    /// });
    /// queue.join().await;
    /// assert!(queue.is_empty());
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn join(&self) -> Join<'_, T> {
        Wait::new(self, Joining(()), Location::caller())
    }

    /// As [`join`](Self::join), for a thread that is no task.
    ///
    /// # Panics
    /// Inside an async task; await `join` there.
    ///
    /// # Examples
    /// ```
    /// let queue = mainspring::sync::queue::Queue::bounded(4);
    /// assert_eq!(queue.try_put(7), Ok(()));
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| drop(queue.try_get_item()));
    ///     queue.blocking_join();
    ///     assert!(queue.is_empty());
    /// });
    /// ```
    #[track_caller]
    pub fn blocking_join(&self) {
        blocking::wait("blocking_join", self.join());
    }

    /// Nothing is put any more: whoever wants to, waiting or not, has his item back. What is left can be got, and then whoever wants
    /// to get hears that it is closed.
    ///
    /// # Examples
    /// ```
    /// let queue = mainspring::sync::queue::Queue::bounded(4);
    /// assert_eq!(queue.try_put(7), Ok(()));
    /// queue.close();
    /// assert!(queue.is_closed() && queue.try_put(8).is_err());
    /// assert_eq!(queue.try_get(), Ok(7));
    /// assert!(queue.try_get().is_err());
    /// ```
    pub fn close(&self) {
        self.store.close();
        self.room.close();
        self.items.close();
    }

    /// Has [`close`](Self::close) been called?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.store.is_closed()
    }

    /// How many items are in it. Some of them may be meant for those who wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Are there as many as there is room for?
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.capacity.is_some_and(|capacity| self.len() >= capacity)
    }

    /// How many it has room for; none if it has no bound.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.capacity
    }

    /// With a permit for room: puts the item in.
    fn push(&self, item: T) -> Result<(), T> {
        self.store.push(item, || self.unfinished.begin())?;
        self.items.release(1);
        Ok(())
    }

    /// With a permit for an item, or because the queue is closed (Q2): takes one out.
    fn pop(&self, permit: Permit) -> Option<T> {
        if permit != Permit::Granted {
            return self.store.pop();
        }
        let permit = GoesBack(&self.items);
        let item = self.store.pop(); // a user's comparison may panic
        mem::forget(permit);
        debug_assert!(item.is_some() || self.is_closed(), "Q1");
        let item = item?;
        self.room.release(1);
        Some(item)
    }
}

/// A permit that has not been used yet.
struct GoesBack<'a>(&'a Semaphore);

impl Drop for GoesBack<'_> {
    fn drop(&mut self) {
        self.0.release(1);
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let getting = self.items.list().lock().waiters();
        let putting = self.room.list().lock().waiters();
        let mut shown = f.debug_struct("Queue");
        shown.field("order", &format_args!("{}", self.store.order_name())).field("len", &self.len());
        shown.field("capacity", &self.capacity).field("unfinished", &self.unfinished());
        shown.field("closed", &self.is_closed()).field("getting", &getting).field("putting", &putting);
        shown.field("joining", &self.unfinished.waiters()).finish()
    }
}
