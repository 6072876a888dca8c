//! The end that changes the value.

use super::super::closing::Closing;
use super::super::wait_list::Wait;
use super::error::SendError;
use super::receiver::Receiver;
use super::shared::{Ref, Shared};
use std::panic::Location;
use std::sync::Arc;
use std::{fmt, mem};

/// Changes the value. When every sender is gone, receivers hear of it.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// A channel without a receiver so far; [`subscribe`](Self::subscribe) makes one.
    ///
    /// # Examples
    /// ```
    /// let sender = mainspring::sync::watch::Sender::new(1);
    /// assert!(sender.is_closed() && sender.send(2).is_err());
    /// assert_eq!(*sender.subscribe().borrow(), 1);
    /// ```
    pub fn new(value: T) -> Self {
        Self { shared: Arc::new(Shared::new(value)) }
    }

    /// Puts another value in the place of the present one and tells everybody who waits. Waits for no borrow: whoever has
    /// borrowed the old value keeps it.
    ///
    /// # Errors
    /// If there is no receiver. The value comes back and nothing is changed; [`send_replace`](Self::send_replace) does not mind.
    ///
    /// # Panics
    /// In a closure of [`send_modify`](Self::send_modify).
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = mainspring::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.borrow(), 2);
    /// drop(receiver);
    /// assert_eq!(sender.send(3).unwrap_err().0, 3);
    /// ```
    #[track_caller]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.is_closed() {
            return Err(SendError(value));
        }
        self.shared.replace(value);
        Ok(())
    }

    /// Changes the value in its place and tells everybody who waits, receiver or not.
    ///
    /// The closure has the value for itself: this waits, on its thread, until nobody borrows the present value, and other threads
    /// that use the channel wait for the closure. So it should be short.
    ///
    /// # Panics
    /// If this thread borrows the present value, or is in such a closure already, for it would wait for itself. And if the closure
    /// does: then nobody is told, and the value is as the closure has left it.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = mainspring::sync::watch::channel(vec![1]);
    /// sender.send_modify(|list| list.push(2));
    /// assert_eq!(*receiver.borrow(), [1, 2]);
    /// ```
    #[track_caller]
    pub fn send_modify<F: FnOnce(&mut T)>(&self, modify: F) {
        self.shared.modify("send_modify", |value| {
            modify(value);
            true
        });
    }

    /// As [`send_modify`](Self::send_modify), but only if the closure returns true are the receivers told. Gives what the closure
    /// has returned.
    ///
    /// # Panics
    /// As [`send_modify`](Self::send_modify).
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = mainspring::sync::watch::channel(1);
    /// let raise = |to: i32| sender.send_if_modified(|value| to > std::mem::replace(value, to.max(*value)));
    /// assert!(!raise(1) && !receiver.has_changed().unwrap());
    /// assert!(raise(2) && receiver.has_changed().unwrap());
    /// ```
    #[track_caller]
    pub fn send_if_modified<F: FnOnce(&mut T) -> bool>(&self, modify: F) -> bool {
        self.shared.modify("send_if_modified", modify)
    }

    /// Puts another value in the place of the present one, tells everybody who waits, receiver or not, and gives the old value.
    /// For that it waits, on its thread, until nobody borrows the old value.
    ///
    /// # Panics
    /// If this thread borrows the present value, or is in a closure of [`send_modify`](Self::send_modify).
    ///
    /// # Examples
    /// ```
    /// let sender = mainspring::sync::watch::Sender::new(1);
    /// assert_eq!(sender.send_replace(2), 1);
    /// assert_eq!(*sender.borrow(), 2);
    /// ```
    #[track_caller]
    pub fn send_replace(&self, mut value: T) -> T {
        self.shared.modify("send_replace", |now| {
            mem::swap(now, &mut value);
            true
        });
        value
    }

    /// The present value.
    ///
    /// # Panics
    /// In a closure of [`send_modify`](Self::send_modify).
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = mainspring::sync::watch::channel(1);
    /// assert_eq!(*sender.borrow(), 1);
    /// ```
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.borrow(|_| true)
    }

    /// Is there no receiver?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until there is no receiver. There may be one again: [`subscribe`](Self::subscribe) makes it.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future has no effect.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::watch;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, receiver) = watch::channel(1);
    /// mainspring::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// assert!(sender.is_closed());
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn closed(&self) -> Closed<'_, T> {
        Wait::new(&self.shared, Closing(()), Location::caller())
    }

    /// Another receiver. It has seen the present value.
    ///
    /// # Examples
    /// ```
    /// let sender = mainspring::sync::watch::Sender::new(1);
    /// let receiver = sender.subscribe();
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// ```
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(self.shared.clone())
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers()
    }

    /// How many senders there are.
    #[must_use]
    pub fn sender_count(&self) -> usize {
        self.shared.senders()
    }

    /// Do the two belong to one channel?
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.sender_comes();
        Self { shared: self.shared.clone() }
    }
}

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.sender_goes();
    }
}

impl<T: fmt::Debug> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.shared).finish()
    }
}

/// The future of [`Sender::closed`].
pub type Closed<'a, T> = Wait<&'a Shared<T>, Closing>;
