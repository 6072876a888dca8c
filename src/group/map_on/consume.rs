//! The consumer's end.

use super::book::{Line, Made};
use crate::task::wait::{self, Wait, WaitKind};
use crate::task::{AbortHandle, JoinHandle, budget};
use futures_core::Stream;
use std::fmt;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// The outputs of a [`map_on`](super::map_on), in order. It is a stream, too.
#[must_use = "dropping it stops the work"]
pub struct MapOn<U> {
    line: Arc<Line<U>>,
    /// The workers that are tasks or threads.
    workers: Vec<JoinHandle<()>>,
    /// Of the lookout, if the workers are threads. Nobody waits for it: that would take a turn of its runtime.
    lookout: Option<AbortHandle>,
    /// The worker that is polled here, if it is inline.
    inline: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<U> MapOn<U> {
    pub(super) fn new(line: Arc<Line<U>>) -> Self {
        Self { line, workers: Vec::new(), lookout: None, inline: None }
    }

    pub(super) fn drive(&mut self, worker: Pin<Box<dyn Future<Output = ()> + Send>>) {
        self.inline = Some(worker);
    }

    pub(super) fn keep(&mut self, worker: JoinHandle<()>) {
        self.workers.push(worker);
    }

    pub(super) fn watch(&mut self, lookout: AbortHandle) {
        self.lookout = Some(lookout);
    }

    /// The next output; `None` after the last.
    ///
    /// # Cancellation
    /// **Strict.** Dropping this future before it resolves takes nothing.
    ///
    /// # Panics
    /// If the closure panicked over this item, or the iterator did: with the same payload, in its place. What follows can be taken
    /// after that. And if the workers were dropped, as they are when their runtime shuts down.
    ///
    /// # Examples
    /// ```
    /// use mainspring::group::{On, map_on};
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// runtime.block_on(async {
    ///     let mut doubled = map_on(On::threads(2), [1, 2], async |n| 2 * n);
    ///     assert_eq!(doubled.next().await, Some(2));
    ///     assert_eq!(doubled.next().await, Some(4));
    ///     assert_eq!(doubled.next().await, None);
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    #[allow(clippy::should_implement_trait, reason = "the name that streams and channels have for it, and it awaits")]
    pub fn next(&mut self) -> Next<'_, U> {
        Next { of: self, at: Location::caller() }
    }

    /// Stops the work, and waits until every worker has ended: then closure and iterator are gone, too.
    ///
    /// # Cancellation
    /// **Detached.** The workers are stopped by the call; dropping this future only ends the wait.
    ///
    /// # Examples
    /// ```
    /// use mainspring::group::{On, map_on};
    /// use std::sync::Arc;
    /// let runtime = mainspring::runtime::Runtime::new()?;
    /// let shared = Arc::new(());
    /// let held = shared.clone();
    /// runtime.block_on(async {
    ///     let mut endless = map_on(On::threads(2), 0.., move |n| { let held = held.clone(); async move { drop(held); n } });
    ///     assert_eq!(endless.next().await, Some(0));
    ///     endless.close().await;
    /// });
    /// assert_eq!(Arc::strong_count(&shared), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close(mut self) -> impl Future<Output = ()> {
        self.stop();
        let workers = std::mem::take(&mut self.workers);
        drop(self);
        async move {
            for worker in workers {
                let _ = worker.await; // a cancelled one has ended, too
            }
        }
    }

    fn stop(&mut self) {
        let left = self.line.close();
        self.workers.iter().for_each(JoinHandle::abort);
        self.lookout.iter().for_each(AbortHandle::abort);
        self.inline = None;
        drop(left);
    }

    fn poll_at(&mut self, at: &'static Location<'static>, cx: &mut Context<'_>) -> Poll<Option<U>> {
        ready!(budget::poll_proceed(cx));
        let mut made = self.line.take(cx.waker());
        if made.is_pending()
            && let Some(worker) = &mut self.inline
        {
            if worker.as_mut().poll(cx).is_ready() {
                self.inline = None;
            }
            made = self.line.take(cx.waker());
        }
        match made {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Made::Output(output))) => Poll::Ready(Some(output)),
            Poll::Ready(Some(Made::Panicked(payload))) => resume_unwind(payload),
            Poll::Ready(Some(Made::Lost)) => {
                panic!("a worker of this `map_on` was dropped: its runtime has shut down, or the system gives no threads")
            }
            Poll::Pending => {
                budget::refund();
                wait::note(Wait { kind: WaitKind::Output, object: 0, at });
                Poll::Pending
            }
        }
    }
}

impl<U> Stream for MapOn<U> {
    type Item = U;

    #[track_caller]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<U>> {
        self.poll_at(Location::caller(), cx)
    }
}

impl<U> Drop for MapOn<U> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<U> fmt::Debug for MapOn<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (done, begun) = self.line.counts();
        f.debug_struct("MapOn").field("workers", &self.workers.len()).field("begun", &begun).field("done", &done).finish()
    }
}

/// The future of [`MapOn::next`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Next<'a, U> {
    of: &'a mut MapOn<U>,
    /// The user's line, for reports.
    at: &'static Location<'static>,
}

impl<U> Future for Next<'_, U> {
    type Output = Option<U>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<U>> {
        let at = self.at;
        self.of.poll_at(at, cx)
    }
}
