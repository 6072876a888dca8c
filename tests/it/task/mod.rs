//! Tasks, by what can be seen of them from outside: polls, drops, results, panics.
//!
//! ```text
//!   polls     how often, by whom, in what order       panics    in poll, in drop, of an output
//!   aborts    before, during and after a poll         wakers    that outlive, get lost, or panic
//!   handles   dropped early, late, and by their task  bodies    large, small, aligned, many; drops that do things
//! ```
//!
//! All of it at once, every combination, is in `task_matrix`; what depends on the order of single memory accesses is a
//! model in `src/task/model.rs`.

mod aborts;
mod bodies;
mod handles;
mod panics;
mod polls;
mod wakers;

use mainspring::task::{JoinHandle, spawn, spawn_local};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// What is counted of one or more tasks.
#[derive(Clone, Default)]
struct Counts(Arc<[AtomicUsize; 3]>);

impl Counts {
    /// A future that counts its polls and its end here.
    fn count<F: Future>(&self, future: F) -> Counted<F> {
        Counted { future: Box::pin(future), counts: self.clone() }
    }

    /// An output that counts its end here.
    fn output(&self) -> Output {
        Output(self.clone())
    }

    fn polls(&self) -> usize {
        self.0[0].load(Ordering::SeqCst)
    }

    fn futures_dropped(&self) -> usize {
        self.0[1].load(Ordering::SeqCst)
    }

    fn outputs_dropped(&self) -> usize {
        self.0[2].load(Ordering::SeqCst)
    }

    fn add(&self, which: usize) {
        self.0[which].fetch_add(1, Ordering::SeqCst);
    }
}

struct Counted<F> {
    future: Pin<Box<F>>,
    counts: Counts,
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.counts.add(0);
        self.future.as_mut().poll(cx)
    }
}

impl<F> Drop for Counted<F> {
    fn drop(&mut self) {
        self.counts.add(1);
    }
}

struct Output(Counts);

impl Drop for Output {
    fn drop(&mut self) {
        self.0.add(2);
    }
}

/// Runs something when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The two ways to spawn from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Anywhere,
    Local,
}

const WAYS: [Way; 2] = [Way::Anywhere, Way::Local];

impl Way {
    #[track_caller]
    fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        match self {
            Self::Anywhere => spawn(future),
            Self::Local => spawn_local(future),
        }
    }
}
