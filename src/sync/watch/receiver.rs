//! The end that looks at the value and waits for another one.

use super::super::blocking;
use super::super::wait_list::{Entered, Locked, Operation, Wait, WaitList};
use super::error::RecvError;
use super::shared::{Ref, Shared};
use crate::task::wait::{self, WaitKind};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// No value has this version: whoever has seen it has seen none.
const NEVER: u64 = u64::MAX;

/// Looks at the latest value and waits for another one. A clone has seen what this one has.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The version of the value that was seen last, or `NEVER`.
    seen: u64,
}

impl<T> Receiver<T> {
    /// It has seen the present value.
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        shared.receiver_comes();
        let seen = shared.version();
        Self { shared, seen }
    }

    /// The latest value. It does not count as seen: [`changed`](Self::changed) tells of it still.
    ///
    /// Never waits for a task; see the module's page for who waits for whom on his thread.
    ///
    /// # Panics
    /// In a closure of [`send_modify`](super::Sender::send_modify).
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = mainspring::sync::watch::channel(1);
    /// let one = receiver.borrow();
    /// sender.send(2).unwrap(); // not stopped by the borrow
    /// assert_eq!((*one, *receiver.borrow()), (1, 2));
    /// ```
    #[track_caller]
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.borrow(|version| version == self.seen)
    }

    /// The latest value, which counts as seen from now on.
    ///
    /// # Panics
    /// In a closure of [`send_modify`](super::Sender::send_modify).
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = mainspring::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert!(receiver.borrow_and_update().has_changed());
    /// assert!(!receiver.borrow_and_update().has_changed());
    /// ```
    #[track_caller]
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let value = self.shared.borrow(|version| version == self.seen);
        self.seen = value.version();
        value
    }

    /// Is there a value that this receiver has not seen?
    ///
    /// # Errors
    /// If every sender is gone. There may be a last value not seen yet even then: [`changed`](Self::changed) tells.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = mainspring::sync::watch::channel(1);
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// sender.send(2).unwrap();
    /// assert_eq!(receiver.has_changed(), Ok(true));
    /// drop(sender);
    /// assert!(receiver.has_changed().is_err());
    /// ```
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        if self.is_closed() {
            return Err(RecvError(()));
        }
        Ok(self.shared.version() != self.seen)
    }

    /// Is every sender gone?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.senders() == 0
    }

    /// The present value counts as not seen.
    ///
    /// # Examples
    /// ```
    /// let (_sender, mut receiver) = mainspring::sync::watch::channel(1);
    /// receiver.mark_changed();
    /// assert_eq!(receiver.has_changed(), Ok(true));
    /// ```
    pub fn mark_changed(&mut self) {
        self.seen = NEVER;
    }

    /// The present value counts as seen.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = mainspring::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// receiver.mark_unchanged();
    /// assert_eq!(receiver.has_changed(), Ok(false));
    /// ```
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.version();
    }

    /// Waits until there is a value that this receiver has not seen. It counts as seen after that.
    ///
    /// # Cancellation
    /// **Strict.** If this future is dropped before it is ready, the value does not count as seen.
    ///
    /// # Errors
    /// If every sender is gone, and the last value has been seen.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::watch;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = watch::channel(1);
    /// sender.send(2).unwrap();
    /// drop(sender);
    /// assert!(receiver.changed().await.is_ok());
    /// assert_eq!(*receiver.borrow(), 2);
    /// assert!(receiver.changed().await.is_err());
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn changed(&mut self) -> Changed<'_, T> {
        let Self { shared, seen } = self;
        Wait::new(shared, Changing { seen }, Location::caller())
    }

    /// As [`changed`](Self::changed), for a thread that is no task.
    ///
    /// # Errors
    /// If every sender is gone, and the last value has been seen.
    ///
    /// # Panics
    /// Inside an async task; await `changed` there.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = mainspring::sync::watch::channel(1);
    /// let thread = std::thread::spawn(move || receiver.blocking_changed().map(|()| *receiver.borrow()));
    /// sender.send(2).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(2));
    /// ```
    #[track_caller]
    pub fn blocking_changed(&mut self) -> Result<(), RecvError> {
        blocking::wait("blocking_changed", self.changed())
    }

    /// Waits for a value of which the condition is true; the present one will do. It counts as seen after that.
    ///
    /// The condition is asked with no lock held, and may be asked more than once for a value.
    ///
    /// # Cancellation
    /// **Strict.** If this future is dropped before it is ready, no value counts as seen by it.
    ///
    /// # Errors
    /// If every sender is gone, and the condition is false of the last value.
    ///
    /// # Panics
    /// If the condition does; then no value counts as seen by it.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::watch;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = watch::channel(1);
    /// assert_eq!(*receiver.wait_for(|value| *value == 1).await.unwrap(), 1);
    /// mainspring::spawn(async move { (2..=9).for_each(|value| sender.send(value).unwrap()) });
    /// assert!(*receiver.wait_for(|value| *value > 5).await.unwrap() > 5);
    /// assert!(receiver.wait_for(|value| *value > 100).await.is_err());
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn wait_for<F: FnMut(&T) -> bool>(
        &mut self,
        mut condition: F,
    ) -> impl Future<Output = Result<Ref<'_, T>, RecvError>> + use<'_, T, F> {
        let at = Location::caller();
        let Self { shared, seen } = self;
        async move {
            let shared: &Shared<T> = shared;
            loop {
                let mut looked_at = {
                    let value = shared.borrow(|version| version == *seen);
                    if condition(&value) {
                        *seen = value.version();
                        return Ok(value);
                    }
                    value.version()
                };
                Wait::new(shared, Changing { seen: &mut looked_at }, at).await?;
            }
        }
    }

    /// As [`wait_for`](Self::wait_for), for a thread that is no task.
    ///
    /// # Errors
    /// If every sender is gone, and the condition is false of the last value.
    ///
    /// # Panics
    /// Inside an async task; await `wait_for` there. And if the condition does.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = mainspring::sync::watch::channel(1);
    /// let thread = std::thread::spawn(move || *receiver.blocking_wait_for(|value| *value > 2).unwrap());
    /// (2..=3).for_each(|value| sender.send(value).unwrap());
    /// assert_eq!(thread.join().unwrap(), 3);
    /// ```
    #[track_caller]
    pub fn blocking_wait_for<F: FnMut(&T) -> bool>(&mut self, condition: F) -> Result<Ref<'_, T>, RecvError> {
        blocking::wait("blocking_wait_for", self.wait_for(condition))
    }

    /// Do the two belong to one channel?
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        let shared = self.shared.clone();
        shared.receiver_comes();
        Self { shared, seen: self.seen }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receiver_goes();
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&self.shared).finish()
    }
}

/// The future of [`Receiver::changed`].
pub type Changed<'a, T> = Wait<&'a Shared<T>, Changing<'a>>;

/// Waiting for a value that was not seen.
pub struct Changing<'a> {
    /// The receiver's; written when it is ready.
    seen: &'a mut u64,
}

/// What a waiter has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    Waits,
    /// There is another value, or there will be none.
    Woken,
}

impl<T> Operation<&Shared<T>> for Changing<'_> {
    type State = ();
    type Ticket = Ticket;
    type Output = Result<(), RecvError>;

    const NAME: &'static str = "Changed";

    fn list(shared: &Shared<T>) -> &WaitList<(), Ticket> {
        &shared.changes
    }

    fn note(&self, object: u64, at: &'static Location<'static>) {
        wait::note(wait::Wait { kind: WaitKind::Changed, object, at });
    }

    fn try_now(&mut self, shared: &mut &Shared<T>) -> Option<Ticket> {
        (shared.version() != *self.seen).then_some(Ticket::Woken)
    }

    fn enter(&mut self, shared: &&Shared<T>, _: &mut Locked<'_, (), Ticket>) -> Entered<Ticket> {
        // The senders first: a sender that is gone has sent what it sent.
        let is_closed = shared.senders() == 0;
        if is_closed || shared.version() != *self.seen {
            return Entered::Granted(Ticket::Woken);
        }
        Entered::Waits(Ticket::Waits)
    }

    fn finish(&mut self, shared: &Shared<T>, _: Ticket, _: &'static Location<'static>) -> Self::Output {
        let version = shared.version();
        if version == *self.seen {
            return Err(RecvError(()));
        }
        *self.seen = version;
        Ok(())
    }

    /// Others that wait were told, too.
    fn give_back(&mut self, _: &&Shared<T>, _: Ticket) {}
}
