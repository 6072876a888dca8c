//! The end that sends to all.

use super::super::closing::Closing;
use super::super::wait_list::Wait;
use super::error::SendError;
use super::receiver::Receiver;
use super::shared::{End, Shared};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// Sends to every receiver. When every sender is gone, receivers hear of it after the last message.
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// A channel without a receiver so far; [`subscribe`](Self::subscribe) makes one.
    ///
    /// # Panics
    /// If the capacity is 0, or more than `usize::MAX / 2`.
    ///
    /// # Examples
    /// ```
    /// let sender = mainspring::sync::broadcast::Sender::new(8);
    /// assert!(sender.send(1).is_err());
    /// let mut receiver = sender.subscribe();
    /// assert_eq!(sender.send(2), Ok(1));
    /// assert_eq!(receiver.try_recv(), Ok(2));
    /// ```
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Self { shared: Arc::new(Shared::new(capacity)) }
    }

    /// Sends to all receivers there are, and says how many; that is no promise that they will look. Never waits: when the channel
    /// is full, the oldest message is dropped.
    ///
    /// # Errors
    /// If there is no receiver. The message comes back.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = mainspring::sync::broadcast::channel(8);
    /// assert_eq!(sender.send("one"), Ok(1));
    /// drop(receiver);
    /// assert_eq!(sender.send("two").unwrap_err().0, "two");
    /// ```
    pub fn send(&self, value: T) -> Result<usize, SendError<T>> {
        self.shared.send(value)
    }

    /// Another receiver, which will have what is sent from now on.
    ///
    /// # Examples
    /// ```
    /// let (sender, _receiver) = mainspring::sync::broadcast::channel(8);
    /// assert_eq!(sender.send(1), Ok(1));
    /// let mut late = sender.subscribe();
    /// assert_eq!(sender.send(2), Ok(2));
    /// assert_eq!(late.try_recv(), Ok(2));
    /// ```
    #[must_use]
    pub fn subscribe(&self) -> Receiver<T> {
        Receiver::new(self.shared.clone())
    }

    /// A sender that does not keep the channel open.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = mainspring::sync::broadcast::channel::<u8>(8);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none() && receiver.is_closed());
    /// ```
    #[must_use]
    pub fn downgrade(&self) -> WeakSender<T> {
        self.shared.comes(End::WeakSender, false);
        WeakSender { shared: self.shared.clone() }
    }

    /// How many messages are kept because somebody has yet to have them; never more than the capacity.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = mainspring::sync::broadcast::channel(2);
    /// (0..3).for_each(|n| assert!(sender.send(n).is_ok()));
    /// assert_eq!(sender.len(), 2);
    /// assert!(receiver.try_recv().is_err()); // one was lost
    /// assert_eq!((receiver.try_recv(), sender.len()), (Ok(1), 1));
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Have all receivers had all messages?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many receivers there are.
    #[must_use]
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers()
    }

    /// How many senders there are.
    #[must_use]
    pub fn strong_count(&self) -> usize {
        self.shared.counted(End::Sender)
    }

    /// How many weak senders there are.
    #[must_use]
    pub fn weak_count(&self) -> usize {
        self.shared.counted(End::WeakSender)
    }

    /// Do the two belong to one channel?
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Waits until there is no receiver. There may be one again: [`subscribe`](Self::subscribe) makes it.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future has no effect.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::broadcast;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, receiver) = broadcast::channel::<u8>(8);
    /// mainspring::spawn(async move { drop(receiver) });
    /// sender.closed().await;
    /// assert_eq!(sender.receiver_count(), 0);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn closed(&self) -> Closed<'_, T> {
        Wait::new(&self.shared, Closing(()), Location::caller())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.shared.comes(End::Sender, false);
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.goes(End::Sender);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.shared).finish()
    }
}

/// A sender that does not keep the channel open, from [`Sender::downgrade`].
pub struct WeakSender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> WeakSender<T> {
    /// A sender, if there is still one.
    #[must_use]
    pub fn upgrade(&self) -> Option<Sender<T>> {
        self.shared.comes(End::Sender, true).then(|| Sender { shared: self.shared.clone() })
    }

    /// How many senders there are.
    #[must_use]
    pub fn strong_count(&self) -> usize {
        self.shared.counted(End::Sender)
    }

    /// How many weak senders there are.
    #[must_use]
    pub fn weak_count(&self) -> usize {
        self.shared.counted(End::WeakSender)
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        self.shared.comes(End::WeakSender, false);
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        self.shared.goes(End::WeakSender);
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeakSender").field(&self.shared).finish()
    }
}

/// The future of [`Sender::closed`].
pub type Closed<'a, T> = Wait<&'a Shared<T>, Closing>;
