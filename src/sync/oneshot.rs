//! One value, once, from one end to the other.
//!
//! ```text
//!    Sender ──┐                          ┌── Receiver
//!             └─> Arc ─ lock ─ State <───┘
//!                              │ value │ sender's waker │ receiver's waker │ who has left │
//! ```
//!
//! - **O1** The value is in the sender's hands, in the state, or in the receiver's: it moves under the lock, and a sender who
//!   finds the receiver gone keeps it. So it is received, returned or dropped, once.
//! - **O2** No code of a user's runs under the lock: wakers are cloned before it, woken and dropped after it; the value is
//!   dropped after it.
//! - **O3** Whoever waits has looked under the same lock under which it left its waker, so no wake-up is lost.
//!
//! One allocation, and a lock a side that is held for a few instructions.
//!
//! Cases of the catalogue: SYN-04, SYN-05, SYN-10, SYN-11, TSK-16.

use super::blocking;
use crate::base::atomic::Mutex;
use crate::base::quiet::{drop_quietly, quietly};
use crate::task::budget;
use crate::task::wait::{self, WaitKind};
use error::{RecvError, TryRecvError};
use std::fmt;
use std::panic::{Location, RefUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// A channel for one value.
///
/// # Examples
/// ```
/// use mainspring::sync::oneshot;
///
/// mainspring::runtime::Runtime::new()?.block_on(async {
///     let (sender, receiver) = oneshot::channel();
///     mainspring::spawn(async move { sender.send(7) });
///     assert_eq!(receiver.await, Ok(7));
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state =
        State { value: None, sender: None, receiver: None, sender_is_gone: false, receiver_is_gone: false, number: 0 };
    let shared = Arc::new(Shared { state: Mutex::new(state) });
    (Sender { shared: Some(shared.clone()) }, Receiver { shared: Some(shared), at: Location::caller() })
}

/// What the two ends share.
struct Shared<T> {
    /// Held for a few instructions, and never over anything of the user's (O2).
    state: Mutex<State<T>>,
}

struct State<T> {
    /// Sent, and not yet received.
    value: Option<T>,
    /// Woken when the receiver closes or goes.
    sender: Option<Waker>,
    /// Woken when the sender has sent or goes.
    receiver: Option<Waker>,
    /// It has sent, or was dropped.
    sender_is_gone: bool,
    /// It has closed, or was dropped.
    receiver_is_gone: bool,
    /// The channel's number in wait reasons: 0 until a task has waited.
    number: u64,
}

// No code of a user's runs under the lock (O2), so no panic leaves the state half changed.
impl<T> RefUnwindSafe for Shared<T> {}

/// Which end.
#[derive(Clone, Copy)]
enum End {
    Sender,
    Receiver,
}

impl<T> State<T> {
    /// The place of an end's waker.
    fn waker(&mut self, end: End) -> &mut Option<Waker> {
        match end {
            End::Sender => &mut self.sender,
            End::Receiver => &mut self.receiver,
        }
    }

    /// The channel's number in wait reasons; it gets one if it has none.
    fn number(&mut self) -> u64 {
        if self.number == 0 {
            self.number = wait::next_object();
        }
        self.number
    }

    /// What the receiver gets: nothing yet if this is `None`.
    fn outcome(&mut self) -> Option<Result<T, RecvError>> {
        match self.value.take() {
            Some(value) => Some(Ok(value)),
            None => (self.sender_is_gone || self.receiver_is_gone).then_some(Err(RecvError(()))),
        }
    }
}

impl<T> Shared<T> {
    /// Waits at one end until `look` finds something: `look` runs under the lock.
    fn poll<R>(
        &self,
        cx: &Context<'_>,
        end: End,
        note: impl FnOnce(u64),
        look: impl Fn(&mut State<T>) -> Option<R>,
    ) -> Poll<R> {
        let mut state = self.state.lock();
        if let Some(found) = look(&mut state) {
            return Poll::Ready(found);
        }
        if !state.waker(end).as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            // O2: cloned without the lock, so what it waits for may have come meanwhile (O3).
            drop(state);
            let waker = cx.waker().clone();
            state = self.state.lock();
            if let Some(found) = look(&mut state) {
                drop(state);
                drop_quietly(waker);
                return Poll::Ready(found);
            }
            let before = state.waker(end).replace(waker);
            let number = state.number();
            drop(state);
            drop_quietly(before);
            note(number);
            return Poll::Pending;
        }
        let number = state.number();
        drop(state);
        note(number);
        Poll::Pending
    }

    /// The receiver wants no value any more; the sender hears of it.
    fn close(&self) {
        let mut state = self.state.lock();
        state.receiver_is_gone = true;
        let waker = state.sender.take();
        drop(state);
        wake(waker);
    }
}

/// A stranger's waker may panic: that costs the other end nothing.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        quietly(|| waker.wake());
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        let (has_value, is_awaited) = (state.value.is_some(), state.receiver.is_some());
        let (sender_is_gone, receiver_is_gone) = (state.sender_is_gone, state.receiver_is_gone);
        drop(state);
        f.debug_struct("Channel")
            .field("has_value", &has_value)
            .field("is_awaited", &is_awaited)
            .field("sender_is_gone", &sender_is_gone)
            .field("receiver_is_gone", &receiver_is_gone)
            .finish()
    }
}

/// The end that sends, once.
pub struct Sender<T> {
    /// `None` once it has sent.
    shared: Option<Arc<Shared<T>>>,
}

impl<T> Sender<T> {
    /// Sends the value; nobody waits for it.
    ///
    /// # Errors
    /// The value comes back if the receiver has closed or is gone.
    pub fn send(mut self, value: T) -> Result<(), T> {
        self.leave(Some(value)).map_or(Ok(()), Err)
    }

    /// Waits until the receiver closes or goes: then nobody wants the value.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future has no effect.
    ///
    /// # Examples
    /// ```
    /// # mainspring::runtime::Runtime::new()?.block_on(async {
    /// let (mut sender, receiver) = mainspring::sync::oneshot::channel::<u32>();
    /// drop(receiver);
    /// sender.closed().await;
    /// assert!(sender.is_closed());
    /// # });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn closed(&mut self) -> Closed<'_, T> {
        Closed { sender: self, at: Location::caller() }
    }

    /// Has the receiver closed, or gone?
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| shared.state.lock().receiver_is_gone)
    }

    /// As [`closed`](Self::closed), for futures written by hand. The last waker is woken.
    #[track_caller]
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_closed_at(cx, Location::caller())
    }

    fn poll_closed_at(&self, cx: &mut Context<'_>, at: &'static Location<'static>) -> Poll<()> {
        let Some(shared) = &self.shared else { return Poll::Ready(()) };
        ready!(budget::poll_proceed(cx));
        let note = |object| wait::note(wait::Wait { kind: WaitKind::Closed, object, at });
        let poll = shared.poll(cx, End::Sender, note, |state| state.receiver_is_gone.then_some(()));
        if poll.is_pending() {
            budget::refund();
        }
        poll
    }

    /// The last word of this end. A value that nobody wants comes back.
    fn leave(&mut self, mut value: Option<T>) -> Option<T> {
        let shared = self.shared.take()?;
        let mut state = shared.state.lock();
        state.sender_is_gone = true;
        if !state.receiver_is_gone {
            state.value = value.take();
        }
        let (receiver, sender) = (state.receiver.take(), state.sender.take());
        drop(state);
        wake(receiver);
        drop_quietly(sender);
        value
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.leave(None);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.shared).finish()
    }
}

/// The future of [`Sender::closed`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Closed<'a, T> {
    sender: &'a mut Sender<T>,
    /// The user's line.
    at: &'static Location<'static>,
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.sender.poll_closed_at(cx, self.at)
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").field("sender", &self.sender).field("at", &format_args!("{}", self.at)).finish()
    }
}

/// The end that waits: a future of the value. A dump shows the line where the channel was made.
///
/// # Cancellation
/// **Strict** when a `&mut` of it is dropped: no value is taken. Dropping the receiver itself drops a value that has come.
///
/// # Panics
/// If it is polled after it was ready.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Receiver<T> {
    /// `None` once it was ready.
    shared: Option<Arc<Shared<T>>>,
    /// Where the channel was made.
    at: &'static Location<'static>,
}

impl<T> Receiver<T> {
    /// Wants no value from now on; one that was sent before can still be received.
    pub fn close(&mut self) {
        if let Some(shared) = &self.shared {
            shared.close();
        }
    }

    /// The value, if it has come.
    ///
    /// # Errors
    /// `Empty` if it may still come, `Closed` if it will not.
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let shared = self.shared.as_ref().ok_or(TryRecvError::Closed)?;
        let outcome = shared.state.lock().outcome().ok_or(TryRecvError::Empty)?;
        self.leave();
        outcome.map_err(|RecvError(())| TryRecvError::Closed)
    }

    /// Parks this thread until the value comes. For threads that run no tasks, and for blocking jobs.
    ///
    /// # Errors
    /// If the sender goes without having sent.
    ///
    /// # Panics
    /// Inside an async task, and where it was ready before.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = mainspring::sync::oneshot::channel();
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// assert!(sender.send(7).is_ok());
    /// assert_eq!(thread.join().unwrap(), Ok(7));
    /// ```
    #[track_caller]
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        blocking::wait("blocking_recv", self)
    }

    /// The last word of this end: what has come and was not received is dropped, after the sender was told.
    fn leave(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        shared.close();
        let mut state = shared.state.lock();
        let (value, waker) = (state.value.take(), state.receiver.take());
        drop(state);
        drop_quietly(waker);
        drop(value);
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let at = self.at;
        let shared = self.shared.as_ref().expect("a `oneshot::Receiver` was polled after it was ready");
        ready!(budget::poll_proceed(cx));
        let note = |object| wait::note(wait::Wait { kind: WaitKind::Receive, object, at });
        let poll = shared.poll(cx, End::Receiver, note, State::outcome);
        if poll.is_pending() {
            budget::refund();
        } else {
            self.leave();
        }
        poll
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&self.shared).finish()
    }
}

/// What receiving may fail with.
pub mod error {
    use std::error::Error;
    use std::fmt;

    /// The sender is gone and has sent nothing, or the receiver had closed before it could.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RecvError(pub(super) ());

    impl fmt::Display for RecvError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the channel is closed, and nothing was sent")
        }
    }

    impl Error for RecvError {}

    /// Why [`try_recv`](super::Receiver::try_recv) has no value.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum TryRecvError {
        /// It may still come: try again, or await the receiver.
        Empty,
        /// It will never come, or was received before.
        Closed,
    }

    impl fmt::Display for TryRecvError {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(match self {
                Self::Empty => "nothing was sent yet",
                Self::Closed => "the channel is closed, and holds nothing",
            })
        }
    }

    impl Error for TryRecvError {}
}

#[cfg(test)]
mod tests {
    use super::super::kit::wait_for;
    use super::*;
    use crate::base::atomic::{model, model_thread};

    #[test]
    fn model_syn_05_a_value_is_received_or_returned_whoever_comes_first() {
        model(|| {
            let (sender, mut receiver) = channel::<Arc<()>>();
            let value = Arc::new(());
            let sent = value.clone();
            let thread = model_thread::spawn(move || sender.send(sent).is_ok());
            receiver.close();
            let is_received = wait_for(receiver).is_ok();
            assert_eq!(thread.join().expect("no panic"), is_received, "O1");
            assert_eq!(Arc::strong_count(&value), 1);
        });
    }

    #[test]
    fn model_syn_05_both_ends_go_at_once_and_the_value_goes_with_them() {
        model(|| {
            let (sender, receiver) = channel::<Arc<()>>();
            let value = Arc::new(());
            let sent = value.clone();
            let thread = model_thread::spawn(move || drop(sender.send(sent)));
            drop(receiver);
            thread.join().expect("no panic");
            assert_eq!(Arc::strong_count(&value), 1, "O1");
        });
    }

    #[test]
    fn model_a_receiver_that_waits_is_woken_by_a_value_and_by_a_sender_that_goes() {
        for sends in [true, false] {
            model(move || {
                let (sender, receiver) = channel();
                let thread = model_thread::spawn(move || if sends { sender.send(7) } else { Ok(()) });
                assert_eq!(wait_for(receiver).ok(), sends.then_some(7), "O3");
                assert_eq!(thread.join().expect("no panic"), Ok(()));
            });
        }
    }

    #[test]
    fn model_a_sender_that_waits_is_woken_by_a_receiver_that_goes() {
        model(|| {
            let (mut sender, receiver) = channel::<u32>();
            let thread = model_thread::spawn(move || drop(receiver));
            wait_for(sender.closed());
            thread.join().expect("no panic");
            assert_eq!(sender.send(1), Err(1));
        });
    }
}
