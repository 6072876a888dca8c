//! What several peers need to fit the one trait: a promise to the compiler, a handle that lets go, a yield.

#![allow(unsafe_code, reason = "`Here` says to the compiler what only its user can know")]

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A value that never leaves the thread it was made on, although its type says it may.
///
/// Workloads are written once, for runtimes that move tasks between threads, so everything in them is `Send`. Where
/// a runtime moves nothing, its timers and sockets are not; this is how they take part. It costs nothing.
pub(crate) struct Here<T>(T);

// SAFETY: by the promise given to `new`, no thread but the first ever sees the value.
unsafe impl<T> Send for Here<T> {}

impl<T> Here<T> {
    /// # Safety
    /// The value is used and dropped on the thread that calls this: it goes into a task of a runtime that has one
    /// thread, or into one pinned to its thread.
    pub(crate) unsafe fn new(value: T) -> Self {
        Self(value)
    }

    pub(crate) fn get(&mut self) -> &mut T {
        &mut self.0
    }

    /// As `get`, on the same thread.
    pub(crate) fn see(&self) -> &T {
        &self.0
    }
}

impl<F: Future> Future for Here<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the field is pinned whenever the whole is: nobody moves it out, and there is no `Drop`.
        let future = unsafe { self.map_unchecked_mut(|here| &mut here.0) };
        future.poll(cx)
    }
}

/// A handle that cancels its task when dropped, with the question how to prevent that.
pub(crate) trait Detach {
    /// Lets the task run on.
    fn detach(self);
}

/// A handle to a task that goes on without it, made from one that would not let it.
pub(crate) struct Detached<H: Detach>(Option<H>);

impl<H: Detach> Detached<H> {
    pub(crate) fn new(handle: H) -> Self {
        Self(Some(handle))
    }
}

impl<H: Detach> Drop for Detached<H> {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.detach();
        }
    }
}

impl<H: Detach + Future + Unpin> Future for Detached<H> {
    type Output = H::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<H::Output> {
        let handle = self.0.as_mut().expect("it is not polled after its end");
        let output = Pin::new(handle).poll(cx);
        if output.is_ready() {
            // The task is over, so there is nothing to let go.
            drop(self.0.take());
        }
        output
    }
}

/// A handle whose task cannot fail, in the shape of those whose can.
pub(crate) struct Sure<H>(pub(crate) H);

impl<H: Future + Unpin> Future for Sure<H> {
    type Output = Result<H::Output, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(Ok)
    }
}

/// To the back of the queue, for crates that have no word of their own for it.
pub(crate) fn yield_now() -> impl Future<Output = ()> + Send {
    let mut woken = false;
    poll_fn(move |cx| {
        if woken {
            return Poll::Ready(());
        }
        woken = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}
