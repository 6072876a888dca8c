//! Every message, to everybody.
//!
//! ```text
//!    Sender ──┐     ┌─ lock: kept   [ m7 │ m8 │ m9 ]   at most `capacity`; each with a count of who has yet to have it
//!    Sender ──┼─ Arc┤        first   7       how many receivers, how many senders
//!    Receiver ┤     ├─ line of those who have had everything and wait
//!    Receiver ┘ next├─ sent  10 (once more, for a look without the lock)
//!               8   └─ line of those who wait for the last receiver to go
//! ```
//!
//! - **B1** Messages have numbers. A receiver knows the number of the one that it will have next; a receiver whose next one is no
//!   longer kept has lagged by exactly the difference, and goes on with the oldest that is kept.
//! - **B2** A message is let go of when the last receiver for which it was meant has had it, or has gone, or when `capacity` later
//!   ones were sent. Since receivers have them in order, those which nobody needs any more are always the first.
//! - **B3** A message lies in an `Arc`: a receiver takes a count of it under the lock and clones the message after it, and the last
//!   one takes the message itself. So no lock is held while a user's `clone` or `drop` runs.
//! - **B4** Whoever waits has had everything. So whoever sends tells all who wait, and it costs one step for each of them and none
//!   for the others.
//!
//! Several clone one message at the same time, so between threads it must be `Sync`.
//!
//! One allocation a message. The room for messages grows as it is needed, up to `capacity`, and is given back when all is received.
//!
//! Cases of the catalogue: SYN-01, SYN-04, SYN-05, SYN-06, SYN-09, SYN-11, MIS-08, SND-04, TSK-16.

mod kept;
mod receiver;
mod sender;
mod shared;

pub mod error;

pub use receiver::{Receiver, Recv};
pub use sender::{Closed, Sender, WeakSender};

/// A channel in which every receiver has every message that is sent from when the receiver was made.
///
/// At most `capacity` messages are kept. Who sends never waits: a receiver that is slower than that misses the oldest, and is told
/// how many ([`Lagged`](error::RecvError::Lagged)).
///
/// # Panics
/// If the capacity is 0, or more than `usize::MAX / 2`.
///
/// # Examples
/// ```
/// use mainspring::sync::broadcast;
///
/// mainspring::runtime::Runtime::new()?.block_on(async {
///     let (sender, mut first) = broadcast::channel(16);
///     let mut second = sender.subscribe();
///     let task = mainspring::spawn(async move { (second.recv().await, second.recv().await) });
///     assert_eq!(sender.send("hello"), Ok(2));
///     drop(sender);
///     assert_eq!(first.recv().await, Ok("hello"));
///     assert_eq!(task.await.unwrap(), (Ok("hello"), Err(broadcast::error::RecvError::Closed)));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(capacity);
    let receiver = sender.subscribe();
    (sender, receiver)
}
