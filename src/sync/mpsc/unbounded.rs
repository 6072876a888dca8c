//! Channels in which nobody counts: to send is never to wait.

use super::error::SendError;
use super::receiver::Receiver;
use super::sender::{Sender, Unbounded, WeakSender};
use super::shared::Shared;
use std::panic::Location;

/// A channel that takes all it is given. A sender who is faster than the receiver fills the memory: where that can be, take a
/// bounded [`channel`](super::channel).
///
/// # Examples
/// ```
/// use mainspring::sync::mpsc;
///
/// mainspring::runtime::Runtime::new()?.block_on(async {
///     let (sender, mut receiver) = mpsc::unbounded_channel();
///     sender.send(7).unwrap();
///     drop(sender);
///     assert_eq!((receiver.recv().await, receiver.recv().await), (Some(7), None));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
#[must_use]
pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
    let shared = Shared::new(0);
    (Sender::first(shared.clone()), Receiver::new(shared, Location::caller()))
}

/// The end of an unbounded channel that sends.
pub type UnboundedSender<T> = Sender<T, Unbounded>;

/// The end of an unbounded channel that receives.
pub type UnboundedReceiver<T> = Receiver<T, Unbounded>;

/// A sender of an unbounded channel that does not keep it open.
pub type WeakUnboundedSender<T> = WeakSender<T, Unbounded>;

impl<T> UnboundedSender<T> {
    /// Sends; it never waits.
    ///
    /// # Errors
    /// The value comes back if the receiver has closed or is gone.
    ///
    /// # Examples
    /// ```
    /// # use mainspring::sync::mpsc;
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// sender.send(7).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(7));
    /// drop(receiver);
    /// assert_eq!(sender.send(8).unwrap_err().0, 8);
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.shared().send_uncounted(value).map_err(SendError)
    }
}
