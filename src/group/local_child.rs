//! A child that is stored in its scope, as its spawner holds it.

use super::error::ChildError;
use crate::base::atomic::Mutex;
use crate::base::quiet::{drop_quietly, quietly};
use crate::task::{CancelCause, budget};
use crate::task::wait::{self, Wait, WaitKind};
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

/// How a child ended, on its way to its handle.
struct Packet<T>(Mutex<Letter<T>>);

struct Letter<T> {
    /// Set when it ends, and taken by the handle.
    ended: Option<Result<T, ChildError>>,
    /// Who awaits the handle.
    joiner: Option<Waker>,
}

impl<T> Packet<T> {
    fn end(&self, result: Result<T, ChildError>) {
        let mut letter = self.0.lock();
        letter.ended = Some(result);
        let joiner = letter.joiner.take();
        drop(letter);
        joiner.into_iter().for_each(|waker| quietly(|| waker.wake()));
    }
}

/// The child's end of the packet: says how it ended, or else that it was dropped with its scope (L4).
pub(super) struct Told<T> {
    /// `None` once it has said so.
    packet: Option<Arc<Packet<T>>>,
}

/// Both ends of a packet.
pub(super) fn told<T>() -> (Told<T>, LocalChild<T>) {
    let packet = Arc::new(Packet(Mutex::new(Letter { ended: None, joiner: None })));
    (Told { packet: Some(packet.clone()) }, LocalChild { packet })
}

impl<T> Told<T> {
    pub(super) fn end(mut self, result: Result<T, ChildError>) {
        if let Some(packet) = self.packet.take() {
            packet.end(result);
        }
    }

    pub(super) fn refuse(self, cause: CancelCause) {
        self.end(Err(ChildError::Cancelled(cause)));
    }
}

impl<T> Drop for Told<T> {
    fn drop(&mut self) {
        if let Some(packet) = self.packet.take() {
            packet.end(Err(ChildError::Cancelled(CancelCause::ScopeEnded)));
        }
    }
}

/// A child of a [`scope_local`](super::scope_local()) or [`scope_send`](super::scope_send()): awaited, it gives the child's value. Dropping it
/// changes nothing for the child.
///
/// # Cancellation
/// **Strict.** Awaiting it by reference (`(&mut child).await`) and giving up loses nothing.
///
/// # Errors
/// [`ChildError`], if the child has no value.
///
/// # Panics
/// Polling it again after it was ready does not panic: it waits for ever.
#[must_use = "say with `drop` or `let _ =` that the child's value is not wanted"]
pub struct LocalChild<T> {
    packet: Arc<Packet<T>>,
}

impl<T> LocalChild<T> {
    /// Has it ended, with its value not taken yet?
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.packet.0.lock().ended.is_some()
    }
}

impl<T> Future for LocalChild<T> {
    type Output = Result<T, ChildError>;

    /// `#[track_caller]` as for [`JoinHandle`](crate::task::JoinHandle).
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Or a loop over spawns that are refused would never let go of its worker (SCH-02).
        ready!(budget::poll_proceed(cx));
        let mut waker = Some(cx.waker().clone());
        let mut letter = self.packet.0.lock();
        let ended = letter.ended.take();
        let old = if ended.is_none() { std::mem::replace(&mut letter.joiner, waker.take()) } else { letter.joiner.take() };
        drop(letter);
        drop_quietly((old, waker));
        match ended {
            Some(ended) => Poll::Ready(ended),
            None => {
                budget::refund();
                wait::note(Wait { kind: WaitKind::Children, object: 1, at: Location::caller() });
                Poll::Pending
            }
        }
    }
}

impl<T> fmt::Debug for LocalChild<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalChild").field("is_finished", &self.is_finished()).finish()
    }
}
