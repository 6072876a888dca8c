//! The latest value of something, for all who want to know.
//!
//! ```text
//!    Sender ──┐              ┌─ desk: value (Arc), version, who has borrowed it
//!    Sender ──┼─> Arc ───────┼─ version, once more, for a look without the lock
//!    Receiver ┤              ├─ line of those who wait for a change
//!    Receiver ┘ version seen └─ line of those who wait for the last receiver to go
//!                                  Ref ── a count of the very value that was borrowed
//! ```
//!
//! - **W1** The version changes with the value, at the desk; a receiver has seen the version that it has noted. Only the latest
//!   value is kept, so a receiver that is slow misses some, and never the last.
//! - **W2** A [`Ref`] holds no lock. It keeps the value that it has borrowed, though another may have been sent meanwhile.
//! - **W3** So who waits for whom, on his thread, is this: [`send`](Sender::send), [`borrow`](Sender::borrow) and what receivers
//!   do wait for a closure of [`send_modify`](Sender::send_modify) that is running on another thread. `send_modify`,
//!   `send_if_modified` and `send_replace` need the value for themselves and wait for the `Ref`s of the present value as well;
//!   while one of them waits, only threads that have such a `Ref` may borrow once more. `send` waits for no `Ref`.
//! - **W4** Nobody waits for himself: whoever calls one of those three while this thread has a `Ref` of the present value gets a
//!   panic that says so, and so does whoever uses the channel in the closure.
//! - **W5** Whoever waits for a change compares the versions under the list's lock, and under it the version is changed and all who
//!   wait are told: no change is slept through, and nobody is told of one that he has seen. (With the version changed before the
//!   lock was taken a receiver could see it, come back, stand in line, and be told of it once more.)
//! - **W6** Old values are dropped with no lock held, after everybody was woken.
//!
//! INSTEAD OF a lock for readers and a writer around the value, which a `Ref` holds: with it a reader who thinks long stops the
//! sender's worker, and `if *receiver.borrow() == 0 { sender.send(1) }` waits for itself.
//!
//! Cases of the catalogue: SYN-01, SYN-04, SYN-05, SYN-11, SND-04, TSK-16.

mod receiver;
mod sender;
mod shared;

pub mod error;

pub use receiver::{Changed, Receiver};
pub use sender::{Closed, Sender};
pub use shared::Ref;

/// A channel that keeps the latest value. The receiver has seen the first one.
///
/// For settings that may change, for progress, for the wish to stop. Receivers may skip values; who must have all of them uses
/// [`broadcast`](super::broadcast).
///
/// # Examples
/// ```
/// use mainspring::sync::watch;
///
/// mainspring::runtime::Runtime::new()?.block_on(async {
///     let (sender, mut receiver) = watch::channel("starting");
///     let task = mainspring::spawn(async move {
///         while *receiver.borrow_and_update() != "ready" {
///             receiver.changed().await.unwrap();
///         }
///     });
///     sender.send("almost").unwrap();
///     sender.send("ready").unwrap();
///     task.await.unwrap();
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}
