//! The workers: pull an item, work on it, put the output into its slot.

use super::book::{Ask, Line, Made};
use crate::base::atomic::Mutex;
use crate::base::quiet::{bury, drop_quietly};
use crate::task::budget;
use crate::task::wait::{self, Wait, WaitKind};
use futures_core::Stream;
use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread::{self, Thread};

/// Where items come from; in its place unless a worker has it.
pub(super) type Source<S> = Mutex<Option<Pin<Box<S>>>>;

/// One worker. Its end is seen, whatever the way (O3).
pub(super) struct Worker<S, F, U> {
    pub(super) source: Arc<Source<S>>,
    pub(super) work: Arc<F>,
    pub(super) line: Member<U>,
    /// The line of the call, for reports.
    pub(super) at: &'static Location<'static>,
}

/// A place among the workers of a line.
pub(super) struct Member<U>(Arc<Line<U>>);

impl<U> Member<U> {
    pub(super) fn new(line: Arc<Line<U>>) -> Self {
        Self(line)
    }
}

impl<U> Drop for Member<U> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// The right to pull: given back on every way out.
struct Pulling<'a, U> {
    line: &'a Line<U>,
    is_over: bool,
}

impl<U> Pulling<'_, U> {
    fn end(mut self, is_item: bool) -> u64 {
        self.is_over = true;
        self.line.pulled(is_item)
    }
}

impl<U> Drop for Pulling<'_, U> {
    fn drop(&mut self) {
        if !self.is_over {
            // The source is gone with whoever had it, and nobody must take that for its end (O3).
            self.line.give_up_source();
            let number = self.line.pulled(true);
            self.line.put(number, Made::Lost);
        }
    }
}

/// A number that must be answered (O3).
struct Answer<'a, U> {
    line: &'a Line<U>,
    number: u64,
    made: Option<Made<U>>,
}

impl<U> Drop for Answer<'_, U> {
    fn drop(&mut self) {
        self.line.put(self.number, self.made.take().unwrap_or(Made::Lost));
    }
}

impl<S, F, U, G> Worker<S, F, U>
where
    S: Stream,
    F: Fn(S::Item) -> G,
    G: Future<Output = U>,
{
    /// The life of a worker.
    pub(super) async fn live(self) {
        let line = &*self.line.0;
        while poll_fn(|cx| self.poll_ask(cx)).await {
            let pulling = Pulling { line, is_over: false };
            let mut source = self.source.lock().take().expect("who may pull finds the source in its place");
            let pulled = caught(|| poll_fn(|cx| source.as_mut().poll_next(cx))).await;
            let item = match pulled {
                Ok(Some(item)) => item,
                Ok(None) => {
                    pulling.end(false);
                    return;
                }
                Err(panic) => {
                    line.give_up_source();
                    let number = pulling.end(true);
                    drop(Answer { line, number, made: Some(Made::Panicked(panic)) });
                    return;
                }
            };
            *self.source.lock() = Some(source);
            let mut answer = Answer { line, number: pulling.end(true), made: None };
            answer.made = Some(caught(|| (self.work)(item)).await.map_or_else(Made::Panicked, Made::Output));
        }
    }

    /// True if it is this one's turn to pull, false if there is nothing more to do.
    fn poll_ask(&self, cx: &mut Context<'_>) -> Poll<bool> {
        ready!(budget::poll_proceed(cx));
        match self.line.0.ask(cx.waker()) {
            Ask::Pull => Poll::Ready(true),
            Ask::End => Poll::Ready(false),
            Ask::Wait => {
                budget::refund();
                wait::note(Wait { kind: WaitKind::Window, object: 0, at: self.at });
                Poll::Pending
            }
        }
    }
}

/// Awaits what may panic: in the making, when it is polled, or when it is dropped.
async fn caught<G: Future>(make: impl FnOnce() -> G) -> Result<G::Output, Box<dyn Any + Send>> {
    let future = catch_unwind(AssertUnwindSafe(make))?;
    let mut future = pin!(Some(future));
    let ended = poll_fn(|cx| {
        let future = future.as_mut().as_pin_mut().expect("it is there until it has ended");
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await;
    match (ended, catch_unwind(AssertUnwindSafe(|| future.set(None)))) {
        (ended, Ok(())) => ended,
        (Err(panic), Err(second)) => {
            bury(second);
            Err(panic)
        }
        (Ok(output), Err(panic)) => {
            drop_quietly(output);
            Err(panic)
        }
    }
}

/// A task that does nothing but end with its runtime, and tells the workers on threads: nobody stops a job that has begun, and one that
/// waits for room would be waited for by the shutdown.
pub(super) struct Lookout<U> {
    pub(super) line: Arc<Line<U>>,
    pub(super) at: &'static Location<'static>,
}

impl<U> Future for Lookout<U> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.line.poll_left(cx.waker());
        if polled.is_pending() {
            wait::note(Wait { kind: WaitKind::Output, object: 0, at: self.at });
        }
        polled
    }
}

impl<U> Drop for Lookout<U> {
    fn drop(&mut self) {
        self.line.hang_up();
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a worker on this thread, which sleeps while it waits, until it ends or its consumer or its runtime is gone.
///
/// INSTEAD OF `block_on`: that would ask for a core of the runtime, and keep it from its tasks for as long as an item takes.
pub(super) fn live_on_thread<U>(line: &Line<U>, worker: impl Future<Output = ()>) {
    line.enter_thread(thread::current());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut worker = pin!(worker);
    while !line.is_over() && worker.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        thread::park();
    }
}
