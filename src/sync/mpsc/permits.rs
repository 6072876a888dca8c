//! Slots that are reserved: whoever has one sends without waiting.

use super::sender::Sender;
use super::shared::Shared;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

/// One reserved slot of a bounded channel. Dropped unused, it is free again.
///
/// A receiver that has closed still waits for what is sent with the permits that were out.
#[must_use = "a permit that is dropped sends nothing"]
pub struct Permit<'a, T> {
    /// Where the slot is.
    shared: &'a Shared<T>,
}

impl<'a, T> Permit<'a, T> {
    pub(super) fn new(shared: &'a Shared<T>) -> Self {
        Self { shared }
    }

    /// Sends. If the receiver is gone, the value is dropped.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.reserve().await.unwrap();
    /// permit.send(7);
    /// assert_eq!(receiver.recv().await, Some(7));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send(self, value: T) {
        let shared = self.shared;
        std::mem::forget(self);
        drop(shared.send_reserved(value));
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.shared.free(1);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("channel", self.shared).finish()
    }
}

/// Several reserved slots: it gives a [`Permit`] for each. Those that it has not given are free again when it is dropped.
#[must_use = "permits that are dropped send nothing"]
pub struct PermitIterator<'a, T> {
    /// Where the slots are.
    shared: &'a Shared<T>,
    /// Not given yet.
    count: usize,
}

impl<'a, T> PermitIterator<'a, T> {
    pub(super) fn new(shared: &'a Shared<T>, count: usize) -> Self {
        Self { shared, count }
    }
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Permit<'a, T>> {
        self.count = self.count.checked_sub(1)?;
        Some(Permit::new(self.shared))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> FusedIterator for PermitIterator<'_, T> {}

impl<T> Drop for PermitIterator<'_, T> {
    fn drop(&mut self) {
        if self.count > 0 {
            self.shared.free(self.count);
        }
    }
}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitIterator").field("count", &self.count).field("channel", self.shared).finish()
    }
}

/// One reserved slot, with the sender in it, which comes back when it is used. Dropped unused, the slot is free again and the
/// sender gone.
#[must_use = "a permit that is dropped sends nothing"]
pub struct OwnedPermit<T> {
    /// None once it was given back.
    sender: Option<Sender<T>>,
}

impl<T> OwnedPermit<T> {
    pub(super) fn new(sender: Sender<T>) -> Self {
        Self { sender: Some(sender) }
    }

    fn shared(&self) -> &Arc<Shared<T>> {
        self.sender.as_ref().expect("it is given back by functions that take the permit").shared()
    }

    fn give_up(&mut self) -> Sender<T> {
        self.sender.take().expect("as in `shared`")
    }

    /// Sends, and gives the sender back. If the receiver is gone, the value is dropped.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let permit = sender.reserve_owned().await.unwrap();
    /// let sender = permit.send(7);
    /// assert_eq!(receiver.recv().await, Some(7));
    /// assert_eq!(sender.capacity(), 1);
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send(mut self, value: T) -> Sender<T> {
        let sender = self.give_up();
        drop(sender.shared().send_reserved(value));
        sender
    }

    /// Sends nothing, and gives the sender back; the slot is free again.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, _receiver) = mpsc::channel::<u8>(1);
    /// let permit = sender.try_reserve_owned().unwrap();
    /// let sender = permit.release();
    /// assert_eq!(sender.capacity(), 1);
    /// ```
    #[must_use = "the sender is gone otherwise: drop the permit then"]
    pub fn release(mut self) -> Sender<T> {
        let sender = self.give_up();
        sender.shared().free(1);
        sender
    }

    /// Are both of one channel?
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.shared(), other.shared())
    }

    /// Is it one of this sender's channel?
    #[must_use]
    pub fn same_channel_as_sender(&self, sender: &Sender<T>) -> bool {
        Arc::ptr_eq(self.shared(), sender.shared())
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.shared().free(1);
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").field("sender", &self.sender).finish()
    }
}
