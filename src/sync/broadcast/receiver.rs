//! The end that has every message.

use super::super::blocking;
use super::super::wait_list::{Entered, Locked, Operation, Wait, WaitList};
use super::error::{RecvError, TryRecvError};
use super::shared::{End, Shared, State};
use crate::task::wait::{self, WaitKind};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// Has every message that was sent since it was made, unless it is too slow.
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The number of the message that it will have next (B1).
    next: u64,
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: Arc<Shared<T>>) -> Self {
        let next = shared.receiver_comes();
        Self { shared, next }
    }

    /// How many messages were sent that this receiver has not had. If they are more than the capacity, the next call tells how many
    /// of them are lost.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = mainspring::sync::broadcast::channel(2);
    /// (0..3).for_each(|n| assert!(sender.send(n).is_ok()));
    /// assert_eq!(receiver.len(), 3);
    /// assert!(receiver.try_recv().is_err()); // one was lost
    /// assert_eq!((receiver.len(), receiver.try_recv()), (2, Ok(1)));
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        (self.shared.sent() - self.next) as usize
    }

    /// Has it had all messages so far?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Is every sender gone? There may be messages left.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.sender_strong_count() == 0
    }

    /// How many senders there are.
    #[must_use]
    pub fn sender_strong_count(&self) -> usize {
        self.shared.counted(End::Sender)
    }

    /// How many weak senders there are.
    #[must_use]
    pub fn sender_weak_count(&self) -> usize {
        self.shared.counted(End::WeakSender)
    }

    /// Do the two belong to one channel?
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Another receiver, which will have what is sent from now on. What this one has not had yet is not for it.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut first) = mainspring::sync::broadcast::channel(8);
    /// assert_eq!(sender.send(1), Ok(1));
    /// let mut second = first.resubscribe();
    /// assert_eq!(sender.send(2), Ok(2));
    /// assert_eq!((first.try_recv(), second.try_recv()), (Ok(1), Ok(2)));
    /// ```
    #[must_use]
    pub fn resubscribe(&self) -> Self {
        Self::new(self.shared.clone())
    }
}

impl<T: Clone> Receiver<T> {
    /// The next message; waits until there is one.
    ///
    /// The message is cloned, with no lock held, save for the last receiver to have it.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future before it is ready has no effect: no message is taken.
    ///
    /// # Errors
    /// `Lagged` if it came too late for some messages; it may go on, with the oldest that is kept. `Closed` if every sender is gone
    /// and all messages were had.
    ///
    /// # Panics
    /// If cloning the message does; then this receiver has missed it.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::broadcast::{self, error::RecvError};
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = broadcast::channel(2);
    /// (0..5).for_each(|n| assert!(sender.send(n).is_ok()));
    /// drop(sender);
    /// assert_eq!(receiver.recv().await, Err(RecvError::Lagged(3)));
    /// assert_eq!((receiver.recv().await, receiver.recv().await), (Ok(3), Ok(4)));
    /// assert_eq!(receiver.recv().await, Err(RecvError::Closed));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn recv(&mut self) -> Recv<'_, T> {
        let Self { shared, next } = self;
        Wait::new(shared, Receiving { next }, Location::caller())
    }

    /// The next message, if there is one.
    ///
    /// # Errors
    /// `Empty` if there may still come one; `Lagged` and `Closed` as for [`recv`](Self::recv).
    ///
    /// # Panics
    /// If cloning the message does; then this receiver has missed it.
    ///
    /// # Examples
    /// ```
    /// use mainspring::sync::broadcast::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = broadcast::channel(8);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// assert_eq!(sender.send(1), Ok(1));
    /// drop(sender);
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.shared.next(&mut self.next).map(Arc::unwrap_or_clone)
    }

    /// As [`recv`](Self::recv), for a thread that is no task.
    ///
    /// # Errors
    /// As for [`recv`](Self::recv).
    ///
    /// # Panics
    /// Inside an async task; await `recv` there.
    ///
    /// # Examples
    /// ```
    /// let (sender, mut receiver) = mainspring::sync::broadcast::channel(8);
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// assert_eq!(sender.send(7), Ok(1));
    /// assert_eq!(thread.join().unwrap(), Ok(7));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        blocking::wait("blocking_recv", self.recv())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receiver_goes(self.next);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("next", &self.next).field("channel", &self.shared).finish()
    }
}

/// The future of [`Receiver::recv`].
pub type Recv<'a, T> = Wait<&'a Shared<T>, Receiving<'a>>;

/// Waiting for a message.
pub struct Receiving<'a> {
    /// The receiver's; moved on when it is ready.
    next: &'a mut u64,
}

/// What a waiter has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    Waits,
    /// There is a message, or there will be none.
    Woken,
}

impl<T: Clone> Operation<&Shared<T>> for Receiving<'_> {
    type State = State<T>;
    type Ticket = Ticket;
    type Output = Result<T, RecvError>;

    const NAME: &'static str = "Recv";

    fn list(shared: &Shared<T>) -> &WaitList<State<T>, Ticket> {
        &shared.list
    }

    fn note(&self, object: u64, at: &'static Location<'static>) {
        wait::note(wait::Wait { kind: WaitKind::Receive, object, at });
    }

    fn try_now(&mut self, shared: &mut &Shared<T>) -> Option<Ticket> {
        (shared.sent() != *self.next).then_some(Ticket::Woken)
    }

    fn enter(&mut self, _: &&Shared<T>, locked: &mut Locked<'_, State<T>, Ticket>) -> Entered<Ticket> {
        if locked.has_news(*self.next) { Entered::Granted(Ticket::Woken) } else { Entered::Waits(Ticket::Waits) }
    }

    fn finish(&mut self, shared: &Shared<T>, _: Ticket, _: &'static Location<'static>) -> Self::Output {
        shared.next(self.next).map(Arc::unwrap_or_clone).map_err(|error| match error {
            TryRecvError::Lagged(missed) => RecvError::Lagged(missed),
            TryRecvError::Closed => RecvError::Closed,
            TryRecvError::Empty => unreachable!("B4: told under the lock that there is something"),
        })
    }

    /// Others that wait were told, too, and nothing was taken.
    fn give_back(&mut self, _: &&Shared<T>, _: Ticket) {}
}
