//! The senders' end, as far as bounded and unbounded channels agree.

use super::super::wait_list::Wait;
use super::sending::Closes;
use super::shared::Shared;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

/// A channel with so many slots.
#[derive(Clone, Copy, Debug)]
pub enum Bounded {}

/// A channel in which nobody counts.
#[derive(Clone, Copy, Debug)]
pub enum Unbounded {}

/// The two kinds of channels: [`Bounded`] and [`Unbounded`].
pub trait Kind: sealed::Sealed + 'static {
    /// Are there slots, which are given back?
    #[doc(hidden)]
    const IS_BOUNDED: bool;
}

impl Kind for Bounded {
    const IS_BOUNDED: bool = true;
}

impl Kind for Unbounded {
    const IS_BOUNDED: bool = false;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Bounded {}
    impl Sealed for super::Unbounded {}
}

/// The end that sends; it can be cloned. That of an unbounded channel is an
/// [`UnboundedSender`](super::UnboundedSender).
///
/// When the last one is dropped, the receiver gets what was sent and then `None`.
pub struct Sender<T, K: Kind = Bounded> {
    /// Among whose senders it is counted.
    shared: Arc<Shared<T>>,
    /// No more than a word to the compiler.
    kind: PhantomData<K>,
}

impl<T, K: Kind> Sender<T, K> {
    /// The first one, which is counted already.
    pub(super) fn first(shared: Arc<Shared<T>>) -> Self {
        Self { shared, kind: PhantomData }
    }

    #[inline]
    pub(super) fn shared(&self) -> &Arc<Shared<T>> {
        &self.shared
    }

    /// Waits until the receiver closes or goes: then nobody wants anything any more.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future has no effect.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, receiver) = mpsc::channel::<u8>(1);
    /// let task = mainspring::spawn(async move { sender.closed().await });
    /// drop(receiver);
    /// assert!(task.await.is_ok());
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn closed(&self) -> Closed<'_, T> {
        Wait::new(&*self.shared, Closes::new(), Location::caller())
    }

    /// Has the receiver closed, or gone?
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, mut receiver) = mpsc::channel::<u8>(1);
    /// receiver.close();
    /// assert!(sender.is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Are both of one channel?
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, _receiver) = mpsc::channel::<u8>(1);
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// A sender that does not keep the channel open.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, _receiver) = mpsc::channel::<u8>(1);
    /// let weak = sender.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(sender);
    /// assert!(weak.upgrade().is_none());
    /// ```
    #[must_use = "a weak sender that is dropped was made for nothing"]
    pub fn downgrade(&self) -> WeakSender<T, K> {
        WeakSender::of(self.shared.clone())
    }

    /// How many senders there are, owned permits included.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, _receiver) = mpsc::channel::<u8>(1);
    /// let weak = sender.downgrade();
    /// assert_eq!((sender.strong_count(), sender.weak_count()), (1, 1));
    /// drop(sender);
    /// assert_eq!(weak.strong_count(), 0);
    /// ```
    #[must_use]
    pub fn strong_count(&self) -> usize {
        self.shared.count_senders()
    }

    /// How many weak ones there are.
    #[must_use]
    pub fn weak_count(&self) -> usize {
        self.shared.count_weak()
    }
}

impl<T, K: Kind> Clone for Sender<T, K> {
    fn clone(&self) -> Self {
        // First the `Arc`, whose count aborts the process before either can overflow.
        let shared = self.shared.clone();
        shared.add_sender();
        Self { shared, kind: PhantomData }
    }
}

impl<T, K: Kind> Drop for Sender<T, K> {
    fn drop(&mut self) {
        self.shared.remove_sender();
    }
}

impl<T, K: Kind> fmt::Debug for Sender<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("channel", &*self.shared).finish()
    }
}

/// The future of [`Sender::closed`].
pub type Closed<'a, T> = Wait<&'a Shared<T>, Closes>;

/// A sender that does not keep the channel open, and that must be upgraded before it can send. That of an unbounded channel is a
/// [`WeakUnboundedSender`](super::WeakUnboundedSender).
pub struct WeakSender<T, K: Kind = Bounded> {
    /// Among whose weak senders it is counted.
    shared: Arc<Shared<T>>,
    /// As in `Sender`.
    kind: PhantomData<K>,
}

impl<T, K: Kind> WeakSender<T, K> {
    fn of(shared: Arc<Shared<T>>) -> Self {
        shared.add_weak();
        Self { shared, kind: PhantomData }
    }

    /// A sender, if there is still one.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// let weak = sender.downgrade();
    /// weak.upgrade().unwrap().send(7).await.unwrap();
    /// drop(sender);
    /// assert_eq!((receiver.recv().await, receiver.recv().await), (Some(7), None));
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use = "a sender that is dropped sends nothing"]
    pub fn upgrade(&self) -> Option<Sender<T, K>> {
        self.shared.revive_sender().then(|| Sender::first(self.shared.clone()))
    }

    /// How many senders there are, owned permits included.
    #[must_use]
    pub fn strong_count(&self) -> usize {
        self.shared.count_senders()
    }

    /// How many weak ones there are.
    #[must_use]
    pub fn weak_count(&self) -> usize {
        self.shared.count_weak()
    }
}

impl<T, K: Kind> Clone for WeakSender<T, K> {
    fn clone(&self) -> Self {
        Self::of(self.shared.clone())
    }
}

impl<T, K: Kind> Drop for WeakSender<T, K> {
    fn drop(&mut self) {
        self.shared.remove_weak();
    }
}

impl<T, K: Kind> fmt::Debug for WeakSender<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").field("strong_count", &self.strong_count()).finish_non_exhaustive()
    }
}
