//! The receiver's end.

use super::super::blocking;
use super::error::TryRecvError;
use super::queue::Chunk;
use super::sender::{Bounded, Kind};
use super::shared::Shared;
use crate::base::atomic::Mutex;
use crate::task::budget;
use futures_core::Stream;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The end that receives: there is one. That of an unbounded channel is an
/// [`UnboundedReceiver`](super::UnboundedReceiver). It is a `Stream`, too; then a dump shows the line where the channel was made.
///
/// Dropping it closes the channel and drops what was not received.
pub struct Receiver<T, K: Kind = Bounded> {
    /// It is told when this goes.
    shared: Arc<Shared<T>>,
    /// Values that it has taken out of the queue and not yet received, which keep their slots. A lock that is never waited for,
    /// and mostly gone round by `get_mut`: with it a receiver can be shared where its values can only be sent.
    batch: Mutex<Chunk<T>>,
    /// Where the channel was made.
    at: &'static Location<'static>,
    /// As in `Sender`.
    kind: PhantomData<K>,
}

// Values are moved out of it and never used in it; no code of a user's runs while it is half changed.
impl<T, K: Kind> Unpin for Receiver<T, K> {}
impl<T, K: Kind> UnwindSafe for Receiver<T, K> {}
impl<T, K: Kind> RefUnwindSafe for Receiver<T, K> {}

impl<T, K: Kind> Receiver<T, K> {
    pub(super) fn new(shared: Arc<Shared<T>>, at: &'static Location<'static>) -> Self {
        Self { shared, batch: Mutex::new(Chunk::new()), at, kind: PhantomData }
    }

    /// Waits for the next value; `None` if there will be none: all senders are gone, or the channel was closed, and what was sent
    /// or reserved before has come.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future has no effect: no value is taken.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(2);
    /// sender.send(7).await.unwrap();
    /// drop(sender);
    /// assert_eq!((receiver.recv().await, receiver.recv().await), (Some(7), None));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn recv(&mut self) -> Recv<'_, T, K> {
        Recv { receiver: Some(self), at: Location::caller() }
    }

    /// Waits for values and puts up to `limit` of them at the end of the buffer; says how many. 0 if there will be none, and if
    /// the limit is 0.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future has no effect: no value is taken.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// (0..5).for_each(|n| sender.send(n).unwrap());
    /// let mut buffer = Vec::new();
    /// assert_eq!(receiver.recv_many(&mut buffer, 3).await, 3);
    /// assert_eq!(receiver.recv_many(&mut buffer, 3).await, 2);
    /// assert_eq!(buffer, [0, 1, 2, 3, 4]);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn recv_many<'a>(&'a mut self, buffer: &'a mut Vec<T>, limit: usize) -> RecvMany<'a, T, K> {
        RecvMany { ends: Some((self, buffer)), limit, at: Location::caller() }
    }

    /// The next value, if it has come.
    ///
    /// # Errors
    /// `Empty` if one may still come, `Disconnected` if none will.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc::{self, error::TryRecvError};
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.try_send(7).unwrap();
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Ok(7));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        if let Some(value) = self.pop() {
            return Ok(value);
        }
        match self.shared.take_now_into(self.batch.get_mut()) {
            Some(true) => self.pop().ok_or(TryRecvError::Empty),
            Some(false) => Err(TryRecvError::Disconnected),
            None => Err(TryRecvError::Empty),
        }
    }

    /// As [`recv`](Self::recv), for a thread that is no task.
    ///
    /// # Panics
    /// Inside an async task; await `recv` there.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.send(7).unwrap();
    /// assert_eq!(thread.join().unwrap(), Some(7));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        blocking::wait("blocking_recv", self.recv())
    }

    /// As [`recv_many`](Self::recv_many), for a thread that is no task.
    ///
    /// # Panics
    /// Inside an async task; await `recv_many` there.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// (0..2).for_each(|n| sender.send(n).unwrap());
    /// let mut buffer = Vec::new();
    /// assert_eq!(receiver.blocking_recv_many(&mut buffer, 10), 2);
    /// assert_eq!(buffer, [0, 1]);
    /// ```
    #[track_caller]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        blocking::wait("blocking_recv_many", self.recv_many(buffer, limit))
    }

    /// Lets nobody send any more, save with permits that are out. What was sent can still be received, and then comes `None`.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(2);
    /// let permit = sender.try_reserve().unwrap();
    /// receiver.close();
    /// assert!(sender.send(1).await.is_err());
    /// permit.send(2);
    /// assert_eq!((receiver.recv().await, receiver.recv().await), (Some(2), None));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close(&mut self) {
        self.shared.close();
    }

    /// Was it closed, or are all senders gone? There may still be values to receive.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_ending()
    }

    /// Was nothing sent that has not been received?
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, receiver) = mpsc::channel(1);
    /// assert!(receiver.is_empty());
    /// sender.try_send(7).unwrap();
    /// assert!(!receiver.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values were sent and not yet received.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// (0..3).for_each(|n| sender.send(n).unwrap());
    /// assert_eq!(receiver.try_recv(), Ok(0));
    /// assert_eq!(receiver.len(), 2);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        let taken = self.batch.lock().len();
        taken + self.shared.queue_len()
    }

    /// How many senders there are, owned permits included.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// let weak = sender.downgrade();
    /// let other = sender.clone();
    /// assert_eq!((receiver.sender_strong_count(), receiver.sender_weak_count()), (2, 1));
    /// # drop((weak, other));
    /// ```
    #[must_use]
    pub fn sender_strong_count(&self) -> usize {
        self.shared.count_senders()
    }

    /// How many weak ones there are.
    #[must_use]
    pub fn sender_weak_count(&self) -> usize {
        self.shared.count_weak()
    }

    /// As [`recv`](Self::recv), for futures written by hand. The last waker is woken.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// # use std::future::poll_fn;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// sender.send(7).await.unwrap();
    /// assert_eq!(poll_fn(|cx| receiver.poll_recv(cx)).await, Some(7));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv_at(cx, Location::caller())
    }

    /// As [`recv_many`](Self::recv_many), for futures written by hand. The last waker is woken.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// # use std::future::poll_fn;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(2);
    /// sender.send(7).await.unwrap();
    /// sender.send(8).await.unwrap();
    /// let mut buffer = Vec::new();
    /// assert_eq!(poll_fn(|cx| receiver.poll_recv_many(cx, &mut buffer, 9)).await, 2);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn poll_recv_many(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<T>, limit: usize) -> Poll<usize> {
        self.poll_recv_many_at(cx, buffer, limit, Location::caller())
    }

    #[inline]
    fn poll_recv_at(&mut self, cx: &mut Context<'_>, at: &'static Location<'static>) -> Poll<Option<T>> {
        ready!(budget::poll_proceed(cx));
        match self.pop() {
            Some(value) => Poll::Ready(Some(value)),
            None => self.poll_take(cx, at).map(|is_filled| if is_filled { self.pop() } else { None }),
        }
    }

    fn poll_recv_many_at(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
        at: &'static Location<'static>,
    ) -> Poll<usize> {
        if limit == 0 {
            return Poll::Ready(0);
        }
        ready!(budget::poll_proceed(cx));
        if self.batch.get_mut().is_empty() && !ready!(self.poll_take(cx, at)) {
            return Poll::Ready(0);
        }
        let mut count = 0;
        while count < limit {
            let batch = self.batch.get_mut();
            if batch.is_empty() && self.shared.take_now_into(batch) != Some(true) {
                break;
            }
            let taken = batch.len().min(limit - count);
            // First the room: should there be none, nothing has been taken.
            buffer.reserve(taken);
            buffer.extend(batch.drain(..taken));
            count += taken;
            if K::IS_BOUNDED {
                self.shared.free_received(taken);
            }
        }
        budget::charge_bytes(count * mem::size_of::<T>());
        Poll::Ready(count)
    }

    /// The next value of the batch.
    #[inline]
    fn pop(&mut self) -> Option<T> {
        let value = self.batch.get_mut().pop_front()?;
        if K::IS_BOUNDED {
            self.shared.free_received(1);
        }
        Some(value)
    }

    /// The batch is empty: waits until it is not. False if there will be nothing.
    #[inline(never)]
    fn poll_take(&mut self, cx: &Context<'_>, at: &'static Location<'static>) -> Poll<bool> {
        let poll = self.shared.poll_take(cx, self.batch.get_mut(), at);
        if poll.is_pending() {
            budget::refund();
        }
        poll
    }
}

impl<T> Receiver<T> {
    /// How many slots are free right now: neither taken by a value, nor reserved.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel(3);
    /// sender.try_send(7).unwrap();
    /// assert_eq!((receiver.capacity(), receiver.max_capacity()), (2, 3));
    /// assert_eq!(receiver.try_recv(), Ok(7));
    /// assert_eq!(receiver.capacity(), 3);
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.free_slots()
    }

    /// How many slots there are.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.shared.slots()
    }
}

impl<T, K: Kind> Stream for Receiver<T, K> {
    type Item = T;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let at = self.at;
        self.poll_recv_at(cx, at)
    }
}

impl<T, K: Kind> Drop for Receiver<T, K> {
    /// What was not received is dropped in its order, without a lock, after everybody was told: a destructor may come back here.
    fn drop(&mut self) {
        let later = self.shared.leave();
        drop(mem::take(self.batch.get_mut()));
        drop(later);
    }
}

impl<T, K: Kind> fmt::Debug for Receiver<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("len", &self.len()).field("channel", &*self.shared).finish()
    }
}

/// The future of [`Receiver::recv`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Recv<'a, T, K: Kind = Bounded> {
    /// `None` once it was ready.
    receiver: Option<&'a mut Receiver<T, K>>,
    /// The user's line.
    at: &'static Location<'static>,
}

impl<T, K: Kind> Future for Recv<'_, T, K> {
    type Output = Option<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let at = self.at;
        let receiver = self.receiver.as_mut().expect("a `Recv` was polled after it was ready: await it once");
        let value = ready!(receiver.poll_recv_at(cx, at));
        self.receiver = None;
        Poll::Ready(value)
    }
}

impl<T, K: Kind> fmt::Debug for Recv<'_, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").field("receiver", &self.receiver).field("at", &format_args!("{}", self.at)).finish()
    }
}

/// The future of [`Receiver::recv_many`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct RecvMany<'a, T, K: Kind = Bounded> {
    /// The receiver and the buffer; `None` once it was ready.
    ends: Option<(&'a mut Receiver<T, K>, &'a mut Vec<T>)>,
    /// No more than so many.
    limit: usize,
    /// The user's line.
    at: &'static Location<'static>,
}

impl<T, K: Kind> Future for RecvMany<'_, T, K> {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let (limit, at) = (self.limit, self.at);
        let ends = self.ends.as_mut().expect("a `RecvMany` was polled after it was ready: await it once");
        let count = ready!(ends.0.poll_recv_many_at(cx, ends.1, limit, at));
        self.ends = None;
        Poll::Ready(count)
    }
}

impl<T, K: Kind> fmt::Debug for RecvMany<'_, T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let receiver = self.ends.as_ref().map(|(receiver, _)| receiver);
        let mut shown = f.debug_struct("RecvMany");
        shown.field("receiver", &receiver).field("limit", &self.limit);
        shown.field("at", &format_args!("{}", self.at)).finish()
    }
}
