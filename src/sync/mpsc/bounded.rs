//! Channels with so many slots: whoever sends waits for one.

use super::super::blocking;
use super::super::bringing::{Bringing, Value};
use super::super::wait_list::Wait;
use super::error::{SendError, TrySendError};
use super::permits::{OwnedPermit, Permit, PermitIterator};
use super::receiver::Receiver;
use super::sender::Sender;
use super::sending::{Many, One, Owned, Reserves, Sends};
use super::shared::{NoSlot, SLOTS_MAX, Shared};
use std::panic::Location;
use std::sync::Arc;

/// A channel with room for so many values: a sender waits while it is full, so that one who is faster than the receiver cannot
/// fill the memory. The first come are the first to get a slot.
///
/// # Panics
/// If the capacity is 0, or more than `usize::MAX / 8`.
///
/// # Examples
/// ```
/// use mainspring::sync::mpsc;
///
/// mainspring::runtime::Runtime::new()?.block_on(async {
///     let (sender, mut receiver) = mpsc::channel(16);
///     for n in 0..3 {
///         let sender = sender.clone();
///         mainspring::spawn(async move { sender.send(n).await });
///     }
///     drop(sender);
///     let mut sum = 0;
///     while let Some(n) = receiver.recv().await {
///         sum += n;
///     }
///     assert_eq!(sum, 3);
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
#[must_use]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "`channel(0)` has no room for anything: a bounded channel needs a capacity of at least 1");
    assert!(
        capacity <= SLOTS_MAX,
        "`channel({capacity})` is more than the {SLOTS_MAX} slots that can be counted: `unbounded_channel` counts none"
    );
    let shared = Shared::new(capacity);
    (Sender::first(shared.clone()), Receiver::new(shared, Location::caller()))
}

impl<T> Sender<T> {
    /// Sends; waits for a slot if the channel is full.
    ///
    /// There is no `send_timeout`: put `time::timeout` around [`reserve`](Self::reserve), and the value stays yours.
    ///
    /// # Cancellation
    /// **Strict.** A send that is dropped sends nothing; its value is dropped with it, and its place in line is lost.
    ///
    /// # Errors
    /// The value comes back if the receiver has closed or is gone, or does so meanwhile.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// sender.send(7).await.unwrap();
    /// assert_eq!(receiver.recv().await, Some(7));
    /// drop(receiver);
    /// assert_eq!(sender.send(8).await.unwrap_err().0, 8);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    #[track_caller]
    pub fn send(&self, value: T) -> SendValue<'_, T> {
        Wait::new(Bringing::new(&**self.shared(), value), Sends(()), Location::caller())
    }

    /// Sends if there is a slot and nobody waits for one.
    ///
    /// # Errors
    /// The value comes back, in an error that says why.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc::{self, error::TrySendError};
    /// let (sender, receiver) = mpsc::channel(1);
    /// assert!(sender.try_send(7).is_ok());
    /// assert_eq!(sender.try_send(8), Err(TrySendError::Full(8)));
    /// drop(receiver);
    /// assert_eq!(sender.try_send(9), Err(TrySendError::Closed(9)));
    /// ```
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let mut value = Some(value);
        match (self.shared().send_now(&mut value), value) {
            (Err(why), Some(value)) => Err(refused(why).map(|()| value)),
            _ => Ok(()),
        }
    }

    /// As [`send`](Self::send), for a thread that is no task.
    ///
    /// # Errors
    /// As `send`.
    ///
    /// # Panics
    /// Inside an async task; await `send` there.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let thread = std::thread::spawn(move || (0..3).for_each(|n| sender.blocking_send(n).unwrap()));
    /// let received: Vec<_> = std::iter::from_fn(|| receiver.blocking_recv()).collect();
    /// assert_eq!(received, [0, 1, 2]);
    /// thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        blocking::wait("blocking_send", self.send(value))
    }

    /// Waits for a slot and keeps it for whoever has the permit. For values that are made only if they can be sent, and for
    /// `select!`, where a `send` that loses would lose its value.
    ///
    /// # Cancellation
    /// **Strict.** No slot is lost; the place in line is.
    ///
    /// # Errors
    /// If the receiver has closed or is gone, or does so meanwhile.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.reserve().await.unwrap();
    /// assert_eq!(sender.capacity(), 0);
    /// permit.send(7);
    /// assert_eq!(receiver.recv().await, Some(7));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn reserve(&self) -> Reserve<'_, T> {
        Wait::new(&**self.shared(), Reserves::new(1, One), Location::caller())
    }

    /// Waits for so many slots, all at once. Those who come later wait behind, even if they want fewer.
    ///
    /// # Cancellation
    /// **Strict.** As for [`reserve`](Self::reserve).
    ///
    /// # Errors
    /// If the receiver has closed or is gone, or does so meanwhile; and if there will never be so many.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(3);
    /// for (n, permit) in sender.reserve_many(2).await.unwrap().enumerate() {
    ///     permit.send(n);
    /// }
    /// assert_eq!((receiver.recv().await, receiver.recv().await), (Some(0), Some(1)));
    /// assert!(sender.reserve_many(4).await.is_err());
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn reserve_many(&self, count: usize) -> ReserveMany<'_, T> {
        Wait::new(&**self.shared(), Reserves::new(count, Many), Location::caller())
    }

    /// As [`reserve`](Self::reserve), for a permit that may go where no borrow can: the sender goes into it.
    ///
    /// # Cancellation
    /// **Strict.** As for `reserve`; the sender is dropped with the future. Clone it before if you want to keep one.
    ///
    /// # Errors
    /// If the receiver has closed or is gone, or does so meanwhile.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.reserve_owned().await.unwrap();
    /// mainspring::spawn(async { drop(permit.send(7)) });
    /// assert_eq!((receiver.recv().await, receiver.recv().await), (Some(7), None));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn reserve_owned(self) -> ReserveOwned<T> {
        let shared: Arc<_> = self.shared().clone();
        Wait::new(Bringing::new(shared, self), Reserves::new(1, Owned), Location::caller())
    }

    /// A slot, if one is free and nobody waits.
    ///
    /// # Errors
    /// If there is none to be had, or never will be.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc::{self, error::TrySendError};
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.try_reserve().unwrap();
    /// assert_eq!(sender.try_reserve().unwrap_err(), TrySendError::Full(()));
    /// permit.send(7);
    /// assert_eq!(receiver.try_recv(), Ok(7));
    /// ```
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        self.shared().reserve_now(1).map(|()| Permit::new(self.shared())).map_err(refused)
    }

    /// So many slots, if they are free and nobody waits.
    ///
    /// # Errors
    /// If they are not to be had: `Closed` if they never will be, because there are not so many.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc::{self, error::TrySendError};
    /// let (sender, _receiver) = mpsc::channel::<u8>(3);
    /// let permits = sender.try_reserve_many(2).unwrap();
    /// assert_eq!((permits.len(), sender.capacity()), (2, 1));
    /// assert_eq!(sender.try_reserve_many(2).unwrap_err(), TrySendError::Full(()));
    /// assert_eq!(sender.try_reserve_many(4).unwrap_err(), TrySendError::Closed(()));
    /// ```
    pub fn try_reserve_many(&self, count: usize) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        if count > self.max_capacity() {
            return Err(TrySendError::Closed(()));
        }
        self.shared().reserve_now(count).map(|()| PermitIterator::new(self.shared(), count)).map_err(refused)
    }

    /// As [`try_reserve`](Self::try_reserve), for a permit that may go where no borrow can: the sender goes into it.
    ///
    /// # Errors
    /// The sender comes back, in an error that says why.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.clone().try_reserve_owned().unwrap();
    /// let sender = sender.try_reserve_owned().unwrap_err().into_inner();
    /// assert!(permit.send(7).same_channel(&sender));
    /// assert_eq!(receiver.try_recv(), Ok(7));
    /// ```
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        match self.shared().reserve_now(1) {
            Ok(()) => Ok(OwnedPermit::new(self)),
            Err(why) => Err(refused(why).map(|()| self)),
        }
    }

    /// How many slots are free right now: neither taken by a value, nor reserved.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, _receiver) = mpsc::channel(3);
    /// sender.try_send(7).unwrap();
    /// assert_eq!((sender.capacity(), sender.max_capacity()), (2, 3));
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared().free_slots()
    }

    /// How many slots there are.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.shared().slots()
    }
}

fn refused(why: NoSlot) -> TrySendError<()> {
    match why {
        NoSlot::Full => TrySendError::Full(()),
        NoSlot::Closed => TrySendError::Closed(()),
    }
}

/// The future of [`Sender::send`].
pub type SendValue<'a, T> = Wait<Bringing<&'a Shared<T>, Value>, Sends>;

/// The future of [`Sender::reserve`].
pub type Reserve<'a, T> = Wait<&'a Shared<T>, Reserves<One>>;

/// The future of [`Sender::reserve_many`].
pub type ReserveMany<'a, T> = Wait<&'a Shared<T>, Reserves<Many>>;

/// The future of [`Sender::reserve_owned`].
pub type ReserveOwned<T> = Wait<Bringing<Arc<Shared<T>>, Owned>, Reserves<Owned>>;
